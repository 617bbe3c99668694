// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: reading and checking all metadata of a region.
 *
 * One damaged thing, and nothing is loaded; see core.c. fsck.pkernfs(8) has the same rules.
 */

#define pr_fmt(fmt) "pkernfs: " fmt

#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "pkernfs.h"

static const char *pkernfs_special_damage(const struct pkernfs_inode_ser *ser)
{
	umode_t mode = le16_to_cpu(ser->mode);

	if (ser->size || ser->chain ||
	    memchr_inv(&ser->rdev + 1, 0, sizeof(ser->target) - sizeof(ser->rdev)))
		return "inode: special file with data";
	if (ser->rdev && !S_ISCHR(mode) && !S_ISBLK(mode))
		return "inode: a device's number, and no device";
	return NULL;
}

/* Has the region granules of the sizes that an inode speaks of? */
static bool pkernfs_granules_possible(struct pkernfs_core *c, u16 flags)
{
	u16 pool = flags & PKERNFS_INODE_POOL, wish = flags & PKERNFS_INODE_WISH;

	if (pool > PKERNFS_INODE_POOL_1G)
		return false;
	if ((pool == PKERNFS_INODE_POOL_4K || wish == PKERNFS_INODE_WISH_4K) &&
	    !pkernfs_has(c, PKERNFS_INCOMPAT_POOLS))
		return false;
	return (pool != PKERNFS_INODE_POOL_1G && wish != PKERNFS_INODE_WISH_1G) ||
	       pkernfs_has(c, PKERNFS_INCOMPAT_HUGE);
}

static const char *pkernfs_inode_damage(struct pkernfs_core *c,
					const struct pkernfs_inode_ser *ser, u32 ino)
{
	umode_t mode = le16_to_cpu(ser->mode);
	u16 flags = le16_to_cpu(ser->flags);

	if (le32_to_cpu(ser->magic) != PKERNFS_INODE_MAGIC ||
	    le64_to_cpu(ser->ino) != ino ||
	    le32_to_cpu(ser->crc) != pkernfs_inode_crc(ser))
		return "inode: wrong checksum";
	if (!mode)
		return NULL;
	if (flags & ~PKERNFS_INODE_KNOWN ||
	    (flags & PKERNFS_INODE_CHATTR && !pkernfs_has(c, PKERNFS_INCOMPAT_FLAGS)) ||
	    (flags & ~PKERNFS_INODE_CHATTR &&
	     !pkernfs_has(c, PKERNFS_INCOMPAT_POOLS | PKERNFS_INCOMPAT_HUGE)))
		return "inode: a flag that this kernel does not know";
	if (!pkernfs_granules_possible(c, flags) ||
	    (flags & PKERNFS_INODE_POOL && !S_ISREG(mode)) ||
	    (flags & PKERNFS_INODE_WISH && !S_ISREG(mode) && !S_ISDIR(mode)))
		return "inode: impossible granules";
	switch (mode & S_IFMT) {
	case S_IFREG:
		if (le64_to_cpu(ser->size) > pkernfs_max_size(c))
			return "inode: impossible size";
		break;
	case S_IFDIR:
		if (le32_to_cpu(ser->nlink) == 1)
			return "inode: directory with one link";
		break;
	case S_IFLNK:
		break;
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		if (!pkernfs_has(c, PKERNFS_INCOMPAT_SPECIAL))
			return "inode: special file in a region without such";
		return pkernfs_special_damage(ser);
	default:
		return "inode: unknown type";
	}
	return NULL;
}

static int pkernfs_load_inode(struct pkernfs_core *c, u32 ino, const char **why)
{
	const struct pkernfs_inode_ser *ser =
		pkernfs_block(c->r, pkernfs_area_start(&c->r->sb->inodes)) +
		(u64)ino * PKERNFS_INODE_SIZE;
	umode_t mode = le16_to_cpu(ser->mode);
	struct pkernfs_node *n;

	if (!memchr_inv(ser, 0, PKERNFS_INODE_STATIC))
		return 0;	/* never used */
	*why = pkernfs_inode_damage(c, ser, ino);
	if (*why)
		return -EUCLEAN;
	if (!mode)
		return 0;	/* free again */

	*why = "no memory";
	n = pkernfs_node_load(c, ino, S_ISREG(mode));
	if (!n)
		return -ENOMEM;
	if (!ser->nlink)
		list_add_tail(&n->orphan, &c->orphans);
	if (pkernfs_xattr_load(c, n, why))
		return -EUCLEAN;
	if (S_ISREG(mode))
		return pkernfs_extent_load(c, n, why);
	if (S_ISDIR(mode))
		return pkernfs_dirent_load(c, n, why);
	if (S_ISLNK(mode))
		return pkernfs_symlink_load(c, n, why);
	return 0;
}

static umode_t pkernfs_node_type(const struct pkernfs_node *n)
{
	return le16_to_cpu(n->ser->mode) & S_IFMT;
}

/* Do the entries of a directory name inodes that are there, and of that type? */
static const char *pkernfs_load_names(struct pkernfs_core *c, struct pkernfs_node *n)
{
	const struct pkernfs_dirent_ser *de;
	const char *why = pkernfs_dirent_twice(c, n);
	u64 cookie = 0;

	if (why)
		return why;
	while ((de = pkernfs_dirent_next(c, n, &cookie))) {
		struct pkernfs_node *child = pkernfs_node_find(c, le64_to_cpu(de->ino));

		if (!n->ser->nlink)
			return "directory: removed, and not empty";
		if (!child || child->ino == PKERNFS_ROOT_INO)
			return "directory: entry without an inode";
		if (de->type != fs_umode_to_dtype(pkernfs_node_type(child)))
			return "directory: entry of another type than its inode";
		child->seen++;
		if (de->type == DT_DIR) {
			/* The upper half may have been counted already. */
			if (le64_to_cpu(child->ser->parent) != n->ino ||
			    (child->seen & 0xffff) > 1)
				return "directory: in two places";
			if (n->seen >> 16 == U16_MAX)
				return "directory: too many directories in it";
			n->seen += 1U << 16;	/* a subdirectory, see below */
		}
	}
	return NULL;
}

/*
 * Does the way up from each directory lead to the root? Each has one name by now, where
 * it says that it lies. One that lies in itself would have no end when a file handle is
 * looked up. node->seen is now who has come this way first.
 */
static const char *pkernfs_load_reach(struct pkernfs_core *c)
{
	struct pkernfs_node *n, *at;
	unsigned long ino;

	xa_for_each(&c->nodes, ino, n)
		n->seen = 0;
	xa_for_each(&c->nodes, ino, n) {
		if (pkernfs_node_type(n) != S_IFDIR || !n->ser->nlink)
			continue;
		for (at = n; at->ino != PKERNFS_ROOT_INO && !at->seen;
		     at = pkernfs_node_find(c, le64_to_cpu(at->ser->parent)))
			at->seen = ino;
		if (at->ino != PKERNFS_ROOT_INO && at->seen == ino)
			return "directory: lies in itself";
	}
	return NULL;
}

/* Every link counted. Directories: names in the lower half, children in the upper. */
static const char *pkernfs_load_links(struct pkernfs_core *c)
{
	struct pkernfs_node *n;
	unsigned long ino;
	const char *why;

	xa_for_each(&c->nodes, ino, n) {
		why = pkernfs_node_type(n) == S_IFDIR ? pkernfs_load_names(c, n) : NULL;
		if (why)
			return why;
	}
	xa_for_each(&c->nodes, ino, n) {
		u32 nlink = le32_to_cpu(n->ser->nlink);

		if (pkernfs_node_type(n) != S_IFDIR) {
			if (nlink != n->seen)
				return "inode: wrong number of links";
		} else if (nlink) {
			u32 names = ino == PKERNFS_ROOT_INO ? 0 : 1;

			if ((n->seen & 0xffff) != names || nlink != 2 + (n->seen >> 16))
				return "directory: wrong number of links";
		} else if (n->seen) {
			return "directory: removed, and has a name";
		}
	}
	return pkernfs_load_reach(c);
}

/* How far the inode table has been used. */
static const char *pkernfs_load_mark(struct pkernfs_core *c)
{
	const struct pkernfs_table_ser *t = pkernfs_table(c);

	if (!pkernfs_has(c, PKERNFS_INCOMPAT_MARK))
		return NULL;
	if (!pkernfs_table_sound(t))
		return "inode table: wrong checksum";
	if (le64_to_cpu(t->mark) <= PKERNFS_ROOT_INO || le64_to_cpu(t->mark) > c->inodes)
		return "inode table: impossible mark";
	return NULL;
}

int pkernfs_core_read(struct pkernfs_core *c, const char **why)
{
	struct pkernfs_node *root;
	struct pkernfs_gpool *p;
	u32 ino, mark;
	int err;

	*why = "no memory";
	err = pkernfs_alloc_init(c);
	if (err)
		return err;
	err = pkernfs_journal_replay(c, why);
	if (err)
		return err;
	err = pkernfs_bad_load(c, why);
	if (err)
		return err;
	*why = pkernfs_load_mark(c);
	if (*why)
		return -EUCLEAN;
	mark = pkernfs_ino_mark(c);
	for (ino = PKERNFS_ROOT_INO; ino < mark; ino++) {
		err = pkernfs_load_inode(c, ino, why);
		if (err) {
			pkernfs_load_say(pr_err, "region %u: inode %u: %s\n",
					 c->r->index, ino, *why);
			return err;
		}
		cond_resched();
	}
	root = pkernfs_node_find(c, PKERNFS_ROOT_INO);
	if (!root || pkernfs_node_type(root) != S_IFDIR || !root->ser->nlink) {
		*why = "no root directory";
		return -EUCLEAN;
	}
	down_read(&c->lock);
	for (p = c->gpool; p < c->gpool + PKERNFS_GPOOLS; p++)
		pkernfs_bad_withhold(c, p, 0, p->granules);
	*why = pkernfs_load_links(c);
	up_read(&c->lock);
	return *why ? -EUCLEAN : 0;
}
