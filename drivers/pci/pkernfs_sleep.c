// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: a machine with a preserved device does not sleep.
 */
#define pr_fmt(fmt) "pkernfs: " fmt

#include <linux/init.h>
#include <linux/suspend.h>
#include <linux/syscore_ops.h>

#include "pkernfs.h"

/* It has begun to go to sleep; under pkernfs_pci_lock. */
static bool pkernfs_pci_asleep;

static bool pkernfs_pci_keeps_awake_locked(void)
{
	struct pkernfs_pci *pp;

	list_for_each_entry(pp, &pkernfs_pci_list, node)
		if (pp->latched ||
		    (pp->pd && READ_ONCE(pp->pd->state) != PKERNFS_STATE_FAILED))
			return true;
	return false;
}

/**
 * pkernfs_pci_keeps_awake - would sleep do harm to a device?
 *
 * It would take it out of D0: one that is preserved, or in which interrupts are latched
 * for the user that took it over.
 */
bool pkernfs_pci_keeps_awake(void)
{
	guard(spinlock_irqsave)(&pkernfs_pci_lock);
	return pkernfs_pci_keeps_awake_locked();
}

/**
 * pkernfs_pci_sleeping - is the machine on its way to sleep?
 *
 * Asked by who has put a device into the list: either it is seen there, or it sees this.
 */
bool pkernfs_pci_sleeping(void)
{
	guard(spinlock_irqsave)(&pkernfs_pci_lock);
	return pkernfs_pci_asleep;
}

static int pkernfs_pci_refuse_sleep(void)
{
	pr_info("the machine cannot sleep: a device is preserved\n");
	return -EBUSY;
}

/**
 * pkernfs_pci_sleep - the machine is about to sleep, or has woken up
 * @nb: not used
 * @action: PM_*
 * @data: not used
 *
 * Return: of a notifier; -EBUSY where a device is preserved.
 */
int pkernfs_pci_sleep(struct notifier_block *nb, unsigned long action, void *data)
{
	bool awake = false;

	switch (action) {
	case PM_SUSPEND_PREPARE:
	case PM_HIBERNATION_PREPARE:
	case PM_RESTORE_PREPARE:
		scoped_guard(spinlock_irqsave, &pkernfs_pci_lock) {
			awake = pkernfs_pci_keeps_awake_locked();
			pkernfs_pci_asleep = !awake;
		}
		return awake ? notifier_from_errno(pkernfs_pci_refuse_sleep()) : NOTIFY_OK;
	case PM_POST_SUSPEND:
	case PM_POST_HIBERNATION:
	case PM_POST_RESTORE:
		scoped_guard(spinlock_irqsave, &pkernfs_pci_lock)
			pkernfs_pci_asleep = false;
		return NOTIFY_OK;
	}
	return NOTIFY_DONE;
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
	return pkernfs_pci_keeps_awake() ? pkernfs_pci_refuse_sleep() : 0;
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
