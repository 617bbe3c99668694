// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: data of files by system call: read and write.
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
 */

#include <linux/filelock.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/splice.h>
#include <linux/uio.h>

#include "pkernfs.h"

#define PKERNFS_WINDOW		PKERNFS_GRANULE_SIZE

/*
 * The file's data at @pos and how much of it, @max at most, is in one piece; NULL: a hole,
 * -EIO: that much has a memory error.
 */
static void *pkernfs_piece(struct inode *inode, u64 pos, u64 max, u64 *bytes)
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
int pkernfs_zero(struct inode *inode, u64 from, u64 to)
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
int pkernfs_zero_grown(struct inode *inode, u64 from, u64 size)
{
	u64 old = i_size_read(inode), window = PKERNFS_WINDOW;

	window = max_t(u64, window, 1ULL << READ_ONCE(pkernfs_node(inode)->pool)->shift);
	return pkernfs_zero(inode, max(from, old),
			    min(round_up(size, PAGE_SIZE), round_up(old + 1, window)));
}

int pkernfs_commit_size(struct inode *inode, loff_t size, umode_t mode)
{
	struct pkernfs_core *c = pkernfs_inode_core(inode);
	int err;

	err = pkernfs_tx_begin(c);
	if (err)
		return err;
	pkernfs_tx_size(c, inode->i_ino, size, mode);
	err = pkernfs_tx_commit(c);
	if (!err)
		i_size_write(inode, size);
	pkernfs_tx_end(c);
	return err;
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
	if (pkernfs_refuse_device(inode)) {
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
		err = pkernfs_commit_size(inode, round_down(pos, PKERNFS_WINDOW), 0);
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
		err = pkernfs_commit_size(inode, pos + copied, 0);
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
	if (pkernfs_refuse_device(inode))
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
