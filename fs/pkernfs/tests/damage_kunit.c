// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs KUnit: damaged metadata, and what a load refuses.
 */

#include <linux/crc32.h>
#include <linux/slab.h>

#include "fixture.h"

static void pkernfs_expect_refused(struct kunit *test, struct pkernfs_region *r,
				   const char *what, unsigned int at)
{
	const char *why = NULL;
	struct pkernfs_core *c = pkernfs_core_new(r, &why);

	KUNIT_EXPECT_TRUE_MSG(test, IS_ERR(c), "%s, byte %u: loaded", what, at);
	if (!IS_ERR(c))
		pkernfs_core_free(c);
	else
		KUNIT_EXPECT_NOT_NULL(test, why);
}

/* Every damaged byte of an inode, an extent block or a directory is seen. */
static void pkernfs_test_metadata_flip(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	struct pkernfs_node *n;
	u8 *inode, *dir, *chain;
	unsigned int i;

	pkernfs_test_load(test, r);
	n = pkernfs_test_file(test, r->core, "file");
	/* Every other granule, so that none joins: 10 extents, one block of them. */
	for (i = 0; i < 10; i++)
		KUNIT_ASSERT_EQ(test, pkernfs_test_fill(r->core, n, 100 * i, 100 * i), 0);
	KUNIT_ASSERT_EQ(test, n->chains, 1);
	inode = (u8 *)n->ser;
	chain = pkernfs_block(r, n->chain[0]);
	dir = pkernfs_block(r, pkernfs_node_find(r->core, PKERNFS_ROOT_INO)->chain[0]);
	pkernfs_test_reload(test, r);
	pkernfs_test_unload(r);

	for (i = 0; i < PKERNFS_INODE_STATIC; i++) {
		inode[i] ^= 0x11;
		pkernfs_expect_refused(test, r, "inode", i);
		inode[i] ^= 0x11;
	}
	for (i = 0; i < PKERNFS_BLOCK_SIZE; i += i < 300 ? 1 : 61) {
		chain[i] ^= 0x11;
		pkernfs_expect_refused(test, r, "extent block", i);
		chain[i] ^= 0x11;
		dir[i] ^= 0x11;
		pkernfs_expect_refused(test, r, "directory block", i);
		dir[i] ^= 0x11;
	}
	/* Times are outside of the checksum. */
	for (i = PKERNFS_INODE_STATIC; i < PKERNFS_INODE_SIZE; i++)
		inode[i] ^= 0x11;
	pkernfs_test_load(test, r);
}

/* Damage that has a right checksum: each is caught by what it contradicts. */
static void pkernfs_test_metadata_lies(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	struct pkernfs_inode_ser *a, *b, good_a, good_b;
	struct pkernfs_dir_block_ser *dir, *good_dir;
	struct pkernfs_dirent_ser *de;
	const char *why;
	u32 ino;

	pkernfs_test_load(test, r);
	a = pkernfs_test_file(test, r->core, "a")->ser;
	b = pkernfs_test_file(test, r->core, "b")->ser;
	ino = le64_to_cpu(b->ino);
	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(r->core, pkernfs_node_find(r->core, ino), 0, 1), 0);
	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(r->core,
						pkernfs_node_find(r->core, le64_to_cpu(a->ino)),
						0, 1), 0);
	dir = pkernfs_block(r, pkernfs_node_find(r->core, PKERNFS_ROOT_INO)->chain[0]);
	pkernfs_test_reload(test, r);
	pkernfs_test_unload(r);
	good_a = *a;
	good_b = *b;
	good_dir = kunit_kmalloc(test, sizeof(*dir), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, good_dir);
	*good_dir = *dir;

#define PKERNFS_LIE(change, reason) do {					\
	struct pkernfs_core *c;							\
										\
	change;									\
	a->crc = cpu_to_le32(pkernfs_inode_crc(a));				\
	b->crc = cpu_to_le32(pkernfs_inode_crc(b));				\
	pkernfs_block_seal(dir);						\
	c = pkernfs_core_new(r, &why);						\
	KUNIT_EXPECT_TRUE_MSG(test, IS_ERR(c), "%s", #change);			\
	if (!IS_ERR(c))								\
		pkernfs_core_free(c);						\
	else									\
		KUNIT_EXPECT_STREQ(test, why, reason);				\
	*a = good_a;								\
	*b = good_b;								\
	*dir = *good_dir;							\
} while (0)

	PKERNFS_LIE(a->extent[0] = b->extent[0], "extent: memory that belongs to another file");
	PKERNFS_LIE(a->extent[1] = a->extent[0], "extent: overlaps another one of its file");
	PKERNFS_LIE(le64_add_cpu(&a->extent[0].phys, 4096),
		    "extent: not a range of its area");
	PKERNFS_LIE(a->extent[0].phys = cpu_to_le64(r->base),
		    "extent: not a range of its area");
	PKERNFS_LIE(a->extent[0].phys = cpu_to_le64(r->base - SZ_2M),
		    "extent: not a range of its area");
	PKERNFS_LIE(a->extent[0].bytes = cpu_to_le64(U64_MAX << PKERNFS_GRANULE_SHIFT),
		    "extent: not a range of its area");
	PKERNFS_LIE(a->extent[0].bytes = cpu_to_le64(SZ_2M | 1),
		    "extent: not a range of its area");
	PKERNFS_LIE(a->extent[0].logical = cpu_to_le64(U64_MAX << PKERNFS_GRANULE_SHIFT),
		    "extent: not a range of its area");
	PKERNFS_LIE(a->chain = cpu_to_le64(1), "extent block: not in the pool, or used twice");
	PKERNFS_LIE(a->chain = cpu_to_le64(U64_MAX),
		    "extent block: not in the pool, or used twice");
	PKERNFS_LIE(a->chain = cpu_to_le64(pkernfs_area_start(&r->sb->pool) + 3),
		    "extent block: wrong checksum or owner");
	PKERNFS_LIE(a->nlink = cpu_to_le32(2), "inode: wrong number of links");
	PKERNFS_LIE(a->nlink = 0, "inode: wrong number of links");
	PKERNFS_LIE(a->mode = cpu_to_le16(S_IFCHR), "inode: special file with data");
	PKERNFS_LIE(a->mode = cpu_to_le16(0030000), "inode: unknown type");
	PKERNFS_LIE(a->mode = 0, "directory: entry without an inode");
	PKERNFS_LIE(a->flags = cpu_to_le16(0x100),
		    "inode: a flag that this kernel does not know");
	PKERNFS_LIE(a->flags = cpu_to_le16(2 << 4), "inode: impossible granules");
	PKERNFS_LIE(a->flags = cpu_to_le16(3 << 6), "inode: impossible granules");
	PKERNFS_LIE(a->flags = cpu_to_le16(PKERNFS_INODE_POOL_4K),
		    "extent: not a range of its area");
	PKERNFS_LIE(a->size = cpu_to_le64(U64_MAX), "inode: impossible size");
	PKERNFS_LIE(a->ino = b->ino, "inode: wrong checksum");

	de = (void *)dir->unit[0];
	PKERNFS_LIE(de->units = 0, "directory: entry of impossible length");
	PKERNFS_LIE(de->units = 200, "directory: entry of impossible length");
	PKERNFS_LIE(de->len = 0, "directory: entry of impossible length");
	PKERNFS_LIE(de->len = 255, "directory: entry of impossible length");
	PKERNFS_LIE(de->ino = cpu_to_le64(U64_MAX), "directory: entry without an inode");
	PKERNFS_LIE(de->ino = cpu_to_le64(PKERNFS_ROOT_INO), "directory: entry without an inode");
	PKERNFS_LIE(de->type = DT_DIR, "directory: entry of another type than its inode");
	PKERNFS_LIE(de->name[0] = '/', "directory: impossible name");
	PKERNFS_LIE(de->name[0] = '.', "directory: impossible name");
	PKERNFS_LIE(dir->next = r->core ? 0 : cpu_to_le64(((void *)dir - r->virt) >>
							  PKERNFS_BLOCK_SHIFT),
		    "directory block: not in the pool, or used twice");
	pkernfs_test_load(test, r);
}

/* Special files: what may be in them, and that the region must say it has such. */
static void pkernfs_test_special_lies(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	struct pkernfs_sb *sb = r->virt;
	struct pkernfs_inode_ser *ser;
	const char *why = NULL;
	u32 ino;

	pkernfs_test_load(test, r);
	KUNIT_ASSERT_EQ(test, pkernfs_test_mknod(r->core, "fifo", S_IFIFO, 0, &ino), 0);
	ser = pkernfs_node_find(r->core, ino)->ser;
	KUNIT_ASSERT_EQ(test, pkernfs_test_mknod(r->core, "disk", S_IFBLK, 259, &ino), 0);
	pkernfs_test_reload(test, r);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(pkernfs_node_find(r->core, ino)->ser->rdev), 259U);
	pkernfs_test_unload(r);

	ser->rdev = cpu_to_le32(259);
	ser->crc = cpu_to_le32(pkernfs_inode_crc(ser));
	KUNIT_EXPECT_TRUE(test, IS_ERR(pkernfs_core_new(r, &why)));
	KUNIT_EXPECT_STREQ(test, why, "inode: a device's number, and no device");
	ser->rdev = 0;
	ser->extent[1].bytes = cpu_to_le64(SZ_2M);
	ser->crc = cpu_to_le32(pkernfs_inode_crc(ser));
	KUNIT_EXPECT_TRUE(test, IS_ERR(pkernfs_core_new(r, &why)));
	KUNIT_EXPECT_STREQ(test, why, "inode: special file with data");
	ser->extent[1].bytes = 0;
	ser->crc = cpu_to_le32(pkernfs_inode_crc(ser));
	sb->feature_incompat = 0;
	KUNIT_EXPECT_TRUE(test, IS_ERR(pkernfs_core_new(r, &why)));
	KUNIT_EXPECT_STREQ(test, why, "inode: special file in a region without such");
	sb->feature_incompat = cpu_to_le64(PKERNFS_INCOMPAT_KNOWN);
	pkernfs_test_load(test, r);
}

/* A block of attributes: each damaged byte, and lies with a right checksum. */
static void pkernfs_test_xattr_lies(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	struct pkernfs_xattr_block_ser *b, *good;
	struct pkernfs_sb *sb = r->virt;
	struct pkernfs_xattr_ser *e;
	struct pkernfs_node *n;
	struct pkernfs_core *c;
	const char *why;
	unsigned int i;

	pkernfs_test_load(test, r);
	n = pkernfs_test_file(test, r->core, "file");
	KUNIT_ASSERT_EQ(test, pkernfs_xattr_set(r->core, n, PKERNFS_XATTR_USER, "a", "1", 1, 0),
			0);
	KUNIT_ASSERT_EQ(test, pkernfs_xattr_set(r->core, n, PKERNFS_XATTR_USER, "b", "2", 1, 0),
			0);
	b = pkernfs_block(r, le32_to_cpu(n->ser->xattr));
	good = kunit_kmalloc(test, sizeof(*b), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, good);
	*good = *b;
	pkernfs_test_reload(test, r);
	pkernfs_test_unload(r);

	for (i = 0; i < PKERNFS_BLOCK_SIZE; i += i < 100 ? 1 : 61) {
		((u8 *)b)[i] ^= 0x11;
		pkernfs_expect_refused(test, r, "attributes", i);
		*b = *good;
	}

#define PKERNFS_XATTR_LIE(change, reason) do {					\
	change;									\
	pkernfs_block_seal(b);							\
	c = pkernfs_core_new(r, &why);						\
	KUNIT_EXPECT_TRUE_MSG(test, IS_ERR(c), "%s", #change);			\
	if (!IS_ERR(c))								\
		pkernfs_core_free(c);						\
	else									\
		KUNIT_EXPECT_STREQ(test, why, reason);				\
	*b = *good;								\
} while (0)

	e = (void *)b->entry;
	PKERNFS_XATTR_LIE(b->bytes = 0, "attributes: impossible length");
	PKERNFS_XATTR_LIE(b->bytes = cpu_to_le32(U32_MAX), "attributes: impossible length");
	PKERNFS_XATTR_LIE(b->bytes = cpu_to_le32(8), "attributes: impossible length");
	PKERNFS_XATTR_LIE(b->bytes = cpu_to_le32(20), "attributes: impossible name");
	PKERNFS_XATTR_LIE(b->entry[PKERNFS_XATTR_BYTES - 1] = 1,
			  "attributes: impossible length");
	PKERNFS_XATTR_LIE(e->value_len = cpu_to_le16(U16_MAX),
			  "attributes: one of impossible length");
	PKERNFS_XATTR_LIE(e->name_len = 0, "attributes: impossible name");
	PKERNFS_XATTR_LIE(e->data[0] = 0, "attributes: impossible name");
	PKERNFS_XATTR_LIE(e->space = 0, "attributes: impossible name");
	PKERNFS_XATTR_LIE(e->space = PKERNFS_XATTR_SPACES, "attributes: impossible name");
	PKERNFS_XATTR_LIE(e->data[0] = 'b', "attributes: two of one name");
	PKERNFS_XATTR_LIE(e->space = PKERNFS_XATTR_ACL_ACCESS, "attributes: impossible name");
	/* Name and value are one byte each: no ACL is that short. */
	PKERNFS_XATTR_LIE(e->space = PKERNFS_XATTR_ACL_ACCESS; e->name_len = 0,
			  "attributes: no ACL");
	PKERNFS_XATTR_LIE(e->space = PKERNFS_XATTR_ACL_DEFAULT; e->name_len = 0;
			  sb->feature_incompat &= ~cpu_to_le64(PKERNFS_INCOMPAT_ACL),
			  "attributes: an ACL in a region without such");
	sb->feature_incompat = cpu_to_le64(PKERNFS_INCOMPAT_KNOWN);
	PKERNFS_XATTR_LIE(sb->feature_incompat &= ~cpu_to_le64(PKERNFS_INCOMPAT_XATTR),
			  "attributes: in a region without such");
	sb->feature_incompat = cpu_to_le64(PKERNFS_INCOMPAT_KNOWN);
	pkernfs_test_load(test, r);
}

/* What fits is found again, what does not is refused and changes nothing. */
static void pkernfs_test_xattr_room(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	static char value[PKERNFS_XATTR_BYTES], back[PKERNFS_XATTR_BYTES];
	struct pkernfs_core *c;
	struct pkernfs_node *n;
	char name[8];
	u64 free;
	u32 ino;
	int i;

	pkernfs_test_load(test, r);
	c = r->core;
	n = pkernfs_test_file(test, c, "file");
	free = c->pool_free;
	memset(value, 'v', sizeof(value));
	/* 4 bytes in front, 4 of the name: 99 of 40 bytes are 3960, and 104 are left. */
	for (i = 0; i < 99; i++) {
		snprintf(name, sizeof(name), "n%03d", i);
		KUNIT_ASSERT_EQ(test, pkernfs_xattr_set(c, n, PKERNFS_XATTR_USER, name,
							value, 32, 0), 0);
	}
	KUNIT_EXPECT_EQ(test, c->pool_free, free - 1);
	KUNIT_EXPECT_EQ(test, pkernfs_xattr_set(c, n, PKERNFS_XATTR_USER, "last", value, 97, 0),
			-ENOSPC);
	KUNIT_EXPECT_EQ(test, pkernfs_xattr_set(c, n, PKERNFS_XATTR_USER, "last", value,
						64 << 10, 0), -ENOSPC);
	KUNIT_EXPECT_EQ(test, pkernfs_xattr_set(c, n, PKERNFS_XATTR_USER, "last", value, 96, 0),
			0);
	KUNIT_EXPECT_EQ(test, pkernfs_xattr_set(c, n, PKERNFS_XATTR_USER, "n000", value, 33, 0),
			-ENOSPC);
	KUNIT_EXPECT_EQ(test, pkernfs_xattr_get(c, n, PKERNFS_XATTR_USER, "n000", back, 100),
			32);
	KUNIT_EXPECT_EQ(test, pkernfs_xattr_set(c, n, PKERNFS_XATTR_TRUSTED, "n000", NULL, 0, 0),
			-ENODATA);
	ino = n->ino;
	pkernfs_test_reload(test, r);
	c = r->core;
	n = pkernfs_node_find(c, ino);
	KUNIT_EXPECT_EQ(test, c->pool_free, free - 1);
	KUNIT_EXPECT_EQ(test, pkernfs_xattr_get(c, n, PKERNFS_XATTR_USER, "last", back, 96), 96);
	KUNIT_EXPECT_EQ(test, memcmp(back, value, 96), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_xattr_get(c, n, PKERNFS_XATTR_USER, "last", back, 95),
			-ERANGE);
	for (i = 0; i < 99; i++) {
		snprintf(name, sizeof(name), "n%03d", (i * 7) % 99);
		KUNIT_ASSERT_EQ(test, pkernfs_xattr_set(c, n, PKERNFS_XATTR_USER, name, NULL, 0,
							0), 0);
	}
	KUNIT_EXPECT_EQ(test, c->pool_free, free - 1);
	KUNIT_EXPECT_EQ(test, pkernfs_xattr_set(c, n, PKERNFS_XATTR_USER, "last", NULL, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, c->pool_free, free);
	KUNIT_EXPECT_EQ(test, pkernfs_xattr_get(c, n, PKERNFS_XATTR_USER, "last", back, 96),
			-ENODATA);
	/* A value that never fits leaves no block behind. */
	KUNIT_EXPECT_EQ(test, pkernfs_xattr_set(c, n, PKERNFS_XATTR_USER, "huge", value,
						PKERNFS_XATTR_BYTES, 0), -ENOSPC);
	KUNIT_EXPECT_EQ(test, c->pool_free, free);
	KUNIT_EXPECT_EQ(test, pkernfs_xattr_set(c, n, PKERNFS_XATTR_USER, "huge", value,
						PKERNFS_XATTR_BYTES - 8, 0), 0);
	pkernfs_test_reload(test, r);
}

static struct kunit_case pkernfs_damage_cases[] = {
	KUNIT_CASE_SLOW(pkernfs_test_metadata_flip),
	KUNIT_CASE(pkernfs_test_metadata_lies),
	KUNIT_CASE(pkernfs_test_special_lies),
	KUNIT_CASE(pkernfs_test_xattr_lies),
	KUNIT_CASE(pkernfs_test_xattr_room),
	{}
};

static struct kunit_suite pkernfs_damage_suite = {
	.name = "pkernfs-damage",
	.exit = pkernfs_test_exit,
	.test_cases = pkernfs_damage_cases,
};

kunit_test_suite(pkernfs_damage_suite);
