/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkernfs: regions, what lies in them, and the devices that are preserved.
 *
 * The stubs that existing code calls for its PCI and VFIO half are in
 * pkernfs_pci.h, those of its IOMMU half in pkernfs_iommu.h.
 *
 * Lock order: pkernfs_transition_lock, then a file's invalidate lock, then a
 * region's metadata lock; under the transition lock also, as VFIO and iommufd
 * take them, device_set lock, igroup->lock, ioas->mutex, iopt->domains_rwsem,
 * iommu_group->mutex.
 */
#ifndef _LINUX_PKERNFS_H
#define _LINUX_PKERNFS_H

#include <linux/list.h>
#include <linux/memremap.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <uapi/linux/pkernfs.h>
#include <uapi/linux/pkernfs_format.h>

#define PKERNFS_MAX_REGIONS	8

struct pci_dev;
struct file;
struct inode;
struct iommu_domain;
struct iommufd_device;
struct pkernfs_core;
struct pkernfs_device;

/**
 * struct pkernfs_region - one carve-out
 * @base: physical address, a multiple of 2 MiB
 * @bytes: size, a multiple of 2 MiB
 * @index: place in pkernfs=, from 0; ~0 when only the hardware told of it
 * @virt: kernel mapping of all of it; set once at boot
 * @sb: superblock copy that proved itself, NULL: no valid superblock
 * @core: metadata in memory; set by pkernfs_core_load(), never cleared
 * @reason: why it cannot be mounted, NULL: it can (or is not formatted)
 * @dir: its directory in sysfs, /sys/fs/pkernfs/regionN
 */
struct pkernfs_region {
	phys_addr_t base;
	u64 bytes;
	unsigned int index;
	void *virt;
	const struct pkernfs_sb *sb;
	struct pkernfs_core *core;
	const char *reason;
	struct kobject *dir;
	struct dev_pagemap pgmap;
};

#ifdef CONFIG_PKERNFS_FS

/* --- mm/pkernfs.c: the carve-out ------------------------------------------ */

unsigned int pkernfs_region_count(void);
struct pkernfs_region *pkernfs_region_get(unsigned int i);
struct pkernfs_region *pkernfs_region_find(phys_addr_t phys, u64 bytes);
struct pkernfs_region *pkernfs_region_claim(phys_addr_t base, u64 bytes);
bool pkernfs_region_overlaps(phys_addr_t base, u64 bytes);

/* --- fs/pkernfs/core.c: metadata in memory, before and without a mount ---- */

int pkernfs_core_load(struct pkernfs_region *r);
int pkernfs_phys_owner(struct pkernfs_region *r, phys_addr_t phys, u64 bytes,
		       u64 *ino, u32 *generation);
int pkernfs_hold(struct pkernfs_region *r, phys_addr_t phys, u64 bytes);
void pkernfs_unhold(struct pkernfs_region *r, phys_addr_t phys, u64 bytes);
void *pkernfs_pool_alloc(struct pkernfs_region *r);
void pkernfs_pool_free(struct pkernfs_region *r, void *block);
int pkernfs_pool_claim(struct pkernfs_region *r, phys_addr_t phys);
struct pkernfs_region *pkernfs_inode_region(struct inode *inode);
int pkernfs_inode_set_device(struct inode *inode, struct pkernfs_device *pd);

#else
static inline bool pkernfs_region_overlaps(phys_addr_t base, u64 bytes) { return false; }
#endif

static inline void *pkernfs_block(struct pkernfs_region *r, u64 block)
{
	return r->virt + (block << PKERNFS_BLOCK_SHIFT);
}

/**
 * struct pkernfs_refusal - why something was refused
 * @error: negative errno
 * @iova: first offending IOVA, ~0: none
 * @text: reason, one line, no newline
 */
struct pkernfs_refusal {
	int error;
	u64 iova;
	char text[128];
};

__printf(4, 5)
int pkernfs_refuse(struct pkernfs_refusal *why, int error, u64 iova,
		   const char *fmt, ...);

/* --- fs/pkernfs/device.c: preserved devices ------------------------------- */

extern struct mutex pkernfs_transition_lock;

/**
 * struct pkernfs_device - a preserved device, from FREEZE or adoption to free
 * @node: in pkernfs_devices
 * @region: region of its record and tables
 * @slot: its record
 * @rec: the record, in the region
 * @state: enum pkernfs_state; transition lock to write
 * @segment: PCI segment
 * @rid: bus << 8 | devfn
 * @irq_quiesced: vectors are masked for good; transition lock
 * @pdev: the device, NULL until it is enumerated; holds a reference
 * @fixed: fixed domain, NULL when there is none
 * @pci: private to the PCI half
 * @why: last refusal
 */
struct pkernfs_device {
	struct list_head node;
	struct pkernfs_region *region;
	unsigned int slot;
	struct pkernfs_dev_record *rec;
	enum pkernfs_state state;
	u16 segment;
	u16 rid;
	bool irq_quiesced;
	struct pci_dev *pdev;
	struct iommu_domain *fixed;
	void *pci;
	struct pkernfs_refusal why;
};

long pkernfs_device_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
/* Lockless look-up; the device stays while its pdev is kept. NULL: not preserved. */
struct pkernfs_device *pkernfs_device_find(u16 segment, u16 rid);
/* It could not be adopted: state FAILED, one line in the log. It is cut off. */
__printf(2, 3)
void pkernfs_device_fail(struct pkernfs_device *pd, const char *fmt, ...);

#endif
