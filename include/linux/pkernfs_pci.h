/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkernfs, PCI and VFIO half: what device.c asks of it, and the stubs that the
 * PCI core and vfio-pci call.
 *
 * A function is "kept" from FREEZE, or from its match with a record in the next
 * kernel, until it is ordinary again: its bus mastering and MSI-X enable stay
 * on, it is not reset, does not leave D0 and binds to vfio-pci only. The bridges
 * above it are its "path": their bus mastering stays on and they are not removed,
 * reset or retrained. Both are bits of pci_dev::priv_flags, so they outlive any open
 * file and any driver. The stubs cost a patched-out branch while no device is
 * preserved, and are nothing at all without CONFIG_PKERNFS_FS.
 */
#ifndef _LINUX_PKERNFS_PCI_H
#define _LINUX_PKERNFS_PCI_H

#include <linux/jump_label.h>
#include <linux/pci.h>
#include <linux/types.h>

struct file;
struct iommufd_device;
struct pkernfs_device;
struct pkernfs_pci;
struct pkernfs_pci_ser;
struct pkernfs_refusal;
struct vfio_pci_core_device;

#define PKERNFS_VFIO_DRIVER	"vfio-pci"

#ifdef CONFIG_PKERNFS_FS

/* --- drivers/pci/pkernfs.c: for device.c ----------------------------------- */

int pkernfs_pci_keep(struct pkernfs_device *pd);
int pkernfs_pci_expect(struct pkernfs_device *pd);
void pkernfs_pci_left(struct pkernfs_device *pd);
void pkernfs_pci_unkeep(struct pkernfs_device *pd);
bool pkernfs_pci_in_use(struct pkernfs_device *pd);

/* --- drivers/pci/pkernfs_stop.c: for device.c and the IOMMU half ------------- */

#define PKERNFS_PCI_ANY		(-1)	/* each endpoint */

void pkernfs_pci_stop(struct pci_dev *pdev);
void pkernfs_pci_reset(struct pci_dev *pdev);
void pkernfs_pci_reset_later(u16 segment, int rid);

/* --- drivers/pci/pkernfs_irq.c: for device.c -------------------------------- */

int pkernfs_pci_quiesce_irq(struct pkernfs_device *pd, bool drained,
			    struct pkernfs_refusal *why);
void pkernfs_pci_unquiesce_irq(struct pkernfs_device *pd);

/* --- drivers/pci/pkernfs_adopt.c: for the IOMMU half ------------------------- */

void pkernfs_pci_force_options(void);

/* --- drivers/pci/pkernfs_record.c: for device.c ------------------------------ */

int pkernfs_pci_check(struct pci_dev *pdev, struct pkernfs_refusal *why);
int pkernfs_pci_save(struct pci_dev *pdev, struct pkernfs_pci_ser *ser,
		     struct pkernfs_refusal *why);

/* --- drivers/vfio/pci/pkernfs.c: for device.c ------------------------------ */

struct pci_dev *pkernfs_vfio_pdev(struct file *file, struct iommufd_device **idev);
int pkernfs_vfio_revoke(struct pkernfs_device *pd);
struct vfio_pci_core_device *pkernfs_vfio_user_lock(struct pkernfs_pci *pp);
void pkernfs_vfio_user_unlock(void);

/* --- what the stubs below call --------------------------------------------- */

/* Bits of pci_dev::priv_flags; the PCI core counts its own from 0 up. */
#define PKERNFS_PCI_KEPT	30
#define PKERNFS_PCI_PATH	31

DECLARE_STATIC_KEY_FALSE(pkernfs_pci_key);

void __pkernfs_pci_setup(struct pci_dev *pdev);
void __pkernfs_pci_add(struct pci_dev *pdev);
bool __pkernfs_pci_msix_init(struct pci_dev *pdev, u16 ctrl);
bool __pkernfs_pci_msix_shutdown(struct pci_dev *pdev);
bool __pkernfs_pci_master(struct pci_dev *pdev);
bool __pkernfs_pci_beside(struct pci_dev *pdev);
int __pkernfs_vfio_reset(struct pci_dev *pdev);
void __pkernfs_vfio_opened(struct pci_dev *pdev);
void __pkernfs_vfio_config(struct vfio_pci_core_device *vdev);
bool __pkernfs_vfio_close(struct vfio_pci_core_device *vdev);
int __pkernfs_vfio_set_irqs(struct pci_dev *pdev, unsigned int index);
void __pkernfs_vfio_set_irqs_done(struct pci_dev *pdev);
bool __pkernfs_vfio_raise(struct pci_dev *pdev, unsigned int vector);
bool __pkernfs_vfio_revoked(struct pci_dev *pdev);

static inline bool pkernfs_pci_active(void)
{
	return static_branch_unlikely(&pkernfs_pci_key);
}

#else

#define PKERNFS_PCI_KEPT	0
#define PKERNFS_PCI_PATH	0

static inline bool pkernfs_pci_active(void) { return false; }
static inline void __pkernfs_pci_setup(struct pci_dev *pdev) { }
static inline void __pkernfs_pci_add(struct pci_dev *pdev) { }
static inline bool __pkernfs_pci_msix_init(struct pci_dev *pdev, u16 ctrl) { return false; }
static inline bool __pkernfs_pci_msix_shutdown(struct pci_dev *pdev) { return false; }
static inline bool __pkernfs_pci_master(struct pci_dev *pdev) { return false; }
static inline bool __pkernfs_pci_beside(struct pci_dev *pdev) { return false; }
static inline int __pkernfs_vfio_reset(struct pci_dev *pdev) { return 0; }
static inline void __pkernfs_vfio_opened(struct pci_dev *pdev) { }
static inline void __pkernfs_vfio_config(struct vfio_pci_core_device *vdev) { }
static inline bool __pkernfs_vfio_close(struct vfio_pci_core_device *vdev) { return false; }
static inline int __pkernfs_vfio_set_irqs(struct pci_dev *pdev, unsigned int index) { return 0; }
static inline void __pkernfs_vfio_set_irqs_done(struct pci_dev *pdev) { }
static inline bool __pkernfs_vfio_raise(struct pci_dev *pdev, unsigned int vector) { return false; }
static inline bool __pkernfs_vfio_revoked(struct pci_dev *pdev) { return false; }

#endif

/* --- the hooks: PCI core --------------------------------------------------- */

/**
 * pkernfs_pci_kept - is this function kept: no reset, no reconfiguration?
 * @pdev: any function
 */
static inline bool pkernfs_pci_kept(const struct pci_dev *pdev)
{
	return pkernfs_pci_active() && test_bit(PKERNFS_PCI_KEPT, &pdev->priv_flags);
}

/**
 * pkernfs_pci_fenced - a kept function or a bridge above one: no removal, no reset?
 * @pdev: any function
 */
static inline bool pkernfs_pci_fenced(const struct pci_dev *pdev)
{
	return pkernfs_pci_active() &&
	       (test_bit(PKERNFS_PCI_KEPT, &pdev->priv_flags) ||
		test_bit(PKERNFS_PCI_PATH, &pdev->priv_flags));
}

/**
 * pkernfs_pci_keeps_master - must bus mastering stay on?
 * @pdev: any function or bridge, of which it is about to be switched off
 */
static inline bool pkernfs_pci_keeps_master(struct pci_dev *pdev)
{
	return pkernfs_pci_fenced(pdev) && __pkernfs_pci_master(pdev);
}

/**
 * pkernfs_pci_setup - is this a function, or a bridge, that a record names?
 * @pdev: it is being enumerated, and no fixup has run yet
 */
static inline void pkernfs_pci_setup(struct pci_dev *pdev)
{
	if (pkernfs_pci_active())
		__pkernfs_pci_setup(pdev);
}

/**
 * pkernfs_pci_add - a kept function is about to be added
 * @pdev: right before device_add()
 */
static inline void pkernfs_pci_add(struct pci_dev *pdev)
{
	if (pkernfs_pci_kept(pdev))
		__pkernfs_pci_add(pdev);
}

/**
 * pkernfs_pci_msix_init - enumeration finds MSI-X enabled
 * @pdev: any function
 * @ctrl: its Message Control
 *
 * Return: true if it is to stay so, masked
 */
static inline bool pkernfs_pci_msix_init(struct pci_dev *pdev, u16 ctrl)
{
	return pkernfs_pci_kept(pdev) && __pkernfs_pci_msix_init(pdev, ctrl);
}

/**
 * pkernfs_pci_msix_shutdown - the last vector has been freed
 * @pdev: any function
 *
 * Return: true if MSI-X is to stay enabled, masked
 */
static inline bool pkernfs_pci_msix_shutdown(struct pci_dev *pdev)
{
	return pkernfs_pci_active() && __pkernfs_pci_msix_shutdown(pdev);
}

/**
 * pkernfs_pci_match - device_match_driver_override(); kept functions, and what is beside them
 *	in the same device, are for vfio-pci only
 * @pdev: any function
 * @drv: driver that may bind to it
 *
 * Return: 1: it may; 0: it may not; -1: no override
 */
static inline int pkernfs_pci_match(struct pci_dev *pdev,
				    const struct device_driver *drv)
{
	const bool vfio = !strcmp(drv->name, PKERNFS_VFIO_DRIVER);

	if (pkernfs_pci_kept(pdev))
		return vfio;
	if (!vfio && pkernfs_pci_active() && __pkernfs_pci_beside(pdev))
		return 0;
	return device_match_driver_override(&pdev->dev, drv);
}

/* --- the hooks: vfio-pci --------------------------------------------------- */

/**
 * pkernfs_vfio_reset - the reset at open
 * @pdev: function that a user opens
 *
 * Return: as pci_try_reset_function(); of a kept function, which is not reset, 0 if there
 * is one to be had later
 */
static inline int pkernfs_vfio_reset(struct pci_dev *pdev)
{
	return pkernfs_pci_kept(pdev) ? __pkernfs_vfio_reset(pdev) :
					pci_try_reset_function(pdev);
}

/**
 * pkernfs_vfio_opened - the state to go back to at close has been read
 * @pdev: function whose state is about to be stored
 */
static inline void pkernfs_vfio_opened(struct pci_dev *pdev)
{
	if (pkernfs_pci_kept(pdev))
		__pkernfs_vfio_opened(pdev);
}

/**
 * pkernfs_vfio_config - the configuration that the user sees has been read
 * @vdev: function of a user
 */
static inline void pkernfs_vfio_config(struct vfio_pci_core_device *vdev)
{
	if (pkernfs_pci_active())
		__pkernfs_vfio_config(vdev);
}

/**
 * pkernfs_vfio_close - interrupts and mappings are gone
 * @vdev: function that its user closes
 *
 * Return: true if nothing may be restored or reset
 */
static inline bool pkernfs_vfio_close(struct vfio_pci_core_device *vdev)
{
	return pkernfs_pci_active() && __pkernfs_vfio_close(vdev);
}

/**
 * pkernfs_vfio_set_irqs - may the user set up interrupts now?
 * @pdev: function of a user
 * @index: VFIO_PCI_*_IRQ_INDEX
 *
 * Return: 0, and pkernfs_vfio_set_irqs_done() is due; or -errno
 */
static inline int pkernfs_vfio_set_irqs(struct pci_dev *pdev, unsigned int index)
{
	return pkernfs_pci_active() ? __pkernfs_vfio_set_irqs(pdev, index) : 0;
}

/**
 * pkernfs_vfio_set_irqs_done - interrupts are as the user wants them
 * @pdev: function of a user, after pkernfs_vfio_set_irqs() has returned 0
 */
static inline void pkernfs_vfio_set_irqs_done(struct pci_dev *pdev)
{
	if (pkernfs_pci_active())
		__pkernfs_vfio_set_irqs_done(pdev);
}

/**
 * pkernfs_vfio_raise - an eventfd was connected
 * @pdev: function of a user
 * @vector: vector that it is for
 *
 * Return: true if it is to be signalled at once
 */
static inline bool pkernfs_vfio_raise(struct pci_dev *pdev, unsigned int vector)
{
	return pkernfs_pci_active() && __pkernfs_vfio_raise(pdev, vector);
}

/**
 * pkernfs_vfio_revoked - has the user lost the device, as a kexec is under way?
 * @pdev: function of a user
 */
static inline bool pkernfs_vfio_revoked(struct pci_dev *pdev)
{
	/* A function that was stopped is not kept, and revoked all the same. */
	return pkernfs_pci_active() && __pkernfs_vfio_revoked(pdev);
}

#endif
