// SPDX-License-Identifier: GPL-2.0
/*
 * tsc: print the time stamp counter. It goes on over a kexec, as no clock of the
 * kernel does; under QEMU's -icount it counts instructions, in ns of virtual time.
 */
#include <stdio.h>
#include <x86intrin.h>

int main(void)
{
	printf("%llu\n", (unsigned long long)__rdtsc());
	return 0;
}
