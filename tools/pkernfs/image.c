// SPDX-License-Identifier: GPL-2.0
/*
 * A region as a tool sees it: access, and what the format says about where things are.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/pkernfs.h>

#include "image.h"
#include "sums.h"

#define PIECE	(256 * BLOCK)	/* what is read of a device at once */
#define BLOCKS_PER_GRANULE	(PKERNFS_GRANULE_SIZE / BLOCK)
#define BLOCKS_PER_HUGE		(PKERNFS_HUGE_SIZE / BLOCK)

int image_exit = 8;

/* There is no going on. */
void image_die(const struct image *img, const char *why)
{
	fprintf(stderr, "%s: %s\n", img->path, why);
	exit(image_exit);
}

/* --- access -------------------------------------------------------------------- */

static bool image_size(struct image *img, uint64_t bytes)
{
	img->bytes = bytes;
	img->blocks = bytes / BLOCK;
	img->mark = calloc(img->blocks / 8 + 1, 1);
	return img->mark;
}

/**
 * image_memory - a region that lies in memory already
 * @img: set
 * @mem: the region
 * @base: physical address that it stands for, 0: any
 * @bytes: its size
 *
 * Copies of data (@img->copy) are its owner's to make, before image_commit().
 */
void image_memory(struct image *img, void *mem, uint64_t base, uint64_t bytes)
{
	memset(img, 0, sizeof(*img));
	img->path = "memory";
	img->fd = -1;
	img->mem = mem;
	img->base = base;
	image_size(img, bytes);
}

static int image_open_device(struct image *img)
{
	struct pkernfs_region_info info = { .size = sizeof(info) };

	if (ioctl(img->fd, PKERNFS_REGION_INFO, &info))
		return errno;
	img->device = true;
	img->base = info.base;
	if (!image_size(img, info.bytes))
		return ENOMEM;
	img->loaded = calloc(info.bytes / PIECE + 1, 1);
	img->mem = mmap(NULL, info.bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return img->mem == MAP_FAILED || !img->loaded ? ENOMEM : 0;
}

static int image_open_file(struct image *img, uint64_t bytes)
{
	img->trailer = sums_find(img->fd, bytes, &img->marked);
	if (img->trailer)
		bytes = img->trailer;
	if (bytes % BLOCK || bytes < 16 * BLOCK)
		return EINVAL;
	if (!image_size(img, bytes))
		return ENOMEM;
	img->mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE,
			img->fd, 0);
	return img->mem == MAP_FAILED ? errno : 0;
}

/**
 * image_open - open a file with a region in it, or the device of a region
 * @img: set
 * @path: of it
 * @use: what for
 *
 * Return: 0, or errno: EINVAL: the size is not that of a region.
 */
int image_open(struct image *img, const char *path, enum image_use use)
{
	struct stat st;
	int err;

	memset(img, 0, sizeof(*img));
	img->path = path;
	img->fd = -1;
	if (stat(path, &st))
		return errno;
	/* Of a device O_EXCL asks that nobody else changes it; of a file it is nothing. */
	img->fd = open(path, (use == IMAGE_WRITE ? O_RDWR : O_RDONLY) | O_CLOEXEC |
		       (use != IMAGE_LOOK && S_ISCHR(st.st_mode) ? O_EXCL : 0));
	if (img->fd < 0)
		return errno;
	if (S_ISCHR(st.st_mode))
		err = image_open_device(img);
	else if (S_ISREG(st.st_mode))
		err = image_open_file(img, st.st_size);
	else
		err = EINVAL;
	if (err)
		image_close(img);
	return err;
}

void image_close(struct image *img)
{
	image_undo(img);
	if (img->fd >= 0) {
		if (img->mem && img->mem != MAP_FAILED)
			munmap(img->mem, img->bytes);
		close(img->fd);
	}
	free(img->mark);
	free(img->loaded);
	free(img->change);
	free(img->copy);
	memset(img, 0, sizeof(*img));
	img->fd = -1;
}

/* What has been read of a device is forgotten, and read anew when it is wanted. */
void image_again(struct image *img)
{
	image_undo(img);
	memset(img->loaded, 0, img->bytes / PIECE + 1);
}

/* All of it; 0 or errno */
int image_pread(int fd, void *p, size_t bytes, uint64_t at)
{
	while (bytes) {
		ssize_t n = pread(fd, p, bytes, at);

		if (n <= 0)
			return n ? errno : EIO;
		p = (uint8_t *)p + n;
		bytes -= n;
		at += n;
	}
	return 0;
}

/* All of it; 0 or errno */
int image_pwrite(int fd, const void *p, size_t bytes, uint64_t at)
{
	while (bytes) {
		ssize_t n = pwrite(fd, p, bytes, at);

		if (n <= 0)
			return n ? errno : EIO;
		p = (const uint8_t *)p + n;
		bytes -= n;
		at += n;
	}
	return 0;
}

/**
 * image_block - a block of the region, to read it
 * @img: the region
 * @block: its number, inside of it
 *
 * What cannot be read ends the program: nothing has been written by then.
 */
void *image_block(struct image *img, uint64_t block)
{
	uint64_t piece = block * BLOCK / PIECE;

	if (block >= img->blocks)
		abort();
	if (img->loaded && !img->loaded[piece]) {
		uint64_t at = piece * PIECE;
		uint64_t bytes = img->bytes - at < PIECE ? img->bytes - at : PIECE;
		int err = image_pread(img->fd, img->mem + at, bytes, at);

		if (err)
			image_die(img, strerror(err));
		img->loaded[piece] = 1;
	}
	return img->mem + block * BLOCK;
}

/**
 * image_change - a block of the region, to change it
 * @img: the region
 * @block: its number
 */
void *image_change(struct image *img, uint64_t block)
{
	uint8_t *p = image_block(img, block);
	struct image_change *c;

	if (img->mark[block / 8] & 1 << block % 8)
		return p;
	if (img->changes == img->room) {
		img->room = img->room * 2 + 16;
		img->change = realloc(img->change, img->room * sizeof(*c));
	}
	c = img->change ? &img->change[img->changes++] : NULL;
	if (c)
		c->old = malloc(BLOCK);
	if (!c || !c->old)
		image_die(img, "no memory");
	c->block = block;
	memcpy(c->old, p, BLOCK);
	img->mark[block / 8] |= 1 << block % 8;
	return p;
}

/**
 * image_copy - copy data when the changes are written
 * @img: the region
 * @from: first block, IMAGE_ZERO: zeroes
 * @to: first block; nobody's
 * @blocks: number of them
 */
void image_copy(struct image *img, uint64_t from, uint64_t to, uint64_t blocks)
{
	img->copy = realloc(img->copy, (img->copies + 1) * sizeof(*img->copy));
	if (!img->copy)
		image_die(img, "no memory");
	img->copy[img->copies++] = (struct image_copy) { from, to, blocks };
}

static void image_forget(struct image *img)
{
	while (img->changes) {
		struct image_change *c = &img->change[--img->changes];

		img->mark[c->block / 8] &= ~(1 << c->block % 8);
		free(c->old);
	}
	img->copies = 0;
}

/* Take all changes back. */
void image_undo(struct image *img)
{
	unsigned int i;

	for (i = 0; i < img->changes; i++)
		memcpy(img->mem + img->change[i].block * BLOCK, img->change[i].old, BLOCK);
	image_forget(img);
}

/* Of a file, that is: holes are zeroes that take no room. */
static int image_zero(struct image *img, uint64_t at, uint64_t bytes)
{
	static const uint8_t zero[PIECE];
	uint64_t part;
	int err = 0;

	if (!img->device &&
	    !fallocate(img->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, bytes))
		return 0;
	for (; bytes && !err; bytes -= part, at += part) {
		part = bytes < PIECE ? bytes : PIECE;
		err = image_pwrite(img->fd, zero, part, at);
	}
	return err;
}

/* Is there a hole? How far it is, or else what is before the next one, is left in @bytes. */
static bool image_hole(const struct image *img, uint64_t at, uint64_t *bytes)
{
	off_t data, end;

	if (img->device)
		return false;
	data = lseek(img->fd, at, SEEK_DATA);
	if (data < 0)
		return errno == ENXIO;
	end = data > (off_t)at ? data : lseek(img->fd, at, SEEK_HOLE);
	if (end > (off_t)at && end - at < *bytes)
		*bytes = end - at;
	return data > (off_t)at;
}

static int image_copy_data(struct image *img, uint64_t from, uint64_t to, uint64_t bytes)
{
	static uint8_t piece[PIECE];
	uint64_t part;
	int err = 0;

	for (; bytes && !err; bytes -= part, from += part, to += part) {
		part = bytes < PIECE ? bytes : PIECE;
		err = image_pread(img->fd, piece, part, from);
		if (!err)
			err = image_pwrite(img->fd, piece, part, to);
	}
	return err;
}

static int image_copy_blocks(struct image *img, const struct image_copy *copy)
{
	uint64_t from = copy->from * BLOCK, to = copy->to * BLOCK, bytes = copy->blocks * BLOCK;
	uint64_t part;
	int err = 0;

	if (copy->from == IMAGE_ZERO)
		return image_zero(img, to, bytes);
	for (; bytes && !err; bytes -= part, from += part, to += part) {
		part = bytes;
		if (image_hole(img, from, &part))
			err = image_zero(img, to, part);
		else
			err = image_copy_data(img, from, to, part);
	}
	return err;
}

/**
 * image_commit - write all changes
 * @img: the region
 *
 * Copies of data come before the metadata that names them, superblocks last. Who is
 * interrupted starts again: each round of repair begins by looking at what is there.
 *
 * Return: 0 or errno.
 */
int image_commit(struct image *img)
{
	unsigned int i;
	int err = 0, pass;

	if (img->trailer && (img->changes || img->copies))
		err = sums_mark(img);
	for (i = 0; i < img->copies && !err; i++)
		err = image_copy_blocks(img, &img->copy[i]);
	/* What is not there yet must not be named. */
	if (!err && img->copies && img->fd >= 0 && !img->device && fsync(img->fd))
		err = errno;
	for (pass = 0; pass < 2 && !err && img->fd >= 0; pass++) {
		for (i = 0; i < img->changes && !err; i++) {
			uint64_t block = img->change[i].block;

			if ((!block || block == img->blocks - 1) == pass)
				err = image_pwrite(img->fd, img->mem + block * BLOCK, BLOCK,
						   block * BLOCK);
		}
		if (!err && !img->device && fsync(img->fd))
			err = errno;
	}
	if (!err && img->trailer)
		err = sums_renew(img);
	image_forget(img);
	return err;
}

/* --- the format ------------------------------------------------------------------ */

#ifdef __SSE4_2__
uint32_t image_crc(uint32_t crc, const void *p, size_t bytes)
{
	const uint8_t *at = p;
	uint64_t word;

	for (; bytes >= 8; bytes -= 8, at += 8) {
		memcpy(&word, at, 8);
		crc = __builtin_ia32_crc32di(crc, word);
	}
	while (bytes--)
		crc = __builtin_ia32_crc32qi(crc, *at++);
	return crc;
}
#else
/* crc32c, nothing inverted. */
uint32_t image_crc(uint32_t crc, const void *p, size_t bytes)
{
	static uint32_t table[256];
	const uint8_t *at = p;
	uint32_t i, bit;

	for (i = 0; i < 256 && !table[255]; i++)
		for (table[i] = i, bit = 0; bit < 8; bit++)
			table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0x82f63b78 : 0);
	while (bytes--)
		crc = crc >> 8 ^ table[(crc ^ *at++) & 0xff];
	return crc;
}
#endif

uint64_t image_sb_block(const struct image *img, unsigned int copy)
{
	return copy ? img->blocks - 1 : 0;
}

static const char *image_areas_damage(const struct image *img, const struct pkernfs_sb *sb)
{
	bool pools = le64toh(sb->feature_incompat) & PKERNFS_INCOMPAT_POOLS;
	bool huge = le64toh(sb->feature_incompat) & PKERNFS_INCOMPAT_HUGE;
	const struct pkernfs_area *a = &sb->journal;
	uint64_t last = img->blocks - 1;
	unsigned int i, j;

	if (!pools && (sb->small.start || sb->small.count))
		return "small granules in a region without such";
	if (!huge && (sb->huge.start || sb->huge.count))
		return "huge granules in a region without such";
	for (i = 0; i < SB_AREAS; i++) {
		if ((&a[i] == &sb->small && !pools) || (&a[i] == &sb->huge && !huge))
			continue;
		if (!area_start(&a[i]) || !area_count(&a[i]) || area_start(&a[i]) >= last ||
		    area_count(&a[i]) > last - area_start(&a[i]))
			return "an area lies outside of the region";
		for (j = 0; j < i; j++)
			if (area_has(&a[i], area_start(&a[j])) ||
			    area_has(&a[j], area_start(&a[i])))
				return "areas overlap";
	}
	if ((area_start(&sb->data) | area_count(&sb->data) | area_start(&sb->small) |
	     area_count(&sb->small)) % BLOCKS_PER_GRANULE)
		return "data area not aligned to granules";
	if (((le64toh(sb->base) / BLOCK + area_start(&sb->huge)) | area_count(&sb->huge)) %
	    BLOCKS_PER_HUGE && huge)
		return "huge granules not aligned to 1 GiB";
	if (area_count(&sb->data) / BLOCKS_PER_GRANULE >= UINT32_MAX ||
	    area_count(&sb->small) >= UINT32_MAX ||
	    area_count(&sb->inodes) > (1U << 20) / (BLOCK / PKERNFS_INODE_SIZE) ||
	    area_count(&sb->journal) < PKERNFS_JOURNAL_BLOCKS)
		return "impossible size of an area";
	return NULL;
}

/**
 * image_sb_damage - what is wrong with a superblock copy?
 * @img: the region
 * @copy: 0 or 1
 *
 * Return: NULL: nothing, or what.
 */
const char *image_sb_damage(struct image *img, unsigned int copy)
{
	const struct pkernfs_sb *sb = image_block(img, image_sb_block(img, copy));

	if (le64toh(sb->magic) != PKERNFS_SB_MAGIC)
		return "no magic";
	if (le32toh(sb->version) != PKERNFS_FORMAT_VERSION)
		return "unknown format version";
	if (le32toh(sb->crc) != image_crc(~0, sb, offsetof(struct pkernfs_sb, crc)))
		return "wrong checksum";
	if (le64toh(sb->feature_incompat) & ~PKERNFS_INCOMPAT_KNOWN)
		return "unknown incompatible features";
	if (le32toh(sb->size) != sizeof(*sb))
		return "unknown size";
	if (le64toh(sb->bytes) != img->bytes || le64toh(sb->base) % PKERNFS_GRANULE_SIZE ||
	    (img->base && le64toh(sb->base) != img->base))
		return "belongs to another region";
	if (le32toh(sb->copy) != copy)
		return "belongs to the other end";
	if (le32toh(sb->granule_shift) != PKERNFS_GRANULE_SHIFT)
		return "unknown granule";
	if (!memchr(sb->label, 0, sizeof(sb->label)))
		return "label without an end";
	return image_areas_damage(img, sb);
}

/**
 * image_superblock - find a superblock that proves itself
 * @img: the region; img->sb is set to it
 */
bool image_superblock(struct image *img)
{
	unsigned int copy;

	for (copy = 0; copy < SB_COPIES; copy++) {
		if (image_sb_damage(img, copy))
			continue;
		memcpy(&img->sb, image_block(img, image_sb_block(img, copy)),
		       sizeof(img->sb));
		return true;
	}
	return false;
}

uint32_t image_inodes(const struct image *img)
{
	return area_count(&img->sb.inodes) * (BLOCK / PKERNFS_INODE_SIZE);
}

struct pkernfs_inode_ser *image_inode(struct image *img, uint32_t ino)
{
	uint64_t at = (uint64_t)ino * PKERNFS_INODE_SIZE;

	return image_block(img, area_start(&img->sb.inodes) + at / BLOCK) + at % BLOCK;
}

uint32_t image_inode_crc(const struct pkernfs_inode_ser *ser)
{
	return image_crc(~0, ser, offsetof(struct pkernfs_inode_ser, crc));
}

/* Of blocks of extents, names and attributes: all behind magic and checksum */
uint32_t image_block_crc(const void *block)
{
	return image_crc(~0, (const uint8_t *)block + 8, BLOCK - 8);
}
