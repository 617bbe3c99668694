// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: operations on names.
 *
 * Each is one transaction, whatever it touches: the entry, the inode, the parent,
 * and for rename the other parent and what was in the way. The VFS holds the
 * inode locks of the directories, and of what loses a link.
 */

#include <linux/filelock.h>
#include <linux/fs.h>
#include <linux/pkernfs_compat.h>

#include "pkernfs.h"

static void pkernfs_dir_changed(struct inode *dir)
{
	inode_set_mtime_to_ts(dir, inode_set_ctime_current(dir));
	pkernfs_inode_times(dir);
}

static void pkernfs_inode_changed(struct inode *inode)
{
	inode_set_ctime_current(inode);
	pkernfs_inode_times(inode);
}

static struct dentry *pkernfs_lookup(struct inode *dir, struct dentry *dentry,
				     unsigned int flags)
{
	struct pkernfs_core *c = pkernfs_sb_core(dir->i_sb);
	const struct pkernfs_dirent_ser *de;
	struct inode *inode = NULL;
	u32 ino = 0;

	if (dentry->d_name.len > PKERNFS_NAME_MAX)
		return ERR_PTR(-ENAMETOOLONG);
	down_read(&c->lock);
	de = pkernfs_dirent_find(c, pkernfs_node(dir), &dentry->d_name, NULL);
	if (de)
		ino = le64_to_cpu(de->ino);
	up_read(&c->lock);
	if (ino)
		inode = pkernfs_iget(dir->i_sb, ino, 0);
	return d_splice_alias(inode, dentry);
}

static int pkernfs_iterate(struct file *file, struct dir_context *ctx)
{
	struct inode *dir = file_inode(file);
	struct pkernfs_core *c = pkernfs_sb_core(dir->i_sb);
	const struct pkernfs_dirent_ser *de;
	char name[PKERNFS_NAME_MAX];
	u64 cookie, ino;
	u8 len, type;

	if (!dir_emit_dots(file, ctx))
		return 0;
	cookie = ctx->pos - 2;
	for (;;) {
		/* dir_emit() may fault, and a fault may need the lock: copy first. */
		down_read(&c->lock);
		pkernfs_dirent_resume(c, pkernfs_node(dir), &cookie);
		de = pkernfs_dirent_next(c, pkernfs_node(dir), &cookie);
		if (de) {
			ino = le64_to_cpu(de->ino);
			len = de->len;
			type = de->type;
			memcpy(name, de->name, len);
		}
		up_read(&c->lock);
		if (!de || !dir_emit(ctx, name, len, ino, type))
			return 0;
		ctx->pos = cookie + 2;
	}
}

/*
 * Fill in the inode of a new file; it is in no directory yet. One that never gets a
 * name is an orphan for the next kernel.
 */
static void pkernfs_new_ser(struct pkernfs_core *c, struct pkernfs_node *n,
			    struct inode *inode, struct inode *dir, bool named)
{
	struct pkernfs_inode_ser *ser = pkernfs_tx_fresh(c, n->ino);

	ser->mode = cpu_to_le16(inode->i_mode);
	if (S_ISREG(inode->i_mode) || S_ISDIR(inode->i_mode))
		ser->flags = cpu_to_le16(pkernfs_wish(dir));
	ser->uid = cpu_to_le32(i_uid_read(inode));
	ser->gid = cpu_to_le32(i_gid_read(inode));
	ser->nlink = cpu_to_le32(S_ISDIR(inode->i_mode) ? 2 : named);
	ser->parent = cpu_to_le64(S_ISDIR(inode->i_mode) ? dir->i_ino : 0);
	if (S_ISCHR(inode->i_mode) || S_ISBLK(inode->i_mode))
		ser->rdev = cpu_to_le32(new_encode_dev(inode->i_rdev));
	/* By the clock that all changes go by, or the first could be older than the file. */
	ser->btime = pkernfs_time_ser(simple_inode_init_ts(inode));

	/* The slot is free: its times mean nothing before the commit. */
	WRITE_ONCE(n->ser->atime, ser->btime);
	WRITE_ONCE(n->ser->mtime, ser->btime);
	WRITE_ONCE(n->ser->ctime, ser->btime);
}

static int pkernfs_make_tx(struct pkernfs_core *c, struct inode *dir,
			   const struct qstr *name, struct inode *inode,
			   const char *target, const struct pkernfs_acls *acls)
{
	struct pkernfs_node *d = pkernfs_node(dir), *n;
	struct pkernfs_xattr_blocks blocks = {};
	struct pkernfs_place at = {};
	int err;

	n = pkernfs_node_new(c, S_ISREG(inode->i_mode));
	if (IS_ERR(n))
		return PTR_ERR(n);
	inode->i_ino = n->ino;
	if (name) {
		err = pkernfs_dirent_room(c, d, name, &at);
		if (err)
			goto free;
		pkernfs_dirent_add(c, d, &at, name, n->ino,
				   fs_umode_to_dtype(inode->i_mode));
	}
	pkernfs_new_ser(c, n, inode, dir, name);
	err = target ? pkernfs_symlink_tx(c, n, target) : 0;
	if (!err)
		err = pkernfs_acl_tx(c, n, acls, &blocks);
	if (err)
		goto drop;
	if (S_ISDIR(inode->i_mode))
		pkernfs_tx_inode(c, d->ino)->nlink = cpu_to_le32(dir->i_nlink + 1);
	/* When all else has been had: one that fails is in the way of the next for a while. */
	err = insert_inode_locked(inode);
	if (!err)
		err = pkernfs_tx_commit(c);
	if (err)
		goto drop;
	pkernfs_dirent_keep(d, &at);
	if (S_ISDIR(inode->i_mode))
		inc_nlink(dir);
	pkernfs_inode_init(inode, n);
	return 0;
drop:
	pkernfs_symlink_drop(c, n);
	pkernfs_xattr_drop(c, &blocks);
	pkernfs_dirent_drop(c, &at);
free:
	pkernfs_node_free(c, n);
	return err;
}

/* A new inode, locked and with its number, in @dir; without a name: in none. */
static struct inode *pkernfs_new(struct mnt_idmap *idmap, struct inode *dir,
				 const struct qstr *name, umode_t mode,
				 const char *target, dev_t rdev)
{
	struct pkernfs_core *c = pkernfs_sb_core(dir->i_sb);
	struct pkernfs_acls acls = {};
	struct inode *inode;
	int err;

	if (name && name->len > PKERNFS_NAME_MAX)
		return ERR_PTR(-ENAMETOOLONG);
	inode = new_inode(dir->i_sb);
	if (!inode)
		return ERR_PTR(-ENOMEM);
	inode_init_owner(idmap, inode, dir, mode);
	inode->i_rdev = rdev;

	err = pkernfs_acl_inherit(dir, inode, &acls);
	if (!err)
		err = pkernfs_tx_begin(c);
	if (!err) {
		err = pkernfs_make_tx(c, dir, name, inode, target, &acls);
		pkernfs_tx_end(c);
	}
	pkernfs_acl_done(inode, &acls, !err);
	if (!err)
		return inode;
	/* Hashed and new, or not hashed at all; without a node either way. */
	clear_nlink(inode);
	if (inode_state_read_once(inode) & I_NEW)
		discard_new_inode(inode);
	else
		iput(inode);
	return ERR_PTR(err);
}

static int pkernfs_make(struct mnt_idmap *idmap, struct inode *dir,
			struct dentry *dentry, umode_t mode, const char *target,
			dev_t rdev)
{
	struct inode *inode = pkernfs_new(idmap, dir, &dentry->d_name, mode, target, rdev);

	if (IS_ERR(inode))
		return PTR_ERR(inode);
	pkernfs_dir_changed(dir);
	d_instantiate_new(dentry, inode);
	return 0;
}

static int pkernfs_create(struct mnt_idmap *idmap, struct inode *dir,
			  struct dentry *dentry, PKERNFS_CREATE_MODE)
{
	return pkernfs_make(idmap, dir, dentry, mode | S_IFREG, NULL, 0);
}

static struct dentry *pkernfs_mkdir(struct mnt_idmap *idmap, struct inode *dir,
				    struct dentry *dentry, umode_t mode)
{
	return ERR_PTR(pkernfs_make(idmap, dir, dentry, mode | S_IFDIR, NULL, 0));
}

static int pkernfs_symlink(struct mnt_idmap *idmap, struct inode *dir,
			   struct dentry *dentry, const char *target)
{
	return pkernfs_make(idmap, dir, dentry, S_IFLNK | 0777, target, 0);
}

/* The VFS has seen to it that @mode is a special file. */
static int pkernfs_mknod(struct mnt_idmap *idmap, struct inode *dir,
			 struct dentry *dentry, umode_t mode, dev_t rdev)
{
	if (!pkernfs_has(pkernfs_sb_core(dir->i_sb), PKERNFS_INCOMPAT_SPECIAL))
		return -EOPNOTSUPP;
	return pkernfs_make(idmap, dir, dentry, mode, NULL, rdev);
}

static int pkernfs_tmpfile(struct mnt_idmap *idmap, struct inode *dir,
			   struct file *file, umode_t mode)
{
	struct inode *inode = pkernfs_new(idmap, dir, NULL, mode, NULL, 0);

	if (IS_ERR(inode))
		return PTR_ERR(inode);
	/* Not d_tmpfile(): there is no link left to drop. */
	d_mark_tmpfile(file, inode);
	d_instantiate_new(file->f_path.dentry, inode);
	return finish_open_simple(file, 0);
}

static int pkernfs_link(struct dentry *old, struct inode *dir, struct dentry *dentry)
{
	struct pkernfs_core *c = pkernfs_sb_core(dir->i_sb);
	struct inode *inode = d_inode(old);
	struct pkernfs_node *d = pkernfs_node(dir);
	struct pkernfs_place at;
	int err;

	if (dentry->d_name.len > PKERNFS_NAME_MAX)
		return -ENAMETOOLONG;
	err = pkernfs_tx_begin(c);
	if (err)
		return err;
	err = pkernfs_dirent_room(c, d, &dentry->d_name, &at);
	if (err)
		goto out;
	pkernfs_dirent_add(c, d, &at, &dentry->d_name, inode->i_ino,
			   fs_umode_to_dtype(inode->i_mode));
	pkernfs_tx_inode(c, inode->i_ino)->nlink = cpu_to_le32(inode->i_nlink + 1);
	err = pkernfs_tx_commit(c);
	if (err) {
		pkernfs_dirent_drop(c, &at);
		goto out;
	}
	pkernfs_dirent_keep(d, &at);
	inc_nlink(inode);
out:
	pkernfs_tx_end(c);
	if (err)
		return err;
	pkernfs_inode_changed(inode);
	pkernfs_dir_changed(dir);
	ihold(inode);
	d_instantiate(dentry, inode);
	return 0;
}

/* May this inode lose a name? Of a directory: is it empty? */
static int pkernfs_may_unlink(struct pkernfs_core *c, struct pkernfs_node *n)
{
	u64 cookie = 0;

	/* A device file, or pages that a device reaches: not the last name. */
	if (n->device || (n->holds && le32_to_cpu(n->ser->nlink) == 1))
		return -EBUSY;
	if (S_ISDIR(le16_to_cpu(n->ser->mode)) && pkernfs_dirent_next(c, n, &cookie))
		return -ENOTEMPTY;
	return 0;
}

/* A name goes away: what that means for the inode and, of a directory, for @dir. */
static void pkernfs_tx_unlink(struct pkernfs_core *c, struct inode *dir,
			      struct inode *inode)
{
	bool is_dir = S_ISDIR(inode->i_mode);

	pkernfs_tx_inode(c, inode->i_ino)->nlink =
		cpu_to_le32(is_dir ? 0 : inode->i_nlink - 1);
	if (is_dir)
		le32_add_cpu(&pkernfs_tx_inode(c, dir->i_ino)->nlink, -1);
}

static void pkernfs_unlinked(struct inode *dir, struct inode *inode)
{
	if (S_ISDIR(inode->i_mode)) {
		clear_nlink(inode);
		drop_nlink(dir);
	} else {
		drop_nlink(inode);
	}
}

static int pkernfs_unlink(struct inode *dir, struct dentry *dentry)
{
	struct pkernfs_core *c = pkernfs_sb_core(dir->i_sb);
	struct inode *inode = d_inode(dentry);
	struct pkernfs_place at;
	int err;

	err = pkernfs_tx_begin(c);
	if (err)
		return err;
	err = pkernfs_may_unlink(c, pkernfs_node(inode));
	if (err)
		goto out;
	err = -ENOENT;
	if (!pkernfs_dirent_find(c, pkernfs_node(dir), &dentry->d_name, &at))
		goto out;
	pkernfs_dirent_del(c, pkernfs_node(dir), &at);
	pkernfs_tx_unlink(c, dir, inode);
	err = pkernfs_tx_commit(c);
	if (!err)
		pkernfs_unlinked(dir, inode);
out:
	pkernfs_tx_end(c);
	if (err == -EBUSY)
		pkernfs_say_held(inode, 0, MAX_LFS_FILESIZE);
	if (err)
		return err;
	pkernfs_inode_changed(inode);
	pkernfs_dir_changed(dir);
	return 0;
}

static int pkernfs_exchange(struct pkernfs_core *c, struct inode *old_dir,
			    struct dentry *old, struct inode *new_dir,
			    struct dentry *new)
{
	struct inode *a = d_inode(old), *b = d_inode(new);
	struct pkernfs_place at_a, at_b;
	int moved = S_ISDIR(a->i_mode) - S_ISDIR(b->i_mode), err;

	if (!pkernfs_dirent_find(c, pkernfs_node(old_dir), &old->d_name, &at_a) ||
	    !pkernfs_dirent_find(c, pkernfs_node(new_dir), &new->d_name, &at_b))
		return -ENOENT;
	pkernfs_dirent_set(c, pkernfs_node(old_dir), &at_a, b->i_ino,
			   fs_umode_to_dtype(b->i_mode));
	pkernfs_dirent_set(c, pkernfs_node(new_dir), &at_b, a->i_ino,
			   fs_umode_to_dtype(a->i_mode));
	if (old_dir != new_dir) {
		if (S_ISDIR(a->i_mode))
			pkernfs_tx_inode(c, a->i_ino)->parent = cpu_to_le64(new_dir->i_ino);
		if (S_ISDIR(b->i_mode))
			pkernfs_tx_inode(c, b->i_ino)->parent = cpu_to_le64(old_dir->i_ino);
		le32_add_cpu(&pkernfs_tx_inode(c, new_dir->i_ino)->nlink, moved);
		le32_add_cpu(&pkernfs_tx_inode(c, old_dir->i_ino)->nlink, -moved);
	}
	err = pkernfs_tx_commit(c);
	if (err)
		return err;
	if (old_dir != new_dir && moved > 0) {
		inc_nlink(new_dir);
		drop_nlink(old_dir);
	} else if (old_dir != new_dir && moved < 0) {
		inc_nlink(old_dir);
		drop_nlink(new_dir);
	}
	return 0;
}

/* With @whiteout, an inode of the VFS for its owner and mode only, that is left. */
static int pkernfs_move(struct pkernfs_core *c, struct inode *old_dir,
			struct dentry *old, struct inode *new_dir,
			struct dentry *new, struct inode *whiteout)
{
	struct pkernfs_node *from = pkernfs_node(old_dir), *to = pkernfs_node(new_dir);
	struct inode *inode = d_inode(old), *target = d_inode(new);
	bool moved_dir = S_ISDIR(inode->i_mode) && old_dir != new_dir;
	u8 type = fs_umode_to_dtype(inode->i_mode);
	struct pkernfs_place at_old, at_new;
	struct pkernfs_node *n = NULL;
	int err;

	if (!pkernfs_dirent_find(c, from, &old->d_name, &at_old))
		return -ENOENT;
	if (target) {
		err = pkernfs_may_unlink(c, pkernfs_node(target));
		if (err)
			return err;
		if (!pkernfs_dirent_find(c, to, &new->d_name, &at_new))
			return -ENOENT;
		pkernfs_dirent_set(c, to, &at_new, inode->i_ino, type);
		pkernfs_tx_unlink(c, new_dir, target);
	} else {
		err = pkernfs_dirent_room(c, to, &new->d_name, &at_new);
		if (err)
			return err;
		pkernfs_dirent_add(c, to, &at_new, &new->d_name, inode->i_ino, type);
	}
	if (whiteout) {
		n = pkernfs_node_new(c, false);
		if (IS_ERR(n)) {
			err = PTR_ERR(n);
			n = NULL;
			goto drop;
		}
		pkernfs_new_ser(c, n, whiteout, old_dir, true);
		pkernfs_dirent_set(c, from, &at_old, n->ino, DT_CHR);
	} else {
		pkernfs_dirent_del(c, from, &at_old);
	}
	if (moved_dir) {
		pkernfs_tx_inode(c, inode->i_ino)->parent = cpu_to_le64(new_dir->i_ino);
		le32_add_cpu(&pkernfs_tx_inode(c, old_dir->i_ino)->nlink, -1);
		le32_add_cpu(&pkernfs_tx_inode(c, new_dir->i_ino)->nlink, 1);
	}
	err = pkernfs_tx_commit(c);
	if (err)
		goto drop;

	pkernfs_dirent_keep(to, &at_new);
	if (moved_dir) {
		drop_nlink(old_dir);
		inc_nlink(new_dir);
	}
	if (target)
		pkernfs_unlinked(new_dir, target);
	return 0;
drop:
	pkernfs_dirent_drop(c, &at_new);
	if (n)
		pkernfs_node_free(c, n);
	return err;
}

static int pkernfs_rename(struct mnt_idmap *idmap, struct inode *old_dir,
			  struct dentry *old, struct inode *new_dir,
			  struct dentry *new, unsigned int flags)
{
	struct pkernfs_core *c = pkernfs_sb_core(old_dir->i_sb);
	struct inode *whiteout = NULL;
	int err;

	if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	if (new->d_name.len > PKERNFS_NAME_MAX)
		return -ENAMETOOLONG;
	if (flags & RENAME_WHITEOUT) {
		if (!pkernfs_has(c, PKERNFS_INCOMPAT_SPECIAL))
			return -EINVAL;
		whiteout = new_inode(old_dir->i_sb);
		if (!whiteout)
			return -ENOMEM;
		inode_init_owner(idmap, whiteout, old_dir, S_IFCHR | WHITEOUT_MODE);
		whiteout->i_rdev = WHITEOUT_DEV;
	}
	err = pkernfs_tx_begin(c);
	if (err)
		goto out;
	/* NOREPLACE: the VFS has seen that there is no target. */
	if (flags & RENAME_EXCHANGE)
		err = pkernfs_exchange(c, old_dir, old, new_dir, new);
	else
		err = pkernfs_move(c, old_dir, old, new_dir, new, whiteout);
	pkernfs_tx_end(c);
out:
	/* It has no node: the one that is in the region comes with a lookup. */
	iput(whiteout);
	if (err == -EBUSY && d_inode(new))
		pkernfs_say_held(d_inode(new), 0, MAX_LFS_FILESIZE);
	if (err)
		return err;

	pkernfs_inode_changed(d_inode(old));
	if (d_inode(new))
		pkernfs_inode_changed(d_inode(new));
	pkernfs_dir_changed(old_dir);
	if (new_dir != old_dir)
		pkernfs_dir_changed(new_dir);
	return 0;
}

const struct inode_operations pkernfs_dir_iops = {
	.lookup		= pkernfs_lookup,
	.create		= pkernfs_create,
	.link		= pkernfs_link,
	.unlink		= pkernfs_unlink,
	.symlink	= pkernfs_symlink,
	.mkdir		= pkernfs_mkdir,
	.rmdir		= pkernfs_unlink,
	.mknod		= pkernfs_mknod,
	.rename		= pkernfs_rename,
	.tmpfile	= pkernfs_tmpfile,
	.setattr	= pkernfs_setattr,
	.getattr	= pkernfs_getattr,
	.update_time	= pkernfs_inode_update_time,
	.listxattr	= pkernfs_listxattr,
	.get_inode_acl	= pkernfs_get_acl,
	.set_acl	= pkernfs_set_acl,
	.fileattr_get	= pkernfs_fileattr_get,
	.fileattr_set	= pkernfs_fileattr_set,
};

const struct file_operations pkernfs_dir_fops = {
	.llseek		= generic_file_llseek,
	.read		= generic_read_dir,
	.iterate_shared	= pkernfs_iterate,
	.fsync		= noop_fsync,
	.setlease	= generic_setlease,
};
