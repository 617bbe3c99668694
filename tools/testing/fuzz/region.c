// SPDX-License-Identifier: GPL-2.0
/*
 * Damaged regions before the code that loads them, and before fsck, in userspace.
 *
 * Whoever may write any byte of a region's metadata, with checksums that match, must
 * not bring the kernel to read or write outside of it, to loop, to write to a region
 * that it refuses, or to take one whose memory is not clear. And fsck must say of each
 * damaged region what the kernel says, mend it so that the kernel takes it and a second
 * run finds nothing, and lose no file that was not damaged.
 *
 * usage: see say_usage(). With -DLIBFUZZER it is libFuzzer's.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "region.h"

#define CHANGES		3
/* Metadata up to the data area, and the other superblock */
#define FRONT		(512 * PKERNFS_BLOCK_SIZE)
#define LAST		(r.bytes / PKERNFS_BLOCK_SIZE - 1)

struct source {
	const u8 *data;
	size_t left;
	u64 state;
	bool over;
};

static struct pkernfs_region r;
static struct pkernfs_sb sb;
static u8 *pristine, *before, *said;
static u64 touched[256];
static unsigned int touches;
static u64 pool_used;
static bool touched_sb, with_golden;
static bool huge;	/* with granules of 1 GiB */
static bool guard_all;	/* nor may the load write behind FRONT; takes long */
static u64 runs, loaded, mended, copied;

/* --- where the damage comes from --------------------------------------------------- */

static u64 pick(struct source *s, u64 n)
{
	u64 v = 0;
	int i;

	if (s->data) {
		for (i = 0; i < 3; i++) {
			if (!s->left) {
				s->over = true;
				break;
			}
			v = v << 8 | *s->data++;
			s->left--;
		}
		return n ? v % n : 0;
	}
	/* splitmix64 */
	s->state += 0x9e3779b97f4a7c15ULL;
	v = s->state;
	v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9ULL;
	v = (v ^ v >> 27) * 0x94d049bb133111ebULL;
	v ^= v >> 31;
	return n ? v % n : v;
}

static bool chance(struct source *s, unsigned int of)
{
	return !pick(s, of);
}

/* A value that is likely to mean something. */
static u64 value(struct source *s)
{
	u64 data = r.base + (pkernfs_area_start(&sb.data) << PKERNFS_BLOCK_SHIFT);
	u64 small = r.base + (pkernfs_area_start(&sb.small) << PKERNFS_BLOCK_SHIFT);
	u64 giant = r.base + (pkernfs_area_start(&sb.huge) << PKERNFS_BLOCK_SHIFT);

	switch (pick(s, 14)) {
	case 0:
		return pick(s, 4);
	case 1:
		return 0ULL - pick(s, 3);
	case 2:
		return (1ULL << 63) - pick(s, 3);
	case 3:
		return pick(s, TREE_END + 2);
	case 4:
		return pkernfs_area_start(&sb.pool) + pick(s, pool_used + 2);
	case 5:
		return data + pick(s, 32) * PKERNFS_GRANULE_SIZE;
	case 6:
		return pick(s, 40) * PKERNFS_GRANULE_SIZE;
	case 7:
		return 1ULL << pick(s, 64);
	case 8:
		return pick(s, 300);
	case 9:
		return small + pick(s, 40) * PKERNFS_BLOCK_SIZE;
	case 10:
		return pick(s, LAST + 2);
	case 11:
		return giant + pick(s, REGION_HUGE + 2) * PKERNFS_HUGE_SIZE;
	case 12:
		return pick(s, REGION_HUGE + 2) * PKERNFS_HUGE_SIZE;
	default:
		return pick(s, 0);
	}
}

/* --- damage ------------------------------------------------------------------------ */

static void touch(u64 block)
{
	if (touches < ARRAY_SIZE(touched))
		touched[touches++] = block;
	else
		shim_die("too many changes");
}

static void put(void *to, u64 v, unsigned int bytes)
{
	memcpy(to, &v, bytes);
}

static void *pool_block(struct source *s, u64 *block)
{
	*block = pkernfs_area_start(&sb.pool) + pick(s, pool_used);
	return pkernfs_block(&r, *block);
}

static void damage_bytes(struct source *s, u8 *p, size_t bytes)
{
	size_t at = pick(s, bytes);

	switch (pick(s, 3)) {
	case 0:
		p[at] ^= 1 << pick(s, 8);
		break;
	case 1:
		p[at] = value(s);
		break;
	default:
		put(p + at / 8 * 8, value(s), min_t(size_t, 8, bytes - at / 8 * 8));
	}
}

static void damage_extent(struct source *s, struct pkernfs_extent_ser *e)
{
	static const struct granules {
		const struct pkernfs_area *area;
		u64 size, pieces;
	} sizes[] = {
		{ &sb.small, PKERNFS_BLOCK_SIZE, 36 },
		{ &sb.data, PKERNFS_GRANULE_SIZE, 36 },
		{ &sb.huge, PKERNFS_HUGE_SIZE, REGION_HUGE + 1 },
	};
	const struct granules *g = &sizes[pick(s, huge ? 3 : 2)];

	switch (pick(s, 4)) {
	case 0:
		put(&e->logical, value(s), 8);
		break;
	case 1:
		put(&e->phys, value(s), 8);
		break;
	case 2:
		put(&e->bytes, value(s), 8);
		break;
	default:
		e->logical = cpu_to_le64(pick(s, g->pieces) * g->size);
		e->phys = cpu_to_le64(r.base +
				      (pkernfs_area_start(g->area) << PKERNFS_BLOCK_SHIFT) +
				      pick(s, g->pieces) * g->size);
		e->bytes = cpu_to_le64((1 + pick(s, 3)) * g->size);
	}
}

static void damage_inode_at(struct source *s, struct pkernfs_inode_ser *ser)
{
	static const u16 modes[] = {
		0, S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK, 0xf000
	};
	static const u8 fields[][2] = {
		{ offsetof(struct pkernfs_inode_ser, magic), 4 },
		{ offsetof(struct pkernfs_inode_ser, generation), 4 },
		{ offsetof(struct pkernfs_inode_ser, ino), 8 },
		{ offsetof(struct pkernfs_inode_ser, flags), 2 },
		{ offsetof(struct pkernfs_inode_ser, nlink), 4 },
		{ offsetof(struct pkernfs_inode_ser, size), 8 },
		{ offsetof(struct pkernfs_inode_ser, parent), 8 },
		{ offsetof(struct pkernfs_inode_ser, chain), 8 },
	};
	unsigned int i;

	switch (pick(s, 6)) {
	case 5:
		ser->flags = cpu_to_le16(pick(s, PKERNFS_INODE_KNOWN + 1));
		break;
	case 0:
		i = pick(s, ARRAY_SIZE(fields));
		put((u8 *)ser + fields[i][0], value(s), fields[i][1]);
		break;
	case 1:
		damage_extent(s, &ser->extent[pick(s, PKERNFS_INODE_EXTENTS)]);
		break;
	case 2:
		ser->mode = cpu_to_le16(modes[pick(s, ARRAY_SIZE(modes))] | 0600);
		if (chance(s, 4))
			ser->mode = 0;
		break;
	case 3:
		put(&ser->xattr, value(s), 4);
		break;
	default:
		damage_bytes(s, (u8 *)ser, PKERNFS_INODE_STATIC);
	}
}

static void damage_inode(struct source *s)
{
	/* Some where no inode has ever been */
	u32 ino = pick(s, chance(s, 16) ? REGION_INODES : TREE_END + 2);
	struct pkernfs_inode_ser *ser = region_inode(&r, ino);

	touch(((void *)ser - r.virt) >> PKERNFS_BLOCK_SHIFT);
	if (!ino && !chance(s, 4))
		((struct pkernfs_table_ser *)ser)->mark = cpu_to_le64(pick(s, REGION_INODES + 2));
	else if (chance(s, 16))
		memcpy(ser, region_inode(&r, pick(s, TREE_END)), PKERNFS_INODE_STATIC);
	else
		damage_inode_at(s, ser);
	if (ino && chance(s, 4))
		ser->ino = cpu_to_le64(ino);
	if (!chance(s, 8))
		region_seal(ser);
}

static void damage_entry(struct source *s, struct pkernfs_dir_block_ser *b)
{
	static const u8 names[][4] = { ".", "..", "a/b", "", "link", "vm0" };
	struct pkernfs_dirent_ser *de = (void *)b->unit[pick(s, PKERNFS_DIR_UNITS)];
	unsigned int i;

	/* Most units are empty, and most entries at the start. */
	if (!chance(s, 4))
		de = (void *)b->unit[pick(s, 16)];
	switch (pick(s, 6)) {
	case 0:
		put(&de->ino, value(s), 8);
		break;
	case 1:
		de->ino = cpu_to_le64(pick(s, TREE_END));
		break;
	case 2:
		de->units = value(s);
		break;
	case 3:
		de->len = value(s);
		break;
	case 4:
		de->type = pick(s, 16);
		break;
	default:
		i = pick(s, ARRAY_SIZE(names));
		de->units = 1;
		de->len = strlen((const char *)names[i]);
		memcpy(de->name, names[i], 4);
		if (chance(s, 2)) {
			de->ino = cpu_to_le64(pick(s, TREE_END));
			de->type = pick(s, 2) ? DT_DIR : DT_REG;
		}
	}
}

static void damage_bad(struct source *s, struct pkernfs_bad_block_ser *b)
{
	u32 count = le32_to_cpu(b->count), i;

	switch (pick(s, 5)) {
	case 0:
		put(&b->count, value(s), 4);
		break;
	case 4:
		b->page[pick(s, 6)] = b->page[pick(s, 6)];
		break;
	case 1:
		put(&b->page[pick(s, PKERNFS_BAD_PAGES)], value(s), 8);
		break;
	case 2:
		/* Many of them */
		for (i = 0; i < PKERNFS_BAD_PAGES; i++)
			b->page[i] = cpu_to_le64(32 * i);
		b->count = cpu_to_le32(pick(s, PKERNFS_BAD_PAGES + 2));
		break;
	default:
		if (count < PKERNFS_BAD_PAGES)
			b->count = cpu_to_le32(count + 1);
		put(&b->page[pick(s, 6)], pick(s, LAST + 2), 8);
	}
}

static void damage_xattr(struct source *s, struct pkernfs_xattr_block_ser *b)
{
	struct pkernfs_xattr_ser *e = (void *)b->entry;

	switch (pick(s, 5)) {
	case 0:
		e->space = pick(s, PKERNFS_XATTR_SPACES + 1);
		break;
	case 1:
		e->name_len = pick(s, 8);
		break;
	case 2:
		e->value_len = cpu_to_le16(pick(s, 64));
		break;
	case 3:
		put(e->data, value(s), 4);
		break;
	default:
		damage_bytes(s, (u8 *)b + 24, chance(s, 2) ? 64 : PKERNFS_BLOCK_SIZE - 24);
	}
}

static void damage_pool_at(struct source *s, void *p)
{
	struct pkernfs_extent_block_ser *x = p;

	if (chance(s, 4)) {
		put((u8 *)p + pick(s, 4) * 8, value(s), chance(s, 2) ? 8 : 4);
		return;
	}
	if (chance(s, 8)) {
		put(&x->next, value(s), 8);
		return;
	}
	switch (le32_to_cpu(x->magic)) {
	case PKERNFS_DIR_MAGIC:
		damage_entry(s, p);
		break;
	case PKERNFS_EXTENT_MAGIC:
		damage_extent(s, &x->extent[pick(s, 5)]);
		break;
	case PKERNFS_BAD_MAGIC:
		damage_bad(s, p);
		break;
	case PKERNFS_XATTR_MAGIC:
		damage_xattr(s, p);
		break;
	default:
		damage_bytes(s, (u8 *)p + 24, chance(s, 2) ? 32 : PKERNFS_BLOCK_SIZE - 24);
	}
}

static void damage_pool(struct source *s)
{
	u64 block;
	void *p = pool_block(s, &block);

	touch(block);
	damage_pool_at(s, p);
	if (!chance(s, 8))
		pkernfs_block_seal(p);
}

static void damage_sb(struct source *s)
{
	u64 which = pick(s, 3), at = pick(s, sizeof(sb) / 4) * 4, v = value(s);
	bool feature = chance(s, 4);
	unsigned int copy;

	if (feature) {
		which = 2;
		at = offsetof(struct pkernfs_sb, feature_incompat);
		v = (u32)le64_to_cpu(sb.feature_incompat) ^ 1 << pick(s, 10);
	}
	touched_sb = true;
	for (copy = 0; copy < 2; copy++) {
		struct pkernfs_sb *p = pkernfs_block(&r, copy ? LAST : 0);

		if (which != 2 && which != copy)
			continue;
		touch(copy ? LAST : 0);
		put((u8 *)p + at, v, 4);
		if (!chance(s, 8))
			region_seal_sb(p);
	}
}

/* A committed transaction of damaged objects. */
static void damage_journal(struct source *s)
{
	struct pkernfs_journal_ser *j = pkernfs_block(&r, pkernfs_area_start(&sb.journal));
	u64 first = pkernfs_area_start(&sb.journal), used = 0, n = 1 + pick(s, 3);
	struct pkernfs_journal_rec_ser *rec;
	u32 crc;

	for (; n; n--) {
		rec = (void *)j + PKERNFS_BLOCK_SIZE + used;
		if (chance(s, 2)) {
			u32 ino = pick(s, TREE_END + 2);

			rec->offset = cpu_to_le64((void *)region_inode(&r, ino) - r.virt);
			rec->kind = cpu_to_le32(PKERNFS_REC_INODE);
			rec->bytes = cpu_to_le32(PKERNFS_INODE_STATIC);
			memcpy(rec + 1, region_inode(&r, ino), PKERNFS_INODE_STATIC);
			damage_inode_at(s, (void *)(rec + 1));
			region_seal((void *)(rec + 1));
		} else {
			u64 block;
			void *p = pool_block(s, &block);

			rec->offset = cpu_to_le64(block << PKERNFS_BLOCK_SHIFT);
			rec->kind = cpu_to_le32(PKERNFS_REC_BLOCK);
			rec->bytes = cpu_to_le32(PKERNFS_BLOCK_SIZE);
			memcpy(rec + 1, p, PKERNFS_BLOCK_SIZE);
			damage_pool_at(s, rec + 1);
			pkernfs_block_seal(rec + 1);
		}
		used += sizeof(*rec) + le32_to_cpu(rec->bytes);
		if (chance(s, 8))
			damage_bytes(s, (u8 *)rec, sizeof(*rec));
	}
	j->bytes = cpu_to_le64(chance(s, 16) ? value(s) : used);
	if (le64_to_cpu(j->bytes) <= 8 * PKERNFS_BLOCK_SIZE) {
		crc = crc32c(~0, &j->bytes, 8);
		crc = crc32c(crc, (void *)j + PKERNFS_BLOCK_SIZE, le64_to_cpu(j->bytes));
	} else {
		crc = pick(s, 0);
	}
	j->commit = cpu_to_le64(1ULL << 32 | crc);
	if (chance(s, 16))
		damage_bytes(s, (u8 *)j, sizeof(*j));
	for (n = 0; n <= 5; n++)
		touch(first + n);
}

static void damage_any(struct source *s)
{
	u64 block;
	void *p = chance(s, 4) ? pkernfs_block(&r, block = pick(s, 75)) : pool_block(s, &block);

	touch(block);
	touched_sb |= !block;
	damage_bytes(s, p, PKERNFS_BLOCK_SIZE);
}

/* Returns whether more has changed than is written down. */
static bool damage(struct source *s)
{
	u64 n = 1 + pick(s, CHANGES);

	touches = 0;
	touched_sb = false;
	/* What takes several changes at once chance alone would seldom find. */
	if (with_golden && chance(s, 16)) {
		region_golden_any(&r, pick(s, 0));
		touched_sb = true;
		if (chance(s, 2))
			return true;
	}
	while (n-- && !s->over) {
		switch (pick(s, 16)) {
		case 0:
			damage_sb(s);
			break;
		case 1:
			damage_journal(s);
			break;
		case 2:
			damage_any(s);
			break;
		case 3 ... 8:
			damage_inode(s);
			break;
		default:
			damage_pool(s);
		}
	}
	return touched_sb;
}

static void restore(void)
{
	while (touches) {
		u64 block = touched[--touches];

		memcpy(pkernfs_block(&r, block), block == LAST ? pristine + FRONT :
		       pristine + (block << PKERNFS_BLOCK_SHIFT), PKERNFS_BLOCK_SIZE);
	}
}

static void restore_all(void)
{
	memcpy(r.virt, pristine, FRONT);
	memcpy(pkernfs_block(&r, LAST), pristine + FRONT, PKERNFS_BLOCK_SIZE);
	/* The first record */
	memset(pkernfs_block(&r, pkernfs_area_start(&sb.records)), 0, PKERNFS_BLOCK_SIZE);
	touches = 0;
}

/*
 * What granules say of themselves is in their first page; all else of them is zeroes.
 * Returns the number of such pages.
 */
static u64 data_pages(void (*page)(void *data, u8 *copy))
{
	static const struct {
		const struct pkernfs_area *area;
		u64 step;
	} sizes[] = {
		{ &sb.small, 1 }, { &sb.data, PKERNFS_BLOCKS_PER_GRANULE },
		{ &sb.huge, PKERNFS_HUGE_SIZE / PKERNFS_BLOCK_SIZE },
	};
	u64 at, n = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		for (at = 0; at < pkernfs_area_count(sizes[i].area); at += sizes[i].step, n++)
			if (page)
				page(pkernfs_block(&r, pkernfs_area_start(sizes[i].area) + at),
				     said + n * PKERNFS_BLOCK_SIZE);
	return n;
}

static void page_save(void *data, u8 *copy)
{
	memcpy(copy, data, PKERNFS_BLOCK_SIZE);
}

static void page_restore(void *data, u8 *copy)
{
	memcpy(data, copy, PKERNFS_BLOCK_SIZE);
}

/* --- judges -------------------------------------------------------------------------- */

static bool committed(void)
{
	const struct pkernfs_sb *use = pkernfs_sb_check(&r, 0) ? pkernfs_block(&r, LAST) :
				       pkernfs_block(&r, 0);
	const struct pkernfs_journal_ser *j;

	if (pkernfs_sb_check(&r, 0) && pkernfs_sb_check(&r, 1))
		return false;
	j = pkernfs_block(&r, pkernfs_area_start(&use->journal));
	return j->commit;
}

static void protect(u64 from, u64 to, bool on)
{
	if (mprotect(r.virt + from, to - from, on ? PROT_READ : PROT_READ | PROT_WRITE))
		shim_die("no mprotect");
}

/*
 * With nothing in the log the load is without a single store: the memory is read-only
 * meanwhile. With something there only the replay may have written, and all of it.
 */
static bool try_load(const char **why)
{
	bool log = committed(), ok;
	u64 end = guard_all ? r.bytes : FRONT;
	const struct pkernfs_sb *use;
	struct pkernfs_journal_ser *j;
	u64 at, bytes;

	if (!log) {
		protect(0, end, true);
		ok = region_load(&r, why);
		protect(0, end, false);
		return ok;
	}
	memcpy(before, r.virt, FRONT);
	/* But for a superblock that says so no target of the log is behind it. */
	if (guard_all && !touched_sb)
		protect(FRONT, end, true);
	ok = region_load(&r, why);
	if (guard_all)
		protect(FRONT, end, false);
	use = pkernfs_sb_check(&r, 0) ? pkernfs_block(&r, LAST) : pkernfs_block(&r, 0);
	at = pkernfs_area_start(&use->journal) << PKERNFS_BLOCK_SHIFT;
	j = (void *)before + at;
	if (at + 8 * PKERNFS_BLOCK_SIZE < FRONT &&
	    !((struct pkernfs_journal_ser *)(r.virt + at))->commit) {
		bytes = le64_to_cpu(j->bytes);
		j->commit = 0;
		for (at += PKERNFS_BLOCK_SIZE; bytes;) {
			struct pkernfs_journal_rec_ser *rec = (void *)before + at;
			u32 part = le32_to_cpu(rec->bytes);

			memcpy(before + le64_to_cpu(rec->offset), rec + 1, part);
			at += sizeof(*rec) + part;
			bytes -= sizeof(*rec) + part;
		}
	}
	if (memcmp(before, r.virt, FRONT))
		shim_die("the load has written something else than the log");
	return ok;
}

/* Anything that a mount would do with what it has loaded. Has it changed something? */
static bool use(struct source *s)
{
	struct pkernfs_core *c = r.core;
	struct super_block super = { .s_fs_info = &r };
	struct pkernfs_inode_info info = { .vfs.i_sb = &super };
	static char list[65536], big[4096];
	struct pkernfs_node *n;
	unsigned long ino;
	u64 at;

	xa_for_each(&c->nodes, ino, n) {
		info.node = n;
		pkernfs_listxattr((struct dentry *)&info.vfs, list, sizeof(list));
		pkernfs_xattr_get(c, n, PKERNFS_XATTR_USER, "one", big, sizeof(big));
		for (at = 0; n->slots && at < 4; at++)
			pkernfs_extent_seek(n, at << n->pool->shift, at & 1);
	}
	if (!chance(s, 16))
		return false;

	if (chance(s, 4))
		pkernfs_bad_add(c, pick(s, LAST + 1));
	pkernfs_orphan_reclaim(c);
	for (ino = TREE_ROOT; ino < TREE_END; ino++) {
		u32 fresh;

		n = pkernfs_node_find(c, ino);
		if (!n || !n->ser->nlink || !chance(s, 3))
			continue;
		pkernfs_xattr_set(c, n, PKERNFS_XATTR_USER, "three", big, pick(s, 4096), 0);
		if (n->slots) {
			struct pkernfs_gpool *want = &c->gpool[pick(s, PKERNFS_GPOOLS)];

			at = pick(s, 24) << n->pool->shift;
			if (chance(s, 4))
				pkernfs_extent_fill(c, n, at, at, want);
			pkernfs_extent_cut(c, n, at,
					   at + ((1 + pick(s, 4)) << n->pool->shift) - 1, -1, 0);
			if (n->pool == &c->gpool[PKERNFS_GPOOL_4K] && chance(s, 4))
				pkernfs_extent_move(c, n, &c->gpool[PKERNFS_GPOOL_2M]);
		} else if (S_ISDIR(le16_to_cpu(n->ser->mode))) {
			snprintf(big, 200, "%0*u", (int)(1 + pick(s, 150)), (u32)ino);
			region_create(c, ino, big, chance(s, 2) ? S_IFREG : S_IFDIR, &fresh);
			*big = 0;
		}
	}
	return true;
}

/* Files that the damage has not come near. */
static u64 untouched(void)
{
	u64 intact = 0, block;
	u32 ino;

	for (ino = TREE_ROOT; ino < TREE_END && !touched_sb && !committed(); ino++) {
		struct pkernfs_inode_ser *ser = region_inode(&r, ino);
		struct pkernfs_inode_ser *was = (void *)pristine + ((void *)ser - r.virt);

		if (ino == TREE_ORPHAN || !was->mode || memcmp(ser, was, PKERNFS_INODE_STATIC))
			continue;
		/* No chain here is longer than two blocks, but for names. */
		block = S_ISREG(le16_to_cpu(ser->mode)) ? le64_to_cpu(ser->chain) : 0;
		if (block && memcmp(pkernfs_block(&r, block),
				    pristine + (block << PKERNFS_BLOCK_SHIFT), PKERNFS_BLOCK_SIZE))
			continue;
		intact |= 1ULL << ino;
	}
	return intact;
}

static void still_there(u64 intact, const struct verdict *v)
{
	static const u8 granules[TREE_END] = {
		[TREE_RAM] = 11, [TREE_STATE] = 1, [TREE_C] = 2,
		[TREE_SMALL] = TREE_SMALL_GRANULES, [TREE_TINY] = 1,
		[TREE_HUGE] = 2, [TREE_HALF] = 1,
	};
	u32 ino;

	for (ino = TREE_ROOT; ino < TREE_END; ino++) {
		struct pkernfs_node *n;

		if (!(intact & 1ULL << ino))
			continue;
		n = pkernfs_node_find(r.core, ino);
		if (!n || !n->ser->nlink)
			shim_die("fsck has lost a file that was whole");
		if (n->slots && !v->no_room &&
		    pkernfs_extent_total(n) >> n->pool->shift != granules[ino])
			shim_die("fsck has lost data of a file that was whole");
	}
}

/* Does each granule of these files say what it did? */
static void still_says(u64 intact, const struct verdict *v)
{
	struct pkernfs_node *n;
	char want[40];
	u32 ino, i, g;

	for (ino = TREE_ROOT; ino < TREE_END; ino++) {
		n = intact & 1ULL << ino ? pkernfs_node_find(r.core, ino) : NULL;
		for (i = 0; n && i < n->extents; i++)
			for (g = 0; g < n->extent[i].count; g++) {
				const char *p = pkernfs_granule_virt(r.core, n->pool,
								     n->extent[i].granule + g);

				sprintf(want, "inode %u granule %llu", ino,
					(unsigned long long)n->extent[i].logical + g);
				if (strcmp(p, want) && (*p || !v->from_bad))
					shim_die("fsck has damaged data of a file that was whole");
			}
	}
}

/* The first block of the pool that is free is bad. Has nobody taken it? */
static bool bad_is_free(void)
{
	u64 list = pkernfs_area_start(&sb.pool);

	if (touched_sb || memcmp(pkernfs_block(&r, list),
				 pristine + (list << PKERNFS_BLOCK_SHIFT), PKERNFS_BLOCK_SIZE))
		return true;
	return pkernfs_bad_first(r.core, list + pool_used, 1) != U64_MAX &&
	       !test_bit(pool_used, r.core->pool_map);
}

/* mkfs makes a region that can be loaded of anything, and keeps only bad pages. */
static void format_again(void)
{
	struct pkernfs_bad_block_ser *bad;
	const char *why;

	r.sb = pkernfs_sb_find(&r, &why);
	bad = pkernfs_bad_keep(&r);
	pkernfs_format_write(&r, &sb, bad);
	kfree(bad);
	if (!region_load(&r, &why)) {
		fprintf(stderr, "%s\n", why);
		shim_die("formatted, and the kernel does not take it");
	}
	region_unload(&r);
}

static void judge(struct source *s)
{
	struct verdict v;
	const char *why;
	bool ok, log, changed = false;
	u64 intact;

	runs++;
	guard_all = chance(s, 64);
	changed = damage(s);
	intact = untouched();
	log = changed || committed();
	changed = false;
	verdict_look(&v);
	if (v.mended) {
		mended++;
		if (!v.clean)
			shim_die("the second run of fsck finds something");
		if (!region_load(&r, &why)) {
			fprintf(stderr, "%s\n", why);
			shim_die("mended, and the kernel does not take it");
		}
		still_there(intact, &v);
		if (v.onto_bad || !bad_is_free())
			shim_die("fsck has used bad memory");
		if (v.copies && chance(s, 2)) {
			verdict_commit();
			still_says(intact, &v);
			region_unload(&r);
			copied++;
			data_pages(page_restore);
			restore_all();
			return;
		}
		region_unload(&r);
	}
	verdict_undo();

	ok = try_load(&why);
	if (shim_verbose)
		fprintf(stderr, "kernel: %s\n", ok ? "loaded" : why);
	/* What is above the mark of the inode table the kernel does not see. */
	if (ok != v.whole && !(ok && v.above))
		shim_die(ok ? "fsck finds fault with what the kernel takes" :
			 "fsck finds nothing, and the kernel does not take it");
	loaded += ok;
	if (ok) {
		changed = use(s);
		region_unload(&r);
		if (changed && !region_load(&r, &why)) {
			fprintf(stderr, "%s\n", why);
			shim_die("what was changed in it makes it unfit to be loaded again");
		}
		region_unload(&r);
	}
	if (chance(s, 32)) {
		format_again();
		log = true;
	}
	log |= changed;
	if (changed)
		data_pages(page_restore);
	if (log)
		restore_all();
	else
		restore();
}

static void set_up(void)
{
	region_memory(&r, huge);
	region_make(&r);
	pool_used = r.core->pool_blocks - r.core->pool_free;
	sb = *r.sb;
	region_unload(&r);
	pristine = malloc(FRONT + PKERNFS_BLOCK_SIZE);
	before = malloc(FRONT);
	said = malloc(data_pages(NULL) * PKERNFS_BLOCK_SIZE);
	if (!pristine || !before || !said ||
	    pkernfs_area_start(&sb.small) * PKERNFS_BLOCK_SIZE != FRONT)
		shim_die("no memory, or another layout");
	memcpy(pristine, r.virt, FRONT);
	memcpy(pristine + FRONT, pkernfs_block(&r, LAST), PKERNFS_BLOCK_SIZE);
	data_pages(page_save);
	verdict_set_up(r.virt, r.base, r.bytes, shim_verbose);
}

#ifdef LIBFUZZER
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct source s = { .data = data, .left = bytes };

	huge = true;
	if (!pristine)
		set_up();
	if (bytes)
		judge(&s);
	return 0;
}
#else
static u64 seed;

/* Both sanitizers and shim_die() end in abort(). */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "abort_on_error=1:malloc_context_size=4:quarantine_size_mb=8";
}

const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
	return "abort_on_error=1:print_stacktrace=1";
}

static void say_seed(int sig)
{
	fprintf(stderr, "seed %llu%s\n", (unsigned long long)seed, huge ? " with -H" : "");
}

/* Only what is not zero, and of larger granules only what they say: the file is sparse. */
static int save(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	u64 block;

	if (fd < 0 || ftruncate(fd, r.bytes))
		return 2;
	for (block = 0; block <= LAST; block++) {
		void *p;

		if (huge && block > pkernfs_area_start(&sb.data) && block < LAST - 512)
			block = round_up(block, 512);
		p = pkernfs_block(&r, block);
		if (memchr_inv(p, 0, PKERNFS_BLOCK_SIZE) &&
		    pwrite(fd, p, PKERNFS_BLOCK_SIZE, block << PKERNFS_BLOCK_SHIFT) !=
		    PKERNFS_BLOCK_SIZE)
			return 2;
	}
	return close(fd) ? 2 : 0;
}

static int golden(const char *name, const char *path)
{
	huge |= region_golden_huge(name);
	region_memory(&r, huge);
	region_make(&r);
	sb = *r.sb;
	region_unload(&r);
	if (region_golden(&r, name)) {
		fprintf(stderr, "no such damage: %s\n", name);
		return 2;
	}
	return save(path);
}

static int list(const char *path)
{
	int fd = open(path, O_RDONLY);
	const char *why;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return 2;
	/* A saved one has checksums behind it. */
	region_memory(&r, st.st_size > REGION_HUGE * PKERNFS_HUGE_SIZE);
	if (mmap(r.virt, r.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0) ==
	    MAP_FAILED)
		return 2;
	shim_verbose = true;
	if (!region_load(&r, &why)) {
		fprintf(stderr, "not loaded: %s\n", why);
		return 1;
	}
	region_list(r.core);
	region_unload(&r);
	return 0;
}

static int write_mutant(FILE *f, u64 number, bool ok)
{
	u64 head[4] = { number, ok, committed(), 0 };
	unsigned int i, j;

	/* A block may have been damaged twice. */
	for (i = 0; i < touches; i++)
		for (j = i + 1; j < touches; j++)
			if (touched[j] == touched[i])
				touched[j--] = touched[--touches];
	head[3] = touches;
	if (fwrite(head, sizeof(head), 1, f) != 1)
		return 2;
	for (i = 0; i < touches; i++)
		if (fwrite(&touched[i], 8, 1, f) != 1 ||
		    fwrite(pkernfs_block(&r, touched[i]), PKERNFS_BLOCK_SIZE, 1, f) != 1)
			return 2;
	return 0;
}

/*
 * So many damaged regions, for others to try: seed, does it load, is its log to be
 * replayed, number of blocks, and for each its number and what is in it.
 */
static int mutants(u64 count, const char *path)
{
	FILE *f = fopen(path, "w");
	u64 end = seed + count;
	const char *why;
	int err = f ? 0 : 2;

	set_up();
	/* Their kernel has made the pages for an undamaged one. */
	shim_fit = &sb;
	for (; seed < end && !err; seed++) {
		struct source s = { .state = seed * 0x2545f4914f6cdd1dULL };
		u8 *front;
		bool ok;

		damage(&s);
		/* A replay changes it: it is written as it is before. */
		front = malloc(FRONT);
		memcpy(front, r.virt, FRONT);
		ok = try_load(&why);
		region_unload(&r);
		memcpy(r.virt, front, FRONT);
		free(front);
		err = write_mutant(f, seed, ok);
		restore_all();
	}
	return !f || fclose(f) ? 2 : err;
}

static void fuzz(u64 count)
{
	u64 end = seed + count;

	signal(SIGABRT, say_seed);
	set_up();
	with_golden = true;
	for (; seed < end; seed++) {
		struct source s = { .state = seed * 0x2545f4914f6cdd1dULL };

		judge(&s);
	}
	printf("%llu runs: %llu loaded, %llu refused, %llu mended, %llu with data\n",
	       (unsigned long long)runs, (unsigned long long)loaded,
	       (unsigned long long)(runs - loaded - copied), (unsigned long long)mended,
	       (unsigned long long)copied);
}

static int say_usage(void)
{
	fprintf(stderr, "usage: region [-H] [RUNS [FIRST_SEED]]\n"
			"       region [-H] -v SEED     one run, and what it says\n"
			"       region goldens          names of what can be damaged\n"
			"       region [-H] golden NAME FILE  make a region with this damage; `whole': none\n"
			"       region [-H] mutants SEED COUNT FILE  damaged regions, for others\n"
			"       region list FILE        load a region, and list what is in it\n"
			"With -H they have granules of 1 GiB; some damages need that, and do without.\n");
	return 2;
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "-H")) {
		huge = true;
		argv++;
		argc--;
	}
	if (argc == 2 && !strcmp(argv[1], "goldens")) {
		region_goldens();
		return 0;
	}
	if (argc == 4 && !strcmp(argv[1], "golden"))
		return golden(argv[2], argv[3]);
	if (argc == 3 && !strcmp(argv[1], "list"))
		return list(argv[2]);
	if (argc == 5 && !strcmp(argv[1], "mutants")) {
		seed = strtoull(argv[2], NULL, 0);
		return mutants(strtoull(argv[3], NULL, 0), argv[4]);
	}
	shim_verbose = argc == 3 && !strcmp(argv[1], "-v");
	if (!shim_verbose && argc > 1 && !strtoull(argv[1], NULL, 0))
		return say_usage();
	if (argc > 2)
		seed = strtoull(argv[2], NULL, 0);
	fuzz(shim_verbose ? 1 : argc > 1 ? strtoull(argv[1], NULL, 0) : 100000);
	return 0;
}
#endif
