// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: what one kernel wrote the next one reads; what it could not free yet, the next
 * one frees. The device is bound to vfio-pci already.
 *
 * usage: fs_persist write MOUNT VFIO_CDEV; kexec; fs_persist check MOUNT
 */
#include <sys/syscall.h>

#include "fs_vfio.h"

#define RAM	(24 * MIB)
#define PINNED	(2 * GRANULE)

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE		2
#endif

/* Leads to "ram", and does not fit into an inode. */
static const char *long_target(void)
{
	static char target[1000];

	while (strlen(target) < sizeof(target) - 10)
		strcat(target, "./");
	return strcat(target, "ram");
}

/*
 * Directories below younger and older ones, by all ways that rename has. Inode
 * numbers are handed out in ascending order here.
 */
static void write_tree(void)
{
	if (mkdir("tree", 0755) || mkdir("tree/a", 0755) || mkdir("tree/a/sub", 0755) ||
	    mkdir("tree/b", 0755) || mkdir("tree/c", 0755) || mkdir("tree/c/sub", 0755) ||
	    mkdir("tree/empty", 0755) || mkdir("tree/d", 0755))
		die("mkdir");
	close(open("tree/d/file", O_CREAT | O_RDWR, 0600));
	/* older into younger; over an empty one; directory against file */
	if (rename("tree/a", "tree/b/a") || rename("tree/c", "tree/empty") ||
	    syscall(SYS_renameat2, AT_FDCWD, "tree/b/a", AT_FDCWD, "tree/d/file",
		    RENAME_EXCHANGE))
		die("rename");
	if (unlink("tree/b/a") || mkdir("tree/d/file/sub/deep", 0755))
		die("tree");
}

static void check_tree(void)
{
	struct stat st;

	ok(!stat("tree", &st) && st.st_nlink == 5, "the tree has its links");
	ok(!stat("tree/d/file/sub/deep", &st) && S_ISDIR(st.st_mode),
	   "a directory exchanged with a file");
	ok(!stat("tree/empty/sub", &st) && S_ISDIR(st.st_mode),
	   "a directory renamed over an empty one");
	ok(!stat("tree/b", &st) && st.st_nlink == 2, "a directory that lost its child");
}

/* A file that has no name any more, is not open nor mapped, and pinned all the same. */
static void write_pinned(const char *cdev)
{
	int fd = create("vm0/pinned");
	char *p;

	if (ftruncate(fd, PINNED))
		die("ftruncate");
	p = mmap(NULL, PINNED, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	vfio_open(cdev);
	vfio_attach();
	if (p == MAP_FAILED || map(p, PINNED, 1UL << 32, true))
		die("map");
	if (munmap(p, PINNED) || unlink("vm0/pinned") || close(fd))
		die("unlink of what is pinned");
	if (region_attr("orphans") != 1)
		die("what is pinned is no orphan");
}

static void write_all(const char *cdev)
{
	struct timespec ts[2] = { { 1234567890, 1 }, { 1234567891, 2 } };
	char name[64];
	char *p;
	int fd, i;

	if (mkdir("vm0", 0711) || mkdir("vm0/deep", 0700))
		die("mkdir");
	fd = open("vm0/ram", O_CREAT | O_RDWR, 0640);
	ftruncate(fd, RAM);
	p = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	fill(p, RAM, 77);
	for (i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "vm0/deep/f%d", i);
		close(open(name, O_CREAT | O_RDWR, 0600));
		if (i % 3 == 0)
			unlink(name);
	}
	rename("vm0/deep/f1", "vm0/renamed");
	chown("vm0/ram", 42, 43);
	utimensat(AT_FDCWD, "vm0/renamed", ts, 0);
	symlink("ram", "vm0/link");
	symlink(long_target(), "vm0/long");
	link("vm0/ram", "vm0/hard");
	write_tree();
	fd = open("vm0/orphan", O_CREAT | O_RDWR, 0600);
	if (write(fd, "orphan", 6) != 6 || unlink("vm0/orphan"))
		die("orphan");
	write_pinned(cdev);
	/* Held open, and pinned, to the end of this kernel: orphans for the next one. */
	if (!fork()) {
		fclose(stdout);
		setsid();
		pause();
	}
	fd = open("space", O_CREAT | O_RDWR, 0600);
	i = snprintf(name, sizeof(name), "%lu %lu", (long)free_bytes(), (long)free_inodes());
	if (write(fd, name, i) != i)
		die("space");
	printf("# written; free bytes, inodes: %s\n", name);
	fflush(stdout);
}

static void check_all(void)
{
	unsigned long bytes, inodes;
	char name[64] = "";
	struct stat st, st2;
	int fd, i, seen = 0;
	char *p;

	fd = open("vm0/ram", O_RDWR);
	ok(fd >= 0 && !fstat(fd, &st) && st.st_size == RAM, "the ram file is there");
	ok((st.st_mode & 07777) == 0640 && st.st_uid == 42 && st.st_gid == 43 &&
	   st.st_nlink == 2, "with its attributes");
	p = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ok(p != MAP_FAILED && filled(p, RAM, 77), "byte for byte");
	ok(!stat("vm0/hard", &st2) && st.st_ino == st2.st_ino, "hard link");
	ok(!stat("vm0/link", &st2) && st.st_ino == st2.st_ino, "symbolic link");
	ok(!stat("vm0/long", &st2) && st.st_ino == st2.st_ino, "a long one");
	ok(!stat("vm0/renamed", &st) && st.st_mtim.tv_sec == 1234567891 &&
	   st.st_mtim.tv_nsec == 2, "times");
	for (i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "vm0/deep/f%d", i);
		seen += !stat(name, &st);
	}
	ok(seen == 32, "32 of 50 files are left: %d", seen);
	check_tree();
	fails(open("vm0/orphan", O_RDONLY), ENOENT, "the orphan's name");
	memset(name, 0, sizeof(name));
	fd = open("space", O_RDWR);
	ok(read(fd, name, sizeof(name) - 1) > 0 &&
	   sscanf(name, "%lu %lu", &bytes, &inodes) == 2, "numbers of the kernel before");
	/* "space" took a granule after it was counted; the open orphan gave one back. */
	ok(free_bytes() == bytes + PINNED && free_inodes() == inodes + 2,
	   "the orphans' space is back: %lu of %lu bytes", (long)free_bytes(), bytes + PINNED);
	ok(pwrite(fd, "again", 5, 0) == 5 && !rename("space", "vm0/space"), "it can be changed");
}

int main(int argc, char **argv)
{
	if (argc < 2 || (!strcmp(argv[1], "write") && argc != 4))
		die("usage");
	enter(argc - 1, argv + 1);
	if (!strcmp(argv[1], "write")) {
		write_all(argv[3]);
		return 0;
	}
	check_all();
	return tap_done();
}
