// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: who uses the memory of a file, or of a region: mappings, pins, devices.
 *
 * Before memory leaves a file its pages are looked at, granule by granule: with core->lock to
 * read, and in steps.
 */

#include <linux/rwsem.h>
#include <linux/sched.h>

#include "pkernfs.h"

/*
 * Granules that are looked at in a row. Whoever is to change something waits for as long, and
 * behind it those who look for something: a file may have millions.
 */
#define PKERNFS_STEP	1024

typedef int (*pkernfs_look_t)(struct pkernfs_core *c, struct pkernfs_node *n, u32 granule,
			      void *arg);

/* Some of a part of the file; @from is set to the place of what comes next. */
static int pkernfs_extent_step(struct pkernfs_core *c, struct pkernfs_node *n, u64 *from,
			       u64 last, pkernfs_look_t look, void *arg)
{
	unsigned int shift = n->pool->shift, left = PKERNFS_STEP;
	u64 at = *from >> shift;
	u32 i;
	int err = 0;

	lockdep_assert_held(&c->lock);
	for (i = pkernfs_extent_index(n, at);
	     i < n->extents && n->extent[i].logical <= last >> shift; i++) {
		const struct pkernfs_extent *e = &n->extent[i];

		at = max(at, e->logical);
		for (; at <= last >> shift && at < e->logical + e->count; at++) {
			*from = at << shift;
			if (!left--)
				return 0;
			err = look(c, n, e->granule + (at - e->logical), arg);
			if (err)
				return err;
		}
	}
	*from = last + 1;
	return 0;
}

/*
 * Have a look at each granule of a part of the file, until there is something in the way. The
 * lock is free now and then: the caller knows why the answer is not old by that.
 */
static int pkernfs_extent_look(struct pkernfs_core *c, struct pkernfs_node *n, u64 *from,
			       u64 last, pkernfs_look_t look, void *arg)
{
	int err;

	do {
		down_read(&c->lock);
		err = pkernfs_extent_step(c, n, from, last, look, arg);
		up_read(&c->lock);
		cond_resched();
	} while (!err && *from <= last);
	return err;
}

static int pkernfs_look_forget(struct pkernfs_core *c, struct pkernfs_node *n, u32 granule,
			       void *arg)
{
	pkernfs_granule_forget(c, n->pool, granule);
	return 0;
}

/**
 * pkernfs_extent_forget - pages of this part do not name the inode any more
 * @c: the core
 * @n: the file
 * @from: first byte of the part
 * @last: last byte
 *
 * None is mapped, and no fault can map it: the inode goes, or the pages leave the file. If
 * they stay after all, the next fault lets them name it again.
 */
void pkernfs_extent_forget(struct pkernfs_core *c, struct pkernfs_node *n, u64 from, u64 last)
{
	if (READ_ONCE(n->entered))
		pkernfs_extent_look(c, n, &from, last, pkernfs_look_forget, NULL);
}

static int pkernfs_look_busy(struct pkernfs_core *c, struct pkernfs_node *n, u32 granule,
			     void *arg)
{
	bool *found = arg;

	if (pkernfs_granule_holds(n->pool, granule))
		found[1] = true;
	if (!pkernfs_granule_idle(c, n->pool, granule))
		found[0] = true;
	return found[1] || (found[0] && !n->holds) ? -EBUSY : 0;
}

/**
 * pkernfs_extent_busy - has somebody a reference on pages of this part?
 * @c: the core
 * @n: the file
 * @from: first byte of the part
 * @last: last byte
 * @held: set if a device can reach it
 *
 * The caller keeps new mappings away, and has removed those that were there, or the answer
 * is old at once. Granules count whole.
 */
bool pkernfs_extent_busy(struct pkernfs_core *c, struct pkernfs_node *n,
			 u64 from, u64 last, bool *held)
{
	bool found[2] = {};

	pkernfs_extent_look(c, n, &from, last, pkernfs_look_busy, found);
	*held = found[1];
	return found[0] || found[1];
}

/**
 * pkernfs_gpool_busy - granules that somebody has a reference on
 * @c: the core
 * @p: granules of which size
 * @most: so many are enough
 *
 * Mapped, pinned, or otherwise referred to. Who begins or ceases to use one meanwhile may be
 * counted or not. In a region that is not mounted nobody can begin: 0 is exact then. Of those
 * that are free nobody has a page, as they were idle when they became so.
 */
u64 pkernfs_gpool_busy(struct pkernfs_core *c, const struct pkernfs_gpool *p, u64 most)
{
	unsigned long at = 0;
	unsigned int left;
	u64 busy = 0;

	while (at < p->granules && busy < most) {
		down_read(&c->lock);
		for (left = PKERNFS_STEP; left && busy < most; left--, at++) {
			at = find_next_bit(p->map, p->granules, at);
			if (at >= p->granules)
				break;
			busy += !pkernfs_granule_idle(c, p, at);
		}
		up_read(&c->lock);
		cond_resched();
	}
	return busy;
}

static int pkernfs_look_lent(struct pkernfs_core *c, struct pkernfs_node *n, u32 granule,
			     void *arg)
{
	if (pkernfs_granule_holds(n->pool, granule))
		return -EBUSY;
	return pkernfs_granule_lent(c, n->pool, granule) ? -EAGAIN : 0;
}

/**
 * pkernfs_extent_lent - would this part be busy if nobody had it mapped?
 * @c: the core
 * @n: the file
 * @from: first byte of the part; set to the granule that is, for -EAGAIN
 * @last: last byte
 *
 * Return: 0; -EBUSY: a device can reach it; -EAGAIN: somebody has a reference, which may go.
 */
int pkernfs_extent_lent(struct pkernfs_core *c, struct pkernfs_node *n, u64 *from, u64 last)
{
	return pkernfs_extent_look(c, n, from, last, pkernfs_look_lent, NULL);
}
