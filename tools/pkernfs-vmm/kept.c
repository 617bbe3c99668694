// SPDX-License-Identifier: GPL-2.0
/* The device file: the ioctls of pkernfs. */
#include <errno.h>
#include <fcntl.h>
#include <linux/pkernfs.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm.h"

static const char * const kept_states[] = {
	[PKERNFS_STATE_ORDINARY] = "ordinary",
	[PKERNFS_STATE_FROZEN] = "frozen",
	[PKERNFS_STATE_DETACHED] = "detached",
	[PKERNFS_STATE_HANDED_OVER] = "handed-over",
	[PKERNFS_STATE_ADOPTED] = "adopted",
	[PKERNFS_STATE_FAILED] = "failed",
};

/**
 * kept_open() - open the device file, if one was named
 * @vmm: the VMM
 * @create: make it if it is not there
 *
 * Return: 0 or -errno.
 */
int kept_open(struct vmm *vmm, bool create)
{
	if (vmm->file_fd >= 0 || !vmm->device_path)
		return 0;
	vmm->file_fd = open(vmm->device_path,
			    O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0), 0600);
	if (vmm->file_fd < 0 && create)
		return vmm_fail("device", errno, "open %s", vmm->device_path);
	return 0;
}

static int kept_ioctl(struct vmm *vmm, const char *step, unsigned long cmd,
		      void *arg, u64 *ns)
{
	u64 begin;
	int ret, err;

	if (vmm->file_fd < 0)
		return vmm_fail(step, EBADF,
				"no device file: give --device PATH");
	begin = vmm_now_ns();
	ret = ioctl(vmm->file_fd, cmd, arg);
	err = errno;
	*ns = vmm_now_ns() - begin;
	if (!ret)
		return 0;
	kept_info(vmm, true);
	return vmm_fail(step, err, "ioctl on %s", vmm->device_path);
}

/**
 * kept_freeze() - FREEZE; the guest runs on
 * @vmm: the VMM
 *
 * Return: 0 or -errno.
 */
int kept_freeze(struct vmm *vmm)
{
	struct pkernfs_freeze freeze = {
		.size = sizeof(freeze),
		.vfio_fd = vmm->dev_fd,
		.leave_out_count = vmm->leave_outs,
		.leave_out = vmm->leave_outs ? (uintptr_t)vmm->leave_out : 0,
	};
	u64 ns;
	int ret;

	ret = kept_ioctl(vmm, "freeze", PKERNFS_FREEZE, &freeze, &ns);
	if (ret)
		return ret;
	vmm->frozen = true;
	if (!vmm->freezes || ns < vmm->freeze_min_ns)
		vmm->freeze_min_ns = ns;
	if (ns > vmm->freeze_max_ns)
		vmm->freeze_max_ns = ns;
	vmm->freeze_sum_ns += ns;
	vmm->freezes++;
	return 0;
}

/* One of two that FREEZE the same device at the same time. */
struct kept_racer {
	struct pkernfs_freeze arg;
	int *ready;
	int fd;
	int err;
};

static void *kept_racer(void *arg)
{
	struct kept_racer *racer = arg;

	__atomic_fetch_add(racer->ready, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(racer->ready, __ATOMIC_SEQ_CST) < 2)
		;
	racer->err = ioctl(racer->fd, PKERNFS_FREEZE, &racer->arg) ? errno : 0;
	return NULL;
}

/**
 * kept_race() - FREEZE of the device into two files at once: just one succeeds
 * @vmm: the VMM; the file that got the device is its device file after it
 * @path: the other file
 *
 * Return: 0 or -errno.
 */
int kept_race(struct vmm *vmm, const char *path)
{
	const struct pkernfs_freeze freeze = {
		.size = sizeof(freeze), .vfio_fd = vmm->dev_fd,
	};
	int other = open(path, O_RDWR | O_CLOEXEC | O_CREAT, 0600), ready = 0;
	struct kept_racer racer[2] = {
		{ .arg = freeze, .ready = &ready, .fd = vmm->file_fd },
		{ .arg = freeze, .ready = &ready, .fd = other },
	};
	pthread_t thread;
	bool won;	/* by racer[1] */

	if (other < 0)
		return vmm_fail("freeze-race", errno, "open %s", path);
	if (pthread_create(&thread, NULL, kept_racer, &racer[1])) {
		close(other);
		return vmm_fail("freeze-race", EAGAIN, "no thread");
	}
	kept_racer(&racer[0]);
	pthread_join(thread, NULL);
	if (!racer[0].err == !racer[1].err) {
		close(other);
		return vmm_fail("freeze-race", racer[0].err ?: EPROTO, "both say %d",
				racer[0].err);
	}
	won = racer[0].err;
	if (won) {
		vmm->file_fd = other;
		other = racer[0].fd;
	}
	close(other);
	vmm->frozen = true;
	vmm->freezes++;
	vmm_step(vmm, "raced", "won=%d errno=%d", won, racer[!won].err);
	return 0;
}

/**
 * kept_quiesce() - pause the vCPUs, QUIESCE_IRQ, take the eventfds from KVM and drain
 *	them, read the vCPU's state
 * @vmm: the VMM
 *
 * Return: 0 or -errno.
 */
int kept_quiesce(struct vmm *vmm)
{
	struct pkernfs_simple arg = { .size = sizeof(arg) };
	const bool ran = vcpu_pause(vmm);
	u64 ns;
	int ret;

	ret = kept_ioctl(vmm, "quiesce", PKERNFS_QUIESCE_IRQ, &arg, &ns);
	if (ret) {
		if (ran)
			vcpu_go(vmm);
		return ret;
	}
	vmm->quiesced = true;
	ret = vcpu_no_irqs(vmm);
	irq_drain(vmm);
	return ret ?: vcpu_save(vmm);
}

/**
 * kept_unfreeze() - UNFREEZE; if the vCPUs were paused, they go on
 * @vmm: the VMM
 *
 * Return: 0 or -errno.
 */
int kept_unfreeze(struct vmm *vmm)
{
	struct pkernfs_simple arg = { .size = sizeof(arg) };
	u64 ns;
	int ret;

	ret = kept_ioctl(vmm, "unfreeze", PKERNFS_UNFREEZE, &arg, &ns);
	if (ret)
		return ret;
	if (ns > vmm->unfreeze_max_ns)
		vmm->unfreeze_max_ns = ns;
	vmm->frozen = false;
	if (vmm->quiesced) {
		vmm->quiesced = false;
		ret = vcpu_irqs(vmm);
		ret = ret ?: irq_inject(vmm);
	}
	return ret ?: vcpu_go(vmm);
}

/**
 * kept_release() - RELEASE: give up on the device
 * @vmm: the VMM
 *
 * Return: 0 or -errno.
 */
int kept_release(struct vmm *vmm)
{
	struct pkernfs_simple arg = { .size = sizeof(arg) };
	u64 ns;
	int ret;

	ret = kept_ioctl(vmm, "release", PKERNFS_RELEASE, &arg, &ns);
	if (!ret)
		vmm->frozen = false;
	return ret;
}

/**
 * kept_late() - ask for every change of the device, when a kexec has begun
 * @vmm: the VMM
 * @text: the errno of each, in words of a line
 * @size: of @text
 */
void kept_late(struct vmm *vmm, char *text, size_t size)
{
	struct pkernfs_freeze freeze = { .size = sizeof(freeze), .vfio_fd = vmm->dev_fd };
	struct pkernfs_simple simple = { .size = sizeof(simple) };
	int quiesced, released, unfrozen, frozen;

	quiesced = ioctl(vmm->file_fd, PKERNFS_QUIESCE_IRQ, &simple) ? errno : 0;
	released = ioctl(vmm->file_fd, PKERNFS_RELEASE, &simple) ? errno : 0;
	unfrozen = ioctl(vmm->file_fd, PKERNFS_UNFREEZE, &simple) ? errno : 0;
	frozen = ioctl(vmm->file_fd, PKERNFS_FREEZE, &freeze) ? errno : 0;
	snprintf(text, size, "quiesce=%d release=%d unfreeze=%d freeze=%d", quiesced,
		 released, unfrozen, frozen);
}

/**
 * kept_info() - INFO, as one line and one line a range
 * @vmm: the VMM
 * @quiet: no complaint if there is no device file or no pkernfs
 *
 * Return: 0 or -errno.
 */
int kept_info(struct vmm *vmm, bool quiet)
{
	struct pkernfs_range range[64] = { 0 };
	struct pkernfs_info info = {
		.size = sizeof(info),
		.range_count = ARRAY_SIZE(range),
		.ranges = (uintptr_t)range,
	};
	const char *state = "?";
	char what[128], why[256];

	if (vmm->file_fd < 0)
		return quiet ? 0 : vmm_fail("info", EBADF, "no device file");
	if (ioctl(vmm->file_fd, PKERNFS_INFO, &info))
		return quiet ? 0 : vmm_fail("info", errno, "INFO on %s",
					    vmm->device_path);
	if (info.state < ARRAY_SIZE(kept_states))
		state = kept_states[info.state];
	info.reason[sizeof(info.reason) - 1] = 0;
	snprintf(what, sizeof(what),
		 "segment=%u rid=%02x:%02x.%x id=%04x:%04x did=%u irq=%s dirty=%s",
		 info.segment, info.rid >> 8, info.rid >> 3 & 31, info.rid & 7,
		 info.vendor, info.device, info.did,
		 info.irq == PKERNFS_IRQ_QUIESCED ? "quiesced" : "uncertain",
		 info.dirty == PKERNFS_DIRTY_EXACT ? "exact" : "all");
	snprintf(why, sizeof(why), "error=%u error_iova=0x%llx reason=\"%s\"",
		 info.error, info.error_iova, info.reason);
	printf("INFO state=%s %s tables=%llu pages=%llu ranges=%u %s\n", state,
	       what, info.tables, info.pages, info.range_count, why);
	for (u32 i = 0; i < info.range_count && i < ARRAY_SIZE(range); i++)
		printf("RANGE iova=0x%llx bytes=0x%llx phys=0x%llx prot=%u\n",
		       range[i].iova, range[i].bytes, range[i].phys,
		       range[i].prot);
	fflush(stdout);
	return 0;
}
