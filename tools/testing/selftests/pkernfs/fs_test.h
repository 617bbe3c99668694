/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkernfs selftests: TAP, and what the tests of the filesystem share. They run
 * as root inside a guest, on a mounted and empty filesystem.
 */
#ifndef PKERNFS_FS_TEST_H
#define PKERNFS_FS_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MIB	(1024 * 1024UL)
#define GRANULE	(2 * MIB)

static int tap_count, tap_failed;

/* One line of TAP. */
static inline bool ok(bool good, const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	printf("%sok %d - ", good ? "" : "not ", ++tap_count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	if (!good)
		printf(" # errno %d (%s)", err, strerror(err));
	printf("\n");
	fflush(stdout);
	tap_failed += !good;
	return good;
}

/* The expression fails, and with this errno. */
#define fails(expr, want, what) do {						\
	errno = 0;								\
	long fails_ret = (long)(expr);						\
	ok(fails_ret == -1 && errno == (want), "%s is %s", what, #want);	\
} while (0)

static inline int tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed ? 1 : 0;
}

/*
 * What "write" makes is what "check" finds again after a kexec. Return: exit code of the
 * program, -1: it was told something else.
 */
static inline int over_kexec(const char *what, void (*write_all)(void), void (*check_all)(void))
{
	if (!strcmp(what, "write")) {
		write_all();
		return 0;
	}
	if (strcmp(what, "check"))
		return -1;
	check_all();
	return tap_done();
}

static inline void die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

/* A new file. */
static inline int create(const char *name)
{
	int fd = open(name, O_CREAT | O_EXCL | O_RDWR, 0600);

	if (fd < 0)
		die(name);
	return fd;
}

/*
 * Where to work: the argument, or /mnt. Nowhere but on pkernfs: a test fills the
 * filesystem to the brim, and if that is a tmpfs, the machine's memory.
 */
static inline void enter(int argc, char **argv)
{
	struct statfs st;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (chdir(argc > 1 ? argv[1] : "/mnt"))
		die("chdir");
	errno = EINVAL;
	if (statfs(".", &st) || st.f_type != 0x504b4653)
		die("not pkernfs");
}

static inline uint64_t free_bytes(void)
{
	struct statfs st;

	if (statfs(".", &st))
		die("statfs");
	return (uint64_t)st.f_bfree * st.f_bsize;
}

static inline uint64_t free_inodes(void)
{
	struct statfs st;

	if (statfs(".", &st))
		die("statfs");
	return st.f_ffree;
}

/* A number of the region that "." is in; not for root alone. */
static inline long region_attr(const char *name)
{
	char path[300], text[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/sys/fs/pkernfs/region0/%s", name);
	f = fopen(path, "r");
	if (!f || !fgets(text, sizeof(text), f))
		die(path);
	fclose(f);
	return strtol(text, NULL, 0);
}

/* Where NAME is, in one of the places that a test is about; good for a few calls. */
static inline const char *in(const char *where, const char *name)
{
	static char p[4][512];
	static int i;

	i = (i + 1) % 4;
	snprintf(p[i], sizeof(p[i]), "%s/%s", where, name);
	return p[i];
}

/*
 * Is there such a line in the kernel's log, about this file of region 0? @text: what comes
 * behind the inode's number.
 */
static inline bool logged(int file, const char *text)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	char line[8192], want[256];
	bool found = false;
	struct stat st;
	ssize_t bytes;

	if (fd < 0 || fstat(file, &st))
		die("/dev/kmsg");
	snprintf(want, sizeof(want), "pkernfs: region 0: inode %lu%s", (long)st.st_ino, text);
	while (!found) {
		bytes = read(fd, line, sizeof(line) - 1);
		if (bytes < 0 && errno == EPIPE)	/* it was overwritten: the next one */
			continue;
		if (bytes <= 0)
			break;
		line[bytes] = 0;
		found = strstr(line, want);
	}
	close(fd);
	return found;
}

/* The granules that a file or directory wants, 0: none. */
static inline int set_wish(int fd, unsigned int bytes)
{
	struct fsxattr x;
	struct stat st;

	if (ioctl(fd, FS_IOC_FSGETXATTR, &x) || fstat(fd, &st))
		return -1;
	x.fsx_xflags &= ~(FS_XFLAG_EXTSIZE | FS_XFLAG_EXTSZINHERIT);
	if (bytes)
		x.fsx_xflags |= S_ISDIR(st.st_mode) ? FS_XFLAG_EXTSZINHERIT : FS_XFLAG_EXTSIZE;
	x.fsx_extsize = bytes;
	return ioctl(fd, FS_IOC_FSSETXATTR, &x);
}

/* A pattern that names its place. */
static inline void fill(void *buf, size_t bytes, uint64_t seed)
{
	uint64_t *p = buf;
	size_t i;

	for (i = 0; i < bytes / 8; i++)
		p[i] = seed * 0x9e3779b97f4a7c15UL + i;
}

static inline bool filled(const void *buf, size_t bytes, uint64_t seed)
{
	const uint64_t *p = buf;
	size_t i;

	for (i = 0; i < bytes / 8; i++)
		if (p[i] != seed * 0x9e3779b97f4a7c15UL + i)
			return false;
	return true;
}

static inline bool zeroes(const void *buf, size_t bytes)
{
	const char *p = buf;

	return !bytes || (!p[0] && !memcmp(p, p + 1, bytes - 1));
}

/* Does this process sleep in a function of the kernel, after so many ms at the latest? */
static inline bool sleeps_in(pid_t pid, const char *function, int ms)
{
	char path[64], name[128];
	int i, fd;

	snprintf(path, sizeof(path), "/proc/%d/wchan", pid);
	for (i = 0; i < ms; i++) {
		fd = open(path, O_RDONLY);
		memset(name, 0, sizeof(name));
		if (fd < 0 || read(fd, name, sizeof(name) - 1) <= 0)
			die(path);
		close(fd);
		if (!strcmp(name, function))
			return true;
		usleep(1000);
	}
	return false;
}

static inline int sys_rename(const char *from, const char *to, unsigned int flags)
{
	return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

/* Give an open file a name; needs /proc. */
static inline int name_it(int fd, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, AT_FDCWD, name, AT_SYMLINK_FOLLOW);
}

static inline void touch(const char *name)
{
	int fd = open(name, O_CREAT | O_EXCL | O_RDWR, 0600);

	if (fd < 0)
		die(name);
	close(fd);
}

/* Bytes of memory that a file has. */
static inline long memory(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		die("fstat");
	return st.st_blocks * 512;
}

/* Bytes that are mapped, without a look at the page tables */
static inline long resident(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long pages = -1;

	if (!f || fscanf(f, "%*d %ld", &pages) != 1)
		die("statm");
	fclose(f);
	return pages * getpagesize();
}

static inline void drop(int fd, const char *name)
{
	close(fd);
	if (unlink(name))
		die(name);
}

/* What is available one file can have; @apart bytes are free, too, but not for any file. */
static inline void test_available(uint64_t apart)
{
	int fd = create("available");
	struct statfs st;
	uint64_t bytes;

	if (statfs(".", &st))
		die("statfs");
	bytes = (uint64_t)st.f_bavail * st.f_bsize;
	ok(free_bytes() - bytes == apart, "what is not for any file is free only");
	ok(!fallocate(fd, 0, 0, bytes), "a file of all that is available");
	fails(fallocate(fd, 0, bytes, 1), ENOSPC, "one more byte");
	drop(fd, "available");
}

#endif
