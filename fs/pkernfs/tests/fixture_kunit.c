// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs KUnit: the region that the suites work on.
 */

#include <kunit/static_stub.h>
#include <linux/crc32.h>
#include <linux/crc32c.h>
#include <linux/sizes.h>
#include <linux/vmalloc.h>

#include "fixture.h"

/* A formatted region, not loaded. pkernfs_test_exit() frees it. */
struct pkernfs_region *pkernfs_test_region(struct kunit *test)
{
	struct pkernfs_format opt = { .inodes = PKERNFS_TEST_INODES, .label = "test" };
	struct pkernfs_region *r = kunit_kzalloc(test, sizeof(*r), GFP_KERNEL);
	struct pkernfs_sb sb;

	KUNIT_ASSERT_NOT_NULL(test, r);
	r->base = PKERNFS_TEST_BASE;
	r->bytes = PKERNFS_TEST_BYTES;
	r->virt = vzalloc(r->bytes);
	KUNIT_ASSERT_NOT_NULL(test, r->virt);
	test->priv = r;
	KUNIT_ASSERT_EQ(test, pkernfs_layout(r->base, r->bytes, 0, &opt, &sb), 0);
	pkernfs_format_write(r, &sb, NULL);
	return r;
}

/*
 * A region with two granules of 1 GiB, of which only the front is memory. Nothing behind
 * that may be touched: no file of the test has data that anybody looks at.
 */
struct pkernfs_region *pkernfs_test_huge_region(struct kunit *test)
{
	struct pkernfs_format opt = { .inodes = PKERNFS_TEST_INODES, .pool_blocks = 64,
				      .small_blocks = 1 };
	struct pkernfs_region *r = pkernfs_test_region(test);
	struct pkernfs_sb *sb = r->virt, front;

	KUNIT_ASSERT_EQ(test, pkernfs_layout(r->base, r->bytes, 0, &opt, &front), 0);
	pkernfs_format_write(r, &front, NULL);
	opt.huge_granules = 2;
	r->bytes = 3ULL * SZ_1G + SZ_2M;
	KUNIT_ASSERT_EQ(test, pkernfs_layout(r->base, r->bytes, 0, &opt, sb), 0);
	/* What is in front of the data is where it was. */
	KUNIT_ASSERT_MEMEQ(test, &sb->journal, &front.journal, 2 * sizeof(sb->journal));
	KUNIT_ASSERT_MEMEQ(test, &sb->pool, &front.pool, sizeof(sb->pool));
	sb->crc = cpu_to_le32(crc32c(~0, sb, offsetof(struct pkernfs_sb, crc)));
	return r;
}

void pkernfs_test_load(struct kunit *test, struct pkernfs_region *r)
{
	const char *why = NULL;

	r->sb = pkernfs_sb_find(r, &why);
	KUNIT_ASSERT_NOT_NULL_MSG(test, r->sb, "%s", why);
	r->core = pkernfs_core_new(r, &why);
	if (IS_ERR(r->core)) {
		r->core = NULL;
		KUNIT_FAIL_AND_ABORT(test, "not loaded: %s", why);
	}
}

void pkernfs_test_unload(struct pkernfs_region *r)
{
	if (r->core)
		pkernfs_core_free(r->core);
	r->core = NULL;
}

/* What the next kernel would see. */
void pkernfs_test_reload(struct kunit *test, struct pkernfs_region *r)
{
	pkernfs_test_unload(r);
	pkernfs_test_load(test, r);
}

void pkernfs_test_exit(struct kunit *test)
{
	struct pkernfs_region *r = test->priv;

	if (!r)
		return;
	pkernfs_test_unload(r);
	vfree(r->virt);
}

struct pkernfs_node *pkernfs_test_file(struct kunit *test, struct pkernfs_core *c,
				       const char *name)
{
	u32 ino = 0;

	KUNIT_ASSERT_EQ(test, pkernfs_test_create(c, name, &ino), 0);
	KUNIT_ASSERT_EQ(test, pkernfs_test_lookup(c, name), ino);
	return pkernfs_node_find(c, ino);
}

/* In the place of pkernfs_zero_memory(): most of the region is no memory. */
static int pkernfs_test_no_zeroes(struct pkernfs_core *c, void *mem, u64 bytes)
{
	return 0;
}

/* A region of so many granules, of which only the front is memory. */
struct pkernfs_core *pkernfs_test_sparse(struct kunit *test, u32 granules)
{
	struct pkernfs_format opt = { .inodes = PKERNFS_TEST_INODES, .pool_blocks = 256,
				      .small_blocks = PKERNFS_FORMAT_NO_SMALL };
	struct pkernfs_region *r = pkernfs_test_region(test);
	struct pkernfs_sb *sb = r->virt, front;

	KUNIT_ASSERT_EQ(test, pkernfs_layout(r->base, r->bytes, 0, &opt, &front), 0);
	pkernfs_format_write(r, &front, NULL);
	r->bytes = (granules + 16ULL) << PKERNFS_GRANULE_SHIFT;
	KUNIT_ASSERT_EQ(test, pkernfs_layout(r->base, r->bytes, 0, &opt, sb), 0);
	/* What is in front of the data is where it was. */
	KUNIT_ASSERT_MEMEQ(test, &sb->journal, &front.journal, 2 * sizeof(sb->journal));
	KUNIT_ASSERT_MEMEQ(test, &sb->pool, &front.pool, sizeof(sb->pool));
	sb->crc = cpu_to_le32(crc32c(~0, sb, offsetof(struct pkernfs_sb, crc)));
	kunit_activate_static_stub(test, pkernfs_zero_memory, pkernfs_test_no_zeroes);
	pkernfs_test_load(test, r);
	KUNIT_ASSERT_GE(test, r->core->gpool[PKERNFS_GPOOL_2M].granules, granules);
	return r->core;
}

phys_addr_t pkernfs_test_phys(struct pkernfs_core *c, u32 granule)
{
	return c->r->base + (pkernfs_granule_virt(c, c->gpool, granule) - c->r->virt);
}

u32 pkernfs_test_granule(struct pkernfs_node *n, u64 logical)
{
	const struct pkernfs_extent *e = pkernfs_extent_find(n, logical);

	return e ? e->granule + (logical - e->logical) : PKERNFS_NO_GRANULE;
}
