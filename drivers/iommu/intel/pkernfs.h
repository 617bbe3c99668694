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
 *	as no operation of @d's ops leads there
 * @pd: the device
 * @iommu: the unit that it is behind
 * @ss: tables, in the region of @pd
 * @aw: address width field of the context entry
 * @did: domain id on @iommu
 */
struct pkernfs_fixed {
	struct dmar_domain d;
	struct pkernfs_device *pd;
	struct intel_iommu *iommu;
	struct pkernfs_ss ss;
	u8 aw;
	u16 did;
};

static inline struct pkernfs_fixed *pkernfs_to_fixed(struct iommu_domain *domain)
{
	return container_of(domain, struct pkernfs_fixed, d.domain);
}

struct pkernfs_fixed *pkernfs_fixed_alloc(struct pkernfs_device *pd,
					  struct intel_iommu *iommu);
void pkernfs_fixed_free(struct pkernfs_fixed *f);
int pkernfs_handover_room(struct pkernfs_device *next, struct intel_iommu *iommu);
int pkernfs_fixed_take_did(struct pkernfs_fixed *f, u16 did);
struct context_entry pkernfs_context_entry(u64 ss_root, u8 aw, u16 did);

#endif
