/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A region in userspace, for those who damage it.
 */
#ifndef _PKERNFS_FUZZ_REGION_H
#define _PKERNFS_FUZZ_REGION_H

#include "../../../fs/pkernfs/pkernfs.h"
#include "verdict.h"

/*
 * Where the machine has it that is given these regions. One with granules of 1 GiB, which
 * are aligned in memory, has them behind the same data area, before the last 2 MiB.
 */
#define REGION_BASE	(512ULL << 20)
#define REGION_BYTES	(64ULL << 20)
#define REGION_HUGE	5
#define REGION_HUGE_BASE	((5ULL << 30) - REGION_BYTES + PKERNFS_GRANULE_SIZE)
#define REGION_INODES	64

/* Inodes of the tree. That of FREE is free again; what follows has granules of 1 GiB. */
enum {
	TREE_ROOT = 1, TREE_VM0, TREE_RAM, TREE_STATE, TREE_LINK, TREE_FIFO, TREE_NULL,
	TREE_MANY, TREE_NAMES, TREE_A, TREE_B, TREE_C, TREE_SMALL, TREE_TINY, TREE_ORPHAN,
	TREE_LONG, TREE_FREE, TREE_VM1, TREE_HUGE, TREE_HALF,
	TREE_END
};

/* What there is of TREE_SMALL: more extents than an inode has */
#define TREE_SMALL_GRANULES	12

/* tree.c */
void region_memory(struct pkernfs_region *r, bool huge);
void region_make(struct pkernfs_region *r);
bool region_load(struct pkernfs_region *r, const char **why);
void region_unload(struct pkernfs_region *r);
int region_create(struct pkernfs_core *c, u32 dir, const char *name, umode_t mode, u32 *ino);
int region_link(struct pkernfs_core *c, u32 dir, const char *name, u32 ino);
void region_list(struct pkernfs_core *c);

static inline struct pkernfs_inode_ser *region_inode(struct pkernfs_region *r, u32 ino)
{
	/* Where mkfs puts them, whatever the superblock may say by now. */
	return pkernfs_block(r, 1 + PKERNFS_JOURNAL_BLOCKS) + ino * PKERNFS_INODE_SIZE;
}

static inline bool region_huge(const struct pkernfs_region *r)
{
	return r->bytes != REGION_BYTES;
}

static inline void region_seal(struct pkernfs_inode_ser *ser)
{
	ser->crc = cpu_to_le32(pkernfs_inode_crc(ser));
}

static inline void region_seal_sb(struct pkernfs_sb *sb)
{
	sb->crc = cpu_to_le32(crc32c(~0, sb, offsetof(struct pkernfs_sb, crc)));
}

/* golden.c */
void region_golden_any(struct pkernfs_region *r, u64 n);
int region_golden(struct pkernfs_region *r, const char *name);
bool region_golden_huge(const char *name);
void region_goldens(void);

#endif
