/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is valid in a region, and how it is mended.
 *
 * This is not the kernel's loader but a second opinion that shares nothing with it
 * but the format; tools/testing/fuzz has both judge the same damaged regions. Each
 * finding is a row of the table in check.c. What is mended is mended in memory, at
 * once, and the whole check is done again until it finds nothing.
 */
#ifndef PKERNFS_CHECK_H
#define PKERNFS_CHECK_H

#include <string.h>

#include "image.h"

enum problem {
	P_SB_NONE, P_SB_COPY, P_SB_DIFFER,
	P_JOURNAL_HEAD, P_JOURNAL_DAMAGE, P_JOURNAL_REPLAY,
	P_RECORDS,
	P_BAD_LIST, P_BAD_CRC, P_BAD_PAGE,
	P_TABLE, P_TABLE_ABOVE,
	P_INODE_ID, P_INODE_CRC, P_INODE_JUNK, P_INODE_TYPE, P_INODE_FLAGS, P_INODE_GRANULES,
	P_INODE_SIZE,
	P_SYMLINK, P_SPECIAL_FEATURE, P_SPECIAL_DATA, P_SPECIAL_RDEV,
	P_XATTR_FEATURE, P_XATTR_BLOCK, P_XATTR_CRC, P_XATTR_ENTRY,
	P_EXTENT_RANGE, P_EXTENT_OVERLAP, P_EXTENT_SHARED, P_EXTENT_BAD, P_EXTENT_NO_ROOM,
	P_CHAIN_BLOCK, P_CHAIN_CRC, P_CHAIN_INDEX,
	P_ENTRY_LENGTH, P_ENTRY_NAME, P_ENTRY_INODE, P_ENTRY_TYPE, P_ENTRY_TWICE,
	P_DIR_TWICE, P_DIR_PARENT, P_DIR_LOOP, P_DIR_FULL, P_REMOVED_FULL,
	P_ROOT_MISSING, P_ROOT_OCCUPIED, P_ROOT_STUCK, P_NAMELESS, P_NLINK,
	P_LOST_FOUND, P_NO_ROOM,
	PROBLEMS
};

/* problem_info.flags */
#define P_MILD		1	/* the kernel goes on all the same */
#define P_PREEN		2	/* mended by -p */
#define P_UNFIXED	4	/* cannot be mended */

/**
 * struct problem_info - a row of what can be found
 * @name: short, for programs
 * @what: is wrong
 * @action: what is done about it
 * @flags: P_*
 */
struct problem_info {
	const char *name;
	const char *what;
	const char *action;
	unsigned int flags;
};

extern const struct problem_info problem_info[PROBLEMS];

/**
 * struct node - an inode of the region that is in use
 * @mode: type and rights, 0: the slot is free
 * @mended: something had to be guessed: who claims the same memory goes first
 * @names: entries of directories that name it
 * @subdirs: entries in it that name a directory
 * @dir: directory: where its name is
 * @seen: directory: 1: leads to the root, 2: being looked at
 * @entries: directory: names in it
 * @block: its chain
 * @blocks: number of them
 */
struct node {
	uint16_t mode;
	bool mended;
	uint32_t names;
	uint32_t subdirs;
	uint32_t dir;
	uint8_t seen;
	uint32_t entries;
	uint64_t *block;
	uint32_t blocks;
};

/* Which granules: what PKERNFS_INODE_POOL says of a file. */
enum { GPOOL_2M, GPOOL_4K, GPOOL_1G, GPOOLS };

/**
 * struct gpool - granules of one size
 * @shift: log2 of their size
 * @start: first block of the area that they are in
 * @granules: number of them, 0: the region has none of this size
 * @owner: inode that has a granule, 0: none
 */
struct gpool {
	unsigned int shift;
	uint64_t start;
	uint64_t granules;
	uint32_t *owner;
};

/**
 * struct check - a check of a region
 * @img: the region
 * @report: called for each finding; NULL: nobody listens
 * @arg: for it
 * @count: findings of each kind
 * @found: findings that keep the kernel from loading the region
 * @mild: the others
 * @left: findings that could not be mended, of the last round
 * @fixed: in this round
 * @unsafe: findings that -p does not mend
 * @frozen: records of preserved devices: nothing may be changed
 * @files: inodes in use, of the last round
 * @orphans: of them, those that nothing names and nobody misses
 * @bytes: in granules of all sizes
 * @bytes_used: of them, in files
 * @inodes: size of the table
 * @node: by number
 * @pool: a bit for each block of the pool: in use
 * @named: the same: something has named it since the check began, rightly or not
 * @gpool: granules of data, by size
 * @bad: list of bad pages, NULL: the region was made without one
 * @bad_blank: there were zeroes where it should be
 * @shared: extents whose memory has another owner: by inode and slot
 * @shareds: number of them
 * @lost: inode of lost+found, 0: not looked for yet
 * @no_lost: there is none, and none can be made
 */
struct check {
	struct image *img;
	void (*report)(struct check *k, enum problem p, const char *where);
	void *arg;
	unsigned int count[PROBLEMS];
	unsigned int found, mild, left, fixed, unsafe;
	bool frozen;
	uint32_t files, orphans;
	uint64_t bytes, bytes_used;

	uint32_t inodes;
	struct node *node;
	uint8_t *pool;
	uint8_t *named;
	struct gpool gpool[GPOOLS];
	const struct pkernfs_bad_block_ser *bad;
	bool bad_blank;
	struct shared {
		uint32_t ino, slot;
	} *shared;
	unsigned int shareds;
	uint32_t lost;
	bool no_lost;
};

bool check_run(struct check *k, struct image *img);
void check_exit(struct check *k);

/* --- for the parts of the checker ------------------------------------------- */

bool check_found(struct check *k, enum problem p, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
bool check_has(const struct check *k, uint64_t incompat);
void *check_named(struct check *k, uint64_t block);
bool check_take(struct check *k, uint64_t block);
uint64_t check_free_block(struct check *k);
struct pkernfs_inode_ser *check_inode_change(struct check *k, uint32_t ino);
void check_inode_seal(struct pkernfs_inode_ser *ser);
void check_block_seal(void *block);
bool check_chain_block(struct check *k, uint32_t ino, uint32_t magic, uint64_t block,
		       uint64_t from);
uint64_t check_chain_add(struct check *k, uint32_t ino, uint32_t magic);

/* check_bad.c */
void check_bad_list(struct check *k);
bool check_bad(const struct check *k, uint64_t block, uint64_t blocks);
uint64_t check_bad_metadata(const struct check *k, const struct pkernfs_bad_block_ser *b,
			    uint32_t *at);
uint64_t check_bad_find(const struct image *img, const struct pkernfs_sb *sb);
bool check_bad_whole(const struct image *img, const struct pkernfs_bad_block_ser *b);
uint32_t check_bad_merge(struct pkernfs_bad_block_ser *to,
			 const struct pkernfs_bad_block_ser *from, uint32_t *added);

/* check_inode.c */
void check_inodes(struct check *k);
uint32_t check_inode_new(struct check *k, uint16_t mode, uint64_t parent);

/* check_data.c */
void check_extent_blocks(struct check *k, uint32_t ino);
void check_file(struct check *k, uint32_t ino);
void check_shared(struct check *k);

/* check_dir.c */
void check_dir_load(struct check *k, uint32_t ino);
void check_names(struct check *k);
void check_links(struct check *k);

/* First block of a granule */
static inline uint64_t gpool_block(const struct gpool *p, uint64_t granule)
{
	return p->start + (granule << (p->shift - PKERNFS_BLOCK_SHIFT));
}

static inline bool check_zero(const void *p, size_t bytes)
{
	const uint8_t *at = p;

	return !bytes || (!*at && !memcmp(at, at + 1, bytes - 1));
}

static inline struct node *check_node(struct check *k, uint64_t ino)
{
	return ino < k->inodes && k->node[ino].mode ? &k->node[ino] : NULL;
}

#endif
