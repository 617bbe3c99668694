// SPDX-License-Identifier: GPL-2.0
/*
 * kexec_call [overlap] - reboot(LINUX_REBOOT_CMD_KEXEC) without a look at what is
 * loaded first; or, to load an image that reaches into the first region
 *
 * It comes back only if the kernel refuses, and says why.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pkernfs_test.h"

static int overlap(void)
{
	static char page[4096];
	struct kexec_segment seg = { .buf = page, .bufsz = sizeof(page), .memsz = sizeof(page) };
	struct region r[8];

	if (regions(r, 8) < 1)
		return -1;
	seg.mem = (void *)(r[0].base + r[0].bytes / 2);
	return syscall(__NR_kexec_load, (unsigned long)seg.mem, 1UL, &seg, KEXEC_ARCH_DEFAULT);
}

int main(int argc, char **argv)
{
	int ret;

	if (argc > 1 && !strcmp(argv[1], "overlap"))
		ret = overlap();
	else
		ret = syscall(__NR_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
			      LINUX_REBOOT_CMD_KEXEC, NULL);
	if (!ret)
		return 0;
	puts(strerror(errno));
	return 1;
}
