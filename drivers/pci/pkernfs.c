// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: the PCI half of a preserved device.
 *
 * From FREEZE on a function is "kept": it goes on with DMA, so nothing may
 * reset it, clear its bus mastering or that of a bridge above it, put it to
 * sleep, or give it to another driver. Two bits of pci_dev::priv_flags say so,
 * for the hooks in the PCI core to test; all else is in struct pkernfs_pci. The
 * next kernel expects a function for each record that it found, and recognises
 * it before the first fixup or write. One that is not what the record says is
 * stopped on the spot, which is before the IOMMU's translation changes.
 *
 * Existing means serve where they are enough: a runtime PM reference for D0,
 * PCI_DEV_FLAGS_NO_BUS_RESET for bus and slot resets by any path (sysfs, hot
 * reset, AER, another function's close), IORESOURCE_PCI_FIXED for BARs.
 */
#define pr_fmt(fmt) "pkernfs: " fmt

#include <linux/init.h>
#include <linux/pkernfs_iommu.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include <linux/vfio.h>

#include "pci.h"
#include "pkernfs.h"

DEFINE_STATIC_KEY_FALSE(pkernfs_pci_key);

/* Protects pkernfs_pci_list and what is said to at struct pkernfs_pci. */
DEFINE_SPINLOCK(pkernfs_pci_lock);
LIST_HEAD(pkernfs_pci_list);

#ifdef CONFIG_PKERNFS_TEST
/*
 * Controls for the boot tests, each of which leaves one piece out and must make
 * a scenario fail:
 *
 *	pkernfs_test=nobm		bus mastering is not protected
 *	pkernfs_test=vfioreset		opening by VFIO resets the function
 *	pkernfs_test=maskallonly	the function is masked, its vectors are not
 *
 * Other parts of pkernfs take their own words from the same parameter.
 */
unsigned int pkernfs_pci_knobs;

static int __init pkernfs_pci_test_setup(char *str)
{
	static const struct {
		const char *word;
		enum pkernfs_pci_knob knob;
	} knobs[] = {
		{ "nobm", PKERNFS_PCI_NOBM },
		{ "vfioreset", PKERNFS_PCI_VFIORESET },
		{ "maskallonly", PKERNFS_PCI_MASKALLONLY },
	};
	unsigned int i;
	size_t len;

	for (; str && *str; str += len + (str[len] == ',')) {
		len = strcspn(str, ",");
		for (i = 0; i < ARRAY_SIZE(knobs); i++)
			if (len == strlen(knobs[i].word) &&
			    !strncmp(str, knobs[i].word, len))
				pkernfs_pci_knobs |= knobs[i].knob;
	}
	return 0;
}
early_param("pkernfs_test", pkernfs_pci_test_setup);
#endif

/* --- Finding ----------------------------------------------------------------- */

/**
 * pkernfs_pci_find - the PCI half of a function
 * @pdev: function
 *
 * Context: pkernfs_pci_lock is held; the result is good as long as it is.
 * Return: NULL if there is none.
 */
struct pkernfs_pci *pkernfs_pci_find(struct pci_dev *pdev)
{
	struct pkernfs_pci *pp;

	lockdep_assert_held(&pkernfs_pci_lock);
	list_for_each_entry(pp, &pkernfs_pci_list, node)
		if (pp->pdev == pdev)
			return pp;
	return NULL;
}

static struct pkernfs_pci *pkernfs_pci_new(struct pkernfs_device *pd,
					   struct pci_dev *pdev)
{
	struct pkernfs_pci *pp = kzalloc_obj(*pp);

	if (!pp)
		return NULL;
	pp->pd = pd;
	pp->pdev = pci_dev_get(pdev);
	if (!pdev)
		pp->saved = pd->rec->pci;
	pd->pci = pp;
	scoped_guard(spinlock_irqsave, &pkernfs_pci_lock)
		list_add_tail(&pp->node, &pkernfs_pci_list);
	static_branch_inc(&pkernfs_pci_key);
	return pp;
}

/**
 * pkernfs_pci_forget - end of a PCI half
 * @pp: it; nobody else looks at it any more
 *
 * Context: process, no spinlock (switches the static key).
 */
void pkernfs_pci_forget(struct pkernfs_pci *pp)
{
	scoped_guard(spinlock_irqsave, &pkernfs_pci_lock)
		list_del_init(&pp->node);
	static_branch_dec(&pkernfs_pci_key);
	pci_dev_put(pp->pdev);
	kfree(pp);
}

/*
 * The half that lingers for the user that took the function over is taken up
 * again: what it knows of that user's interrupts still holds, and a second one
 * would not be found.
 */
static struct pkernfs_pci *pkernfs_pci_again(struct pkernfs_device *pd,
					     struct pci_dev *pdev)
{
	struct pkernfs_pci *pp;

	guard(spinlock_irqsave)(&pkernfs_pci_lock);
	pp = pkernfs_pci_find(pdev);
	if (pp) {
		pp->pd = pd;
		pd->pci = pp;
	}
	return pp;
}

/* --- Keeping ----------------------------------------------------------------- */

/**
 * pkernfs_pci_mark_paths - mark the bridges above all kept functions
 *
 * A bridge is on a path as long as any function below it is kept, so after clearing
 * one path (pkernfs_pci_clear_path()) all are marked again.
 *
 * Context: pkernfs_pci_lock is held.
 */
void pkernfs_pci_mark_paths(void)
{
	struct pci_dev *bridge;
	struct pkernfs_pci *pp;

	lockdep_assert_held(&pkernfs_pci_lock);
	list_for_each_entry(pp, &pkernfs_pci_list, node) {
		if (!pp->pdev || !pp->pd || pp->failed ||
		    READ_ONCE(pp->pd->state) == PKERNFS_STATE_FAILED)
			continue;
		for (bridge = pci_upstream_bridge(pp->pdev); bridge;
		     bridge = pci_upstream_bridge(bridge))
			set_bit(PKERNFS_PCI_PATH, &bridge->priv_flags);
	}
}

/**
 * pkernfs_pci_clear_path - unmark the bridges above a function
 * @pdev: function that is not kept any more
 *
 * Context: pkernfs_pci_lock is held until pkernfs_pci_mark_paths() was called.
 */
void pkernfs_pci_clear_path(struct pci_dev *pdev)
{
	struct pci_dev *bridge;

	lockdep_assert_held(&pkernfs_pci_lock);
	for (bridge = pci_upstream_bridge(pdev); bridge;
	     bridge = pci_upstream_bridge(bridge))
		clear_bit(PKERNFS_PCI_PATH, &bridge->priv_flags);
}

/* BARs stay where they are, whatever else is assigned or resized. Those that do not yet */
static unsigned long pkernfs_pci_fix_bars(struct pci_dev *pdev)
{
	unsigned long fixed = 0;
	unsigned int i;

	for (i = 0; i < PCI_STD_NUM_BARS; i++) {
		if (!pci_resource_len(pdev, i) ||
		    (pdev->resource[i].flags & IORESOURCE_PCI_FIXED))
			continue;
		pdev->resource[i].flags |= IORESOURCE_PCI_FIXED;
		__set_bit(i, &fixed);
	}
	return fixed;
}

/**
 * pkernfs_pci_hold - the function stays awake, in its place, and without a bus reset
 * @pp: PCI half with its function
 *
 * Context: transition lock, or boot; pkernfs_pci_unkeep() undoes it.
 */
void pkernfs_pci_hold(struct pkernfs_pci *pp)
{
	struct pci_dev *pdev = pp->pdev;

	pm_runtime_get_noresume(&pdev->dev);
	if (!(pdev->dev_flags & PCI_DEV_FLAGS_NO_BUS_RESET)) {
		pdev->dev_flags |= PCI_DEV_FLAGS_NO_BUS_RESET;
		pp->bus_reset = true;
	}
	pp->fixed = pkernfs_pci_fix_bars(pdev);
	pp->held = true;
}

/**
 * pkernfs_pci_release - undo pkernfs_pci_hold()
 * @pdev: function
 * @fixed: pkernfs_pci.fixed
 * @bus_reset: pkernfs_pci.bus_reset
 */
void pkernfs_pci_release(struct pci_dev *pdev, unsigned long fixed, bool bus_reset)
{
	unsigned int i;

	for_each_set_bit(i, &fixed, PCI_STD_NUM_BARS)
		pdev->resource[i].flags &= ~IORESOURCE_PCI_FIXED;
	if (bus_reset)
		pdev->dev_flags &= ~PCI_DEV_FLAGS_NO_BUS_RESET;
	pm_runtime_put(&pdev->dev);
}

/**
 * pkernfs_pci_override_mode - may driver_override of a function be written?
 * @pdev: function
 * @mode: of the file; sysfs does not open one for writing, by root too, that nobody
 *	may write
 *
 * Context: process.
 */
void pkernfs_pci_override_mode(struct pci_dev *pdev, umode_t mode)
{
	static const struct attribute attr = { .name = "driver_override" };

	/* Unplugged, it has no directory any more. */
	if (!device_is_registered(&pdev->dev))
		return;
	if (sysfs_chmod_file(&pdev->dev.kobj, &attr, mode))
		pci_dbg(pdev, "driver_override keeps its mode\n");
}

/* What pkernfs_pci_check() has seen may have changed until the function was kept. */
static int pkernfs_pci_kept_late(struct pci_dev *pdev, struct pkernfs_refusal *why)
{
	if (pdev->current_state != PCI_D0)
		return pkernfs_refuse(why, -EAGAIN, ~0ULL, "it is not in D0");
	if (pkernfs_pci_sleeping())
		return pkernfs_refuse(why, -EBUSY, ~0ULL, "the machine is about to sleep");
	return pkernfs_pci_check_beside(pdev, true, why);
}

/**
 * pkernfs_pci_keep - from here on the function is kept
 * @pd: preserved device, pdev and record set, open by a VFIO user
 *
 * Not reset, bus mastering left on, no D3, no other driver, sysfs reset and
 * remove refused. pkernfs_pci_unkeep() undoes it.
 *
 * Context: process, transition lock.
 * Return: 0, or what is in @pd->why: -ENOMEM; -EBUSY: the machine is about to sleep; -EAGAIN:
 * a reset, a change of power state or an unbind was under way, or there are virtual functions,
 * or a driver beside it, all of a sudden.
 */
int pkernfs_pci_keep(struct pkernfs_device *pd)
{
	struct vfio_pci_core_device *vdev;
	struct pci_dev *pdev = pd->pdev;
	struct pkernfs_pci *pp;
	int ret;

	if (pd->pci)
		return 0;
	/*
	 * Resets, unbind and changes of sriov_numvfs hold the device lock: with it,
	 * none is half-way, and each later one sees the bit. An unbind holds it
	 * until the user is gone, so do not wait for it.
	 */
	if (!device_trylock(&pdev->dev))
		return pkernfs_refuse(&pd->why, -EAGAIN, ~0ULL,
				      "%s is being reset, bound or unbound", pci_name(pdev));
	/* There were none when pkernfs_pci_check() looked. */
	if (pci_num_vf(pdev)) {
		device_unlock(&pdev->dev);
		return pkernfs_refuse(&pd->why, -EAGAIN, ~0ULL, "it has virtual functions");
	}
	pp = pkernfs_pci_again(pd, pdev) ?: pkernfs_pci_new(pd, pdev);
	if (!pp) {
		device_unlock(&pdev->dev);
		return pkernfs_refuse(&pd->why, -ENOMEM, ~0ULL, "no memory");
	}
	pp->open = true;
	pkernfs_pci_hold(pp);
	scoped_guard(spinlock_irqsave, &pkernfs_pci_lock) {
		set_bit(PKERNFS_PCI_KEPT, &pdev->priv_flags);
		pkernfs_pci_mark_paths();
	}
	device_unlock(&pdev->dev);
	/* The user's own reset and power states hold vfio-pci's memory lock. */
	vdev = pkernfs_vfio_user_lock(pp);
	if (vdev)
		pkernfs_vfio_memory_unlock(vdev, pkernfs_vfio_memory_lock(vdev));
	pkernfs_vfio_user_unlock();
	ret = pkernfs_pci_kept_late(pdev, &pd->why);
	if (ret) {
		pkernfs_pci_unkeep(pd);
		return ret;
	}
	pkernfs_pci_override_mode(pdev, 0444);
	return 0;
}

/**
 * pkernfs_pci_expect - wait for the function of a record to be enumerated
 * @pd: device of a proven record, pdev NULL
 *
 * When it is found and is what the record says, it is kept and pd->pdev is set,
 * with a reference. Otherwise pkernfs_device_fail() is called, at the latest
 * when the PCI scan is over.
 *
 * Context: process, before the PCI scan.
 * Return: 0; -ENOMEM; -EUCLEAN: no function can have been saved like this.
 */
int pkernfs_pci_expect(struct pkernfs_device *pd)
{
	if (pd->pci)
		return 0;
	if (!pkernfs_pci_ser_valid(&pd->rec->pci) ||
	    le16_to_cpu(pd->rec->pci.segment) != pd->segment ||
	    le16_to_cpu(pd->rec->pci.rid) != pd->rid)
		return -EUCLEAN;
	return pkernfs_pci_new(pd, NULL) ? 0 : -ENOMEM;
}

/**
 * pkernfs_pci_left - the function is about to be given to pkernfs_pci_unkeep()
 * @pd: preserved device that is off its fixed domain
 *
 * From now on a close is an ordinary one, with a reset.
 *
 * Context: any that may take a spinlock.
 */
void pkernfs_pci_left(struct pkernfs_device *pd)
{
	struct pkernfs_pci *pp = pd->pci;

	if (!pp || !pp->pdev)
		return;
	guard(spinlock_irqsave)(&pkernfs_pci_lock);
	clear_bit(PKERNFS_PCI_KEPT, &pp->pdev->priv_flags);
}

/**
 * pkernfs_pci_unkeep - the function is ordinary again
 * @pd: preserved device that was given to pkernfs_pci_keep() or _expect()
 *
 * Bus mastering is left as it is. Where a VFIO user has the device and has not
 * connected its eventfds yet, MSI-X stays enabled and masked for it until it
 * does, or closes.
 *
 * Context: process, transition lock.
 */
void pkernfs_pci_unkeep(struct pkernfs_device *pd)
{
	static const struct device_driver vfio = { .name = PKERNFS_VFIO_DRIVER };
	struct pkernfs_pci *pp = pd->pci;
	struct vfio_pci_core_device *vdev;
	bool linger, held, bus_reset;
	struct pci_dev *pdev;
	unsigned long fixed;

	if (!pp)
		return;
	pdev = pci_dev_get(pp->pdev);
	pd->pci = NULL;
	if (!pdev) {
		pkernfs_pci_forget(pp);
		return;
	}

	/* Where the device has failed somebody may have written another one meanwhile. */
	if (pp->override && device_match_driver_override(&pdev->dev, &vfio) > 0)
		device_set_driver_override(&pdev->dev, "");
	pp->override = false;
	/* Of one that is being removed the directory is on its way out. */
	if (!pd->gone)
		pkernfs_pci_override_mode(pdev, 0644);
	/* Its close waits for this: from the list on it would not find @pp any more. */
	vdev = pkernfs_vfio_user_lock(pp);
	scoped_guard(spinlock_irqsave, &pkernfs_pci_lock) {
		pp->pd = NULL;
		clear_bit(PKERNFS_PCI_KEPT, &pdev->priv_flags);
		pkernfs_pci_clear_path(pdev);
		pkernfs_pci_mark_paths();
		linger = pp->open &&
			 (pp->latched || !bitmap_empty(pp->raise, PKERNFS_MSIX_VECTORS));
		/* Ours to free below, so a close must not find it. */
		if (!linger)
			list_del_init(&pp->node);
		held = pp->held;
		bus_reset = pp->bus_reset;
		fixed = pp->fixed;
		pp->held = false;
		pp->bus_reset = false;
	}
	/* Removed and found again, it is another pci_dev's to configure. */
	if (!linger && !pd->gone && device_is_registered(&pdev->dev))
		pkernfs_vfio_msix_disable(pdev, vdev);
	pkernfs_vfio_user_unlock();
	/* A lingering @pp is the VFIO user's: its close may have freed it by now. */
	if (!linger)
		pkernfs_pci_forget(pp);
	if (held)
		pkernfs_pci_release(pdev, fixed, bus_reset);
	pci_dev_put(pdev);
}

/**
 * pkernfs_pci_in_use - does a VFIO user have the function open?
 * @pd: preserved device
 *
 * Context: transition lock.
 */
bool pkernfs_pci_in_use(struct pkernfs_device *pd)
{
	struct pkernfs_pci *pp = pd->pci;

	return pp && READ_ONCE(pp->open);
}

/* --- The tests ------------------------------------------------------------------- */

/* The hook in clearing bus mastering; only the tests can say no. */
bool __pkernfs_pci_master(struct pci_dev *pdev)
{
	return !pkernfs_pci_test(PKERNFS_PCI_NOBM);
}

/* vfio_pci_core_enable(), in place of the reset: is there one? */
int __pkernfs_vfio_reset(struct pci_dev *pdev)
{
	if (pkernfs_pci_test(PKERNFS_PCI_VFIORESET)) {
		int error;

		clear_bit(PKERNFS_PCI_KEPT, &pdev->priv_flags);
		pci_clear_master(pdev);
		error = pci_try_reset_function(pdev);
		set_bit(PKERNFS_PCI_KEPT, &pdev->priv_flags);
		return error;
	}
	return pci_reset_supported(pdev) ? 0 : -ENOTTY;
}
