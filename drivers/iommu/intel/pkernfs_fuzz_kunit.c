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
#include "pasid.h"
#include "../iommu-pages.h"
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

/**
 * pkernfs_fuzz_make - the fixture, in the first region of this boot
 * @test: skipped if there is none
 * @scalable: the unit is in scalable mode
 */
struct pkernfs_fuzz *pkernfs_fuzz_make(struct kunit *test, bool scalable)
{
	struct pkernfs_fuzz *z = kunit_kzalloc(test, sizeof(*z), GFP_KERNEL);
	struct pkernfs_region *r = pkernfs_region_get(0);
	const char *why;

	KUNIT_ASSERT_NOT_NULL(test, z);
	if (!r || r->core || r->bytes < PKERNFS_FUZZ_MIN || pkernfs_sb_find(r, &why))
		kunit_skip(test, "needs pkernfs=, and nothing in the first region");
	KUNIT_ASSERT_PTR_EQ(test, r->virt, phys_to_virt(r->base));
	KUNIT_ASSERT_TRUE(test, list_empty(&pkernfs_devices));
	KUNIT_ASSERT_EQ(test, pkernfs_fuzz_init(z, r->base, r->virt, r->bytes, scalable), 0);
	/* As mkfs does it; the next time it finds the region so. */
	KUNIT_ASSERT_EQ(test, pkernfs_region_remap(r, &z->sb), 0);
	kunit_activate_static_stub(test, pkernfs_iommu_stop_rid, pkernfs_fuzz_stop_rid);
	return z;
}

static void pkernfs_fuzz_mode(struct kunit *test, bool scalable)
{
	struct pkernfs_fuzz *z = pkernfs_fuzz_make(test, scalable);
	const char *bad;
	unsigned int i;

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

/* --- A walk of tables ends ------------------------------------------------------- */

#define PKERNFS_BOUND_LEAF	(PKERNFS_SS_R | PKERNFS_SS_W | PKERNFS_SS_PS)

static const char *pkernfs_bound_why;

/* How the walk of the last device's tables has ended; NULL: it is adopted */
static const char *pkernfs_bound_enter(struct pkernfs_fuzz *z)
{
	struct pkernfs_device *pd = list_last_entry(&pkernfs_devices, struct pkernfs_device, node);

	if (!pkernfs_bound_why)
		return pd->state == PKERNFS_STATE_ADOPTED ? NULL : pd->why.text;
	return strcmp(pd->why.text, pkernfs_bound_why) ? "it has not failed so" : NULL;
}

/* So many leaves more of 2 MiB for the last device, above all others; the tables */
static u64 pkernfs_bound_map(struct pkernfs_fuzz *z, u64 oa, u64 leaves)
{
	u64 *root = phys_to_virt(le64_to_cpu(pkernfs_fuzz_record(z, 2)->iommu.ss_root));
	u64 *tables = pkernfs_block(&z->r, le64_to_cpu(z->sb.pool.start) + z->pool_next), i;

	memset64(tables, oa | PKERNFS_BOUND_LEAF, leaves);
	for (i = 0; i * 512 < leaves; i++)
		root[4 + i] = virt_to_phys(tables + i * 512) | PKERNFS_SS_R | PKERNFS_SS_W;
	return i;
}

/* It ends where the counts of the record do, and never meets the page that is no file's. */
static void pkernfs_fuzz_bound(struct kunit *test)
{
	struct pkernfs_fuzz *z = pkernfs_fuzz_make(test, false);
	u64 *root = phys_to_virt(le64_to_cpu(pkernfs_fuzz_record(z, 2)->iommu.ss_root));
	u64 *table = phys_to_virt(root[3] & PKERNFS_SS_OA);

	z->enter = pkernfs_bound_enter;
	pkernfs_bound_why = "its second-stage tables are not proven (-117)";
	pkernfs_bound_map(z, z->r.base, 1);
	KUNIT_EXPECT_STREQ_MSG(test, pkernfs_fuzz_run(z, NULL) ?: "", "", "a table too many");

	table[510] = table[0xfec00000 / SZ_2M % 512];
	table[511] = z->r.base | PKERNFS_BOUND_LEAF;
	KUNIT_EXPECT_STREQ_MSG(test, pkernfs_fuzz_run(z, NULL) ?: "", "", "a page too many");
	pkernfs_fuzz_exit(z);
}

/* A record with a checksum that matches may say any count, but not reach pages so often. */
static void pkernfs_fuzz_aliases(struct kunit *test)
{
	struct pkernfs_fuzz *z = pkernfs_fuzz_make(test, false);
	struct pkernfs_iommu_ser *ser = &pkernfs_fuzz_record(z, 2)->iommu;
	const u64 most = PKERNFS_SS_ALIASES * (z->r.bytes >> PAGE_SHIFT);
	const u64 leaves = (most - le64_to_cpu(ser->pages)) / 512;
	u64 i, page = z->r.base + (le64_to_cpu(z->sb.data.start) << PKERNFS_BLOCK_SHIFT) + SZ_2M;

	z->enter = pkernfs_bound_enter;
	for (i = 0; i < 2; i++) {
		pkernfs_bound_why = i ? "its second-stage tables are not proven (-75)" : NULL;
		le64_add_cpu(&ser->tables, pkernfs_bound_map(z, page, leaves + i));
		le64_add_cpu(&ser->pages, (leaves + i) * 512);
		pkernfs_fuzz_record(z, 2)->feature_compat = 0;
		pkernfs_fuzz_seal_record(pkernfs_fuzz_record(z, 2));
		KUNIT_EXPECT_STREQ_MSG(test, pkernfs_fuzz_run(z, NULL) ?: "", "",
				       "%llu leaves", leaves + i);
	}
	pkernfs_fuzz_exit(z);
}

/* Keys that are on anyway are not patched in and out with each device. */
int pkernfs_fuzz_suite_init(struct kunit_suite *suite)
{
	static_branch_inc(&pkernfs_iommu_key);
	static_branch_inc(&pkernfs_pci_key);
	return 0;
}

void pkernfs_fuzz_suite_exit(struct kunit_suite *suite)
{
	static_branch_dec(&pkernfs_pci_key);
	static_branch_dec(&pkernfs_iommu_key);
}

static struct kunit_case pkernfs_fuzz_cases[] = {
	KUNIT_CASE_SLOW(pkernfs_fuzz_legacy),
	KUNIT_CASE_SLOW(pkernfs_fuzz_scalable),
	KUNIT_CASE(pkernfs_fuzz_bound),
	KUNIT_CASE(pkernfs_fuzz_aliases),
	{}
};

static struct kunit_suite pkernfs_fuzz_suite = {
	.name = "pkernfs_fuzz",
	.suite_init = pkernfs_fuzz_suite_init,
	.suite_exit = pkernfs_fuzz_suite_exit,
	.test_cases = pkernfs_fuzz_cases,
};

#ifdef CONFIG_FAULT_INJECTION
/* --- Each allocation of an adoption fails --------------------------------------- */

#define PKERNFS_FAULTS_MOST	1000	/* allocations: the sweep has to come to an end */

/*
 * As at boot, for each device that was proven: an entry in this kernel's tables. It
 * is what the record says, or there is none and the device is stopped.
 */
static const char *pkernfs_faults_enter(struct pkernfs_fuzz *z)
{
	const char *bad = NULL;
	struct pkernfs_device *pd;

	list_for_each_entry(pd, &pkernfs_devices, node) {
		struct context_entry *c;
		struct pkernfs_fixed *f;
		union pkernfs_entry want;
		struct pkernfs_aim aim;
		bool in, adopted;
		const void *at;

		if (pd->region != &z->r || pd->state != PKERNFS_STATE_ADOPTED)
			continue;
		f = pkernfs_to_fixed(pd->fixed);
		pkernfs_adopt_entry(pd);
		c = iommu_context_addr(z->iommu, PCI_BUS_NUM(pd->rid), pd->rid & 0xff, 0);
		in = c && context_present(c);
		adopted = pd->state == PKERNFS_STATE_ADOPTED;
		if (in != adopted) {
			bad = "entered and stopped, or neither";
			continue;
		}
		if (!in) {
			if (f->pasid_table || !xa_empty(&f->d.iommu_array))
				bad = "something is left of an entry";
			continue;
		}
		aim = pkernfs_fixed_aim(f);
		want = pkernfs_entry_make(z->iommu, &aim);
		at = z->scalable ? (void *)get_pasid_table_from_pde(f->pasid_table->table) : c;
		if (memcmp(at, &want, sizeof(want)) ||
		    f->did != le16_to_cpu(pd->rec->iommu.did))
			bad = "entered as something else";
		context_clear_entry(c);
		domain_detach_iommu(&f->d, z->iommu);
	}
	if (!ida_is_empty(&z->iommu->domain_ida))
		bad = bad ?: "a domain id is left";
	return bad;
}

static void pkernfs_faults_free_tables(struct intel_iommu *iommu)
{
	unsigned int bus;

	for (bus = 0; bus < 256; bus++) {
		iommu_free_pages(iommu_context_addr(iommu, bus, 0, 0));
		if (sm_supported(iommu))
			iommu_free_pages(iommu_context_addr(iommu, bus, 0x80, 0));
	}
	memset(iommu->root_entry, 0, SZ_4K);
}

static void pkernfs_faults_sweep(struct kunit *test, bool scalable)
{
	struct pkernfs_fuzz *z = pkernfs_fuzz_make(test, scalable);
	unsigned int n, failed = 0, all = 0;
	const int mode = intel_iommu_sm;
	const char *bad = NULL;
	bool hit = true;

	mutex_init(&z->iommu->did_lock);
	spin_lock_init(&z->iommu->lock);
	ida_init(&z->iommu->domain_ida);
	z->iommu->node = NUMA_NO_NODE;
	z->iommu->root_entry = kunit_kzalloc(test, SZ_4K, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, z->iommu->root_entry);
	z->enter = pkernfs_faults_enter;

	for (n = 1; hit && !bad && n < PKERNFS_FAULTS_MOST; n++) {
		z->adopted = 0;
		current->fail_nth = n;
		bad = pkernfs_fuzz_run(z, NULL);
		hit = !current->fail_nth;
		current->fail_nth = 0;
		KUNIT_EXPECT_STREQ_MSG(test, bad ?: "", "", "allocation %u", n);
		all = z->adopted;
		failed += all < 3;

		intel_iommu_sm = scalable;
		pkernfs_faults_free_tables(z->iommu);
		intel_iommu_sm = mode;
		cond_resched();
	}
	KUNIT_EXPECT_FALSE(test, hit);
	KUNIT_EXPECT_EQ_MSG(test, all, 3, "without a fault");
	/* Loading, proving and entering: what is never refused has tested nothing. */
	KUNIT_EXPECT_GT(test, failed, 10);
	kunit_info(test, "%u allocations, %u of them cost a device", n - 2, failed);
	ida_destroy(&z->iommu->domain_ida);
	pkernfs_fuzz_exit(z);
}

static void pkernfs_faults_legacy(struct kunit *test)
{
	pkernfs_faults_sweep(test, false);
}

static void pkernfs_faults_scalable(struct kunit *test)
{
	pkernfs_faults_sweep(test, true);
}

static struct kunit_case pkernfs_faults_cases[] = {
	KUNIT_CASE_SLOW(pkernfs_faults_legacy),
	KUNIT_CASE_SLOW(pkernfs_faults_scalable),
	{}
};

/* Of use only when failslab and fail_page_alloc are told to, which is not at boot. */
static struct kunit_suite pkernfs_faults_suite = {
	.name = "pkernfs_adopt_faults",
	.suite_init = pkernfs_fuzz_suite_init,
	.suite_exit = pkernfs_fuzz_suite_exit,
	.test_cases = pkernfs_faults_cases,
};

kunit_test_suites(&pkernfs_fuzz_suite, &pkernfs_faults_suite);
#else
kunit_test_suite(pkernfs_fuzz_suite);
#endif
