// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: inodes.
 *
 * The inode in the region is written through: each change is one transaction, so
 * there is never a dirty inode. Times are the exception that proves it: single
 * stores, past the checksum.
 */

#define pr_fmt(fmt) "pkernfs: " fmt

#include <linux/fs.h>
#include <linux/fileattr.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/posix_acl.h>

#include "pkernfs.h"

const struct address_space_operations pkernfs_aops = {
	.dirty_folio	= noop_dirty_folio,
};

static struct timespec64 pkernfs_time(__le64 t)
{
	return ns_to_timespec64((s64)le64_to_cpu(READ_ONCE(t)));
}

/**
 * pkernfs_time_ser - a time as it is in the region
 * @t: the time
 */
__le64 pkernfs_time_ser(struct timespec64 t)
{
	return cpu_to_le64(timespec64_to_ns(&t));
}

/**
 * pkernfs_inode_times - write the times through
 * @inode: the inode
 */
void pkernfs_inode_times(struct inode *inode)
{
	struct pkernfs_inode_ser *ser = pkernfs_node(inode)->ser;

	/* A reader who notes atime has no other lock: no older mtime may follow a newer one. */
	spin_lock(&inode->i_lock);
	WRITE_ONCE(ser->atime, pkernfs_time_ser(inode_get_atime(inode)));
	WRITE_ONCE(ser->mtime, pkernfs_time_ser(inode_get_mtime(inode)));
	WRITE_ONCE(ser->ctime, pkernfs_time_ser(inode_get_ctime(inode)));
	spin_unlock(&inode->i_lock);
}

int pkernfs_inode_update_time(struct inode *inode, enum fs_update_time type,
			      unsigned int flags)
{
	int dirty = inode_update_time(inode, type, flags);

	if (dirty > 0)
		pkernfs_inode_times(inode);
	return min(dirty, 0);
}

static void pkernfs_inode_flags(struct inode *inode, u16 flags)
{
	inode_set_flags(inode, (flags & PKERNFS_INODE_IMMUTABLE ? S_IMMUTABLE : 0) |
			       (flags & PKERNFS_INODE_APPEND ? S_APPEND : 0) |
			       (flags & PKERNFS_INODE_NOATIME ? S_NOATIME : 0),
			S_IMMUTABLE | S_APPEND | S_NOATIME);
}

/**
 * pkernfs_inode_init - let an inode of the VFS show a node
 * @inode: new, with its number set
 * @n: the node
 */
void pkernfs_inode_init(struct inode *inode, struct pkernfs_node *n)
{
	const struct pkernfs_inode_ser *ser = n->ser;

	container_of(inode, struct pkernfs_inode_info, vfs)->node = n;
	inode->i_mode = le16_to_cpu(ser->mode);
	i_uid_write(inode, le32_to_cpu(ser->uid));
	i_gid_write(inode, le32_to_cpu(ser->gid));
	set_nlink(inode, le32_to_cpu(ser->nlink));
	inode->i_generation = le32_to_cpu(ser->generation);
	i_size_write(inode, le64_to_cpu(ser->size));
	inode_set_atime_to_ts(inode, pkernfs_time(ser->atime));
	inode_set_mtime_to_ts(inode, pkernfs_time(ser->mtime));
	inode_set_ctime_to_ts(inode, pkernfs_time(ser->ctime));
	inode->i_mapping->a_ops = &pkernfs_aops;
	pkernfs_inode_flags(inode, le16_to_cpu(ser->flags));
	if (!ser->xattr)
		cache_no_acl(inode);

	switch (inode->i_mode & S_IFMT) {
	case S_IFREG:
		inode->i_op = &pkernfs_file_iops;
		inode->i_fop = &pkernfs_file_fops;
		/* Page tables of ZONE_DEVICE pages: as DAX has them, or not huge. */
		inode->i_flags |= S_DAX;
		break;
	case S_IFDIR:
		inode->i_op = &pkernfs_dir_iops;
		inode->i_fop = &pkernfs_dir_fops;
		break;
	case S_IFLNK:
		inode->i_op = &pkernfs_symlink_iops;
		break;
	default:
		inode->i_op = &pkernfs_special_iops;
		init_special_inode(inode, inode->i_mode,
				   new_decode_dev(le32_to_cpu(ser->rdev)));
		break;
	}
}

static struct inode *pkernfs_inode_read(struct pkernfs_core *c, struct pkernfs_node *n,
					struct inode *inode)
{
	bool orphan;

	down_write(&c->lock);
	orphan = !n->ser->nlink;	/* by a file handle: out of reach */
	if (!orphan) {
		pkernfs_inode_init(inode, n);
		if (!n->device && pkernfs_node_fit(n))
			n->device = pkernfs_device_by_ino(c->r, n->ino, inode->i_generation);
	}
	up_write(&c->lock);
	if (orphan) {
		iget_failed(inode);
		return ERR_PTR(-ESTALE);
	}
	unlock_new_inode(inode);
	return inode;
}

/**
 * pkernfs_iget - the VFS inode of a node
 * @sb: the superblock
 * @ino: its number
 * @generation: its generation, 0: whatever it has
 *
 * Return: the inode, or -ESTALE: not in use, or -ENOMEM.
 */
struct inode *pkernfs_iget(struct super_block *sb, u32 ino, u32 generation)
{
	struct pkernfs_core *c = pkernfs_sb_core(sb);
	struct pkernfs_node *n;
	struct inode *inode;

	/*
	 * A node that is being looked up is not freed. Or a file that is made could get
	 * its number: it would wait for the inode that is new here, and that for the lock.
	 */
	down_read(&c->lock);
	n = pkernfs_node_find(c, ino);
	/* The VFS says that there is no memory for one that is being made. */
	if (n && (!n->ser->mode ||
		  (generation && le32_to_cpu(n->ser->generation) != generation)))
		n = NULL;
	if (n)
		atomic_inc(&n->lookups);
	up_read(&c->lock);
	if (!n)
		return ERR_PTR(-ESTALE);
	inode = iget_locked(sb, ino) ?: ERR_PTR(-ENOMEM);
	if (!IS_ERR(inode) && inode_state_read_once(inode) & I_NEW)
		inode = pkernfs_inode_read(c, n, inode);
	atomic_dec(&n->lookups);
	return inode;
}

/**
 * pkernfs_inode_evict - the VFS forgets an inode
 * @inode: the inode
 *
 * Its last link and its last user are gone: free it, now or when its pages are
 * idle. Never waits, never fails; what is left over a kexec frees at the mount.
 */
void pkernfs_inode_evict(struct inode *inode)
{
	struct pkernfs_core *c = pkernfs_sb_core(inode->i_sb);
	struct pkernfs_node *n = pkernfs_node(inode);

	truncate_inode_pages_final(&inode->i_data);
	/* Nobody has the inode, so no page of it is being entered. */
	if (n) {
		pkernfs_extent_forget(c, n, 0, PKERNFS_MAX_SIZE);
		n->entered = false;
	}
	clear_inode(inode);
	if (!n || inode->i_nlink || is_bad_inode(inode))
		return;
	if (pkernfs_node_destroy(c, n))
		pkernfs_orphan_add(c, n);
}

/*
 * What the mode becomes with a new size, 0: as it is. A file that somebody else truncates is
 * set-user-ID no more, and there must be no instant, for the next kernel either, at which it
 * has the new size and is. What else of the mode changes waits for the ACL that goes with it.
 */
static umode_t pkernfs_size_mode(const struct inode *inode, const struct iattr *attr)
{
	if (!(attr->ia_valid & ATTR_MODE))
		return 0;
	return inode->i_mode & (attr->ia_mode | ~(S_ISUID | S_ISGID));
}

int pkernfs_setattr(struct mnt_idmap *idmap, struct dentry *dentry,
		    struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	struct pkernfs_core *c = pkernfs_sb_core(inode->i_sb);
	struct pkernfs_xattr_blocks blocks = {};
	loff_t old = i_size_read(inode);
	struct pkernfs_inode_ser *ser;
	struct pkernfs_acls acls = {};
	umode_t mode;
	int err;

	/* Of a descriptor that was there before chattr(1) the VFS does not ask. */
	if (IS_IMMUTABLE(inode) || (IS_APPEND(inode) && attr->ia_valid & ATTR_SIZE))
		return -EPERM;
	err = setattr_prepare(idmap, dentry, attr);
	if (err)
		return err;
	if (attr->ia_valid & ATTR_SIZE) {
		mode = pkernfs_size_mode(inode, attr);
		err = pkernfs_set_size(inode, attr->ia_size, mode);
		if (err)
			return err;
		if (mode)
			inode->i_mode = mode;
		/* The VFS asks for that at ftruncate(), and not at truncate(). */
		if (attr->ia_size != old) {
			inode_set_mtime_to_ts(inode, inode_set_ctime_current(inode));
			pkernfs_inode_times(inode);
		}
	}
	if (attr->ia_valid & ATTR_MODE)
		err = pkernfs_acl_chmod(inode, attr->ia_mode, &acls);
	if (!err)
		err = pkernfs_tx_begin(c);
	if (err)
		goto out;
	err = pkernfs_acl_tx(c, pkernfs_node(inode), &acls, &blocks);
	if (err)
		goto end;
	setattr_copy(idmap, inode, attr);
	if (attr->ia_valid & (ATTR_MODE | ATTR_UID | ATTR_GID)) {
		ser = pkernfs_tx_inode(c, inode->i_ino);
		ser->mode = cpu_to_le16(inode->i_mode);
		ser->uid = cpu_to_le32(i_uid_read(inode));
		ser->gid = cpu_to_le32(i_gid_read(inode));
		err = pkernfs_tx_commit(c);
	}
	pkernfs_inode_times(inode);
end:
	/* An ACL is replaced by one of the same length: no block comes or goes. */
	pkernfs_tx_end(c);
out:
	pkernfs_acl_done(inode, &acls, !err);
	return err;
}

static const struct {
	u16 ours;
	u32 fs;
} pkernfs_flags[] = {
	{ PKERNFS_INODE_IMMUTABLE,	FS_IMMUTABLE_FL },
	{ PKERNFS_INODE_APPEND,		FS_APPEND_FL },
	{ PKERNFS_INODE_NODUMP,		FS_NODUMP_FL },
	{ PKERNFS_INODE_NOATIME,	FS_NOATIME_FL },
};

/* The granules that a user wants are the size of extents that XFS lets one ask for. */
static u32 pkernfs_wish_xflag(struct inode *inode)
{
	return S_ISDIR(inode->i_mode) ? FS_XFLAG_EXTSZINHERIT : FS_XFLAG_EXTSIZE;
}

int pkernfs_fileattr_get(struct dentry *dentry, struct file_kattr *fa)
{
	struct inode *inode = d_inode(dentry);
	struct pkernfs_core *c = pkernfs_sb_core(inode->i_sb);
	u32 flags = 0, wish = 0;
	unsigned int i;
	u16 ours;

	down_read(&c->lock);
	ours = le16_to_cpu(pkernfs_node(inode)->ser->flags);
	up_read(&c->lock);
	for (i = 0; i < ARRAY_SIZE(pkernfs_flags); i++)
		if (ours & pkernfs_flags[i].ours)
			flags |= pkernfs_flags[i].fs;
	fileattr_fill_flags(fa, flags);
	switch (ours & PKERNFS_INODE_WISH) {
	case PKERNFS_INODE_WISH_4K:
		wish = PKERNFS_BLOCK_SIZE;
		break;
	case PKERNFS_INODE_WISH_2M:
		wish = PKERNFS_GRANULE_SIZE;
		break;
	case PKERNFS_INODE_WISH_1G:
		wish = PKERNFS_HUGE_SIZE;
		break;
	}
	if (wish) {
		fa->fsx_xflags |= pkernfs_wish_xflag(inode);
		fa->fsx_extsize = wish;
	}
	return 0;
}

static int pkernfs_wish_parse(struct inode *inode, const struct file_kattr *fa, u16 *wish)
{
	struct pkernfs_core *c = pkernfs_sb_core(inode->i_sb);
	u32 xflag = pkernfs_wish_xflag(inode);

	if (fa->fsx_valid && (fa->fsx_xflags & ~(FS_XFLAG_COMMON | xflag) || fa->fsx_projid ||
			      fa->fsx_cowextsize))
		return -EOPNOTSUPP;
	*wish = PKERNFS_INODE_WISH_NONE;
	if (!fa->fsx_extsize)
		return 0;
	if (!(fa->fsx_xflags & xflag))
		return -EINVAL;
	switch (fa->fsx_extsize) {
	case PKERNFS_BLOCK_SIZE:
		*wish = PKERNFS_INODE_WISH_4K;
		return pkernfs_has(c, PKERNFS_INCOMPAT_POOLS) ? 0 : -EOPNOTSUPP;
	case PKERNFS_GRANULE_SIZE:
		*wish = PKERNFS_INODE_WISH_2M;
		return pkernfs_has(c, PKERNFS_INCOMPAT_POOLS | PKERNFS_INCOMPAT_HUGE) ?
		       0 : -EOPNOTSUPP;
	case PKERNFS_HUGE_SIZE:
		*wish = PKERNFS_INODE_WISH_1G;
		return pkernfs_has(c, PKERNFS_INCOMPAT_HUGE) ? 0 : -EOPNOTSUPP;
	default:
		return pkernfs_has(c, PKERNFS_INCOMPAT_POOLS | PKERNFS_INCOMPAT_HUGE) ?
		       -EINVAL : -EOPNOTSUPP;
	}
}

/* A file that has memory already keeps it. */
static bool pkernfs_wish_possible(struct pkernfs_core *c, const struct pkernfs_node *n,
				  u16 wish)
{
	static const u8 pool[] = { PKERNFS_GPOOL_4K, PKERNFS_GPOOL_2M, PKERNFS_GPOOL_1G };

	if (!n->extents || wish == PKERNFS_INODE_WISH_NONE)
		return true;
	return n->pool == &c->gpool[pool[wish / PKERNFS_INODE_WISH_4K - 1]];
}

/*
 * What is immutable is not stored to. Nobody is told of a store to a page that is mapped, so
 * there must be no mapping that could. i_mmap_writable counts those that are shared and made
 * by a descriptor that may write, even if they only read: mprotect() can change that. While
 * it is denied none comes (mmap_region() asks before pkernfs_mmap_prepare(), and fork() only
 * copies what is counted), and then that function refuses them.
 */
static int pkernfs_deny_stores(struct inode *inode)
{
	if (!mapping_deny_writable(inode->i_mapping))
		return 0;
	pr_info_ratelimited("region %u: inode %lu cannot be made immutable: it is mapped to write\n",
			    pkernfs_inode_core(inode)->r->index, (unsigned long)inode->i_ino);
	return -EBUSY;
}

/* The VFS has asked for CAP_LINUX_IMMUTABLE where it is needed. */
int pkernfs_fileattr_set(struct mnt_idmap *idmap, struct dentry *dentry,
			 struct file_kattr *fa)
{
	struct inode *inode = d_inode(dentry);
	struct pkernfs_core *c = pkernfs_sb_core(inode->i_sb);
	struct pkernfs_node *n = pkernfs_node(inode);
	u32 flags = fa->flags;
	unsigned int i;
	u16 ours = 0, wish;
	int err;

	for (i = 0; i < ARRAY_SIZE(pkernfs_flags); i++) {
		if (flags & pkernfs_flags[i].fs)
			ours |= pkernfs_flags[i].ours;
		flags &= ~pkernfs_flags[i].fs;
	}
	if (flags || !pkernfs_has(c, PKERNFS_INCOMPAT_FLAGS))
		return -EOPNOTSUPP;
	err = pkernfs_wish_parse(inode, fa, &wish);
	if (!err && ours & PKERNFS_INODE_IMMUTABLE)
		err = pkernfs_deny_stores(inode);
	if (err)
		return err;
	/* Memory that a fault is about to give the file counts, whatever it wished for then. */
	filemap_invalidate_lock(inode->i_mapping);
	err = pkernfs_tx_begin(c);
	if (err)
		goto out;
	err = -EINVAL;
	if (pkernfs_wish_possible(c, n, wish)) {
		ours |= wish | (le16_to_cpu(n->ser->flags) & PKERNFS_INODE_POOL);
		pkernfs_tx_inode(c, inode->i_ino)->flags = cpu_to_le16(ours);
		err = pkernfs_tx_commit(c);
	}
	if (!err)
		pkernfs_inode_flags(inode, ours);
	pkernfs_tx_end(c);
out:
	filemap_invalidate_unlock(inode->i_mapping);
	if (ours & PKERNFS_INODE_IMMUTABLE)
		mapping_allow_writable(inode->i_mapping);
	if (err)
		return err;
	inode_set_ctime_current(inode);
	pkernfs_inode_times(inode);
	return 0;
}

int pkernfs_getattr(struct mnt_idmap *idmap, const struct path *path,
		    struct kstat *stat, u32 mask, unsigned int flags)
{
	struct inode *inode = d_inode(path->dentry);
	struct pkernfs_core *c = pkernfs_sb_core(inode->i_sb);
	struct pkernfs_node *n = pkernfs_node(inode);

	generic_fillattr(idmap, mask, inode, stat);
	down_read(&c->lock);
	if (S_ISREG(inode->i_mode)) {
		stat->blocks = pkernfs_extent_total(n) >> 9;
		/* Programs make buffers of that size: not of 1 GiB. */
		stat->blksize = min(1UL << n->pool->shift, PKERNFS_GRANULE_SIZE);
	}
	stat->btime = pkernfs_time(n->ser->btime);
	if (le16_to_cpu(n->ser->flags) & PKERNFS_INODE_NODUMP)
		stat->attributes |= STATX_ATTR_NODUMP;
	up_read(&c->lock);
	stat->result_mask |= STATX_BTIME;
	stat->attributes_mask |= STATX_ATTR_NODUMP;
	generic_fill_statx_attr(inode, stat);
	return 0;
}

/* Mostly the VFS has it from i_link. */
static const char *pkernfs_get_link(struct dentry *dentry, struct inode *inode,
				    struct delayed_call *done)
{
	/* While nobody holds the inode, its slot or block may become another's. */
	if (!dentry)
		return ERR_PTR(-ECHILD);
	return pkernfs_symlink_target(pkernfs_sb_core(inode->i_sb), pkernfs_node(inode));
}

const struct inode_operations pkernfs_symlink_iops = {
	.get_link	= pkernfs_get_link,
	.setattr	= pkernfs_setattr,
	.getattr	= pkernfs_getattr,
	.update_time	= pkernfs_inode_update_time,
	.listxattr	= pkernfs_listxattr,
};

const struct inode_operations pkernfs_special_iops = {
	.setattr	= pkernfs_setattr,
	.getattr	= pkernfs_getattr,
	.update_time	= pkernfs_inode_update_time,
	.listxattr	= pkernfs_listxattr,
	.get_inode_acl	= pkernfs_get_acl,
	.set_acl	= pkernfs_set_acl,
};

/* --- for device.c ---------------------------------------------------------------- */

/**
 * pkernfs_inode_region - the region that an inode lies in
 * @inode: any inode
 *
 * Return: the region, or NULL: it is not of this filesystem.
 */
struct pkernfs_region *pkernfs_inode_region(struct inode *inode)
{
	if (inode->i_sb->s_op != &pkernfs_super_ops)
		return NULL;
	return inode->i_sb->s_fs_info;
}

/**
 * pkernfs_inode_id - what a record names a device file by
 * @inode: an inode of this filesystem
 * @ino: its number
 * @generation: of it
 */
void pkernfs_inode_id(struct inode *inode, u64 *ino, u32 *generation)
{
	*ino = inode->i_ino;
	*generation = inode->i_generation;
}

/**
 * pkernfs_inode_device - the preserved device whose file this is
 * @inode: an inode of this filesystem
 *
 * The transition lock is held, or the answer may be gone.
 *
 * Return: the device, or NULL: an ordinary file.
 */
struct pkernfs_device *pkernfs_inode_device(struct inode *inode)
{
	lockdep_assert_held(&pkernfs_transition_lock);
	return pkernfs_node(inode)->device;
}

/**
 * pkernfs_inode_set_device - make a file a device file, or ordinary again
 * @inode: a regular file of this filesystem; its inode lock is not held
 * @pd: the device, NULL: ordinary again
 *
 * A device file cannot be read, written, mapped, truncated, unlinked or renamed
 * over. In memory only: the next kernel learns it from the device's record.
 *
 * Return: 0, -EBUSY: not empty, mapped, unlinked, or a device file already;
 * -EINVAL: no regular file.
 */
int pkernfs_inode_set_device(struct inode *inode, struct pkernfs_device *pd)
{
	struct pkernfs_core *c = pkernfs_sb_core(inode->i_sb);
	struct pkernfs_node *n = pkernfs_node(inode);
	int err = 0;

	if (!S_ISREG(inode->i_mode))
		return -EINVAL;
	inode_lock(inode);
	filemap_invalidate_lock(inode->i_mapping);
	down_write(&c->lock);
	if (pd && (n->device || n->extents || i_size_read(inode) || !inode->i_nlink ||
		   mapping_mapped(inode->i_mapping)))
		err = -EBUSY;
	else
		WRITE_ONCE(n->device, pd);
	up_write(&c->lock);
	filemap_invalidate_unlock(inode->i_mapping);
	inode_unlock(inode);
	return err;
}
