// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: damage what a kernel has handed over, and see what the next one makes
 * of it.
 *
 * Whoever may write any byte of the metadata of a region, with checksums that
 * match, must not bring the next kernel to map a page that is in no file, to use a
 * table twice, to read outside of the region, to loop, or to oops. The fixture is a
 * filesystem with three preserved devices, two of them with the same tables, the
 * third one, in scalable mode, with dirty bits in them. Each run damages a copy of
 * it, mends the checksums most of the time, and lets the same code look at it that
 * looks at boot. What was adopted is then read again here by code that shares nothing
 * with that.
 *
 * The same file runs in KUnit, where KASAN watches, and in userspace, where each
 * physical address that is followed is checked as well: tools/testing/fuzz.
 */
#include <linux/bitmap.h>
#include <linux/crc32.h>
#include <linux/io.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "iommu.h"
#include "../../../fs/pkernfs/pkernfs.h"
#include "../../../fs/pkernfs/device.h"
#include "pkernfs_fuzz.h"

#define PKERNFS_FUZZ_POOL	48
#define PKERNFS_FUZZ_RECORDS	4
#define PKERNFS_FUZZ_HANDOVER	26
#define PKERNFS_FUZZ_DEVICES	3
#define PKERNFS_FUZZ_CHANGES	8
/* Where the areas of the fixture begin, in blocks, but for journal and inodes */
#define PKERNFS_FUZZ_JOURNAL	3

enum { PKERNFS_FUZZ_RAM = 2, PKERNFS_FUZZ_ORPHAN, PKERNFS_FUZZ_OTHER, PKERNFS_FUZZ_NIC };

static void pkernfs_fuzz_mend_counts(struct pkernfs_fuzz *z, struct pkernfs_dev_record *rec);

static u64 pkernfs_fuzz_start(const struct pkernfs_area *a)
{
	return le64_to_cpu(a->start);
}

static u64 pkernfs_fuzz_phys(struct pkernfs_fuzz *z, u64 block)
{
	return z->r.base + (block << PKERNFS_BLOCK_SHIFT);
}

static u64 pkernfs_fuzz_granule(struct pkernfs_fuzz *z, u32 granule)
{
	return pkernfs_fuzz_phys(z, pkernfs_fuzz_start(&z->sb.data)) +
	       ((u64)granule << PKERNFS_GRANULE_SHIFT);
}

/* --- Checksums ------------------------------------------------------------------ */

static void pkernfs_fuzz_seal_sb(struct pkernfs_sb *sb)
{
	sb->crc = cpu_to_le32(crc32c(~0, sb, offsetof(struct pkernfs_sb, crc)));
}

void pkernfs_fuzz_seal_handover(struct pkernfs_handover *h)
{
	h->crc = cpu_to_le32(crc32c(~0, h, offsetof(struct pkernfs_handover, crc)));
}

void pkernfs_fuzz_seal_record(struct pkernfs_dev_record *rec)
{
	rec->crc = cpu_to_le32(crc32c(~0, &rec->magic,
				      offsetof(struct pkernfs_dev_record, crc) -
				      offsetof(struct pkernfs_dev_record, magic)));
}

/* --- The fixture ------------------------------------------------------------------ */

static struct pkernfs_inode_ser *pkernfs_fuzz_inode(struct pkernfs_fuzz *z, u32 ino)
{
	return pkernfs_block(&z->r, pkernfs_fuzz_start(&z->sb.inodes)) +
	       (u64)ino * PKERNFS_INODE_SIZE;
}

struct pkernfs_dev_record *pkernfs_fuzz_record(struct pkernfs_fuzz *z, u32 slot)
{
	return pkernfs_block(&z->r, pkernfs_fuzz_start(&z->sb.records) + slot);
}

static void *pkernfs_fuzz_pool(void *arg)
{
	struct pkernfs_fuzz *z = arg;

	return pkernfs_block(&z->r, pkernfs_fuzz_start(&z->sb.pool) + z->pool_next++);
}

void *pkernfs_fuzz_handover(void *arg)
{
	struct pkernfs_fuzz *z = arg;

	return pkernfs_block(&z->r, pkernfs_fuzz_start(&z->sb.handover) + z->tree_next++);
}

static void pkernfs_fuzz_name(struct pkernfs_dir_block_ser *b, u32 unit, u64 ino, char last)
{
	struct pkernfs_dirent_ser *de = (void *)b->unit[unit];

	de->ino = cpu_to_le64(ino);
	de->units = 1;
	de->len = 2;
	de->type = DT_REG;
	de->name[0] = 'f';
	de->name[1] = last;
}

static void pkernfs_fuzz_extent(struct pkernfs_fuzz *z, struct pkernfs_extent_ser *e,
				u64 logical, u32 first, u32 count)
{
	e->logical = cpu_to_le64(logical << PKERNFS_GRANULE_SHIFT);
	e->phys = cpu_to_le64(pkernfs_fuzz_granule(z, first));
	e->bytes = cpu_to_le64((u64)count << PKERNFS_GRANULE_SHIFT);
}

/*
 * A RAM file that has all granules but the first and the last three, an orphan and a
 * file that no device reaches with one more each, and the files of the devices.
 */
static void pkernfs_fuzz_files(struct pkernfs_fuzz *z)
{
	u32 granules = le64_to_cpu(z->sb.data.count) / PKERNFS_BLOCKS_PER_GRANULE;
	u64 pool = pkernfs_fuzz_start(&z->sb.pool) + 1, ino;
	struct pkernfs_dir_block_ser *names = pkernfs_fuzz_pool(z);
	struct pkernfs_extent_block_ser *more = pkernfs_fuzz_pool(z);
	struct pkernfs_table_ser *table = (void *)pkernfs_fuzz_inode(z, 0);
	struct pkernfs_inode_ser *ser = pkernfs_fuzz_inode(z, PKERNFS_ROOT_INO);

	table->mark = cpu_to_le64(PKERNFS_FUZZ_NIC + PKERNFS_FUZZ_DEVICES);
	pkernfs_table_seal(table);
	ser->btime = 0;
	ser->chain = cpu_to_le64(pool);
	ser->crc = cpu_to_le32(pkernfs_inode_crc(ser));
	names->magic = cpu_to_le32(PKERNFS_DIR_MAGIC);
	names->ino = cpu_to_le64(PKERNFS_ROOT_INO);
	names->generation = cpu_to_le32(1);
	more->magic = cpu_to_le32(PKERNFS_EXTENT_MAGIC);
	more->ino = cpu_to_le64(PKERNFS_FUZZ_RAM);
	more->generation = cpu_to_le32(1);
	pkernfs_fuzz_extent(z, &more->extent[0], granules, granules - 4, 1);

	for (ino = PKERNFS_FUZZ_RAM; ino < PKERNFS_FUZZ_NIC + PKERNFS_FUZZ_DEVICES; ino++) {
		ser = pkernfs_fuzz_inode(z, ino);
		ser->magic = cpu_to_le32(PKERNFS_INODE_MAGIC);
		ser->generation = cpu_to_le32(1);
		ser->ino = cpu_to_le64(ino);
		ser->mode = cpu_to_le16(S_IFREG | 0600);
		ser->nlink = cpu_to_le32(ino != PKERNFS_FUZZ_ORPHAN);
		if (ino == PKERNFS_FUZZ_RAM) {
			ser->chain = cpu_to_le64(pool + 1);
			pkernfs_fuzz_extent(z, &ser->extent[0], 0, 1, granules - 5);
		} else if (ino == PKERNFS_FUZZ_ORPHAN) {
			pkernfs_fuzz_extent(z, &ser->extent[0], 0, granules - 2, 1);
		} else if (ino == PKERNFS_FUZZ_OTHER) {
			/* Of a file with a name; no device reaches it. */
			pkernfs_fuzz_extent(z, &ser->extent[0], 0, granules - 3, 1);
		}
		ser->crc = cpu_to_le32(pkernfs_inode_crc(ser));
		if (ser->nlink)
			pkernfs_fuzz_name(names, ino, ino, '0' + ino);
	}
	pkernfs_block_seal(names);
	pkernfs_block_seal(more);
}

static int pkernfs_fuzz_map(struct pkernfs_ss_writer *w, u64 iova, u64 oa, u64 bytes, u64 attr)
{
	return pkernfs_ss_map(w, &(struct pkernfs_ss_leaf) {
		.iova = iova, .oa = oa, .bytes = bytes, .attr = attr,
	});
}

static int pkernfs_fuzz_tables(struct pkernfs_fuzz *z, struct pkernfs_ss_writer *w)
{
	const u64 rw = PKERNFS_SS_R | PKERNFS_SS_W;
	u32 granules = le64_to_cpu(z->sb.data.count) / PKERNFS_BLOCKS_PER_GRANULE;
	u64 large = round_up(pkernfs_fuzz_granule(z, 1), SZ_1G);
	u64 one = pkernfs_fuzz_granule(z, 1);
	int ret;

	/* The second one ends where interrupts begin. */
	ret = pkernfs_fuzz_map(w, SZ_2M, one, SZ_2M, rw) ?:
	      pkernfs_fuzz_map(w, 0xfec00000, one, SZ_2M, rw) ?:
	      pkernfs_fuzz_map(w, SZ_1G + SZ_4K, one + SZ_8K, SZ_4K, rw) ?:
	      pkernfs_fuzz_map(w, SZ_1G + SZ_8K, one, SZ_4K, PKERNFS_SS_R);
	if (!ret && large + SZ_1G <= pkernfs_fuzz_granule(z, granules - 4))
		ret = pkernfs_fuzz_map(w, 8ULL * SZ_1G, large, SZ_1G, rw);
	return ret;
}

static int pkernfs_fuzz_device(struct pkernfs_fuzz *z, struct pkernfs_tree *t, u32 i,
			       const struct pkernfs_ss_writer *w)
{
	static const u16 rids[] = { 0x0018, 0x0098, 0x0108 };
	struct pkernfs_dev_record *rec = pkernfs_fuzz_record(z, i);
	struct pkernfs_fixed *f = kzalloc_obj(*f);
	int ret;

	if (!f)
		return -ENOMEM;
	f->iommu = z->iommu;
	f->ss = w->ss;
	f->aw = w->ss.levels - 2;
	f->did = 10 + i;
	f->d.dirty_tracking = z->scalable && i == PKERNFS_FUZZ_DEVICES - 1;
	ret = pkernfs_tree_add(t, f, rids[i]);

	if (f->d.dirty_tracking)
		rec->feature_incompat = cpu_to_le64(PKERNFS_INCOMPAT_DIRTY);
	rec->state = cpu_to_le32(PKERNFS_RECORD_FROZEN);
	rec->magic = cpu_to_le32(PKERNFS_RECORD_MAGIC);
	rec->version = cpu_to_le32(PKERNFS_FORMAT_VERSION);
	rec->slot = cpu_to_le32(i);
	rec->generation = cpu_to_le32(1);
	rec->ino = cpu_to_le64(PKERNFS_FUZZ_NIC + i);
	rec->pci.rid = cpu_to_le16(rids[i]);
	if (rids[i] >> 8) {
		rec->pci.bridge_count = cpu_to_le32(1);
		rec->pci.bridge[0].secondary = rids[i] >> 8;
		rec->pci.bridge[0].subordinate = rids[i] >> 8;
	}
	rec->iommu.drhd_base = cpu_to_le64(z->iommu->reg_phys);
	rec->iommu.cap = cpu_to_le64(z->iommu->cap);
	rec->iommu.ecap = cpu_to_le64(z->iommu->ecap);
	rec->iommu.ss_root = cpu_to_le64(f->ss.root);
	rec->iommu.tables = cpu_to_le64(w->tables);
	rec->iommu.pages = cpu_to_le64(w->pages);
	rec->iommu.did = cpu_to_le16(f->did);
	rec->iommu.mode = z->scalable ? PKERNFS_IOMMU_VTD_SCALABLE : PKERNFS_IOMMU_VTD_LEGACY;
	rec->iommu.aw = f->aw;
	rec->feature_compat = cpu_to_le64(PKERNFS_COMPAT_LEAVES);
	pkernfs_fuzz_mend_counts(z, rec);
	pkernfs_fuzz_seal_record(rec);
	kfree(f);
	return ret;
}

static int pkernfs_fuzz_hand_over(struct pkernfs_fuzz *z)
{
	struct pkernfs_ss_writer w[2];
	struct pkernfs_handover *h;
	struct pkernfs_tree t = {
		.scalable = z->scalable, .block = pkernfs_fuzz_handover, .arg = z,
	};
	unsigned int i;
	int ret = 0;

	z->tree_next = 1;	/* as if another unit came first */
	h = pkernfs_fuzz_handover(z);
	z->at = virt_to_phys(h);
	t.root = pkernfs_fuzz_handover(z);
	for (i = 0; i < ARRAY_SIZE(w) && !ret; i++) {
		w[i] = (struct pkernfs_ss_writer) {
			.ss.levels = 4 - i, .alloc = pkernfs_fuzz_pool, .arg = z, .coherent = true,
		};
		ret = pkernfs_fuzz_tables(z, &w[i]);
	}
	/* Hardware has set accessed and dirty bits: the first page's, and on the way there. */
	if (!ret && z->scalable) {
		u64 *table = phys_to_virt(w[1].ss.root);

		table[0] |= PKERNFS_SS_A;
		table = phys_to_virt(table[0] & PKERNFS_SS_OA);
		table[1] |= PKERNFS_SS_A | PKERNFS_SS_D;
	}
	/* The first two have been attached to one HWPT. */
	for (i = 0; i < PKERNFS_FUZZ_DEVICES && !ret; i++) {
		ret = pkernfs_fuzz_device(z, &t, i, &w[i / 2]);
		h->slot[i] = cpu_to_le32(i);
	}
	h->magic = cpu_to_le32(PKERNFS_HANDOVER_MAGIC);
	h->version = cpu_to_le32(PKERNFS_FORMAT_VERSION);
	h->self = cpu_to_le64(z->at);
	h->region_base = cpu_to_le64(z->r.base);
	h->region_bytes = cpu_to_le64(z->r.bytes);
	memcpy(h->uuid, z->sb.uuid, sizeof(h->uuid));
	h->drhd_base = cpu_to_le64(z->iommu->reg_phys);
	h->blocks = cpu_to_le32(z->tree_next - 1);
	h->mode = cpu_to_le32(z->scalable ? PKERNFS_IOMMU_VTD_SCALABLE :
					    PKERNFS_IOMMU_VTD_LEGACY);
	h->devices = cpu_to_le32(PKERNFS_FUZZ_DEVICES);
	pkernfs_fuzz_seal_handover(h);
	return ret;
}

static void pkernfs_fuzz_watch(struct pkernfs_fuzz *z, u64 start, u64 count)
{
	while (count-- && z->blocks < PKERNFS_FUZZ_BLOCKS)
		z->block[z->blocks++] = start++;
}

static void pkernfs_fuzz_save(struct pkernfs_fuzz *z)
{
	unsigned int i;

	for (i = 0; i < z->blocks; i++) {
		void *block = pkernfs_block(&z->r, z->block[i]);

		memcpy(z->saved + i * PKERNFS_BLOCK_SIZE, block, PKERNFS_BLOCK_SIZE);
		if (memchr_inv(block, 0, PKERNFS_BLOCK_SIZE))
			z->busy[z->busies++] = z->block[i];
	}
}

static void pkernfs_fuzz_restore(struct pkernfs_fuzz *z)
{
	unsigned int i;

	for (i = 0; i < z->blocks; i++)
		memcpy(pkernfs_block(&z->r, z->block[i]), z->saved + i * PKERNFS_BLOCK_SIZE,
		       PKERNFS_BLOCK_SIZE);
}

/**
 * pkernfs_fuzz_init - write the fixture
 * @z: zeroed
 * @base: physical address of memory that is nobody's
 * @virt: phys_to_virt(@base)
 * @bytes: its size, PKERNFS_FUZZ_MIN at least
 * @scalable: the unit is in scalable mode
 *
 * Return: 0, -ENOMEM, or an errno of a fixture that does not fit
 */
int pkernfs_fuzz_init(struct pkernfs_fuzz *z, phys_addr_t base, void *virt, u64 bytes,
		      bool scalable)
{
	const struct pkernfs_format opt = { .inodes = 16, .uuid = "fuzz" };
	int ret;

	z->r.base = base;
	z->r.virt = virt;
	z->r.bytes = bytes;
	z->scalable = scalable;
	z->iommu = kzalloc_obj(*z->iommu);
	z->saved = kvcalloc(PKERNFS_FUZZ_BLOCKS, PKERNFS_BLOCK_SIZE, GFP_KERNEL);
	z->used = kvcalloc(BITS_TO_LONGS(bytes >> PKERNFS_BLOCK_SHIFT), sizeof(long), GFP_KERNEL);
	z->holds = kvcalloc(bytes >> PKERNFS_GRANULE_SHIFT, sizeof(*z->holds), GFP_KERNEL);
	ret = -ENOMEM;
	if (!z->iommu || !z->saved || !z->used || !z->holds)
		goto fail;

	/*
	 * 256 domain ids, address widths of 3 to 5 levels, 2 MiB and 1 GiB pages; in one
	 * mode also snoop control, and dirty bits with the snooping of tables that they need
	 */
	z->iommu->reg_phys = 0xfed90000;
	z->iommu->cap = 2 | 0xeULL << 8 | 3ULL << 34;
	z->iommu->ecap = scalable ? BIT_ULL(43) | BIT_ULL(7) | BIT_ULL(45) | BIT_ULL(48) : 0;
	ret = pkernfs_layout(base, bytes, 0, &opt, &z->sb);
	if (ret)
		goto fail;
	z->sb.pool.count = cpu_to_le64(PKERNFS_FUZZ_POOL);
	z->sb.records.count = cpu_to_le64(PKERNFS_FUZZ_RECORDS);
	z->sb.handover.count = cpu_to_le64(PKERNFS_FUZZ_HANDOVER);
	memset(pkernfs_block(&z->r, pkernfs_fuzz_start(&z->sb.pool)), 0,
	       PKERNFS_FUZZ_POOL * PKERNFS_BLOCK_SIZE);
	pkernfs_format_write(&z->r, &z->sb, NULL);
	z->pool_next = 1;	/* the first block lists bad pages */
	pkernfs_fuzz_files(z);
	ret = pkernfs_fuzz_hand_over(z);
	if (ret)
		goto fail;

	pkernfs_fuzz_watch(z, 0, 1);
	pkernfs_fuzz_watch(z, pkernfs_fuzz_start(&z->sb.journal), PKERNFS_FUZZ_JOURNAL);
	pkernfs_fuzz_watch(z, pkernfs_fuzz_start(&z->sb.inodes), le64_to_cpu(z->sb.inodes.count));
	pkernfs_fuzz_watch(z, pkernfs_fuzz_start(&z->sb.pool), PKERNFS_FUZZ_POOL);
	pkernfs_fuzz_watch(z, pkernfs_fuzz_start(&z->sb.records), PKERNFS_FUZZ_RECORDS);
	pkernfs_fuzz_watch(z, pkernfs_fuzz_start(&z->sb.handover), PKERNFS_FUZZ_HANDOVER);
	pkernfs_fuzz_watch(z, (bytes >> PKERNFS_BLOCK_SHIFT) - 1, 1);
	pkernfs_fuzz_save(z);
	return 0;
fail:
	pkernfs_fuzz_exit(z);
	return ret;
}

/**
 * pkernfs_fuzz_exit - free what pkernfs_fuzz_init() took
 * @z: the superblocks are wiped, so that nobody takes the region for a real one
 */
void pkernfs_fuzz_exit(struct pkernfs_fuzz *z)
{
	memset(z->r.virt, 0, PKERNFS_BLOCK_SIZE);
	memset(z->r.virt + z->r.bytes - PKERNFS_BLOCK_SIZE, 0, PKERNFS_BLOCK_SIZE);
	kfree(z->iommu);
	kvfree(z->saved);
	kvfree(z->used);
	kvfree(z->holds);
}

/* --- Damage ------------------------------------------------------------------------- */

/* splitmix64: one word of state, so that a run is named by its seed */
static u64 pkernfs_fuzz_random(struct pkernfs_fuzz_source *s)
{
	u64 x = s->state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

static u64 pkernfs_fuzz_take(struct pkernfs_fuzz_source *s, unsigned int bytes)
{
	u64 x = 0;

	if (!s->data)
		return pkernfs_fuzz_random(s);
	while (bytes-- && s->left) {
		x = x << 8 | *s->data++;
		s->left--;
	}
	s->over = !s->left;
	return x;
}

static u32 pkernfs_fuzz_pick(struct pkernfs_fuzz_source *s, u32 n)
{
	return (u32)pkernfs_fuzz_take(s, n > 256 ? 2 : 1) % n;
}

static u64 pkernfs_fuzz_interesting(struct pkernfs_fuzz_source *s)
{
	static const u64 values[] = {
		0, 1, 2, 3, 63, 64, 65, 511, 512, 0xfee00000, U32_MAX, S64_MAX, U64_MAX,
	};
	u32 i = pkernfs_fuzz_pick(s, ARRAY_SIZE(values) + 64);

	return i < ARRAY_SIZE(values) ? values[i] : BIT_ULL(i - ARRAY_SIZE(values));
}

/* A block that is watched; most often one with something in it */
static u64 pkernfs_fuzz_block(struct pkernfs_fuzz *z, struct pkernfs_fuzz_source *s)
{
	if (pkernfs_fuzz_pick(s, 4))
		return z->busy[pkernfs_fuzz_pick(s, z->busies)];
	return z->block[pkernfs_fuzz_pick(s, z->blocks)];
}

/* A block that is watched, an address that hardware would take for a pointer or page */
static u64 pkernfs_fuzz_pointer(struct pkernfs_fuzz *z, struct pkernfs_fuzz_source *s)
{
	static const u16 flags[] = { 0, 1, 2, 3, 0x7, 0x83, 0x81, 0x803, 0x883, 0x103, 0x203 };
	u64 low = flags[pkernfs_fuzz_pick(s, ARRAY_SIZE(flags))];

	switch (pkernfs_fuzz_pick(s, 4)) {
	case 0:
	case 1:
		return pkernfs_fuzz_phys(z, pkernfs_fuzz_block(z, s)) | low;
	case 2:
		/* A page or granule of the data area, or right behind it */
		return (pkernfs_fuzz_granule(z, 0) + ((u64)pkernfs_fuzz_pick(s, 8) << 21) +
			((u64)pkernfs_fuzz_pick(s, 2) << 12)) | low;
	default:
		return (z->r.base + z->r.bytes - ((u64)pkernfs_fuzz_pick(s, 4) << 21) +
			((u64)pkernfs_fuzz_pick(s, 4) << 12)) | low;
	}
}

/* A committed operation that a replay is to finish */
static void pkernfs_fuzz_journal(struct pkernfs_fuzz *z, struct pkernfs_fuzz_source *s)
{
	struct pkernfs_journal_ser *j =
		pkernfs_block(&z->r, pkernfs_fuzz_start(&z->sb.journal));
	struct pkernfs_journal_rec_ser *rec = (void *)j + PKERNFS_BLOCK_SIZE;
	bool inode = pkernfs_fuzz_pick(s, 2);
	u32 bytes = inode ? PKERNFS_INODE_STATIC : PKERNFS_BLOCK_SIZE;
	const struct pkernfs_area *a = inode ? &z->sb.inodes : &z->sb.pool;
	u64 to = pkernfs_fuzz_start(a) + pkernfs_fuzz_pick(s, inode ? 1 : PKERNFS_FUZZ_POOL);
	u64 from = pkernfs_fuzz_block(z, s) << PKERNFS_BLOCK_SHIFT;

	if (!pkernfs_fuzz_pick(s, 4))
		to = pkernfs_fuzz_block(z, s);
	to <<= PKERNFS_BLOCK_SHIFT;
	if (inode) {
		to += pkernfs_fuzz_pick(s, 8) * PKERNFS_INODE_SIZE;
		from += pkernfs_fuzz_pick(s, 8) * PKERNFS_INODE_SIZE;
	}
	rec->offset = cpu_to_le64(to);
	rec->kind = cpu_to_le32(inode ? PKERNFS_REC_INODE : PKERNFS_REC_BLOCK);
	rec->bytes = cpu_to_le32(bytes);
	memmove(rec + 1, z->r.virt + from, bytes);
	j->bytes = cpu_to_le64(sizeof(*rec) + bytes);
	j->commit = cpu_to_le64(1);
}

/* Where to: half of the time at a word that is not 0, as most are */
static u64 *pkernfs_fuzz_word(struct pkernfs_fuzz *z, struct pkernfs_fuzz_source *s)
{
	u64 *words = pkernfs_block(&z->r, pkernfs_fuzz_block(z, s));
	u32 at = pkernfs_fuzz_pick(s, 512), i;

	if (pkernfs_fuzz_pick(s, 2))
		for (i = 0; i < 512 && !words[at]; i++)
			at = (at + 1) % 512;
	return &words[at];
}

static void pkernfs_fuzz_change(struct pkernfs_fuzz *z, struct pkernfs_fuzz_source *s)
{
	u64 *to = pkernfs_fuzz_word(z, s), *from, saved;
	u32 words;

	switch (pkernfs_fuzz_pick(s, 14)) {
	case 0:
	case 1:
		*to ^= BIT_ULL(pkernfs_fuzz_pick(s, 64));
		break;
	case 2:
		((u8 *)to)[pkernfs_fuzz_pick(s, 8)] = pkernfs_fuzz_take(s, 1);
		break;
	case 3:
		*to = pkernfs_fuzz_take(s, 8);
		break;
	case 4:
		*to = pkernfs_fuzz_interesting(s);
		break;
	case 5:
		*to += (s64)pkernfs_fuzz_pick(s, 16) - 8;
		break;
	case 6:
	case 7:
		*to = pkernfs_fuzz_pointer(z, s);
		break;
	case 8:
		/* A splice of another block, up to the end of either */
		from = pkernfs_fuzz_word(z, s);
		words = 512 - max(offset_in_page(to), offset_in_page(from)) / 8;
		memmove(to, from, 8 * min(words, 1 + pkernfs_fuzz_pick(s, 64)));
		break;
	case 9:
		from = pkernfs_fuzz_word(z, s);
		memmove(PTR_ALIGN_DOWN(to, PKERNFS_BLOCK_SIZE),
			PTR_ALIGN_DOWN(from, PKERNFS_BLOCK_SIZE), PKERNFS_BLOCK_SIZE);
		break;
	case 10:
		from = pkernfs_fuzz_word(z, s);
		saved = *to;
		*to = *from;
		*from = saved;
		break;
	case 11:
	case 12:
		/* The same a few entries on, or in the next record, inode or extent */
		words = (u32)(offset_in_page(to) / 8) + 8 * pkernfs_fuzz_pick(s, 2) +
			pkernfs_fuzz_pick(s, 16) - 8;
		PTR_ALIGN_DOWN(to, PKERNFS_BLOCK_SIZE)[words % 512] = *to;
		break;
	default:
		if (!pkernfs_fuzz_pick(s, 4))
			pkernfs_fuzz_journal(z, s);
	}
}

/* --- What hardware would make of it ------------------------------------------------- */

/**
 * struct pkernfs_fuzz_walk - a walk of second-stage tables
 * @z: fixture
 * @sb: superblock that says where the pool and the data are
 * @count: only count, whatever is there; not for ever, though
 * @dirty: hardware sets accessed and dirty bits
 * @tables: tables so far
 * @pages: 4 KiB pages so far
 * @crc: of leaves so far, as if all that they lead to were of the RAM file
 * @bad: what is wrong with them, NULL: nothing so far
 */
struct pkernfs_fuzz_walk {
	struct pkernfs_fuzz *z;
	const struct pkernfs_sb *sb;
	bool count, dirty;
	u64 tables, pages;
	u32 crc;
	const char *bad;
};

#define PKERNFS_FUZZ_TABLES	64

/* All of it held? There is a core, as all tables are proven. */
static bool pkernfs_fuzz_held(struct pkernfs_fuzz_walk *w, int pool, u64 first, u64 last)
{
	const struct pkernfs_gpool *p = &w->z->r.core->gpool[pool];

	w->z->others += last - first + 1;
	while (first <= last && pkernfs_granule_holds(p, first))
		first++;
	return first > last;
}

static void pkernfs_fuzz_walk_crc(struct pkernfs_fuzz_walk *w, u64 iova, u64 oa, u64 bytes,
				  u64 attr)
{
	const u64 leaf[] = { iova, oa, bytes, attr }, owner[] = { PKERNFS_FUZZ_RAM, 1 };
	u64 granules = ((oa + bytes - 1) >> 21) - (oa >> 21) + 1;

	w->crc = crc32c(w->crc, leaf, sizeof(leaf));
	while (granules--)
		w->crc = crc32c(w->crc, owner, sizeof(owner));
}

static void pkernfs_fuzz_walk_leaf(struct pkernfs_fuzz_walk *w, u64 iova, u64 oa, u64 bytes)
{
	u64 data = pkernfs_fuzz_phys(w->z, le64_to_cpu(w->sb->data.start));
	u64 size = le64_to_cpu(w->sb->data.count) << PKERNFS_BLOCK_SHIFT, g;
	u64 small = pkernfs_fuzz_phys(w->z, le64_to_cpu(w->sb->small.start));
	u64 small_size = le64_to_cpu(w->sb->small.count) << PKERNFS_BLOCK_SHIFT;
	bool in_small = oa >= small && oa - small < small_size &&
			bytes <= small_size - (oa - small);
	u64 huge = pkernfs_fuzz_phys(w->z, le64_to_cpu(w->sb->huge.start));
	u64 huge_size = le64_to_cpu(w->sb->huge.count) << PKERNFS_BLOCK_SHIFT;
	bool in_huge = oa >= huge && oa - huge < huge_size &&
		       bytes <= huge_size - (oa - huge);

	w->pages += bytes >> 12;
	if (w->count) {
		return;
	} else if (oa & (bytes - 1)) {
		w->bad = "a page is not aligned";
	} else if (in_small && !pkernfs_fuzz_held(w, PKERNFS_GPOOL_4K, (oa - small) >> 12,
						  (oa - small + bytes - 1) >> 12)) {
		w->bad = "a small page is reached and not held";
	} else if (in_huge && !pkernfs_fuzz_held(w, PKERNFS_GPOOL_1G, (oa - huge) >> 30,
						 (oa - huge + bytes - 1) >> 30)) {
		w->bad = "a huge page is reached and not held";
	} else if (!in_small && !in_huge && (oa < data || oa - data > size - bytes)) {
		w->bad = "a page is not file data";
	} else if (iova < 0xfef00000 && iova + bytes > 0xfee00000) {
		w->bad = "an interrupt address is mapped";
	} else if (!in_small && !in_huge) {
		for (g = (oa - data) >> 21; g <= (oa - data + bytes - 1) >> 21; g++)
			w->z->holds[g]++;
	}
}

static void pkernfs_fuzz_walk_table(struct pkernfs_fuzz_walk *w, u64 table, u64 iova, int level)
{
	u64 pool = le64_to_cpu(w->sb->pool.start), block = (table - w->z->r.base) >> 12;
	const u64 *entry;
	unsigned int i;

	if (table < w->z->r.base || table & 0xfff || block < pool ||
	    block - pool >= le64_to_cpu(w->sb->pool.count)) {
		w->bad = w->count ? NULL : "a table is not in the pool";
		return;
	}
	w->tables++;
	if (w->count ? w->tables > PKERNFS_FUZZ_TABLES :
		       __test_and_set_bit(block, w->z->used)) {
		w->bad = "a table is used twice";
		return;
	}
	entry = phys_to_virt(table);
	for (i = 0; i < 512 && !w->bad; i++) {
		u64 e = entry[i], at = iova + ((u64)i << (12 + 9 * level));
		u64 address = e & GENMASK_ULL(51, 12), may = 3;
		bool leaf = !level || (e & BIT(7) && level < 3);

		if (!e)
			continue;
		/* R, W; of a leaf also the page size, and SNP where there is one */
		if (leaf)
			may |= (level ? 0x80 : 0) | (w->z->iommu->ecap & BIT(7) ? 0x800 : 0);
		/* A; D of what may be written to */
		if (w->dirty)
			may |= 0x100 | (leaf && e & 2 ? 0x200 : 0);
		if (e & ~address & ~may || !(e & 3) || (!leaf && (e & 3) != 3))
			w->bad = w->count ? NULL : "a reserved bit is set";
		if (!(e & 3) || w->bad)
			continue;
		if (leaf)
			pkernfs_fuzz_walk_crc(w, at, address, 1ULL << (12 + 9 * level),
					      e & 0x803);
		if (leaf)
			pkernfs_fuzz_walk_leaf(w, at, address, 1ULL << (12 + 9 * level));
		else
			pkernfs_fuzz_walk_table(w, address, at, level - 1);
	}
}

static void pkernfs_fuzz_walk(struct pkernfs_fuzz_walk *w, u64 root, int aw)
{
	w->crc = ~0;
	if (aw < 1 || aw > 3)
		w->bad = "no such address width";
	else
		pkernfs_fuzz_walk_table(w, root, 0, aw + 1);
}

static void pkernfs_fuzz_forget(struct pkernfs_fuzz *z)
{
	bitmap_zero(z->used, z->r.bytes >> PKERNFS_BLOCK_SHIFT);
	memset(z->holds, 0, (z->r.bytes >> PKERNFS_GRANULE_SHIFT) * sizeof(*z->holds));
	z->others = 0;
}

/* --- Checksums and counts that match --------------------------------------------------- */

static bool pkernfs_fuzz_is_tracked(const struct pkernfs_dev_record *rec)
{
	return le64_to_cpu(rec->feature_incompat) >> 6 & 1;
}

/* What an entry of the tree leads to, NULL: nothing that may be written to */
static u64 *pkernfs_fuzz_down(struct pkernfs_fuzz *z, u64 entry)
{
	u64 block = ((entry & ~0xfffULL) - z->r.base) >> 12;
	u64 start = pkernfs_fuzz_start(&z->sb.handover);

	if (!(entry & 1) || block < start + 3 || block >= start + PKERNFS_FUZZ_HANDOVER)
		return NULL;
	return pkernfs_block(&z->r, block);
}

/* The hardware's entry, as a record has it by now */
static void pkernfs_fuzz_mend_entry(struct pkernfs_fuzz *z, const struct pkernfs_dev_record *rec)
{
	u64 *at = phys_to_virt(z->at + PKERNFS_BLOCK_SIZE);
	u64 root = le64_to_cpu(rec->iommu.ss_root) & ~0xfffULL;
	u64 did = le16_to_cpu(rec->iommu.did), aw = rec->iommu.aw & 7;
	u16 rid = le16_to_cpu(rec->pci.rid);

	at = pkernfs_fuzz_down(z, at[(rid >> 8) * 2 + (z->scalable && rid & 0x80)]);
	if (!at)
		return;
	if (!z->scalable) {
		at[(rid & 0xff) * 2] = root | 1;
		at[(rid & 0xff) * 2 + 1] = did << 8 | aw;
		return;
	}
	at = pkernfs_fuzz_down(z, at[(rid & 0x7f) * 4]);
	at = at ? pkernfs_fuzz_down(z, *at) : NULL;
	if (at) {
		at[0] = root | 2 << 6 | aw << 2 | 1 |
			(pkernfs_fuzz_is_tracked(rec) ? 1 << 9 : 0);
		at[1] = did | 1 << 23;
	}
}

static void pkernfs_fuzz_mend_counts(struct pkernfs_fuzz *z, struct pkernfs_dev_record *rec)
{
	struct pkernfs_fuzz_walk w = { .z = z, .sb = &z->sb, .count = true };

	pkernfs_fuzz_walk(&w, le64_to_cpu(rec->iommu.ss_root), rec->iommu.aw);
	/* Of tables that lead to themselves no count would be right. */
	if (w.bad)
		return;
	rec->iommu.tables = cpu_to_le64(w.tables);
	rec->iommu.pages = cpu_to_le64(w.pages);
	rec->iommu.leaves = cpu_to_le32(w.crc);
}

static void pkernfs_fuzz_mend_record(struct pkernfs_fuzz *z, struct pkernfs_fuzz_source *s, u32 i)
{
	struct pkernfs_dev_record *rec = pkernfs_fuzz_record(z, i);

	if (pkernfs_fuzz_pick(s, 4))
		pkernfs_fuzz_mend_counts(z, rec);
	if (!pkernfs_fuzz_pick(s, 16))
		rec->feature_incompat ^= cpu_to_le64(PKERNFS_INCOMPAT_DIRTY);
	/* As from a kernel that did not know of it */
	if (!pkernfs_fuzz_pick(s, 16))
		rec->feature_compat ^= cpu_to_le64(PKERNFS_COMPAT_LEAVES);
	if (pkernfs_fuzz_pick(s, 2))
		pkernfs_fuzz_mend_entry(z, rec);
	if (pkernfs_fuzz_pick(s, 16))
		pkernfs_fuzz_seal_record(rec);
}

static void pkernfs_fuzz_mend_files(struct pkernfs_fuzz *z)
{
	u64 pool = pkernfs_fuzz_start(&z->sb.pool);
	struct pkernfs_inode_ser *ser;
	u32 i;

	for (i = 0; i < le64_to_cpu(z->sb.inodes.count) * 8; i++) {
		ser = pkernfs_fuzz_inode(z, i);
		if (ser->magic)
			ser->crc = cpu_to_le32(pkernfs_inode_crc(ser));
	}
	for (i = 0; i < PKERNFS_FUZZ_POOL; i++) {
		__le32 *magic = pkernfs_block(&z->r, pool + i);

		if (*magic == cpu_to_le32(PKERNFS_DIR_MAGIC) ||
		    *magic == cpu_to_le32(PKERNFS_EXTENT_MAGIC) ||
		    *magic == cpu_to_le32(PKERNFS_BAD_MAGIC))
			pkernfs_block_seal(magic);
	}
}

static void pkernfs_fuzz_mend_journal(struct pkernfs_fuzz *z)
{
	struct pkernfs_journal_ser *j =
		pkernfs_block(&z->r, pkernfs_fuzz_start(&z->sb.journal));
	u64 bytes = le64_to_cpu(j->bytes);
	u32 crc = crc32c(~0, &j->bytes, sizeof(j->bytes));

	if (!j->commit || bytes > PKERNFS_BLOCK_SIZE * 8)
		return;
	crc = crc32c(crc, (void *)j + PKERNFS_BLOCK_SIZE, bytes);
	j->commit = cpu_to_le64((le64_to_cpu(j->commit) & ~(u64)U32_MAX) | crc);
}

static void pkernfs_fuzz_mend(struct pkernfs_fuzz *z, struct pkernfs_fuzz_source *s)
{
	unsigned int i;

	if (pkernfs_fuzz_pick(s, 16))
		pkernfs_fuzz_mend_files(z);
	if (pkernfs_fuzz_pick(s, 16))
		pkernfs_fuzz_mend_journal(z);
	for (i = 0; i < PKERNFS_FUZZ_RECORDS; i++)
		pkernfs_fuzz_mend_record(z, s, i);
	if (pkernfs_fuzz_pick(s, 16))
		pkernfs_fuzz_seal_handover(phys_to_virt(z->at));
	if (pkernfs_fuzz_pick(s, 16)) {
		pkernfs_fuzz_seal_sb(z->r.virt);
		pkernfs_fuzz_seal_sb(z->r.virt + z->r.bytes - PKERNFS_BLOCK_SIZE);
	}
}

/* --- What must be true, whatever was done ------------------------------------------------ */

/* Granules of files are in the data area, and no two files have the same. */
static const char *pkernfs_fuzz_check_files(struct pkernfs_core *c)
{
	u64 owned[PKERNFS_GPOOLS] = {}, g;
	struct pkernfs_node *n;
	unsigned long ino;
	u32 i;

	xa_for_each(&c->nodes, ino, n) {
		for (i = 0; i < n->extents; i++) {
			const struct pkernfs_extent *e = &n->extent[i];

			owned[n->pool - c->gpool] += e->count;
			if (e->granule + (u64)e->count > n->pool->granules)
				return "an extent ends behind its area";
			for (g = 0; g < e->count; g++)
				if (pkernfs_granule_owner(n->pool, e->granule + g) != ino)
					return "a granule is in two files";
		}
	}
	for (i = 0; i < PKERNFS_GPOOLS; i++)
		if (owned[i] != c->gpool[i].granules - c->gpool[i].free)
			return "granules are lost";
	return NULL;
}

/* The entry that hardware finds for a device: is it what was adopted? */
static const char *pkernfs_fuzz_check_entry(struct pkernfs_fuzz *z, struct pkernfs_device *pd)
{
	const struct pkernfs_fixed *f = pkernfs_to_fixed(pd->fixed);
	u64 did = le16_to_cpu(pd->rec->iommu.did);
	const u64 *at = phys_to_virt(z->at + PKERNFS_BLOCK_SIZE);

	at += (pd->rid >> 8) * 2 + (z->scalable && pd->rid & 0x80);
	if ((*at & 0xfff) != 1)
		return "no root entry";
	at = phys_to_virt(*at & ~0xfffULL);
	if (!z->scalable) {
		at += (pd->rid & 0xff) * 2;
		return at[0] == (f->ss.root | 1) && at[1] == (did << 8 | f->aw) ?
		       NULL : "another context entry";
	}
	at += (pd->rid & 0x7f) * 4;
	if ((at[0] & 0xfff) != 1 || at[1] || at[2] || at[3])
		return "another scalable context entry";
	at = phys_to_virt(at[0] & ~0xfffULL);
	if ((at[0] & 0xfff) != 1)
		return "another PASID directory";
	at = phys_to_virt(at[0] & ~0xfffULL);
	return at[0] == (f->ss.root | 2 << 6 | f->aw << 2 | 1 |
			 (pkernfs_fuzz_is_tracked(pd->rec) ? 1 << 9 : 0)) &&
	       at[1] == (did | 1 << 23) && !at[2] ? NULL : "another PASID entry";
}

/* Walk the tables of a device, if they are not those of one that comes before it. */
static bool pkernfs_fuzz_walk_device(struct pkernfs_fuzz_walk *w, struct pkernfs_device *pd)
{
	const struct pkernfs_fixed *f = pkernfs_to_fixed(pd->fixed);
	struct pkernfs_device *other;

	list_for_each_entry(other, &pkernfs_devices, node) {
		if (other == pd)
			break;
		if (other->fixed && pkernfs_to_fixed(other->fixed)->ss.root == f->ss.root)
			return false;
	}
	pkernfs_fuzz_walk(w, f->ss.root, f->ss.levels - 2);
	return true;
}

static const char *pkernfs_fuzz_check_device(struct pkernfs_fuzz *z, struct pkernfs_device *pd)
{
	struct pkernfs_fuzz_walk w = {
		.z = z, .sb = z->r.sb, .dirty = pkernfs_fuzz_is_tracked(pd->rec),
	};
	const struct pkernfs_fixed *f = pkernfs_to_fixed(pd->fixed);
	struct pkernfs_node *n = pkernfs_node_find(z->r.core, le64_to_cpu(pd->rec->ino));
	struct pkernfs_device *other;
	bool walked;

	if (w.dirty && !z->scalable)
		return "dirty bits of a unit that has none";
	if (!n || n->device != pd)
		return "its file is another one's";
	list_for_each_entry(other, &pkernfs_devices, node) {
		if (other == pd)
			break;
		if (other->state != PKERNFS_STATE_ADOPTED)
			continue;
		if (pkernfs_to_fixed(other->fixed)->ss.root == f->ss.root &&
		    pkernfs_fuzz_is_tracked(other->rec) != w.dirty)
			return "tables with dirty bits of only one of two devices";
		if (other->rid == pd->rid || other->rec->iommu.did == pd->rec->iommu.did)
			return "two have one domain id";
	}
	walked = pkernfs_fuzz_walk_device(&w, pd);
	if (w.bad)
		return w.bad;
	if (walked && (w.tables != le64_to_cpu(pd->rec->iommu.tables) ||
		       w.pages != le64_to_cpu(pd->rec->iommu.pages)))
		return "other counts than its record says";
	if (walked && le64_to_cpu(pd->rec->feature_compat) & PKERNFS_COMPAT_LEAVES &&
	    w.crc != le32_to_cpu(pd->rec->iommu.leaves))
		return "other pages, or of other files, than its record says";
	return pkernfs_fuzz_check_entry(z, pd);
}

/* One that failed when its tables had been proven has them, and what they hold, for now. */
static const char *pkernfs_fuzz_check_failed(struct pkernfs_fuzz *z, struct pkernfs_device *pd)
{
	struct pkernfs_fuzz_walk w = {
		.z = z, .sb = z->r.sb, .dirty = pkernfs_fuzz_is_tracked(pd->rec),
	};

	if (pd->fixed)
		pkernfs_fuzz_walk_device(&w, pd);
	return w.bad;
}

/*
 * Exactly what the tables of devices lead to is held, as often as they do, and is in a
 * file that has a name. Granules that are not of 2 MiB are counted together.
 */
static const char *pkernfs_fuzz_check_holds(struct pkernfs_fuzz *z)
{
	struct pkernfs_core *c = z->r.core;
	u64 others = 0;
	u32 i, g;

	for (i = 0; i < PKERNFS_GPOOLS; i++) {
		const struct pkernfs_gpool *p = &c->gpool[i];

		for (g = 0; g < p->granules; g++) {
			struct pkernfs_node *n;
			u32 holds = pkernfs_granule_holds(p, g);

			if (i != PKERNFS_GPOOL_2M)
				others += holds;
			else if (holds < z->holds[g])
				return "a page is reached and not held";
			else if (holds > z->holds[g])
				return "a page is held more often than it is reached";
			n = holds ? pkernfs_node_find(c, pkernfs_granule_owner(p, g)) : NULL;
			if (holds && (!n || !n->ser->nlink))
				return "a page is held and in no file";
		}
	}
	return others == z->others ? NULL : "small or huge pages have other holds";
}

static const char *pkernfs_fuzz_check(struct pkernfs_fuzz *z)
{
	struct pkernfs_core *c = z->r.core;
	struct pkernfs_device *pd;
	const char *bad = NULL;
	struct pkernfs_node *n;
	unsigned long ino;
	u32 i;

	pkernfs_fuzz_forget(z);
	/* A block of a file is no table. */
	xa_for_each(&c->nodes, ino, n)
		for (i = 0; i < n->chains; i++)
			if (__test_and_set_bit(n->chain[i], z->used))
				bad = "a block is in two files";
	list_for_each_entry(pd, &pkernfs_devices, node) {
		if (pd->region != &z->r)
			continue;
		if (pd->state != PKERNFS_STATE_ADOPTED) {
			z->refused++;
			bad = bad ?: pkernfs_fuzz_check_failed(z, pd);
			continue;
		}
		z->adopted++;
		bad = bad ?: pkernfs_fuzz_check_device(z, pd);
	}
	return bad ?: pkernfs_fuzz_check_holds(z);
}

const char *pkernfs_fuzz_drop(struct pkernfs_fuzz *z)
{
	struct pkernfs_device *pd, *next;
	struct pkernfs_node *n;
	unsigned long ino;

	mutex_lock(&pkernfs_transition_lock);
	list_for_each_entry_safe(pd, next, &pkernfs_devices, node)
		if (pd->region == &z->r)
			pkernfs_device_finish(pd);
	mutex_unlock(&pkernfs_transition_lock);
	xa_for_each(&z->r.core->nodes, ino, n)
		if (n->device)
			return "a file has a device that is gone";
	return z->r.core->gpool[PKERNFS_GPOOL_2M].held ||
	       z->r.core->gpool[PKERNFS_GPOOL_4K].held ||
	       z->r.core->gpool[PKERNFS_GPOOL_1G].held ? "pages are held by nobody" : NULL;
}

/* As at boot, from the load of the region on */
static const char *pkernfs_fuzz_boot(struct pkernfs_fuzz *z)
{
	const char *bad, *bad_drop;
	struct pkernfs_why why;
	struct pkernfs_tree t;
	unsigned int rid, named;
	u64 present = 0;

	if (pkernfs_core_load(&z->r))
		return NULL;
	bad = pkernfs_fuzz_check_files(z->r.core);
	if (!pkernfs_prove_unit(z->iommu, z->at, z->scalable ? DMA_RTADDR_SMT : 0, &z->r, &t,
				&why)) {
		pkernfs_prove_devices(z->iommu, &z->r, &t, &named);
		if (z->enter)
			bad = bad ?: z->enter(z);
		/* All that pkernfs_stop_unnamed() would read; here only whether it can. */
		for (rid = 0; rid < 1 << 16; rid += 0x7f) {
			const struct context_entry *context = pkernfs_tree_context(&t, rid);

			present += context && READ_ONCE(context->lo) & 1;
		}
		bad = bad ?: pkernfs_fuzz_check(z);
	}
	bad_drop = pkernfs_fuzz_drop(z);
	return bad ?: present > 1 << 16 ? "more functions than there are" : bad_drop;
}

static const char *pkernfs_fuzz_try(struct pkernfs_fuzz *z)
{
	const int mode = intel_iommu_sm;
	const char *bad;

	/* Units that run look at it only at changes. */
	intel_iommu_sm = z->scalable;
	bad = z->boot ? z->boot(z) : pkernfs_fuzz_boot(z);
	intel_iommu_sm = mode;
	if (z->r.core) {
		/* A superblock of ours may say that the areas are elsewhere. */
		if (memcmp(&z->r.sb->journal, &z->sb.journal, 8 * sizeof(z->sb.journal)))
			memset(z->r.virt, 0, z->r.bytes);
		pkernfs_core_free(z->r.core);
	}
	z->r.core = NULL;
	z->r.sb = NULL;
	z->r.reason = NULL;
	pkernfs_fuzz_restore(z);
	return bad;
}

/**
 * pkernfs_fuzz_no_tables - one of the devices has no tables at all
 * @z: fixture
 *
 * Record and hardware agree on a root of 0, with no tables below it.
 *
 * Return: NULL, or what is wrong with what was adopted
 */
const char *pkernfs_fuzz_no_tables(struct pkernfs_fuzz *z)
{
	struct pkernfs_dev_record *rec = pkernfs_fuzz_record(z, PKERNFS_FUZZ_DEVICES - 1);

	rec->iommu.ss_root = 0;
	rec->iommu.tables = 0;
	rec->iommu.pages = 0;
	pkernfs_fuzz_mend_entry(z, rec);
	pkernfs_fuzz_seal_record(rec);
	return pkernfs_fuzz_try(z);
}

/**
 * pkernfs_fuzz_run - damage the region, boot from it, and put it back
 * @z: fixture
 * @s: decides on the damage; NULL: none
 *
 * Return: NULL, or what is wrong with what was adopted
 */
const char *pkernfs_fuzz_run(struct pkernfs_fuzz *z, struct pkernfs_fuzz_source *s)
{
	unsigned int changes;

	if (s) {
		changes = 1 + pkernfs_fuzz_pick(s, PKERNFS_FUZZ_CHANGES);
		while (changes-- && !s->over)
			pkernfs_fuzz_change(z, s);
		pkernfs_fuzz_mend(z, s);
	}
	return pkernfs_fuzz_try(z);
}
