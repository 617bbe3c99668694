// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: 4 KiB blocks for names, extents, attributes, and tables of devices.
 *
 * Which of them are free is not stored: a load finds it out.
 */

#define pr_fmt(fmt) "pkernfs: " fmt

#include <linux/bitmap.h>
#include <linux/printk.h>

#include "pkernfs.h"

/* A free block of the pool, zeroed; its number in the region, 0: none. */
u64 pkernfs_pool_get(struct pkernfs_core *c)
{
	u64 start = pkernfs_area_start(&c->r->sb->pool), i;

	lockdep_assert_held_write(&c->lock);
	do {
		i = find_next_zero_bit(c->pool_map, c->pool_blocks, c->pool_hint);
		if (i >= c->pool_blocks)
			i = find_first_zero_bit(c->pool_map, c->pool_blocks);
		if (i >= c->pool_blocks) {
			pr_warn_ratelimited("region %u: no block is left for metadata and tables (mkfs.pkernfs --pool)\n",
					    c->r->index);
			return 0;
		}
		__set_bit(i, c->pool_map);
		c->pool_free--;
		c->pool_hint = i + 1;
	} while (pkernfs_bad_first(c, start + i, 1) != U64_MAX);	/* a bad one stays taken */
	memset(pkernfs_block(c->r, start + i), 0, PKERNFS_BLOCK_SIZE);
	return start + i;
}

void pkernfs_pool_put(struct pkernfs_core *c, u64 block)
{
	u64 i = block - pkernfs_area_start(&c->r->sb->pool);

	lockdep_assert_held_write(&c->lock);
	if (pkernfs_bad_first(c, block, 1) != U64_MAX)
		return;
	if (WARN_ON_ONCE(i >= c->pool_blocks || !__test_and_clear_bit(i, c->pool_map)))
		return;
	c->pool_free++;
}

/* Found in use at load. -ERANGE: not in the pool, -EEXIST: used already. */
int pkernfs_pool_take(struct pkernfs_core *c, u64 block)
{
	u64 i = block - pkernfs_area_start(&c->r->sb->pool);

	if (block < pkernfs_area_start(&c->r->sb->pool) || i >= c->pool_blocks)
		return -ERANGE;
	if (__test_and_set_bit(i, c->pool_map))
		return -EEXIST;
	c->pool_free--;
	return 0;
}

/**
 * pkernfs_pool_alloc - a 4 KiB block in the region
 * @r: the region, loaded
 *
 * For tables that the next kernel must find where they are. May sleep.
 *
 * Return: the block, zeroed, or NULL: the pool is full.
 */
void *pkernfs_pool_alloc(struct pkernfs_region *r)
{
	struct pkernfs_core *c = r->core;
	u64 block;

	if (!c)
		return NULL;
	down_write(&c->lock);
	block = pkernfs_pool_get(c);
	up_write(&c->lock);
	return block ? pkernfs_block(r, block) : NULL;
}

/**
 * pkernfs_pool_free - give a block back
 * @r: the region
 * @block: from pkernfs_pool_alloc(), or pkernfs_block() of a claimed one
 */
void pkernfs_pool_free(struct pkernfs_region *r, void *block)
{
	struct pkernfs_core *c = r->core;

	down_write(&c->lock);
	pkernfs_pool_put(c, (block - r->virt) >> PKERNFS_BLOCK_SHIFT);
	up_write(&c->lock);
}

/**
 * pkernfs_pool_claim - a block of the pool is in use since the kernel before
 * @r: the region, loaded
 * @phys: physical address of the block
 *
 * At boot, before anything is allocated from the pool.
 *
 * Return: 0; -EEXIST: used already, by a file or an earlier claim; -ERANGE: not
 * a block of the pool.
 */
int pkernfs_pool_claim(struct pkernfs_region *r, phys_addr_t phys)
{
	struct pkernfs_core *c = r->core;
	int err;

	if (!c || phys < r->base || phys - r->base >= r->bytes ||
	    phys % PKERNFS_BLOCK_SIZE)
		return -ERANGE;
	down_write(&c->lock);
	err = pkernfs_pool_take(c, (phys - r->base) >> PKERNFS_BLOCK_SHIFT);
	up_write(&c->lock);
	return err;
}
