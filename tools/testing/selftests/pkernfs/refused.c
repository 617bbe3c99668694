// SPDX-License-Identifier: GPL-2.0
/*
 * refused MOUNT VFIO_CDEV ERRNO TEXT [HOW] - one FREEZE, and what comes of it
 *
 * A file of MOUNT is mapped for the device and the device is attached, as a VMM does.
 * FREEZE has to fail with ERRNO; INFO has to say that, and INFO and the kernel's log a
 * reason that contains TEXT. Or, if ERRNO is 0, it has to succeed, and the device is left
 * behind, detached. HOW tells what is otherwise:
 *
 *	unattached	the device is not attached
 *	empty		nothing is mapped for it
 *	sparse		RAM is mapped at places that need many second-stage tables
 *	often		RAM is mapped again and again: 64 times a region of 64 MiB
 *	unlinked	the RAM file has no name
 *	undecoded	memory decode is off
 *	asleep		the device is in D3hot
 *	mapped		the device file is mapped
 *	again		it has been frozen by another file
 *	dmabuf		a dma-buf is mapped as well, of the device's own BAR 0
 */
#include <linux/pci_regs.h>
#include <linux/pkernfs.h>

#include "fs_vfio.h"

#define RAM	(4 * MIB)
#define IOVA	(1UL << 32)

static const char *how;

static bool is(const char *what)
{
	return !strcmp(how, what);
}

static int freeze(int fd)
{
	struct pkernfs_freeze arg = { .size = sizeof(arg), .vfio_fd = vfio };

	return ioctl(fd, PKERNFS_FREEZE, &arg);
}

/* A word of the device's configuration, as its guest would write it. */
static void config_write(unsigned int at, uint16_t clear, uint16_t set)
{
	struct vfio_region_info r = {
		.argsz = sizeof(r), .index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	uint16_t word;

	if (ioctl(vfio, VFIO_DEVICE_GET_REGION_INFO, &r) ||
	    pread(vfio, &word, sizeof(word), r.offset + at) != sizeof(word))
		die("read the configuration");
	word = (word & ~clear) | set;
	if (pwrite(vfio, &word, sizeof(word), r.offset + at) != sizeof(word))
		die("write the configuration");
}

static unsigned int pm_capability(void)
{
	struct vfio_region_info r = {
		.argsz = sizeof(r), .index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	uint8_t at = 0, id;

	if (ioctl(vfio, VFIO_DEVICE_GET_REGION_INFO, &r))
		die("configuration");
	pread(vfio, &at, 1, r.offset + PCI_CAPABILITY_LIST);
	for (; at; pread(vfio, &at, 1, r.offset + at + PCI_CAP_LIST_NEXT))
		if (pread(vfio, &id, 1, r.offset + at) == 1 && id == PCI_CAP_ID_PM)
			return at;
	errno = ENODEV;
	die("power management");
	return 0;
}

/* Is there a line of the log, from here on, that names errno and reason? */
static bool log_has(int log, int err, const char *text)
{
	char line[1024], head[64];
	ssize_t n;

	snprintf(head, sizeof(head), "pkernfs: refused (-%d): ", err);
	for (;;) {
		n = read(log, line, sizeof(line) - 1);
		if (n < 0 && errno == EPIPE)
			continue;	/* overwritten meanwhile */
		if (n <= 0)
			return false;
		line[n] = 0;
		if (strstr(line, head) && strstr(line, text))
			return true;
	}
}

static void map_bar(void)
{
	const size_t bytes = sizeof(struct vfio_device_feature) +
			     sizeof(struct vfio_device_feature_dma_buf) +
			     sizeof(struct vfio_region_dma_range);
	struct vfio_device_feature *f = calloc(1, bytes);
	struct vfio_device_feature_dma_buf *buf = (void *)f->data;
	int fd;

	f->argsz = bytes;
	f->flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF;
	buf->region_index = VFIO_PCI_BAR0_REGION_INDEX;
	buf->open_flags = O_RDWR | O_CLOEXEC;
	buf->nr_ranges = 1;
	buf->dma_ranges[0].length = 4096;
	fd = ioctl(vfio, VFIO_DEVICE_FEATURE, f);
	if (fd < 0 || map_file(fd, 0, 4096, IOVA + (1UL << 30), true))
		die("a dma-buf");
	free(f);
}

static void set_up(void *p)
{
	unsigned int i;

	if (is("sparse"))
		/* Each takes a table of its own on two levels. */
		for (i = 0; i < 400; i++)
			if (map(p, 4096, IOVA + i * (1UL << 30), true))
				die("map");
	for (i = 1; is("often") && i <= 64 * 64 * MIB / RAM; i++)
		if (map(p, RAM, IOVA + i * RAM, true))
			die("map");
	if (!is("sparse") && !is("empty") && map(p, RAM, IOVA, true))
		die("map");
	if (!is("unattached"))
		vfio_attach();
	if (is("dmabuf"))
		map_bar();
	if (is("undecoded"))
		config_write(PCI_COMMAND, PCI_COMMAND_MEMORY, 0);
	if (is("asleep"))
		config_write(pm_capability() + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK, 3);
}

int main(int argc, char **argv)
{
	struct pkernfs_simple simple = { .size = sizeof(simple) };
	struct pkernfs_info info = { .size = sizeof(info) };
	char ram_name[80], name[64];
	const char *slash;
	int fd, first, log, ram, want, err;
	void *p;

	if (argc < 5)
		die("usage: refused MOUNT VFIO_CDEV ERRNO TEXT [HOW]");
	want = atoi(argv[3]);
	how = argc > 5 ? argv[5] : "";
	vfio_open(argv[2]);
	enter(argc, argv);
	slash = strrchr(argv[2], '/');
	snprintf(name, sizeof(name), "%s", slash ? slash + 1 : argv[2]);
	snprintf(ram_name, sizeof(ram_name), "%s-ram", name);
	first = create(name);
	fd = first;
	ram = create(ram_name);
	ftruncate(ram, RAM);
	p = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_SHARED, ram, 0);
	log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	if (p == MAP_FAILED || log < 0 || lseek(log, 0, SEEK_END) < 0)
		die("set up");
	set_up(p);
	if (is("unlinked"))
		unlink(ram_name);
	if (is("mapped") && mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED)
		die("mmap of the device file");
	if (is("again")) {
		ok(!freeze(first), "FREEZE");
		fd = create("other");
	}

	err = freeze(fd) ? errno : 0;
	ok(err == want, "FREEZE gives %d: %s", err, err ? strerror(err) : "done");
	ok(!ioctl(fd, PKERNFS_INFO, &info), "INFO");
	if (!want) {
		ok(info.state == PKERNFS_STATE_FROZEN && !info.error, "it is frozen");
		return tap_done();
	}
	ok(info.state == PKERNFS_STATE_ORDINARY && info.error == (uint32_t)want &&
	   strstr(info.reason, argv[4]), "INFO has error %u: %s", info.error, info.reason);
	ok(log_has(log, want, argv[4]), "the log says so");
	if (!err)
		ioctl(fd, PKERNFS_UNFREEZE, &simple);
	if (is("again"))
		ok(!unlink("other") && !ioctl(first, PKERNFS_UNFREEZE, &simple), "UNFREEZE");
	unlink(ram_name);
	ok(!unlink(name), "the file is an ordinary one");
	return tap_done();
}
