// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: mappings: shared ones are huge, private ones are private, and the
 * file never shows more or less than its size.
 */
#include <linux/falloc.h>
#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "fs_test.h"

#ifndef PAGEMAP_SCAN		/* headers older than 6.7 */
#define PAGE_IS_PRESENT		0x08
#define PAGE_IS_HUGE		0x40
#define PAGEMAP_SCAN		_IOWR('f', 16, struct pm_scan_arg)

struct page_region {
	uint64_t start;
	uint64_t end;
	uint64_t categories;
};

struct pm_scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#endif

#ifndef UFFD_FEATURE_WP_ASYNC	/* headers older than 6.7 */
#define UFFD_FEATURE_WP_UNPOPULATED	(1 << 13)
#define UFFD_FEATURE_WP_ASYNC		(1 << 15)
#endif

#define RACES	100
#define MARK_SECONDS	5

/* Bytes of [addr, addr + bytes) that PMDs map. */
static size_t huge_bytes(void *addr, size_t bytes)
{
	struct page_region regions[64];
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.start = (uintptr_t)addr,
		.end = (uintptr_t)addr + bytes,
		.vec = (uintptr_t)regions,
		.vec_len = 64,
		.category_mask = PAGE_IS_HUGE | PAGE_IS_PRESENT,
		.return_mask = PAGE_IS_HUGE | PAGE_IS_PRESENT,
	};
	int fd = open("/proc/self/pagemap", O_RDONLY), n, i;
	size_t total = 0;

	n = ioctl(fd, PAGEMAP_SCAN, &arg);
	if (n < 0)
		die("PAGEMAP_SCAN");
	for (i = 0; i < n; i++)
		total += regions[i].end - regions[i].start;
	close(fd);
	return total;
}

#ifndef MADV_GUARD_INSTALL	/* headers older than 6.13 */
#define MADV_GUARD_INSTALL	102
#define MADV_GUARD_REMOVE	103
#endif

static sigjmp_buf jump;
static volatile sig_atomic_t last_signal;

static void on_bus(int sig)
{
	last_signal = sig;
	siglongjmp(jump, 1);
}

static bool faults(char *p, bool write)
{
	if (sigsetjmp(jump, 1))
		return true;
	if (write)
		__atomic_store_n(p, 1, __ATOMIC_RELAXED);
	else
		(void)__atomic_load_n(p, __ATOMIC_RELAXED);
	return false;
}

static uint64_t pfn_of(void *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	if (pread(fd, &entry, 8, (uintptr_t)p / 4096 * 8) != 8)
		die("pagemap");
	close(fd);
	return entry >> 63 ? entry & ((1UL << 55) - 1) : 0;
}

static void test_shared(void)
{
	uint64_t before = free_bytes();
	struct stat st;
	char byte;
	char *p, *q;
	int fd = open("ram", O_CREAT | O_RDWR, 0600);
	int i;

	ok(!ftruncate(fd, 16 * MIB), "ram file of 16 MiB");
	p = mmap(NULL, 16 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ok(p != MAP_FAILED, "mmap");
	ok((uintptr_t)p % GRANULE == 0, "is aligned to 2 MiB by itself");
	for (i = 0; i < 8; i++)
		p[i * GRANULE + 12345] = i + 1;
	ok(huge_bytes(p, 16 * MIB) == 16 * MIB, "all of it is mapped by PMDs");
	ok(!fstat(fd, &st) && st.st_blocks == 16 * MIB / 512, "and allocated");
	ok(zeroes(p, 12345) && zeroes(p + 12346, GRANULE - 12346), "zeroes around");
	ok(pread(fd, &byte, 1, 3 * GRANULE + 12345) == 1 && byte == 4, "read sees the store");
	ok(pwrite(fd, "x", 1, 5) == 1 && p[5] == 'x', "and the load the write");
	q = mmap(NULL, GRANULE, PROT_READ | PROT_WRITE, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0);
	ok(q != MAP_FAILED && q[5] == 'x' && huge_bytes(q, GRANULE) == GRANULE,
	   "MAP_SYNC, by a PMD too");
	munmap(q, GRANULE);
	ok(pfn_of(p + GRANULE) && pfn_of(p + GRANULE) % 512 == 0, "granule alignment of PFNs");
	ok(pfn_of(p + 7 * GRANULE) == pfn_of(p) + 7 * 512, "one run of memory");
	ok(!msync(p, 16 * MIB, MS_SYNC), "msync");
	fill(p, 16 * MIB, 7);
	if (!fork())
		_exit(filled(p, 16 * MIB, 7) ? 0 : 1);
	wait(&i);
	ok(!i, "a child sees the same");
	munmap(p, 16 * MIB);

	p = mmap(NULL, 8 * MIB, PROT_READ, MAP_SHARED, fd, 4 * MIB);
	ok(faults(p, true) && !faults(p, false), "read-only is read-only");
	ok(huge_bytes(p, GRANULE) == GRANULE, "and huge, at an offset");
	munmap(p, 8 * MIB);

	/* Not aligned like the file: PTEs of the same pages. */
	p = mmap(NULL, 8 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	p = mmap((char *)(((uintptr_t)p + GRANULE) & ~(GRANULE - 1)) + 4096, 4 * MIB,
		 PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	ok(p != MAP_FAILED && filled(p, 4 * MIB, 7), "a mapping that is aligned otherwise");
	ok(huge_bytes(p, 4 * MIB) == 0, "has PTEs");
	p[4097] = 'y';
	ok(pread(fd, &byte, 1, 4097) == 1 && byte == 'y', "of the same pages");
	munmap(p, 4 * MIB);
	close(fd);
	unlink("ram");
	ok(free_bytes() == before, "all space is back");
}

static void test_private(void)
{
	int fd = open("priv", O_CREAT | O_RDWR, 0600);
	char byte, *p;
	struct stat st;

	ftruncate(fd, 4 * MIB);
	pwrite(fd, "abc", 3, 0);
	p = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ok(!memcmp(p, "abc", 3), "a private mapping reads the file");
	p[1] = 'X';
	ok(pread(fd, &byte, 1, 1) == 1 && byte == 'b', "its stores stay private");
	ok(!memcmp(p, "aXc", 3), "and are seen by itself");
	pwrite(fd, "Z", 1, 4096);
	ok(p[4096] == 'Z', "pages not written follow the file");
	p[3 * MIB] = 1;
	ok(!fstat(fd, &st) && st.st_blocks == GRANULE / 512, "a hole stays a hole");
	ok(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, GRANULE) &&
	   p[0] == 'a' && p[1] == 'X' && !p[4096], "punch leaves the private copies");
	ok(!ftruncate(fd, 0), "truncate under a private mapping");
	ok(faults(p + 1, false), "takes the private copies too");
	munmap(p, 4 * MIB);
	close(fd);
	unlink("priv");
}

/* A truncate that fails has thrown nothing away: not what is in copies of the file's pages. */
static void test_refused(void)
{
	int knob = open("/sys/kernel/debug/pkernfs/region0_stores", O_WRONLY);
	int fd = create("refused");
	char *p;

	ftruncate(fd, 2 * GRANULE);
	p = mmap(NULL, 2 * GRANULE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	pwrite(fd, "file", 4, GRANULE + 16384);
	fill(p + GRANULE, 8192, 12);
	/* No change of metadata from here on: as if a kexec had begun. */
	if (knob < 0 || write(knob, "0", 1) != 1)
		die("region0_stores");
	fails(ftruncate(fd, GRANULE), ESHUTDOWN, "a truncate that fails");
	if (write(knob, "-1", 2) != 2)
		die("region0_stores");
	close(knob);
	ok(filled(p + GRANULE, 8192, 12), "private copies are what they were");
	ok(!memcmp(p + GRANULE + 16384, "file", 4), "and so is the file");
	ok(!ftruncate(fd, GRANULE + 100) && filled(p + GRANULE, 4096, 12) &&
	   faults(p + GRANULE + 4096, false), "one that succeeds takes whole pages of them");
	ok(!ftruncate(fd, GRANULE) && faults(p + GRANULE, false) && !ftruncate(fd, 2 * GRANULE) &&
	   zeroes(p + GRANULE, 20480), "and they do not come back");
	munmap(p, 2 * GRANULE);
	drop(fd, "refused");
}

static int uffd_protect(int uffd, char *p, size_t bytes)
{
	struct uffdio_writeprotect wp = {
		.range = { (unsigned long)p, bytes },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};

	return ioctl(uffd, UFFDIO_WRITEPROTECT, &wp);
}

/* Asynchronous write protection, which any mapping is given, and what marks its place. */
static void test_uffd(void)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED,
	};
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_WP };
	int fd = open("uffd", O_CREAT | O_RDWR, 0600), flags, uffd;
	char *p;

	uffd = syscall(__NR_userfaultfd, UFFD_USER_MODE_ONLY);
	if (uffd < 0)
		die("userfaultfd");
	if (ioctl(uffd, UFFDIO_API, &api))
		die("UFFDIO_API");
	ftruncate(fd, 2 * GRANULE);
	for (flags = MAP_SHARED; flags; flags = flags == MAP_SHARED ? MAP_PRIVATE : 0) {
		p = mmap(NULL, 2 * GRANULE, PROT_READ | PROT_WRITE, flags, fd, 0);
		fill(p, GRANULE, 11);
		reg.range.start = (unsigned long)p;
		reg.range.len = 2 * GRANULE;
		ok(!ioctl(uffd, UFFDIO_REGISTER, &reg) && !uffd_protect(uffd, p, 2 * GRANULE),
		   "write protection of a %s mapping",
		   flags == MAP_SHARED ? "shared" : "private");
		ok(filled(p, GRANULE, 11) && !faults(p, true) && !faults(p + 4096, true),
		   "loads and stores where there is memory");
		ok(!faults(p + GRANULE + 4096, false) && !faults(p + GRANULE, true) &&
		   p[GRANULE + 4096] == 0, "and where there was none");
		ok(!uffd_protect(uffd, p, 2 * GRANULE) && !faults(p, true) &&
		   !faults(p + GRANULE, false), "and once more");
		munmap(p, 2 * GRANULE);
	}
	close(uffd);
	close(fd);
	unlink("uffd");
}

static struct {
	char *page, *granule, *guard;
	int uffd;
	atomic_bool stop;
} marks;

static void *protect_thread(void *arg)
{
	(void)arg;
	while (!atomic_load(&marks.stop)) {
		madvise(marks.page, 4096, MADV_DONTNEED);
		uffd_protect(marks.uffd, marks.page, 4096);
		madvise(marks.granule, GRANULE, MADV_DONTNEED);
		uffd_protect(marks.uffd, marks.granule + 4096, 4096);
	}
	return NULL;
}

static void *guard_thread(void *arg)
{
	(void)arg;
	while (!atomic_load(&marks.stop)) {
		madvise(marks.guard, 4096, MADV_GUARD_INSTALL);
		sched_yield();
		madvise(marks.guard, 4096, MADV_GUARD_REMOVE);
		madvise(marks.guard + GRANULE, GRANULE, MADV_DONTNEED);
		madvise(marks.guard + GRANULE + 4096, 4096, MADV_GUARD_INSTALL);
		madvise(marks.guard + GRANULE + 4096, 4096, MADV_GUARD_REMOVE);
	}
	return NULL;
}

/*
 * Write protection and guards are set with locks that faults have, too: a mark, or the page
 * table that it wants, may come while one is under way.
 */
static void test_marks(void)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED,
	};
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_WP };
	int fd = open("marks", O_CREAT | O_RDWR, 0600), bad = 0, bus = 0, segv = 0, fine = 0;
	time_t begin = time(NULL);
	pthread_t thread[2];
	char *p;

	ftruncate(fd, 4 * GRANULE);
	p = mmap(NULL, 4 * GRANULE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	fill(p, 4 * GRANULE, 3);
	marks.uffd = syscall(__NR_userfaultfd, UFFD_USER_MODE_ONLY);
	if (marks.uffd < 0 || ioctl(marks.uffd, UFFDIO_API, &api))
		die("userfaultfd");
	reg.range.start = (unsigned long)p;
	reg.range.len = 2 * GRANULE;
	if (ioctl(marks.uffd, UFFDIO_REGISTER, &reg))
		die("UFFDIO_REGISTER");
	marks.page = p;
	marks.granule = p + GRANULE;
	marks.guard = p + 2 * GRANULE;
	if (pthread_create(&thread[0], NULL, protect_thread, NULL) ||
	    pthread_create(&thread[1], NULL, guard_thread, NULL))
		die("pthread_create");
	/* On a busy host the guard is seldom met. */
	while (time(NULL) < begin + MARK_SECONDS ||
	       ((!segv || !fine) && time(NULL) < begin + 12 * MARK_SECONDS)) {
		bad += faults(marks.page, true) + faults(marks.granule, true);
		bad += faults(marks.granule + 4096, true);
		bad += faults(marks.guard + GRANULE, true);
		if (!faults(marks.guard, true))
			fine++;
		else if (last_signal == SIGBUS)
			bus++;
		else
			segv++;
	}
	atomic_store(&marks.stop, true);
	pthread_join(thread[0], NULL);
	pthread_join(thread[1], NULL);
	ok(!bad, "marks that come beside a store are not in its way (%d of %d were)", bad,
	   4 * (fine + bus + segv));
	ok(!bus && segv && fine, "only a guard ends one, by SIGSEGV (%d, SIGBUS %d, neither %d)",
	   segv, bus, fine);
	munmap(p, 4 * GRANULE);
	close(marks.uffd);
	close(fd);
	unlink("marks");
}

/* A lock of two processes, in the file's memory: by 2 MiB, and by one page. */
static void test_futex(size_t offset)
{
	int fd = open("futex", O_CREAT | O_RDWR, 0600), status = -1;
	pthread_mutexattr_t attr;
	pthread_mutex_t *lock;
	int *count;
	pid_t pid;
	char *p;

	ftruncate(fd, GRANULE + 4096);
	p = mmap(NULL, GRANULE + 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	lock = (pthread_mutex_t *)(p + offset);
	count = (int *)(lock + 1);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	ok(syscall(SYS_futex, p + offset, FUTEX_WAKE, 1, NULL, NULL, 0) == 0,
	   "a futex at %#zx", offset);
	if (pthread_mutex_init(lock, &attr) || pthread_mutex_lock(lock))
		die("pthread_mutex");
	pid = fork();
	if (!pid) {
		char *q = mmap(NULL, GRANULE + 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		lock = (pthread_mutex_t *)(q + offset);
		pthread_mutex_lock(lock);
		++*(int *)(lock + 1);
		pthread_mutex_unlock(lock);
		_exit(0);
	}
	usleep(200 * 1000);
	ok(*count == 0, "another process waits for a lock");
	pthread_mutex_unlock(lock);
	waitpid(pid, &status, 0);
	ok(status == 0 && *count == 1, "and gets it");
	munmap(p, GRANULE + 4096);
	close(fd);
	unlink("futex");
}

static void test_size(void)
{
	int fd = open("size", O_CREAT | O_RDWR, 0600);
	char buf[8192];
	char *p;

	ftruncate(fd, 3 * MIB + 100);
	p = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ok(!faults(p, true) && huge_bytes(p, GRANULE) == GRANULE, "whole granule: huge");
	ok(!faults(p + 3 * MIB, true) && huge_bytes(p + GRANULE, GRANULE) == 0,
	   "the last, half one: not");
	ok(faults(p + 3 * MIB + 4096, false), "behind the end: SIGBUS");
	memset(p + 3 * MIB, 'e', 4096);
	ok(!ftruncate(fd, 4 * MIB) && pread(fd, buf, 8192, 3 * MIB) == 8192 &&
	   buf[99] == 'e' && zeroes(buf + 100, 8092), "growing shows zeroes behind the old end");
	ok(!faults(p + 3 * MIB + 4096, false), "now there is something");

	fill(p, 4 * MIB, 9);
	ok(!ftruncate(fd, MIB + 4096), "truncate a mapped file");
	ok(!faults(p, false) && filled(p, MIB + 4096, 9), "what stays is there");
	ok(faults(p + MIB + 4096, false), "what went is not");
	ok(!ftruncate(fd, 4 * MIB) && zeroes(p + MIB + 4096, 3 * MIB - 4096),
	   "and is zero when it comes back");
	fill(p, 4 * MIB, 10);
	ok(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, GRANULE),
	   "punch under a mapping");
	ok(zeroes(p, GRANULE), "gives zeroes");
	munmap(p, 4 * MIB);

	memset(buf, 's', sizeof(buf));
	ok(pwrite(fd, buf, sizeof(buf), 0) == sizeof(buf) && !ftruncate(fd, 100), "shrink");
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ok(p[99] == 's' && zeroes(p + 100, 3996), "a mapping does not show what was cut off");
	munmap(p, 4096);
	close(fd);
	unlink("size");
}

/*
 * A file grows over a granule while two threads fault in it: one may have seen
 * the old size, and take a PTE, the other the new one, and take a PMD.
 */
static char *volatile race_at;
static atomic_int race_step;

static void *race_thread(void *arg)
{
	int round;

	(void)arg;
	for (round = 1; round <= RACES; round++) {
		while (atomic_load(&race_step) != round)
			;
		__atomic_store_n(race_at, 1, __ATOMIC_RELAXED);
		atomic_store(&race_step, -round);
	}
	return NULL;
}

/* Is what a mapping shows behind the end of the file, the rest of the last page, zero? */
static bool end_is_zero(int fd)
{
	struct stat st;
	char *page;
	off_t at;
	int i;

	fstat(fd, &st);
	at = st.st_size & ~4095;
	page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, at);
	if (page == MAP_FAILED)
		die("mmap");
	for (i = st.st_size - at; i < 4096 && !page[i]; i++)
		;
	munmap(page, 4096);
	return i == 4096;
}

/* The file had data there before, in the same granule; and a large one it keeps. */
static void test_end(void)
{
	static char data[100000];
	int fd = open("end", O_CREAT | O_RDWR, 0600);

	memset(data, 'x', sizeof(data));
	ftruncate(fd, GRANULE);
	pwrite(fd, data, sizeof(data), 0);
	ok(!ftruncate(fd, 100) && end_is_zero(fd), "behind the end: zero when it shrinks");
	ok(!ftruncate(fd, 8192 + 50) && end_is_zero(fd), "when it grows by truncate");
	ok(pwrite(fd, "y", 1, 20000) == 1 && end_is_zero(fd), "when it grows by write");
	ok(pwrite(fd, data, 5000, 20001) == 5000 && end_is_zero(fd), "of more than a page");
	ok(!fallocate(fd, 0, 0, 50000) && end_is_zero(fd), "when it grows by fallocate");
	ok(!fallocate(fd, FALLOC_FL_ZERO_RANGE, 60000, 10000) && end_is_zero(fd),
	   "by ZERO_RANGE");
	close(fd);
	unlink("end");
}

static void test_race(void)
{
	int fd = open("race", O_CREAT | O_RDWR, 0600), round, bad = 0;
	pthread_t thread;
	char *p;

	if (pthread_create(&thread, NULL, race_thread, NULL))
		die("pthread_create");
	for (round = 1; round <= RACES; round++) {
		ftruncate(fd, 0);
		ftruncate(fd, 4096);
		p = mmap(NULL, GRANULE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		race_at = p;
		atomic_store(&race_step, round);
		ftruncate(fd, GRANULE);
		bad += faults(p + 8192, true);
		while (atomic_load(&race_step) != -round)
			;
		bad += p[0] != 1 || p[8192] != 1;
		munmap(p, GRANULE);
	}
	pthread_join(thread, NULL);
	ok(!bad, "faults of two sizes meet");
	close(fd);
	unlink("race");
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_bus };

	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	enter(argc, argv);
	test_shared();
	test_private();
	test_refused();
	test_uffd();
	test_marks();
	test_futex(4096);
	test_futex(GRANULE);
	test_size();
	test_end();
	test_race();
	return tap_done();
}
