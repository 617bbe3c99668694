// SPDX-License-Identifier: GPL-2.0
/*
 * Checksums of a saved region; see sums.h.
 */
#include <errno.h>
#include <stdio.h>
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

static uint64_t sums_pieces(uint64_t bytes)
{
	return (bytes + SUMS_PIECE - 1) / SUMS_PIECE;
}

static uint32_t sums_head_crc(const struct sums_head *head)
{
	return image_crc(~0, head, offsetof(struct sums_head, crc));
}

static uint32_t sums_mark_crc(const struct sums_head *head)
{
	return head->marks ? image_crc(~0, head->mark, sizeof(head->mark)) : 0;
}

static int sums_head_read(int fd, uint64_t size, struct sums_head *head)
{
	_Static_assert(sizeof(*head) == BLOCK, "the head is a block");

	if (size < BLOCK || image_pread(fd, head, BLOCK, size - BLOCK))
		return ENODATA;
	if (le64toh(head->magic) != SUMS_MAGIC || le32toh(head->crc) != sums_head_crc(head) ||
	    le32toh(head->mark_crc) != sums_mark_crc(head) ||
	    le32toh(head->version) != SUMS_VERSION || le64toh(head->bytes) > size ||
	    size - le64toh(head->bytes) != sums_table_bytes(le64toh(head->bytes)) + BLOCK)
		return ENODATA;
	return 0;
}

/**
 * sums_find - is there a region with checksums behind it in this file?
 * @fd: the file
 * @size: its size
 * @marked: set: who changed it was interrupted
 *
 * Return: size of the region, 0: no.
 */
uint64_t sums_find(int fd, uint64_t size, bool *marked)
{
	struct sums_head head;

	if (sums_head_read(fd, size, &head))
		return 0;
	*marked = head.marks;
	return le64toh(head.bytes);
}

static int sums_marked(struct sums *s, uint64_t pieces)
{
	uint32_t marks = le32toh(s->head.marks), i;
	uint64_t piece;

	for (piece = 0; marks == SUMS_MARKS_ALL && piece < pieces; piece++)
		s->marked[piece] = true;
	for (i = 0; marks != SUMS_MARKS_ALL && i < marks; i++) {
		if (i == SUMS_MARKS || le32toh(s->head.mark[i]) >= pieces)
			return ENODATA;
		s->marked[le32toh(s->head.mark[i])] = true;
	}
	for (piece = 0; piece < pieces; piece++)
		if (s->marked[piece])
			s->table[piece] = 0;
	return 0;
}

/**
 * sums_read - read head and table
 * @fd: a saved region
 * @bytes: size of the region, from sums_find()
 * @s: set; for sums_free(), if there is no error
 *
 * Return: 0 or errno; ENODATA: they are damaged.
 */
int sums_read(int fd, uint64_t bytes, struct sums *s)
{
	uint64_t room = sums_table_bytes(bytes);
	int err = sums_head_read(fd, bytes + room + BLOCK, &s->head);

	s->table = malloc(room);
	s->marked = calloc(sums_pieces(bytes), sizeof(*s->marked));
	if (!s->table || !s->marked)
		err = ENOMEM;
	if (!err)
		err = image_pread(fd, s->table, room, bytes) ? ENODATA :
		      sums_marked(s, sums_pieces(bytes));
	if (!err && le32toh(s->head.table_crc) != image_crc(~0, s->table, room))
		err = ENODATA;
	if (err)
		sums_free(s);
	return err;
}

void sums_free(struct sums *s)
{
	free(s->table);
	free(s->marked);
}

static int sums_head_write(int fd, struct sums_head *head, const uint32_t *table)
{
	uint64_t bytes = le64toh(head->bytes), room = sums_table_bytes(bytes);
	int err;

	head->magic = htole64(SUMS_MAGIC);
	head->version = htole32(SUMS_VERSION);
	head->table_crc = htole32(image_crc(~0, table, room));
	head->crc = htole32(sums_head_crc(head));
	head->mark_crc = htole32(sums_mark_crc(head));
	err = image_pwrite(fd, head, BLOCK, bytes + room);
	return err ?: fsync(fd) ? errno : 0;
}

/**
 * sums_write - write table and head behind a region, without marks
 * @fd: the file
 * @head: base, bytes and uuid are set
 * @table: of sums_table_bytes()
 *
 * Return: 0 or errno.
 */
int sums_write(int fd, struct sums_head *head, uint32_t *table)
{
	uint64_t bytes = le64toh(head->bytes);
	int err = image_pwrite(fd, table, sums_table_bytes(bytes), bytes);

	if (!err && fsync(fd))
		err = errno;
	head->marks = 0;
	memset(head->mark, 0, sizeof(head->mark));
	return err ?: sums_head_write(fd, head, table);
}

/* --- a region that is changed on purpose --------------------------------------------- */

static int sums_piece(struct image *img, uint64_t piece, uint8_t *buf, uint32_t *sum)
{
	uint64_t at = piece * SUMS_PIECE;
	size_t bytes = img->bytes - at < SUMS_PIECE ? img->bytes - at : SUMS_PIECE;
	int err = image_pread(img->fd, buf, bytes, at);

	*sum = htole32(image_crc(~0, buf, bytes));
	return err;
}

/* Pieces that blocks are in. Of what has changed by itself no sum will tell any more. */
static int sums_mark_blocks(struct image *img, struct sums *s, uint64_t block, uint64_t blocks,
			    uint8_t *buf)
{
	uint64_t piece = block * BLOCK / SUMS_PIECE;
	uint32_t sum;
	int err = 0;

	for (; !err && piece <= (block + blocks - 1) * BLOCK / SUMS_PIECE; piece++) {
		if (s->marked[piece])
			continue;
		err = sums_piece(img, piece, buf, &sum);
		if (!err && sum != s->table[piece])
			fprintf(stderr, "%s: MiB %llu: not as it was saved\n", img->path,
				(unsigned long long)(piece * SUMS_PIECE) >> 20);
		s->marked[piece] = true;
		s->table[piece] = 0;
	}
	return err;
}

static void sums_mark_head(struct sums_head *head, const bool *marked)
{
	uint64_t piece, pieces = sums_pieces(le64toh(head->bytes));
	uint32_t marks = 0;

	memset(head->mark, 0, sizeof(head->mark));
	for (piece = 0; piece < pieces; piece++) {
		if (!marked[piece])
			continue;
		if (marks < SUMS_MARKS)
			head->mark[marks] = htole32(piece);
		marks++;
	}
	head->marks = htole32(marks);
	if (marks <= SUMS_MARKS)
		return;
	head->marks = htole32(SUMS_MARKS_ALL);
	memset(head->mark, 0, sizeof(head->mark));
}

/**
 * sums_mark - mark what is about to be changed on purpose
 * @img: a saved region; its changes have not been written
 *
 * Return: 0 or errno.
 */
int sums_mark(struct image *img)
{
	uint8_t *buf = malloc(SUMS_PIECE);
	struct sums s;
	unsigned int i;
	int err;

	err = buf ? sums_read(img->fd, img->bytes, &s) : ENOMEM;
	if (err) {
		free(buf);
		return err;
	}
	for (i = 0; i < img->changes && !err; i++)
		err = sums_mark_blocks(img, &s, img->change[i].block, 1, buf);
	for (i = 0; i < img->copies && !err; i++)
		err = sums_mark_blocks(img, &s, img->copy[i].to, img->copy[i].blocks, buf);
	sums_mark_head(&s.head, s.marked);
	if (s.head.marks == htole32(SUMS_MARKS_ALL))
		memset(s.table, 0, sums_pieces(img->bytes) * sizeof(*s.table));
	if (!err)
		err = sums_head_write(img->fd, &s.head, s.table);
	sums_free(&s);
	free(buf);
	return err;
}

/**
 * sums_renew - the sums of what was marked
 * @img: a saved region; its changes have been written
 *
 * Return: 0 or errno.
 */
int sums_renew(struct image *img)
{
	uint8_t *buf = malloc(SUMS_PIECE);
	struct sums s;
	uint64_t piece;
	int err;

	err = buf ? sums_read(img->fd, img->bytes, &s) : ENOMEM;
	if (err) {
		free(buf);
		return err;
	}
	for (piece = 0; piece < sums_pieces(img->bytes) && !err; piece++)
		if (s.marked[piece])
			err = sums_piece(img, piece, buf, &s.table[piece]);
	if (!err)
		err = sums_write(img->fd, &s.head, s.table);
	sums_free(&s);
	free(buf);
	return err;
}
