/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkernfs, IOMMU half: what device.c asks of it, and the stubs that the IOMMU
 * core, iommufd and intel-iommu call.
 */
#ifndef _LINUX_PKERNFS_IOMMU_H
#define _LINUX_PKERNFS_IOMMU_H

#include <linux/types.h>

#endif
