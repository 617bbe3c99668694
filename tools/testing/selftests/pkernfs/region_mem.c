// SPDX-License-Identifier: GPL-2.0
/*
 * region_mem fill|check FILE OFFSET BYTES SEED
 *
 * A pattern in a stretch of memory: in the guest FILE is /dev/mem, on the host
 * the file that backs the guest's RAM. Each 8 bytes depend on their place in the
 * stretch and on SEED, so that a page that moved is seen as well as one that
 * was written to. check names the first bad place and counts bad pages.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define STEP	(2ULL << 20)

static uint64_t word(uint64_t at, uint64_t seed)
{
	return (at + seed) * 0x9e3779b97f4a7c15ULL + seed;
}

static int syntax(void)
{
	fprintf(stderr, "usage: region_mem fill|check FILE OFFSET BYTES SEED\n");
	return 2;
}

int main(int argc, char **argv)
{
	uint64_t offset, bytes, seed, at, i, bad_pages = 0;
	int64_t first_bad = -1;
	int fill, fd;

	if (argc != 6)
		return syntax();
	fill = !strcmp(argv[1], "fill");
	if (!fill && strcmp(argv[1], "check"))
		return syntax();
	offset = strtoull(argv[3], NULL, 0);
	bytes = strtoull(argv[4], NULL, 0);
	seed = strtoull(argv[5], NULL, 0);
	if (!bytes || bytes % STEP || offset % 4096)
		return syntax();

	fd = open(argv[2], fill ? O_RDWR : O_RDONLY);
	if (fd < 0) {
		perror(argv[2]);
		return 2;
	}
	for (at = 0; at < bytes; at += STEP) {
		uint64_t *p = mmap(NULL, STEP, PROT_READ | (fill ? PROT_WRITE : 0),
				   MAP_SHARED, fd, offset + at);

		if (p == MAP_FAILED) {
			fprintf(stderr, "region_mem: mmap at %#lx: %s\n",
				offset + at, strerror(errno));
			return 2;
		}
		for (i = 0; i < STEP / 8; i++) {
			if (fill) {
				p[i] = word(at + i * 8, seed);
			} else if (p[i] != word(at + i * 8, seed)) {
				if (first_bad < 0)
					first_bad = at + i * 8;
				bad_pages++;
				i |= 511;	/* on to the next page */
			}
		}
		munmap(p, STEP);
	}
	if (bad_pages) {
		printf("%lu of %lu pages differ, the first at %#lx\n",
		       bad_pages, bytes / 4096, first_bad);
		return 1;
	}
	printf("%lu pages %s\n", bytes / 4096,
	       fill ? "filled" : "as filled");
	return 0;
}
