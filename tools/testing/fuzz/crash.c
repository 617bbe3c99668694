// SPDX-License-Identifier: GPL-2.0
/*
 * What is left of an operation that stops at any store, before fsck and before the load.
 *
 * The operations are those of the KUnit suite of the redo log
 * (fs/pkernfs/tests/op_table_kunit.c), and so is the way: from the state before it each is run
 * again and again, and all from the k-th store on is lost. Of each such region
 *
 *  - fsck finds nothing, but perhaps an operation that was committed and is not finished;
 *  - the load takes it, and leaves the state before or the state after, to the bit;
 *  - what fsck makes of it is the same, and from the commit on the state after.
 *
 * usage: crash [STEP]	at each of the first stores, then at every STEP-th, 1 if there is none
 */
#include "../../../fs/pkernfs/tests/ops.h"
#include "region.h"

#define COMMIT		2	/* stores: the length, the commit word */
#define POOL_BLOCKS	16	/* of the pool: as far as the operations reach */

static struct pkernfs_region r;
static u64 images, replayed;
static const char *now;
static long now_k;

static void want(bool cond, const char *what)
{
	if (cond)
		return;
	fprintf(stderr, "%s, store %ld: ", now, now_k);
	shim_die(what);
}

static void load(void)
{
	const char *why;

	if (!region_load(&r, &why)) {
		fprintf(stderr, "%s, store %ld: %s\n", now, now_k, why);
		shim_die("the kernel does not take it");
	}
}

/* The inode table lies right before the pool. Times are zeroes here. */
static void *state(void)
{
	return region_inode(&r, 0);
}

static size_t state_bytes(void)
{
	return PKERNFS_TEST_INODES * PKERNFS_INODE_SIZE + (POOL_BLOCKS << PKERNFS_BLOCK_SHIFT);
}

static void *state_save(void)
{
	void *copy = malloc(state_bytes());

	if (!copy)
		shim_die("no memory");
	return memcpy(copy, state(), state_bytes());
}

static bool state_is(const void *copy)
{
	return !memcmp(state(), copy, state_bytes());
}

static void make(const struct pkernfs_test_op *op)
{
	struct pkernfs_format opt = {
		.inodes = PKERNFS_TEST_INODES, .label = "crash",
		.huge_granules = op->huge ? REGION_HUGE : 0,
	};
	struct pkernfs_sb sb;

	want(!pkernfs_layout(r.base, r.bytes, 0, &opt, &sb), "no layout");
	want(pkernfs_area_start(&sb.inodes) == 1 + PKERNFS_JOURNAL_BLOCKS, "another layout");
	/* What the operation before has left in blocks that are free */
	memset(state(), 0, state_bytes());
	pkernfs_format_write(&r, &sb, NULL);
	load();
}

/* A region as it was left: what fsck says of it, and what becomes of it in either way. */
static void judge(const void *before, const void *after)
{
	bool done = now_k >= COMMIT;
	struct verdict v;

	images++;
	verdict_look(&v);
	want(v.whole && v.mended && v.clean, "fsck finds fault with it");
	want(!v.mild || (v.mild == 1 && v.log), "fsck finds something else than the log");
	want(!v.log || done, "fsck finds a log before the commit");
	want(state_is(done ? after : before), "fsck makes something else of it");
	replayed += v.log;
	verdict_undo();

	load();
	want(state_is(done ? after : before), "the load makes something else of it");
	region_unload(&r);
	verdict_look(&v);
	want(v.whole && !v.mild, "fsck finds fault with it after the load");
	verdict_undo();
}

static void stop(const struct pkernfs_test_op *op, long step)
{
	void *before, *after;
	long left;

	now = op->name;
	now_k = -1;
	make(op);
	want(!op->setup(r.core), "no setup");
	region_unload(&r);
	before = state_save();
	load();
	want(!op->run(r.core), "it fails");
	region_unload(&r);
	after = state_save();
	want(!state_is(before), "it changes nothing");

	for (now_k = 0;; now_k += now_k < 4 ? 1 : step) {
		memcpy(state(), before, state_bytes());
		load();
		r.core->stores_left = now_k;
		op->run(r.core);
		left = r.core->stores_left;
		region_unload(&r);
		judge(before, after);
		if (left > 0)
			break;
	}
	want(now_k > 60, "so few stores cannot be all");
	free(before);
	free(after);
}

int main(int argc, char **argv)
{
	long step = argc > 1 ? atol(argv[1]) : 1;
	bool huge;
	u32 i;

	if (step < 1) {
		fprintf(stderr, "usage: crash [STEP]\n");
		return 2;
	}
	for (huge = false;; huge = true) {
		region_memory(&r, huge);
		verdict_set_up(r.virt, r.base, r.bytes, false);
		for (i = 0; i < PKERNFS_TEST_OPS; i++)
			if (pkernfs_test_ops[i].huge == huge)
				stop(&pkernfs_test_ops[i], step);
		if (huge)
			break;
	}
	printf("%u operations, %llu regions, %llu with an operation to be finished\n",
	       PKERNFS_TEST_OPS, (unsigned long long)images, (unsigned long long)replayed);
	return 0;
}
