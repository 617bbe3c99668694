// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: /sys/kernel/debug/pkernfs/devices, all that is known of preserved
 * devices, for a person to read. The format is no interface.
 *
 * With CONFIG_PKERNFS_KUNIT_TEST also regionN_stores: write n, and the stores to the
 * metadata of a loaded region after the next n do not happen, as if the kernel had stopped
 * there. Until it is loaded anew all that would change it fails with ESHUTDOWN. It reads how
 * many are left, -1: all.
 */
#include <linux/debugfs.h>
#include <linux/pci.h>
#include <linux/pkernfs.h>
#include <linux/pkernfs_iommu.h>
#include <linux/seq_file.h>

#include "device.h"
#include "pkernfs.h"

static int pkernfs_debugfs_range(u64 iova, u64 bytes, u64 phys, u32 prot, void *arg)
{
	struct seq_file *m = arg;

	seq_printf(m, "  %#018llx..%#018llx -> %#014llx %c%c\n", iova, iova + bytes - 1,
		   phys, prot & 1 ? 'r' : '-', prot & 2 ? 'w' : '-');
	return seq_has_overflowed(m) ? -ENOSPC : 0;
}

static void pkernfs_debugfs_device(struct seq_file *m, struct pkernfs_device *pd)
{
	const struct pkernfs_iommu_ser *ser = &pd->rec->iommu;
	struct pkernfs_refusal why;

	pkernfs_why_copy(&pd->why, &why);
	seq_printf(m, "%04x:%02x:%02x.%d %s%s%s%s%s\n", pd->segment, PCI_BUS_NUM(pd->rid),
		   PCI_SLOT(pd->rid), PCI_FUNC(pd->rid),
		   pkernfs_state_name(pkernfs_device_state(pd)),
		   READ_ONCE(pd->live) ? " live" : "", READ_ONCE(pd->waits) ? " waits" : "",
		   READ_ONCE(pd->left) ? " left" : "", pd->gone ? " gone" : "");
	seq_printf(m, "  region %u slot %u inode %llu/%u irq %s\n", pd->region->index, pd->slot,
		   le64_to_cpu(pd->rec->ino), le32_to_cpu(pd->rec->generation),
		   pkernfs_record_is_quiesced(pd->rec) ? "quiesced" : "uncertain");
	seq_printf(m, "  unit %#llx mode %u did %u aw %u root %#llx tables %llu pages %llu\n",
		   le64_to_cpu(ser->drhd_base), ser->mode, le16_to_cpu(ser->did), ser->aw,
		   le64_to_cpu(ser->ss_root), le64_to_cpu(ser->tables),
		   le64_to_cpu(ser->pages));
	if (why.error)
		seq_printf(m, "  error %d iova %#llx: %s\n", why.error, why.iova, why.text);
	pkernfs_iommu_ranges(pd, pkernfs_debugfs_range, m);
}

static int devices_show(struct seq_file *m, void *unused)
{
	struct pkernfs_device *pd;

	guard(mutex)(&pkernfs_transition_lock);
	list_for_each_entry(pd, &pkernfs_devices, node)
		pkernfs_debugfs_device(m, pd);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(devices);

#ifdef CONFIG_PKERNFS_KUNIT_TEST
static int pkernfs_stores_get(void *data, u64 *left)
{
	struct pkernfs_region *r = data;

	guard(mutex)(&pkernfs_format_lock);
	if (!r->core)
		return -ENXIO;
	*left = READ_ONCE(r->core->stores_left);
	return 0;
}

static int pkernfs_stores_set(void *data, u64 left)
{
	struct pkernfs_region *r = data;

	guard(mutex)(&pkernfs_format_lock);
	if (!r->core)
		return -ENXIO;
	guard(rwsem_write)(&r->core->lock);
	r->core->stores_left = left;
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE_SIGNED(stores_fops, pkernfs_stores_get, pkernfs_stores_set, "%lld\n");

static void __init pkernfs_stores_init(struct dentry *dir)
{
	struct pkernfs_region *r;
	char name[32];
	unsigned int i;

	for (i = 0; i < pkernfs_region_count(); i++) {
		r = pkernfs_region_get(i);
		snprintf(name, sizeof(name), "region%u_stores", r->index);
		debugfs_create_file(name, 0600, dir, r, &stores_fops);
	}
}
#else
static inline void pkernfs_stores_init(struct dentry *dir) { }
#endif

static int __init pkernfs_debugfs_init(void)
{
	struct dentry *dir = debugfs_create_dir("pkernfs", NULL);

	debugfs_create_file("devices", 0400, dir, NULL, &devices_fops);
	pkernfs_stores_init(dir);
	return 0;
}
late_initcall(pkernfs_debugfs_init);
