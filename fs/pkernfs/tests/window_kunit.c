// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs KUnit: in how many pieces files are that grow side by side, or in any order.
 */

#include <kunit/static_stub.h>
#include <linux/prandom.h>
#include <linux/sizes.h>
#include <linux/vmalloc.h>

#include "fixture.h"

#define PKERNFS_TEST_GRANULES	12000U
/* More than a file can have in a piece each */
#define PKERNFS_TEST_FILE	5800U

/* A file of @granules; with @sized that is what it says as well, as that of a guest's RAM. */
static struct pkernfs_node *pkernfs_test_grows(struct kunit *test, struct pkernfs_core *c,
					       const char *name, u32 granules, bool sized)
{
	struct pkernfs_node *n = pkernfs_test_file(test, c, name);

	if (sized)
		KUNIT_ASSERT_EQ(test, pkernfs_test_cut(c, n, 0, 0, (u64)granules <<
						       PKERNFS_GRANULE_SHIFT), 0);
	return n;
}

/* Nothing is another's, nothing is lost. */
static void pkernfs_test_whole(struct kunit *test, struct pkernfs_core *c,
			       struct pkernfs_node **n, u32 files)
{
	struct pkernfs_gpool *p = &c->gpool[PKERNFS_GPOOL_2M];
	const struct pkernfs_window *w, *other;
	u32 used = 0, windows = 0, i, k;

	for (k = 0; k < files; k++)
		for (i = 0; i < n[k]->extents; i++) {
			const struct pkernfs_extent *e = &n[k]->extent[i];

			used += e->count;
			KUNIT_ASSERT_EQ(test, pkernfs_granule_owner(p, e->granule), n[k]->ino);
			KUNIT_ASSERT_EQ(test, pkernfs_granule_owner(p, e->granule + e->count - 1),
					n[k]->ino);
		}
	KUNIT_EXPECT_EQ(test, p->free, p->granules - used);
	KUNIT_EXPECT_EQ(test, bitmap_weight(p->map, p->granules), used);
	list_for_each_entry(w, &p->window, list) {
		windows++;
		KUNIT_EXPECT_TRUE(test, w->pool == p && w->count &&
				  w->granule + w->count <= p->granules);
		list_for_each_entry(other, &p->window, list)
			KUNIT_EXPECT_TRUE(test, w == other ||
					  w->granule >= other->granule + other->count ||
					  other->granule >= w->granule + w->count);
	}
	KUNIT_EXPECT_EQ(test, windows, p->windows);
}

enum { PKERNFS_TEST_UP, PKERNFS_TEST_DOWN, PKERNFS_TEST_RANDOM };

static const struct pkernfs_test_growth {
	const char *name;
	u32 files, order;
	bool sized;
	u32 pieces;
} pkernfs_test_growths[] = {
	{ "two in turns", 2, PKERNFS_TEST_UP, true, 1 },
	{ "two in turns, of no size", 2, PKERNFS_TEST_UP, false, 20 },
	{ "from above to below", 1, PKERNFS_TEST_DOWN, true, 1 },
	{ "at random", 1, PKERNFS_TEST_RANDOM, true, 1 },
	{ "two at random", 2, PKERNFS_TEST_RANDOM, true, 1 },
};

KUNIT_ARRAY_PARAM_DESC(pkernfs_test_growth, pkernfs_test_growths, name);

static void pkernfs_test_growth(struct kunit *test)
{
	const struct pkernfs_test_growth *how = test->param_value;
	u32 *place = kunit_kmalloc_array(test, PKERNFS_TEST_FILE, sizeof(*place), GFP_KERNEL);
	struct pkernfs_core *c = pkernfs_test_sparse(test, PKERNFS_TEST_GRANULES);
	struct pkernfs_node *n[2];
	struct rnd_state rnd;
	u32 i, k;

	KUNIT_ASSERT_NOT_NULL(test, place);
	prandom_seed_state(&rnd, 7);
	for (i = 0; i < PKERNFS_TEST_FILE; i++)
		place[i] = how->order == PKERNFS_TEST_DOWN ? PKERNFS_TEST_FILE - 1 - i : i;
	for (i = PKERNFS_TEST_FILE - 1; i && how->order == PKERNFS_TEST_RANDOM; i--) {
		k = prandom_u32_state(&rnd) % (i + 1);
		swap(place[i], place[k]);
	}

	for (k = 0; k < how->files; k++)
		n[k] = pkernfs_test_grows(test, c, k ? "b" : "a", PKERNFS_TEST_FILE, how->sized);
	for (i = 0; i < PKERNFS_TEST_FILE; i++)
		for (k = 0; k < how->files; k++)
			KUNIT_ASSERT_EQ_MSG(test, pkernfs_test_fill(c, n[k], place[i], place[i]),
					    0, "%u granules, %u pieces", i, n[k]->extents);
	for (k = 0; k < how->files; k++)
		KUNIT_EXPECT_LE(test, n[k]->extents, how->pieces);
	pkernfs_test_whole(test, c, n, how->files);
}

/* A file that is to take everything leaves others something; and nothing is left over. */
static void pkernfs_test_yields(struct kunit *test)
{
	struct pkernfs_core *c = pkernfs_test_sparse(test, PKERNFS_TEST_GRANULES);
	struct pkernfs_gpool *p = &c->gpool[PKERNFS_GPOOL_2M];
	struct pkernfs_node *n[3];
	u32 i;

	n[0] = pkernfs_test_grows(test, c, "a", 2 * p->granules, true);
	n[1] = pkernfs_test_grows(test, c, "b", 4000, true);
	n[2] = pkernfs_test_grows(test, c, "c", 2, true);
	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, n[0], 0, 0), 0);
	KUNIT_EXPECT_EQ(test, n[0]->window.count, p->granules);
	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, n[2], 0, 0), 0);
	for (i = 0; i < 4000; i += 10) {
		KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, n[0], 1 + i, 10 + i), 0);
		KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, n[1], i, 9 + i), 0);
	}
	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, n[2], 1, 1), 0);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, n[i]->extents, 1);
	KUNIT_EXPECT_EQ(test, pkernfs_test_fill(c, n[0], 0, p->granules), -ENOSPC);
	KUNIT_EXPECT_EQ(test, p->free, 0);
	KUNIT_EXPECT_LE(test, n[0]->extents, 3);
	pkernfs_test_whole(test, c, n, 3);
}

/* Where others are all around, and after a load, a file still finds its own place. */
static void pkernfs_test_place(struct kunit *test)
{
	struct pkernfs_core *c = pkernfs_test_sparse(test, PKERNFS_TEST_GRANULES);
	struct pkernfs_region *r = c->r;
	struct pkernfs_node *n[2];
	u32 ino[2], i, k;

	for (k = 0; k < 2; k++) {
		n[k] = pkernfs_test_grows(test, c, k ? "b" : "a", 200, true);
		ino[k] = n[k]->ino;
	}
	/* "a" from its end and "b" from its beginning. */
	for (i = 0; i < 100; i++) {
		KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, n[0], 199 - i, 199 - i), 0);
		KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, n[1], i, i), 0);
	}
	pkernfs_test_reload(test, r);
	c = r->core;
	for (k = 0; k < 2; k++)
		n[k] = pkernfs_node_find(c, ino[k]);
	for (i = 100; i < 200; i++) {
		KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, n[0], 199 - i, 199 - i), 0);
		KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, n[1], i, i), 0);
	}
	KUNIT_EXPECT_EQ(test, n[0]->extents, 1);
	KUNIT_EXPECT_EQ(test, n[1]->extents, 1);
	/* What a guest has given back, and wants again. */
	KUNIT_ASSERT_EQ(test, pkernfs_test_cut(c, n[0], 50, 50, -1), 0);
	KUNIT_ASSERT_EQ(test, pkernfs_test_cut(c, n[1], 7, 8, -1), 0);
	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, n[1], 7, 8), 0);
	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, n[0], 50, 50), 0);
	KUNIT_EXPECT_EQ(test, n[0]->extents, 1);
	KUNIT_EXPECT_EQ(test, n[1]->extents, 1);
	pkernfs_test_whole(test, c, n, 2);
	/* A file that has gone keeps nothing. */
	KUNIT_ASSERT_EQ(test, pkernfs_test_unlink(c, "a"), 0);
	KUNIT_ASSERT_EQ(test, pkernfs_test_unlink(c, "b"), 0);
	KUNIT_EXPECT_EQ(test, c->gpool[PKERNFS_GPOOL_2M].windows, 0);
	KUNIT_EXPECT_TRUE(test, list_empty(&c->gpool[PKERNFS_GPOOL_2M].window));
}

/* A guest that touches every second granule: more pieces than a file can have. */
static void pkernfs_test_widened(struct kunit *test)
{
	struct pkernfs_core *c = pkernfs_test_sparse(test, PKERNFS_TEST_GRANULES);
	u32 size = PKERNFS_TEST_GRANULES - 100, i, most = 0;
	struct pkernfs_node *n[2];

	n[0] = pkernfs_test_grows(test, c, "a", size, true);
	n[1] = pkernfs_test_grows(test, c, "b", 50, true);
	for (i = 0; i < size; i += 2) {
		KUNIT_ASSERT_EQ_MSG(test, pkernfs_test_fill(c, n[0], i, i), 0, "%u", i);
		KUNIT_ASSERT_NOT_NULL(test, pkernfs_extent_find(n[0], i));
		most = max(most, n[0]->extents);
	}
	KUNIT_EXPECT_LT(test, most, PKERNFS_SLOTS);
	KUNIT_EXPECT_NULL(test, pkernfs_extent_find(n[0], 1));
	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, n[1], 0, 49), 0);
	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, n[0], 0, size - 1), 0);
	KUNIT_EXPECT_EQ(test, n[0]->extents, 1);
	KUNIT_EXPECT_EQ(test, n[1]->extents, 1);
	pkernfs_test_whole(test, c, n, 2);
}

/* What is free is every second granule: all of that is found, by whoever asks. */
static void pkernfs_test_scattered(struct kunit *test)
{
	struct pkernfs_core *c = pkernfs_test_sparse(test, PKERNFS_TEST_GRANULES);
	struct pkernfs_gpool *p = &c->gpool[PKERNFS_GPOOL_2M];
	struct pkernfs_node *n[3];
	u32 i;

	n[0] = pkernfs_test_grows(test, c, "a", p->granules, true);
	n[1] = pkernfs_test_grows(test, c, "b", 500, true);
	n[2] = pkernfs_test_grows(test, c, "c", 400, false);
	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, n[0], 0, p->granules - 1), 0);
	KUNIT_ASSERT_EQ(test, p->free, 0);
	for (i = 0; i < 2000; i += 2)
		KUNIT_ASSERT_EQ(test, pkernfs_test_cut(c, n[0], i, i, -1), 0);
	for (i = 0; i < 400; i++) {
		KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, n[1], 499 - i, 499 - i), 0);
		KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, n[2], i, i), 0);
	}
	KUNIT_EXPECT_EQ(test, p->free, 200);
	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, n[1], 0, 499), 0);
	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, n[2], 0, 499), 0);
	KUNIT_EXPECT_EQ(test, n[1]->extents, 500);
	KUNIT_EXPECT_EQ(test, p->free, 0);
	KUNIT_EXPECT_EQ(test, pkernfs_test_fill(c, n[0], 0, 0), -ENOSPC);
	pkernfs_test_whole(test, c, n, 3);
}

/* Nobody says how large it will be: every second granule of a hundred GiB. */
static void pkernfs_test_unsized(struct kunit *test)
{
	struct pkernfs_core *c = pkernfs_test_sparse(test, 130000);
	struct pkernfs_node *n = pkernfs_test_file(test, c, "a");
	u32 i, most = 0;

	for (i = 0; i < 120000; i += 2) {
		KUNIT_ASSERT_EQ_MSG(test, pkernfs_test_fill(c, n, i, i), 0, "%u", i);
		most = max(most, n->extents);
	}
	KUNIT_EXPECT_LT(test, most, PKERNFS_SLOTS);
	pkernfs_test_whole(test, c, &n, 1);
}

/* What was asked for comes before what a file in many pieces could have beside it. */
static void pkernfs_test_little(struct kunit *test)
{
	struct pkernfs_core *c = pkernfs_test_sparse(test, PKERNFS_TEST_GRANULES);
	struct pkernfs_gpool *p = &c->gpool[PKERNFS_GPOOL_2M];
	u32 size = PKERNFS_TEST_GRANULES - 100, i, at;
	struct pkernfs_node *n[3];

	n[0] = pkernfs_test_grows(test, c, "a", size, true);
	n[1] = pkernfs_test_grows(test, c, "b", p->granules, true);
	n[2] = pkernfs_test_grows(test, c, "c", 12, true);
	for (i = 0; n[0]->extents < PKERNFS_SLOTS / 7 * 2; i += 2)
		KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, n[0], i, i), 0);
	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, n[2], 0, 11), 0);
	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, n[1], 0, p->free - 1), 0);
	KUNIT_ASSERT_EQ(test, p->free, 0);
	KUNIT_ASSERT_EQ(test, pkernfs_test_cut(c, n[2], 0, 11, 0), 0);
	/* Wherever that is in a stretch, and even if it comes in two steps. */
	for (at = size / 2; at < size / 2 + 50; at++) {
		KUNIT_ASSERT_EQ(test, pkernfs_extent_fill_part(c, n[0], at * (u64)SZ_2M,
							       (at + 1) * (u64)SZ_2M - 1,
							       (at + 11) * (u64)SZ_2M - 1, p), 0);
		KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, n[0], at, at + 10), 0);
		/* Of one granule more than that nobody has said whose it is. */
		KUNIT_EXPECT_LE(test, p->free, 1);
		KUNIT_ASSERT_EQ(test, pkernfs_test_cut(c, n[0], at - 20, at + 30, -1), 0);
	}
	pkernfs_test_whole(test, c, n, 2);
}

static bool pkernfs_test_free(const struct pkernfs_gpool *p, u32 granule, bool all)
{
	const struct pkernfs_window *w;

	if (!all)
		list_for_each_entry(w, &p->window, list)
			if (granule >= w->granule && granule - w->granule < w->count)
				return false;
	return !test_bit(granule, p->map);
}

/* Granule by granule: how long the longest run is. */
static u32 pkernfs_test_longest(const struct pkernfs_gpool *p, u32 from, u32 want, bool all)
{
	u32 g, run = 0, longest = 0;

	for (g = from; g < p->granules && longest < want; g++) {
		run = pkernfs_test_free(p, g, all) ? run + 1 : 0;
		longest = max(longest, run);
	}
	return longest;
}

/* The search finds what there is, with windows anywhere. */
static void pkernfs_test_search(struct kunit *test)
{
	struct pkernfs_core *c = pkernfs_test_sparse(test, 300);
	struct pkernfs_gpool *p = &c->gpool[PKERNFS_GPOOL_2M];
	struct pkernfs_window w[8] = {};
	u32 round, i, g, at, want, got, longest;
	struct rnd_state rnd;
	bool all;

	prandom_seed_state(&rnd, 7);
	for (round = 0; round < 2000; round++) {
		u32 dense = prandom_u32_state(&rnd) % 100;

		for (g = 0; g < p->granules; g++)
			__assign_bit(g, p->map, prandom_u32_state(&rnd) % 100 < dense);
		INIT_LIST_HEAD(&p->window);
		for (i = 0, g = 0; i < ARRAY_SIZE(w); i++, g += w[i - 1].count) {
			g += prandom_u32_state(&rnd) % 60;
			w[i].granule = g;
			w[i].count = 1 + prandom_u32_state(&rnd) % 40;
			if (g + w[i].count > p->granules)
				break;
			/* In any order. */
			if (prandom_u32_state(&rnd) % 2)
				list_add(&w[i].list, &p->window);
			else
				list_add_tail(&w[i].list, &p->window);
		}
		p->hint = prandom_u32_state(&rnd) % p->granules;
		want = 1 + prandom_u32_state(&rnd) % 50;
		all = prandom_u32_state(&rnd) % 2;
		at = pkernfs_window_find(p, want, want, all, &got);

		longest = max(pkernfs_test_longest(p, p->hint, want, all),
			      pkernfs_test_longest(p, 0, want, all));
		KUNIT_ASSERT_EQ_MSG(test, got, min(longest, want), "round %u", round);
		KUNIT_ASSERT_EQ(test, !got, at == PKERNFS_NO_GRANULE);
		for (g = at; got && g < at + got; g++)
			KUNIT_ASSERT_TRUE(test, pkernfs_test_free(p, g, all));
	}
	INIT_LIST_HEAD(&p->window);
}

/* Nobody looks at all free runs at once, and a file comes to where there is room all the same. */
static void pkernfs_test_runs(struct kunit *test)
{
	struct pkernfs_core *c = pkernfs_test_sparse(test, PKERNFS_TEST_GRANULES);
	struct pkernfs_gpool *p = &c->gpool[PKERNFS_GPOOL_2M];
	struct pkernfs_node *n[3];
	u32 i, got;

	n[0] = pkernfs_test_grows(test, c, "a", p->granules, true);
	n[1] = pkernfs_test_grows(test, c, "few", 1100, true);
	n[2] = pkernfs_test_grows(test, c, "many", 5000, true);
	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, n[0], 0, p->granules - 1), 0);
	for (i = 0; i < 8000; i += 2)
		KUNIT_ASSERT_EQ(test, pkernfs_test_cut(c, n[0], i, i, -1), 0);
	KUNIT_ASSERT_EQ(test, pkernfs_test_cut(c, n[0], 9000, 9599, -1), 0);
	pkernfs_window_drop(n[0]);
	p->hint = 0;
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_LT(test, pkernfs_window_find(p, 17, 17, false, &got), 8000);
		KUNIT_EXPECT_EQ(test, got, 1);
		KUNIT_EXPECT_LE(test, p->rover, (i + 1) * 2 * 1024);
	}
	p->rover = 0;
	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, n[1], 0, 499), 0);
	KUNIT_EXPECT_LE(test, n[1]->extents, 8);
	KUNIT_ASSERT_EQ(test, pkernfs_test_cut(c, n[1], 0, 499, 1100 * (u64)SZ_2M), 0);
	p->hint = 0;
	p->rover = 0;
	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, n[2], 0, 599), 0);
	KUNIT_EXPECT_EQ(test, n[2]->extents, 1);
	pkernfs_test_whole(test, c, n, 3);
}

static struct kunit_case pkernfs_window_cases[] = {
	KUNIT_CASE_PARAM_ATTR(pkernfs_test_growth, pkernfs_test_growth_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE(pkernfs_test_yields),
	KUNIT_CASE(pkernfs_test_place),
	KUNIT_CASE_SLOW(pkernfs_test_widened),
	KUNIT_CASE(pkernfs_test_scattered),
	KUNIT_CASE_SLOW(pkernfs_test_unsized),
	KUNIT_CASE(pkernfs_test_little),
	KUNIT_CASE(pkernfs_test_search),
	KUNIT_CASE_SLOW(pkernfs_test_runs),
	{}
};

static struct kunit_suite pkernfs_window_suite = {
	.name = "pkernfs-window",
	.exit = pkernfs_test_exit,
	.test_cases = pkernfs_window_cases,
};

kunit_test_suite(pkernfs_window_suite);
