// SPDX-License-Identifier: GPL-2.0
/*
 * Checksums of a saved region; see sums.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image.h"
#include "sums.h"

uint64_t sums_table_bytes(uint64_t bytes)
{
	uint64_t table = (bytes + SUMS_PIECE - 1) / SUMS_PIECE * sizeof(uint32_t);

	return (table + BLOCK - 1) / BLOCK * BLOCK;
}

static uint32_t sums_head_crc(const struct sums_head *head)
{
	return image_crc(~0, head, offsetof(struct sums_head, crc));
}

static int sums_head_read(int fd, uint64_t size, struct sums_head *head)
{
	if (size < BLOCK || pread(fd, head, sizeof(*head), size - BLOCK) != sizeof(*head))
		return ENODATA;
	if (le64toh(head->magic) != SUMS_MAGIC || le32toh(head->crc) != sums_head_crc(head) ||
	    le32toh(head->version) != SUMS_VERSION || le64toh(head->bytes) > size ||
	    size - le64toh(head->bytes) != sums_table_bytes(le64toh(head->bytes)) + BLOCK)
		return ENODATA;
	return 0;
}

/**
 * sums_find - is there a region with checksums behind it in this file?
 * @fd: the file
 * @size: its size
 *
 * Return: size of the region, 0: no.
 */
uint64_t sums_find(int fd, uint64_t size)
{
	struct sums_head head;

	return sums_head_read(fd, size, &head) ? 0 : le64toh(head.bytes);
}

/**
 * sums_read - read the table
 * @fd: a saved region
 * @bytes: size of the region, from sums_find()
 * @head: set
 * @table: set; to be freed
 *
 * Return: 0 or errno; ENODATA: the table is damaged.
 */
int sums_read(int fd, uint64_t bytes, struct sums_head *head, uint32_t **table)
{
	uint64_t room = sums_table_bytes(bytes);
	int err = sums_head_read(fd, bytes + room + BLOCK, head);

	*table = malloc(room);
	if (!*table)
		return ENOMEM;
	if (!err && (pread(fd, *table, room, bytes) != (ssize_t)room ||
		     le32toh(head->table_crc) != image_crc(~0, *table, room)))
		err = ENODATA;
	if (err)
		free(*table);
	return err;
}

/**
 * sums_write - write table and head behind a region
 * @fd: the file
 * @head: base, bytes and uuid are set
 * @table: of sums_table_bytes()
 *
 * Return: 0 or errno.
 */
int sums_write(int fd, struct sums_head *head, uint32_t *table)
{
	uint64_t bytes = le64toh(head->bytes), room = sums_table_bytes(bytes);
	static uint8_t block[BLOCK];

	head->magic = htole64(SUMS_MAGIC);
	head->version = htole32(SUMS_VERSION);
	head->table_crc = htole32(image_crc(~0, table, room));
	head->pad = 0;
	head->crc = htole32(sums_head_crc(head));
	memset(block, 0, sizeof(block));
	memcpy(block, head, sizeof(*head));
	errno = EIO;
	if (pwrite(fd, table, room, bytes) != (ssize_t)room ||
	    pwrite(fd, block, BLOCK, bytes + room) != BLOCK)
		return errno;
	return fsync(fd) ? errno : 0;
}

static int sums_piece(struct image *img, uint32_t *table, uint64_t piece, uint8_t *buf)
{
	uint64_t at = piece * SUMS_PIECE;
	ssize_t bytes = img->bytes - at < SUMS_PIECE ? img->bytes - at : SUMS_PIECE;

	if (pread(img->fd, buf, bytes, at) != bytes)
		return EIO;
	table[piece] = htole32(image_crc(~0, buf, bytes));
	return 0;
}

/**
 * sums_renew - the sums of what has been changed on purpose
 * @img: a saved region; its changes have been written
 *
 * Return: 0 or errno.
 */
int sums_renew(struct image *img)
{
	uint8_t *buf = malloc(SUMS_PIECE);
	struct sums_head head;
	uint32_t *table;
	uint64_t piece, last;
	unsigned int i;
	int err;

	err = buf ? sums_read(img->fd, img->bytes, &head, &table) : ENOMEM;
	if (err) {
		free(buf);
		return err;
	}
	for (i = 0; i < img->changes && !err; i++)
		err = sums_piece(img, table, img->change[i].block * BLOCK / SUMS_PIECE, buf);
	for (i = 0; i < img->copies && !err; i++) {
		piece = img->copy[i].to * BLOCK / SUMS_PIECE;
		last = (img->copy[i].to + img->copy[i].blocks - 1) * BLOCK / SUMS_PIECE;
		for (; piece <= last && !err; piece++)
			err = sums_piece(img, table, piece, buf);
	}
	if (!err)
		err = sums_write(img->fd, &head, table);
	free(table);
	free(buf);
	return err;
}
