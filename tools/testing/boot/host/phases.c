// SPDX-License-Identifier: GPL-2.0
/* Phases of a run: lines "NANOSECONDS NAME", each the begin of a phase. */
#include <errno.h>
#include <stdlib.h>

#include "host.h"

static int phases_order(const void *a, const void *b)
{
	const struct phase *x = a, *y = b;

	return x->begin_ns < y->begin_ns ? -1 : x->begin_ns > y->begin_ns;
}

/**
 * phases_read() - read the file
 * @p: filled, in order of time
 * @path: the file
 * @end_ns: end of the last phase
 *
 * Return: 0 or -errno.
 */
int phases_read(struct phases *p, const char *path, u64 end_ns)
{
	FILE *f = fopen(path, "r");
	struct phase *at = p->at;

	if (!f)
		return host_fail("open %s", path);
	while (p->count < PHASES_MAX &&
	       fscanf(f, "%llu %31s%*[^\n]", &at[p->count].begin_ns,
		      at[p->count].name) >= 2)
		p->count++;
	errno = 0;
	if (p->count == PHASES_MAX && fscanf(f, " %*c") != EOF) {
		fclose(f);
		return host_fail("%s: more than %u phases", path, PHASES_MAX);
	}
	fclose(f);
	if (!p->count)
		return host_fail("%s: no line \"NANOSECONDS NAME\"", path);
	qsort(at, p->count, sizeof(*at), phases_order);
	for (unsigned int i = 0; i < p->count; i++)
		at[i].end_ns = i + 1 < p->count ? at[i + 1].begin_ns :
			       end_ns > at[i].begin_ns ? end_ns :
			       at[i].begin_ns;
	return 0;
}
