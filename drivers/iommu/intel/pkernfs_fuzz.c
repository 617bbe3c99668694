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

/* --- What hardware would make of it ------------------------------------------------- */

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

void pkernfs_fuzz_walk(struct pkernfs_fuzz_walk *w, u64 root, int aw)
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
