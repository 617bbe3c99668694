// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfsctl save, restore: a region to a file, and back.
 *
 * The file is the region as it is, with holes where nothing is, and checksums behind
 * it (sums.h). What is of devices, tables and records, the kernel gives as zeroes.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "ctl.h"
#include "sums.h"

/* "region0" is /dev/pkernfs0; all else is what it is. NULL: which one is meant is not sure. */
const char *region_device(const char *name)
{
	static char path[64];
	struct stat st;

	if (strncmp(name, "region", 6) || !name[6] || strspn(name + 6, "0123456789") !=
	    strlen(name + 6))
		return name;
	snprintf(path, sizeof(path), "/dev/pkernfs%s", name + 6);
	if (stat(name, &st) || !S_ISREG(st.st_mode))
		return path;
	complain("%s: a file here has that name, too: say ./%s or %s", name, name, path);
	return NULL;
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
	half_line = done != all;
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

static int save_pieces(struct check *k, bool whole, int fd, uint32_t *table, bool *unread)
{
	struct image *img = k->img;
	uint8_t *buf = malloc(SUMS_PIECE);
	uint64_t i, at, part;
	int err = buf ? 0 : ENOMEM;

	for (i = 0; i * SUMS_PIECE < img->bytes && !err; i++) {
		size_t bytes = piece_bytes(img->bytes, i);

		at = i * SUMS_PIECE;
		err = save_read(k, whole, buf, bytes, at);
		*unread = err;
		table[i] = htole32(image_crc(~0, buf, bytes));
		for (part = 0; part < bytes && !err; part += BLOCK)
			if (!check_zero(buf + part, BLOCK))
				err = image_pwrite(fd, buf + part, BLOCK, at + part);
		progress("saved", at + bytes, img->bytes);
	}
	free(buf);
	return err;
}

/* A file that is not whole does not stay. */
static const char *unfinished;

static void save_interrupted(int sig)
{
	unlink(unfinished);
	raise(sig);
}

static int save_create(const char *path)
{
	static const int sigs[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	const struct sigaction sa = { .sa_handler = save_interrupted, .sa_flags = SA_RESETHAND };
	sigset_t all, before;
	struct sigaction old;
	unsigned int i;
	int fd;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	unfinished = path;
	for (i = 0; fd >= 0 && i < sizeof(sigs) / sizeof(*sigs); i++)
		if (!sigaction(sigs[i], NULL, &old) && old.sa_handler == SIG_DFL)
			sigaction(sigs[i], &sa, NULL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return fd;
}

static int save(struct image *img, const char *path)
{
	struct check k = {};
	struct sums_head head = {};
	bool unread = false, whole = check_run(&k, img) && !k.found;
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
	fd = save_create(path);
	err = fd < 0 || ftruncate(fd, img->bytes) ? errno :
		save_pieces(&k, whole, fd, table, &unread);
	if (!err)
		err = sums_write(fd, &head, table);
	if (err) {
		complain("%s: %s", unread ? img->path : path, err == EEXIST ?
			 "is there already; remove it if it is one that was not finished" :
			 strerror(err));
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
	const char *path;
	struct image img;
	int ret;

	quiet = take_flag(&argc, argv, "-q");
	if (argc != 2)
		return usage_error("a REGION and a FILE are needed", NULL);
	path = region_device(argv[0]);
	if (!path)
		return EXIT_USAGE;
	ret = save_open(&img, path, IMAGE_CLAIM);
	if (ret)
		return ret;
	ret = save(&img, argv[1]);
	image_close(&img);
	return ret;
}

/* --- restore --------------------------------------------------------------------------- */

/* All of the file is proven before the region changes. */
static int restore_verify(struct image *saved, const uint32_t *table, uint8_t *buf)
{
	uint64_t i, bytes = saved->bytes;
	int err = 0;

	for (i = 0; i * SUMS_PIECE < bytes && !err; i++) {
		err = image_pread(saved->fd, buf, piece_bytes(bytes, i), i * SUMS_PIECE);
		if (!err && le32toh(table[i]) != image_crc(~0, buf, piece_bytes(bytes, i)))
			err = EBADMSG;
		if (err)
			complain("%s: MiB %llu: %s", saved->path,
				 (unsigned long long)(i * SUMS_PIECE) >> 20,
				 err == EBADMSG ? "damaged" : strerror(err));
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

/*
 * The list of bad pages that the region has. A restore that was interrupted has left
 * nothing else, and that where it would have been afterwards.
 *
 * Return: there is one.
 */
static bool restore_bad_know(struct image *img, uint64_t home,
			     struct pkernfs_bad_block_ser *bad)
{
	uint64_t block = image_superblock(img) ? check_bad_find(img, &img->sb) : home;

	if (!block || !check_bad_whole(img, image_block(img, block)))
		return false;
	memcpy(bad, image_block(img, block), sizeof(*bad));
	return true;
}

/*
 * What the kernel would not take is not put in the place of what may be whole, unless
 * that is wanted (@force).
 *
 * Memory does not get better by a restore: what was known to be bad still is, and the
 * kernel does not write there. Metadata that is not written is damage.
 *
 * Return: it cannot be restored.
 */
static bool restore_damages(struct image *saved, const struct image *img,
			    const struct pkernfs_bad_block_ser *bad, bool force)
{
	struct check k = {};
	uint32_t at = 0, found = 0;
	uint64_t page;

	/* It is mended in memory for that; what is restored is what was saved. */
	if ((!check_run(&k, saved) || k.found) && !force) {
		complain("%s: was saved damaged: run fsck.pkernfs -y of it first, or say -f",
			 saved->path);
		found++;
	}
	image_undo(saved);
	while ((page = check_bad_metadata(&k, bad, &at)) != ~0ULL) {
		complain("%s: page %llu is bad, and would have metadata", img->path,
			 (unsigned long long)page);
		found++;
	}
	check_exit(&k);
	return found;
}

/* Add what is bad here to the list that was saved. false: there is none, or no room. */
static bool restore_bad_merge(const struct image *img, const struct pkernfs_bad_block_ser *bad,
			      struct pkernfs_bad_block_ser *list)
{
	uint32_t added, left;

	if (!check_bad_whole(img, list)) {
		if (bad->count)
			complain("%s: %u bad pages are not known any more: no place to list them",
				 img->path, le32toh(bad->count));
		return false;
	}
	left = check_bad_merge(list, bad, &added);
	if (added)
		complain("%s: %u pages are bad here: what was saved from there is lost",
			 img->path, added);
	if (left)
		complain("%s: %u of them are not known any more: the list is full", img->path,
			 left);
	return true;
}

/*
 * From the first store on there is no filesystem, and no list of bad pages but for that
 * which the second one leaves.
 */
static int restore_begin(struct image *img, uint64_t home,
			 const struct pkernfs_bad_block_ser *list)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	err = restore_superblocks(img, NULL);
	if (!err && home)
		err = image_pwrite(img->fd, list, BLOCK, home * BLOCK);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return err;
}

static int restore_pieces(struct image *img, struct image *saved, uint64_t home,
			  const struct pkernfs_bad_block_ser *list, uint8_t *buf)
{
	uint64_t i, at, place = home * BLOCK;
	static uint8_t copy[2 * BLOCK];
	int err;

	err = image_pread(saved->fd, copy, BLOCK, 0);
	if (!err)
		err = image_pread(saved->fd, copy + BLOCK, BLOCK, img->bytes - BLOCK);
	for (i = 0; i * SUMS_PIECE < img->bytes && !err; i++) {
		size_t bytes = piece_bytes(img->bytes, i), from = 0, to = bytes;

		at = i * SUMS_PIECE;
		err = image_pread(saved->fd, buf, bytes, at);
		if (home && place >= at && place < at + bytes)
			memcpy(buf + (place - at), list, BLOCK);
		if (!at)
			from = BLOCK;
		if (at + bytes == img->bytes)
			to -= BLOCK;
		if (!err)
			err = image_pwrite(img->fd, buf + from, to - from, at + from);
		progress("restored", at + bytes, img->bytes);
	}
	return err ?: restore_superblocks(img, copy);
}

static int restore_region(struct image *img, struct image *saved, uint8_t *buf, bool force)
{
	static struct pkernfs_bad_block_ser bad, list;
	/* The kernel goes by the first superblock that is whole, too. */
	uint64_t home = image_superblock(saved) ? check_bad_find(saved, &saved->sb) : 0;
	int err = home ? image_pread(saved->fd, &list, BLOCK, home * BLOCK) : 0;

	if (err) {
		complain("%s: %s", saved->path, strerror(err));
		return EXIT_REFUSED;
	}
	if (!restore_bad_know(img, home, &bad))
		complain("%s: has no list of bad pages: none is known", img->path);
	if (restore_damages(saved, img, &bad, force)) {
		complain("%s: nothing has been changed", img->path);
		return EXIT_REFUSED;
	}
	if (!restore_bad_merge(img, &bad, &list))
		home = 0;
	err = restore_begin(img, home, &list);
	if (!err)
		err = restore_pieces(img, saved, home, &list, buf);
	if (!err)
		return EXIT_OK;
	complain("%s: %s: there is no filesystem in it now", img->path, strerror(err));
	return EXIT_REFUSED;
}

/* What the kernel makes of it, now that it is not claimed any more. */
static int restore_taken(const char *path)
{
	static const char device[] = "/dev/pkernfs";
	char dir[64], state[32], reason[256];

	if (strncmp(path, device, sizeof(device) - 1))
		return EXIT_OK;
	snprintf(dir, sizeof(dir), SYSFS "/region%.20s", path + sizeof(device) - 1);
	if (!read_attr(dir, "state", state, sizeof(state)) || !strcmp(state, "formatted"))
		return EXIT_OK;
	read_attr(dir, "reason", reason, sizeof(reason));
	complain("%s: it is restored, and the kernel refuses it: %s", path, reason);
	return EXIT_REFUSED;
}

static int restore_to(const char *path, struct image *saved, const struct sums *s, bool force)
{
	uint8_t *buf = malloc(SUMS_PIECE);
	struct image img;
	int ret;

	if (!buf) {
		complain("no memory");
		return EXIT_REFUSED;
	}
	ret = save_open(&img, path, IMAGE_WRITE);
	if (ret) {
		free(buf);
		return ret;
	}
	ret = EXIT_REFUSED;
	if (img.bytes != saved->bytes || (img.device && img.base != le64toh(s->head.base)))
		complain("%s: saved from %llu MiB at %#llx, and %s is %llu MiB at %#llx",
			 saved->path, (unsigned long long)saved->bytes >> 20,
			 (unsigned long long)le64toh(s->head.base), path,
			 (unsigned long long)img.bytes >> 20, (unsigned long long)img.base);
	else if (!img.device)
		complain("%s: not the device of a region", path);
	else if (!restore_verify(saved, s->table, buf))
		ret = restore_region(&img, saved, buf, force);
	image_close(&img);
	free(buf);
	return ret ?: restore_taken(path);
}

static int restore(const char *file, const char *region, bool force)
{
	struct image saved;
	struct sums s;
	int ret, err;

	err = image_open(&saved, file, IMAGE_LOOK);
	if (err && err != EINVAL) {
		complain("%s: %s", file, strerror(err));
		return EXIT_REFUSED;
	}
	if (err || !saved.trailer || sums_read(saved.fd, saved.trailer, &s)) {
		complain("%s: not a saved region, or damaged", file);
		if (!err)
			image_close(&saved);
		return EXIT_REFUSED;
	}
	if (saved.marked) {
		complain("%s: a repair of it was interrupted: run fsck.pkernfs -y again", file);
		ret = EXIT_REFUSED;
	} else {
		ret = restore_to(region, &saved, &s, force);
	}
	image_close(&saved);
	sums_free(&s);
	return ret;
}

int cmd_restore(int argc, char **argv)
{
	bool force = take_flag(&argc, argv, "-f");
	const char *path;

	quiet = take_flag(&argc, argv, "-q");
	if (argc != 2)
		return usage_error("a FILE and a REGION are needed", NULL);
	path = region_device(argv[1]);
	return path ? restore(argv[0], path, force) : EXIT_USAGE;
}
