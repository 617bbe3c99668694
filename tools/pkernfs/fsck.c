// SPDX-License-Identifier: GPL-2.0
/*
 * fsck.pkernfs: check a region, and mend it.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "check.h"
#include "ctl.h"

/* Exit codes of fsck(8), or'ed */
enum {
	FSCK_CLEAN = 0,
	FSCK_FIXED = 1,
	FSCK_LEFT = 4,
	FSCK_ERROR = 8,
	FSCK_USAGE = 16,
};

enum mode { MODE_NO, MODE_PREEN, MODE_YES };

#define ONLINE_TRIES	8

static const struct option options[] = {
	{ "no",		no_argument,	NULL, 'n' },
	{ "yes",	no_argument,	NULL, 'y' },
	{ "preen",	no_argument,	NULL, 'p' },
	{ "help",	no_argument,	NULL, 'h' },
	{ "version",	no_argument,	NULL, 'V' },
	{ NULL, 0, NULL, 0 }
};

static void fsck_help(void)
{
	printf("Usage: fsck.pkernfs [-n|-p|-y] FILE|REGION\n\n"
	       "Check a region: a file that has one in it, or a region of this machine.\n\n"
	       "  -n, --no       change nothing (the default)\n"
	       "  -p, --preen    mend what can be mended without any loss, or nothing; also -a\n"
	       "  -y, --yes      mend all\n"
	       "      --help, --version\n\n"
	       "A region of this machine that is mounted or in use is only looked at.\n"
	       "Exit codes: 0 clean, 1 mended, 4 something is left, 8 error, 16 usage.\n");
}

/* Findings, kept until it is known whether they count, and what is done about them */
struct rows {
	struct row {
		enum problem problem;
		char *where;
	} *row;
	size_t rows;
};

static void fsck_row(struct check *k, enum problem p, const char *where)
{
	struct rows *r = k->arg;

	r->row = realloc(r->row, (r->rows + 1) * sizeof(*r->row));
	if (!r->row)
		image_die(k->img, "no memory");
	r->row[r->rows] = (struct row) { p, strdup(where) };
	if (!r->row[r->rows++].where)
		image_die(k->img, "no memory");
}

static void fsck_forget(struct rows *r)
{
	while (r->rows)
		free(r->row[--r->rows].where);
	free(r->row);
	r->row = NULL;
}

static void fsck_print(struct rows *r, bool write)
{
	size_t i;

	for (i = 0; i < r->rows; i++) {
		const struct problem_info *info = &problem_info[r->row[i].problem];

		put_text(r->row[i].where, stdout);
		printf(": %s; %s%s [%s]\n", info->what,
		       !info->action ? "cannot be mended" : write ? "" : "would be: ",
		       info->action ?: "", info->name);
	}
	fsck_forget(r);
}

/*
 * Of metadata there is no second copy. A region's device reads such a page as zeroes and
 * does not write it: what is on it seems never to have been there, and a repair would
 * take away all that leads to it. In a file that is all that is left.
 *
 * Return: nothing may be written.
 */
static bool fsck_bad(struct image *img, const struct check *k)
{
	uint32_t at = 0, found = k->bad_blank;
	uint64_t page;

	while ((page = check_bad_metadata(k, k->bad, &at)) != ~0ULL) {
		printf("%s: page %llu is bad, and has metadata: zeroes if it cannot be read\n",
		       img->path, (unsigned long long)page);
		found++;
	}
	if (k->bad_blank)
		printf("%s: the list of bad pages is zeroes: it may be on a bad page itself\n",
		       img->path);
	return img->device && found;
}

/* Of a region's metadata; 0: this kernel does not count them. */
static uint64_t fsck_changes(const struct image *img)
{
	struct pkernfs_region_info info = { .size = sizeof(info) };

	return ioctl(img->fd, PKERNFS_REGION_INFO, &info) ? 0 : info.changes;
}

/*
 * What is mounted changes under our hands. What was read while nothing did is as it was at
 * that time, and is checked like any other region.
 *
 * Return: so it was; the findings are in @rows.
 */
static bool fsck_quiet(struct image *img, struct check *k, struct rows *rows)
{
	uint64_t changes;
	int tries;

	for (tries = 0; tries < ONLINE_TRIES; tries++) {
		*k = (struct check) { .report = fsck_row, .arg = rows };
		changes = fsck_changes(img);
		check_run(k, img);
		if (changes && fsck_changes(img) == changes)
			return true;
		fsck_forget(rows);
		check_exit(k);
		image_again(img);
	}
	return false;
}

static int fsck_online(struct image *img)
{
	struct pkernfs_region_check c = { .size = sizeof(c) };
	struct rows rows = {};
	struct check k;
	bool found;

	if (fsck_quiet(img, &k, &rows)) {
		found = rows.rows;
		fsck_bad(img, &k);
		fsck_print(&rows, false);
		check_exit(&k);
		if (found) {
			printf("%s: in use: nothing is mended\n", img->path);
			return FSCK_LEFT;
		}
	}
	/* The kernel's word, which counts; and all there is if it never stands still. */
	if (ioctl(img->fd, PKERNFS_REGION_CHECK, &c)) {
		complain("%s: %s", img->path, strerror(errno));
		return FSCK_ERROR;
	}
	if (c.reason[0]) {
		printf("%s: %s; not mended, as it is in use\n", img->path, c.reason);
		return FSCK_LEFT;
	}
	printf("%s: in use, and clean: %u inodes, %u orphans\n", img->path, c.inodes, c.orphans);
	return FSCK_CLEAN;
}

static int fsck_offline(struct image *img, enum mode mode)
{
	struct rows rows = {};
	struct check k = { .report = fsck_row, .arg = &rows };
	bool mended = check_run(&k, img), bad = fsck_bad(img, &k), write;
	int ret = FSCK_CLEAN, err;

	write = mode == MODE_YES || (mode == MODE_PREEN && !k.unsafe);
	if (write && k.frozen && img->changes) {
		complain("%s: holds preserved devices: nothing is changed", img->path);
		write = false;
		mended = false;
	} else if (write && bad && img->changes) {
		complain("%s: bad pages have metadata: nothing is changed (see fsck.pkernfs(8))",
			 img->path);
		write = false;
		mended = false;
	}
	fsck_print(&rows, write);
	if (img->marked)
		printf("%s: a repair of this file was interrupted; checksums %srenewed\n",
		       img->path, write ? "" : "would be ");
	if (k.found + k.mild == k.count[P_RECORDS] && !img->marked) {
		mended = true;
	} else if (!write) {
		if (mode == MODE_PREEN)
			complain("%s: run fsck.pkernfs -y", img->path);
		mended = false;
	} else if (img->changes || img->marked) {
		err = image_commit(img);
		if (err) {
			complain("%s: %s: what is mended may be written in part: run it again",
				 img->path, strerror(err));
			check_exit(&k);
			return FSCK_ERROR;
		}
		ret = FSCK_FIXED;
	}
	if (!mended)
		ret |= FSCK_LEFT;
	if (k.count[P_SB_NONE])
		printf("%s: not a region\n", img->path);
	else
		printf("%s: %s: %u inodes, %u orphans, %llu of %llu MiB used\n", img->path,
		       ret & FSCK_LEFT ? "damaged" : ret ? "mended" : "clean", k.files, k.orphans,
		       (unsigned long long)k.bytes_used >> 20,
		       (unsigned long long)k.bytes >> 20);
	check_exit(&k);
	return ret;
}

static int fsck(const char *path, enum mode mode)
{
	struct image img;
	int ret, err;

	err = image_open(&img, path, mode == MODE_NO ? IMAGE_CLAIM : IMAGE_WRITE);
	if (err == EBUSY && mode == MODE_NO) {
		err = image_open(&img, path, IMAGE_LOOK);
		if (!err) {
			ret = fsck_online(&img);
			image_close(&img);
			return ret;
		}
	}
	if (err) {
		complain("%s: %s", path, err == EBUSY ? "mounted or in use" :
			 err == EINVAL ? "not a region" : strerror(err));
		return FSCK_ERROR;
	}
	ret = fsck_offline(&img, mode);
	image_close(&img);
	return ret;
}

int cmd_fsck(int argc, char **argv)
{
	enum mode mode = MODE_NO;
	const char *path;
	int opt, modes = 0;

	image_exit = FSCK_ERROR;
	/* getopt wants argv[0]; fsck(8) gives -a at boot, which is -p. */
	optind = 1;
	while ((opt = getopt_long(argc + 1, argv - 1, "npayhV", options, NULL)) != -1) {
		switch (opt) {
		case 'n':
			mode = MODE_NO;
			break;
		case 'p':
		case 'a':
			mode = MODE_PREEN;
			break;
		case 'y':
			mode = MODE_YES;
			break;
		case 'h':
			fsck_help();
			return FSCK_CLEAN;
		case 'V':
			printf("fsck.pkernfs %s, format version %d\n", VERSION,
			       PKERNFS_FORMAT_VERSION);
			return FSCK_CLEAN;
		default:
			return FSCK_USAGE;
		}
		modes++;
	}
	argc -= optind - 1;
	argv += optind - 1;
	if (modes > 1 || argc != 1) {
		complain("%s; try --help",
			 modes > 1 ? "one of -n, -p, -y" : "one region is needed");
		return FSCK_USAGE;
	}
	path = region_device(argv[0]);
	return path ? fsck(path, mode) : FSCK_USAGE;
}
