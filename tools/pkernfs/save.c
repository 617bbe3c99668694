// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfsctl save, restore: a region to a file, and back.
 *
 * The file is the region as it is, with holes where nothing is, and checksums behind
 * it (sums.h). What is of devices, tables and records, the kernel gives as zeroes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "ctl.h"
#include "sums.h"

/* "region0" is /dev/pkernfs0; all else is what it is. */
const char *region_device(const char *name)
{
	static char path[64];

	if (strncmp(name, "region", 6) || !name[6] || strspn(name + 6, "0123456789") !=
	    strlen(name + 6))
		return name;
	snprintf(path, sizeof(path), "/dev/pkernfs%s", name + 6);
	return path;
}

static bool quiet;

/* One line that is written over, on a terminal; otherwise nothing. */
static void progress(const char *what, uint64_t done, uint64_t all)
{
	static time_t last;
	time_t now = time(NULL);

	if (quiet || !isatty(STDERR_FILENO) || (now == last && done != all))
		return;
	last = now;
	fprintf(stderr, "\r%s: %llu of %llu MiB%s", what, (unsigned long long)done >> 20,
		(unsigned long long)all >> 20, done == all ? "\n" : "");
}

static size_t piece_bytes(uint64_t bytes, uint64_t piece)
{
	uint64_t left = bytes - piece * SUMS_PIECE;

	return left < SUMS_PIECE ? left : SUMS_PIECE;
}

/* --- save ---------------------------------------------------------------------------- */

/*
 * Granules that no file has are left out, if the region is whole; of a damaged one
 * all is saved, as what is in use is for fsck to find out.
 */
static bool save_free(struct check *k, bool whole, uint64_t block)
{
	const struct gpool *p;

	for (p = k->gpool; whole && p < k->gpool + GPOOLS; p++)
		if (block >= p->start && block < gpool_block(p, p->granules))
			return !p->owner[(block - p->start) >> (p->shift - PKERNFS_BLOCK_SHIFT)];
	return false;
}

/* A piece, with zeroes where nothing is. */
static int save_read(struct check *k, bool whole, uint8_t *buf, size_t bytes, uint64_t at)
{
	size_t done, run;
	int err = 0;

	for (done = 0; done < bytes && !err; done += run) {
		bool free = save_free(k, whole, (at + done) / BLOCK);

		for (run = BLOCK; done + run < bytes; run += BLOCK)
			if (save_free(k, whole, (at + done + run) / BLOCK) != free)
				break;
		if (free)
			memset(buf + done, 0, run);
		else
			err = image_pread(k->img->fd, buf + done, run, at + done);
	}
	return err;
}

static int save_pieces(struct check *k, bool whole, int fd, uint32_t *table)
{
	struct image *img = k->img;
	uint8_t *buf = malloc(SUMS_PIECE);
	uint64_t i, at, part;
	int err = buf ? 0 : ENOMEM;

	for (i = 0; i * SUMS_PIECE < img->bytes && !err; i++) {
		size_t bytes = piece_bytes(img->bytes, i);

		at = i * SUMS_PIECE;
		err = save_read(k, whole, buf, bytes, at);
		table[i] = htole32(image_crc(~0, buf, bytes));
		for (part = 0; part < bytes && !err; part += BLOCK)
			if (!check_zero(buf + part, BLOCK))
				err = image_pwrite(fd, buf + part, BLOCK, at + part);
		progress("saved", at + bytes, img->bytes);
	}
	free(buf);
	return err;
}

static int save(struct image *img, const char *path)
{
	struct check k = {};
	struct sums_head head = {};
	bool whole = check_run(&k, img) && !k.found;
	uint32_t *table = calloc(1, sums_table_bytes(img->bytes));
	int fd, err;

	/* In memory it may have been mended; it is saved as it is. */
	image_undo(img);
	if (!k.node || !table) {
		complain("%s: %s", img->path, table ? "no superblock is valid" : "no memory");
		check_exit(&k);
		free(table);
		return EXIT_REFUSED;
	}
	if (!whole)
		complain("%s: damaged; saved as it is, all of it", img->path);
	head.base = img->sb.base;
	head.bytes = htole64(img->bytes);
	memcpy(head.uuid, img->sb.uuid, sizeof(head.uuid));
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	err = fd < 0 || ftruncate(fd, img->bytes) ? errno : save_pieces(&k, whole, fd, table);
	if (!err)
		err = sums_write(fd, &head, table);
	if (err) {
		complain("%s: %s", path, strerror(err));
		if (fd >= 0)
			unlink(path);
	}
	if (fd >= 0)
		close(fd);
	check_exit(&k);
	free(table);
	return err ? EXIT_REFUSED : EXIT_OK;
}

static int save_open(struct image *img, const char *path, enum image_use use)
{
	int err = image_open(img, path, use);

	if (!err)
		return EXIT_OK;
	complain("%s: %s", path, err == EBUSY ? "mounted or in use, or it has preserved devices" :
		 err == EINVAL ? "not a region" : strerror(err));
	return err == ENOENT ? EXIT_NO_KERNEL : EXIT_REFUSED;
}

int cmd_save(int argc, char **argv)
{
	struct image img;
	int ret;

	quiet = take_flag(&argc, argv, "-q");
	if (argc != 2)
		return usage_error("a REGION and a FILE are needed", NULL);
	ret = save_open(&img, region_device(argv[0]), IMAGE_CLAIM);
	if (ret)
		return ret;
	ret = save(&img, argv[1]);
	image_close(&img);
	return ret;
}

/* --- restore --------------------------------------------------------------------------- */

/* All of the file is proven before the region changes. */
static int restore_verify(int fd, uint64_t bytes, const uint32_t *table, uint8_t *buf)
{
	uint64_t i;
	int err = 0;

	for (i = 0; i * SUMS_PIECE < bytes && !err; i++) {
		err = image_pread(fd, buf, piece_bytes(bytes, i), i * SUMS_PIECE);
		if (!err && le32toh(table[i]) != image_crc(~0, buf, piece_bytes(bytes, i))) {
			complain("the file is damaged: MiB %llu",
				 (unsigned long long)(i * SUMS_PIECE) >> 20);
			err = EBADMSG;
		}
		progress("proven", i * SUMS_PIECE + piece_bytes(bytes, i), bytes);
	}
	return err;
}

static int restore_superblocks(struct image *img, const uint8_t *copy)
{
	uint8_t zero[BLOCK] = {};
	int err;

	/* As mkfs does it: none while areas change, copy 0 last. */
	err = image_pwrite(img->fd, copy ? copy + BLOCK : zero, BLOCK, img->bytes - BLOCK);
	if (!err)
		err = image_pwrite(img->fd, copy ? copy : zero, BLOCK, 0);
	return err;
}

/* The list of bad pages that the region has now; empty if there is none that is whole. */
static void restore_bad_know(struct image *img, struct pkernfs_bad_block_ser *bad)
{
	uint64_t block = image_superblock(img) ? check_bad_find(img, &img->sb) : 0;

	memset(bad, 0, sizeof(*bad));
	if (block && check_bad_whole(img, image_block(img, block)))
		memcpy(bad, image_block(img, block), sizeof(*bad));
}

/*
 * Memory does not get better by a restore: what was known to be bad still is, and the
 * kernel has not written there.
 */
static int restore_bad(struct image *img, int fd, const struct pkernfs_sb *sb,
		       const struct pkernfs_bad_block_ser *bad)
{
	static struct pkernfs_bad_block_ser list;
	uint64_t block = check_bad_find(img, sb);
	uint32_t added, left;
	int err;

	if (!bad->count)
		return 0;
	err = block ? image_pread(fd, &list, BLOCK, block * BLOCK) : 0;
	if (err)
		return err;
	if (!block || !check_bad_whole(img, &list)) {
		complain("%s: %u bad pages are not known any more: no place to list them",
			 img->path, le32toh(bad->count));
		return 0;
	}
	left = check_bad_merge(&list, bad, &added);
	if (added)
		complain("%s: %u pages are bad here: what was saved from there is lost",
			 img->path, added);
	if (left)
		complain("%s: %u of them are not known any more: the list is full", img->path,
			 left);
	return image_pwrite(img->fd, &list, BLOCK, block * BLOCK);
}

static int restore_pieces(struct image *img, int fd, uint8_t *buf)
{
	static struct pkernfs_bad_block_ser bad;

	static uint8_t copy[2 * BLOCK];
	uint64_t i, at;
	int err;

	restore_bad_know(img, &bad);
	err = image_pread(fd, copy, BLOCK, 0);
	if (!err)
		err = image_pread(fd, copy + BLOCK, BLOCK, img->bytes - BLOCK);
	if (!err)
		err = restore_superblocks(img, NULL);
	for (i = 0; i * SUMS_PIECE < img->bytes && !err; i++) {
		size_t bytes = piece_bytes(img->bytes, i), from = 0, to = bytes;

		at = i * SUMS_PIECE;
		err = image_pread(fd, buf, bytes, at);
		if (!at)
			from = BLOCK;
		if (at + bytes == img->bytes)
			to -= BLOCK;
		if (!err)
			err = image_pwrite(img->fd, buf + from, to - from, at + from);
		progress("restored", at + bytes, img->bytes);
	}
	if (!err)
		err = restore_bad(img, fd, (const struct pkernfs_sb *)copy, &bad);
	return err ?: restore_superblocks(img, copy);
}

static int restore(int fd, const char *path, const char *region)
{
	struct sums_head head;
	uint8_t *buf = malloc(SUMS_PIECE);
	uint32_t *table = NULL;
	struct image img;
	uint64_t bytes;
	struct stat st;
	int ret, err;

	bytes = fstat(fd, &st) ? 0 : sums_find(fd, st.st_size);
	if (!bytes || !buf || sums_read(fd, bytes, &head, &table)) {
		complain("%s: %s", path, buf ? "not a saved region, or damaged" : "no memory");
		free(buf);
		return EXIT_REFUSED;
	}
	ret = save_open(&img, region, IMAGE_WRITE);
	if (ret)
		goto free;
	ret = EXIT_REFUSED;
	if (img.bytes != bytes || (img.device && img.base != le64toh(head.base))) {
		complain("%s: saved from %llu MiB at %#llx, and %s is %llu MiB at %#llx", path,
			 (unsigned long long)bytes >> 20, (unsigned long long)le64toh(head.base),
			 region, (unsigned long long)img.bytes >> 20,
			 (unsigned long long)img.base);
	} else if (!img.device) {
		complain("%s: not the device of a region", region);
	} else {
		err = restore_verify(fd, bytes, table, buf);
		if (!err)
			err = restore_pieces(&img, fd, buf);
		if (!err)
			ret = EXIT_OK;
		else
			complain("%s: %s", region, strerror(err));
	}
	image_close(&img);
free:
	free(table);
	free(buf);
	return ret;
}

int cmd_restore(int argc, char **argv)
{
	int fd, ret;

	quiet = take_flag(&argc, argv, "-q");
	if (argc != 2)
		return usage_error("a FILE and a REGION are needed", NULL);
	fd = open(argv[0], O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		complain("%s: %s", argv[0], strerror(errno));
		return EXIT_REFUSED;
	}
	ret = restore(fd, argv[0], region_device(argv[1]));
	close(fd);
	return ret;
}
