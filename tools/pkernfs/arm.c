// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfsctl arm, disarm: may the loaded kexec image take devices over?
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"

static int set_armed(int argc, const char *value)
{
	int fd, err = 0;

	if (argc)
		return usage_error("no argument expected", NULL);
	fd = open(SYSFS "/armed", O_WRONLY | O_CLOEXEC);
	if (fd < 0) {
		complain("%s: %s", SYSFS "/armed", strerror(errno));
		return errno == ENOENT ? EXIT_NO_KERNEL : EXIT_REFUSED;
	}
	if (write(fd, value, 1) != 1)
		err = errno;
	close(fd);
	if (!err)
		return EXIT_OK;
	complain("%s", err == ENOENT ? "no kexec image is loaded" :
		 err == EOPNOTSUPP ? "the loaded image is to come back to this kernel" :
		 err == EBUSY ? "an image is being loaded, or a kexec is under way" :
		 strerror(err));
	return EXIT_REFUSED;
}

int cmd_arm(int argc, char **argv)
{
	(void)argv;
	return set_armed(argc, "1");
}

int cmd_disarm(int argc, char **argv)
{
	(void)argv;
	return set_armed(argc, "0");
}
