// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs KUnit: two remapping units, which QEMU has with a patch only: what each is left
 * with, and what the next kernel makes of it.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/dmar.h>
#include <linux/pci.h>
#include <linux/pkernfs_iommu.h>
#include <linux/pkernfs_pci.h>

#include "iommu.h"
#include "../../../fs/pkernfs/pkernfs.h"
#include "pkernfs_fuzz.h"

/* --- What they are left with ------------------------------------------------------ */

/* Of no unit of this machine, whose own slots at kexec stay as they are */
#define PKERNFS_TWO_SEQ_ID	(DMAR_UNITS_SUPPORTED - 2)

static struct intel_iommu *pkernfs_two_second;

static phys_addr_t pkernfs_two_area(struct pkernfs_fuzz *z)
{
	return z->r.base + ((le64_to_cpu(z->r.sb->handover.start) + z->r.handover_next) <<
			    PKERNFS_BLOCK_SHIFT);
}

/* Is this the handover of @iommu and of nobody else, with just the devices behind it? */
static const char *pkernfs_two_prove(struct pkernfs_fuzz *z, phys_addr_t at,
				     struct intel_iommu *iommu, struct intel_iommu *other)
{
	const u64 ttm = z->scalable ? DMA_RTADDR_SMT : 0;
	struct pkernfs_device *pd;
	struct pkernfs_why why;
	struct pkernfs_tree t;

	if (!pkernfs_prove_unit(other, at, ttm, &z->r, &t, &why))
		return "one unit takes the handover of the other";
	if (pkernfs_prove_unit(iommu, at, ttm, &z->r, &t, &why))
		return "a unit does not take its own handover";
	list_for_each_entry(pd, &pkernfs_devices, node) {
		struct pkernfs_fixed *f = pkernfs_to_fixed(pd->fixed);
		struct pkernfs_aim aim = pkernfs_fixed_aim(f);
		bool behind = f->iommu == iommu;

		if (pkernfs_tree_prove_device(&t, iommu, pd->rid, &aim) != behind)
			return "a device is behind the wrong unit";
	}
	return NULL;
}

/* The last of three adopted devices goes behind another unit, under the first's id there. */
static const char *pkernfs_two_enter(struct pkernfs_fuzz *z)
{
	struct pkernfs_device *pd = list_last_entry(&pkernfs_devices, struct pkernfs_device, node);
	struct intel_iommu *unit[2] = { z->iommu, pkernfs_two_second };
	struct pkernfs_sb *sb = (struct pkernfs_sb *)z->r.sb;
	/* Header and root table, a table for each (half) bus, what each device needs */
	const u64 blocks = z->scalable ? (2 + 2 + 2 * 2) + (2 + 1 + 2) : (2 + 1) + (2 + 1);
	const __le64 count = sb->handover.count;
	struct pkernfs_fixed *f = pkernfs_to_fixed(pd->fixed);
	const u16 did = f->did;
	const char *bad = NULL;
	phys_addr_t at[2];
	unsigned int i;

	f->iommu = pkernfs_two_second;
	f->did = pkernfs_to_fixed(list_first_entry(&pkernfs_devices, struct pkernfs_device,
						   node)->fixed)->did;
	/* As if it were the one that is frozen last */
	sb->handover.count = cpu_to_le64(blocks);
	if (pkernfs_handover_room(pd, f->iommu))
		bad = "no room where it is just enough";
	sb->handover.count = cpu_to_le64(blocks - 1);
	if (pkernfs_handover_room(pd, f->iommu) != -ENOSPC)
		bad = "room for one block too few";
	sb->handover.count = count;

	/* The fixture's own is in use until the end. */
	z->r.handover_next = z->tree_next;
	for (i = 0; i < 2 && !bad; i++) {
		at[i] = pkernfs_two_area(z);
		if (pkernfs_handover_unit(unit[i]))
			bad = "a unit cannot be handed over";
	}
	if (!bad && z->r.handover_next - z->tree_next != blocks)
		bad = "other blocks than there was room for";
	for (i = 0; i < 2 && !bad; i++)
		bad = pkernfs_two_prove(z, at[i], unit[i], unit[!i]);

	pkernfs_iommu_handover_cancel();
	z->r.handover_next = 0;
	list_for_each_entry(pd, &pkernfs_devices, node)
		pd->state = PKERNFS_STATE_ADOPTED;
	f->iommu = z->iommu;
	f->did = did;
	return bad;
}

/* --- A memory error where they would be left ------------------------------------------ */

/* Block with a memory error, counted from the first one that is free */
static unsigned int pkernfs_two_bad;

/* It is passed over: nobody touches it, and all three devices are handed over beside it. */
static const char *pkernfs_two_bad_enter(struct pkernfs_fuzz *z)
{
	struct pkernfs_device *pd, *last = list_last_entry(&pkernfs_devices, typeof(*pd), node);
	struct pkernfs_sb *sb = (struct pkernfs_sb *)z->r.sb;
	/* Header and root table, a table for each (half) bus, what each device needs */
	const u64 blocks = z->scalable ? 2 + 3 + 3 * 2 : 2 + 2;
	const u64 start = le64_to_cpu(sb->handover.start);
	/* Header and root table are neighbours. */
	const u64 skipped = pkernfs_two_bad == 1 ? 2 : 1;
	const __le64 count = sb->handover.count;
	const char *bad = NULL;
	void *block;

	z->r.handover_next = z->tree_next;
	block = pkernfs_block(&z->r, start + z->tree_next + pkernfs_two_bad);
	memset(block, 0x5a, PKERNFS_BLOCK_SIZE);
	/* The first one of the area as well: what there is room for is counted from there. */
	if (pkernfs_bad_add(z->r.core, start) ||
	    pkernfs_bad_add(z->r.core, start + z->tree_next + pkernfs_two_bad))
		return "no memory error";
	if (pkernfs_handover_unit(z->iommu))
		bad = "the unit cannot be handed over";
	if (!bad && z->r.handover_next - z->tree_next != blocks + skipped)
		bad = "another number of blocks";
	z->r.handover_next = z->tree_next + (pkernfs_two_bad < 2 ? skipped : 0);
	bad = bad ?: pkernfs_two_prove(z, pkernfs_two_area(z), z->iommu, pkernfs_two_second);
	if (memchr_inv(block, 0x5a, PKERNFS_BLOCK_SIZE))
		bad = "the block with the memory error is written to";

	pkernfs_iommu_handover_cancel();
	z->r.handover_next = 0;
	list_for_each_entry(pd, &pkernfs_devices, node)
		pd->state = PKERNFS_STATE_ADOPTED;
	sb->handover.count = cpu_to_le64(blocks + 4);
	if (!bad && pkernfs_handover_room(last, z->iommu))
		bad = "no room where it is enough";
	sb->handover.count = cpu_to_le64(blocks);
	if (!bad && pkernfs_handover_room(last, z->iommu) != -ENOSPC)
		bad = "room in a block with a memory error";
	sb->handover.count = count;
	return bad;
}

static void pkernfs_two_units(struct kunit *test, bool scalable)
{
	struct pkernfs_fuzz *z = pkernfs_fuzz_make(test, scalable);
	struct intel_iommu *second = kunit_kzalloc(test, sizeof(*second), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, second);
	memcpy(second, z->iommu, sizeof(*second));
	z->iommu->seq_id = PKERNFS_TWO_SEQ_ID;
	second->seq_id = PKERNFS_TWO_SEQ_ID + 1;
	second->reg_phys += SZ_4K;
	pkernfs_two_second = second;
	z->enter = pkernfs_two_enter;
	KUNIT_EXPECT_STREQ(test, pkernfs_fuzz_run(z, NULL) ?: "", "");
	KUNIT_EXPECT_EQ(test, z->adopted, 3);
	z->enter = pkernfs_two_bad_enter;
	for (pkernfs_two_bad = 0; pkernfs_two_bad < 4; pkernfs_two_bad++)
		KUNIT_EXPECT_STREQ_MSG(test, pkernfs_fuzz_run(z, NULL) ?: "", "",
				       "memory error in block %u", pkernfs_two_bad);
	pkernfs_fuzz_exit(z);
}

static void pkernfs_two_units_legacy(struct kunit *test)
{
	pkernfs_two_units(test, false);
}

static void pkernfs_two_units_scalable(struct kunit *test)
{
	pkernfs_two_units(test, true);
}

/* --- Finding it --------------------------------------------------------------------- */

#define PKERNFS_UNITS_SMTS	BIT_ULL(43)

/**
 * struct pkernfs_units_case - what two units were left in
 * @name: shown when it fails
 * @scalable: mode of each
 * @smts: each is capable of scalable mode
 * @second_first: the kernel meets the second one first
 * @damaged: handover header that is damaged, 1 or 2, 0: neither
 * @ignored: the kernel does not drive the second one
 * @other: the second one's device was behind a unit with other capabilities
 * @few_buses: there are only those that the devices are on
 * @out_of_reach: no device can be stopped: units are kept on that have some that have failed
 * @adopted: the first one's two devices, and the second one's one, are adopted
 * @why: why the others are not
 */
struct pkernfs_units_case {
	const char *name;
	bool scalable[2], smts[2];
	bool second_first;
	unsigned int damaged;
	bool ignored, other, few_buses, out_of_reach;
	bool adopted[2];
	const char *why;
};

#define LEGACY	false
#define SCALABLE true
static const struct pkernfs_units_case pkernfs_units_cases[] = {
	{ "both", .adopted = { true, true } },
	{ "both, scalable", { SCALABLE, SCALABLE }, { true, true }, .adopted = { true, true } },
	{ "the second is damaged", .damaged = 2, .adopted = { true, false },
	  .why = "the handover header is damaged" },
	/* It must not stop what is proven only after it. */
	{ "the first is damaged", .damaged = 1, .adopted = { false, true },
	  .why = "the handover header is damaged" },
	{ "nobody drives the second", .ignored = true, .adopted = { true, false },
	  .why = "this kernel does not drive the unit" },
	{ "two modes", { LEGACY, SCALABLE }, { true, true }, .adopted = { true, false },
	  .why = "another unit was left in another mode" },
	{ "two modes, the other first", { LEGACY, SCALABLE }, { true, true },
	  .second_first = true, .adopted = { false, true },
	  .why = "another unit was left in another mode" },
	{ "another unit", .other = true, .adopted = { true, false },
	  .why = " has other capabilities than before" },
	{ "another unit, nobody to be stopped", .other = true, .out_of_reach = true,
	  .adopted = { true, false }, .why = " has other capabilities than before" },
	{ "the second is damaged, nobody to be stopped", .damaged = 2, .out_of_reach = true,
	  .adopted = { true, false }, .why = "the handover header is damaged" },
	{ "the second is damaged, MMCONFIG has a few buses", .damaged = 2, .few_buses = true,
	  .adopted = { true, false }, .why = "the handover header is damaged" },
	{ "one mode, and a unit that has no other", { LEGACY, SCALABLE }, { false, true },
	  .adopted = { true, true } },
};

static const u16 pkernfs_units_rids[] = { 0x0018, 0x0098, 0x0108 };
static const struct pkernfs_units_case *pkernfs_units_case;
static struct pkernfs_fuzz *pkernfs_units_fuzz;
static struct list_head *pkernfs_units_list;
static unsigned int pkernfs_units_stopped;	/* a bit for each of the rids */

static int pkernfs_units_region(phys_addr_t at, struct pkernfs_region **r,
				struct pkernfs_why *why)
{
	*r = &pkernfs_units_fuzz->r;
	return 1;
}

static void pkernfs_units_mode(bool scalable)
{
	intel_iommu_sm = scalable;
}

static int pkernfs_units_index(u16 rid)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(pkernfs_units_rids); i++)
		if (pkernfs_units_rids[i] == rid)
			return i;
	return -1;
}

/* The three devices are all that there is. */
static int pkernfs_units_config(u16 segment, u16 rid, u8 reg)
{
	if (pkernfs_units_case->out_of_reach)
		return -EINVAL;
	if (pkernfs_units_case->few_buses && rid > pkernfs_units_rids[2])
		return -EINVAL;
	if (segment || pkernfs_units_index(rid) < 0)
		return 0xffff;
	return reg == PCI_HEADER_TYPE ? PCI_HEADER_TYPE_NORMAL : 0x8086;
}

static void pkernfs_units_stop_rid(u16 segment, u16 rid)
{
	int i = pkernfs_units_index(rid);

	if (i >= 0)
		pkernfs_units_stopped |= BIT(i);
}

/* As if it had been frozen behind that unit, in the mode that this one is in */
static void pkernfs_units_record(struct pkernfs_fuzz *z, u32 slot, struct intel_iommu *iommu,
				 bool scalable)
{
	struct pkernfs_dev_record *rec = pkernfs_fuzz_record(z, slot);

	rec->iommu.drhd_base = cpu_to_le64(iommu->reg_phys);
	rec->iommu.cap = cpu_to_le64(iommu->cap);
	rec->iommu.ecap = cpu_to_le64(iommu->ecap);
	rec->iommu.mode = scalable ? PKERNFS_IOMMU_VTD_SCALABLE : PKERNFS_IOMMU_VTD_LEGACY;
	pkernfs_fuzz_seal_record(rec);
}

/* The last device goes from the handover of the first unit to one of the second. */
static phys_addr_t pkernfs_units_split(struct pkernfs_fuzz *z, struct intel_iommu *second,
				       bool scalable)
{
	struct pkernfs_tree t = {
		.scalable = scalable, .block = pkernfs_fuzz_handover, .arg = z,
	};
	struct pkernfs_handover *first = phys_to_virt(z->at), *h = pkernfs_fuzz_handover(z);
	const struct pkernfs_dev_record *rec = pkernfs_fuzz_record(z, 2);
	struct pkernfs_fixed f = {
		.iommu = second,
		.ss.root = le64_to_cpu(rec->iommu.ss_root),
		.aw = rec->iommu.aw,
		.did = le16_to_cpu(rec->iommu.did),
		.d.dirty_tracking = pkernfs_record_is_tracked(rec),
	};
	const u64 next = z->tree_next - 1;
	struct root_entry *root;

	t.root = pkernfs_fuzz_handover(z);
	intel_iommu_sm = scalable;
	pkernfs_tree_add(&t, &f, pkernfs_units_rids[2]);
	*h = *first;
	h->self = cpu_to_le64(virt_to_phys(h));
	h->drhd_base = cpu_to_le64(second->reg_phys);
	h->mode = cpu_to_le32(scalable ? PKERNFS_IOMMU_VTD_SCALABLE : PKERNFS_IOMMU_VTD_LEGACY);
	h->blocks = cpu_to_le32(z->tree_next - next);
	h->devices = cpu_to_le32(1);
	h->slot[0] = cpu_to_le32(2);
	pkernfs_fuzz_seal_handover(h);
	pkernfs_units_record(z, 2, second, scalable);

	/* It is the only one on its bus. */
	root = (void *)first + PKERNFS_BLOCK_SIZE;
	memset(&root[PCI_BUS_NUM(pkernfs_units_rids[2])], 0, sizeof(*root));
	first->devices = cpu_to_le32(2);
	pkernfs_fuzz_seal_handover(first);
	return virt_to_phys(h);
}

/* What became of each device */
static const char *pkernfs_units_check(struct pkernfs_fuzz *z)
{
	const struct pkernfs_units_case *c = pkernfs_units_case;
	struct pkernfs_device *pd;
	unsigned int seen = 0;
	const char *bad = NULL;

	list_for_each_entry(pd, &pkernfs_devices, node) {
		int i = pkernfs_units_index(pd->rid);
		bool good = c->adopted[i == 2];

		if (i < 0 || pd->region != &z->r)
			continue;
		seen |= BIT(i);
		if (pd->state != (good ? PKERNFS_STATE_ADOPTED : PKERNFS_STATE_FAILED))
			bad = "a device is adopted and should not be, or the other way round";
		else if (!good && strcmp(pd->why.text, c->why))
			bad = "it has failed for another reason";
	}
	if (seen != 7)
		return "not all devices are known";
	if (!c->out_of_reach &&
	    pkernfs_units_stopped != (c->adopted[0] ? 0 : 3) + (c->adopted[1] ? 0 : 4))
		return "other devices are stopped than those that have failed";
	return bad;
}

static const char * __init pkernfs_units_boot(struct pkernfs_fuzz *z)
{
	const struct pkernfs_units_case *c = pkernfs_units_case;
	struct dmar_drhd_unit *drhd;
	const char *bad = NULL, *bad_drop;
	phys_addr_t at[2] = { z->at };
	unsigned int i = 0;
	bool kept;
	int n;

	list_for_each_entry(drhd, pkernfs_units_list, list)
		if (drhd->iommu != z->iommu)
			at[1] = pkernfs_units_split(z, drhd->iommu, c->scalable[1]);
	for (i = 0; i < 2; i++)
		pkernfs_units_record(z, i, z->iommu, c->scalable[0]);
	if (c->other) {
		pkernfs_fuzz_record(z, 2)->iommu.cap ^= cpu_to_le64(1);
		pkernfs_fuzz_seal_record(pkernfs_fuzz_record(z, 2));
	}
	if (c->damaged)
		((struct pkernfs_handover *)phys_to_virt(at[c->damaged - 1]))->crc ^= 1;
	list_for_each_entry(drhd, pkernfs_units_list, list) {
		i = drhd->iommu != z->iommu;
		writel(DMA_GSTS_TES, drhd->iommu->reg + DMAR_GSTS_REG);
		writeq((at[i] + PKERNFS_BLOCK_SIZE) | (c->scalable[i] ? DMA_RTADDR_SMT : 0),
		       drhd->iommu->reg + DMAR_RTADDR_REG);
	}
	pkernfs_units_stopped = 0;
	intel_iommu_sm = !c->scalable[c->second_first];
	n = pkernfs_discover_units(pkernfs_units_list);
	if (n != (c->adopted[0] ? 2 : 0) + (c->adopted[1] ? 1 : 0))
		bad = "another number of devices can be adopted";
	list_for_each_entry(drhd, pkernfs_units_list, list) {
		i = drhd->iommu != z->iommu;
		kept = c->adopted[i] || c->out_of_reach;
		if (pkernfs_vtd_keep_translation(drhd->iommu) != kept)
			bad = bad ?: "a unit is kept on and should not be, or the other way round";
		/* What is adopted is in the mode that its unit is in. */
		if (c->adopted[i] && c->smts[i] && intel_iommu_sm != c->scalable[i])
			bad = bad ?: "the kernel is in another mode than a unit";
		/* The IOMMU driver ignores it only when PCI has been enumerated (igfx_off). */
		drhd->ignored = true;
		if (pkernfs_vtd_drive(drhd->iommu) != kept || drhd->ignored == kept)
			bad = bad ?: "a unit is driven and should not be, or the other way round";
	}
	bad = bad ?: pkernfs_units_check(z);
	bad_drop = z->r.core ? pkernfs_fuzz_drop(z) : "the region is not loaded";
	return bad ?: bad_drop;
}

static void __init pkernfs_units_one(struct kunit *test, const struct pkernfs_units_case *c,
				     unsigned int n)
{
	struct pkernfs_fuzz *z = pkernfs_fuzz_make(test, c->scalable[0]);
	struct intel_iommu *second = kunit_kzalloc(test, sizeof(*second), GFP_KERNEL);
	struct dmar_drhd_unit *drhd = kunit_kcalloc(test, 2, sizeof(*drhd), GFP_KERNEL);
	struct intel_iommu *unit[] = { z->iommu, second };
	LIST_HEAD(units);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, second);
	KUNIT_ASSERT_NOT_NULL(test, drhd);
	memcpy(second, z->iommu, sizeof(*second));
	second->reg_phys += SZ_4K;
	for (i = 0; i < 2; i++) {
		unit[i]->reg = (void __iomem *)kunit_kzalloc(test, SZ_4K, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, unit[i]->reg);
		/* No unit of this machine; what is noted of it is never taken back. */
		unit[i]->seq_id = PKERNFS_TWO_SEQ_ID - 2 * (n + 1) + i;
		if (c->smts[i])
			unit[i]->ecap |= PKERNFS_UNITS_SMTS;
		unit[i]->drhd = &drhd[i];
		drhd[i].iommu = unit[i];
		if (i && c->second_first)
			list_add(&drhd[i].list, &units);
		else
			list_add_tail(&drhd[i].list, &units);
	}
	drhd[1].ignored = c->ignored;
	if (c->out_of_reach)
		kunit_deactivate_static_stub(test, pkernfs_iommu_stop_rid);
	else
		kunit_activate_static_stub(test, pkernfs_iommu_stop_rid, pkernfs_units_stop_rid);
	kunit_activate_static_stub(test, pkernfs_handover_region, pkernfs_units_region);
	kunit_activate_static_stub(test, pkernfs_config_read, pkernfs_units_config);
	kunit_activate_static_stub(test, pkernfs_force_mode, pkernfs_units_mode);
	pkernfs_units_case = c;
	pkernfs_units_fuzz = z;
	pkernfs_units_list = &units;
	z->boot = pkernfs_units_boot;
	KUNIT_EXPECT_STREQ_MSG(test, pkernfs_fuzz_run(z, NULL) ?: "", "", "%s", c->name);
	pkernfs_fuzz_exit(z);
}

static void __init pkernfs_units_found(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pkernfs_units_cases); i++)
		pkernfs_units_one(test, &pkernfs_units_cases[i], i);
}

static struct kunit_case __refdata pkernfs_units_tests[] = {
	KUNIT_CASE(pkernfs_two_units_legacy),
	KUNIT_CASE(pkernfs_two_units_scalable),
	KUNIT_CASE_SLOW(pkernfs_units_found),
	{}
};

/* At boot only: discovery is gone after it. */
static struct kunit_suite pkernfs_units_suite = {
	.name = "pkernfs_units",
	.suite_init = pkernfs_fuzz_suite_init,
	.suite_exit = pkernfs_fuzz_suite_exit,
	.test_cases = pkernfs_units_tests,
};

kunit_test_init_section_suite(pkernfs_units_suite);
