// SPDX-License-Identifier: GPL-2.0
/*
 * What fsck.pkernfs makes of a region in memory: its checker, behind an interface that
 * both this world and that of the kernel's sources can include.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../../pkernfs/check.h"
#include "verdict.h"

static struct image image;
static bool verbose;
static unsigned int looks;

static void report(struct check *k, enum problem p, const char *where)
{
	const struct problem_info *info = &problem_info[p];

	(void)k;
	if (verbose)
		fprintf(stderr, "fsck: %s: %s; %s [%s]\n", where, info->what,
			info->action ?: "nothing can be done", info->name);
}

void verdict_set_up(void *mem, unsigned long long base, unsigned long long bytes, bool say)
{
	if (image.mem)
		image_close(&image);
	image_memory(&image, mem, base, bytes);
	verbose = say;
}

static bool onto_bad(const struct check *k)
{
	unsigned int i;

	for (i = 0; i < image.copies; i++)
		if (check_bad(k, image.copy[i].to, image.copy[i].blocks))
			return true;
	return false;
}

/* Look, mend, and look again. The region is mended until verdict_undo(). */
void verdict_look(struct verdict *v)
{
	struct check k = { .report = report }, second = { .report = report };

	memset(v, 0, sizeof(*v));
	v->mended = check_run(&k, &image);
	v->whole = !k.found;
	v->mild = k.mild;
	v->log = k.count[P_JOURNAL_REPLAY];
	v->above = k.count[P_TABLE_ABOVE];
	v->no_room = k.count[P_EXTENT_NO_ROOM];
	v->onto_bad = v->mended && onto_bad(&k);
	v->from_bad = k.count[P_EXTENT_BAD];
	v->copies = image.copies;
	check_exit(&k);
	v->clean = v->mended;
	/* What a run ends with is a round that finds nothing: a second run now and then. */
	if (!v->mended || (!verbose && ++looks % 16))
		return;
	if (verbose)
		fprintf(stderr, "fsck: second run\n");
	check_run(&second, &image);
	v->clean = second.found + second.mild == second.count[P_RECORDS];
	check_exit(&second);
}

void verdict_undo(void)
{
	image_undo(&image);
}

static void resident(uint64_t block, uint64_t blocks, unsigned char *map)
{
	if (mincore(image.mem + block * BLOCK, blocks * BLOCK, map))
		abort();
}

/*
 * Most of a granule of 1 GiB nobody has ever touched. Such pages are zeroes, and to copy them
 * would be the first to do so.
 */
static void copy(const struct image_copy *c)
{
	unsigned char *from = calloc(c->blocks, 1), *to = calloc(c->blocks, 1);
	uint64_t i;

	if (!from || !to)
		abort();
	if (c->from != IMAGE_ZERO)
		resident(c->from, c->blocks, from);
	resident(c->to, c->blocks, to);
	for (i = 0; i < c->blocks; i++) {
		uint8_t *p = image.mem + (c->to + i) * BLOCK;

		if (from[i] & 1)
			memcpy(p, image.mem + (c->from + i) * BLOCK, BLOCK);
		else if (to[i] & 1)
			memset(p, 0, BLOCK);
	}
	free(from);
	free(to);
}

/* In place of verdict_undo(): the repair stays, and the copies of data are made. */
void verdict_commit(void)
{
	unsigned int i;

	for (i = 0; i < image.copies; i++)
		copy(&image.copy[i]);
	image.copies = 0;
	image_commit(&image);
}
