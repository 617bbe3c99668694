// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: who has which granule. Pool blocks: pool.c, inode slots: node.c.
 *
 * None of this is stored: a load finds it out from the extents, the chains and
 * the inode table. A granule is free, reserved (being zeroed for a file), or
 * owned by exactly one file. Owned ones can be held for DMA: counts in memory,
 * made anew at adoption from the tables of the preserved devices.
 */

#define pr_fmt(fmt) "pkernfs: " fmt

#include <kunit/static_stub.h>
#include <linux/bitmap.h>
#include <linux/crc32c.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/printk.h>
#include <linux/slab.h>

#include "pkernfs.h"

/*
 * A bit for each of what a region has so many of: 96 KiB for 512 GiB is all that a load
 * still zeroes. By words, as emulators count what kvcalloc() does byte by byte.
 */
static unsigned long *pkernfs_map_alloc(u64 bits)
{
	size_t words = BITS_TO_LONGS(bits);
	unsigned long *map = kvmalloc_array(words, sizeof(long), GFP_KERNEL);

	if (map)
		memset_l(map, 0, words);
	return map;
}

static bool pkernfs_gpool_init(struct pkernfs_gpool *p, const struct pkernfs_area *area,
			       unsigned int shift)
{
	p->shift = shift;
	p->start = pkernfs_area_start(area);
	p->granules = pkernfs_area_count(area) >> (shift - PKERNFS_BLOCK_SHIFT);
	p->free = p->granules;
	INIT_LIST_HEAD(&p->window);
	p->map = pkernfs_map_alloc(p->granules);
	p->chunk = kvcalloc(DIV_ROUND_UP(p->granules, PKERNFS_CHUNK), sizeof(*p->chunk),
			    GFP_KERNEL);
	return p->map && p->chunk;
}

static void pkernfs_gpool_exit(struct pkernfs_gpool *p)
{
	u32 i;

	for (i = 0; p->chunk && i < DIV_ROUND_UP(p->granules, PKERNFS_CHUNK); i++)
		kvfree(p->chunk[i]);
	kvfree(p->chunk);
	kvfree(p->map);
}

int pkernfs_alloc_init(struct pkernfs_core *c)
{
	const struct pkernfs_sb *sb = c->r->sb;

	c->pool_blocks = pkernfs_area_count(&sb->pool);
	c->pool_free = c->pool_blocks;
	c->pool_map = pkernfs_map_alloc(c->pool_blocks);

	c->inodes = pkernfs_area_count(&sb->inodes) *
		    (PKERNFS_BLOCK_SIZE / PKERNFS_INODE_SIZE);
	c->inodes_free = c->inodes - 1;	/* inode 0 is never used */

	if (!pkernfs_gpool_init(&c->gpool[PKERNFS_GPOOL_2M], &sb->data,
				PKERNFS_GRANULE_SHIFT) ||
	    !pkernfs_gpool_init(&c->gpool[PKERNFS_GPOOL_4K], &sb->small,
				PKERNFS_BLOCK_SHIFT) ||
	    !pkernfs_gpool_init(&c->gpool[PKERNFS_GPOOL_1G], &sb->huge,
				PKERNFS_HUGE_SHIFT) ||
	    !c->pool_map)
		return -ENOMEM;
	return 0;
}

void pkernfs_alloc_exit(struct pkernfs_core *c)
{
	struct pkernfs_node *n;
	unsigned long ino;
	unsigned int i;

	xa_for_each(&c->nodes, ino, n)
		pkernfs_node_free(c, n);
	xa_destroy(&c->nodes);
	kvfree(c->pool_map);
	for (i = 0; i < PKERNFS_GPOOLS; i++)
		pkernfs_gpool_exit(&c->gpool[i]);
}

/* --- granules ---------------------------------------------------------------- */

/* The granules that PKERNFS_INODE_POOL names; 2 MiB for what it cannot say. */
struct pkernfs_gpool *pkernfs_flags_pool(struct pkernfs_core *c, u16 flags)
{
	switch (flags & PKERNFS_INODE_POOL) {
	case PKERNFS_INODE_POOL_4K:
		return &c->gpool[PKERNFS_GPOOL_4K];
	case PKERNFS_INODE_POOL_1G:
		return &c->gpool[PKERNFS_GPOOL_1G];
	default:
		return &c->gpool[PKERNFS_GPOOL_2M];
	}
}

/*
 * Room for what is to be known of granules that will be taken. What is made here stays:
 * giving them back, or entering them in a file, needs no memory.
 */
static int pkernfs_granule_room(struct pkernfs_gpool *p, u32 granule, u32 count)
{
	u32 i;

	for (i = granule / PKERNFS_CHUNK; i <= (granule + count - 1) / PKERNFS_CHUNK; i++) {
		if (p->chunk[i])
			continue;
		p->chunk[i] = kvcalloc(PKERNFS_CHUNK, sizeof(**p->chunk), GFP_NOFS);
		if (!p->chunk[i])
			return -ENOMEM;
	}
	return 0;
}

/**
 * pkernfs_granule_enter - granules that have been taken become a file's
 * @p: granules of which size
 * @granule: the first one
 * @count: how many
 * @ino: the file, 0: they are nobody's again
 */
void pkernfs_granule_enter(struct pkernfs_gpool *p, u32 granule, u32 count, u32 ino)
{
	for (; count; count--, granule++)
		pkernfs_granule(p, granule)->owner = ino;
}

/**
 * pkernfs_granule_reserve - take free granules out of the map
 * @c: the core
 * @p: granules of which size
 * @goal: granule to begin with, if it is free; PKERNFS_NO_GRANULE: any
 * @want: how many, in one run
 * @granule: set to the first one
 * @got: set to how many there were
 *
 * Return: 0; -ENOSPC: nothing free; -ENOMEM.
 */
int pkernfs_granule_reserve(struct pkernfs_core *c, struct pkernfs_gpool *p, u32 goal,
			    u32 want, u32 *granule, u32 *got)
{
	u32 first = PKERNFS_NO_GRANULE;
	int err;

	lockdep_assert_held_write(&c->lock);

	if (goal < p->granules && !test_bit(goal, p->map)) {
		unsigned long end = find_next_bit(p->map, p->granules, goal);

		first = goal;
		*got = min_t(u64, end - goal, want);
	}
	/* Those that other files are to grow into come last. */
	if (first == PKERNFS_NO_GRANULE)
		first = pkernfs_window_find(p, want, want, false, got);
	if (first == PKERNFS_NO_GRANULE)
		first = pkernfs_window_find(p, want, want, true, got);
	if (first == PKERNFS_NO_GRANULE)
		return -ENOSPC;
	err = pkernfs_granule_room(p, first, *got);
	if (err)
		return err;

	bitmap_set(p->map, first, *got);
	p->free -= *got;
	p->hint = (first + *got) % p->granules;
	*granule = first;
	return 0;
}

static struct folio *pkernfs_granule_folio(struct pkernfs_core *c,
					   const struct pkernfs_gpool *p, u32 granule)
{
	phys_addr_t phys = c->r->base + (pkernfs_granule_virt(c, p, granule) - c->r->virt);

	return page_folio(pfn_to_page(PHYS_PFN(phys)));
}

/**
 * pkernfs_granule_forget - the inode that pages were mapped from goes, or they leave it
 * @c: the core
 * @p: granules of which size
 * @granule: which one; it is not mapped, and no fault can map it
 *
 * Context: process; not inside of a folio's lock
 */
void pkernfs_granule_forget(struct pkernfs_core *c, const struct pkernfs_gpool *p,
			    u32 granule)
{
	struct folio *folio;

	if (!c->r->pgmaps)
		return;		/* KUnit: ordinary memory without pages of ours */
	folio = pkernfs_granule_folio(c, p, granule);
	if (!READ_ONCE(folio->mapping))
		return;
	/* Who gives back a pin looks at it under the lock, to say that it is dirty. */
	folio_lock(folio);
	WRITE_ONCE(folio->mapping, NULL);
	folio_unlock(folio);
}

/* Pages that leave a file have forgotten it before, without core->lock to write. */
static void pkernfs_granule_verify(struct pkernfs_core *c, const struct pkernfs_gpool *p,
				   u32 granule, u32 count)
{
	if (!IS_ENABLED(CONFIG_PKERNFS_TEST) || !c->r->pgmaps)
		return;
	for (; count; granule++, count--)
		WARN_ON_ONCE(pkernfs_granule_folio(c, p, granule)->mapping);
}

/**
 * pkernfs_granule_release - give granules back, owned or only reserved
 * @c: the core
 * @p: granules of which size
 * @granule: the first one
 * @count: how many
 *
 * Of those that were a file's, pkernfs_extent_forget() has been told.
 */
void pkernfs_granule_release(struct pkernfs_core *c, struct pkernfs_gpool *p, u32 granule,
			     u32 count)
{
	lockdep_assert_held_write(&c->lock);
	WARN_ON_ONCE(find_next_zero_bit(p->map, granule + count, granule) <
		     granule + count);
	bitmap_clear(p->map, granule, count);
	pkernfs_granule_verify(c, p, granule, count);
	pkernfs_granule_enter(p, granule, count, 0);
	p->free += count;
	pkernfs_bad_withhold(c, p, granule, count);
}

/**
 * pkernfs_granule_own - found in an extent at load: they are this file's
 * @p: granules of which size
 * @granule: the first one
 * @count: how many
 * @ino: the file
 *
 * Return: 0, -EEXIST: one of them has an owner, -ERANGE: there are no such, -ENOMEM.
 */
int pkernfs_granule_own(struct pkernfs_gpool *p, u32 granule, u32 count, u32 ino)
{
	if (granule >= p->granules || count > p->granules - granule)
		return -ERANGE;
	if (find_next_bit(p->map, granule + count, granule) < granule + count)
		return -EEXIST;
	if (pkernfs_granule_room(p, granule, count))
		return -ENOMEM;
	bitmap_set(p->map, granule, count);
	pkernfs_granule_enter(p, granule, count, ino);
	p->free -= count;
	return 0;
}

void *pkernfs_granule_virt(struct pkernfs_core *c, const struct pkernfs_gpool *p,
			   u32 granule)
{
	return pkernfs_block(c->r, p->start) + ((u64)granule << p->shift);
}

/**
 * pkernfs_granule_idle - has nobody a reference on the granule's pages?
 * @c: the core
 * @p: granules of which size
 * @granule: which one
 *
 * The pages' own reference is all that there is then: no mapping, no pin. The
 * caller keeps faults away, or the answer is old at once.
 */
bool pkernfs_granule_idle(struct pkernfs_core *c, const struct pkernfs_gpool *p,
			  u32 granule)
{
	KUNIT_STATIC_STUB_REDIRECT(pkernfs_granule_idle, c, p, granule);
	if (!c->r->pgmaps)
		return true;	/* KUnit: ordinary memory without pages of ours */
	return pkernfs_folio_idle(pkernfs_granule_folio(c, p, granule));
}

/**
 * pkernfs_granule_lent - has somebody a reference on its pages that is not for a mapping?
 * @c: the core
 * @p: granules of which size
 * @granule: which one
 *
 * See pkernfs_folio_lent().
 */
bool pkernfs_granule_lent(struct pkernfs_core *c, const struct pkernfs_gpool *p,
			  u32 granule)
{
	return c->r->pgmaps && pkernfs_folio_lent(pkernfs_granule_folio(c, p, granule));
}

/* Granules of a physical range, or NULL: not all of it is in granules of one size. */
static struct pkernfs_gpool *pkernfs_phys_granules(struct pkernfs_core *c, phys_addr_t phys,
						   u64 bytes, u32 *first, u32 *last)
{
	struct pkernfs_gpool *p;

	for (p = c->gpool; p < c->gpool + PKERNFS_GPOOLS; p++) {
		u64 start = c->r->base + (p->start << PKERNFS_BLOCK_SHIFT);
		u64 size = (u64)p->granules << p->shift;

		if (!bytes || phys < start || phys - start >= size ||
		    bytes > size - (phys - start))
			continue;
		*first = (phys - start) >> p->shift;
		*last = (phys - start + bytes - 1) >> p->shift;
		return p;
	}
	return NULL;
}

static struct pkernfs_node *pkernfs_range_owner(struct pkernfs_core *c,
						const struct pkernfs_gpool *p,
						u32 first, u32 last)
{
	u32 g, ino = pkernfs_granule_owner(p, first);

	for (g = first; g <= last; g++)
		if (!ino || pkernfs_granule_owner(p, g) != ino)
			return NULL;
	return pkernfs_node_find(c, ino);
}

/* That of a granule; @n: of the one before, which it often is, too. */
static struct pkernfs_node *pkernfs_granule_node(struct pkernfs_core *c, u32 ino,
						 struct pkernfs_node *n)
{
	return n && n->ino == ino ? n : pkernfs_node_find(c, ino);
}

/**
 * pkernfs_phys_owner - which file does this memory belong to?
 * @r: the region
 * @phys: physical address
 * @bytes: length
 * @ino: set to the file's inode number; may be NULL
 * @generation: set to its generation; may be NULL
 *
 * Return: 0; -ENOENT: no single file has all of it, or an unlinked one that no
 * one could ever open again.
 */
int pkernfs_phys_owner(struct pkernfs_region *r, phys_addr_t phys, u64 bytes,
		       u64 *ino, u32 *generation)
{
	struct pkernfs_core *c = r->core;
	struct pkernfs_node *n = NULL;
	struct pkernfs_gpool *p;
	u32 first, last;

	if (!c)
		return -ENOENT;
	down_read(&c->lock);
	p = pkernfs_phys_granules(c, phys, bytes, &first, &last);
	if (p)
		n = pkernfs_range_owner(c, p, first, last);
	if (n && !n->ser->nlink)
		n = NULL;
	if (n && ino)
		*ino = n->ino;
	if (n && generation)
		*generation = le32_to_cpu(n->ser->generation);
	up_read(&c->lock);
	return n ? 0 : -ENOENT;
}

static u32 pkernfs_owner_crc(u32 crc, const struct pkernfs_node *n)
{
	const struct pkernfs_owner_ser ser = {
		.ino = cpu_to_le64(n->ino), .generation = n->ser->generation,
	};

	return crc32c(crc, &ser, sizeof(ser));
}

/**
 * pkernfs_hold - a device can reach this memory: its file must keep it
 * @r: the region
 * @phys: physical address
 * @bytes: length; it may touch several files
 * @owners: crc32c that goes on with a pkernfs_owner_ser for each granule; may be NULL
 *
 * Counted per granule, whatever its size. Until pkernfs_unhold() of the same range
 * nothing takes a granule of it from its file, and the file cannot be unlinked. Holds
 * are not stored; after a kexec they are made again from the devices' tables.
 *
 * Return: 0; -ENOENT: some of it is in no file, or in an unlinked one; nothing
 * is held then. -EOVERFLOW: held too often.
 */
int pkernfs_hold(struct pkernfs_region *r, phys_addr_t phys, u64 bytes, u32 *owners)
{
	struct pkernfs_core *c = r->core;
	struct pkernfs_node *n = NULL;
	struct pkernfs_gpool *p;
	u32 first, last, g;
	int err = 0;

	if (!c)
		return -ENOENT;
	down_write(&c->lock);
	p = pkernfs_phys_granules(c, phys, bytes, &first, &last);
	if (!p) {
		err = -ENOENT;
		goto out;
	}
	for (g = first; g <= last; g++) {
		n = pkernfs_granule_node(c, pkernfs_granule_owner(p, g), n);
		if (!n || !n->ser->nlink) {
			err = -ENOENT;
			goto out;
		}
		if (pkernfs_granule_holds(p, g) == U32_MAX) {
			err = -EOVERFLOW;
			goto out;
		}
	}
	for (g = first; g <= last; g++) {
		struct pkernfs_granule *s = pkernfs_granule(p, g);

		if (!s->holds++)
			p->held++;
		n = pkernfs_granule_node(c, s->owner, n);
		n->holds++;
		if (owners)
			*owners = pkernfs_owner_crc(*owners, n);
	}
out:
	up_write(&c->lock);
	return err;
}

/**
 * pkernfs_unhold - undo pkernfs_hold()
 * @r: the region
 * @phys: physical address
 * @bytes: length
 */
void pkernfs_unhold(struct pkernfs_region *r, phys_addr_t phys, u64 bytes)
{
	struct pkernfs_core *c = r->core;
	struct pkernfs_node *n = NULL;
	struct pkernfs_gpool *p;
	u32 first, last, g;

	if (WARN_ON_ONCE(!c))
		return;
	down_write(&c->lock);
	p = pkernfs_phys_granules(c, phys, bytes, &first, &last);
	if (!WARN_ON_ONCE(!p)) {
		for (g = first; g <= last; g++) {
			struct pkernfs_granule *s = pkernfs_granule(p, g);

			if (WARN_ON_ONCE(!s || !s->holds))
				continue;
			if (!--s->holds)
				p->held--;
			n = pkernfs_granule_node(c, s->owner, n);
			n->holds--;
		}
	}
	up_write(&c->lock);
}
