// SPDX-License-Identifier: GPL-2.0
/* QEMU's qtest protocol: a command a line, an answer a line. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "host.h"

#define QTEST_WAIT_MS	10000

/**
 * qtest_open() - connect, waiting for QEMU to come up
 * @q: filled
 * @path: socket
 *
 * Return: 0 or -errno.
 */
int qtest_open(struct qtest *q, const char *path)
{
	const struct timespec later = { .tv_nsec = 10000000 };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const u64 end = host_now_ns() + QTEST_WAIT_MS * 1000000ULL;
	int fd;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		return host_fail("socket %s", path);
	}
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return host_fail("socket");
	while (connect(fd, (void *)&addr, sizeof(addr))) {
		if ((errno != ENOENT && errno != ECONNREFUSED) || READ_ONCE(host_stop) ||
		    host_now_ns() > end)
			return host_fail("connect %s", path);
		nanosleep(&later, NULL);
	}
	q->in = fdopen(fd, "r");
	q->out = fdopen(dup(fd), "w");
	if (!q->in || !q->out)
		return host_fail("fdopen");
	return 0;
}

static int qtest_answer(struct qtest *q, char *line, int room)
{
	if (fflush(q->out))
		return -errno;
	do {
		if (!fgets(line, room, q->in))
			return -EPIPE;
	} while (!strncmp(line, "IRQ ", 4));
	return strncmp(line, "OK", 2) ? -EIO : 0;
}

/**
 * qtest_read() - read guest physical memory or a device register
 * @q: QEMU
 * @width: b, w, l or q
 * @addr: where
 * @value: what is there
 *
 * Return: 0 or -errno; -EPIPE when QEMU has gone.
 */
int qtest_read(struct qtest *q, char width, u64 addr, u64 *value)
{
	char line[128];
	int ret;

	fprintf(q->out, "read%c 0x%llx\n", width, addr);
	ret = qtest_answer(q, line, sizeof(line));
	if (!ret && sscanf(line, "OK %llx", value) != 1)
		ret = -EIO;
	return ret;
}

