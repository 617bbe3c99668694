// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs KUnit: pages with memory errors.
 */

#include <kunit/static_stub.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "fixture.h"

static u64 pkernfs_test_page(struct pkernfs_core *c, u32 granule, unsigned int page)
{
	return pkernfs_area_start(&c->r->sb->data) +
	       (u64)granule * PKERNFS_BLOCKS_PER_GRANULE + page;
}

static struct pkernfs_gpool *pkernfs_test_large(struct pkernfs_core *c)
{
	return &c->gpool[PKERNFS_GPOOL_2M];
}

/* Is any page of the granule bad? */
static bool pkernfs_test_bad(struct pkernfs_core *c, u32 granule)
{
	return pkernfs_bad_in(c, pkernfs_granule_virt(c, pkernfs_test_large(c), granule),
			      PKERNFS_GRANULE_SIZE);
}

/* pkernfs_bad_span() from a place in a granule to the granule's end */
static bool pkernfs_test_span(struct pkernfs_core *c, u32 granule, size_t offset, u64 *bytes)
{
	*bytes = PKERNFS_GRANULE_SIZE - offset;
	return pkernfs_bad_span(c, pkernfs_granule_virt(c, pkernfs_test_large(c), granule) +
				offset, bytes);
}

/* All granules that are free, each at most once; was @granule among them? */
static bool pkernfs_test_given_out(struct kunit *test, struct pkernfs_core *c, u32 granule)
{
	struct pkernfs_gpool *p = pkernfs_test_large(c);
	u32 first, got, count = 0, i;
	bool seen = false;
	u32 *run;

	run = kunit_kcalloc(test, p->granules, sizeof(*run), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, run);
	down_write(&c->lock);
	while (!pkernfs_granule_reserve(c, p, PKERNFS_NO_GRANULE, 1, &first, &got)) {
		seen |= first == granule;
		run[count++] = first;
	}
	KUNIT_EXPECT_EQ(test, p->free, 0);
	for (i = 0; i < count; i++)
		pkernfs_granule_release(c, p, run[i], 1);
	up_write(&c->lock);
	return seen;
}

/* A free granule: gone at once, in the next kernel, and after mkfs. */
static void pkernfs_test_bad_free(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	struct pkernfs_bad_block_ser *kept;
	struct pkernfs_core *c;
	struct pkernfs_sb sb;
	u32 free;

	pkernfs_test_load(test, r);
	c = r->core;
	free = pkernfs_test_large(c)->free;
	KUNIT_EXPECT_TRUE(test, pkernfs_test_given_out(test, c, 3));
	KUNIT_EXPECT_EQ(test, pkernfs_bad_add(c, pkernfs_test_page(c, 3, 511)), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_bad_add(c, pkernfs_test_page(c, 3, 511)), -EEXIST);
	KUNIT_EXPECT_EQ(test, pkernfs_bad_add(c, pkernfs_test_page(c, 3, 0)), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_bad_count(c), 2);
	KUNIT_EXPECT_EQ(test, pkernfs_test_large(c)->free, free - 1);
	KUNIT_EXPECT_FALSE(test, pkernfs_test_given_out(test, c, 3));
	KUNIT_EXPECT_TRUE(test, pkernfs_test_given_out(test, c, 2));
	KUNIT_EXPECT_TRUE(test, pkernfs_test_given_out(test, c, 4));
	KUNIT_EXPECT_EQ(test, pkernfs_test_large(c)->free, free - 1);
	KUNIT_EXPECT_TRUE(test, pkernfs_test_bad(c, 3));
	KUNIT_EXPECT_FALSE(test, pkernfs_test_bad(c, 2));
	KUNIT_EXPECT_FALSE(test, pkernfs_test_bad(c, 4));

	pkernfs_test_reload(test, r);
	c = r->core;
	KUNIT_EXPECT_EQ(test, pkernfs_bad_count(c), 2);
	KUNIT_EXPECT_EQ(test, pkernfs_test_large(c)->free, free - 1);
	KUNIT_EXPECT_FALSE(test, pkernfs_test_given_out(test, c, 3));

	kept = pkernfs_bad_keep(r);
	KUNIT_ASSERT_NOT_NULL(test, kept);
	pkernfs_test_unload(r);
	sb = *r->sb;
	pkernfs_format_write(r, &sb, kept);
	kfree(kept);
	pkernfs_test_load(test, r);
	KUNIT_EXPECT_EQ(test, pkernfs_bad_count(r->core), 2);
	KUNIT_EXPECT_FALSE(test, pkernfs_test_given_out(test, r->core, 3));
}

/* One of a file: the file keeps it, and when it goes nobody else gets it. */
static void pkernfs_test_bad_file(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	struct pkernfs_core *c;
	struct pkernfs_node *n;
	u32 free, bad;
	u64 bytes;
	u32 ino;

	pkernfs_test_load(test, r);
	c = r->core;
	free = pkernfs_test_large(c)->free;
	n = pkernfs_test_file(test, c, "file");
	ino = n->ino;
	KUNIT_ASSERT_EQ(test, pkernfs_extent_fill(c, n, 0, 3 * SZ_2M - 1,
						  pkernfs_test_large(c)), 0);
	bad = n->extent[0].granule + 1;
	KUNIT_EXPECT_EQ(test, pkernfs_bad_add(c, pkernfs_test_page(c, bad, 7)), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_test_large(c)->free, free - 3);

	pkernfs_test_reload(test, r);
	c = r->core;
	n = pkernfs_node_find(c, ino);
	KUNIT_EXPECT_EQ(test, pkernfs_test_large(c)->free, free - 3);
	KUNIT_EXPECT_EQ(test, pkernfs_extent_total(n), 3 * SZ_2M);

	down_read(&c->lock);
	KUNIT_EXPECT_TRUE(test, pkernfs_test_span(c, bad, 0, &bytes));
	KUNIT_EXPECT_EQ(test, bytes, 7 * SZ_4K);
	KUNIT_EXPECT_TRUE(test, pkernfs_test_span(c, bad, 7 * SZ_4K - 1, &bytes));
	KUNIT_EXPECT_EQ(test, bytes, 1);
	KUNIT_EXPECT_FALSE(test, pkernfs_test_span(c, bad, 7 * SZ_4K, &bytes));
	KUNIT_EXPECT_EQ(test, bytes, SZ_4K);
	KUNIT_EXPECT_FALSE(test, pkernfs_test_span(c, bad, 8 * SZ_4K - 1, &bytes));
	KUNIT_EXPECT_EQ(test, bytes, 1);
	KUNIT_EXPECT_TRUE(test, pkernfs_test_span(c, bad, 8 * SZ_4K, &bytes));
	KUNIT_EXPECT_EQ(test, bytes, SZ_2M - 8 * SZ_4K);
	KUNIT_EXPECT_TRUE(test, pkernfs_test_span(c, bad + 1, 0, &bytes));
	KUNIT_EXPECT_EQ(test, bytes, SZ_2M);
	up_read(&c->lock);
	KUNIT_EXPECT_TRUE(test, pkernfs_bad_phys(r, r->base +
				(pkernfs_test_page(c, bad, 7) << PKERNFS_BLOCK_SHIFT), 1));
	KUNIT_EXPECT_FALSE(test, pkernfs_bad_phys(r, r->base +
				(pkernfs_test_page(c, bad, 8) << PKERNFS_BLOCK_SHIFT), SZ_4K));
	KUNIT_EXPECT_TRUE(test, pkernfs_bad_phys(r, r->base +
				(pkernfs_test_page(c, bad, 8) << PKERNFS_BLOCK_SHIFT) - 1, 2));

	KUNIT_EXPECT_EQ(test, pkernfs_extent_cut(c, n, 0, 3 * SZ_2M - 1, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_test_large(c)->free, free - 1);
	KUNIT_EXPECT_FALSE(test, pkernfs_test_given_out(test, c, bad));
	pkernfs_test_reload(test, r);
	KUNIT_EXPECT_EQ(test, pkernfs_test_large(r->core)->free, free - 1);
}

static u64 pkernfs_test_failed;	/* the page that fails below */

/* As by memory_failure(): what it returns decides on the direct mapping. */
static int pkernfs_test_failure(struct pkernfs_core *c, u64 page)
{
	struct super_block *sb;
	int err;

	mutex_lock(&pkernfs_format_lock);
	err = pkernfs_page_failure(c, page, 0, &sb);
	mutex_unlock(&pkernfs_format_lock);
	return err;
}

/* In the place of pkernfs_zero_memory(): one page fails, and later one beside it. */
static int pkernfs_test_fails(struct pkernfs_core *c, void *mem, u64 bytes)
{
	struct kunit *test = kunit_get_current_test();
	u64 page = (mem - c->r->virt + bytes) / PKERNFS_BLOCK_SIZE - 1;

	kunit_deactivate_static_stub(test, pkernfs_zero_memory);
	KUNIT_EXPECT_EQ(test, pkernfs_test_failure(c, page), -EHWPOISON);
	KUNIT_EXPECT_EQ(test, pkernfs_test_failure(c, page), -EHWPOISON);
	KUNIT_EXPECT_EQ(test, pkernfs_test_failure(c, page - 1), -EHWPOISON);
	pkernfs_test_failed = page;
	return pkernfs_zero_memory(c, mem, bytes);
}

/*
 * A page fails while its granule is being zeroed: the kernel goes on to use its mapping,
 * and the file gets another granule.
 */
static void pkernfs_test_bad_zeroed(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	struct pkernfs_core *c;
	struct pkernfs_node *n;
	u32 free, ino, i, j;

	pkernfs_test_load(test, r);
	c = r->core;
	free = pkernfs_test_large(c)->free;
	n = pkernfs_test_file(test, c, "file");
	ino = n->ino;
	kunit_activate_static_stub(test, pkernfs_zero_memory, pkernfs_test_fails);
	KUNIT_ASSERT_EQ(test, pkernfs_extent_fill(c, n, 0, 3 * SZ_2M - 1,
						  pkernfs_test_large(c)), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_bad_count(c), 2);
	KUNIT_EXPECT_EQ(test, pkernfs_extent_total(n), 3 * SZ_2M);
	down_read(&c->lock);
	for (i = 0; i < n->extents; i++)
		for (j = 0; j < n->extent[i].count; j++)
			KUNIT_EXPECT_FALSE(test, pkernfs_test_bad(c, n->extent[i].granule + j));
	up_read(&c->lock);
	KUNIT_EXPECT_EQ(test, pkernfs_test_large(c)->free, free - 4);
	pkernfs_test_reload(test, r);
	c = r->core;
	n = pkernfs_node_find(c, ino);
	KUNIT_EXPECT_EQ(test, pkernfs_test_large(c)->free, free - 4);

	/* Nobody writes to it any more. */
	KUNIT_EXPECT_EQ(test, pkernfs_extent_cut(c, n, 0, 3 * SZ_2M - 1, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_test_failure(c, pkernfs_test_failed), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_test_failure(c, pkernfs_test_failed - 2), 0);
}

static void pkernfs_test_bad_pool(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	u64 start, free, i, seen = 0;
	void *block;

	pkernfs_test_load(test, r);
	start = pkernfs_area_start(&r->sb->pool);
	free = r->core->pool_free;
	block = pkernfs_pool_alloc(r);
	KUNIT_ASSERT_NOT_NULL(test, block);
	/* One that is in use, one that is not. */
	KUNIT_EXPECT_EQ(test, pkernfs_bad_add(r->core, (block - r->virt) >> PKERNFS_BLOCK_SHIFT),
			0);
	KUNIT_EXPECT_EQ(test, pkernfs_bad_add(r->core, start + 50), 0);
	pkernfs_pool_free(r, block);
	for (i = 0; i < free; i++) {
		void *b = pkernfs_pool_alloc(r);

		if (!b)
			break;
		seen++;
		KUNIT_EXPECT_PTR_NE(test, b, block);
		KUNIT_EXPECT_PTR_NE(test, b, pkernfs_block(r, start + 50));
	}
	KUNIT_EXPECT_EQ(test, seen, free - 2);
}

/* As many as fit, in any order; then one more. What is in the list is checked at load. */
static void pkernfs_test_bad_list(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	struct pkernfs_bad_block_ser *b, *good;
	struct pkernfs_core *c;
	const char *why;
	unsigned int i;

	pkernfs_test_load(test, r);
	for (i = 0; i < PKERNFS_BAD_PAGES; i++)
		KUNIT_ASSERT_EQ(test, pkernfs_bad_add(r->core, 1000 + i * 211 % 509 * 2), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_bad_add(r->core, 999), -ENOSPC);
	KUNIT_EXPECT_EQ(test, pkernfs_bad_add(r->core, 1000), -EEXIST);
	KUNIT_EXPECT_EQ(test, pkernfs_bad_first(r->core, 0, 1000), U64_MAX);
	KUNIT_EXPECT_EQ(test, pkernfs_bad_first(r->core, 0, 1001), 1000);
	KUNIT_EXPECT_EQ(test, pkernfs_bad_first(r->core, 1001, 1), U64_MAX);
	KUNIT_EXPECT_EQ(test, pkernfs_bad_first(r->core, 1001, 2), 1002);
	pkernfs_test_reload(test, r);
	KUNIT_EXPECT_EQ(test, pkernfs_bad_count(r->core), PKERNFS_BAD_PAGES);
	pkernfs_test_unload(r);

	b = pkernfs_block(r, pkernfs_area_start(&r->sb->pool));
	good = kunit_kmalloc(test, sizeof(*b), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, good);
	*good = *b;
#define PKERNFS_BAD_LIE(change, seal, reason) do {				\
	change;									\
	if (seal)								\
		pkernfs_block_seal(b);						\
	c = pkernfs_core_new(r, &why);						\
	KUNIT_EXPECT_TRUE_MSG(test, IS_ERR(c), "%s", #change);			\
	if (!IS_ERR(c))								\
		pkernfs_core_free(c);						\
	else									\
		KUNIT_EXPECT_STREQ(test, why, reason);				\
	*b = *good;								\
} while (0)

	PKERNFS_BAD_LIE(b->page[9] ^= 1, false, "bad pages: wrong checksum");
	PKERNFS_BAD_LIE(b->magic ^= 1, true, "bad pages: wrong checksum");
	PKERNFS_BAD_LIE(b->pad ^= 1, true, "bad pages: wrong checksum");
	PKERNFS_BAD_LIE(b->ino ^= 1, true, "bad pages: wrong checksum");
	PKERNFS_BAD_LIE(b->count = cpu_to_le32(509), true, "bad pages: impossible number");
	PKERNFS_BAD_LIE(b->count = cpu_to_le32(U32_MAX), true, "bad pages: impossible number");
	PKERNFS_BAD_LIE(b->count = cpu_to_le32(507), true, "bad pages: impossible number");
	PKERNFS_BAD_LIE(b->page[9] = b->page[8], true,
			"bad pages: not in the region, or not ascending");
	PKERNFS_BAD_LIE(b->page[507] = cpu_to_le64(r->bytes >> PKERNFS_BLOCK_SHIFT), true,
			"bad pages: not in the region, or not ascending");
	pkernfs_test_load(test, r);
}

/* Would mkfs, with this page listed alone, put metadata on it? */
static bool pkernfs_test_in_layout(struct kunit *test, struct pkernfs_region *r, u64 page)
{
	struct pkernfs_bad_block_ser *b = kunit_kzalloc(test, sizeof(*b), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, b);
	b->count = cpu_to_le32(1);
	b->page[0] = cpu_to_le64(page);
	return pkernfs_bad_layout(b, r->sb);
}

/* Metadata: mkfs goes around it, and keeps the list of a region that does not load. */
static void pkernfs_test_bad_layout(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	const struct pkernfs_area *a;
	struct pkernfs_bad_block_ser *kept;
	u64 last = (r->bytes >> PKERNFS_BLOCK_SHIFT) - 1, pool;

	pkernfs_test_load(test, r);
	KUNIT_EXPECT_FALSE(test, pkernfs_bad_layout(NULL, r->sb));
	KUNIT_EXPECT_TRUE(test, pkernfs_test_in_layout(test, r, 0));
	KUNIT_EXPECT_TRUE(test, pkernfs_test_in_layout(test, r, last));
	for (a = &r->sb->journal; a <= &r->sb->handover; a++) {
		u64 start = pkernfs_area_start(a), end = start + pkernfs_area_count(a);

		KUNIT_EXPECT_TRUE(test, pkernfs_test_in_layout(test, r, start));
		KUNIT_EXPECT_TRUE(test, pkernfs_test_in_layout(test, r, end - 1));
	}
	pool = pkernfs_area_start(&r->sb->pool);
	KUNIT_EXPECT_TRUE(test, pkernfs_test_in_layout(test, r, pool));
	KUNIT_EXPECT_FALSE(test, pkernfs_test_in_layout(test, r, pool + 1));
	KUNIT_EXPECT_FALSE(test, pkernfs_test_in_layout(test, r, pkernfs_test_page(r->core, 0, 0)));

	/* The list cannot name what it is written by. */
	KUNIT_EXPECT_EQ(test, pkernfs_bad_add(r->core, pool), -EIO);
	KUNIT_EXPECT_EQ(test, pkernfs_bad_add(r->core, pkernfs_area_start(&r->sb->journal)), -EIO);
	KUNIT_EXPECT_EQ(test, pkernfs_bad_count(r->core), 0);

	KUNIT_EXPECT_EQ(test, pkernfs_bad_add(r->core, pool + 1), 0);
	pkernfs_test_unload(r);
	r->sb = NULL;
	kept = pkernfs_bad_keep(r);
	KUNIT_ASSERT_NOT_NULL(test, kept);
	KUNIT_EXPECT_TRUE(test, pkernfs_bad_listed(kept, pool + 1));
	kfree(kept);
}

/*
 * A record: what is in it is not looked at, at the next boot neither. That would be a machine
 * check, as the page stays mapped.
 */
static void pkernfs_test_bad_record(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	struct pkernfs_dev_record *rec[2];
	u64 start, i;

	pkernfs_test_load(test, r);
	start = pkernfs_area_start(&r->sb->records);
	for (i = 0; i < 2; i++) {
		rec[i] = pkernfs_block(r, start + i);
		rec[i]->state = cpu_to_le32(PKERNFS_RECORD_FROZEN);
	}
	KUNIT_EXPECT_EQ(test, pkernfs_bad_add(r->core, start), 0);
	pkernfs_record_drop_stale(r);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(rec[0]->state), PKERNFS_RECORD_FROZEN);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(rec[1]->state), PKERNFS_RECORD_FREE);

	/* Also if a handover names it */
	KUNIT_EXPECT_NULL(test, pkernfs_record_adopt(r, 0));
	KUNIT_EXPECT_STREQ(test, r->handover_why.text,
			   "record 0: there is a memory error in its page");
}

static struct kunit_case pkernfs_bad_cases[] = {
	KUNIT_CASE(pkernfs_test_bad_free),
	KUNIT_CASE(pkernfs_test_bad_file),
	KUNIT_CASE(pkernfs_test_bad_zeroed),
	KUNIT_CASE(pkernfs_test_bad_pool),
	KUNIT_CASE(pkernfs_test_bad_list),
	KUNIT_CASE(pkernfs_test_bad_layout),
	KUNIT_CASE(pkernfs_test_bad_record),
	{}
};

static struct kunit_suite pkernfs_bad_suite = {
	.name = "pkernfs-bad",
	.exit = pkernfs_test_exit,
	.test_cases = pkernfs_bad_cases,
};

kunit_test_suite(pkernfs_bad_suite);
