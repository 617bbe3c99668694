/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pkernfs: what differs between the kernel versions that it is built with.
 *
 * The code is written for the newest. What an older one has otherwise is here, and
 * nowhere else, and goes with that version.
 */

#ifndef _LINUX_PKERNFS_COMPAT_H
#define _LINUX_PKERNFS_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 3, 0)

/* create() of inode_operations was told of O_EXCL, too. */
#define PKERNFS_CREATE_MODE	umode_t mode, bool excl

/* Whether VT-d is used was two flags; that it is forced was not to be seen in them. */
#define DMAR_FORCE_ON		0
#define DMAR_ON			0
#define DMAR_USER_OFF		1
#define dmar_policy		dmar_disabled
#define dmar_policy_off()	(no_iommu || dmar_disabled)

/* The tree of a file's mappings had another name. */
#define mapping_rmap_tree_foreach(vma, mapping, first, last) \
	vma_interval_tree_foreach(vma, &(mapping)->i_mmap, first, last)

#else

#define PKERNFS_CREATE_MODE	umode_t mode

#endif

#endif /* _LINUX_PKERNFS_COMPAT_H */
