// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: granules of 1 GiB: who gets them, how they are mapped, pinned and given back.
 *
 * usage: fs_huge test MOUNT VFIO_CDEV, in a region with two such granules;
 *	  fs_huge write MOUNT; kexec; fs_huge check MOUNT VFIO_CDEV
 *
 * To zero one takes seconds under emulation, so most of this is about one and the same.
 * How much is mapped at once is told by the resident set, which grows by all of it: to ask
 * smaps or pagemap would take the mapping apart.
 */
#include <linux/falloc.h>
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>

#include "fs_huge.h"

/* Does a store there map a GiB, or a page? */
static bool maps(char *p, long bytes)
{
	long before = resident();

	return store(p, 'x') && labs(resident() - before - bytes) < (long)MIB;
}

static bool read_smaps(void)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[256];
	bool found = false;

	while (f && fgets(line, sizeof(line), f))
		found |= !strncmp(line, "Rss:", 4);
	if (f)
		fclose(f);
	return found;
}

/* --- who gets them ------------------------------------------------------------------- */

static void test_wish(int dir)
{
	struct fsxattr x;
	struct stat st;
	int fd;

	ok(!ioctl(dir, FS_IOC_FSGETXATTR, &x) && x.fsx_xflags & FS_XFLAG_EXTSZINHERIT &&
	   x.fsx_extsize == GIB, "a directory says what it wants");
	fd = create("vm/other");
	ok(!ioctl(fd, FS_IOC_FSGETXATTR, &x) && x.fsx_xflags & FS_XFLAG_EXTSIZE &&
	   x.fsx_extsize == GIB, "a file in it inherits that");
	ok(!set_wish(fd, GRANULE) && pwrite(fd, "x", 1, 0) == 1 && !fstat(fd, &st) &&
	   st.st_blocks * 512 == (long)GRANULE, "it may want others");
	fails(set_wish(fd, GIB), EINVAL, "and then these, with memory");
	ok(!set_wish(fd, 0) && !ftruncate(fd, 3 * GIB) && pwrite(fd, "x", 1, 2 * GIB) == 1 &&
	   region_attr("huge_free") == 2, "size alone is no reason");
	close(fd);
	unlink("vm/other");
}

/* --- one granule, mapped in all ways ----------------------------------------------------- */

static void test_mapped(int fd)
{
	char *p = map_at(NULL, fd, GIB, 0), *q;
	struct stat st;
	int i, wrong = 0;
	time_t begin;

	ok(!((uintptr_t)p & (GIB - 1)), "mmap aligns to 1 GiB");
	begin = time(NULL);
	ok(maps(p + 5 * PAGE, GIB), "a store maps all of it, and takes %ld s",
	   (long)(time(NULL) - begin));
	ok(region_attr("huge_free") == 1 && !fstat(fd, &st) && st.st_blocks * 512 == (long)GIB &&
	   st.st_blksize == (long)GRANULE, "and costs one granule");
	for (i = 0; i < 512; i++)
		wrong += p[i * GRANULE + 77] != 0;
	ok(!wrong, "zeroed");
	for (i = 0; i < 512; i++)
		memcpy(p + i * GRANULE, &i, sizeof(i));
	ok(read_smaps() && maps(p, GIB), "smaps takes it apart until the next access");
	for (i = 0; i < 512; i++)
		wrong += memcmp(p + i * GRANULE, &i, sizeof(i)) && i;
	ok(!wrong, "content stays");

	q = map_at(NULL, fd, GIB, 0);
	ok(maps(q, GIB) && q[GRANULE] == p[GRANULE], "a second mapping");
	munmap(q, GIB);
	q = map_at(NULL, fd, GIB - GRANULE, GRANULE);
	ok(maps(q, PAGE) && *q == 'x' && p[GRANULE] == 'x', "a part of it: page by page");
	munmap(q, GIB - GRANULE);
	q = mmap(NULL, GIB, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ok(q != MAP_FAILED && maps(q, PAGE) && (q[3 * GRANULE] = 'p') && p[3 * GRANULE] == 3,
	   "a private mapping: its own pages");
	munmap(q, GIB);
	munmap(p, GIB);
}

/* What mm/ does with the page tables of a mapping, with a GiB mapped at once */
static void test_split(int fd)
{
	char *p = map_at(NULL, fd, GIB, 0), *q;
	int status;

	ok(maps(p, GIB), "mapped at once");
	munmap(p + GIB - GRANULE, GRANULE);
	ok(p[4 * GRANULE] == 4 && maps(p + PAGE, PAGE), "munmap of a part: the rest by pages");
	munmap(p, GIB - GRANULE);

	p = map_at(NULL, fd, GIB, 0);
	ok(maps(p, GIB) && !mprotect(p + GRANULE, PAGE, PROT_READ), "mprotect of a page");
	ok(store(p, 1) && store(p + GRANULE + PAGE, 1) && p[4 * GRANULE] == 4,
	   "all beside it goes on");
	munmap(p, GIB);

	p = map_at(NULL, fd, GIB, 0);
	ok(maps(p, GIB) && !mprotect(p, GIB, PROT_READ) && p[4 * GRANULE] == 4 &&
	   !mprotect(p, GIB, PROT_READ | PROT_WRITE) && store(p, 2), "mprotect of all, and back");
	ok(!madvise(p + GRANULE, GRANULE, MADV_DONTNEED) && maps(p, GIB), "MADV_DONTNEED");
	fails(madvise(p + GRANULE, PAGE, 102), EINVAL, "MADV_GUARD_INSTALL");
	if (!fork())
		_exit(!(maps(p + 7, GIB) && p[4 * GRANULE] == 4));
	wait(&status);
	ok(!status && store(p, 3), "fork");

	/* To a place that is aligned alike, then to one that is not */
	q = mmap(NULL, 4 * GIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	q = (char *)(((uintptr_t)q + GIB - 1) & ~(GIB - 1));
	ok(mremap(p, GIB, GIB, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q && maps(q, GIB) &&
	   q[4 * GRANULE] == 4, "mremap");
	p = mremap(q, GIB, GIB, MREMAP_MAYMOVE | MREMAP_FIXED, q + 3 * GIB / 2 + PAGE);
	ok(p == q + 3 * GIB / 2 + PAGE && maps(p, PAGE) && p[4 * GRANULE] == 4 &&
	   p[511 * GRANULE] == (char)511, "to where it is not aligned");
	munmap(p, GIB);
	ok(region_attr("huge_busy") == 0, "nobody has it mapped any more");
}

/* What one process does with its mapping leaves that of another one alone. */
static void test_others(int fd)
{
	char *p = map_at(NULL, fd, GIB, 0), *q, c = 0;
	int to[2], from[2], status;

	if (pipe(to) || pipe(from))
		die("pipe");
	if (!fork()) {
		bool all = maps(p, GIB);
		long mine = resident();

		if (write(from[1], &c, 1) != 1 || read(to[0], &c, 1) != 1)
			_exit(2);
		_exit(!(all && labs(resident() - mine) < (long)MIB));
	}
	if (read(from[0], &c, 1) != 1)
		die("read");
	ok(maps(p, GIB) && !mprotect(p + GIB - PAGE, PAGE, PROT_READ) && store(p, 1),
	   "one splits its mapping");
	munmap(p, GIB);
	p = map_at(NULL, fd, GIB, 0);
	q = mmap(NULL, 3 * GIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	q = (char *)(((uintptr_t)q + GIB - 1) & ~(GIB - 1));
	ok(maps(p, GIB) && mremap(p, GIB, GIB, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q &&
	   maps(q, GIB) && q[0] == 'x', "and moves one");
	munmap(q, GIB);
	if (write(to[1], &c, 1) != 1)
		die("write");
	wait(&status);
	ok(!status, "another process has all of its own mapped all the time: %#x", status);
}

static bool enough;

static void *store_thread(void *at)
{
	while (!__atomic_load_n(&enough, __ATOMIC_RELAXED))
		*(volatile char *)at = 'r';
	return NULL;
}

/* Others put the GiB back all the time while a page of it is given up. */
static void test_race(int fd)
{
	char *p = map_at(NULL, fd, GIB, 0);
	time_t end = time(NULL) + 3;
	pthread_t thread[2];
	long before, rounds;
	unsigned int i;

	before = resident();
	for (i = 0; i < 2; i++)
		if (pthread_create(&thread[i], NULL, store_thread, p + i * GIB / 2))
			die("pthread_create");
	for (rounds = 0; time(NULL) < end; rounds++)
		if (madvise(p + GRANULE, PAGE, MADV_DONTNEED))
			die("MADV_DONTNEED");
	__atomic_store_n(&enough, true, __ATOMIC_RELAXED);
	for (i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	munmap(p, GIB);
	ok(labs(resident() - before) < (long)MIB, "MADV_DONTNEED against stores, %ld times",
	   rounds);
	ok(region_attr("huge_busy") == 0, "no reference is left");
}

static void test_pinned(int fd)
{
	char *p = map_at(NULL, fd, GIB, 0);

	ok(!map(p, GIB, IOVA, true) && region_attr("huge_busy") == 1, "pin it by address");
	ok(!map(p + GRANULE, PAGE, IOVA + 2 * GIB, true), "and a page of it");
	munmap(p, GIB);
	fails(ftruncate(fd, GRANULE), EBUSY, "truncate");
	fails(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, GIB), EBUSY, "punch");
	ok(!unmap(IOVA, GIB) && region_attr("huge_busy") == 1, "unpin all but the page");
	ok(!unmap(IOVA + 2 * GIB, PAGE) && region_attr("huge_busy") == 0, "and the page");
	ok(!map_file(fd, 0, GIB, IOVA, true) && region_attr("huge_busy") == 1,
	   "pin it by the file");
	ok(!unmap(IOVA, GIB) && region_attr("huge_busy") == 0, "unpin");
	ok(!map_file(fd, 3 * GRANULE, 5 * PAGE, IOVA, true) && region_attr("huge_busy") == 1 &&
	   !unmap(IOVA, 5 * PAGE) && region_attr("huge_busy") == 0, "a part of it");
}

/* What is cut off in the middle of a granule is zeroes when the file grows again. */
static void test_truncate(int fd)
{
	off_t cut = GIB - 3 * MIB;
	char *p = map_at(NULL, fd, GIB, 0);

	memset(p + cut - PAGE, 0x77, PAGE);
	memset(p + cut, 0x77, 3 * MIB);
	ok(!ftruncate(fd, cut) && region_attr("huge_free") == 1, "truncate in a granule");
	ok(!store(p + cut, 1) && store(p + cut - 1, 0x77), "what is cut off is SIGBUS");
	ok(!ftruncate(fd, GIB) && zeroes(p + cut, 3 * MIB) && p[cut - 1] == 0x77,
	   "and zeroes when it grows");
	ok(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, GRANULE, GRANULE) &&
	   zeroes(p + GRANULE, GRANULE) && p[2 * GRANULE] == 2 && region_attr("huge_free") == 1,
	   "a punch of less: zeroes");
	munmap(p, GIB);
}

/* --- the last granule ------------------------------------------------------------------- */

static void *touch_thread(void *at)
{
	return store(at, 'y') ? at : NULL;
}

static void test_last(int fd)
{
	char *p = map_at(NULL, fd, 3 * GIB, 0);
	struct timespec begin, end;
	pthread_t thread;
	void *ret;
	pid_t pid;

	ok(!ftruncate(fd, 3 * GIB) && region_attr("huge_free") == 1, "a file of 3 GiB");
	fails(fallocate(fd, 0, 0, 3 * GIB), ENOSPC, "more than there is");
	ok(region_attr("huge_free") == 1, "takes nothing");

	/* Who is to die while it is zeroed does so, and gives it back. */
	pid = fork();
	if (!pid) {
		store(p + GIB, 1);
		pause();
	}
	usleep(200 * 1000);
	ok(region_attr("huge_free") == 0, "somebody zeroes the last one");
	clock_gettime(CLOCK_MONOTONIC, &begin);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	clock_gettime(CLOCK_MONOTONIC, &end);
	ok(region_attr("huge_free") == 1 && end.tv_sec - begin.tv_sec < 3,
	   "is killed, and it is free again");

	if (pthread_create(&thread, NULL, touch_thread, p + GIB + GIB / 2))
		die("pthread_create");
	ok(store(p + GIB, 'z'), "two want the last one at once");
	pthread_join(thread, &ret);
	ok(ret && p[GIB] == 'z' && p[GIB + GIB / 2] == 'y' && region_attr("huge_free") == 0,
	   "and both get it");
	ok(!store(p + 2 * GIB, 1) &&
	   logged(fd, ", offset 0x80000000: no page for a fault (-28): no memory is left"),
	   "one more is SIGBUS, and the log says why");
	fails(pwrite(fd, "x", 1, 2 * GIB), ENOSPC, "and by write(2)");
	ok(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, GIB, GIB) &&
	   region_attr("huge_free") == 1, "punch gives it back");
	munmap(p, 3 * GIB);
}

/* Has had such granules and wants no more: its mappings are as those of any file. */
static void test_emptied(int fd)
{
	struct fsxattr x;
	pid_t pid;
	char *p;
	int i;

	ok(!ftruncate(fd, 0) && !set_wish(fd, 0) && !ftruncate(fd, GIB), "a file that was emptied");
	p = map_at(NULL, fd, GRANULE, 0);
	ok(mremap(p, GRANULE, 2 * GRANULE, MREMAP_MAYMOVE) != MAP_FAILED,
	   "its mappings can grow");
	ok(!set_wish(fd, GIB), "and it wants them again");

	/* What is being zeroed for it counts as its memory. */
	p = map_at(NULL, fd, GIB, 0);
	pid = fork();
	if (!pid)
		_exit(!store(p, 1));
	for (i = 0; i < 1000 && region_attr("huge_free") == 2; i++)
		usleep(1000);
	ok(region_attr("huge_free") == 1 && memory(fd) == 0, "its first one is being zeroed");
	fails(set_wish(fd, GRANULE), EINVAL, "to want others");
	ok(waitpid(pid, &i, 0) == pid && !i && memory(fd) == (long)GIB &&
	   !ioctl(fd, FS_IOC_FSGETXATTR, &x) && x.fsx_extsize == GIB, "and it has what it says");
	munmap(p, GIB);
	ok(!ftruncate(fd, 0) && !ftruncate(fd, GIB), "empty again");
}

/* --- memory errors -------------------------------------------------------------------- */

/* Pages that the kernel counts as mapped */
static long pages_mapped(void)
{
	FILE *f = fopen("/proc/vmstat", "r");
	char line[256];
	long pages = -1;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "nr_mapped %ld", &pages) == 1)
			break;
	if (f)
		fclose(f);
	return pages;
}

/*
 * What counts the mappings of a single page is the page's, and not also that of the same
 * page of another granule, though these share memory for struct pages. Which of the two
 * has it from the other nobody can tell.
 */
static void test_counted(void)
{
	static const char * const name[] = { "vm/first", "vm/second" };
	long before = pages_mapped(), slack = 4 * MIB / PAGE;
	char *page[2], *p;
	int fd[2], i;

	for (i = 0; i < 2; i++) {
		fd[i] = create(name[i]);
		if (ftruncate(fd[i], GIB))
			die("ftruncate");
		page[i] = map_at(NULL, fd[i], PAGE, GIB / 2 + 5 * PAGE);
		ok(store(page[i], 'x'), "a page of the %s granule", i ? "second" : "first");
	}
	for (i = 0; i < 2; i++)
		munmap(page[i], PAGE);
	for (i = 0; i < 2; i++) {
		p = map_at(NULL, fd[i], GIB, 0);
		ok(maps(p, GIB) && labs(pages_mapped() - before - (long)(GIB / PAGE)) < slack,
		   "%ld pages are mapped, %ld were", pages_mapped(), before);
		munmap(p, GIB);
		ok(labs(pages_mapped() - before) < slack, "and %ld after it", pages_mapped());
		close(fd[i]);
		unlink(name[i]);
	}
}

static bool child_is_told(int fd, size_t at, int flags)
{
	int status;

	if (!fork()) {
		char *p = mmap(NULL, GIB, PROT_READ | PROT_WRITE, flags, fd, 0);

		_exit(p == MAP_FAILED || !touch_page(p + at, true) ||
		      !told(BUS_MCEERR_AR, p + at) || touch_page(p + at - PAGE, true));
	}
	wait(&status);
	return !status;
}

/* One page fails: it alone is missing, and the granule is nobody's any more. */
static void test_bad(int fd)
{
	char *p = map_at(NULL, fd, GIB, 0), buf[4 * PAGE];
	const size_t at = 9 * MIB;
	uint64_t other;

	ok(maps(p + at, GIB) && inject(p + at) && told(BUS_MCEERR_AR, p + at) &&
	   region_attr("bad_pages") == 1, "a memory error in a GiB that is mapped at once");
	ok(!store(p + at, 1) && maps(p + at + PAGE, PAGE) && maps(p + 700 * MIB, PAGE),
	   "SIGBUS there, and page by page elsewhere");
	ok(logged(fd, ", offset 0x900000: no page for a fault (-133): a memory error"),
	   "as the log says");
	ok(child_is_told(fd, at, MAP_SHARED) && child_is_told(fd, at, MAP_PRIVATE),
	   "another process, too, and through a private mapping");
	ok(pread(fd, buf, sizeof(buf), at - PAGE) == (ssize_t)PAGE, "read(2) ends before it");
	fails(pread(fd, buf, 1, at + 7), EIO, "at it");
	fails(pwrite(fd, buf, 1, at + PAGE - 1), EIO, "and a write(2)");
	fails(map_file(fd, 0, GIB, IOVA, true), EHWPOISON, "to pin it by the file");
	fails(map_file(fd, 20 * MIB, PAGE, IOVA, true), EHWPOISON, "any page of the granule");
	ok(logged(fd, ", offset 0x1400000: not pinned (-133): a memory error"), "as the log says");
	fails(map(p + at, PAGE, IOVA, true), EFAULT, "to pin it by address");
	ok(!map(p + 20 * MIB, PAGE, IOVA, true) && !unmap(IOVA, PAGE), "but another page");

	/* The region's second and third GiB are such granules. */
	other = 2 * region_attr("base") + 3 * GIB - (phys_of(p + 20 * MIB) - 20 * MIB);
	munmap(p, GIB);
	p = map_at(NULL, fd, GIB, 0);
	ok(!store(p + at, 1) && maps(p + 20 * MIB, PAGE) && filled(p + 8 * MIB, PAGE, 8),
	   "in a new mapping, too");
	munmap(p, GIB);
	ok(region_attr("huge_free") == 1 &&
	   offline(other + 5 * PAGE) && region_attr("bad_pages") == 2 &&
	   region_attr("huge_free") == 0,
	   "one in a granule that nobody has: nobody gets it");
	ok(!ftruncate(fd, 2 * GIB), "a larger file");
	fails(fallocate(fd, 0, GIB, GIB), ENOSPC, "has no other");
	ok(!ftruncate(fd, 0) && region_attr("huge_free") == 0, "nor is its own free again");
}

/* --- over a kexec ----------------------------------------------------------------------- */

static void write_all(void)
{
	int fd, i;
	char *p;

	fd = open("vm/ram", O_RDWR);
	p = map_at(NULL, fd, GIB, 0);
	for (i = 0; i < 1024; i++)
		fill(p + i * MIB, PAGE, i);
}

static void check_all(void)
{
	int fd = open("vm/ram", O_RDWR), i, wrong = 0;
	char *p = map_at(NULL, fd, GIB, 0);
	struct stat st;

	ok(region_attr("huge") == 2 && region_attr("huge_free") == 1 && !fstat(fd, &st) &&
	   st.st_blocks * 512 == (long)GIB, "one of two is the file's");
	ok(maps(p + PAGE - 1, GIB), "mapped at once");
	p[PAGE - 1] = 0;
	for (i = 1; i < 1024; i++)
		wrong += !filled(p + i * MIB, PAGE, i);
	ok(!wrong, "with its content");
	munmap(p, GIB);
	test_bad(fd);
	close(fd);
	ok(!unlink("vm/ram"), "unlink");
}

int main(int argc, char **argv)
{
	uint64_t before;
	int rc, dir, fd;

	if (argc < 3)
		die("usage");
	catch_bus();
	if (strcmp(argv[1], "write")) {
		if (argc < 4)
			die("usage");
		vfio_open(argv[3]);
		vfio_attach();
	}
	enter(argc - 1, argv + 1);
	rc = over_kexec(argv[1], write_all, check_all);
	if (rc >= 0)
		return rc;
	before = free_bytes();
	test_available(region_attr("small_free") * PAGE + region_attr("huge_free") * GIB);
	mkdir("vm", 0700);
	dir = open("vm", O_RDONLY | O_DIRECTORY);
	if (set_wish(dir, GIB))
		die("set_wish");
	test_wish(dir);
	fd = create("vm/ram");
	if (ftruncate(fd, GIB))
		die("ftruncate");
	test_mapped(fd);
	test_split(fd);
	test_others(fd);
	test_race(fd);
	test_pinned(fd);
	test_truncate(fd);
	test_last(fd);
	test_emptied(fd);
	test_counted();
	ok(free_bytes() == before, "all space is back");
	return tap_done();
}
