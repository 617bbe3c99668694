// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: the tree of tables that a unit is left with at kexec: built by the kernel
 * that leaves, proven by the one that comes.
 *
 * Source: VT-d specification 4.1, 9.1 and 9.2 "Root Entry", 9.3 "Context Entry",
 * 9.4 "Scalable-Mode Context Entry", 9.5 "PASID Directory Entry", 9.6 "PASID
 * Table Entry".
 */
#include <linux/bitfield.h>
#include <linux/io.h>
#include <linux/pci.h>
#include <linux/pkernfs.h>
#include <linux/string.h>

#include "iommu.h"
#include "pasid.h"
#include "pkernfs.h"

/**
 * pkernfs_entry_make - the entry that names a device's tables and domain id
 * @iommu: unit
 * @to: tables and domain id
 *
 * Return: in legacy mode a context entry, else the first 16 bytes of a PASID table
 * entry; all that follows is 0
 */
union pkernfs_entry pkernfs_entry_make(struct intel_iommu *iommu,
				       const struct pkernfs_aim *to)
{
	struct context_entry c = {};
	union pkernfs_entry e = {};

	if (sm_supported(iommu)) {
		e.lo = (to->ss_root & VTD_PAGE_MASK) | PASID_PTE_PRESENT |
		       FIELD_PREP(PKERNFS_PASID_AW, to->aw) |
		       FIELD_PREP(PKERNFS_PASID_PGTT, PASID_ENTRY_PGTT_SL_ONLY) |
		       (to->dirty ? PKERNFS_PASID_SSADE : 0);
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
