/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where in the guest's memory the vCPU's things are: for vcpu.c and for its code
 * in vcpu_guest.S. RAM offset and guest-physical address are the same. The first
 * page is struct guest_page, the driver's.
 */
#ifndef PKERNFS_VCPU_H
#define PKERNFS_VCPU_H

#define VCPU_IRQ_COUNTS		0x78		/* guest_page.irq */

#define VCPU_CODE		0x10000		/* vcpu_guest.S, linked nowhere else */
#define VCPU_CODE_BYTES		0x2000
#define VCPU_PAGE		0x12000		/* struct vcpu_page */
#define VCPU_TOUCH		(VCPU_PAGE + 0x0)
#define VCPU_ACK_REG		(VCPU_PAGE + 0x4)
#define VCPU_ACK		(VCPU_PAGE + 0x8)
#define VCPU_STACK		0x16000		/* grows down to 0x13000 */

#define VCPU_BAR		0xe0000000	/* BAR 0 of the device; RAM ends below */
#define VCPU_LAPIC		0xfee00000
#define VCPU_LAPIC_EOI		(VCPU_LAPIC + 0xb0)

/* Interrupt vectors. Of the device's 64 vectors the first is VCPU_VECTOR. */
#define VCPU_VECTOR		0x40
#define VCPU_VECTORS		64
#define VCPU_DOORBELL		0xe0		/* something was written to VCPU_TOUCH */
#define VCPU_SPURIOUS		0xff

#define VCPU_STUB_BYTES		16		/* from one vector's entry to the next */

#ifndef __ASSEMBLER__
#include "types.h"

extern const u8 vcpu_code[], vcpu_code_end[];
extern const u8 vcpu_stubs[], vcpu_doorbell[], vcpu_spurious[];
#endif

#endif
