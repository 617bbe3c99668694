// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: the MSI-X half of a preserved device.
 *
 * An event that a device wants to signal while its vector is masked is latched
 * in the pending bit array and sent when the vector is unmasked. That holds for
 * as long as MSI-X is enabled, so from the quiesce in one kernel to SET_IRQS in
 * the next ENABLE is never off.
 *
 * The function mask alone would do for the latch, but not for getting it back:
 * msix_prepare_msi_desc() caches each vector's control word, and vfio-pci writes
 * the message of a vector before it requests its interrupt. Were the vector bit
 * clear, that write would unmask the vector and the pending event would go to an
 * interrupt that has no handler, and be lost. So each vector is masked too, and
 * only request_irq() unmasks it.
 */
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/irqdesc.h>
#include <linux/workqueue.h>

#include "../pci.h"
#include "../pkernfs.h"
#include "msi.h"

/* Vector control of entry @i in the mapped table @base. */
static void __iomem *pkernfs_msix_ctrl(void __iomem *base, unsigned int i)
{
	return base + i * PCI_MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_VECTOR_CTRL;
}

static unsigned int pkernfs_msix_count(struct pci_dev *pdev)
{
	u16 flags;

	pci_read_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS, &flags);
	return msix_table_size(flags);
}

static void __iomem *pkernfs_msix_map(struct pci_dev *pdev, unsigned int count)
{
	resource_size_t bytes = count * PCI_MSIX_ENTRY_SIZE;
	u32 table, offset;
	u8 bir;

	pci_read_config_dword(pdev, pdev->msix_cap + PCI_MSIX_TABLE, &table);
	bir = table & PCI_MSIX_TABLE_BIR;
	offset = table & PCI_MSIX_TABLE_OFFSET;
	if (bir >= PCI_STD_NUM_BARS || !pci_resource_start(pdev, bir) ||
	    !(pci_resource_flags(pdev, bir) & IORESOURCE_MEM) ||
	    offset + bytes > pci_resource_len(pdev, bir))
		return NULL;
	return ioremap(pci_resource_start(pdev, bir) + offset, bytes);
}

/*
 * Mask vector @i. A vector that has an interrupt is masked through its
 * descriptor and under the interrupt's lock, so that the cached control word
 * says so too and the interrupt core cannot be in the middle of changing it.
 */
static void pkernfs_msix_mask_one(struct pci_dev *pdev, void __iomem *base,
				  unsigned int i, unsigned long *unmasked)
{
	u32 ctrl = readl(pkernfs_msix_ctrl(base, i));

	if (unmasked && !(ctrl & PCI_MSIX_ENTRY_CTRL_MASKBIT))
		__set_bit(i, unmasked);
	if (pkernfs_pci_test(PKERNFS_PCI_MASKALLONLY))
		writel(ctrl & ~PCI_MSIX_ENTRY_CTRL_MASKBIT, pkernfs_msix_ctrl(base, i));
	else
		writel(ctrl | PCI_MSIX_ENTRY_CTRL_MASKBIT, pkernfs_msix_ctrl(base, i));
}

static bool pkernfs_msix_all_masked(void __iomem *base, unsigned int count)
{
	unsigned int i;

	if (pkernfs_pci_test(PKERNFS_PCI_MASKALLONLY))
		return true;
	for (i = 0; i < count; i++)
		if (!(readl(pkernfs_msix_ctrl(base, i)) & PCI_MSIX_ENTRY_CTRL_MASKBIT))
			return false;
	return true;
}

/**
 * pkernfs_msix_mask_table - mask every vector of a function that has no driver
 * @pdev: function whose BARs have been read
 * @unmasked: set for each vector that was not masked; may be NULL
 *
 * Memory decode is switched on for it where it is off.
 *
 * Return: 0; -ENXIO: the table is not where it can be reached; -EIO: a vector
 * does not take the mask.
 */
int pkernfs_msix_mask_table(struct pci_dev *pdev, unsigned long *unmasked)
{
	unsigned int i, count = pkernfs_msix_count(pdev);
	void __iomem *base = pkernfs_msix_map(pdev, count);
	bool done;
	u16 cmd;

	if (!base)
		return -ENXIO;
	pci_read_config_word(pdev, PCI_COMMAND, &cmd);
	if (!(cmd & PCI_COMMAND_MEMORY))
		pci_write_config_word(pdev, PCI_COMMAND, cmd | PCI_COMMAND_MEMORY);
	for (i = 0; i < count; i++)
		pkernfs_msix_mask_one(pdev, base, i, unmasked);
	done = pkernfs_msix_all_masked(base, count);
	if (!(cmd & PCI_COMMAND_MEMORY))
		pci_write_config_word(pdev, PCI_COMMAND, cmd);
	iounmap(base);
	return done ? 0 : -EIO;
}

/**
 * pkernfs_msix_mask - mask every vector and the function, in use or not
 * @pdev: function
 * @user: a user has it open, and a close does not end meanwhile
 * @unmasked: set for each vector that was not masked; may be NULL
 * @flags: message control as it was; may be NULL
 *
 * Nothing unmasks a vector by itself afterwards: the cached control words say
 * masked, so rewriting a message (a change of affinity) leaves it so.
 *
 * Context: process. vfio-pci's igate is held if there is a user.
 * Return: 0 (also when MSI-X is not enabled); -EIO: read back and not masked.
 */
int pkernfs_msix_mask(struct pci_dev *pdev, bool user, unsigned long *unmasked,
		      u16 *flags)
{
	unsigned int i, count;
	struct msi_desc *desc;
	u16 ctrl;

	if (!pdev->msix_cap)
		return 0;
	pci_read_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS, &ctrl);
	if (flags)
		*flags = ctrl;
	if (!(ctrl & PCI_MSIX_FLAGS_ENABLE))
		return 0;

	/* The function first: no vector fires between two writes below. */
	pci_write_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS,
			      ctrl | PCI_MSIX_FLAGS_MASKALL);
	if (!user || !pdev->dev.msi.data)
		return pkernfs_msix_mask_table(pdev, unmasked);

	/* A close has no igate, but frees descriptors and table under this lock. */
	guard(msi_descs_lock)(&pdev->dev);
	if (!pdev->msix_enabled || !pdev->msix_base)
		return pkernfs_msix_mask_table(pdev, unmasked);

	if (!pkernfs_pci_test(PKERNFS_PCI_MASKALLONLY)) {
		msi_for_each_desc(desc, &pdev->dev, MSI_DESC_ASSOCIATED) {
			struct irq_desc *id = irq_to_desc(desc->irq);

			if (!id || desc->pci.msi_attrib.is_virtual)
				continue;
			guard(raw_spinlock_irq)(&id->lock);
			if (unmasked && desc->msi_index < PKERNFS_MSIX_VECTORS &&
			    !(desc->pci.msix_ctrl & PCI_MSIX_ENTRY_CTRL_MASKBIT))
				__set_bit(desc->msi_index, unmasked);
			pci_msix_mask(desc);
		}
	}
	count = pkernfs_msix_count(pdev);
	for (i = 0; i < count; i++)
		pkernfs_msix_mask_one(pdev, pdev->msix_base, i, unmasked);

	/* These reads also push out messages that were on their way. */
	if (!pkernfs_msix_all_masked(pdev->msix_base, count))
		return -EIO;
	pci_read_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS, &ctrl);
	return ctrl & PCI_MSIX_FLAGS_MASKALL ? 0 : -EIO;
}

/**
 * pkernfs_msix_unmask - exactly undo pkernfs_msix_mask()
 * @pdev: function; the interrupts it had then, it still has
 * @unmasked: vectors to unmask
 * @flags: message control as it was
 *
 * What was latched in between is sent now.
 *
 * Context: process, vfio-pci's igate held; a close does not end meanwhile.
 */
void pkernfs_msix_unmask(struct pci_dev *pdev, const unsigned long *unmasked,
			 u16 flags)
{
	struct msi_desc *desc;
	unsigned int i, count;
	u16 ctrl;

	if (!pdev->msix_cap || !(flags & PCI_MSIX_FLAGS_ENABLE) || !pdev->dev.msi.data)
		return;

	guard(msi_descs_lock)(&pdev->dev);
	if (!pdev->msix_enabled || !pdev->msix_base)
		return;
	count = pkernfs_msix_count(pdev);
	for_each_set_bit(i, unmasked, count)
		writel(readl(pkernfs_msix_ctrl(pdev->msix_base, i)) &
		       ~PCI_MSIX_ENTRY_CTRL_MASKBIT,
		       pkernfs_msix_ctrl(pdev->msix_base, i));
	msi_for_each_desc(desc, &pdev->dev, MSI_DESC_ASSOCIATED) {
		struct irq_desc *id = irq_to_desc(desc->irq);

		if (!id || desc->pci.msi_attrib.is_virtual ||
		    !test_bit(desc->msi_index, unmasked))
			continue;
		guard(raw_spinlock_irq)(&id->lock);
		pci_msix_unmask(desc);
	}
	/* The vectors are in place before the function lets them through. */
	readl(pkernfs_msix_ctrl(pdev->msix_base, 0));
	pci_read_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS, &ctrl);
	ctrl &= ~PCI_MSIX_FLAGS_MASKALL;
	pci_write_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS,
			      ctrl | (flags & PCI_MSIX_FLAGS_MASKALL));
}

static void pkernfs_msix_nop(struct work_struct *work)
{
}

/**
 * pkernfs_msix_sync - wait until every interrupt that was sent has been handled
 * @pdev: function, masked and read back
 * @user: a user has it open, and a close does not end meanwhile
 *
 * A message that the read back pushed out may be pending in a local APIC whose
 * CPU has not taken it yet, and synchronize_irq() would not see it. When a work
 * item has run on a CPU, that CPU has had its interrupts on.
 *
 * Context: process, may sleep.
 */
void pkernfs_msix_sync(struct pci_dev *pdev, bool user)
{
	struct msi_desc *desc;

	if (schedule_on_each_cpu(pkernfs_msix_nop))
		synchronize_rcu();	/* no memory: all but as good */
	/* Without a user no handler is left: a close waits for them. */
	if (!user)
		return;
	if (!pdev->msix_enabled && pdev->irq && pdev->irq != IRQ_NOTCONNECTED)
		synchronize_irq(pdev->irq);
	if (!pdev->dev.msi.data)
		return;
	guard(msi_descs_lock)(&pdev->dev);
	msi_for_each_desc(desc, &pdev->dev, MSI_DESC_ASSOCIATED)
		synchronize_irq(desc->irq);
}

/**
 * pkernfs_msix_disable - MSI-X off where it was left on for nobody
 * @pdev: function that is no longer kept
 *
 * Nothing where the PCI core has interrupts set up.
 */
void pkernfs_msix_disable(struct pci_dev *pdev)
{
	u16 ctrl;

	if (!pdev->msix_cap || pdev->msix_enabled)
		return;
	pci_read_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS, &ctrl);
	if (ctrl & PCI_MSIX_FLAGS_ENABLE)
		pci_write_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS,
				      ctrl & ~(PCI_MSIX_FLAGS_ENABLE |
					       PCI_MSIX_FLAGS_MASKALL));
}

/*
 * pci_msix_init(): the record matched and MSI-X is on. The vectors are masked
 * when the BARs are known, in __pkernfs_pci_add().
 */
bool __pkernfs_pci_msix_init(struct pci_dev *pdev, u16 ctrl)
{
	if (!(ctrl & PCI_MSIX_FLAGS_MASKALL))
		pci_write_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS,
				      ctrl | PCI_MSIX_FLAGS_MASKALL);
	return true;
}

/*
 * pci_msix_shutdown(), and an enable that failed: the interrupts are gone, and
 * not by the will of the user, or before it has seen what was latched for it. So
 * what comes from now on must be latched for whoever connects an eventfd next.
 * The vectors that had a descriptor are masked; a user may have unmasked others
 * in a mapped table.
 */
bool __pkernfs_pci_msix_shutdown(struct pci_dev *pdev)
{
	unsigned int i, count;
	struct pkernfs_pci *pp;
	u16 ctrl;

	scoped_guard(spinlock_irqsave, &pkernfs_pci_lock) {
		pp = pkernfs_pci_find(pdev);
		if (!pp || !(pp->latched || (pkernfs_pci_kept(pdev) && !pp->by_user)))
			return false;
	}
	count = pkernfs_msix_count(pdev);
	pci_read_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS, &ctrl);
	pci_write_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS,
			      ctrl | PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	if (pdev->msix_base) {
		for (i = 0; i < count; i++)
			pkernfs_msix_mask_one(pdev, pdev->msix_base, i, NULL);
		readl(pdev->msix_base);
	}
	return true;
}
