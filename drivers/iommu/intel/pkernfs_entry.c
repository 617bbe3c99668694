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
#include <linux/slab.h>

#include "iommu.h"
#include "pasid.h"
#include "../iommu-pages.h"
#include "pkernfs.h"

/* Context entry, legacy mode: upper half */
#define PKERNFS_CONTEXT_AW	GENMASK_ULL(2, 0)
#define PKERNFS_CONTEXT_DID	GENMASK_ULL(23, 8)
/* Context entry, scalable mode: number of entries in the PASID directory */
#define PKERNFS_CONTEXT_PDTS	GENMASK_ULL(11, 9)
/* PASID table entry: first and second 8 bytes */
#define PKERNFS_PASID_AW	GENMASK_ULL(4, 2)
#define PKERNFS_PASID_PGTT	GENMASK_ULL(8, 6)
#define PKERNFS_PASID_SSADE	BIT_ULL(9)
#define PKERNFS_PASID_DID	GENMASK_ULL(15, 0)
#define PKERNFS_PASID_PWSNP	BIT_ULL(23)

/* One 4 KiB page of directory, as intel_pasid_alloc_table() makes without PASIDs */
#define PKERNFS_PASID_PDES	(SZ_4K / sizeof(struct pasid_dir_entry))

union pkernfs_entry {
	struct {
		u64 lo, hi;
	};
	u128 whole;
};

static union pkernfs_entry pkernfs_entry_make(struct intel_iommu *iommu,
					      const struct pkernfs_aim *to)
{
	struct context_entry c = {};
	union pkernfs_entry e = {};

	if (sm_supported(iommu)) {
		e.lo = (to->ss_root & VTD_PAGE_MASK) | PASID_PTE_PRESENT |
		       FIELD_PREP(PKERNFS_PASID_AW, to->aw) |
		       FIELD_PREP(PKERNFS_PASID_PGTT, PASID_ENTRY_PGTT_SL_ONLY);
		e.hi = FIELD_PREP(PKERNFS_PASID_DID, to->did) |
		       (ecap_smpwc(iommu->ecap) ? PKERNFS_PASID_PWSNP : 0);
		return e;
	}
	context_set_domain_id(&c, to->did);
	context_set_address_root(&c, to->ss_root);
	context_set_address_width(&c, to->aw);
	context_set_translation_type(&c, CONTEXT_TT_MULTI_LEVEL);
	context_set_fault_enable(&c);
	context_set_present(&c);
	e.lo = c.lo;
	e.hi = c.hi;
	return e;
}

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
			 FIELD_PREP(PKERNFS_PASID_AW, to->aw);
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

/* --- The tree that a unit is left with at kexec --------------------------------- */

/* Where a root entry names the context table of a function */
static u64 *pkernfs_tree_half(const struct pkernfs_tree *t, u16 rid)
{
	struct root_entry *re = &t->root[PCI_BUS_NUM(rid)];

	return t->scalable && rid & 0x80 ? &re->hi : &re->lo;
}

/**
 * pkernfs_tree_context - context entry of a function in a handover tree
 * @t: tree
 * @rid: bus << 8 | devfn
 *
 * Return: the entry, of 16 bytes or, in scalable mode, 32; NULL: its part of the
 * bus has no context table
 */
struct context_entry *pkernfs_tree_context(const struct pkernfs_tree *t, u16 rid)
{
	u64 half = *pkernfs_tree_half(t, rid);
	struct context_entry *table;

	if (!(half & 1))
		return NULL;
	table = phys_to_virt(half & VTD_PAGE_MASK);
	return t->scalable ? &table[(rid & 0x7f) * 2] : &table[rid & 0xff];
}

/**
 * pkernfs_tree_add - enter a device in a handover tree
 * @t: tree that no hardware uses yet
 * @f: fixed domain of the device
 * @rid: bus << 8 | devfn
 *
 * Takes PKERNFS_TREE_DEVICE_BLOCKS blocks at most.
 *
 * Return: 0, -ENOSPC when @t has no block left
 */
int pkernfs_tree_add(struct pkernfs_tree *t, struct pkernfs_fixed *f, u16 rid)
{
	const struct pkernfs_aim to = pkernfs_fixed_aim(f);
	u64 *half = pkernfs_tree_half(t, rid);
	struct context_entry *context;
	struct pasid_dir_entry *dir;
	union pkernfs_entry *entry;

	if (!(*half & 1)) {
		void *table = t->block(t->arg);

		if (!table)
			return -ENOSPC;
		*half = virt_to_phys(table) | 1;
	}
	context = pkernfs_tree_context(t, rid);
	if (!t->scalable) {
		*(union pkernfs_entry *)context = pkernfs_entry_make(f->iommu, &to);
		return 0;
	}
	dir = t->block(t->arg);
	entry = t->block(t->arg);
	if (!dir || !entry)
		return -ENOSPC;
	*entry = pkernfs_entry_make(f->iommu, &to);
	dir->val = virt_to_phys(entry) | PASID_PTE_PRESENT;
	/* PDTS 0: 128 entries, of which the first is there. RID_PASID is 0. */
	context->hi = IOMMU_NO_PASID;
	context->lo = virt_to_phys(dir) | 1;
	return 0;
}

static bool pkernfs_tree_holds(const struct pkernfs_tree *t, u64 at)
{
	return at >= t->from && at <= t->to - PKERNFS_BLOCK_SIZE;
}

/**
 * pkernfs_tree_prove - is a root table well-formed?
 * @t: what hardware uses, left by another kernel
 *
 * Return: true if every context table is one of the tree's blocks
 */
bool pkernfs_tree_prove(const struct pkernfs_tree *t)
{
	unsigned int rid;

	for (rid = 0; rid < 1 << 16; rid += 1 << 7) {
		u64 half = rid & 0x80 ? t->root[rid >> 8].hi : t->root[rid >> 8].lo;

		if (!half)
			continue;
		if ((rid & 0x80 && !t->scalable) || (half & ~VTD_PAGE_MASK) != 1 ||
		    !pkernfs_tree_holds(t, half & VTD_PAGE_MASK))
			return false;
	}
	return true;
}

/* All that is in a block after its first entry is 0. */
static bool pkernfs_tree_alone(const void *block, size_t entry)
{
	return !memchr_inv(block + entry, 0, PKERNFS_BLOCK_SIZE - entry);
}

/**
 * pkernfs_tree_prove_device - does hardware use what a record says?
 * @t: proven tree
 * @iommu: unit, in the mode of @t
 * @rid: the device
 * @to: what the record says
 *
 * Return: true if the tree has this entry for the device, and nothing else
 */
bool pkernfs_tree_prove_device(const struct pkernfs_tree *t, struct intel_iommu *iommu,
			       u16 rid, const struct pkernfs_aim *to)
{
	const struct context_entry *context = pkernfs_tree_context(t, rid);
	const union pkernfs_entry want = pkernfs_entry_make(iommu, to);
	const void *dir, *table;
	u64 pde;

	if (!context)
		return false;
	if (!t->scalable)
		return !memcmp(context, &want, sizeof(want));

	if ((context->lo & ~VTD_PAGE_MASK) != 1 || context->hi != IOMMU_NO_PASID ||
	    context[1].lo || context[1].hi ||
	    !pkernfs_tree_holds(t, context->lo & VTD_PAGE_MASK))
		return false;
	dir = phys_to_virt(context->lo & VTD_PAGE_MASK);
	pde = *(const u64 *)dir;
	if ((pde & ~VTD_PAGE_MASK) != PASID_PTE_PRESENT ||
	    !pkernfs_tree_holds(t, pde & VTD_PAGE_MASK) ||
	    !pkernfs_tree_alone(dir, sizeof(pde)))
		return false;
	table = phys_to_virt(pde & VTD_PAGE_MASK);
	return !memcmp(table, &want, sizeof(want)) && pkernfs_tree_alone(table, sizeof(want));
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
 * @dev: the device, known to the IOMMU driver
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
	if (sm_supported(iommu) && intel_pasid_setup_sm_context(dev))
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
