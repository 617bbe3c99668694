// SPDX-License-Identifier: GPL-2.0
/*
 * Looks through guest RAM from outside, when all is over: is every frame of a
 * run there, once and whole, and is there none where none may be?
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"

struct found {
	u64 seq;
	u64 gpa;
	u32 run;
	bool inside;
	bool whole;
};

struct founds {
	struct found *at;
	size_t count;
	size_t room;
};

static int scan_add(struct founds *f, const struct found *one)
{
	if (f->count == f->room) {
		size_t room = f->room ? f->room * 2 : 65536;
		void *at = realloc(f->at, room * sizeof(*f->at));

		if (!at)
			return host_fail("%zu frames", room);
		f->at = at;
		f->room = room;
	}
	f->at[f->count++] = *one;
	return 0;
}

/*
 * By its magic, at any alignment: a frame that was misdirected need not lie
 * where a buffer would.
 */
static int scan_file(const struct ram *ram, const struct span *span, size_t spans,
		     struct founds *f)
{
	const u64 magic = FRAME_MAGIC;
	const size_t head = offsetof(struct frame_head, magic);
	u64 from = 0, to;

	for (; ram_next_data(ram, &from, &to, ram->bytes); from = to) {
		const u8 *p = ram->map + from, *end = ram->map + to;

		while ((p = memmem(p, end - p, &magic, sizeof(magic)))) {
			const u64 off = p - ram->map - head;
			struct frame_id id;
			struct found one = { 0 };

			p += sizeof(magic);
			if (p - ram->map < (long)(head + sizeof(magic)))
				continue;
			one.whole = frame_check(ram->map + off,
						ram->bytes - off,
						&id) == FRAME_GOOD;
			one.run = id.run;
			one.seq = id.seq;
			one.gpa = ram_gpa(ram, off);
			for (size_t i = 0; i < spans && !one.inside; i++)
				one.inside = span_holds(&span[i], one.gpa);
			if (scan_add(f, &one))
				return -ENOMEM;
		}
	}
	return 0;
}

static int scan_order(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->run != y->run)
		return x->run < y->run ? -1 : 1;
	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	return x->gpa < y->gpa ? -1 : x->gpa > y->gpa;
}

struct tally {
	u64 once, twice, missing, damaged, outside, first, last;
};

/* Frames of one run, sorted. */
static void scan_tally(const struct found *at, size_t count, u64 expect,
		       bool verbose, struct tally *t)
{
	u64 next = 0;
	bool any = false;

	*t = (struct tally) { 0 };
	for (size_t i = 0; i < count; i++) {
		if (!at[i].whole) {
			t->damaged += at[i].inside;
			if (verbose)
				printf("DAMAGED run=%u seq=%llu gpa=0x%llx\n",
				       at[i].run, at[i].seq, at[i].gpa);
			continue;
		}
		if (!at[i].inside) {
			t->outside++;
			if (verbose)
				printf("OUTSIDE run=%u seq=%llu gpa=0x%llx\n",
				       at[i].run, at[i].seq, at[i].gpa);
			continue;
		}
		if (any && at[i].seq == t->last) {
			t->twice++;
			if (verbose)
				printf("TWICE run=%u seq=%llu gpa=0x%llx\n",
				       at[i].run, at[i].seq, at[i].gpa);
			continue;
		}
		if (!any)
			t->first = at[i].seq;
		if (at[i].seq > next && verbose)
			printf("MISSING run=%u from=%llu to=%llu\n", at[i].run,
			       next, at[i].seq - 1);
		t->missing += at[i].seq - next;
		next = at[i].seq + 1;
		t->last = at[i].seq;
		t->once++;
		any = true;
	}
	if (expect > next) {
		t->missing += expect - next;
		if (verbose)
			printf("MISSING from=%llu to=%llu\n", next, expect - 1);
	}
}

static void scan_print(u32 run, const struct tally *t)
{
	printf("SCAN run=%u found=%llu twice=%llu missing=%llu damaged=%llu ",
	       run, t->once, t->twice, t->missing, t->damaged);
	printf("outside=%llu first=%llu last=%llu\n", t->outside, t->first,
	       t->last);
}

static const char scan_help[] =
"Usage: pkernfs-host scan --ram FILE --range BYTES@ADDR... [OPTION...]\n"
"\n"
"Finds all frames in guest RAM. Each number from 0 on must be there once, whole,\n"
"inside a range; none may be outside.\n"
"\n"
"  --ram FILE           file of QEMU's memory-backend-file\n"
"  --range BYTES@ADDR   guest physical range where frames may be; up to 64 times\n"
"  --low BYTES          RAM below 4 GiB, if not as QEMU's q35 has it\n"
"  --run N              this run only; else each that is found\n"
"  --count N            frames that were sent (needs --run)\n"
"  --verbose            a line for each frame that is wrong\n"
"\n"
"Exit: 0 if so, 1 if not, or if there is none.\n";

int cmd_scan(int argc, char **argv)
{
	static const struct option options[] = {
		{ "ram", required_argument, NULL, 'R' },
		{ "range", required_argument, NULL, 'g' },
		{ "low", required_argument, NULL, 'L' },
		{ "run", required_argument, NULL, 'i' },
		{ "count", required_argument, NULL, 'c' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 }
	};
	struct span span[64] = { 0 };
	size_t spans = 0;
	struct founds f = { 0 };
	struct tally t = { 0 };
	const char *path = NULL;
	struct ram ram;
	u64 low = 0, run = 0, count = 0;
	bool verbose = false, bad = false, seen = false;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'R':
			path = optarg;
			break;
		case 'g':
			bad |= spans == sizeof(span) / sizeof(*span) ||
			       span_parse(optarg, &span[spans++]);
			break;
		case 'L':
			bad |= host_size(optarg, &low);
			break;
		case 'i':
			bad |= host_size(optarg, &run);
			break;
		case 'c':
			bad |= host_size(optarg, &count);
			break;
		case 'v':
			verbose = true;
			break;
		case 'h':
			fputs(scan_help, stdout);
			return HOST_OK;
		default:
			bad = true;
		}
	}
	if (bad || !path || !spans || !span[0].bytes || (count && !run)) {
		fputs(scan_help, stderr);
		return HOST_USAGE;
	}
	if (ram_attach(&ram, path, low) || scan_file(&ram, span, spans, &f))
		return HOST_FAILED;
	if (f.count)
		qsort(f.at, f.count, sizeof(*f.at), scan_order);
	for (size_t i = 0, j; i < f.count; i = j) {
		for (j = i; j < f.count && f.at[j].run == f.at[i].run; j++)
			;
		if (run && f.at[i].run != run)
			continue;
		scan_tally(f.at + i, j - i, count, verbose, &t);
		scan_print(f.at[i].run, &t);
		seen = true;
		bad |= t.twice || t.missing || t.damaged || t.outside;
	}
	if (!seen) {
		t = (struct tally) { .missing = count };
		scan_print(run, &t);
	}
	return bad || !seen ? HOST_BAD : HOST_OK;
}
