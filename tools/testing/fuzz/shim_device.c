// SPDX-License-Identifier: GPL-2.0
/*
 * What the validator calls of the rest of pkernfs: devices, without locks, sysfs, PCI
 * and IOMMU behind them.
 */
#include <stdarg.h>

#include "iommu.h"
#include "../../../drivers/iommu/intel/pkernfs.h"
#include "../../../fs/pkernfs/device.h"

int intel_iommu_sm;
int pkernfs_iommu_key;

struct pkernfs_device *pkernfs_device_new(struct pkernfs_region *r, u16 segment, u16 rid)
{
	struct pkernfs_device *pd = kzalloc_obj(*pd);

	if (!pd)
		return NULL;
	pd->region = r;
	pd->segment = segment;
	pd->rid = rid;
	return pd;
}

int pkernfs_device_add(struct pkernfs_device *pd)
{
	struct pkernfs_device *other;

	list_for_each_entry(other, &pkernfs_devices, node)
		if (other->segment == pd->segment && other->rid == pd->rid)
			return -EBUSY;
	list_add_tail(&pd->node, &pkernfs_devices);
	return 0;
}

void pkernfs_device_put(struct pkernfs_device *pd)
{
	free(pd);
}

int pkernfs_device_fail(struct pkernfs_device *pd, const char *fmt, ...)
{
	va_list args;

	pd->state = PKERNFS_STATE_FAILED;
	if (shim_verbose) {
		va_start(args, fmt);
		fprintf(stderr, "%02x:%02x.%d is cut off: ", pd->rid >> 8, PCI_SLOT(pd->rid),
			PCI_FUNC(pd->rid));
		vfprintf(stderr, fmt, args);
		fprintf(stderr, "\n");
		va_end(args);
	}
	return -EUCLEAN;
}

void pkernfs_iommu_stop_rid(u16 segment, u16 rid)
{
}

int pkernfs_pci_expect(struct pkernfs_device *pd)
{
	return 0;
}

struct pkernfs_fixed *pkernfs_fixed_alloc(struct pkernfs_device *pd, struct intel_iommu *iommu)
{
	struct pkernfs_fixed *f = kzalloc_obj(*f);

	if (!f)
		return NULL;
	f->pd = pd;
	f->iommu = iommu;
	return f;
}

struct pkernfs_fixed *pkernfs_fixed_with(struct pkernfs_fixed *f)
{
	struct pkernfs_device *pd;

	list_for_each_entry(pd, &pkernfs_devices, node)
		if (pd != f->pd && pd->fixed && pkernfs_to_fixed(pd->fixed)->ss.root == f->ss.root)
			return pkernfs_to_fixed(pd->fixed);
	return NULL;
}

static int shim_drop_leaf(const struct pkernfs_ss_leaf *leaf, void *arg)
{
	pkernfs_unhold(((struct pkernfs_device *)arg)->region, leaf->oa, leaf->bytes);
	return 0;
}

static void shim_drop_table(phys_addr_t table, void *arg)
{
	pkernfs_pool_free(((struct pkernfs_device *)arg)->region, phys_to_virt(table));
}

void pkernfs_device_finish(struct pkernfs_device *pd)
{
	struct pkernfs_ss_visitor v = {
		.leaf = shim_drop_leaf, .table_done = shim_drop_table, .arg = pd,
	};

	list_del(&pd->node);
	pkernfs_ino_clear_device(pd->region, pd);
	pkernfs_record_retract(pd);
	if (pd->fixed) {
		struct pkernfs_fixed *f = pkernfs_to_fixed(pd->fixed);

		if (!pkernfs_fixed_with(f))
			pkernfs_ss_walk(&f->ss, &v);
		free(f);
	}
	free(pd);
}
