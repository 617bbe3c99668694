// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: the extents of a file.
 *
 * In memory they are an array sorted by place in the file. In the region each
 * sits in a slot, those of the inode first, then those of the chain's blocks, in
 * any order: a change touches few slots, and so few objects in the log.
 *
 * Granules become part of a file by pkernfs_extent_fill(): reserved, zeroed
 * without a lock, then entered in one transaction. So no reader, here or in the
 * next kernel, ever sees what was in them before.
 */

#include <linux/sched.h>
#include <linux/slab.h>

#include "pkernfs.h"

/* Index of the first extent that ends after @logical. */
static u32 pkernfs_extent_index(struct pkernfs_node *n, u64 logical)
{
	u32 low = 0, high = n->extents;

	while (low < high) {
		u32 mid = low + (high - low) / 2;

		if (n->extent[mid].logical + n->extent[mid].count <= logical)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/**
 * pkernfs_extent_find - the extent that has a granule of a file
 * @n: the file
 * @logical: place in the file, in granules
 *
 * core->lock is held. Return: the extent, or NULL: a hole.
 */
const struct pkernfs_extent *pkernfs_extent_find(struct pkernfs_node *n, u64 logical)
{
	u32 i = pkernfs_extent_index(n, logical);

	if (i == n->extents || n->extent[i].logical > logical)
		return NULL;
	return &n->extent[i];
}

/* Granules that the file has. core->lock is held. */
u64 pkernfs_extent_total(struct pkernfs_node *n)
{
	u64 total = 0;
	u32 i;

	for (i = 0; i < n->extents; i++)
		total += n->extent[i].count;
	return total;
}

/**
 * pkernfs_extent_seek - the next data, or the next hole
 * @n: the file
 * @logical: where to begin, in granules
 * @data: look for data
 *
 * core->lock is held. Return: the first granule from @logical on that is one, a
 * hole perhaps behind the end of the file; U64_MAX: no more data.
 */
u64 pkernfs_extent_seek(struct pkernfs_node *n, u64 logical, bool data)
{
	u32 i = pkernfs_extent_index(n, logical);

	if (data)
		return i == n->extents ? U64_MAX : max(logical, n->extent[i].logical);
	for (; i < n->extents && n->extent[i].logical <= logical; i++)
		logical = n->extent[i].logical + n->extent[i].count;
	return logical;
}

/* Granules in [first, last] that the file has not. core->lock is held. */
u64 pkernfs_extent_holes(struct pkernfs_node *n, u64 first, u64 last)
{
	u64 holes = last + 1 - first;
	u32 i;

	for (i = pkernfs_extent_index(n, first);
	     i < n->extents && n->extent[i].logical <= last; i++) {
		const struct pkernfs_extent *e = &n->extent[i];

		holes -= min(last + 1, e->logical + e->count) - max(first, e->logical);
	}
	return holes;
}

/**
 * pkernfs_extent_busy - has somebody a reference on pages of this part?
 * @c: the core
 * @n: the file
 * @first: first granule of the part
 * @last: last granule
 * @held: set if a device can reach it
 *
 * The caller keeps new mappings away.
 */
bool pkernfs_extent_busy(struct pkernfs_core *c, struct pkernfs_node *n,
			 u64 first, u64 last, bool *held)
{
	bool busy = false;
	u32 i;

	*held = false;
	down_read(&c->lock);
	for (i = pkernfs_extent_index(n, first); i < n->extents; i++) {
		const struct pkernfs_extent *e = &n->extent[i];
		u64 at = max(first, e->logical);
		u64 end = min(last + 1, e->logical + e->count);

		for (; at < end; at++) {
			u32 g = e->granule + (at - e->logical);

			if (c->holds[g])
				*held = true;
			if (!pkernfs_granule_idle(c, g))
				busy = true;
		}
		if (e->logical > last)
			break;
	}
	up_read(&c->lock);
	return busy || *held;
}

/* --- loading ----------------------------------------------------------------- */

static int pkernfs_extent_insert(struct pkernfs_node *n, u32 at,
				 const struct pkernfs_extent *e)
{
	if (n->extents == n->room) {
		u32 room = max(n->room * 2, 8u);
		struct pkernfs_extent *p = kvrealloc(n->extent, room * sizeof(*p),
						     GFP_NOFS);

		if (!p)
			return -ENOMEM;
		n->extent = p;
		n->room = room;
	}
	memmove(n->extent + at + 1, n->extent + at,
		(n->extents - at) * sizeof(*e));
	n->extent[at] = *e;
	n->extents++;
	return 0;
}

static int pkernfs_extent_load_one(struct pkernfs_core *c, struct pkernfs_node *n,
				   const struct pkernfs_extent_ser *ser, u32 slot,
				   const char **why)
{
	u64 data = c->r->base + (pkernfs_area_start(&c->r->sb->data) <<
				 PKERNFS_BLOCK_SHIFT);
	u64 size = (u64)c->granules << PKERNFS_GRANULE_SHIFT;
	u64 logical = le64_to_cpu(ser->logical);
	u64 phys = le64_to_cpu(ser->phys);
	u64 bytes = le64_to_cpu(ser->bytes);
	struct pkernfs_extent e;
	u32 at;
	int err;

	if (!bytes)
		return 0;
	*why = "extent: not a range of the data area";
	if ((logical | phys | bytes) % PKERNFS_GRANULE_SIZE || phys < data ||
	    phys - data >= size || bytes > size - (phys - data) ||
	    logical > MAX_LFS_FILESIZE || bytes - 1 > MAX_LFS_FILESIZE - logical)
		return -EUCLEAN;

	e.logical = logical >> PKERNFS_GRANULE_SHIFT;
	e.granule = (phys - data) >> PKERNFS_GRANULE_SHIFT;
	e.count = bytes >> PKERNFS_GRANULE_SHIFT;
	e.slot = slot;

	*why = "extent: overlaps another one of its file";
	at = pkernfs_extent_index(n, e.logical);
	if (at < n->extents && n->extent[at].logical < e.logical + e.count)
		return -EUCLEAN;
	*why = "extent: memory that belongs to another file";
	if (pkernfs_granule_own(c, e.granule, e.count, n->ino))
		return -EUCLEAN;
	*why = "no memory";
	err = pkernfs_extent_insert(n, at, &e);
	if (!err)
		__set_bit(slot, n->slots);
	return err;
}

/**
 * pkernfs_extent_load - read the extents of a file at load
 * @c: the core
 * @n: the file; its inode is sound
 * @why: set on error
 *
 * Return: 0, -EUCLEAN or -ENOMEM.
 */
int pkernfs_extent_load(struct pkernfs_core *c, struct pkernfs_node *n,
			const char **why)
{
	u64 block = le64_to_cpu(n->ser->chain);
	u32 i, slot = 0;
	int err;

	for (i = 0; i < PKERNFS_INODE_EXTENTS; i++, slot++) {
		err = pkernfs_extent_load_one(c, n, &n->ser->extent[i], slot, why);
		if (err)
			return err;
	}
	while (block) {
		struct pkernfs_extent_block_ser *b;

		*why = "extent block: not in the pool, or used twice";
		if (n->chains == PKERNFS_CHAIN_MAX || pkernfs_pool_take(c, block))
			return -EUCLEAN;
		b = pkernfs_block(c->r, block);
		*why = "extent block: wrong checksum or owner";
		if (!pkernfs_block_sound(b, PKERNFS_EXTENT_MAGIC, n->ino,
					 le32_to_cpu(n->ser->generation)))
			return -EUCLEAN;
		*why = "no memory";
		if (pkernfs_chain_room(n))
			return -ENOMEM;
		n->chain[n->chains++] = block;
		for (i = 0; i < PKERNFS_BLOCK_EXTENTS; i++, slot++) {
			err = pkernfs_extent_load_one(c, n, &b->extent[i], slot, why);
			if (err)
				return err;
		}
		block = le64_to_cpu(b->next);
	}
	return 0;
}

/* --- slots, inside a transaction --------------------------------------------- */

static void pkernfs_slot_write(struct pkernfs_core *c, struct pkernfs_node *n,
			       u32 slot, const struct pkernfs_extent *e)
{
	u64 data = c->r->base + (pkernfs_area_start(&c->r->sb->data) <<
				 PKERNFS_BLOCK_SHIFT);
	struct pkernfs_extent_ser *ser;

	if (slot < PKERNFS_INODE_EXTENTS) {
		ser = &pkernfs_tx_inode(c, n->ino)->extent[slot];
	} else {
		struct pkernfs_extent_block_ser *b;

		slot -= PKERNFS_INODE_EXTENTS;
		b = pkernfs_tx_block(c, n->chain[slot / PKERNFS_BLOCK_EXTENTS]);
		ser = &b->extent[slot % PKERNFS_BLOCK_EXTENTS];
	}
	if (!e) {
		memset(ser, 0, sizeof(*ser));
		return;
	}
	ser->logical = cpu_to_le64(e->logical << PKERNFS_GRANULE_SHIFT);
	ser->phys = cpu_to_le64(data + ((u64)e->granule << PKERNFS_GRANULE_SHIFT));
	ser->bytes = cpu_to_le64((u64)e->count << PKERNFS_GRANULE_SHIFT);
}

/* Point the last block of the chain, or the inode, at @block. */
static void pkernfs_chain_link(struct pkernfs_core *c, struct pkernfs_node *n,
			       u32 at, u64 block)
{
	if (!at) {
		pkernfs_tx_inode(c, n->ino)->chain = cpu_to_le64(block);
	} else {
		struct pkernfs_extent_block_ser *b = pkernfs_tx_block(c, n->chain[at - 1]);

		b->next = cpu_to_le64(block);
	}
}

/*
 * A free slot; a block is added to the chain if need be, and @fresh set. The
 * caller commits, or takes the block back with pkernfs_slot_undo().
 */
static int pkernfs_slot_get(struct pkernfs_core *c, struct pkernfs_node *n,
			    u64 *fresh, u32 *slot)
{
	u32 slots = PKERNFS_INODE_EXTENTS + n->chains * PKERNFS_BLOCK_EXTENTS;
	struct pkernfs_extent_block_ser *b;

	*slot = find_first_zero_bit(n->slots, slots);
	if (*slot < slots)
		return 0;
	if (n->chains == PKERNFS_CHAIN_MAX)
		return -EFBIG;
	if (pkernfs_chain_room(n))
		return -ENOMEM;
	*fresh = pkernfs_pool_get(c);
	if (!*fresh)
		return -ENOSPC;
	b = pkernfs_tx_block(c, *fresh);
	b->magic = cpu_to_le32(PKERNFS_EXTENT_MAGIC);
	b->ino = cpu_to_le64(n->ino);
	b->generation = n->ser->generation;
	pkernfs_chain_link(c, n, n->chains, *fresh);
	n->chain[n->chains++] = *fresh;
	return 0;
}

static void pkernfs_slot_undo(struct pkernfs_core *c, struct pkernfs_node *n,
			      u64 fresh)
{
	if (!fresh)
		return;
	n->chains--;
	pkernfs_pool_put(c, fresh);
}

/* --- filling holes --------------------------------------------------------------- */

static void pkernfs_granule_zero(struct pkernfs_core *c, u32 granule, u32 count)
{
	while (count--) {
		memset(pkernfs_granule_virt(c, granule++), 0, PKERNFS_GRANULE_SIZE);
		cond_resched();
	}
}

/* Enter zeroed granules into a hole. -EAGAIN: there is no such hole any more. */
static int pkernfs_extent_enter(struct pkernfs_core *c, struct pkernfs_node *n,
				const struct pkernfs_extent *add)
{
	u32 at = pkernfs_extent_index(n, add->logical);
	struct pkernfs_extent *prev = at ? &n->extent[at - 1] : NULL;
	struct pkernfs_extent *next = at < n->extents ? &n->extent[at] : NULL;
	struct pkernfs_extent e = *add;
	u64 fresh = 0;
	int err;

	if (n->device)
		return -EBUSY;
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

	memset32(c->owner + add->granule, n->ino, add->count);
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

/* First hole in [first, last], and granules for it; 0: no hole. */
static int pkernfs_hole_reserve(struct pkernfs_core *c, struct pkernfs_node *n,
				u64 first, u64 last, struct pkernfs_extent *e)
{
	u32 i = pkernfs_extent_index(n, first);
	u32 goal = PKERNFS_NO_GRANULE, got;
	u64 end;

	while (i < n->extents && n->extent[i].logical <= first) {
		first = n->extent[i].logical + n->extent[i].count;
		i++;
	}
	if (first > last)
		return 0;
	end = i < n->extents ? min(last + 1, n->extent[i].logical) : last + 1;

	/* Where it would lie if the file were in one piece. */
	if (i && first - n->extent[i - 1].logical < c->granules)
		goal = n->extent[i - 1].granule + (first - n->extent[i - 1].logical);

	e->logical = first;
	e->granule = pkernfs_granule_reserve(c, goal, min_t(u64, end - first, c->granules),
					     &got);
	if (e->granule == PKERNFS_NO_GRANULE)
		return -ENOSPC;
	e->count = got;
	return 1;
}

/**
 * pkernfs_extent_fill - give a part of a file memory, zeroed
 * @c: the core
 * @n: the file
 * @first: first granule of the part
 * @last: last granule
 *
 * What is there already stays as it is. The caller keeps truncate away. On
 * failure a part of it may have been filled: zeroes like the hole was.
 *
 * Return: 0, -ENOSPC, -EFBIG: too many pieces, -EBUSY: a device file, -ESHUTDOWN.
 */
int pkernfs_extent_fill(struct pkernfs_core *c, struct pkernfs_node *n,
			u64 first, u64 last)
{
	struct pkernfs_extent e;
	int err;

	for (;;) {
		err = pkernfs_tx_begin(c);
		if (err)
			return err;
		err = pkernfs_hole_reserve(c, n, first, last, &e);
		pkernfs_tx_end(c);
		if (err <= 0)
			return err;

		pkernfs_granule_zero(c, e.granule, e.count);

		err = pkernfs_tx_begin(c);
		if (err) {
			down_write(&c->lock);
			pkernfs_granule_release(c, e.granule, e.count);
			up_write(&c->lock);
			return err;
		}
		err = pkernfs_extent_enter(c, n, &e);
		if (err)
			pkernfs_granule_release(c, e.granule, e.count);
		pkernfs_tx_end(c);
		/* Two faults met in one hole, or a part of it was filled: look again. */
		if (err && err != -EAGAIN)
			return err;
		cond_resched();
	}
}

/* --- cutting ------------------------------------------------------------------------ */

/* Parts of extent @e outside of [first, last], into @left and @right (count 0: none). */
static void pkernfs_extent_split(const struct pkernfs_extent *e, u64 first, u64 last,
				 struct pkernfs_extent *left,
				 struct pkernfs_extent *right)
{
	u64 end = e->logical + e->count;

	*left = *e;
	left->count = first > e->logical ? min(first, end) - e->logical : 0;
	*right = *e;
	right->count = last + 1 < end ? end - max(last + 1, e->logical) : 0;
	right->logical = end - right->count;
	right->granule = e->granule + e->count - right->count;
}

static int pkernfs_extent_cut_tx(struct pkernfs_core *c, struct pkernfs_node *n,
				 u64 first, u64 last, s64 size,
				 struct pkernfs_extent *new)
{
	u32 i, count = 0, chains, slot;
	struct pkernfs_extent left, right;
	DECLARE_BITMAP(keep, PKERNFS_CHAIN_MAX) = {};
	u64 fresh = 0;
	int err;

	for (i = 0; i < n->extents; i++) {
		struct pkernfs_extent *e = &n->extent[i];

		if (e->logical > last || e->logical + e->count <= first) {
			new[count++] = *e;
			continue;
		}
		pkernfs_extent_split(e, first, last, &left, &right);
		if (left.count)
			new[count++] = left;
		if (right.count) {
			if (left.count) {
				/* One extent becomes two: only here, and once. */
				err = pkernfs_slot_get(c, n, &fresh, &right.slot);
				if (err)
					return err;
			}
			pkernfs_slot_write(c, n, right.slot, &right);
			new[count++] = right;
		}
		if (left.count || !right.count)
			pkernfs_slot_write(c, n, e->slot, left.count ? &left : NULL);
	}

	/* Blocks at the end of the chain that have become empty leave it. */
	for (i = 0; i < count; i++)
		if (new[i].slot >= PKERNFS_INODE_EXTENTS)
			__set_bit((new[i].slot - PKERNFS_INODE_EXTENTS) /
				  PKERNFS_BLOCK_EXTENTS, keep);
	chains = find_last_bit(keep, PKERNFS_CHAIN_MAX);
	chains = chains == PKERNFS_CHAIN_MAX ? 0 : chains + 1;
	if (chains < n->chains)
		pkernfs_chain_link(c, n, chains, 0);

	if (size >= 0)
		pkernfs_tx_inode(c, n->ino)->size = cpu_to_le64(size);
	err = pkernfs_tx_commit(c);
	if (err) {
		pkernfs_slot_undo(c, n, fresh);
		return err;
	}

	/* It has happened; the memory follows. */
	for (i = 0; i < n->extents; i++) {
		struct pkernfs_extent *e = &n->extent[i];
		u64 from = max(first, e->logical);
		u64 end = min(last + 1, e->logical + e->count);

		if (from < end)
			pkernfs_granule_release(c, e->granule + (from - e->logical),
						end - from);
	}
	while (n->chains > chains)
		pkernfs_pool_put(c, n->chain[--n->chains]);
	bitmap_zero(n->slots, PKERNFS_SLOTS);
	for (i = 0; i < count; i++) {
		slot = new[i].slot;
		__set_bit(slot, n->slots);
	}
	kvfree(n->extent);
	n->extent = new;
	n->room = n->extents + 1;
	n->extents = count;
	return 0;
}

/**
 * pkernfs_extent_cut - take a part out of a file, in one transaction
 * @c: the core
 * @n: the file
 * @first: first granule of the part
 * @last: last granule
 * @size: new size of the file in bytes, -1: as it is
 *
 * The caller has seen to it that no one uses the pages (pkernfs_extent_busy())
 * and keeps faults away. Holds are looked at again, under the lock.
 *
 * Return: 0, -EBUSY: held, -ENOSPC, -EFBIG, -ENOMEM, -ESHUTDOWN; nothing has
 * changed then.
 */
int pkernfs_extent_cut(struct pkernfs_core *c, struct pkernfs_node *n,
		       u64 first, u64 last, s64 size)
{
	struct pkernfs_extent *new;
	u32 i;
	int err;

	err = pkernfs_tx_begin(c);
	if (err)
		return err;
	for (i = pkernfs_extent_index(n, first);
	     n->holds && i < n->extents && n->extent[i].logical <= last; i++) {
		const struct pkernfs_extent *e = &n->extent[i];
		u64 at = max(first, e->logical);

		for (; at <= last && at < e->logical + e->count; at++) {
			if (c->holds[e->granule + (at - e->logical)]) {
				err = -EBUSY;
				goto out;
			}
		}
	}
	new = kvmalloc_array(n->extents + 1, sizeof(*new), GFP_NOFS);
	if (!new) {
		err = -ENOMEM;
		goto out;
	}
	err = pkernfs_extent_cut_tx(c, n, first, last, size, new);
	if (err)
		kvfree(new);
out:
	pkernfs_tx_end(c);
	return err;
}
