// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: a machine with a preserved device does not sleep.
 */
#define pr_fmt(fmt) "pkernfs: " fmt

#include <linux/init.h>
#include <linux/suspend.h>
#include <linux/syscore_ops.h>

#include "pkernfs.h"

/**
 * pkernfs_pci_keeps_awake - would sleep do harm to a device?
 *
 * It would take it out of D0: one that is preserved, or in which interrupts are latched
 * for the user that took it over.
 */
bool pkernfs_pci_keeps_awake(void)
{
	struct pkernfs_pci *pp;

	guard(spinlock_irqsave)(&pkernfs_pci_lock);
	list_for_each_entry(pp, &pkernfs_pci_list, node)
		if (pp->pd || pp->latched)
			return true;
	return false;
}

static int pkernfs_pci_may_sleep(void)
{
	if (!pkernfs_pci_keeps_awake())
		return 0;
	pr_info("the machine cannot sleep: a device is preserved\n");
	return -EBUSY;
}

static int pkernfs_pci_sleep(struct notifier_block *nb, unsigned long action, void *data)
{
	if (action != PM_SUSPEND_PREPARE && action != PM_HIBERNATION_PREPARE)
		return NOTIFY_DONE;
	return notifier_from_errno(pkernfs_pci_may_sleep());
}

static struct notifier_block pkernfs_pci_sleep_nb = {
	.notifier_call = pkernfs_pci_sleep,
};

/*
 * A kexec that is to come back (CONFIG_KEXEC_JUMP) asks no notifier, and would
 * have the IOMMU driver switch translation off. Called before that driver is, as
 * it has registered earlier.
 */
static int pkernfs_pci_syscore_suspend(void *data)
{
	return pkernfs_pci_may_sleep();
}

static const struct syscore_ops pkernfs_pci_syscore_ops = {
	.suspend = pkernfs_pci_syscore_suspend,
};

static struct syscore pkernfs_pci_syscore = { .ops = &pkernfs_pci_syscore_ops };

static int __init pkernfs_pci_sleep_init(void)
{
	register_syscore(&pkernfs_pci_syscore);
	return register_pm_notifier(&pkernfs_pci_sleep_nb);
}
device_initcall(pkernfs_pci_sleep_init);
