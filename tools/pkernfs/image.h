/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A region as a tool sees it: a file, a region's device, or memory.
 *
 * All changes are made in memory first. They reach the file by image_commit(), or go
 * away by image_undo().
 */
#ifndef PKERNFS_IMAGE_H
#define PKERNFS_IMAGE_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/pkernfs_format.h>

#define BLOCK		PKERNFS_BLOCK_SIZE
#define SB_COPIES	2
#define SB_AREAS	8	/* in a row: journal to huge */

/**
 * struct image - a region
 * @path: its name
 * @fd: of it, -1: memory
 * @device: a region's device: read in pieces, as it cannot be mapped
 * @base: physical address, 0: whatever the superblock says
 * @bytes: size of the region
 * @blocks: the same in blocks
 * @mem: all of it
 * @loaded: device: pieces of @mem that have been read, a byte each
 * @sb: superblock that the areas are taken from; set by image_superblock()
 * @trailer: offset of the sums that `pkernfsctl save' leaves behind the region, 0: none
 * @marked: some of them mean nothing: a repair of the file was interrupted
 * @change: blocks that have been changed, and what was in them
 * @changes: number of them
 * @room: elements allocated
 * @mark: a bit for each block of the region: in @change
 * @copy: blocks of data that are to be copied, by image_copy()
 * @copies: number of them
 */
struct image {
	const char *path;
	int fd;
	bool device;
	uint64_t base;
	uint64_t bytes;
	uint64_t blocks;
	uint8_t *mem;
	uint8_t *loaded;
	struct pkernfs_sb sb;
	uint64_t trailer;
	bool marked;
	struct image_change {
		uint64_t block;
		uint8_t *old;
	} *change;
	unsigned int changes;
	unsigned int room;
	uint8_t *mark;
	struct image_copy {
		uint64_t from, to, blocks;
	} *copy;
	unsigned int copies;
};

#define IMAGE_ZERO	(~0ULL)	/* image_copy() from nowhere: zeroes */

/* How image_open() opens a device. */
enum image_use {
	IMAGE_LOOK,	/* whatever state it is in */
	IMAGE_CLAIM,	/* nobody else may change it meanwhile */
	IMAGE_WRITE,	/* the same, to change it */
};

int image_open(struct image *img, const char *path, enum image_use use);
void image_memory(struct image *img, void *mem, uint64_t base, uint64_t bytes);
void image_again(struct image *img);
void image_close(struct image *img);

/* Exit code of image_die(): that of fsck(8), until main() or a command sets its own */
extern int image_exit;
void image_die(const struct image *img, const char *why) __attribute__((noreturn));

int image_pread(int fd, void *p, size_t bytes, uint64_t at);
int image_pwrite(int fd, const void *p, size_t bytes, uint64_t at);

void *image_block(struct image *img, uint64_t block);
void *image_change(struct image *img, uint64_t block);
void image_copy(struct image *img, uint64_t from, uint64_t to, uint64_t blocks);
void image_undo(struct image *img);
int image_commit(struct image *img);

/* --- what the format says, for the tools ------------------------------------ */

uint32_t image_crc(uint32_t crc, const void *p, size_t bytes);
const char *image_sb_damage(struct image *img, unsigned int copy);
bool image_superblock(struct image *img);
struct pkernfs_inode_ser *image_inode(struct image *img, uint32_t ino);
uint32_t image_inodes(const struct image *img);
uint32_t image_inode_crc(const struct pkernfs_inode_ser *ser);
uint32_t image_block_crc(const void *block);
uint64_t image_sb_block(const struct image *img, unsigned int copy);

static inline uint64_t area_start(const struct pkernfs_area *a)
{
	return le64toh(a->start);
}

static inline uint64_t area_count(const struct pkernfs_area *a)
{
	return le64toh(a->count);
}

static inline bool area_has(const struct pkernfs_area *a, uint64_t block)
{
	return block >= area_start(a) && block - area_start(a) < area_count(a);
}

#endif
