// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: operations as dir.c, inode.c and file.c do them, without the VFS. See ops.h.
 */

#include <linux/string.h>
#include <linux/xattr.h>

#include "ops.h"

static struct qstr pkernfs_test_name(const char *name)
{
	return (struct qstr) { .name = (const unsigned char *)name, .len = strlen(name) };
}

/* --- names ------------------------------------------------------------------- */

/* A target so long, at least one byte. */
static int pkernfs_test_target(struct pkernfs_core *c, struct pkernfs_node *n, u32 len)
{
	static char target[PKERNFS_LINK_BYTES + 1];

	memset(target, 'x', sizeof(target));
	target[clamp_t(u32, len, 1, sizeof(target) - 1)] = 0;
	return pkernfs_symlink_tx(c, n, target);
}

/* @rdev: of a symbolic link the length of its target. */
static struct pkernfs_node *pkernfs_test_node(struct pkernfs_core *c, umode_t mode,
					      u32 nlink, u32 rdev)
{
	struct pkernfs_node *n = pkernfs_node_new(c, S_ISREG(mode));
	struct pkernfs_inode_ser *ser;
	int err;

	if (IS_ERR(n))
		return n;
	ser = pkernfs_tx_fresh(c, n->ino);
	ser->mode = cpu_to_le16(mode);
	ser->nlink = cpu_to_le32(nlink);
	if (!S_ISLNK(mode)) {
		ser->rdev = cpu_to_le32(rdev);
		return n;
	}
	err = pkernfs_test_target(c, n, rdev);
	if (!err)
		return n;
	pkernfs_node_free(c, n);
	return ERR_PTR(err);
}

/* No name: as O_TMPFILE does it. */
static int pkernfs_test_create_tx(struct pkernfs_core *c, struct pkernfs_node *d,
				  const struct qstr *name, umode_t mode, u32 rdev,
				  const struct pkernfs_acls *acls, u32 *ino)
{
	struct pkernfs_xattr_blocks blocks = {};
	struct pkernfs_place at = {};
	struct pkernfs_node *n;
	int err = 0;

	n = pkernfs_test_node(c, mode, S_ISDIR(mode) ? 2 : !!name, rdev);
	if (IS_ERR(n))
		return PTR_ERR(n);
	*ino = n->ino;
	if (name)
		err = pkernfs_dirent_room(c, d, name, &at);
	if (err)
		goto free;
	if (S_ISDIR(mode)) {
		pkernfs_tx_inode(c, n->ino)->parent = cpu_to_le64(d->ino);
		le32_add_cpu(&pkernfs_tx_inode(c, d->ino)->nlink, 1);
	}
	if (name)
		pkernfs_dirent_add(c, d, &at, name, *ino, fs_umode_to_dtype(mode));
	err = pkernfs_acl_tx(c, n, acls, &blocks) ?: pkernfs_tx_commit(c);
	if (err) {
		pkernfs_xattr_drop(c, &blocks);
		pkernfs_dirent_drop(c, &at);
		goto free;
	}
	pkernfs_dirent_keep(d, &at);
	return 0;
free:
	pkernfs_symlink_drop(c, n);
	pkernfs_node_free(c, n);
	return err;
}

int pkernfs_test_make(struct pkernfs_core *c, u32 dir, const char *name,
		      umode_t mode, u32 rdev, const struct pkernfs_acls *acls, u32 *ino)
{
	static const struct pkernfs_acls none;
	struct qstr q = pkernfs_test_name(name ?: "");
	int err = pkernfs_tx_begin(c);

	if (err)
		return err;
	err = pkernfs_test_create_tx(c, pkernfs_node_find(c, dir), name ? &q : NULL, mode, rdev,
				     acls ?: &none, ino);
	pkernfs_tx_end(c);
	return err;
}

int pkernfs_test_create(struct pkernfs_core *c, const char *name, u32 *ino)
{
	return pkernfs_test_make(c, PKERNFS_ROOT_INO, name, S_IFREG | 0644, 0, NULL, ino);
}

int pkernfs_test_mknod(struct pkernfs_core *c, const char *name, umode_t mode, u32 rdev,
		       u32 *ino)
{
	return pkernfs_test_make(c, PKERNFS_ROOT_INO, name, mode | 0644, rdev, NULL, ino);
}

int pkernfs_test_symlink(struct pkernfs_core *c, const char *name, u32 len, u32 *ino)
{
	return pkernfs_test_make(c, PKERNFS_ROOT_INO, name, S_IFLNK | 0777, len, NULL, ino);
}

int pkernfs_test_mkdir(struct pkernfs_core *c, u32 dir, const char *name, u32 *ino)
{
	return pkernfs_test_make(c, dir, name, S_IFDIR | 0755, 0, NULL, ino);
}

static bool pkernfs_test_is_dir(struct pkernfs_core *c, u32 ino)
{
	return S_ISDIR(le16_to_cpu(pkernfs_node_find(c, ino)->ser->mode));
}

/* A name of @d goes away; the entry itself is the caller's. */
static void pkernfs_test_drop_name(struct pkernfs_core *c, struct pkernfs_node *d, u32 ino)
{
	struct pkernfs_inode_ser *ser = pkernfs_tx_inode(c, ino);

	if (pkernfs_test_is_dir(c, ino)) {
		ser->nlink = 0;
		le32_add_cpu(&pkernfs_tx_inode(c, d->ino)->nlink, -1);
	} else {
		le32_add_cpu(&ser->nlink, -1);
	}
}

/* As unlink(2) and rmdir(2), in use: the inode stays. */
int pkernfs_test_remove(struct pkernfs_core *c, const char *name, u32 *ino)
{
	struct pkernfs_node *d = pkernfs_node_find(c, PKERNFS_ROOT_INO);
	struct qstr q = pkernfs_test_name(name);
	const struct pkernfs_dirent_ser *de;
	struct pkernfs_place at;
	int err = pkernfs_tx_begin(c);

	if (err)
		return err;
	err = -ENOENT;
	de = pkernfs_dirent_find(c, d, &q, &at);
	if (de) {
		*ino = le64_to_cpu(de->ino);
		pkernfs_dirent_del(c, d, &at);
		pkernfs_test_drop_name(c, d, *ino);
		err = pkernfs_tx_commit(c);
	}
	pkernfs_tx_end(c);
	return err;
}

/* Two transactions: the name, and the inode. */
int pkernfs_test_unlink(struct pkernfs_core *c, const char *name)
{
	u32 ino = 0;

	return pkernfs_test_remove(c, name, &ino) ?:
	       pkernfs_node_destroy(c, pkernfs_node_find(c, ino));
}

int pkernfs_test_link(struct pkernfs_core *c, u32 ino, const char *name)
{
	struct pkernfs_node *d = pkernfs_node_find(c, PKERNFS_ROOT_INO);
	struct qstr q = pkernfs_test_name(name);
	struct pkernfs_place at;
	int err = pkernfs_tx_begin(c);

	if (err)
		return err;
	err = pkernfs_dirent_room(c, d, &q, &at);
	if (!err) {
		pkernfs_dirent_add(c, d, &at, &q, ino, DT_REG);
		le32_add_cpu(&pkernfs_tx_inode(c, ino)->nlink, 1);
		err = pkernfs_tx_commit(c);
		if (err)
			pkernfs_dirent_drop(c, &at);
		else
			pkernfs_dirent_keep(d, &at);
	}
	pkernfs_tx_end(c);
	return err;
}

/* A directory lies in another one now. */
static void pkernfs_test_moved(struct pkernfs_core *c, struct pkernfs_node *from,
			       struct pkernfs_node *to, u32 ino)
{
	if (from == to || !pkernfs_test_is_dir(c, ino))
		return;
	pkernfs_tx_inode(c, ino)->parent = cpu_to_le64(to->ino);
	le32_add_cpu(&pkernfs_tx_inode(c, from->ino)->nlink, -1);
	le32_add_cpu(&pkernfs_tx_inode(c, to->ino)->nlink, 1);
}

static int pkernfs_test_rename_tx(struct pkernfs_core *c, struct pkernfs_node *d,
				  const struct qstr *from, struct pkernfs_node *d_to,
				  const struct qstr *to, unsigned int flags)
{
	const struct pkernfs_dirent_ser *de, *over;
	struct pkernfs_place at, at_to;
	struct pkernfs_node *n = NULL;
	u32 ino, ino_to = 0;
	int err;

	de = pkernfs_dirent_find(c, d, from, &at);
	if (!de)
		return -ENOENT;
	ino = le64_to_cpu(de->ino);
	over = pkernfs_dirent_find(c, d_to, to, &at_to);
	if (over) {
		ino_to = le64_to_cpu(over->ino);
		pkernfs_dirent_set(c, d_to, &at_to, ino, de->type);
	} else {
		err = pkernfs_dirent_room(c, d_to, to, &at_to);
		if (err)
			return err;
		pkernfs_dirent_add(c, d_to, &at_to, to, ino, de->type);
	}
	pkernfs_test_moved(c, d, d_to, ino);
	if (flags & RENAME_EXCHANGE) {
		pkernfs_dirent_set(c, d, &at, ino_to, over->type);
		pkernfs_test_moved(c, d_to, d, ino_to);
	} else {
		if (over)
			pkernfs_test_drop_name(c, d_to, ino_to);
		if (flags & RENAME_WHITEOUT)
			n = pkernfs_test_node(c, S_IFCHR, 1, 0);
		if (IS_ERR(n))
			return PTR_ERR(n);
		if (n)
			pkernfs_dirent_set(c, d, &at, n->ino, DT_CHR);
		else
			pkernfs_dirent_del(c, d, &at);
	}
	err = pkernfs_tx_commit(c);
	if (!err) {
		pkernfs_dirent_keep(d_to, &at_to);
		return 0;
	}
	pkernfs_dirent_drop(c, &at_to);
	if (n)
		pkernfs_node_free(c, n);
	return err;
}

/* Over an existing one too, which is left an orphan: as rename(2) in use. */
int pkernfs_test_rename_to(struct pkernfs_core *c, u32 dir, const char *from, u32 dir_to,
			   const char *to, unsigned int flags)
{
	struct qstr qf = pkernfs_test_name(from), qt = pkernfs_test_name(to);
	int err = pkernfs_tx_begin(c);

	if (err)
		return err;
	err = pkernfs_test_rename_tx(c, pkernfs_node_find(c, dir), &qf,
				     pkernfs_node_find(c, dir_to), &qt, flags);
	pkernfs_tx_end(c);
	return err;
}

/* In the root directory. */
int pkernfs_test_rename(struct pkernfs_core *c, const char *from, const char *to,
			unsigned int flags)
{
	return pkernfs_test_rename_to(c, PKERNFS_ROOT_INO, from, PKERNFS_ROOT_INO, to, flags);
}

/* core->lock is held. */
u32 pkernfs_test_lookup_locked(struct pkernfs_core *c, const char *name)
{
	struct qstr q = pkernfs_test_name(name);
	const struct pkernfs_dirent_ser *de;

	de = pkernfs_dirent_find(c, pkernfs_node_find(c, PKERNFS_ROOT_INO), &q, NULL);
	return de ? le64_to_cpu(de->ino) : 0;
}

/* In the root directory. */
u32 pkernfs_test_lookup(struct pkernfs_core *c, const char *name)
{
	u32 ino;

	down_read(&c->lock);
	ino = pkernfs_test_lookup_locked(c, name);
	up_read(&c->lock);
	return ino;
}

/* --- data -------------------------------------------------------------------- */

/* Fill and cut in granules of 2 MiB. */
int pkernfs_test_fill(struct pkernfs_core *c, struct pkernfs_node *n, u64 first, u64 last)
{
	return pkernfs_extent_fill(c, n, first << PKERNFS_GRANULE_SHIFT,
				   (last << PKERNFS_GRANULE_SHIFT) + PKERNFS_GRANULE_SIZE - 1,
				   &c->gpool[PKERNFS_GPOOL_2M]);
}

int pkernfs_test_cut(struct pkernfs_core *c, struct pkernfs_node *n, u64 first, u64 last,
		     s64 size)
{
	return pkernfs_extent_cut(c, n, first << PKERNFS_GRANULE_SHIFT,
				  (last << PKERNFS_GRANULE_SHIFT) + PKERNFS_GRANULE_SIZE - 1,
				  size, 0);
}
