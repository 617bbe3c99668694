// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: random arguments to each ioctl and each file in sysfs, while another thread
 * changes the arguments. The kernel watches itself; here it is seen that the device
 * is in a state that it can be in, and works after all.
 *
 * usage: ioctl_fuzz MOUNT VFIO_CDEV [ROUNDS [SEED [STATE]]]
 *
 * STATE: "detached" or "adopted", which the device of the file "nic" has to be in, and to
 * stay in. A user who is not root may call anything, and must not get it out of there.
 */
#include <ftw.h>
#include <linux/fs.h>
#include <linux/pkernfs.h>
#include <pthread.h>
#include <stddef.h>

#include "fs_vfio.h"

#define RAM	(4 * MIB)
#define IOVA	(1UL << 32)
#define PAGE	4096UL
#define REGION	11		/* of the files: /dev/pkernfs0 */

static uint64_t state;
static uint64_t calls, done, errnos[256];
static struct pkernfs_info kept;	/* of the device that has to stay as it is */
static struct fsxattr no_flags;
static uint8_t *page;		/* one page; the next is not there */
static volatile int over;

static uint64_t rnd(void)
{
	uint64_t x = state += 0x9e3779b97f4a7c15UL;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9UL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebUL;
	return x ^ x >> 31;
}

static uint32_t pick(uint32_t n)
{
	return rnd() % n;
}

static uint64_t odd(void)
{
	static const uint64_t values[] = {
		0, 1, 2, 3, 7, 8, 63, 64, 4095, 4096, 4097, 1024, 1025, 1UL << 20, 1UL << 31,
		~0U, 1UL << 32, ~0UL, IOVA, IOVA + RAM, GRANULE,
	};

	return pick(3) ? values[pick(sizeof(values) / sizeof(values[0]))] : rnd();
}

static uint64_t pointer(void)
{
	switch (pick(6)) {
	case 0:
		return 0;
	case 1:
		return odd();
	case 2:
		return 0xffff888000000000UL + pick(1U << 30);	/* the kernel's */
	case 3:
		return (uintptr_t)page + PAGE - pick(256);	/* goes on into nothing */
	default:
		return (uintptr_t)page + pick(8) * 256;
	}
}

static int some_fd(const int *fds, unsigned int count)
{
	return pick(8) ? fds[pick(count)] : (int)odd();
}

static uint32_t struct_size(unsigned long cmd)
{
	switch (cmd) {
	case PKERNFS_FREEZE:
		return sizeof(struct pkernfs_freeze);
	case PKERNFS_INFO:
		return sizeof(struct pkernfs_info);
	case PKERNFS_FORMAT:
		return sizeof(struct pkernfs_format);
	case PKERNFS_REGION_INFO:
		return sizeof(struct pkernfs_region_info);
	case PKERNFS_REGION_CHECK:
		return sizeof(struct pkernfs_region_check);
	case FS_IOC_FSSETXATTR:
	case FS_IOC_FSGETXATTR:
		return sizeof(struct fsxattr);
	default:
		return sizeof(struct pkernfs_simple);
	}
}

/* A struct that is right, and then one or two fields that are not. */
static void fill_struct(uint8_t *p, unsigned long cmd, const int *fds, unsigned int count)
{
	uint32_t size = struct_size(cmd);
	unsigned int n = pick(3);

	memset(p, 0, 256);
	if (cmd == FS_IOC_FSSETXATTR || cmd == FS_IOC_FSGETXATTR) {
		struct fsxattr *x = (void *)p;

		x->fsx_xflags = pick(2) ? FS_XFLAG_EXTSIZE : 1U << pick(32);
		x->fsx_extsize = pick(2) ? GRANULE : pick(2) ? PAGE : (uint32_t)odd();
	} else {
		*(uint32_t *)p = size;
	}
	if (cmd == PKERNFS_FREEZE) {
		struct pkernfs_freeze *f = (void *)p;

		f->vfio_fd = pick(3) ? vfio : some_fd(fds, count);
		if (!pick(4)) {
			f->leave_out_count = pick(3) ? pick(4) : (uint32_t)odd();
			f->leave_out = pointer();
		}
	} else if (cmd == PKERNFS_INFO && pick(2)) {
		struct pkernfs_info *i = (void *)p;

		i->range_count = pick(2) ? pick(8) : (uint32_t)odd();
		i->ranges = pointer();
	}
	while (n--) {
		switch (pick(4)) {
		case 0:
			*(uint32_t *)p = (uint32_t)(pick(2) ? odd() : size + pick(65) - 32);
			break;
		case 1:
			*(uint32_t *)(p + 4) = (uint32_t)odd();
			break;
		default:
			*(uint64_t *)(p + pick(size / 8) * 8) = odd();
		}
	}
}

/* Calls of those that were added for a kind of file, and how many of them were taken. */
static struct {
	unsigned long cmd;
	uint64_t calls, taken;
} kinds[] = {
	{ PKERNFS_REGION_INFO }, { PKERNFS_REGION_CHECK },
	{ FS_IOC_FSSETXATTR }, { FS_IOC_FSGETXATTR },
};

static void by_cmd(unsigned long cmd, bool taken)
{
	unsigned int i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].cmd == cmd) {
			kinds[i].calls++;
			kinds[i].taken += taken;
		}
}

static void one_call(const int *fds, unsigned int count)
{
	static const unsigned long known[] = {
		PKERNFS_FREEZE, PKERNFS_QUIESCE_IRQ, PKERNFS_UNFREEZE, PKERNFS_INFO,
		PKERNFS_RELEASE, PKERNFS_FORMAT, PKERNFS_REGION_INFO, PKERNFS_REGION_CHECK,
		FS_IOC_FSSETXATTR, FS_IOC_FSGETXATTR,
	};
	static const unsigned long region[] = { PKERNFS_REGION_INFO, PKERNFS_REGION_CHECK };
	unsigned long cmd = known[pick(sizeof(known) / sizeof(known[0]))];
	uint8_t *arg = page + PAGE - 256 - pick(2) * 512;
	int fd = fds[pick(count - 2)], ret;

	/* Of no other file, and that knows no other */
	if (fd == fds[REGION] && pick(8))
		cmd = region[pick(2)];
	if (!pick(12))
		cmd = pick(2) ? rnd() & 0xffffffff : (unsigned long)_IO(PKERNFS_TYPE, pick(256));
	fill_struct(arg, cmd, fds, count);
	if (!pick(8))
		arg = (void *)(uintptr_t)pointer();
	/* Not VFIO's and iommufd's own ioctls: those are not ours to judge. */
	ret = ioctl(fd, cmd, arg);
	calls++;
	done += !ret;
	errnos[ret ? errno & 255 : 0]++;
	by_cmd(cmd, !ret);
	/* Immutable, it would be of no more use. */
	if (!ret && (cmd & 0xffffffff) == FS_IOC_FSSETXATTR)
		ioctl(fd, FS_IOC_FSSETXATTR, &no_flags);
}

/* What is checked once and read again may be another by then. */
static void *scribble(void *unused)
{
	uint64_t x = 1;

	while (!over) {
		x = x * 6364136223846793005UL + 1442695040888963407UL;
		*(volatile uint32_t *)(page + PAGE - 256 + (x >> 40) % 16 * 4) = x >> 61;
		usleep(50);
	}
	return NULL;
}

static int write_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	char junk[5000];
	unsigned int i;
	int fd;

	if (type != FTW_F)
		return 0;
	for (i = 0; i < 8; i++) {
		size_t n = i ? pick(sizeof(junk)) : 2;
		size_t at;

		for (at = 0; at < n; at++)
			junk[at] = rnd();
		if (!i)
			memcpy(junk, pick(2) ? "1\n" : "0\n", 2);
		fd = open(path, O_WRONLY);
		if (fd < 0)
			continue;
		done += write(fd, junk, n) > 0;
		calls++;
		close(fd);
	}
	fd = open(path, O_RDONLY);
	if (fd >= 0) {
		read(fd, junk, sizeof(junk));
		close(fd);
	}
	return 0;
}

static int simple(int fd, unsigned long cmd)
{
	struct pkernfs_simple arg = { .size = sizeof(arg) };

	return ioctl(fd, cmd, &arg);
}

static int freeze(int fd)
{
	struct pkernfs_freeze arg = { .size = sizeof(arg), .vfio_fd = vfio };

	return ioctl(fd, PKERNFS_FREEZE, &arg);
}

static struct pkernfs_info info(int fd)
{
	struct pkernfs_info arg = { .size = sizeof(arg) };

	if (ioctl(fd, PKERNFS_INFO, &arg))
		die("INFO");
	return arg;
}

/* Frozen, with all of the RAM mapped; or a file like any other. Or as it was. */
static bool sane(int fd)
{
	struct pkernfs_info i = info(fd);

	if (kept.state)
		return i.state == kept.state && i.pages == kept.pages &&
		       i.tables == kept.tables && i.did == kept.did && i.irq == kept.irq &&
		       memchr(i.reason, 0, sizeof(i.reason));
	if (i.state == PKERNFS_STATE_ORDINARY)
		return !i.pages && !i.tables;
	return i.state == PKERNFS_STATE_FROZEN && i.pages == RAM / PAGE && i.tables &&
	       memchr(i.reason, 0, sizeof(i.reason));
}

/* The calls; returns how often the device was found frozen. */
static unsigned long fuzz(unsigned long rounds, const int *fds, unsigned int count)
{
	unsigned long n, frozen = 0;
	bool good = true;
	pthread_t other;

	pthread_create(&other, NULL, scribble, NULL);
	for (n = 0; n < rounds && good; n++) {
		one_call(fds, count);
		if (n % 16 == 15) {
			good = sane(fds[0]);
			frozen += info(fds[0]).state == PKERNFS_STATE_FROZEN;
		}
		if (n % 512 == 511)
			nftw("/sys/fs/pkernfs", write_file, 8, FTW_PHYS);
	}
	over = 1;
	pthread_join(other, NULL);
	ok(good, "states are sane; round %lu", n);
	return frozen;
}

static void told(unsigned long frozen)
{
	unsigned int i;

	printf("# %lu calls, %lu done, %lu times frozen", (unsigned long)calls,
	       (unsigned long)done, frozen);
	printf("; EFAULT %lu EINVAL %lu E2BIG %lu EBUSY %lu EOPNOTSUPP %lu EPERM %lu",
	       (unsigned long)errnos[EFAULT], (unsigned long)errnos[EINVAL],
	       (unsigned long)errnos[E2BIG], (unsigned long)errnos[EBUSY],
	       (unsigned long)errnos[EOPNOTSUPP], (unsigned long)errnos[EPERM]);
	printf(" ESTALE %lu; taken of REGION_INFO, REGION_CHECK, FSSETXATTR, FSGETXATTR:",
	       (unsigned long)errnos[ESTALE]);
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		printf(" %lu", (unsigned long)kinds[i].taken);
	printf("\n");
	/* Calls that were all refused for the same reason have tested nothing. */
	ok(errnos[EFAULT] && errnos[EINVAL] && errnos[E2BIG] && errnos[EBUSY] &&
	   errnos[EOPNOTSUPP] && errnos[ENOTTY] && errnos[EBADF], "each kind of refusal");
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		ok(kinds[i].calls > kinds[i].taken &&
		   (kinds[i].taken || (kept.state && kinds[i].cmd == FS_IOC_FSSETXATTR)),
		   "some of each are taken, and some are not: %lx", kinds[i].cmd);
}

/* The device has no user, or one that has not attached it; nobody here is root. */
static int kept_main(unsigned long rounds, const char *state)
{
	const bool adopted = !strcmp(state, "adopted");
	int fd = open("nic", O_RDWR), other = open("other", O_CREAT | O_RDWR, 0600);
	int full = open("full", O_CREAT | O_RDWR, 0600);
	const int fds[] = {
		fd, fd, fd, other, other, open("nic", O_RDONLY), open("nic", O_RDWR), other, full,
		open(".", O_RDONLY), open("/dev/pkernfs", O_RDWR),
		open("/dev/pkernfs0", O_RDONLY), -1, vfio, iommufd,
	};

	if (fd < 0 || other < 0 || write(full, "x", 1) != 1 || fds[REGION] < 0)
		die("set up");
	kept = info(fd);
	ok(kept.state == (adopted ? PKERNFS_STATE_ADOPTED : PKERNFS_STATE_DETACHED),
	   "it is %s", state);
	if (setresuid(65534, 65534, 65534))
		die("setresuid");
	fuzz(rounds, fds, sizeof(fds) / sizeof(fds[0]));
	told(0);
	ok(errnos[EPERM], "RELEASE is for root");
	ok(adopted || errnos[ESTALE], "UNFREEZE and QUIESCE_IRQ are for who froze it");
	ok(info(other).state == PKERNFS_STATE_ORDINARY, "no other file has a device");
	return tap_done();
}

int main(int argc, char **argv)
{
	unsigned long rounds = argc > 3 ? strtoul(argv[3], NULL, 0) : 4000, n, frozen;
	uint64_t before;
	int fd, ram, full;
	void *p;

	if (argc < 3)
		die("usage");
	state = argc > 4 ? strtoul(argv[4], NULL, 0) : 1;
	vfio_open(argv[2]);
	enter(argc, argv);
	page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED || munmap(page + PAGE, PAGE))
		die("a page");
	if (argc > 5)
		return kept_main(rounds, argv[5]);
	before = free_bytes();
	fd = open("nic", O_CREAT | O_RDWR, 0600);
	ram = open("ram", O_CREAT | O_RDWR, 0600);
	full = open("full", O_CREAT | O_RDWR, 0600);
	ftruncate(ram, RAM);
	p = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_SHARED, ram, 0);
	if (fd < 0 || ram < 0 || write(full, "x", 1) != 1 || p == MAP_FAILED)
		die("set up");
	ok(!map(p, RAM, IOVA, true), "IOAS map");
	vfio_attach();

	const int fds[] = {
		fd, fd, fd, fd, fd, open("nic", O_RDONLY), open("nic", O_RDWR), ram, full,
		open(".", O_RDONLY), open("/dev/pkernfs", O_RDWR),
		open("/dev/pkernfs0", O_RDONLY), -1, vfio, iommufd,
	};

	frozen = fuzz(rounds, fds, sizeof(fds) / sizeof(fds[0]));
	told(frozen);
	ok(frozen > rounds / 256 && frozen < rounds / 17, "it was frozen, and was not");

	/* It still works, and nothing is left. */
	if (info(fd).state == PKERNFS_STATE_FROZEN)
		ok(!simple(fd, PKERNFS_UNFREEZE), "UNFREEZE");
	ok(!freeze(fd) && info(fd).pages == RAM / PAGE, "FREEZE");
	ok(!simple(fd, PKERNFS_QUIESCE_IRQ), "QUIESCE_IRQ");
	ok(!simple(fd, PKERNFS_UNFREEZE), "UNFREEZE");
	munmap(p, RAM);
	close(vfio);
	close(iommufd);
	for (n = 5; n <= REGION; n++)
		close(fds[n]);
	close(fd);
	ok(!unlink("ram") && !unlink("nic") && !unlink("full"), "all may go");
	ok(free_bytes() == before, "and has left nothing");
	return tap_done();
}
