// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: functions that are stopped, and reset before another driver has them.
 */
#define pr_fmt(fmt) "pkernfs: " fmt

#include <linux/init.h>
#include <linux/pkernfs_iommu.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>

#include "pci.h"
#include "pkernfs.h"

/* Stopped at boot, in the midst of their work, and to be reset before a driver. */
struct pkernfs_pci_stopped {
	struct list_head node;
	u16 segment;
	int rid;
};

static LIST_HEAD(pkernfs_pci_stopped);
static bool pkernfs_pci_booted;

/**
 * pkernfs_pci_stop - bus mastering off, and wait for what is under way
 * @pdev: function, kept or not
 *
 * A function that was stopped is not kept any more, before pkernfs_pci_unkeep()
 * too: the next open resets it, and nothing is fenced.
 *
 * Context: may sleep; as early as pci_setup_device().
 */
void pkernfs_pci_stop(struct pci_dev *pdev)
{
	struct pkernfs_pci *pp;
	u16 cmd;

	scoped_guard(spinlock_irqsave, &pkernfs_pci_lock) {
		clear_bit(PKERNFS_PCI_KEPT, &pdev->priv_flags);
		/* It may be all the reset that there is. */
		pp = pkernfs_pci_find(pdev);
		if (pp && pp->bus_reset) {
			pdev->dev_flags &= ~PCI_DEV_FLAGS_NO_BUS_RESET;
			pp->bus_reset = false;
		}
	}
	pci_read_config_word(pdev, PCI_COMMAND, &cmd);
	if (cmd & PCI_COMMAND_MASTER)
		pci_write_config_word(pdev, PCI_COMMAND, cmd & ~PCI_COMMAND_MASTER);
	pdev->is_busmaster = 0;
	if (cmd & PCI_COMMAND_MASTER)
		pkernfs_pci_reset_later(pci_domain_nr(pdev->bus), pci_dev_id(pdev));
	if (!pci_wait_for_pending_transaction(pdev))
		pci_warn(pdev, "pkernfs: stopped, but transactions are still pending\n");
}

/**
 * pkernfs_pci_reset - make a function forget what its last user set up
 * @pdev: function that was stopped and is not kept any more, with no user
 *
 * An ordinary close does so, but the close of a kept function left it at work. The
 * next driver may switch bus mastering on before anything else.
 *
 * Context: process, transition lock.
 */
void pkernfs_pci_reset(struct pci_dev *pdev)
{
	int error;

	if (!device_is_registered(&pdev->dev))
		return;
	/* It may be asleep by now, or on its way there. */
	pm_runtime_get_sync(&pdev->dev);
	error = pci_try_reset_function(pdev);
	pm_runtime_put(&pdev->dev);
	if (error)
		pci_info_ratelimited(pdev, "pkernfs: stopped, but not reset (%d)\n", error);
	else
		pci_info_ratelimited(pdev, "pkernfs: stopped and reset\n");
}

/**
 * pkernfs_pci_reset_later - the same for a function that was stopped at boot
 * @segment: PCI segment
 * @rid: bus << 8 | devfn, or PKERNFS_PCI_ANY: each endpoint of the segment
 *
 * It is reset before any driver sees it. One that is still bus master when PCI has been
 * enumerated is stopped then, and so are those of PKERNFS_PCI_ANY: what is not kept was
 * not to be reached before. Once the kernel has booted nothing is done.
 *
 * Context: boot, single-threaded.
 */
void pkernfs_pci_reset_later(u16 segment, int rid)
{
	struct pkernfs_pci_stopped *stopped;

	if (pkernfs_pci_booted)
		return;
	list_for_each_entry(stopped, &pkernfs_pci_stopped, node)
		if (stopped->segment == segment && stopped->rid == rid)
			return;
	stopped = kmalloc_obj(*stopped);
	if (!stopped) {
		pr_err("segment %04x, function %#x: no memory to stop or reset it later\n",
		       segment, rid);
		return;
	}
	stopped->segment = segment;
	stopped->rid = rid;
	list_add_tail(&stopped->node, &pkernfs_pci_stopped);
}

static struct pci_dev *pkernfs_pci_stopped_dev(const struct pkernfs_pci_stopped *stopped)
{
	return pci_get_domain_bus_and_slot(stopped->segment, PCI_BUS_NUM(stopped->rid),
					   stopped->rid & 0xff);
}

/**
 * pkernfs_pci_stop_stray - stop a function that nobody keeps, if it is at work
 * @pdev: function
 *
 * Return: it was, and is stopped
 */
bool pkernfs_pci_stop_stray(struct pci_dev *pdev)
{
	u16 command;

	if (pdev->hdr_type != PCI_HEADER_TYPE_NORMAL || pkernfs_pci_kept(pdev))
		return false;
	pci_read_config_word(pdev, PCI_COMMAND, &command);
	if (!(command & PCI_COMMAND_MASTER))
		return false;
	pkernfs_pci_stop(pdev);
	return true;
}

/**
 * pkernfs_pci_stop_reached - stop what could not be reached before PCI was enumerated
 *
 * The IOMMU driver has met none of them yet: a domain would let them go on.
 *
 * Context: boot, single-threaded.
 */
void __init pkernfs_pci_stop_reached(void)
{
	struct pkernfs_pci_stopped *stopped;
	struct pci_dev *pdev = NULL;

	if (list_empty(&pkernfs_pci_stopped))
		return;
	for_each_pci_dev(pdev) {
		list_for_each_entry(stopped, &pkernfs_pci_stopped, node)
			if (stopped->segment == pci_domain_nr(pdev->bus) &&
			    (stopped->rid == PKERNFS_PCI_ANY ||
			     stopped->rid == pci_dev_id(pdev)))
				break;
		if (!list_entry_is_head(stopped, &pkernfs_pci_stopped, node) &&
		    pkernfs_pci_stop_stray(pdev))
			pci_err(pdev, "pkernfs: stopped\n");
	}
}

/* After the IOMMU driver has started: what is still on its way faults there. */
static int __init pkernfs_pci_reset_stopped(void)
{
	struct pkernfs_pci_stopped *stopped, *next;
	struct pci_dev *pdev;

	pkernfs_iommu_settle();
	list_for_each_entry_safe(stopped, next, &pkernfs_pci_stopped, node) {
		pdev = stopped->rid == PKERNFS_PCI_ANY ? NULL : pkernfs_pci_stopped_dev(stopped);
		if (pdev)
			pkernfs_pci_reset(pdev);
		pci_dev_put(pdev);
		kfree(stopped);
	}
	INIT_LIST_HEAD(&pkernfs_pci_stopped);
	pkernfs_pci_booted = true;
	return 0;
}
rootfs_initcall(pkernfs_pci_reset_stopped);

/* --- Unplugging ------------------------------------------------------------------- */

/*
 * Its last close left it at work. The driver has gone by now, and the IOMMU driver is about
 * to block it: requests on their way would fault.
 */
static int pkernfs_pci_unplug(struct notifier_block *nb, unsigned long action, void *data)
{
	struct pci_dev *pdev = to_pci_dev(data);

	if (action == BUS_NOTIFY_DEL_DEVICE && pkernfs_pci_kept(pdev) &&
	    !pci_dev_is_disconnected(pdev))
		pkernfs_pci_stop(pdev);
	return NOTIFY_DONE;
}

static struct notifier_block pkernfs_pci_unplug_nb = {
	.notifier_call = pkernfs_pci_unplug,
};

static int __init pkernfs_pci_init(void)
{
	return bus_register_notifier(&pci_bus_type, &pkernfs_pci_unplug_nb);
}
device_initcall(pkernfs_pci_init);
