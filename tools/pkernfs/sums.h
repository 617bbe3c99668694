/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Checksums of a saved region. The file is the region itself, from its first byte, so
 * that fsck and dump can read it; behind it comes a table of one crc32c (seed ~0) for
 * each 2 MiB of it, padded with zeroes to a multiple of 4 KiB, and as the last block
 * this head.
 *
 * Who changes the region on purpose marks the pieces first: their sums mean nothing until
 * the head is written without marks, after the table.
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
#define SUMS_MARKS	1009
#define SUMS_MARKS_ALL	0xffffffffU

/**
 * struct sums_head - the last block of a saved region
 * @magic: SUMS_MAGIC
 * @version: SUMS_VERSION
 * @table_crc: crc32c (seed ~0) of the table, padding included, with zeroes for the sums
 *	of pieces that are marked
 * @base: physical address of the region
 * @bytes: size of the region
 * @uuid: of its superblock
 * @marks: pieces that are being changed; SUMS_MARKS_ALL: any
 * @crc: crc32c (seed ~0) of all before it
 * @mark_crc: crc32c (seed ~0) of all behind it; 0 if there are no marks
 * @mark: their numbers, then zeroes
 */
struct sums_head {
	__le64 magic;
	__le32 version;
	__le32 table_crc;
	__le64 base;
	__le64 bytes;
	__u8   uuid[16];
	__le32 marks;
	__le32 crc;
	__le32 mark_crc;
	__le32 mark[SUMS_MARKS];
};

/**
 * struct sums - table and head, as they are read
 * @head: the head
 * @table: by piece
 * @marked: by piece: it is being changed, its sum is 0
 */
struct sums {
	struct sums_head head;
	uint32_t *table;
	bool *marked;
};

uint64_t sums_table_bytes(uint64_t bytes);
uint64_t sums_find(int fd, uint64_t size, bool *marked);
int sums_read(int fd, uint64_t bytes, struct sums *s);
void sums_free(struct sums *s);
int sums_write(int fd, struct sums_head *head, uint32_t *table);
int sums_mark(struct image *img);
int sums_renew(struct image *img);

#endif
