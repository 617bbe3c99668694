/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * pkernfs: the format of a region in memory.
 *
 * This header is the whole contract between two kernels, and between a kernel
 * and the tools: nothing else of one kernel is known to the next. All integers
 * are little-endian. A reader believes nothing: each value is checked against
 * the region before it is used.
 *
 * A region is an array of 4 KiB blocks. Block 0 is superblock copy 0, the last
 * block is superblock copy 1. The areas that the superblock names lie in
 * between, and do not overlap:
 *
 *	journal		redo log of metadata operations
 *	inodes		inode table
 *	records		one block a preserved device (struct pkernfs_dev_record)
 *	handover	what a kernel leaves for the next one: per remapping unit a
 *			header block, right after it the root table, then
 *			context tables
 *	pool		4 KiB blocks: the list of bad pages, blocks of extents, names,
 *			attributes and targets of links, and second-stage tables of
 *			preserved devices
 *	data		2 MiB granules of file data, naturally aligned
 *	small		4 KiB granules of file data; with PKERNFS_INCOMPAT_POOLS only
 *	huge		1 GiB granules of file data; with PKERNFS_INCOMPAT_HUGE only
 *
 * Who may write what, and which store makes it valid, stands at each struct.
 */
#ifndef _UAPI_LINUX_PKERNFS_FORMAT_H
#define _UAPI_LINUX_PKERNFS_FORMAT_H

#include <linux/types.h>

#define PKERNFS_BLOCK_SHIFT	12
#define PKERNFS_BLOCK_SIZE	(1UL << PKERNFS_BLOCK_SHIFT)
#define PKERNFS_GRANULE_SHIFT	21
#define PKERNFS_GRANULE_SIZE	(1UL << PKERNFS_GRANULE_SHIFT)
#define PKERNFS_HUGE_SHIFT	30
#define PKERNFS_HUGE_SIZE	(1UL << PKERNFS_HUGE_SHIFT)

#define PKERNFS_SB_MAGIC	0x53464e52454b50ULL	/* "PKERNFS" */
#define PKERNFS_RECORD_MAGIC	0x43524b50U		/* "PKRC" */
#define PKERNFS_HANDOVER_MAGIC	0x4f484b50U		/* "PKHO" */
#define PKERNFS_FORMAT_VERSION	1

/**
 * struct pkernfs_area - a run of blocks inside the region
 * @start: first block
 * @count: number of blocks
 */
struct pkernfs_area {
	__le64 start;
	__le64 count;
};

/*
 * Features. Superblock, device record and handover header each name those that they
 * and what they speak for make use of; the bits are the same in all three. A kernel
 * that does not know an incompatible one refuses the region, cuts off the device, or
 * all devices of the unit. One that does not know a compatible one goes on.
 *
 * In the superblock mkfs sets those that it knows (POOLS and HUGE: if there are such
 * granules); what a region was not made with is refused in it.
 *
 * SPECIAL	device files, FIFOs, sockets
 * FLAGS	flags of inodes
 * XATTR	extended attributes
 * POOLS	granules of 4 KiB, in an area of their own, besides those of 2 MiB
 * ACL		POSIX ACLs, in them
 * BAD		a list of bad pages, in the first block of the pool
 * DIRTY	of device records alone: hardware sets accessed and dirty bits in the
 *		second-stage tables that the record names (SSADE)
 * HUGE		granules of 1 GiB, in an area of their own
 * MARK		the inode table says how far it has been used
 * LINKS	targets of symbolic links in blocks of the pool
 * LARGE	files of up to 2^63 - 1 bytes, and not of 2^63 - 2^21
 *
 * And compatible ones, which whoever does not know them need not care for:
 *
 * LEAVES	of device records alone: pkernfs_iommu_ser.leaves is there
 */
#define PKERNFS_INCOMPAT_SPECIAL	(1ULL << 0)
#define PKERNFS_INCOMPAT_FLAGS		(1ULL << 1)
#define PKERNFS_INCOMPAT_XATTR		(1ULL << 2)
#define PKERNFS_INCOMPAT_POOLS		(1ULL << 3)
#define PKERNFS_INCOMPAT_BAD		(1ULL << 4)
#define PKERNFS_INCOMPAT_ACL		(1ULL << 5)
#define PKERNFS_INCOMPAT_DIRTY		(1ULL << 6)
#define PKERNFS_INCOMPAT_HUGE		(1ULL << 7)
#define PKERNFS_INCOMPAT_MARK		(1ULL << 8)
#define PKERNFS_INCOMPAT_LINKS		(1ULL << 9)
#define PKERNFS_INCOMPAT_LARGE		(1ULL << 10)
#define PKERNFS_INCOMPAT_KNOWN		(PKERNFS_INCOMPAT_SPECIAL | \
					 PKERNFS_INCOMPAT_FLAGS | \
					 PKERNFS_INCOMPAT_XATTR | \
					 PKERNFS_INCOMPAT_POOLS | \
					 PKERNFS_INCOMPAT_BAD | \
					 PKERNFS_INCOMPAT_ACL | \
					 PKERNFS_INCOMPAT_DIRTY | \
					 PKERNFS_INCOMPAT_HUGE | \
					 PKERNFS_INCOMPAT_MARK | \
					 PKERNFS_INCOMPAT_LINKS | \
					 PKERNFS_INCOMPAT_LARGE)

#define PKERNFS_COMPAT_LEAVES		(1ULL << 0)

/**
 * struct pkernfs_sb - superblock, at both ends of a region
 *
 * Written by mkfs only and static from then on, so @crc covers all of it. Copy 1
 * is written first and copy 0 last; mkfs is done when copy 0 is valid. A reader
 * takes the first copy that proves itself.
 *
 * @magic: PKERNFS_SB_MAGIC
 * @version: PKERNFS_FORMAT_VERSION
 * @size: size of this struct, in bytes
 * @feature_compat: PKERNFS_COMPAT_*
 * @feature_incompat: PKERNFS_INCOMPAT_*
 * @base: physical address of block 0, in bytes
 * @bytes: size of the region, in bytes
 * @index: place of the region in pkernfs=, from 0
 * @copy: 0 or 1
 * @granule_shift: log2 of the granules of @data, PKERNFS_GRANULE_SHIFT
 * @pad: 0
 * @uuid: random, the same in both copies
 * @label: free text, NUL-padded
 * @journal: see the top of this file; so are the other areas
 * @inodes: inode table
 * @records: device records
 * @handover: handover blocks
 * @pool: 4 KiB pool
 * @data: granules of 2 MiB; start and count are in blocks and multiples of 512
 * @small: granules of 4 KiB; start and count are multiples of 512 too, as the struct
 *	pages of both are made apart. All 0 without PKERNFS_INCOMPAT_POOLS
 * @huge: granules of 1 GiB; @base + start and count are multiples of 1 GiB. All 0
 *	without PKERNFS_INCOMPAT_HUGE
 * @reserved: 0
 * @crc: crc32c (seed ~0) of all bytes before it
 */
struct pkernfs_sb {
	__le64 magic;
	__le32 version;
	__le32 size;
	__le64 feature_compat;
	__le64 feature_incompat;
	__le64 base;
	__le64 bytes;
	__le32 index;
	__le32 copy;
	__le32 granule_shift;
	__le32 pad;
	__u8   uuid[16];
	char   label[32];
	struct pkernfs_area journal;
	struct pkernfs_area inodes;
	struct pkernfs_area records;
	struct pkernfs_area handover;
	struct pkernfs_area pool;
	struct pkernfs_area data;
	struct pkernfs_area small;
	struct pkernfs_area huge;
	__u8   reserved[36];
	__le32 crc;
};

/* --- Files ---------------------------------------------------------------- */

#define PKERNFS_SUPER_MAGIC	0x504b4653	/* statfs f_type */
#define PKERNFS_JOURNAL_MAGIC	0x4f4a4b50U	/* "PKJO" */
#define PKERNFS_INODE_MAGIC	0x4e494b50U	/* "PKIN" */
#define PKERNFS_TABLE_MAGIC	0x42544b50U	/* "PKTB" */
#define PKERNFS_EXTENT_MAGIC	0x58454b50U	/* "PKEX" */
#define PKERNFS_DIR_MAGIC	0x52444b50U	/* "PKDR" */
#define PKERNFS_XATTR_MAGIC	0x41584b50U	/* "PKXA" */
#define PKERNFS_BAD_MAGIC	0x44424b50U	/* "PKBD" */
#define PKERNFS_LINK_MAGIC	0x4e4c4b50U	/* "PKLN" */

#define PKERNFS_ROOT_INO	1		/* inode 0 is never used: see pkernfs_table_ser */
#define PKERNFS_NAME_MAX	255
#define PKERNFS_JOURNAL_BLOCKS	64		/* smallest journal */

/* pkernfs_journal_rec_ser.kind */
#define PKERNFS_REC_INODE	1	/* static part of an inode */
#define PKERNFS_REC_BLOCK	2	/* pool block, whole */

/**
 * struct pkernfs_journal_ser - head of the redo log, first block of the journal
 *
 * Each change of metadata is one transaction. Its records are written from the
 * second block on, then @bytes; after a write barrier the store of @commit makes
 * them valid; after another the records are copied to their targets; after a
 * third @commit becomes 0. A reader that finds @commit not 0 copies the records
 * again, which does no harm however far the writer had come, and clears it.
 *
 * @magic: PKERNFS_JOURNAL_MAGIC
 * @version: PKERNFS_FORMAT_VERSION
 * @commit: 0: nothing to do; otherwise a sequence number, not 0, in the upper
 *	half, and in the lower half crc32c (seed ~0) of @bytes and the records
 * @bytes: length of the records, a multiple of 8
 */
struct pkernfs_journal_ser {
	__le32 magic;
	__le32 version;
	__le64 commit;
	__le64 bytes;
};

/**
 * struct pkernfs_journal_rec_ser - one record; the new content follows it
 * @offset: of the target, in bytes from the start of the region; an inode or a
 *	block of the pool
 * @kind: PKERNFS_REC_*; the head of the inode table counts as an inode
 * @bytes: length of the content: PKERNFS_INODE_STATIC or PKERNFS_BLOCK_SIZE
 */
struct pkernfs_journal_rec_ser {
	__le64 offset;
	__le32 kind;
	__le32 bytes;
};

/**
 * struct pkernfs_extent_ser - a run of file data
 *
 * All three are multiples of the file's granule, and the memory is in the area that
 * has such (see PKERNFS_INODE_POOL). The order of extents means nothing;
 * those of a file do not overlap. @bytes 0: unused. The low bits of @bytes are
 * kept for flags; none is defined, and one that is set is refused.
 *
 * @logical: offset in the file, in bytes
 * @phys: physical address
 * @bytes: length
 */
struct pkernfs_extent_ser {
	__le64 logical;
	__le64 phys;
	__le64 bytes;
};

#define PKERNFS_INODE_EXTENTS	8
#define PKERNFS_SYMLINK_MAX	416	/* the terminating NUL included */

/* pkernfs_inode_ser.flags, as those of chattr(1); with PKERNFS_INCOMPAT_FLAGS only */
#define PKERNFS_INODE_IMMUTABLE	(1U << 0)
#define PKERNFS_INODE_APPEND	(1U << 1)
#define PKERNFS_INODE_NODUMP	(1U << 2)
#define PKERNFS_INODE_NOATIME	(1U << 3)
#define PKERNFS_INODE_CHATTR	0xfU

/*
 * Also in pkernfs_inode_ser.flags, with PKERNFS_INCOMPAT_POOLS or _HUGE only; what speaks
 * of 4 KiB with the former, what speaks of 1 GiB with the latter.
 *
 * POOL: of a regular file, where all of its extents are. All in one area; without
 * extents it means nothing.
 * WISH: of a regular file or a directory, the granules that its user wants. A new file
 * or directory has that of the directory it is made in. All else has neither.
 */
#define PKERNFS_INODE_POOL	(3U << 4)
#define PKERNFS_INODE_POOL_2M	(0U << 4)	/* in the area data */
#define PKERNFS_INODE_POOL_4K	(1U << 4)	/* in the area small */
#define PKERNFS_INODE_POOL_1G	(2U << 4)	/* in the area huge; 3: damage */
#define PKERNFS_INODE_WISH	(3U << 6)
#define PKERNFS_INODE_WISH_NONE	(0U << 6)	/* by its size */
#define PKERNFS_INODE_WISH_4K	(1U << 6)
#define PKERNFS_INODE_WISH_2M	(2U << 6)
#define PKERNFS_INODE_WISH_1G	(3U << 6)

#define PKERNFS_INODE_KNOWN	0xffU

/**
 * struct pkernfs_inode_ser - inode, 512 bytes
 *
 * All up to @crc is the static part, written through the redo log only. The times
 * behind it change with single stores at any moment. A slot of zeroes has never
 * been used; @mode 0 with a valid @crc is free again, and keeps its generation.
 * @mode not 0 and @nlink 0: an orphan, unlinked while in use; its memory is free
 * when nobody uses it, at the next mount at the latest.
 *
 * @magic: PKERNFS_INODE_MAGIC
 * @generation: counts the uses of this slot
 * @ino: number of this slot
 * @mode: as in stat(2); special files with PKERNFS_INCOMPAT_SPECIAL only
 * @flags: PKERNFS_INODE_*
 * @uid: owner
 * @gid: group
 * @nlink: links; a directory has 2 and one for each subdirectory
 * @size: in bytes; of a directory 0
 * @parent: of a directory: inode of the one it lies in; of the root: itself
 * @chain: first extent block or directory block in blocks, 0: none; of a symbolic link
 *	the block that its target is in, with PKERNFS_INCOMPAT_LINKS only
 * @btime: time of creation, as the times below
 * @extent: of a regular file
 * @target: of a symbolic link without a block, NUL-terminated
 * @rdev: of a device file, 20 bits of minor number in bits 7:0 and 31:20, major in
 *	19:8; zeroes behind it, as in all of a FIFO or socket
 * @xattr: block of extended attributes, 0: none; with PKERNFS_INCOMPAT_XATTR only
 * @crc: crc32c (seed ~0) of all bytes before it
 * @atime: time of last access, in signed nanoseconds since 1970
 * @mtime: time of last change of the content
 * @ctime: time of last change of the inode
 */
struct pkernfs_inode_ser {
	__le32 magic;
	__le32 generation;
	__le64 ino;
	__le16 mode;
	__le16 flags;
	__le32 uid;
	__le32 gid;
	__le32 nlink;
	__le64 size;
	__le64 parent;
	__le64 chain;
	__le64 btime;
	union {
		struct pkernfs_extent_ser extent[PKERNFS_INODE_EXTENTS];
		char target[PKERNFS_SYMLINK_MAX];
		__le32 rdev;
	};
	__le32 xattr;
	__le32 crc;
	__le64 atime;
	__le64 mtime;
	__le64 ctime;
};

#define PKERNFS_INODE_SIZE	512
#define PKERNFS_INODE_STATIC	488

/**
 * struct pkernfs_table_ser - head of the inode table, in the slot of inode 0
 *
 * With PKERNFS_INCOMPAT_MARK; otherwise this slot means nothing. Written by mkfs, and
 * through the redo log in the transaction that first uses a slot from @mark on. A load
 * does not read those slots: their static parts are zero, as mkfs has left them.
 *
 * @magic: PKERNFS_TABLE_MAGIC
 * @pad: 0
 * @ino: 0
 * @mark: slots from this one on have never been used; above PKERNFS_ROOT_INO and at
 *	most the number of slots
 * @reserved: 0
 * @crc: crc32c (seed ~0) of all bytes before it
 * @unused: 0
 */
struct pkernfs_table_ser {
	__le32 magic;
	__le32 pad;
	__le64 ino;
	__le64 mark;
	__u8   reserved[460];
	__le32 crc;
	__u8   unused[24];
};

#define PKERNFS_BLOCK_EXTENTS	169
#define PKERNFS_CHAIN_MAX	32	/* extent blocks of a file */

/**
 * struct pkernfs_extent_block_ser - more extents of a file, one pool block
 * @magic: PKERNFS_EXTENT_MAGIC
 * @crc: crc32c (seed ~0) of all bytes after it
 * @ino: the file
 * @next: next block of the chain, 0: none
 * @generation: of the file
 * @pad: 0
 * @extent: extents
 * @reserved: 0
 */
struct pkernfs_extent_block_ser {
	__le32 magic;
	__le32 crc;
	__le64 ino;
	__le64 next;
	__le32 generation;
	__le32 pad;
	struct pkernfs_extent_ser extent[PKERNFS_BLOCK_EXTENTS];
	__u8   reserved[8];
};

#define PKERNFS_DIR_UNIT	32	/* bytes */
#define PKERNFS_DIR_UNITS	127	/* in a block */

/**
 * struct pkernfs_dirent_ser - one name, as many units as it needs
 *
 * An entry never moves, so its place (block, unit) is a stable readdir cookie.
 *
 * @ino: inode, 0: this one unit is free
 * @units: units that the entry takes
 * @len: length of the name
 * @type: DT_*
 * @pad: 0
 * @name: not terminated; zeroes up to the end of the last unit
 */
struct pkernfs_dirent_ser {
	__le64 ino;
	__u8   units;
	__u8   len;
	__u8   type;
	__u8   pad[5];
	char   name[];
};

/**
 * struct pkernfs_dir_block_ser - names of a directory, one pool block
 * @magic: PKERNFS_DIR_MAGIC
 * @crc: crc32c (seed ~0) of all bytes after it
 * @ino: the directory
 * @next: next block of the chain, 0: none
 * @generation: of the directory
 * @index: place in the chain, from 0
 * @unit: entries
 */
struct pkernfs_dir_block_ser {
	__le32 magic;
	__le32 crc;
	__le64 ino;
	__le64 next;
	__le32 generation;
	__le32 index;
	__u8   unit[PKERNFS_DIR_UNITS][PKERNFS_DIR_UNIT];
};

/* pkernfs_xattr_ser.space; those of ACLs with PKERNFS_INCOMPAT_ACL only */
#define PKERNFS_XATTR_USER		1	/* user.NAME */
#define PKERNFS_XATTR_TRUSTED		2	/* trusted.NAME */
#define PKERNFS_XATTR_SECURITY		3	/* security.NAME */
#define PKERNFS_XATTR_ACL_ACCESS	4	/* system.posix_acl_access */
#define PKERNFS_XATTR_ACL_DEFAULT	5	/* system.posix_acl_default */
#define PKERNFS_XATTR_SPACES		6

/**
 * struct pkernfs_xattr_ser - one extended attribute
 *
 * In a row, each on a multiple of 4 bytes. No two of a block have the same name.
 *
 * @space: PKERNFS_XATTR_*
 * @name_len: length of the name behind the prefix that @space stands for; 0 for the
 *	spaces that are a whole name
 * @value_len: length of the value; of an ACL: as in xattr(7), ids those of the
 *	initial user namespace
 * @data: name, then value, zeroes up to a multiple of 4
 */
struct pkernfs_xattr_ser {
	__u8   space;
	__u8   name_len;
	__le16 value_len;
	__u8   data[];
};

#define PKERNFS_XATTR_BYTES	4064

/**
 * struct pkernfs_xattr_block_ser - extended attributes of an inode, one pool block
 * @magic: PKERNFS_XATTR_MAGIC
 * @crc: crc32c (seed ~0) of all bytes after it
 * @ino: the inode
 * @pad: 0
 * @generation: of the inode
 * @bytes: length of the attributes, not 0
 * @entry: attributes, then zeroes
 */
struct pkernfs_xattr_block_ser {
	__le32 magic;
	__le32 crc;
	__le64 ino;
	__le64 pad;
	__le32 generation;
	__le32 bytes;
	__u8   entry[PKERNFS_XATTR_BYTES];
};

#define PKERNFS_LINK_BYTES	4064	/* the terminating NUL included */

/**
 * struct pkernfs_link_block_ser - target of a symbolic link, one pool block
 *
 * With PKERNFS_INCOMPAT_LINKS; for one that is too long for its inode.
 *
 * @magic: PKERNFS_LINK_MAGIC
 * @crc: crc32c (seed ~0) of all bytes after it
 * @ino: the link
 * @pad: 0
 * @generation: of the link
 * @reserved: 0
 * @target: NUL-terminated
 */
struct pkernfs_link_block_ser {
	__le32 magic;
	__le32 crc;
	__le64 ino;
	__le64 pad;
	__le32 generation;
	__le32 reserved;
	char   target[PKERNFS_LINK_BYTES];
};

#define PKERNFS_BAD_PAGES	508

/**
 * struct pkernfs_bad_block_ser - pages with memory errors, the first block of the pool
 *
 * With PKERNFS_INCOMPAT_BAD. Written through the redo log, and by mkfs, which keeps
 * what is in it.
 *
 * @magic: PKERNFS_BAD_MAGIC
 * @crc: crc32c (seed ~0) of all bytes after it
 * @ino: 0
 * @pad: 0
 * @generation: 0
 * @count: pages
 * @page: 4 KiB pages, counted from the start of the region, ascending; then zeroes
 */
struct pkernfs_bad_block_ser {
	__le32 magic;
	__le32 crc;
	__le64 ino;
	__le64 pad;
	__le32 generation;
	__le32 count;
	__le64 page[PKERNFS_BAD_PAGES];
};

/* --- Device records ------------------------------------------------------- */

#define PKERNFS_PCI_BARS	7	/* 6 BARs and the expansion ROM */
#define PKERNFS_PCI_DEPTH	8	/* bridges above a preserved device */

/**
 * struct pkernfs_pci_bridge_ser - one bridge on the way to a preserved device
 * @devfn: device and function on its primary bus
 * @primary: primary bus number
 * @secondary: secondary bus number
 * @subordinate: subordinate bus number
 * @io: I/O base/limit registers as read (0x1c, 16 bits; upper in 0x30)
 * @io_upper: I/O base/limit upper 16 bits as read (0x30)
 * @mem: memory base/limit as read (0x20)
 * @pref: prefetchable base/limit as read (0x24)
 * @pref_base_upper: 0x28 as read
 * @pref_limit_upper: 0x2c as read
 * @vendor_device: 0x00 as read
 */
struct pkernfs_pci_bridge_ser {
	__u8   devfn;
	__u8   primary;
	__u8   secondary;
	__u8   subordinate;
	__le32 io;
	__le32 io_upper;
	__le32 mem;
	__le32 pref;
	__le32 pref_base_upper;
	__le32 pref_limit_upper;
	__le32 vendor_device;
};

/**
 * struct pkernfs_pci_ser - identity and configuration of a preserved function
 *
 * Written by the PCI half at FREEZE; compared with the hardware by the next
 * kernel before the device is believed to be the same.
 *
 * @segment: PCI segment
 * @rid: bus << 8 | devfn
 * @vendor: config 0x00
 * @device: config 0x02
 * @subsystem_vendor: config 0x2c
 * @subsystem_device: config 0x2e
 * @class_revision: config dword 0x08
 * @header_type: config 0x0e
 * @msix_cap: offset of the MSI-X capability, 0: none
 * @msi_cap: offset of the MSI capability, 0: none
 * @pm_cap: offset of the power management capability, 0: none
 * @msix_flags: MSI-X message control as read, before any masking
 * @command: config 0x04 as read
 * @irq_type: VFIO_PCI_*_IRQ_INDEX, ~0: none
 * @irq_count: vectors set up by the VMM
 * @bridge_count: elements of @bridge in use
 * @bridge: bridges above it, nearest first
 * @bar: BARs and, last, the expansion ROM: the register as read (lo), CPU
 *	address (start, 0: unused) and length (bytes)
 * @reserved: 0
 */
struct pkernfs_pci_ser {
	__le16 segment;
	__le16 rid;
	__le16 vendor;
	__le16 device;
	__le16 subsystem_vendor;
	__le16 subsystem_device;
	__le32 class_revision;
	__u8   header_type;
	__u8   msix_cap;
	__u8   msi_cap;
	__u8   pm_cap;
	__le16 msix_flags;
	__le16 command;
	__le32 irq_type;
	__le32 irq_count;
	__le32 bridge_count;
	struct pkernfs_pci_bridge_ser bridge[PKERNFS_PCI_DEPTH];
	struct {
		__le32 lo;
		__le32 pad;
		__le64 start;
		__le64 bytes;
	} bar[PKERNFS_PCI_BARS];
	__u8   reserved[64];
};

/* pkernfs_iommu_ser.mode */
#define PKERNFS_IOMMU_VTD_LEGACY	1
#define PKERNFS_IOMMU_VTD_SCALABLE	2

/*
 * struct pkernfs_leaf_ser - a leaf of second-stage tables, as pkernfs_iommu_ser.leaves has it
 * @iova: first IOVA
 * @phys: physical address that it translates to
 * @bytes: 4 KiB, 2 MiB or 1 GiB
 * @attr: bits 0 and 1, read and write, and 11, snoop, of the entry
 *
 * It is followed by a pkernfs_owner_ser for each granule that the leaf touches, ascending.
 */
struct pkernfs_leaf_ser {
	__le64 iova;
	__le64 phys;
	__le64 bytes;
	__le64 attr;
};

/*
 * struct pkernfs_owner_ser - the file that a granule is of
 * @ino: inode
 * @generation: inode generation
 * @pad: 0
 */
struct pkernfs_owner_ser {
	__le64 ino;
	__le32 generation;
	__le32 pad;
};

/**
 * struct pkernfs_iommu_ser - the fixed domain of a preserved device
 * @drhd_base: physical address of the remapping unit's registers
 * @cap: capability register as read
 * @ecap: extended capability register as read
 * @ss_root: physical address of the top second-stage table, in the pool
 * @tables: number of second-stage table blocks, the top one included
 * @pages: number of 4 KiB pages that the domain maps
 * @did: domain id, kept from freeze to free
 * @mode: PKERNFS_IOMMU_*
 * @aw: address width field of the device's entry (1: 39 bits, 2: 48, 3: 57)
 * @flags: none defined
 * @leaves: crc32c (seed ~0) of a pkernfs_leaf_ser and its owners for each leaf, by ascending
 *	IOVA: each IOVA leads to the page that it led to at FREEZE, and that is of the same
 *	file. With PKERNFS_COMPAT_LEAVES
 * @reserved: 0
 */
struct pkernfs_iommu_ser {
	__le64 drhd_base;
	__le64 cap;
	__le64 ecap;
	__le64 ss_root;
	__le64 tables;
	__le64 pages;
	__le16 did;
	__u8   mode;
	__u8   aw;
	__le32 flags;
	__le32 leaves;
	__u8   reserved[60];
};

/* pkernfs_dev_record.state */
#define PKERNFS_RECORD_FREE	0	/* nothing in this block means anything */
#define PKERNFS_RECORD_FROZEN	1	/* the rest is valid */

/* pkernfs_dev_record.irq */
#define PKERNFS_RECORD_IRQ_UNCERTAIN	0
#define PKERNFS_RECORD_IRQ_QUIESCED	1

/**
 * struct pkernfs_dev_record - one preserved device, one block
 *
 * Written at FREEZE with @state FREE; the store of FROZEN to @state, after a
 * write barrier, makes the rest valid. The store of FREE ends it. @state and
 * @irq are single words and outside the crc; all from @magic on is static.
 *
 * @state: PKERNFS_RECORD_FREE or _FROZEN; anything else is damage
 * @irq: PKERNFS_RECORD_IRQ_*
 * @magic: PKERNFS_RECORD_MAGIC
 * @version: PKERNFS_FORMAT_VERSION
 * @feature_compat: PKERNFS_COMPAT_*
 * @feature_incompat: PKERNFS_INCOMPAT_*
 * @slot: number of this block in the records area
 * @generation: inode generation
 * @ino: inode of the device file
 * @pci: identity
 * @iommu: fixed domain
 * @pad: 0
 * @crc: crc32c (seed ~0) from @magic up to here
 */
struct pkernfs_dev_record {
	__le32 state;
	__le32 irq;
	__le32 magic;
	__le32 version;
	__le64 feature_compat;
	__le64 feature_incompat;
	__le32 slot;
	__le32 generation;
	__le64 ino;
	struct pkernfs_pci_ser pci;
	struct pkernfs_iommu_ser iommu;
	__le32 pad;
	__le32 crc;
};

/* --- Handover ------------------------------------------------------------- */

#define PKERNFS_HANDOVER_DEVICES	64

/**
 * struct pkernfs_handover - what one remapping unit is left with at kexec
 *
 * The block right before the root table that the unit's RTADDR points to.
 * Written in the reboot notifier; hardware is pointed at the root table with
 * all CPUs but one stopped. It is the hardware register that makes it valid:
 * a header that no RTADDR points to means nothing.
 *
 * @magic: PKERNFS_HANDOVER_MAGIC
 * @version: PKERNFS_FORMAT_VERSION
 * @feature_compat: PKERNFS_COMPAT_*
 * @feature_incompat: PKERNFS_INCOMPAT_*
 * @self: physical address of this block
 * @region_base: base of the region it lies in
 * @region_bytes: size of that region
 * @uuid: of that region
 * @drhd_base: registers of the unit
 * @blocks: blocks used by this unit: header, root and context tables, and in
 *	scalable mode each device's PASID directory and table
 * @mode: PKERNFS_IOMMU_*
 * @devices: number of valid elements in @slot
 * @slot: records of the devices behind this unit
 * @crc: crc32c (seed ~0) of all before it
 */
struct pkernfs_handover {
	__le32 magic;
	__le32 version;
	__le64 feature_compat;
	__le64 feature_incompat;
	__le64 self;
	__le64 region_base;
	__le64 region_bytes;
	__u8   uuid[16];
	__le64 drhd_base;
	__le32 blocks;
	__le32 mode;
	__le32 devices;
	__le32 slot[PKERNFS_HANDOVER_DEVICES];
	__le32 crc;
};

/* --- Layout, asserted for the kernel and the tools alike ------------------- */

#ifdef __KERNEL__
#define PKERNFS_OFFSETOF(type, member)	offsetof(type, member)
#else
#define PKERNFS_OFFSETOF(type, member)	__builtin_offsetof(type, member)
#endif
#define PKERNFS_ASSERT_SIZE(type, bytes) \
	_Static_assert(sizeof(struct type) == (bytes), #type)
#define PKERNFS_ASSERT_AT(type, member, at) \
	_Static_assert(PKERNFS_OFFSETOF(struct type, member) == (at), #type "." #member)

PKERNFS_ASSERT_SIZE(pkernfs_area, 16);
PKERNFS_ASSERT_SIZE(pkernfs_sb, 280);
PKERNFS_ASSERT_AT(pkernfs_sb, feature_compat, 16);
PKERNFS_ASSERT_AT(pkernfs_sb, base, 32);
PKERNFS_ASSERT_AT(pkernfs_sb, uuid, 64);
PKERNFS_ASSERT_AT(pkernfs_sb, journal, 112);
PKERNFS_ASSERT_AT(pkernfs_sb, data, 192);
PKERNFS_ASSERT_AT(pkernfs_sb, small, 208);
PKERNFS_ASSERT_AT(pkernfs_sb, huge, 224);
PKERNFS_ASSERT_AT(pkernfs_sb, crc, 276);
PKERNFS_ASSERT_SIZE(pkernfs_journal_ser, 24);
PKERNFS_ASSERT_AT(pkernfs_journal_ser, commit, 8);
PKERNFS_ASSERT_SIZE(pkernfs_journal_rec_ser, 16);
PKERNFS_ASSERT_SIZE(pkernfs_extent_ser, 24);
PKERNFS_ASSERT_SIZE(pkernfs_inode_ser, PKERNFS_INODE_SIZE);
PKERNFS_ASSERT_AT(pkernfs_inode_ser, size, 32);
PKERNFS_ASSERT_AT(pkernfs_inode_ser, extent, 64);
PKERNFS_ASSERT_AT(pkernfs_inode_ser, crc, 484);
PKERNFS_ASSERT_AT(pkernfs_inode_ser, atime, PKERNFS_INODE_STATIC);
PKERNFS_ASSERT_SIZE(pkernfs_table_ser, PKERNFS_INODE_SIZE);
PKERNFS_ASSERT_AT(pkernfs_table_ser, mark, 16);
PKERNFS_ASSERT_AT(pkernfs_table_ser, crc, 484);
PKERNFS_ASSERT_SIZE(pkernfs_extent_block_ser, PKERNFS_BLOCK_SIZE);
PKERNFS_ASSERT_AT(pkernfs_extent_block_ser, extent, 32);
PKERNFS_ASSERT_SIZE(pkernfs_dirent_ser, 16);
PKERNFS_ASSERT_SIZE(pkernfs_dir_block_ser, PKERNFS_BLOCK_SIZE);
PKERNFS_ASSERT_AT(pkernfs_dir_block_ser, unit, 32);
PKERNFS_ASSERT_SIZE(pkernfs_xattr_ser, 4);
PKERNFS_ASSERT_SIZE(pkernfs_xattr_block_ser, PKERNFS_BLOCK_SIZE);
PKERNFS_ASSERT_AT(pkernfs_xattr_block_ser, generation, 24);
PKERNFS_ASSERT_SIZE(pkernfs_link_block_ser, PKERNFS_BLOCK_SIZE);
PKERNFS_ASSERT_AT(pkernfs_link_block_ser, generation, 24);
PKERNFS_ASSERT_SIZE(pkernfs_pci_bridge_ser, 32);
PKERNFS_ASSERT_SIZE(pkernfs_leaf_ser, 32);
PKERNFS_ASSERT_SIZE(pkernfs_owner_ser, 16);
PKERNFS_ASSERT_SIZE(pkernfs_iommu_ser, 120);
PKERNFS_ASSERT_AT(pkernfs_iommu_ser, leaves, 56);
PKERNFS_ASSERT_SIZE(pkernfs_pci_ser, 528);
PKERNFS_ASSERT_SIZE(pkernfs_dev_record, 704);
PKERNFS_ASSERT_AT(pkernfs_dev_record, magic, 8);
PKERNFS_ASSERT_AT(pkernfs_dev_record, feature_compat, 16);
PKERNFS_ASSERT_AT(pkernfs_dev_record, pci, 48);
PKERNFS_ASSERT_AT(pkernfs_dev_record, crc, 700);
PKERNFS_ASSERT_SIZE(pkernfs_handover, 344);
PKERNFS_ASSERT_AT(pkernfs_handover, feature_compat, 8);
PKERNFS_ASSERT_AT(pkernfs_handover, drhd_base, 64);
PKERNFS_ASSERT_AT(pkernfs_handover, crc, 340);

#endif
