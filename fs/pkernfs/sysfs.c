// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: what is in a region, in /sys/fs/pkernfs/regionN.
 */

#define pr_fmt(fmt) "pkernfs: " fmt

#include <linux/init.h>
#include <linux/kobject.h>
#include <linux/printk.h>
#include <linux/sysfs.h>

#include "pkernfs.h"

static struct pkernfs_region *pkernfs_kobj_region(struct kobject *dir)
{
	unsigned int i;

	for (i = 0; i < pkernfs_region_count(); i++)
		if (pkernfs_region_get(i)->dir == dir)
			return pkernfs_region_get(i);
	return NULL;
}

static ssize_t uuid_show(struct kobject *dir, struct kobj_attribute *attr, char *buf)
{
	struct pkernfs_region *r = pkernfs_kobj_region(dir);
	ssize_t ret = 0;

	mutex_lock(&pkernfs_format_lock);
	if (r && r->sb)
		ret = sysfs_emit(buf, "%pUb\n", r->sb->uuid);
	mutex_unlock(&pkernfs_format_lock);
	return ret;
}

static ssize_t label_show(struct kobject *dir, struct kobj_attribute *attr, char *buf)
{
	struct pkernfs_region *r = pkernfs_kobj_region(dir);
	ssize_t ret = 0;

	mutex_lock(&pkernfs_format_lock);
	if (r && r->sb)
		ret = sysfs_emit(buf, "%s\n", r->sb->label);
	mutex_unlock(&pkernfs_format_lock);
	return ret;
}

static u64 pkernfs_count_orphans(struct pkernfs_core *c)
{
	return list_count_nodes(&c->orphans);
}

/* A number of a loaded region; empty while it is not loaded. */
#define PKERNFS_NUMBER(name, mode, expr)					\
static ssize_t name##_show(struct kobject *dir, struct kobj_attribute *attr,	\
			   char *buf)						\
{										\
	struct pkernfs_region *r = pkernfs_kobj_region(dir);			\
	struct pkernfs_core *c;							\
	ssize_t ret = 0;							\
										\
	mutex_lock(&pkernfs_format_lock);					\
	c = r ? r->core : NULL;							\
	if (c) {								\
		down_read(&c->lock);						\
		ret = sysfs_emit(buf, "%llu\n", (u64)(expr));			\
		up_read(&c->lock);						\
	}									\
	mutex_unlock(&pkernfs_format_lock);					\
	return ret;								\
}										\
static struct kobj_attribute pkernfs_##name##_attr = __ATTR_RO_MODE(name, mode)

/* A look at each granule that is not free: for root only. */
static ssize_t pkernfs_busy_show(struct kobject *dir, unsigned int pool, char *buf)
{
	struct pkernfs_region *r = pkernfs_kobj_region(dir);
	struct pkernfs_core *c;
	ssize_t ret = 0;

	mutex_lock(&pkernfs_format_lock);
	c = r ? r->core : NULL;
	if (c)
		ret = sysfs_emit(buf, "%llu\n",
				 pkernfs_gpool_busy(c, &c->gpool[pool], U64_MAX));
	mutex_unlock(&pkernfs_format_lock);
	return ret;
}

#define PKERNFS_BUSY(name, pool)						\
static ssize_t name##_show(struct kobject *dir, struct kobj_attribute *attr,	\
			   char *buf)						\
{										\
	return pkernfs_busy_show(dir, pool, buf);				\
}										\
static struct kobj_attribute pkernfs_##name##_attr = __ATTR_RO_MODE(name, 0400)

PKERNFS_NUMBER(mounted, 0444, !!c->sb);
PKERNFS_NUMBER(granules, 0444, c->gpool[PKERNFS_GPOOL_2M].granules);
PKERNFS_NUMBER(granules_free, 0444, c->gpool[PKERNFS_GPOOL_2M].free);
PKERNFS_NUMBER(granules_held, 0444, c->gpool[PKERNFS_GPOOL_2M].held);
PKERNFS_BUSY(granules_busy, PKERNFS_GPOOL_2M);
PKERNFS_NUMBER(small, 0444, c->gpool[PKERNFS_GPOOL_4K].granules);
PKERNFS_NUMBER(small_free, 0444, c->gpool[PKERNFS_GPOOL_4K].free);
PKERNFS_NUMBER(small_held, 0444, c->gpool[PKERNFS_GPOOL_4K].held);
PKERNFS_BUSY(small_busy, PKERNFS_GPOOL_4K);
PKERNFS_NUMBER(huge, 0444, c->gpool[PKERNFS_GPOOL_1G].granules);
PKERNFS_NUMBER(huge_free, 0444, c->gpool[PKERNFS_GPOOL_1G].free);
PKERNFS_NUMBER(huge_held, 0444, c->gpool[PKERNFS_GPOOL_1G].held);
PKERNFS_BUSY(huge_busy, PKERNFS_GPOOL_1G);
PKERNFS_NUMBER(inodes, 0444, c->inodes - 1);
PKERNFS_NUMBER(inodes_free, 0444, c->inodes_free);
PKERNFS_NUMBER(pool_blocks, 0444, c->pool_blocks);
PKERNFS_NUMBER(pool_free, 0444, c->pool_free);
PKERNFS_NUMBER(orphans, 0444, pkernfs_count_orphans(c));
PKERNFS_NUMBER(zeroing, 0444, atomic64_read(&c->zeroing));
PKERNFS_NUMBER(zeroed, 0444, atomic64_read(&c->zeroed));
PKERNFS_NUMBER(bad_pages, 0444, pkernfs_bad_count(c));

/* Physical addresses, as many as a page of text holds. Root's, as other addresses. */
static ssize_t bad_addresses_show(struct kobject *dir, struct kobj_attribute *attr,
				  char *buf)
{
	struct pkernfs_region *r = pkernfs_kobj_region(dir);
	struct pkernfs_core *c;
	u64 page = 0, pages;
	ssize_t ret = 0;

	mutex_lock(&pkernfs_format_lock);
	c = r ? r->core : NULL;
	if (c) {
		pages = r->bytes >> PKERNFS_BLOCK_SHIFT;
		down_read(&c->lock);
		while (page < pages && ret < PAGE_SIZE - 32) {
			page = pkernfs_bad_first(c, page, pages - page);
			if (page == U64_MAX)
				break;
			ret += sysfs_emit_at(buf, ret, "%#llx\n",
					     (u64)r->base + (page << PKERNFS_BLOCK_SHIFT));
			page++;
		}
		up_read(&c->lock);
	}
	mutex_unlock(&pkernfs_format_lock);
	return ret;
}

static struct kobj_attribute pkernfs_bad_addresses_attr = __ATTR_RO_MODE(bad_addresses, 0400);
static struct kobj_attribute pkernfs_uuid_attr = __ATTR_RO(uuid);
static struct kobj_attribute pkernfs_label_attr = __ATTR_RO(label);

static struct attribute *pkernfs_core_attrs[] = {
	&pkernfs_uuid_attr.attr,
	&pkernfs_label_attr.attr,
	&pkernfs_mounted_attr.attr,
	&pkernfs_granules_attr.attr,
	&pkernfs_granules_free_attr.attr,
	&pkernfs_granules_held_attr.attr,
	&pkernfs_granules_busy_attr.attr,
	&pkernfs_small_attr.attr,
	&pkernfs_small_free_attr.attr,
	&pkernfs_small_held_attr.attr,
	&pkernfs_small_busy_attr.attr,
	&pkernfs_huge_attr.attr,
	&pkernfs_huge_free_attr.attr,
	&pkernfs_huge_held_attr.attr,
	&pkernfs_huge_busy_attr.attr,
	&pkernfs_inodes_attr.attr,
	&pkernfs_inodes_free_attr.attr,
	&pkernfs_pool_blocks_attr.attr,
	&pkernfs_pool_free_attr.attr,
	&pkernfs_orphans_attr.attr,
	&pkernfs_zeroing_attr.attr,
	&pkernfs_zeroed_attr.attr,
	&pkernfs_bad_pages_attr.attr,
	&pkernfs_bad_addresses_attr.attr,
	NULL
};

static const struct attribute_group pkernfs_core_group = {
	.attrs = pkernfs_core_attrs,
};

/* Say what a region is before anyone mounts it. Reads only. */
static void __init pkernfs_sysfs_probe(struct pkernfs_region *r)
{
	const struct pkernfs_sb *sb;
	const char *why = NULL;

	mutex_lock(&pkernfs_format_lock);
	if (r->virt && !r->sb && !r->reason) {
		sb = pkernfs_sb_find(r, &why);
		WRITE_ONCE(r->sb, sb);
		if (!sb)
			WRITE_ONCE(r->reason, why);
	}
	mutex_unlock(&pkernfs_format_lock);
}

static int __init pkernfs_sysfs_core_init(void)
{
	unsigned int i;

	for (i = 0; i < pkernfs_region_count(); i++) {
		struct pkernfs_region *r = pkernfs_region_get(i);

		pkernfs_sysfs_probe(r);
		if (r->dir && sysfs_create_group(r->dir, &pkernfs_core_group))
			pr_warn("region %u: not all of it is in sysfs\n", r->index);
	}
	return 0;
}
late_initcall(pkernfs_sysfs_core_init);
