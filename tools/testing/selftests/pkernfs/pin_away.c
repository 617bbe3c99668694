// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: pages that are pinned for DMA and that nothing else tells of: no mapping, no
 * open file, no mount. The device is bound to vfio-pci already.
 *
 * usage: pin_away VFIO_CDEV FILE READY	FILE is made, and READY when it is pinned; until killed
 */
#include "fs_vfio.h"

int main(int argc, char **argv)
{
	char *p;
	int fd;

	if (argc != 4)
		die("usage");
	vfio_open(argv[1]);
	vfio_attach();
	fd = create(argv[2]);
	if (ftruncate(fd, GRANULE))
		die("ftruncate");
	p = mmap(NULL, GRANULE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED || map(p, GRANULE, 1UL << 32, true))
		die("map");
	if (munmap(p, GRANULE) || close(fd))
		die("munmap");
	touch(argv[3]);
	for (;;)
		pause();
}
