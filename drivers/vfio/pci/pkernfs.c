// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: the VFIO half of a preserved device.
 *
 * A kept function is closed and opened without being touched: no reset, no
 * restored configuration. What makes it so is a state of the function, not of
 * the open file, so it does not matter how the file came to be closed.
 */
#include <linux/delay.h>
#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/vfio_pci_core.h>

#include "../../pci/pkernfs.h"
#include "../vfio.h"
#include "vfio_pci_priv.h"

/* How long a kexec waits for users that open, close or attach devices: all together; each */
#define PKERNFS_REVOKE_MS	5000
#define PKERNFS_REVOKE_EACH_MS	250	/* a reset at open or close takes 100 */

/*
 * The vfio-pci device of a function; only while it cannot be unbound: a user has
 * it open, or the device lock is held.
 */
static struct vfio_pci_core_device *pkernfs_vfio_core(struct pci_dev *pdev)
{
	struct pci_driver *drv = pdev->driver;

	if (!drv || strcmp(drv->name, PKERNFS_VFIO_DRIVER))
		return NULL;
	return pci_get_drvdata(pdev);
}

/**
 * pkernfs_vfio_pdev - the function behind an open, bound VFIO cdev
 * @file: any file
 * @idev: set to the iommufd device it is bound to; good while @file is open
 *
 * Return: the function with a reference, or ERR_PTR(-EBADF): @file is no VFIO
 * device cdev of vfio-pci itself, or not bound.
 */
struct pci_dev *pkernfs_vfio_pdev(struct file *file, struct iommufd_device **idev)
{
	struct vfio_device_file *df;
	struct vfio_device *vdev;
	struct pci_dev *pdev;

	if (file->f_op != &vfio_device_fops)
		return ERR_PTR(-EBADF);
	df = file->private_data;
	/* Pairs with the store in vfio_df_ioctl_bind_iommufd(). */
	if (df->group || !smp_load_acquire(&df->access_granted))
		return ERR_PTR(-EBADF);
	vdev = df->device;
	if (!dev_is_pci(vdev->dev) || !vdev->iommufd_device)
		return ERR_PTR(-EBADF);
	pdev = to_pci_dev(vdev->dev);
	/* A variant driver keeps state of its own, which nobody would carry. */
	if (!pkernfs_vfio_core(pdev))
		return ERR_PTR(-EBADF);
	*idev = vdev->iommufd_device;
	return pci_dev_get(pdev);
}

/* --- Interrupts -------------------------------------------------------------- */

/*
 * Held while the vfio-pci device of another's file is used. A close ends under it,
 * so the device stays bound, and its MSI descriptors' data allocated, until it is
 * dropped. Inside the transition lock and the device set's, outside of igate.
 */
static DEFINE_MUTEX(pkernfs_user_mutex);

/**
 * pkernfs_vfio_user_lock - keep the user of a function from going
 * @pp: PCI half
 *
 * A close may have begun, and goes on beside the caller up to its end: what it
 * frees on the way needs a lock of its own.
 *
 * Return: the vfio-pci device, NULL: it is not open. pkernfs_vfio_user_unlock()
 * is due in either case.
 */
struct vfio_pci_core_device *pkernfs_vfio_user_lock(struct pkernfs_pci *pp)
{
	mutex_lock(&pkernfs_user_mutex);
	return READ_ONCE(pp->open) ? pkernfs_vfio_core(pp->pdev) : NULL;
}

void pkernfs_vfio_user_unlock(void)
{
	mutex_unlock(&pkernfs_user_mutex);
}

/* Against SET_IRQS; nested in the transition lock. */
void pkernfs_vfio_irq_lock(struct vfio_pci_core_device *vdev)
{
	mutex_lock(&vdev->igate);
}

void pkernfs_vfio_irq_unlock(struct vfio_pci_core_device *vdev)
{
	mutex_unlock(&vdev->igate);
}

/* Memory decode on, against the user's config writes; nested in the former. */
u16 pkernfs_vfio_memory_lock(struct vfio_pci_core_device *vdev)
{
	return vfio_pci_memory_lock_and_enable(vdev);
}

void pkernfs_vfio_memory_unlock(struct vfio_pci_core_device *vdev, u16 cmd)
{
	vfio_pci_memory_unlock_and_restore(vdev, cmd);
}

/**
 * pkernfs_vfio_irq_state - what interrupts the user has set up
 * @pdev: function that a user has open
 * @type: VFIO_PCI_*_IRQ_INDEX, or ~0: none
 * @count: vectors with an eventfd
 */
void pkernfs_vfio_irq_state(struct pci_dev *pdev, u32 *type, u32 *count)
{
	struct vfio_pci_core_device *vdev = pkernfs_vfio_core(pdev);
	unsigned long i;
	void *ctx;

	*type = ~0;
	*count = 0;
	if (!vdev)
		return;
	guard(mutex)(&vdev->igate);
	if (vdev->irq_type == VFIO_PCI_NUM_IRQS)
		return;
	*type = vdev->irq_type;
	xa_for_each(&vdev->ctx, i, ctx)
		(*count)++;
}

/**
 * pkernfs_vfio_msix_disable - MSI-X off, unless a user has set it up, or just does
 * @pdev: function that is no longer kept
 * @vdev: its vfio-pci device, NULL: it was not open while it was kept
 *
 * SET_IRQS enables it in the device first, and says so in pci_dev::msix_enabled when all
 * vectors are there. A user that opened the function after it was kept is no less busy:
 * the device lock keeps its driver bound. Without it an unbind is under way, and waits
 * for the user to close: whose thread may be waiting here.
 *
 * Context: process, pkernfs_vfio_user_lock()
 */
void pkernfs_vfio_msix_disable(struct pci_dev *pdev, struct vfio_pci_core_device *vdev)
{
	bool locked = !vdev && device_trylock(&pdev->dev);

	if (locked)
		vdev = pkernfs_vfio_core(pdev);
	if (vdev)
		pkernfs_vfio_irq_lock(vdev);
	pkernfs_msix_disable(pdev);
	if (vdev)
		pkernfs_vfio_irq_unlock(vdev);
	if (locked)
		device_unlock(&pdev->dev);
}

/*
 * VFIO_DEVICE_SET_IRQS, igate held. A user that has quiesced its vectors has
 * written its state away; what it set up now would be unmasked and lost. For a
 * user that took the device over, this is where vectors are unmasked: from here
 * on interrupts are delivered to it and are uncertain for whoever comes next.
 */
int __pkernfs_vfio_set_irqs(struct pci_dev *pdev, unsigned int index)
{
	struct pkernfs_pci *pp;

	if (index > VFIO_PCI_MSIX_IRQ_INDEX)
		return 0;
	guard(spinlock_irqsave)(&pkernfs_pci_lock);
	pp = pkernfs_pci_find(pdev);
	if (pp && pp->revoked)
		return -EBUSY;
	if (!pp || !pkernfs_pci_kept(pdev))
		return 0;
	if (pp->fenced)
		return -EBUSY;
	if (index == VFIO_PCI_MSI_IRQ_INDEX)
		return -EOPNOTSUPP;
	pp->by_user = true;
	WRITE_ONCE(pp->pd->irq_quiesced, false);
	WRITE_ONCE(pp->pd->rec->irq, cpu_to_le32(PKERNFS_RECORD_IRQ_UNCERTAIN));
	return 0;
}

void __pkernfs_vfio_set_irqs_done(struct pci_dev *pdev)
{
	struct pkernfs_pci *pp;

	guard(spinlock_irqsave)(&pkernfs_pci_lock);
	pp = pkernfs_pci_find(pdev);
	if (pp)
		pp->by_user = false;
}

/*
 * An eventfd was connected to @vector by a user that took the device over. Where
 * the user before was not there to drain its own eventfds, each vector is
 * signalled once: a spurious interrupt is harmless, a lost one is not.
 */
bool __pkernfs_vfio_raise(struct pci_dev *pdev, unsigned int vector)
{
	struct pkernfs_pci *pp;

	guard(spinlock_irqsave)(&pkernfs_pci_lock);
	pp = pkernfs_pci_find(pdev);
	if (!pp || vector >= PKERNFS_MSIX_VECTORS)
		return false;
	pp->latched = false;
	return __test_and_clear_bit(vector, pp->raise);
}

/* --- Open and close ----------------------------------------------------------- */

/*
 * vfio_pci_core_enable(), after pci_save_state(). That state is written back at
 * an ordinary close much later, after a reset: it must not start DMA then.
 */
void __pkernfs_vfio_opened(struct pci_dev *pdev)
{
	int vectors = pci_msix_vec_count(pdev);
	struct pkernfs_pci *pp;
	u16 ctrl = 0;

	pdev->saved_config_space[PCI_COMMAND / 4] &=
		~(PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	if (pdev->msix_cap)
		pci_read_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS, &ctrl);

	guard(spinlock_irqsave)(&pkernfs_pci_lock);
	pp = pkernfs_pci_find(pdev);
	if (!pp || !pp->pd)
		return;
	pp->open = true;
	pp->latched = ctrl & PCI_MSIX_FLAGS_ENABLE;
	pp->fenced = false;
	pp->masked = false;
	bitmap_zero(pp->raise, PKERNFS_MSIX_VECTORS);
	if (!pkernfs_record_is_quiesced(pp->pd->rec))
		bitmap_set(pp->raise, 0, max(vectors, 0));
}

/*
 * vfio_config_init() has read that INTx is disabled, which it is only until there
 * is a handler. A user that wrote it back would mask INTx for good.
 */
void __pkernfs_vfio_config(struct vfio_pci_core_device *vdev)
{
	if (pkernfs_pci_kept(vdev->pdev) && vdev->pci_2_3)
		*(__le16 *)&vdev->vconfig[PCI_COMMAND] &=
			~cpu_to_le16(PCI_COMMAND_INTX_DISABLE);
}

/*
 * vfio_pci_core_disable(), after the interrupts and mappings are gone. True: the
 * function is kept, the rest is to be left out. False: an ordinary close; what
 * was still kept for a user that never set up its interrupts ends here.
 */
bool __pkernfs_vfio_close(struct vfio_pci_core_device *vdev)
{
	struct pci_dev *pdev = vdev->pdev;
	struct pkernfs_pci *pp;
	bool kept, last;

	guard(mutex)(&pkernfs_user_mutex);
	scoped_guard(spinlock_irqsave, &pkernfs_pci_lock) {
		pp = pkernfs_pci_find(pdev);
		if (!pp)
			return false;
		kept = pkernfs_pci_kept(pdev);
		last = !pp->pd;
		pp->open = false;
		pp->latched = false;
		pp->fenced = false;
		pp->masked = false;
	}
	if (!kept) {
		pkernfs_msix_disable(pdev);
		if (last)
			pkernfs_pci_forget(pp);
		return false;
	}
	kfree(vdev->pci_saved_state);
	vdev->pci_saved_state = NULL;
	/* No handler any more; the line is level-triggered and heals itself. */
	pci_intx(pdev, 0);
	return true;
}

/* --- kexec with the user alive -------------------------------------------------- */

/*
 * Against open and close. A user may hold the lock for as long as it can delay a
 * page fault (an attach pins memory), so that it must not keep a kexec waiting.
 */
static bool pkernfs_vfio_trylock_set(struct vfio_pci_core_device *vdev)
{
	static unsigned long deadline;	/* of the one kexec that there is */
	unsigned int ms;

	if (!deadline)
		deadline = (jiffies + msecs_to_jiffies(PKERNFS_REVOKE_MS)) | 1;
	for (ms = 0; ms < PKERNFS_REVOKE_EACH_MS || time_before(jiffies, deadline); ms++) {
		if (mutex_trylock(&vdev->vdev.dev_set->lock))
			return true;
		fsleep(1000);
	}
	return false;
}

/**
 * pkernfs_vfio_revoke - take the device away from a user that lives at kexec
 * @pd: device about to be handed over
 *
 * BAR mappings are zapped and not faulted in again, reads, writes and SET_IRQS
 * fail, eventfds write to no BAR, vectors are masked. There is no way back: the
 * kernel ends.
 *
 * Context: process, reboot notifier, transition lock.
 * Return: 0; -EBUSY: the user is in the middle of a change that does not end.
 */
int pkernfs_vfio_revoke(struct pkernfs_device *pd)
{
	struct vfio_pci_ioeventfd *ioeventfd;
	struct vfio_pci_core_device *vdev;
	struct pkernfs_pci *pp = pd->pci;

	if (!pp || !pp->pdev)
		return 0;
	scoped_guard(spinlock_irqsave, &pkernfs_pci_lock)
		pp->revoked = true;
	vdev = pkernfs_vfio_user_lock(pp);
	if (vdev)
		get_device(&vdev->vdev.device);
	pkernfs_vfio_user_unlock();
	if (!vdev)
		return 0;
	if (!pkernfs_vfio_trylock_set(vdev)) {
		put_device(&vdev->vdev.device);
		return -EBUSY;
	}
	if (READ_ONCE(pp->open)) {
		vfio_pci_zap_and_down_write_memory_lock(vdev);
		vfio_pci_dma_buf_move(vdev, true);
		up_write(&vdev->memory_lock);
		scoped_guard(mutex, &vdev->ioeventfds_lock)
			list_for_each_entry(ioeventfd, &vdev->ioeventfds_list, next)
				vfio_virqfd_disable(&ioeventfd->virqfd);
		pkernfs_vfio_irq_lock(vdev);
		pkernfs_pci_mask_last(pp, vdev);
		pkernfs_vfio_irq_unlock(vdev);
	}
	mutex_unlock(&vdev->vdev.dev_set->lock);
	put_device(&vdev->vdev.device);
	return 0;
}

bool __pkernfs_vfio_revoked(struct pci_dev *pdev)
{
	struct pkernfs_pci *pp;

	guard(spinlock_irqsave)(&pkernfs_pci_lock);
	pp = pkernfs_pci_find(pdev);
	return pp && pp->revoked;
}
