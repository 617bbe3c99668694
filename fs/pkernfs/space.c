// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: memory of files by system call: truncate, fallocate, from small to large.
 *
 * Truncate and punch never take a page from its users: mappings are removed, then
 * who still has a reference (a pin for DMA) makes it -EBUSY. So does a hold.
 */

#include <linux/delay.h>
#include <linux/falloc.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>

#include "pkernfs.h"

#define PKERNFS_BUSY_TRIES	20	/* 1 ms apart: references by the way go */
#define PKERNFS_LOCK_TRIES	20	/* 1 ms apart, too */
#define PKERNFS_FILL_STEP	SZ_256M	/* that much is not lost by a signal */

/**
 * pkernfs_wanted_pool - granules for a file that has none
 * @inode: a regular file
 * @end: how far it is going to reach, in bytes; its size counts in any case
 *
 * What its user wishes; else large ones for a file of that size or more. Those of 1 GiB
 * are for those who ask for them.
 */
struct pkernfs_gpool *pkernfs_wanted_pool(struct inode *inode, u64 end)
{
	struct pkernfs_gpool *pool = pkernfs_inode_core(inode)->gpool;
	u16 wish = pkernfs_wish(inode);

	if (wish == PKERNFS_INODE_WISH_1G)
		return &pool[PKERNFS_GPOOL_1G];
	end = max_t(u64, end, i_size_read(inode));
	if (!pool[PKERNFS_GPOOL_4K].granules || wish == PKERNFS_INODE_WISH_2M ||
	    (wish == PKERNFS_INODE_WISH_NONE && end >= PKERNFS_GRANULE_SIZE))
		return &pool[PKERNFS_GPOOL_2M];
	return &pool[PKERNFS_GPOOL_4K];
}

/*
 * Wait a moment for references that go by themselves: nobody has this part any more then. The
 * invalidate lock is held, and what was mapped has been removed.
 */
static int pkernfs_wait_idle(struct inode *inode, u64 first, u64 last)
{
	struct pkernfs_core *c = pkernfs_inode_core(inode);
	unsigned int i;
	bool held;

	for (i = 0; i < PKERNFS_BUSY_TRIES; i++) {
		if (!pkernfs_extent_busy(c, pkernfs_node(inode), first, last, &held)) {
			pkernfs_extent_forget(c, pkernfs_node(inode), first, last);
			return 0;
		}
		if (held)
			break;
		usleep_range(1000, 2000);
	}
	return -EBUSY;
}

/*
 * Would somebody still have memory of this part if all mappings of it went? Then none shall
 * go: guests have them. What comes and goes is not in the way, as a granule that was seen
 * without such a reference once is not looked at again.
 */
static int pkernfs_wait_lent(struct inode *inode, u64 from, u64 last)
{
	struct pkernfs_core *c = pkernfs_inode_core(inode);
	unsigned int i;
	int err;

	for (i = 0; i < PKERNFS_BUSY_TRIES; i++) {
		err = pkernfs_extent_lent(c, pkernfs_node(inode), &from, last);
		if (err != -EAGAIN)
			return err;
		usleep_range(1000, 2000);
	}
	return -EBUSY;
}

/*
 * Move a file from small to large granules. The inode lock keeps readers and writers away. Page
 * tables go, private copies stay. A file with a page that is pinned or held stays
 * where it is.
 */
static int pkernfs_move(struct inode *inode)
{
	struct pkernfs_core *c = pkernfs_inode_core(inode);
	struct pkernfs_node *n = pkernfs_node(inode);
	int err;

	/* From others no file moves. It may be empty, and a fault choose for it just now. */
	if (READ_ONCE(n->pool) != &c->gpool[PKERNFS_GPOOL_4K])
		return 0;
	err = pkernfs_wait_lent(inode, 0, MAX_LFS_FILESIZE);
	if (err)
		return err;
	filemap_invalidate_lock(inode->i_mapping);
	if (n->pool == &c->gpool[PKERNFS_GPOOL_4K]) {
		unmap_mapping_range(inode->i_mapping, 0, 0, 0);
		err = pkernfs_wait_idle(inode, 0, MAX_LFS_FILESIZE) ?:
		      pkernfs_extent_move(c, n, &c->gpool[PKERNFS_GPOOL_2M]);
	}
	filemap_invalidate_unlock(inode->i_mapping);
	return err;
}

/**
 * pkernfs_move_from_fault - move a file from small to large granules, from anywhere
 * @inode: a regular file; its invalidate lock is not held
 * @user: the caller is in no system call, and can come again
 *
 * The caller has locks that others take under the inode lock, and may be the one who has it, in
 * a system call on the same file: so it is not tried for ever.
 *
 * Return: 0: its granules are not small ones any more; -EAGAIN: the inode is locked;
 * -ENOSPC, -EFBIG: it has to stay, and what it is that small ones do not do; -EINTR, -ENOMEM,
 * -ESHUTDOWN.
 */
int pkernfs_move_from_fault(struct inode *inode, bool user)
{
	const struct pkernfs_node *n = pkernfs_node(inode);
	unsigned int i;
	int err;

	for (i = 0; !inode_trylock(inode); i++) {
		if (user || i == PKERNFS_LOCK_TRIES)
			return -EAGAIN;
		if (fatal_signal_pending(current))
			return -EINTR;
		usleep_range(1000, 2000);
	}
	err = pkernfs_move(inode);
	/* What it is pinned for is not what is missing. */
	if (err == -EBUSY || err == -EFBIG || err == -EIO)
		err = READ_ONCE(n->extents) == PKERNFS_SLOTS ? -EFBIG : -ENOSPC;
	inode_unlock(inode);
	return err;
}

/*
 * The file is to reach to @end: has it outgrown small granules? Asked once, when it
 * crosses the limit: with a page pinned that costs a while each time. If it has to
 * stay, all goes on with more small ones.
 */
void pkernfs_outgrow(struct inode *inode, u64 end)
{
	if (pkernfs_node(inode)->extents && pkernfs_wish(inode) == PKERNFS_INODE_WISH_NONE &&
	    i_size_read(inode) < PKERNFS_GRANULE_SIZE && end >= PKERNFS_GRANULE_SIZE)
		pkernfs_move(inode);
}

/*
 * Memory for a part of the file, which is to reach to @end. Where small granules are
 * used up, or the file has them in too many pieces, large ones will do, unless the user
 * wants it otherwise.
 */
int pkernfs_fill(struct inode *inode, u64 from, u64 last, u64 end)
{
	struct pkernfs_core *c = pkernfs_inode_core(inode);
	struct pkernfs_node *n = pkernfs_node(inode);
	int err;

	pkernfs_outgrow(inode, end);
	err = pkernfs_extent_fill_part(c, n, from, last, end - 1, pkernfs_wanted_pool(inode, end));
	if (err != -ENOSPC &&
	    (err != -EFBIG || READ_ONCE(n->pool) != &c->gpool[PKERNFS_GPOOL_4K]))
		return err;
	if (pkernfs_wish(inode) != PKERNFS_INODE_WISH_NONE || pkernfs_move(inode))
		return err;
	return pkernfs_extent_fill_part(c, n, from, last, end - 1, &c->gpool[PKERNFS_GPOOL_2M]);
}

/* --- less of it -------------------------------------------------------------------- */

/*
 * Remove all mappings of [from, to) and wait a moment for references that go by
 * themselves. The invalidate lock is held: no new mapping comes. Pages that are
 * mapped together with it, up to the next granules, lose their mappings too. Private
 * copies stay: they have no reference on what they are copies of, and nobody could bring
 * them back if the file keeps its memory after all. A hole in it is none in them.
 */
static int pkernfs_unmap(struct inode *inode, u64 from, u64 to)
{
	u64 size = 1ULL << pkernfs_node(inode)->pool->shift;
	u64 first = round_down(from, size), end = round_up(to, size);

	unmap_mapping_pages(inode->i_mapping, first >> PAGE_SHIFT, (end - first) >> PAGE_SHIFT,
			    false);
	return pkernfs_wait_idle(inode, first, end - 1);
}

/* The file ends here: private copies of what was behind it go, and none can be made. */
static void pkernfs_end_copies(struct inode *inode, u64 size)
{
	unmap_mapping_pages(inode->i_mapping, DIV_ROUND_UP_ULL(size, PAGE_SIZE), 0, true);
}

static int pkernfs_shrink(struct inode *inode, loff_t size, umode_t mode)
{
	struct pkernfs_core *c = pkernfs_inode_core(inode);
	loff_t old = i_size_read(inode);
	int err = 0;

	/* Memory behind the old end is never mapped nor pinned: it may just go. */
	if (size < old)
		err = pkernfs_wait_lent(inode, size, old - 1);
	if (err)
		goto out;
	filemap_invalidate_lock(inode->i_mapping);
	if (size < old)
		err = pkernfs_unmap(inode, size, old);
	if (!err)
		err = pkernfs_extent_cut(c, pkernfs_node(inode), size, MAX_LFS_FILESIZE, size,
					 mode);
	if (!err) {
		i_size_write(inode, size);
		/* A mapping shows all of the last page: what was cut off is not there. */
		if (size < old) {
			pkernfs_end_copies(inode, size);
			pkernfs_zero(inode, size, round_up((u64)size, PAGE_SIZE));
		}
	}
	filemap_invalidate_unlock(inode->i_mapping);
out:
	if (err == -EBUSY)
		pkernfs_say_held(inode, size, MAX_LFS_FILESIZE);
	return err;
}

/**
 * pkernfs_set_size - truncate
 * @inode: a regular file; its inode lock is held
 * @size: new size
 * @mode: what it becomes with it, 0: as it is
 *
 * Return: 0; -EBUSY: a page that would go is pinned or held, or it is a device
 * file; -EINTR: the task is to die, and the size is as it was.
 */
int pkernfs_set_size(struct inode *inode, loff_t size, umode_t mode)
{
	loff_t old = i_size_read(inode);
	int err;

	if (!S_ISREG(inode->i_mode))
		return -EINVAL;
	if (pkernfs_refuse_device(inode))
		return -EBUSY;
	if (size <= old)	/* the same size too: memory behind the end goes */
		return pkernfs_shrink(inode, size, mode);
	pkernfs_outgrow(inode, size);
	err = pkernfs_zero_grown(inode, old, size);
	return err ?: pkernfs_commit_size(inode, size, mode);
}

/* --- fallocate ---------------------------------------------------------------------- */

static int pkernfs_punch(struct inode *inode, loff_t offset, loff_t len)
{
	struct pkernfs_core *c = pkernfs_inode_core(inode);
	u64 end = offset + len, size, first, last;
	int err = 0;

	/* What is refused takes no mapping away. Whole granules go, the edges become zero. */
	size = 1ULL << READ_ONCE(pkernfs_node(inode)->pool)->shift;
	first = round_up((u64)offset, size);
	last = round_down(end, size);
	if (first < last)
		err = pkernfs_wait_lent(inode, first, last - 1);
	if (err)
		goto out;
	/* The file may have been empty, and got granules of another size just now. */
	filemap_invalidate_lock(inode->i_mapping);
	size = 1ULL << pkernfs_node(inode)->pool->shift;
	first = round_up((u64)offset, size);
	last = round_down(end, size);
	if (first < last)
		err = pkernfs_unmap(inode, first, last);
	if (!err && first < last)
		err = pkernfs_extent_cut(c, pkernfs_node(inode), first, last - 1, -1, 0);
	filemap_invalidate_unlock(inode->i_mapping);
out:
	if (err == -EBUSY)
		pkernfs_say_held(inode, first, last - 1);
	if (err)
		return err;
	if (first >= last)
		return pkernfs_zero(inode, offset, end);
	return pkernfs_zero(inode, offset, first) ?: pkernfs_zero(inode, last, end);
}

/* Is there memory for all of [from, end)? In granules of @p, if the file has none yet. */
static int pkernfs_room(struct inode *inode, struct pkernfs_gpool *p, u64 from, u64 end)
{
	struct pkernfs_core *c = pkernfs_inode_core(inode);
	struct pkernfs_node *n = pkernfs_node(inode);
	bool room;

	down_read(&c->lock);
	if (n->extents)
		p = n->pool;
	room = pkernfs_extent_holes(n, p->shift, from, end - 1) <= p->free;
	up_read(&c->lock);
	return room ? 0 : -ENOSPC;
}

/* Memory for a part of the file, step by step; sysfs shows how far it is. */
static int pkernfs_fill_all(struct inode *inode, u64 from, u64 end)
{
	struct pkernfs_core *c = pkernfs_inode_core(inode);
	u64 at = from, step;
	int err = 0;

	atomic64_add(end - from, &c->zeroing);
	while (at < end) {
		step = min_t(u64, end - at, PKERNFS_FILL_STEP);
		err = fatal_signal_pending(current) ? -EINTR :
		      pkernfs_fill(inode, at, at + step - 1, end);
		if (err)
			break;
		atomic64_add(step, &c->zeroed);
		at += step;
	}
	atomic64_sub(at - from, &c->zeroed);
	atomic64_sub(end - from, &c->zeroing);
	return err;
}

/* With @zero, what is there becomes zero, once it is known that the rest fits. */
static int pkernfs_allocate(struct inode *inode, loff_t offset, loff_t len, bool keep_size,
			    bool zero)
{
	struct pkernfs_core *c = pkernfs_inode_core(inode);
	int err;

	if (!keep_size) {
		err = inode_newsize_ok(inode, offset + len);
		if (err)
			return err;
	}
	pkernfs_outgrow(inode, offset + len);
	/* What cannot succeed must not take all memory first. */
	err = pkernfs_room(inode, pkernfs_wanted_pool(inode, offset + len), offset,
			   offset + len);
	if (err == -ENOSPC && pkernfs_wish(inode) == PKERNFS_INODE_WISH_NONE &&
	    !pkernfs_move(inode))
		err = pkernfs_room(inode, &c->gpool[PKERNFS_GPOOL_2M], offset, offset + len);
	if (err)
		return err;
	if (zero)
		err = pkernfs_zero(inode, offset, offset + len);
	if (!err)
		err = pkernfs_fill_all(inode, offset, offset + len);
	if (err)
		return err;
	if (keep_size || offset + len <= i_size_read(inode))
		return 0;
	err = pkernfs_zero_grown(inode, 0, offset + len);
	return err ?: pkernfs_commit_size(inode, offset + len, 0);
}

long pkernfs_fallocate(struct file *file, int mode, loff_t offset, loff_t len)
{
	struct inode *inode = file_inode(file);
	int err;

	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		return -EOPNOTSUPP;
	inode_lock(inode);
	/* The VFS has asked the same, but chattr(1) may have been waited for. */
	err = -EPERM;
	if (IS_IMMUTABLE(inode) || (IS_APPEND(inode) && mode & ~FALLOC_FL_KEEP_SIZE))
		goto out;
	err = -EBUSY;
	if (pkernfs_refuse_device(inode))
		goto out;
	err = file_modified(file);
	if (err)
		goto out;
	if (mode & FALLOC_FL_PUNCH_HOLE)
		err = pkernfs_punch(inode, offset, len);
	else
		err = pkernfs_allocate(inode, offset, len, mode & FALLOC_FL_KEEP_SIZE,
				       mode & FALLOC_FL_ZERO_RANGE);
out:
	inode_unlock(inode);
	return err;
}
