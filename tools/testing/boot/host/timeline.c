// SPDX-License-Identifier: GPL-2.0
/*
 * What watch saw, for people: frames landed per bucket of time, with the phases
 * marked; and for the verdict: the longest time without a landing, phase by
 * phase, against that of a quiet phase.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"

#define ROW	100	/* buckets in a line */

static const char * const blocks[] = {
	" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"
};

struct options {
	const char *csv, *phases, *svg, *quiet;
	double max_ratio, floor_ms, bucket_ms;
	bool no_draw;
};

static void draw_marks(const struct phases *p, u64 begin, u64 end, u64 bucket)
{
	char line[ROW + 40];
	size_t used = 0;
	bool any = false;

	memset(line, ' ', sizeof(line));
	for (unsigned int i = 0; i < p->count; i++) {
		size_t at, n = strlen(p->at[i].name);

		if (p->at[i].begin_ns < begin || p->at[i].begin_ns >= end)
			continue;
		at = (p->at[i].begin_ns - begin) / bucket;
		if (at < used || at + n + 1 >= sizeof(line)) {
			if (any) {
				line[used] = 0;
				printf("         %s\n", line);
			}
			memset(line, ' ', sizeof(line));
		}
		line[at] = '^';
		memcpy(line + at + 1, p->at[i].name, n);
		used = at + n + 2;
		any = true;
	}
	if (any) {
		line[used] = 0;
		printf("         %s\n", line);
	}
}

static void draw(const struct landings *l, const struct phases *p, u64 begin,
		 u64 bucket)
{
	const u64 end = l->at[l->count - 1].landed_ns;
	const size_t buckets = (end - begin) / bucket + 1;
	u32 *bar = calloc(buckets, sizeof(*bar)), top = 1;

	if (!bar)
		return;
	for (size_t i = 0; i < l->count; i++)
		if (l->at[i].landed_ns >= begin)
			bar[(l->at[i].landed_ns - begin) / bucket]++;
	for (size_t i = 0; i < buckets; i++)
		if (bar[i] > top)
			top = bar[i];
	printf("frames landed per %llu ms, full block = %u, blank = none\n",
	       bucket / 1000000, top);
	for (size_t row = 0; row < buckets; row += ROW) {
		const u64 from = begin + row * bucket;

		printf("%7.2fs ", row * bucket / 1e9);
		for (size_t i = row; i < row + ROW && i < buckets; i++)
			fputs(blocks[bar[i] ? 1 + bar[i] * 7 / top : 0],
			      stdout);
		putchar('\n');
		draw_marks(p, from, from + ROW * bucket, bucket);
	}
	free(bar);
}

/* Counts that concern one phase; a gap belongs to each phase it touches. */
struct gaps {
	u64 landed, gap_ns, gap_seq, send_ns, wait_ns;
};

static struct gaps measure(const struct landings *l, const struct phase *p)
{
	struct gaps g = { 0 };

	for (size_t i = 0; i < l->count; i++) {
		const struct landing *a = &l->at[i];
		u64 gap, send;

		if (a->landed_ns >= p->begin_ns && a->landed_ns < p->end_ns) {
			g.landed++;
			if (a->landed_ns - a->sent_ns > g.wait_ns)
				g.wait_ns = a->landed_ns - a->sent_ns;
		}
		if (!i || a->landed_ns < p->begin_ns ||
		    a[-1].landed_ns >= p->end_ns)
			continue;
		gap = a->landed_ns - a[-1].landed_ns;
		send = a->sent_ns - a[-1].sent_ns;
		if (gap > g.gap_ns) {
			g.gap_ns = gap;
			g.gap_seq = a->seq;
		}
		if (send > g.send_ns)
			g.send_ns = send;
	}
	return g;
}

static int judge(const struct landings *l, const struct phases *p,
		 const struct options *o)
{
	double quiet_ms = 0;
	bool bad = false;

	for (unsigned int i = 0; i < p->count; i++)
		if (o->quiet ? !strcmp(p->at[i].name, o->quiet) : !i)
			quiet_ms = measure(l, &p->at[i]).gap_ns / 1e6;
	if (o->quiet && !quiet_ms)
		printf("no phase \"%s\" with landings\n", o->quiet);
	if (quiet_ms < o->floor_ms)
		quiet_ms = o->floor_ms;
	for (unsigned int i = 0; i < p->count; i++) {
		struct gaps g = measure(l, &p->at[i]);
		double ratio = quiet_ms ? g.gap_ns / 1e6 / quiet_ms : 0;
		bool over = o->max_ratio && ratio > o->max_ratio;

		printf("PHASE name=%s ms=%.1f landed=%llu ", p->at[i].name,
		       (p->at[i].end_ns - p->at[i].begin_ns) / 1e6, g.landed);
		printf("longest_gap_ms=%.3f before_seq=%llu ratio=%.2f ",
		       g.gap_ns / 1e6, g.gap_seq, ratio);
		printf("send_gap_ms=%.3f longest_wait_ms=%.3f verdict=%s\n",
		       g.send_ns / 1e6, g.wait_ns / 1e6, over ? "over" : "good");
		bad |= over;
	}
	if (o->max_ratio && (!quiet_ms || !p->count)) {
		puts("no quiet phase: no verdict");
		bad = true;
	}
	return bad ? HOST_BAD : HOST_OK;
}

static const char timeline_help[] =
"Usage: pkernfs-host timeline --in CSV [OPTION...]\n"
"\n"
"Draws what watch wrote and judges it.\n"
"\n"
"  --in CSV          what watch wrote\n"
"  --phases FILE     lines \"NANOSECONDS NAME\" (CLOCK_MONOTONIC of this host),\n"
"                    each the begin of a phase\n"
"  --quiet NAME      the phase to compare with (the first)\n"
"  --max-ratio R     a phase whose longest gap is more than R times that of the\n"
"                    quiet phase is an error\n"
"  --floor-ms MS     take the quiet phase's for at least this (1)\n"
"  --bucket-ms MS    width of a bar (50)\n"
"  --svg FILE        draw into a file, too\n"
"  --no-draw         numbers only\n"
"\n"
"Exit: 0 good, 1 a phase is over, or nothing landed.\n";

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option options[] = {
		{ "in", required_argument, NULL, 'i' },
		{ "phases", required_argument, NULL, 'p' },
		{ "quiet", required_argument, NULL, 'q' },
		{ "max-ratio", required_argument, NULL, 'm' },
		{ "floor-ms", required_argument, NULL, 'f' },
		{ "bucket-ms", required_argument, NULL, 'b' },
		{ "svg", required_argument, NULL, 's' },
		{ "no-draw", no_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 }
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'i':
			o->csv = optarg;
			break;
		case 'p':
			o->phases = optarg;
			break;
		case 'q':
			o->quiet = optarg;
			break;
		case 'm':
			o->max_ratio = atof(optarg);
			break;
		case 'f':
			o->floor_ms = atof(optarg);
			break;
		case 'b':
			o->bucket_ms = atof(optarg);
			break;
		case 's':
			o->svg = optarg;
			break;
		case 'n':
			o->no_draw = true;
			break;
		case 'h':
			fputs(timeline_help, stdout);
			exit(HOST_OK);
		default:
			return -EINVAL;
		}
	}
	return o->csv && o->bucket_ms >= 1 ? 0 : -EINVAL;
}

int cmd_timeline(int argc, char **argv)
{
	struct options o = { .floor_ms = 1, .bucket_ms = 50 };
	struct phases p = { .count = 0 };
	struct landings l = { 0 };
	u64 begin, end;

	if (parse(argc, argv, &o)) {
		fputs(timeline_help, stderr);
		return HOST_USAGE;
	}
	if (landings_read(&l, o.csv))
		return HOST_FAILED;
	if (!l.count) {
		puts("nothing landed");
		return HOST_BAD;
	}
	begin = l.at[0].landed_ns;
	end = l.at[l.count - 1].landed_ns;
	if (o.phases && phases_read(&p, o.phases, end))
		return HOST_FAILED;
	if (!o.no_draw)
		draw(&l, &p, begin, o.bucket_ms * 1e6);
	if (o.svg && svg_write(o.svg, &l, &p, begin, o.bucket_ms * 1e6))
		return HOST_FAILED;
	return judge(&l, &p, &o);
}
