// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: what the ioctls of a device file refuse, each with its errno, and that
 * a refusal leaves nothing behind. The device is bound to vfio-pci, has MSI-X, and
 * can be frozen.
 *
 * usage: ioctl_args MOUNT VFIO_CDEV OTHER_MOUNT
 */
#include <linux/pkernfs.h>
#include <stddef.h>
#include <sys/wait.h>

#include "fs_vfio.h"

#define RAM	(4 * MIB)
#define IOVA	(1UL << 32)

static int freeze(int fd)
{
	struct pkernfs_freeze arg = { .size = sizeof(arg), .vfio_fd = vfio };

	return ioctl(fd, PKERNFS_FREEZE, &arg);
}

static int simple(int fd, unsigned long cmd)
{
	struct pkernfs_simple arg = { .size = sizeof(arg) };

	return ioctl(fd, cmd, &arg);
}

static uint32_t new_ioas(void)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };

	if (ioctl(iommufd, IOMMU_IOAS_ALLOC, &alloc))
		die("IOAS");
	return alloc.out_ioas_id;
}

/* Map once more, in IOAS @to, what is at @from in IOAS @of. */
static int copy(uint32_t to, uint64_t iova, uint32_t of, uint64_t from, size_t bytes)
{
	struct iommu_ioas_copy c = {
		.size = sizeof(c),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
		.dst_ioas_id = to,
		.src_ioas_id = of,
		.length = bytes,
		.dst_iova = iova,
		.src_iova = from,
	};

	return ioctl(iommufd, IOMMU_IOAS_COPY, &c);
}

static int change_process(void)
{
	struct iommu_ioas_change_process c = { .size = sizeof(c) };

	return ioctl(iommufd, IOMMU_IOAS_CHANGE_PROCESS, &c);
}

/* What VFIO's type 1 had, for those who still call it, changes an IOAS as well. */
static int compat_ioas(void)
{
	struct iommu_vfio_ioas set = {
		.size = sizeof(set), .ioas_id = ioas, .op = IOMMU_VFIO_IOAS_SET,
	};

	return ioctl(iommufd, IOMMU_VFIO_IOAS, &set);
}

static int compat_map(void *p, size_t bytes, uint64_t iova)
{
	struct vfio_iommu_type1_dma_map m = {
		.argsz = sizeof(m),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)p,
		.iova = iova,
		.size = bytes,
	};

	return ioctl(iommufd, VFIO_IOMMU_MAP_DMA, &m);
}

static int compat_unmap(uint64_t iova, size_t bytes)
{
	struct vfio_iommu_type1_dma_unmap u = {
		.argsz = sizeof(u), .iova = iova, .size = bytes,
	};

	return ioctl(iommufd, VFIO_IOMMU_UNMAP_DMA, &u);
}

/* What would change the IOAS of a frozen device, which would not see it; and what not. */
static void changes(void *p, int ram, uint32_t other)
{
	fails(unmap(IOVA, RAM), EBUSY, "IOAS unmap of a frozen device");
	fails(map(p, GRANULE, IOVA + 2 * RAM, true), EBUSY, "IOAS map");
	fails(map_file(ram, 0, GRANULE, IOVA + 2 * RAM, true), EBUSY, "IOAS map_file");
	fails(copy(ioas, IOVA + 2 * RAM, other, IOVA, GRANULE), EBUSY, "IOAS copy");
	fails(compat_map(p, GRANULE, IOVA + 2 * RAM), EBUSY, "VFIO's MAP_DMA");
	fails(compat_unmap(IOVA, RAM), EBUSY, "VFIO's UNMAP_DMA");
	fails(change_process(), EBUSY, "IOAS change_process");
	ok(!copy(other, IOVA + 2 * RAM, ioas, IOVA, GRANULE), "IOAS copy from it into another");
}

/* The same when it is not frozen: all but the last must succeed. */
static void changes_unfrozen(void *p, int ram, uint32_t other)
{
	ok(!map(p, GRANULE, IOVA + 2 * RAM, true) && !unmap(IOVA + 2 * RAM, GRANULE),
	   "not frozen: IOAS map and unmap");
	ok(!map_file(ram, 0, GRANULE, IOVA + 2 * RAM, true) && !unmap(IOVA + 2 * RAM, GRANULE),
	   "IOAS map_file");
	ok(!copy(ioas, IOVA + 2 * RAM, other, IOVA, GRANULE) &&
	   !unmap(IOVA + 2 * RAM, GRANULE), "IOAS copy");
	ok(!compat_ioas() && !compat_map(p, GRANULE, IOVA + 2 * RAM) &&
	   !compat_unmap(IOVA + 2 * RAM, GRANULE), "VFIO's MAP_DMA and UNMAP_DMA");
	/* For IOASes of files alone, which these are not */
	fails(change_process(), EINVAL, "IOAS change_process");
}

static struct pkernfs_info info(int fd)
{
	struct pkernfs_info arg = { .size = sizeof(arg) };

	if (ioctl(fd, PKERNFS_INFO, &arg))
		die("INFO");
	return arg;
}

/*
 * A map goes on for as long as somebody likes: it pins a hole of a filesystem that is
 * frozen. FREEZE does not wait for ever.
 */
static void changing(int fd, const char *other)
{
	int dir = open(other, O_RDONLY), hole = openat(dir, "hole", O_CREAT | O_RDWR, 0600);
	int status = -1;
	pid_t pid;
	void *p;

	ftruncate(hole, GRANULE);
	p = mmap(NULL, GRANULE, PROT_READ | PROT_WRITE, MAP_SHARED, hole, 0);
	if (p == MAP_FAILED || ioctl(dir, FIFREEZE, 0))
		die(other);
	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(map(p, GRANULE, IOVA + 2 * RAM, true) != 0);
	sleep(1);
	fails(freeze(fd), EBUSY, "FREEZE while its IOAS is being changed");
	ok(!!strstr(info(fd).reason, "being changed"), "INFO says why: %s", info(fd).reason);
	ok(!waitpid(pid, &status, WNOHANG), "and the change still goes on");
	ok(!ioctl(dir, FITHAW, 0) && waitpid(pid, &status, 0) == pid && !status,
	   "now it comes to its end");
	ok(!unmap(IOVA + 2 * RAM, GRANULE), "and is undone");
	munmap(p, GRANULE);
	ok(!unlinkat(dir, "hole", 0), "the hole is free");
	close(hole);
	close(dir);
}

static int freeze_but(int fd, const struct pkernfs_iova_range *out, uint32_t count)
{
	struct pkernfs_freeze arg = {
		.size = sizeof(arg), .vfio_fd = vfio,
		.leave_out = (uintptr_t)out, .leave_out_count = count,
	};

	return ioctl(fd, PKERNFS_FREEZE, &arg);
}

/* Each ioctl, the size of its struct, and the smallest that is taken. */
static const struct call {
	const char *name;
	unsigned long cmd;
	size_t bytes, min;
} calls[] = {
	{ "FREEZE", PKERNFS_FREEZE, sizeof(struct pkernfs_freeze),
	  offsetof(struct pkernfs_freeze, leave_out) },
	{ "INFO", PKERNFS_INFO, sizeof(struct pkernfs_info),
	  offsetof(struct pkernfs_info, reason) + sizeof(((struct pkernfs_info *)0)->reason) },
}, frozen_calls[] = {
	{ "QUIESCE_IRQ", PKERNFS_QUIESCE_IRQ, sizeof(struct pkernfs_simple),
	  sizeof(struct pkernfs_simple) },
	{ "UNFREEZE", PKERNFS_UNFREEZE, sizeof(struct pkernfs_simple),
	  sizeof(struct pkernfs_simple) },
	{ "RELEASE", PKERNFS_RELEASE, sizeof(struct pkernfs_simple),
	  sizeof(struct pkernfs_simple) },
}, region_calls[] = {
	{ "REGION_INFO", PKERNFS_REGION_INFO, sizeof(struct pkernfs_region_info),
	  offsetof(struct pkernfs_region_info, changes) },
	{ "REGION_CHECK", PKERNFS_REGION_CHECK, sizeof(struct pkernfs_region_check),
	  sizeof(struct pkernfs_region_check) },
};

static void refused(int fd, const struct call *call, void *arg, int want, const char *how)
{
	int ret;

	errno = 0;
	ret = ioctl(fd, call->cmd, arg);
	ok(ret == -1 && errno == want, "%s %s gives errno %d", call->name, how, want);
}

/* Size and flags, which all structs begin with. */
static void bad_struct(int fd, const struct call *call)
{
	uint32_t arg[128] = { 0 };
	void *last;

	refused(fd, call, NULL, EFAULT, "of no struct");
	refused(fd, call, (void *)~4095UL, EFAULT, "into the kernel");
	refused(fd, call, arg, EINVAL, "of size 0");
	arg[0] = call->min - 1;
	refused(fd, call, arg, EINVAL, "of a short struct");
	arg[0] = sizeof(arg);
	((uint8_t *)arg)[call->bytes] = 1;
	refused(fd, call, arg, E2BIG, "of a struct of the future");
	((uint8_t *)arg)[call->bytes] = 0;
	arg[0] = call->bytes;
	arg[1] = 1;
	refused(fd, call, arg, EOPNOTSUPP, "with a flag");
	/* Nothing of it is looked at: it would not end before what cannot be read. */
	last = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (last == MAP_FAILED || mprotect(last + 4096, 4096, PROT_NONE))
		die("a page beside none");
	*(uint32_t *)(last + 4096 - call->bytes) = 1U << 31;
	refused(fd, call, last + 4096 - call->bytes, E2BIG, "of a huge struct");
	munmap(last, 2 * 4096);
}

/* What is in the structs, before the kernel looks at anything else. */
static void bad_structs(int fd)
{
	static const char * const bad_is[] = {
		"FREEZE with an empty range", "with one that is not aligned",
		"with one whose end is not", "with one over the end", "with two that overlap",
		"with two that descend",
	};
	static const struct pkernfs_iova_range bad[] = {
		{ 0, GRANULE }, { GRANULE, 0 },
		{ 0, GRANULE }, { GRANULE + 1, GRANULE },
		{ 0, GRANULE }, { GRANULE, GRANULE + 1 },
		{ 0, GRANULE }, { 1ULL << 63, 1ULL << 63 },
		{ 0, GRANULE }, { GRANULE - 4096, GRANULE },
		{ GRANULE, GRANULE }, { 0, GRANULE },
	};
	struct pkernfs_info i = { .size = sizeof(i), .reserved = 1 };
	unsigned int n;

	bad_struct(fd, calls);
	bad_struct(fd, calls + 1);
	fails(ioctl(fd, _IO(PKERNFS_TYPE, 0x7f), &i), ENOTTY, "an ioctl that is not there");
	fails(freeze_but(fd, NULL, 1), EFAULT, "FREEZE with ranges that are nowhere");
	fails(freeze_but(fd, bad, PKERNFS_LEAVE_OUT_MAX + 1), E2BIG, "FREEZE with too many ranges");
	fails(freeze_but(fd, bad, 0), EINVAL, "FREEZE with ranges that are not counted");
	for (n = 0; n + 1 < sizeof(bad) / sizeof(bad[0]); n += 2)
		fails(freeze_but(fd, bad + n, 2), EINVAL, bad_is[n / 2]);
	fails(ioctl(fd, PKERNFS_INFO, &i), EINVAL, "INFO with a reserved field");
	i = (struct pkernfs_info) { .size = sizeof(i), .reserved2 = 1 };
	fails(ioctl(fd, PKERNFS_INFO, &i), EINVAL, "INFO with the second reserved field");
	i = (struct pkernfs_info) { .size = sizeof(i), .reserved3 = 1 };
	fails(ioctl(fd, PKERNFS_INFO, &i), EINVAL, "INFO with the third reserved field");
}

/* Files that are no device file, and ones that cannot become one. */
static void bad_files(int fd)
{
	struct pkernfs_freeze arg = { .size = sizeof(arg), .vfio_fd = -1 };
	int dir = open(".", O_RDONLY);
	int full = open("full", O_CREAT | O_RDWR, 0600);
	struct pkernfs_info i;

	fails(ioctl(fd, PKERNFS_FREEZE, &arg), EBADF, "FREEZE of fd -1");
	arg.vfio_fd = fd;
	fails(ioctl(fd, PKERNFS_FREEZE, &arg), EBADF, "FREEZE of a file");
	arg.vfio_fd = iommufd;
	fails(ioctl(fd, PKERNFS_FREEZE, &arg), EBADF, "FREEZE of an iommufd");
	i = info(fd);
	ok(i.state == PKERNFS_STATE_ORDINARY && i.error == EBADF &&
	   strstr(i.reason, "vfio_fd is not a VFIO PCI device"), "INFO says why: %s", i.reason);
	fails(freeze(dir), ENOTTY, "FREEZE by a folder");
	ok(write(full, "x", 1) == 1, "a file that is not empty");
	fails(freeze(full), EBUSY, "FREEZE by it");
	ok(!ftruncate(full, 0) && !unlink("full"), "a file that has no name");
	fails(freeze(full), EBUSY, "FREEZE by it");
	fails(simple(fd, PKERNFS_QUIESCE_IRQ), EINVAL, "QUIESCE_IRQ before FREEZE");
	fails(simple(fd, PKERNFS_UNFREEZE), EINVAL, "UNFREEZE before FREEZE");
	fails(simple(fd, PKERNFS_RELEASE), EINVAL, "RELEASE before FREEZE");
	close(dir);
	close(full);
}

/* Of callers old and new; and what counts as a change of metadata. */
static void region_info(int file)
{
	const size_t old = offsetof(struct pkernfs_region_info, changes);
	int fd = open("/dev/pkernfs0", O_RDONLY);
	struct pkernfs_region_info a = { .size = old, .changes = 77 }, b = { .size = sizeof(b) };
	char c;

	ok(!ioctl(fd, PKERNFS_REGION_INFO, &a) && a.bytes && a.changes == 77,
	   "REGION_INFO as it was: nothing is written behind the struct");
	a = (struct pkernfs_region_info) { .size = sizeof(a) };
	ok(!ioctl(fd, PKERNFS_REGION_INFO, &a) && a.changes &&
	   pwrite(file, "x", 1, 0) == 1 && pread(file, &c, 1, 0) == 1 &&
	   !ioctl(fd, PKERNFS_REGION_INFO, &b) && b.changes != a.changes, "a write is a change");
	a = (struct pkernfs_region_info) { .size = sizeof(a) };
	b = (struct pkernfs_region_info) { .size = sizeof(b) };
	ok(!ioctl(fd, PKERNFS_REGION_INFO, &a) && pread(file, &c, 1, 0) == 1 &&
	   !ioctl(fd, PKERNFS_REGION_INFO, &b) && b.changes == a.changes, "a read is none");
	bad_struct(fd, region_calls);
	bad_struct(fd, region_calls + 1);
	fails(ioctl(fd, PKERNFS_INFO, &a), ENOTTY, "INFO of a region");
	close(fd);
	ok(!ftruncate(file, 0), "empty again");
}

int main(int argc, char **argv)
{
	struct pkernfs_range range[4] = { 0 };
	struct pkernfs_iova_range half[2];
	struct pkernfs_info i = { .size = sizeof(i) };
	uint32_t other;
	uint64_t before;
	int fd, ro, ram;
	unsigned int n;
	void *anon, *p;

	if (argc < 4)
		die("usage");
	vfio_open(argv[2]);
	enter(argc, argv);
	before = free_bytes();
	fd = open("nic", O_CREAT | O_RDWR, 0600);
	ram = open("ram", O_CREAT | O_RDWR, 0600);
	ftruncate(ram, RAM);
	p = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_SHARED, ram, 0);
	anon = mmap(NULL, GRANULE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (fd < 0 || ram < 0 || p == MAP_FAILED || anon == MAP_FAILED)
		die("set up");

	bad_structs(fd);
	bad_files(fd);
	region_info(fd);

	ok(freeze(fd) == -1, "FREEZE of a device that is not attached");
	ok(!map(p, RAM, IOVA, true) && !map(anon, GRANULE, IOVA + RAM, true), "IOAS map");
	vfio_attach();
	fails(freeze(fd), EXDEV, "FREEZE with memory that is not of a region");
	i = info(fd);
	ok(i.error == EXDEV && i.error_iova == IOVA + RAM, "INFO names its IOVA: 0x%llx",
	   (unsigned long long)i.error_iova);
	half[0] = (struct pkernfs_iova_range) { IOVA + RAM, GRANULE / 2 };
	fails(freeze_but(fd, half, 1), EXDEV, "FREEZE that may leave out half of it");
	i = info(fd);
	ok(i.error_iova == IOVA + RAM + GRANULE / 2 || i.error_iova == IOVA + RAM,
	   "INFO names its IOVA: 0x%llx", (unsigned long long)i.error_iova);
	half[0].bytes -= 4096;
	half[1] = (struct pkernfs_iova_range) { IOVA + RAM + GRANULE / 2, 1ULL << 30 };
	fails(freeze_but(fd, half, 2), EXDEV, "FREEZE that may leave out all but a page of it");
	half[0].bytes += 4096;
	ok(!freeze_but(fd, half, 2), "FREEZE that may leave out all of it");
	ok(info(fd).pages == RAM / 4096, "and has left it out");
	ok(!simple(fd, PKERNFS_UNFREEZE), "UNFREEZE");
	half[0] = (struct pkernfs_iova_range) { 0, 1ULL << 40 };
	ok(!freeze_but(fd, half, 1), "FREEZE that might leave out everything");
	ok(info(fd).pages == RAM / 4096, "and has kept what it can");
	ok(!simple(fd, PKERNFS_UNFREEZE), "UNFREEZE");
	ok(!unmap(IOVA + RAM, GRANULE), "unmapped");
	other = new_ioas();
	ok(!copy(other, IOVA, ioas, IOVA, GRANULE), "another IOAS");
	changes_unfrozen(p, ram, other);
	changing(fd, argv[3]);

	ro = open("nic", O_RDONLY);
	fails(freeze(ro), EBADF, "FREEZE by a file that is open to read");
	ok(!freeze(fd), "FREEZE");
	ok(info(fd).error == 0, "INFO has no error any more");
	fails(freeze(fd), EBUSY, "FREEZE by a file that has a device");
	i = info(fd);
	ok(i.error == EBUSY && strstr(i.reason, "has a device already"), "INFO says why: %s",
	   i.reason);
	/* Where all else is right. */
	for (n = 0; n < sizeof(frozen_calls) / sizeof(frozen_calls[0]); n++) {
		bad_struct(fd, frozen_calls + n);
		fails(simple(ro, frozen_calls[n].cmd), EBADF, "by a file that is open to read");
	}
	ok(info(ro).state == PKERNFS_STATE_FROZEN, "INFO by it, and it is frozen as before");
	close(ro);
	changes(p, ram, other);
	fails(simple(fd, PKERNFS_RELEASE), EBUSY, "RELEASE while the user is there");
	fails(write(fd, "x", 1), EBUSY, "write to a device file");
	fails(ftruncate(fd, 4096), EBUSY, "growing it");
	fails(unlink("nic"), EBUSY, "unlinking it");
	fails(ftruncate(ram, 0), EBUSY, "truncate of memory that a device reaches");

	i = (struct pkernfs_info) { .size = sizeof(i), .range_count = 4,
				    .ranges = (uintptr_t)range };
	ok(!ioctl(fd, PKERNFS_INFO, &i) && i.state == PKERNFS_STATE_FROZEN, "INFO");
	ok(i.range_count >= 1 && range[0].iova == IOVA && range[0].prot == 3 &&
	   i.pages == RAM / 4096, "its ranges and pages");
	i = (struct pkernfs_info) { .size = sizeof(i), .range_count = ~0U, .ranges = 1 };
	fails(ioctl(fd, PKERNFS_INFO, &i), EFAULT, "INFO with ranges that are nowhere");

	ok(!simple(fd, PKERNFS_QUIESCE_IRQ), "QUIESCE_IRQ");
	ok(!simple(fd, PKERNFS_QUIESCE_IRQ), "QUIESCE_IRQ again");
	ok(info(fd).irq == PKERNFS_IRQ_QUIESCED, "INFO says so");
	ok(!simple(fd, PKERNFS_UNFREEZE), "UNFREEZE");
	fails(simple(fd, PKERNFS_UNFREEZE), EINVAL, "UNFREEZE again");

	/* The user goes: what is left is RELEASE. */
	ok(!freeze(fd), "FREEZE again");
	munmap(p, RAM);
	close(vfio);
	close(iommufd);
	ok(info(fd).state == PKERNFS_STATE_DETACHED, "without its user it is detached");
	fails(simple(fd, PKERNFS_QUIESCE_IRQ), ESTALE, "QUIESCE_IRQ without the user");
	ok(info(fd).error == ESTALE, "INFO says why: %s", info(fd).reason);
	fails(simple(fd, PKERNFS_UNFREEZE), ESTALE, "UNFREEZE without the user");
	fails(ftruncate(ram, 0), EBUSY, "truncate of what the device still reaches");
	ok(!simple(fd, PKERNFS_RELEASE), "RELEASE");
	fails(simple(fd, PKERNFS_RELEASE), EINVAL, "RELEASE again");
	ok(!ftruncate(ram, 0) && !unlink("ram") && !unlink("nic"), "all may go");
	close(fd);
	close(ram);
	ok(free_bytes() == before, "and has left nothing");
	return tap_done();
}
