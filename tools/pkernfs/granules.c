// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfsctl granules: in which granules a file, or what is made in a directory, is kept.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "ctl.h"

static const struct {
	const char *name;
	unsigned int bytes;
} sizes[] = {
	{ "auto", 0 },
	{ "4k", PKERNFS_BLOCK_SIZE },
	{ "2m", PKERNFS_GRANULE_SIZE },
	{ "1g", PKERNFS_HUGE_SIZE },
};

#define SIZES	(sizeof(sizes) / sizeof(sizes[0]))

static const char *why(int error)
{
	switch (error) {
	case EINVAL:
		return "it has memory in other granules already";
	case EOPNOTSUPP:
	case ENOTTY:
		return "not on pkernfs, or the region was made without such granules";
	default:
		return strerror(error);
	}
}

static int set(const char *path, unsigned int bytes)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), err = 0;
	struct statfs fs;
	struct fsxattr x;
	struct stat st;

	if (fd < 0 || fstatfs(fd, &fs) || fstat(fd, &st))
		err = errno;
	/* The hint means something on other filesystems, too, and not the same. */
	else if (fs.f_type != PKERNFS_SUPER_MAGIC)
		err = EOPNOTSUPP;
	else if (ioctl(fd, FS_IOC_FSGETXATTR, &x))
		err = errno;
	if (!err) {
		x.fsx_xflags &= ~(FS_XFLAG_EXTSIZE | FS_XFLAG_EXTSZINHERIT);
		if (bytes)
			x.fsx_xflags |= S_ISDIR(st.st_mode) ? FS_XFLAG_EXTSZINHERIT :
							      FS_XFLAG_EXTSIZE;
		x.fsx_extsize = bytes;
		if (ioctl(fd, FS_IOC_FSSETXATTR, &x))
			err = errno;
	}
	if (fd >= 0)
		close(fd);
	if (!err)
		return EXIT_OK;
	complain("%s: %s", path, why(err));
	return EXIT_REFUSED;
}

int cmd_granules(int argc, char **argv)
{
	int i, ret = EXIT_OK;
	unsigned int s;

	if (argc < 2)
		return usage_error("a size and a path are needed", NULL);
	for (s = 0; s < SIZES; s++)
		if (!strcmp(argv[0], sizes[s].name))
			break;
	if (s == SIZES)
		return usage_error("not auto, 4k, 2m or 1g", argv[0]);
	for (i = 1; i < argc; i++)
		if (set(argv[i], sizes[s].bytes))
			ret = EXIT_REFUSED;
	return ret;
}
