// SPDX-License-Identifier: GPL-2.0
/*
 * Regions with one damage each, for each finding of fsck.pkernfs: the name of a damage
 * is that of the finding, and what comes behind a dot tells two of one finding apart.
 */
#include "region.h"

static struct pkernfs_sb *sb0(struct pkernfs_region *r)
{
	return pkernfs_block(r, 0);
}

static struct pkernfs_sb *sb1(struct pkernfs_region *r)
{
	return pkernfs_block(r, (r->bytes >> PKERNFS_BLOCK_SHIFT) - 1);
}

static struct pkernfs_journal_ser *journal(struct pkernfs_region *r)
{
	return pkernfs_block(r, 1);
}

static void *chain(struct pkernfs_region *r, u32 ino)
{
	return pkernfs_block(r, le64_to_cpu(region_inode(r, ino)->chain));
}

static struct pkernfs_xattr_block_ser *xattr(struct pkernfs_region *r, u32 ino)
{
	return pkernfs_block(r, le32_to_cpu(region_inode(r, ino)->xattr));
}

/* The entry of this inode in the first block of a directory */
static struct pkernfs_dirent_ser *entry(struct pkernfs_region *r, u32 dir, u64 ino)
{
	struct pkernfs_dir_block_ser *b = chain(r, dir);
	unsigned int unit;

	for (unit = 0; unit < PKERNFS_DIR_UNITS; unit++) {
		struct pkernfs_dirent_ser *de = (void *)b->unit[unit];

		if (le64_to_cpu(de->ino) == ino && de->units == 1)
			return de;
	}
	shim_die("no such name");
}

static void both(struct pkernfs_region *r, void (*change)(struct pkernfs_sb *))
{
	change(sb0(r));
	change(sb1(r));
	region_seal_sb(sb0(r));
	region_seal_sb(sb1(r));
}

/* --- superblock, log, records --------------------------------------------------------- */

static void sb_none(struct pkernfs_region *r)
{
	sb0(r)->crc ^= 1;
	sb1(r)->magic = 0;
}

static void sb_copy0(struct pkernfs_region *r)
{
	sb0(r)->label[0] ^= 1;
}

static void sb_copy1(struct pkernfs_region *r)
{
	memset(sb1(r), 0, sizeof(*sb1(r)));
}

static void sb_differ(struct pkernfs_region *r)
{
	sb1(r)->uuid[3] ^= 1;
	region_seal_sb(sb1(r));
}

static void log_head(struct pkernfs_region *r)
{
	journal(r)->magic = 0;
}

static void log_damaged(struct pkernfs_region *r)
{
	journal(r)->bytes = cpu_to_le64(504);
	journal(r)->commit = cpu_to_le64(1ULL << 32 | 12345);
}

/* The link count of a file is put right by the operation that is not finished. */
static void log_committed(struct pkernfs_region *r)
{
	struct pkernfs_journal_rec_ser *rec = pkernfs_block(r, 2);
	struct pkernfs_inode_ser *ser = region_inode(r, TREE_C);
	u32 crc;

	rec->offset = cpu_to_le64((void *)ser - r->virt);
	rec->kind = cpu_to_le32(PKERNFS_REC_INODE);
	rec->bytes = cpu_to_le32(PKERNFS_INODE_STATIC);
	memcpy(rec + 1, ser, PKERNFS_INODE_STATIC);
	ser->nlink = cpu_to_le32(7);
	region_seal(ser);
	journal(r)->bytes = cpu_to_le64(sizeof(*rec) + PKERNFS_INODE_STATIC);
	crc = crc32c(~0, &journal(r)->bytes, 8);
	crc = crc32c(crc, rec, sizeof(*rec) + PKERNFS_INODE_STATIC);
	journal(r)->commit = cpu_to_le64(1ULL << 32 | crc);
}

static void record_frozen(struct pkernfs_region *r)
{
	struct pkernfs_dev_record *rec = pkernfs_block(r, pkernfs_area_start(&sb0(r)->records));

	rec->state = cpu_to_le32(PKERNFS_RECORD_FROZEN);
	region_inode(r, TREE_C)->crc ^= 1;
}

/* --- bad pages ---------------------------------------------------------------------- */

static struct pkernfs_bad_block_ser *bad(struct pkernfs_region *r)
{
	return pkernfs_block(r, pkernfs_area_start(&sb0(r)->pool));
}

#define BAD(name, ...)							\
static void name(struct pkernfs_region *r)				\
{									\
	struct pkernfs_bad_block_ser *b = bad(r);			\
									\
	__VA_ARGS__;							\
	pkernfs_block_seal(b);						\
}

BAD(bad_none, memset(b, 0x5a, sizeof(*b)))
BAD(bad_magic, b->magic = 0)
BAD(bad_head, b->generation = cpu_to_le32(1))
BAD(bad_order, __le64 page = b->page[0]; b->page[0] = b->page[1]; b->page[1] = page)
BAD(bad_twice, b->page[1] = b->page[0])
BAD(bad_range, b->page[4] = cpu_to_le64(r->bytes >> PKERNFS_BLOCK_SHIFT))
BAD(bad_count, b->count = cpu_to_le32(PKERNFS_BAD_PAGES + 1))
BAD(bad_behind, b->count = cpu_to_le32(2))

static void bad_crc(struct pkernfs_region *r)
{
	bad(r)->crc ^= 1;
}

/* --- inodes ------------------------------------------------------------------------- */

#define INODE(name, INO, ...)						\
static void name(struct pkernfs_region *r)				\
{									\
	struct pkernfs_inode_ser *ser = region_inode(r, INO);		\
									\
	__VA_ARGS__;							\
	region_seal(ser);						\
}

INODE(inode_flags, TREE_STATE, ser->flags = cpu_to_le16(0x100))
INODE(granules_pool, TREE_SMALL, ser->flags = cpu_to_le16(2 << 4))
INODE(granules_other, TREE_SMALL, ser->flags = 0)
INODE(granules_small, TREE_RAM, ser->flags = cpu_to_le16(PKERNFS_INODE_POOL_4K))
INODE(granules_type, TREE_MANY, ser->flags |= cpu_to_le16(PKERNFS_INODE_POOL_4K))
INODE(granules_wish, TREE_STATE, ser->flags |= cpu_to_le16(PKERNFS_INODE_WISH))
INODE(granules_link, TREE_LINK, ser->flags = cpu_to_le16(PKERNFS_INODE_WISH_4K))
INODE(inode_size, TREE_STATE, ser->size = cpu_to_le64(~0ULL))
INODE(inode_type, TREE_STATE, ser->mode = cpu_to_le16(0xf180))
INODE(inode_number, TREE_STATE, ser->ino = cpu_to_le64(9))
INODE(symlink_end, TREE_LINK, memset(ser->target, 'x', sizeof(ser->target)))
INODE(symlink_empty, TREE_LINK, ser->target[0] = 0; ser->size = 0)
INODE(symlink_long, TREE_LONG, ser->size = cpu_to_le64(le64_to_cpu(ser->size) - 1))
INODE(symlink_room, TREE_LONG, ser->size = cpu_to_le64(PKERNFS_LINK_BYTES))
INODE(chain_link, TREE_LONG, ser->chain = region_inode(r, TREE_RAM)->chain)
INODE(special_data, TREE_FIFO, ser->size = cpu_to_le64(5))
INODE(special_rdev, TREE_FIFO, ser->rdev = cpu_to_le32(0x103))
INODE(xattr_block, TREE_STATE, ser->xattr = region_inode(r, TREE_ROOT)->xattr)
INODE(extent_range, TREE_RAM, ser->extent[3].phys = 0)
INODE(extent_small, TREE_SMALL, ser->extent[3].phys = region_inode(r, TREE_RAM)->extent[0].phys)
INODE(extent_bad, TREE_STATE, ser->extent[0].phys = region_inode(r, TREE_RAM)->extent[3].phys)
INODE(shared_small, TREE_TINY, ser->extent[0] = region_inode(r, TREE_SMALL)->extent[1])
INODE(extent_overlap, TREE_RAM, ser->extent[3].logical = ser->extent[2].logical)
INODE(extent_shared, TREE_STATE, ser->extent[0].phys = region_inode(r, TREE_C)->extent[0].phys)
/* It begins in another file, and what was its second granule is still its own. */
INODE(shared_start, TREE_C, ser->extent[0].phys =
	cpu_to_le64(le64_to_cpu(ser->extent[0].phys) - PKERNFS_GRANULE_SIZE))
INODE(chain_block, TREE_RAM, ser->chain = cpu_to_le64(1))
INODE(dir_parent, TREE_B, ser->parent = cpu_to_le64(TREE_VM0))
INODE(links, TREE_STATE, ser->nlink = cpu_to_le32(3))
INODE(links_none, TREE_STATE, ser->nlink = 0)
INODE(links_dir, TREE_A, ser->nlink = cpu_to_le32(2))
INODE(root, TREE_ROOT, ser->mode = 0)
INODE(root_occupied, TREE_ROOT, ser->mode = cpu_to_le16(S_IFREG | 0600); ser->chain = 0)

/* Slots from @first on have never been used, says the inode table. */
static void mark(struct pkernfs_region *r, u64 first)
{
	struct pkernfs_table_ser *t = (void *)region_inode(r, 0);

	t->mark = cpu_to_le64(first);
	pkernfs_table_seal(t);
}

/* The block of a link, with a right checksum */
#define LINK_BLOCK(name, ...)						\
static void name(struct pkernfs_region *r)				\
{									\
	struct pkernfs_link_block_ser *b = chain(r, TREE_LONG);		\
									\
	__VA_ARGS__;							\
	pkernfs_block_seal(b);						\
}

LINK_BLOCK(link_end, memset(b->target, 'x', sizeof(b->target)))
LINK_BLOCK(link_empty, b->target[0] = 0)
LINK_BLOCK(link_pad, b->pad = cpu_to_le64(1))
LINK_BLOCK(link_reserved, b->reserved = cpu_to_le32(1))
LINK_BLOCK(link_owner, b->ino = cpu_to_le64(TREE_LINK))

static void link_crc(struct pkernfs_region *r)
{
	((struct pkernfs_link_block_ser *)chain(r, TREE_LONG))->crc ^= 1;
}

static void no_links(struct pkernfs_sb *sb)
{
	sb->feature_incompat &= ~cpu_to_le64(PKERNFS_INCOMPAT_LINKS);
}

static void links_none_known(struct pkernfs_region *r)
{
	both(r, no_links);
}

static void table_crc(struct pkernfs_region *r)
{
	((struct pkernfs_table_ser *)region_inode(r, 0))->mark = cpu_to_le64(REGION_INODES);
}

static void table_magic(struct pkernfs_region *r)
{
	region_inode(r, 0)->magic = cpu_to_le32(PKERNFS_INODE_MAGIC);
	region_seal(region_inode(r, 0));
}

static void table_none(struct pkernfs_region *r)
{
	mark(r, PKERNFS_ROOT_INO);
}

static void table_range(struct pkernfs_region *r)
{
	mark(r, REGION_INODES + 1);
}

/* A file that has a name */
static void table_above(struct pkernfs_region *r)
{
	mark(r, TREE_TINY);
}

static void inode_magic(struct pkernfs_region *r)
{
	region_inode(r, TREE_STATE)->magic ^= 1;
}

/* Its blocks say which one is right. */
static void inode_generation(struct pkernfs_region *r)
{
	region_inode(r, TREE_RAM)->generation ^= cpu_to_le32(1 << 20);
}

static void inode_generation_xattr(struct pkernfs_region *r)
{
	region_inode(r, TREE_TINY)->generation ^= cpu_to_le32(1);
}

static void inode_crc(struct pkernfs_region *r)
{
	region_inode(r, TREE_STATE)->uid = cpu_to_le32(1);
}

static void inode_junk(struct pkernfs_region *r)
{
	memset(region_inode(r, TREE_END + 1), 0x5a, 64);
}

static void no_special(struct pkernfs_sb *sb)
{
	sb->feature_incompat &= ~cpu_to_le64(PKERNFS_INCOMPAT_SPECIAL);
}

static void no_pools(struct pkernfs_sb *sb)
{
	sb->feature_incompat &= ~cpu_to_le64(PKERNFS_INCOMPAT_POOLS);
	memset(&sb->small, 0, sizeof(sb->small));
}

static void pools(struct pkernfs_region *r)
{
	both(r, no_pools);
}

static void special(struct pkernfs_region *r)
{
	both(r, no_special);
}

/* Two granules of two files, and a single one is free. */
static void extent_no_room(struct pkernfs_region *r)
{
	u64 data = r->base + (pkernfs_area_start(&sb0(r)->data) << PKERNFS_BLOCK_SHIFT);
	u64 end = data + (pkernfs_area_count(&sb0(r)->data) << PKERNFS_BLOCK_SHIFT);
	struct pkernfs_inode_ser *ser = region_inode(r, TREE_ORPHAN);
	u64 next = le64_to_cpu(ser->extent[0].phys) + PKERNFS_GRANULE_SIZE;
	struct pkernfs_extent_block_ser *b = chain(r, TREE_RAM);
	unsigned int i;

	ser->extent[1].logical = cpu_to_le64(PKERNFS_GRANULE_SIZE);
	ser->extent[1].phys = cpu_to_le64(next);
	ser->extent[1].bytes = cpu_to_le64(end - next);
	region_seal(ser);
	ser = region_inode(r, TREE_STATE);
	ser->extent[0] = region_inode(r, TREE_C)->extent[0];
	region_seal(ser);
	/* Between the granules of this one there is always one that is free. */
	ser = region_inode(r, TREE_RAM);
	for (i = 0; i < PKERNFS_INODE_EXTENTS; i++)
		ser->extent[i].bytes = cpu_to_le64(2 * PKERNFS_GRANULE_SIZE);
	b->extent[0].bytes = ser->extent[0].bytes;
	b->extent[1].bytes = ser->extent[0].bytes;
	region_seal(ser);
	pkernfs_block_seal(b);
}

/*
 * In the midst of a file's granules there is one of another file, and what is free is single
 * granules. Which of the two was damaged the checksum says.
 */
static void shared_middle(struct pkernfs_region *r)
{
	struct pkernfs_inode_ser *ser = region_inode(r, TREE_C);

	ser->extent[0].bytes = cpu_to_le64(7 * PKERNFS_GRANULE_SIZE);
}

/* --- granules of 1 GiB ---------------------------------------------------------------- */

/* In one copy alone: there is an area and no feature. */
static void sb_huge_feature(struct pkernfs_region *r)
{
	sb0(r)->feature_incompat &= ~cpu_to_le64(PKERNFS_INCOMPAT_HUGE);
	region_seal_sb(sb0(r));
}

static void sb_huge_align(struct pkernfs_region *r)
{
	le64_add_cpu(&sb1(r)->huge.count, -PKERNFS_BLOCKS_PER_GRANULE);
	region_seal_sb(sb1(r));
}

static void no_huge(struct pkernfs_sb *sb)
{
	sb->feature_incompat &= ~cpu_to_le64(PKERNFS_INCOMPAT_HUGE);
	memset(&sb->huge, 0, sizeof(sb->huge));
}

/* Who has such granules, and who wants some. */
static void huge_none(struct pkernfs_region *r)
{
	both(r, no_huge);
}

/* No granule of 4 KiB either: nothing knows of granules. */
static void huge_flags(struct pkernfs_region *r)
{
	both(r, no_pools);
	both(r, no_huge);
}

#define HUGE(n)		(((u64)(n)) << PKERNFS_HUGE_SHIFT)

INODE(huge_said, TREE_HUGE, ser->flags = 0)
INODE(huge_other, TREE_STATE, ser->flags = cpu_to_le16(PKERNFS_INODE_POOL_1G))
INODE(huge_unknown, TREE_HUGE, ser->flags = cpu_to_le16(PKERNFS_INODE_POOL))
INODE(huge_length, TREE_HUGE, ser->extent[0].bytes = cpu_to_le64(PKERNFS_GRANULE_SIZE))
INODE(huge_start, TREE_HALF, le64_add_cpu(&ser->extent[0].phys, PKERNFS_GRANULE_SIZE))
INODE(huge_place, TREE_HUGE, ser->extent[1].logical = cpu_to_le64(HUGE(2) + PKERNFS_GRANULE_SIZE))
INODE(huge_end, TREE_HALF, ser->extent[0].bytes = cpu_to_le64(HUGE(3)))
INODE(huge_overlap, TREE_HUGE, ser->extent[1].logical = 0)
INODE(huge_shared, TREE_HALF, ser->extent[0].phys = region_inode(r, TREE_HUGE)->extent[0].phys)
INODE(huge_bad, TREE_HALF, ser->extent[0].phys = region_inode(r, TREE_HUGE)->extent[1].phys)
/* Its second granule is the one that is free, and its own. */
INODE(huge_part, TREE_HALF, ser->extent[0].phys = region_inode(r, TREE_HUGE)->extent[0].phys;
	ser->extent[0].bytes = cpu_to_le64(HUGE(2)))

/* All that is free and good it has itself. */
static void huge_no_room(struct pkernfs_region *r)
{
	struct pkernfs_inode_ser *ser = region_inode(r, TREE_HALF);

	ser->extent[1].logical = cpu_to_le64(HUGE(1));
	ser->extent[1].phys = cpu_to_le64(le64_to_cpu(ser->extent[0].phys) - HUGE(2));
	ser->extent[1].bytes = cpu_to_le64(HUGE(1));
	ser->extent[2].logical = cpu_to_le64(HUGE(3));
	ser->extent[2].phys = region_inode(r, TREE_HUGE)->extent[0].phys;
	ser->extent[2].bytes = cpu_to_le64(HUGE(1));
	region_seal(ser);
}

/* --- attributes ---------------------------------------------------------------------- */

static void no_xattr(struct pkernfs_sb *sb)
{
	sb->feature_incompat &= ~cpu_to_le64(PKERNFS_INCOMPAT_XATTR);
}

static void attributes(struct pkernfs_region *r)
{
	both(r, no_xattr);
}

static void no_acl(struct pkernfs_sb *sb)
{
	sb->feature_incompat &= ~cpu_to_le64(PKERNFS_INCOMPAT_ACL);
}

static void acls(struct pkernfs_region *r)
{
	both(r, no_acl);
}

#define ACL(name, ...)							\
static void name(struct pkernfs_region *r)				\
{									\
	struct pkernfs_xattr_ser *e = (void *)xattr(r, TREE_TINY)->entry;	\
									\
	__VA_ARGS__;							\
	pkernfs_block_seal(xattr(r, TREE_TINY));			\
}

ACL(acl_version, e->data[0]++)
ACL(acl_length, le16_add_cpu(&e->value_len, -1))
ACL(acl_name, e->name_len = 4; le16_add_cpu(&e->value_len, -4))

static void xattr_crc(struct pkernfs_region *r)
{
	xattr(r, TREE_STATE)->crc ^= 1;
}

static void xattr_space(struct pkernfs_region *r)
{
	xattr(r, TREE_STATE)->entry[8] = 99;
	pkernfs_block_seal(xattr(r, TREE_STATE));
}

static void xattr_twice(struct pkernfs_region *r)
{
	struct pkernfs_xattr_block_ser *b = xattr(r, TREE_STATE);

	memcpy(b->entry + 8 + 4, "one", 3);
	pkernfs_block_seal(b);
}

static void xattr_length(struct pkernfs_region *r)
{
	xattr(r, TREE_ROOT)->bytes = 0;
	pkernfs_block_seal(xattr(r, TREE_ROOT));
}

/* --- chains and names ------------------------------------------------------------------ */

#define NAMES(name, DIR, ...)						\
static void name(struct pkernfs_region *r)				\
{									\
	struct pkernfs_dir_block_ser *b = chain(r, DIR);		\
									\
	__VA_ARGS__;							\
	pkernfs_block_seal(b);						\
}

NAMES(chain_dir, TREE_MANY, b->next = cpu_to_le64(3))
NAMES(chain_loop, TREE_MANY, b->next = region_inode(r, TREE_MANY)->chain)
NAMES(chain_index, TREE_VM0, b->index = cpu_to_le32(1))
NAMES(entry_length, TREE_VM0, entry(r, TREE_VM0, TREE_RAM)->units = 2)
NAMES(entry_zero, TREE_VM0, entry(r, TREE_VM0, TREE_RAM)->len = 0)
NAMES(entry_name, TREE_VM0, entry(r, TREE_VM0, TREE_STATE)->name[2] = '/')
NAMES(entry_inode, TREE_VM0, entry(r, TREE_VM0, TREE_STATE)->ino = cpu_to_le64(60))
NAMES(entry_escape, TREE_VM0, entry(r, TREE_VM0, TREE_STATE)->name[0] = 27;
	entry(r, TREE_VM0, TREE_STATE)->ino = cpu_to_le64(60))
NAMES(entry_root, TREE_VM0, entry(r, TREE_VM0, TREE_STATE)->ino = cpu_to_le64(TREE_ROOT))
NAMES(entry_type, TREE_VM0, entry(r, TREE_VM0, TREE_STATE)->type = DT_CHR)
NAMES(entry_twice, TREE_ROOT, memcpy(entry(r, TREE_ROOT, TREE_FIFO)->name, "link", 4))
NAMES(nameless, TREE_VM0, memset(entry(r, TREE_VM0, TREE_STATE), 0, 32))
NAMES(nameless_dir, TREE_ROOT, memset(entry(r, TREE_ROOT, TREE_A), 0, 32))
NAMES(dir_twice, TREE_VM0, entry(r, TREE_VM0, TREE_STATE)->ino = cpu_to_le64(TREE_A);
	entry(r, TREE_VM0, TREE_A)->type = DT_DIR)

static void chain_crc(struct pkernfs_region *r)
{
	((struct pkernfs_dir_block_ser *)chain(r, TREE_VM0))->crc ^= 1;
}

/* a/b, and a has its only name in b */
static void dir_loop(struct pkernfs_region *r)
{
	struct pkernfs_dir_block_ser *b = chain(r, TREE_B);
	struct pkernfs_dirent_ser *de = (void *)b->unit[20];
	struct pkernfs_inode_ser *ser;

	de->ino = cpu_to_le64(TREE_A);
	de->units = 1;
	de->len = 1;
	de->type = DT_DIR;
	de->name[0] = 'a';
	pkernfs_block_seal(b);
	nameless_dir(r);
	ser = region_inode(r, TREE_A);
	ser->parent = cpu_to_le64(TREE_B);
	region_seal(ser);
	ser = region_inode(r, TREE_B);
	le32_add_cpu(&ser->nlink, 1);
	region_seal(ser);
	ser = region_inode(r, TREE_ROOT);
	le32_add_cpu(&ser->nlink, -1);
	region_seal(ser);
}

static void dir_removed(struct pkernfs_region *r)
{
	struct pkernfs_inode_ser *ser = region_inode(r, TREE_VM0);
	struct pkernfs_dir_block_ser *b = chain(r, TREE_ROOT);

	memset(entry(r, TREE_ROOT, TREE_VM0), 0, 32);
	pkernfs_block_seal(b);
	ser->nlink = 0;
	region_seal(ser);
	ser = region_inode(r, TREE_ROOT);
	le32_add_cpu(&ser->nlink, -1);
	region_seal(ser);
}

/* Something else has the name of lost+found, and there is no lack of slots. */
static void lost_found(struct pkernfs_region *r)
{
	nameless(r);
}

/* Orphans in all slots that are free */
static void no_slots(struct pkernfs_region *r)
{
	u32 ino;

	for (ino = TREE_FREE; ino < REGION_INODES; ino++) {
		struct pkernfs_inode_ser *ser = region_inode(r, ino);

		if (ser->mode)
			continue;
		ser->magic = cpu_to_le32(PKERNFS_INODE_MAGIC);
		ser->generation = cpu_to_le32(1);
		ser->ino = cpu_to_le64(ino);
		ser->mode = cpu_to_le16(S_IFREG | 0600);
		region_seal(ser);
	}
	mark(r, REGION_INODES);
}

/* No slot is left for lost+found. */
static void no_room(struct pkernfs_region *r)
{
	nameless(r);
	no_slots(r);
}

/* Nor for what is in the root's place. */
static void root_stuck(struct pkernfs_region *r)
{
	root_occupied(r);
	no_slots(r);
}

/* Slots there are, but the root has no room for the name, and the pool none for more. */
static void no_room_names(struct pkernfs_region *r)
{
	struct pkernfs_dir_block_ser *b = chain(r, TREE_MANY), *root = chain(r, TREE_ROOT);
	u64 pool = pkernfs_area_start(&sb0(r)->pool), end = pool, block;
	struct pkernfs_inode_ser *names = region_inode(r, TREE_NAMES);
	struct pkernfs_dirent_ser *de;
	unsigned int unit, index = 0;

	nameless(r);
	while (b->next) {
		index++;
		b = pkernfs_block(r, le64_to_cpu(b->next));
	}
	end += pkernfs_area_count(&sb0(r)->pool);
	for (block = pool; block < end; block++) {
		struct pkernfs_dir_block_ser *next = pkernfs_block(r, block);

		if (next->magic || block == le64_to_cpu(bad(r)->page[0]))
			continue;
		*next = (struct pkernfs_dir_block_ser) {
			.magic = b->magic, .ino = b->ino, .generation = b->generation,
			.index = cpu_to_le32(++index)
		};
		b->next = cpu_to_le64(block);
		pkernfs_block_seal(b);
		b = next;
	}
	pkernfs_block_seal(b);
	for (unit = 0; unit < PKERNFS_DIR_UNITS; unit++) {
		de = (void *)root->unit[unit];
		if (de->ino)
			continue;
		de->ino = cpu_to_le64(TREE_NAMES);
		de->units = 1;
		de->type = DT_REG;
		de->len = sprintf(de->name, "more%u", unit);
		le32_add_cpu(&names->nlink, 1);
	}
	pkernfs_block_seal(root);
	region_seal(names);
}

/* In a region of its own: so many directories that the root cannot count one more of them. */
static void dir_full(struct pkernfs_region *r)
{
	const u32 dirs = U16_MAX + 1, first = PKERNFS_ROOT_INO + 1;
	struct pkernfs_format opt = {
		.inodes = first + dirs, .label = "full",
		.pool_blocks = dirs / PKERNFS_DIR_UNITS + 2,
	};
	struct pkernfs_inode_ser *root = region_inode(r, PKERNFS_ROOT_INO), *ser;
	struct pkernfs_dir_block_ser *b = NULL;
	struct pkernfs_dirent_ser *de;
	struct pkernfs_sb sb;
	u64 block;
	u32 i;

	if (pkernfs_layout(r->base, r->bytes, 0, &opt, &sb))
		shim_die("no layout");
	memset(r->virt, 0, r->bytes);
	pkernfs_format_write(r, &sb, NULL);
	block = pkernfs_area_start(&sb.pool);	/* the list of bad pages */
	root->chain = cpu_to_le64(block + 1);
	root->nlink = cpu_to_le32(2 + dirs);
	region_seal(root);
	for (i = 0; i < dirs; i++) {
		if (!(i % PKERNFS_DIR_UNITS)) {
			b = pkernfs_block(r, ++block);
			b->magic = cpu_to_le32(PKERNFS_DIR_MAGIC);
			b->ino = cpu_to_le64(PKERNFS_ROOT_INO);
			b->generation = root->generation;
			b->index = cpu_to_le32(i / PKERNFS_DIR_UNITS);
			if (i + PKERNFS_DIR_UNITS < dirs)
				b->next = cpu_to_le64(block + 1);
		}
		de = (void *)b->unit[i % PKERNFS_DIR_UNITS];
		de->ino = cpu_to_le64(first + i);
		de->units = 1;
		de->type = DT_DIR;
		de->len = sprintf(de->name, "dir%u", i);
		if (i + 1 == dirs || i % PKERNFS_DIR_UNITS == PKERNFS_DIR_UNITS - 1)
			pkernfs_block_seal(b);

		ser = region_inode(r, first + i);
		ser->magic = cpu_to_le32(PKERNFS_INODE_MAGIC);
		ser->generation = cpu_to_le32(1);
		ser->ino = cpu_to_le64(first + i);
		ser->mode = cpu_to_le16(S_IFDIR | 0755);
		ser->nlink = cpu_to_le32(2);
		ser->parent = cpu_to_le64(PKERNFS_ROOT_INO);
		region_seal(ser);
	}
	mark(r, first + dirs);
}

static void whole(struct pkernfs_region *r)
{
}

/* Those of granules of 1 GiB come last, but for what cannot be done beside others. */
static const struct {
	const char *name;
	void (*make)(struct pkernfs_region *r);
	bool huge;
	bool apart;
} goldens[] = {
	{ "whole", whole },
	{ "superblock", sb_none }, { "superblock-copy", sb_copy0 },
	{ "superblock-copy.1", sb_copy1 }, { "superblock-differs", sb_differ },
	{ "log-head", log_head }, { "log-damaged", log_damaged },
	{ "log-committed", log_committed }, { "records", record_frozen },
	{ "bad-pages", bad_none }, { "bad-pages-checksum", bad_crc },
	{ "bad-pages-checksum.magic", bad_magic }, { "bad-pages-checksum.head", bad_head },
	{ "bad-pages-entry", bad_order }, { "bad-pages-entry.twice", bad_twice },
	{ "bad-pages-entry.range", bad_range }, { "bad-pages-entry.count", bad_count },
	{ "bad-pages-entry.behind", bad_behind },
	{ "inode-table", table_crc }, { "inode-table.magic", table_magic },
	{ "inode-table.none", table_none }, { "inode-table.range", table_range },
	{ "inode-above", table_above },
	{ "inode-id", inode_magic }, { "inode-id.number", inode_number },
	{ "inode-id.generation", inode_generation },
	{ "inode-id.attributes", inode_generation_xattr },
	{ "inode-checksum", inode_crc }, { "inode-junk", inode_junk },
	{ "inode-type", inode_type }, { "inode-flags", inode_flags },
	{ "inode-flags.pools", pools },
	{ "inode-granules", granules_pool }, { "inode-granules.other", granules_other },
	{ "inode-granules.small", granules_small }, { "inode-granules.type", granules_type },
	{ "inode-granules.wish", granules_wish }, { "inode-granules.link", granules_link },
	{ "inode-size", inode_size }, { "symlink", symlink_end },
	{ "symlink.empty", symlink_empty }, { "symlink.long", symlink_long },
	{ "symlink.room", symlink_room }, { "symlink.block", link_end },
	{ "symlink.block-empty", link_empty }, { "symlink.block-pad", link_pad },
	{ "symlink.block-reserved", link_reserved },
	{ "special", special },
	{ "special-data", special_data }, { "special-number", special_rdev },
	{ "attributes", attributes }, { "attributes-block", xattr_block },
	{ "attributes-checksum", xattr_crc }, { "attributes-entry", xattr_space },
	{ "attributes-entry.twice", xattr_twice }, { "attributes-entry.length", xattr_length },
	{ "attributes-entry.acls", acls }, { "attributes-entry.acl-version", acl_version },
	{ "attributes-entry.acl-length", acl_length }, { "attributes-entry.acl-name", acl_name },
	{ "extent-range.small", extent_small }, { "extent-bad", extent_bad },
	{ "extent-shared.small", shared_small }, { "extent-shared.start", shared_start },
	{ "extent-shared.middle", shared_middle },
	{ "extent-range", extent_range }, { "extent-overlap", extent_overlap },
	{ "extent-shared", extent_shared }, { "extent-no-room", extent_no_room },
	{ "chain-block", chain_block }, { "chain-block.names", chain_dir },
	{ "chain-block.link", chain_link }, { "chain-block.link-owner", link_owner },
	{ "chain-block.link-feature", links_none_known }, { "chain-checksum.link", link_crc },
	{ "chain-block.loop", chain_loop }, { "chain-checksum", chain_crc },
	{ "chain-index", chain_index }, { "entry-length", entry_length },
	{ "entry-length.zero", entry_zero }, { "entry-name", entry_name },
	{ "entry-inode", entry_inode }, { "entry-inode.root", entry_root },
	{ "entry-inode.escape", entry_escape },
	{ "entry-type", entry_type }, { "entry-twice", entry_twice },
	{ "directory-twice", dir_twice }, { "directory-parent", dir_parent },
	{ "directory-loop", dir_loop }, { "directory-removed", dir_removed },
	{ "root", root }, { "root-occupied", root_occupied },
	{ "root-stuck", root_stuck },
	{ "nameless", nameless }, { "nameless.directory", nameless_dir },
	{ "links", links }, { "links.none", links_none }, { "links.directory", links_dir },
	{ "lost+found", lost_found }, { "no-room", no_room },
	{ "no-room.names", no_room_names },
	{ "superblock-copy.huge", sb_huge_feature, true },
	{ "superblock-copy.huge-align", sb_huge_align, true },
	{ "inode-flags.huge", huge_flags, true },
	{ "inode-granules.huge", huge_none, true },
	{ "inode-granules.huge-said", huge_said, true },
	{ "inode-granules.huge-other", huge_other, true },
	{ "inode-granules.huge-unknown", huge_unknown, true },
	{ "extent-range.huge", huge_length, true },
	{ "extent-range.huge-start", huge_start, true },
	{ "extent-range.huge-place", huge_place, true },
	{ "extent-range.huge-end", huge_end, true },
	{ "extent-overlap.huge", huge_overlap, true },
	{ "extent-shared.huge", huge_shared, true },
	{ "extent-shared.huge-part", huge_part, true },
	{ "extent-bad.huge", huge_bad, true },
	{ "extent-no-room.huge", huge_no_room, true },
	{ "directory-full", dir_full, false, true },
};

/* How many of them can be had in a region with granules of 1 GiB, or without. */
static unsigned int golden_count(bool huge)
{
	unsigned int n = ARRAY_SIZE(goldens);

	while (goldens[n - 1].apart || (!huge && goldens[n - 1].huge))
		n--;
	return n;
}

void region_golden_any(struct pkernfs_region *r, u64 n)
{
	goldens[n % golden_count(region_huge(r))].make(r);
}

/* Must a region have granules of 1 GiB for this damage? */
bool region_golden_huge(const char *name)
{
	unsigned int i = golden_count(false);

	while (i < ARRAY_SIZE(goldens) && strcmp(goldens[i].name, name))
		i++;
	return i < ARRAY_SIZE(goldens) && goldens[i].huge;
}

/* Damage a region; not 0: there is no such damage. */
int region_golden(struct pkernfs_region *r, const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(goldens); i++) {
		if (strcmp(goldens[i].name, name))
			continue;
		goldens[i].make(r);
		return 0;
	}
	return -ENOENT;
}

void region_goldens(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(goldens); i++)
		puts(goldens[i].name);
}
