// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: /dev/pkernfsN, a region byte by byte, for fsck, dump, save and restore.
 *
 * For root. Whoever opens it to write, or with O_EXCL, claims the region: it must not
 * be mounted, nor have a page in use or a preserved device, and until it is closed it
 * cannot be mounted, formatted, or claimed by another. Without a claim it can be read
 * in any state, each call under the lock of the metadata, and no more than that: from
 * one call to the next it may change. PKERNFS_REGION_INFO tells whether it has, so that
 * fsck can begin again; PKERNFS_REGION_CHECK looks at all of it at once.
 *
 * Tables and records of devices are no business of userspace: those areas are read as
 * zeroes, and not written. A superblock that is written may name other blocks for them;
 * so they are zeroed when the claim ends. Pages that are known to have a memory error are
 * read as zeroes and not written, too: touching one can stop the machine.
 */

#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/miscdevice.h>
#include <linux/sched/mm.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "device.h"
#include "nospec.h"
#include "pkernfs.h"

#define PKERNFS_CHARDEV_STEP	SZ_256K

/**
 * struct pkernfs_chardev - an open region
 * @r: the region
 * @claim: it is claimed
 * @loaded: it was loaded before that
 * @written: something has been written
 * @lock: on @bounce
 * @bad: bad pages, as they were known at open, for when it is not loaded; NULL: none
 * @bounce: copies to and from userspace may fault, and a fault may take the locks that
 *	reading and writing needs
 */
struct pkernfs_chardev {
	struct pkernfs_region *r;
	bool claim;
	bool loaded;
	bool written;
	struct mutex lock;	/* @bounce */
	struct pkernfs_bad_block_ser *bad;
	void *bounce;
};

/* --- what is hidden -------------------------------------------------------------- */

/* The part of [pos, pos + bytes) that is in an area: false: none. */
static bool pkernfs_area_overlap(const struct pkernfs_area *a, u64 pos, size_t bytes,
				 u64 *from, u64 *to)
{
	u64 start = pkernfs_area_start(a) << PKERNFS_BLOCK_SHIFT;

	*from = max(pos, start);
	*to = min(pos + bytes, start + (pkernfs_area_count(a) << PKERNFS_BLOCK_SHIFT));
	return *from < *to;
}

static void pkernfs_hide_area(const struct pkernfs_area *a, void *buf, u64 pos, size_t bytes)
{
	u64 from, to;

	if (pkernfs_area_overlap(a, pos, bytes, &from, &to))
		memset(buf + (from - pos), 0, to - from);
}

/*
 * Blocks of the pool that are in use and in no file: second-stage tables. There are
 * none but with devices, and then the region is loaded.
 */
static int pkernfs_hide_tables(struct pkernfs_region *r, void *buf, u64 pos, size_t bytes)
{
	const struct pkernfs_area *pool = &r->sb->pool;
	u64 from, to, block, start = pkernfs_area_start(pool);
	struct pkernfs_core *c = r->core;
	unsigned long *files;
	struct pkernfs_node *n;
	unsigned long ino;
	u32 i;

	if (!c || !pkernfs_format_devices(r) ||
	    !pkernfs_area_overlap(pool, pos, bytes, &from, &to))
		return 0;
	files = kvcalloc(BITS_TO_LONGS(c->pool_blocks), sizeof(long), GFP_NOFS);
	if (!files)
		return -ENOMEM;
	xa_for_each(&c->nodes, ino, n) {
		for (i = 0; i < n->chains; i++)
			__set_bit(n->chain[i] - start, files);
		if (n->ser->xattr)
			__set_bit(le32_to_cpu(n->ser->xattr) - start, files);
	}
	if (pkernfs_has(c, PKERNFS_INCOMPAT_BAD))
		__set_bit(0, files);	/* the list of bad pages */
	for (block = from >> PKERNFS_BLOCK_SHIFT; block << PKERNFS_BLOCK_SHIFT < to; block++) {
		u64 at = max(from, block << PKERNFS_BLOCK_SHIFT);
		u64 end = min(to, (block + 1) << PKERNFS_BLOCK_SHIFT);

		if (!test_bit(block - start, files))
			memset(buf + (at - pos), 0, end - at);
	}
	kvfree(files);
	return 0;
}

/* A superblock copy that proves itself, or NULL; without a word in the log. */
static const struct pkernfs_sb *pkernfs_chardev_sb(struct pkernfs_region *r, unsigned int copy)
{
	u64 last = (r->bytes >> PKERNFS_BLOCK_SHIFT) - 1;

	return pkernfs_sb_check(r, copy) ? NULL : pkernfs_block(r, copy ? last : 0);
}

/* Does a superblock that proves itself say that devices have something there? */
static bool pkernfs_hidden(struct pkernfs_region *r, u64 pos, size_t bytes)
{
	unsigned int copy;
	u64 from, to;

	for (copy = 0; copy < 2; copy++) {
		const struct pkernfs_sb *sb = pkernfs_chardev_sb(r, copy);

		if (sb &&
		    (pkernfs_area_overlap(&sb->records, pos, bytes, &from, &to) ||
		     pkernfs_area_overlap(&sb->handover, pos, bytes, &from, &to)))
			return true;
	}
	return false;
}

/* --- read and write ------------------------------------------------------------------ */

/* Between the region and the buffer, past bad pages. */
static void pkernfs_chardev_copy(struct pkernfs_chardev *d, u64 pos, size_t bytes, bool store)
{
	void *buf = d->bounce, *mem = d->r->virt + pos;
	struct pkernfs_core *c = d->r->core;
	size_t part;

	for (; bytes; bytes -= part, pos += part, buf += part, mem += part) {
		u64 page = pos >> PKERNFS_BLOCK_SHIFT;
		bool bad = c ? pkernfs_bad_first(c, page, 1) == page :
			       pkernfs_bad_listed(d->bad, page) ||
			       pkernfs_nospec_hidden(d->r, page);

		part = min_t(size_t, bytes, PKERNFS_BLOCK_SIZE - pos % PKERNFS_BLOCK_SIZE);
		if (store && !bad)
			memcpy(mem, buf, part);
		else if (!store && bad)
			memset(buf, 0, part);
		else if (!store && copy_mc_to_kernel(buf, mem, part))
			memset(buf, 0, part);	/* one that nobody knew of */
	}
}

static int pkernfs_chardev_fetch(struct pkernfs_chardev *d, u64 pos, size_t bytes)
{
	struct pkernfs_region *r = d->r;
	struct pkernfs_core *c = r->core;
	void *buf = d->bounce;
	int err = 0;

	if (!r->virt)
		return -ENXIO;
	/* Without a core nobody has looked since it was written. */
	if (!c)
		WRITE_ONCE(r->sb, pkernfs_chardev_sb(r, 0) ?: pkernfs_chardev_sb(r, 1));
	if (c)
		down_read(&c->lock);
	pkernfs_chardev_copy(d, pos, bytes, false);
	if (r->sb) {
		pkernfs_hide_area(&r->sb->records, buf, pos, bytes);
		pkernfs_hide_area(&r->sb->handover, buf, pos, bytes);
		err = pkernfs_hide_tables(r, buf, pos, bytes);
	}
	if (c)
		up_read(&c->lock);
	return err;
}

static ssize_t pkernfs_chardev_read(struct file *file, char __user *to, size_t count,
				    loff_t *ppos)
{
	struct pkernfs_chardev *d = file->private_data;
	struct pkernfs_region *r = d->r;
	ssize_t done = 0;
	int err = 0;

	mutex_lock(&d->lock);
	while (count && *ppos < r->bytes && !fatal_signal_pending(current)) {
		size_t bytes = min3(count, (size_t)PKERNFS_CHARDEV_STEP,
				    (size_t)(r->bytes - *ppos));

		mutex_lock(&pkernfs_transition_lock);
		mutex_lock(&pkernfs_format_lock);
		err = pkernfs_chardev_fetch(d, *ppos, bytes);
		mutex_unlock(&pkernfs_format_lock);
		mutex_unlock(&pkernfs_transition_lock);
		if (!err && copy_to_user(to + done, d->bounce, bytes))
			err = -EFAULT;
		if (err)
			break;
		*ppos += bytes;
		done += bytes;
		count -= bytes;
		cond_resched();
	}
	mutex_unlock(&d->lock);
	return done ?: err;
}

static int pkernfs_chardev_store(struct pkernfs_chardev *d, u64 pos, size_t bytes)
{
	if (pkernfs_is_shutting_down())
		return -ESHUTDOWN;
	if (!d->r->virt)
		return -ENXIO;
	if (pkernfs_hidden(d->r, pos, bytes))
		return -EPERM;
	/* What is written may make metadata of them, or another list. */
	if (!d->written)
		pkernfs_nospec_show(d->r);
	d->written = true;
	WRITE_ONCE(d->r->changes, d->r->changes + 1);
	/* What has proven itself may be overwritten: whoever looks next proves it again. */
	WRITE_ONCE(d->r->sb, NULL);
	pkernfs_chardev_copy(d, pos, bytes, true);
	return 0;
}

static ssize_t pkernfs_chardev_write(struct file *file, const char __user *from,
				     size_t count, loff_t *ppos)
{
	struct pkernfs_chardev *d = file->private_data;
	ssize_t done = 0;
	int err = 0;

	mutex_lock(&d->lock);
	while (count && !fatal_signal_pending(current)) {
		size_t bytes = min_t(size_t, count, PKERNFS_CHARDEV_STEP);

		err = -ENOSPC;
		if (*ppos >= d->r->bytes)
			break;
		bytes = min_t(u64, bytes, d->r->bytes - *ppos);
		err = -EFAULT;
		if (copy_from_user(d->bounce, from + done, bytes))
			break;
		/* With the transition lock no kexec begins meanwhile. */
		mutex_lock(&pkernfs_transition_lock);
		mutex_lock(&pkernfs_format_lock);
		err = pkernfs_chardev_store(d, *ppos, bytes);
		mutex_unlock(&pkernfs_format_lock);
		mutex_unlock(&pkernfs_transition_lock);
		if (err)
			break;
		*ppos += bytes;
		done += bytes;
		count -= bytes;
		cond_resched();
	}
	mutex_unlock(&d->lock);
	return done ?: err;
}

static loff_t pkernfs_chardev_llseek(struct file *file, loff_t offset, int whence)
{
	struct pkernfs_chardev *d = file->private_data;

	return fixed_size_llseek(file, offset, whence, d->r->bytes);
}

/* --- claims -------------------------------------------------------------------------- */

static bool pkernfs_region_busy(struct pkernfs_region *r)
{
	return (r->core && pkernfs_core_in_use(r->core)) || pkernfs_format_devices(r);
}

static int pkernfs_claim(struct pkernfs_chardev *d)
{
	struct pkernfs_region *r = d->r;
	int err = 0;

	mutex_lock(&pkernfs_transition_lock);
	mutex_lock(&pkernfs_format_lock);
	if (pkernfs_is_shutting_down()) {
		err = -ESHUTDOWN;
	} else if (!r->virt) {
		err = -ENXIO;
	} else if (r->claimed || pkernfs_hibernating() || pkernfs_region_busy(r)) {
		err = -EBUSY;
	} else {
		/* It frees orphans now and then; and it would be out of date soon. */
		d->loaded = r->core;
		if (r->core) {
			pkernfs_core_free(r->core);
			r->core = NULL;
		}
		r->claimed = true;
	}
	mutex_unlock(&pkernfs_format_lock);
	mutex_unlock(&pkernfs_transition_lock);
	return err;
}

static void pkernfs_unclaim(struct pkernfs_chardev *d)
{
	struct pkernfs_region *r = d->r;
	const char *why = "not mapped any more: see the kernel log";

	mutex_lock(&pkernfs_transition_lock);
	mutex_lock(&pkernfs_format_lock);
	if (d->written) {
		const struct pkernfs_sb *sb = NULL;

		pkernfs_sb_refit(r);
		if (r->virt)
			sb = pkernfs_sb_find(r, &why);
		if (sb) {
			pkernfs_area_zero(r, &sb->records);
			pkernfs_area_zero(r, &sb->handover);
		}
		WRITE_ONCE(r->sb, sb);
		if (r->index != ~0U)
			WRITE_ONCE(r->reason, sb ? NULL : why);
	}
	r->claimed = false;
	/* As it was: a memory error of a region that is not loaded is not remembered. */
	if (d->loaded)
		pkernfs_core_load_locked(r);
	mutex_unlock(&pkernfs_format_lock);
	mutex_unlock(&pkernfs_transition_lock);
}

/* After a claim, as with a core the list may still change. */
static struct pkernfs_bad_block_ser *pkernfs_chardev_bad(struct pkernfs_region *r, bool claim)
{
	unsigned int nofs = memalloc_nofs_save();	/* for core->lock */
	struct pkernfs_bad_block_ser *bad;
	struct pkernfs_core *c;

	mutex_lock(&pkernfs_format_lock);
	c = r->core;
	if (!r->virt) {
		bad = ERR_PTR(-ENXIO);
	} else if (c) {
		down_read(&c->lock);
		bad = pkernfs_bad_keep(r);
		up_read(&c->lock);
	} else {
		WRITE_ONCE(r->sb, pkernfs_chardev_sb(r, 0) ?: pkernfs_chardev_sb(r, 1));
		bad = pkernfs_bad_keep(r);
		/* Others, who have not claimed it, do not keep it from being written. */
		if (claim && !IS_ERR(bad))
			pkernfs_nospec_load(r, bad);
	}
	mutex_unlock(&pkernfs_format_lock);
	memalloc_nofs_restore(nofs);
	return bad;
}

/* --- the device ------------------------------------------------------------------------ */

static long pkernfs_chardev_info(struct pkernfs_region *r,
				 struct pkernfs_region_info __user *arg)
{
	struct pkernfs_region_info info = {};
	int err;

	err = pkernfs_copy_arg(&info, sizeof(info),
			       offsetof(struct pkernfs_region_info, changes), arg);
	if (err)
		return err;
	if (info.flags)
		return -EOPNOTSUPP;
	info.base = r->base;
	info.bytes = r->bytes;
	mutex_lock(&pkernfs_transition_lock);
	mutex_lock(&pkernfs_format_lock);
	if (r->core || (r->virt && (pkernfs_chardev_sb(r, 0) || pkernfs_chardev_sb(r, 1))))
		info.flags |= PKERNFS_REGION_FORMATTED;
	if (r->core && r->core->sb)
		info.flags |= PKERNFS_REGION_MOUNTED;
	if (pkernfs_region_busy(r))
		info.flags |= PKERNFS_REGION_BUSY;
	if (r->claimed)
		info.flags |= PKERNFS_REGION_CLAIMED;
	info.changes = READ_ONCE(r->changes) + 1;
	mutex_unlock(&pkernfs_format_lock);
	mutex_unlock(&pkernfs_transition_lock);
	return copy_to_user(arg, &info, min_t(size_t, info.size, sizeof(info))) ? -EFAULT : 0;
}

static long pkernfs_chardev_check(struct pkernfs_region *r,
				  struct pkernfs_region_check __user *arg)
{
	struct pkernfs_region_check check = {};
	int err;

	err = pkernfs_copy_arg(&check, sizeof(check), sizeof(check), arg);
	if (err)
		return err;
	if (check.flags)
		return -EOPNOTSUPP;
	mutex_lock(&pkernfs_format_lock);
	err = r->virt ? pkernfs_core_check(r, &check) : -ENXIO;
	mutex_unlock(&pkernfs_format_lock);
	if (err)
		return err;
	return copy_to_user(arg, &check, sizeof(check)) ? -EFAULT : 0;
}

static long pkernfs_chardev_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct pkernfs_chardev *d = file->private_data;

	switch (cmd) {
	case PKERNFS_REGION_INFO:
		return pkernfs_chardev_info(d->r, (void __user *)arg);
	case PKERNFS_REGION_CHECK:
		return pkernfs_chardev_check(d->r, (void __user *)arg);
	}
	return -ENOTTY;
}

static struct miscdevice pkernfs_chardevs[PKERNFS_MAX_REGIONS];
static char pkernfs_chardev_names[PKERNFS_MAX_REGIONS][16];

/* By the index, as regions that are dropped at boot do not keep their place. */
static struct pkernfs_region *pkernfs_chardev_region(unsigned int index)
{
	unsigned int i;

	for (i = 0; i < pkernfs_region_count(); i++)
		if (pkernfs_region_get(i)->index == index && pkernfs_region_get(i)->virt)
			return pkernfs_region_get(i);
	return NULL;
}

static int pkernfs_chardev_open(struct inode *inode, struct file *file)
{
	unsigned int index = (struct miscdevice *)file->private_data - pkernfs_chardevs;
	struct pkernfs_chardev *d;
	int err = 0;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	d = kzalloc_obj(*d);
	if (!d)
		return -ENOMEM;
	d->r = pkernfs_chardev_region(index);
	d->claim = file->f_mode & FMODE_WRITE || file->f_flags & O_EXCL;
	d->bounce = kvmalloc(PKERNFS_CHARDEV_STEP, GFP_KERNEL);
	mutex_init(&d->lock);
	if (!d->r)
		err = -ENODEV;
	else if (!d->bounce)
		err = -ENOMEM;
	else if (d->claim)
		err = pkernfs_claim(d);
	if (err)
		goto free;
	d->bad = pkernfs_chardev_bad(d->r, d->claim);
	err = PTR_ERR_OR_ZERO(d->bad);
	if (err)
		goto unclaim;
	file->private_data = d;
	return 0;
unclaim:
	if (d->claim)
		pkernfs_unclaim(d);
free:
	kvfree(d->bounce);
	kfree(d);
	return err;
}

static int pkernfs_chardev_release(struct inode *inode, struct file *file)
{
	struct pkernfs_chardev *d = file->private_data;

	if (d->claim)
		pkernfs_unclaim(d);
	kfree(d->bad);
	kvfree(d->bounce);
	kfree(d);
	return 0;
}

static const struct file_operations pkernfs_chardev_fops = {
	.owner		= THIS_MODULE,
	.open		= pkernfs_chardev_open,
	.release	= pkernfs_chardev_release,
	.read		= pkernfs_chardev_read,
	.write		= pkernfs_chardev_write,
	.llseek		= pkernfs_chardev_llseek,
	.unlocked_ioctl	= pkernfs_chardev_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

static int __init pkernfs_chardev_init(void)
{
	unsigned int i, index;

	for (i = 0; i < pkernfs_region_count(); i++) {
		index = pkernfs_region_get(i)->index;
		if (index >= PKERNFS_MAX_REGIONS || !pkernfs_region_get(i)->virt)
			continue;
		sprintf(pkernfs_chardev_names[index], "pkernfs%u", index);
		pkernfs_chardevs[index] = (struct miscdevice) {
			.minor	= MISC_DYNAMIC_MINOR,
			.name	= pkernfs_chardev_names[index],
			.fops	= &pkernfs_chardev_fops,
			.mode	= 0600,
		};
		if (misc_register(&pkernfs_chardevs[index]))
			pr_warn("pkernfs: no /dev/pkernfs%u\n", index);
	}
	return 0;
}
late_initcall(pkernfs_chardev_init);
