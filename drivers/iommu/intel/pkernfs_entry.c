// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: the entry that names a device's tables and domain id, in both modes.
 *
 * In legacy mode that is its context entry. In scalable mode it is the PASID
 * table entry of requests without PASID, and the context entry only leads there:
 * for second-stage translation all that matters is in its first 16 bytes. So in
 * both modes a device goes from one domain to another by one 16-byte write.
 *
 * Source: VT-d specification 4.1, 9.1 and 9.2 "Root Entry", 9.3 "Context Entry",
 * 9.4 "Scalable-Mode Context Entry", 9.5 "PASID Directory Entry", 9.6 "PASID
 * Table Entry", 6.5.3.3 "Guidance to Software for Invalidations". That hardware
 * fetches these 16 bytes in one piece follows from 9.3 and 9.6, and from what irq
 * remapping relies on for posted entries (modify_irte()).
 */
#include <linux/pci.h>
#include <linux/pkernfs.h>
#include <linux/pkernfs_iommu.h>
#include <linux/pkernfs_pci.h>
#include <linux/slab.h>

#include "iommu.h"
#include "pasid.h"
#include "../iommu-pages.h"
#include "pkernfs.h"

/* One 4 KiB page of directory, as intel_pasid_alloc_table() makes without PASIDs */
#define PKERNFS_PASID_PDES	(SZ_4K / sizeof(struct pasid_dir_entry))

/* --- A device that runs ------------------------------------------------------- */

static union pkernfs_entry *pkernfs_entry_of(struct device_domain_info *info)
{
	struct pasid_entry *table;

	if (!sm_supported(info->iommu))
		return (void *)iommu_context_addr(info->iommu, info->bus, info->devfn, 0);
	if (!info->pasid_table)
		return NULL;
	table = get_pasid_table_from_pde(info->pasid_table->table);
	return table ? (void *)&table[IOMMU_NO_PASID] : NULL;
}

static bool pkernfs_entry_second_stage(struct intel_iommu *iommu,
				       const union pkernfs_entry *e)
{
	const u64 pgtt = PKERNFS_PASID_PGTT | PASID_PTE_PRESENT;

	if (!sm_supported(iommu))
		return (e->lo & 0xf) == 1;
	return (e->lo & pgtt) == (FIELD_PREP(PKERNFS_PASID_PGTT, PASID_ENTRY_PGTT_SL_ONLY) |
				  PASID_PTE_PRESENT);
}

static void pkernfs_entry_flush(struct device_domain_info *info, void *at, u16 did)
{
	struct intel_iommu *iommu = info->iommu;

	if (!sm_supported(iommu)) {
		intel_context_flush_no_pasid(info, at, did,
					     PCI_DEVID(info->bus, info->devfn));
		return;
	}
	qi_flush_pasid_cache(iommu, did, QI_PC_PASID_SEL, IOMMU_NO_PASID);
	iommu->flush.flush_iotlb(iommu, did, 0, 0, DMA_TLB_DSI_FLUSH);
}

/* Mutants, for tests that have to notice them: anything but one atomic write */
static void pkernfs_entry_break(struct device_domain_info *info, union pkernfs_entry *at,
				union pkernfs_entry e, union pkernfs_entry new, u16 did)
{
	bool sm = sm_supported(info->iommu);

	if (pkernfs_test(PKERNFS_TEST_CLEAR_FIRST)) {
		/* QEMU 7.2 goes on with a PASID entry whose present bit is clear. */
		e.lo = sm ? 0 : e.lo & ~1ULL;
	} else {
		/* Written: the half with the address width, and a wrong one. */
		if (sm)
			e.lo = new.lo ^ PKERNFS_PASID_AW;
		else
			e.hi = new.hi ^ PKERNFS_CONTEXT_AW;
	}
	WRITE_ONCE(at->hi, e.hi);
	WRITE_ONCE(at->lo, e.lo);
	__iommu_flush_cache(info->iommu, at, sizeof(*at));
	pkernfs_entry_flush(info, at, did);
	pkernfs_test_window();
	WRITE_ONCE(at->hi, new.hi);
	WRITE_ONCE(at->lo, new.lo);
}

/**
 * pkernfs_entry_switch - bring a device to other tables
 * @info: device; its entry is present and of the second stage
 * @to: tables and domain id
 *
 * Writes the entry in one piece, then lets go of what is cached under the old
 * domain id. The one place where hardware that runs is switched.
 *
 * Context: group's mutex held; no sleep
 * Return: 0, -ENODEV when there is no such entry
 */
int pkernfs_entry_switch(struct device_domain_info *info, const struct pkernfs_aim *to)
{
	struct intel_iommu *iommu = info->iommu;
	union pkernfs_entry old, new, *at;
	u16 did;

	spin_lock(&iommu->lock);
	at = pkernfs_entry_of(info);
	if (!at || !pkernfs_entry_second_stage(iommu, at)) {
		spin_unlock(&iommu->lock);
		return -ENODEV;
	}
	old = *at;
	new = old;
	new.lo = (old.lo & ~VTD_PAGE_MASK) | (to->ss_root & VTD_PAGE_MASK);
	if (sm_supported(iommu)) {
		did = FIELD_GET(PKERNFS_PASID_DID, old.hi);
		new.lo = (new.lo & ~(PKERNFS_PASID_AW | PKERNFS_PASID_SSADE)) |
			 FIELD_PREP(PKERNFS_PASID_AW, to->aw) |
			 (to->dirty ? PKERNFS_PASID_SSADE : 0);
		/* Tables that need not be snooped are flushed: it is right for both. */
		new.hi = (old.hi & ~(PKERNFS_PASID_DID | PKERNFS_PASID_PWSNP)) |
			 FIELD_PREP(PKERNFS_PASID_DID, to->did) |
			 (ecap_smpwc(iommu->ecap) ? PKERNFS_PASID_PWSNP : 0);
	} else {
		did = FIELD_GET(PKERNFS_CONTEXT_DID, old.hi);
		new.hi = (old.hi & ~(PKERNFS_CONTEXT_AW | PKERNFS_CONTEXT_DID)) |
			 FIELD_PREP(PKERNFS_CONTEXT_AW, to->aw) |
			 FIELD_PREP(PKERNFS_CONTEXT_DID, to->did);
	}

	if (pkernfs_test(PKERNFS_TEST_CLEAR_FIRST) || pkernfs_test(PKERNFS_TEST_HALF_FIRST)) {
		pkernfs_entry_break(info, at, old, new, did);
	} else if (!try_cmpxchg128(&at->whole, &old.whole, new.whole)) {
		/* Nobody but us writes a present entry under iommu->lock. */
		spin_unlock(&iommu->lock);
		WARN_ON_ONCE(1);
		return -EBUSY;
	}
	__iommu_flush_cache(iommu, at, sizeof(*at));
	spin_unlock(&iommu->lock);

	iommu_flush_write_buffer(iommu);
	pkernfs_entry_flush(info, at, did);
	return 0;
}

/* --- The kernel that comes ------------------------------------------------------- */

static struct pasid_table *pkernfs_pasid_table(struct intel_iommu *iommu,
					       union pkernfs_entry entry)
{
	struct pasid_table *t = kzalloc_obj(*t);
	struct pasid_dir_entry *dir;
	union pkernfs_entry *table;

	if (!t)
		return NULL;
	dir = iommu_alloc_pages_node_sz(iommu->node, GFP_KERNEL, SZ_4K);
	table = iommu_alloc_pages_node_sz(iommu->node, GFP_KERNEL, SZ_4K);
	if (!dir || !table) {
		iommu_free_pages(dir);
		iommu_free_pages(table);
		kfree(t);
		return NULL;
	}
	*table = entry;
	dir->val = virt_to_phys(table) | PASID_PTE_PRESENT;
	__iommu_flush_cache(iommu, table, SZ_4K);
	__iommu_flush_cache(iommu, dir, SZ_4K);
	t->table = dir;
	t->max_pasid = PKERNFS_PASID_PDES << PASID_PDE_SHIFT;
	return t;
}

static void pkernfs_pasid_table_free(struct pasid_table *t)
{
	if (!t)
		return;
	iommu_free_pages(get_pasid_table_from_pde(t->table));
	iommu_free_pages(t->table);
	kfree(t);
}

/**
 * pkernfs_entry_adopt - enter a preserved device in this kernel's own tables
 * @f: fixed domain, its domain id taken
 * @rid: bus << 8 | devfn
 *
 * The PASID table of a device is made when the IOMMU driver meets it, which is
 * later: until then @f has it.
 *
 * Context: the unit's root table is not in use yet
 * Return: 0 or -ENOMEM
 */
int pkernfs_entry_adopt(struct pkernfs_fixed *f, u16 rid)
{
	struct intel_iommu *iommu = f->iommu;
	const struct pkernfs_aim to = pkernfs_fixed_aim(f);
	union pkernfs_entry entry = pkernfs_entry_make(iommu, &to);
	struct context_entry *at;

	if (sm_supported(iommu)) {
		f->pasid_table = pkernfs_pasid_table(iommu, entry);
		if (!f->pasid_table)
			return -ENOMEM;
		entry.lo = virt_to_phys(f->pasid_table->table) | 1 |
			   FIELD_PREP(PKERNFS_CONTEXT_PDTS, ilog2(PKERNFS_PASID_PDES) - 7);
		entry.hi = IOMMU_NO_PASID;
	}
	spin_lock(&iommu->lock);
	at = iommu_context_addr(iommu, PCI_BUS_NUM(rid), rid & 0xff, 1);
	if (at) {
		at->hi = entry.hi;
		at->lo = entry.lo;
		__iommu_flush_cache(iommu, at, sizeof(*at));
	}
	spin_unlock(&iommu->lock);
	if (at)
		return 0;
	pkernfs_entry_forget(f);
	return -ENOMEM;
}

/**
 * pkernfs_entry_take - the IOMMU driver knows the device now: the rest is its own
 * @f: fixed domain
 * @dev: device, whose PASID table is still empty
 */
void pkernfs_entry_take(struct pkernfs_fixed *f, struct device *dev)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);

	if (!f->pasid_table)
		return;
	/* Its context entry was there: the table made at its probe is unused. */
	intel_pasid_free_table(dev);
	info->pasid_table = f->pasid_table;
	f->pasid_table = NULL;
}

/**
 * pkernfs_entry_cut_off - take a stopped device's entry out of this kernel's tables
 * @f: fixed domain
 * @dev: the device; NULL: the IOMMU driver does not know it, or is about to forget it
 * @rid: bus << 8 | devfn
 *
 * After it the device is as one that has no domain yet.
 */
void pkernfs_entry_cut_off(struct pkernfs_fixed *f, struct device *dev, u16 rid)
{
	struct intel_iommu *iommu = f->iommu;
	struct context_entry *at;

	spin_lock(&iommu->lock);
	at = iommu_context_addr(iommu, PCI_BUS_NUM(rid), rid & 0xff, 0);
	if (at) {
		context_clear_present(at);
		__iommu_flush_cache(iommu, at, sizeof(*at));
	}
	spin_unlock(&iommu->lock);
	iommu->flush.flush_context(iommu, f->did, rid, DMA_CCMD_MASK_NOBIT,
				   DMA_CCMD_DEVICE_INVL);
	if (sm_supported(iommu))
		qi_flush_pasid_cache(iommu, f->did, QI_PC_ALL_PASIDS, 0);
	iommu->flush.flush_iotlb(iommu, f->did, 0, 0, DMA_TLB_DSI_FLUSH);
	if (at) {
		context_clear_entry(at);
		__iommu_flush_cache(iommu, at, sizeof(*at));
	}
	pkernfs_entry_forget(f);
	if (dev && sm_supported(iommu) && intel_pasid_setup_sm_context(dev))
		dev_warn(dev, "pkernfs: no context entry, its DMA stays blocked\n");
}

/**
 * pkernfs_entry_forget - free what pkernfs_entry_adopt() made and nobody took
 * @f: fixed domain that no hardware uses
 */
void pkernfs_entry_forget(struct pkernfs_fixed *f)
{
	pkernfs_pasid_table_free(f->pasid_table);
	f->pasid_table = NULL;
}

/* --- A driver that does not have it ----------------------------------------------- */

/* Nobody could take back what the IOMMU driver does not have, nor have it released. */
static void pkernfs_entry_lost(struct pkernfs_device *pd)
{
	struct pkernfs_fixed *f = pkernfs_to_fixed(pd->fixed);

	pkernfs_device_fail(pd, "the IOMMU driver does not keep it");
	/* One that has come to its domain is blocked by the IOMMU core. */
	if (!f->did || !list_empty(&f->d.devices))
		return;
	pkernfs_entry_cut_off(f, NULL, pd->rid);
	domain_detach_iommu(&f->d, f->iommu);
	f->did = 0;
}

/**
 * __pkernfs_let_go - see pkernfs_let_go()
 * @dev: any device
 */
void __pkernfs_let_go(struct device *dev)
{
	struct pkernfs_device *pd;
	struct pci_dev *pdev;

	if (!dev_is_pci(dev))
		return;
	pdev = to_pci_dev(dev);
	pd = pkernfs_device_find(pci_domain_nr(pdev->bus), pci_dev_id(pdev));
	/* One that is unplugged is not kept any more, or gone. */
	if (pd && pd->pdev == pdev && pd->state == PKERNFS_STATE_ADOPTED && pd->fixed &&
	    pkernfs_pci_kept(pdev) && !pci_dev_is_disconnected(pdev))
		pkernfs_entry_lost(pd);
}

/**
 * pkernfs_iommu_settle - the IOMMU driver has started
 *
 * A device that it has not brought to its fixed domain by now it never will.
 *
 * Context: boot
 */
void __init pkernfs_iommu_settle(void)
{
	struct pkernfs_device *pd;

	list_for_each_entry(pd, &pkernfs_devices, node)
		if (pd->state == PKERNFS_STATE_ADOPTED && pd->fixed &&
		    list_empty(&pkernfs_to_fixed(pd->fixed)->d.devices))
			pkernfs_entry_lost(pd);
}
