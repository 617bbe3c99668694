// SPDX-License-Identifier: GPL-2.0
/*
 * verdict RC: end the machine with a verdict that is not the console's.
 *
 * QEMU's isa-debug-exit at port 0xf4 ends QEMU with exit code (byte * 2) + 1.
 * The byte is 32 + RC, so that a verdict differs from a reset (exit code 0) and
 * from a failure of QEMU itself (1).
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int rc = argc > 1 ? atoi(argv[1]) : 95;
	unsigned char byte;
	int fd;

	if (rc < 0 || rc > 95)
		rc = 95;
	byte = 32 + rc;

	/* What was said last must be out before the machine is gone. */
	fd = open("/dev/console", O_WRONLY | O_NOCTTY);
	if (fd >= 0)
		tcdrain(fd);
	fd = open("/dev/port", O_WRONLY);
	if (fd < 0 || pwrite(fd, &byte, 1, 0xf4) != 1)
		perror("verdict: /dev/port");
	return 1;
}
