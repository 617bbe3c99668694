/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Checksums of a saved region. The file is the region itself, from its first byte, so
 * that fsck and dump can read it; behind it comes a table of one crc32c (seed ~0) for
 * each 2 MiB of it, padded with zeroes to a multiple of 4 KiB, and as the last block
 * this head.
 */
#ifndef PKERNFS_SUMS_H
#define PKERNFS_SUMS_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/types.h>

struct image;

#define SUMS_MAGIC	0x44455641534b50ULL	/* "PKSAVED" */
#define SUMS_VERSION	1
#define SUMS_PIECE	(2UL << 20)

/**
 * struct sums_head - the last block of a saved region; zeroes behind it
 * @magic: SUMS_MAGIC
 * @version: SUMS_VERSION
 * @table_crc: crc32c (seed ~0) of the table, padding included
 * @base: physical address of the region
 * @bytes: size of the region
 * @uuid: of its superblock
 * @pad: 0
 * @crc: crc32c (seed ~0) of all before it
 */
struct sums_head {
	__le64 magic;
	__le32 version;
	__le32 table_crc;
	__le64 base;
	__le64 bytes;
	__u8   uuid[16];
	__le32 pad;
	__le32 crc;
};

uint64_t sums_table_bytes(uint64_t bytes);
uint64_t sums_find(int fd, uint64_t size);
int sums_read(int fd, uint64_t bytes, struct sums_head *head, uint32_t **table);
int sums_write(int fd, struct sums_head *head, uint32_t *table);
int sums_renew(struct image *img);

#endif
