// SPDX-License-Identifier: GPL-2.0
/* Dirty tracking: what a VMM that migrates its guest asks of the HWPT. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/iommufd.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "vmm.h"

#define DIRTY_PAGE	4096

/**
 * dirty_track() - IOMMU_HWPT_SET_DIRTY_TRACKING; on begins with nothing dirty
 * @vmm: the VMM; it has a HWPT
 * @on: on or off
 *
 * Return: 0 or -errno.
 */
int dirty_track(struct vmm *vmm, bool on)
{
	struct iommu_hwpt_set_dirty_tracking set = {
		.size = sizeof(set),
		.flags = on ? IOMMU_HWPT_DIRTY_TRACKING_ENABLE : 0,
		.hwpt_id = vmm->hwpt_id,
	};

	if (ioctl(vmm->iommufd, IOMMU_HWPT_SET_DIRTY_TRACKING, &set))
		return vmm_fail("track", errno, "IOMMU_HWPT_SET_DIRTY_TRACKING");
	return 0;
}

/* One line for each run of dirty pages; how many pages there are, or -errno. */
static long dirty_map(struct vmm *vmm, const struct vmm_map *m)
{
	const u64 pages = m->len / DIRTY_PAGE;
	u64 *bits = calloc((pages + 63) / 64, sizeof(*bits));
	struct iommu_hwpt_get_dirty_bitmap get = {
		.size = sizeof(get),
		.hwpt_id = vmm->hwpt_id,
		.iova = m->iova,
		.length = m->len,
		.page_size = DIRTY_PAGE,
		.data = (uintptr_t)bits,
	};
	long found = 0;

	if (!bits)
		return vmm_fail("dirty", errno, "a bitmap");
	if (ioctl(vmm->iommufd, IOMMU_HWPT_GET_DIRTY_BITMAP, &get)) {
		free(bits);
		return vmm_fail("dirty", errno, "IOMMU_HWPT_GET_DIRTY_BITMAP");
	}
	for (u64 i = 0, n; i < pages; i += n ?: 1) {
		for (n = 0; i + n < pages && bits[(i + n) / 64] >> (i + n) % 64 & 1;)
			n++;
		if (n)
			printf("DIRTY iova=0x%llx bytes=0x%llx\n", m->iova + i * DIRTY_PAGE,
			       n * DIRTY_PAGE);
		found += n;
	}
	free(bits);
	return found;
}

/**
 * dirty_report() - IOMMU_HWPT_GET_DIRTY_BITMAP: what is dirty, and is not any more
 * @vmm: the VMM
 *
 * Return: 0 or -errno.
 */
int dirty_report(struct vmm *vmm)
{
	u64 pages = 0;

	for (unsigned int i = 0; i < vmm->mapped; i++) {
		long n = dirty_map(vmm, &vmm->map[i]);

		if (n < 0)
			return n;
		pages += n;
	}
	printf("BITMAP pages=%llu\n", pages);
	return 0;
}
