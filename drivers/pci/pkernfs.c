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
#include <linux/interrupt.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>
#include <linux/suspend.h>
#include <linux/syscore_ops.h>
#include <linux/sysfs.h>
#include <linux/vfio.h>

#include "pci.h"
#include "pkernfs.h"

DEFINE_STATIC_KEY_FALSE(pkernfs_pci_key);

/* Protects pkernfs_pci_list and what is said to at struct pkernfs_pci. */
DEFINE_SPINLOCK(pkernfs_pci_lock);
static LIST_HEAD(pkernfs_pci_list);

/* Stopped at boot, in the midst of their work, and to be reset before a driver. */
struct pkernfs_pci_stopped {
	struct list_head node;
	u16 segment;
	u16 rid;
};

static LIST_HEAD(pkernfs_pci_stopped);
static bool pkernfs_pci_booted;

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

/*
 * The paths of all kept functions. A bridge is on a path as long as any function
 * below it is kept, so clearing one means to look at all.
 */
static void pkernfs_pci_mark_paths(void)
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

static void pkernfs_pci_clear_path(struct pci_dev *pdev)
{
	struct pci_dev *bridge;

	lockdep_assert_held(&pkernfs_pci_lock);
	for (bridge = pci_upstream_bridge(pdev); bridge;
	     bridge = pci_upstream_bridge(bridge))
		clear_bit(PKERNFS_PCI_PATH, &bridge->priv_flags);
}

/* BARs stay where they are, whatever else is assigned or resized. */
static void pkernfs_pci_fix_bars(struct pci_dev *pdev, bool fix)
{
	unsigned int i;

	for (i = 0; i < PCI_STD_NUM_BARS; i++) {
		if (!pci_resource_len(pdev, i))
			continue;
		if (fix)
			pdev->resource[i].flags |= IORESOURCE_PCI_FIXED;
		else
			pdev->resource[i].flags &= ~IORESOURCE_PCI_FIXED;
	}
}

static void pkernfs_pci_hold(struct pkernfs_pci *pp)
{
	struct pci_dev *pdev = pp->pdev;

	pm_runtime_get_noresume(&pdev->dev);
	if (!(pdev->dev_flags & PCI_DEV_FLAGS_NO_BUS_RESET)) {
		pdev->dev_flags |= PCI_DEV_FLAGS_NO_BUS_RESET;
		pp->bus_reset = true;
	}
	pkernfs_pci_fix_bars(pdev, true);
	pp->held = true;
}

static void pkernfs_pci_release(struct pci_dev *pdev, bool bus_reset)
{
	pkernfs_pci_fix_bars(pdev, false);
	if (bus_reset)
		pdev->dev_flags &= ~PCI_DEV_FLAGS_NO_BUS_RESET;
	pm_runtime_put(&pdev->dev);
}

/* sysfs refuses to open a file for writing that nobody may write, root too. */
static void pkernfs_pci_override_mode(struct pci_dev *pdev, umode_t mode)
{
	static const struct attribute attr = { .name = "driver_override" };

	/* Unplugged, it has no directory any more. */
	if (!device_is_registered(&pdev->dev))
		return;
	if (sysfs_chmod_file(&pdev->dev.kobj, &attr, mode))
		pci_dbg(pdev, "driver_override keeps its mode\n");
}

/**
 * pkernfs_pci_keep - from here on the function is kept
 * @pd: preserved device, pdev and record set, open by a VFIO user
 *
 * Not reset, bus mastering left on, no D3, no other driver, sysfs reset and
 * remove refused. pkernfs_pci_unkeep() undoes it.
 *
 * Context: process, transition lock.
 * Return: 0; -ENOMEM; -EAGAIN: a reset, a change of power state or an unbind was
 * under way, or there are virtual functions all of a sudden.
 */
int pkernfs_pci_keep(struct pkernfs_device *pd)
{
	struct vfio_pci_core_device *vdev;
	struct pci_dev *pdev = pd->pdev;
	struct pkernfs_pci *pp;

	if (pd->pci)
		return 0;
	/*
	 * Resets, unbind and changes of sriov_numvfs hold the device lock: with it,
	 * none is half-way, and each later one sees the bit. An unbind holds it
	 * until the user is gone, so do not wait for it.
	 */
	if (!device_trylock(&pdev->dev))
		return -EAGAIN;
	/* There were none when pkernfs_pci_check() looked. */
	if (pci_num_vf(pdev)) {
		device_unlock(&pdev->dev);
		return -EAGAIN;
	}
	pp = pkernfs_pci_again(pd, pdev) ?: pkernfs_pci_new(pd, pdev);
	if (!pp) {
		device_unlock(&pdev->dev);
		return -ENOMEM;
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
	if (pdev->current_state != PCI_D0) {
		pkernfs_pci_unkeep(pd);
		return -EAGAIN;
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
	struct pkernfs_pci *pp = pd->pci;
	bool linger, held, bus_reset;
	struct pci_dev *pdev;

	if (!pp)
		return;
	pdev = pci_dev_get(pp->pdev);
	pd->pci = NULL;
	if (!pdev) {
		pkernfs_pci_forget(pp);
		return;
	}

	/* Of one that is being removed the directory is on its way out. */
	if (!pd->gone)
		pkernfs_pci_override_mode(pdev, 0644);
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
		pp->held = false;
		pp->bus_reset = false;
	}
	/* A lingering @pp is the VFIO user's: its close may have freed it by now. */
	if (!linger) {
		/* Removed and found again, it is another pci_dev's to configure. */
		if (!pd->gone && device_is_registered(&pdev->dev))
			pkernfs_msix_disable(pdev);
		pkernfs_pci_forget(pp);
	}
	if (held)
		pkernfs_pci_release(pdev, bus_reset);
	pci_dev_put(pdev);
}

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
 * @rid: bus << 8 | devfn
 *
 * It is reset before any driver sees it. Afterwards nothing is done.
 *
 * Context: boot, single-threaded.
 */
void pkernfs_pci_reset_later(u16 segment, u16 rid)
{
	struct pkernfs_pci_stopped *stopped;

	if (pkernfs_pci_booted)
		return;
	stopped = kmalloc_obj(*stopped);
	if (!stopped) {
		pr_warn("%04x:%02x:%02x.%d: no memory to reset it later\n", segment,
			rid >> 8, PCI_SLOT(rid), PCI_FUNC(rid));
		return;
	}
	stopped->segment = segment;
	stopped->rid = rid;
	list_add_tail(&stopped->node, &pkernfs_pci_stopped);
}

/* After the IOMMU driver has started: what is still on its way faults there. */
static int __init pkernfs_pci_reset_stopped(void)
{
	struct pkernfs_pci_stopped *stopped, *next;
	struct pci_dev *pdev;

	list_for_each_entry_safe(stopped, next, &pkernfs_pci_stopped, node) {
		pdev = pci_get_domain_bus_and_slot(stopped->segment,
						   PCI_BUS_NUM(stopped->rid),
						   stopped->rid & 0xff);
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

/* --- Interrupts -------------------------------------------------------------- */

/*
 * The guest may have switched memory decode off, and a table that cannot be
 * reached reads as if all were masked: so it is on while the table is written.
 * With no user there are no interrupts set up, nor may vfio-pci be bound.
 */
static int pkernfs_pci_mask(struct pkernfs_pci *pp, struct vfio_pci_core_device *vdev)
{
	struct pci_dev *pdev = pp->pdev;
	bool first = !pp->masked;
	u16 cmd = 0;
	int error;

	if (first) {
		bitmap_zero(pp->unmasked, PKERNFS_MSIX_VECTORS);
		pci_read_config_word(pdev, PCI_COMMAND, &pp->command);
		pp->masked = true;
		/* Level-triggered, so nothing needs to be latched. */
		if (!pdev->msix_enabled)
			pci_intx(pdev, 0);
	}
	if (vdev)
		cmd = pkernfs_vfio_memory_lock(vdev);
	error = pkernfs_msix_mask(pdev, vdev, first ? pp->unmasked : NULL,
				  first ? &pp->msix_flags : NULL);
	if (vdev)
		pkernfs_vfio_memory_unlock(vdev, cmd);
	return error;
}

static void pkernfs_pci_unmask(struct pkernfs_pci *pp, struct vfio_pci_core_device *vdev)
{
	struct pci_dev *pdev = pp->pdev;
	u16 cmd = 0;

	if (!pp->masked)
		return;
	if (vdev)
		cmd = pkernfs_vfio_memory_lock(vdev);
	pkernfs_msix_unmask(pdev, pp->unmasked, pp->msix_flags);
	if (vdev)
		pkernfs_vfio_memory_unlock(vdev, cmd);
	if (!pdev->msix_enabled && !(pp->command & PCI_COMMAND_INTX_DISABLE))
		pci_intx(pdev, 1);
	pp->masked = false;
}

/**
 * pkernfs_pci_owes - is a vector still to be signalled for an earlier kernel?
 * @pd: kept device
 *
 * Return: true if its user has not connected them all since it took over a device
 * whose interrupts were uncertain.
 */
bool pkernfs_pci_owes(struct pkernfs_device *pd)
{
	int count = pci_msix_vec_count(pd->pdev);
	struct pkernfs_pci *pp = pd->pci;

	guard(spinlock_irqsave)(&pkernfs_pci_lock);
	return pp && count > 0 && find_first_bit(pp->raise, count) < count;
}

/**
 * pkernfs_pci_quiesce_irq - mask all interrupts for good
 * @pd: frozen device whose user is there; at kexec, any kept device
 * @why: the reason if it cannot be done
 *
 * When it returns, each interrupt raised before has been handled, that is, the
 * eventfds have been signalled; each raised later is latched in the device. The
 * user cannot set up interrupts any more until pkernfs_pci_unquiesce_irq(); the
 * next one to open the device can.
 *
 * Context: process, transition lock.
 * Return: 0, or the errno that is also in @why (everything is as before).
 */
int pkernfs_pci_quiesce_irq(struct pkernfs_device *pd, struct pkernfs_refusal *why)
{
	struct pkernfs_pci *pp = pd->pci;
	struct vfio_pci_core_device *vdev;
	int error;

	if (!pp || !pp->pdev)
		return pkernfs_refuse(why, -EINVAL, ~0ULL, "it is not kept");

	vdev = pkernfs_vfio_user_lock(pp);
	if (vdev)
		pkernfs_vfio_irq_lock(vdev);
	error = pp->pdev->msi_enabled ? -EOPNOTSUPP : pkernfs_pci_mask(pp, vdev);
	if (error)
		pkernfs_pci_unmask(pp, vdev);
	else
		pp->fenced = true;
	if (vdev)
		pkernfs_vfio_irq_unlock(vdev);
	if (!error)
		pkernfs_msix_sync(pp->pdev, vdev);
	pkernfs_vfio_user_unlock();
	if (error)
		return pkernfs_refuse(why, error, ~0ULL, error == -EOPNOTSUPP ?
				      "its user has gone over to MSI" :
				      "its vectors cannot be masked");
	return 0;
}

/**
 * pkernfs_pci_unquiesce_irq - vectors as before pkernfs_pci_quiesce_irq()
 * @pd: frozen device that a user quiesced; nothing if that user has gone
 *
 * What was latched is sent.
 *
 * Context: process, transition lock.
 */
void pkernfs_pci_unquiesce_irq(struct pkernfs_device *pd)
{
	struct pkernfs_pci *pp = pd->pci;
	struct vfio_pci_core_device *vdev;

	if (!pp || !pp->pdev)
		return;
	vdev = pkernfs_vfio_user_lock(pp);
	if (vdev) {
		pkernfs_vfio_irq_lock(vdev);
		if (pp->fenced) {
			pkernfs_pci_unmask(pp, vdev);
			pp->fenced = false;
		}
		pkernfs_vfio_irq_unlock(vdev);
	}
	pkernfs_vfio_user_unlock();
}

/**
 * pkernfs_pci_mask_last - mask what a user that lives at kexec may have on
 * @pp: PCI half of a kept function
 * @vdev: its vfio-pci device, with igate held
 *
 * Context: process, transition lock.
 */
void pkernfs_pci_mask_last(struct pkernfs_pci *pp, struct vfio_pci_core_device *vdev)
{
	if (pkernfs_pci_mask(pp, vdev))
		pci_warn(pp->pdev, "pkernfs: vectors cannot be masked\n");
}

/* --- The next kernel ---------------------------------------------------------- */

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
static void pkernfs_pci_fail(struct pkernfs_pci *pp, struct pci_dev *pdev,
			     const char *what, u32 old, u32 new)
{
	pp->failed = true;
	if (!pdev) {
		pkernfs_device_fail(pp->pd, "the device is not there");
		return;
	}
	pkernfs_pci_stop(pdev);
	scoped_guard(spinlock_irqsave, &pkernfs_pci_lock) {
		pkernfs_pci_clear_path(pdev);
		pkernfs_pci_mark_paths();
	}
	pkernfs_device_fail(pp->pd, "not the device that was kept: %s is %#x, was %#x",
			    what, new, old);
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
		pkernfs_pci_fail(pp, pdev, what, old, new);
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

	pp = pkernfs_pci_expected(pdev, &path);
	if (!pp)
		return;
	pp->pdev = pci_dev_get(pdev);
	pp->pd->pdev = pci_dev_get(pdev);
	pkernfs_pci_hold(pp);
	if (device_set_driver_override(&pdev->dev, PKERNFS_VFIO_DRIVER))
		pci_warn(pdev, "pkernfs: driver_override not set; still, only vfio-pci may bind\n");

	/* The kernel before has done so; this one need not believe it. */
	if (pdev->msix_cap)
		pci_read_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS, &ctrl);
	if ((ctrl & PCI_MSIX_FLAGS_ENABLE) && pkernfs_msix_mask_table(pdev, NULL))
		pkernfs_pci_fail(pp, pdev, "MSI-X table", 0, 1);
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
		pkernfs_pci_fail(pp, NULL, NULL, 0, 0);
		return;
	}
	pkernfs_pci_ser_read(pdev, &is);
	what = pkernfs_pci_ser_differs(&pp->saved, &is, &old, &new);
	for (i = 0; i < PCI_STD_NUM_BARS && !what; i++) {
		const struct resource *res = &pdev->resource[i];

		if (!pp->saved.bar[i].bytes)
			continue;
		old = i;
		new = i;
		if (pci_resource_start(pdev, i) != le64_to_cpu(pp->saved.bar[i].start) ||
		    pci_resource_len(pdev, i) != le64_to_cpu(pp->saved.bar[i].bytes))
			what = "the place or size of a BAR";
		else if (!res->parent)
			what = "the claim of a BAR";
	}
	if (what) {
		pkernfs_pci_fail(pp, pdev, what, old, new);
		return;
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
	list_for_each_entry_safe(pp, next, &pkernfs_pci_list, node)
		if (!pp->failed)
			pkernfs_pci_settle_one(pp);
	return 0;
}
fs_initcall_sync(pkernfs_pci_settle);

/* A sleeping machine would take the device out of D0. */
static int pkernfs_pci_sleep(struct notifier_block *nb, unsigned long action, void *data)
{
	if (action != PM_SUSPEND_PREPARE && action != PM_HIBERNATION_PREPARE)
		return NOTIFY_DONE;
	if (list_empty(&pkernfs_pci_list))
		return NOTIFY_DONE;
	pr_info("the machine cannot sleep: a device is preserved\n");
	return notifier_from_errno(-EBUSY);
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
	return list_empty(&pkernfs_pci_list) ? 0 : -EBUSY;
}

static const struct syscore_ops pkernfs_pci_syscore_ops = {
	.suspend = pkernfs_pci_syscore_suspend,
};

static struct syscore pkernfs_pci_syscore = { .ops = &pkernfs_pci_syscore_ops };

static int __init pkernfs_pci_init(void)
{
	register_syscore(&pkernfs_pci_syscore);
	return register_pm_notifier(&pkernfs_pci_sleep_nb);
}
device_initcall(pkernfs_pci_init);

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
