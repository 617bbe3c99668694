/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkernfs: shared by device.c, record.c, ioctl.c, device_sysfs.c and debugfs.c.
 */
#ifndef _PKERNFS_DEVICE_H
#define _PKERNFS_DEVICE_H

#include <linux/pkernfs.h>

struct pkernfs_device *pkernfs_device_new(struct pkernfs_region *r, u16 segment, u16 rid);
int pkernfs_device_add(struct pkernfs_device *pd);
void pkernfs_device_put(struct pkernfs_device *pd);
void pkernfs_device_finish(struct pkernfs_device *pd);
int pkernfs_device_retry(struct pkernfs_device *pd);

int pkernfs_copy_arg(void *arg, size_t ksize, size_t min, void __user *user);
const char *pkernfs_state_name(enum pkernfs_state state);
void pkernfs_device_sysfs_add(struct pkernfs_device *pd);
void pkernfs_device_sysfs_remove(struct pkernfs_device *pd);

#endif
