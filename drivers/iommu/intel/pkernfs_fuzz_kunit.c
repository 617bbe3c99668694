// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs KUnit: damaged handovers, by seed. Takes the first region of this boot, if
 * nothing is in it: only there has memory physical addresses that nobody else uses.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/moduleparam.h>
#include <linux/pkernfs_iommu.h>
#include <linux/pkernfs_pci.h>

#include "iommu.h"
#include "../../../fs/pkernfs/pkernfs.h"
#include "pkernfs_fuzz.h"

static unsigned int runs = 250;
module_param(runs, uint, 0444);
MODULE_PARM_DESC(runs, "damaged handovers in each mode");

static unsigned long long seed = 1;
module_param(seed, ullong, 0444);
MODULE_PARM_DESC(seed, "seed of the first one; those after it count on");

/* A damaged record may name any function of this machine. */
static void pkernfs_fuzz_stop_rid(u16 segment, u16 rid)
{
}

static void pkernfs_fuzz_mode(struct kunit *test, bool scalable)
{
	struct pkernfs_fuzz *z = kunit_kzalloc(test, sizeof(*z), GFP_KERNEL);
	struct pkernfs_region *r = pkernfs_region_get(0);
	const char *bad, *why;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, z);
	if (!r || r->core || r->bytes < PKERNFS_FUZZ_MIN || pkernfs_sb_find(r, &why))
		kunit_skip(test, "needs pkernfs=, and nothing in the first region");
	KUNIT_ASSERT_PTR_EQ(test, r->virt, phys_to_virt(r->base));
	KUNIT_ASSERT_TRUE(test, list_empty(&pkernfs_devices));
	KUNIT_ASSERT_EQ(test, pkernfs_fuzz_init(z, r->base, r->virt, r->bytes, scalable), 0);
	/* As mkfs does it; the next time it finds the region so. */
	KUNIT_ASSERT_EQ(test, pkernfs_region_remap(r, &z->sb), 0);
	kunit_activate_static_stub(test, pkernfs_iommu_stop_rid, pkernfs_fuzz_stop_rid);

	bad = pkernfs_fuzz_run(z, NULL);
	KUNIT_EXPECT_STREQ_MSG(test, bad ?: "", "", "undamaged");
	KUNIT_EXPECT_EQ_MSG(test, z->adopted, 3, "undamaged");
	KUNIT_EXPECT_STREQ_MSG(test, pkernfs_fuzz_no_tables(z) ?: "", "", "no tables");
	for (i = 0; i < runs && !bad; i++) {
		struct pkernfs_fuzz_source s = { .state = seed + i };

		bad = pkernfs_fuzz_run(z, &s);
		KUNIT_EXPECT_STREQ_MSG(test, bad ?: "", "", "seed %llu", seed + i);
		cond_resched();
	}
	/* What is always refused, or never, has tested nothing. */
	KUNIT_EXPECT_GT(test, z->adopted, i / 4);
	KUNIT_EXPECT_GT(test, z->refused, i / 16);
	kunit_info(test, "%u runs: %llu devices adopted, %llu cut off", i, z->adopted,
		   z->refused);
	pkernfs_fuzz_exit(z);
}

static void pkernfs_fuzz_legacy(struct kunit *test)
{
	pkernfs_fuzz_mode(test, false);
}

static void pkernfs_fuzz_scalable(struct kunit *test)
{
	pkernfs_fuzz_mode(test, true);
}

/* Keys that are on anyway are not patched in and out with each device. */
static int pkernfs_fuzz_suite_init(struct kunit_suite *suite)
{
	static_branch_inc(&pkernfs_iommu_key);
	static_branch_inc(&pkernfs_pci_key);
	return 0;
}

static void pkernfs_fuzz_suite_exit(struct kunit_suite *suite)
{
	static_branch_dec(&pkernfs_pci_key);
	static_branch_dec(&pkernfs_iommu_key);
}

static struct kunit_case pkernfs_fuzz_cases[] = {
	KUNIT_CASE_SLOW(pkernfs_fuzz_legacy),
	KUNIT_CASE_SLOW(pkernfs_fuzz_scalable),
	{}
};

static struct kunit_suite pkernfs_fuzz_suite = {
	.name = "pkernfs_fuzz",
	.suite_init = pkernfs_fuzz_suite_init,
	.suite_exit = pkernfs_fuzz_suite_exit,
	.test_cases = pkernfs_fuzz_cases,
};

kunit_test_suite(pkernfs_fuzz_suite);
