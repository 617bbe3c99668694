// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: the names of a directory.
 *
 * A chain of pool blocks, each an array of units; an entry takes as many units in
 * a row as it needs and never moves. Blocks leave the chain only with the
 * directory. A search reads all of them: the dentry cache is above, and a
 * directory of virtual machines is short.
 *
 * Blocks are checked entry by entry at load, and only pkernfs writes them after
 * that; a walk still never leaves its block.
 */

#include <linux/slab.h>
#include <linux/sort.h>

#include "pkernfs.h"

static struct pkernfs_dir_block_ser *pkernfs_dir_block(struct pkernfs_core *c,
						       struct pkernfs_node *n,
						       u32 chain)
{
	return pkernfs_block(c->r, n->chain[chain]);
}

static u32 pkernfs_dirent_units(u32 len)
{
	return DIV_ROUND_UP(sizeof(struct pkernfs_dirent_ser) + len, PKERNFS_DIR_UNIT);
}

/* The entry at @unit, and how many units on the next one is. NULL: a free unit. */
static const struct pkernfs_dirent_ser *
pkernfs_dirent_at(const struct pkernfs_dir_block_ser *b, u32 unit, u32 *units)
{
	const struct pkernfs_dirent_ser *de = (const void *)b->unit[unit];

	*units = 1;
	if (!de->ino)
		return NULL;
	*units = clamp_t(u32, de->units, 1, PKERNFS_DIR_UNITS - unit);
	if (pkernfs_dirent_units(de->len) > *units)
		return NULL;
	return de;
}

static const char *pkernfs_dir_block_damage(const struct pkernfs_dir_block_ser *b)
{
	u32 unit, units;

	for (unit = 0; unit < PKERNFS_DIR_UNITS; unit += units) {
		const struct pkernfs_dirent_ser *de = (const void *)b->unit[unit];

		units = 1;
		if (!de->ino)
			continue;
		units = de->units;
		if (!units || units > PKERNFS_DIR_UNITS - unit || !de->len ||
		    units != pkernfs_dirent_units(de->len))
			return "directory: entry of impossible length";
		if (memchr(de->name, '/', de->len) || memchr(de->name, 0, de->len) ||
		    (de->name[0] == '.' &&
		     (de->len == 1 || (de->len == 2 && de->name[1] == '.'))))
			return "directory: impossible name";
	}
	return NULL;
}

/**
 * pkernfs_dirent_load - read the chain of a directory at load
 * @c: the core
 * @n: the directory; its inode is sound
 * @why: set on error
 *
 * Whether the entries name existing inodes is for the caller to see, when all
 * inodes are known.
 *
 * Return: 0, -EUCLEAN or -ENOMEM.
 */
int pkernfs_dirent_load(struct pkernfs_core *c, struct pkernfs_node *n,
			const char **why)
{
	u64 block = le64_to_cpu(n->ser->chain);

	while (block) {
		struct pkernfs_dir_block_ser *b;

		*why = "directory block: not in the pool, or used twice";
		if (pkernfs_pool_take(c, block))
			return -EUCLEAN;
		b = pkernfs_block(c->r, block);
		*why = "directory block: wrong checksum or owner";
		if (!pkernfs_block_sound(b, PKERNFS_DIR_MAGIC, n->ino,
					 le32_to_cpu(n->ser->generation)) ||
		    le32_to_cpu(b->index) != n->chains)
			return -EUCLEAN;
		*why = pkernfs_dir_block_damage(b);
		if (*why)
			return -EUCLEAN;
		*why = "no memory";
		if (pkernfs_chain_room(n))
			return -ENOMEM;
		n->chain[n->chains++] = block;
		block = le64_to_cpu(b->next);
	}
	return 0;
}

/**
 * pkernfs_dirent_resume - go on with a walk that had let go of the lock
 * @c: the core
 * @n: the directory
 * @cookie: from an earlier walk, or of a user's making; set for pkernfs_dirent_next()
 *
 * Since the cookie was given out an entry that is longer may have come to lie over
 * that place: the walk goes on behind it. core->lock is held.
 */
void pkernfs_dirent_resume(struct pkernfs_core *c, struct pkernfs_node *n, u64 *cookie)
{
	u32 from = *cookie % PKERNFS_DIR_UNITS, unit, units;
	u64 chain = div_u64(*cookie, PKERNFS_DIR_UNITS);

	lockdep_assert_held(&c->lock);
	if (chain >= n->chains)
		return;
	for (unit = 0; unit < from; unit += units)
		pkernfs_dirent_at(pkernfs_dir_block(c, n, chain), unit, &units);
	*cookie = chain * PKERNFS_DIR_UNITS + unit;
}

/**
 * pkernfs_dirent_next - walk a directory
 * @c: the core
 * @n: the directory
 * @cookie: where to go on, 0: at the start; set to behind the entry
 *
 * core->lock is held, and has been since @cookie was set.
 *
 * Return: the entry, or NULL: no more.
 */
const struct pkernfs_dirent_ser *
pkernfs_dirent_next(struct pkernfs_core *c, struct pkernfs_node *n, u64 *cookie)
{
	u64 chain = div_u64(*cookie, PKERNFS_DIR_UNITS);
	u32 unit = *cookie % PKERNFS_DIR_UNITS, units;

	lockdep_assert_held(&c->lock);
	for (; chain < n->chains; chain++, unit = 0) {
		const struct pkernfs_dir_block_ser *b = pkernfs_dir_block(c, n, chain);

		for (; unit < PKERNFS_DIR_UNITS; unit += units) {
			const struct pkernfs_dirent_ser *de;

			de = pkernfs_dirent_at(b, unit, &units);
			if (!de)
				continue;
			*cookie = chain * PKERNFS_DIR_UNITS + unit + units;
			return de;
		}
	}
	return NULL;
}

static int pkernfs_dirent_cmp(const void *a, const void *b)
{
	const struct pkernfs_dirent_ser *x = *(const struct pkernfs_dirent_ser **)a;
	const struct pkernfs_dirent_ser *y = *(const struct pkernfs_dirent_ser **)b;

	return x->len != y->len ? (int)x->len - y->len : memcmp(x->name, y->name, x->len);
}

/**
 * pkernfs_dirent_twice - are there two entries of one name? At load
 * @c: the core
 * @n: the directory
 *
 * A lookup would find the first of them only: the other's inode could be lost.
 * core->lock is held.
 *
 * Return: NULL: no, or why the directory is not believed.
 */
const char *pkernfs_dirent_twice(struct pkernfs_core *c, struct pkernfs_node *n)
{
	const struct pkernfs_dirent_ser **list, *de;
	const char *why = NULL;
	size_t count = 0, i;
	u64 cookie = 0;

	while (pkernfs_dirent_next(c, n, &cookie))
		count++;
	if (count < 2)
		return NULL;
	list = kvcalloc(count, sizeof(*list), GFP_NOFS);
	if (!list)
		return "no memory";
	for (i = 0, cookie = 0; (de = pkernfs_dirent_next(c, n, &cookie)); i++)
		list[i] = de;
	sort(list, count, sizeof(*list), pkernfs_dirent_cmp, NULL);
	for (i = 1; i < count && !why; i++)
		if (!pkernfs_dirent_cmp(&list[i - 1], &list[i]))
			why = "directory: two entries of one name";
	kvfree(list);
	return why;
}

/**
 * pkernfs_dirent_find - look a name up
 * @c: the core
 * @n: the directory
 * @name: the name
 * @at: set to its place; may be NULL
 *
 * core->lock is held. Return: the entry, or NULL: no such name.
 */
const struct pkernfs_dirent_ser *
pkernfs_dirent_find(struct pkernfs_core *c, struct pkernfs_node *n,
		    const struct qstr *name, struct pkernfs_place *at)
{
	const struct pkernfs_dirent_ser *de;
	u64 cookie = 0;

	while ((de = pkernfs_dirent_next(c, n, &cookie))) {
		if (de->len != name->len || memcmp(de->name, name->name, de->len))
			continue;
		if (at) {
			cookie -= de->units;
			at->chain = div_u64(cookie, PKERNFS_DIR_UNITS);
			at->unit = cookie % PKERNFS_DIR_UNITS;
			at->fresh = 0;
		}
		return de;
	}
	return NULL;
}

/**
 * pkernfs_dirent_room - find room for a name, inside a transaction
 * @c: the core
 * @n: the directory
 * @name: the name
 * @at: set to the place
 *
 * A block is added to the chain if need be. After the commit the caller calls
 * pkernfs_dirent_keep(), without one pkernfs_dirent_drop().
 *
 * Return: 0, -ENOSPC or -ENOMEM.
 */
int pkernfs_dirent_room(struct pkernfs_core *c, struct pkernfs_node *n,
			const struct qstr *name, struct pkernfs_place *at)
{
	u32 need = pkernfs_dirent_units(name->len), chain, unit, units, run;
	struct pkernfs_dir_block_ser *b;

	at->fresh = 0;
	for (chain = 0; chain < n->chains; chain++) {
		b = pkernfs_dir_block(c, n, chain);
		run = 0;
		for (unit = 0; unit < PKERNFS_DIR_UNITS; unit += units) {
			run = pkernfs_dirent_at(b, unit, &units) ? 0 : run + 1;
			if (run == need) {
				at->chain = chain;
				at->unit = unit + 1 - need;
				return 0;
			}
		}
	}

	if (pkernfs_chain_room(n))
		return -ENOMEM;
	at->fresh = pkernfs_pool_get(c);
	if (!at->fresh)
		return -ENOSPC;
	at->chain = n->chains;
	at->unit = 0;
	n->chain[n->chains] = at->fresh;	/* counted by pkernfs_dirent_keep() */
	b = pkernfs_tx_block(c, at->fresh);
	b->magic = cpu_to_le32(PKERNFS_DIR_MAGIC);
	b->ino = cpu_to_le64(n->ino);
	b->generation = n->ser->generation;
	b->index = cpu_to_le32(n->chains);
	if (n->chains) {
		b = pkernfs_tx_block(c, n->chain[n->chains - 1]);
		b->next = cpu_to_le64(at->fresh);
	} else {
		pkernfs_tx_inode(c, n->ino)->chain = cpu_to_le64(at->fresh);
	}
	return 0;
}

/* The transaction that used @at is committed. */
void pkernfs_dirent_keep(struct pkernfs_node *n, const struct pkernfs_place *at)
{
	if (at->fresh)
		n->chains++;
}

/* It was not, and never will be. */
void pkernfs_dirent_drop(struct pkernfs_core *c, const struct pkernfs_place *at)
{
	if (at->fresh)
		pkernfs_pool_put(c, at->fresh);
}

static struct pkernfs_dirent_ser *pkernfs_dirent_tx(struct pkernfs_core *c,
						    struct pkernfs_node *n,
						    const struct pkernfs_place *at)
{
	struct pkernfs_dir_block_ser *b = pkernfs_tx_block(c, n->chain[at->chain]);

	return (void *)b->unit[at->unit];
}

/* Write a name to the place that pkernfs_dirent_room() found. */
void pkernfs_dirent_add(struct pkernfs_core *c, struct pkernfs_node *n,
			const struct pkernfs_place *at, const struct qstr *name,
			u32 ino, u8 type)
{
	struct pkernfs_dirent_ser *de = pkernfs_dirent_tx(c, n, at);
	u32 units = pkernfs_dirent_units(name->len);

	memset(de, 0, units * PKERNFS_DIR_UNIT);
	de->ino = cpu_to_le64(ino);
	de->units = units;
	de->len = name->len;
	de->type = type;
	/* The name goes on over the units behind the first. */
	unsafe_memcpy(de->name, name->name, name->len,
		      /* pkernfs_dirent_units() covers it */);
}

/* Let a name point at another inode. */
void pkernfs_dirent_set(struct pkernfs_core *c, struct pkernfs_node *n,
			const struct pkernfs_place *at, u32 ino, u8 type)
{
	struct pkernfs_dirent_ser *de = pkernfs_dirent_tx(c, n, at);

	de->ino = cpu_to_le64(ino);
	de->type = type;
}

/* Remove a name. */
void pkernfs_dirent_del(struct pkernfs_core *c, struct pkernfs_node *n,
			const struct pkernfs_place *at)
{
	struct pkernfs_dirent_ser *de = pkernfs_dirent_tx(c, n, at);

	memset(de, 0, de->units * PKERNFS_DIR_UNIT);
}
