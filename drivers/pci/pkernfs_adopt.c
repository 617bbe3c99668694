// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: functions that the kernel before has preserved, as the PCI scan meets them.
 *
 * For each record a function is expected (pkernfs_pci_expect()). It is recognised
 * before the first fixup or write, and looked at again when addresses have been
 * assigned. One that is not what its record says is stopped on the spot, which is
 * before the IOMMU's translation changes.
 */
#define pr_fmt(fmt) "pkernfs: " fmt

#include <linux/init.h>
#include <linux/pci.h>

#include <asm/pci_x86.h>

#include "pci.h"
#include "pkernfs.h"

/**
 * pkernfs_pci_force_options - buses keep their numbers, and requests their sizes
 *
 * Options against it would have a device at work be met under an address that no record
 * names, or change what it sends in the midst of it.
 *
 * Context: boot, before the PCI scan, where the kernel before has handed something over.
 */
void __init pkernfs_pci_force_options(void)
{
	static const char * const sizes[] = {
		[PCIE_BUS_SAFE] = "pcie_bus_safe",
		[PCIE_BUS_PERFORMANCE] = "pcie_bus_perf",
		[PCIE_BUS_PEER2PEER] = "pcie_bus_peer2peer",
	};

	if (pci_probe & PCI_ASSIGN_ALL_BUSSES) {
		pr_warn("pci=assign-busses is forced off for the preserved devices\n");
		pci_probe &= ~PCI_ASSIGN_ALL_BUSSES;
	}
	if (pcie_bus_config < ARRAY_SIZE(sizes) && sizes[pcie_bus_config]) {
		pr_warn("pci=%s is forced off for the preserved devices\n",
			sizes[pcie_bus_config]);
		pcie_bus_config = PCIE_BUS_DEFAULT;
	}
}

/* Is @pdev one of the bridges that @ser names? */
static bool pkernfs_pci_on_path(const struct pkernfs_pci_ser *ser, struct pci_dev *pdev)
{
	unsigned int i;

	if (le16_to_cpu(ser->segment) != pci_domain_nr(pdev->bus))
		return false;
	for (i = 0; i < le32_to_cpu(ser->bridge_count); i++)
		if (ser->bridge[i].primary == pdev->bus->number &&
		    ser->bridge[i].devfn == pdev->devfn)
			return true;
	return false;
}

/* Cut off and say why; @pp is never looked at for a match again. */
static __printf(3, 4)
void pkernfs_pci_fail(struct pkernfs_pci *pp, struct pci_dev *pdev, const char *fmt, ...)
{
	struct va_format why = { .fmt = fmt };
	va_list args;

	pp->failed = true;
	if (pdev) {
		pkernfs_pci_stop(pdev);
		guard(spinlock_irqsave)(&pkernfs_pci_lock);
		pkernfs_pci_clear_path(pdev);
		pkernfs_pci_mark_paths();
	}
	va_start(args, fmt);
	why.va = &args;
	pkernfs_device_fail(pp->pd, "%pV", &why);
	va_end(args);
}

static void pkernfs_pci_fail_match(struct pkernfs_pci *pp, struct pci_dev *pdev,
				   const char *what, u32 old, u32 new)
{
	pkernfs_pci_fail(pp, pdev, "not the device that was kept: %s is %#x, was %#x", what,
			 new, old);
}

/*
 * The function at the address of a record. All that the record says is compared
 * here at once: bridges are enumerated before what is below them, and their bus
 * numbers and windows are still as they were left.
 */
static void pkernfs_pci_adopt(struct pkernfs_pci *pp, struct pci_dev *pdev)
{
	struct pkernfs_pci_ser is;
	const char *what;
	u32 old, new;
	u16 pmcsr;

	pkernfs_pci_ser_read(pdev, &is);
	what = pkernfs_pci_ser_differs(&pp->saved, &is, &old, &new);
	if (!what && is.pm_cap) {
		pci_read_config_word(pdev, is.pm_cap + PCI_PM_CTRL, &pmcsr);
		if (pmcsr & PCI_PM_CTRL_STATE_MASK) {
			what = "power state";
			old = 0;
			new = pmcsr & PCI_PM_CTRL_STATE_MASK;
		}
	}
	if (what) {
		pkernfs_pci_fail_match(pp, pdev, what, old, new);
		return;
	}
	set_bit(PKERNFS_PCI_KEPT, &pdev->priv_flags);
}

/* The entry that waits for a function at the address of @pdev. */
static struct pkernfs_pci *pkernfs_pci_expected(struct pci_dev *pdev, bool *path)
{
	u16 rid = PCI_DEVID(pdev->bus->number, pdev->devfn);
	struct pkernfs_pci *pp, *found = NULL;

	*path = false;
	guard(spinlock_irqsave)(&pkernfs_pci_lock);
	list_for_each_entry(pp, &pkernfs_pci_list, node) {
		if (pp->pdev || pp->failed || !pp->pd ||
		    pp->pd->state == PKERNFS_STATE_FAILED)
			continue;
		if (le16_to_cpu(pp->saved.segment) == pci_domain_nr(pdev->bus) &&
		    le16_to_cpu(pp->saved.rid) == rid)
			found = pp;
		else if (pkernfs_pci_on_path(&pp->saved, pdev))
			*path = true;
	}
	return found;
}

/* pci_setup_device(), before early fixups. */
void __pkernfs_pci_setup(struct pci_dev *pdev)
{
	struct pkernfs_pci *pp;
	bool path;

	pp = pkernfs_pci_expected(pdev, &path);
	if (path)
		set_bit(PKERNFS_PCI_PATH, &pdev->priv_flags);
	if (pp)
		pkernfs_pci_adopt(pp, pdev);
}

/*
 * pci_device_add(), right before device_add(): BARs have been read, the device
 * can be counted. No driver has seen it.
 */
void __pkernfs_pci_add(struct pci_dev *pdev)
{
	struct pkernfs_pci *pp;
	u16 ctrl = 0;
	bool path;
	int error;

	pp = pkernfs_pci_expected(pdev, &path);
	if (!pp)
		return;
	pkernfs_test_fail_begin();
	pp->pdev = pci_dev_get(pdev);
	pp->pd->pdev = pci_dev_get(pdev);
	pkernfs_pci_hold(pp);
	pp->override = !device_set_driver_override(&pdev->dev, PKERNFS_VFIO_DRIVER);
	if (!pp->override)
		pci_warn(pdev, "pkernfs: driver_override not set; still, only vfio-pci may bind\n");

	/* The kernel before has done so; this one need not believe it. */
	if (pdev->msix_cap)
		pci_read_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS, &ctrl);
	error = ctrl & PCI_MSIX_FLAGS_ENABLE ? pkernfs_msix_mask_table(pdev, NULL) : 0;
	if (error)
		pkernfs_pci_fail(pp, pdev, "its MSI-X vectors cannot be masked: %pe",
				 ERR_PTR(error));
	pkernfs_test_fail_end("its function");
}

/*
 * When addresses have been assigned and before any driver or the IOMMU: is all
 * still where it was?
 */
static void __init pkernfs_pci_settle_one(struct pkernfs_pci *pp)
{
	struct pci_dev *pdev = pp->pdev;
	struct pkernfs_pci_ser is;
	const char *what;
	unsigned int i;
	u32 old, new;

	if (!pdev) {
		pkernfs_pci_fail(pp, NULL, "the device is not there");
		return;
	}
	pkernfs_pci_ser_read(pdev, &is);
	what = pkernfs_pci_ser_differs(&pp->saved, &is, &old, &new);
	if (what) {
		pkernfs_pci_fail_match(pp, pdev, what, old, new);
		return;
	}
	for (i = 0; i < PCI_STD_NUM_BARS; i++) {
		const struct resource *res = &pdev->resource[i];

		if (!pp->saved.bar[i].bytes)
			continue;
		if (pci_resource_start(pdev, i) != le64_to_cpu(pp->saved.bar[i].start) ||
		    pci_resource_len(pdev, i) != le64_to_cpu(pp->saved.bar[i].bytes)) {
			pkernfs_pci_fail(pp, pdev, "BAR %u is %pR, was at %#llx", i, res,
					 le64_to_cpu(pp->saved.bar[i].start));
			return;
		}
		if (!res->parent) {
			pkernfs_pci_fail(pp, pdev, "BAR %u, %pR, cannot be claimed", i, res);
			return;
		}
	}
	pkernfs_pci_override_mode(pdev, 0444);
	pci_info(pdev, "pkernfs: kept, bus mastering %s, MSI-X %s\n",
		 le16_to_cpu(is.command) & PCI_COMMAND_MASTER ? "on" : "off",
		 le16_to_cpu(is.msix_flags) & PCI_MSIX_FLAGS_ENABLE ? "on" : "off");
}

/* Bridges that only a record whose function failed puts on a path. */
static void __init pkernfs_pci_settle_path(struct pkernfs_pci *pp)
{
	const struct pkernfs_pci_ser *ser = &pp->saved;
	struct pci_dev *bridge;
	unsigned int i;

	for (i = 0; i < le32_to_cpu(ser->bridge_count); i++) {
		bridge = pci_get_domain_bus_and_slot(le16_to_cpu(ser->segment),
						     ser->bridge[i].primary,
						     ser->bridge[i].devfn);
		if (bridge)
			clear_bit(PKERNFS_PCI_PATH, &bridge->priv_flags);
		pci_dev_put(bridge);
	}
}

static int __init pkernfs_pci_settle_below(struct pci_dev *pdev, void *data)
{
	const struct pkernfs_device *pd = data;

	if (pkernfs_pci_stop_stray(pdev))
		pci_err(pdev, "pkernfs: stopped: it may be what %04x:%02x:%02x.%d was\n",
			pd->segment, pd->rid >> 8, PCI_SLOT(pd->rid), PCI_FUNC(pd->rid));
	return 0;
}

/*
 * Where a record's function is not, or another one is, bus numbers may be others than they
 * were: then it is somewhere below the topmost bridge, and goes on, with no table of ours.
 */
static void __init pkernfs_pci_settle_stray(struct pkernfs_pci *pp)
{
	const struct pkernfs_pci_ser *ser = &pp->saved;
	unsigned int n = le32_to_cpu(ser->bridge_count);
	struct pci_dev *bridge;

	if (!n)
		return;
	bridge = pci_get_domain_bus_and_slot(le16_to_cpu(ser->segment),
					     ser->bridge[n - 1].primary,
					     ser->bridge[n - 1].devfn);
	if (bridge && bridge->subordinate)
		pci_walk_bus(bridge->subordinate, pkernfs_pci_settle_below, pp->pd);
	pci_dev_put(bridge);
}

/*
 * Boot is single-threaded here: nothing but pkernfs_device_fail() changes the
 * list under the loops, and it drops the entry at hand at most.
 */
static int __init pkernfs_pci_settle(void)
{
	struct pkernfs_pci *pp, *next;

	list_for_each_entry(pp, &pkernfs_pci_list, node)
		pkernfs_pci_settle_path(pp);
	scoped_guard(spinlock_irqsave, &pkernfs_pci_lock)
		pkernfs_pci_mark_paths();
	list_for_each_entry_safe(pp, next, &pkernfs_pci_list, node) {
		if (!pp->failed)
			pkernfs_pci_settle_one(pp);
		if (pp->failed)
			pkernfs_pci_settle_stray(pp);
	}
	pkernfs_pci_stop_reached();
	return 0;
}
fs_initcall_sync(pkernfs_pci_settle);
