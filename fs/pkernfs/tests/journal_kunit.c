// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs KUnit: the redo log, stopped after any store.
 *
 * For each kind of operation: the metadata before it and after it are kept; then
 * for k = 0, 1, 2... it is run from the state before, and everything from the k-th
 * store on is lost, as when a CPU stops there. The load that follows must find the
 * state before or the state after, byte for byte, and a sound filesystem.
 */

#include <kunit/static_stub.h>
#include <linux/crc32.h>
#include <linux/slab.h>

#include "fixture.h"

/* Inode table and the part of the pool that these tests reach. */
#define PKERNFS_TEST_POOL	16

static size_t pkernfs_state_bytes(struct pkernfs_region *r)
{
	return (pkernfs_area_count(&r->sb->inodes) + PKERNFS_TEST_POOL) <<
	       PKERNFS_BLOCK_SHIFT;
}

/* The inode table lies right before the pool. Times do not count. */
static void *pkernfs_state(struct pkernfs_region *r)
{
	return pkernfs_block(r, pkernfs_area_start(&r->sb->inodes));
}

static void pkernfs_state_untime(struct pkernfs_region *r)
{
	struct pkernfs_inode_ser *ser = pkernfs_state(r);
	u32 i;

	for (i = 0; i < PKERNFS_TEST_INODES; i++) {
		ser[i].atime = 0;
		ser[i].mtime = 0;
		ser[i].ctime = 0;
	}
}

static void *pkernfs_state_save(struct kunit *test, struct pkernfs_region *r)
{
	void *copy;

	pkernfs_state_untime(r);
	copy = kunit_kmalloc(test, pkernfs_state_bytes(r), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, copy);
	memcpy(copy, pkernfs_state(r), pkernfs_state_bytes(r));
	return copy;
}

static int pkernfs_test_no_memory(struct pkernfs_core *c, void *mem, u64 bytes)
{
	return 0;
}

/* Of granules of 1 GiB there is no memory. */
static struct pkernfs_region *pkernfs_test_op_region(struct kunit *test,
						     const struct pkernfs_test_op *op)
{
	if (!op->huge)
		return pkernfs_test_region(test);
	kunit_activate_static_stub(test, pkernfs_zero_memory, pkernfs_test_no_memory);
	return pkernfs_test_huge_region(test);
}

/* At each of the first stores, which commit, then at every step-th. */
static void pkernfs_test_stop(struct kunit *test, const struct pkernfs_test_op *op, long step)
{
	struct pkernfs_region *r = pkernfs_test_op_region(test, op);
	size_t bytes;
	void *before, *after;
	long k, left, committed = -1;

	pkernfs_test_load(test, r);
	KUNIT_ASSERT_EQ(test, op->setup(r->core), 0);
	pkernfs_test_reload(test, r);	/* as each run below begins */
	bytes = pkernfs_state_bytes(r);
	before = pkernfs_state_save(test, r);
	KUNIT_ASSERT_EQ_MSG(test, op->run(r->core), 0, "%s", op->name);
	after = pkernfs_state_save(test, r);
	KUNIT_ASSERT_NE(test, memcmp(before, after, bytes), 0);

	for (k = 0;; k += k < 4 ? 1 : step) {
		pkernfs_test_unload(r);
		memcpy(pkernfs_state(r), before, bytes);
		pkernfs_test_load(test, r);
		r->core->stores_left = k;
		op->run(r->core);
		left = r->core->stores_left;

		pkernfs_test_unload(r);
		pkernfs_test_load(test, r);
		pkernfs_state_untime(r);
		if (!memcmp(pkernfs_state(r), after, bytes)) {
			if (committed < 0)
				committed = k;
		} else {
			KUNIT_ASSERT_EQ_MSG(test, memcmp(pkernfs_state(r), before, bytes), 0,
					    "%s: store %ld: neither before nor after",
					    op->name, k);
			KUNIT_ASSERT_LT_MSG(test, committed, 0L,
					    "%s: store %ld: committed and then lost",
					    op->name, k);
		}
		if (left > 0)
			break;
	}
	/* The length, then the commit word: with those two it has happened. */
	KUNIT_EXPECT_EQ(test, committed, 2L);
	KUNIT_EXPECT_GT(test, k, 60L);
	kunit_info(test, "%s: stopped at %ld stores\n", op->name, k);
}

KUNIT_ARRAY_PARAM_DESC(pkernfs_ops, pkernfs_test_ops, name);

static void pkernfs_test_stop_anywhere(struct kunit *test)
{
	pkernfs_test_stop(test, test->param_value, 1);
}

static void pkernfs_test_stop_here_and_there(struct kunit *test)
{
	pkernfs_test_stop(test, test->param_value, 127);
}

/* Replay may itself be stopped, and be done again. */
static void pkernfs_test_replay_stopped(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	void *before, *after, *log;
	size_t bytes, log_bytes = PKERNFS_JOURNAL_BLOCKS << PKERNFS_BLOCK_SHIFT;
	const char *why;
	u32 ino;
	long k;

	pkernfs_test_load(test, r);
	KUNIT_ASSERT_EQ(test, pkernfs_setup_two(r->core), 0);
	bytes = pkernfs_state_bytes(r);
	before = pkernfs_state_save(test, r);
	log = pkernfs_block(r, pkernfs_area_start(&r->sb->journal));

	/* Committed, nothing applied. */
	r->core->stores_left = 2;
	KUNIT_ASSERT_EQ(test, pkernfs_test_create(r->core, "three", &ino), -ESHUTDOWN);
	pkernfs_test_unload(r);
	after = kunit_kmalloc(test, log_bytes, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, after);
	memcpy(after, log, log_bytes);

	for (k = 0; k < 700; k += k < 10 ? 1 : 53) {
		struct pkernfs_core *c;

		memcpy(pkernfs_state(r), before, bytes);
		memcpy(log, after, log_bytes);
		c = kzalloc_obj(*c);
		KUNIT_ASSERT_NOT_NULL(test, c);
		c->r = r;
		c->stores_left = k;
		KUNIT_EXPECT_EQ(test, pkernfs_journal_replay(c, &why), 0);
		kfree(c);
		pkernfs_test_load(test, r);
		KUNIT_EXPECT_EQ_MSG(test, pkernfs_test_lookup(r->core, "three"), ino,
				    "stopped after %ld", k);
		pkernfs_test_unload(r);
	}
}

/* A log that is damaged, or that points elsewhere, is refused and not applied. */
static void pkernfs_test_log_damage(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	struct pkernfs_journal_rec_ser *rec;
	struct pkernfs_journal_ser *j;
	struct pkernfs_core *c;
	const char *why = NULL;
	void *before;
	size_t bytes;
	u32 ino, i;
	u8 *log;

	pkernfs_test_load(test, r);
	bytes = pkernfs_state_bytes(r);
	before = pkernfs_state_save(test, r);
	r->core->stores_left = 2;
	KUNIT_ASSERT_EQ(test, pkernfs_test_create(r->core, "file", &ino), -ESHUTDOWN);
	pkernfs_test_unload(r);
	j = pkernfs_block(r, pkernfs_area_start(&r->sb->journal));
	log = (u8 *)j + PKERNFS_BLOCK_SIZE;

	for (i = 0; i < le64_to_cpu(j->bytes); i += 97) {
		log[i] ^= 4;
		c = pkernfs_core_new(r, &why);
		KUNIT_EXPECT_TRUE_MSG(test, IS_ERR(c), "byte %u", i);
		if (!IS_ERR(c))
			pkernfs_core_free(c);
		log[i] ^= 4;
	}
	/* The records say superblock, with a right checksum. */
	rec = (void *)log;
	rec->offset = 0;
	c = kzalloc_obj(*c);
	KUNIT_ASSERT_NOT_NULL(test, c);
	c->r = r;
	c->stores_left = -1;
	j->commit = cpu_to_le64(1ULL << 32 |
				crc32c(crc32c(~0, &j->bytes, 8), log, le64_to_cpu(j->bytes)));
	KUNIT_EXPECT_EQ(test, pkernfs_journal_replay(c, &why), -EUCLEAN);
	KUNIT_EXPECT_NOT_NULL(test, strstr(why, "target"));
	kfree(c);
	KUNIT_EXPECT_STREQ(test, pkernfs_sb_check(r, 0) ?: "", "");
	pkernfs_state_untime(r);
	KUNIT_EXPECT_EQ(test, memcmp(pkernfs_state(r), before, bytes), 0);
}

/* After quiesce nothing changes any more, and what was there is whole. */
static void pkernfs_test_quiesce(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	u32 ino, free;

	pkernfs_test_load(test, r);
	KUNIT_ASSERT_EQ(test, pkernfs_setup_two(r->core), 0);
	free = r->core->gpool[0].free;
	pkernfs_core_quiesce(r->core);
	KUNIT_EXPECT_EQ(test, pkernfs_test_create(r->core, "three", &ino), -ESHUTDOWN);
	KUNIT_EXPECT_EQ(test, pkernfs_test_fill(r->core, pkernfs_one(r->core), 0, 1),
			-ESHUTDOWN);
	KUNIT_EXPECT_EQ(test, r->core->gpool[0].free, free);
	pkernfs_test_reload(test, r);
	KUNIT_EXPECT_EQ(test, pkernfs_test_create(r->core, "three", &ino), 0);
}

static struct kunit_case pkernfs_journal_cases[] = {
	KUNIT_CASE_PARAM_ATTR(pkernfs_test_stop_anywhere, pkernfs_ops_gen_params,
			      { .speed = KUNIT_SPEED_VERY_SLOW }),
	KUNIT_CASE_PARAM(pkernfs_test_stop_here_and_there, pkernfs_ops_gen_params),
	KUNIT_CASE(pkernfs_test_replay_stopped),
	KUNIT_CASE(pkernfs_test_log_damage),
	KUNIT_CASE(pkernfs_test_quiesce),
	{}
};

static struct kunit_suite pkernfs_journal_suite = {
	.name = "pkernfs-journal",
	.exit = pkernfs_test_exit,
	.test_cases = pkernfs_journal_cases,
};

kunit_test_suite(pkernfs_journal_suite);
