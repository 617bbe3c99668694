/* SPDX-License-Identifier: GPL-2.0 */
/* pkernfs selftests: a VFIO device and an IOAS of its own, for fs_test.h's users. */
#ifndef PKERNFS_FS_VFIO_H
#define PKERNFS_FS_VFIO_H

#include <linux/iommufd.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>

#include "fs_test.h"

static int vfio, iommufd;
static uint32_t ioas;

/* Open and bind; there is an IOAS after it, attached to nothing. */
static inline void vfio_open(const char *cdev)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };

	vfio = open(cdev, O_RDWR);
	iommufd = open("/dev/iommu", O_RDWR);
	if (vfio < 0 || iommufd < 0)
		die(cdev);
	bind.iommufd = iommufd;
	if (ioctl(vfio, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		die("bind");
	if (ioctl(iommufd, IOMMU_IOAS_ALLOC, &alloc))
		die("IOAS");
	ioas = alloc.out_ioas_id;
}

static inline void vfio_attach(void)
{
	struct vfio_device_attach_iommufd_pt at = { .argsz = sizeof(at), .pt_id = ioas };

	if (ioctl(vfio, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &at))
		die("attach");
}

static inline int map(void *p, size_t bytes, uint64_t iova, bool write)
{
	struct iommu_ioas_map m = {
		.size = sizeof(m),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 (write ? IOMMU_IOAS_MAP_WRITEABLE : 0),
		.ioas_id = ioas,
		.user_va = (uintptr_t)p,
		.length = bytes,
		.iova = iova,
	};

	return ioctl(iommufd, IOMMU_IOAS_MAP, &m);
}

static inline int map_file(int fd, uint64_t start, size_t bytes, uint64_t iova, bool write)
{
	struct iommu_ioas_map_file m = {
		.size = sizeof(m),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 (write ? IOMMU_IOAS_MAP_WRITEABLE : 0),
		.ioas_id = ioas,
		.fd = fd,
		.start = start,
		.length = bytes,
		.iova = iova,
	};

	return ioctl(iommufd, IOMMU_IOAS_MAP_FILE, &m);
}

static inline int unmap(uint64_t iova, size_t bytes)
{
	struct iommu_ioas_unmap u = {
		.size = sizeof(u),
		.ioas_id = ioas,
		.iova = iova,
		.length = bytes,
	};

	return ioctl(iommufd, IOMMU_IOAS_UNMAP, &u);
}

#endif
