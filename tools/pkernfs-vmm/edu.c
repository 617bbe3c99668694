// SPDX-License-Identifier: GPL-2.0
/*
 * QEMU's edu: one interrupt, by MSI that cannot be masked. What the device does
 * besides is not used: pkernfs must refuse it.
 */
#include "vmm.h"

#define EDU_IRQ		0x60	/* set these bits in EDU_STATUS, and interrupt */
#define EDU_ACK		0x64
#define EDU_STATUS	0x24

static unsigned int edu_vectors(struct vmm *vmm)
{
	(void)vmm;
	return 1;
}

static int edu_start(struct vmm *vmm)
{
	*vmm->guest = (struct guest_page) { .magic = GUEST_MAGIC, .iova = vmm->iova };
	return 0;
}

static int edu_resume(struct vmm *vmm)
{
	(void)vmm;
	return 0;
}

static void edu_interrupt(struct vmm *vmm, unsigned int vector)
{
	(void)vector;
	WRITE_ONCE(vmm->bar0[EDU_ACK / 4], READ_ONCE(vmm->bar0[EDU_STATUS / 4]));
}

static u64 edu_poll(struct vmm *vmm)
{
	return READ_ONCE(vmm->bar0[EDU_STATUS / 4]) != 0;
}

static int edu_raise(struct vmm *vmm, u32 causes)
{
	WRITE_ONCE(vmm->bar0[EDU_IRQ / 4], causes ?: 1);
	vmm->guest->raised++;
	return 0;
}

static int edu_verify(struct vmm *vmm)
{
	(void)vmm;
	return 0;
}

static bool edu_good(struct vmm *vmm)
{
	(void)vmm;
	return true;
}

static void edu_report(struct vmm *vmm, FILE *out)
{
	(void)vmm;
	(void)out;
}

const struct vmm_driver edu_driver = {
	.id = 0x11e81234,
	.msi = true,
	.vectors = edu_vectors,
	.start = edu_start,
	.resume = edu_resume,
	.interrupt = edu_interrupt,
	.poll = edu_poll,
	.raise = edu_raise,
	.verify = edu_verify,
	.good = edu_good,
	.report = edu_report,
};
