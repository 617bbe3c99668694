// SPDX-License-Identifier: GPL-2.0
/* MSI-X vectors of the device, or MSI, or INTx, as eventfds. */
#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm.h"

static int irq_intx(struct vmm *vmm, u32 action)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = VFIO_IRQ_SET_DATA_NONE | action,
		.index = VFIO_PCI_INTX_IRQ_INDEX,
		.count = 1,
	};

	if (ioctl(vmm->dev_fd, VFIO_DEVICE_SET_IRQS, &set))
		return vmm_fail("irqs", errno, "VFIO_DEVICE_SET_IRQS of INTx");
	return 0;
}

/**
 * irq_enable() - an eventfd for each vector, then VFIO_DEVICE_SET_IRQS
 * @vmm: the VMM
 *
 * At a restore this call unmasks: what the device latched arrives now.
 *
 * Return: 0 or -errno.
 */
int irq_enable(struct vmm *vmm)
{
	const unsigned int index = vmm->intx ? VFIO_PCI_INTX_IRQ_INDEX :
		vmm->msi || vmm->driver->msi ? VFIO_PCI_MSI_IRQ_INDEX :
		VFIO_PCI_MSIX_IRQ_INDEX;
	const bool msix = index == VFIO_PCI_MSIX_IRQ_INDEX;
	const unsigned int count = msix ? vmm->driver->vectors(vmm) : 1;
	const size_t bytes = sizeof(struct vfio_irq_set) + count * sizeof(int);
	struct vfio_irq_set *set;
	int ret = 0;

	if (!count || count > VMM_VECTORS)
		return vmm_fail("irqs", EINVAL, "%u vectors", count);
	set = calloc(1, bytes);
	if (!set)
		return vmm_fail("irqs", ENOMEM, "irq set");
	for (unsigned int i = 0; i < count; i++) {
		vmm->irq_fd[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (vmm->irq_fd[i] < 0) {
			ret = vmm_fail("irqs", errno, "eventfd");
			goto out;
		}
	}
	set->argsz = bytes;
	set->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	set->index = index;
	set->count = count;
	memcpy(set->data, vmm->irq_fd, count * sizeof(int));
	vmm->vectors = count;
	ret = vcpu_irqs(vmm);
	if (!ret && ioctl(vmm->dev_fd, VFIO_DEVICE_SET_IRQS, set))
		ret = vmm_fail("irqs", errno,
			       "VFIO_DEVICE_SET_IRQS of %u %s vectors", count,
			       msix ? "MSI-X" : vmm->intx ? "INTx" : "MSI");
	/*
	 * VFIO enables INTx in the device, then the line's entry in the I/O APIC.
	 * QEMU's forgets a line that is asserted before its entry says that it is
	 * level-triggered. The unmask looks at the device itself.
	 */
	if (!ret && vmm->intx)
		ret = irq_intx(vmm, VFIO_IRQ_SET_ACTION_MASK) ?:
		      irq_intx(vmm, VFIO_IRQ_SET_ACTION_UNMASK);
out:
	free(set);
	return ret;
}

/**
 * irq_done() - the guest has handled an interrupt
 * @vmm: the VMM
 *
 * VFIO masks INTx, which is level-triggered, when it signals the eventfd: what the
 * device has to say now comes as the next one.
 */
void irq_done(struct vmm *vmm)
{
	if (vmm->intx)
		irq_intx(vmm, VFIO_IRQ_SET_ACTION_UNMASK);
}

/**
 * irq_take() - interrupts that came on a vector since the last call
 * @vmm: the VMM
 * @vector: which
 *
 * Return: their number.
 */
u64 irq_take(struct vmm *vmm, unsigned int vector)
{
	u64 count;

	if (vmm->irq_fd[vector] < 0 ||
	    read(vmm->irq_fd[vector], &count, sizeof(count)) != sizeof(count))
		return 0;
	vmm->irq_new[vector] += count;
	return count;
}

/**
 * irq_drain() - after QUIESCE_IRQ: counts in the eventfds die with them, so they
 *	go into the state file, and the next VMM injects them
 * @vmm: the VMM
 */
void irq_drain(struct vmm *vmm)
{
	for (unsigned int i = 0; i < vmm->vectors; i++)
		vmm->irq_pending[i] += irq_take(vmm, i);
}

/**
 * irq_inject() - the vCPUs go on: what was drained and not handled comes now
 * @vmm: the VMM
 *
 * Return: 0 or -errno.
 */
int irq_inject(struct vmm *vmm)
{
	int ret = 0;

	for (unsigned int i = 0; i < vmm->vectors && !ret; i++) {
		if (!vmm->irq_pending[i])
			continue;
		if (vmm->vcpu) {
			/* However often: what is not handled is pending once. */
			ret = vcpu_inject(vmm, i);
		} else {
			vmm->guest->irq[i] += vmm->irq_pending[i];
			vmm->driver->interrupt(vmm, i);
			irq_done(vmm);
		}
		vmm->irq_pending[i] = 0;
	}
	return ret;
}
