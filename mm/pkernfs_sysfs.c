// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: /sys/fs/pkernfs and a directory in it for each region.
 */

#define pr_fmt(fmt) "pkernfs: " fmt

#include <linux/fs.h>
#include <linux/init.h>
#include <linux/kobject.h>
#include <linux/pkernfs.h>
#include <linux/printk.h>
#include <linux/sysfs.h>

#include "pkernfs.h"

struct kobject *pkernfs_kobj;

static struct pkernfs_region *pkernfs_dir_region(struct kobject *dir)
{
	unsigned int i;

	for (i = 0; i < pkernfs_region_count(); i++)
		if (pkernfs_region_get(i)->dir == dir)
			return pkernfs_region_get(i);
	/* Only while the directory is being made. */
	return NULL;
}

static ssize_t base_show(struct kobject *dir, struct kobj_attribute *attr,
			 char *buf)
{
	struct pkernfs_region *r = pkernfs_dir_region(dir);

	return r ? sysfs_emit(buf, "%#llx\n", (u64)r->base) : -ENODEV;
}

static ssize_t size_show(struct kobject *dir, struct kobj_attribute *attr,
			 char *buf)
{
	struct pkernfs_region *r = pkernfs_dir_region(dir);

	return r ? sysfs_emit(buf, "%llu\n", r->bytes) : -ENODEV;
}

static ssize_t index_show(struct kobject *dir, struct kobj_attribute *attr,
			  char *buf)
{
	struct pkernfs_region *r = pkernfs_dir_region(dir);

	return r ? sysfs_emit(buf, "%d\n", (int)r->index) : -ENODEV;
}

static ssize_t node_show(struct kobject *dir, struct kobj_attribute *attr,
			 char *buf)
{
	struct pkernfs_region *r = pkernfs_dir_region(dir);

	if (!r || !r->virt)
		return -ENODEV;
	return sysfs_emit(buf, "%d\n", r->nid);
}

static ssize_t state_show(struct kobject *dir, struct kobj_attribute *attr,
			  char *buf)
{
	struct pkernfs_region *r = pkernfs_dir_region(dir);

	if (!r)
		return -ENODEV;
	if (READ_ONCE(r->reason))
		return sysfs_emit(buf, "refused\n");
	return sysfs_emit(buf, READ_ONCE(r->sb) ? "formatted\n" : "blank\n");
}

static ssize_t reason_show(struct kobject *dir, struct kobj_attribute *attr,
			   char *buf)
{
	struct pkernfs_region *r = pkernfs_dir_region(dir);

	return r ? sysfs_emit(buf, "%s\n", READ_ONCE(r->reason) ?: "") : -ENODEV;
}

static ssize_t handover_reason_show(struct kobject *dir, struct kobj_attribute *attr,
				    char *buf)
{
	struct pkernfs_region *r = pkernfs_dir_region(dir);

	return r ? sysfs_emit(buf, "%s\n", r->handover_why.text) : -ENODEV;
}

static struct kobj_attribute pkernfs_base_attr = __ATTR_RO(base);
static struct kobj_attribute pkernfs_size_attr = __ATTR_RO(size);
static struct kobj_attribute pkernfs_index_attr = __ATTR_RO(index);
static struct kobj_attribute pkernfs_node_attr = __ATTR_RO(node);
static struct kobj_attribute pkernfs_state_attr = __ATTR_RO(state);
static struct kobj_attribute pkernfs_reason_attr = __ATTR_RO(reason);
static struct kobj_attribute pkernfs_handover_reason_attr = __ATTR_RO(handover_reason);

static struct attribute *pkernfs_region_attrs[] = {
	&pkernfs_base_attr.attr,
	&pkernfs_size_attr.attr,
	&pkernfs_index_attr.attr,
	&pkernfs_node_attr.attr,
	&pkernfs_state_attr.attr,
	&pkernfs_reason_attr.attr,
	&pkernfs_handover_reason_attr.attr,
	NULL
};

static const struct attribute_group pkernfs_region_group = {
	.attrs = pkernfs_region_attrs,
};

/**
 * pkernfs_sysfs_add_region - make the directory of a region
 * @r: the region
 *
 * regionN with N its place on the command line; those that the hardware told
 * of are counted from 100. Without a directory the region works just as well.
 */
void __init pkernfs_sysfs_add_region(struct pkernfs_region *r)
{
	static unsigned int unnamed __initdata = 100;
	unsigned int n = r->index == ~0U ? unnamed++ : r->index;
	struct kobject *dir;
	char name[16];

	if (!pkernfs_kobj)
		return;
	snprintf(name, sizeof(name), "region%u", n);
	dir = kobject_create_and_add(name, pkernfs_kobj);
	if (!dir || sysfs_create_group(dir, &pkernfs_region_group)) {
		pr_warn("%s: no directory in sysfs\n", name);
		kobject_put(dir);
		return;
	}
	r->dir = dir;
}

static int __init pkernfs_sysfs_init(void)
{
	pkernfs_kobj = kobject_create_and_add("pkernfs", fs_kobj);
	return pkernfs_kobj ? 0 : -ENOMEM;
}
core_initcall(pkernfs_sysfs_init);
