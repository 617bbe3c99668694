/* SPDX-License-Identifier: GPL-2.0 */
/* pkernfs selftests: files of granules of 1 GiB, for fs_vfio.h's and fs_bus.h's users. */
#ifndef PKERNFS_FS_HUGE_H
#define PKERNFS_FS_HUGE_H

#include "fs_bus.h"
#include "fs_vfio.h"

#define GIB	(1UL << 30)
#define IOVA	(4UL << 30)

/* A store; false: SIGBUS */
static inline bool store(char *p, char value)
{
	if (sigsetjmp(jump, 1))
		return false;
	*(volatile char *)p = value;
	return true;
}

static inline char *map_at(void *addr, int fd, size_t bytes, off_t offset)
{
	char *p = mmap(addr, bytes, PROT_READ | PROT_WRITE,
		       MAP_SHARED | (addr ? MAP_FIXED : 0), fd, offset);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

#endif
