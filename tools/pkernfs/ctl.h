/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkernfsctl: what its files share.
 */
#ifndef PKERNFSCTL_H
#define PKERNFSCTL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <linux/pkernfs.h>
#include <linux/pkernfs_format.h>

#define SYSFS		"/sys/fs/pkernfs"
#define CONTROL		"/dev/pkernfs"

/* Exit codes; the man pages name them. */
enum {
	EXIT_OK = 0,
	EXIT_REFUSED = 1,	/* the kernel said no */
	EXIT_USAGE = 2,		/* the command line is wrong */
	EXIT_NO_KERNEL = 3,	/* no pkernfs in this kernel, or no region */
};

struct command {
	const char *name;
	const char *args;
	const char *help;
	int (*run)(int argc, char **argv);
};

/* --- main.c --- */
extern const char *progname;
extern bool half_line;		/* standard error is inside of a line */
void put_char(char c, FILE *f);
void put_text(const char *text, FILE *f);
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int usage_error(const char *what, const char *arg);
bool take_flag(int *argc, char **argv, const char *name);

/* --- mkfs.c --- */
int cmd_mkfs(int argc, char **argv);

/* --- fsck.c, dump.c, save.c --- */
int cmd_fsck(int argc, char **argv);
int cmd_dump(int argc, char **argv);
int cmd_save(int argc, char **argv);
int cmd_restore(int argc, char **argv);
const char *region_device(const char *name);

/* --- status.c --- */
int cmd_status(int argc, char **argv);
int cmd_list(int argc, char **argv);
bool read_attr(const char *dir, const char *name, char *buf, size_t bytes);

/* --- device.c --- */
int cmd_info(int argc, char **argv);
int cmd_quiesce(int argc, char **argv);
int cmd_unfreeze(int argc, char **argv);
int cmd_release(int argc, char **argv);
const char *state_name(uint32_t state);
int get_info(int fd, struct pkernfs_info *info);
bool print_info(const char *file, const struct pkernfs_info *info, bool json);

/* --- granules.c --- */
int cmd_granules(int argc, char **argv);

/* --- arm.c --- */
int cmd_arm(int argc, char **argv);
int cmd_disarm(int argc, char **argv);

/* --- json.c: commas and quotes; names may be NULL inside arrays --- */
void json_open(const char *name, char bracket);
void json_close(char bracket);
void json_string(const char *name, const char *value);
void json_number(const char *name, __u64 value);
void json_bool(const char *name, bool value);

#endif
