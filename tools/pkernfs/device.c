// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfsctl info, quiesce, unfreeze, release: one device file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ctl.h"

static const char * const states[] = {
	[PKERNFS_STATE_ORDINARY]	= "ordinary",
	[PKERNFS_STATE_FROZEN]		= "frozen",
	[PKERNFS_STATE_DETACHED]	= "detached",
	[PKERNFS_STATE_HANDED_OVER]	= "handed-over",
	[PKERNFS_STATE_ADOPTED]		= "adopted",
	[PKERNFS_STATE_FAILED]		= "failed",
};

const char *state_name(uint32_t state)
{
	if (state > PKERNFS_STATE_FAILED)
		return "unknown";
	return states[state];
}

/* INFO tells of no more than so many ranges. A test has less. */
#ifndef INFO_RANGES
#define INFO_RANGES	PKERNFS_RANGES_MAX
#endif

static uint32_t ranges_told(const struct pkernfs_info *info)
{
	return info->range_count < INFO_RANGES ? info->range_count : INFO_RANGES;
}

/*
 * Ask for the state and all ranges, or as many as INFO tells of: ranges_told(). The caller
 * frees info->ranges. 0 or errno.
 */
int get_info(int fd, struct pkernfs_info *info)
{
	struct pkernfs_range *ranges = NULL;
	uint32_t room = 0;

	for (;;) {
		memset(info, 0, sizeof(*info));
		info->size = sizeof(*info);
		info->range_count = room;
		info->ranges = (uintptr_t)ranges;
		if (ioctl(fd, PKERNFS_INFO, info)) {
			int err = errno;

			free(ranges);
			return err;
		}
		info->reason[sizeof(info->reason) - 1] = 0;
		if (ranges_told(info) <= room) {
			info->ranges = (uintptr_t)ranges;
			return 0;
		}
		room = ranges_told(info);
		free(ranges);
		ranges = calloc(room, sizeof(*ranges));
		if (!ranges)
			return errno;
	}
}

static void print_ranges_json(const struct pkernfs_info *info)
{
	const struct pkernfs_range *r = (void *)(uintptr_t)info->ranges;
	uint32_t i;

	json_number("range_count", info->range_count);
	json_open("ranges", '[');
	for (i = 0; i < ranges_told(info); i++) {
		json_open(NULL, '{');
		json_number("iova", r[i].iova);
		json_number("bytes", r[i].bytes);
		json_number("phys", r[i].phys);
		json_bool("read", r[i].prot & 1);
		json_bool("write", r[i].prot & 2);
		json_close('}');
	}
	json_close(']');
}

/* The members of a device; the caller has opened the object, for --json. */
static void print_device(const struct pkernfs_info *info, bool json)
{
	const struct pkernfs_range *r = (void *)(uintptr_t)info->ranges;
	bool quiesced = info->irq == PKERNFS_IRQ_QUIESCED;
	bool exact = info->dirty == PKERNFS_DIRTY_EXACT;
	char bdf[16];
	uint32_t i;

	snprintf(bdf, sizeof(bdf), "%04x:%02x:%02x.%x", info->segment, info->rid >> 8,
		 info->rid >> 3 & 31, info->rid & 7);
	if (json) {
		json_string("state", state_name(info->state));
		if (info->state != PKERNFS_STATE_ORDINARY) {
			json_string("device", bdf);
			json_number("vendor_id", info->vendor);
			json_number("device_id", info->device);
			json_number("domain_id", info->did);
			json_bool("interrupts_quiesced", quiesced);
			json_bool("dirty_exact", exact);
			json_number("table_blocks", info->tables);
			json_number("pages", info->pages);
			print_ranges_json(info);
		}
		if (info->error) {
			json_number("error", info->error);
			json_string("reason", info->reason);
			if (info->error_iova != UINT64_MAX)
				json_number("error_iova", info->error_iova);
		}
		return;
	}

	printf("state:       %s\n", state_name(info->state));
	if (info->state != PKERNFS_STATE_ORDINARY) {
		printf("device:      %s [%04x:%04x]\n", bdf, info->vendor, info->device);
		printf("domain id:   %u\n", info->did);
		printf("interrupts:  %s\n", quiesced ? "quiesced: none is lost or doubled" :
		       "uncertain: each vector is raised once at restore");
		printf("dirty pages: %s\n", exact ? "exact: those that it has written to" :
		       "all: its writes are not tracked");
		printf("tables:      %llu blocks\n", info->tables);
		printf("pages:       %llu of 4 KiB\n", info->pages);
		for (i = 0; i < ranges_told(info); i++)
			printf("range:       iova %#llx bytes %#llx phys %#llx %s%s\n",
			       r[i].iova, r[i].bytes, r[i].phys,
			       r[i].prot & 1 ? "r" : "-", r[i].prot & 2 ? "w" : "-");
	}
	if (info->error) {
		printf("last error:  %s: %s", strerror(info->error), info->reason);
		if (info->error_iova != UINT64_MAX)
			printf(" (iova %#llx)", info->error_iova);
		printf("\n");
	}
}

/* The same; false if not all ranges are there, and standard error says so. */
bool print_info(const char *file, const struct pkernfs_info *info, bool json)
{
	print_device(info, json);
	if (info->range_count == ranges_told(info))
		return true;
	complain("%s: only %u of %u ranges", file, ranges_told(info), info->range_count);
	return false;
}

static int open_device(int argc, char **argv, int flags, int *fd)
{
	if (argc != 1)
		return usage_error("one FILE is needed", NULL);
	*fd = open(argv[0], flags | O_CLOEXEC);
	if (*fd >= 0)
		return EXIT_OK;
	complain("%s: %s", argv[0], strerror(errno));
	return EXIT_REFUSED;
}

static int refused(const char *file, int err)
{
	complain("%s: %s", file,
		 err == ENOTTY ? "not a file of a pkernfs that knows devices" :
		 err == ESHUTDOWN ? "a kexec has begun" : strerror(err));
	return err == ENOTTY ? EXIT_NO_KERNEL : EXIT_REFUSED;
}

int cmd_info(int argc, char **argv)
{
	bool json = take_flag(&argc, argv, "--json");
	struct pkernfs_info info;
	int fd = -1, err, ret = open_device(argc, argv, O_RDONLY, &fd);

	if (ret)
		return ret;
	err = get_info(fd, &info);
	close(fd);
	if (err)
		return refused(argv[0], err);
	if (json)
		json_open(NULL, '{');
	if (!print_info(argv[0], &info, json))
		ret = EXIT_REFUSED;
	if (json)
		json_close('}');
	free((void *)(uintptr_t)info.ranges);
	return ret;
}

static int simple(int argc, char **argv, unsigned long cmd)
{
	struct pkernfs_simple arg = { .size = sizeof(arg) };
	struct pkernfs_info info;
	int fd = -1, err, ret = open_device(argc, argv, O_RDWR, &fd);

	if (ret)
		return ret;
	err = ioctl(fd, cmd, &arg) ? errno : 0;
	if (err) {
		/* What INFO has may be why something else was refused. */
		if (get_info(fd, &info))
			info = (struct pkernfs_info) { .state = UINT32_MAX };
		if (err == EINVAL && info.state == PKERNFS_STATE_ORDINARY) {
			complain("%s: no device is frozen into it", argv[0]);
			ret = EXIT_REFUSED;
		} else {
			ret = refused(argv[0], err);
			if (info.error == (uint32_t)err || info.state == PKERNFS_STATE_FAILED)
				complain("%s: %s", argv[0], info.reason);
		}
		free((void *)(uintptr_t)info.ranges);
	}
	close(fd);
	return ret;
}

int cmd_quiesce(int argc, char **argv)
{
	return simple(argc, argv, PKERNFS_QUIESCE_IRQ);
}

int cmd_unfreeze(int argc, char **argv)
{
	return simple(argc, argv, PKERNFS_UNFREEZE);
}

int cmd_release(int argc, char **argv)
{
	return simple(argc, argv, PKERNFS_RELEASE);
}
