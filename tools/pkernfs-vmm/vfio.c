// SPDX-License-Identifier: GPL-2.0
/* The VFIO device and its address space: what any VMM calls, step by step. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/iommufd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm.h"

static int vfio_sysfs_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* Hand the device to vfio-pci, whatever driver has it now. */
static int vfio_take(struct vmm *vmm)
{
	char path[256], target[256];
	ssize_t n;
	int ret;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", vmm->bdf);
	n = readlink(path, target, sizeof(target) - 1);
	if (n > 0) {
		target[n] = 0;
		if (!strcmp(strrchr(target, '/') + 1, "vfio-pci"))
			return 0;
	}
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override",
		 vmm->bdf);
	ret = vfio_sysfs_write(path, "vfio-pci");
	if (ret)
		return vmm_fail("open", -ret, "write %s", path);
	if (n > 0) {
		snprintf(path, sizeof(path),
			 "/sys/bus/pci/devices/%s/driver/unbind", vmm->bdf);
		ret = vfio_sysfs_write(path, vmm->bdf);
		if (ret)
			return vmm_fail("open", -ret, "write %s", path);
	}
	ret = vfio_sysfs_write("/sys/bus/pci/drivers_probe", vmm->bdf);
	if (ret)
		return vmm_fail("open", -ret, "probe %s", vmm->bdf);
	return 0;
}

/**
 * vfio_open_device() - find and open the VFIO cdev of the PCI device
 * @vmm: the VMM
 *
 * Return: 0 or -errno.
 */
int vfio_open_device(struct vmm *vmm)
{
	char path[300] = "";
	struct dirent *e;
	DIR *dir;
	int ret;

	if (vmm->bind_driver) {
		ret = vfio_take(vmm);
		if (ret)
			return ret;
	}
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev",
		 vmm->bdf);
	dir = opendir(path);
	if (!dir)
		return vmm_fail("open", errno,
				"%s is not bound to vfio-pci (no %s)",
				vmm->bdf, path);
	path[0] = 0;
	while ((e = readdir(dir)))
		if (!strncmp(e->d_name, "vfio", 4))
			snprintf(path, sizeof(path), "/dev/vfio/devices/%s",
				 e->d_name);
	closedir(dir);
	if (!path[0])
		return vmm_fail("open", ENOENT, "%s has no VFIO cdev", vmm->bdf);
	vmm->dev_fd = open(path, O_RDWR | O_CLOEXEC);
	if (vmm->dev_fd < 0)
		return vmm_fail("open", errno, "open %s", path);
	if (vmm->join_path)
		return share_take(vmm);
	vmm->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (vmm->iommufd < 0)
		return vmm_fail("open", errno, "open /dev/iommu");
	return 0;
}

/**
 * vfio_bind() - VFIO_DEVICE_BIND_IOMMUFD
 * @vmm: the VMM
 *
 * Return: 0 or -errno.
 */
int vfio_bind(struct vmm *vmm)
{
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.iommufd = vmm->iommufd,
	};

	if (ioctl(vmm->dev_fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		return vmm_fail("bind", errno, "VFIO_DEVICE_BIND_IOMMUFD %s",
				vmm->bdf);
	vmm->dev_id = bind.out_devid;
	return 0;
}

static int vfio_map_one(struct vmm *vmm, const struct vmm_map *m)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | m->prot,
		.ioas_id = vmm->ioas_id,
		.length = m->len,
		.iova = m->iova,
	};
	struct iommu_ioas_map_file file = {
		.size = sizeof(file),
		.flags = map.flags,
		.ioas_id = vmm->ioas_id,
		.fd = vmm->ram_fd,
		.start = m->off,
		.length = m->len,
		.iova = m->iova,
	};
	void *anon;

	if (m->off == VMM_MAP_ANON) {
		anon = mmap(NULL, m->len, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (anon == MAP_FAILED)
			return vmm_fail("map", errno, "anonymous memory");
		map.user_va = (uintptr_t)anon;
	} else if (!ram_holds(vmm, m->off, m->len)) {
		return vmm_fail("map", ERANGE,
				"RAM offset 0x%llx + 0x%llx is outside of RAM",
				m->off, m->len);
	} else if (vmm->by_file) {
		if (ioctl(vmm->iommufd, IOMMU_IOAS_MAP_FILE, &file))
			return vmm_fail("map", errno,
					"IOMMU_IOAS_MAP_FILE 0x%llx + 0x%llx",
					m->iova, m->len);
		return 0;
	}
	if (m->off != VMM_MAP_ANON)
		map.user_va = (uintptr_t)(vmm->ram + m->off);
	if (ioctl(vmm->iommufd, IOMMU_IOAS_MAP, &map))
		return vmm_fail("map", errno, "IOMMU_IOAS_MAP 0x%llx + 0x%llx",
				m->iova, m->len);
	return 0;
}

/**
 * vfio_ioas() - IOMMU_IOAS_ALLOC
 * @vmm: the VMM
 *
 * Return: 0 or -errno.
 */
int vfio_ioas(struct vmm *vmm)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct iommu_option small = {
		.size = sizeof(small),
		.option_id = IOMMU_OPTION_HUGE_PAGES,
		.op = IOMMU_OPTION_OP_SET,
	};

	if (vmm->join_path)
		return 0;
	if (ioctl(vmm->iommufd, IOMMU_IOAS_ALLOC, &alloc))
		return vmm_fail("map", errno, "IOMMU_IOAS_ALLOC");
	vmm->ioas_id = alloc.out_ioas_id;
	small.object_id = vmm->ioas_id;
	if (vmm->small_pages && ioctl(vmm->iommufd, IOMMU_OPTION, &small))
		return vmm_fail("map", errno, "IOMMU_OPTION_HUGE_PAGES");
	return 0;
}

/**
 * vfio_map() - the next maps of the layout
 * @vmm: the VMM
 * @count: so many, or all that are left
 *
 * Return: 0 or -errno.
 */
int vfio_map(struct vmm *vmm, unsigned int count)
{
	int ret;

	while (count-- && vmm->mapped < vmm->maps) {
		ret = vfio_map_one(vmm, &vmm->map[vmm->mapped]);
		if (ret)
			return ret;
		vmm->mapped++;
	}
	return 0;
}

/**
 * vfio_hwpt() - IOMMU_HWPT_ALLOC: the page table, filled before it is attached
 * @vmm: the VMM
 *
 * Return: 0 or -errno.
 */
int vfio_hwpt(struct vmm *vmm)
{
	struct iommu_hwpt_alloc hwpt = {
		.size = sizeof(hwpt),
		.flags = vmm->hwpt_flags |
			 (vmm->track ? IOMMU_HWPT_ALLOC_DIRTY_TRACKING : 0),
		.dev_id = vmm->dev_id,
		.pt_id = vmm->ioas_id,
		.data_type = IOMMU_HWPT_DATA_NONE,
	};
	int ret;

	if (vmm->join_path && !vmm->own_hwpt)
		return 0;
	if (vmm->by_ioas) {
		vmm->hwpt_id = vmm->ioas_id;
		return share_leave(vmm);
	}
	if (ioctl(vmm->iommufd, IOMMU_HWPT_ALLOC, &hwpt))
		return vmm_fail("hwpt", errno, "IOMMU_HWPT_ALLOC");
	vmm->hwpt_id = hwpt.out_hwpt_id;
	ret = vmm->track ? dirty_track(vmm, true) : 0;
	return ret ?: share_leave(vmm);
}

/**
 * vfio_attach() - VFIO_DEVICE_ATTACH_IOMMUFD_PT; of a preserved device this is
 *	the restore
 * @vmm: the VMM
 *
 * Return: 0 or -errno.
 */
int vfio_attach(struct vmm *vmm)
{
	struct vfio_device_attach_iommufd_pt attach = {
		.argsz = sizeof(attach),
		.pt_id = vmm->hwpt_id,
	};
	int err;

	if (!ioctl(vmm->dev_fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach))
		return 0;
	err = errno;
	kept_info(vmm, true);
	return vmm_fail("attach", err, "VFIO_DEVICE_ATTACH_IOMMUFD_PT");
}

static int vfio_region(struct vmm *vmm, u32 index,
		       struct vfio_region_info *info)
{
	*info = (struct vfio_region_info) {
		.argsz = sizeof(*info),
		.index = index,
	};
	if (ioctl(vmm->dev_fd, VFIO_DEVICE_GET_REGION_INFO, info))
		return vmm_fail("bars", errno, "region %u of %s", index,
				vmm->bdf);
	return 0;
}

/**
 * vfio_driver() - the guest's driver of a device
 * @id: PCI device and vendor id
 * @class: class code without the revision
 *
 * Return: NULL if there is none.
 */
const struct vmm_driver *vfio_driver(u32 id, u32 class)
{
	static const struct vmm_driver * const drivers[] = {
		&nic_82574_driver, &nic_82576_driver, &nvme_driver, &edu_driver,
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(drivers); i++)
		if (drivers[i]->id ? drivers[i]->id == id : drivers[i]->class == class)
			return drivers[i];
	return NULL;
}

/**
 * vfio_bars() - find configuration space, map BAR 0, choose the guest's driver
 * @vmm: the VMM
 *
 * Return: 0 or -errno.
 */
int vfio_bars(struct vmm *vmm)
{
	struct vfio_region_info info;
	u32 id, class;
	int ret;

	ret = vfio_region(vmm, VFIO_PCI_CONFIG_REGION_INDEX, &info);
	if (ret)
		return ret;
	vmm->config_off = info.offset;
	errno = 0;	/* a short transfer sets none */
	if (pread(vmm->dev_fd, &id, sizeof(id), vmm->config_off) != sizeof(id))
		return vmm_fail("bars", errno ?: EIO, "read the PCI id");
	if (pread(vmm->dev_fd, &class, sizeof(class),
		  vmm->config_off + PCI_CLASS_REVISION) != sizeof(class))
		return vmm_fail("bars", errno ?: EIO, "read the PCI class");
	vmm->driver = vfio_driver(id, class >> 8);
	if (!vmm->driver)
		return vmm_fail("bars", ENODEV,
				"%s is %04x:%04x, no 82574 (8086:10d3), no 82576 (8086:10c9), no NVMe, no edu",
				vmm->bdf, id & 0xffff, id >> 16);
	ret = vfio_region(vmm, VFIO_PCI_BAR0_REGION_INDEX, &info);
	if (ret)
		return ret;
	vmm->bar0 = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 vmm->dev_fd, info.offset);
	if (vmm->bar0 == MAP_FAILED) {
		vmm->bar0 = NULL;
		return vmm_fail("bars", errno, "mmap BAR 0");
	}
	vmm->bar0_size = info.size;
	return 0;
}

/**
 * vfio_bus_master() - memory decode and bus mastering on, as the guest has them
 * @vmm: the VMM
 *
 * A VMM writes COMMAND at a restore too: VFIO begins with a fresh virtual copy.
 *
 * Return: 0 or -errno.
 */
int vfio_bus_master(struct vmm *vmm)
{
	u64 at = vmm->config_off + PCI_COMMAND;
	u16 command;

	errno = 0;
	if (pread(vmm->dev_fd, &command, 2, at) != 2)
		return vmm_fail("command", errno ?: EIO, "read COMMAND");
	command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	if (pwrite(vmm->dev_fd, &command, 2, at) != 2)
		return vmm_fail("command", errno ?: EIO, "write COMMAND");
	return 0;
}

/**
 * vfio_reset() - VFIO_DEVICE_RESET, if the device has a reset
 * @vmm: the VMM
 *
 * Return: 0 or -errno.
 */
int vfio_reset(struct vmm *vmm)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	if (ioctl(vmm->dev_fd, VFIO_DEVICE_GET_INFO, &info))
		return vmm_fail("reset", errno, "VFIO_DEVICE_GET_INFO");
	if (!(info.flags & VFIO_DEVICE_FLAGS_RESET))
		return 0;
	if (ioctl(vmm->dev_fd, VFIO_DEVICE_RESET))
		return vmm_fail("reset", errno, "VFIO_DEVICE_RESET");
	return 0;
}

/**
 * vfio_hot_reset() - VFIO_DEVICE_PCI_HOT_RESET: the bus that the device is on
 * @vmm: the VMM
 *
 * Return: 0 or -errno.
 */
int vfio_hot_reset(struct vmm *vmm)
{
	/* No group: all that is on the bus is of this iommufd. */
	struct vfio_pci_hot_reset reset = { .argsz = sizeof(reset) };

	if (ioctl(vmm->dev_fd, VFIO_DEVICE_PCI_HOT_RESET, &reset))
		return vmm_fail("hot-reset", errno, "VFIO_DEVICE_PCI_HOT_RESET");
	return 0;
}

/**
 * vfio_d3() - the guest writes D3hot into PMCSR
 * @vmm: the VMM
 *
 * Return: 0 or -errno.
 */
int vfio_d3(struct vmm *vmm)
{
	u8 at = 0, id = 0;
	u16 pmcsr = 3;

	pread(vmm->dev_fd, &at, 1, vmm->config_off + PCI_CAPABILITY_LIST);
	for (; at; pread(vmm->dev_fd, &at, 1, vmm->config_off + at + PCI_CAP_LIST_NEXT)) {
		pread(vmm->dev_fd, &id, 1, vmm->config_off + at);
		if (id != PCI_CAP_ID_PM)
			continue;
		if (pwrite(vmm->dev_fd, &pmcsr, 2, vmm->config_off + at + PCI_PM_CTRL) != 2)
			return vmm_fail("d3", errno ?: EIO, "write PMCSR");
		return 0;
	}
	return vmm_fail("d3", ENODEV, "no power management capability");
}

static struct vmm *vfio_revoke_vmm;

/*
 * The mapping of BAR 0 is gone. It was a read or a write of it that was interrupted, so
 * stdio is not in the middle of anything. A real VMM would end here; this one stays, as it
 * is to be alive at the jump.
 */
static void vfio_on_sigbus(int sig)
{
	struct vmm *vmm = vfio_revoke_vmm;
	struct vfio_device_attach_iommufd_pt attach = {
		.argsz = sizeof(attach),
		.pt_id = vmm->hwpt_id,
	};
	struct vfio_region_info info;
	int err, attached;
	char late[100];
	u32 word;

	if (vfio_region(vmm, VFIO_PCI_BAR0_REGION_INDEX, &info))
		_exit(VMM_FAILED);
	errno = 0;
	pread(vmm->dev_fd, &word, sizeof(word), info.offset);
	err = errno;
	attached = ioctl(vmm->dev_fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach) ? errno : 0;
	kept_late(vmm, late, sizeof(late));
	vmm_step(vmm, "revoked", "signal=%d errno=%d attach=%d %s", sig, err, attached, late);
	for (;;)
		pause();
}

/**
 * vfio_revoked() - serve the guest until a kexec takes the device away
 * @vmm: the VMM
 *
 * It then says by which signal, with which errno a read fails, and with which the attach to
 * another HWPT that translates alike, and each ioctl of pkernfs. Does not return after that.
 *
 * Return: 0 when it was ended before, or -errno.
 */
int vfio_revoked(struct vmm *vmm)
{
	struct sigaction action = { .sa_handler = vfio_on_sigbus };
	int ret;

	if (!vmm->bar0)
		return vmm_fail("revoked", ENODEV, "the device is not open");
	/* Another one: an attach to that which it is attached to is none. */
	ret = vfio_hwpt(vmm);
	if (ret)
		return ret;
	vfio_revoke_vmm = vmm;
	if (sigaction(SIGBUS, &action, NULL))
		return vmm_fail("revoked", errno, "sigaction");
	while (!READ_ONCE(vmm->ended)) {
		script_serve(vmm, 1);
		(void)READ_ONCE(vmm->bar0[0]);
	}
	return 0;
}

/**
 * vfio_close() - what the end of the process does, in its order
 * @vmm: the VMM
 */
void vfio_close(struct vmm *vmm)
{
	if (vmm->bar0)
		munmap(vmm->bar0, vmm->bar0_size);
	vmm->bar0 = NULL;
	if (vmm->dev_fd >= 0)
		close(vmm->dev_fd);
	if (vmm->iommufd >= 0)
		close(vmm->iommufd);
	vmm->dev_fd = -1;
	vmm->iommufd = -1;
	vmm->live = false;
}
