// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: a file of granules of 1 GiB: private mappings of it, pins of these for long, and
 * what begins, ends or goes on where two granules meet.
 *
 * usage: fs_border MOUNT VFIO_CDEV, in a region with two such granules, both free
 */
#include <linux/falloc.h>

#include "fs_huge.h"

#define EDGE	(2 * GIB)	/* where the border is looked at: two pages on each side */
#define SPAN	(4 * PAGE)

static bool touch_granule(int fd, off_t at)
{
	char *p = map_at(NULL, fd, PAGE, at);
	bool good = store(p, 0);

	munmap(p, PAGE);
	return good;
}

static bool file_is(int fd, off_t at, size_t bytes, int value)
{
	static char buf[SPAN], want[SPAN];

	memset(want, value, bytes);
	return pread(fd, buf, bytes, at) == (ssize_t)bytes && !memcmp(buf, want, bytes);
}

/* --- private mappings ------------------------------------------------------------------- */

/* @shared: mapped page by page, or pagemap would show nothing */
static void test_private(int fd)
{
	char *shared = map_at(NULL, fd, 16 * PAGE, EDGE), *p;
	int i, wrong = 0;

	for (i = 0; i < 16; i++)
		memset(shared + i * PAGE, 'a' + i, PAGE);
	p = mmap(NULL, GIB, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, EDGE);
	if (p == MAP_FAILED)
		die("mmap");
	ok(store(p, 'P') && shared[0] == 'a' && p[1] == 'a', "a store is to a copy of the page");
	ok(p[PAGE] == 'b' && store(p + PAGE, 'P') && shared[PAGE] == 'b' && p[PAGE + 1] == 'b',
	   "and after a read");
	ok(store(shared + 2 * PAGE, 'S') && p[2 * PAGE] == 'S' && store(p + 2 * PAGE, 'P') &&
	   store(shared + 2 * PAGE + 1, 'S') && p[2 * PAGE + 1] == 'c',
	   "it is the file's until then, and not after");
	ok(p[3 * PAGE] == 'd' && phys_of(p + 3 * PAGE) == phys_of(shared + 3 * PAGE) &&
	   phys_of(p) != phys_of(shared), "as is its memory");

	/* Pages 4 to 6 to write, 7 to 9 to read; one of each has been read, one written to. */
	ok(p[4 * PAGE] == 'e' && p[7 * PAGE] == 'h' && store(p + 5 * PAGE, 'P') &&
	   store(p + 8 * PAGE, 'P') && !map(p + 4 * PAGE, 3 * PAGE, IOVA, true) &&
	   !map(p + 7 * PAGE, 3 * PAGE, IOVA + GIB, false), "pins for long, to write and to read");
	for (i = 4; i < 10; i++)
		wrong += phys_of(p + i * PAGE) == phys_of(shared + i * PAGE);
	ok(!wrong, "are of copies");
	for (i = 4; i < 10; i++)
		wrong += !store(p + i * PAGE, 'Q') || !store(shared + i * PAGE + 1, 'T') ||
			 p[i * PAGE + 1] != 'a' + i || shared[i * PAGE] != 'a' + i;
	ok(!wrong, "which no store to the file changes, nor one to them the file");
	munmap(p, GIB);
	munmap(shared, 16 * PAGE);
	ok(region_attr("huge_busy") == 0, "the file's granule is not pinned");
	ok(!ftruncate(fd, EDGE + GIB - PAGE) && !ftruncate(fd, EDGE + GIB),
	   "a truncate that a pin would refuse");
	ok(!unmap(IOVA, 3 * PAGE) && !unmap(IOVA + GIB, 3 * PAGE), "unpin");
	ok(file_is(fd, EDGE, PAGE, 'a') && file_is(fd, EDGE + PAGE, PAGE, 'b') &&
	   file_is(fd, EDGE + 4 * PAGE + 2, PAGE - 2, 'e') && file_is(fd, EDGE + 8 * PAGE, 1, 'i'),
	   "read(2) finds what was stored to the file");
}

/* --- a border --------------------------------------------------------------------------- */

static bool seeks(int fd, off_t from, off_t data, off_t hole)
{
	off_t is[2] = { lseek(fd, from, SEEK_DATA), lseek(fd, from, SEEK_HOLE) };

	if (is[0] == data && is[1] == hole)
		return true;
	printf("# from %#lx: data %#lx, hole %#lx\n", (long)from, (long)is[0], (long)is[1]);
	return false;
}

/* Data, a GiB of hole, data */
static void test_seek(int fd)
{
	off_t end = 3 * GIB - 3 * PAGE;

	if (ftruncate(fd, end))
		die("ftruncate");
	ok(seeks(fd, 0, 0, GIB) && seeks(fd, GIB - 1, GIB - 1, GIB), "data up to the border");
	ok(seeks(fd, GIB, EDGE, GIB) && seeks(fd, EDGE - 1, EDGE, EDGE - 1), "a GiB of hole");
	ok(seeks(fd, EDGE, EDGE, end) && seeks(fd, end - 1, end - 1, end),
	   "data up to the end of the file");
	fails(lseek(fd, end, SEEK_DATA), ENXIO, "data behind it");
	if (ftruncate(fd, 3 * GIB))
		die("ftruncate");
}

static int zero_range(int fd, off_t from, off_t to, int flags)
{
	return fallocate(fd, FALLOC_FL_ZERO_RANGE | flags, from, to - from);
}

/* What of SPAN around the border is zeroed, and nothing else is. */
static void one_range(int fd, char *p, off_t from, off_t to)
{
	off_t at;
	int wrong = 0;

	memset(p + EDGE - SPAN / 2, 'x', SPAN);
	ok(!zero_range(fd, EDGE + from, EDGE + to, FALLOC_FL_KEEP_SIZE),
	   "ZERO_RANGE from %ld to %ld", (long)from, (long)to);
	for (at = -(off_t)SPAN / 2; at < (off_t)SPAN / 2; at++)
		wrong += p[EDGE + at] != (at >= from && at < to ? 0 : 'x');
	ok(!wrong, "and nothing else: %d bytes", wrong);
}

static void test_zero_range(int fd)
{
	const off_t page = PAGE;
	char *p = map_at(NULL, fd, 3 * GIB, 0), *q;
	struct stat st;

	/* A hole of which there is no granule left, and data behind it */
	memset(p + EDGE, 'x', SPAN);
	fails(zero_range(fd, EDGE - page, EDGE + page, 0), ENOSPC, "ZERO_RANGE, half of it a hole");
	ok(file_is(fd, EDGE, SPAN, 'x'), "and without memory for it nothing is zeroed");
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, GIB))
		die("punch");
	ok(!zero_range(fd, EDGE - page, EDGE + page, 0) && region_attr("huge_free") == 0 &&
	   zeroes(p + EDGE - 2 * page, 3 * page) && file_is(fd, EDGE + page, page, 'x'),
	   "else the hole has some, and the data are zeroed");
	q = map_at(NULL, fd, 2 * PAGE, EDGE - page);
	ok(!q[0] && !q[page] && phys_of(q) && phys_of(q) + PAGE != phys_of(q + page),
	   "not side by side in memory");
	munmap(q, 2 * PAGE);

	one_range(fd, p, -page, page);
	one_range(fd, p, -page, 0);
	one_range(fd, p, 0, page);
	one_range(fd, p, -page - 1, page + 1);
	one_range(fd, p, -1, 1);
	ok(!map(p + EDGE - page, 2 * PAGE, IOVA, true), "under a pin");
	one_range(fd, p, 1 - page, page - 1);
	ok(!unmap(IOVA, 2 * PAGE), "unpin");

	/* Behind the end, and with it */
	ok(!ftruncate(fd, EDGE) && !zero_range(fd, EDGE - page, EDGE + page, FALLOC_FL_KEEP_SIZE) &&
	   !fstat(fd, &st) && st.st_size == (off_t)EDGE && st.st_blocks * 512 == (long)EDGE,
	   "ZERO_RANGE behind the end of the file keeps memory there");
	ok(file_is(fd, EDGE - SPAN / 2, page, 'x') && file_is(fd, EDGE - page, page, 0),
	   "and zeroes what is before it");
	ok(!zero_range(fd, EDGE - page, EDGE + page, 0) && !fstat(fd, &st) &&
	   st.st_size == (off_t)EDGE + page && file_is(fd, EDGE - page, 2 * page, 0),
	   "or moves the end");

	memset(p + EDGE - SPAN / 2, 'x', SPAN / 2);
	ok(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, EDGE - page, GIB + page) &&
	   region_attr("huge_free") == 1 && file_is(fd, EDGE - SPAN / 2, page, 'x') &&
	   file_is(fd, EDGE - page, 2 * page, 0), "a punch from a page before it takes a granule");
	ok(seeks(fd, 0, GIB, 0) && seeks(fd, EDGE - 1, EDGE - 1, EDGE), "a hole up to the end");
	fails(lseek(fd, EDGE, SEEK_DATA), ENXIO, "data in it");
	munmap(p, 3 * GIB);
}

int main(int argc, char **argv)
{
	uint64_t before;
	int fd;

	if (argc < 3)
		die("usage");
	catch_bus();
	vfio_open(argv[2]);
	vfio_attach();
	enter(argc, argv);
	before = free_bytes();
	fd = create("border");
	if (set_wish(fd, GIB) || ftruncate(fd, 3 * GIB))
		die("border");
	/* Not in their order: the one at the end is to be the lower one. */
	ok(touch_granule(fd, EDGE) && region_attr("huge_free") == 1, "one granule");
	test_private(fd);
	ok(touch_granule(fd, 0) && region_attr("huge_free") == 0, "two, and a hole between them");
	test_seek(fd);
	test_zero_range(fd);
	drop(fd, "border");
	ok(free_bytes() == before, "all space is back");
	return tap_done();
}
