// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: mount and umount.
 *
 * The source names the region: "region0" or "pkernfs0" is the first one of
 * pkernfs=. One superblock a region; it comes and goes, the core stays.
 */

#define pr_fmt(fmt) "pkernfs: " fmt

#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/init.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/statfs.h>

#include "pkernfs.h"

static struct kmem_cache *pkernfs_inode_cache;

/* What the mount is told: the place of the region in pkernfs=, -1: nothing. */
struct pkernfs_mount {
	int region;
};

enum pkernfs_param {
	PKERNFS_OPT_REGION,
};

static const struct fs_parameter_spec pkernfs_parameters[] = {
	fsparam_u32("region", PKERNFS_OPT_REGION),
	{}
};

static struct inode *pkernfs_alloc_inode(struct super_block *sb)
{
	struct pkernfs_inode_info *info;

	info = alloc_inode_sb(sb, pkernfs_inode_cache, GFP_KERNEL);
	if (!info)
		return NULL;
	info->node = NULL;
	return &info->vfs;
}

static void pkernfs_free_inode(struct inode *inode)
{
	kmem_cache_free(pkernfs_inode_cache,
			container_of(inode, struct pkernfs_inode_info, vfs));
}

static int pkernfs_statfs(struct dentry *dentry, struct kstatfs *st)
{
	struct pkernfs_core *c = pkernfs_sb_core(dentry->d_sb);
	const struct pkernfs_gpool *p;
	unsigned int shift;

	st->f_type = PKERNFS_SUPER_MAGIC;
	st->f_bsize = PKERNFS_BLOCK_SIZE;
	st->f_frsize = PKERNFS_BLOCK_SIZE;
	st->f_namelen = PKERNFS_NAME_MAX;
	st->f_fsid = uuid_to_fsid((u8 *)c->r->sb->uuid);
	down_read(&c->lock);
	for (p = c->gpool; p < c->gpool + PKERNFS_GPOOLS; p++) {
		shift = p->shift - PKERNFS_BLOCK_SHIFT;
		st->f_blocks += (u64)p->granules << shift;
		st->f_bfree += (u64)p->free << shift;
		/* The others are set aside, as other filesystems reserve blocks. */
		if (p == &c->gpool[PKERNFS_GPOOL_2M])
			st->f_bavail = (u64)p->free << shift;
	}
	st->f_ffree = c->inodes_free;
	up_read(&c->lock);
	st->f_files = c->inodes - 1;
	return 0;
}

static int pkernfs_show_options(struct seq_file *m, struct dentry *root)
{
	seq_printf(m, ",region=%u", pkernfs_sb_core(root->d_sb)->r->index);
	return 0;
}

/*
 * FIFREEZE. The VFS has stopped all callers; what is left is what goes on by itself:
 * unlinked files are not freed meanwhile. A store through a mapping, or by a device,
 * is not stopped: there is no writeback that it could wait for.
 */
static void pkernfs_set_frozen(struct super_block *sb, bool frozen)
{
	struct pkernfs_core *c = pkernfs_sb_core(sb);

	down_write(&c->lock);
	c->frozen = frozen;
	up_write(&c->lock);
}

/* Mounted read-only: as frozen, and what is to be freed by then waits for a remount. */
static void pkernfs_set_rdonly(struct pkernfs_core *c, bool rdonly)
{
	down_write(&c->lock);
	c->rdonly = rdonly;
	up_write(&c->lock);
}

static int pkernfs_freeze_fs(struct super_block *sb)
{
	pkernfs_set_frozen(sb, true);
	return 0;
}

static int pkernfs_unfreeze_fs(struct super_block *sb)
{
	pkernfs_set_frozen(sb, false);
	pkernfs_orphan_reclaim(pkernfs_sb_core(sb));
	return 0;
}

const struct super_operations pkernfs_super_ops = {
	.alloc_inode	= pkernfs_alloc_inode,
	.free_inode	= pkernfs_free_inode,
	.evict_inode	= pkernfs_inode_evict,
	.statfs		= pkernfs_statfs,
	.freeze_fs	= pkernfs_freeze_fs,
	.unfreeze_fs	= pkernfs_unfreeze_fs,
	.show_options	= pkernfs_show_options,
};

static int pkernfs_load_for_mount(struct super_block *sb, struct fs_context *fc)
{
	struct pkernfs_region *r = sb->s_fs_info;
	int err;

	mutex_lock(&pkernfs_format_lock);
	err = pkernfs_core_load_locked(r);
	if (!err)
		r->core->sb = sb;
	mutex_unlock(&pkernfs_format_lock);
	if (!err)
		return 0;
	if (err == -EBUSY)
		errorf(fc, "pkernfs: region %u: /dev/pkernfs%u is in use, or it is hibernation",
		       r->index, r->index);
	else if (err == -EINVAL && !r->reason)
		errorf(fc, "pkernfs: region %u is not formatted; see mkfs.pkernfs(8)",
		       r->index);
	else
		errorf(fc, "pkernfs: region %u: %s", r->index,
		       r->reason ?: "cannot be loaded");
	return err;
}

static int pkernfs_fill_super(struct super_block *sb, struct fs_context *fc)
{
	struct pkernfs_region *r = sb->s_fs_info;
	struct inode *root;
	int err;

	sb->s_op = &pkernfs_super_ops;
	sb->s_export_op = &pkernfs_export_ops;
	sb->s_xattr = pkernfs_xattr_handlers;
	sb->s_flags |= SB_NOSEC;
	sb->s_magic = PKERNFS_SUPER_MAGIC;
	sb->s_blocksize = PKERNFS_BLOCK_SIZE;
	sb->s_blocksize_bits = PKERNFS_BLOCK_SHIFT;
	sb->s_max_links = 65000;	/* pkernfs_load_links() counts in 16 bits */
	sb->s_time_gran = 1;
	sb->s_time_min = div_s64(S64_MIN, NSEC_PER_SEC) + 1;
	sb->s_time_max = div_s64(S64_MAX, NSEC_PER_SEC) - 1;
	sb->s_iflags |= SB_I_SKIP_SYNC;	/* nothing is ever dirty */

	err = pkernfs_load_for_mount(sb, fc);
	if (err)
		return err;
	sb->s_maxbytes = pkernfs_max_size(r->core);
	if (pkernfs_has(r->core, PKERNFS_INCOMPAT_ACL))
		sb->s_flags |= SB_POSIXACL;
	super_set_uuid(sb, r->sb->uuid, sizeof(r->sb->uuid));
	pkernfs_set_rdonly(r->core, sb_rdonly(sb));
	if (!sb_rdonly(sb))
		pkernfs_orphan_reclaim(r->core);

	root = pkernfs_iget(sb, PKERNFS_ROOT_INO, 0);
	if (IS_ERR(root))
		return PTR_ERR(root);
	sb->s_root = d_make_root(root);
	if (!sb->s_root)
		return -ENOMEM;
	pr_info("region %u: mounted%s\n", r->index, sb_rdonly(sb) ? " read-only" : "");
	return 0;
}

static void pkernfs_kill_sb(struct super_block *sb)
{
	struct pkernfs_region *r = sb->s_fs_info;

	kill_anon_super(sb);
	if (!r)
		return;
	mutex_lock(&pkernfs_format_lock);
	if (r->core && r->core->sb == sb) {
		pkernfs_core_verify(r->core);
		r->core->sb = NULL;
		pkernfs_set_rdonly(r->core, false);
	}
	mutex_unlock(&pkernfs_format_lock);
}

/* "region0" or "pkernfs0" */
static int pkernfs_parse_source(struct fs_context *fc, const char *source,
				int *region)
{
	unsigned int n;

	if ((!str_has_prefix(source, "region") || kstrtouint(source + 6, 10, &n)) &&
	    (!str_has_prefix(source, "pkernfs") || kstrtouint(source + 7, 10, &n)))
		return invalf(fc, "pkernfs: no region \"%s\": expected region0, region1...",
			      source);
	if (n >= PKERNFS_MAX_REGIONS)
		return invalf(fc, "pkernfs: there is no region %u (pkernfs= on the command line)",
			      n);
	*region = n;
	return 0;
}

static int pkernfs_parse_param(struct fs_context *fc, struct fs_parameter *param)
{
	struct pkernfs_mount *m = fc->fs_private;
	struct fs_parse_result result;
	int opt;

	opt = vfs_parse_fs_param_source(fc, param);
	if (opt != -ENOPARAM)
		return opt;
	opt = fs_parse(fc, pkernfs_parameters, param, &result);
	if (opt < 0)
		return opt;
	if (result.uint_32 >= PKERNFS_MAX_REGIONS)
		return invalf(fc, "pkernfs: there is no region %u (pkernfs= on the command line)",
			      result.uint_32);
	m->region = result.uint_32;
	return 0;
}

static struct pkernfs_region *pkernfs_mount_region(unsigned int index)
{
	unsigned int i;

	for (i = 0; i < pkernfs_region_count(); i++)
		if (pkernfs_region_get(i)->index == index)
			return pkernfs_region_get(i);
	return NULL;
}

static int pkernfs_get_tree(struct fs_context *fc)
{
	struct pkernfs_mount *m = fc->fs_private;
	struct pkernfs_region *r;
	int named = -1, err;
	struct super_block *sb;

	/* With region= the source may be anything, as in "none". */
	if (m->region < 0) {
		if (!fc->source)
			return invalf(fc, "pkernfs: no region named");
		err = pkernfs_parse_source(fc, fc->source, &named);
		if (err)
			return err;
		m->region = named;
	}
	r = pkernfs_mount_region(m->region);
	if (!r) {
		errorf(fc, "pkernfs: there is no region %d (pkernfs= on the command line)",
		       m->region);
		return -ENODEV;
	}
	if (!r->virt) {
		errorf(fc, "pkernfs: region %d is not mapped; see the kernel log", m->region);
		return -ENXIO;
	}
	err = get_tree_keyed(fc, pkernfs_fill_super, r);
	if (err)
		return err;
	sb = fc->root->d_sb;
	/* As block devices have it: a mount is what was asked for, or there is none. */
	if (!((fc->sb_flags ^ sb->s_flags) & SB_RDONLY))
		return 0;
	errorf(fc, "pkernfs: region %d is mounted %s; remount that, or bind it", m->region,
	       sb_rdonly(sb) ? "read-only" : "to write");
	dput(fc->root);
	fc->root = NULL;
	deactivate_locked_super(sb);
	return -EBUSY;
}

static int pkernfs_reconfigure(struct fs_context *fc)
{
	struct pkernfs_core *c = pkernfs_sb_core(fc->root->d_sb);
	struct pkernfs_mount *m = fc->fs_private;

	if (m->region >= 0 && m->region != c->r->index)
		return invalf(fc, "pkernfs: a remount cannot change the region");
	/* A remount need not say whether it is to be read-only: it stays what it is. */
	if (!(fc->sb_flags_mask & SB_RDONLY))
		return 0;
	pkernfs_set_rdonly(c, fc->sb_flags & SB_RDONLY);
	if (!(fc->sb_flags & SB_RDONLY))
		pkernfs_orphan_reclaim(c);
	return 0;
}

static void pkernfs_free_fc(struct fs_context *fc)
{
	kfree(fc->fs_private);
}

static const struct fs_context_operations pkernfs_context_ops = {
	.parse_param	= pkernfs_parse_param,
	.get_tree	= pkernfs_get_tree,
	.reconfigure	= pkernfs_reconfigure,
	.free		= pkernfs_free_fc,
};

static int pkernfs_init_fs_context(struct fs_context *fc)
{
	struct pkernfs_mount *m = kzalloc_obj(*m);

	if (!m)
		return -ENOMEM;
	m->region = -1;
	fc->fs_private = m;
	fc->ops = &pkernfs_context_ops;
	return 0;
}

static struct file_system_type pkernfs_type = {
	.owner			= THIS_MODULE,
	.name			= "pkernfs",
	.init_fs_context	= pkernfs_init_fs_context,
	.parameters		= pkernfs_parameters,
	.kill_sb		= pkernfs_kill_sb,
	.fs_flags		= FS_ALLOW_IDMAP | FS_MGTIME,
};

static void pkernfs_inode_once(void *p)
{
	struct pkernfs_inode_info *info = p;

	inode_init_once(&info->vfs);
}

static int __init pkernfs_init(void)
{
	pkernfs_inode_cache = kmem_cache_create("pkernfs_inode_cache",
						sizeof(struct pkernfs_inode_info), 0,
						SLAB_RECLAIM_ACCOUNT | SLAB_ACCOUNT,
						pkernfs_inode_once);
	if (!pkernfs_inode_cache)
		return -ENOMEM;
	return register_filesystem(&pkernfs_type);
}
fs_initcall(pkernfs_init);
