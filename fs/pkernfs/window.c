// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: where in a pool a file gets its granules.
 *
 * Files grow side by side, as the RAM of guests does while they touch it, and in any order.
 * Each granule right behind the one before would be a piece of its own then, and a file can
 * have so many of these only. So a file that grows has a window: a run of granules that
 * belongs to a hole of it, place by place. Others find their granules elsewhere as long as
 * there are some. What a window has is free, and no more than a wish: nothing is stored,
 * and after a load files get new ones, beside what they have.
 */

#include <linux/list.h>
#include <linux/minmax.h>

#include "pkernfs.h"

#define PKERNFS_WINDOWS		64	/* of a pool; looking for granules goes through them */
#define PKERNFS_WINDOW_MIN	64	/* granules; where so many are not in a run, others yield */
#define PKERNFS_WINDOW_MORE	16	/* granules at least for a file whose end is not known */
#define PKERNFS_WINDOW_RUNS	1024U	/* free runs of which the longest may be missed */

/**
 * pkernfs_window_drop - a file needs its window no more
 * @n: the file
 *
 * core->lock is held to write, or nobody else knows the file.
 */
void pkernfs_window_drop(struct pkernfs_node *n)
{
	struct pkernfs_window *w = &n->window;

	if (!w->pool)
		return;
	list_del(&w->list);
	w->pool->windows--;
	w->pool = NULL;
}

/* Windows by their place; they do not overlap. Return: how many. */
static u32 pkernfs_window_sort(const struct pkernfs_gpool *p, const struct pkernfs_window **by)
{
	const struct pkernfs_window *w;
	u32 count = 0, i;

	list_for_each_entry(w, &p->window, list) {
		for (i = count++; i && by[i - 1]->granule > w->granule; i--)
			by[i] = by[i - 1];
		by[i] = w;
	}
	return count;
}

/**
 * struct pkernfs_search - a search for a run of free granules
 * @p: granules of which size
 * @want: how many
 * @runs: so many runs are looked at yet
 * @by: windows that are left out, by their place
 * @windows: how many
 * @best: where the longest run begins so far
 * @got: how long it is, @want at most
 */
struct pkernfs_search {
	const struct pkernfs_gpool *p;
	u32 want;
	u32 runs;
	const struct pkernfs_window *by[PKERNFS_WINDOWS];
	u32 windows;
	u32 best;
	u32 got;
};

/* Runs that begin in [from, to). Return: how far it has come. */
static u32 pkernfs_window_search(struct pkernfs_search *s, u32 from, u32 to)
{
	const unsigned long *map = s->p->map;
	unsigned long start, end = from;
	u32 i = 0;

	for (; s->got < s->want && s->runs; s->runs--) {
		start = find_next_zero_bit(map, s->p->granules, end);
		if (start >= to)
			return to;
		/* Behind windows that it is in, up to the next one. */
		for (; i < s->windows && s->by[i]->granule <= start; i++)
			start = max(start, (unsigned long)s->by[i]->granule + s->by[i]->count);
		end = i < s->windows ? s->by[i]->granule : s->p->granules;
		if (start >= end) {
			end = start;
			continue;
		}
		end = find_next_bit(map, end, start);
		if (end - start > s->got) {
			s->best = start;
			s->got = min_t(u64, end - start, s->want);
		}
	}
	return end;
}

/**
 * pkernfs_window_find - a run of free granules
 * @p: granules of which size
 * @want: how many
 * @runs: look at so many, PKERNFS_WINDOW_RUNS at least, and no more than a file can have pieces;
 *	and then at as many more where the last search has come to
 * @all: those in windows, too
 * @got: set to how many there are in the run
 *
 * core->lock is held to write. Return: the first one of a run that is long enough, or else of the
 * longest that was looked at; PKERNFS_NO_GRANULE: there is none. With @all that is so for
 * sure.
 */
u32 pkernfs_window_find(struct pkernfs_gpool *p, u32 want, u32 runs, bool all, u32 *got)
{
	struct pkernfs_search s = { .p = p, .want = want, .best = PKERNFS_NO_GRANULE };

	runs = clamp_t(u32, runs, PKERNFS_WINDOW_RUNS, PKERNFS_SLOTS);
	s.runs = runs;
	if (!all)
		s.windows = pkernfs_window_sort(p, s.by);
	pkernfs_window_search(&s, p->hint, p->granules);
	pkernfs_window_search(&s, 0, p->hint);
	if (!s.runs && s.got < want) {
		/* So whoever comes again and again comes to where there is more. */
		s.runs = runs;
		p->rover = pkernfs_window_search(&s, p->rover, p->granules) % p->granules;
	}
	*got = s.got;
	return s.best;
}

/*
 * Free granules in no window, around the one for the file's place @first, as far as its
 * hole goes. False: that one is not among them.
 */
static bool pkernfs_window_around(const struct pkernfs_gpool *p, u64 first, u32 granule,
				  u64 hole, u64 hole_end, struct pkernfs_window *w)
{
	unsigned long start = granule - min(first - hole, granule), end, at;
	const struct pkernfs_window *other;

	if (granule >= p->granules || test_bit(granule, p->map))
		return false;
	end = granule + min(hole_end - first, p->granules - granule);
	end = find_next_bit(p->map, end, granule);
	at = find_last_bit(p->map, granule);
	if (at < granule)
		start = max(start, at + 1);
	list_for_each_entry(other, &p->window, list) {
		if (granule >= other->granule && granule - other->granule < other->count)
			return false;
		if (other->granule > granule)
			end = min_t(unsigned long, end, other->granule);
		else
			start = max_t(unsigned long, start, other->granule + other->count);
	}
	w->logical = first - (granule - start);
	w->granule = start;
	w->count = end - start;
	return true;
}

/* Windows do not reach into these granules any more. */
static void pkernfs_window_yield(struct pkernfs_gpool *p, u32 granule, u32 count)
{
	struct pkernfs_window *w, *next;

	list_for_each_entry_safe(w, next, &p->window, list) {
		if (w->granule >= granule + count || w->granule + w->count <= granule)
			continue;
		if (w->granule < granule)
			w->count = granule - w->granule;
		else
			pkernfs_window_drop(container_of(w, struct pkernfs_node, window));
	}
}

/* A run for a hole that nothing says the place of. */
static bool pkernfs_window_new(struct pkernfs_gpool *p, u64 first, u64 hole, u64 hole_end,
			       struct pkernfs_window *w)
{
	u32 want = min_t(u64, hole_end - hole, p->granules), got, most, granule;

	/* No more runs than it would be pieces if it got these, one by one. */
	granule = pkernfs_window_find(p, want, want, false, &got);
	if (got < min(want, PKERNFS_WINDOW_MIN)) {
		/* The end of the longest run of all: half of it, at most, is for others. */
		u32 run = pkernfs_window_find(p, p->granules, want, true, &most);
		u32 half = min(most - most / 2, want);

		if (half > got) {
			granule = run + most - half;
			got = half;
			pkernfs_window_yield(p, granule, got);
		}
	}
	if (!got)
		return false;
	w->logical = first - (first - hole) % got;
	w->granule = granule;
	w->count = min_t(u64, got, hole_end - w->logical);
	return true;
}

/**
 * pkernfs_window_size - the size of a file
 * @n: the file
 * @p: granules of which size
 *
 * Return: its size in granules, rounded up.
 */
u64 pkernfs_window_size(const struct pkernfs_node *n, const struct pkernfs_gpool *p)
{
	return round_up(le64_to_cpu(n->ser->size), 1ULL << p->shift) >> p->shift;
}

/* Where the hole ends that is behind all that the file has: what it will grow to. */
static u64 pkernfs_window_end(const struct pkernfs_node *n, const struct pkernfs_gpool *p,
			      u64 end)
{
	u64 more = 0;
	u32 i;

	for (i = 0; i < n->extents; i++)
		more += n->extent[i].count;
	if (more)
		more = clamp(more, PKERNFS_WINDOW_MORE, p->granules);
	return max(end + more, pkernfs_window_size(n, p));
}

/**
 * pkernfs_window_goal - which granule belongs to a place of a file
 * @n: the file
 * @p: granules of which size
 * @first: the place, in granules: a hole
 * @end: end of what is to be filled
 * @count: set to how many from there on may be taken
 *
 * core->lock is held to write. Return: the granule, which is free; PKERNFS_NO_GRANULE: none
 * is.
 */
u32 pkernfs_window_goal(struct pkernfs_node *n, struct pkernfs_gpool *p, u64 first, u64 end,
			u32 *count)
{
	const struct pkernfs_extent *prev, *next;
	struct pkernfs_window w, *own = &n->window;
	u32 i = pkernfs_extent_index(n, first);
	u64 hole = 0, hole_end;

	if (own->pool == p && first >= own->logical && first - own->logical < own->count &&
	    !test_bit(own->granule + (first - own->logical), p->map)) {
		list_move_tail(&own->list, &p->window);
		goto out;
	}
	pkernfs_window_drop(n);

	prev = i ? &n->extent[i - 1] : NULL;
	next = i < n->extents ? &n->extent[i] : NULL;
	if (prev)
		hole = prev->logical + prev->count;
	hole_end = next ? next->logical : pkernfs_window_end(n, p, end);
	if (!(prev && first - prev->logical < p->granules - prev->granule &&
	      pkernfs_window_around(p, first, prev->granule + (first - prev->logical), hole,
				    hole_end, &w)) &&
	    !(next && next->logical - first <= next->granule &&
	      pkernfs_window_around(p, first, next->granule - (next->logical - first), hole,
				    hole_end, &w)) &&
	    !pkernfs_window_new(p, first, hole, hole_end, &w))
		return PKERNFS_NO_GRANULE;

	own->logical = w.logical;
	own->granule = w.granule;
	own->count = w.count;
	if (hole_end - hole > 1) {
		if (p->windows == PKERNFS_WINDOWS)
			pkernfs_window_drop(container_of(list_first_entry(&p->window,
									  struct pkernfs_window,
									  list),
							 struct pkernfs_node, window));
		own->pool = p;
		list_add_tail(&own->list, &p->window);
		p->windows++;
	}
out:
	*count = own->count - (first - own->logical);
	return own->granule + (first - own->logical);
}
