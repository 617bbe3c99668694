// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: POSIX ACLs.
 *
 * Kept as the extended attributes that they are seen as, with the ids of the initial
 * user namespace: a superblock belongs to no other one. An ACL and the mode that goes
 * with it change in one transaction, or a kexec in between would leave a file open to
 * somebody that neither the old nor the new one lets in.
 */

#include <linux/fs.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <linux/slab.h>
#include <linux/xattr.h>

#include "pkernfs.h"

static u8 pkernfs_acl_space(int type)
{
	return type == ACL_TYPE_ACCESS ? PKERNFS_XATTR_ACL_ACCESS : PKERNFS_XATTR_ACL_DEFAULT;
}

struct posix_acl *pkernfs_get_acl(struct inode *inode, int type, bool rcu)
{
	struct pkernfs_core *c = pkernfs_sb_core(inode->i_sb);
	struct posix_acl *acl;
	void *value;
	int size;

	if (rcu)
		return ERR_PTR(-ECHILD);
	value = kmalloc(PKERNFS_XATTR_BYTES, GFP_NOFS);
	if (!value)
		return ERR_PTR(-ENOMEM);
	size = pkernfs_xattr_get(c, pkernfs_node(inode), pkernfs_acl_space(type), "", value,
				 PKERNFS_XATTR_BYTES);
	if (size == -ENODATA)
		acl = NULL;
	else if (size < 0)
		acl = ERR_PTR(size);
	else
		acl = posix_acl_from_xattr(&init_user_ns, value, size);
	kfree(value);
	return acl;
}

/**
 * pkernfs_acl_store - set or remove an ACL, and set the mode that goes with it
 * @c: the core
 * @n: the inode
 * @space: PKERNFS_XATTR_ACL_*
 * @value: the ACL as an attribute, NULL: remove it
 * @size: length of @value
 * @mode: of the inode
 *
 * Return: 0, -ENOSPC, -ESHUTDOWN.
 */
int pkernfs_acl_store(struct pkernfs_core *c, struct pkernfs_node *n, u8 space,
		      const void *value, size_t size, umode_t mode)
{
	struct pkernfs_xattr_blocks blocks = {};
	int err = pkernfs_tx_begin(c);

	if (err)
		return err;
	err = pkernfs_xattr_tx(c, n, space, "", value, size, 0, &blocks);
	if (err == -ENODATA)	/* to be removed, and there was none */
		err = 0;
	if (!err) {
		pkernfs_tx_inode(c, n->ino)->mode = cpu_to_le16(mode);
		err = pkernfs_tx_commit(c);
	}
	if (err)
		pkernfs_xattr_drop(c, &blocks);
	else
		pkernfs_xattr_keep(c, &blocks);
	pkernfs_tx_end(c);
	return err;
}

int pkernfs_set_acl(struct mnt_idmap *idmap, struct dentry *dentry,
		    struct posix_acl *acl, int type)
{
	struct inode *inode = d_inode(dentry);
	umode_t mode = inode->i_mode;
	void *value = NULL;
	size_t size = 0;
	int err;

	if (type == ACL_TYPE_DEFAULT && !S_ISDIR(mode))
		return acl ? -EACCES : 0;
	if (type == ACL_TYPE_ACCESS && acl) {
		err = posix_acl_update_mode(idmap, inode, &mode, &acl);
		if (err)
			return err;
	}
	if (acl) {
		value = posix_acl_to_xattr(&init_user_ns, acl, &size, GFP_KERNEL);
		if (!value)
			return -ENOMEM;
	}
	err = pkernfs_acl_store(pkernfs_sb_core(inode->i_sb), pkernfs_node(inode),
				pkernfs_acl_space(type), value, size, mode);
	kfree(value);
	if (err)
		return err;
	inode->i_mode = mode;
	inode_set_ctime_current(inode);
	pkernfs_inode_times(inode);
	set_cached_acl(inode, type, acl);
	return 0;
}

/* --- as a part of another operation ------------------------------------------ */

static int pkernfs_acl_values(struct pkernfs_acls *acls)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(acls->acl); i++) {
		if (!acls->acl[i])
			continue;
		acls->value[i] = posix_acl_to_xattr(&init_user_ns, acls->acl[i],
						    &acls->size[i], GFP_KERNEL);
		if (!acls->value[i])
			return -ENOMEM;
	}
	return 0;
}

/**
 * pkernfs_acl_inherit - what a new inode gets from its directory
 * @dir: the directory
 * @inode: the inode, not yet in the region; its mode may change
 * @acls: zeroed; for pkernfs_acl_tx(), and for pkernfs_acl_done() in any case
 *
 * Before the transaction, as it reads attributes of @dir.
 *
 * Return: 0 or an errno.
 */
int pkernfs_acl_inherit(struct inode *dir, struct inode *inode, struct pkernfs_acls *acls)
{
	int err = posix_acl_create(dir, &inode->i_mode, &acls->acl[PKERNFS_ACL_DEFAULT],
				   &acls->acl[PKERNFS_ACL_ACCESS]);

	return err ?: pkernfs_acl_values(acls);
}

/**
 * pkernfs_acl_chmod - what an ACL becomes with a new mode
 * @inode: the inode, locked
 * @mode: the mode
 * @acls: as of pkernfs_acl_inherit(); empty: there is no ACL
 *
 * Return: 0 or an errno.
 */
int pkernfs_acl_chmod(struct inode *inode, umode_t mode, struct pkernfs_acls *acls)
{
	struct posix_acl *acl;
	int err;

	if (!IS_POSIXACL(inode) || S_ISLNK(inode->i_mode))
		return 0;
	acl = get_inode_acl(inode, ACL_TYPE_ACCESS);
	if (IS_ERR_OR_NULL(acl))
		return PTR_ERR_OR_ZERO(acl);
	/* Takes our reference; without an ACL if it fails. */
	err = __posix_acl_chmod(&acl, GFP_KERNEL, mode);
	if (err)
		return err;
	acls->acl[PKERNFS_ACL_ACCESS] = acl;
	return pkernfs_acl_values(acls);
}

/**
 * pkernfs_acl_tx - store them, inside the transaction that they are a part of
 * @c: the core
 * @n: the inode
 * @acls: what to store
 * @blocks: as of pkernfs_xattr_tx()
 *
 * Return: 0 or -ENOSPC.
 */
int pkernfs_acl_tx(struct pkernfs_core *c, struct pkernfs_node *n,
		   const struct pkernfs_acls *acls, struct pkernfs_xattr_blocks *blocks)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < ARRAY_SIZE(acls->value) && !err; i++)
		if (acls->value[i])
			err = pkernfs_xattr_tx(c, n, PKERNFS_XATTR_ACL_ACCESS + i, "",
					       acls->value[i], acls->size[i], 0, blocks);
	return err;
}

/**
 * pkernfs_acl_done - the operation is over
 * @inode: the inode
 * @acls: what was to be stored; freed
 * @stored: it was
 */
void pkernfs_acl_done(struct inode *inode, struct pkernfs_acls *acls, bool stored)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(acls->acl); i++) {
		if (stored && acls->acl[i])
			set_cached_acl(inode, i == PKERNFS_ACL_ACCESS ? ACL_TYPE_ACCESS :
								       ACL_TYPE_DEFAULT,
				       acls->acl[i]);
		posix_acl_release(acls->acl[i]);
		kfree(acls->value[i]);
	}
}
