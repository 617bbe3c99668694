// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: the layout of a region, its superblock, and mkfs.
 *
 * The kernel writes the format, so that no tool needs access to the memory, and
 * only when it is asked to by PKERNFS_FORMAT. Nothing here trusts a superblock:
 * a copy has to prove that it is whole, that it belongs to this very memory, and
 * that its areas lie inside and apart.
 */

#define pr_fmt(fmt) "pkernfs: " fmt

#include <linux/crc32.h>
#include <linux/printk.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/uuid.h>

#include "nospec.h"
#include "pkernfs.h"

/* r->core and core->sb come and go under it: load, mount, umount, mkfs. */
DEFINE_MUTEX(pkernfs_format_lock);

#define PKERNFS_AREAS		8	/* of a superblock, in a row: journal to huge */
#define PKERNFS_RECORD_BLOCKS	64
#define PKERNFS_HANDOVER_BLOCKS	256
#define PKERNFS_POOL_MIN	64
#define PKERNFS_INODES_MAX	BIT(20)
#define PKERNFS_SMALL_MAX	(SZ_1G >> PKERNFS_BLOCK_SHIFT)	/* by default: has struct pages */
#define PKERNFS_INODES_PER_BLOCK	(PKERNFS_BLOCK_SIZE / PKERNFS_INODE_SIZE)
#define PKERNFS_BLOCKS_PER_HUGE	(PKERNFS_HUGE_SIZE / PKERNFS_BLOCK_SIZE)

static void pkernfs_area_set(struct pkernfs_area *a, u64 start, u64 count)
{
	a->start = cpu_to_le64(start);
	a->count = cpu_to_le64(count);
}

static void pkernfs_sb_seal(struct pkernfs_sb *sb, u32 copy)
{
	sb->copy = cpu_to_le32(copy);
	sb->crc = cpu_to_le32(crc32c(~0, sb, offsetof(struct pkernfs_sb, crc)));
}

/*
 * Divide the blocks from @at up to @tail, if need be between 2 MiB and 1 GiB granules. The
 * latter have to be aligned in physical memory, so there is something left before and behind
 * them. Data is one area: it gets the larger of both, and the other one is lost.
 */
static int pkernfs_layout_data(u64 base, u64 at, u64 tail, u64 huge, struct pkernfs_sb *sb)
{
	u64 base_block = base >> PKERNFS_BLOCK_SHIFT;
	u64 first, last, front, back;

	if (at >= tail)
		return -ENOSPC;
	if (!huge) {
		pkernfs_area_set(&sb->data, at, tail - at);
		return 0;
	}
	first = round_up(base_block + at, PKERNFS_BLOCKS_PER_HUGE);
	last = round_down(base_block + tail, PKERNFS_BLOCKS_PER_HUGE);
	if (first >= last || huge > (last - first) / PKERNFS_BLOCKS_PER_HUGE)
		return -ENOSPC;
	huge *= PKERNFS_BLOCKS_PER_HUGE;
	front = last - huge - base_block - at;
	back = tail - (first + huge - base_block);
	if (!front && !back)
		return -ENOSPC;
	if (front >= back) {
		pkernfs_area_set(&sb->data, at, front);
		pkernfs_area_set(&sb->huge, last - huge - base_block, huge);
	} else {
		pkernfs_area_set(&sb->huge, first - base_block, huge);
		pkernfs_area_set(&sb->data, tail - back, back);
	}
	return 0;
}

/*
 * By default one for each 64 KiB of the first GiB, 512 bytes of these; and one for each
 * granule behind it, as what is there is for large files.
 */
static u64 pkernfs_layout_inodes(u64 bytes)
{
	u64 first = min_t(u64, bytes, SZ_1G);

	return clamp_t(u64, (first >> 16) + ((bytes - first) >> PKERNFS_GRANULE_SHIFT), 512,
		       PKERNFS_INODES_MAX);
}

/**
 * pkernfs_layout - divide a region
 * @base: physical address
 * @bytes: size
 * @index: place in pkernfs=
 * @opt: wishes of mkfs
 * @sb: filled in, but for copy and checksum
 *
 * From the front: superblock, journal, inodes, pool up to a granule; small granules;
 * large and huge ones; in the last large one records and handover blocks, and at its end
 * the other superblock.
 *
 * Return: 0, -EINVAL: impossible wishes, -ENOSPC: no room for any data.
 */
int pkernfs_layout(u64 base, u64 bytes, unsigned int index,
		   const struct pkernfs_format *opt, struct pkernfs_sb *sb)
{
	u64 blocks = bytes >> PKERNFS_BLOCK_SHIFT;
	u64 inodes = opt->inodes, pool = opt->pool_blocks, small = opt->small_blocks;
	u64 features = PKERNFS_INCOMPAT_KNOWN & ~PKERNFS_INCOMPAT_DIRTY, at, tail;
	int err;

	if (opt->huge_granules > blocks / PKERNFS_BLOCKS_PER_HUGE)
		return -EINVAL;
	if (!opt->huge_granules)
		features &= ~PKERNFS_INCOMPAT_HUGE;
	if (small == PKERNFS_FORMAT_NO_SMALL) {
		features &= ~PKERNFS_INCOMPAT_POOLS;
		small = 0;
	} else if (!small) {
		small = (blocks - opt->huge_granules * PKERNFS_BLOCKS_PER_HUGE) / 64;
		small = clamp_t(u64, small, 1, PKERNFS_SMALL_MAX);
	} else if (small > blocks) {
		return -EINVAL;
	}
	if ((base | bytes) % PKERNFS_GRANULE_SIZE || inodes > PKERNFS_INODES_MAX ||
	    pool > blocks)
		return -EINVAL;
	if (!inodes)
		inodes = pkernfs_layout_inodes(bytes);
	if (!pool)
		pool = 512 + blocks / 512;
	inodes = round_up(max(inodes, 16ULL), PKERNFS_INODES_PER_BLOCK);
	pool = max_t(u64, pool, PKERNFS_POOL_MIN);

	memset(sb, 0, sizeof(*sb));
	at = 1;
	pkernfs_area_set(&sb->journal, at, PKERNFS_JOURNAL_BLOCKS);
	at += PKERNFS_JOURNAL_BLOCKS;
	pkernfs_area_set(&sb->inodes, at, inodes / PKERNFS_INODES_PER_BLOCK);
	at += inodes / PKERNFS_INODES_PER_BLOCK;
	pool = round_up(at + pool, PKERNFS_BLOCKS_PER_GRANULE) - at;
	pkernfs_area_set(&sb->pool, at, pool);
	at += pool;
	small = round_up(small, PKERNFS_BLOCKS_PER_GRANULE);
	if (small)
		pkernfs_area_set(&sb->small, at, small);
	at += small;
	tail = blocks - PKERNFS_BLOCKS_PER_GRANULE;
	if (tail > blocks)
		return -ENOSPC;
	err = pkernfs_layout_data(base, at, tail, opt->huge_granules, sb);
	if (err)
		return err;
	pkernfs_area_set(&sb->records, tail, PKERNFS_RECORD_BLOCKS);
	pkernfs_area_set(&sb->handover, tail + PKERNFS_RECORD_BLOCKS,
			 PKERNFS_HANDOVER_BLOCKS);

	sb->magic = cpu_to_le64(PKERNFS_SB_MAGIC);
	sb->version = cpu_to_le32(PKERNFS_FORMAT_VERSION);
	sb->size = cpu_to_le32(sizeof(*sb));
	sb->feature_incompat = cpu_to_le64(features);
	sb->base = cpu_to_le64(base);
	sb->bytes = cpu_to_le64(bytes);
	sb->index = cpu_to_le32(index);
	sb->granule_shift = cpu_to_le32(PKERNFS_GRANULE_SHIFT);
	memcpy(sb->uuid, opt->uuid, sizeof(sb->uuid));
	if (!memchr_inv(sb->uuid, 0, sizeof(sb->uuid)))
		generate_random_uuid(sb->uuid);
	strscpy_pad(sb->label, opt->label, sizeof(sb->label));
	return 0;
}

static const char *pkernfs_areas_damage(const struct pkernfs_sb *sb, u64 blocks)
{
	const struct pkernfs_area *a = &sb->journal;
	bool pools = le64_to_cpu(sb->feature_incompat) & PKERNFS_INCOMPAT_POOLS;
	bool huge = le64_to_cpu(sb->feature_incompat) & PKERNFS_INCOMPAT_HUGE;
	unsigned int i, j;

	static_assert(offsetof(struct pkernfs_sb, huge) == offsetof(struct pkernfs_sb, journal) +
		      (PKERNFS_AREAS - 1) * sizeof(*a));
	if (!pools && (sb->small.start || sb->small.count))
		return "superblock: small granules in a region without such";
	if (!huge && (sb->huge.start || sb->huge.count))
		return "superblock: huge granules in a region without such";
	for (i = 0; i < PKERNFS_AREAS; i++) {
		u64 start = pkernfs_area_start(&a[i]), count = pkernfs_area_count(&a[i]);

		if ((&a[i] == &sb->small && !pools) || (&a[i] == &sb->huge && !huge))
			continue;
		if (!start || !count || start >= blocks - 1 ||
		    count > blocks - 1 - start)
			return "superblock: an area lies outside of the region";
		for (j = 0; j < i; j++)
			if (start < pkernfs_area_start(&a[j]) + pkernfs_area_count(&a[j]) &&
			    pkernfs_area_start(&a[j]) < start + count)
				return "superblock: areas overlap";
	}
	if ((pkernfs_area_start(&sb->data) | pkernfs_area_count(&sb->data) |
	     pkernfs_area_start(&sb->small) | pkernfs_area_count(&sb->small)) %
	    PKERNFS_BLOCKS_PER_GRANULE)
		return "superblock: data area not aligned to granules";
	if (huge && (((le64_to_cpu(sb->base) >> PKERNFS_BLOCK_SHIFT) +
		      pkernfs_area_start(&sb->huge)) | pkernfs_area_count(&sb->huge)) %
		    PKERNFS_BLOCKS_PER_HUGE)
		return "superblock: huge granules not aligned to 1 GiB";
	if (pkernfs_area_count(&sb->data) / PKERNFS_BLOCKS_PER_GRANULE >= U32_MAX ||
	    pkernfs_area_count(&sb->small) >= U32_MAX ||
	    pkernfs_area_count(&sb->inodes) > PKERNFS_INODES_MAX / PKERNFS_INODES_PER_BLOCK ||
	    pkernfs_area_count(&sb->journal) < PKERNFS_JOURNAL_BLOCKS)
		return "superblock: impossible size of an area";
	return NULL;
}

/**
 * pkernfs_version_unknown - is something of another format version?
 * @part: what it is
 * @version: its version
 * @why: room for the answer
 *
 * To be asked before its checksum is looked at: another version may have that in
 * another place.
 *
 * Return: NULL: no, or the reason to refuse it, in @why.
 */
const char *pkernfs_version_unknown(const char *part, __le32 version, struct pkernfs_why *why)
{
	if (le32_to_cpu(version) == PKERNFS_FORMAT_VERSION)
		return NULL;
	snprintf(why->text, sizeof(why->text), "%s: unknown format version %u, not %u", part,
		 le32_to_cpu(version), PKERNFS_FORMAT_VERSION);
	return why->text;
}

/**
 * pkernfs_features_unknown - does something use features that we do not know?
 * @part: what it is; its checksum is right
 * @incompat: the incompatible features that it uses
 * @why: room for the answer
 *
 * Return: NULL: no, or the reason to refuse it, in @why.
 */
const char *pkernfs_features_unknown(const char *part, __le64 incompat, struct pkernfs_why *why)
{
	u64 unknown = le64_to_cpu(incompat) & ~PKERNFS_INCOMPAT_KNOWN;

	if (!unknown)
		return NULL;
	snprintf(why->text, sizeof(why->text), "%s: unknown incompatible feature bits %#llx",
		 part, unknown);
	return why->text;
}

static const struct pkernfs_sb *pkernfs_sb_copy(struct pkernfs_region *r, unsigned int copy)
{
	return pkernfs_block(r, copy ? (r->bytes >> PKERNFS_BLOCK_SHIFT) - 1 : 0);
}

/* Says it is one, whoever can read it: somebody's data may be behind it. */
static bool pkernfs_sb_claims(struct pkernfs_region *r, unsigned int copy)
{
	return le64_to_cpu(pkernfs_sb_copy(r, copy)->magic) == PKERNFS_SB_MAGIC;
}

/**
 * pkernfs_sb_prove - does a superblock copy prove itself?
 * @r: the region that it should be of
 * @copy: 0 or 1
 * @sb: that copy
 *
 * Return: NULL: it does, or the reason why not.
 */
const char *pkernfs_sb_prove(struct pkernfs_region *r, unsigned int copy,
			     const struct pkernfs_sb *sb)
{
	const char *why;

	if (le64_to_cpu(sb->magic) != PKERNFS_SB_MAGIC)
		return "not formatted";
	why = pkernfs_version_unknown("superblock", sb->version, &r->sb_why[copy]);
	if (why)
		return why;
	if (le32_to_cpu(sb->crc) != crc32c(~0, sb, offsetof(struct pkernfs_sb, crc)))
		return "superblock: wrong checksum";
	why = pkernfs_features_unknown("superblock", sb->feature_incompat, &r->sb_why[copy]);
	if (why)
		return why;
	if (le32_to_cpu(sb->size) != sizeof(*sb))
		return "superblock: unknown size";
	if (le64_to_cpu(sb->base) != r->base || le64_to_cpu(sb->bytes) != r->bytes)
		return "superblock: belongs to another region (is pkernfs= right?)";
	if (le32_to_cpu(sb->copy) != copy)
		return "superblock: this copy belongs elsewhere";
	if (le32_to_cpu(sb->granule_shift) != PKERNFS_GRANULE_SHIFT)
		return "superblock: unknown granule";
	if (strnlen(sb->label, sizeof(sb->label)) == sizeof(sb->label))
		return "superblock: label without an end";
	return pkernfs_areas_damage(sb, r->bytes >> PKERNFS_BLOCK_SHIFT);
}

/* pkernfs_sb_prove() of a mapped region, whose pages it must fit too. */
const char *pkernfs_sb_check(struct pkernfs_region *r, unsigned int copy)
{
	const struct pkernfs_sb *sb = pkernfs_sb_copy(r, copy);
	const char *why = pkernfs_sb_prove(r, copy, sb);

	if (!why && !pkernfs_region_fits(r, sb))
		why = "superblock: has small or huge granules elsewhere than at boot";
	return why;
}

/**
 * pkernfs_sb_find - the first superblock copy that proves itself
 * @r: the region, mapped
 * @why: set if there is none; NULL: blank, neither copy even has a magic
 *
 * Return: the copy, or NULL.
 */
const struct pkernfs_sb *pkernfs_sb_find(struct pkernfs_region *r,
					 const char **why)
{
	const char *why0 = pkernfs_sb_check(r, 0), *why1;

	if (!why0)
		return pkernfs_sb_copy(r, 0);
	why1 = pkernfs_sb_check(r, 1);
	if (!why1) {
		pkernfs_load_say(pr_warn, "region %u: %s; taking the copy at the end\n",
				 r->index, why0);
		return pkernfs_sb_copy(r, 1);
	}
	*why = NULL;
	if (pkernfs_sb_claims(r, 1))
		*why = why1;
	if (pkernfs_sb_claims(r, 0))
		*why = why0;
	return NULL;
}

/**
 * pkernfs_sb_refit - map a region as its superblock wants it
 * @r: the region; nobody uses its memory, and nobody can begin to
 *
 * After its superblock was written byte by byte; mkfs does it for its own. A failure is
 * in the log; the region may not be mapped then.
 */
void pkernfs_sb_refit(struct pkernfs_region *r)
{
	struct pkernfs_sb sb;
	unsigned int copy;

	for (copy = 0; copy < 2; copy++) {
		sb = *pkernfs_sb_copy(r, copy);
		if (pkernfs_sb_prove(r, copy, &sb))
			continue;
		if (!pkernfs_region_fits(r, &sb))
			pkernfs_region_remap(r, &sb);
		return;
	}
}

static void pkernfs_format_table(struct pkernfs_region *r, const struct pkernfs_sb *sb)
{
	struct pkernfs_table_ser *t = pkernfs_block(r, pkernfs_area_start(&sb->inodes));

	if (!(le64_to_cpu(sb->feature_incompat) & PKERNFS_INCOMPAT_MARK))
		return;
	t->mark = cpu_to_le64(PKERNFS_ROOT_INO + 1);
	pkernfs_table_seal(t);
}

static void pkernfs_format_root(struct pkernfs_region *r, const struct pkernfs_sb *sb)
{
	struct pkernfs_inode_ser *ser =
		pkernfs_block(r, pkernfs_area_start(&sb->inodes)) +
		PKERNFS_ROOT_INO * PKERNFS_INODE_SIZE;
	__le64 now = cpu_to_le64(ktime_get_coarse_real_ns());

	ser->magic = cpu_to_le32(PKERNFS_INODE_MAGIC);
	ser->generation = cpu_to_le32(1);
	ser->ino = cpu_to_le64(PKERNFS_ROOT_INO);
	ser->mode = cpu_to_le16(S_IFDIR | 0755);
	ser->nlink = cpu_to_le32(2);
	ser->parent = cpu_to_le64(PKERNFS_ROOT_INO);
	ser->btime = now;
	ser->atime = now;
	ser->mtime = now;
	ser->ctime = now;
	ser->crc = cpu_to_le32(pkernfs_inode_crc(ser));
}

void pkernfs_area_zero(struct pkernfs_region *r, const struct pkernfs_area *a)
{
	u64 block = pkernfs_area_start(a), left = pkernfs_area_count(a), count;

	/* An inode table can have half a GiB. */
	for (; left; left -= count, block += count) {
		count = min_t(u64, left, PKERNFS_BLOCKS_PER_GRANULE);
		memset(pkernfs_block(r, block), 0, count << PKERNFS_BLOCK_SHIFT);
		cond_resched();
	}
}

/**
 * pkernfs_format_write - write an empty filesystem
 * @r: the region; the caller has made sure that nobody uses it
 * @layout: from pkernfs_layout()
 * @bad: bad pages that are known, NULL: none
 *
 * Both old superblocks go first and the new copy 0 comes last, so that a kernel
 * that finds this half done finds an unformatted region. Data granules are left
 * as they are: a granule is zeroed when a file gets it.
 */
void pkernfs_format_write(struct pkernfs_region *r, const struct pkernfs_sb *layout,
			  const struct pkernfs_bad_block_ser *bad)
{
	u64 blocks = r->bytes >> PKERNFS_BLOCK_SHIFT;
	struct pkernfs_sb *sb0 = pkernfs_block(r, 0);
	struct pkernfs_sb *sb1 = pkernfs_block(r, blocks - 1);
	struct pkernfs_journal_ser *j = pkernfs_block(r, pkernfs_area_start(&layout->journal));

	WRITE_ONCE(r->changes, r->changes + 1);
	memset(sb0, 0, PKERNFS_BLOCK_SIZE);
	memset(sb1, 0, PKERNFS_BLOCK_SIZE);
	smp_wmb();	/* no superblock before its areas change */

	pkernfs_area_zero(r, &layout->journal);
	pkernfs_area_zero(r, &layout->inodes);
	pkernfs_area_zero(r, &layout->records);
	pkernfs_area_zero(r, &layout->handover);
	pkernfs_bad_write(r, layout, bad);
	j->magic = cpu_to_le32(PKERNFS_JOURNAL_MAGIC);
	j->version = cpu_to_le32(PKERNFS_FORMAT_VERSION);
	pkernfs_format_table(r, layout);
	pkernfs_format_root(r, layout);
	smp_wmb();	/* all areas before a superblock names them */

	*sb1 = *layout;
	pkernfs_sb_seal(sb1, 1);
	smp_wmb();	/* copy 0 last */
	*sb0 = *layout;
	pkernfs_sb_seal(sb0, 0);
}

/* Has this kernel a preserved device whose record and tables are in the region? */
bool pkernfs_format_devices(struct pkernfs_region *r)
{
	struct pkernfs_device *pd;

	lockdep_assert_held(&pkernfs_transition_lock);
	list_for_each_entry(pd, &pkernfs_devices, node)
		if (pd->region == r)
			return true;
	return false;
}

/* Does a record claim a device? Only with a superblock that says where they are. */
static bool pkernfs_format_records(struct pkernfs_region *r)
{
	const char *why;
	const struct pkernfs_sb *sb = pkernfs_sb_find(r, &why);
	u64 i;

	if (!sb)
		return false;
	for (i = 0; i < pkernfs_area_count(&sb->records); i++) {
		struct pkernfs_dev_record *rec =
			pkernfs_block(r, pkernfs_area_start(&sb->records) + i);

		if (le32_to_cpu(rec->state) == PKERNFS_RECORD_FROZEN)
			return true;
	}
	return false;
}

/**
 * pkernfs_format - mkfs
 * @r: the region
 * @opt: wishes
 * @why: set on error
 *
 * The transition lock is held, so no device is frozen into the region meanwhile,
 * and no kexec begins.
 *
 * Return: 0 or what struct pkernfs_format says.
 */
int pkernfs_format(struct pkernfs_region *r, const struct pkernfs_format *opt,
		   const char **why)
{
	struct pkernfs_bad_block_ser *bad;
	struct pkernfs_sb sb;
	int err;

	lockdep_assert_held(&pkernfs_transition_lock);
	*why = "a kexec is under way";
	if (pkernfs_is_shutting_down())
		return -ESHUTDOWN;
	mutex_lock(&pkernfs_format_lock);

	err = -EBUSY;
	*why = "not mapped: see the kernel log";
	if (!r->virt)
		goto out;
	*why = "somebody has its device open";
	if (r->claimed)
		goto out;
	*why = "the machine is about to hibernate";
	if (pkernfs_hibernating())
		goto out;
	*why = "mounted, or its memory is in use";
	if (r->core && pkernfs_core_in_use(r->core))
		goto out;
	*why = "holds a preserved device (pkernfsctl release)";
	if (pkernfs_format_devices(r))
		goto out;
	/*
	 * A device is adopted from a loaded region only, and then it is known; what
	 * cannot be adopted is cut off at boot. So the records of a region that does
	 * not load name nothing alive, and without a mount nobody could release it.
	 */
	if (!r->core)
		*why = "has records of preserved devices, and cannot be loaded (--force)";
	if ((r->core || !(opt->flags & PKERNFS_FORMAT_FORCE)) &&
	    pkernfs_format_records(r))
		goto out;
	err = -EEXIST;
	*why = "has a filesystem already, or what is left of one";
	if (!(opt->flags & PKERNFS_FORMAT_FORCE) &&
	    (pkernfs_sb_claims(r, 0) || pkernfs_sb_claims(r, 1)))
		goto out;
	*why = "the layout does not fit";
	err = pkernfs_layout(r->base, r->bytes, r->index, opt, &sb);
	if (err)
		goto out;

	bad = pkernfs_bad_keep(r);
	*why = "no memory";
	err = PTR_ERR_OR_ZERO(bad);
	if (err)
		goto out;
	if (pkernfs_bad_layout(bad, &sb)) {
		*why = "a memory error is where metadata would be (other --inodes or --pool?)";
		err = -EHWPOISON;
		kfree(bad);
		goto out;
	}
	if (r->core) {
		pkernfs_core_free(r->core);
		r->core = NULL;
	}
	pkernfs_nospec_show(r);
	WRITE_ONCE(r->sb, NULL);
	if (!pkernfs_region_fits(r, &sb)) {
		*why = "its memory cannot be mapped with these granules";
		err = pkernfs_region_remap(r, &sb);
		if (!r->virt)
			WRITE_ONCE(r->reason, "not mapped any more: see the kernel log");
		if (err) {
			kfree(bad);
			goto out;
		}
	}
	pkernfs_format_write(r, &sb, bad);
	kfree(bad);
	WRITE_ONCE(r->reason, NULL);
	err = pkernfs_core_load_locked(r);
	*why = r->reason ?: "cannot be loaded";
	if (!err)
		pr_info("region %u: formatted, %pUb\n", r->index, sb.uuid);
out:
	mutex_unlock(&pkernfs_format_lock);
	return err;
}
