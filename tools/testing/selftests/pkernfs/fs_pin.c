// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: pages that are pinned for DMA by iommufd, through a VFIO device that
 * is bound to vfio-pci already.
 *
 * usage: fs_pin MOUNT VFIO_CDEV REGION_SYSFS
 */
#include <linux/falloc.h>

#include "fs_vfio.h"

#define RAM	(16 * MIB)

static char sysfs[256];

/* Granules whose pages somebody maps or pins. */
static long attr(const char *name)
{
	char path[300], text[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", sysfs, name);
	f = fopen(path, "r");
	if (!f || !fgets(text, sizeof(text), f))
		die(path);
	fclose(f);
	return atol(text);
}

int main(int argc, char **argv)
{
	uint64_t before;
	int fd, i;
	char *p;

	if (argc < 4)
		die("usage");
	snprintf(sysfs, sizeof(sysfs), "%s", argv[3]);
	vfio_open(argv[2]);
	vfio_attach();
	enter(argc, argv);
	before = free_bytes();

	fd = open("pinned", O_CREAT | O_RDWR, 0600);
	ftruncate(fd, RAM);
	p = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ok(attr("granules_busy") == 0, "nothing is in use");
	ok(!map(p, RAM, 1UL << 32, true), "IOAS map of a file that is all holes");
	ok(free_bytes() == before - RAM, "has allocated it");
	fill(p, RAM, 4);
	munmap(p, RAM);
	ok(attr("granules_busy") == RAM / GRANULE, "without a mapping: %ld granules pinned",
	   attr("granules_busy"));

	fails(ftruncate(fd, 0), EBUSY, "truncate of pinned pages");
	fails(ftruncate(fd, RAM - 4096), EBUSY, "even of one page");
	fails(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, RAM), EBUSY,
	      "punch");
	ok(!ftruncate(fd, RAM), "truncate to the same size is fine");
	ok(!ftruncate(fd, 2 * RAM) && !ftruncate(fd, RAM), "so is growing, and back");
	p = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ok(filled(p, RAM, 4), "nothing of it was lost by that");

	ok(!unmap((1UL << 32), RAM), "IOAS unmap");
	munmap(p, RAM);
	ok(attr("granules_busy") == 0, "every pin is gone");
	ok(!ftruncate(fd, 0) && free_bytes() == before, "truncate works again");

	/* Part of a granule, with an odd length, read-only, and a hole. */
	ftruncate(fd, RAM);
	p = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ok(!map(p + GRANULE + 8192, 12288, 1UL << 33, true), "map 3 pages");
	ok(!map(p + 3 * GRANULE, 4096, 1UL << 34, false), "map one to read, of a hole");
	p[3 * GRANULE] = 'r';
	munmap(p, RAM);
	ok(attr("granules_busy") == 2, "two granules pinned");
	ok(!ftruncate(fd, 4 * GRANULE), "what is not pinned may go");
	fails(ftruncate(fd, 3 * GRANULE), EBUSY, "what is may not");
	unmap(1UL << 34, 4096);
	ok(!ftruncate(fd, GRANULE + 512 * 4096), "until it is unpinned");

	/* Unlinked and pinned: not given away. */
	ok(!unlink("pinned") && !close(fd), "unlink and close while pinned");
	ok(free_bytes() == before - GRANULE, "keeps the memory");
	ok(attr("orphans") == 1, "as an orphan");
	unmap(1UL << 33, 12288);
	for (i = 0; i < 50 && free_bytes() != before; i++)
		usleep(100000);
	ok(free_bytes() == before && attr("orphans") == 0, "until the pin goes");
	return tap_done();
}
