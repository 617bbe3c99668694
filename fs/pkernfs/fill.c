// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: memory for the holes of a file, and granules of another size.
 *
 * Granules become part of a file by pkernfs_extent_fill(): reserved, zeroed
 * without a lock, then entered in one transaction. So no reader, here or in the
 * next kernel, ever sees what was in them before. Who wants the same part of the
 * file meanwhile waits: with granules of 1 GiB there may be no second one to be had.
 */

#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include "pkernfs.h"

#define PKERNFS_MANY	(PKERNFS_SLOTS / 7 * 2)	/* pieces of a file */
#define PKERNFS_MOVE_MORE	8	/* times the memory that a file has, to move it */

/* --- filling holes --------------------------------------------------------------- */

/* What PKERNFS_INODE_POOL says is the place of the pool in core->gpool. */
static_assert(PKERNFS_GPOOL_2M * PKERNFS_INODE_POOL_4K == PKERNFS_INODE_POOL_2M &&
	      PKERNFS_GPOOL_4K * PKERNFS_INODE_POOL_4K == PKERNFS_INODE_POOL_4K &&
	      PKERNFS_GPOOL_1G * PKERNFS_INODE_POOL_4K == PKERNFS_INODE_POOL_1G);

/* What the next extents are: in the inode too, if those before were others. */
static void pkernfs_extent_pool(struct pkernfs_core *c, struct pkernfs_node *n,
				struct pkernfs_gpool *p)
{
	u16 flags = le16_to_cpu(n->ser->flags) & ~PKERNFS_INODE_POOL;

	if (n->window.pool != p)
		pkernfs_window_drop(n);
	n->pool = p;
	flags |= (p - c->gpool) * PKERNFS_INODE_POOL_4K;
	if (flags != le16_to_cpu(n->ser->flags))
		pkernfs_tx_inode(c, n->ino)->flags = cpu_to_le16(flags);
}

/*
 * Enter zeroed granules of @p into a hole. -EAGAIN: there is no such hole any more,
 * or the file has got granules of another size.
 */
static int pkernfs_extent_enter(struct pkernfs_core *c, struct pkernfs_node *n,
				struct pkernfs_gpool *p, const struct pkernfs_extent *add)
{
	u32 at = pkernfs_extent_index(n, add->logical);
	struct pkernfs_extent *prev = at ? &n->extent[at - 1] : NULL;
	struct pkernfs_extent *next = at < n->extents ? &n->extent[at] : NULL;
	struct pkernfs_extent e = *add;
	u64 fresh = 0;
	int err;

	if (n->device)
		return -EBUSY;
	if (n->extents && n->pool != p)
		return -EAGAIN;
	if (!n->extents)
		pkernfs_extent_pool(c, n, p);
	if (next && next->logical < e.logical + e.count)
		return -EAGAIN;
	if (prev && (prev->logical + prev->count != e.logical ||
		     prev->granule + prev->count != e.granule))
		prev = NULL;
	if (next && (next->logical != e.logical + e.count ||
		     next->granule != e.granule + e.count))
		next = NULL;

	/* The longest run wins: the neighbours' slots are taken over. */
	if (prev) {
		e.logical = prev->logical;
		e.granule = prev->granule;
		e.count += prev->count;
		e.slot = prev->slot;
	}
	if (next) {
		e.count += next->count;
		if (prev)
			pkernfs_slot_write(c, n, next->slot, NULL);
		else
			e.slot = next->slot;
	}
	if (!prev && !next) {
		err = pkernfs_slot_get(c, n, &fresh, &e.slot);
		if (err)
			return err;
		err = pkernfs_extent_insert(n, at, &e);
		if (err)
			goto undo;
	}
	pkernfs_slot_write(c, n, e.slot, &e);
	err = pkernfs_tx_commit(c);
	if (err) {
		if (!prev && !next) {
			n->extents--;
			memmove(n->extent + at, n->extent + at + 1,
				(n->extents - at) * sizeof(e));
		}
		goto undo;
	}

	pkernfs_granule_enter(p, add->granule, add->count, n->ino);
	__set_bit(e.slot, n->slots);
	if (prev) {
		*prev = e;
		if (next) {
			__clear_bit(next->slot, n->slots);
			n->extents--;
			memmove(next, next + 1,
				(n->extents - at) * sizeof(e));
		}
	} else if (next) {
		*next = e;
	}
	return 0;
undo:
	pkernfs_slot_undo(c, n, fresh);
	return err;
}

/* What somebody else is filling of this file at @pos, or behind it and before @end. */
static const struct pkernfs_fill *pkernfs_fill_other(struct pkernfs_core *c,
						     const struct pkernfs_node *n,
						     u64 pos, u64 end)
{
	const struct pkernfs_fill *f, *first = NULL;

	list_for_each_entry(f, &c->fills, list)
		if (f->n == n && f->end > pos && f->first < end &&
		    (!first || f->first < first->first))
			first = f;
	return first;
}

/**
 * pkernfs_extent_filling - is this granule being made ready for a file?
 * @c: the core; its lock is held
 * @p: granules of which size
 * @granule: which one
 *
 * It is no file's yet, and somebody writes to it.
 */
bool pkernfs_extent_filling(struct pkernfs_core *c, const struct pkernfs_gpool *p, u32 granule)
{
	const struct pkernfs_fill *f;
	u32 i;

	lockdep_assert_held(&c->lock);
	list_for_each_entry(f, &c->fills, list)
		for (i = 0; f->p == p && i < f->runs; i++)
			if (granule >= f->run[i].granule &&
			    granule - f->run[i].granule < f->run[i].count)
				return true;
	return false;
}

/*
 * A file in many pieces gets more than is asked for, so that no size comes to PKERNFS_SLOTS:
 * what there is of a hole in a stretch of which the file has PKERNFS_MANY. With as many
 * pieces, and as many holes between them, these are three times that at most, if what is free
 * is not scattered itself. One that grows has had smaller stretches before: they are the larger
 * the fewer pieces are left. What somebody else is filling is left alone, and what is missing up
 * to @more comes first.
 */
static bool pkernfs_hole_widen(struct pkernfs_core *c, struct pkernfs_node *n,
			       const struct pkernfs_gpool *p, u32 i, u64 more, u64 *first,
			       u64 *end)
{
	u64 all = pkernfs_window_size(n, p);
	u64 low = i ? n->extent[i - 1].logical + n->extent[i - 1].count : 0;
	u64 high = i < n->extents ? n->extent[i].logical : max(*end, all), stretch;
	const struct pkernfs_fill *other;
	u32 parts = PKERNFS_MANY;
	u64 need;

	if (n->extents < PKERNFS_MANY || max(all, high) <= PKERNFS_SLOTS)
		return false;
	if (*first >= all || n->extents > 3 * PKERNFS_MANY)
		parts = clamp_t(u32, (PKERNFS_SLOTS - n->extents) / 3, 1, PKERNFS_MANY);
	stretch = max(all, high) / parts + 1;
	high = min(high, max(*end, *first - *first % stretch + stretch));
	low = max(low, *first - *first % stretch);
	while ((other = pkernfs_fill_other(c, n, low << p->shift, *first << p->shift)))
		low = min(*first, DIV_ROUND_UP(other->end, 1ULL << p->shift));
	other = pkernfs_fill_other(c, n, *end << p->shift, high << p->shift);
	if (other)
		high = max(*end, other->first >> p->shift);
	need = pkernfs_extent_holes(n, p->shift, *first << p->shift, more);
	if (need >= p->free || *first - low + (high - *end) > p->free - need)
		return false;
	*first = low;
	*end = high;
	return true;
}

/* Granules for [first, end) of a hole; the run may be shorter. */
static int pkernfs_hole_take(struct pkernfs_core *c, struct pkernfs_node *n,
			     struct pkernfs_gpool *p, u64 first, u64 end,
			     struct pkernfs_extent *e)
{
	u32 most = p->granules, goal = pkernfs_window_goal(n, p, first, end, &most);

	e->logical = first;
	return pkernfs_granule_reserve(c, p, goal, min_t(u64, end - first, most), &e->granule,
				       &e->count);
}

/*
 * First hole in [first, last], and granules for it; 0: no hole; -EAGAIN: wait for @fill_seq.
 * The caller is going to want all up to @more, in bytes.
 */
static int pkernfs_hole_reserve(struct pkernfs_core *c, struct pkernfs_node *n,
				struct pkernfs_gpool *p, u64 first, u64 last, u64 more,
				struct pkernfs_extent *e)
{
	u32 i = pkernfs_extent_index(n, first);
	const struct pkernfs_fill *other;
	u64 end, low, high;
	int err;

	while (i < n->extents && n->extent[i].logical <= first) {
		first = n->extent[i].logical + n->extent[i].count;
		i++;
	}
	if (first > last)
		return 0;
	end = i < n->extents ? min(last + 1, n->extent[i].logical) : last + 1;
	if (end > pkernfs_max_end(c) >> p->shift)
		return -EFBIG;
	other = pkernfs_fill_other(c, n, first << p->shift, end << p->shift);
	if (other && other->first >> p->shift <= first)
		return -EAGAIN;
	if (other)
		end = other->first >> p->shift;

	low = first;
	high = end;
	if (pkernfs_hole_widen(c, n, p, i, more, &low, &high)) {
		err = pkernfs_hole_take(c, n, p, low, high, e);
		if (err || first - low < e->count)
			return err ?: 1;
		/* What was asked for comes first. */
		pkernfs_granule_release(c, p, e->granule, e->count);
	}
	err = pkernfs_hole_take(c, n, p, first, end, e);
	return err ?: 1;
}

static void pkernfs_fill_done(struct pkernfs_core *c, struct pkernfs_fill *fill)
{
	lockdep_assert_held_write(&c->lock);
	list_del(&fill->list);
	/* Who waits for another file looks without the lock, and goes back to sleep. */
	WRITE_ONCE(fill->n->fill_seq, fill->n->fill_seq + 1);
	wake_up_all(&c->fill_wait);
}

/* Is there a memory error in one of these runs of granules? */
static bool pkernfs_extents_bad(struct pkernfs_core *c, const struct pkernfs_gpool *p,
				const struct pkernfs_extent *e, u32 count)
{
	for (; count; count--, e++)
		if (pkernfs_bad_in(c, pkernfs_granule_virt(c, p, e->granule),
				   (u64)e->count << p->shift))
			return true;
	return false;
}

/**
 * pkernfs_extent_fill_part - give a part of a file memory, zeroed
 * @c: the core
 * @n: the file
 * @from: first byte of the part
 * @last: last byte
 * @more: last byte of all that the caller is going to fill, this and what comes next
 * @want: granules to take for a file that has none
 *
 * What is there already stays as it is; a file that has some granules gets more of
 * that size. The caller keeps truncate away. On failure a part of it may have been
 * filled: zeroes like the hole was.
 *
 * Return: 0, -ENOSPC, -EFBIG: too many pieces, or too far behind; -EBUSY: a device
 * file; -EINTR: the task is to die; -ENOMEM, -ESHUTDOWN.
 */
int pkernfs_extent_fill_part(struct pkernfs_core *c, struct pkernfs_node *n,
			     u64 from, u64 last, u64 more, struct pkernfs_gpool *want)
{
	struct pkernfs_extent e;
	struct pkernfs_fill fill = { .n = n, .run = &e, .runs = 1 };
	struct pkernfs_gpool *p;
	unsigned int seq;
	int err;

	for (;;) {
		err = pkernfs_tx_begin(c);
		if (err)
			return err;
		p = n->extents ? n->pool : want;
		err = pkernfs_hole_reserve(c, n, p, from >> p->shift, last >> p->shift, more, &e);
		seq = n->fill_seq;
		if (err > 0) {
			fill.first = e.logical << p->shift;
			fill.end = (e.logical + e.count) << p->shift;
			fill.p = p;
			list_add(&fill.list, &c->fills);
		}
		pkernfs_tx_end(c);
		if (err == -EAGAIN) {
			if (wait_event_killable(c->fill_wait, READ_ONCE(n->fill_seq) != seq))
				return -EINTR;
			continue;
		}
		if (err <= 0)
			return err;

		err = pkernfs_zero_memory(c, pkernfs_granule_virt(c, p, e.granule),
					  (u64)e.count << p->shift);
		if (!err)
			err = pkernfs_tx_begin(c);
		if (err) {
			down_write(&c->lock);
			pkernfs_granule_release(c, p, e.granule, e.count);
			pkernfs_fill_done(c, &fill);
			up_write(&c->lock);
			return err;
		}
		/* One that has failed meanwhile is not given out: there are others. */
		err = pkernfs_extents_bad(c, p, &e, 1) ? -EAGAIN :
		      pkernfs_extent_enter(c, n, p, &e);
		if (err)
			pkernfs_granule_release(c, p, e.granule, e.count);
		pkernfs_fill_done(c, &fill);
		pkernfs_tx_end(c);
		/* Or the file has got granules of another size: look again. */
		if (err && err != -EAGAIN)
			return err;
		cond_resched();
	}
}

/* --- moving ---------------------------------------------------------------------- */

/* Large granules for a stretch of the file, in as few extents as there are runs. */
static int pkernfs_move_reserve(struct pkernfs_core *c, struct pkernfs_gpool *to,
				u64 first, u64 last, struct pkernfs_extent *new, u32 *count)
{
	int err;

	while (first <= last) {
		struct pkernfs_extent *e = &new[*count];

		/* More would need a chain; such a file had better stay where it is. */
		if (*count == PKERNFS_INODE_EXTENTS)
			return -EFBIG;
		err = pkernfs_granule_reserve(c, to, PKERNFS_NO_GRANULE,
					      min_t(u64, last + 1 - first, to->granules),
					      &e->granule, &e->count);
		if (err)
			return err;
		e->logical = first;
		e->slot = (*count)++;
		first += e->count;
	}
	return 0;
}

/* Where the large granules end that are side by side in the file; @i: the extent behind it. */
static u64 pkernfs_move_stretch(const struct pkernfs_node *n, unsigned int shift, u32 *i)
{
	u64 last;

	do {
		last = (n->extent[*i].logical + n->extent[*i].count - 1) >> shift;
		++*i;
	} while (*i < n->extents && n->extent[*i].logical >> shift <= last + 1);
	return last;
}

/* Granules of @to wherever the file has some now. */
static int pkernfs_move_plan(struct pkernfs_core *c, struct pkernfs_node *n,
			     struct pkernfs_gpool *to, struct pkernfs_extent *new, u32 *count)
{
	unsigned int shift = to->shift - n->pool->shift;
	u64 most = max(PKERNFS_MOVE_MORE * pkernfs_extent_total(n) >> to->shift,
		       PKERNFS_INODE_EXTENTS);
	u64 first, last;
	u32 i = 0;
	int err;

	if (pkernfs_extents_bad(c, n->pool, n->extent, n->extents))
		return -EIO;
	while (i < n->extents) {
		first = n->extent[i].logical >> shift;
		last = pkernfs_move_stretch(n, shift, &i);
		/* A page here and there is not to become the memory of a guest. */
		if (last - first >= most)
			return -EFBIG;
		most -= last - first + 1;
		err = pkernfs_move_reserve(c, to, first, last, new, count);
		if (err)
			return err;
	}
	return 0;
}

/* -EIO: a memory error that nobody knew of; -EINTR: the task is to die. */
static int pkernfs_move_copy(struct pkernfs_core *c, struct pkernfs_node *n,
			     struct pkernfs_gpool *to, const struct pkernfs_extent *new,
			     u32 count)
{
	u32 i;

	for (i = 0; i < count; i++) {
		u64 pos = new[i].logical << to->shift, bytes;
		u64 end = (new[i].logical + new[i].count) << to->shift;
		void *at = pkernfs_granule_virt(c, to, new[i].granule), *data;

		for (; pos < end; pos += bytes, at += bytes) {
			data = pkernfs_extent_data(c, n, pos, &bytes);
			bytes = min3(bytes, end - pos, (u64)PKERNFS_GRANULE_SIZE);
			if (!data)
				memset(at, 0, bytes);
			else if (copy_mc_to_kernel(at, data, bytes))
				return -EIO;
			if (fatal_signal_pending(current))
				return -EINTR;
			cond_resched();
		}
	}
	return 0;
}

/* The file's extents become those in @new; the old memory is free then. */
static int pkernfs_move_commit(struct pkernfs_core *c, struct pkernfs_node *n,
			       struct pkernfs_gpool *to, struct pkernfs_extent *new, u32 count)
{
	struct pkernfs_gpool *from = n->pool;
	struct pkernfs_inode_ser *ser;
	u32 i;
	int err;

	if (n->holds || n->device)
		return -EBUSY;
	/* A page may have failed while it was read, or while it was written to. */
	if (pkernfs_extents_bad(c, from, n->extent, n->extents) ||
	    pkernfs_extents_bad(c, to, new, count))
		return -EIO;
	ser = pkernfs_tx_inode(c, n->ino);
	memset(ser->extent, 0, sizeof(ser->extent));
	ser->chain = 0;
	pkernfs_extent_pool(c, n, to);
	for (i = 0; i < count; i++)
		pkernfs_slot_write(c, n, i, &new[i]);
	err = pkernfs_tx_commit(c);
	if (err) {
		n->pool = from;
		return err;
	}

	pkernfs_window_drop(n);
	for (i = 0; i < n->extents; i++)
		pkernfs_granule_release(c, from, n->extent[i].granule, n->extent[i].count);
	while (n->chains)
		pkernfs_pool_put(c, n->chain[--n->chains]);
	bitmap_zero(n->slots, PKERNFS_SLOTS);
	bitmap_set(n->slots, 0, count);
	for (i = 0; i < count; i++)
		pkernfs_granule_enter(to, new[i].granule, new[i].count, n->ino);
	kvfree(n->extent);
	n->extent = new;
	n->extents = count;
	n->room = PKERNFS_INODE_EXTENTS;
	return 0;
}

/**
 * pkernfs_extent_move - copy a file into granules of another size
 * @c: the core
 * @n: the file
 * @to: those granules, larger than the file has
 *
 * The caller keeps all other users of the file's memory away: readers, writers, new
 * mappings; and has seen to it that there are no mappings and no pins
 * (pkernfs_extent_busy()). Holds are looked at again, under the lock.
 *
 * Return: 0; -EBUSY: held, or a device file; -EIO: a memory error; -ENOSPC; -EFBIG:
 * there is room in too many pieces only, or it would take far more memory; -EINTR: the task
 * is to die; -ENOMEM, -ESHUTDOWN. Nothing has changed then.
 */
int pkernfs_extent_move(struct pkernfs_core *c, struct pkernfs_node *n,
			struct pkernfs_gpool *to)
{
	struct pkernfs_extent *new = kvmalloc_array(PKERNFS_INODE_EXTENTS, sizeof(*new),
						    GFP_NOFS);
	struct pkernfs_fill fill = { .n = n, .end = U64_MAX, .p = to, .run = new };
	u32 count = 0;
	int err;

	if (!new)
		return -ENOMEM;
	err = pkernfs_tx_begin(c);
	if (err)
		goto free;
	err = pkernfs_move_plan(c, n, to, new, &count);
	fill.runs = count;
	list_add(&fill.list, &c->fills);
	pkernfs_tx_end(c);
	if (err)
		goto release;

	err = pkernfs_move_copy(c, n, to, new, count);
	if (!err)
		err = pkernfs_tx_begin(c);
	if (err)
		goto release;
	err = pkernfs_move_commit(c, n, to, new, count);
	if (!err)
		pkernfs_fill_done(c, &fill);
	pkernfs_tx_end(c);
	if (!err)
		return 0;
release:
	down_write(&c->lock);
	while (count--)
		pkernfs_granule_release(c, to, new[count].granule, new[count].count);
	pkernfs_fill_done(c, &fill);
	up_write(&c->lock);
free:
	kvfree(new);
	return err;
}
