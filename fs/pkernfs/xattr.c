// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: extended attributes.
 *
 * All those of an inode lie in one pool block, in a row; there is none while there
 * are no attributes. A change writes the block anew through the log: they are few
 * and small, an ACL or a label. What does not fit is refused (-ENOSPC), as in other
 * filesystems that have a block for them.
 *
 * The block is checked attribute by attribute at load, and only pkernfs writes it
 * after that; a walk still never leaves it.
 */

#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/posix_acl_xattr.h>
#include <linux/xattr.h>

#include "pkernfs.h"

static const char * const pkernfs_xattr_prefix[PKERNFS_XATTR_SPACES] = {
	[PKERNFS_XATTR_USER]		= XATTR_USER_PREFIX,
	[PKERNFS_XATTR_TRUSTED]		= XATTR_TRUSTED_PREFIX,
	[PKERNFS_XATTR_SECURITY]	= XATTR_SECURITY_PREFIX,
	[PKERNFS_XATTR_ACL_ACCESS]	= XATTR_NAME_POSIX_ACL_ACCESS,
	[PKERNFS_XATTR_ACL_DEFAULT]	= XATTR_NAME_POSIX_ACL_DEFAULT,
};

/* A space that is one whole name. */
static bool pkernfs_xattr_acl(u8 space)
{
	return space == PKERNFS_XATTR_ACL_ACCESS || space == PKERNFS_XATTR_ACL_DEFAULT;
}

static u32 pkernfs_xattr_units(size_t name_len, size_t value_len)
{
	return round_up(sizeof(struct pkernfs_xattr_ser) + name_len + value_len, 4);
}

/* The attribute at @at, and where the next one is. NULL: there is no more. */
static const struct pkernfs_xattr_ser *
pkernfs_xattr_at(const struct pkernfs_xattr_block_ser *b, u32 at, u32 *next)
{
	u32 bytes = min_t(u32, le32_to_cpu(b->bytes), PKERNFS_XATTR_BYTES);
	const struct pkernfs_xattr_ser *e = (const void *)b->entry + at;

	if (at >= bytes || bytes - at < sizeof(*e))
		return NULL;
	*next = at + pkernfs_xattr_units(e->name_len, le16_to_cpu(e->value_len));
	return *next <= bytes ? e : NULL;
}

static const struct pkernfs_xattr_ser *
pkernfs_xattr_find(const struct pkernfs_xattr_block_ser *b, u8 space, const char *name,
		   u32 *at, u32 *next)
{
	const struct pkernfs_xattr_ser *e;
	size_t len = strlen(name);

	for (*at = 0; (e = pkernfs_xattr_at(b, *at, next)); *at = *next)
		if (e->space == space && e->name_len == len && !memcmp(e->data, name, len))
			return e;
	return NULL;
}

/* As acl(5) has it: a head, and whole entries. What they say is judged at use. */
static const char *pkernfs_xattr_acl_damage(struct pkernfs_core *c,
					    const struct pkernfs_xattr_ser *e)
{
	const struct posix_acl_xattr_header *head = (const void *)e->data;
	u16 size = le16_to_cpu(e->value_len);

	if (!pkernfs_has(c, PKERNFS_INCOMPAT_ACL))
		return "attributes: an ACL in a region without such";
	if (size < sizeof(*head) ||
	    (size - sizeof(*head)) % sizeof(struct posix_acl_xattr_entry) ||
	    le32_to_cpu(head->a_version) != POSIX_ACL_XATTR_VERSION)
		return "attributes: no ACL";
	return NULL;
}

static const char *pkernfs_xattr_damage(struct pkernfs_core *c,
					const struct pkernfs_xattr_block_ser *b)
{
	u32 bytes = le32_to_cpu(b->bytes), at, next, other, after;
	const struct pkernfs_xattr_ser *e, *o;

	if (b->pad || !bytes || bytes > PKERNFS_XATTR_BYTES || bytes % 4 ||
	    memchr_inv(b->entry + bytes, 0, PKERNFS_XATTR_BYTES - bytes))
		return "attributes: impossible length";
	for (at = 0; at < bytes; at = next) {
		e = pkernfs_xattr_at(b, at, &next);
		if (!e)
			return "attributes: one of impossible length";
		if (!e->space || e->space >= PKERNFS_XATTR_SPACES ||
		    !e->name_len != pkernfs_xattr_acl(e->space) ||
		    memchr(e->data, 0, e->name_len))
			return "attributes: impossible name";
		if (pkernfs_xattr_acl(e->space)) {
			const char *why = pkernfs_xattr_acl_damage(c, e);

			if (why)
				return why;
		}
		for (other = 0; other < at; other = after) {
			o = pkernfs_xattr_at(b, other, &after);
			if (o->space == e->space && o->name_len == e->name_len &&
			    !memcmp(o->data, e->data, e->name_len))
				return "attributes: two of one name";
		}
	}
	return NULL;
}

/* The block of an inode; NULL: it has none. core->lock is held. */
static const struct pkernfs_xattr_block_ser *pkernfs_xattr_block(struct pkernfs_core *c,
								 struct pkernfs_node *n)
{
	u32 block = le32_to_cpu(n->ser->xattr);

	return block ? pkernfs_block(c->r, block) : NULL;
}

/**
 * pkernfs_xattr_load - check the attributes of an inode at load
 * @c: the core
 * @n: the inode; it is sound
 * @why: set on error
 *
 * Return: 0 or -EUCLEAN.
 */
int pkernfs_xattr_load(struct pkernfs_core *c, struct pkernfs_node *n, const char **why)
{
	u32 block = le32_to_cpu(n->ser->xattr);

	if (!block)
		return 0;
	*why = "attributes: in a region without such";
	if (!pkernfs_has(c, PKERNFS_INCOMPAT_XATTR))
		return -EUCLEAN;
	*why = "attributes: not in the pool, or used twice";
	if (pkernfs_pool_take(c, block))
		return -EUCLEAN;
	*why = "attributes: wrong checksum or owner";
	if (!pkernfs_block_sound(pkernfs_block(c->r, block), PKERNFS_XATTR_MAGIC, n->ino,
				 le32_to_cpu(n->ser->generation)))
		return -EUCLEAN;
	*why = pkernfs_xattr_damage(c, pkernfs_block(c->r, block));
	return *why ? -EUCLEAN : 0;
}

/**
 * pkernfs_xattr_get - read an attribute
 * @c: the core
 * @n: the inode
 * @space: PKERNFS_XATTR_*
 * @name: behind the prefix
 * @value: buffer
 * @size: its size, 0: only tell the length
 *
 * Return: length of the value, -ENODATA: there is none, -ERANGE: it is longer.
 */
int pkernfs_xattr_get(struct pkernfs_core *c, struct pkernfs_node *n, u8 space,
		      const char *name, void *value, size_t size)
{
	const struct pkernfs_xattr_block_ser *b;
	const struct pkernfs_xattr_ser *e = NULL;
	int ret = -ENODATA;
	u32 at, next;

	down_read(&c->lock);
	b = pkernfs_xattr_block(c, n);
	if (b)
		e = pkernfs_xattr_find(b, space, name, &at, &next);
	if (e) {
		ret = le16_to_cpu(e->value_len);
		if (size && size < ret)
			ret = -ERANGE;
		else if (size)
			memcpy(value, e->data + e->name_len, ret);
	}
	up_read(&c->lock);
	return ret;
}

/* A block for the first attribute of an inode. */
static struct pkernfs_xattr_block_ser *
pkernfs_xattr_new(struct pkernfs_core *c, struct pkernfs_inode_ser *ser,
		  struct pkernfs_xattr_blocks *blocks)
{
	struct pkernfs_xattr_block_ser *b;
	u64 block = pkernfs_pool_get(c);

	if (!block)
		return NULL;
	blocks->fresh = block;
	if (block > U32_MAX)
		return NULL;
	ser->xattr = cpu_to_le32(block);
	b = pkernfs_tx_block(c, block);
	b->magic = cpu_to_le32(PKERNFS_XATTR_MAGIC);
	b->ino = ser->ino;
	b->generation = ser->generation;
	return b;
}

/**
 * pkernfs_xattr_tx - set or remove an attribute, inside a transaction
 * @c: the core
 * @n: the inode
 * @space: PKERNFS_XATTR_*
 * @name: behind the prefix
 * @value: new value, NULL: remove it
 * @size: its length
 * @flags: XATTR_CREATE, XATTR_REPLACE
 * @blocks: zeroed before the first one of a transaction; for pkernfs_xattr_keep()
 *	after the commit, or pkernfs_xattr_drop() without one
 *
 * Return: 0, -EEXIST or -ENODATA by @flags, -ENOSPC.
 */
int pkernfs_xattr_tx(struct pkernfs_core *c, struct pkernfs_node *n, u8 space,
		     const char *name, const void *value, size_t size, int flags,
		     struct pkernfs_xattr_blocks *blocks)
{
	struct pkernfs_inode_ser *ser = pkernfs_tx_inode(c, n->ino);
	u32 at = 0, next = 0, bytes, need, block = le32_to_cpu(ser->xattr);
	struct pkernfs_xattr_block_ser *b = NULL;
	struct pkernfs_xattr_ser *e;
	bool found;

	if (block)
		b = pkernfs_tx_block(c, block);
	found = b && pkernfs_xattr_find(b, space, name, &at, &next);
	if (found && (flags & XATTR_CREATE))
		return -EEXIST;
	if (!found && (!value || (flags & XATTR_REPLACE)))
		return -ENODATA;
	if (!b)
		b = pkernfs_xattr_new(c, ser, blocks);
	if (!b)
		return -ENOSPC;

	bytes = le32_to_cpu(b->bytes);
	if (found) {
		memmove(b->entry + at, b->entry + next, bytes - next);
		memset(b->entry + bytes - (next - at), 0, next - at);
		bytes -= next - at;
	}
	if (value) {
		need = pkernfs_xattr_units(strlen(name), size);
		if (size > PKERNFS_XATTR_BYTES || need > PKERNFS_XATTR_BYTES - bytes)
			return -ENOSPC;
		e = (void *)b->entry + bytes;
		e->space = space;
		e->name_len = strlen(name);
		e->value_len = cpu_to_le16(size);
		memcpy(b->entry + bytes + sizeof(*e), name, e->name_len);
		memcpy(b->entry + bytes + sizeof(*e) + e->name_len, value, size);
		bytes += need;
	}
	b->bytes = cpu_to_le32(bytes);
	if (!bytes) {
		ser->xattr = 0;
		blocks->empty = block;
	}
	return 0;
}

/* The transaction is committed. */
void pkernfs_xattr_keep(struct pkernfs_core *c, const struct pkernfs_xattr_blocks *blocks)
{
	if (blocks->empty)
		pkernfs_pool_put(c, blocks->empty);
}

/* It was not, and never will be. */
void pkernfs_xattr_drop(struct pkernfs_core *c, const struct pkernfs_xattr_blocks *blocks)
{
	if (blocks->fresh)
		pkernfs_pool_put(c, blocks->fresh);
}

/**
 * pkernfs_xattr_set - set or remove an attribute
 * @c: the core
 * @n: the inode
 * @space: PKERNFS_XATTR_*
 * @name: behind the prefix
 * @value: new value, NULL: remove it
 * @size: its length
 * @flags: XATTR_CREATE, XATTR_REPLACE
 *
 * Return: as pkernfs_xattr_tx(); -EOPNOTSUPP: the region was made without such;
 * -ESHUTDOWN.
 */
int pkernfs_xattr_set(struct pkernfs_core *c, struct pkernfs_node *n, u8 space,
		      const char *name, const void *value, size_t size, int flags)
{
	struct pkernfs_xattr_blocks blocks = {};
	int err;

	if (!pkernfs_has(c, PKERNFS_INCOMPAT_XATTR))
		return -EOPNOTSUPP;
	err = pkernfs_tx_begin(c);
	if (err)
		return err;
	err = pkernfs_xattr_tx(c, n, space, name, value, size, flags, &blocks);
	if (!err)
		err = pkernfs_tx_commit(c);
	if (err)
		pkernfs_xattr_drop(c, &blocks);
	else
		pkernfs_xattr_keep(c, &blocks);
	pkernfs_tx_end(c);
	return err;
}

/* --- the VFS's side ---------------------------------------------------------- */

static bool pkernfs_xattr_listed(struct inode *inode, u8 space)
{
	if (space == PKERNFS_XATTR_TRUSTED)
		return capable(CAP_SYS_ADMIN);
	return !pkernfs_xattr_acl(space) || IS_POSIXACL(inode);
}

/**
 * pkernfs_listxattr - names of all attributes
 * @dentry: of the inode
 * @list: buffer
 * @size: its size, 0: only tell the length
 *
 * Return: length of the names, each with a NUL, or -ERANGE.
 */
ssize_t pkernfs_listxattr(struct dentry *dentry, char *list, size_t size)
{
	struct inode *inode = d_inode(dentry);
	struct pkernfs_core *c = pkernfs_sb_core(inode->i_sb);
	const struct pkernfs_xattr_block_ser *b;
	const struct pkernfs_xattr_ser *e;
	ssize_t done = 0;
	u32 at, next;

	down_read(&c->lock);
	b = pkernfs_xattr_block(c, pkernfs_node(inode));
	for (at = 0; b && (e = pkernfs_xattr_at(b, at, &next)); at = next) {
		const char *prefix;
		size_t len;

		if (e->space >= PKERNFS_XATTR_SPACES || !pkernfs_xattr_listed(inode, e->space))
			continue;
		prefix = pkernfs_xattr_prefix[e->space];
		len = strlen(prefix);
		if (size) {
			if (size - done < len + e->name_len + 1) {
				done = -ERANGE;
				break;
			}
			memcpy(list + done, prefix, len);
			memcpy(list + done + len, e->data, e->name_len);
			list[done + len + e->name_len] = 0;
		}
		done += len + e->name_len + 1;
	}
	up_read(&c->lock);
	return done;
}

static int pkernfs_handler_get(const struct xattr_handler *handler, struct dentry *dentry,
			       struct inode *inode, const char *name, void *value,
			       size_t size)
{
	return pkernfs_xattr_get(pkernfs_sb_core(inode->i_sb), pkernfs_node(inode),
				 handler->flags, name, value, size);
}

static int pkernfs_handler_set(const struct xattr_handler *handler,
			       struct mnt_idmap *idmap, struct dentry *dentry,
			       struct inode *inode, const char *name, const void *value,
			       size_t size, int flags)
{
	int err = pkernfs_xattr_set(pkernfs_sb_core(inode->i_sb), pkernfs_node(inode),
				    handler->flags, name, value, size, flags);

	if (err)
		return err;
	inode_set_ctime_current(inode);
	pkernfs_inode_times(inode);
	return 0;
}

#define PKERNFS_XATTR_HANDLER(what, SPACE)					\
static const struct xattr_handler pkernfs_xattr_##what = {			\
	.prefix	= XATTR_##SPACE##_PREFIX,					\
	.flags	= PKERNFS_XATTR_##SPACE,					\
	.get	= pkernfs_handler_get,						\
	.set	= pkernfs_handler_set,						\
}

PKERNFS_XATTR_HANDLER(user, USER);
PKERNFS_XATTR_HANDLER(trusted, TRUSTED);
PKERNFS_XATTR_HANDLER(security, SECURITY);

const struct xattr_handler * const pkernfs_xattr_handlers[] = {
	&pkernfs_xattr_user,
	&pkernfs_xattr_trusted,
	&pkernfs_xattr_security,
	NULL
};
