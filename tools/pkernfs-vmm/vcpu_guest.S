/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest of --kvm: it waits for interrupts and counts them, by vector, in
 * guest RAM. 32-bit protected mode, flat, no paging. vcpu.c copies it to VCPU_CODE;
 * jumps are relative, and all else is addressed by what vcpu.h says.
 */
#include "vcpu.h"

	.section .rodata
	.code32
	.balign	16
	.globl	vcpu_code, vcpu_stubs, vcpu_doorbell, vcpu_spurious, vcpu_code_end

vcpu_code:
	/* What was asked for before this look is seen, after it there is a doorbell. */
again:	cli
	movl	VCPU_TOUCH, %ecx
	testl	%ecx, %ecx
	jnz	touch
	sti				/* takes effect after hlt: none is missed */
	hlt
	jmp	again

	/* Write to so many pages from 0 on, and change nothing. */
touch:	sti
	xorl	%eax, %eax
1:	lock orl $0, (%eax)
	addl	$0x1000, %eax
	decl	%ecx
	jnz	1b
	movl	$0, VCPU_TOUCH
	jmp	again

	/*
	 * The device is told first: only then can it raise the vector again. Who sees
	 * the count and raises the next finds it ready.
	 */
interrupt:
	pushl	%eax
	pushl	%ecx
	pushl	%edx
	movl	12(%esp), %ecx
	movl	VCPU_ACK(, %ecx, 4), %eax
	testl	%eax, %eax
	jz	1f
	movl	VCPU_ACK_REG, %edx
	movl	%eax, (%edx)
1:	addl	$1, VCPU_IRQ_COUNTS(, %ecx, 8)
	adcl	$0, VCPU_IRQ_COUNTS + 4(, %ecx, 8)
	movl	$0, VCPU_LAPIC_EOI
	popl	%edx
	popl	%ecx
	popl	%eax
	addl	$4, %esp
	iretl

vcpu_doorbell:
	movl	$0, VCPU_LAPIC_EOI
vcpu_spurious:
	iretl

	/* One entry a vector: its number, and on. */
	.balign	VCPU_STUB_BYTES
vcpu_stubs:
	.set	vector, 0
	.rept	VCPU_VECTORS
	pushl	$vector
	jmp	interrupt
	.balign	VCPU_STUB_BYTES
	.set	vector, vector + 1
	.endr
vcpu_code_end:
	.org	vcpu_code + VCPU_CODE_BYTES	/* an error if there is more of it */

	.section .note.GNU-stack, "", @progbits
