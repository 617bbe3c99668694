// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: a user that attaches a device and does not come to an end. What it has mapped
 * is a hole, in a filesystem that is frozen: the attach pins it, and waits to fill it.
 *
 * usage: busy_user MOUNT VFIO_CDEV	MOUNT is frozen (FIFREEZE) after it
 */
#include "fs_vfio.h"

int main(int argc, char **argv)
{
	int fd, dir;
	char *p;

	if (argc != 3)
		die("usage");
	vfio_open(argv[2]);
	enter(argc, argv);
	fd = create("hole");
	dir = open(".", O_RDONLY);
	if (ftruncate(fd, GRANULE))
		die("ftruncate");
	p = mmap(NULL, GRANULE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	/* Attached to nothing yet: nothing is pinned. */
	if (p == MAP_FAILED || map(p, GRANULE, 1UL << 32, true))
		die("map");
	if (ioctl(dir, FIFREEZE, 0))
		die("FIFREEZE");
	printf("attaching\n");
	vfio_attach();
	printf("attached\n");
	return 1;
}
