// SPDX-License-Identifier: GPL-2.0
/*
 * The check of files: which memory each has, and that nobody else has it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "check.h"

#define SLOTS_OF_CHAIN(n)	(PKERNFS_INODE_EXTENTS + (n) * PKERNFS_BLOCK_EXTENTS)

/* Where the last granule that a file can have ends; the kernel counts as far as that. */
static uint64_t check_max_end(const struct check *k)
{
	uint64_t end = (uint64_t)INT64_MAX + 1;

	return check_has(k, PKERNFS_INCOMPAT_LARGE) ? end : end - PKERNFS_GRANULE_SIZE;
}

/* How large a file can be. */
static uint64_t check_max_size(const struct check *k)
{
	uint64_t end = check_max_end(k);

	return end > INT64_MAX ? INT64_MAX : end;
}

/* The extents of a file so far, in granules, sorted */
struct runs {
	struct run {
		uint64_t logical, count;
	} run[SLOTS_OF_CHAIN(PKERNFS_CHAIN_MAX)];
	uint32_t runs;
};

/* Add a run; false: it overlaps one that is there. */
static bool check_run_add(struct runs *r, uint64_t logical, uint64_t count)
{
	uint32_t low = 0, high = r->runs, mid;

	while (low < high) {
		mid = (low + high) / 2;
		if (r->run[mid].logical + r->run[mid].count <= logical)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < r->runs && r->run[low].logical < logical + count)
		return false;
	memmove(&r->run[low + 1], &r->run[low], (r->runs - low) * sizeof(*r->run));
	r->run[low] = (struct run) { logical, count };
	r->runs++;
	return true;
}

/* Where a slot is stored: the block, and its place there */
static struct pkernfs_extent_ser *check_slot(struct check *k, uint32_t ino, uint32_t slot,
					     uint64_t *block)
{
	struct pkernfs_inode_ser *ser = image_inode(k->img, ino);
	struct pkernfs_extent_block_ser *b;
	uint32_t n;

	*block = 0;
	if (slot < PKERNFS_INODE_EXTENTS)
		return &ser->extent[slot];
	n = (slot - PKERNFS_INODE_EXTENTS) / PKERNFS_BLOCK_EXTENTS;
	*block = k->node[ino].block[n];
	b = image_block(k->img, *block);
	return &b->extent[(slot - PKERNFS_INODE_EXTENTS) % PKERNFS_BLOCK_EXTENTS];
}

static void check_slot_set(struct check *k, uint32_t ino, uint32_t slot,
			   const struct pkernfs_extent_ser *e)
{
	struct pkernfs_extent_ser *to;
	uint64_t block;

	to = check_slot(k, ino, slot, &block);
	if (block) {
		image_change(k->img, block);
		*to = *e;
		check_block_seal(image_block(k->img, block));
	} else {
		check_inode_change(k, ino);
		*to = *e;
		check_inode_seal(image_inode(k->img, ino));
	}
}

static void check_slot_clear(struct check *k, uint32_t ino, uint32_t slot)
{
	check_slot_set(k, ino, slot, &(struct pkernfs_extent_ser) {});
}

static void check_share(struct check *k, uint32_t ino, uint32_t slot)
{
	k->shared = realloc(k->shared, (k->shareds + 1) * sizeof(*k->shared));
	if (!k->shared)
		image_die(k->img, "no memory");
	k->shared[k->shareds++] = (struct shared) { ino, slot };
}

static bool check_range(const struct check *k, const struct gpool *p,
			const struct pkernfs_extent_ser *e)
{
	uint64_t start = le64toh(k->img->sb.base) + p->start * BLOCK;
	uint64_t logical = le64toh(e->logical), phys = le64toh(e->phys);
	uint64_t bytes = le64toh(e->bytes), size = p->granules << p->shift;

	return !((logical | phys | bytes) & ((1ULL << p->shift) - 1)) && phys >= start &&
	       phys - start < size && bytes <= size - (phys - start) &&
	       logical < check_max_end(k) && bytes <= check_max_end(k) - logical;
}

static uint64_t check_granule(const struct check *k, const struct gpool *p,
			      const struct pkernfs_extent_ser *e)
{
	return (le64toh(e->phys) - le64toh(k->img->sb.base) - p->start * BLOCK) >> p->shift;
}

static struct gpool *check_file_gpool(struct check *k, uint32_t ino)
{
	unsigned int pool = le16toh(image_inode(k->img, ino)->flags) & PKERNFS_INODE_POOL;

	return &k->gpool[pool == PKERNFS_INODE_POOL_4K ? GPOOL_4K :
			 pool == PKERNFS_INODE_POOL_1G ? GPOOL_1G : GPOOL_2M];
}

static void check_extent(struct check *k, uint32_t ino, uint32_t slot, struct runs *runs)
{
	struct gpool *p = check_file_gpool(k, ino);
	uint64_t count, block, g, i;
	const struct pkernfs_extent_ser *e = check_slot(k, ino, slot, &block);

	if (!e->bytes)
		return;
	if (!check_range(k, p, e)) {
		if (check_found(k, P_EXTENT_RANGE, "inode %u, extent %u", ino, slot))
			check_slot_clear(k, ino, slot);
		return;
	}
	count = le64toh(e->bytes) >> p->shift;
	g = check_granule(k, p, e);
	if (!check_run_add(runs, le64toh(e->logical) >> p->shift, count)) {
		if (check_found(k, P_EXTENT_OVERLAP, "inode %u, extent %u", ino, slot))
			check_slot_clear(k, ino, slot);
		return;
	}
	for (i = 0; i < count; i++) {
		if (!p->owner[g + i])
			continue;
		if (check_found(k, P_EXTENT_SHARED, "inode %u, extent %u: inode %u has it",
				ino, slot, p->owner[g + i]))
			check_share(k, ino, slot);
		return;
	}
	for (i = 0; i < count; i++)
		p->owner[g + i] = ino;
}

/**
 * check_extent_blocks - read the chain of a file
 * @k: the check
 * @ino: the file
 *
 * Before any extent: mending one needs to know where it is.
 */
void check_extent_blocks(struct check *k, uint32_t ino)
{
	struct node *n = &k->node[ino];
	uint64_t block = le64toh(image_inode(k->img, ino)->chain), from = 0;

	n->block = calloc(PKERNFS_CHAIN_MAX + 1, sizeof(*n->block));
	if (!n->block)
		image_die(k->img, "no memory");
	while (block) {
		/* One that is too long ends as if a block were wrong. */
		if (n->blocks == PKERNFS_CHAIN_MAX)
			block = ~0ULL;
		if (!check_chain_block(k, ino, PKERNFS_EXTENT_MAGIC, block, from))
			return;
		n->block[n->blocks++] = block;
		from = block;
		block = le64toh(((struct pkernfs_extent_block_ser *)
				 image_block(k->img, block))->next);
	}
}

/* May a file say that its data is there? */
static bool check_pool_possible(const struct check *k, unsigned int pool)
{
	return pool < GPOOLS && (pool != GPOOL_1G || check_has(k, PKERNFS_INCOMPAT_HUGE)) &&
	       (pool != GPOOL_4K || check_has(k, PKERNFS_INCOMPAT_POOLS));
}

/* Granules of an impossible size, or of another size than all that it has. */
static void check_file_granules(struct check *k, uint32_t ino)
{
	struct pkernfs_inode_ser *ser = image_inode(k->img, ino);
	uint16_t flags = le16toh(ser->flags);
	uint32_t slot, fit[GPOOLS] = {};
	unsigned int said = (flags & PKERNFS_INODE_POOL) / PKERNFS_INODE_POOL_4K, best = 0, i;
	uint64_t block;

	for (slot = 0; slot < SLOTS_OF_CHAIN(k->node[ino].blocks); slot++) {
		const struct pkernfs_extent_ser *e = check_slot(k, ino, slot, &block);

		for (i = 0; i < GPOOLS && e->bytes; i++)
			fit[i] += check_range(k, &k->gpool[i], e);
	}
	for (i = 1; i < GPOOLS; i++)
		if (fit[i] > fit[best])
			best = i;
	if (check_pool_possible(k, said) && (fit[said] || !fit[best]))
		return;
	if (!check_found(k, P_INODE_GRANULES, "inode %u", ino))
		return;
	flags = (flags & ~PKERNFS_INODE_POOL) | best * PKERNFS_INODE_POOL_4K;
	ser = check_inode_change(k, ino);
	ser->flags = htole16(flags);
	check_inode_seal(ser);
}

/**
 * check_file - check the data of a file
 * @k: the check
 * @ino: the file; the blocks of its extents are known
 */
void check_file(struct check *k, uint32_t ino)
{
	static struct runs runs;
	struct pkernfs_inode_ser *ser;
	uint64_t end = 0;
	uint32_t slot;

	check_file_granules(k, ino);
	runs.runs = 0;
	for (slot = 0; slot < SLOTS_OF_CHAIN(k->node[ino].blocks); slot++)
		check_extent(k, ino, slot, &runs);

	ser = image_inode(k->img, ino);
	if (le64toh(ser->size) <= check_max_size(k) ||
	    !check_found(k, P_INODE_SIZE, "inode %u", ino))
		return;
	if (runs.runs)
		end = runs.run[runs.runs - 1].logical + runs.run[runs.runs - 1].count;
	end <<= check_file_gpool(k, ino)->shift;
	ser = check_inode_change(k, ino);
	ser->size = htole64(end < check_max_size(k) ? end : check_max_size(k));
	check_inode_seal(ser);
}

/* --- extents that share memory ----------------------------------------------------- */

/* In gpool.owner: what is its own of an extent in check.shared, and of which */
#define OWNER_SHARED	(1U << 31)

/* A run of granules of an extent, from its start */
struct part {
	uint64_t first, count;
};

/* The first run of so many granules that are nobody's, and good; or the longest one. */
static uint64_t check_free_run(struct check *k, const struct gpool *p, uint64_t want,
			       uint64_t *count)
{
	uint64_t g, run = 0, at = 0, blocks = gpool_block(p, 1) - gpool_block(p, 0);

	*count = 0;
	for (g = 0; g < p->granules && *count < want; g++) {
		run = p->owner[g] || check_bad(k, gpool_block(p, g), blocks) ? 0 : run + 1;
		if (run > *count) {
			*count = run;
			at = g + 1 - run;
		}
	}
	return at;
}

/* Bad pages are not read: the copy has zeroes there. */
static void check_copy(struct check *k, uint32_t ino, uint32_t slot, uint64_t from, uint64_t to,
		       uint64_t blocks)
{
	uint64_t done, run;

	if (!check_bad(k, from, blocks)) {
		image_copy(k->img, from, to, blocks);
		return;
	}
	if (!check_found(k, P_EXTENT_BAD, "inode %u, extent %u", ino, slot))
		return;
	for (done = 0; done < blocks; done += run) {
		bool bad = check_bad(k, from + done, 1);

		for (run = 1; done + run < blocks; run++)
			if (check_bad(k, from + done + run, 1) != bad)
				break;
		image_copy(k->img, bad ? IMAGE_ZERO : from + done, to + done, run);
	}
}

/* Where one more extent of a file can be stored; false: nowhere. */
static bool check_slot_free(struct check *k, uint32_t ino, uint32_t *slot)
{
	uint32_t slots = SLOTS_OF_CHAIN(k->node[ino].blocks);
	uint64_t block;

	for (*slot = 0; *slot < slots; ++*slot)
		if (!check_slot(k, ino, *slot, &block)->bytes)
			return true;
	return k->node[ino].blocks < PKERNFS_CHAIN_MAX &&
	       check_chain_add(k, ino, PKERNFS_EXTENT_MAGIC);
}

/* A part of an extent, at another place than the rest of it; false: no slot is free. */
static bool check_part_put(struct check *k, uint32_t ino, struct pkernfs_extent_ser e,
			   const struct part *part, uint64_t granule)
{
	const struct gpool *p = check_file_gpool(k, ino);
	uint32_t slot;

	if (!check_slot_free(k, ino, &slot))
		return false;
	e.logical = htole64(le64toh(e.logical) + (part->first << p->shift));
	e.phys = htole64(le64toh(k->img->sb.base) + gpool_block(p, granule) * BLOCK);
	e.bytes = htole64(part->count << p->shift);
	check_slot_set(k, ino, slot, &e);
	return true;
}

/* The copy is in as many pieces as there is room for. false: not all of it. */
static bool check_part_copy(struct check *k, unsigned int n, const struct pkernfs_extent_ser *e,
			    struct part part)
{
	uint32_t ino = k->shared[n].ino, slot = k->shared[n].slot;
	struct gpool *p = check_file_gpool(k, ino);
	uint64_t from = check_granule(k, p, e), to, count = part.count, i;

	for (; count; count -= part.count, part.first += part.count) {
		to = check_free_run(k, p, count, &part.count);
		if (!part.count || !check_part_put(k, ino, *e, &part, to))
			return false;
		for (i = 0; i < part.count; i++)
			p->owner[to + i] = OWNER_SHARED | n;
		check_copy(k, ino, slot, gpool_block(p, from + part.first), gpool_block(p, to),
			   gpool_block(p, part.count) - gpool_block(p, 0));
	}
	return true;
}

/* The next part of an extent that is its own from end to end, or nowhere. */
static bool check_part_next(struct check *k, unsigned int n, const struct pkernfs_extent_ser *e,
			    struct part *part, bool *own)
{
	const struct gpool *p = check_file_gpool(k, k->shared[n].ino);
	const uint32_t *owner = p->owner + check_granule(k, p, e);
	uint64_t end = le64toh(e->bytes) >> p->shift;

	part->first += part->count;
	part->count = 0;
	if (part->first == end)
		return false;
	*own = owner[part->first] == (OWNER_SHARED | n);
	while (part->first + part->count < end &&
	       (owner[part->first + part->count] == (OWNER_SHARED | n)) == *own)
		part->count++;
	return true;
}

/* What is its own stays where it is, the longest part in the slot that there is already. */
static void check_unshare(struct check *k, unsigned int n, const struct pkernfs_extent_ser *e)
{
	uint32_t ino = k->shared[n].ino, slot = k->shared[n].slot;
	struct gpool *p = check_file_gpool(k, ino);
	uint64_t from = check_granule(k, p, e);
	struct part part = {}, keep = {};
	bool own;

	while (check_part_next(k, n, e, &part, &own))
		if (own && part.count > keep.count)
			keep = part;
	check_slot_clear(k, ino, slot);
	if (keep.count)
		check_part_put(k, ino, *e, &keep, from + keep.first);
	for (part = (struct part) {}; check_part_next(k, n, e, &part, &own);) {
		if (own && part.first == keep.first)
			continue;
		if (!(own ? check_part_put(k, ino, *e, &part, from + part.first) :
			    check_part_copy(k, n, e, part)))
			check_found(k, P_EXTENT_NO_ROOM, "inode %u, extent %u", ino, slot);
	}
}

/* Cleared meanwhile, moved, or in a chain that was cut: the next round tells. */
static bool check_share_stale(const struct check *k, unsigned int n)
{
	const struct node *node = &k->node[k->shared[n].ino];

	return !S_ISREG(node->mode) || k->shared[n].slot >= SLOTS_OF_CHAIN(node->blocks);
}

/**
 * check_shared - give each file whose memory another file has a copy of it
 * @k: the check
 *
 * When all else is known, as what is free is known only then: what nobody else has of
 * all these extents is theirs before the first copy goes anywhere. Which of the two the
 * shared data belongs to nobody can tell.
 */
void check_shared(struct check *k)
{
	struct pkernfs_extent_ser e;
	uint64_t block, i, count;
	unsigned int n;

	for (n = 0; n < k->shareds; n++) {
		struct gpool *p;
		uint32_t *owner;

		if (check_share_stale(k, n))
			continue;
		e = *check_slot(k, k->shared[n].ino, k->shared[n].slot, &block);
		p = check_file_gpool(k, k->shared[n].ino);
		owner = p->owner + check_granule(k, p, &e);
		count = le64toh(e.bytes) >> p->shift;
		for (i = 0; i < count; i++)
			if (!owner[i])
				owner[i] = OWNER_SHARED | n;
	}
	for (n = 0; n < k->shareds; n++) {
		if (check_share_stale(k, n))
			continue;
		e = *check_slot(k, k->shared[n].ino, k->shared[n].slot, &block);
		check_unshare(k, n, &e);
	}
}
