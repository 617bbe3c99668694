// SPDX-License-Identifier: GPL-2.0
/*
 * A NIC that is not there: takes frames from the socket and puts them into a
 * file, as QEMU does with guest RAM. Told to, it misbehaves, so that the tests
 * of watch and scan see that those can fail.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "frame.h"

#define GRANULE	(2UL << 20)

int main(int argc, char **argv)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *fault = argc > 5 ? argv[5] : "";
	const unsigned long at = argc > 6 ? strtoul(argv[6], NULL, 0) : ~0UL;
	unsigned long size, ring, n = 0, slot = 0;
	struct pollfd pfd = { .events = POLLIN };
	u8 *ram, frame[FRAME_MAX];
	ssize_t len;
	int fd;

	if (argc < 5) {
		fputs("Usage: fakenic SOCKET FILE SIZE RING [drop|twice|flip|stray|stall N]\n",
		      stderr);
		return 2;
	}
	size = strtoul(argv[3], NULL, 0);
	ring = strtoul(argv[4], NULL, 0);
	fd = open(argv[2], O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, size)) {
		perror(argv[2]);
		return 3;
	}
	ram = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	pfd.fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	strncpy(addr.sun_path, argv[1], sizeof(addr.sun_path) - 1);
	unlink(argv[1]);
	if (ram == MAP_FAILED || bind(pfd.fd, (void *)&addr, sizeof(addr))) {
		perror(argv[1]);
		return 3;
	}
	while (poll(&pfd, 1, 1000) > 0) {
		/* Granules in descending order: no place follows from another. */
		unsigned long g = slot * FRAME_STRIDE / GRANULE;
		u8 *buf = ram + size - (g + 1) * GRANULE +
			  slot * FRAME_STRIDE % GRANULE;

		len = recv(pfd.fd, frame, sizeof(frame), 0);
		if (len <= 0)
			break;
		if (n++ == at) {
			if (!strcmp(fault, "drop"))
				continue;
			if (!strcmp(fault, "stray"))
				memcpy(ram + 6000, frame, len);
			if (!strcmp(fault, "twice"))
				memcpy(buf + (1 << 20), frame, len);
			if (!strcmp(fault, "flip"))
				frame[100] ^= 1;
			if (!strcmp(fault, "stall"))
				usleep(300000);
		}
		memcpy(buf, frame, len);
		slot = (slot + 1) % ring;
	}
	unlink(argv[1]);
	return 0;
}
