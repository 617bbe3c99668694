/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkernfs: what the files of the PCI and VFIO half share.
 */
#ifndef _PCI_PKERNFS_H
#define _PCI_PKERNFS_H

#include <linux/notifier.h>
#include <linux/pkernfs.h>
#include <linux/pkernfs_pci.h>

#define PKERNFS_MSIX_VECTORS	(PCI_MSIX_FLAGS_QSIZE + 1)

/**
 * struct pkernfs_pci - the PCI half of a preserved device
 * @node: in pkernfs_pci_list
 * @pd: the preserved device; NULL from unkeep on, while the VFIO user that took
 *	the device over has yet to set up its interrupts
 * @pdev: the function, with a reference; NULL until it is enumerated
 * @saved: private copy of the record's identity
 * @open: vfio-pci has it open
 * @failed: it was found and refused; never match it again
 * @latched: opened with MSI-X enabled and masked, no eventfd connected yet
 * @by_user: SET_IRQS is under way: what it disables is off by the user's will
 * @fenced: the user that is there quiesced its vectors: no SET_IRQS
 * @masked: @unmasked and @msix_flags hold what to go back to
 * @revoked: a kexec is under way
 * @held: runtime PM reference, NO_BUS_RESET and fixed BARs are taken
 * @bus_reset: PCI_DEV_FLAGS_NO_BUS_RESET is ours to clear
 * @override: so is driver_override
 * @fixed: so is IORESOURCE_PCI_FIXED, of these BARs
 * @msix_flags: MSI-X message control before it was masked
 * @command: command register before INTx was disabled
 * @unmasked: vectors that were unmasked before
 * @raise: vectors to signal once when an eventfd is connected
 *
 * @masked, @msix_flags, @command and @unmasked are under vfio-pci's igate, @open is
 * cleared under the user lock too (drivers/vfio/pci/pkernfs.c), @held, @bus_reset,
 * @override and @fixed under the transition lock or single-threaded boot, @pdev and @saved
 * are set once, and the rest is under pkernfs_pci_lock.
 */
struct pkernfs_pci {
	struct list_head node;
	struct pkernfs_device *pd;
	struct pci_dev *pdev;
	struct pkernfs_pci_ser saved;
	bool open;
	bool failed;
	bool latched;
	bool by_user;
	bool fenced;
	bool masked;
	bool revoked;
	bool held;
	bool bus_reset;
	bool override;
	unsigned long fixed;
	u16 msix_flags;
	u16 command;
	DECLARE_BITMAP(unmasked, PKERNFS_MSIX_VECTORS);
	DECLARE_BITMAP(raise, PKERNFS_MSIX_VECTORS);
};

/* --- drivers/pci/pkernfs.c -------------------------------------------------- */

/* Test-only knobs, pkernfs_test= on the command line; see there. */
enum pkernfs_pci_knob {
	PKERNFS_PCI_NOBM	= BIT(0),
	PKERNFS_PCI_VFIORESET	= BIT(1),
	PKERNFS_PCI_MASKALLONLY	= BIT(2),
};

#ifdef CONFIG_PKERNFS_TEST
extern unsigned int pkernfs_pci_knobs;
static inline bool pkernfs_pci_test(enum pkernfs_pci_knob knob)
{
	return pkernfs_pci_knobs & knob;
}
#else
static inline bool pkernfs_pci_test(enum pkernfs_pci_knob knob)
{
	return false;
}
#endif

extern spinlock_t pkernfs_pci_lock;
extern struct list_head pkernfs_pci_list;
struct pkernfs_pci *pkernfs_pci_find(struct pci_dev *pdev);
void pkernfs_pci_forget(struct pkernfs_pci *pp);
void pkernfs_pci_hold(struct pkernfs_pci *pp);
void pkernfs_pci_release(struct pci_dev *pdev, unsigned long fixed, bool bus_reset);
void pkernfs_pci_mark_paths(void);
void pkernfs_pci_clear_path(struct pci_dev *pdev);
void pkernfs_pci_override_mode(struct pci_dev *pdev, umode_t mode);

/* --- drivers/pci/pkernfs_irq.c ---------------------------------------------- */

void pkernfs_pci_mask_last(struct pkernfs_pci *pp, struct vfio_pci_core_device *vdev);

/* --- drivers/pci/pkernfs_record.c ------------------------------------------- */

int pkernfs_pci_check_beside(struct pci_dev *pdev, bool kept, struct pkernfs_refusal *why);
bool pkernfs_pci_ser_valid(const struct pkernfs_pci_ser *ser);
void pkernfs_pci_ser_read(struct pci_dev *pdev, struct pkernfs_pci_ser *ser);
const char *pkernfs_pci_ser_differs(const struct pkernfs_pci_ser *was,
				    const struct pkernfs_pci_ser *is,
				    u32 *old, u32 *new);

/* --- drivers/pci/pkernfs_stop.c --------------------------------------------- */

bool pkernfs_pci_stop_stray(struct pci_dev *pdev);
void pkernfs_pci_stop_reached(void);

/* --- drivers/pci/pkernfs_sleep.c -------------------------------------------- */

bool pkernfs_pci_keeps_awake(void);
bool pkernfs_pci_sleeping(void);
int pkernfs_pci_sleep(struct notifier_block *nb, unsigned long action, void *data);

/* --- drivers/pci/msi/pkernfs.c ---------------------------------------------- */

int pkernfs_msix_mask_table(struct pci_dev *pdev, unsigned long *unmasked);
int pkernfs_msix_mask(struct pci_dev *pdev, bool user, unsigned long *unmasked,
		      u16 *flags);
void pkernfs_msix_unmask(struct pci_dev *pdev, const unsigned long *unmasked,
			 u16 flags);
void pkernfs_msix_sync(struct pci_dev *pdev, bool user);
void pkernfs_msix_disable(struct pci_dev *pdev);

/* --- drivers/vfio/pci/pkernfs.c --------------------------------------------- */

void pkernfs_vfio_irq_lock(struct vfio_pci_core_device *vdev);
void pkernfs_vfio_irq_unlock(struct vfio_pci_core_device *vdev);
u16 pkernfs_vfio_memory_lock(struct vfio_pci_core_device *vdev);
void pkernfs_vfio_memory_unlock(struct vfio_pci_core_device *vdev, u16 cmd);
void pkernfs_vfio_irq_state(struct pci_dev *pdev, u32 *type, u32 *count);
void pkernfs_vfio_msix_disable(struct pci_dev *pdev, struct vfio_pci_core_device *vdev);

#endif
