// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfsctl: look at regions, their files and preserved devices, and act on
 * them. Called as mkfs.pkernfs it makes a filesystem.
 */
#include <stdlib.h>
#include <string.h>

#include "ctl.h"

const char *progname = "pkernfsctl";

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
	{ "arm",      "",
	  "say that the loaded kexec image can take devices over", cmd_arm },
	{ "disarm",   "",
	  "take that back", cmd_disarm },
	{ "mkfs",     "[OPTION...] REGION",
	  "make an empty filesystem; see mkfs.pkernfs(8)", cmd_mkfs },
	{ NULL, NULL, NULL, NULL }
};

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
	       "command line. FILE is a device file in a mounted region.\n"
	       "Exit codes: 0 done, 1 refused, 2 usage, 3 no pkernfs here.\n");
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	const struct command *c;

	if (!strcmp(slash ? slash + 1 : argv[0], "mkfs.pkernfs")) {
		progname = "mkfs.pkernfs";
		return cmd_mkfs(argc - 1, argv + 1);
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
		if (argc > 2 && !strcmp(argv[2], "--help") && c->run != cmd_mkfs) {
			printf("Usage: %s %s %s\n%s\n", progname, c->name, c->args,
			       c->help);
			return EXIT_OK;
		}
		return c->run(argc - 2, argv + 2);
	}
	return usage_error("no such command", argv[1]);
}
