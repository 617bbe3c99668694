// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: file handles, for NFS and open_by_handle_at().
 *
 * A handle is inode number and generation, which both live on over a kexec: so does
 * a handle.
 */

#include <linux/exportfs.h>

#include "pkernfs.h"

static struct inode *pkernfs_export_inode(struct super_block *sb, u64 ino, u32 generation)
{
	struct inode *inode;

	if (!ino || ino >= pkernfs_sb_core(sb)->inodes)
		return ERR_PTR(-ESTALE);
	inode = pkernfs_iget(sb, ino, generation);
	if (IS_ERR(inode))
		return inode;
	if (generation && inode->i_generation != generation) {
		iput(inode);
		return ERR_PTR(-ESTALE);
	}
	return inode;
}

static struct dentry *pkernfs_fh_to_dentry(struct super_block *sb, struct fid *fid,
					   int fh_len, int fh_type)
{
	return generic_fh_to_dentry(sb, fid, fh_len, fh_type, pkernfs_export_inode);
}

static struct dentry *pkernfs_fh_to_parent(struct super_block *sb, struct fid *fid,
					   int fh_len, int fh_type)
{
	return generic_fh_to_parent(sb, fid, fh_len, fh_type, pkernfs_export_inode);
}

static struct dentry *pkernfs_get_parent(struct dentry *child)
{
	struct pkernfs_core *c = pkernfs_sb_core(child->d_sb);
	u32 ino;

	down_read(&c->lock);
	ino = le64_to_cpu(pkernfs_node(d_inode(child))->ser->parent);
	up_read(&c->lock);
	return d_obtain_alias(pkernfs_export_inode(child->d_sb, ino, 0));
}

const struct export_operations pkernfs_export_ops = {
	.encode_fh	= generic_encode_ino32_fh,
	.fh_to_dentry	= pkernfs_fh_to_dentry,
	.fh_to_parent	= pkernfs_fh_to_parent,
	.get_parent	= pkernfs_get_parent,
};
