// SPDX-License-Identifier: GPL-2.0
/* One table of commands. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host.h"

bool host_stop;

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *what;
};

static const struct command commands[] = {
	{ "inject", cmd_inject, "send numbered frames into QEMU's socket" },
	{ "watch", cmd_watch, "see when each frame lands in guest RAM; may send too" },
	{ "scan", cmd_scan, "find every frame in guest RAM, whole and once" },
	{ "timeline", cmd_timeline, "draw what watch wrote, judge it by phases" },
	{ "vtdwalk", cmd_vtdwalk, "walk the remapping tables of a device" },
	{ "vtdpoll", cmd_vtdpoll, "log changes of the remapping unit and of bus mastering" },
};

u64 host_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/**
 * host_fail() - say what failed
 * @fmt: what; errno, if set, is the cause
 *
 * Return: -errno, or -EINVAL.
 */
int host_fail(const char *fmt, ...)
{
	int err = errno;
	va_list args;

	fputs("pkernfs-host: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	if (err)
		fprintf(stderr, ": %s", strerror(err));
	fputc('\n', stderr);
	return err ? -err : -EINVAL;
}

/**
 * host_size() - bytes, with K, M or G, decimal or 0x
 * @text: what was given
 * @value: the number
 *
 * Return: 0 or -EINVAL.
 */
int host_size(const char *text, u64 *value)
{
	unsigned int shift = 0;
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 0);
	if (errno || end == text)
		return -EINVAL;
	if (*end && strchr("KMG", *end)) {
		shift = 10 * (strchr("KMG", *end) - "KMG" + 1);
		end++;
	}
	if (*end || (shift && *value >> (64 - shift)))
		return -EINVAL;
	*value <<= shift;
	return 0;
}

static void on_signal(int sig)
{
	(void)sig;
	WRITE_ONCE(host_stop, true);
}

static void print_commands(FILE *out)
{
	fputs("Usage: pkernfs-host COMMAND [OPTION...]\n\n", out);
	for (unsigned int i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(out, "  %-10s%s\n", commands[i].name, commands[i].what);
	fputs("\nEach command has --help.\n"
	      "Exit: 0 good, 1 not as it should be, 2 usage, 3 failed.\n", out);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };

	if (argc < 2) {
		print_commands(stderr);
		return HOST_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
		print_commands(stdout);
		return HOST_OK;
	}
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	for (unsigned int i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "pkernfs-host: no command \"%s\"; see --help\n", argv[1]);
	return HOST_USAGE;
}
