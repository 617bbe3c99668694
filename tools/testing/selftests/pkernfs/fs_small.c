// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: granules of 4 KiB, which files get them, and when they move to large ones.
 *
 * usage: fs_small test MOUNT VFIO_CDEV; fs_small write MOUNT; kexec; fs_small check MOUNT;
 *	  fs_small most MOUNT VFIO_CDEV, in a region that has enough of them
 */
#include <linux/falloc.h>
#include <pthread.h>

#include "fs_bus.h"
#include "fs_vfio.h"

#define IOVA	(1UL << 32)
#define PIECES	700	/* more than fit into an inode and four blocks of extents */
#define RACES	40
#define MOST	5416	/* that a file can have */

static char buf[4 * MIB], back[4 * MIB];

static void test_cost(void)
{
	uint64_t before = free_bytes();
	long small = region_attr("small_free");
	int fd = create("cost");
	struct stat st;

	ok(write(fd, "state", 5) == 5 && !fstat(fd, &st) && st.st_blocks == 8 &&
	   st.st_blksize == PAGE, "five bytes cost 4 KiB");
	ok(free_bytes() == before - PAGE && region_attr("small_free") == small - 1,
	   "statfs and sysfs say so");
	ok(pwrite(fd, buf, 1, PAGE * 10) == 1 && memory(fd) == 2 * PAGE, "a hole costs nothing");
	ok(lseek(fd, 0, SEEK_HOLE) == (off_t)PAGE && lseek(fd, PAGE, SEEK_DATA) == 10 * PAGE,
	   "and is seen by SEEK_HOLE and SEEK_DATA");
	ok(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE * 9, 2 * PAGE) &&
	   memory(fd) == PAGE, "punch");
	ok(pread(fd, back, PAGE, PAGE * 10) == 1 && !back[0], "leaves zeroes");
	ok(!fallocate(fd, 0, 0, MIB) && memory(fd) == MIB, "fallocate of less than a granule");
	ok(!ftruncate(fd, 1) && memory(fd) == PAGE, "truncate");
	drop(fd, "cost");
	ok(free_bytes() == before && region_attr("small_free") == small, "all space is back");
}

/* By writes, byte for byte to the limit and over it. */
static void test_grow(void)
{
	uint64_t before = free_bytes();
	long small = region_attr("small_free");
	size_t at, step = 65521;	/* no divisor of anything */
	int fd = create("grow");

	fill(buf, sizeof(buf), 5);
	for (at = 0; at < GRANULE - 1; at += step) {
		if (at + step > GRANULE - 1)
			step = GRANULE - 1 - at;
		if (write(fd, buf + at, step) != (ssize_t)step)
			die("write");
	}
	ok(memory(fd) == (long)GRANULE && region_attr("small_free") == small - 512,
	   "small up to the last byte of a granule");
	ok(write(fd, buf + GRANULE - 1, 1) == 1 && memory(fd) == (long)GRANULE &&
	   region_attr("small_free") == small, "moves to a large one with the next");
	ok(write(fd, buf + GRANULE, GRANULE) == (ssize_t)GRANULE &&
	   memory(fd) == 2 * (long)GRANULE,
	   "goes on with large ones");
	ok(pread(fd, back, sizeof(back), 0) == sizeof(back) && !memcmp(buf, back, sizeof(buf)),
	   "byte for byte");
	ok(!ftruncate(fd, 10) && memory(fd) == (long)GRANULE, "stays there when it shrinks");
	ok(!ftruncate(fd, 0) && pwrite(fd, buf, 10, 0) == 10 && memory(fd) == (long)PAGE,
	   "begins anew when it is empty");
	drop(fd, "grow");

	fd = create("sparse");
	ok(pwrite(fd, "x", 1, 10 * MIB) == 1 && memory(fd) == (long)GRANULE,
	   "a large size: large granules at once");
	ok(pread(fd, back, MIB, 9 * MIB) == MIB && zeroes(back, MIB), "zeroes before it");
	drop(fd, "sparse");
	fd = create("truncated");
	ok(!ftruncate(fd, GRANULE) && pwrite(fd, "x", 1, 0) == 1 && memory(fd) == (long)GRANULE,
	   "ftruncate to a granule, then a byte");
	drop(fd, "truncated");
	fd = create("kept");
	ok(pwrite(fd, buf, PAGE, 0) == (ssize_t)PAGE &&
	   pwrite(fd, buf, PAGE, 5 * PAGE) == (ssize_t)PAGE &&
	   !fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 4 * MIB) && memory(fd) == 4 * MIB &&
	   region_attr("small_free") == small, "fallocate of more moves it too");
	ok(pread(fd, back, 6 * PAGE, 0) == 6 * PAGE && !memcmp(back, buf, PAGE) &&
	   zeroes(back + PAGE, 4 * PAGE) && !memcmp(back + 5 * PAGE, buf, PAGE),
	   "with its content and zeroes between");
	drop(fd, "kept");
	ok(free_bytes() == before, "all space is back");
}

static void test_mapped(void)
{
	uint64_t before = free_bytes();
	long small = region_attr("small_free");
	int fd = create("mapped");
	char *p, *q;

	ftruncate(fd, MIB);
	p = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	q = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	p[0] = 'a';
	p[MIB - 1] = 'z';
	q[0] = 'p';
	ok(memory(fd) == 2 * (long)PAGE, "two pages of a mapping cost two pages");
	ok(q[MIB - 1] == 'z' && p[0] == 'a', "a private mapping shows the file and keeps its own");
	ok(!ftruncate(fd, 4 * MIB) && memory(fd) == (long)GRANULE &&
	   region_attr("small_free") == small, "mapped, it moves when it grows");
	ok(p[0] == 'a' && p[MIB - 1] == 'z' && q[0] == 'p' && q[MIB - 1] == 'z',
	   "the mappings show what they showed");
	p[3 * MIB] = 'n';
	p[1] = 'b';
	ok(pread(fd, back, 2, 0) == 2 && !memcmp(back, "ab", 2) &&
	   pread(fd, back, 1, 3 * MIB) == 1 && back[0] == 'n', "stores go to the file");
	munmap(p, 4 * MIB);
	munmap(q, MIB);
	drop(fd, "mapped");
	ok(free_bytes() == before, "all space is back");
}

/* One thread counts in a page while the file moves from under it: no count is lost. */
static uint64_t *volatile count_at;
static volatile bool count_stop;

static void *count_thread(void *arg)
{
	uint64_t count = 0;

	while (!count_stop) {
		if (__atomic_load_n(count_at, __ATOMIC_RELAXED) != count)
			return arg;
		__atomic_store_n(count_at, ++count, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void test_race(void)
{
	int round, lost = 0, stayed = 0;
	pthread_t thread;
	void *ret;

	for (round = 0; round < RACES; round++) {
		int fd = create("race");

		ftruncate(fd, MIB);
		count_stop = false;
		count_at = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		*count_at = 0;
		if (pthread_create(&thread, NULL, count_thread, buf))
			die("pthread_create");
		while (__atomic_load_n(count_at, __ATOMIC_RELAXED) < 10)
			;
		usleep(500 * (round % 4));
		stayed += ftruncate(fd, GRANULE) || memory(fd) != (long)GRANULE;
		usleep(500);
		count_stop = true;
		pthread_join(thread, &ret);
		lost += !!ret;
		munmap(count_at, MIB);
		drop(fd, "race");
	}
	ok(!lost && !stayed, "no store is lost while a file moves (%d lost, %d not moved)", lost,
	   stayed);
}

static void test_pinned(void)
{
	uint64_t before = free_bytes();
	int fd = create("pinned");
	char *p;

	ftruncate(fd, MIB);
	p = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	fill(p, MIB, 6);
	ok(!map(p + PAGE, 2 * PAGE, IOVA, true), "pin two small pages");
	munmap(p, MIB);
	ok(region_attr("small_busy") == 2, "two are in use");
	fails(ftruncate(fd, 2 * PAGE), EBUSY, "truncate of one of them");
	fill(buf, sizeof(buf), 7);
	ok(pwrite(fd, buf, 3 * MIB, MIB) == 3 * MIB && memory(fd) == 4 * MIB &&
	   region_attr("small_busy") == 2, "a file with a pin stays small when it grows");
	ok(pread(fd, back, MIB, 0) == MIB && filled(back, MIB, 6) &&
	   pread(fd, back, 3 * MIB, MIB) == 3 * MIB && !memcmp(back, buf, 3 * MIB),
	   "and is whole");
	ok(!unmap(IOVA, 2 * PAGE) && region_attr("small_busy") == 0, "unpin");
	ok(!ftruncate(fd, MIB) && !ftruncate(fd, 3 * MIB) && memory(fd) == (long)GRANULE,
	   "the next time it moves");
	ok(pread(fd, back, 3 * MIB, 0) == 3 * MIB && filled(back, MIB, 6) &&
	   zeroes(back + MIB, 2 * MIB), "and is whole again");
	drop(fd, "pinned");

	/* Small pages for a device as for anybody, where the user wants that. */
	fd = create("ram");
	ok(!set_wish(fd, PAGE) && !ftruncate(fd, 3 * MIB), "a large file of small granules");
	ok(!map_file(fd, PAGE, 3 * MIB - PAGE, IOVA, true) && memory(fd) == 3 * MIB - (long)PAGE &&
	   region_attr("small_busy") == 767, "is pinned page by page");
	fails(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, PAGE), EBUSY,
	      "punch");
	ok(!unmap(IOVA, 3 * MIB - PAGE) && region_attr("small_busy") == 0, "every pin is gone");
	ok(!map_file(fd, PAGE + 512 * PAGE, PAGE, IOVA, true) && region_attr("small_busy") == 1,
	   "one page is one pin");
	unmap(IOVA, PAGE);
	drop(fd, "ram");
	ok(free_bytes() == before, "all space is back");
}

static void test_wish(void)
{
	uint64_t before = free_bytes();
	int dir, fd, flags;
	struct fsxattr x;

	mkdir("small", 0700);
	dir = open("small", O_RDONLY | O_DIRECTORY);
	ok(!set_wish(dir, PAGE), "a directory of small files");
	ok(!ioctl(dir, FS_IOC_FSGETXATTR, &x) && x.fsx_xflags & FS_XFLAG_EXTSZINHERIT &&
	   x.fsx_extsize == PAGE, "says so");
	mkdir("small/deep", 0700);
	fd = create("small/deep/file");
	ok(!ioctl(fd, FS_IOC_FSGETXATTR, &x) && x.fsx_xflags & FS_XFLAG_EXTSIZE &&
	   x.fsx_extsize == PAGE, "what is made in it inherits that");
	ok(pwrite(fd, buf, 3 * MIB + 1, 0) == 3 * MIB + 1 && memory(fd) == 3 * MIB + (long)PAGE,
	   "and keeps it, however large");
	fails(set_wish(fd, GRANULE), EINVAL, "another size for a file with memory");
	ok(!set_wish(fd, PAGE), "the same one");
	ok(!ioctl(fd, FS_IOC_GETFLAGS, &flags), "flags");
	flags |= FS_NODUMP_FL;
	ok(!ioctl(fd, FS_IOC_SETFLAGS, &flags) && !ioctl(fd, FS_IOC_FSGETXATTR, &x) &&
	   x.fsx_extsize == PAGE && x.fsx_xflags & FS_XFLAG_NODUMP, "chattr lets it alone");
	ok(!set_wish(fd, 0) && !ftruncate(fd, 0) && !ftruncate(fd, GRANULE) &&
	   pwrite(fd, "x", 1, 0) == 1 && memory(fd) == (long)GRANULE, "without it: by size");
	drop(fd, "small/deep/file");
	rmdir("small/deep");

	fd = create("large");
	ok(!set_wish(fd, GRANULE) && write(fd, "x", 1) == 1 && memory(fd) == (long)GRANULE,
	   "one byte, and large granules wanted");
	fails(set_wish(fd, 8192), EINVAL, "granules that there are not");
	fails(set_wish(fd, 1 << 29), EINVAL, "and larger ones");
	fails(set_wish(fd, 1 << 30), EOPNOTSUPP, "those of 1 GiB, in a region without such");
	x.fsx_xflags = FS_XFLAG_EXTSIZE;
	x.fsx_extsize = PAGE;
	fails(ioctl(dir, FS_IOC_FSSETXATTR, &x), EINVAL, "a file's attribute for a directory");
	x.fsx_xflags = FS_XFLAG_EXTSZINHERIT;
	fails(ioctl(fd, FS_IOC_FSSETXATTR, &x), EINVAL, "and the other way round");
	x.fsx_xflags = FS_XFLAG_COWEXTSIZE;
	x.fsx_extsize = 0;
	x.fsx_cowextsize = PAGE;
	fails(ioctl(fd, FS_IOC_FSSETXATTR, &x), EOPNOTSUPP, "other attributes of XFS");
	drop(fd, "large");
	close(dir);
	rmdir("small");
	ok(free_bytes() == before, "all space is back");
}

/* PIECES pages of each file by turns, every @step of them. */
static void write_pieces(int one, int two, int step)
{
	int i;

	if (set_wish(one, PAGE) || set_wish(two, PAGE))
		die("set_wish");
	for (i = 0; i < PIECES; i++) {
		fill(buf, PAGE, i);
		if (pwrite(one, buf, PAGE, i * step * PAGE) != (ssize_t)PAGE ||
		    pwrite(two, buf, PAGE, i * step * PAGE) != (ssize_t)PAGE)
			die("pwrite");
	}
}

static bool check_pieces(int fd, int step)
{
	int i;

	for (i = 0; i < PIECES; i++)
		if (pread(fd, back, PAGE, i * step * PAGE) != (ssize_t)PAGE ||
		    !filled(back, PAGE, i))
			return false;
	return true;
}

static void test_turns(void)
{
	uint64_t before = free_bytes();
	long pool = region_attr("pool_free");
	int one = create("one"), two = create("two");

	write_pieces(one, two, 1);
	ok(region_attr("pool_free") >= pool - 2, "files that grow by turns are in few pieces");
	ok(check_pieces(one, 1) && check_pieces(two, 1), "and whole");
	drop(one, "one");
	drop(two, "two");
	ok(free_bytes() == before && region_attr("pool_free") == pool, "all space is back");
}

static void test_pieces(void)
{
	uint64_t before = free_bytes();
	long pool = region_attr("pool_free");
	int one = create("one"), two = create("two");

	write_pieces(one, two, 2);
	ok(region_attr("pool_free") <= pool - 8, "files in hundreds of pieces");
	ok(check_pieces(one, 2) && check_pieces(two, 2), "are whole");
	ok(!set_wish(one, 0) && !ftruncate(one, MIB) && !ftruncate(one, 4 * MIB) &&
	   memory(one) == (long)GRANULE, "and move as one");
	ok(pread(one, back, MIB, 0) == MIB && filled(back + 200 * PAGE, PAGE, 100),
	   "with their content");
	drop(one, "one");
	drop(two, "two");
	ok(free_bytes() == before && region_attr("pool_free") == pool, "all space is back");
}

/*
 * Small granules are used up but for the one that each file here has, of two pages; the
 * second is a hole, in a mapping.
 */
static int eater;

static void eat(void)
{
	eater = create("eater");
	if (set_wish(eater, PAGE) ||
	    fallocate(eater, 0, 0, (region_attr("small_free") - 1) * PAGE) ||
	    pwrite(eater, "eater", 5, 0) != 5)
		die("eater");
}

static char *holed(int *fd)
{
	char *p;

	*fd = create("holed");
	if (pwrite(*fd, "data", 4, 0) != 4 || ftruncate(*fd, 2 * PAGE) ||
	    region_attr("small_free"))
		die("holed");
	p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static bool moved(int fd, const char *p)
{
	return memory(fd) == (long)GRANULE && !memcmp(p, "data", 5) &&
	       region_attr("small_free") == 1;
}

static void unhole(int fd, char *p)
{
	munmap(p, 2 * PAGE);
	drop(fd, "holed");
}

static volatile bool write_stop;

static void *write_thread(void *arg)
{
	while (!write_stop)
		if (pwrite(*(int *)arg, "d", 1, 0) != 1)
			return arg;
	return NULL;
}

/* A fault cannot wait for the inode lock, and its task does. */
static void test_hole_race(void)
{
	int round, fd, killed = 0, stayed = 0;
	pthread_t thread;
	void *ret;
	char *p;

	for (round = 0; round < RACES; round++) {
		p = holed(&fd);
		write_stop = false;
		if (pthread_create(&thread, NULL, write_thread, &fd))
			die("pthread_create");
		usleep(500 * (round % 4));
		killed += !!touch_page(p + PAGE, round % 2);
		write_stop = true;
		pthread_join(thread, &ret);
		stayed += ret || !moved(fd, p);
		unhole(fd, p);
	}
	ok(!killed && !stayed, "a hole beside a writer (%d killed, %d not moved)", killed, stayed);
}

static void test_hole(void)
{
	uint64_t before = free_bytes();
	char *p;
	int fd;

	catch_bus();
	eat();
	p = holed(&fd);
	ok(!touch_page(p + PAGE, true) && p[PAGE] == 1 && moved(fd, p),
	   "a store into a hole, small granules used up: the file moves");
	unhole(fd, p);
	p = holed(&fd);
	ok(!touch_page(p + PAGE, false) && !p[PAGE] && moved(fd, p), "a load");
	unhole(fd, p);
	p = holed(&fd);
	ok(pread(eater, p + PAGE, 5, 0) == 5 && !memcmp(p + PAGE, "eater", 5) && moved(fd, p),
	   "read(2) of another file into it");
	unhole(fd, p);

	p = holed(&fd);
	fails(pread(fd, p + PAGE, 4, 0), EFAULT, "read(2) of the same file");
	fails(pwrite(fd, p + PAGE, 4, 0), EFAULT, "write(2) from there");
	ok(memory(fd) == (long)PAGE && !memcmp(p, "data", 5) &&
	   !touch_page(p + PAGE, true) && moved(fd, p), "does no harm");
	unhole(fd, p);

	p = holed(&fd);
	ok(!map(p, PAGE, IOVA, true), "pin the page beside it");
	ok(touch_page(p + PAGE, true) == -1 && got.si_signo == SIGBUS && got.si_code == BUS_ADRERR,
	   "the file cannot move: SIGBUS");
	ok(logged(fd, ", offset 0x1000: no page for a fault (-28): no memory is left"),
	   "the log says why");
	fails(map_file(fd, PAGE, PAGE, IOVA + PAGE, true), ENOSPC, "IOMMU_IOAS_MAP_FILE");
	ok(memory(fd) == (long)PAGE && !memcmp(p, "data", 5) && !unmap(IOVA, PAGE) &&
	   !touch_page(p + PAGE, true) && moved(fd, p), "and then it can");
	unhole(fd, p);

	/* The first page is in the way as soon as this call has pinned it. */
	p = holed(&fd);
	ok(!map_file(fd, 0, 2 * PAGE, IOVA, true) && moved(fd, p) &&
	   region_attr("granules_busy") == 1, "IOMMU_IOAS_MAP_FILE of page and hole");
	munmap(p, 2 * PAGE);
	ok(!unmap(IOVA, 2 * PAGE) && region_attr("granules_busy") == 0, "leaves no pin");
	drop(fd, "holed");

	fd = create("allocated");
	ok(!fallocate(fd, 0, 0, 16 * PAGE) && memory(fd) == (long)GRANULE,
	   "fallocate of a new file");
	drop(fd, "allocated");

	test_hole_race();
	drop(eater, "eater");
	ok(free_bytes() == before, "all space is back");
}

/*
 * In a region of many small granules: those that are free lie one by one. Files of the names
 * "0", "1".. keep what is between them.
 */
static void scatter(void)
{
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	long left = region_attr("small_free"), pages, i;
	char name[16];
	int n, fd;

	for (n = 0; left; n++, left -= pages) {
		pages = left < 8192 ? left : 8192;
		snprintf(name, sizeof(name), "%d", n);
		fd = create(name);
		if (set_wish(fd, PAGE) || fallocate(fd, 0, 0, pages * PAGE))
			die("scatter");
		for (i = 1; i < pages; i += 2)
			if (fallocate(fd, punch, i * PAGE, PAGE))
				die("punch");
		close(fd);
	}
}

static void gather(void)
{
	char name[16];
	int n;

	for (n = 0; !n || !unlink(name); n++)
		snprintf(name, sizeof(name), "%d", n);
}

/* A file that stays small, as it has been pinned when it grew, and has MOST pieces. */
static char *in_pieces(int *fd)
{
	char *p;

	*fd = create("pieces");
	if (pwrite(*fd, "data", 4, 0) != 4)
		die("pieces");
	p = mmap(NULL, 64 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (p == MAP_FAILED || map(p, PAGE, IOVA, true) || ftruncate(*fd, 64 * MIB) ||
	    fallocate(*fd, 0, 0, MOST * PAGE) || memory(*fd) != MOST * (long)PAGE)
		die("MOST pieces");
	return p;
}

static void test_most(void)
{
	uint64_t before = free_bytes();
	const size_t next = MOST * PAGE;
	char *p;
	int fd;

	scatter();
	p = in_pieces(&fd);
	catch_bus();
	fails(pwrite(fd, "more", 4, next), EFBIG, "one more piece, of a file with a pin: write");
	ok(touch_page(p + next, true) == -1 && got.si_signo == SIGBUS, "a store");
	ok(logged(fd, ", offset 0x1528000: no page for a fault (-27): the file is in too many"),
	   "the log says why");
	fails(map_file(fd, next, PAGE, IOVA + PAGE, true), EFBIG, "IOMMU_IOAS_MAP_FILE");
	ok(memory(fd) == (long)next && !unmap(IOVA, PAGE), "unpin");
	ok(!touch_page(p + next, true) && memory(fd) == 11 * (long)GRANULE &&
	   !memcmp(p, "data", 5) && p[next] == 1, "then a store moves it");
	munmap(p, 64 * MIB);
	drop(fd, "pieces");

	p = in_pieces(&fd);
	unmap(IOVA, PAGE);
	ok(pwrite(fd, "more", 4, next) == 4 && memory(fd) == 11 * (long)GRANULE &&
	   !memcmp(p, "data", 5) && !memcmp(p + next, "more", 5), "and so does a write");
	munmap(p, 64 * MIB);
	drop(fd, "pieces");
	gather();
	ok(free_bytes() == before, "all space is back");
}

static void write_all(void)
{
	int fd, two;

	mkdir("small-vm", 0700);
	fd = open("small-vm", O_RDONLY | O_DIRECTORY);
	if (set_wish(fd, PAGE))
		die("set_wish");
	fd = create("small-vm/one");
	two = create("small-vm/two");
	write_pieces(fd, two, 2);
	fd = create("small-vm-state");
	write(fd, "state", 5);
	fd = create("small-vm-moved");
	fill(buf, sizeof(buf), 8);
	write(fd, buf, MIB);
	write(fd, buf + MIB, 2 * MIB);
}

static void check_all(void)
{
	struct fsxattr x;
	int fd;

	fd = open("small-vm", O_RDONLY | O_DIRECTORY);
	ok(!ioctl(fd, FS_IOC_FSGETXATTR, &x) && x.fsx_extsize == PAGE, "the wish of a directory");
	fd = open("small-vm/one", O_RDWR);
	ok(check_pieces(fd, 2) && memory(fd) == PIECES * (long)PAGE, "a file in pieces");
	fd = open("small-vm/two", O_RDWR);
	ok(check_pieces(fd, 2) && memory(fd) == PIECES * (long)PAGE, "and the other");
	fd = open("small-vm-state", O_RDWR);
	ok(read(fd, back, 10) == 5 && !memcmp(back, "state", 5) && memory(fd) == (long)PAGE,
	   "a small file");
	fd = open("small-vm-moved", O_RDWR);
	fill(buf, sizeof(buf), 8);
	ok(read(fd, back, sizeof(back)) == 3 * MIB && !memcmp(buf, back, 3 * MIB) &&
	   memory(fd) == 2 * (long)GRANULE, "one that has moved");
	fd = create("small-vm/new");
	ok(write(fd, "x", 1) == 1 && memory(fd) == (long)PAGE && !ftruncate(fd, GRANULE) &&
	   memory(fd) == (long)PAGE, "and new ones go on");
}

int main(int argc, char **argv)
{
	int rc;

	if (argc < 3)
		die("usage");
	if (!strcmp(argv[1], "test") || !strcmp(argv[1], "most")) {
		if (argc < 4)
			die("usage");
		vfio_open(argv[3]);
		vfio_attach();
	}
	enter(argc - 1, argv + 1);
	rc = over_kexec(argv[1], write_all, check_all);
	if (rc >= 0)
		return rc;
	if (!strcmp(argv[1], "most")) {
		test_most();
		return tap_done();
	}
	test_available(region_attr("small_free") * PAGE);
	test_cost();
	test_grow();
	test_mapped();
	test_race();
	test_pinned();
	test_wish();
	test_turns();
	test_pieces();
	test_hole();
	return tap_done();
}
