// SPDX-License-Identifier: GPL-2.0
/*
 * Sends numbered frames over the socket of QEMU's -netdev dgram, evenly paced.
 *
 * The numbers have no hole: a frame that the socket does not take is stamped
 * anew and tried again, and nothing is numbered after it before it has gone. So
 * a number that is missing in the guest was lost in the guest.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "host.h"

/* More than this behind, the timetable is moved: no long bursts. */
#define INJECT_DEBT_NS	5000000ULL
/* Frames that are due within this time go out together. */
#define INJECT_SLACK_NS	60000ULL

static int inject_address(struct sockaddr_un *addr, const char *path)
{
	*addr = (struct sockaddr_un) { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(addr->sun_path)) {
		errno = ENAMETOOLONG;
		return host_fail("socket %s", path);
	}
	strcpy(addr->sun_path, path);
	return 0;
}

static int inject_socket(const struct inject *inject)
{
	struct sockaddr_un addr;
	int fd;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return host_fail("socket");
	if (!inject->local)
		return fd;
	if (inject_address(&addr, inject->local)) {
		close(fd);
		return -EINVAL;
	}
	unlink(inject->local);
	if (bind(fd, (void *)&addr, sizeof(addr))) {
		int ret = host_fail("bind %s", inject->local);

		close(fd);
		return ret;
	}
	return fd;
}

/* The guest should be silent; what it says must not fill the queue. */
static void inject_drop_answers(int fd)
{
	char buf[2048];

	while (recv(fd, buf, sizeof(buf), 0) > 0)
		;
}

/*
 * One try. Connected, as then poll() tells when the reader has room; QEMU may
 * come later, or go and come again.
 *
 * Return: 1 sent, 0 try again, or -errno.
 */
static int inject_try(struct inject *inject, int fd, const void *frame,
		      const struct sockaddr_un *addr, bool *connected)
{
	struct pollfd room = { .fd = fd, .events = POLLOUT };
	const struct timespec later = { .tv_nsec = 2000000 };

	if (!*connected) {
		if (connect(fd, (const void *)addr, sizeof(*addr))) {
			if (errno != ENOENT && errno != ECONNREFUSED)
				return host_fail("connect %s", inject->path);
			nanosleep(&later, NULL);
			return 0;
		}
		*connected = true;
	}
	if (send(fd, frame, inject->len, 0) == (ssize_t)inject->len)
		return 1;
	inject->refused++;
	switch (errno) {
	case EAGAIN:
	case ENOBUFS:
		poll(&room, 1, 5);
		return 0;
	case ECONNREFUSED:
	case ENOTCONN:
	case ECONNRESET:
		*connected = false;
		return 0;
	case EINTR:
		return 0;
	}
	return host_fail("send to %s", inject->path);
}

/**
 * inject_run() - send until told to stop
 * @inject: what, where, how fast; fit to be a thread of its own
 *
 * Return: 0 or -errno.
 */
int inject_run(struct inject *inject)
{
	const double step = 1e9 / inject->rate;
	struct sockaddr_un addr;
	bool connected = false;
	u8 frame[FRAME_MAX];
	double due;
	int fd, ret;

	ret = inject_address(&addr, inject->path);
	fd = ret ? ret : inject_socket(inject);
	if (fd < 0) {
		WRITE_ONCE(inject->done, true);
		return fd;
	}
	prctl(PR_SET_TIMERSLACK, 1000UL);
	due = host_now_ns();
	while (!READ_ONCE(inject->stop) && !READ_ONCE(host_stop) &&
	       (!inject->count || inject->sent < inject->count)) {
		u64 now = host_now_ns();

		if (now + INJECT_SLACK_NS < due) {
			struct timespec ts = {
				.tv_sec = (u64)due / 1000000000,
				.tv_nsec = (u64)due % 1000000000,
			};

			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts,
					NULL);
		}
		frame_fill(frame, inject->run, inject->sent, inject->len);
		do {
			now = host_now_ns();
			frame_seal(frame, now);
			ret = inject_try(inject, fd, frame, &addr, &connected);
		} while (!ret && !READ_ONCE(inject->stop) && !READ_ONCE(host_stop));
		if (ret <= 0)
			break;
		if (!inject->sent)
			inject->begin_ns = now;
		inject->end_ns = now;
		__atomic_store_n(&inject->sent, inject->sent + 1,
				 __ATOMIC_RELEASE);
		due += step;
		if (now > due + INJECT_DEBT_NS)
			due = now;
		if (inject->local && !(inject->sent % 64))
			inject_drop_answers(fd);
	}
	close(fd);
	if (inject->local)
		unlink(inject->local);
	WRITE_ONCE(inject->done, true);
	return ret < 0 ? ret : 0;
}

/**
 * inject_print() - what was sent, key=value
 * @inject: the sender
 */
void inject_print(const struct inject *inject)
{
	const double s = (inject->end_ns - inject->begin_ns) / 1e9;

	printf("INJECT run=%u sent=%llu refused=%llu begin_ns=%llu end_ns=%llu rate=%.0f\n",
	       inject->run, inject->sent, inject->refused, inject->begin_ns,
	       inject->end_ns, s > 0 ? (inject->sent - 1) / s : 0);
	fflush(stdout);
}

static const char inject_help[] =
"Usage: pkernfs-host inject --socket PATH [OPTION...]\n"
"\n"
"Sends numbered frames until --count, SIGTERM or SIGINT, then says how many.\n"
"\n"
"  --socket PATH   socket of QEMU: local.path of -netdev dgram\n"
"  --local PATH    our own address: remote.path of -netdev dgram\n"
"  --rate N        frames a second (1000)\n"
"  --count N       so many frames\n"
"  --len N         bytes in a frame, 64 to 1514 (128)\n"
"  --run N         run id (from the clock)\n";

int cmd_inject(int argc, char **argv)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "local", required_argument, NULL, 'l' },
		{ "rate", required_argument, NULL, 'r' },
		{ "count", required_argument, NULL, 'c' },
		{ "len", required_argument, NULL, 'n' },
		{ "run", required_argument, NULL, 'i' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 }
	};
	struct inject inject = {
		.rate = 1000,
		.len = FRAME_DEFAULT,
		.run = (u32)(host_now_ns() / 1000000) | 1,
	};
	int opt, ret;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 's':
			inject.path = optarg;
			break;
		case 'l':
			inject.local = optarg;
			break;
		case 'r':
			inject.rate = atof(optarg);
			break;
		case 'c':
			inject.count = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			inject.len = strtoul(optarg, NULL, 0);
			break;
		case 'i':
			inject.run = strtoul(optarg, NULL, 0);
			break;
		case 'h':
			fputs(inject_help, stdout);
			return HOST_OK;
		default:
			return HOST_USAGE;
		}
	}
	if (!inject.path || inject.rate <= 0 || inject.len < FRAME_MIN ||
	    inject.len > FRAME_MAX || !inject.run) {
		fputs(inject_help, stderr);
		return HOST_USAGE;
	}
	ret = inject_run(&inject);
	inject_print(&inject);
	return ret ? HOST_FAILED : HOST_OK;
}
