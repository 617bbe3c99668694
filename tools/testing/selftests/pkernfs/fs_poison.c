// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: memory errors, as software injects them.
 *
 * usage: fs_poison test MOUNT, on an empty one of region 0, not mapped by anybody else;
 *	  fs_poison hit FILE PAGE: an error in one page of a file;
 *	  fs_poison write MOUNT; kexec; fs_poison check MOUNT
 */
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "fs_bus.h"

static char buf[16 * PAGE];

static char *map(const char *name, size_t bytes, int flags)
{
	int fd = open(name, O_RDWR);
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p == MAP_FAILED)
		die(name);
	close(fd);
	return p;
}

static int new_file(const char *name, size_t bytes)
{
	int fd = open(name, O_CREAT | O_EXCL | O_RDWR, 0600);

	if (fd < 0 || ftruncate(fd, bytes) || fallocate(fd, 0, 0, bytes))
		die(name);
	return fd;
}

static bool listed(uint64_t phys)
{
	FILE *f = fopen("/sys/fs/pkernfs/region0/bad_addresses", "r");
	unsigned long a;
	bool found = false;

	while (f && fscanf(f, "%lx", &a) == 1)
		found |= a == phys;
	if (f)
		fclose(f);
	return found;
}

/* In a process of its own: what becomes of a touch. */
static bool child_is_told(const char *name, size_t at, int flags, bool write)
{
	int status;

	if (!fork()) {
		char *p = map(name, 3 * GRANULE, flags);

		_exit(!touch_page(p + at, write) || !told(BUS_MCEERR_AR, p + at));
	}
	wait(&status);
	return !status;
}

static void test_reader(void)
{
	const size_t at = GRANULE + 188 * PAGE;
	int fd = new_file("f", 3 * GRANULE);
	char *p = map("f", 3 * GRANULE, MAP_SHARED);
	uint64_t phys;

	fill(p, 3 * GRANULE, 3);
	phys = phys_of(p + at);
	ok(inject(p + at) && told(BUS_MCEERR_AR, p + at), "who meets an error gets SIGBUS");
	ok(touch_page(p + at, false) && told(BUS_MCEERR_AR, p + at), "who reads there later");
	ok(touch_page(p + at, true) && told(BUS_MCEERR_AR, p + at), "who writes");
	ok(!touch_page(p + at - 1, true) && !touch_page(p + at + PAGE, false),
	   "the pages beside it go on");
	ok(child_is_told("f", at, MAP_SHARED, false) && child_is_told("f", at, MAP_SHARED, true),
	   "in another process");
	ok(child_is_told("f", at, MAP_PRIVATE, false) && child_is_told("f", at, MAP_PRIVATE, true),
	   "through a private mapping");
	munmap(p, 3 * GRANULE);
	p = map("f", 3 * GRANULE, MAP_SHARED);
	ok(touch_page(p + at, false) && !touch_page(p + at - PAGE, true) &&
	   !touch_page(p, true) && !touch_page(p + 2 * GRANULE, true), "in a new mapping");

	ok(pread(fd, buf, sizeof(buf), at - 3 * PAGE - 5) == (ssize_t)(3 * PAGE + 5),
	   "read(2) ends before it");
	fails(pread(fd, buf, sizeof(buf), at), EIO, "at its start, and");
	fails(pread(fd, buf, 1, at + PAGE - 1), EIO, "at its last byte");
	ok(pread(fd, buf, sizeof(buf), at + PAGE) == sizeof(buf), "behind it");
	ok(pwrite(fd, buf, sizeof(buf), at - PAGE) == PAGE, "write(2) ends before it");
	fails(pwrite(fd, buf, 10, at + 7), EIO, "in it");
	ok(!fallocate(fd, FALLOC_FL_ZERO_RANGE, at - PAGE, 3 * PAGE), "zeroes around it");
	ok(pread(fd, buf, PAGE, at + PAGE) == PAGE && zeroes(buf, PAGE), "are there");
	ok(region_attr("bad_pages") == 1 && listed(phys) && !listed(phys + PAGE), "it is listed");
	munmap(p, 3 * GRANULE);
	close(fd);
}

/* Who asked for it is told at once, with the address that it has there. */
static void test_early(void)
{
	int fd = new_file("e", GRANULE), status, pipes[2];
	char *p = map("e", GRANULE, MAP_SHARED), c;
	pid_t early, late;

	if (pipe(pipes))
		die("pipe");
	memset(p, 1, GRANULE);
	early = fork();
	if (!early) {
		char *mine = map("e", GRANULE, MAP_SHARED);

		prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0);
		touch_page(mine + 5 * PAGE, false);
		memset(&got, 0, sizeof(got));
		if (!sigsetjmp(jump, 1)) {
			if (write(pipes[1], "r", 1) != 1)
				_exit(1);
			sleep(20);
			_exit(2);
		}
		/* Both mappings, the one from before the fork and its own, one by one. */
		_exit(!told(BUS_MCEERR_AO, mine + 5 * PAGE) &&
		      !told(BUS_MCEERR_AO, p + 5 * PAGE));
	}
	late = fork();
	if (!late) {
		touch_page(p + 5 * PAGE, false);
		if (write(pipes[1], "r", 1) != 1)
			_exit(1);
		sleep(1);
		_exit(touch_page(p + 5 * PAGE, false) && told(BUS_MCEERR_AR, p + 5 * PAGE) ? 0 : 2);
	}
	if (read(pipes[0], &c, 1) != 1 || read(pipes[0], &c, 1) != 1)
		die("read");
	ok(inject(p + 5 * PAGE) && told(BUS_MCEERR_AR, p + 5 * PAGE), "an error in a shared page");
	waitpid(early, &status, 0);
	ok(!status, "a process that wants to know gets SIGBUS, action optional: %#x", status);
	waitpid(late, &status, 0);
	ok(!status, "one that does not when it touches the page: %#x", status);
	munmap(p, GRANULE);
	close(fd);
}

static void test_offline(void)
{
	int fd = new_file("o", GRANULE);
	char *p = map("o", GRANULE, MAP_SHARED);
	uint64_t phys;

	memset(p, 2, GRANULE);
	phys = phys_of(p + 9 * PAGE);
	ok(offline(phys), "hard_offline_page");
	ok(touch_page(p + 9 * PAGE, false) && told(BUS_MCEERR_AR, p + 9 * PAGE) &&
	   !touch_page(p + 8 * PAGE, false), "the page is unmapped");
	ok(offline(phys) && region_attr("bad_pages") == 3, "the same again counts once");
	munmap(p, GRANULE);
	close(fd);
}

static bool enough;

static void *zero_thread(void *fd)
{
	while (!__atomic_load_n(&enough, __ATOMIC_RELAXED))
		if (fallocate(*(int *)fd, FALLOC_FL_ZERO_RANGE, 0, 8 * GRANULE))
			die("fallocate");
	return NULL;
}

/*
 * What a system call may just be writing to has to stay in the kernel's mapping, and
 * EHWPOISON has it stay there. Between two calls an error is as any other.
 */
static void test_busy(void)
{
	int fd = new_file("b", 8 * GRANULE), sys, tries = 100;
	char *p = map("b", 8 * GRANULE, MAP_SHARED), text[32];
	pthread_t thread;
	uint64_t phys;
	ssize_t ret;

	memset(p, 4, GRANULE);
	phys = phys_of(p);
	sys = open("/sys/devices/system/memory/hard_offline_page", O_WRONLY);
	if (pthread_create(&thread, NULL, zero_thread, &fd))
		die("pthread_create");
	do {
		snprintf(text, sizeof(text), "%#lx", (unsigned long)phys + --tries * PAGE);
		ret = write(sys, text, strlen(text));
	} while (ret > 0 && tries);
	ok(ret == -1 && errno == EHWPOISON, "an error where a file is being zeroed");
	__atomic_store_n(&enough, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	ok(touch_page(p + tries * PAGE, true) && told(BUS_MCEERR_AR, p + tries * PAGE) &&
	   listed(phys + tries * PAGE), "is remembered, and who touches it later is told");
	ok(write(sys, text, strlen(text)) == (ssize_t)strlen(text),
	   "once more, with nobody there");
	close(sys);
	munmap(p, 8 * GRANULE);
	close(fd);
	unlink("b");
}

/* What was bad in a file that has gone is never part of another one. */
static void test_reuse(void)
{
	uint64_t free = free_bytes(), small = region_attr("small_free") * PAGE;
	size_t bytes, done = 0;
	int fd;
	char *p;

	unlink("f");
	unlink("e");
	unlink("o");
	ok(free_bytes() == free + 2 * GRANULE, "three of five granules do not come back");
	bytes = free_bytes() - small;
	fd = new_file("all", bytes);
	ok(free_bytes() == small, "a file of all the large granules that are left");
	p = map("all", bytes, MAP_SHARED);
	while (done < bytes && !touch_page(p + done, true))
		done += PAGE;
	ok(done == bytes, "has no bad page: %#zx of %#zx", done, bytes);
	touch("more");
	fails(fallocate(open("more", O_WRONLY), 0, 0, GRANULE), ENOSPC, "one more");
	munmap(p, bytes);
	close(fd);
	unlink("all");
	unlink("more");
	ok(free_bytes() == bytes + small, "and comes back");
}

static int hit(const char *name, size_t page)
{
	char *p = map(name, (page + 1) * PAGE, MAP_SHARED);

	touch_page(p + page * PAGE, false);
	return !inject(p + page * PAGE);
}

static void write_all(void)
{
	int fd = new_file("kept", GRANULE);
	char *p = map("kept", GRANULE, MAP_SHARED);
	FILE *f;

	memset(p, 3, GRANULE);
	fsync(fd);
	if (!inject(p + 100 * PAGE))
		die("inject");
	close(new_file("numbers", 64));	/* which takes memory now */
	f = fopen("numbers", "r+");
	fprintf(f, "%ld %lu", region_attr("bad_pages"), free_bytes());
	fclose(f);
}

static void check_all(void)
{
	unsigned long free;
	FILE *f = fopen("numbers", "r");
	long bad;
	char *p;

	if (!f || fscanf(f, "%ld %lu", &bad, &free) != 2)
		die("numbers");
	fclose(f);
	ok(region_attr("bad_pages") == bad && bad > 0, "the next kernel knows them");
	ok(free_bytes() == free, "and does not count them as free");
	p = map("kept", GRANULE, MAP_SHARED);
	ok(touch_page(p + 100 * PAGE, false) && told(BUS_MCEERR_AR, p + 100 * PAGE) &&
	   !touch_page(p + 99 * PAGE, false) && p[99 * PAGE] == 3, "a reader gets SIGBUS");
	munmap(p, GRANULE);
	unlink("kept");
	ok(free_bytes() == free, "a granule with one is not freed");
}

int main(int argc, char **argv)
{
	int rc;

	catch_bus();
	if (argc == 4 && !strcmp(argv[1], "hit"))
		return hit(argv[2], strtoul(argv[3], NULL, 0));
	if (argc < 3)
		die("usage");
	enter(argc - 1, argv + 1);
	rc = over_kexec(argv[1], write_all, check_all);
	if (rc >= 0)
		return rc;
	test_reader();
	test_early();
	test_offline();
	test_busy();
	test_reuse();
	return tap_done();
}
