// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: /dev/pkernfs, where mkfs asks for a new filesystem.
 */

#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/miscdevice.h>
#include <linux/nospec.h>
#include <linux/uaccess.h>

#include "pkernfs.h"

static struct pkernfs_region *pkernfs_control_region(u32 index)
{
	unsigned int i;

	/* ~0 is the index of those that only the hardware told of. */
	if (index >= PKERNFS_MAX_REGIONS)
		return NULL;
	for (i = 0; i < pkernfs_region_count(); i++) {
		struct pkernfs_region *r = pkernfs_region_get(i);

		if (r->index == index && r->virt)
			return r;
	}
	return NULL;
}

static long pkernfs_control_format(struct pkernfs_format __user *arg)
{
	struct pkernfs_format opt = {};
	struct pkernfs_region *r;
	const char *why = "";
	u32 size;
	long err;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (get_user(size, &arg->size))
		return -EFAULT;
	if (size < offsetof(struct pkernfs_format, small_blocks))
		return -EINVAL;
	err = copy_struct_from_user(&opt, sizeof(opt), arg, size);
	if (err)
		return err;
	if (opt.flags & ~PKERNFS_FORMAT_FORCE)
		return -EOPNOTSUPP;
	if (strnlen(opt.label, sizeof(opt.label)) == sizeof(opt.label))
		return -EINVAL;

	r = pkernfs_control_region(opt.region);
	if (r) {
		mutex_lock(&pkernfs_transition_lock);
		err = pkernfs_format(r, &opt, &why);
		mutex_unlock(&pkernfs_transition_lock);
	} else {
		err = -ENODEV;
		why = "there is no such region (pkernfs= on the command line)";
	}
	strscpy_pad(opt.reason, err ? why : "", sizeof(opt.reason));
	if (copy_to_user(arg->reason, opt.reason, sizeof(opt.reason)))
		return -EFAULT;
	return err;
}

static long pkernfs_control_ioctl(struct file *file, unsigned int cmd,
				  unsigned long arg)
{
	if (cmd != PKERNFS_FORMAT)
		return -ENOTTY;
	return pkernfs_control_format((void __user *)arg);
}

static const struct file_operations pkernfs_control_fops = {
	.owner		= THIS_MODULE,
	.llseek		= noop_llseek,
	.unlocked_ioctl	= pkernfs_control_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

static struct miscdevice pkernfs_control = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "pkernfs",
	.fops	= &pkernfs_control_fops,
	.mode	= 0600,
};

/* Nothing to control without a region: no device then. */
static int __init pkernfs_control_init(void)
{
	return pkernfs_region_count() ? misc_register(&pkernfs_control) : 0;
}
late_initcall(pkernfs_control_init);
