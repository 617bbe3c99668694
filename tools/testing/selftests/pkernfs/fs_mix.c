// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: all that one can do to the data of a file, at once.
 *
 * usage: fs_mix MOUNT VFIO_CDEV [SECONDS]
 *
 * Threads truncate, punch and allocate, write, read, load and store through mappings, and
 * pin by IOMMU_IOAS_MAP_FILE; one puts a new file in place of the old one, which the
 * others still work on. What is written says which file it is for, and where; so whatever
 * is read is that, or zero.
 */
#include <linux/falloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <time.h>

#include "fs_vfio.h"

#define PAGE	4096UL
#define MOST	(4 * GRANULE)
#define CHUNK	(16 * PAGE)
#define IOVA	(1UL << 32)

static volatile bool over;
static volatile unsigned int serial;	/* of the file that has a name now */
static __thread sigjmp_buf jump;
static __thread volatile bool may_jump;
static __thread uint64_t rand_state;

static uint64_t roll(uint64_t below)
{
	rand_state ^= rand_state << 13;
	rand_state ^= rand_state >> 7;
	rand_state ^= rand_state << 17;
	return rand_state % below;
}

/* A place in the file; small ones more often, as small granules are for them. */
static uint64_t place(uint64_t unit)
{
	return roll((roll(2) ? MOST : 64 * PAGE) / unit + 1) * unit;
}

/* What belongs there: no byte of it is zero. */
static uint64_t word(unsigned int file, uint64_t pos)
{
	return ((pos / 8 + 1) * 0x9e3779b97f4a7c15UL ^ file * 0xc2b2ae3d27d4eb4fUL) |
	       0x0101010101010101UL;
}

/* A store by another may be under way, byte by byte. */
static bool belongs(uint64_t is, unsigned int file, uint64_t pos)
{
	uint64_t want = word(file, pos);
	int i;

	if (!is || is == want)
		return true;
	for (i = 0; i < 64; i += 8)
		if ((is >> i & 0xff) && (is >> i & 0xff) != (want >> i & 0xff))
			return false;
	return true;
}

struct worker {
	const char *name;
	/* Number of what is wrong; -1: it was not possible just now. */
	long (*work)(int fd, unsigned int file);
	pthread_t thread;
	long done;
	long bad;
	int error;
};

static __thread struct worker *self;

/* It may fail for one of these reasons only. Return: as work(). */
static long judge(long ret, int errno1, int errno2)
{
	if (ret >= 0)
		return 0;
	if (errno == errno1 || errno == errno2)
		return -1;
	self->error = errno;
	return 1;
}

static long work_truncate(int fd, unsigned int file)
{
	return judge(ftruncate(fd, roll(8) ? place(8) : 0), EBUSY, 0);
}

static long work_allocate(int fd, unsigned int file)
{
	static const int mode[] = {
		0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	};
	uint64_t pos = place(8), bytes = place(8) + 8;

	return judge(fallocate(fd, mode[roll(5)], pos, bytes), EBUSY, ENOSPC);
}

static long work_write(int fd, unsigned int file)
{
	uint64_t data[CHUNK / 8], pos = place(8), i;
	ssize_t bytes = (roll(CHUNK / 8) + 1) * 8;

	for (i = 0; i < bytes / 8UL; i++)
		data[i] = word(file, pos + i * 8);
	return judge(pwrite(fd, data, bytes, pos), ENOSPC, 0);
}

/* Much at once, to memory that is not there: it takes long enough for others to come by. */
static long work_read(int fd, unsigned int file)
{
	static uint64_t data[MIB / 8] __attribute__((aligned(4096)));
	uint64_t pos = place(8), i;
	long bad = 0;
	ssize_t got;

	madvise(data, sizeof(data), MADV_DONTNEED);
	got = pread(fd, data, sizeof(data), pos);
	for (i = 0; (ssize_t)i < got / 8; i++)
		bad += !belongs(data[i], file, pos + i * 8);
	return bad ?: judge(got, 0, 0);
}

static void on_bus(int sig)
{
	if (!may_jump)
		_exit(3);
	siglongjmp(jump, sig);
}

/* SIGBUS is for what is behind the end of the file, or where there is no memory. */
static long work_map(int fd, unsigned int file)
{
	uint64_t pos = place(GRANULE), at;
	volatile long bad = 0, i;
	char *p = mmap(NULL, GRANULE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, pos);

	if (p == MAP_FAILED)
		return judge(-1, 0, 0);
	may_jump = true;
	for (i = 0; i < 64; i++) {
		if (sigsetjmp(jump, 1))
			continue;
		at = roll(2) ? roll(GRANULE / 8) * 8 : roll(8 * PAGE / 8) * 8;
		if (roll(2))
			__atomic_store_n((uint64_t *)(p + at), word(file, pos + at),
					 __ATOMIC_RELAXED);
		else
			bad += !belongs(__atomic_load_n((uint64_t *)(p + at), __ATOMIC_RELAXED),
					file, pos + at);
	}
	may_jump = false;
	munmap(p, GRANULE);
	return bad;
}

/* What is pinned nobody takes away. */
static long work_pin(int fd, unsigned int file)
{
	uint64_t pos = place(PAGE), bytes = roll(64) * PAGE + PAGE;
	long bad;

	if (map_file(fd, pos, bytes, IOVA, true))
		return judge(-1, EINVAL, ENOSPC);
	bad = !ftruncate(fd, pos) || errno != EBUSY;
	if (bad)
		self->error = errno;
	bad += !!unmap(IOVA, bytes);
	return bad;
}

static void file_name(char *name, unsigned int file)
{
	sprintf(name, "mix-%u", file);
}

static long work_replace(int fd, unsigned int file)
{
	char name[32], old[32];
	int new;

	file_name(old, file);
	file_name(name, file + 1);
	new = open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
	if (new < 0)
		return judge(-1, 0, 0);
	close(new);
	serial = file + 1;
	usleep(roll(20000));
	return judge(unlink(old), 0, 0);
}

static struct worker workers[] = {
	{ "truncate", work_truncate },
	{ "fallocate", work_allocate },
	{ "write", work_write },
	{ "read", work_read },
	{ "load and store", work_map },
	{ "pin", work_pin },
	{ "unlink", work_replace },
};

#define WORKERS	((int)(sizeof(workers) / sizeof(*workers)))

static void *run(void *arg)
{
	char name[32];
	int i, fd;
	long bad;

	self = arg;
	rand_state = 0x2545f4914f6cdd1dUL * (self - workers + 1) + time(NULL);
	while (!over) {
		unsigned int file = serial;

		file_name(name, file);
		fd = open(name, O_RDWR);
		if (fd < 0) {
			if (errno == ENOENT && file != serial)
				continue;	/* there is a new one */
			die(name);
		}
		for (i = 0; i < (self->work == work_replace ? 1 : 16) && !over; i++) {
			bad = self->work(fd, file);
			self->done += bad >= 0;
			self->bad += bad > 0 ? bad : 0;
		}
		close(fd);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	uint64_t before;
	char name[32];
	int i;

	if (argc < 3)
		die("usage");
	enter(argc, argv);
	vfio_open(argv[2]);
	vfio_attach();
	signal(SIGBUS, on_bus);
	before = free_bytes();
	file_name(name, 0);
	touch(name);
	for (i = 0; i < WORKERS; i++)
		if (pthread_create(&workers[i].thread, NULL, run, &workers[i]))
			die("pthread_create");
	sleep(argc > 3 ? atoi(argv[3]) : 10);
	over = true;
	for (i = 0; i < WORKERS; i++)
		pthread_join(workers[i].thread, NULL);
	for (i = 0; i < WORKERS; i++) {
		errno = workers[i].error;
		ok(!workers[i].bad && workers[i].done > 5, "%s: %ld done, %ld wrong",
		   workers[i].name, workers[i].done, workers[i].bad);
	}
	file_name(name, serial);
	ok(!unlink(name), "of the files one has a name");
	/* One that was pinned when it was closed is looked at once a second. */
	for (i = 0; i < 50 && free_bytes() != before; i++)
		usleep(100000);
	ok(free_bytes() == before, "all memory is back");
	return tap_done();
}
