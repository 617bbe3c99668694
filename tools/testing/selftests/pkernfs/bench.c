// SPDX-License-Identifier: GPL-2.0
/*
 * bench: what things cost, by the time stamp counter.
 *
 *	bench make FILE MIB             a file that is all there
 *	bench touch FILE MIB            first access to each 4 KiB page of a new file
 *	bench map FILE MIB CDEV         IOMMU_IOAS_MAP and _MAP_FILE of a file that is all there
 *	bench meta DIR COUNT            create, stat, rename, unlink so many files
 *	bench mount SOURCE DIR [DEVICE] mount, statfs, create; before that, load of the region
 *	bench restore FILE MIB CDEV     open, mmap and MAP_FILE of a file after a kexec
 *	bench luo-save MIB              a memfd that is to live through a kexec by LUO
 *	bench luo-restore MIB CDEV      get it back, mmap and MAP_FILE it
 *
 * Prints "BENCH COMMAND STEP TICKS" for each step. Under QEMU's -icount a tick is an
 * instruction. As root inside a guest; CDEV is a VFIO device that nobody uses.
 */
#include <linux/liveupdate.h>
#include <sys/mount.h>
#include <x86intrin.h>

#include "fs_vfio.h"

#define PAGE		4096UL
#define IOVA		0x100000000ULL
#define SESSION		"bench"
#define TOKEN		1

static const char *command;
static uint64_t began;

static void start(void)
{
	began = __rdtsc();
}

static void stop(const char *step)
{
	uint64_t ticks = __rdtsc() - began;

	printf("BENCH %s %s %llu\n", command, step, (unsigned long long)ticks);
	fflush(stdout);
}

static char *map_shared(int fd, size_t bytes)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static int make_file(const char *path, size_t bytes)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_RDWR, 0600);

	if (fd < 0 || ftruncate(fd, bytes))
		die(path);
	return fd;
}

static void touch_pages(char *p, size_t bytes)
{
	size_t at;

	for (at = 0; at < bytes; at += PAGE)
		*(volatile char *)(p + at) = 1;
}

static void bench_touch(const char *path, size_t bytes)
{
	char *p = map_shared(make_file(path, bytes), bytes);

	start();
	touch_pages(p, bytes);
	stop("first");
	start();
	touch_pages(p, bytes);
	stop("second");
	munmap(p, bytes);
	unlink(path);
}

static void bench_make(const char *path, size_t bytes)
{
	start();
	touch_pages(map_shared(make_file(path, bytes), bytes), bytes);
	stop("made");
}

static void bench_map(const char *path, size_t bytes, const char *cdev)
{
	int fd = make_file(path, bytes);
	char *p = map_shared(fd, bytes);

	touch_pages(p, bytes);
	vfio_open(cdev);
	vfio_attach();
	start();
	if (map(p, bytes, IOVA, true))
		die("IOAS map");
	stop("va");
	if (unmap(IOVA, bytes))
		die("IOAS unmap");
	start();
	if (map_file(fd, 0, bytes, IOVA, true)) {
		/* Some have no such mapping: that is a result. */
		printf("BENCH %s file none\n", command);
	} else {
		stop("file");
		if (unmap(IOVA, bytes))
			die("IOAS unmap");
	}
	munmap(p, bytes);
	unlink(path);
}

static void bench_meta(const char *dir, unsigned int count)
{
	char name[32], other[32];
	struct stat st;
	unsigned int i;

	if (chdir(dir))
		die(dir);
	start();
	for (i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "file%u", i);
		touch(name);
	}
	stop("create");
	start();
	for (i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "file%u", i);
		if (stat(name, &st))
			die(name);
	}
	stop("stat");
	start();
	for (i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "file%u", i);
		snprintf(other, sizeof(other), "moved%u", i);
		if (rename(name, other))
			die(name);
	}
	stop("rename");
	start();
	for (i = 0; i < count; i++) {
		snprintf(other, sizeof(other), "moved%u", i);
		if (unlink(other))
			die(other);
	}
	stop("unlink");
}

static void bench_mount(const char *source, const char *dir, const char *device)
{
	struct statfs st;
	int fd;

	if (device) {
		/* A claim drops what was loaded, and its end loads it again. */
		fd = open(device, O_RDWR | O_EXCL);
		if (fd < 0)
			die(device);
		start();
		close(fd);
		stop("load");
	}
	start();
	if (mount(source, dir, "pkernfs", 0, ""))
		die("mount");
	stop("mount");
	start();
	if (statfs(dir, &st))
		die("statfs");
	stop("statfs");
	if (chdir(dir))
		die(dir);
	start();
	fd = open("bench", O_CREAT | O_RDWR, 0600);
	if (fd < 0)
		die("create");
	stop("create");
	close(fd);
	unlink("bench");
	if (chdir("/"))
		die("/");
	start();
	if (umount(dir))
		die("umount");
	stop("umount");
}

/* A VMM's way back to its memory, once it has the file. */
static void get_ready(int fd, size_t bytes)
{
	map_shared(fd, bytes);
	if (map_file(fd, 0, bytes, IOVA, true))
		die("IOAS map file");
	stop("mapped");
}

static void bench_restore(const char *path, size_t bytes, const char *cdev)
{
	int fd;

	vfio_open(cdev);
	vfio_attach();
	start();
	fd = open(path, O_RDWR);
	if (fd < 0)
		die(path);
	stop("retrieved");
	get_ready(fd, bytes);
}

/* luo_session(LIVEUPDATE_IOCTL_CREATE_SESSION or _RETRIEVE_SESSION) */
static int luo_session(unsigned long cmd)
{
	/* Both have the same fields. */
	struct liveupdate_ioctl_create_session arg = { .size = sizeof(arg), .name = SESSION };
	int luo = open("/dev/liveupdate", O_RDWR);

	if (luo < 0 || ioctl(luo, cmd, &arg))
		die("liveupdate session");
	return arg.fd;
}

/* Does not return: the session lives as long as its file is open. */
static void bench_luo_save(size_t bytes)
{
	struct liveupdate_session_preserve_fd arg = { .size = sizeof(arg), .token = TOKEN };
	int session = luo_session(LIVEUPDATE_IOCTL_CREATE_SESSION);
	char *p;

	arg.fd = memfd_create(SESSION, 0);
	if (arg.fd < 0 || ftruncate(arg.fd, bytes))
		die("memfd");
	p = map_shared(arg.fd, bytes);
	touch_pages(p, bytes);
	start();
	if (ioctl(session, LIVEUPDATE_SESSION_PRESERVE_FD, &arg))
		die("preserve");
	stop("preserved");
	if (daemon(0, 1))
		die("daemon");
	for (;;)
		pause();
}

static void bench_luo_restore(size_t bytes, const char *cdev)
{
	struct liveupdate_session_retrieve_fd arg = { .size = sizeof(arg), .token = TOKEN };

	vfio_open(cdev);
	vfio_attach();
	start();
	if (ioctl(luo_session(LIVEUPDATE_IOCTL_RETRIEVE_SESSION),
		  LIVEUPDATE_SESSION_RETRIEVE_FD, &arg))
		die("retrieve");
	stop("retrieved");
	get_ready(arg.fd, bytes);
}

static size_t mib(const char *text)
{
	return strtoul(text, NULL, 0) * MIB;
}

int main(int argc, char **argv)
{
	command = argc > 1 ? argv[1] : "";
	if (!strcmp(command, "make") && argc == 4)
		bench_make(argv[2], mib(argv[3]));
	else if (!strcmp(command, "touch") && argc == 4)
		bench_touch(argv[2], mib(argv[3]));
	else if (!strcmp(command, "map") && argc == 5)
		bench_map(argv[2], mib(argv[3]), argv[4]);
	else if (!strcmp(command, "meta") && argc == 4)
		bench_meta(argv[2], atoi(argv[3]));
	else if (!strcmp(command, "mount") && (argc == 4 || argc == 5))
		bench_mount(argv[2], argv[3], argc == 5 ? argv[4] : NULL);
	else if (!strcmp(command, "restore") && argc == 5)
		bench_restore(argv[2], mib(argv[3]), argv[4]);
	else if (!strcmp(command, "luo-save") && argc == 3)
		bench_luo_save(mib(argv[2]));
	else if (!strcmp(command, "luo-restore") && argc == 4)
		bench_luo_restore(mib(argv[2]), argv[3]);
	else
		return fprintf(stderr, "bench: see the head of its source\n"), 2;
	return 0;
}
