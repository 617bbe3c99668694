// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: preserved devices. This kernel has none.
 */

#include <linux/errno.h>
#include <linux/mutex.h>
#include <linux/pkernfs.h>

DEFINE_MUTEX(pkernfs_transition_lock);

long pkernfs_device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return -ENOTTY;
}

struct pkernfs_device *pkernfs_device_by_ino(struct pkernfs_region *r, u64 ino,
					     u32 generation)
{
	return NULL;
}
