// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: a file that a frozen device reaches keeps its pages, by whatever call they
 * would go. There may be no process that has it open or mapped any more.
 *
 * usage: fs_held MOUNT FILE
 */
#include <linux/falloc.h>

#include "fs_test.h"

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE		2
#define RENAME_WHITEOUT		4
#endif

static int fd;
static long size;

/* Mapped whole, none of which goes by a call that is refused. A granule of @granule bytes. */
static void test_mapping(long granule, long step)
{
	const int zero = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
	static char page[4096], back[4096];
	off_t at = size - sizeof(page);
	long mapped = resident(), i;
	struct stat st, st2;
	char *p;

	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED || fstat(fd, &st))
		die("mmap");
	for (i = 0; i < size; i += step)
		(void)__atomic_load_n(p + i, __ATOMIC_RELAXED);
	ok(labs(resident() - mapped - size) < (long)MIB, "all of it is mapped");
	mapped = resident();
	fails(ftruncate(fd, 0), EBUSY, "truncate");
	fails(madvise(p + size - granule, granule, MADV_REMOVE), EBUSY, "MADV_REMOVE");
	ok(labs(resident() - mapped) < (long)MIB, "and is mapped still");
	munmap(p, size);

	/* The last page is no one's. */
	fill(back, sizeof(back), 9);
	ok(pread(fd, page, sizeof(page), at) == sizeof(page) &&
	   pwrite(fd, back, sizeof(back), at) == sizeof(back), "its last page");
	ok(!fallocate(fd, zero, at, sizeof(page)) && pread(fd, back, sizeof(back), at) ==
	   sizeof(back) && zeroes(back, sizeof(back)), "becomes zeroes by ZERO_RANGE");
	ok(!fstat(fd, &st2) && st.st_blocks == st2.st_blocks && st.st_size == st2.st_size,
	   "and stays where it is");
	if (pwrite(fd, page, sizeof(page), at) != sizeof(page))
		die("pwrite");
}

int main(int argc, char **argv)
{
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	const char *file;
	struct stat st, st2;
	struct fsxattr x;
	int other;
	long granule;

	if (argc < 3)
		die("usage");
	enter(argc, argv);
	file = argv[2];
	fd = open(file, O_RDWR);
	if (fd < 0 || fstat(fd, &st))
		die(file);
	if (ioctl(fd, FS_IOC_FSGETXATTR, &x))
		die("granules");
	granule = x.fsx_extsize > GRANULE ? x.fsx_extsize : GRANULE;
	size = st.st_size;
	test_mapping(granule, st.st_blksize);

	fails(ftruncate(fd, 0), EBUSY, "truncate");
	fails(ftruncate(fd, st.st_size - 4096), EBUSY, "truncate by a page");
	fails(fallocate(fd, punch, 0, st.st_size), EBUSY, "punch");
	fails(fallocate(fd, punch, st.st_size - granule, granule), EBUSY,
	      "punch of one granule");
	fails(open(file, O_RDWR | O_TRUNC), EBUSY, "open with O_TRUNC");
	ok(!ftruncate(fd, st.st_size + GRANULE) && !ftruncate(fd, st.st_size),
	   "it may grow, and lose that again");
	ok(!fallocate(fd, 0, 0, st.st_size), "what it has can be asked for");

	fails(unlink(file), EBUSY, "unlink");
	other = open("held-other", O_CREAT | O_RDWR, 0600);
	fails(rename("held-other", file), EBUSY, "rename over it");
	fails(sys_rename("held-other", file, RENAME_WHITEOUT), EBUSY, "with WHITEOUT");
	ok(!sys_rename("held-other", file, RENAME_EXCHANGE) &&
	   !sys_rename("held-other", file, RENAME_EXCHANGE) && !stat(file, &st2) &&
	   st.st_ino == st2.st_ino, "it may be exchanged, and back");
	fails(unlink(file), EBUSY, "unlink after that");
	ok(!rename(file, "held-moved") && !rename("held-moved", file), "and be renamed");
	ok(!link(file, "held-link") && !unlink("held-link"), "one of two links may go");
	fails(unlink(file), EBUSY, "the last may not");
	ok(!fstat(fd, &st2) && st2.st_blocks == st.st_blocks && st2.st_size == st.st_size &&
	   st2.st_nlink == 1, "nothing has changed");
	close(other);
	unlink("held-other");
	return tap_done();
}
