// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: memory is zeroed by all CPUs, once, and one can watch and kill it.
 *
 * usage: fs_zero test MOUNT; fs_zero write MOUNT; kexec; fs_zero check MOUNT
 *        fs_zero rate MOUNT MIB CPUS	seconds that a fallocate takes
 */
#include <sched.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "fs_test.h"

#define STEP		(256 * MIB)	/* of fallocate in the kernel */
#define SIZE		(STEP + 64 * MIB)
#define KEPT		(128 * MIB)

/* So many CPUs for this process. */
static void use_cpus(int count)
{
	cpu_set_t set;
	int i;

	CPU_ZERO(&set);
	for (i = 0; i < count; i++)
		CPU_SET(i, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

static uint64_t wall_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static char *map_all(int fd, size_t bytes)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

/* A word in each 64 KiB, first and last ones of them in turn */
static size_t next_place(size_t at)
{
	return at % 65536 ? at + 8 : at + 2 * 65536 - 8;
}

static void put_words(int fd, size_t bytes)
{
	char *p = map_all(fd, bytes);
	size_t at;

	for (at = 0; at < bytes; at = next_place(at))
		*(uint64_t *)(p + at) = ~at;
	munmap(p, bytes);
}

/* Are all of them as put_words() has left them, or with @zero: 0? */
static bool words_are(int fd, size_t bytes, bool zero)
{
	char *p = map_all(fd, bytes);
	bool good = true;
	size_t at;

	for (at = 0; at < bytes; at = next_place(at))
		good &= *(uint64_t *)(p + at) == (zero ? 0 : ~at);
	munmap(p, bytes);
	return good;
}

static pid_t start_fallocate(int fd, size_t bytes)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid)
		_exit(fallocate(fd, 0, 0, bytes) ? errno : 0);
	return pid;
}

/* All memory has something in it that must not be seen again. */
static void make_dirty(void)
{
	int fd = create("dirty");
	size_t bytes = region_attr("granules_free") * GRANULE;

	if (ftruncate(fd, bytes))
		die("ftruncate");
	put_words(fd, bytes);
	close(fd);
	unlink("dirty");
}

static void test_progress(void)
{
	bool seen = false, more = false;
	int fd = create("file"), status;
	long all, done;
	pid_t pid;

	ok(!region_attr("zeroing") && !region_attr("zeroed"), "nothing is being zeroed");
	pid = start_fallocate(fd, SIZE);
	while (!waitpid(pid, &status, WNOHANG)) {
		done = region_attr("zeroed");
		all = region_attr("zeroing");
		seen |= all == SIZE && done == STEP;
		more |= all > (long)SIZE || done > (long)SIZE;
		usleep(1000);
	}
	ok(!status && memory(fd) == SIZE, "fallocate, exit %d", status);
	ok(seen && !more, "sysfs has shown how far it was");
	ok(!region_attr("zeroing") && !region_attr("zeroed"), "nothing is being zeroed any more");
	ok(words_are(fd, SIZE, true), "all is zero");
	put_words(fd, SIZE);
	ok(!fallocate(fd, 0, 0, SIZE) && words_are(fd, SIZE, false),
	   "what a file has is not zeroed again");
	close(fd);
	unlink("file");
}

static void test_kill(void)
{
	uint64_t before = free_bytes();
	int fd = create("killed"), status;
	pid_t pid = start_fallocate(fd, SIZE);

	while (!region_attr("zeroing") || free_bytes() == before)
		usleep(100);
	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "it is killed, status %d", status);
	ok(!memory(fd), "in the first step");
	ok(free_bytes() == before && !region_attr("zeroing"), "and nothing is lost");
	close(fd);
	unlink("killed");
}

/* Zeroes over what a file has: as easily killed, and the file is not longer then. */
static void test_kill_range(void)
{
	int fd = create("range"), status;
	struct stat st;
	uint64_t *p;
	pid_t pid;

	if (fallocate(fd, 0, 0, SIZE))
		die("fallocate");
	put_words(fd, SIZE);
	p = (uint64_t *)map_all(fd, SIZE);
	pid = fork();
	if (!pid)
		_exit(fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, SIZE + GRANULE) ? errno : 0);
	while (*(volatile uint64_t *)p)
		;
	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	ok(WIFSIGNALED(status) && p[SIZE / 8 - 1] && !fstat(fd, &st) && st.st_size == (off_t)SIZE,
	   "ZERO_RANGE is killed before its end, status %d", status);
	ok(!fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, SIZE) && words_are(fd, SIZE, true),
	   "and another one zeroes all");
	munmap(p, SIZE);
	close(fd);
	unlink("range");
}

static volatile sig_atomic_t signals;

static void count_signal(int sig)
{
	signals++;
}

/* A program with a timer gets its memory as well; io_uring's notifications look alike. */
static void test_signals(void)
{
	struct itimerval often = { { 0, 1000 }, { 0, 1000 } }, never = {};
	int fd = create("signals");

	signal(SIGALRM, count_signal);
	setitimer(ITIMER_REAL, &often, NULL);
	ok(!fallocate(fd, 0, 0, SIZE) && signals, "signals that do not kill do not end it");
	setitimer(ITIMER_REAL, &never, NULL);
	ok(words_are(fd, SIZE, true), "and all is zero");
	close(fd);
	unlink("signals");
}

static void test_alone(void)
{
	uint64_t before = free_bytes();
	int fd = create("alone");

	use_cpus(1);
	ok(!fallocate(fd, 0, 0, 64 * MIB) && words_are(fd, 64 * MIB, true), "on one CPU");
	use_cpus(sysconf(_SC_NPROCESSORS_ONLN));
	if (nice(1) != 1)
		die("nice");
	ok(!fallocate(fd, 0, 64 * MIB, 64 * MIB) && words_are(fd, 128 * MIB, true), "nicely");
	close(fd);
	unlink("alone");
	ok(free_bytes() == before, "all space is back");
}

static void write_all(void)
{
	int fd = create("kept");

	if (fallocate(fd, 0, 0, KEPT))
		die("fallocate");
	put_words(fd, KEPT);
}

/* Nothing zeroes it once more: neither the load, nor a mapping, nor a fallocate. */
static void check_all(void)
{
	int fd = open("kept", O_RDWR);

	if (fd < 0)
		die("kept");
	ok(memory(fd) == KEPT && words_are(fd, KEPT, false), "what was there is there");
	ok(!fallocate(fd, 0, 0, 2 * KEPT) && words_are(fd, KEPT, false), "and stays when it grows");
}

static void rate(size_t bytes, int cpus)
{
	int fd = create("rate");
	uint64_t ns;

	use_cpus(cpus);
	ns = wall_ns();
	if (fallocate(fd, 0, 0, bytes))
		die("fallocate");
	ns = wall_ns() - ns;
	printf("ZERO %d %llu.%06llu\n", cpus, (unsigned long long)ns / 1000000000,
	       (unsigned long long)ns / 1000 % 1000000);
	close(fd);
	unlink("rate");
}

int main(int argc, char **argv)
{
	int ret;

	if (argc < 3) {
		fprintf(stderr, "usage: fs_zero test|write|check MOUNT\n"
				"       fs_zero rate MOUNT MIB CPUS\n");
		return 2;
	}
	enter(argc - 1, argv + 1);
	if (argc == 5 && !strcmp(argv[1], "rate")) {
		rate(strtoul(argv[3], NULL, 0) * MIB, atoi(argv[4]));
		return 0;
	}
	ret = over_kexec(argv[1], write_all, check_all);
	if (ret >= 0)
		return ret;
	make_dirty();
	test_progress();
	test_kill();
	test_kill_range();
	test_signals();
	test_alone();
	return tap_done();
}
