/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * pkernfs: ioctls on device files and filesystems.
 *
 * Every argument struct begins with its size in bytes, as the caller knows it.
 * A larger struct than the kernel's is taken if the rest is zero (-E2BIG
 * otherwise); a smaller one is taken if it holds all mandatory fields (-EINVAL
 * otherwise). Unknown flags are refused with -EOPNOTSUPP. Besides what stands at each
 * struct, -EFAULT is memory that cannot be read or written, and -ENOTTY a file that
 * does not know the ioctl: those on device files are for regular files of a mount.
 */
#ifndef _UAPI_LINUX_PKERNFS_H
#define _UAPI_LINUX_PKERNFS_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Free in Documentation/userspace-api/ioctl/ioctl-number.rst of Linux 7.3 */
#define PKERNFS_TYPE	0xBB

enum {
	PKERNFS_CMD_FREEZE = 0x00,
	PKERNFS_CMD_QUIESCE_IRQ,
	PKERNFS_CMD_UNFREEZE,
	PKERNFS_CMD_INFO,
	PKERNFS_CMD_RELEASE,
	PKERNFS_CMD_FORMAT = 0x10,
	PKERNFS_CMD_REGION_INFO = 0x20,
	PKERNFS_CMD_REGION_CHECK,
};

/* States of a device file */
enum pkernfs_state {
	PKERNFS_STATE_ORDINARY = 0,	/* no device; an ordinary file */
	PKERNFS_STATE_FROZEN = 1,	/* fixed domain, VFIO user present */
	PKERNFS_STATE_DETACHED = 2,	/* fixed domain, the user has gone */
	PKERNFS_STATE_HANDED_OVER = 3,	/* a kexec is under way */
	PKERNFS_STATE_ADOPTED = 4,	/* taken over from the kernel before */
	PKERNFS_STATE_FAILED = 5,	/* could not be adopted; cut off */
};

/**
 * struct pkernfs_iova_range - a range of IOVAs
 * @iova: first IOVA, a multiple of 4 KiB
 * @bytes: length, a multiple of 4 KiB and not 0
 */
struct pkernfs_iova_range {
	__aligned_u64 iova;
	__aligned_u64 bytes;
};

#define PKERNFS_LEAVE_OUT_MAX	1024	/* pkernfs_freeze.leave_out_count */
#define PKERNFS_RANGES_MAX	(1 << 20)	/* that INFO fills in */

/**
 * struct pkernfs_freeze - ioctl(PKERNFS_FREEZE)
 * @size: sizeof(struct pkernfs_freeze)
 * @flags: must be 0
 * @vfio_fd: VFIO device cdev, bound to an iommufd and attached to a HWPT that
 *	maps pages of this filesystem, and nothing else outside of @leave_out
 * @leave_out_count: elements of @leave_out, at most PKERNFS_LEAVE_OUT_MAX
 * @leave_out: user pointer to an array of struct pkernfs_iova_range, ascending and
 *	without overlap, or 0. What is mapped there and is not memory of this
 *	filesystem is left out: BIOS, ROMs, video RAM of a real VMM. From the
 *	freeze on until the device is attached again, an access of it to such an
 *	IOVA faults, and no other access does.
 *
 * On an empty ordinary file of the mount. The device's translation is copied
 * into a fixed domain in the region and the hardware is switched to it in one
 * atomic write; the device goes on working. The file is a device file until the
 * device is unfrozen, attached again, or released.
 *
 * When it is refused everything is as before, and INFO and the kernel log name the
 * reason, but for a bad struct; the log names no more than ten in five seconds.
 *
 * Errors: -EAGAIN a reset, an unbind or a change of power state of the device is under
 * way, or a bind or unbind of a function beside it; -EBADF the file is not open for
 * writing, or @vfio_fd is no VFIO PCI device that is bound to an iommufd and attached to a
 * HWPT; -EBUSY the file has a device, is not empty, is mapped or unlinked, or the device
 * is frozen already, or the IOAS or the dirty tracking of the HWPT is being changed, or
 * the machine is about to sleep; -EHWPOISON there is a memory error in a page that the
 * device reaches; -EINVAL, -E2BIG @leave_out is not as said; -EINVAL the HWPT maps
 * nothing; -ENODEV the device has no IOMMU group, or no entry in its remapping unit;
 * -ENOMEM; -ENOSPC no room for second-stage tables, for the record, for the tables of a
 * kexec, or no domain id; -EOPNOTSUPP the device, its IOMMU group or its domain cannot be
 * carried; -EOVERFLOW the HWPT maps more than 64 times the size of the region; -ESHUTDOWN
 * a kexec has begun; -ESTALE the device has left its HWPT meanwhile; -EXDEV an IOVA is
 * backed by memory that is in no file of this filesystem that has a name, the first one
 * being pkernfs_info.error_iova.
 */
struct pkernfs_freeze {
	__u32 size;
	__u32 flags;
	__s32 vfio_fd;
	__u32 leave_out_count;
	__aligned_u64 leave_out;
};

/**
 * struct pkernfs_simple - argument of QUIESCE_IRQ, UNFREEZE and RELEASE
 * @size: sizeof(struct pkernfs_simple)
 * @flags: must be 0
 *
 * PKERNFS_QUIESCE_IRQ: with the vCPUs paused: mask every vector and the function,
 * read back, wait for handlers. After it the VMM drains its eventfds; an
 * interrupt raised from then on is latched by the device and arrives after the
 * restore exactly once; or at least once, where INFO says so: vectors are owed from a
 * VMM that was killed, and have not been connected since. Again: 0, and nothing
 * happens. Errors: -EIO a vector does not take the mask; -ENXIO the MSI-X table cannot be
 * reached; -EOPNOTSUPP the user has gone over to MSI. The vectors are as before then.
 *
 * PKERNFS_UNFREEZE: same kernel, same VFIO user: the live domain is back in one
 * atomic write, the vectors as before QUIESCE_IRQ. Errors: -EXDEV the HWPT does not
 * translate any more as it did at FREEZE, by a change that was under way then; -EBUSY its
 * IOAS is being changed; -EOPNOTSUPP that has got what FREEZE refuses; -ENOMEM; -ENOSPC no
 * domain id. The device stays frozen then.
 *
 * PKERNFS_RELEASE: give up on the device: it is stopped (bus mastering off,
 * pending transactions waited for), then everything held for it is dropped.
 * The file is empty and ordinary after it. Errors: -EPERM without CAP_SYS_ADMIN; -EBUSY
 * a VFIO user is there: one that froze the device, or has attached it and is still
 * mapping; -ESTALE a user has just taken the device over. Nothing was done then, and the
 * device is at work.
 *
 * Of all three: -EBADF the file is not open for writing; -EINVAL it has no device;
 * -ESHUTDOWN a kexec has begun. Of the first two: -EINVAL the device was not frozen in
 * this kernel (it is adopted or failed); -ESTALE the user that froze it has gone.
 */
struct pkernfs_simple {
	__u32 size;
	__u32 flags;
};

/**
 * struct pkernfs_range - one run of IOVAs of a frozen device
 * @iova: first IOVA, in bytes
 * @bytes: length
 * @phys: physical address that @iova translates to; 0 without CAP_SYS_ADMIN
 * @prot: 1 read, 2 write
 * @reserved: 0
 */
struct pkernfs_range {
	__aligned_u64 iova;
	__aligned_u64 bytes;
	__aligned_u64 phys;
	__u32 prot;
	__u32 reserved;
};

/* pkernfs_info.irq */
#define PKERNFS_IRQ_UNCERTAIN	0	/* each vector will be raised once at restore */
#define PKERNFS_IRQ_QUIESCED	1	/* exactly once */

/* pkernfs_info.dirty: what a HWPT with dirty tracking on finds when the device has come to it */
#define PKERNFS_DIRTY_ALL	0	/* every page that the device may write to */
#define PKERNFS_DIRTY_EXACT	1	/* what hardware has seen it write to */

/**
 * struct pkernfs_info - ioctl(PKERNFS_INFO)
 * @size: sizeof(struct pkernfs_info)
 * @flags: must be 0
 * @state: enum pkernfs_state
 * @segment: PCI segment
 * @rid: bus << 8 | devfn
 * @vendor: PCI vendor id
 * @device: PCI device id
 * @did: domain id of the fixed domain
 * @irq: PKERNFS_IRQ_*
 * @tables: second-stage table blocks in the region
 * @pages: 4 KiB pages that the fixed domain maps
 * @range_count: in: room in @ranges, of which at most PKERNFS_RANGES_MAX are used;
 *	out: number of ranges there are
 * @error: errno (positive) of the last refusal, 0: none. Of a file with a device: of what
 *	was asked of the device, or of this file, since it was frozen or adopted; a
 *	missing privilege is not noted. Of a file without one: of FREEZE, as long as not
 *	too many others were refused since. EAGAIN while a user has attached a HWPT that
 *	does not map all that is frozen yet, the first such IOVA being @error_iova;
 *	EUCLEAN for a device that failed, whatever is refused after that
 * @ranges: user pointer to an array of struct pkernfs_range, or 0
 * @error_iova: first offending IOVA of the last refusal, ~0: none
 * @reason: text of the last refusal, NUL-terminated
 * @reserved: must be 0
 * @reserved2: must be 0
 * @dirty: PKERNFS_DIRTY_*
 * @reserved3: must be 0
 *
 * On any regular file of a mount, open for reading or writing, at any time.
 *
 * Errors: -EINVAL a reserved field is not 0; -ENOMEM.
 */
struct pkernfs_info {
	__u32 size;
	__u32 flags;
	__u32 state;
	__u16 segment;
	__u16 rid;
	__u16 vendor;
	__u16 device;
	__u16 did;
	__u16 reserved;
	__u32 irq;
	__u32 error;
	__aligned_u64 tables;
	__aligned_u64 pages;
	__u32 reserved2;
	__u32 range_count;
	__aligned_u64 ranges;
	__aligned_u64 error_iova;
	char reason[128];
	__u32 dirty;
	__u32 reserved3;
};

/* pkernfs_format.flags */
#define PKERNFS_FORMAT_FORCE	1	/* also where there is a filesystem already */

#define PKERNFS_FORMAT_NO_SMALL	(~0ULL)	/* pkernfs_format.small_blocks */

/**
 * struct pkernfs_format - ioctl(PKERNFS_FORMAT) on /dev/pkernfs
 * @size: sizeof(struct pkernfs_format)
 * @flags: PKERNFS_FORMAT_FORCE or 0
 * @region: place of the region in pkernfs=, from 0
 * @inodes: size of the inode table, 0: by the size of the region
 * @pool_blocks: size of the pool, 0: by the size of the region
 * @uuid: all zero: a random one
 * @label: NUL-terminated
 * @reason: set when it is refused; NUL-terminated
 * @small_blocks: granules of 4 KiB for small files, in whole 2 MiB, 0: by the size of
 *	the region; PKERNFS_FORMAT_NO_SMALL: none. Callers that end before it: as 0
 * @huge_granules: granules of 1 GiB, 0: none. Callers that end before it: as 0
 *
 * Makes an empty filesystem in a region. What was there is lost. Needs
 * CAP_SYS_ADMIN.
 *
 * Errors: -ENODEV no such region; -EEXIST a superblock is there (without
 * PKERNFS_FORMAT_FORCE); -EBUSY it is mounted, its memory is in use, or it holds
 * a preserved device; -ENOMEM no memory; -EINVAL, -ENOSPC the layout does not fit;
 * -EHWPOISON there is a memory error where metadata would be.
 */
struct pkernfs_format {
	__u32 size;
	__u32 flags;
	__u32 region;
	__u32 inodes;
	__aligned_u64 pool_blocks;
	__u8 uuid[16];
	char label[32];
	char reason[128];
	__aligned_u64 small_blocks;
	__aligned_u64 huge_granules;
};

/* pkernfs_region_info.flags */
#define PKERNFS_REGION_FORMATTED	1	/* a superblock proves itself */
#define PKERNFS_REGION_MOUNTED		2
#define PKERNFS_REGION_BUSY		4	/* pages in use, or a preserved device */
#define PKERNFS_REGION_CLAIMED		8	/* by somebody who has it open */

/**
 * struct pkernfs_region_info - ioctl(PKERNFS_REGION_INFO) on /dev/pkernfsN
 * @size: sizeof(struct pkernfs_region_info)
 * @flags: set: PKERNFS_REGION_*
 * @base: set: physical address of the region
 * @bytes: set: its size
 * @changes: set: another number than before if metadata has changed since then, never 0.
 *	What was read(2) in between, with no change, is all as it was at one time. Callers
 *	that end before it: not told
 */
struct pkernfs_region_info {
	__u32 size;
	__u32 flags;
	__aligned_u64 base;
	__aligned_u64 bytes;
	__aligned_u64 changes;
};

/**
 * struct pkernfs_region_check - ioctl(PKERNFS_REGION_CHECK) on /dev/pkernfsN
 * @size: sizeof(struct pkernfs_region_check)
 * @flags: must be 0
 * @inodes: set: inodes in use
 * @orphans: set: of them, unlinked ones that somebody still uses
 * @reason: set: what would keep a kernel from loading the region; empty: nothing
 *
 * Has the region looked at as the next kernel would, mounted or not, and with no
 * operation under way meanwhile. Changes nothing.
 *
 * Errors: -ENOMEM; -ENXIO its memory could not be mapped.
 */
struct pkernfs_region_check {
	__u32 size;
	__u32 flags;
	__u32 inodes;
	__u32 orphans;
	char reason[128];
};

#define PKERNFS_REGION_INFO	_IO(PKERNFS_TYPE, PKERNFS_CMD_REGION_INFO)
#define PKERNFS_REGION_CHECK	_IO(PKERNFS_TYPE, PKERNFS_CMD_REGION_CHECK)
#define PKERNFS_FORMAT		_IO(PKERNFS_TYPE, PKERNFS_CMD_FORMAT)
#define PKERNFS_FREEZE		_IO(PKERNFS_TYPE, PKERNFS_CMD_FREEZE)
#define PKERNFS_QUIESCE_IRQ	_IO(PKERNFS_TYPE, PKERNFS_CMD_QUIESCE_IRQ)
#define PKERNFS_UNFREEZE	_IO(PKERNFS_TYPE, PKERNFS_CMD_UNFREEZE)
#define PKERNFS_INFO		_IO(PKERNFS_TYPE, PKERNFS_CMD_INFO)
#define PKERNFS_RELEASE		_IO(PKERNFS_TYPE, PKERNFS_CMD_RELEASE)

#endif
