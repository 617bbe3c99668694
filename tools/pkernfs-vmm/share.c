// SPDX-License-Identifier: GPL-2.0
/*
 * Several devices on one IOAS: a VMM of several processes, one a device. The first
 * leaves a note of its iommufd and of the ids in it; the others take the file
 * descriptor from it, and attach to the same HWPT.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "vmm.h"

#define SHARE_WAIT_MS	20000

/**
 * share_leave() - write the note, if one was asked for
 * @vmm: the VMM; its HWPT is there
 *
 * Return: 0 or -errno.
 */
int share_leave(struct vmm *vmm)
{
	char temp[512];
	FILE *f;
	int ret = 0;

	if (!vmm->share_path)
		return 0;
	snprintf(temp, sizeof(temp), "%s.new", vmm->share_path);
	f = fopen(temp, "w");
	if (!f)
		return vmm_fail("share", errno, "open %s", temp);
	fprintf(f, "%d %d %u %u\n", getpid(), vmm->iommufd, vmm->ioas_id, vmm->hwpt_id);
	if (fclose(f) || rename(temp, vmm->share_path))
		ret = vmm_fail("share", errno, "write %s", vmm->share_path);
	return ret;
}

/**
 * share_take() - wait for the note, and take what it names
 * @vmm: the VMM; gets iommufd, ioas_id and hwpt_id
 *
 * Return: 0 or -errno.
 */
int share_take(struct vmm *vmm)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	int pid, theirs, pidfd;
	FILE *f = NULL;

	for (int i = 0; i < SHARE_WAIT_MS && !f; i++) {
		f = fopen(vmm->join_path, "r");
		if (!f)
			nanosleep(&ms, NULL);
	}
	if (!f)
		return vmm_fail("join", errno, "open %s", vmm->join_path);
	if (fscanf(f, "%d %d %u %u", &pid, &theirs, &vmm->ioas_id, &vmm->hwpt_id) != 4) {
		fclose(f);
		return vmm_fail("join", EINVAL, "%s says nothing", vmm->join_path);
	}
	fclose(f);
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return vmm_fail("join", errno, "pidfd_open %d", pid);
	vmm->iommufd = syscall(SYS_pidfd_getfd, pidfd, theirs, 0);
	close(pidfd);
	if (vmm->iommufd < 0)
		return vmm_fail("join", errno, "the iommufd of process %d", pid);
	return 0;
}
