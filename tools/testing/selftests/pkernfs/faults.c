// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: each call of a live update with its n-th allocation or copy failing, for
 * every n. After a failure the device is in the state that it was in, and the same
 * call succeeds; at the end nothing is held.
 *
 * usage: faults MOUNT VFIO_CDEV
 *        faults MOUNT VFIO_CDEV RAM DEVICE [release]
 *
 * Needs a kernel with fault injection; the device is bound to vfio-pci, is enabled,
 * and has no reset, so that opening it takes no time.
 *
 * The second way is for a device that a VMM has left at work, detached, in the file
 * DEVICE, with its RAM in the file RAM: it is left like that, too, and never ceases to
 * work meanwhile. What stops it comes when nobody needs it any more: RELEASE.
 */
#include <linux/pkernfs.h>

#include "fs_vfio.h"

#define IOVA	(1UL << 32)	/* where pkernfs-vmm has RAM, too */
#define MOST	400		/* calls of one kind: it has to come to an end */

static const char *cdev;
static int nth, file;
static void *ram;
static size_t ram_bytes = 4 * MIB;
static bool at_work;		/* the device does DMA */

/* The @n-th point of this thread fails from now on; 0: none. */
static void inject(int n)
{
	dprintf(nth, "%d", n);
}

/* End of it; true if something did fail. Reading may be what fails: then nothing did. */
static bool injected(void)
{
	char left[16] = "";
	bool hit = pread(nth, left, sizeof(left) - 1, 0) > 0 && !atoi(left);

	inject(0);
	return hit;
}

static void setting(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		die(path);
	close(fd);
}

static int state(void)
{
	struct pkernfs_info i = { .size = sizeof(i) };

	return ioctl(file, PKERNFS_INFO, &i) ? -1 : (int)i.state;
}

static int freeze(void)
{
	struct pkernfs_freeze arg = { .size = sizeof(arg), .vfio_fd = vfio };

	return ioctl(file, PKERNFS_FREEZE, &arg);
}

static int simple(unsigned long cmd)
{
	struct pkernfs_simple arg = { .size = sizeof(arg) };

	return ioctl(file, cmd, &arg);
}

static int quiesce(void) { return simple(PKERNFS_QUIESCE_IRQ); }
static int unfreeze(void) { return simple(PKERNFS_UNFREEZE); }
static int release(void) { return simple(PKERNFS_RELEASE); }

static int get_info(void)
{
	struct pkernfs_range range[4];
	struct pkernfs_info i = { .size = sizeof(i), .range_count = 4,
				  .ranges = (uintptr_t)range };

	return ioctl(file, PKERNFS_INFO, &i);
}

/* A user in its steps; what one fails to do the next call does again. */
static int user_open(void)
{
	if (vfio < 0)
		vfio = open(cdev, O_RDWR);
	if (vfio >= 0 && iommufd < 0)
		iommufd = open("/dev/iommu", O_RDWR);
	return iommufd < 0 ? -1 : 0;
}

static int user_bind(void)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = iommufd };

	return ioctl(vfio, VFIO_DEVICE_BIND_IOMMUFD, &bind);
}

static int user_map(void)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };

	if (!ioas && ioctl(iommufd, IOMMU_IOAS_ALLOC, &alloc))
		return -1;
	if (!ioas)
		ioas = alloc.out_ioas_id;
	/* What fails to be copied back is mapped all the same. */
	unmap(IOVA, ram_bytes);
	return map(ram, ram_bytes, IOVA, true);
}

static int user_attach(void)
{
	struct vfio_device_attach_iommufd_pt at = { .argsz = sizeof(at), .pt_id = ioas };

	return ioctl(vfio, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &at);
}

static void user_close(void)
{
	if (vfio >= 0)
		close(vfio);
	if (iommufd >= 0)
		close(iommufd);
	vfio = -1;
	iommufd = -1;
	ioas = 0;
}

static void user_all(void)
{
	if (user_open() || user_bind() || user_map() || user_attach())
		die("a user");
}

/* Points of a call that succeeds. */
static int points(int (*call)(void))
{
	char left[16] = "";

	inject(100 * MOST);
	if (call() || pread(nth, left, sizeof(left) - 1, 0) <= 0)
		die("points");
	inject(0);
	return 100 * MOST - atoi(left);
}

/*
 * Each point of @call in turn, up to @last if not 0. It begins in state @before and ends, when it
 * succeeds, in @after, from where @undo leads back (NULL: nothing to do).
 */
static void sweep_to(int last, const char *name, int (*call)(void), int before, int after,
		     void (*undo)(void))
{
	int n, failed = 0, wrong = 0;

	for (n = 1; n < MOST && (!last || n <= last); n++) {
		bool hit;
		int ret, error;

		inject(n);
		ret = call();
		error = errno;
		hit = injected();
		/*
		 * What VFIO cannot copy back to its user it undoes: the device has been
		 * attached, and is detached, as any other is that is not preserved.
		 */
		if (ret && error == EFAULT && call == user_attach && state() == after) {
			failed++;
			ret = call();
		}
		if (ret)
			failed++;
		if (state() != (ret ? before : after) && wrong++ < 3)
			ok(false, "%s, point %d: returned %d, state %d", name, n, ret, state());
		if (ret && !hit && wrong++ < 3)
			ok(false, "%s fails without a fault", name);
		if (!ret && undo)
			undo();
		if (!hit)
			break;
	}
	ok(n < MOST && !wrong, "%s: %d points, %d of them fail it", name, n - 1, failed);
}

static void sweep(const char *name, int (*call)(void), int before, int after,
		  void (*undo)(void))
{
	sweep_to(0, name, call, before, after, undo);
}

static void undo_freeze(void)
{
	if (unfreeze())
		die("undo freeze");
}

static void again_frozen(void)
{
	if (freeze())
		die("freeze again");
}

static void requiesce(void)
{
	if (unfreeze() || freeze())
		die("undo quiesce");
}

/* From an attached user to a device without one */
static void leave(void)
{
	if (state() == PKERNFS_STATE_ORDINARY && freeze())
		die("freeze");
	user_close();
}

static void reopen(void)
{
	user_close();
	if (user_open())
		die("open");
}

static void rebind(void)
{
	reopen();
	if (user_bind())
		die("bind");
}

static void remap(void)
{
	rebind();
	if (user_map())
		die("map");
}

static void refrozen(void)
{
	leave();
	remap();
}

static void released(void)
{
	user_all();
	leave();
}

/* What a VMM has left: the device, detached, and the RAM that it works in. */
static void take_over(const char *ram_path, const char *device)
{
	struct stat st;
	int fd = open(ram_path, O_RDWR);

	file = open(device, O_RDWR);
	if (file < 0 || fd < 0 || fstat(fd, &st))
		die("files");
	ram_bytes = st.st_size;
	ram = mmap(NULL, ram_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ram == MAP_FAILED)
		die("mmap");
	close(fd);
	ok(state() == PKERNFS_STATE_DETACHED, "left by a VMM");
}

/* From an attached user to a device without one, and back */
static void frozen(void)
{
	sweep("FREEZE", freeze, PKERNFS_STATE_ORDINARY, PKERNFS_STATE_FROZEN, undo_freeze);
	again_frozen();
	sweep("UNFREEZE", unfreeze, PKERNFS_STATE_FROZEN, PKERNFS_STATE_ORDINARY, again_frozen);
	sweep("QUIESCE_IRQ", quiesce, PKERNFS_STATE_FROZEN, PKERNFS_STATE_FROZEN, requiesce);
	sweep("INFO", get_info, PKERNFS_STATE_FROZEN, PKERNFS_STATE_FROZEN, NULL);
	leave();
	ok(state() == PKERNFS_STATE_DETACHED, "detached");
}

static void taken_back(void)
{
	int last = 0;

	sweep("open", user_open, PKERNFS_STATE_DETACHED, PKERNFS_STATE_DETACHED, user_close);
	reopen();
	sweep("BIND", user_bind, PKERNFS_STATE_DETACHED, PKERNFS_STATE_DETACHED, reopen);
	rebind();
	sweep("map", user_map, PKERNFS_STATE_DETACHED, PKERNFS_STATE_DETACHED, rebind);
	remap();
	/* The copy to the user is the last point, and takes the device from its work. */
	if (at_work) {
		last = points(user_attach) - 1;
		refrozen();
	}
	sweep_to(last, "ATTACH", user_attach, PKERNFS_STATE_DETACHED, PKERNFS_STATE_ORDINARY,
		 refrozen);
}

static void given_up(void)
{
	sweep("RELEASE", release, PKERNFS_STATE_DETACHED, PKERNFS_STATE_ORDINARY, released);
	if (state() != PKERNFS_STATE_ORDINARY)
		ok(!release(), "RELEASE");
}

static void alone(void)
{
	uint64_t before = free_bytes();
	int ram_fd;

	file = open("nic", O_CREAT | O_RDWR, 0600);
	ram_fd = open("ram", O_CREAT | O_RDWR, 0600);
	if (file < 0 || ram_fd < 0 || ftruncate(ram_fd, ram_bytes))
		die("files");
	ram = mmap(NULL, ram_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ram_fd, 0);
	if (ram == MAP_FAILED)
		die("mmap");
	fill(ram, ram_bytes, 7);

	user_all();
	frozen();
	taken_back();
	user_close();
	given_up();

	ok(filled(ram, ram_bytes, 7), "memory is as it was");
	munmap(ram, ram_bytes);
	ok(!unlink("ram") && !unlink("nic"), "all may go");
	close(file);
	close(ram_fd);
	ok(free_bytes() == before, "and has left nothing");
}

int main(int argc, char **argv)
{
	if (argc < 3 || argc == 4)
		die("usage");
	cdev = argv[2];
	vfio = -1;
	iommufd = -1;
	enter(argc, argv);
	setting("/sys/kernel/debug/failslab/ignore-gfp-wait", "N");
	setting("/sys/kernel/debug/failslab/verbose", "0");
	setting("/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N");
	setting("/sys/kernel/debug/fail_page_alloc/min-order", "0");
	setting("/sys/kernel/debug/fail_page_alloc/verbose", "0");
	setting("/sys/kernel/debug/fail_usercopy/verbose", "0");
	nth = open("/proc/self/fail-nth", O_RDWR);
	if (nth < 0)
		die("fail-nth");

	if (argc == 3) {
		alone();
		return tap_done();
	}
	at_work = argc == 5;
	take_over(argv[3], argv[4]);
	if (!at_work) {
		given_up();
		return tap_done();
	}
	user_all();
	frozen();
	taken_back();
	leave();
	return tap_done();
}
