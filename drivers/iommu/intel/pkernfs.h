/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkernfs: the fixed domain, as the VT-d half sees it.
 */
#ifndef _INTEL_PKERNFS_H
#define _INTEL_PKERNFS_H

#include <linux/pkernfs.h>

#include "iommu.h"
#include "pkernfs_ss.h"

/**
 * struct pkernfs_fixed - fixed domain of one preserved device
 * @d: what the rest of intel-iommu sees; its generic_pt part is not initialised,
 *	as no operation of @d's ops leads there. Its dirty_tracking never changes
 * @pd: the device
 * @iommu: the unit that it is behind
 * @ss: tables, in the region of @pd
 * @pasid_table: scalable mode, from adoption until the IOMMU driver meets the
 *	device: what its context entry leads to; else NULL
 * @aw: address width field of its entry
 * @did: domain id on @iommu
 */
struct pkernfs_fixed {
	struct dmar_domain d;
	struct pkernfs_device *pd;
	struct intel_iommu *iommu;
	struct pkernfs_ss ss;
	struct pasid_table *pasid_table;
	u8 aw;
	u16 did;
};

/**
 * struct pkernfs_aim - where an entry leads to
 * @ss_root: physical address of the top second-stage table
 * @did: domain id
 * @aw: address width field
 * @dirty: hardware is to set accessed and dirty bits; scalable mode only
 */
struct pkernfs_aim {
	u64 ss_root;
	u16 did;
	u8 aw;
	bool dirty;
};

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

/* The entry that names them, see pkernfs_entry.c */
union pkernfs_entry {
	struct {
		u64 lo, hi;
	};
	u128 whole;
};

/**
 * struct pkernfs_tree - root table of a handover, with what hangs below it
 * @root: root table
 * @scalable: scalable mode
 * @from: physical address of the first block below @root; for proving
 * @to: physical address after the last one; for proving
 * @block: gives a zeroed block, or NULL; for building
 * @arg: passed to @block
 */
struct pkernfs_tree {
	struct root_entry *root;
	bool scalable;
	phys_addr_t from, to;
	void *(*block)(void *arg);
	void *arg;
};

/* How often a device may reach each page of its region, on average: no proof is endless. */
#define PKERNFS_SS_ALIASES	64

/* Blocks that one device needs for itself: PASID directory and table */
#define PKERNFS_TREE_DEVICE_BLOCKS(iommu)	(sm_supported(iommu) ? 2 : 0)

static inline struct pkernfs_fixed *pkernfs_to_fixed(struct iommu_domain *domain)
{
	return container_of(domain, struct pkernfs_fixed, d.domain);
}

/* There is a device that may be at work, and cannot be stopped before PCI is enumerated. */
extern bool pkernfs_out_of_reach;

struct pkernfs_fixed *pkernfs_fixed_alloc(struct pkernfs_device *pd,
					  struct intel_iommu *iommu);
void pkernfs_fixed_free(struct pkernfs_fixed *f);
struct pkernfs_fixed *pkernfs_fixed_with(struct pkernfs_fixed *f);
int pkernfs_fixed_clone(struct pkernfs_fixed *f, struct iommu_domain *live);
void pkernfs_live_ss(struct iommu_domain *live, struct pkernfs_ss *ss, u8 *aw);
int pkernfs_hold_leaf(struct pkernfs_region *r, const struct pkernfs_ss_leaf *leaf, u64 pages,
		      u32 *crc);
int pkernfs_adopt_entry(struct pkernfs_device *pd);
int pkernfs_handover_unit(struct intel_iommu *iommu);
int pkernfs_discover_units(struct list_head *units);
int pkernfs_handover_region(phys_addr_t at, struct pkernfs_region **r, struct pkernfs_why *why);
int pkernfs_config_read(u16 segment, u16 rid, u8 reg);
void pkernfs_stop_all(u16 segment);
void pkernfs_force_mode(bool scalable);
int pkernfs_handover_room(struct pkernfs_device *next, struct intel_iommu *iommu);
int pkernfs_fixed_take_did(struct pkernfs_fixed *f, u16 did);
bool pkernfs_rmrr_in(const struct acpi_table_header *dmar, struct intel_iommu *iommu);
bool pkernfs_vtd_has_rmrr(struct intel_iommu *iommu);
int pkernfs_vtd_check(struct device *dev, struct iommu_domain *live,
		      struct pkernfs_refusal *why);

static inline struct pkernfs_aim pkernfs_fixed_aim(const struct pkernfs_fixed *f)
{
	return (struct pkernfs_aim) {
		.ss_root = f->ss.root, .did = f->did, .aw = f->aw,
		.dirty = f->d.dirty_tracking,
	};
}

/* Paging structures are snooped, iommu_paging_structure_coherency() */
static inline bool pkernfs_vtd_coherent(struct intel_iommu *iommu)
{
	return sm_supported(iommu) ? ecap_smpwc(iommu->ecap) : ecap_coherent(iommu->ecap);
}

union pkernfs_entry pkernfs_entry_make(struct intel_iommu *iommu,
				       const struct pkernfs_aim *to);
int pkernfs_entry_switch(struct device_domain_info *info, const struct pkernfs_aim *to);
int pkernfs_entry_adopt(struct pkernfs_fixed *f, u16 rid);
void pkernfs_entry_take(struct pkernfs_fixed *f, struct device *dev);
void pkernfs_entry_cut_off(struct pkernfs_fixed *f, struct device *dev, u16 rid);
void pkernfs_entry_forget(struct pkernfs_fixed *f);
int pkernfs_tree_add(struct pkernfs_tree *t, struct pkernfs_fixed *f, u16 rid);
struct context_entry *pkernfs_tree_context(const struct pkernfs_tree *t, u16 rid);
bool pkernfs_tree_prove(const struct pkernfs_tree *t);
bool pkernfs_tree_prove_device(const struct pkernfs_tree *t, struct intel_iommu *iommu,
			       u16 rid, const struct pkernfs_aim *to);
const char *pkernfs_prove_unit(struct intel_iommu *iommu, phys_addr_t at, u64 ttm,
			       struct pkernfs_region *r, struct pkernfs_tree *t,
			       struct pkernfs_why *why);
unsigned int pkernfs_prove_devices(struct intel_iommu *iommu, struct pkernfs_region *r,
				   const struct pkernfs_tree *t, unsigned int *named);

#endif
