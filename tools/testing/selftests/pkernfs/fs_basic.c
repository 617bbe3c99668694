// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: files, names and space by system call.
 */
#include <dirent.h>
#include <limits.h>
#include <linux/falloc.h>

#include "fs_test.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE	1
#define RENAME_EXCHANGE		2
#endif

static char buf[4 * MIB], back[4 * MIB];
static char *volatile nowhere = (char *)1;	/* the compiler must not see it */

static void test_data(void)
{
	uint64_t before = free_bytes();
	struct stat st;
	int fd;

	fd = open("data", O_CREAT | O_RDWR, 0640);
	ok(fd >= 0, "create");
	fill(buf, sizeof(buf), 1);
	ok(pwrite(fd, buf, 3 * MIB, 5) == 3 * MIB, "write across granules, unaligned");
	ok(!fstat(fd, &st) && st.st_size == 3 * MIB + 5, "size");
	ok(st.st_blocks == 2 * GRANULE / 512, "two granules allocated");
	ok(free_bytes() == before - 2 * GRANULE, "statfs says so");
	ok(pread(fd, back, sizeof(back), 5) == 3 * MIB && !memcmp(buf, back, 3 * MIB),
	   "read back");
	ok(pread(fd, back, 5, 0) == 5 && zeroes(back, 5), "nothing before it but zeroes");
	ok(pread(fd, back, 1, 3 * MIB + 5) == 0, "end of file");

	ok(pwrite(fd, buf, 1000, 10 * MIB) == 1000, "write far behind the end");
	ok(!fstat(fd, &st) && st.st_blocks == 3 * GRANULE / 512, "leaves a hole");
	fails(pwrite(fd, nowhere, 1, 20 * MIB), EFAULT, "write from nowhere");
	ok(!fstat(fd, &st) && st.st_size == 10 * MIB + 1000, "does not change the size");
	ok(!ftruncate(fd, st.st_size), "what it may have allocated goes");
	ok(pread(fd, back, MIB, 6 * MIB) == MIB && zeroes(back, MIB), "hole reads zeroes");
	ok(pread(fd, back, MIB, 3 * MIB + 5) == MIB && zeroes(back, MIB),
	   "zeroes behind the old end");
	ok(lseek(fd, 3 * MIB, SEEK_HOLE) == 4 * MIB, "SEEK_HOLE");
	ok(lseek(fd, 4 * MIB, SEEK_DATA) == 10 * MIB, "SEEK_DATA");
	fails(lseek(fd, 11 * MIB, SEEK_DATA), ENXIO, "SEEK_DATA behind the end");

	ok(!ftruncate(fd, 100), "truncate");
	ok(!fstat(fd, &st) && st.st_size == 100 && st.st_blocks == GRANULE / 512,
	   "one granule left");
	ok(!ftruncate(fd, 2 * MIB), "grow again");
	ok(pread(fd, back, 2 * MIB, 0) == 2 * MIB && !memcmp(back + 5, buf, 95) &&
	   zeroes(back + 100, 2 * MIB - 100), "what was cut off is zero now");
	ok(!ftruncate(fd, 1UL << 40), "1 TiB sparse");
	ok(!fstat(fd, &st) && st.st_blocks == GRANULE / 512, "costs nothing");
	ok(fcntl(fd, F_SETFL, O_APPEND) == 0 && write(fd, "x", 1) == 1, "append");
	ok(!fstat(fd, &st) && st.st_size == (1L << 40) + 1, "at the end");
	ok(!fsync(fd), "fsync");
	close(fd);
	ok(!unlink("data"), "unlink");
	ok(free_bytes() == before, "all space is back");
}

/* As far as an offset goes: nothing there may be lost, or take for ever. */
static void test_far(void)
{
	uint64_t before = free_bytes();
	off_t end = INT64_MAX, last = end - end % (off_t)GRANULE;
	struct stat st;
	int fd = open("far", O_CREAT | O_RDWR, 0600);

	fails(fallocate(fd, 0, end - 4095, 4096), EFBIG, "fallocate to behind all offsets");
	ok(!ftruncate(fd, end) && !fstat(fd, &st) && st.st_size == end && !st.st_blocks,
	   "truncate to the end of them");
	ok(!fallocate(fd, 0, end - 4096, 4096) && free_bytes() == before - GRANULE,
	   "fallocate up to there");
	ok(!fallocate(fd, FALLOC_FL_ZERO_RANGE, end - 4096, 4096), "and zero it");
	ok(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, last, end - last) &&
	   free_bytes() == before - GRANULE, "a granule of which the file has a part is not whole");
	ok(!ftruncate(fd, 1UL << 62) && lseek(fd, 0, SEEK_DATA) == -1 && errno == ENXIO,
	   "SEEK_DATA in 4 EiB of nothing");
	ok(lseek(fd, 0, SEEK_HOLE) == 0, "SEEK_HOLE at once");
	ok(free_bytes() == before, "what was at the end is gone");
	ok(pwrite(fd, "x", 1, end - 1) == 1 && !fstat(fd, &st) && st.st_size == end,
	   "write as far as a file goes");
	fails(pwrite(fd, "x", 1, end), EINVAL, "and no further");
	ok(pread(fd, back, 1, end - 1) == 1 && back[0] == 'x', "and read it back");
	ok(lseek(fd, 5, SEEK_DATA) == last, "SEEK_DATA finds it");
	ok(lseek(fd, end - 1, SEEK_HOLE) == end, "SEEK_HOLE at the end");
	ok(lseek(fd, 0, SEEK_END) == end, "SEEK_END");
	ok(!ftruncate(fd, end - 1) && !ftruncate(fd, end) && pread(fd, back, 1, end - 1) == 1 &&
	   !back[0], "what was cut off is zero");
	ok(!ftruncate(fd, last) && free_bytes() == before, "its granule goes");
	close(fd);
	unlink("far");
	ok(free_bytes() == before, "all space is back");
}

static void test_fallocate(void)
{
	uint64_t before = free_bytes();
	struct stat st;
	int fd = open("f", O_CREAT | O_RDWR, 0600);

	ok(!fallocate(fd, 0, MIB, 4 * MIB), "fallocate");
	ok(!fstat(fd, &st) && st.st_size == 5 * MIB && st.st_blocks == 3 * GRANULE / 512,
	   "size and blocks");
	ok(!fallocate(fd, FALLOC_FL_KEEP_SIZE, 8 * MIB, 2 * MIB), "KEEP_SIZE");
	ok(!fstat(fd, &st) && st.st_size == 5 * MIB && st.st_blocks == 4 * GRANULE / 512,
	   "keeps the size");
	fill(buf, sizeof(buf), 2);
	ok(pwrite(fd, buf, 4 * MIB, 0) == 4 * MIB && pwrite(fd, buf, MIB, 4 * MIB) == MIB,
	   "fill");
	ok(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, MIB, 3 * MIB),
	   "punch");
	ok(!fstat(fd, &st) && st.st_size == 5 * MIB && st.st_blocks == 3 * GRANULE / 512,
	   "one granule went");
	ok(pread(fd, back, 4 * MIB, 0) == 4 * MIB && !memcmp(back, buf, MIB) &&
	   zeroes(back + MIB, 3 * MIB), "zeroes where it was punched, data before");
	ok(pread(fd, back, MIB, 4 * MIB) == MIB && !memcmp(back, buf, MIB), "data behind");
	fails(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4096), EOPNOTSUPP, "collapse");
	fails(fallocate(fd, 0, 0, before + GRANULE), ENOSPC, "more than there is");
	fails(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 1UL << 50), ENOSPC, "far more");
	ok(free_bytes() == before - 3 * GRANULE, "and takes nothing");
	ok(!ftruncate(fd, 0) && free_bytes() == before, "truncate to 0 gives all back");
	ok(pwrite(fd, buf, MIB, 0) == MIB, "and the file goes on");
	close(fd);
	unlink("f");
	ok(free_bytes() == before, "all space is back");
}

/* Of all lengths that there are, and one that is too long. */
static void test_long_links(void)
{
	static const int lengths[] = { 415, 416, 1019, 4063 };
	char target[PATH_MAX], back[PATH_MAX];
	struct stat st, st2;
	unsigned int i;

	touch("long");
	stat("long", &st);
	for (i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		memset(target, '/', sizeof(target));
		target[0] = '.';
		strcpy(target + lengths[i] - 4, "long");
		memset(back, 0, sizeof(back));
		ok(!symlink(target, "s") && !stat("s", &st2) && st.st_ino == st2.st_ino,
		   "symlink of %d bytes", lengths[i]);
		ok(readlink("s", back, sizeof(back)) == lengths[i] && !strcmp(back, target) &&
		   !lstat("s", &st2) && st2.st_size == lengths[i], "readlink of it");
		unlink("s");
	}
	memset(target, 'x', sizeof(target));
	target[4064] = 0;
	fails(symlink(target, "s"), ENAMETOOLONG, "a longer one");
	unlink("long");
}

static void test_names(void)
{
	uint64_t inodes = free_inodes();
	char name[300], path[600];
	struct stat st, st2;
	struct dirent *de;
	int i, seen = 0;
	DIR *d;

	ok(!mkdir("d", 0755), "mkdir");
	ok(!stat("d", &st) && st.st_nlink == 2, "a new directory has 2 links");
	ok(!mkdir("d/sub", 0700) && !stat("d", &st) && st.st_nlink == 3, "3 with a child");
	fails(mkdir("d", 0755), EEXIST, "mkdir again");
	fails(rmdir("d"), ENOTEMPTY, "rmdir of a full one");

	for (i = 0; i < 200; i++) {
		snprintf(path, sizeof(path), "d/file-with-a-name-%d", i);
		touch(path);
	}
	d = opendir("d");
	while ((de = readdir(d)))
		seen += !strncmp(de->d_name, "file-", 5) && de->d_type == DT_REG;
	ok(seen == 200, "readdir sees all 200");
	/* rm -r style: remove while reading */
	rewinddir(d);
	while ((de = readdir(d)))
		if (!strncmp(de->d_name, "file-", 5)) {
			snprintf(path, sizeof(path), "d/%s", de->d_name);
			seen -= !unlink(path);
		}
	closedir(d);
	ok(!seen, "all removed while reading");

	memset(name, 'n', 255);
	name[255] = 0;
	touch(name);
	ok(!stat(name, &st) && !unlink(name), "a name of 255 bytes");
	memset(name, 'n', 256);
	name[256] = 0;
	fails(open(name, O_CREAT | O_RDWR, 0600), ENAMETOOLONG, "256");

	touch("a");
	touch("b");
	stat("a", &st);
	fails(sys_rename("a", "b", RENAME_NOREPLACE), EEXIST, "NOREPLACE");
	ok(!sys_rename("a", "d/sub/a", RENAME_NOREPLACE) && !stat("d/sub/a", &st2) &&
	   st2.st_ino == st.st_ino, "rename into a subdirectory");
	ok(!sys_rename("d/sub/a", "b", 0) && !stat("b", &st2) && st2.st_ino == st.st_ino,
	   "rename over a file");
	ok(!sys_rename("d/sub", "sub", 0) && !stat("d", &st) && st.st_nlink == 2 &&
	   !stat("sub/..", &st) && !stat(".", &st2) && st.st_ino == st2.st_ino,
	   "rename of a directory into another parent");
	ok(!sys_rename("sub", "d", 0) && stat("sub", &st) && !stat("d", &st),
	   "rename over an empty directory");
	touch("c");
	stat("b", &st);
	ok(!sys_rename("b", "c", RENAME_EXCHANGE) && !stat("c", &st2) &&
	   st.st_ino == st2.st_ino, "exchange");
	ok(!link("c", "d/l") && !stat("c", &st) && st.st_nlink == 2, "hard link");
	ok(!unlink("c") && !stat("d/l", &st) && st.st_nlink == 1, "one link left");
	ok(!symlink("d/l", "s") && !stat("s", &st2) && st.st_ino == st2.st_ino, "symlink");
	ok(readlink("s", name, sizeof(name)) == 3, "readlink");
	unlink("s");
	test_long_links();
	unlink("b");
	unlink("d/l");
	ok(!rmdir("d"), "rmdir");
	ok(free_inodes() == inodes, "all inodes are back");
}

static void test_attributes(void)
{
	struct timespec ts[2] = { { 1000000000, 123456789 }, { 2000000000, 987654321 } };
	struct timespec before;
	struct stat st;
	int fd;

	touch("t");
	ok(!chmod("t", 04711) && !stat("t", &st) && (st.st_mode & 07777) == 04711, "chmod");
	ok(!chown("t", 1234, 5678) && !stat("t", &st) && st.st_uid == 1234 &&
	   st.st_gid == 5678, "chown");
	ok(!utimensat(AT_FDCWD, "t", ts, 0) && !stat("t", &st) &&
	   st.st_atim.tv_nsec == 123456789 && st.st_mtim.tv_sec == 2000000000, "times");
	fd = open("t", O_RDWR);
	ok(write(fd, "x", 1) == 1 && !fstat(fd, &st) && st.st_mtim.tv_sec < 2000000000,
	   "write changes mtime");
	utimensat(AT_FDCWD, "t", ts, 0);
	ok(!truncate("t", 1) && !stat("t", &st) && st.st_mtim.tv_sec == 2000000000,
	   "truncate to the same size does not");
	before = st.st_ctim;
	usleep(20000);
	ok(!truncate("t", 5) && !stat("t", &st) && st.st_mtim.tv_sec != 2000000000 &&
	   memcmp(&st.st_ctim, &before, sizeof(before)), "truncate changes mtime and ctime");
	close(fd);
	unlink("t");
}

static int64_t ns(const struct statx_timestamp *t)
{
	return t->tv_sec * 1000000000LL + t->tv_nsec;
}

static void times(int fd, struct statx *x)
{
	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, x))
		die("statx");
}

/* A tick of the clock takes far longer than what is done here in a round. */
static void test_times(void)
{
	int round, fd = -1, back_in_time = 0, same = 0;
	struct statx x, x2;

	for (round = 0; round < 50; round++) {
		if (fd >= 0)
			drop(fd, "t");
		fd = create("t");
		if (write(fd, "x", 1) != 1)
			die("write");
		times(fd, &x);
		back_in_time += ns(&x.stx_mtime) < ns(&x.stx_atime) ||
				ns(&x.stx_mtime) < ns(&x.stx_btime);
	}
	ok(!back_in_time, "nothing happens before a file is made (%d times)", back_in_time);
	usleep(20000);
	ok(pread(fd, back, 1, 0) == 1, "read");
	times(fd, &x2);
	ok(ns(&x2.stx_atime) > ns(&x.stx_atime), "the first read after a write changes atime");
	usleep(20000);
	ok(pread(fd, back, 1, 0) == 1, "read");
	times(fd, &x);
	ok(ns(&x.stx_atime) == ns(&x2.stx_atime), "and the next does not");

	/* NFS clients, and backups, know a change by them. */
	for (round = 0; round < 50; round++) {
		if (pwrite(fd, "y", 1, 0) != 1)
			die("write");
		times(fd, &x);
		if (pwrite(fd, "z", 1, 0) != 1)
			die("write");
		times(fd, &x2);
		same += ns(&x.stx_ctime) >= ns(&x2.stx_ctime) ||
			ns(&x.stx_mtime) >= ns(&x2.stx_mtime);
	}
	ok(!same, "two changes that are both looked at have two times (%d have one)", same);
	drop(fd, "t");
}

/* Unlinked and open: the data stays, the space comes back at close. */
static void test_unlinked(void)
{
	uint64_t before = free_bytes();
	int fd = open("u", O_CREAT | O_RDWR, 0600);

	fill(buf, MIB, 3);
	ok(pwrite(fd, buf, MIB, 0) == MIB && !unlink("u"), "unlink an open file");
	ok(pread(fd, back, MIB, 0) == MIB && !memcmp(buf, back, MIB), "still readable");
	ok(pwrite(fd, buf, MIB, 4 * MIB) == MIB, "and writable");
	ok(free_bytes() == before - 2 * GRANULE, "its space is in use");
	close(fd);
	ok(free_bytes() == before, "until it is closed");
}

/* A large file has large granules alone, a small one takes both kinds. */
static void test_full(void)
{
	uint64_t before = free_bytes(), small = region_attr("small_free") * 4096;
	int fd = open("full", O_CREAT | O_RDWR, 0600), fd2;
	ssize_t n, total = 0;
	struct stat st;

	if ((before - small) % sizeof(buf) == 0)	/* the last write must not fit */
		total = pwrite(fd, buf, GRANULE, 0);
	while ((n = pwrite(fd, buf, sizeof(buf), total)) > 0)
		total += n;
	ok(n == -1 && errno == ENOSPC, "without large granules a large file says ENOSPC");
	ok((uint64_t)total == before - small, "when all are used: the last write was a short one");
	ok(free_bytes() == small, "small ones are left");

	fd2 = open("small", O_CREAT | O_RDWR, 0600);
	ok(pwrite(fd2, buf, 5000, 0) == 5000 && free_bytes() == small - 8192,
	   "a small file gets them");
	ok(ftruncate(fd2, 0) == 0 && free_bytes() == small, "and gives them back");
	ok(set_wish(fd2, 4096) == 0, "a file that wants them alone");
	for (total = 0; (n = pwrite(fd2, buf, MIB, total)) > 0;)
		total += n;
	ok(n == -1 && errno == ENOSPC && (uint64_t)total == small && !free_bytes(),
	   "takes all of them, to the last byte");
	ok(!ftruncate(fd, 2 * GRANULE), "large ones come back");
	total = open("more", O_CREAT | O_RDWR, 0600);
	ok(pwrite(total, buf, 100, 0) == 100 && !fstat(total, &st) &&
	   st.st_blocks == GRANULE / 512, "a small file takes one if it must");
	close(total);
	unlink("more");
	close(fd2);
	unlink("small");
	close(fd);
	unlink("full");
	ok(free_bytes() == before, "all space is back");
}

int main(int argc, char **argv)
{
	struct statfs st;

	enter(argc, argv);
	ok(!statfs(".", &st) && st.f_type == 0x504b4653, "statfs names pkernfs");
	test_data();
	test_far();
	test_fallocate();
	test_names();
	test_attributes();
	test_times();
	test_unlinked();
	test_full();
	return tap_done();
}
