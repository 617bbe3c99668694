// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: targets of symbolic links.
 *
 * A short one is in the inode, one that is too long for that in a block of the pool. It
 * never changes.
 */

#include <linux/fs.h>

#include "pkernfs.h"

static struct pkernfs_link_block_ser *pkernfs_link_block(struct pkernfs_core *c,
							 const struct pkernfs_node *n)
{
	return pkernfs_block(c->r, le64_to_cpu(n->ser->chain));
}

/* Where a link leads to. It stays as long as the link is in use. */
const char *pkernfs_symlink_target(struct pkernfs_core *c, const struct pkernfs_node *n)
{
	return n->ser->chain ? pkernfs_link_block(c, n)->target : n->ser->target;
}

static int pkernfs_link_block_load(struct pkernfs_core *c, struct pkernfs_node *n,
				   const char **why)
{
	u64 block = le64_to_cpu(n->ser->chain);
	const struct pkernfs_link_block_ser *b;

	*why = "symbolic link: a block in a region without such";
	if (!pkernfs_has(c, PKERNFS_INCOMPAT_LINKS))
		return -EUCLEAN;
	*why = "symbolic link: block not in the pool, or used twice";
	if (pkernfs_pool_take(c, block))
		return -EUCLEAN;
	b = pkernfs_link_block(c, n);
	*why = "symbolic link: block with a wrong checksum or owner";
	if (!pkernfs_block_sound(b, PKERNFS_LINK_MAGIC, n->ino,
				 le32_to_cpu(n->ser->generation)) || b->pad || b->reserved)
		return -EUCLEAN;
	*why = "no memory";
	if (pkernfs_chain_room(n))
		return -ENOMEM;
	n->chain[n->chains++] = block;
	return 0;
}

/**
 * pkernfs_symlink_load - check the target of a symbolic link at load
 * @c: the core
 * @n: the link; its inode is sound
 * @why: set on error
 *
 * Return: 0, -EUCLEAN or -ENOMEM.
 */
int pkernfs_symlink_load(struct pkernfs_core *c, struct pkernfs_node *n, const char **why)
{
	u64 size = le64_to_cpu(n->ser->size);
	size_t room = PKERNFS_SYMLINK_MAX;
	int err;

	if (n->ser->chain) {
		err = pkernfs_link_block_load(c, n, why);
		if (err)
			return err;
		room = PKERNFS_LINK_BYTES;
	}
	*why = "inode: symbolic link without an end";
	return size && size < room && strnlen(pkernfs_symlink_target(c, n), room) == size ?
	       0 : -EUCLEAN;
}

/**
 * pkernfs_symlink_tx - store the target of a new symbolic link, inside a transaction
 * @c: the core
 * @n: the link
 * @target: where it leads to, not empty
 *
 * Without a commit pkernfs_symlink_drop() has to follow, whatever is returned.
 *
 * Return: 0, -ENAMETOOLONG, -ENOSPC or -ENOMEM.
 */
int pkernfs_symlink_tx(struct pkernfs_core *c, struct pkernfs_node *n, const char *target)
{
	struct pkernfs_inode_ser *ser = pkernfs_tx_inode(c, n->ino);
	struct pkernfs_link_block_ser *b;
	size_t len = strlen(target);
	u64 block;

	ser->size = cpu_to_le64(len);
	if (len < PKERNFS_SYMLINK_MAX) {
		memcpy(ser->target, target, len);
		return 0;
	}
	if (len >= PKERNFS_LINK_BYTES || !pkernfs_has(c, PKERNFS_INCOMPAT_LINKS))
		return -ENAMETOOLONG;
	if (pkernfs_chain_room(n))
		return -ENOMEM;
	block = pkernfs_pool_get(c);
	if (!block)
		return -ENOSPC;
	n->chain[n->chains++] = block;
	ser->chain = cpu_to_le64(block);
	b = pkernfs_tx_block(c, block);
	b->magic = cpu_to_le32(PKERNFS_LINK_MAGIC);
	b->ino = ser->ino;
	b->generation = ser->generation;
	memcpy(b->target, target, len);
	return 0;
}

/* It was not committed, and never will be. A new inode of another type has no chain. */
void pkernfs_symlink_drop(struct pkernfs_core *c, struct pkernfs_node *n)
{
	if (n->chains)
		pkernfs_pool_put(c, n->chain[0]);
}
