// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfsctl: look at regions, their files and preserved devices, and act on
 * them. Called as mkfs.pkernfs, fsck.pkernfs or dump.pkernfs it is that command.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "image.h"

const char *progname = "pkernfsctl";
bool half_line;

static const struct command commands[] = {
	{ "status",   "[--json]",
	  "regions, what is in them, and preserved devices", cmd_status },
	{ "list",     "[--json] [PATH...]",
	  "files of mounted regions, and which of them are devices", cmd_list },
	{ "info",     "[--json] FILE",
	  "state of the device behind a device file", cmd_info },
	{ "quiesce",  "FILE",
	  "mask the interrupts of a frozen device (its vCPUs are stopped)", cmd_quiesce },
	{ "unfreeze", "FILE",
	  "give a frozen device its live translation back", cmd_unfreeze },
	{ "release",  "FILE",
	  "give a preserved device up: stop it and drop what is kept for it", cmd_release },
	{ "granules", "auto|4k|2m|1g PATH...",
	  "granules for a file, or for what will be made in a directory", cmd_granules },
	{ "arm",      "",
	  "say that the loaded kexec image can take devices over", cmd_arm },
	{ "disarm",   "",
	  "take that back", cmd_disarm },
	{ "mkfs",     "[OPTION...] REGION",
	  "make an empty filesystem; see mkfs.pkernfs(8)", cmd_mkfs },
	{ "fsck",     "[-n|-p|-y] REGION",
	  "check and mend a region; see fsck.pkernfs(8)", cmd_fsck },
	{ "dump",     "[--json] REGION",
	  "print the metadata of a region; see dump.pkernfs(8)", cmd_dump },
	{ "save",     "[-q] REGION FILE",
	  "save a region that is not in use to a file", cmd_save },
	{ "restore",  "[-f] [-q] FILE REGION",
	  "make a region what it was when it was saved", cmd_restore },
	{ NULL, NULL, NULL, NULL }
};

/* A name may have any bytes, and they may go to a terminal. */
void put_char(char c, FILE *f)
{
	if (c < ' ' || c > '~' || c == '\\')
		fprintf(f, "\\x%02x", (unsigned char)c);
	else
		putc(c, f);
}

void put_text(const char *text, FILE *f)
{
	while (*text)
		put_char(*text++, f);
}

/* A line to standard error; it may name files. */
void complain(const char *fmt, ...)
{
	char *text;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	fprintf(stderr, "%s%s: ", half_line ? "\n" : "", progname);
	half_line = false;
	put_text(text ?: fmt, stderr);
	putc('\n', stderr);
	free(text);
}

int usage_error(const char *what, const char *arg)
{
	complain("%s%s%s; try --help", what, arg ? ": " : "", arg ? arg : "");
	return EXIT_USAGE;
}

/* Take a flag out of the arguments. */
bool take_flag(int *argc, char **argv, const char *name)
{
	bool found = false;
	int i, to = 0;

	for (i = 0; i < *argc; i++) {
		if (!strcmp(argv[i], name))
			found = true;
		else
			argv[to++] = argv[i];
	}
	*argc = to;
	argv[to] = NULL;
	return found;
}

static void help(void)
{
	const struct command *c;

	printf("Usage: %s COMMAND [ARGUMENT...]\n\n", progname);
	for (c = commands; c->name; c++)
		printf("  %-9s %-18s %s\n", c->name, c->args, c->help);
	printf("\nREGION is region0, region1...: the place in pkernfs= on the kernel's\n"
	       "command line; for fsck and dump also a file that has one in it. FILE is a\n"
	       "device file in a mounted region; with save and restore an ordinary file.\n"
	       "Exit codes: 0 done, 1 refused, 2 usage, 3 no pkernfs here; of fsck those of\n"
	       "fsck.pkernfs.\n");
}

static int run(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} names[] = {
		{ "mkfs.pkernfs", cmd_mkfs },
		{ "fsck.pkernfs", cmd_fsck },
		{ "dump.pkernfs", cmd_dump },
	};
	const char *slash = strrchr(argv[0], '/');
	const struct command *c;
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strcmp(slash ? slash + 1 : argv[0], names[i].name))
			continue;
		progname = names[i].name;
		return names[i].run(argc - 1, argv + 1);
	}
	if (argc < 2)
		return usage_error("no command", NULL);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
		help();
		return EXIT_OK;
	}
	if (!strcmp(argv[1], "--version")) {
		printf("%s %s, format version %d\n", progname, VERSION,
		       PKERNFS_FORMAT_VERSION);
		return EXIT_OK;
	}
	for (c = commands; c->name; c++) {
		if (strcmp(argv[1], c->name))
			continue;
		if (argc > 2 && !strcmp(argv[2], "--help") && c->run != cmd_mkfs &&
		    c->run != cmd_fsck && c->run != cmd_dump) {
			printf("Usage: %s %s %s\n%s\n", progname, c->name, c->args,
			       c->help);
			return EXIT_OK;
		}
		return c->run(argc - 2, argv + 2);
	}
	return usage_error("no such command", argv[1]);
}

int main(int argc, char **argv)
{
	int ret, fd;

	/* What is opened for writing must not be where is printed to. */
	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	close(fd);

	image_exit = EXIT_REFUSED;
	ret = run(argc, argv);
	if (!fflush(stdout) && !ferror(stdout))
		return ret;
	complain("standard output: not all could be written");
	/* A wrong command line, the one code that has no room for it, prints nothing there. */
	return ret | image_exit;
}
