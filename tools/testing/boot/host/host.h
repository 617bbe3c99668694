/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkernfs-host: what the boot tests see from outside of the guest. Nothing here
 * asks the guest: frames are sent into QEMU's socket, looked for in the file
 * that is the guest's RAM, and the remapping unit is read through QEMU.
 */
#ifndef PKERNFS_HOST_H
#define PKERNFS_HOST_H

#include <stdio.h>

#include "frame.h"
#include "types.h"

/* exit codes */
enum host_exit {
	HOST_OK = 0,
	HOST_BAD = 1,		/* what was looked for is not as it should be */
	HOST_USAGE = 2,
	HOST_FAILED = 3,	/* a file, socket or QEMU failed us */
};

#define GRANULE		(2ULL << 20)

/* main.c */
extern bool host_stop;		/* SIGTERM or SIGINT */
u64 host_now_ns(void);
int host_fail(const char *fmt, ...) __printf(1, 2);
int host_size(const char *text, u64 *value);

/**
 * struct ram - guest RAM as a file of the host
 * @fd: the file
 * @map: all of it, read only
 * @bytes: its size
 * @low: guest physical addresses below this are file offsets; what lies from
 *	4 GiB on follows in the file
 */
struct ram {
	int fd;
	const u8 *map;
	u64 bytes;
	u64 low;
};

#define RAM_NOWHERE	(~0ULL)

/* ram.c */
int ram_attach(struct ram *ram, const char *path, u64 low);
u64 ram_offset(const struct ram *ram, u64 gpa);
u64 ram_gpa(const struct ram *ram, u64 offset);
bool ram_next_data(const struct ram *ram, u64 *from, u64 *to, u64 end);

/**
 * struct span - a range of guest physical addresses
 * @start: first byte
 * @bytes: length, 0: none
 */
struct span {
	u64 start;
	u64 bytes;
};

int span_parse(const char *text, struct span *span);
bool span_holds(const struct span *span, u64 gpa);

/**
 * struct inject - a sender of numbered frames
 * @path: socket that QEMU reads
 * @local: our own address, or NULL; what the guest sends there is dropped
 * @rate: frames a second
 * @count: stop after so many, 0: never
 * @len: length of a frame
 * @run: run id
 * @sent: frames that the socket took; read by others meanwhile
 * @refused: sends that the socket did not take, each tried again
 * @begin_ns: time of the first send
 * @end_ns: time of the last send
 * @stop: set by others to end it
 * @done: it has ended
 */
struct inject {
	const char *path;
	const char *local;
	double rate;
	u64 count;
	u32 len;
	u32 run;
	u64 sent;
	u64 refused;
	u64 begin_ns;
	u64 end_ns;
	bool stop;
	bool done;
};

/* inject.c */
int inject_run(struct inject *inject);
void inject_print(const struct inject *inject);

/**
 * struct landing - one frame
 * @seq: sequence number
 * @sent_ns: when it was sent
 * @landed_ns: when it was seen in guest RAM, 0: never
 */
struct landing {
	u64 seq;
	u64 sent_ns;
	u64 landed_ns;
};

/**
 * struct landings - all frames of a run, in order
 * @at: elements
 * @count: how many
 * @room: allocated
 */
struct landings {
	struct landing *at;
	size_t count;
	size_t room;
};

/* landings.c */
int landings_add(struct landings *l, const struct landing *one);
int landings_write(const struct landings *l, const char *path);
int landings_read(struct landings *l, const char *path);

#define PHASES_MAX	512

/**
 * struct phase - a named time
 * @name: its name
 * @begin_ns: when it begins
 * @end_ns: when the next one begins
 */
struct phase {
	char name[32];
	u64 begin_ns;
	u64 end_ns;
};

/**
 * struct phases - the phases of a run
 * @at: elements, in order of time
 * @count: how many
 */
struct phases {
	struct phase at[PHASES_MAX];
	unsigned int count;
};

/* phases.c */
int phases_read(struct phases *p, const char *path, u64 end_ns);

/* svg.c */
int svg_write(const char *path, const struct landings *l,
	      const struct phases *p, u64 begin_ns, u64 bucket_ns);

/**
 * struct qtest - QEMU's qtest socket
 * @in: answers
 * @out: commands
 */
struct qtest {
	FILE *in;
	FILE *out;
};

/* qtest.c */
int qtest_open(struct qtest *q, const char *path);
int qtest_read(struct qtest *q, char width, u64 addr, u64 *value);

/* commands */
int cmd_inject(int argc, char **argv);
int cmd_watch(int argc, char **argv);
int cmd_scan(int argc, char **argv);
int cmd_timeline(int argc, char **argv);
int cmd_vtdwalk(int argc, char **argv);
int cmd_vtdpoll(int argc, char **argv);

#endif
