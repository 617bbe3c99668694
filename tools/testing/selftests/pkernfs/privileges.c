// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: who may do what. Documentation/admin-guide/pkernfs.rst has the table that
 * this goes by: an ordinary user, root with all capabilities but one, and root.
 *
 * usage: privileges MOUNT VFIO_CDEV
 *
 * Debugfs is mounted on /sys/kernel/debug, and no image for kexec is loaded.
 */
#include <grp.h>
#include <linux/capability.h>
#include <linux/pkernfs.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "fs_vfio.h"

#define RAM	(4 * MIB)
#define IOVA	(1UL << 32)
#define USER	65534
#define ARMED	"/sys/fs/pkernfs/armed"

static int *shared;		/* tap_count, tap_failed */

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

/* State, and the physical address of the first IOVA */
static int info(int fd, uint64_t *phys)
{
	struct pkernfs_range range = { .phys = ~0ULL };
	struct pkernfs_info arg = {
		.size = sizeof(arg), .range_count = 1, .ranges = (uintptr_t)&range,
	};

	if (ioctl(fd, PKERNFS_INFO, &arg))
		return -1;
	*phys = range.phys;
	return arg.state;
}

/* There is no region 99, which is seen only by who may ask. */
static int format(void)
{
	struct pkernfs_format arg = { .size = sizeof(arg), .region = 99 };
	int fd = open("/dev/pkernfs", O_RDWR), ret, err;

	if (fd < 0)
		return -1;
	ret = ioctl(fd, PKERNFS_FORMAT, &arg);
	err = errno;
	close(fd);
	errno = err;
	return ret;
}

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), ret, err;

	if (fd < 0)
		return -1;
	ret = write(fd, text, strlen(text)) < 0 ? -1 : 0;
	err = errno;
	close(fd);
	errno = err;
	return ret;
}

static int get(const char *path)
{
	char buf[256];
	int fd = open(path, O_RDONLY), ret;

	if (fd < 0)
		return -1;
	ret = read(fd, buf, sizeof(buf)) < 0 ? -1 : 0;
	close(fd);
	return ret;
}

static void drop_caps(int but)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data))
		die("capget");
	data[but / 32].effective &= ~(1U << but % 32);
	data[but / 32].permitted &= ~(1U << but % 32);
	if (syscall(SYS_capset, &head, data))
		die("capset");
}

/* Run it in a child: as the user, or as root without one capability (-1: with all). */
static void as(uid_t uid, int but, void (*run)(void))
{
	int status = -1;

	fflush(stdout);
	if (!fork()) {
		if (but >= 0)
			drop_caps(but);
		if (uid && (setgroups(0, NULL) || setresgid(uid, uid, uid) ||
			    setresuid(uid, uid, uid)))
			die("setuid");
		run();
		shared[0] = tap_count;
		shared[1] = tap_failed;
		exit(0);
	}
	if (wait(&status) < 0 || status)
		die("a child");
	tap_count = shared[0];
	tap_failed = shared[1];
}

/* A read of the region itself, which is all that its guests have in memory */
static int device(void)
{
	return get("/dev/pkernfs0");
}

/* What is everybody's to see, and root's to do */
static void user_outside(void)
{
	fails(mount("region0", "/tmp", "pkernfs", 0, NULL), EPERM, "mount by a user");
	fails(umount("/mnt"), EPERM, "umount by a user");
	fails(format(), EACCES, "/dev/pkernfs for a user");
	fails(put(ARMED, "1"), EACCES, "arming by a user");
	fails(put(ARMED, "0"), EACCES, "disarming by a user");
	fails(get("/sys/fs/pkernfs/region0/granules_busy"), EACCES, "pins for a user");
	fails(get("/sys/fs/pkernfs/region0/bad_addresses"), EACCES, "bad pages for a user");
	fails(get("/sys/kernel/debug/pkernfs/devices"), EACCES, "debugfs for a user");
	fails(device(), EACCES, "/dev/pkernfs0 for a user");
	ok(!get(ARMED) && !get("/sys/fs/pkernfs/region0/state"), "a user sees states");
}

/* The device is frozen to root's file. By the mode of that one: */
static void user_none(void)
{
	fails(open("root", O_RDONLY), EACCES, "open of a file that is not for users");
}

static void user_reads(void)
{
	int fd = open("root", O_RDONLY);
	uint64_t phys;

	ok(info(fd, &phys) == PKERNFS_STATE_FROZEN && !phys, "INFO by who may read, no addresses");
	fails(freeze(fd), EBADF, "FREEZE by who may only read");
	fails(simple(fd, PKERNFS_QUIESCE_IRQ), EBADF, "QUIESCE_IRQ by who may only read");
	fails(simple(fd, PKERNFS_UNFREEZE), EBADF, "UNFREEZE by who may only read");
	fails(simple(fd, PKERNFS_RELEASE), EBADF, "RELEASE by who may only read");
	fails(open("root", O_RDWR), EACCES, "open for writing");
}

static void user_writes(void)
{
	int fd = open("root", O_RDWR);
	uint64_t phys;

	ok(info(fd, &phys) == PKERNFS_STATE_FROZEN && !phys, "INFO by who may write, no addresses");
	fails(simple(fd, PKERNFS_RELEASE), EPERM, "RELEASE by who may write");
	ok(!simple(fd, PKERNFS_QUIESCE_IRQ), "QUIESCE_IRQ by who may write");
	ok(!simple(fd, PKERNFS_UNFREEZE), "UNFREEZE by who may write");
}

/* A VMM that is an ordinary user: it has been given the VFIO device, and a folder. */
static void user_owns(void)
{
	int fd = open("user/nic", O_CREAT | O_RDWR, 0600);
	uint64_t phys;

	ok(!freeze(fd), "FREEZE by a user who has file and device");
	ok(info(fd, &phys) == PKERNFS_STATE_FROZEN && !phys, "INFO, no addresses");
	fails(unlink("user/nic"), EBUSY, "unlink of his device file");
	fails(simple(fd, PKERNFS_RELEASE), EPERM, "RELEASE of his own device");
	ok(!get("/sys/fs/pkernfs/devices/0000:00:04.0/state"), "he sees its state");
	fails(get("/sys/kernel/debug/pkernfs/devices"), EACCES, "debugfs with it");
	ok(!simple(fd, PKERNFS_UNFREEZE), "UNFREEZE by him");
	ok(!freeze(fd), "FREEZE again, and he goes");
}

static void user_detached(void)
{
	int fd = open("user/nic", O_RDWR);
	uint64_t phys;

	ok(info(fd, &phys) == PKERNFS_STATE_DETACHED && !phys, "INFO by the owner");
	fails(simple(fd, PKERNFS_RELEASE), EPERM, "RELEASE by the owner, detached");
	fails(unlink("user/nic"), EBUSY, "unlink by the owner, detached");
}

static void root_no_admin(void)
{
	int fd = open("user/nic", O_RDWR);
	uint64_t phys;

	fails(mount("region0", "/tmp", "pkernfs", 0, NULL), EPERM, "mount without CAP_SYS_ADMIN");
	fails(format(), EPERM, "FORMAT without CAP_SYS_ADMIN");
	fails(device(), EPERM, "/dev/pkernfs0 without CAP_SYS_ADMIN");
	fails(simple(fd, PKERNFS_RELEASE), EPERM, "RELEASE without CAP_SYS_ADMIN");
	ok(info(fd, &phys) == PKERNFS_STATE_DETACHED && !phys, "INFO without CAP_SYS_ADMIN");
	fails(put(ARMED, "1"), ENOENT, "arming without CAP_SYS_ADMIN, and no image");
}

static void root_no_boot(void)
{
	fails(put(ARMED, "1"), EPERM, "arming without CAP_SYS_BOOT");
	fails(put(ARMED, "0"), EPERM, "disarming without CAP_SYS_BOOT");
	fails(format(), ENODEV, "FORMAT without CAP_SYS_BOOT, of no region");
}

/* All capabilities of a user namespace are none of the first one's. */
static void root_inside(void)
{
	int fd = open("user/nic", O_RDWR);
	uint64_t phys;

	ok(!unshare(CLONE_NEWUSER | CLONE_NEWNS), "a user namespace");
	fails(mount("region0", "/tmp", "pkernfs", 0, NULL), EPERM, "mount inside of it");
	fails(umount("/mnt"), EINVAL, "umount inside of it");
	fails(format(), EPERM, "FORMAT inside of it");
	fails(device(), EPERM, "/dev/pkernfs0 inside of it");
	fails(put(ARMED, "1"), EPERM, "arming inside of it");
	fails(put(ARMED, "0"), EPERM, "disarming inside of it");
	fails(simple(fd, PKERNFS_RELEASE), EPERM, "RELEASE inside of it");
	ok(info(fd, &phys) == PKERNFS_STATE_DETACHED && !phys, "INFO inside of it, no addresses");
}

static void root_all(void)
{
	int fd = open("user/nic", O_RDWR);
	uint64_t phys;

	ok(!get("/sys/kernel/debug/pkernfs/devices"), "debugfs for root");
	ok(!get("/sys/fs/pkernfs/region0/granules_busy"), "pins for root");
	ok(!get("/sys/fs/pkernfs/region0/bad_addresses"), "bad pages for root");
	ok(!device(), "/dev/pkernfs0 for root");
	ok(info(fd, &phys) == PKERNFS_STATE_DETACHED && phys, "INFO with addresses");
	ok(!simple(fd, PKERNFS_RELEASE), "RELEASE");
	ok(!unlink("user/nic"), "and the file may go");
}

int main(int argc, char **argv)
{
	uint64_t phys;
	int fd, ram;
	void *p;

	if (argc < 3)
		die("usage");
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	vfio_open(argv[2]);
	enter(argc, argv);
	chmod(".", 0755);
	mkdir("user", 0700);
	fd = open("root", O_CREAT | O_RDWR, 0600);
	ram = open("ram", O_CREAT | O_RDWR, 0600);
	ftruncate(ram, RAM);
	p = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_SHARED, ram, 0);
	if (shared == MAP_FAILED || fd < 0 || ram < 0 || p == MAP_FAILED ||
	    chown("user", USER, USER))
		die("set up");
	ok(!map(p, RAM, IOVA, true), "IOAS map");
	vfio_attach();

	as(USER, -1, user_outside);
	ok(!freeze(fd), "FREEZE by root");
	ok(info(fd, &phys) == PKERNFS_STATE_FROZEN && phys, "INFO with addresses");
	as(USER, -1, user_none);
	fchmod(fd, 0644);
	as(USER, -1, user_reads);
	fchmod(fd, 0666);
	as(USER, -1, user_writes);
	ok(info(fd, &phys) == PKERNFS_STATE_ORDINARY, "it is as before");

	as(USER, -1, user_owns);
	munmap(p, RAM);
	close(vfio);
	close(iommufd);
	as(USER, -1, user_detached);
	as(0, CAP_SYS_ADMIN, root_no_admin);
	as(0, CAP_SYS_BOOT, root_no_boot);
	as(0, -1, root_inside);
	as(0, -1, root_all);
	close(fd);
	close(ram);
	ok(!unlink("root") && !unlink("ram") && !rmdir("user"), "all may go");
	return tap_done();
}
