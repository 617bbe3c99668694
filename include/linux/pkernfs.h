/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkernfs: regions, what lies in them, and the devices that are preserved.
 *
 * The stubs that existing code calls for its PCI and VFIO half are in
 * pkernfs_pci.h, those of its IOMMU half in pkernfs_iommu.h.
 *
 * Lock order: pkernfs_transition_lock, pkernfs_format_lock, a file's inode lock, its
 * invalidate lock, a region's metadata lock, a folio's lock; under the transition lock
 * also, as VFIO and iommufd take them, device_set lock, igroup->lock, iommu_group->mutex,
 * iopt->domains_rwsem. More of it in Documentation/filesystems/pkernfs.rst.
 */
#ifndef _LINUX_PKERNFS_H
#define _LINUX_PKERNFS_H

#include <kunit/test-bug.h>
#include <linux/init.h>
#include <linux/list.h>
#include <linux/memremap.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <uapi/linux/pkernfs.h>
#include <uapi/linux/pkernfs_format.h>

#define PKERNFS_MAX_REGIONS	8
#define PKERNFS_SPANS		2	/* of pages of another order than 2 MiB: 4 KiB, 1 GiB */
#define PKERNFS_RUNS		(2 * PKERNFS_SPANS + 1)	/* with those of 2 MiB around them */

struct address_space;
struct pci_dev;
struct file;
struct folio;
struct inode;
struct kimage;
struct iommu_domain;
struct vm_area_struct;
struct pkernfs_core;
struct pkernfs_device;

/**
 * struct pkernfs_why - room for a reason that names a number
 * @text: one line, no newline
 */
struct pkernfs_why {
	char text[96];
};

/**
 * struct pkernfs_span - a part of a region with pages of another order than 2 MiB
 * @start: offset in the region, in bytes
 * @bytes: length, 0: there is none
 * @order: of the pages
 */
struct pkernfs_span {
	u64 start;
	u64 bytes;
	unsigned int order;
};

/**
 * struct pkernfs_region - one carve-out
 * @base: physical address, a multiple of 2 MiB
 * @bytes: size, a multiple of 2 MiB
 * @index: place in pkernfs=, from 0; ~0 when only the hardware told of it
 * @virt: kernel mapping of all of it; set at boot, NULL: none
 * @sb: superblock copy that proved itself, NULL: no valid superblock
 * @core: metadata in memory; set by pkernfs_core_load(); goes when the region is made
 *	anew, or claimed
 * @claimed: somebody has its device open and wants it for himself: it is not loaded
 *	meanwhile; pkernfs_format_lock
 * @changes: of its metadata, since boot: operations, replays, mkfs, stores through its
 *	device. One writer at a time, by core->lock, or pkernfs_format_lock without a core
 * @reason: why it cannot be mounted, NULL: it can (or is not formatted)
 * @sb_why: reasons that a superblock copy was refused for, where they need room
 * @handover_why: first reason why something that the kernel before has handed over here
 *	was not taken over, empty: none; written at boot only
 * @dir: its directory in sysfs, /sys/fs/pkernfs/regionN
 * @span: where its pages are not of 2 MiB, in ascending order
 * @nid: NUMA node
 * @pgmap: its pages, in runs of one order
 * @pgmaps: number of them, 0: not mapped
 * @hidden: bad pages that are not in the kernel's mapping, as in the list; NULL: none;
 *	pkernfs_format_lock
 * @handover_next: handover blocks used by the kexec under way
 */
struct pkernfs_region {
	phys_addr_t base;
	u64 bytes;
	unsigned int index;
	void *virt;
	const struct pkernfs_sb *sb;
	struct pkernfs_core *core;
	bool claimed;
	u64 changes;
	const char *reason;
	struct pkernfs_why sb_why[2];
	struct pkernfs_why handover_why;
	struct kobject *dir;
	struct pkernfs_span span[PKERNFS_SPANS];
	int nid;
	struct dev_pagemap pgmap[PKERNFS_RUNS];
	unsigned int pgmaps;
	struct pkernfs_bad_block_ser *hidden;
	u64 handover_next;
};

#ifdef CONFIG_PKERNFS_FS

/* --- mm/pkernfs*.c: the carve-out ------------------------------------------ */

/* /sys/fs/pkernfs, from core_initcall on; NULL if it could not be made. */
extern struct kobject *pkernfs_kobj;

unsigned int pkernfs_region_count(void);
struct pkernfs_region *pkernfs_region_get(unsigned int i);
struct pkernfs_region *pkernfs_region_find(phys_addr_t phys, u64 bytes);
struct pkernfs_region * __init pkernfs_region_claim(phys_addr_t base, u64 bytes,
						    const char **why);
struct pkernfs_region *pkernfs_region_touching(phys_addr_t base, u64 bytes);
bool pkernfs_region_overlaps(phys_addr_t base, u64 bytes);

/* --- fs/pkernfs/core.c: metadata in memory, before and without a mount ---- */

int pkernfs_core_load(struct pkernfs_region *r);
int pkernfs_phys_owner(struct pkernfs_region *r, phys_addr_t phys, u64 bytes,
		       u64 *ino, u32 *generation);
int pkernfs_hold(struct pkernfs_region *r, phys_addr_t phys, u64 bytes, u32 *owners);
void pkernfs_unhold(struct pkernfs_region *r, phys_addr_t phys, u64 bytes);
void *pkernfs_pool_alloc(struct pkernfs_region *r);
void pkernfs_pool_free(struct pkernfs_region *r, void *block);
int pkernfs_pool_claim(struct pkernfs_region *r, phys_addr_t phys);
struct pkernfs_region *pkernfs_inode_region(struct inode *inode);
void pkernfs_inode_id(struct inode *inode, u64 *ino, u32 *generation);
int pkernfs_inode_set_device(struct inode *inode, struct pkernfs_device *pd);
struct pkernfs_device *pkernfs_inode_device(struct inode *inode);
int pkernfs_ino_set_device(struct pkernfs_region *r, u64 ino, u32 generation,
			   struct pkernfs_device *pd);
void pkernfs_ino_clear_device(struct pkernfs_region *r, struct pkernfs_device *pd);

/* --- fs/pkernfs/format.c: does this kernel know what another one has written? - */

const char *pkernfs_sb_prove(struct pkernfs_region *r, unsigned int copy,
			     const struct pkernfs_sb *sb);
const char *pkernfs_version_unknown(const char *part, __le32 version, struct pkernfs_why *why);
const char *pkernfs_features_unknown(const char *part, __le64 incompat,
				     struct pkernfs_why *why);

/* --- fs/pkernfs/fault.c: called by GUP --------------------------------------- */

bool pkernfs_vma_pinnable(struct vm_area_struct *vma);
bool pkernfs_file_pinnable(const struct file *file);
long pkernfs_pin_folios(struct file *file, loff_t start, loff_t last,
			struct folio **folios, unsigned int max, pgoff_t *offset);

/* --- fs/pkernfs/poison.c, bad.c: memory errors -------------------------------- */

int pkernfs_memory_failure(struct dev_pagemap *pgmap, unsigned long pfn,
			   unsigned long nr_pages, int flags);
bool pkernfs_bad_phys(struct pkernfs_region *r, phys_addr_t phys, u64 bytes);

/* --- mm/pkernfs_map.c, mm/pkernfs_poison.c, mm/pkernfs_vmemmap.c ---------------- */

int pkernfs_folio_pin(struct folio *folio);
int pkernfs_vmemmap_own(struct folio *folio);
bool pkernfs_region_fits(const struct pkernfs_region *r, const struct pkernfs_sb *sb);
int pkernfs_region_remap(struct pkernfs_region *r, const struct pkernfs_sb *sb);
#ifdef CONFIG_MEMORY_FAILURE
void pkernfs_poison_collect(struct address_space *mapping, pgoff_t index, int flags,
			    struct list_head *list);
void pkernfs_poison_tell(int flags, struct list_head *list);
#else
static inline void pkernfs_poison_collect(struct address_space *mapping, pgoff_t index,
					  int flags, struct list_head *list)
{
}

static inline void pkernfs_poison_tell(int flags, struct list_head *list) { }
#endif

/* --- kernel/pkernfs_kexec.c: the image of the next kernel ------------------ */

bool pkernfs_kexec_armed(void);
u64 pkernfs_kexec_unknown(u64 incompat);
int pkernfs_kexec_check_segments(const struct kimage *image);
void pkernfs_kexec_inspect(struct kimage *image);
void pkernfs_kexec_forget(struct kimage *image);

#else
static inline bool pkernfs_vma_pinnable(struct vm_area_struct *vma) { return false; }
static inline bool pkernfs_file_pinnable(const struct file *file) { return false; }
static inline bool pkernfs_region_overlaps(phys_addr_t base, u64 bytes) { return false; }
static inline bool pkernfs_kexec_armed(void) { return false; }
static inline int pkernfs_kexec_check_segments(const struct kimage *image) { return 0; }
static inline void pkernfs_kexec_inspect(struct kimage *image) { }
static inline void pkernfs_kexec_forget(struct kimage *image) { }

static inline long pkernfs_pin_folios(struct file *file, loff_t start, loff_t last,
				      struct folio **folios, unsigned int max,
				      pgoff_t *offset)
{
	return -EINVAL;
}
#endif

/*
 * A line about what a load has found. Not in KUnit: it loads thousands of regions
 * that are damaged or half written on purpose, and a serial console is slow.
 */
#define pkernfs_load_say(say, ...) do {						\
	if (!kunit_get_current_test())						\
		say(__VA_ARGS__);						\
} while (0)

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
void pkernfs_why_copy(const struct pkernfs_refusal *why, struct pkernfs_refusal *to);
__printf(4, 5)
void pkernfs_note(struct pkernfs_refusal *why, int error, u64 iova, const char *fmt, ...);

/* --- fs/pkernfs/device.c, record.c: preserved devices ---------------------- */

extern struct mutex pkernfs_transition_lock;

/**
 * struct pkernfs_device - a preserved device, from FREEZE or adoption to free
 * @node: in pkernfs_devices
 * @rcu: frees it
 * @region: region of its record and tables
 * @slot: its record
 * @rec: the record, in the region
 * @state: enum pkernfs_state without DETACHED, see pkernfs_device_state();
 *	transition lock to write
 * @segment: PCI segment
 * @rid: bus << 8 | devfn
 * @irq_quiesced: vectors are masked for good; transition lock
 * @left: the hardware is on an ordinary domain again; what is left of the frozen
 *	state is being freed. Written under the group's mutex, never cleared
 * @gone: the device was unplugged; written before @left
 * @pdev: the device, NULL until it is enumerated; holds a reference
 * @fixed: fixed domain, NULL when there is none
 * @live: domain that it was frozen from, NULL once the user has let go of it;
 *	written under the group's mutex, only compared without it
 * @waits: domain that a user has attached and that does not map every frozen IOVA
 *	yet, NULL: none; the hardware stays on @fixed. As @live
 * @waits_error: why it waits, -EAGAIN or -EXDEV, 0: not known; group's mutex
 * @waits_iova: with @waits_error: the first IOVA that is missing, or differs
 * @leave_out: IOVA ranges that FREEZE may leave out; during FREEZE only
 * @leave_out_count: elements of @leave_out
 * @failed: the device of the same address that failed to be carried, and stays known
 *	unless FREEZE succeeds; during FREEZE only
 * @pci: private to the PCI half
 * @why: last refusal; pkernfs_why_lock
 * @kobj: /sys/fs/pkernfs/devices/SSSS:BB:DD.F
 */
struct pkernfs_device {
	struct list_head node;
	struct rcu_head rcu;
	struct pkernfs_region *region;
	unsigned int slot;
	struct pkernfs_dev_record *rec;
	enum pkernfs_state state;
	u16 segment;
	u16 rid;
	bool irq_quiesced;
	bool left;
	bool gone;
	struct pci_dev *pdev;
	struct iommu_domain *fixed;
	struct iommu_domain *live;
	struct iommu_domain *waits;
	int waits_error;
	u64 waits_iova;
	const struct pkernfs_iova_range *leave_out;
	u32 leave_out_count;
	struct pkernfs_device *failed;
	void *pci;
	struct pkernfs_refusal why;
	struct kobject *kobj;
};

/* Transition lock to change; readers may also use RCU. */
extern struct list_head pkernfs_devices;

long pkernfs_device_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
struct pkernfs_device *pkernfs_device_find(u16 segment, u16 rid);
struct pkernfs_device *pkernfs_device_by_ino(struct pkernfs_region *r, u64 ino,
					     u32 generation);
__printf(2, 3)
int pkernfs_device_fail(struct pkernfs_device *pd, const char *fmt, ...);
void pkernfs_device_left(struct pkernfs_device *pd);
bool pkernfs_is_shutting_down(void);
enum pkernfs_state pkernfs_device_state(const struct pkernfs_device *pd);

/* Does hardware translate for this device through its fixed domain? */
static inline bool pkernfs_device_on_fixed(const struct pkernfs_device *pd)
{
	return pd->fixed && !READ_ONCE(pd->left) && pd->state != PKERNFS_STATE_FAILED;
}

/* Does hardware set dirty bits in the tables that a record names? */
static inline bool pkernfs_record_is_tracked(const struct pkernfs_dev_record *rec)
{
	return rec->feature_incompat & cpu_to_le64(PKERNFS_INCOMPAT_DIRTY);
}

/* Has all been taken that came before its vectors were masked, and is nothing owed? */
static inline bool pkernfs_record_is_quiesced(const struct pkernfs_dev_record *rec)
{
	return READ_ONCE(rec->irq) == cpu_to_le32(PKERNFS_RECORD_IRQ_QUIESCED);
}

int pkernfs_record_alloc(struct pkernfs_device *pd);
void pkernfs_record_commit(struct pkernfs_device *pd);
void pkernfs_record_retract(struct pkernfs_device *pd);
struct pkernfs_device *pkernfs_record_adopt(struct pkernfs_region *r, u32 slot);
void pkernfs_record_cut_off(struct pkernfs_region *r, u64 drhd_base, const char *reason);
void pkernfs_record_drop_stale(struct pkernfs_region *r);

/* --- fs/pkernfs/test*.c: knobs of the tests, none in a release kernel -------- */

/**
 * enum pkernfs_test_knob - parts that a test can leave out, or make believe
 * @PKERNFS_TEST_CLEAR_FIRST: replace clears the present bit and flushes first
 * @PKERNFS_TEST_HALF_FIRST: replace writes half of the entry and flushes first
 * @PKERNFS_TEST_TRANSLATION_OFF: translation is switched off at kexec
 * @PKERNFS_TEST_SSADS: remapping units are said to set dirty bits; the test has to
 * @PKERNFS_TEST_INIT_FAILS: the IOMMU driver's start fails after devices were adopted
 * @PKERNFS_TEST_STUCK_LOCKS: CPUs that are stopped at kexec hold a unit's locks
 * @PKERNFS_TEST_TAKE_FAILS: the IOMMU driver does not take an adopted device over
 * @PKERNFS_TEST_RELEASE_WAITS: RELEASE pauses between its checks and what it does
 * @PKERNFS_TEST_NO_CONFIG: no configuration space can be read before PCI is enumerated
 */
enum pkernfs_test_knob {
	PKERNFS_TEST_CLEAR_FIRST,
	PKERNFS_TEST_HALF_FIRST,
	PKERNFS_TEST_TRANSLATION_OFF,
	PKERNFS_TEST_SSADS,
	PKERNFS_TEST_INIT_FAILS,
	PKERNFS_TEST_STUCK_LOCKS,
	PKERNFS_TEST_TAKE_FAILS,
	PKERNFS_TEST_RELEASE_WAITS,
	PKERNFS_TEST_NO_CONFIG,
};

#ifdef CONFIG_PKERNFS_TEST
bool pkernfs_test(enum pkernfs_test_knob knob);
void pkernfs_test_window(void);
void pkernfs_test_pause(void);
#else
static inline bool pkernfs_test(enum pkernfs_test_knob knob) { return false; }
static inline void pkernfs_test_window(void) { }
static inline void pkernfs_test_pause(void) { }
#endif

#if defined(CONFIG_PKERNFS_TEST) && defined(CONFIG_FUNCTION_ERROR_INJECTION)
void pkernfs_test_fail_begin(void);
void pkernfs_test_fail_end(const char *what);
#else
static inline void pkernfs_test_fail_begin(void) { }
static inline void pkernfs_test_fail_end(const char *what) { }
#endif

#endif
