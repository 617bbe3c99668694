// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: preserved devices in sysfs, /sys/fs/pkernfs/devices/SSSS:BB:DD.F.
 */
#include <linux/kobject.h>
#include <linux/pci.h>
#include <linux/pkernfs.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "device.h"

static const char * const pkernfs_state_names[] = {
	[PKERNFS_STATE_ORDINARY]	= "ordinary",
	[PKERNFS_STATE_FROZEN]		= "frozen",
	[PKERNFS_STATE_DETACHED]	= "detached",
	[PKERNFS_STATE_HANDED_OVER]	= "handed-over",
	[PKERNFS_STATE_ADOPTED]		= "adopted",
	[PKERNFS_STATE_FAILED]		= "failed",
};

/**
 * pkernfs_state_name - a state in one word
 * @state: enum pkernfs_state
 */
const char *pkernfs_state_name(enum pkernfs_state state)
{
	return pkernfs_state_names[state];
}

/* A directory outlives its device only until the last open file is closed. */
struct pkernfs_device_dir {
	struct kobject kobj;
	struct pkernfs_device *pd;	/* kobject_del() waits for readers */
};

static struct kobject *pkernfs_devices_dir;

#define PKERNFS_DEVICE_ATTR(_name, _fmt, ...)					\
static ssize_t pkernfs_##_name##_show(struct kobject *kobj,			\
				      struct kobj_attribute *attr, char *buf)	\
{										\
	struct pkernfs_device *pd =						\
		container_of(kobj, struct pkernfs_device_dir, kobj)->pd;	\
	return sysfs_emit(buf, _fmt "\n", __VA_ARGS__);				\
}										\
static struct kobj_attribute pkernfs_##_name##_attr =				\
	__ATTR(_name, 0444, pkernfs_##_name##_show, NULL)

PKERNFS_DEVICE_ATTR(state, "%s", pkernfs_state_name(pkernfs_device_state(pd)));
/* The number in the name of its directory: one that is not in pkernfs= has no other. */
PKERNFS_DEVICE_ATTR(region, "%s", pd->region->dir ?
		    kobject_name(pd->region->dir) + strlen("region") : "");
PKERNFS_DEVICE_ATTR(slot, "%u", pd->slot);
PKERNFS_DEVICE_ATTR(inode, "%llu", le64_to_cpu(pd->rec->ino));
PKERNFS_DEVICE_ATTR(domain_id, "%u", le16_to_cpu(pd->rec->iommu.did));
PKERNFS_DEVICE_ATTR(pages, "%llu", le64_to_cpu(pd->rec->iommu.pages));
PKERNFS_DEVICE_ATTR(tables, "%llu", le64_to_cpu(pd->rec->iommu.tables));
PKERNFS_DEVICE_ATTR(irq, "%s", pkernfs_record_is_quiesced(pd->rec) ? "quiesced" : "uncertain");

static ssize_t pkernfs_reason_show(struct kobject *kobj, struct kobj_attribute *attr,
				   char *buf)
{
	struct pkernfs_device_dir *dir = container_of(kobj, struct pkernfs_device_dir, kobj);
	struct pkernfs_refusal why;

	pkernfs_why_copy(&dir->pd->why, &why);
	return sysfs_emit(buf, "%s\n", why.text);
}

static struct kobj_attribute pkernfs_reason_attr = __ATTR(reason, 0444,
							  pkernfs_reason_show, NULL);

static struct attribute *pkernfs_device_attrs[] = {
	&pkernfs_state_attr.attr,
	&pkernfs_region_attr.attr,
	&pkernfs_slot_attr.attr,
	&pkernfs_inode_attr.attr,
	&pkernfs_domain_id_attr.attr,
	&pkernfs_pages_attr.attr,
	&pkernfs_tables_attr.attr,
	&pkernfs_irq_attr.attr,
	&pkernfs_reason_attr.attr,
	NULL
};
ATTRIBUTE_GROUPS(pkernfs_device);

static void pkernfs_device_dir_release(struct kobject *kobj)
{
	kfree(container_of(kobj, struct pkernfs_device_dir, kobj));
}

static const struct kobj_type pkernfs_device_dir_type = {
	.release = pkernfs_device_dir_release,
	.sysfs_ops = &kobj_sysfs_ops,
	.default_groups = pkernfs_device_groups,
};

/**
 * pkernfs_device_sysfs_add - show a device in sysfs
 * @pd: device; without memory it is not shown, which harms nothing else
 */
void pkernfs_device_sysfs_add(struct pkernfs_device *pd)
{
	struct pkernfs_device_dir *dir;

	if (!pkernfs_devices_dir)
		pkernfs_devices_dir = kobject_create_and_add("devices", pkernfs_kobj);
	if (!pkernfs_devices_dir)
		return;
	dir = kzalloc_obj(*dir);
	if (!dir)
		return;
	dir->pd = pd;
	if (kobject_init_and_add(&dir->kobj, &pkernfs_device_dir_type, pkernfs_devices_dir,
				 "%04x:%02x:%02x.%d", pd->segment, pd->rid >> 8,
				 PCI_SLOT(pd->rid), PCI_FUNC(pd->rid))) {
		kobject_put(&dir->kobj);
		return;
	}
	pd->kobj = &dir->kobj;
}

/**
 * pkernfs_device_sysfs_remove - take a device out of sysfs
 * @pd: device; no reader looks at it any more after this
 */
void pkernfs_device_sysfs_remove(struct pkernfs_device *pd)
{
	if (!pd->kobj)
		return;
	kobject_del(pd->kobj);
	kobject_put(pd->kobj);
	pd->kobj = NULL;
}
