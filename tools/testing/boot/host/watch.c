// SPDX-License-Identifier: GPL-2.0
/*
 * Sees when each frame lands in guest RAM, by looking at the memory itself.
 *
 * Frames are sent in order and the ring is filled in order, so at any time one
 * buffer is of interest: the next. Where it is, is learned: the first frame is
 * searched for; the next buffer follows it, or, at the end of a granule of the
 * region, begins another granule; and when a buffer comes up again the ring has
 * been gone round once and is known. What is not where it should be is searched
 * for in all of the range.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "host.h"

#define WATCH_RING_MAX	65536
#define WATCH_SEARCH_NS	20000000ULL

/**
 * struct watch - a watcher
 * @ram: guest RAM
 * @span: where frames may land
 * @run: run id, 0: the first that is seen
 * @landings: what was seen
 * @next: sequence number to come
 * @skipped: numbers that were never seen
 * @ring: file offsets of the buffers in the order of the ring
 * @ring_count: known ones
 * @ring_whole: the ring has come round
 * @at: place of the last frame in @ring
 * @last_ns: when the last frame was seen
 * @search_ns: when it was searched last
 */
struct watch {
	struct ram ram;
	struct span span;
	u32 run;
	struct landings landings;
	u64 next;
	u64 skipped;
	u64 *ring;
	size_t ring_count;
	bool ring_whole;
	size_t at;
	u64 last_ns;
	u64 search_ns;
};

/* Is the wanted frame, or a later one of this run, whole at this offset? */
static bool watch_look(struct watch *w, u64 off, bool exactly,
		       struct frame_id *id)
{
	if (off == RAM_NOWHERE || off + FRAME_STRIDE > w->ram.bytes)
		return false;
	if (frame_check(w->ram.map + off, FRAME_STRIDE, id) != FRAME_GOOD)
		return false;
	if (id->run != w->run && w->run)
		return false;
	return exactly ? id->seq == w->next : id->seq >= w->next;
}

static bool watch_took(struct watch *w, u64 off, const struct frame_id *id)
{
	struct landing one = {
		.seq = id->seq,
		.sent_ns = id->sent_ns,
		.landed_ns = host_now_ns(),
	};

	if (!w->run)
		w->run = id->run;
	w->skipped += id->seq - w->next;
	w->next = id->seq + 1;
	w->last_ns = one.landed_ns;
	if (w->ring_whole) {
		w->at = (w->at + 1) % w->ring_count;
		if (w->ring[w->at] != off) {
			/* The guest began a new ring. */
			w->ring_whole = false;
			w->ring_count = 0;
		}
	}
	if (!w->ring_whole) {
		if (w->ring_count > 1 && off == w->ring[0]) {
			w->ring_whole = true;
			w->at = 0;
		} else if (w->ring_count < WATCH_RING_MAX) {
			w->ring[w->ring_count++] = off;
		}
	}
	return !landings_add(&w->landings, &one);
}

/* All buffers of the range that exist. */
static bool watch_search(struct watch *w)
{
	const u64 begin = ram_offset(&w->ram, w->span.start);
	const u64 end = begin + w->span.bytes;
	u64 from = begin, to, best_off = 0;
	struct frame_id id, best = { .seq = ~0ULL };

	for (; ram_next_data(&w->ram, &from, &to, end); from = to) {
		u64 off = (from + FRAME_STRIDE - 1) & ~(u64)(FRAME_STRIDE - 1);

		for (; off < to; off += FRAME_STRIDE)
			if (watch_look(w, off, false, &id) &&
			    id.seq < best.seq) {
				best = id;
				best_off = off;
			}
	}
	/* A later frame proves nothing before the wanted one had its time. */
	if (best.seq == ~0ULL || (best.seq != w->next && w->landings.count))
		return false;
	return watch_took(w, best_off, &best);
}

static bool watch_granules(struct watch *w)
{
	const u64 begin = ram_offset(&w->ram, w->span.start);
	const u64 end = begin + w->span.bytes;
	u64 from = begin, to;
	struct frame_id id;

	for (; ram_next_data(&w->ram, &from, &to, end); from = to) {
		u64 off = (from + GRANULE - 1) & ~(GRANULE - 1);

		for (; off < to; off += GRANULE)
			if (watch_look(w, off, true, &id))
				return watch_took(w, off, &id);
	}
	return false;
}

/* One more frame? */
static bool watch_step(struct watch *w)
{
	struct frame_id id;
	u64 now, off;

	if (w->ring_whole) {
		off = w->ring[(w->at + 1) % w->ring_count];
		if (watch_look(w, off, false, &id))
			return watch_took(w, off, &id);
	} else if (w->ring_count) {
		off = w->ring[w->ring_count - 1] + FRAME_STRIDE;
		if (watch_look(w, off, false, &id))
			return watch_took(w, off, &id);
		if (!(off % GRANULE) && watch_granules(w))
			return true;
		if (watch_look(w, w->ring[0], true, &id))
			return watch_took(w, w->ring[0], &id);
	}
	now = host_now_ns();
	if (now - w->last_ns < WATCH_SEARCH_NS ||
	    now - w->search_ns < WATCH_SEARCH_NS)
		return false;
	w->search_ns = now;
	return watch_search(w);
}

static void watch_print(const struct watch *w, u64 sent)
{
	u64 gap = 0, gap_seq = 0, latency = 0, latency_seq = 0;

	for (size_t i = 0; i < w->landings.count; i++) {
		const struct landing *l = &w->landings.at[i];

		if (l->landed_ns - l->sent_ns > latency) {
			latency = l->landed_ns - l->sent_ns;
			latency_seq = l->seq;
		}
		if (i && l->landed_ns - l[-1].landed_ns > gap) {
			gap = l->landed_ns - l[-1].landed_ns;
			gap_seq = l->seq;
		}
	}
	printf("WATCH run=%u sent=%llu landed=%zu skipped=%llu missing=%lld ",
	       w->run, sent, w->landings.count, w->skipped,
	       (long long)(sent - w->landings.count));
	printf("ring=%zu longest_gap_ms=%.3f gap_before_seq=%llu ",
	       w->ring_whole ? w->ring_count : 0, gap / 1e6, gap_seq);
	printf("longest_latency_ms=%.3f latency_seq=%llu\n", latency / 1e6,
	       latency_seq);
	fflush(stdout);
}

static void *watch_inject(void *inject)
{
	inject_run(inject);
	return NULL;
}

static const char watch_help[] =
"Usage: pkernfs-host watch --ram FILE --range BYTES@ADDR --out CSV [OPTION...]\n"
"\n"
"Sees when each frame lands in guest RAM and writes seq,sent_ns,landed_ns, all\n"
"by this host's CLOCK_MONOTONIC. With --socket it is the sender, too. Ends when\n"
"told to (SIGTERM, SIGINT, --count) and nothing has landed for --settle.\n"
"\n"
"  --ram FILE           file of QEMU's memory-backend-file, share=on\n"
"  --range BYTES@ADDR   guest physical range where frames may land\n"
"  --out CSV            what was seen\n"
"  --low BYTES          RAM below 4 GiB, if not as QEMU's q35 has it\n"
"  --poll-us N          look so often (200)\n"
"  --settle MS          at the end wait so long for late frames (1500)\n"
"  --socket, --local, --rate, --count, --len, --run   as of inject\n"
"\n"
"Exit: 0 if all that was sent has landed, 1 if not.\n";

struct watch_options {
	const char *ram, *out;
	u64 low, poll_us, settle_ms;
};

static int watch_parse(int argc, char **argv, struct watch *w,
		       struct inject *inject, struct watch_options *o)
{
	static const struct option options[] = {
		{ "ram", required_argument, NULL, 'R' },
		{ "range", required_argument, NULL, 'g' },
		{ "out", required_argument, NULL, 'o' },
		{ "low", required_argument, NULL, 'L' },
		{ "poll-us", required_argument, NULL, 'p' },
		{ "settle", required_argument, NULL, 't' },
		{ "socket", required_argument, NULL, 's' },
		{ "local", required_argument, NULL, 'l' },
		{ "rate", required_argument, NULL, 'r' },
		{ "count", required_argument, NULL, 'c' },
		{ "len", required_argument, NULL, 'n' },
		{ "run", required_argument, NULL, 'i' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 }
	};
	int opt, bad = 0;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'R':
			o->ram = optarg;
			break;
		case 'g':
			bad |= span_parse(optarg, &w->span);
			break;
		case 'o':
			o->out = optarg;
			break;
		case 'L':
			bad |= host_size(optarg, &o->low);
			break;
		case 'p':
			bad |= host_size(optarg, &o->poll_us);
			break;
		case 't':
			bad |= host_size(optarg, &o->settle_ms);
			break;
		case 's':
			inject->path = optarg;
			break;
		case 'l':
			inject->local = optarg;
			break;
		case 'r':
			inject->rate = atof(optarg);
			break;
		case 'c':
			inject->count = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			inject->len = strtoul(optarg, NULL, 0);
			break;
		case 'i':
			inject->run = strtoul(optarg, NULL, 0);
			break;
		case 'h':
			fputs(watch_help, stdout);
			exit(HOST_OK);
		default:
			bad = 1;
		}
	}
	if (bad || !o->ram || !w->span.bytes || inject->rate <= 0 ||
	    inject->len < FRAME_MIN || inject->len > FRAME_MAX ||
	    o->poll_us > 1000000) {
		fputs(watch_help, stderr);
		return -EINVAL;
	}
	return 0;
}

int cmd_watch(int argc, char **argv)
{
	struct watch_options o = { .poll_us = 200, .settle_ms = 1500 };
	struct watch w = { 0 };
	struct inject inject = {
		.rate = 1000,
		.len = FRAME_DEFAULT,
		.run = (u32)(host_now_ns() / 1000000) | 1,
	};
	struct timespec pause;
	pthread_t thread;
	u64 sent, ended = 0;

	if (watch_parse(argc, argv, &w, &inject, &o))
		return HOST_USAGE;
	if (ram_attach(&w.ram, o.ram, o.low))
		return HOST_FAILED;
	errno = 0;
	if (ram_offset(&w.ram, w.span.start) == RAM_NOWHERE ||
	    ram_offset(&w.ram, w.span.start + w.span.bytes - 1) == RAM_NOWHERE) {
		host_fail("the range is not all RAM");
		return HOST_FAILED;
	}
	w.ring = calloc(WATCH_RING_MAX, sizeof(*w.ring));
	if (!w.ring) {
		host_fail("ring");
		return HOST_FAILED;
	}
	if (inject.path) {
		w.run = inject.run;
		errno = pthread_create(&thread, NULL, watch_inject, &inject);
		if (errno) {
			host_fail("thread");
			return HOST_FAILED;
		}
	}
	prctl(PR_SET_TIMERSLACK, 1000UL);
	pause = (struct timespec) { .tv_nsec = o.poll_us * 1000 };
	for (;;) {
		bool over = READ_ONCE(host_stop) || (inject.path && READ_ONCE(inject.done));

		while (watch_step(&w))
			;
		if (over) {
			u64 now = host_now_ns();

			if (!ended)
				ended = now;
			if (inject.path && READ_ONCE(inject.done) && w.next >= inject.sent)
				break;
			if (now - (w.last_ns > ended ? w.last_ns : ended) >
			    o.settle_ms * 1000000)
				break;
		}
		nanosleep(&pause, NULL);
	}
	sent = w.next;
	if (inject.path) {
		pthread_join(thread, NULL);
		inject_print(&inject);
		sent = inject.sent;
	}
	watch_print(&w, sent);
	if (o.out && landings_write(&w.landings, o.out))
		return HOST_FAILED;
	return w.landings.count == sent && sent ? HOST_OK : HOST_BAD;
}
