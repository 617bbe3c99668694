/* SPDX-License-Identifier: GPL-2.0 */
/* Regions and memory maps, for the tests in this directory. */
#ifndef PKERNFS_TEST_H
#define PKERNFS_TEST_H

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PKERNFS_SYSFS	"/sys/fs/pkernfs"

struct region {
	uint64_t base;
	uint64_t bytes;
};

static inline int read_line(const char *path, char *buf, int bytes)
{
	FILE *f = fopen(path, "r");
	int ok;

	if (!f)
		return -1;
	ok = !!fgets(buf, bytes, f);
	fclose(f);
	if (!ok)
		return -1;
	buf[strcspn(buf, "\n")] = '\0';
	return 0;
}

/* The regions of /sys/fs/pkernfs; returns their number, -1: no pkernfs. */
static inline int regions(struct region *r, int max)
{
	DIR *d = opendir(PKERNFS_SYSFS);
	struct dirent *e;
	int nr = 0;

	if (!d)
		return -1;
	while (nr < max && (e = readdir(d))) {
		char path[512], base[64], size[64];

		if (strncmp(e->d_name, "region", 6))
			continue;
		snprintf(path, sizeof(path), PKERNFS_SYSFS "/%s/base", e->d_name);
		if (read_line(path, base, sizeof(base)))
			continue;
		snprintf(path, sizeof(path), PKERNFS_SYSFS "/%s/size", e->d_name);
		if (read_line(path, size, sizeof(size)))
			continue;
		r[nr].base = strtoull(base, NULL, 0);
		r[nr++].bytes = strtoull(size, NULL, 0);
	}
	closedir(d);
	return nr;
}

/* Bytes that two ranges have in common; ends are the last byte. */
static inline uint64_t common(const struct region *r, uint64_t start, uint64_t end)
{
	uint64_t last = r->base + r->bytes - 1;

	start = start > r->base ? start : r->base;
	end = end < last ? end : last;
	return end >= start ? end - start + 1 : 0;
}

/* Bytes of the region that /sys/firmware/memmap calls @type; NULL: anything. */
static inline uint64_t memmap_bytes(const struct region *r, const char *type)
{
	uint64_t bytes = 0;

	for (int i = 0; ; i++) {
		char path[128], start[64], end[64], t[64];

		snprintf(path, sizeof(path), "/sys/firmware/memmap/%d/start", i);
		if (read_line(path, start, sizeof(start)))
			return bytes;
		snprintf(path, sizeof(path), "/sys/firmware/memmap/%d/end", i);
		if (read_line(path, end, sizeof(end)))
			return bytes;
		snprintf(path, sizeof(path), "/sys/firmware/memmap/%d/type", i);
		if (read_line(path, t, sizeof(t)))
			return bytes;
		if (!type || !strcmp(type, t))
			bytes += common(r, strtoull(start, NULL, 0), strtoull(end, NULL, 0));
	}
}

/* Bytes of the region that /proc/iomem gives this name. */
static inline uint64_t iomem_bytes(const struct region *r, const char *name)
{
	FILE *f = fopen("/proc/iomem", "r");
	uint64_t start, end, bytes = 0;
	char line[256], what[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " %lx-%lx : %127[^\n]", &start, &end,
			   what) == 3 && !strcmp(what, name))
			bytes += common(r, start, end);
	if (f)
		fclose(f);
	return bytes;
}

static inline uint64_t iomem_total(const char *name)
{
	const struct region all = { 0, ~0ULL };

	return iomem_bytes(&all, name);
}

#endif
