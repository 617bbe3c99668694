/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkernfs, PCI and VFIO half: what device.c asks of it, and the stubs that the
 * PCI core and vfio-pci call.
 */
#ifndef _LINUX_PKERNFS_PCI_H
#define _LINUX_PKERNFS_PCI_H

#include <linux/jump_label.h>
#include <linux/types.h>

struct file;
struct iommufd_device;
struct pci_dev;
struct pkernfs_device;
struct pkernfs_pci_ser;
struct pkernfs_refusal;

#ifdef CONFIG_PKERNFS_FS

/* --- drivers/pci/pkernfs.c ------------------------------------------------- */

/* May this function be carried? 0, or the errno that is also in @why. */
int pkernfs_pci_check(struct pci_dev *pdev, struct pkernfs_refusal *why);
/* Fill in identity, BARs, bridges, interrupt set-up. Writes ordinary memory. */
int pkernfs_pci_save(struct pci_dev *pdev, struct pkernfs_pci_ser *ser,
		     struct pkernfs_refusal *why);
/*
 * From here on the device is kept: not reset, bus mastering left on, no D3, no
 * other driver, sysfs reset/remove fenced. Undone by pkernfs_pci_unkeep().
 * pd->pdev is set. Process context.
 */
int pkernfs_pci_keep(struct pkernfs_device *pd);
void pkernfs_pci_unkeep(struct pkernfs_device *pd);
/* Mask every vector and the function, read back, wait for handlers. */
int pkernfs_pci_quiesce_irq(struct pkernfs_device *pd, struct pkernfs_refusal *why);
/* Same kernel only: vectors as they were before pkernfs_pci_quiesce_irq(). */
void pkernfs_pci_unquiesce_irq(struct pkernfs_device *pd);
/* Bus mastering off, wait for pending transactions. Any context in boot. */
void pkernfs_pci_stop(struct pci_dev *pdev);

/* --- drivers/vfio/pci/pkernfs.c -------------------------------------------- */

/*
 * The PCI function and the iommufd device behind an open, bound VFIO cdev.
 * Takes a reference on the pci_dev. ERR_PTR(-EBADF): @file is none.
 */
struct pci_dev *pkernfs_vfio_pdev(struct file *file, struct iommufd_device **idev);
/* The VMM still lives at kexec: take its mappings of the BARs away. */
void pkernfs_vfio_revoke(struct pkernfs_device *pd);

#endif
#endif
