// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: how a kernel takes over what the one before left in its VT-d units.
 *
 * It finds the handover (pkernfs_handover.c) through the units' own registers, proves
 * every part, and enters the preserved devices in its own tables before it points the
 * unit there. Translation is never off with a preserved device behind the unit.
 *
 * Source: VT-d specification 4.1, 11.4.3 "Extended Capability", 11.4.4 "Global Command
 * and Status", 11.4.5 "Root Table Address".
 */
#include <kunit/static_stub.h>
#include <linux/crash_dump.h>
#include <linux/crc32c.h>
#include <linux/dmar.h>
#include <linux/io.h>
#include <linux/pci.h>
#include <linux/pkernfs.h>
#include <linux/pkernfs_compat.h>
#include <linux/pkernfs_iommu.h>
#include <linux/pkernfs_pci.h>
#include <linux/string_choices.h>
#include <asm/e820/api.h>

#include "iommu.h"
#include "pkernfs.h"

/* Translation table mode in the root table address register (11.4.5) */
#define PKERNFS_RTADDR_TTM	GENMASK_ULL(11, 10)

/* Extended capabilities that dirty bits need, ecap_slads() and ecap_smpwc() (11.4.3) */
#define PKERNFS_ECAP_SSADS	BIT_ULL(45)
#define PKERNFS_ECAP_SMPWC	BIT_ULL(48)

/* The driver is on for the preserved devices alone */
static bool pkernfs_forced_on;
/* Units that the kernel before handed over, by seq_id */
static bool pkernfs_handed_over[DMAR_UNITS_SUPPORTED];

/* --- Finding ------------------------------------------------------------------ */

/* The log has a line about it. */
static bool pkernfs_is_failed(u16 segment, u16 rid)
{
	struct pkernfs_device *pd;

	list_for_each_entry(pd, &pkernfs_devices, node)
		if (pd->segment == segment && pd->rid == rid &&
		    pd->state == PKERNFS_STATE_FAILED)
			return true;
	return false;
}

/* Devices that the hardware lets through and that no proven record names */
static void pkernfs_stop_unnamed(const struct pkernfs_region *r, const struct pkernfs_tree *t,
				 u16 segment)
{
	unsigned int rid;

	for (rid = 0; rid < 1 << 16; rid++) {
		struct context_entry *context = pkernfs_tree_context(t, rid);
		struct pkernfs_device *pd;

		if (!context || !context_present(context))
			continue;
		pd = pkernfs_device_find(segment, rid);
		if (pd && pd->state == PKERNFS_STATE_ADOPTED)
			continue;
		pkernfs_iommu_stop_rid(segment, rid);
		if (!pkernfs_is_failed(segment, rid))
			pr_err("pkernfs: %04x:%02x:%02x.%d is cut off: %s\n", segment, rid >> 8,
			       PCI_SLOT(rid), PCI_FUNC(rid),
			       r->handover_why.text[0] ? r->handover_why.text :
							 "the handover does not name it");
	}
}

/*
 * Translation is on when firmware protects the machine against DMA, too, and its
 * tables are in reserved memory. Ours are in a region, or have at least one of
 * two marks; with neither they are nobody's that we know.
 *
 * 1: @r is the region. 0: not ours. Negative: none can be had, for the reason @why; @r is
 * one that is in its place, to tell of it, or NULL.
 */
int __init pkernfs_handover_region(phys_addr_t at, struct pkernfs_region **r,
				   struct pkernfs_why *why)
{
	struct pkernfs_handover *h;
	const char *reason;
	bool ours, whole;
	u64 base, bytes;

	KUNIT_STATIC_STUB_REDIRECT(pkernfs_handover_region, at, r, why);
	*r = pkernfs_region_find(at, 2 * PKERNFS_BLOCK_SIZE);
	if (*r)
		return 1;
	strscpy(why->text, "no region is there, and its header proves nothing");
	/* Nobody named the region on the command line: the header does. */
	h = memremap(at, PKERNFS_BLOCK_SIZE, MEMREMAP_WB);
	if (!h)
		return -ENXIO;
	ours = h->magic == cpu_to_le32(PKERNFS_HANDOVER_MAGIC) ||
	       le64_to_cpu(h->self) == at;
	base = le64_to_cpu(h->region_base);
	bytes = le64_to_cpu(h->region_bytes);
	whole = h->magic == cpu_to_le32(PKERNFS_HANDOVER_MAGIC) &&
		le64_to_cpu(h->self) == at &&
		le32_to_cpu(h->crc) == crc32c(~0, h, offsetof(struct pkernfs_handover, crc)) &&
		base <= at && bytes >= 2 * PKERNFS_BLOCK_SIZE &&
		at - base <= bytes - 2 * PKERNFS_BLOCK_SIZE;
	memunmap(h);
	if (!whole)
		return ours ? -ENXIO : 0;
	*r = pkernfs_region_claim(base, bytes, &reason);
	if (*r)
		return 1;
	*r = pkernfs_region_touching(base, bytes);
	snprintf(why->text, sizeof(why->text), "its region is %#llx@%#llx, which %s", bytes,
		 base, reason);
	return -ENXIO;
}

/* What was computed of each unit for another mode is computed again. */
void pkernfs_force_mode(bool scalable)
{
	struct dmar_drhd_unit *drhd;
	struct intel_iommu *iommu;

	KUNIT_STATIC_STUB_REDIRECT(pkernfs_force_mode, scalable);
	if (intel_iommu_sm == scalable)
		return;
	intel_iommu_sm = scalable;
	for_each_active_iommu(iommu, drhd) {
		iommu->agaw = iommu_calculate_agaw(iommu);
		iommu->msagaw = iommu_calculate_max_sagaw(iommu);
	}
}

/*
 * A crash kernel copies the tables of the one that crashed, and so has to be in its
 * mode. That one may have been forced into it, against a command line that is the
 * crash kernel's, too; and into using the units at all.
 */
static void __init pkernfs_follow_crashed(void)
{
	struct dmar_drhd_unit *drhd;
	struct intel_iommu *iommu;

	for_each_active_iommu(iommu, drhd) {
		if (!(readl(iommu->reg + DMAR_GSTS_REG) & DMA_GSTS_TES))
			continue;
		if (ecap_smts(iommu->ecap))
			pkernfs_force_mode(readq(iommu->reg + DMAR_RTADDR_REG) & DMA_RTADDR_SMT);
		if (dmar_policy_off())
			dmar_policy = DMAR_ON;
		no_iommu = 0;
	}
}

/*
 * Preserved devices need the mode that their unit is in, whatever the command line
 * wants. False if another unit needs the other one: @set tells whether one has set it.
 */
static bool pkernfs_set_mode(struct intel_iommu *iommu, bool scalable, bool *set)
{
	/* A unit without scalable mode is in legacy mode in either. */
	if (!ecap_smts(iommu->ecap))
		return true;
	if (*set)
		return intel_iommu_sm == scalable;
	*set = true;
	if (intel_iommu_sm != scalable)
		pr_warn("pkernfs: scalable mode is forced %s for the preserved devices\n",
			str_on_off(scalable));
	pkernfs_force_mode(scalable);
	return true;
}

/*
 * Its translation stays on until this kernel's own tables are there, which have an entry of
 * each device that is adopted, and none of one that could not be stopped.
 */
static void __init pkernfs_keep_unit(struct intel_iommu *iommu)
{
	pkernfs_handed_over[iommu->seq_id] = true;
	/* The unit has to be driven, and in the mode that it is in. */
	if (dmar_policy_off()) {
		pr_warn("pkernfs: intel_iommu is forced on for the preserved devices\n");
		dmar_policy = DMAR_FORCE_ON;
		pkernfs_forced_on = true;
	}
	no_iommu = 0;
}

/* Number of devices that can be adopted; negative: it proves nothing */
static int __init pkernfs_discover_unit(struct intel_iommu *iommu, bool *mode_set)
{
	struct pkernfs_region *r;
	struct pkernfs_tree t;
	struct pkernfs_why why;
	const char *reason;
	unsigned int good, named;
	phys_addr_t root, at;
	u64 rtaddr;
	int found;

	pkernfs_out_of_reach = false;
	if (!(readl(iommu->reg + DMAR_GSTS_REG) & DMA_GSTS_TES))
		return 0;
	rtaddr = readq(iommu->reg + DMAR_RTADDR_REG);
	root = rtaddr & VTD_PAGE_MASK;
	if (root < PKERNFS_BLOCK_SIZE)
		return 0;
	at = root - PKERNFS_BLOCK_SIZE;
	if (!e820__mapped_all(at, root + PKERNFS_BLOCK_SIZE, E820_TYPE_RESERVED))
		return 0;

	found = pkernfs_handover_region(at, &r, &why);
	if (!found)
		return 0;
	pkernfs_pci_force_options();
	if (found < 0) {
		reason = why.text;
		goto unprovable;
	}
	reason = pkernfs_prove_unit(iommu, at, rtaddr & PKERNFS_RTADDR_TTM, r, &t, &why);
	if (reason)
		goto unprovable;
	/* One mode for all units that could be in either, as one kernel had them. */
	if (!pkernfs_set_mode(iommu, t.scalable, mode_set)) {
		reason = "another unit was left in another mode";
		goto unprovable;
	}
	if (iommu->drhd->ignored) {
		reason = "this kernel does not drive the unit";
		goto unprovable;
	}

	good = pkernfs_prove_devices(iommu, r, &t, &named);
	pkernfs_stop_unnamed(r, &t, iommu->segment);
	if (good || pkernfs_out_of_reach)
		pkernfs_keep_unit(iommu);
	pr_info("pkernfs: %s: handover found at %pa, %u of %u device(s) proven\n",
		iommu->name, &at, good, named);
	return good;

unprovable:
	pr_err("pkernfs: %s: translation is on with its root table in reserved memory at %pa, but %s; devices are stopped\n",
	       iommu->name, &root, reason);
	if (r)
		pkernfs_record_cut_off(r, iommu->reg_phys, reason);
	return -EUCLEAN;
}

/* No emulated unit sets dirty bits: of a test this says that it does so itself. */
static void __init pkernfs_test_ssads(void)
{
	struct dmar_drhd_unit *drhd;
	struct intel_iommu *iommu;

	if (!pkernfs_test(PKERNFS_TEST_SSADS))
		return;
	for_each_iommu(iommu, drhd)
		iommu->ecap |= PKERNFS_ECAP_SSADS | PKERNFS_ECAP_SMPWC;
}

/**
 * pkernfs_discover_units - find and prove what has been left in these units
 * @units: list of struct dmar_drhd_unit
 *
 * Return: number of devices that can be adopted
 */
int __init pkernfs_discover_units(struct list_head *units)
{
	DECLARE_BITMAP(unprovable, DMAR_UNITS_SUPPORTED) = {};
	bool mode_set = false, scalable;
	struct dmar_drhd_unit *drhd;
	int ret, n = 0;

	/* Boot is single-threaded: the lock would only be in the way of others. */
	list_for_each_entry(drhd, units, list) {
		ret = pkernfs_discover_unit(drhd->iommu, &mode_set);
		if (ret < 0)
			__set_bit(drhd->iommu->seq_id, unprovable);
		else
			n += ret;
	}
	/* When it is known which devices the others have proven. */
	list_for_each_entry(drhd, units, list) {
		if (!test_bit(drhd->iommu->seq_id, unprovable))
			continue;
		pkernfs_out_of_reach = false;
		pkernfs_stop_all(drhd->iommu->segment);
		scalable = readq(drhd->iommu->reg + DMAR_RTADDR_REG) & DMA_RTADDR_SMT;
		if (pkernfs_out_of_reach && !drhd->ignored &&
		    pkernfs_set_mode(drhd->iommu, scalable, &mode_set))
			pkernfs_keep_unit(drhd->iommu);
	}
	return n;
}

/*
 * Without memory for the list of units, or with acpi=off. What the hardware lets through
 * cannot be told then, and is not changed: who has a sound record may be at work.
 */
static void __init pkernfs_discover_none(int error)
{
	struct pkernfs_why why;
	unsigned int i;

	if (is_kdump_kernel())
		return;
	snprintf(why.text, sizeof(why.text), "the remapping units cannot be found (%d)", error);
	for (i = 0; i < pkernfs_region_count(); i++)
		pkernfs_record_cut_off(pkernfs_region_get(i), 0, why.text);
}

/**
 * pkernfs_iommu_discover - find and prove what the kernel before handed over
 *
 * By hardware first: a unit with translation on and its root table in reserved
 * memory was handed over, whatever the command line says. Must run before PCI is
 * enumerated. What cannot be proven is cut off here.
 *
 * Return: number of devices that can be adopted
 */
int __init pkernfs_iommu_discover(void)
{
	int ret;

	/* The tables of a crashed kernel are kdump's to copy. */
	if (is_kdump_kernel() && !pkernfs_region_count())
		return 0;

	/*
	 * With interrupt remapping the units are known by now. Without it, and
	 * with the IOMMU off on the command line, they have to be found all the
	 * same: the hardware is what it was left as.
	 */
	down_write(&dmar_global_lock);
	ret = dmar_table_init();
	up_write(&dmar_global_lock);
	if (ret) {
		pkernfs_discover_none(ret);
		return 0;
	}

	pkernfs_test_ssads();
	if (is_kdump_kernel()) {
		pkernfs_follow_crashed();
		return 0;
	}
	return pkernfs_discover_units(&dmar_drhd_units);
}

/* --- Adopting ----------------------------------------------------------------- */

/**
 * pkernfs_vtd_keep_translation - must translation of a unit stay on at boot?
 * @iommu: unit whose translation the kernel before left on
 */
bool pkernfs_vtd_keep_translation(struct intel_iommu *iommu)
{
	if (!pkernfs_handed_over[iommu->seq_id])
		return false;
	pkernfs_test_fail_begin();
	return true;
}

/**
 * pkernfs_vtd_drive - has a unit to be driven that the IOMMU driver would leave alone?
 * @iommu: unit that it ignores, for a reason that was not there at discovery: igfx_off, or no
 *	device in its scope
 *
 * Return: true if it is ignored no longer, for the preserved devices
 */
bool pkernfs_vtd_drive(struct intel_iommu *iommu)
{
	if (!pkernfs_handed_over[iommu->seq_id])
		return false;
	pr_warn("pkernfs: %s is driven for the preserved devices\n", iommu->name);
	iommu->drhd->ignored = 0;
	return true;
}

/**
 * pkernfs_adopt_entry - enter a proven device in this kernel's own tables
 * @pd: device
 *
 * Context: the unit's root table is not in use yet
 * Return: 0; or -EUCLEAN, with the device stopped, and nothing of it in the tables
 */
int pkernfs_adopt_entry(struct pkernfs_device *pd)
{
	struct pkernfs_fixed *f = pkernfs_to_fixed(pd->fixed);
	u16 did = le16_to_cpu(pd->rec->iommu.did);
	int ret;

	ret = pkernfs_fixed_take_did(f, did);
	if (ret)
		return pkernfs_device_fail(pd, "domain id %u cannot be had (%d)", did, ret);

	if (pkernfs_entry_adopt(f, pd->rid)) {
		domain_detach_iommu(&f->d, f->iommu);
		return pkernfs_device_fail(pd, "no memory");
	}
	return 0;
}

static int pkernfs_adopt_device(struct pkernfs_device *pd)
{
	struct intel_iommu *iommu = pkernfs_to_fixed(pd->fixed)->iommu;

	if (!pd->pdev)
		return pkernfs_device_fail(pd, "it was not found on its bus");
	/* FREEZE has seen none: this kernel's DMAR table is another one. */
	if (pkernfs_vtd_has_rmrr(iommu))
		return pkernfs_device_fail(pd, "%s has a device with reserved memory (RMRR)",
					   iommu->name);
	return pkernfs_adopt_entry(pd);
}

/*
 * The unit's fault interrupt is allocated already, and the unit does not know: to allocate
 * it is the last thing that the driver's start does, and it fails.
 */
static void pkernfs_test_init_fails(struct intel_iommu *iommu)
{
	if (!pkernfs_test(PKERNFS_TEST_INIT_FAILS))
		return;
	if (!iommu->irq)
		dmar_alloc_hwirq(iommu->seq_id, iommu->node, iommu);
	iommu->irq = 0;
}

/**
 * pkernfs_vtd_adopt - enter preserved devices in this kernel's context tables
 * @iommu: unit with its new, empty root table, which hardware does not use yet
 *
 * Context: init_dmars(), before the new root table is set
 * Return: true if the unit was handed over; there is nothing to copy then
 */
bool pkernfs_vtd_adopt(struct intel_iommu *iommu)
{
	struct pkernfs_device *pd;
	unsigned int n = 0;

	if (!pkernfs_handed_over[iommu->seq_id])
		return false;
	list_for_each_entry(pd, &pkernfs_devices, node)
		if (pd->state == PKERNFS_STATE_ADOPTED &&
		    pkernfs_to_fixed(pd->fixed)->iommu == iommu &&
		    !pkernfs_adopt_device(pd))
			n++;
	iommu->flags &= ~VTD_FLAG_TRANS_PRE_ENABLED;
	pr_info("pkernfs: %s: %u device(s) entered in this kernel's tables, translation stays on\n",
		iommu->name, n);
	pkernfs_test_init_fails(iommu);
	return true;
}

/**
 * pkernfs_vtd_init_failed - the IOMMU driver gives up its start
 *
 * What it frees, hardware may be using. So the preserved devices are stopped. May be
 * called twice.
 *
 * Context: boot, dmar_global_lock held
 */
void pkernfs_vtd_init_failed(void)
{
	struct pkernfs_device *pd;

	list_for_each_entry(pd, &pkernfs_devices, node) {
		struct pkernfs_fixed *f;

		if (pd->state != PKERNFS_STATE_ADOPTED || !pd->fixed)
			continue;
		f = pkernfs_to_fixed(pd->fixed);
		pkernfs_device_fail(pd, "the IOMMU driver does not start");
		if (f->did)
			domain_detach_iommu(&f->d, f->iommu);
		f->did = 0;
	}
	/* With force on it would be a panic, and the devices are stopped already. */
	if (pkernfs_forced_on)
		dmar_policy = DMAR_USER_OFF;
}
