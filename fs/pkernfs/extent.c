// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: the extents of a file.
 *
 * In memory they are an array sorted by place in the file. In the region each
 * sits in a slot, those of the inode first, then those of the chain's blocks, in
 * any order: a change touches few slots, and so few objects in the log.
 *
 * How a file gets them is in fill.c.
 */

#define pr_fmt(fmt) "pkernfs: " fmt

#include <linux/printk.h>
#include <linux/slab.h>

#include "pkernfs.h"

/**
 * pkernfs_extent_index - the first extent that ends after a place
 * @n: the file
 * @logical: place in the file, in granules
 *
 * core->lock is held. Return: its index; n->extents: none does.
 */
u32 pkernfs_extent_index(struct pkernfs_node *n, u64 logical)
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

/**
 * pkernfs_extent_data - the memory of a place in a file
 * @c: the core
 * @n: the file
 * @pos: the place, in bytes
 * @bytes: set to how far it is one piece from there, memory or hole
 *
 * core->lock is held. Return: the memory, or NULL: a hole.
 */
void *pkernfs_extent_data(struct pkernfs_core *c, struct pkernfs_node *n, u64 pos,
			  u64 *bytes)
{
	unsigned int shift = n->pool->shift;
	u32 i = pkernfs_extent_index(n, pos >> shift);
	const struct pkernfs_extent *e = &n->extent[i];

	if (i == n->extents || e->logical > pos >> shift) {
		*bytes = (i == n->extents ? U64_MAX : e->logical << shift) - pos;
		return NULL;
	}
	*bytes = ((e->logical + e->count) << shift) - pos;
	return pkernfs_granule_virt(c, n->pool, e->granule) + (pos - (e->logical << shift));
}

/* Bytes of memory that the file has. core->lock is held. */
u64 pkernfs_extent_total(struct pkernfs_node *n)
{
	u64 total = 0;
	u32 i;

	for (i = 0; i < n->extents; i++)
		total += n->extent[i].count;
	return total << n->pool->shift;
}

/**
 * pkernfs_extent_seek - the next data, or the next hole
 * @n: the file
 * @pos: where to begin, in bytes
 * @data: look for data
 *
 * core->lock is held. Return: the first byte from @pos on that is one, a hole
 * perhaps behind the end of the file; U64_MAX: no more data.
 */
u64 pkernfs_extent_seek(struct pkernfs_node *n, u64 pos, bool data)
{
	unsigned int shift = n->pool->shift;
	u64 logical = pos >> shift;
	u32 i = pkernfs_extent_index(n, logical);

	if (data)
		return i == n->extents ? U64_MAX : max(pos, n->extent[i].logical << shift);
	for (; i < n->extents && n->extent[i].logical <= logical; i++)
		logical = n->extent[i].logical + n->extent[i].count;
	return max(pos, logical << shift);
}

/**
 * pkernfs_extent_holes - what is missing in a part of a file
 * @n: the file
 * @shift: log2 of the granules; those of the file, if it has any
 * @from: first byte of the part
 * @last: last byte
 *
 * core->lock is held. Return: the number of granules.
 */
u64 pkernfs_extent_holes(struct pkernfs_node *n, unsigned int shift, u64 from, u64 last)
{
	u64 first = from >> shift, holes;
	u32 i;

	last >>= shift;
	holes = last + 1 - first;
	for (i = pkernfs_extent_index(n, first);
	     i < n->extents && n->extent[i].logical <= last; i++) {
		const struct pkernfs_extent *e = &n->extent[i];

		holes -= min(last + 1, e->logical + e->count) - max(first, e->logical);
	}
	return holes;
}

/* --- loading ----------------------------------------------------------------- */

/**
 * pkernfs_extent_insert - put an extent into the array
 * @n: the file
 * @at: its index; those from there on move up
 * @e: the extent
 *
 * core->lock is held, or nobody else knows the file. Return: 0, -ENOMEM.
 */
int pkernfs_extent_insert(struct pkernfs_node *n, u32 at, const struct pkernfs_extent *e)
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
	const struct pkernfs_gpool *p = n->pool;
	u64 start = c->r->base + (p->start << PKERNFS_BLOCK_SHIFT);
	u64 size = (u64)p->granules << p->shift;
	u64 logical = le64_to_cpu(ser->logical);
	u64 phys = le64_to_cpu(ser->phys);
	u64 bytes = le64_to_cpu(ser->bytes);
	struct pkernfs_extent e;
	u32 at;
	int err;

	if (!bytes)
		return 0;
	*why = "extent: not a range of its area";
	if ((logical | phys | bytes) & ((1ULL << p->shift) - 1) || phys < start ||
	    phys - start >= size || bytes > size - (phys - start) ||
	    logical >= pkernfs_max_end(c) || bytes > pkernfs_max_end(c) - logical)
		return -EUCLEAN;

	e.logical = logical >> p->shift;
	e.granule = (phys - start) >> p->shift;
	e.count = bytes >> p->shift;
	e.slot = slot;

	*why = "extent: overlaps another one of its file";
	at = pkernfs_extent_index(n, e.logical);
	if (at < n->extents && n->extent[at].logical < e.logical + e.count)
		return -EUCLEAN;
	*why = "no memory";
	err = pkernfs_granule_own(n->pool, e.granule, e.count, n->ino);
	if (err == -ENOMEM)
		return err;
	if (err) {
		*why = "extent: memory that belongs to another file";
		return -EUCLEAN;
	}
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

/**
 * pkernfs_slot_write - what a slot in the region is to hold
 * @c: the core, in a transaction
 * @n: the file
 * @slot: which of its slots
 * @e: the extent; NULL: none any more
 */
void pkernfs_slot_write(struct pkernfs_core *c, struct pkernfs_node *n, u32 slot,
			const struct pkernfs_extent *e)
{
	u64 start = c->r->base + (n->pool->start << PKERNFS_BLOCK_SHIFT);
	unsigned int shift = n->pool->shift;
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
	ser->logical = cpu_to_le64(e->logical << shift);
	ser->phys = cpu_to_le64(start + ((u64)e->granule << shift));
	ser->bytes = cpu_to_le64((u64)e->count << shift);
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

/**
 * pkernfs_slot_get - a free slot
 * @c: the core, in a transaction
 * @n: the file
 * @fresh: 0; set if a block had to be added to the chain
 * @slot: the slot
 *
 * The caller commits, or takes the block back with pkernfs_slot_undo().
 *
 * Return: 0, -EFBIG, -ENOMEM, -ENOSPC.
 */
int pkernfs_slot_get(struct pkernfs_core *c, struct pkernfs_node *n, u64 *fresh, u32 *slot)
{
	u32 slots = PKERNFS_INODE_EXTENTS + n->chains * PKERNFS_BLOCK_EXTENTS;
	struct pkernfs_extent_block_ser *b;

	*slot = find_first_zero_bit(n->slots, slots);
	if (*slot < slots)
		return 0;
	if (n->chains == PKERNFS_CHAIN_MAX) {
		pr_warn_ratelimited("region %u: inode %u is in too many pieces to get one more\n",
				    c->r->index, n->ino);
		return -EFBIG;
	}
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

/**
 * pkernfs_slot_undo - take back what pkernfs_slot_get() has added
 * @c: the core
 * @n: the file
 * @fresh: as it was set there
 */
void pkernfs_slot_undo(struct pkernfs_core *c, struct pkernfs_node *n, u64 fresh)
{
	if (!fresh)
		return;
	n->chains--;
	pkernfs_pool_put(c, fresh);
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
				 u64 first, u64 last, s64 size, umode_t mode,
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
		pkernfs_tx_size(c, n->ino, size, mode);
	err = pkernfs_tx_commit(c);
	if (err) {
		pkernfs_slot_undo(c, n, fresh);
		return err;
	}

	/* It has happened; the memory follows. */
	if (size >= 0)
		pkernfs_window_drop(n);
	for (i = 0; i < n->extents; i++) {
		struct pkernfs_extent *e = &n->extent[i];
		u64 from = max(first, e->logical);
		u64 end = min(last + 1, e->logical + e->count);

		if (from < end)
			pkernfs_granule_release(c, n->pool,
						e->granule + (from - e->logical),
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
 * @from: first byte of the part
 * @last: last byte; granules that are only partly in it stay
 * @size: new size of the file in bytes, -1: as it is
 * @mode: with a size: as of pkernfs_tx_size()
 *
 * The caller has seen to it that no one uses the pages (pkernfs_extent_busy())
 * and keeps faults away. Holds are looked at again, under the lock.
 *
 * Return: 0, -EBUSY: held, -ENOSPC, -EFBIG, -ENOMEM, -ESHUTDOWN; nothing has
 * changed then.
 */
int pkernfs_extent_cut(struct pkernfs_core *c, struct pkernfs_node *n,
		       u64 from, u64 last, s64 size, umode_t mode)
{
	struct pkernfs_extent *new;
	u64 first;
	u32 i;
	int err;

	err = pkernfs_tx_begin(c);
	if (err)
		return err;
	first = (from + (1ULL << n->pool->shift) - 1) >> n->pool->shift;
	last = (last + 1) >> n->pool->shift;
	if (first >= last && size < 0)
		goto out;
	last--;
	for (i = pkernfs_extent_index(n, first);
	     n->holds && i < n->extents && n->extent[i].logical <= last; i++) {
		const struct pkernfs_extent *e = &n->extent[i];
		u64 at = max(first, e->logical);

		for (; at <= last && at < e->logical + e->count; at++) {
			if (pkernfs_granule_holds(n->pool, e->granule + (at - e->logical))) {
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
	err = pkernfs_extent_cut_tx(c, n, first, last, size, mode, new);
	if (err)
		kvfree(new);
out:
	pkernfs_tx_end(c);
	return err;
}
