// SPDX-License-Identifier: GPL-2.0
/*
 * mkfs.pkernfs: ask the kernel for an empty filesystem in a region.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ctl.h"

static const struct option options[] = {
	{ "label",	required_argument,	NULL, 'L' },
	{ "uuid",	required_argument,	NULL, 'U' },
	{ "inodes",	required_argument,	NULL, 'N' },
	{ "pool",	required_argument,	NULL, 'p' },
	{ "small",	required_argument,	NULL, 's' },
	{ "huge",	required_argument,	NULL, 'H' },
	{ "force",	no_argument,		NULL, 'f' },
	{ "quiet",	no_argument,		NULL, 'q' },
	{ "help",	no_argument,		NULL, 'h' },
	{ "version",	no_argument,		NULL, 'V' },
	{ NULL, 0, NULL, 0 }
};

static void mkfs_help(void)
{
	printf("Usage: mkfs.pkernfs [OPTION...] REGION\n\n"
	       "Make an empty pkernfs in REGION (region0, region1...).\n\n"
	       "  -L, --label=TEXT    at most 31 bytes\n"
	       "  -U, --uuid=UUID     default: a random one\n"
	       "  -N, --inodes=N      default: by the size of the region\n"
	       "  -p, --pool=BLOCKS   4 KiB blocks for metadata and IOMMU tables\n"
	       "  -s, --small=BLOCKS  4 KiB granules for small files, 0: none; default:\n"
	       "                      a 64th of the region, 1 GiB at most\n"
	       "  -H, --huge=N        granules of 1 GiB, default: none\n"
	       "  -f, --force         also where there is a filesystem already\n"
	       "  -q, --quiet         say nothing when it works\n"
	       "      --help, --version\n");
}

static bool parse_number(const char *text, __u64 max, __u64 *value)
{
	errno = 0;
	*value = strtoull(text, NULL, 10);
	return *text && !text[strspn(text, "0123456789")] && !errno && *value <= max;
}

static bool parse_uuid(const char *text, uint8_t *uuid)
{
	int i, at = 0;

	for (i = 0; i < 16; i++) {
		char byte[3] = "";

		if (i == 4 || i == 6 || i == 8 || i == 10)
			if (text[at++] != '-')
				return false;
		if (!isxdigit((unsigned char)text[at]) ||
		    !isxdigit((unsigned char)text[at + 1]))
			return false;
		memcpy(byte, text + at, 2);
		uuid[i] = strtoul(byte, NULL, 16);
		at += 2;
	}
	return !text[at];
}

/* "region0", its device, "pkernfs0" or "0" */
static bool parse_region(const char *text, uint32_t *region)
{
	static const char * const before[] = { "region", "/dev/pkernfs", "pkernfs" };
	unsigned int i;
	__u64 n;

	for (i = 0; i < sizeof(before) / sizeof(*before); i++) {
		if (strncmp(text, before[i], strlen(before[i])))
			continue;
		text += strlen(before[i]);
		break;
	}
	if (!parse_number(text, UINT32_MAX - 1, &n))
		return false;
	*region = n;
	return true;
}

static int format(struct pkernfs_format *f)
{
	int fd = open(CONTROL, O_RDWR | O_CLOEXEC), err;

	if (fd < 0) {
		complain("%s: %s", CONTROL, errno == ENOENT ?
			 "not there: no region (pkernfs= on the kernel's command line)" :
			 strerror(errno));
		return errno == ENOENT ? EXIT_NO_KERNEL : EXIT_REFUSED;
	}
	err = ioctl(fd, PKERNFS_FORMAT, f) ? errno : 0;
	close(fd);
	if (!err)
		return EXIT_OK;
	f->reason[sizeof(f->reason) - 1] = 0;
	complain("region%u: %s%s%s", f->region, f->reason, f->reason[0] ? ": " : "",
		 strerror(err));
	if (err == EEXIST)
		complain("use --force to destroy it");
	return err == ENODEV ? EXIT_NO_KERNEL : EXIT_REFUSED;
}

int cmd_mkfs(int argc, char **argv)
{
	struct pkernfs_format f = { .size = sizeof(f) };
	bool quiet = false;
	__u64 n;
	int opt, ret;

	/* getopt wants argv[0] */
	optind = 1;
	while ((opt = getopt_long(argc + 1, argv - 1, "L:U:N:p:s:H:fqhV", options,
				  NULL)) != -1) {
		switch (opt) {
		case 'L':
			if (strlen(optarg) >= sizeof(f.label))
				return usage_error("label too long", optarg);
			strcpy(f.label, optarg);
			break;
		case 'U':
			if (!parse_uuid(optarg, f.uuid))
				return usage_error("not a UUID", optarg);
			break;
		case 'N':
			if (!parse_number(optarg, UINT32_MAX, &n))
				return usage_error("not a number", optarg);
			f.inodes = n;
			break;
		case 'p':
			if (!parse_number(optarg, UINT64_MAX, &n))
				return usage_error("not a number", optarg);
			f.pool_blocks = n;
			break;
		case 's':
			if (!parse_number(optarg, UINT64_MAX - 1, &n))
				return usage_error("not a number", optarg);
			f.small_blocks = n ? n : PKERNFS_FORMAT_NO_SMALL;
			break;
		case 'H':
			if (!parse_number(optarg, UINT64_MAX, &n))
				return usage_error("not a number", optarg);
			f.huge_granules = n;
			break;
		case 'f':
			f.flags |= PKERNFS_FORMAT_FORCE;
			break;
		case 'q':
			quiet = true;
			break;
		case 'h':
			mkfs_help();
			return EXIT_OK;
		case 'V':
			printf("mkfs.pkernfs %s, format version %d\n", VERSION,
			       PKERNFS_FORMAT_VERSION);
			return EXIT_OK;
		default:
			return EXIT_USAGE;
		}
	}
	argc -= optind - 1;
	argv += optind - 1;
	if (argc != 1)
		return usage_error("one REGION is needed", NULL);
	if (!parse_region(argv[0], &f.region))
		return usage_error("not a region", argv[0]);
	ret = format(&f);
	if (ret == EXIT_OK && !quiet)
		printf("region%u: formatted\n", f.region);
	return ret;
}
