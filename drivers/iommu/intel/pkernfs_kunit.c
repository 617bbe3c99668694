// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: KUnit tests of the second-stage writer and reader, of the proof that two
 * tables translate alike, and of dirty bits that go from one to the other.
 */
#include <kunit/test.h>
#include <linux/gfp.h>
#include <linux/sizes.h>

#include "iommu.h"
#include "pkernfs.h"

#define PKERNFS_KUNIT_TABLES	64

struct pkernfs_ss_test {
	void *block[PKERNFS_KUNIT_TABLES];
	unsigned int blocks;
	unsigned int limit;
	struct pkernfs_ss_writer a, b;
};

static void *pkernfs_ss_test_alloc(void *arg)
{
	struct pkernfs_ss_test *t = arg;

	if (t->blocks >= t->limit)
		return NULL;
	t->block[t->blocks] = (void *)get_zeroed_page(GFP_KERNEL);
	return t->block[t->blocks] ? t->block[t->blocks++] : NULL;
}

static void pkernfs_ss_test_writer(struct pkernfs_ss_test *t, struct pkernfs_ss_writer *w)
{
	memset(w, 0, sizeof(*w));
	w->ss.levels = 4;
	w->alloc = pkernfs_ss_test_alloc;
	w->arg = t;
	w->coherent = true;
}

static int pkernfs_ss_test_init(struct kunit *test)
{
	struct pkernfs_ss_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	t->limit = PKERNFS_KUNIT_TABLES;
	pkernfs_ss_test_writer(t, &t->a);
	pkernfs_ss_test_writer(t, &t->b);
	test->priv = t;
	return 0;
}

static void pkernfs_ss_test_exit(struct kunit *test)
{
	struct pkernfs_ss_test *t = test->priv;

	while (t && t->blocks)
		free_page((unsigned long)t->block[--t->blocks]);
}

static int pkernfs_ss_test_map(struct pkernfs_ss_writer *w, u64 iova, u64 oa, u64 bytes,
			       u64 attr)
{
	struct pkernfs_ss_leaf leaf = { .iova = iova, .oa = oa, .bytes = bytes, .attr = attr };

	return pkernfs_ss_map(w, &leaf);
}

#define RW	(PKERNFS_SS_R | PKERNFS_SS_W)

static void pkernfs_ss_test_sizes(struct kunit *test)
{
	struct pkernfs_ss_test *t = test->priv;
	struct pkernfs_ss_leaf leaf;

	KUNIT_EXPECT_EQ(test, pkernfs_ss_test_map(&t->a, SZ_4K, SZ_1M, SZ_4K, RW), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_ss_test_map(&t->a, SZ_2M, SZ_4M, SZ_2M, PKERNFS_SS_R), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_ss_test_map(&t->a, SZ_1G, 4ULL << 30, SZ_1G, RW), 0);
	KUNIT_EXPECT_EQ(test, t->a.pages, 1 + 512 + 512 * 512);
	/* top, 1 GiB level, 2 MiB level, 4 KiB level */
	KUNIT_EXPECT_EQ(test, t->a.tables, 4);

	KUNIT_EXPECT_FALSE(test, pkernfs_ss_lookup(&t->a.ss, 0, &leaf));
	KUNIT_ASSERT_TRUE(test, pkernfs_ss_lookup(&t->a.ss, SZ_4K + 5, &leaf));
	KUNIT_EXPECT_EQ(test, leaf.oa, SZ_1M);
	KUNIT_EXPECT_EQ(test, leaf.bytes, SZ_4K);
	KUNIT_EXPECT_EQ(test, leaf.attr, RW);
	KUNIT_ASSERT_TRUE(test, pkernfs_ss_lookup(&t->a.ss, SZ_4M - 1, &leaf));
	KUNIT_EXPECT_EQ(test, leaf.iova, SZ_2M);
	KUNIT_EXPECT_EQ(test, leaf.attr, PKERNFS_SS_R);
	KUNIT_ASSERT_TRUE(test, pkernfs_ss_lookup(&t->a.ss, SZ_2G - 1, &leaf));
	KUNIT_EXPECT_EQ(test, leaf.bytes, SZ_1G);
	KUNIT_EXPECT_FALSE(test, pkernfs_ss_lookup(&t->a.ss, SZ_2G, &leaf));
	KUNIT_EXPECT_FALSE(test, pkernfs_ss_lookup(&t->a.ss, 1ULL << 48, &leaf));
}

static void pkernfs_ss_test_refuses(struct kunit *test)
{
	struct pkernfs_ss_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, pkernfs_ss_test_map(&t->a, 0, 0, SZ_8K, RW), -EINVAL);
	KUNIT_EXPECT_EQ(test, pkernfs_ss_test_map(&t->a, SZ_4K, 0, SZ_2M, RW), -EINVAL);
	KUNIT_EXPECT_EQ(test, pkernfs_ss_test_map(&t->a, 0, SZ_4K, SZ_2M, RW), -EINVAL);
	KUNIT_EXPECT_EQ(test, pkernfs_ss_test_map(&t->a, 0, 0, SZ_4K, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, pkernfs_ss_test_map(&t->a, 1ULL << 48, 0, SZ_4K, RW), -ERANGE);
	KUNIT_EXPECT_EQ(test, pkernfs_ss_test_map(&t->a, 0, 0, SZ_4K, RW), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_ss_test_map(&t->a, 0, 0, SZ_4K, RW), -EEXIST);
	KUNIT_EXPECT_EQ(test, pkernfs_ss_test_map(&t->a, 0, 0, SZ_2M, RW), -EEXIST);
	KUNIT_EXPECT_EQ(test, pkernfs_ss_test_map(&t->a, SZ_2M, 0, SZ_2M, RW), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_ss_test_map(&t->a, SZ_2M, 0, SZ_4K, RW), -EEXIST);
	t->limit = t->blocks;
	KUNIT_EXPECT_EQ(test, pkernfs_ss_test_map(&t->a, SZ_1G, 0, SZ_4K, RW), -ENOSPC);
}

static int pkernfs_ss_test_sum(const struct pkernfs_ss_leaf *leaf, void *arg)
{
	u64 *sum = arg;

	sum[0] += leaf->bytes;
	sum[1]++;
	return 0;
}

static void pkernfs_ss_test_walk(struct kunit *test)
{
	struct pkernfs_ss_test *t = test->priv;
	u64 sum[2] = {};
	struct pkernfs_ss_visitor v = {
		.leaf = pkernfs_ss_test_sum, .strict = true, .arg = sum,
	};
	u64 *top, saved;
	int i, bit, ret;

	for (i = 0; i < 8; i++)
		KUNIT_ASSERT_EQ(test, pkernfs_ss_test_map(&t->a, (u64)i << 30,
							  (u64)i << 21, SZ_2M, RW), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_ss_walk(&t->a.ss, &v), 0);
	KUNIT_EXPECT_EQ(test, sum[0], 8 * SZ_2M);
	KUNIT_EXPECT_EQ(test, sum[1], 8);

	/* Any reserved bit of a table entry that another kernel left is refused. */
	top = phys_to_virt(t->a.ss.root);
	saved = top[0];
	for (bit = 0; bit < 64; bit++) {
		u64 flip = BIT_ULL(bit);

		if (flip & PKERNFS_SS_OA)
			continue;
		top[0] = saved ^ flip;
		for (i = 0; i < 2; i++) {
			v.dirty = i;
			ret = v.dirty && flip == PKERNFS_SS_A ? 0 : -EUCLEAN;
			KUNIT_EXPECT_EQ_MSG(test, pkernfs_ss_walk(&t->a.ss, &v), ret,
					    "bit %d", bit);
		}
	}
	top[0] = saved;
	t->a.ss.levels = 6;
	KUNIT_EXPECT_EQ(test, pkernfs_ss_walk(&t->a.ss, &v), -EUCLEAN);
}

static void pkernfs_ss_test_covers(struct kunit *test)
{
	struct pkernfs_ss_test *t = test->priv;
	const char *what = NULL;
	u64 iova = 0;
	int i, ret;

	/* An empty table is covered by any; nothing covers without a table. */
	KUNIT_EXPECT_EQ(test, pkernfs_ss_covers(&t->a.ss, &t->b.ss, &iova, &what), 0);
	KUNIT_ASSERT_EQ(test, pkernfs_ss_test_map(&t->a, SZ_4M, SZ_2M, SZ_2M, RW), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_ss_covers(&t->a.ss, &t->b.ss, &iova, &what), -EAGAIN);
	KUNIT_EXPECT_EQ(test, iova, SZ_4M);

	/* 511 of 512 small pages: the one that is missing is named. */
	for (i = 0; i < 512; i++) {
		if (i == 300)
			continue;
		ret = pkernfs_ss_test_map(&t->b, SZ_4M + i * SZ_4K,
					  SZ_2M + i * SZ_4K, SZ_4K, RW);
		KUNIT_ASSERT_EQ(test, ret, 0);
	}
	KUNIT_EXPECT_EQ(test, pkernfs_ss_covers(&t->a.ss, &t->b.ss, &iova, &what), -EAGAIN);
	KUNIT_EXPECT_EQ(test, iova, SZ_4M + 300 * SZ_4K);
	KUNIT_EXPECT_STREQ(test, what, "not mapped");

	/* Another page size is the same translation, in both directions. */
	KUNIT_ASSERT_EQ(test, pkernfs_ss_test_map(&t->b, SZ_4M + 300 * SZ_4K,
						  SZ_2M + 300 * SZ_4K, SZ_4K, RW), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_ss_covers(&t->a.ss, &t->b.ss, &iova, &what), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_ss_covers(&t->b.ss, &t->a.ss, &iova, &what), 0);

	/* More than the fixed table is fine; less is not. */
	KUNIT_ASSERT_EQ(test, pkernfs_ss_test_map(&t->b, SZ_8M, SZ_8M, SZ_2M, RW), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_ss_covers(&t->a.ss, &t->b.ss, &iova, &what), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_ss_covers(&t->b.ss, &t->a.ss, &iova, &what), -EAGAIN);
	KUNIT_EXPECT_EQ(test, iova, SZ_8M);

	/* One that is wrong is told before one that is only missing. */
	KUNIT_ASSERT_EQ(test, pkernfs_ss_test_map(&t->a, SZ_16M, SZ_16M, SZ_2M, RW), 0);
	KUNIT_ASSERT_EQ(test, pkernfs_ss_test_map(&t->b, SZ_16M, SZ_32M, SZ_2M, RW), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_ss_covers(&t->b.ss, &t->a.ss, &iova, &what), -EXDEV);
	KUNIT_EXPECT_EQ(test, iova, SZ_16M);
}

static void pkernfs_ss_test_differs(struct kunit *test)
{
	static const struct {
		u64 oa, attr;
		const char *what;
	} cases[] = {
		{ SZ_4M, RW, "mapped to another page" },
		{ SZ_2M, PKERNFS_SS_R, "mapped with other rights" },
		{ SZ_2M, RW | PKERNFS_SS_SNP, "mapped with other rights" },
	};
	struct pkernfs_ss_test *t = test->priv;
	const char *what;
	u64 iova;
	int i;

	KUNIT_ASSERT_EQ(test, pkernfs_ss_test_map(&t->a, SZ_4M, SZ_2M, SZ_2M, RW), 0);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		pkernfs_ss_test_writer(t, &t->b);
		KUNIT_ASSERT_EQ(test, pkernfs_ss_test_map(&t->b, SZ_4M, cases[i].oa, SZ_2M,
							  cases[i].attr), 0);
		KUNIT_EXPECT_EQ(test, pkernfs_ss_covers(&t->a.ss, &t->b.ss, &iova, &what),
				-EXDEV);
		KUNIT_EXPECT_EQ(test, iova, SZ_4M);
		KUNIT_EXPECT_STREQ(test, what, cases[i].what);
	}
}

/* --- Accessed and dirty bits ---------------------------------------------------- */

/* The entry of the leaf that translates an IOVA; there is one */
static u64 *pkernfs_ss_test_entry(const struct pkernfs_ss *ss, u64 iova)
{
	u64 *table = phys_to_virt(ss->root);
	int level = ss->levels - 1;

	for (;; level--) {
		u64 *at = &table[iova >> (12 + 9 * level) & 511];

		if (!level || *at & PKERNFS_SS_PS)
			return at;
		table = phys_to_virt(*at & PKERNFS_SS_OA);
	}
}

/* As hardware does it: accessed on the way, accessed and dirty in the leaf */
static void pkernfs_ss_test_write(const struct pkernfs_ss *ss, u64 iova)
{
	u64 *table = phys_to_virt(ss->root);

	table[iova >> (12 + 9 * (ss->levels - 1)) & 511] |= PKERNFS_SS_A;
	*pkernfs_ss_test_entry(ss, iova) |= PKERNFS_SS_A | PKERNFS_SS_D;
}

static int pkernfs_ss_test_count_dirty(const struct pkernfs_ss_leaf *leaf, void *arg)
{
	*(u64 *)arg += leaf->dirty ? leaf->bytes : 0;
	return 0;
}

/* How many bytes of a table are dirty */
static u64 pkernfs_ss_test_dirty(const struct pkernfs_ss *ss)
{
	u64 bytes = 0;
	struct pkernfs_ss_visitor v = { .leaf = pkernfs_ss_test_count_dirty, .arg = &bytes };

	pkernfs_ss_walk(ss, &v);
	return bytes;
}

/*
 * Accessed and dirty bits in what another kernel left: only where the record says so,
 * and no dirty page that hardware must not write to.
 */
static void pkernfs_ss_test_dirty_strict(struct kunit *test)
{
	static const struct {
		u64 attr, bits;
		int tracked;
	} cases[] = {
		{ RW, 0, 0 },
		{ RW, PKERNFS_SS_A, 0 },
		{ RW, PKERNFS_SS_D, 0 },
		{ RW, PKERNFS_SS_A | PKERNFS_SS_D, 0 },
		{ PKERNFS_SS_W, PKERNFS_SS_A | PKERNFS_SS_D, 0 },
		{ PKERNFS_SS_R, PKERNFS_SS_A, 0 },
		{ PKERNFS_SS_R, PKERNFS_SS_D, -EUCLEAN },
		{ RW, PKERNFS_SS_A | BIT_ULL(10), -EUCLEAN },
	};
	struct pkernfs_ss_test *t = test->priv;
	int i, large, ret;
	bool bad;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		for (large = 0; large < 2; large++) {
			struct pkernfs_ss_visitor v = { .strict = true };

			pkernfs_ss_test_writer(t, &t->a);
			ret = pkernfs_ss_test_map(&t->a, SZ_2M, SZ_2M, large ? SZ_2M : SZ_4K,
						  cases[i].attr);
			KUNIT_ASSERT_EQ(test, ret, 0);
			*pkernfs_ss_test_entry(&t->a.ss, SZ_2M) |= cases[i].bits;
			bad = pkernfs_ss_walk(&t->a.ss, &v) == -EUCLEAN;
			KUNIT_EXPECT_EQ_MSG(test, bad, cases[i].bits != 0, "case %d", i);
			v.dirty = true;
			KUNIT_EXPECT_EQ_MSG(test, pkernfs_ss_walk(&t->a.ss, &v),
					    cases[i].tracked, "case %d, tracked", i);
		}
	}
}

/* 1 GiB against 2 MiB and 4 KiB: what a device is frozen with and what is put in its place. */
static void pkernfs_ss_test_covers_1g(struct kunit *test)
{
	struct pkernfs_ss_test *t = test->priv;
	const u64 at = 4ULL * SZ_1G, to = 6ULL * SZ_1G;
	const char *what = NULL;
	u64 off, iova = 0;

	KUNIT_ASSERT_EQ(test, pkernfs_ss_test_map(&t->a, at, to, SZ_1G, RW), 0);
	KUNIT_EXPECT_EQ(test, t->a.tables, 2ULL);
	for (off = 0; off < SZ_1G - SZ_2M; off += SZ_2M)
		KUNIT_ASSERT_EQ(test, pkernfs_ss_test_map(&t->b, at + off, to + off, SZ_2M, RW),
				0);
	for (; off < SZ_1G - SZ_4K; off += SZ_4K)
		KUNIT_ASSERT_EQ(test, pkernfs_ss_test_map(&t->b, at + off, to + off, SZ_4K, RW),
				0);
	/* The very last page is missing, then it is another one, then it is right. */
	KUNIT_EXPECT_EQ(test, pkernfs_ss_covers(&t->a.ss, &t->b.ss, &iova, &what), -EAGAIN);
	KUNIT_EXPECT_EQ(test, iova, at + SZ_1G - SZ_4K);
	KUNIT_EXPECT_EQ(test, pkernfs_ss_covers(&t->b.ss, &t->a.ss, &iova, &what), 0);
	KUNIT_ASSERT_EQ(test, pkernfs_ss_test_map(&t->b, at + off, to, SZ_4K, RW), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_ss_covers(&t->a.ss, &t->b.ss, &iova, &what), -EXDEV);
	KUNIT_EXPECT_EQ(test, iova, at + SZ_1G - SZ_4K);
	KUNIT_EXPECT_EQ(test, pkernfs_ss_covers(&t->b.ss, &t->a.ss, &iova, &what), -EXDEV);
	*pkernfs_ss_test_entry(&t->b.ss, at + off) += off;
	KUNIT_EXPECT_EQ(test, pkernfs_ss_covers(&t->a.ss, &t->b.ss, &iova, &what), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_ss_covers(&t->b.ss, &t->a.ss, &iova, &what), 0);
}

/* Between pages of the same and of different sizes, in both directions */
static void pkernfs_ss_test_merge(struct kunit *test)
{
	struct pkernfs_ss_test *t = test->priv;
	u64 iova;

	/* a has one page of 2 MiB where b has 512 of 4 KiB; behind it the same page sizes */
	KUNIT_ASSERT_EQ(test, pkernfs_ss_test_map(&t->a, 0, 0, SZ_2M, RW), 0);
	KUNIT_ASSERT_EQ(test, pkernfs_ss_test_map(&t->a, SZ_2M, SZ_2M, SZ_2M, RW), 0);
	for (iova = 0; iova < SZ_2M; iova += SZ_4K)
		KUNIT_ASSERT_EQ(test, pkernfs_ss_test_map(&t->b, iova, iova, SZ_4K, RW), 0);
	KUNIT_ASSERT_EQ(test, pkernfs_ss_test_map(&t->b, SZ_2M, SZ_2M, SZ_2M, RW), 0);

	pkernfs_ss_merge_dirty(&t->a.ss, &t->b.ss, false);
	KUNIT_EXPECT_EQ(test, pkernfs_ss_test_dirty(&t->b.ss), 0);

	/* One small page makes the large one dirty, and nothing else. */
	pkernfs_ss_test_write(&t->b.ss, 300 * SZ_4K);
	pkernfs_ss_merge_dirty(&t->b.ss, &t->a.ss, false);
	KUNIT_EXPECT_EQ(test, pkernfs_ss_test_dirty(&t->a.ss), SZ_2M);
	KUNIT_EXPECT_TRUE(test, *pkernfs_ss_test_entry(&t->a.ss, 0) & PKERNFS_SS_D);
	KUNIT_EXPECT_EQ(test, pkernfs_ss_test_dirty(&t->b.ss), SZ_4K);

	/* And that one makes all small ones dirty. */
	pkernfs_ss_merge_dirty(&t->a.ss, &t->b.ss, false);
	KUNIT_EXPECT_EQ(test, pkernfs_ss_test_dirty(&t->b.ss), SZ_2M);
	KUNIT_EXPECT_FALSE(test, *pkernfs_ss_test_entry(&t->b.ss, SZ_2M) & PKERNFS_SS_D);
	pkernfs_ss_test_write(&t->a.ss, SZ_2M + 5);
	pkernfs_ss_merge_dirty(&t->a.ss, &t->b.ss, false);
	KUNIT_EXPECT_EQ(test, pkernfs_ss_test_dirty(&t->b.ss), SZ_4M);
	/* Nothing but dirty bits has changed. */
	KUNIT_EXPECT_EQ(test, *pkernfs_ss_test_entry(&t->b.ss, SZ_8K), SZ_8K | RW | PKERNFS_SS_D);
}

/* What one lacks, and what no device may write to */
static void pkernfs_ss_test_merge_part(struct kunit *test)
{
	struct pkernfs_ss_test *t = test->priv;
	const u64 far = 1ULL << 40;

	KUNIT_ASSERT_EQ(test, pkernfs_ss_test_map(&t->a, 0, 0, SZ_2M, RW), 0);
	KUNIT_ASSERT_EQ(test, pkernfs_ss_test_map(&t->a, SZ_4M, SZ_4M, SZ_2M, PKERNFS_SS_R), 0);
	KUNIT_ASSERT_EQ(test, pkernfs_ss_test_map(&t->a, far, SZ_8M, SZ_4K, RW), 0);
	pkernfs_ss_test_write(&t->a.ss, 0);
	pkernfs_ss_test_write(&t->a.ss, far);

	/* Without a table, with half of it, with a page more */
	pkernfs_ss_merge_dirty(&t->a.ss, &t->b.ss, false);
	KUNIT_EXPECT_FALSE(test, t->b.ss.root);
	KUNIT_ASSERT_EQ(test, pkernfs_ss_test_map(&t->b, SZ_1M, SZ_1M, SZ_4K, RW), 0);
	KUNIT_ASSERT_EQ(test, pkernfs_ss_test_map(&t->b, SZ_2M - SZ_4K, SZ_2M - SZ_4K, SZ_4K,
						  RW), 0);
	KUNIT_ASSERT_EQ(test, pkernfs_ss_test_map(&t->b, SZ_2M, SZ_2M, SZ_2M, RW), 0);
	KUNIT_ASSERT_EQ(test, pkernfs_ss_test_map(&t->b, SZ_4M, SZ_4M, SZ_2M, PKERNFS_SS_R), 0);
	pkernfs_ss_merge_dirty(&t->a.ss, &t->b.ss, false);
	KUNIT_EXPECT_EQ(test, pkernfs_ss_test_dirty(&t->b.ss), SZ_8K);

	/* The very last page, and one that the other may not write to */
	KUNIT_ASSERT_EQ(test, pkernfs_ss_test_map(&t->b, far, SZ_8M, SZ_4K, PKERNFS_SS_R), 0);
	pkernfs_ss_merge_dirty(&t->a.ss, &t->b.ss, false);
	KUNIT_EXPECT_EQ(test, pkernfs_ss_test_dirty(&t->b.ss), SZ_8K);

	/* Nothing is known: all that could be written to, and no more */
	pkernfs_ss_test_writer(t, &t->a);
	KUNIT_ASSERT_EQ(test, pkernfs_ss_test_map(&t->a, SZ_2M, SZ_2M, SZ_4K, RW), 0);
	KUNIT_ASSERT_EQ(test, pkernfs_ss_test_map(&t->a, SZ_4M, SZ_4M, SZ_2M, PKERNFS_SS_R), 0);
	pkernfs_ss_merge_dirty(&t->a.ss, &t->b.ss, true);
	KUNIT_EXPECT_EQ(test, pkernfs_ss_test_dirty(&t->b.ss), SZ_8K + SZ_2M);
}

/* The recorded domain id, or none: another one could meet stale translations. */
static void pkernfs_test_did(struct kunit *test)
{
	struct intel_iommu *iommu = kunit_kzalloc(test, sizeof(*iommu), GFP_KERNEL);
	struct pkernfs_fixed *f, *g;

	KUNIT_ASSERT_NOT_NULL(test, iommu);
	mutex_init(&iommu->did_lock);
	ida_init(&iommu->domain_ida);
	/* 256 domain ids */
	iommu->cap = 2;
	f = pkernfs_fixed_alloc(NULL, iommu);
	g = pkernfs_fixed_alloc(NULL, iommu);
	KUNIT_ASSERT_NOT_NULL(test, f);
	KUNIT_ASSERT_NOT_NULL(test, g);
	KUNIT_EXPECT_EQ(test, pkernfs_fixed_take_did(f, FLPT_DEFAULT_DID), -ERANGE);
	KUNIT_EXPECT_EQ(test, pkernfs_fixed_take_did(f, 256), -ERANGE);
	KUNIT_EXPECT_EQ(test, pkernfs_fixed_take_did(f, 77), 0);
	KUNIT_EXPECT_EQ(test, domain_id_iommu(&f->d, iommu), 77);
	KUNIT_EXPECT_EQ(test, pkernfs_fixed_take_did(g, 77), -EBUSY);
	domain_detach_iommu(&f->d, iommu);
	KUNIT_EXPECT_EQ(test, pkernfs_fixed_take_did(g, 77), 0);
	domain_detach_iommu(&g->d, iommu);
	KUNIT_EXPECT_TRUE(test, ida_is_empty(&iommu->domain_ida));
	pkernfs_fixed_free(f);
	pkernfs_fixed_free(g);
	ida_destroy(&iommu->domain_ida);
}

/* --- The tree of a handover, in both modes ------------------------------------- */

struct pkernfs_tree_test {
	void *area;
	u64 next;
};

#define PKERNFS_TREE_TEST_BLOCKS	8

static void *pkernfs_tree_test_block(void *arg)
{
	struct pkernfs_tree_test *a = arg;

	if (a->next == PKERNFS_TREE_TEST_BLOCKS)
		return NULL;
	return a->area + (a->next++ << PKERNFS_BLOCK_SHIFT);
}

static void pkernfs_tree_test(struct kunit *test, bool scalable, bool dirty)
{
	struct intel_iommu *iommu = kunit_kzalloc(test, sizeof(*iommu), GFP_KERNEL);
	struct pkernfs_fixed *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	struct pkernfs_tree_test a = { .next = 1 };
	struct pkernfs_tree t = {
		.scalable = scalable, .block = pkernfs_tree_test_block, .arg = &a,
	};
	const u16 rid = 0x3a0, low = 0x308;
	const int mode = intel_iommu_sm;
	struct pkernfs_aim to, other;
	u64 *words, saved;
	unsigned int i, bit, kept = 0;

	KUNIT_ASSERT_NOT_NULL(test, iommu);
	KUNIT_ASSERT_NOT_NULL(test, f);
	a.area = (void *)__get_free_pages(GFP_KERNEL | __GFP_ZERO,
					  ilog2(PKERNFS_TREE_TEST_BLOCKS));
	KUNIT_ASSERT_NOT_NULL(test, a.area);
	/* Only what sm_supported() looks at; units that run do so only at changes. */
	intel_iommu_sm = scalable;
	iommu->ecap = scalable ? BIT_ULL(43) : 0;
	f->iommu = iommu;
	f->ss.root = 0x12345000;
	f->aw = 2;
	f->did = 77;
	f->d.dirty_tracking = dirty;
	t.root = a.area;
	t.from = virt_to_phys(a.area) + PKERNFS_BLOCK_SIZE;
	t.to = virt_to_phys(a.area) + (PKERNFS_TREE_TEST_BLOCKS << PKERNFS_BLOCK_SHIFT);
	KUNIT_EXPECT_EQ(test, pkernfs_tree_add(&t, f, rid), 0);
	KUNIT_EXPECT_EQ(test, a.next, scalable ? 4 : 2);
	/* The other half of the bus has a context table of its own in scalable mode. */
	KUNIT_EXPECT_EQ(test, pkernfs_tree_add(&t, f, low), 0);
	KUNIT_EXPECT_EQ(test, a.next, scalable ? 7 : 2);

	to = pkernfs_fixed_aim(f);
	KUNIT_EXPECT_TRUE(test, pkernfs_tree_prove(&t));
	KUNIT_EXPECT_TRUE(test, pkernfs_tree_prove_device(&t, iommu, rid, &to));
	KUNIT_EXPECT_TRUE(test, pkernfs_tree_prove_device(&t, iommu, low, &to));
	KUNIT_EXPECT_FALSE(test, pkernfs_tree_prove_device(&t, iommu, rid + 1, &to));
	KUNIT_EXPECT_FALSE(test, pkernfs_tree_prove_device(&t, iommu, 0x4a0, &to));
	other = to;
	other.did++;
	KUNIT_EXPECT_FALSE(test, pkernfs_tree_prove_device(&t, iommu, rid, &other));
	other = to;
	other.ss_root += PKERNFS_BLOCK_SIZE;
	KUNIT_EXPECT_FALSE(test, pkernfs_tree_prove_device(&t, iommu, rid, &other));
	/* In legacy mode there is nothing to tell, and no record says so. */
	other = to;
	other.dirty = !to.dirty;
	KUNIT_EXPECT_EQ(test, pkernfs_tree_prove_device(&t, iommu, rid, &other), !scalable);

	/*
	 * Whatever bit is flipped, the proof of the device or of the root fails, or
	 * the bit belongs to another function: then this one is as it was.
	 */
	words = a.area;
	for (i = 0; i < a.next << (PKERNFS_BLOCK_SHIFT - 3); i++) {
		bool used = words[i];

		for (bit = 0; bit < 64; bit++) {
			bool good;

			/* One bit in all of a word that is not used */
			if (!used && bit != i % 64)
				continue;
			saved = words[i];
			words[i] ^= BIT_ULL(bit);
			good = pkernfs_tree_prove(&t) &&
			       pkernfs_tree_prove_device(&t, iommu, rid, &to) &&
			       pkernfs_tree_prove_device(&t, iommu, low, &to);
			words[i] = saved;
			if (!good)
				continue;
			kept++;
			KUNIT_EXPECT_FALSE_MSG(test, used, "word %u bit %u", i, bit);
		}
	}
	/* Other functions' context entries are all that may differ. */
	KUNIT_EXPECT_LE(test, kept, scalable ? 1024 : 512);
	intel_iommu_sm = mode;
	free_pages((unsigned long)a.area, ilog2(PKERNFS_TREE_TEST_BLOCKS));
}

static void pkernfs_tree_test_legacy(struct kunit *test)
{
	pkernfs_tree_test(test, false, false);
}

static void pkernfs_tree_test_scalable(struct kunit *test)
{
	pkernfs_tree_test(test, true, false);
}

static void pkernfs_tree_test_tracked(struct kunit *test)
{
	pkernfs_tree_test(test, true, true);
}

static struct kunit_case pkernfs_ss_cases[] = {
	KUNIT_CASE(pkernfs_ss_test_sizes),
	KUNIT_CASE(pkernfs_ss_test_refuses),
	KUNIT_CASE(pkernfs_ss_test_walk),
	KUNIT_CASE(pkernfs_ss_test_covers),
	KUNIT_CASE(pkernfs_ss_test_covers_1g),
	KUNIT_CASE(pkernfs_ss_test_differs),
	KUNIT_CASE(pkernfs_ss_test_dirty_strict),
	KUNIT_CASE(pkernfs_ss_test_merge),
	KUNIT_CASE(pkernfs_ss_test_merge_part),
	KUNIT_CASE(pkernfs_test_did),
	KUNIT_CASE(pkernfs_tree_test_legacy),
	KUNIT_CASE(pkernfs_tree_test_scalable),
	KUNIT_CASE(pkernfs_tree_test_tracked),
	{}
};

static struct kunit_suite pkernfs_ss_suite = {
	.name = "pkernfs_second_stage",
	.init = pkernfs_ss_test_init,
	.exit = pkernfs_ss_test_exit,
	.test_cases = pkernfs_ss_cases,
};

kunit_test_suite(pkernfs_ss_suite);
