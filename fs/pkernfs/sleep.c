// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: no hibernation with a region that is loaded.
 *
 * An image has nothing of a region: memory of ZONE_DEVICE is not saved. The kernel that comes
 * back has the metadata in memory, inodes and page tables of what firmware, or the kernel that
 * has read the image, may have changed or cleared meanwhile, and would go on with them. While
 * memory keeps its power, in suspend to RAM, nothing is lost.
 */

#define pr_fmt(fmt) "pkernfs: " fmt

#include <linux/init.h>
#include <linux/suspend.h>
#include <linux/syscore_ops.h>

#include "pkernfs.h"

/* From the question to the end: nothing is loaded or claimed. Under pkernfs_format_lock. */
static bool pkernfs_hibernation;

/* Memory keeps its power: asked with one CPU, and nothing else running. */
static bool pkernfs_suspend;

/**
 * pkernfs_hibernating - has hibernation, or the return from it, begun?
 *
 * pkernfs_format_lock is held. A region that was loaded now would be in nobody's image.
 */
bool pkernfs_hibernating(void)
{
	lockdep_assert_held(&pkernfs_format_lock);
	return pkernfs_hibernation;
}

static int pkernfs_refuse_hibernation(const char *what)
{
	unsigned int i;

	for (i = 0; i < pkernfs_region_count(); i++) {
		struct pkernfs_region *r = pkernfs_region_get(i);

		if (!READ_ONCE(r->core) && !READ_ONCE(r->claimed))
			continue;
		pr_info("%s: region %u is in use, and is not saved\n", what, r->index);
		return -EBUSY;
	}
	return 0;
}

/**
 * pkernfs_sleep - the machine is about to sleep, or has woken up
 * @nb: not used
 * @action: PM_*
 * @data: not used
 *
 * Return: of a notifier; -EBUSY for hibernation where a region is loaded or claimed.
 */
int pkernfs_sleep(struct notifier_block *nb, unsigned long action, void *data)
{
	int err;

	switch (action) {
	case PM_SUSPEND_PREPARE:
	case PM_POST_SUSPEND:
		WRITE_ONCE(pkernfs_suspend, action == PM_SUSPEND_PREPARE);
		return NOTIFY_OK;
	case PM_HIBERNATION_PREPARE:
	case PM_RESTORE_PREPARE:
		mutex_lock(&pkernfs_format_lock);
		err = pkernfs_refuse_hibernation("the machine cannot hibernate");
		pkernfs_hibernation = !err;
		mutex_unlock(&pkernfs_format_lock);
		return err ? notifier_from_errno(err) : NOTIFY_OK;
	case PM_POST_HIBERNATION:
	case PM_POST_RESTORE:
		mutex_lock(&pkernfs_format_lock);
		pkernfs_hibernation = false;
		mutex_unlock(&pkernfs_format_lock);
		return NOTIFY_OK;
	}
	return NOTIFY_DONE;
}

static struct notifier_block pkernfs_sleep_nb = {
	.notifier_call	= pkernfs_sleep,
	.priority	= -1,	/* a preserved device is the better reason */
};

/*
 * A kexec that is to come back (CONFIG_KEXEC_JUMP) asks no notifier. The kernel between may
 * mount the region, or not leave it alone.
 */
static int pkernfs_syscore_suspend(void *data)
{
	if (READ_ONCE(pkernfs_suspend))
		return 0;
	return pkernfs_refuse_hibernation("no kernel that comes back is left");
}

static const struct syscore_ops pkernfs_syscore_ops = { .suspend = pkernfs_syscore_suspend };

static struct syscore pkernfs_syscore = { .ops = &pkernfs_syscore_ops };

static int __init pkernfs_sleep_init(void)
{
	register_syscore(&pkernfs_syscore);
	return register_pm_notifier(&pkernfs_sleep_nb);
}
device_initcall(pkernfs_sleep_init);
