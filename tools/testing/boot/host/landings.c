// SPDX-License-Identifier: GPL-2.0
/* The list of frames and when they landed, in memory and as a CSV file. */
#include <errno.h>
#include <stdlib.h>

#include "host.h"

/**
 * landings_add() - append one
 * @l: the list
 * @one: the frame
 *
 * Return: 0 or -ENOMEM.
 */
int landings_add(struct landings *l, const struct landing *one)
{
	if (l->count == l->room) {
		size_t room = l->room ? l->room * 2 : 65536;
		void *at = realloc(l->at, room * sizeof(*l->at));

		if (!at)
			return host_fail("%zu landings", room);
		l->at = at;
		l->room = room;
	}
	l->at[l->count++] = *one;
	return 0;
}

/**
 * landings_write() - as CSV: seq,sent_ns,landed_ns
 * @l: the list
 * @path: file
 *
 * Return: 0 or -errno.
 */
int landings_write(const struct landings *l, const char *path)
{
	FILE *f = fopen(path, "w");

	if (!f)
		return host_fail("open %s", path);
	fputs("seq,sent_ns,landed_ns\n", f);
	for (size_t i = 0; i < l->count; i++)
		fprintf(f, "%llu,%llu,%llu\n", l->at[i].seq, l->at[i].sent_ns,
			l->at[i].landed_ns);
	if (fclose(f))
		return host_fail("write %s", path);
	return 0;
}

/**
 * landings_read() - read what landings_write() wrote
 * @l: the list
 * @path: file
 *
 * Return: 0 or -errno.
 */
int landings_read(struct landings *l, const char *path)
{
	struct landing one;
	FILE *f = fopen(path, "r");
	int ret = 0;

	if (!f)
		return host_fail("open %s", path);
	if (fscanf(f, "seq,sent_ns,landed_ns ") == EOF)
		ret = -EINVAL;
	while (!ret && fscanf(f, "%llu,%llu,%llu ", &one.seq, &one.sent_ns,
			      &one.landed_ns) == 3)
		ret = landings_add(l, &one);
	if (!ret && !feof(f)) {
		errno = 0;
		ret = host_fail("%s: no landing after %zu", path, l->count);
	}
	fclose(f);
	return ret;
}
