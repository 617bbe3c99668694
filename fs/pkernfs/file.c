// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: data of files by system call: read, write, truncate, fallocate.
 *
 * Data is copied on the kernel's mapping; there is no page cache. The inode lock
 * (shared for read) keeps truncate and punch away, so granules that were looked up
 * stay the file's while they are copied.
 *
 * What lies behind the end of a file, up to the end of the window (2 MiB, aligned)
 * that its next byte would be in, may be anything: a store through a mapping of the
 * last page, what truncate has left, or a write that has not come to commit the size,
 * because the kernel stopped or refused. So that window is zeroed when the file grows,
 * before the new size is committed. All memory behind it holds zeroes: a write
 * commits the size after each window, so it is never ahead by more than one. A window
 * is one large granule, or many small ones. Of a granule of 1 GiB, which truncate leaves
 * whole as well, all is zeroed.
 *
 * Truncate and punch never take a page from its users: mappings are removed, then
 * who still has a reference (a pin for DMA) makes it -EBUSY. So does a hold.
 */

#include <linux/delay.h>
#include <linux/falloc.h>
#include <linux/filelock.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sizes.h>
#include <linux/splice.h>
#include <linux/uio.h>

#include "pkernfs.h"

#define PKERNFS_WINDOW		PKERNFS_GRANULE_SIZE
#define PKERNFS_BUSY_TRIES	20	/* 1 ms apart: references by the way go */
#define PKERNFS_FILL_STEP	SZ_256M	/* that much is not lost by a signal */

static struct pkernfs_core *pkernfs_inode_core(struct inode *inode)
{
	return pkernfs_sb_core(inode->i_sb);
}

/*
 * The file's data at @pos and how much of it, @max at most, is in one piece; NULL: a hole,
 * -EIO: that much has a memory error.
 */
static void *pkernfs_piece(struct inode *inode, loff_t pos, u64 max, u64 *bytes)
{
	struct pkernfs_core *c = pkernfs_inode_core(inode);
	void *data;

	down_read(&c->lock);
	data = pkernfs_extent_data(c, pkernfs_node(inode), pos, bytes);
	*bytes = min(*bytes, max);
	if (data && !pkernfs_bad_span(c, data, bytes))
		data = ERR_PTR(-EIO);
	up_read(&c->lock);
	return data;
}

/* The same, up to the end of its window. */
static void *pkernfs_data(struct inode *inode, loff_t pos, size_t *bytes)
{
	void *data;
	u64 piece;

	data = pkernfs_piece(inode, pos, PKERNFS_WINDOW - (pos & (PKERNFS_WINDOW - 1)), &piece);
	*bytes = piece;
	return data;
}

/*
 * Zero a part of the file where it has memory, by all CPUs if that is much. The inode lock
 * is held. -EINTR: the task is to die, and not all is zero; what is a single page is.
 */
static int pkernfs_zero(struct inode *inode, loff_t from, loff_t to)
{
	struct pkernfs_core *c = pkernfs_inode_core(inode);
	void *data;
	u64 bytes;
	int err;

	while (from < to) {
		data = pkernfs_piece(inode, from, to - from, &bytes);
		if (!IS_ERR_OR_NULL(data)) {
			err = pkernfs_zero_memory(c, data, bytes);
			if (err)
				return err;
		}
		from += bytes;
		if (from < to && fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/*
 * Zero what becomes visible from @from on when the file grows to @size; see above. A
 * mapping shows all of the last page.
 */
static int pkernfs_zero_grown(struct inode *inode, loff_t from, loff_t size)
{
	u64 old = i_size_read(inode), window = PKERNFS_WINDOW;

	window = max_t(u64, window, 1ULL << READ_ONCE(pkernfs_node(inode)->pool)->shift);
	return pkernfs_zero(inode, max_t(u64, from, old),
			    min_t(u64, round_up(size, PAGE_SIZE), round_up(old + 1, window)));
}

static int pkernfs_commit_size(struct inode *inode, loff_t size)
{
	struct pkernfs_core *c = pkernfs_inode_core(inode);
	int err;

	err = pkernfs_tx_begin(c);
	if (err)
		return err;
	pkernfs_tx_inode(c, inode->i_ino)->size = cpu_to_le64(size);
	err = pkernfs_tx_commit(c);
	if (!err)
		i_size_write(inode, size);
	pkernfs_tx_end(c);
	return err;
}

/* --- granules ---------------------------------------------------------------------- */

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

/* Wait a moment for references that go by themselves. The invalidate lock is held. */
static int pkernfs_wait_idle(struct inode *inode, loff_t first, loff_t last)
{
	struct pkernfs_core *c = pkernfs_inode_core(inode);
	unsigned int i;
	bool held;

	for (i = 0; i < PKERNFS_BUSY_TRIES; i++) {
		if (!pkernfs_extent_busy(c, pkernfs_node(inode), first, last, &held))
			return 0;
		if (held)
			break;
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
	int err = 0;

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
 *
 * The inode lock is not waited for: the caller has locks that others take under it, and
 * the one who has it may be the caller.
 *
 * Return: 0: its granules are not small ones any more; -EAGAIN: the inode is locked; else
 * what keeps the file where it is.
 */
int pkernfs_move_from_fault(struct inode *inode)
{
	int err;

	if (!inode_trylock(inode))
		return -EAGAIN;
	err = pkernfs_move(inode);
	inode_unlock(inode);
	return err;
}

/*
 * The file is to reach to @end: has it outgrown small granules? Asked once, when it
 * crosses the limit: with a page pinned that costs a while each time. If it has to
 * stay, all goes on with more small ones.
 */
static void pkernfs_outgrow(struct inode *inode, u64 end)
{
	if (pkernfs_node(inode)->extents && pkernfs_wish(inode) == PKERNFS_INODE_WISH_NONE &&
	    i_size_read(inode) < PKERNFS_GRANULE_SIZE && end >= PKERNFS_GRANULE_SIZE)
		pkernfs_move(inode);
}

/*
 * Memory for a part of the file, which is to reach to @end. Where small granules are
 * used up large ones will do, unless the user wants it otherwise.
 */
static int pkernfs_fill(struct inode *inode, u64 from, u64 last, u64 end)
{
	struct pkernfs_core *c = pkernfs_inode_core(inode);
	struct pkernfs_node *n = pkernfs_node(inode);
	int err;

	pkernfs_outgrow(inode, end);
	err = pkernfs_extent_fill(c, n, from, last, pkernfs_wanted_pool(inode, end));
	if (err != -ENOSPC || pkernfs_wish(inode) != PKERNFS_INODE_WISH_NONE ||
	    pkernfs_move(inode))
		return err;
	return pkernfs_extent_fill(c, n, from, last, &c->gpool[PKERNFS_GPOOL_2M]);
}

/* --- read and write -------------------------------------------------------------- */

static ssize_t pkernfs_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	size_t bytes, copied;
	ssize_t done = 0;
	loff_t size;
	void *data;

	if (!iov_iter_count(to))
		return 0;
	inode_lock_shared(inode);
	if (pkernfs_is_device(inode)) {
		done = -EBUSY;
		goto out;
	}
	size = i_size_read(inode);
	while (iov_iter_count(to) && iocb->ki_pos < size) {
		data = pkernfs_data(inode, iocb->ki_pos, &bytes);
		if (IS_ERR(data)) {
			if (!done)
				done = PTR_ERR(data);
			break;
		}
		bytes = min3(bytes, iov_iter_count(to), (size_t)(size - iocb->ki_pos));
		/* A memory error that nobody knew of is a short copy, and then -EIO. */
		copied = data ? _copy_mc_to_iter(data, bytes, to) : iov_iter_zero(bytes, to);
		done += copied;
		iocb->ki_pos += copied;
		if (copied < bytes) {
			if (!done)
				done = -EFAULT;
			break;
		}
		cond_resched();
	}
out:
	inode_unlock_shared(inode);
	if (done > 0)
		file_accessed(iocb->ki_filp);
	return done;
}

/* Copy to where the file has memory. Return: bytes that have come; if less, @err says why. */
static size_t pkernfs_copy_in(struct inode *inode, loff_t pos, size_t want,
			      struct iov_iter *from, int *err)
{
	size_t bytes, copied, done = 0;
	void *data;

	*err = -EFAULT;
	while (done < want) {
		data = pkernfs_data(inode, pos + done, &bytes);
		if (IS_ERR(data))
			*err = PTR_ERR(data);
		if (IS_ERR_OR_NULL(data))
			break;
		bytes = min(bytes, want - done);
		copied = copy_from_iter(data, bytes, from);
		done += copied;
		if (copied < bytes)
			break;
	}
	return done;
}

/*
 * Write up to the end of the window that @pos is in. What could not be made part
 * of the file, as its size could not be committed, has not been written.
 */
static ssize_t pkernfs_write_window(struct inode *inode, loff_t pos,
				    struct iov_iter *from)
{
	size_t bytes = min_t(size_t, iov_iter_count(from),
			     PKERNFS_WINDOW - (pos & (PKERNFS_WINDOW - 1)));
	loff_t size = i_size_read(inode);
	size_t copied;
	int err;

	err = pkernfs_fill(inode, pos, pos + bytes - 1, pos + iov_iter_count(from));
	/* Full: what there is from @pos on, if any, is still a short write. */
	if (err && (err != -ENOSPC || !pkernfs_data(inode, pos, &copied)))
		return err;
	if (pos > size) {
		err = pkernfs_zero_grown(inode, size, pos);
		if (err)
			return err;
	}
	if (round_down(pos, PKERNFS_WINDOW) > size) {
		/* The size follows first, to less than a window behind the data. */
		if (fault_in_iov_iter_readable(from, 1))
			return -EFAULT;
		err = pkernfs_commit_size(inode, round_down(pos, PKERNFS_WINDOW));
		if (err)
			return err;
		size = i_size_read(inode);
	}
	copied = pkernfs_copy_in(inode, pos, bytes, from, &err);
	if (!copied)
		return err;
	if (pos + copied <= size)
		return copied;

	err = pkernfs_zero_grown(inode, pos + copied, pos + copied);
	smp_wmb();	/* data before the size that shows it */
	if (!err)
		err = pkernfs_commit_size(inode, pos + copied);
	if (!err)
		return copied;
	if (pos >= size)
		return err;
	iov_iter_revert(from, copied - (size - pos));
	return size - pos;
}

static ssize_t pkernfs_write_locked(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t ret, done = 0;

	ret = generic_write_checks(iocb, from);
	if (ret <= 0)
		return ret;
	if (IS_IMMUTABLE(inode))	/* a descriptor from before chattr(1) */
		return -EPERM;
	if (pkernfs_is_device(inode))
		return -EBUSY;
	ret = file_modified(iocb->ki_filp);
	if (ret)
		return ret;

	do {
		ret = pkernfs_write_window(inode, iocb->ki_pos, from);
		if (ret < 0)
			break;
		iocb->ki_pos += ret;
		done += ret;
		cond_resched();
	} while (iov_iter_count(from) && !fatal_signal_pending(current));
	return done ?: ret;
}

static ssize_t pkernfs_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t done;

	inode_lock(inode);
	done = pkernfs_write_locked(iocb, from);
	inode_unlock(inode);
	return done;
}

/* --- size ------------------------------------------------------------------------- */

/*
 * Remove all mappings of [from, to) and wait a moment for references that go by
 * themselves. The invalidate lock is held: no new mapping comes. Pages that are
 * mapped together with it, up to the next granules, lose their mappings too, but
 * not the private copies. Those of the range go with the end of the file only
 * (@cows): a hole in the file is none in what was copied from it.
 */
static int pkernfs_unmap(struct inode *inode, loff_t from, loff_t to, bool cows)
{
	loff_t size = 1LL << pkernfs_node(inode)->pool->shift;
	loff_t first = round_down(from, size);
	loff_t last = round_up(to, size) - 1;

	unmap_mapping_range(inode->i_mapping, first, last - first + 1, 0);
	if (cows && to > round_up(from, PAGE_SIZE))	/* a length of 0 means all the rest */
		unmap_mapping_range(inode->i_mapping, round_up(from, PAGE_SIZE),
				    to - round_up(from, PAGE_SIZE), 1);
	return pkernfs_wait_idle(inode, first, last);
}

static int pkernfs_shrink(struct inode *inode, loff_t size)
{
	struct pkernfs_core *c = pkernfs_inode_core(inode);
	int err = 0;

	filemap_invalidate_lock(inode->i_mapping);
	/* Memory behind the old end is never mapped nor pinned: it may just go. */
	if (size < i_size_read(inode))
		err = pkernfs_unmap(inode, size, i_size_read(inode), true);
	if (!err)
		err = pkernfs_extent_cut(c, pkernfs_node(inode), size, MAX_LFS_FILESIZE, size);
	if (!err) {
		loff_t old = i_size_read(inode);

		i_size_write(inode, size);
		/* A mapping shows all of the last page: what was cut off is not there. */
		if (size < old)
			pkernfs_zero(inode, size, round_up(size, PAGE_SIZE));
	}
	filemap_invalidate_unlock(inode->i_mapping);
	if (err == -EBUSY)
		pkernfs_say_held(inode, size, MAX_LFS_FILESIZE);
	return err;
}

/**
 * pkernfs_set_size - truncate
 * @inode: a regular file; its inode lock is held
 * @size: new size
 *
 * Return: 0; -EBUSY: a page that would go is pinned or held, or it is a device
 * file; -EINTR: the task is to die, and the size is as it was.
 */
int pkernfs_set_size(struct inode *inode, loff_t size)
{
	loff_t old = i_size_read(inode);
	int err;

	if (!S_ISREG(inode->i_mode))
		return -EINVAL;
	if (pkernfs_is_device(inode))
		return -EBUSY;
	if (size <= old)	/* the same size too: memory behind the end goes */
		return pkernfs_shrink(inode, size);
	pkernfs_outgrow(inode, size);
	err = pkernfs_zero_grown(inode, old, size);
	return err ?: pkernfs_commit_size(inode, size);
}

/* --- fallocate ---------------------------------------------------------------------- */

static int pkernfs_punch(struct inode *inode, loff_t offset, loff_t len)
{
	struct pkernfs_core *c = pkernfs_inode_core(inode);
	u64 end = offset + len, size, first, last;
	int err = 0;

	/* Whole granules go, what is left at the edges becomes zero. */
	filemap_invalidate_lock(inode->i_mapping);
	size = 1ULL << pkernfs_node(inode)->pool->shift;
	first = round_up((u64)offset, size);
	last = round_down(end, size);
	if (first < last)
		err = pkernfs_unmap(inode, first, last, false);
	if (!err && first < last)
		err = pkernfs_extent_cut(c, pkernfs_node(inode), first, last - 1, -1);
	filemap_invalidate_unlock(inode->i_mapping);
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
		err = signal_pending(current) ? -EINTR :
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
	return err ?: pkernfs_commit_size(inode, offset + len);
}

static long pkernfs_fallocate(struct file *file, int mode, loff_t offset, loff_t len)
{
	struct inode *inode = file_inode(file);
	int err;

	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		return -EOPNOTSUPP;
	inode_lock(inode);
	err = -EBUSY;
	if (pkernfs_is_device(inode))
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

/* --- the rest ------------------------------------------------------------------------ */

static loff_t pkernfs_seek(struct inode *inode, loff_t pos, bool data)
{
	struct pkernfs_core *c = pkernfs_inode_core(inode);
	loff_t size = i_size_read(inode);
	u64 found;

	if (pos < 0 || pos >= size)
		return -ENXIO;
	down_read(&c->lock);
	found = pkernfs_extent_seek(pkernfs_node(inode), pos, data);
	up_read(&c->lock);
	if (found >= (u64)size)
		return data ? -ENXIO : size;
	return found;
}

static loff_t pkernfs_llseek(struct file *file, loff_t offset, int whence)
{
	struct inode *inode = file_inode(file);

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return generic_file_llseek(file, offset, whence);
	inode_lock_shared(inode);
	offset = pkernfs_seek(inode, offset, whence == SEEK_DATA);
	inode_unlock_shared(inode);
	return offset < 0 ? offset : vfs_setpos(file, offset, inode->i_sb->s_maxbytes);
}

static int pkernfs_open(struct inode *inode, struct file *file)
{
	file->f_mode |= FMODE_CAN_ODIRECT;	/* there is no cache to go past */
	return generic_file_open(inode, file);
}

const struct inode_operations pkernfs_file_iops = {
	.setattr	= pkernfs_setattr,
	.getattr	= pkernfs_getattr,
	.update_time	= pkernfs_inode_update_time,
	.listxattr	= pkernfs_listxattr,
	.get_inode_acl	= pkernfs_get_acl,
	.set_acl	= pkernfs_set_acl,
	.fileattr_get	= pkernfs_fileattr_get,
	.fileattr_set	= pkernfs_fileattr_set,
};

const struct file_operations pkernfs_file_fops = {
	.open		= pkernfs_open,
	.llseek		= pkernfs_llseek,
	.read_iter	= pkernfs_read_iter,
	.write_iter	= pkernfs_write_iter,
	.splice_read	= copy_splice_read,
	.splice_write	= iter_file_splice_write,
	.fallocate	= pkernfs_fallocate,
	.mmap_prepare	= pkernfs_mmap_prepare,
	.get_unmapped_area = pkernfs_get_unmapped_area,
	.fsync		= noop_fsync,
	.setlease	= generic_setlease,
	.unlocked_ioctl	= pkernfs_device_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.fop_flags	= FOP_MMAP_SYNC,
};
