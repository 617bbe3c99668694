// SPDX-License-Identifier: GPL-2.0
/*
 * races MOUNT CDEV SECONDS - the transitions of a device against its user
 *
 * One thread opens a VFIO device, maps a file of MOUNT, attaches, connects
 * interrupts and closes it again, over and over. Two others call FREEZE,
 * QUIESCE_IRQ, UNFREEZE, RELEASE and INFO in any order, whatever the first one is
 * at. Almost any call may fail; the kernel is the judge, and each call has to have
 * succeeded now and then or nothing was tested.
 *
 * Before that three things that have to come out one way: interrupts that are set up
 * beside a FREEZE that is refused are on after it; a device with MSI is not frozen; and
 * one that has been taken back can be frozen into another file at once.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/iommufd.h>
#include <linux/pci_regs.h>
#include <linux/pkernfs.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define RAM_BYTES	(4UL << 20)
#define OTHER_IOVA	(1UL << 32)	/* what no FREEZE can carry */
#define VECTORS		2
#define ENOUGH		3	/* of each call */

enum { OPEN, ATTACH, FREEZE, QUIESCE, UNFREEZE, RELEASE, INFO, KINDS };

static const char * const kinds[KINDS] = {
	"open", "attach", "freeze", "quiesce", "unfreeze", "release", "info"
};

static const char *cdev;
static int device_file;
static int other_file;
static int config = -1;
static unsigned int msix_at;	/* in it */
static void *ram;
static void *other;	/* to be mapped as well, no file's; NULL: nothing */
static int eventfds[VECTORS];
static atomic_int device = -1;
static atomic_bool stop;
static atomic_ulong done[KINDS];

static void count(int kind, int ret)
{
	if (!ret)
		atomic_fetch_add(&done[kind], 1);
}

static void wait_up_to(unsigned int us, unsigned int *seed)
{
	usleep(rand_r(seed) % us);
}

static int user_attach(int fd, int iommufd)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = iommufd };
	struct iommu_ioas_alloc ioas = { .size = sizeof(ioas) };
	struct iommu_hwpt_alloc hwpt = { .size = sizeof(hwpt) };
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach) };
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.user_va = (uintptr_t)ram,
		.length = RAM_BYTES,
	};

	if (ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &bind) ||
	    ioctl(iommufd, IOMMU_IOAS_ALLOC, &ioas))
		return -1;
	map.ioas_id = ioas.out_ioas_id;
	hwpt.dev_id = bind.out_devid;
	hwpt.pt_id = ioas.out_ioas_id;
	if (ioctl(iommufd, IOMMU_IOAS_MAP, &map))
		return -1;
	map.user_va = (uintptr_t)other;
	map.length = 4096;
	map.iova = OTHER_IOVA;
	if ((other && ioctl(iommufd, IOMMU_IOAS_MAP, &map)) ||
	    ioctl(iommufd, IOMMU_HWPT_ALLOC, &hwpt))
		return -1;
	attach.pt_id = hwpt.out_hwpt_id;
	return ioctl(fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach);
}

static void user_config(int fd)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	uint16_t command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;

	if (!ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &info) &&
	    pwrite(fd, &command, sizeof(command), info.offset + PCI_COMMAND) < 0)
		warn("command register");
}

/* So msix vectors; 0: off */
static int user_irqs(int fd, unsigned int index, unsigned int vectors)
{
	char buf[sizeof(struct vfio_irq_set) + sizeof(eventfds)] __attribute__((aligned(8)));
	struct vfio_irq_set *set = (void *)buf;

	*set = (struct vfio_irq_set) {
		.argsz = sizeof(*set) + vectors * sizeof(eventfds[0]),
		.flags = (vectors ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE) |
			 VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = index,
		.count = vectors,
	};
	memcpy(set->data, eventfds, vectors * sizeof(eventfds[0]));
	return ioctl(fd, VFIO_DEVICE_SET_IRQS, set);
}

static void *user(void *arg)
{
	unsigned int seed = 1;
	int fd, iommufd, first;

	while (!stop) {
		fd = open(cdev, O_RDWR | O_CLOEXEC);
		iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
		if (fd < 0 || iommufd < 0)
			err(1, "open");
		atomic_store(&device, fd);
		if (!user_attach(fd, iommufd)) {
			count(ATTACH, 0);
			user_config(fd);
			if (rand_r(&seed) % 4)
				user_irqs(fd, VFIO_PCI_MSIX_IRQ_INDEX, VECTORS);
			wait_up_to(20000, &seed);
		}
		atomic_store(&device, -1);
		/* In either order, as an exit may do it. */
		first = rand_r(&seed) % 2 ? fd : iommufd;
		close(first);
		close(first == fd ? iommufd : fd);
		count(OPEN, 0);
		/* What it left is there for RELEASE, or for the next one to take up. */
		if (rand_r(&seed) % 2)
			wait_up_to(600000, &seed);
	}
	return arg;
}

static void *actor(void *arg)
{
	struct pkernfs_simple simple = { .size = sizeof(simple) };
	struct pkernfs_freeze freeze = { .size = sizeof(freeze) };
	struct pkernfs_info info = { .size = sizeof(info) };
	unsigned int seed = (uintptr_t)arg;

	while (!stop) {
		freeze.vfio_fd = device;
		/* Leave the CPU to the user; what it left is to be given up. */
		if (freeze.vfio_fd < 0) {
			wait_up_to(2000, &seed);
			if (rand_r(&seed) % 2)
				count(RELEASE, ioctl(device_file, PKERNFS_RELEASE, &simple));
			continue;
		}
		count(FREEZE, ioctl(device_file, PKERNFS_FREEZE, &freeze));
		if (rand_r(&seed) % 2)
			wait_up_to(2000, &seed);
		if (rand_r(&seed) % 4)
			count(QUIESCE, ioctl(device_file, PKERNFS_QUIESCE_IRQ, &simple));
		if (rand_r(&seed) % 2)
			wait_up_to(2000, &seed);
		count(INFO, ioctl(device_file, PKERNFS_INFO, &info));
		if (rand_r(&seed) % 2)
			count(UNFREEZE, ioctl(device_file, PKERNFS_UNFREEZE, &simple));
		/* Or two of these keep the user from everything. */
		wait_up_to(500, &seed);
	}
	return arg;
}

/* --- What has to come out one way -------------------------------------------------- */

static bool failed;

/* The others are looked at all the same. */
static void fails(const char *what)
{
	printf("%s: %s; ", what, strerror(errno));
	failed = true;
	stop = true;
}

static void user_open(int *fd, int *iommufd)
{
	*fd = open(cdev, O_RDWR | O_CLOEXEC);
	*iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (*fd < 0 || *iommufd < 0 || user_attach(*fd, *iommufd))
		err(1, "attach");
}

/* The device's own configuration, not what VFIO makes of it */
static uint16_t msix_control(void)
{
	uint16_t control;

	if (pread(config, &control, sizeof(control), msix_at + PCI_MSIX_FLAGS) !=
	    sizeof(control))
		err(1, "MSI-X control");
	return control;
}

static void open_config(void)
{
	uint8_t head[256];
	char path[256];

	snprintf(path, sizeof(path), "/sys/class/vfio-dev/%s/device/config",
		 strrchr(cdev, '/') + 1);
	config = open(path, O_RDONLY | O_CLOEXEC);
	if (config < 0 || pread(config, head, sizeof(head), 0) != sizeof(head))
		err(1, "%s", path);
	for (msix_at = head[PCI_CAPABILITY_LIST]; msix_at; msix_at = head[msix_at + 1])
		if (head[msix_at] == PCI_CAP_ID_MSIX)
			return;
	errx(1, "it has no MSI-X");
}

/* FREEZE, over and over; if it succeeds, QUIESCE_IRQ has to, and UNFREEZE */
static void *freezer(void *arg)
{
	struct pkernfs_simple simple = { .size = sizeof(simple) };
	struct pkernfs_freeze freeze = { .size = sizeof(freeze), .vfio_fd = device };
	unsigned long *frozen = arg;

	while (!stop) {
		if (ioctl(device_file, PKERNFS_FREEZE, &freeze)) {
			frozen[errno == EXDEV ? 1 : 2]++;
			continue;
		}
		frozen[0]++;
		if (ioctl(device_file, PKERNFS_QUIESCE_IRQ, &simple))
			fails("QUIESCE_IRQ of a device that could be frozen");
		if (ioctl(device_file, PKERNFS_UNFREEZE, &simple))
			fails("UNFREEZE");
	}
	return NULL;
}

/*
 * Interrupts are set up and taken away beside FREEZE. MSI-X: FREEZE is refused, as late as
 * can be. MSI: it is refused whenever there are any.
 */
static void against_freeze(unsigned int index, int seconds)
{
	const bool msix = index == VFIO_PCI_MSIX_IRQ_INDEX;
	unsigned long frozen[3] = { 0 }, ups = 0;
	int fd, iommufd, i;
	pthread_t thread;
	time_t end;

	if (msix)
		other = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	user_open(&fd, &iommufd);
	other = NULL;
	device = fd;
	stop = false;
	pthread_create(&thread, NULL, freezer, frozen);
	for (end = time(NULL) + seconds; time(NULL) < end && !stop;) {
		if (user_irqs(fd, index, msix ? VECTORS : 1)) {
			if (msix)
				err(1, "SET_IRQS");
			continue;
		}
		ups++;
		for (i = 0; msix && !stop && i < 20; i++)
			if (!(msix_control() & PCI_MSIX_FLAGS_ENABLE))
				fails("MSI-X was switched on, and is off");
		if (user_irqs(fd, index, 0) && msix)
			err(1, "SET_IRQS, off");
	}
	stop = true;
	pthread_join(thread, NULL);
	close(fd);
	close(iommufd);
	device = -1;
	printf("%s: ups=%lu frozen=%lu refused=%lu ", msix ? "msix" : "msi", ups, frozen[0],
	       frozen[1] + frozen[2]);
	if (!failed && (ups < ENOUGH || frozen[msix ? 1 : 2] < ENOUGH ||
			(msix ? frozen[0] : frozen[0] < ENOUGH)))
		errx(1, "too few, or one too msix");
}

/* Frozen, taken back by the attach, and frozen into another file */
static void two_files(int rounds)
{
	struct pkernfs_freeze freeze = { .size = sizeof(freeze) };
	struct pkernfs_simple simple = { .size = sizeof(simple) };
	int fd, iommufd, i;

	for (i = 0; i < rounds && !failed; i++) {
		user_open(&fd, &iommufd);
		freeze.vfio_fd = fd;
		if (ioctl(device_file, PKERNFS_FREEZE, &freeze))
			err(1, "FREEZE");
		close(fd);
		close(iommufd);
		user_open(&fd, &iommufd);
		freeze.vfio_fd = fd;
		if (ioctl(other_file, PKERNFS_FREEZE, &freeze))
			fails("FREEZE into another file");
		else if (ioctl(other_file, PKERNFS_UNFREEZE, &simple))
			err(1, "UNFREEZE");
		close(fd);
		close(iommufd);
	}
}

static bool enough(void)
{
	int i;

	for (i = 0; i < KINDS; i++)
		if (done[i] < ENOUGH)
			return false;
	return true;
}

int main(int argc, char **argv)
{
	struct pkernfs_simple simple = { .size = sizeof(simple) };
	pthread_t thread[3];
	char path[256];
	int i, fd;

	if (argc != 4)
		errx(2, "usage: races MOUNT CDEV SECONDS");
	cdev = argv[2];
	snprintf(path, sizeof(path), "%s/races-ram", argv[1]);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, RAM_BYTES))
		err(1, "%s", path);
	ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ram == MAP_FAILED)
		err(1, "mmap");
	snprintf(path, sizeof(path), "%s/races-device", argv[1]);
	device_file = open(path, O_RDWR | O_CREAT, 0600);
	if (device_file < 0)
		err(1, "%s", path);
	snprintf(path, sizeof(path), "%s/races-other", argv[1]);
	other_file = open(path, O_RDWR | O_CREAT, 0600);
	if (other_file < 0)
		err(1, "%s", path);
	for (i = 0; i < VECTORS; i++)
		eventfds[i] = eventfd(0, EFD_NONBLOCK);

	open_config();
	two_files(20);
	against_freeze(VFIO_PCI_MSI_IRQ_INDEX, atoi(argv[3]) / 2);
	against_freeze(VFIO_PCI_MSIX_IRQ_INDEX, atoi(argv[3]));
	if (failed)
		return 1;
	stop = false;
	pthread_create(&thread[0], NULL, user, NULL);
	pthread_create(&thread[1], NULL, actor, (void *)2);
	pthread_create(&thread[2], NULL, actor, (void *)3);
	/* On a slow machine longer, until there was some of each. */
	for (i = 0; i < 5 * atoi(argv[3]) && (i < atoi(argv[3]) || !enough()); i++)
		sleep(1);
	stop = true;
	for (i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	/* Nobody has it open: what is left is a detached device, if any. */
	ioctl(device_file, PKERNFS_RELEASE, &simple);

	for (i = 0; i < KINDS; i++)
		printf("%s=%lu%c", kinds[i], done[i], i == KINDS - 1 ? '\n' : ' ');
	for (i = 0; i < KINDS; i++)
		if (!done[i])
			errx(1, "%s never succeeded", kinds[i]);
	return 0;
}
