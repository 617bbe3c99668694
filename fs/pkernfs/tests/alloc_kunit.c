// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs KUnit: granules, extents, the pool.
 */

#include <kunit/static_stub.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/vmalloc.h>

#include "fixture.h"

static void pkernfs_test_reserve(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	struct pkernfs_core *c;
	u32 got, a, b;

	pkernfs_test_load(test, r);
	c = r->core;
	KUNIT_EXPECT_NULL(test, c->gpool[0].chunk[0]);
	down_write(&c->lock);
	KUNIT_EXPECT_EQ(test, pkernfs_granule_reserve(c, c->gpool, PKERNFS_NO_GRANULE, 3, &a,
						      &got), 0);
	KUNIT_EXPECT_EQ(test, got, 3);
	KUNIT_EXPECT_NOT_NULL(test, c->gpool[0].chunk[0]);
	KUNIT_EXPECT_EQ(test, c->gpool[0].free, c->gpool[0].granules - 3);
	/* Where it is wished for, if that is free. */
	KUNIT_EXPECT_EQ(test, pkernfs_granule_reserve(c, c->gpool, a + 3, 2, &b, &got), 0);
	KUNIT_EXPECT_EQ(test, b, a + 3);
	KUNIT_EXPECT_EQ(test, got, 2);
	KUNIT_EXPECT_EQ(test, pkernfs_granule_reserve(c, c->gpool, a, 1, &b, &got), 0);
	KUNIT_EXPECT_NE(test, b, a);
	pkernfs_granule_release(c, c->gpool, b, 1);
	/* The hole in the middle is too small: the long run wins. */
	pkernfs_granule_release(c, c->gpool, a + 1, 1);
	KUNIT_EXPECT_EQ(test, pkernfs_granule_reserve(c, c->gpool, PKERNFS_NO_GRANULE, 2, &b,
						      &got), 0);
	KUNIT_EXPECT_EQ(test, got, 2);
	KUNIT_EXPECT_GE(test, b, a + 5);
	/* Everything, in as many runs as there are; then nothing. */
	while (!pkernfs_granule_reserve(c, c->gpool, PKERNFS_NO_GRANULE, 1000, &b, &got))
		KUNIT_EXPECT_GT(test, got, 0);
	KUNIT_EXPECT_EQ(test, c->gpool[0].free, 0);
	up_write(&c->lock);
}

/*
 * Random fills and cuts against a model; after each some checks, and from time to
 * time a load, which must find the same.
 */
static void pkernfs_test_model(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	static const char * const names[] = { "a", "b" };
	u32 ino[2], i, f, g, used, step;
	bool model[2][64] = {};
	struct rnd_state rnd;

	prandom_seed_state(&rnd, 42);
	pkernfs_test_load(test, r);
	for (f = 0; f < 2; f++)
		ino[f] = pkernfs_test_file(test, r->core, names[f])->ino;

	for (step = 0; step < 400; step++) {
		struct pkernfs_core *c = r->core;
		struct pkernfs_node *n;
		u64 first, last;
		int err;

		f = prandom_u32_state(&rnd) % 2;
		n = pkernfs_node_find(c, ino[f]);
		first = prandom_u32_state(&rnd) % 64;
		last = min(first + prandom_u32_state(&rnd) % 4, 63ULL);
		if (prandom_u32_state(&rnd) % 2) {
			err = pkernfs_test_fill(c, n, first, last);
			/* Full: the model takes over what has been filled. */
			KUNIT_ASSERT_TRUE(test, !err || err == -ENOSPC);
			for (i = first; i <= last; i++)
				model[f][i] = err ? !!pkernfs_extent_find(n, i) : true;
		} else {
			KUNIT_ASSERT_EQ(test, pkernfs_test_cut(c, n, first, last, -1), 0);
			for (i = first; i <= last; i++)
				model[f][i] = false;
		}
		if (step % 16 == 15)
			pkernfs_test_reload(test, r);

		c = r->core;
		used = 0;
		for (f = 0; f < 2; f++) {
			n = pkernfs_node_find(c, ino[f]);
			for (i = 0; i < 64; i++) {
				g = pkernfs_test_granule(n, i);
				KUNIT_ASSERT_EQ_MSG(test, g != PKERNFS_NO_GRANULE, model[f][i],
						    "step %u file %u granule %u", step, f, i);
				if (g == PKERNFS_NO_GRANULE)
					continue;
				used++;
				KUNIT_ASSERT_EQ(test, pkernfs_granule_owner(c->gpool, g), ino[f]);
			}
			for (i = 1; i < n->extents; i++)
				KUNIT_ASSERT_GE(test, n->extent[i].logical,
						n->extent[i - 1].logical +
						n->extent[i - 1].count);
			KUNIT_ASSERT_EQ(test, bitmap_weight(n->slots, PKERNFS_SLOTS),
					n->extents);
		}
		KUNIT_ASSERT_EQ(test, c->gpool[0].free, c->gpool[0].granules - used);
	}
}

/* What a file gets is zero, whatever was there; and it keeps its content. */
static void pkernfs_test_zeroed(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	struct pkernfs_node *n;
	void *data;
	u32 g;

	memset(pkernfs_block(r, pkernfs_area_start(&((struct pkernfs_sb *)r->virt)->data)),
	       0xaa, 4 * PKERNFS_GRANULE_SIZE);
	pkernfs_test_load(test, r);
	n = pkernfs_test_file(test, r->core, "file");
	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(r->core, n, 1, 1), 0);
	g = pkernfs_test_granule(n, 1);
	data = pkernfs_granule_virt(r->core, n->pool, g);
	KUNIT_EXPECT_NULL(test, memchr_inv(data, 0, PKERNFS_GRANULE_SIZE));
	memset(data, 0x55, 100);
	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(r->core, n, 0, 3), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_test_granule(n, 1), g);
	KUNIT_EXPECT_NULL(test, memchr_inv(data, 0x55, 100));
	KUNIT_EXPECT_NULL(test, memchr_inv(data + 100, 0, 100));
}

#define PKERNFS_TEST_ZERO	(SZ_32M + SZ_4K)

static u8 *pkernfs_test_zeroing;	/* the memory of the case below */
static unsigned int pkernfs_test_pieces;	/* that its caller has zeroed */

/*
 * In the place of pkernfs_zero_piece(), for the caller: the first piece is only done when
 * somebody else has come to the end of the memory. Helpers are no tasks of the test, and so
 * have the function itself.
 */
static void pkernfs_test_slow_piece(void *mem, u64 bytes)
{
	unsigned long end = jiffies + 20 * HZ;

	while (!pkernfs_test_pieces && READ_ONCE(pkernfs_test_zeroing[PKERNFS_TEST_ZERO - 1]) &&
	       time_before(jiffies, end))
		usleep_range(1000, 2000);
	pkernfs_test_pieces++;
	memset(mem, 0, bytes);
}

/*
 * So much that CPUs share it, and with a rest: all of it, and nothing behind it. Of a
 * caller who is held up helpers do all but the first piece.
 */
static void pkernfs_test_zero_shared(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	u8 *mem;

	pkernfs_test_load(test, r);
	mem = vmalloc(PKERNFS_TEST_ZERO + SZ_4K);
	KUNIT_ASSERT_NOT_NULL(test, mem);
	memset(mem, 0x5a, PKERNFS_TEST_ZERO + SZ_4K);
	pkernfs_test_zeroing = mem;
	pkernfs_test_pieces = 0;
	kunit_activate_static_stub(test, pkernfs_zero_piece, pkernfs_test_slow_piece);
	KUNIT_EXPECT_EQ(test, pkernfs_zero_memory(r->core, mem, PKERNFS_TEST_ZERO), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_test_pieces, 1);
	KUNIT_EXPECT_NULL(test, memchr_inv(mem, 0, PKERNFS_TEST_ZERO));
	KUNIT_EXPECT_NULL(test, memchr_inv(mem + PKERNFS_TEST_ZERO, 0x5a, SZ_4K));
	vfree(mem);
}

/* Who could keep a helper from the CPU, and would wait for it, has none. */
static void pkernfs_test_zero_helpers(struct kunit *test)
{
	unsigned int others = cpumask_weight(cpu_online_mask) - 1;

	KUNIT_EXPECT_EQ(test, pkernfs_zero_helpers(SZ_32M - 1), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_zero_helpers(SZ_32M), others);
	KUNIT_EXPECT_GT(test, others, 0);
	sched_set_fifo_low(current);
	KUNIT_EXPECT_EQ(test, pkernfs_zero_helpers(SZ_32M), 0);
	sched_set_normal(current, 1);
	KUNIT_EXPECT_EQ(test, pkernfs_zero_helpers(SZ_32M), 0);
	sched_set_normal(current, 0);
	KUNIT_EXPECT_EQ(test, pkernfs_zero_helpers(SZ_32M), others);
}

/* A file that grows downwards and upwards from its middle stays in one piece. */
static void pkernfs_test_joined(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	struct pkernfs_node *n;
	unsigned int i;

	pkernfs_test_load(test, r);
	n = pkernfs_test_file(test, r->core, "file");
	for (i = 0; i < 3; i++)
		KUNIT_ASSERT_EQ(test, pkernfs_test_fill(r->core, n, 2 * i, 2 * i), 0);
	KUNIT_EXPECT_EQ(test, n->extents, 3);
	for (i = 0; i < 3; i++)
		KUNIT_ASSERT_EQ(test, pkernfs_test_fill(r->core, n, 2 * i + 1, 2 * i + 1), 0);
	KUNIT_EXPECT_EQ(test, n->extents, 1);
	KUNIT_EXPECT_EQ(test, n->extent[0].count, 6);
	pkernfs_test_reload(test, r);
	n = pkernfs_node_find(r->core, pkernfs_test_lookup(r->core, "file"));
	KUNIT_EXPECT_EQ(test, n->extents, 1);
}

/* The next kernel would not load it, for that reason. */
static void pkernfs_test_refused(struct kunit *test, struct pkernfs_region *r, const char *why)
{
	struct pkernfs_region_check result = {};

	mutex_lock(&pkernfs_format_lock);
	KUNIT_EXPECT_EQ(test, pkernfs_core_check(r, &result), 0);
	mutex_unlock(&pkernfs_format_lock);
	KUNIT_EXPECT_STREQ(test, result.reason, why);
}

/*
 * Up to the last byte that a file can have: the next kernel takes it too. In a region whose mkfs
 * did not know of it that is one granule less.
 */
static void pkernfs_test_far(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	u64 last = (PKERNFS_MAX_END >> PKERNFS_GRANULE_SHIFT) - 1;
	struct pkernfs_sb *sb = r->virt;
	struct pkernfs_node *n;

	pkernfs_test_load(test, r);
	n = pkernfs_test_file(test, r->core, "file");
	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(r->core, n, last - 1, last), 0);
	pkernfs_test_reload(test, r);
	n = pkernfs_node_find(r->core, pkernfs_test_lookup(r->core, "file"));
	KUNIT_EXPECT_NE(test, pkernfs_test_granule(n, last), PKERNFS_NO_GRANULE);
	KUNIT_EXPECT_EQ(test, pkernfs_max_size(r->core), (u64)S64_MAX);

	sb->feature_incompat &= ~cpu_to_le64(PKERNFS_INCOMPAT_LARGE);
	pkernfs_test_refused(test, r, "extent: not a range of its area");
	KUNIT_EXPECT_EQ(test, pkernfs_test_cut(r->core, n, last, last, S64_MAX), 0);
	pkernfs_test_refused(test, r, "inode: impossible size");
	KUNIT_EXPECT_EQ(test, pkernfs_test_fill(r->core, n, last, last), -EFBIG);
	KUNIT_EXPECT_EQ(test, pkernfs_max_size(r->core), last << PKERNFS_GRANULE_SHIFT);
	KUNIT_EXPECT_EQ(test, pkernfs_test_cut(r->core, n, last, last,
					       pkernfs_max_size(r->core)), 0);
	pkernfs_test_reload(test, r);
	n = pkernfs_node_find(r->core, pkernfs_test_lookup(r->core, "file"));
	KUNIT_EXPECT_EQ(test, pkernfs_test_cut(r->core, n, 0, last, 0), 0);
	KUNIT_EXPECT_EQ(test, r->core->gpool[0].free, r->core->gpool[0].granules);
	sb->feature_incompat = cpu_to_le64(PKERNFS_INCOMPAT_KNOWN);
}

/* Data and holes of a sparse file, in as many steps as it has pieces. */
static void pkernfs_test_seek(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	const u64 size = SZ_2M, far = BIT_ULL(41);
	struct pkernfs_node *n;
	u32 next, got;

	pkernfs_test_load(test, r);
	n = pkernfs_test_file(test, r->core, "file");
	KUNIT_EXPECT_EQ(test, pkernfs_extent_seek(n, 5 * size, true), U64_MAX);
	KUNIT_EXPECT_EQ(test, pkernfs_extent_seek(n, 5 * size, false), 5 * size);
	KUNIT_EXPECT_EQ(test, pkernfs_extent_holes(n, 21, 0, far * size - 1), far);

	/* 2 and 3 apart from each other in memory, so two extents in a row. */
	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(r->core, n, 2, 2), 0);
	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(r->core, n, far, far), 0);
	down_write(&r->core->lock);
	KUNIT_ASSERT_EQ(test, pkernfs_granule_reserve(r->core, n->pool, n->extent[0].granule + 1, 1,
						      &next, &got), 0);
	up_write(&r->core->lock);
	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(r->core, n, 3, 3), 0);
	KUNIT_EXPECT_EQ(test, n->extents, 3);
	KUNIT_EXPECT_EQ(test, pkernfs_extent_seek(n, 0, true), 2 * size);
	KUNIT_EXPECT_EQ(test, pkernfs_extent_seek(n, 3 * size, true), 3 * size);
	KUNIT_EXPECT_EQ(test, pkernfs_extent_seek(n, 4 * size, true), far * size);
	KUNIT_EXPECT_EQ(test, pkernfs_extent_seek(n, (far + 1) * size, true), U64_MAX);
	KUNIT_EXPECT_EQ(test, pkernfs_extent_seek(n, size, false), size);
	KUNIT_EXPECT_EQ(test, pkernfs_extent_seek(n, 2 * size, false), 4 * size);
	KUNIT_EXPECT_EQ(test, pkernfs_extent_seek(n, far * size, false), (far + 1) * size);

	KUNIT_EXPECT_EQ(test, pkernfs_extent_holes(n, 21, 0, far * size), far + 1 - 3);
	KUNIT_EXPECT_EQ(test, pkernfs_extent_holes(n, 21, 2 * size, 3 * size), 0ULL);
	KUNIT_EXPECT_EQ(test, pkernfs_extent_holes(n, 21, 3 * size, 4 * size), 1ULL);
	KUNIT_EXPECT_EQ(test, pkernfs_extent_holes(n, 21, far * size, far * size), 0ULL);
	/* A part of a granule counts, and a place in a granule is where one begins. */
	KUNIT_EXPECT_EQ(test, pkernfs_extent_holes(n, 21, 4 * size - 1, 4 * size), 1ULL);
	KUNIT_EXPECT_EQ(test, pkernfs_extent_seek(n, 3 * size + 5, true), 3 * size + 5);
	KUNIT_EXPECT_EQ(test, pkernfs_extent_seek(n, 5 * size + 5, false), 5 * size + 5);
}

static int pkernfs_test_fill_small(struct pkernfs_core *c, struct pkernfs_node *n, u64 first,
				   u64 last)
{
	return pkernfs_extent_fill(c, n, first * SZ_4K, last * SZ_4K + SZ_4K - 1,
				   &c->gpool[PKERNFS_GPOOL_4K]);
}

/* Small granules: zeroed, the next kernel finds them, and the size is for all of a file. */
static void pkernfs_test_small(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	struct pkernfs_gpool *small, *large;
	struct pkernfs_node *n;
	u64 bytes;
	u32 ino;

	memset(pkernfs_block(r, pkernfs_area_start(&((struct pkernfs_sb *)r->virt)->small)),
	       0xaa, SZ_2M);
	pkernfs_test_load(test, r);
	small = &r->core->gpool[PKERNFS_GPOOL_4K];
	large = &r->core->gpool[PKERNFS_GPOOL_2M];
	KUNIT_ASSERT_EQ(test, small->granules, 512);
	n = pkernfs_test_file(test, r->core, "file");
	ino = n->ino;
	KUNIT_ASSERT_EQ(test, pkernfs_test_fill_small(r->core, n, 1, 3), 0);
	KUNIT_EXPECT_PTR_EQ(test, n->pool, small);
	KUNIT_EXPECT_EQ(test, small->free, 512 - 3);
	KUNIT_EXPECT_NULL(test, memchr_inv(pkernfs_extent_data(r->core, n, SZ_4K, &bytes), 0,
					   3 * SZ_4K));
	KUNIT_EXPECT_EQ(test, bytes, 3 * SZ_4K);
	KUNIT_EXPECT_NULL(test, pkernfs_extent_data(r->core, n, 5, &bytes));
	KUNIT_EXPECT_EQ(test, bytes, SZ_4K - 5);
	memset(pkernfs_extent_data(r->core, n, SZ_8K, &bytes), 0x55, SZ_4K);

	/* More of the same size, whatever is wanted now. */
	KUNIT_ASSERT_EQ(test, pkernfs_extent_fill(r->core, n, SZ_1M, SZ_1M, large), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_extent_total(n), 4 * SZ_4K);
	KUNIT_EXPECT_EQ(test, large->free, large->granules);

	pkernfs_test_reload(test, r);
	small = &r->core->gpool[PKERNFS_GPOOL_4K];
	large = &r->core->gpool[PKERNFS_GPOOL_2M];
	n = pkernfs_node_find(r->core, ino);
	KUNIT_EXPECT_PTR_EQ(test, n->pool, small);
	KUNIT_EXPECT_EQ(test, small->free, 512 - 4);
	KUNIT_EXPECT_NULL(test, memchr_inv(pkernfs_extent_data(r->core, n, SZ_8K, &bytes), 0x55,
					   SZ_4K));

	/* What is partly cut off stays; without any memory the size is open again. */
	KUNIT_EXPECT_EQ(test, pkernfs_extent_cut(r->core, n, SZ_4K + 1, 4 * SZ_4K - 2, -1, 0), 0);
	KUNIT_EXPECT_EQ(test, small->free, 512 - 3);
	KUNIT_EXPECT_EQ(test, pkernfs_extent_cut(r->core, n, 0, MAX_LFS_FILESIZE, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, small->free, 512);
	KUNIT_ASSERT_EQ(test, pkernfs_extent_fill(r->core, n, 0, 0, large), 0);
	KUNIT_EXPECT_PTR_EQ(test, n->pool, large);
	KUNIT_EXPECT_EQ(test, large->free, large->granules - 1);

	/* All of them, and then none. */
	n = pkernfs_test_file(test, r->core, "other");
	KUNIT_EXPECT_EQ(test, pkernfs_test_fill_small(r->core, n, 0, 512), -ENOSPC);
	KUNIT_EXPECT_EQ(test, small->free, 0);
	KUNIT_EXPECT_EQ(test, pkernfs_extent_total(n), SZ_2M);
	pkernfs_test_reload(test, r);
}

/* A file moves to large granules: all of it, or not at all. */
static void pkernfs_test_move(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	static const u64 pages[] = { 0, 3, 4, 511, 1200 };
	struct pkernfs_gpool *small, *large;
	struct pkernfs_node *n, *other;
	struct pkernfs_core *c;
	phys_addr_t phys;
	u64 bytes, i, j;
	u8 *data;
	u32 ino;

	pkernfs_test_load(test, r);
	c = r->core;
	small = &c->gpool[PKERNFS_GPOOL_4K];
	large = &c->gpool[PKERNFS_GPOOL_2M];
	n = pkernfs_test_file(test, c, "file");
	ino = n->ino;
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		KUNIT_ASSERT_EQ(test, pkernfs_test_fill_small(c, n, pages[i], pages[i]), 0);
		memset(pkernfs_extent_data(c, n, pages[i] * SZ_4K, &bytes), i + 1, SZ_4K);
	}
	/* A large one where there is nothing: what was in it must not show. */
	memset(pkernfs_granule_virt(c, large, 0), 0xaa, 4 * SZ_2M);

	/* Held: by a range of two of its pages, and not by one over the border. */
	data = pkernfs_extent_data(c, n, 3 * SZ_4K, &bytes);
	phys = r->base + (data - (u8 *)r->virt);
	KUNIT_EXPECT_EQ(test, pkernfs_phys_owner(r, phys, SZ_8K, NULL, NULL), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_hold(r, phys, SZ_8K, NULL), 0);
	KUNIT_EXPECT_EQ(test, small->held, 2);
	KUNIT_EXPECT_EQ(test, n->holds, 2ULL);
	KUNIT_EXPECT_EQ(test, pkernfs_extent_move(c, n, large), -EBUSY);
	KUNIT_EXPECT_EQ(test, pkernfs_extent_cut(c, n, 4 * SZ_4K, 5 * SZ_4K - 1, -1, 0), -EBUSY);
	pkernfs_unhold(r, phys, SZ_8K);
	KUNIT_EXPECT_EQ(test, small->held, 0);
	phys = r->base + ((large->start << PKERNFS_BLOCK_SHIFT) - SZ_4K);
	KUNIT_EXPECT_EQ(test, pkernfs_hold(r, phys, SZ_8K, NULL), -ENOENT);
	KUNIT_EXPECT_EQ(test, pkernfs_phys_owner(r, phys, SZ_8K, NULL, NULL), -ENOENT);

	/* Two are needed, and there is one. */
	other = pkernfs_test_file(test, c, "other");
	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, other, 0, large->granules - 2), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_extent_move(c, n, large), -ENOSPC);
	KUNIT_EXPECT_EQ(test, large->free, 1);
	KUNIT_EXPECT_EQ(test, small->free, small->granules - 5);
	KUNIT_EXPECT_PTR_EQ(test, n->pool, small);
	pkernfs_test_reload(test, r);
	c = r->core;
	small = &c->gpool[PKERNFS_GPOOL_4K];
	large = &c->gpool[PKERNFS_GPOOL_2M];
	n = pkernfs_node_find(c, ino);
	other = pkernfs_node_find(c, pkernfs_test_lookup(c, "other"));
	KUNIT_ASSERT_EQ(test, pkernfs_test_cut(c, other, 0, 100, 0), 0);

	KUNIT_EXPECT_EQ(test, pkernfs_extent_move(c, n, large), 0);
	KUNIT_EXPECT_EQ(test, small->free, small->granules);
	KUNIT_EXPECT_EQ(test, large->free, large->granules - 2);
	KUNIT_EXPECT_EQ(test, n->extents, 2);
	pkernfs_test_reload(test, r);
	c = r->core;
	n = pkernfs_node_find(c, ino);
	KUNIT_EXPECT_PTR_EQ(test, n->pool, &c->gpool[PKERNFS_GPOOL_2M]);
	for (i = 0, j = 0; i < 1536; i++) {
		u8 value = 0;

		if (j < ARRAY_SIZE(pages) && pages[j] == i)
			value = ++j;
		data = pkernfs_extent_data(c, n, i * SZ_4K, &bytes);
		if (i / 512 == 1)
			KUNIT_ASSERT_NULL(test, data);
		else
			KUNIT_ASSERT_NULL_MSG(test, memchr_inv(data, value, SZ_4K), "page %llu", i);
	}
}

/* It comes to a run that is long enough, and takes no memory for a page here and there. */
static void pkernfs_test_move_apart(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	struct pkernfs_node *n, *other;
	struct pkernfs_gpool *large;
	struct pkernfs_core *c;
	u32 last, i;

	pkernfs_test_load(test, r);
	c = r->core;
	large = &c->gpool[PKERNFS_GPOOL_2M];
	last = large->granules - 1;
	other = pkernfs_test_file(test, c, "other");
	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, other, 0, last), 0);
	for (i = 0; i < 5; i += 2)
		KUNIT_ASSERT_EQ(test, pkernfs_test_cut(c, other, i, i, -1), 0);
	KUNIT_ASSERT_EQ(test, pkernfs_test_cut(c, other, last - 2, last, -1), 0);
	large->hint = 0;
	n = pkernfs_test_file(test, c, "file");
	for (i = 0; i < 3; i++)
		KUNIT_ASSERT_EQ(test, pkernfs_test_fill_small(c, n, i * 512 + i, i * 512 + i), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_extent_move(c, n, large), 0);
	KUNIT_EXPECT_EQ(test, n->extents, 1);

	KUNIT_ASSERT_EQ(test, pkernfs_test_cut(c, other, 0, last, 0), 0);
	n = pkernfs_test_file(test, c, "sparse");
	for (i = 0; i < 9; i++)
		KUNIT_ASSERT_EQ(test, pkernfs_test_fill_small(c, n, i * 512, i * 512), 0);
	KUNIT_ASSERT_GE(test, large->free, 9);
	KUNIT_EXPECT_EQ(test, pkernfs_extent_move(c, n, large), -EFBIG);
	KUNIT_EXPECT_EQ(test, large->free, last + 1 - 3);
	KUNIT_ASSERT_EQ(test, pkernfs_extent_cut(c, n, 8 * SZ_2M, 9 * SZ_2M - 1, -1, 0), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_extent_move(c, n, large), 0);
	KUNIT_EXPECT_EQ(test, n->extents, 1);
}

static void pkernfs_test_pool(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	u64 start, count, free, i;
	phys_addr_t phys;
	void *block;

	pkernfs_test_load(test, r);
	start = pkernfs_area_start(&r->sb->pool);
	count = pkernfs_area_count(&r->sb->pool);
	pkernfs_test_file(test, r->core, "file");	/* a directory block */
	free = r->core->pool_free;
	KUNIT_EXPECT_EQ(test, free, count - 2);		/* and the list of bad pages */

	block = pkernfs_pool_alloc(r);
	KUNIT_ASSERT_NOT_NULL(test, block);
	KUNIT_EXPECT_TRUE(test, IS_ALIGNED((unsigned long)block, PKERNFS_BLOCK_SIZE));
	memset(block, 0xff, PKERNFS_BLOCK_SIZE);
	phys = r->base + (block - r->virt);
	KUNIT_EXPECT_EQ(test, pkernfs_pool_claim(r, phys), -EEXIST);
	pkernfs_pool_free(r, block);
	KUNIT_EXPECT_EQ(test, r->core->pool_free, free);

	KUNIT_EXPECT_EQ(test, pkernfs_pool_claim(r, phys), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_pool_claim(r, phys), -EEXIST);
	KUNIT_EXPECT_EQ(test, pkernfs_pool_claim(r, phys + 1), -ERANGE);
	KUNIT_EXPECT_EQ(test, pkernfs_pool_claim(r, r->base), -ERANGE);
	KUNIT_EXPECT_EQ(test, pkernfs_pool_claim(r, r->base - SZ_4K), -ERANGE);
	KUNIT_EXPECT_EQ(test, pkernfs_pool_claim(r, r->base + r->bytes), -ERANGE);
	KUNIT_EXPECT_EQ(test, pkernfs_pool_claim(r, pkernfs_test_phys(r->core, 0)), -ERANGE);
	KUNIT_EXPECT_EQ(test, pkernfs_pool_claim(r, r->base + ((start + count) <<
							       PKERNFS_BLOCK_SHIFT)), -ERANGE);

	/* All of it, each block once and zeroed, and none of those in use. */
	for (i = 0; i < free - 1; i++) {
		block = pkernfs_pool_alloc(r);
		KUNIT_ASSERT_NOT_NULL(test, block);
		KUNIT_ASSERT_EQ(test, *(u64 *)block, 0);
		KUNIT_ASSERT_NE(test, r->base + (block - r->virt), phys);
		*(u64 *)block = 1;
	}
	KUNIT_EXPECT_NULL(test, pkernfs_pool_alloc(r));
	KUNIT_EXPECT_NE(test, pkernfs_test_lookup(r->core, "file"), 0);
}

static struct pkernfs_node *pkernfs_test_root(struct pkernfs_region *r)
{
	return pkernfs_node_find(r->core, PKERNFS_ROOT_INO);
}

/* Names of all lengths; removing and adding never moves or hides one. */
static void pkernfs_test_names(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	const struct pkernfs_dirent_ser *de;
	char name[PKERNFS_NAME_MAX + 1];
	u64 cookie = 0, after;
	unsigned int i, seen = 0;
	u32 ino;

	pkernfs_test_load(test, r);
	for (i = 0; i < 20; i++) {
		memset(name, 'a' + i, sizeof(name));
		name[i * 13 + 1] = 0;
		KUNIT_ASSERT_EQ(test, pkernfs_test_create(r->core, name, &ino), 0);
	}
	pkernfs_test_reload(test, r);

	/* Half way through, all that was seen goes, and one long name comes. */
	down_read(&r->core->lock);
	for (i = 0; i < 10; i++) {
		de = pkernfs_dirent_next(r->core, pkernfs_test_root(r), &cookie);
		KUNIT_ASSERT_NOT_NULL(test, de);
	}
	up_read(&r->core->lock);
	for (i = 0; i < 10; i++) {
		memset(name, 'a' + i, sizeof(name));
		name[i * 13 + 1] = 0;
		KUNIT_ASSERT_EQ(test, pkernfs_test_unlink(r->core, name), 0);
	}
	memset(name, 'z', sizeof(name));
	name[PKERNFS_NAME_MAX] = 0;
	KUNIT_ASSERT_EQ(test, pkernfs_test_create(r->core, name, &ino), 0);

	/* What was there all the time is seen once. */
	after = cookie;
	down_read(&r->core->lock);
	pkernfs_dirent_resume(r->core, pkernfs_test_root(r), &cookie);
	while ((de = pkernfs_dirent_next(r->core, pkernfs_test_root(r), &cookie)))
		if (de->name[0] != 'z')
			seen++;
	/* A cookie in the middle of an entry, even a forged one, is harmless. */
	for (cookie = 0; cookie < after + 300; cookie++) {
		u64 at = cookie;

		pkernfs_dirent_resume(r->core, pkernfs_test_root(r), &at);
		de = pkernfs_dirent_next(r->core, pkernfs_test_root(r), &at);
		KUNIT_EXPECT_TRUE(test, !de || de->len);
	}
	up_read(&r->core->lock);
	KUNIT_EXPECT_EQ(test, seen, 10);
	pkernfs_test_reload(test, r);
}

static struct kunit_case pkernfs_alloc_cases[] = {
	KUNIT_CASE(pkernfs_test_reserve),
	KUNIT_CASE_SLOW(pkernfs_test_model),
	KUNIT_CASE(pkernfs_test_zeroed),
	KUNIT_CASE(pkernfs_test_zero_shared),
	KUNIT_CASE(pkernfs_test_zero_helpers),
	KUNIT_CASE(pkernfs_test_joined),
	KUNIT_CASE(pkernfs_test_far),
	KUNIT_CASE(pkernfs_test_seek),
	KUNIT_CASE(pkernfs_test_small),
	KUNIT_CASE(pkernfs_test_move),
	KUNIT_CASE(pkernfs_test_move_apart),
	KUNIT_CASE(pkernfs_test_pool),
	KUNIT_CASE(pkernfs_test_names),
	{}
};

static struct kunit_suite pkernfs_alloc_suite = {
	.name = "pkernfs-alloc",
	.exit = pkernfs_test_exit,
	.test_cases = pkernfs_alloc_cases,
};

kunit_test_suite(pkernfs_alloc_suite);
