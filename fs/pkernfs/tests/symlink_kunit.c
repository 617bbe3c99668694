// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs KUnit: targets of symbolic links. That the creation of one with a block is atomic
 * is seen by the suite of the redo log.
 */

#include "fixture.h"

static struct pkernfs_node *pkernfs_test_long(struct kunit *test, struct pkernfs_region *r,
					      const char *name, u32 len)
{
	u32 ino = 0;

	KUNIT_ASSERT_EQ(test, pkernfs_test_symlink(r->core, name, len, &ino), 0);
	return pkernfs_node_find(r->core, ino);
}

/* In the inode or in a block, by its length; after a load, too. */
static void pkernfs_test_link_lengths(struct kunit *test)
{
	static const u32 length[] = {
		1, PKERNFS_SYMLINK_MAX - 1, PKERNFS_SYMLINK_MAX, PKERNFS_LINK_BYTES - 1,
	};
	struct pkernfs_region *r = pkernfs_test_region(test);
	struct pkernfs_node *n;
	const char *target;
	char name[8];
	unsigned int i;
	u64 free;
	u32 ino;

	pkernfs_test_load(test, r);
	/* The directory gets its block before we count. */
	pkernfs_test_file(test, r->core, "file");
	free = r->core->pool_free;
	for (i = 0; i < ARRAY_SIZE(length); i++) {
		snprintf(name, sizeof(name), "%u", length[i]);
		n = pkernfs_test_long(test, r, name, length[i]);
		KUNIT_EXPECT_EQ(test, !!n->ser->chain, length[i] >= PKERNFS_SYMLINK_MAX);
	}
	KUNIT_EXPECT_EQ(test, r->core->pool_free, free - 2);
	KUNIT_EXPECT_EQ(test, pkernfs_test_symlink(r->core, "no", PKERNFS_LINK_BYTES, &ino),
			-ENAMETOOLONG);
	KUNIT_EXPECT_EQ(test, pkernfs_test_lookup(r->core, "no"), 0);

	pkernfs_test_reload(test, r);
	KUNIT_EXPECT_EQ(test, r->core->pool_free, free - 2);
	for (i = 0; i < ARRAY_SIZE(length); i++) {
		snprintf(name, sizeof(name), "%u", length[i]);
		n = pkernfs_node_find(r->core, pkernfs_test_lookup(r->core, name));
		target = pkernfs_symlink_target(r->core, n);
		KUNIT_EXPECT_EQ(test, strlen(target), length[i]);
		KUNIT_EXPECT_EQ(test, strspn(target, "x"), length[i]);
	}
	for (i = 0; i < ARRAY_SIZE(length); i++) {
		snprintf(name, sizeof(name), "%u", length[i]);
		ino = pkernfs_test_lookup(r->core, name);
		KUNIT_EXPECT_EQ(test, pkernfs_test_unlink(r->core, name), 0);
		n = pkernfs_node_find(r->core, ino);
		if (n)
			KUNIT_EXPECT_EQ(test, pkernfs_node_destroy(r->core, n), 0);
	}
	KUNIT_EXPECT_EQ(test, r->core->pool_free, free);
	pkernfs_test_reload(test, r);
}

/* No block to be had, and a region that was made without such: nothing is left of it. */
static void pkernfs_test_link_refused(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	struct pkernfs_sb *sb = r->virt;
	u32 ino, inodes;
	u64 free;

	pkernfs_test_load(test, r);
	pkernfs_test_file(test, r->core, "file");
	inodes = r->core->inodes_free;
	KUNIT_ASSERT_EQ(test, pkernfs_tx_begin(r->core), 0);
	while (r->core->pool_free)
		KUNIT_EXPECT_NE(test, pkernfs_pool_get(r->core), 0);
	pkernfs_tx_end(r->core);
	KUNIT_EXPECT_EQ(test, pkernfs_test_symlink(r->core, "link", PKERNFS_SYMLINK_MAX, &ino),
			-ENOSPC);
	KUNIT_EXPECT_EQ(test, r->core->inodes_free, inodes);
	pkernfs_test_long(test, r, "short", PKERNFS_SYMLINK_MAX - 1);

	pkernfs_test_reload(test, r);
	sb->feature_incompat &= ~cpu_to_le64(PKERNFS_INCOMPAT_LINKS);
	free = r->core->pool_free;
	KUNIT_EXPECT_EQ(test, pkernfs_test_symlink(r->core, "link", PKERNFS_SYMLINK_MAX, &ino),
			-ENAMETOOLONG);
	KUNIT_EXPECT_EQ(test, r->core->pool_free, free);
	sb->feature_incompat = cpu_to_le64(PKERNFS_INCOMPAT_KNOWN);
	pkernfs_test_reload(test, r);
}

/* A block: each damaged byte, and lies with a right checksum. */
static void pkernfs_test_link_lies(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	struct pkernfs_link_block_ser *b, *good;
	struct pkernfs_inode_ser *ser, was;
	struct pkernfs_sb *sb = r->virt;
	struct pkernfs_core *c;
	const char *why;
	unsigned int i;

	pkernfs_test_load(test, r);
	ser = pkernfs_test_long(test, r, "link", 1000)->ser;
	b = pkernfs_block(r, le64_to_cpu(ser->chain));
	good = kunit_kmalloc(test, sizeof(*b), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, good);
	*good = *b;
	was = *ser;
	pkernfs_test_reload(test, r);
	pkernfs_test_unload(r);

#define PKERNFS_LINK_LIE(change, seal, reason) do {				\
	change;									\
	if (seal) {								\
		pkernfs_block_seal(b);						\
		ser->crc = cpu_to_le32(pkernfs_inode_crc(ser));			\
	}									\
	why = NULL;								\
	c = pkernfs_core_new(r, &why);						\
	KUNIT_EXPECT_TRUE_MSG(test, IS_ERR(c), "%s", #change);			\
	if (!IS_ERR(c))								\
		pkernfs_core_free(c);						\
	else									\
		KUNIT_EXPECT_STREQ(test, why, reason);				\
	*b = *good;								\
	*ser = was;								\
} while (0)

	for (i = 0; i < PKERNFS_BLOCK_SIZE; i += i < 100 ? 1 : 61)
		PKERNFS_LINK_LIE(((u8 *)b)[i] ^= 0x11, false,
				 "symbolic link: block with a wrong checksum or owner");
	PKERNFS_LINK_LIE(b->ino = cpu_to_le64(PKERNFS_ROOT_INO), true,
			 "symbolic link: block with a wrong checksum or owner");
	PKERNFS_LINK_LIE(le32_add_cpu(&b->generation, 1), true,
			 "symbolic link: block with a wrong checksum or owner");
	PKERNFS_LINK_LIE(b->pad = cpu_to_le64(1), true,
			 "symbolic link: block with a wrong checksum or owner");
	PKERNFS_LINK_LIE(b->reserved = cpu_to_le32(1), true,
			 "symbolic link: block with a wrong checksum or owner");
	PKERNFS_LINK_LIE(b->target[999] = 0, true, "inode: symbolic link without an end");
	PKERNFS_LINK_LIE(b->target[1000] = 'x', true, "inode: symbolic link without an end");
	PKERNFS_LINK_LIE(b->target[0] = 0; ser->size = 0, true,
			 "inode: symbolic link without an end");
	PKERNFS_LINK_LIE(memset(b->target, 'x', sizeof(b->target));
			 ser->size = cpu_to_le64(sizeof(b->target)), true,
			 "inode: symbolic link without an end");
	PKERNFS_LINK_LIE(ser->chain = 0, true, "inode: symbolic link without an end");
	PKERNFS_LINK_LIE(ser->chain = cpu_to_le64(1), true,
			 "symbolic link: block not in the pool, or used twice");
	sb->feature_incompat &= ~cpu_to_le64(PKERNFS_INCOMPAT_LINKS);
	PKERNFS_LINK_LIE(, false, "symbolic link: a block in a region without such");
	sb->feature_incompat = cpu_to_le64(PKERNFS_INCOMPAT_KNOWN);
	pkernfs_test_load(test, r);
}

static struct kunit_case pkernfs_symlink_cases[] = {
	KUNIT_CASE(pkernfs_test_link_lengths),
	KUNIT_CASE(pkernfs_test_link_refused),
	KUNIT_CASE(pkernfs_test_link_lies),
	{}
};

static struct kunit_suite pkernfs_symlink_suite = {
	.name = "pkernfs-symlink",
	.exit = pkernfs_test_exit,
	.test_cases = pkernfs_symlink_cases,
};

kunit_test_suite(pkernfs_symlink_suite);
