// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: interrupts of a preserved device, masked so that none is lost.
 *
 * Each vector is masked, and the function too; drivers/pci/msi/pkernfs.c, which
 * writes the table, says why. What it is to go back to is kept in struct pkernfs_pci.
 */
#include <linux/bitmap.h>
#include <linux/pci.h>
#include <linux/vfio.h>

#include "pci.h"
#include "pkernfs.h"

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

/*
 * Is a vector still to be signalled for an earlier kernel? Then its user has not connected
 * them all since it took over a device whose interrupts were uncertain.
 */
static bool pkernfs_pci_owes(struct pkernfs_pci *pp)
{
	guard(spinlock_irqsave)(&pkernfs_pci_lock);
	return !bitmap_empty(pp->raise, PKERNFS_MSIX_VECTORS);
}

/**
 * pkernfs_pci_quiesce_irq - mask all interrupts for good
 * @pd: frozen device whose user is there; at kexec, any kept device
 * @drained: its user asks for it, and will have taken what came before; else interrupts
 *	stay as certain as they were
 * @why: the reason if it cannot be done
 *
 * When it returns, each interrupt raised before has been handled, that is, the
 * eventfds have been signalled; each raised later is latched in the device. The
 * user cannot set up interrupts any more until pkernfs_pci_unquiesce_irq(); the
 * next one to open the device can.
 *
 * Context: process, transition lock.
 * Return: 0; -ESTALE the user that froze it has gone; or the errno that is also in @why
 * (everything is as before).
 */
int pkernfs_pci_quiesce_irq(struct pkernfs_device *pd, bool drained,
			    struct pkernfs_refusal *why)
{
	struct pkernfs_pci *pp = pd->pci;
	struct vfio_pci_core_device *vdev;
	int error;

	if (!pp || !pp->pdev)
		return pkernfs_refuse(why, -EINVAL, ~0ULL, "it is not kept");

	vdev = pkernfs_vfio_user_lock(pp);
	/* Another one may have come since, with interrupts of its own. */
	if (drained && pkernfs_device_state(pd) != PKERNFS_STATE_FROZEN) {
		pkernfs_vfio_user_unlock();
		return -ESTALE;
	}
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
	if (!error && drained) {
		pd->irq_quiesced = true;
		/* Masked now; but what an earlier kernel may have lost can still be owed. */
		if (!pkernfs_pci_owes(pp))
			WRITE_ONCE(pd->rec->irq, cpu_to_le32(PKERNFS_RECORD_IRQ_QUIESCED));
	}
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
