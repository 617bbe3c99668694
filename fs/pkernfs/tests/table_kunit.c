// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs KUnit: the mark of the inode table. That an operation which raises it is
 * atomic is seen by the suite of the redo log, whose first creation does.
 */

#include "fixture.h"

#define PKERNFS_TEST_SLOTS	128

/* A region with more slots than are used at first; @incompat: without this feature. */
static struct pkernfs_region *pkernfs_test_table(struct kunit *test, u64 incompat)
{
	struct pkernfs_format opt = { .inodes = PKERNFS_TEST_SLOTS };
	struct pkernfs_region *r = pkernfs_test_region(test);
	struct pkernfs_sb sb;

	KUNIT_ASSERT_EQ(test, pkernfs_layout(r->base, r->bytes, 0, &opt, &sb), 0);
	sb.feature_incompat &= ~cpu_to_le64(incompat);
	pkernfs_format_write(r, &sb, NULL);
	pkernfs_test_load(test, r);
	return r;
}

static struct pkernfs_inode_ser *pkernfs_test_slot(struct pkernfs_region *r, u32 ino)
{
	return pkernfs_block(r, pkernfs_area_start(&r->sb->inodes)) + ino * PKERNFS_INODE_SIZE;
}

/* Files "PREFIX0", "PREFIX1"...; the number of the last one. */
static u32 pkernfs_test_files(struct kunit *test, struct pkernfs_core *c, char prefix,
			      unsigned int count)
{
	unsigned int i;
	char name[8];
	u32 ino = 0;

	for (i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%c%u", prefix, i);
		KUNIT_ASSERT_EQ(test, pkernfs_test_create(c, name, &ino), 0);
	}
	return ino;
}

/* It is raised in steps, with what is used; what is free again comes first. */
static void pkernfs_test_mark_raised(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_table(test, 0);
	u32 ino;

	KUNIT_EXPECT_EQ(test, pkernfs_ino_mark(r->core), PKERNFS_ROOT_INO + 1);
	KUNIT_EXPECT_EQ(test, pkernfs_test_files(test, r->core, 'a', 1), 2);
	KUNIT_EXPECT_EQ(test, pkernfs_ino_mark(r->core), 32);
	KUNIT_EXPECT_EQ(test, pkernfs_test_files(test, r->core, 'b', 29), 31);
	KUNIT_EXPECT_EQ(test, pkernfs_ino_mark(r->core), 32);
	KUNIT_EXPECT_EQ(test, pkernfs_test_unlink(r->core, "b3"), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_test_files(test, r->core, 'c', 1), 6);
	KUNIT_EXPECT_EQ(test, pkernfs_ino_mark(r->core), 32);
	KUNIT_EXPECT_EQ(test, pkernfs_test_files(test, r->core, 'd', 1), 32);
	KUNIT_EXPECT_EQ(test, pkernfs_ino_mark(r->core), 64);

	pkernfs_test_reload(test, r);
	KUNIT_EXPECT_EQ(test, pkernfs_ino_mark(r->core), 64);
	KUNIT_EXPECT_EQ(test, pkernfs_test_lookup(r->core, "d0"), 32);
	KUNIT_EXPECT_EQ(test, r->core->inodes_free, PKERNFS_TEST_SLOTS - 33);

	/* Up to the last slot, and no further. */
	ino = pkernfs_test_files(test, r->core, 'e', PKERNFS_TEST_SLOTS - 33);
	KUNIT_EXPECT_EQ(test, ino, PKERNFS_TEST_SLOTS - 1);
	KUNIT_EXPECT_EQ(test, pkernfs_ino_mark(r->core), PKERNFS_TEST_SLOTS);
	KUNIT_EXPECT_EQ(test, pkernfs_test_create(r->core, "more", &ino), -ENOSPC);
	pkernfs_test_reload(test, r);
	KUNIT_EXPECT_EQ(test, r->core->inodes_free, 0);
}

/* Slots above it are not read at load, but before they are used. */
static void pkernfs_test_mark_unread(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_table(test, 0);
	u32 ino;

	pkernfs_test_files(test, r->core, 'a', 30);
	memset(pkernfs_test_slot(r, 40), 0x5a, PKERNFS_INODE_SIZE);
	memset(pkernfs_test_slot(r, 100), 0x5a, PKERNFS_INODE_SIZE);
	pkernfs_test_reload(test, r);
	KUNIT_EXPECT_EQ(test, r->core->inodes_free, PKERNFS_TEST_SLOTS - 32);

	/* Slot 32 is empty, but 40 would be below the mark. */
	KUNIT_EXPECT_EQ(test, pkernfs_test_create(r->core, "b", &ino), -EUCLEAN);
	KUNIT_EXPECT_EQ(test, pkernfs_ino_mark(r->core), 32);
	KUNIT_EXPECT_EQ(test, pkernfs_test_lookup(r->core, "b"), 0);
	KUNIT_EXPECT_EQ(test, r->core->inodes_free, PKERNFS_TEST_SLOTS - 32);
	/* What is free below it can be had. */
	KUNIT_EXPECT_EQ(test, pkernfs_test_unlink(r->core, "a7"), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_test_create(r->core, "b", &ino), 0);

	memset(pkernfs_test_slot(r, 40), 0, PKERNFS_INODE_SIZE);
	KUNIT_EXPECT_EQ(test, pkernfs_test_create(r->core, "c", &ino), 0);
	KUNIT_EXPECT_EQ(test, ino, 32);
	KUNIT_EXPECT_EQ(test, pkernfs_ino_mark(r->core), 64);
	pkernfs_test_reload(test, r);
}

static void pkernfs_test_mark_refused(struct kunit *test, struct pkernfs_region *r,
				      const char *want)
{
	const char *why = NULL;
	struct pkernfs_core *c = pkernfs_core_new(r, &why);

	KUNIT_EXPECT_TRUE(test, IS_ERR(c));
	if (!IS_ERR(c))
		pkernfs_core_free(c);
	KUNIT_EXPECT_STREQ(test, why ?: "", want);
}

/* Every damaged byte is seen, and a mark that cannot be is refused. */
static void pkernfs_test_mark_damage(struct kunit *test)
{
	static const u64 marks[] = { 0, PKERNFS_ROOT_INO, PKERNFS_TEST_SLOTS + 1, U64_MAX };
	struct pkernfs_region *r = pkernfs_test_table(test, 0);
	struct pkernfs_table_ser *t = pkernfs_table(r->core);
	unsigned int i;

	pkernfs_test_files(test, r->core, 'a', 1);
	pkernfs_test_reload(test, r);
	pkernfs_test_unload(r);
	for (i = 0; i < offsetofend(struct pkernfs_table_ser, crc); i++) {
		((u8 *)t)[i] ^= 0x11;
		pkernfs_test_mark_refused(test, r, "inode table: wrong checksum");
		((u8 *)t)[i] ^= 0x11;
	}
	for (i = 0; i < ARRAY_SIZE(marks); i++) {
		t->mark = cpu_to_le64(marks[i]);
		pkernfs_table_seal(t);
		pkernfs_test_mark_refused(test, r, "inode table: impossible mark");
	}
	t->mark = cpu_to_le64(PKERNFS_TEST_SLOTS);
	pkernfs_table_seal(t);
	pkernfs_test_load(test, r);
}

/* A region from before: all slots are read, and that of inode 0 is left alone. */
static void pkernfs_test_mark_none(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_table(test, PKERNFS_INCOMPAT_MARK);
	u32 ino;

	KUNIT_EXPECT_NULL(test, memchr_inv(pkernfs_test_slot(r, 0), 0, PKERNFS_INODE_SIZE));
	memset(pkernfs_test_slot(r, 0), 0x5a, PKERNFS_INODE_SIZE);
	pkernfs_test_reload(test, r);
	pkernfs_test_files(test, r->core, 'a', 40);
	pkernfs_test_reload(test, r);
	KUNIT_EXPECT_EQ(test, pkernfs_test_create(r->core, "b", &ino), 0);
	KUNIT_EXPECT_EQ(test, ino, 42);
	KUNIT_EXPECT_TRUE(test, !memchr_inv(pkernfs_test_slot(r, 0), 0x5a, PKERNFS_INODE_SIZE));
	pkernfs_test_unload(r);

	pkernfs_test_slot(r, PKERNFS_TEST_SLOTS - 1)->mode = cpu_to_le16(S_IFREG);
	pkernfs_test_mark_refused(test, r, "inode: wrong checksum");
}

static struct kunit_case pkernfs_table_cases[] = {
	KUNIT_CASE(pkernfs_test_mark_raised),
	KUNIT_CASE(pkernfs_test_mark_unread),
	KUNIT_CASE(pkernfs_test_mark_damage),
	KUNIT_CASE(pkernfs_test_mark_none),
	{}
};

static struct kunit_suite pkernfs_table_suite = {
	.name = "pkernfs-table",
	.exit = pkernfs_test_exit,
	.test_cases = pkernfs_table_cases,
};

kunit_test_suite(pkernfs_table_suite);
