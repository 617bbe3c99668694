// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: inode slots, and what is known of an inode in memory.
 */

#define pr_fmt(fmt) "pkernfs: " fmt

#include <linux/bitmap.h>
#include <linux/printk.h>
#include <linux/slab.h>

#include "pkernfs.h"

#define PKERNFS_MARK_STEP	32	/* slots, so that it seldom has to be raised */

static struct pkernfs_inode_ser *pkernfs_ino_slot(struct pkernfs_core *c, u32 ino)
{
	return (void *)pkernfs_table(c) + (u64)ino * PKERNFS_INODE_SIZE;
}

/* Slots from this one on have never been used. core->lock is held. */
u32 pkernfs_ino_mark(struct pkernfs_core *c)
{
	if (!pkernfs_has(c, PKERNFS_INCOMPAT_MARK))
		return c->inodes;
	return le64_to_cpu(pkernfs_table(c)->mark);
}

/* The mark when @ino, which is not below it, is used. */
u32 pkernfs_ino_mark_above(struct pkernfs_core *c, u32 ino)
{
	return min(round_up(ino + 1, PKERNFS_MARK_STEP), c->inodes);
}

/*
 * The slots between the mark and the one that it would be raised to are read by the next
 * load: they have to be what the mark says. If not, they may be inodes whose memory this
 * kernel does not know of.
 */
static bool pkernfs_ino_fresh(struct pkernfs_core *c, u32 ino)
{
	u32 at = pkernfs_ino_mark(c), end;

	if (ino < at)
		return true;
	for (end = pkernfs_ino_mark_above(c, ino); at < end; at++) {
		if (!memchr_inv(pkernfs_ino_slot(c, at), 0, PKERNFS_INODE_STATIC))
			continue;
		pkernfs_load_say(pr_err_ratelimited,
				 "region %u: inode %u: in use, and the table does not say so; see fsck.pkernfs(8)\n",
				 c->r->index, at);
		return false;
	}
	return true;
}

static void pkernfs_node_drop(struct pkernfs_node *n)
{
	pkernfs_window_drop(n);
	bitmap_free(n->slots);
	kvfree(n->chain);
	kvfree(n->extent);
	kfree(n);
}

static struct pkernfs_node *pkernfs_node_alloc(struct pkernfs_core *c, bool slots)
{
	struct pkernfs_node *n = kzalloc_obj(*n, GFP_NOFS);

	if (!n)
		return NULL;
	INIT_LIST_HEAD(&n->orphan);
	n->pool = &c->gpool[PKERNFS_GPOOL_2M];
	if (slots) {
		n->slots = bitmap_zalloc(PKERNFS_SLOTS, GFP_NOFS);
		if (!n->slots) {
			kfree(n);
			return NULL;
		}
	}
	return n;
}

static void pkernfs_node_enter(struct pkernfs_core *c, struct pkernfs_node *n, u32 ino)
{
	n->ino = ino;
	n->ser = pkernfs_ino_slot(c, ino);
	c->inodes_free--;
}

/**
 * pkernfs_node_load - memory for an inode that has been found in use
 * @c: the core
 * @ino: its number
 * @slots: a regular file: it has extents
 *
 * Return: the node, in core->nodes, or NULL: no memory.
 */
struct pkernfs_node *pkernfs_node_load(struct pkernfs_core *c, u32 ino, bool slots)
{
	struct pkernfs_node *n = pkernfs_node_alloc(c, slots);

	if (!n)
		return NULL;
	if (xa_err(xa_store(&c->nodes, ino, n, GFP_NOFS))) {
		pkernfs_node_drop(n);
		return NULL;
	}
	pkernfs_node_enter(c, n, ino);
	if (slots)
		n->pool = pkernfs_flags_pool(c, le16_to_cpu(n->ser->flags));
	return n;
}

/**
 * pkernfs_node_new - take a free slot for an inode
 * @c: the core
 * @slots: a regular file: it has extents
 *
 * The lowest one. Its generation tells the new inode from the one before.
 *
 * Return: the node, in core->nodes, or an error pointer: -ENOSPC, -ENOMEM; -EUCLEAN: the
 * table is damaged.
 */
struct pkernfs_node *pkernfs_node_new(struct pkernfs_core *c, bool slots)
{
	struct pkernfs_node *n = pkernfs_node_alloc(c, slots);
	u32 ino;
	int err;

	lockdep_assert_held_write(&c->lock);
	if (!n)
		return ERR_PTR(-ENOMEM);
	err = xa_alloc(&c->nodes, &ino, n, XA_LIMIT(PKERNFS_ROOT_INO, c->inodes - 1), GFP_NOFS);
	if (err) {
		pkernfs_node_drop(n);
		return ERR_PTR(err == -EBUSY ? -ENOSPC : err);
	}
	if (!pkernfs_ino_fresh(c, ino)) {
		xa_erase(&c->nodes, ino);
		pkernfs_node_drop(n);
		return ERR_PTR(-EUCLEAN);
	}
	pkernfs_node_enter(c, n, ino);
	return n;
}

void pkernfs_node_free(struct pkernfs_core *c, struct pkernfs_node *n)
{
	list_del(&n->orphan);
	xa_erase(&c->nodes, n->ino);
	c->inodes_free++;
	pkernfs_node_drop(n);
}

/* Room for one more block in node->chain. */
int pkernfs_chain_room(struct pkernfs_node *n)
{
	u32 room = max(n->chain_room * 2, 4u);
	u64 *chain;

	if (n->chains < n->chain_room)
		return 0;
	chain = kvrealloc(n->chain, room * sizeof(*chain), GFP_NOFS);
	if (!chain)
		return -ENOMEM;
	n->chain = chain;
	n->chain_room = room;
	return 0;
}
