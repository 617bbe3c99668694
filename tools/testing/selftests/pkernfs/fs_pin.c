// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: pages that are pinned for DMA by iommufd, through a VFIO device that
 * is bound to vfio-pci already.
 *
 * usage: fs_pin MOUNT VFIO_CDEV REGION_SYSFS
 */
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/uio.h>
#include <sys/wait.h>

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

/* Shrinking that is refused takes no mapping away, not even of what is not pinned. */
static void test_undisturbed(uint64_t before)
{
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	int fd = create("undisturbed");
	long mapped;
	char *p;

	ftruncate(fd, RAM);
	p = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	mapped = resident();
	fill(p, RAM, 5);
	mapped = resident() - mapped;
	ok(labs(mapped - (long)RAM) < (long)MIB, "all of a file is mapped");
	mapped = resident();
	ok(!map(p + 5 * GRANULE, 4096, 1UL << 32, true), "and a page of it pinned");
	fails(ftruncate(fd, 0), EBUSY, "truncate");
	ok(labs(resident() - mapped) < (long)MIB, "takes no mapping away");
	fails(fallocate(fd, punch, GRANULE, RAM - GRANULE), EBUSY, "punch");
	fails(madvise(p, RAM, MADV_REMOVE), EBUSY, "and by MADV_REMOVE");
	ok(labs(resident() - mapped) < (long)MIB, "nor do these");
	ok(!fallocate(fd, punch, 0, GRANULE) &&
	   labs(resident() + (long)GRANULE - mapped) < (long)MIB && zeroes(p, GRANULE),
	   "punch of what is not pinned");
	ok(!unmap(1UL << 32, 4096) && !ftruncate(fd, 0) &&
	   labs(resident() + (long)RAM - mapped) < (long)MIB, "unpinned, all goes");
	munmap(p, RAM);
	drop(fd, "undisturbed");
	ok(free_bytes() == before, "all space is back");
}

/* Who reads a file can have its pages in a pipe, which is as good as a pin. */
static void test_spliced(uint64_t before)
{
	struct iovec page = { .iov_len = 4096 };
	int fd = create("spliced"), ro, to[2];

	if (pwrite(fd, "data", 4, 0) != 4 || ftruncate(fd, GRANULE) || pipe(to))
		die("spliced");
	ro = open("spliced", O_RDONLY);
	page.iov_base = mmap(NULL, 4096, PROT_READ, MAP_SHARED, ro, 0);
	ok(vmsplice(to[1], &page, 1, 0) == 4096, "vmsplice");
	munmap(page.iov_base, 4096);
	close(ro);
	fails(ftruncate(fd, 0), EBUSY, "truncate while it is in the pipe");
	ok(!unlink("spliced") && !close(fd) && attr("orphans") == 1, "unlink goes");
	close(to[0]);
	close(to[1]);
	for (ro = 0; ro < 50 && attr("orphans"); ro++)
		usleep(100000);
	ok(free_bytes() == before && attr("orphans") == 0, "and the memory with the pipe");
}

/* A name goes by a rename over it as by unlink: the memory stays until the pin goes. */
static void test_renamed_over(uint64_t before)
{
	int fd = create("pinned"), other = create("other");
	struct stat st;
	char *p;
	int i;

	ftruncate(fd, GRANULE);
	p = mmap(NULL, GRANULE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ok(!map(p, 4096, 1UL << 32, true), "pin a file");
	munmap(p, GRANULE);
	ok(!rename("other", "pinned") && !fstat(fd, &st) && !st.st_nlink, "rename over it");
	close(fd);
	ok(attr("orphans") == 1 && free_bytes() == before - GRANULE, "its memory stays");
	drop(other, "pinned");
	ok(attr("orphans") == 1 && free_bytes() == before - GRANULE, "and is not the other one");
	unmap(1UL << 32, 4096);
	for (i = 0; i < 50 && attr("orphans"); i++)
		usleep(100000);
	ok(free_bytes() == before && attr("orphans") == 0, "until the pin goes");
}

static void test_mapping(uint64_t before)
{
	int fd, i;
	char *p;

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
}

/* IOMMU_IOAS_MAP_FILE: the file itself, without a mapping. */
static void test_file(uint64_t before)
{
	int fd = open("by-file", O_CREAT | O_RDWR, 0600), other;
	char byte, *p, said[128];

	ftruncate(fd, RAM);
	ok(!map_file(fd, 0, RAM, 1UL << 32, true), "map a file that is all holes");
	ok(free_bytes() == before - RAM, "has allocated it");
	ok(attr("granules_busy") == RAM / GRANULE, "and pinned it");
	fails(ftruncate(fd, RAM - 4096), EBUSY, "truncate of pinned pages");
	fails(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, GRANULE), EBUSY,
	      "punch");
	ok(!unmap(1UL << 32, RAM) && attr("granules_busy") == 0, "unmap: every pin is gone");

	/* Nothing is pinned twice or left over where a range begins or ends in a granule. */
	ok(!map_file(fd, GRANULE - 4096, GRANULE + 8192, 1UL << 32, true),
	   "map parts of three granules");
	ok(attr("granules_busy") == 3, "pins three");
	ok(!map_file(fd, GRANULE, 4096, 1UL << 33, false), "one of them once more");
	ok(!unmap(1UL << 32, GRANULE + 8192) && attr("granules_busy") == 1, "unmap the first");
	fails(ftruncate(fd, GRANULE), EBUSY, "truncate of the one");
	ok(!unmap(1UL << 33, 4096) && attr("granules_busy") == 0, "unmap the other");

	ok(!ftruncate(fd, GRANULE + 8192), "a file that ends in a granule");
	ok(!map_file(fd, GRANULE, 8192, 1UL << 32, true) && !unmap(1UL << 32, 8192),
	   "map it to its end");
	fails(map_file(fd, GRANULE, 12288, 1UL << 32, true), EINVAL, "map what lies behind");
	ok(logged(fd, ", offset 0x200000: not pinned (-22): behind the end"), "as the log says");
	fails(map_file(fd, GRANULE + 8192, 4096, 1UL << 32, true), EINVAL, "only that");
	other = open("by-file", O_RDONLY);
	fails(map_file(other, 0, 4096, 1UL << 32, false), EACCES, "map by a read-only descriptor");
	ok(logged(fd, ", offset 0x0: not pinned (-13): not open to read and to write"),
	   "as the log says");
	close(other);
	other = open("by-file", O_WRONLY);
	fails(map_file(other, 0, 4096, 1UL << 32, true), EACCES, "by a write-only one");
	close(other);
	other = open(".", O_RDONLY);
	fails(map_file(other, 0, 4096, 1UL << 32, true), EINVAL, "a directory");
	close(other);
	ok(attr("granules_busy") == 0, "nothing is pinned by what has failed");

	/* A file of holes that does not fit: what was pinned of it goes. */
	other = open("too-large", O_CREAT | O_RDWR, 0600);
	ftruncate(other, before + GRANULE);
	snprintf(said, sizeof(said), ", offset %#lx: not pinned (-28): no memory is left",
		 attr("granules_free") * GRANULE);
	fails(map_file(other, 0, before + GRANULE, 1UL << 32, true), ENOSPC,
	      "map more than there is");
	ok(attr("granules_busy") == 0, "nothing is pinned");
	ok(logged(other, said), "the log says why");
	close(other);
	unlink("too-large");

	/* The mapping holds the file, and the pages after the last link has gone. */
	ok(!map_file(fd, 0, 4096, 1UL << 32, true), "map");
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	p[5] = 'k';
	ok(pread(fd, &byte, 1, 5) == 1 && byte == 'k', "a store is seen by read");
	munmap(p, 4096);
	ok(!unlink("by-file") && !close(fd) && free_bytes() < before,
	   "unlink and close keep the memory");
	ok(!unmap(1UL << 32, 4096), "until it is unmapped");
	ok(free_bytes() == before && attr("orphans") == 0, "then it is free at once");
}

/* A private mapping that is pinned: copies, never the file's own pages. */
static void test_private(uint64_t before)
{
	int fd = open("private", O_CREAT | O_RDWR, 0600);
	char byte, *p;

	pwrite(fd, "file", 4, 0);
	ftruncate(fd, 8192);
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ok(!map(p, 4096, 1UL << 32, true), "pin a private mapping to write");
	ok(!map(p + 4096, 4096, 1UL << 33, false), "and to read");
	ok(!memcmp(p, "file", 4), "it shows the file");
	p[0] = 'M';
	ok(pread(fd, &byte, 1, 0) == 1 && byte == 'f', "and keeps its changes for itself");
	ok(attr("granules_busy") == 0, "the file's pages are not pinned");
	ok(!ftruncate(fd, 0), "so truncate works");
	unmap(1UL << 32, 4096);
	unmap(1UL << 33, 4096);
	munmap(p, 8192);
	close(fd);
	unlink("private");
	ok(free_bytes() == before, "all space is back");
}

static int set_flags(int fd, int flags)
{
	return ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

/* A descriptor from before chattr(1) still says that it may write. */
static void test_flags(void)
{
	int fd = create("flags");

	ftruncate(fd, GRANULE);
	ok(!set_flags(fd, FS_APPEND_FL), "append only");
	fails(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), EACCES, "mmap");
	fails(map_file(fd, 0, 4096, 1UL << 32, true), EACCES, "map the file");
	fails(map_file(fd, 0, 4096, 1UL << 32, false), EACCES, "even to read");
	ok(!set_flags(fd, FS_IMMUTABLE_FL), "immutable");
	fails(map_file(fd, 0, 4096, 1UL << 32, true), EPERM, "map the file");
	ok(attr("granules_busy") == 0 && !set_flags(fd, 0), "neither");
	ok(!map_file(fd, 0, 4096, 1UL << 32, true) && !unmap(1UL << 32, 4096), "map the file");
	drop(fd, "flags");
}

/* A process that maps and unmaps a part of a file. */
static pid_t mapper(int fd, uint64_t start, size_t bytes)
{
	pid_t pid = fork();

	if (!pid)
		_exit(map_file(fd, start, bytes, 1UL << 32, true) || unmap(1UL << 32, bytes));
	return pid;
}

static bool ends(pid_t pid, unsigned int tenths)
{
	int status = -1;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (!tenths--)
			return false;
		usleep(100000);
	}
	return !status;
}

/* A child that waits for a byte, then makes the call, and ends with its errno. */
static pid_t later(int *go, int (*call)(int fd), int fd)
{
	int to[2];
	char byte;
	pid_t pid;

	if (pipe(to))
		die("pipe");
	pid = fork();
	if (!pid) {
		close(to[1]);
		if (read(to[0], &byte, 1) != 1)
			_exit(255);
		_exit(call(fd) ? errno : 0);
	}
	close(to[0]);
	*go = to[1];
	return pid;
}

static int call_immutable(int fd)	{ return set_flags(fd, FS_IMMUTABLE_FL); }
static int call_append(int fd)		{ return set_flags(fd, FS_APPEND_FL); }
static int call_pin_hole(int fd)
{
	return map_file(fd, GRANULE, free_bytes() / 2, 1UL << 32, true);
}

static int call_pin(int fd)
{
	return map_file(fd, 0, GRANULE, 1UL << 33, true);
}

static int ended(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/*
 * A pin that takes its time, as it meets a hole; who sets a flag waits for it, and then, behind
 * him, one more pin, which has found no flag. False: it came otherwise.
 */
static bool overtaken(int fd, int (*set)(int fd), int *late_error)
{
	uint64_t before = free_bytes(), bytes = before / 2;
	int go[3], error[3], i;
	bool shown = false;
	pid_t pid[3];

	pid[0] = later(&go[0], call_pin_hole, fd);
	pid[1] = later(&go[1], set, fd);
	pid[2] = later(&go[2], call_pin, fd);
	write(go[0], "", 1);
	while (free_bytes() == before)
		;
	write(go[1], "", 1);
	if (sleeps_in(pid[1], "pkernfs_fileattr_set", 500)) {
		write(go[2], "", 1);
		shown = sleeps_in(pid[2], "pkernfs_pin_folios", 500) &&
			sleeps_in(pid[1], "pkernfs_fileattr_set", 1);
	}
	for (i = 2; i >= 0; i--) {
		close(go[i]);
		error[i] = ended(pid[i]);
	}
	/* The first one is in steps of 32 MiB, by iommufd: later ones find the flag. */
	if (error[1])
		die("chattr");
	if (!error[0])
		unmap(1UL << 32, bytes);
	if (!error[2])
		unmap(1UL << 33, GRANULE);
	*late_error = error[2];
	if (set_flags(fd, 0) || fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					  GRANULE, bytes))
		die("and back");
	return shown;
}

static void test_overtaken(uint64_t before)
{
	int fd = create("overtaken"), i, error = -1;

	ftruncate(fd, before);
	fallocate(fd, 0, 0, GRANULE);
	for (i = 0; i < 50 && !overtaken(fd, call_immutable, &error); i++)
		;
	ok(i < 50 && error == EPERM, "a pin that chattr +i has overtaken: %d, at try %d", error,
	   i + 1);
	for (i = 0; i < 50 && !overtaken(fd, call_append, &error); i++)
		;
	ok(i < 50 && error == EACCES, "or chattr +a: %d, at try %d", error, i + 1);
	ok(attr("granules_busy") == 0, "nothing is left pinned");
	drop(fd, "overtaken");
	ok(free_bytes() == before, "all space is back");
}

/* By FIFREEZE: what has memory can be pinned, what is to get some waits. */
static void test_frozen(uint64_t before)
{
	int root = open(".", O_RDONLY | O_DIRECTORY), fd = create("frozen");
	pid_t has, hole;

	ok(!ftruncate(fd, RAM) && !fallocate(fd, 0, 0, RAM / 2), "a file, half of it holes");
	ok(!ioctl(root, FIFREEZE, 0), "FIFREEZE");
	has = mapper(fd, 0, RAM / 2);
	ok(ends(has, 50), "what has memory is mapped");
	hole = mapper(fd, 0, RAM);
	ok(!ends(hole, 10) && free_bytes() == before - RAM / 2, "a hole waits");
	ok(!ioctl(root, FITHAW, 0) && ends(hole, 100) && free_bytes() == before - RAM,
	   "until FITHAW");
	ok(attr("granules_busy") == 0, "nothing is left pinned");
	drop(fd, "frozen");
	close(root);
}

/* On a read-only mount no unlinked file is freed; it is when it can be written again. */
static void test_read_only(uint64_t before)
{
	int root = open(".", O_RDONLY | O_DIRECTORY), fd = create("ro"), fs, i;
	char *p;

	ftruncate(fd, GRANULE);
	p = mmap(NULL, GRANULE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ok(!map(p, GRANULE, 1UL << 32, true), "pin");
	munmap(p, GRANULE);
	drop(fd, "ro");
	ok(attr("orphans") == 1, "unlinked, closed and pinned");
	ok(!mount(NULL, ".", NULL, MS_REMOUNT | MS_RDONLY, NULL), "remount read-only");
	ok(!ioctl(root, FIFREEZE, 0) && !unmap(1UL << 32, GRANULE), "freeze it; unpin");
	usleep(2500000);
	ok(attr("orphans") == 1 && free_bytes() == before - GRANULE, "it is not freed");
	ok(!ioctl(root, FITHAW, 0), "thaw");
	fs = syscall(SYS_fspick, AT_FDCWD, ".", FSPICK_CLOEXEC);
	ok(fs >= 0 && !syscall(SYS_fsconfig, fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0),
	   "a remount that changes nothing");
	close(fs);
	usleep(2500000);
	ok(attr("orphans") == 1 && free_bytes() == before - GRANULE, "nor now");
	ok(!mount(NULL, ".", NULL, MS_REMOUNT, NULL), "remount to write");
	for (i = 0; i < 50 && attr("orphans"); i++)
		usleep(100000);
	ok(attr("orphans") == 0 && free_bytes() == before, "and it is free");
	close(root);
}

int main(int argc, char **argv)
{
	uint64_t before;

	if (argc < 4)
		die("usage");
	snprintf(sysfs, sizeof(sysfs), "%s", argv[3]);
	vfio_open(argv[2]);
	vfio_attach();
	enter(argc, argv);
	before = free_bytes();
	test_mapping(before);
	test_undisturbed(before);
	test_renamed_over(before);
	test_spliced(before);
	test_file(before);
	test_private(before);
	test_flags();
	test_overtaken(before);
	test_frozen(before);
	test_read_only(before);
	return tap_done();
}
