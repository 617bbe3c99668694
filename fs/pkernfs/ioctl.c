// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: ioctls on device files.
 *
 * Any empty regular file of a mount can become a device file, by FREEZE. It is
 * one until the device is ordinary again.
 */
#include <linux/capability.h>
#include <linux/cleanup.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/pci.h>
#include <linux/pkernfs.h>
#include <linux/pkernfs_iommu.h>
#include <linux/pkernfs_pci.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <trace/events/pkernfs.h>

#include "device.h"

/* Last refusals of FREEZE on files that have no device, for INFO; transition lock */
#define PKERNFS_REFUSALS	16
static struct {
	struct pkernfs_region *region;
	u64 ino;
	u32 generation;
	struct pkernfs_refusal why;
} pkernfs_refusals[PKERNFS_REFUSALS];
static unsigned int pkernfs_refusal_next;

static void pkernfs_note_refusal(struct inode *inode, const struct pkernfs_refusal *why)
{
	unsigned int i = pkernfs_refusal_next++ % PKERNFS_REFUSALS;

	pkernfs_refusals[i].region = pkernfs_inode_region(inode);
	pkernfs_refusals[i].ino = inode->i_ino;
	pkernfs_refusals[i].generation = inode->i_generation;
	pkernfs_refusals[i].why = *why;
}

static const struct pkernfs_refusal *pkernfs_find_refusal(struct inode *inode)
{
	unsigned int i, at;

	for (i = 1; i <= PKERNFS_REFUSALS; i++) {
		at = (pkernfs_refusal_next - i) % PKERNFS_REFUSALS;
		if (pkernfs_refusals[at].region == pkernfs_inode_region(inode) &&
		    pkernfs_refusals[at].ino == inode->i_ino &&
		    pkernfs_refusals[at].generation == inode->i_generation)
			return &pkernfs_refusals[at].why;
	}
	return NULL;
}

/* NULL if @pd has left its fixed domain: it may do so by itself, before the work has come. */
static struct pkernfs_device *pkernfs_still_device(struct pkernfs_device *pd)
{
	if (pd)
		pkernfs_device_retry(pd);
	if (pd && READ_ONCE(pd->left)) {
		pkernfs_device_finish(pd);
		pd = NULL;
	}
	return pd;
}

static struct pkernfs_device *pkernfs_file_device(struct file *file)
{
	return pkernfs_still_device(pkernfs_inode_device(file_inode(file)));
}

/* The preserved device of that address, in whichever file */
static struct pkernfs_device *pkernfs_pci_device(struct pci_dev *pdev)
{
	struct pkernfs_device *pd;

	list_for_each_entry(pd, &pkernfs_devices, node)
		if (pd->segment == pci_domain_nr(pdev->bus) && pd->rid == pci_dev_id(pdev))
			return pkernfs_still_device(pd);
	return NULL;
}

/* The device becomes known, and its file a device file, before anything else. */
static int pkernfs_freeze_claim(struct inode *inode, struct pkernfs_device *pd)
{
	struct pkernfs_refusal *why = &pd->why;
	u32 generation;
	u64 ino;
	int ret;

	if (pkernfs_record_alloc(pd))
		return pkernfs_refuse(why, -ENOSPC, ~0ULL, "no device record left in the region");
	pkernfs_inode_id(inode, &ino, &generation);
	pd->rec->ino = cpu_to_le64(ino);
	pd->rec->generation = cpu_to_le32(generation);
	if (pkernfs_inode_set_device(inode, pd))
		return pkernfs_refuse(why, -EBUSY, ~0ULL,
				      "the file is not empty, or it is mapped or unlinked");
	ret = pkernfs_device_add(pd);
	if (!ret)
		return 0;
	pkernfs_inode_set_device(inode, NULL);
	return pkernfs_refuse(why, ret, ~0ULL, ret == -EBUSY ? "%s is frozen already" :
			      "no memory for %s", pci_name(pd->pdev));
}

static int pkernfs_device_freeze(struct file *file, const struct pkernfs_freeze *arg,
				 const struct pkernfs_iova_range *leave_out,
				 struct pkernfs_refusal *why)
{
	struct inode *inode = file_inode(file);
	struct pkernfs_device *pd, *failed;
	struct iommufd_device *idev;
	struct file *vfio_file;
	struct pci_dev *pdev;
	int ret;

	if (pkernfs_file_device(file))
		return pkernfs_refuse(why, -EBUSY, ~0ULL, "the file has a device already");
	vfio_file = fget(arg->vfio_fd);
	if (!vfio_file)
		return pkernfs_refuse(why, -EBADF, ~0ULL, "vfio_fd is not an open file");
	pdev = pkernfs_vfio_pdev(vfio_file, &idev);
	if (IS_ERR(pdev)) {
		fput(vfio_file);
		return pkernfs_refuse(why, PTR_ERR(pdev), ~0ULL,
				      "vfio_fd is not a VFIO PCI device that is bound to an iommufd");
	}
	failed = pkernfs_pci_device(pdev);
	pd = pkernfs_device_new(pkernfs_inode_region(inode), pci_domain_nr(pdev->bus),
				pci_dev_id(pdev));
	if (!pd) {
		pci_dev_put(pdev);
		fput(vfio_file);
		return pkernfs_refuse(why, -ENOMEM, ~0ULL, "no memory");
	}
	pd->pdev = pdev;
	pd->leave_out = leave_out;
	pd->leave_out_count = arg->leave_out_count;
	if (failed && failed->state == PKERNFS_STATE_FAILED)
		pd->failed = failed;

	ret = pkernfs_freeze_claim(inode, pd);
	if (ret) {
		*why = pd->why;
		pkernfs_device_put(pd);
		goto out;
	}
	ret = pkernfs_pci_check(pdev, &pd->why);
	if (!ret) {
		/* That one was stopped, and has nothing to keep. */
		if (pd->failed)
			pkernfs_pci_unkeep(pd->failed);
		ret = pkernfs_pci_keep(pd);
	}
	if (!ret)
		ret = pkernfs_pci_save(pdev, &pd->rec->pci, &pd->why);
	if (!ret) {
		/* FROZEN before the switch: a switch that fails takes it back. */
		pd->state = PKERNFS_STATE_FROZEN;
		ret = pkernfs_iommu_freeze(pd);
	}
	pd->leave_out = NULL;
	trace_pkernfs_freeze(pd, ret);
	if (ret) {
		*why = pd->why;
		if (ret == -ENOSPC && pd->failed)
			pci_info(pdev, "pkernfs: of the kernel before it has a record and tables, as failed: RELEASE frees them\n");
		pkernfs_device_finish(pd);
		goto out;
	}
	if (pd->failed) {
		/* It works, and the reason is history. For a RELEASE its file need not exist. */
		pkernfs_device_finish(pd->failed);
		pd->failed = NULL;
		pkernfs_device_sysfs_add(pd);
	}
	pci_info(pdev, "pkernfs: frozen, %llu pages in %llu tables, domain id %u\n",
		 le64_to_cpu(pd->rec->iommu.pages), le64_to_cpu(pd->rec->iommu.tables),
		 le16_to_cpu(pd->rec->iommu.did));
out:
	fput(vfio_file);
	return ret;
}

static int pkernfs_refuse_stale(struct pkernfs_device *pd)
{
	return pkernfs_refuse(&pd->why, -ESTALE, ~0ULL, "the user that froze it has gone");
}

static int pkernfs_refuse_not_frozen(struct pkernfs_device *pd)
{
	bool failed = pd->state == PKERNFS_STATE_FAILED;
	struct pkernfs_refusal unused;

	/* Why it has failed matters more. */
	return pkernfs_refuse(failed ? &unused : &pd->why, -EINVAL, ~0ULL,
			      "it was not frozen in this kernel, it is %s",
			      pkernfs_state_name(pkernfs_device_state(pd)));
}

static int pkernfs_device_quiesce(struct pkernfs_device *pd)
{
	int ret;

	if (pkernfs_device_state(pd) == PKERNFS_STATE_DETACHED)
		return pkernfs_refuse_stale(pd);
	if (pkernfs_device_state(pd) != PKERNFS_STATE_FROZEN)
		return pkernfs_refuse_not_frozen(pd);
	if (pd->irq_quiesced)
		return 0;
	ret = pkernfs_pci_quiesce_irq(pd, true, &pd->why);
	return ret == -ESTALE ? pkernfs_refuse_stale(pd) : ret;
}

static int pkernfs_device_unfreeze(struct pkernfs_device *pd)
{
	int ret = -ESTALE;

	if (pd->state != PKERNFS_STATE_FROZEN)
		return pkernfs_refuse_not_frozen(pd);
	/* A close that has begun takes the device for a kept one up to its end. */
	if (pkernfs_vfio_user_lock(pd->pci))
		ret = pkernfs_iommu_unfreeze(pd);
	if (!ret)
		pkernfs_pci_left(pd);
	pkernfs_vfio_user_unlock();
	trace_pkernfs_unfreeze(pd, ret);
	if (ret == -ESTALE)
		return pkernfs_refuse_stale(pd);
	if (ret)
		return ret;
	/* On the live domain again: vectors last, so that nothing is lost. */
	if (pd->irq_quiesced)
		pkernfs_pci_unquiesce_irq(pd);
	pkernfs_device_finish(pd);
	return 0;
}

#define PKERNFS_HAS_USER	"a VFIO user has attached it: end the user first"

static int pkernfs_device_release(struct pkernfs_device *pd)
{
	struct pci_dev *pdev = NULL;
	int ret = 0;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (pkernfs_device_state(pd) == PKERNFS_STATE_FROZEN)
		return pkernfs_refuse(&pd->why, -EBUSY, ~0ULL,
				      "the VFIO user is there: unfreeze the device, or end the user");
	if (READ_ONCE(pd->waits))
		return pkernfs_refuse(&pd->why, -EBUSY, ~0ULL, PKERNFS_HAS_USER);
	if (pkernfs_device_on_fixed(pd)) {
		if (pkernfs_test(PKERNFS_TEST_RELEASE_WAITS))
			pkernfs_test_pause();
		ret = pkernfs_iommu_release(pd);
		if (ret == -EBUSY || ret == -ESTALE)
			return pkernfs_refuse(&pd->why, ret, ~0ULL, PKERNFS_HAS_USER);
		if (ret)
			return pkernfs_refuse(&pd->why, ret, ~0ULL,
					      "the device did not come off its fixed domain");
		/* A user that has it open without a HWPT resets it when it goes. */
		if (!pkernfs_pci_in_use(pd))
			pdev = pci_dev_get(pd->pdev);
	}
	pkernfs_device_finish(pd);
	if (pdev)
		pkernfs_pci_reset(pdev);
	pci_dev_put(pdev);
	return 0;
}

/* --- INFO --------------------------------------------------------------------- */

/* PKERNFS_RANGES_MAX at most: they are in kernel memory until all are known. */
struct pkernfs_info_ranges {
	struct pkernfs_range *to;	/* NULL: only count */
	u32 room;
	u32 count;
	bool phys;
};

static int pkernfs_info_range(u64 iova, u64 bytes, u64 phys, u32 prot, void *arg)
{
	struct pkernfs_info_ranges *out = arg;

	if (out->to && out->count < out->room)
		out->to[out->count] = (struct pkernfs_range) {
			.iova = iova,
			.bytes = bytes,
			.phys = out->phys ? phys : 0,
			.prot = prot,
		};
	out->count++;
	return 0;
}

/* Fill @out->to, as much of it as there is and as @out->room allows */
static int pkernfs_info_ranges(struct pkernfs_device *pd, struct pkernfs_info_ranges *out)
{
	u32 count;
	int ret;

	ret = pkernfs_iommu_ranges(pd, pkernfs_info_range, out);
	if (ret)
		return ret;
	count = out->count;
	out->room = min3(out->room, count, (u32)PKERNFS_RANGES_MAX);
	if (!out->room)
		return 0;
	out->to = kvmalloc_array(out->room, sizeof(*out->to),
				 GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!out->to)
		return -ENOMEM;
	out->count = 0;
	return pkernfs_iommu_ranges(pd, pkernfs_info_range, out);
}

static int pkernfs_device_info(struct file *file, struct pkernfs_info *info,
			       struct pkernfs_info_ranges *out)
{
	const struct pkernfs_refusal *noted;
	struct pkernfs_refusal why = { .iova = ~0ULL };
	struct pkernfs_device *pd;
	int ret = 0;

	pd = pkernfs_file_device(file);
	if (pd) {
		const struct pkernfs_dev_record *rec = pd->rec;

		info->state = pkernfs_device_state(pd);
		info->segment = pd->segment;
		info->rid = pd->rid;
		info->vendor = le16_to_cpu(rec->pci.vendor);
		info->device = le16_to_cpu(rec->pci.device);
		info->did = le16_to_cpu(rec->iommu.did);
		info->irq = pkernfs_record_is_quiesced(rec) ? PKERNFS_IRQ_QUIESCED :
							      PKERNFS_IRQ_UNCERTAIN;
		info->tables = le64_to_cpu(rec->iommu.tables);
		info->pages = le64_to_cpu(rec->iommu.pages);
		info->dirty = pkernfs_record_is_tracked(rec) ? PKERNFS_DIRTY_EXACT :
							       PKERNFS_DIRTY_ALL;
		pkernfs_why_copy(&pd->why, &why);
		ret = pkernfs_info_ranges(pd, out);
	} else {
		noted = pkernfs_find_refusal(file_inode(file));
		if (noted)
			why = *noted;
	}
	info->range_count = out->count;
	info->error = -why.error;
	info->error_iova = why.iova;
	strscpy_pad(info->reason, why.text);
	return ret;
}

/* --- The ioctl ---------------------------------------------------------------- */

/**
 * pkernfs_copy_arg - read the argument of an ioctl
 * @arg: where to
 * @ksize: size of the struct
 * @min: smallest size that is taken
 * @user: user pointer to it; it begins with its size, __u32
 *
 * A page of the user's may take for ever to be there (userfaultfd, FUSE), and the
 * reboot notifier waits for the transition lock: so user memory is read before the
 * lock is taken, and written after it is dropped.
 *
 * Return: 0, -EFAULT, -EINVAL: too small, -E2BIG: larger, and not zero there.
 */
int pkernfs_copy_arg(void *arg, size_t ksize, size_t min, void __user *user)
{
	u32 size;

	if (get_user(size, (u32 __user *)user))
		return -EFAULT;
	if (size < min)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	return copy_struct_from_user(arg, ksize, user, size);
}

/* The ranges that FREEZE may leave out, NULL when there are none */
static struct pkernfs_iova_range *pkernfs_copy_leave_out(const struct pkernfs_freeze *arg)
{
	struct pkernfs_iova_range *ranges;
	u64 end = 0;
	u32 i;

	if (!arg->leave_out_count)
		return arg->leave_out ? ERR_PTR(-EINVAL) : NULL;
	if (arg->leave_out_count > PKERNFS_LEAVE_OUT_MAX)
		return ERR_PTR(-E2BIG);
	ranges = memdup_array_user(u64_to_user_ptr(arg->leave_out), arg->leave_out_count,
				   sizeof(*ranges));
	if (IS_ERR(ranges))
		return ranges;
	for (i = 0; i < arg->leave_out_count; i++) {
		const struct pkernfs_iova_range *r = &ranges[i];

		if (!r->bytes || (r->iova | r->bytes) & (SZ_4K - 1) || r->iova < end ||
		    check_add_overflow(r->iova, r->bytes, &end)) {
			kfree(ranges);
			return ERR_PTR(-EINVAL);
		}
	}
	return ranges;
}

static long pkernfs_ioctl_freeze(struct file *file, void __user *user)
{
	struct pkernfs_iova_range *leave_out __free(kfree) = NULL;
	struct pkernfs_refusal why = { .iova = ~0ULL };
	struct pkernfs_device *pd;
	struct pkernfs_freeze arg;
	int ret;

	ret = pkernfs_copy_arg(&arg, sizeof(arg), offsetof(struct pkernfs_freeze, leave_out),
			       user);
	if (ret)
		return ret;
	if (arg.flags)
		return -EOPNOTSUPP;
	leave_out = pkernfs_copy_leave_out(&arg);
	if (IS_ERR(leave_out))
		return PTR_ERR(no_free_ptr(leave_out));

	guard(mutex)(&pkernfs_transition_lock);
	if (pkernfs_is_shutting_down())
		return -ESHUTDOWN;
	ret = pkernfs_device_freeze(file, &arg, leave_out, &why);
	if (!ret)
		return 0;
	pd = pkernfs_inode_device(file_inode(file));
	if (pd && pd->state == PKERNFS_STATE_FAILED)
		return ret;
	if (pd)
		pkernfs_note(&pd->why, why.error, why.iova, "%s", why.text);
	else
		pkernfs_note_refusal(file_inode(file), &why);
	return ret;
}

static long pkernfs_ioctl_info(struct file *file, void __user *user)
{
	struct pkernfs_info_ranges out = { .phys = capable(CAP_SYS_ADMIN) };
	struct pkernfs_info info, arg;
	int ret;

	ret = pkernfs_copy_arg(&arg, sizeof(arg), offsetofend(struct pkernfs_info, reason),
			       user);
	if (ret)
		return ret;
	if (arg.flags)
		return -EOPNOTSUPP;
	if (arg.reserved || arg.reserved2 || arg.reserved3)
		return -EINVAL;
	memset(&info, 0, sizeof(info));
	info.size = arg.size;
	info.ranges = arg.ranges;
	out.room = arg.ranges ? arg.range_count : 0;

	scoped_guard(mutex, &pkernfs_transition_lock)
		ret = pkernfs_device_info(file, &info, &out);
	if (!ret && out.to &&
	    copy_to_user(u64_to_user_ptr(info.ranges), out.to,
			 (size_t)min(out.room, out.count) * sizeof(*out.to)))
		ret = -EFAULT;
	kvfree(out.to);
	if (ret)
		return ret;
	return copy_to_user(user, &info, min_t(size_t, info.size, sizeof(info))) ? -EFAULT : 0;
}

static long pkernfs_ioctl_simple(struct file *file, unsigned int cmd, void __user *user)
{
	struct pkernfs_simple arg;
	struct pkernfs_device *pd;
	int ret;

	ret = pkernfs_copy_arg(&arg, sizeof(arg), sizeof(arg), user);
	if (ret)
		return ret;
	if (arg.flags)
		return -EOPNOTSUPP;

	guard(mutex)(&pkernfs_transition_lock);
	if (pkernfs_is_shutting_down())
		return -ESHUTDOWN;
	pd = pkernfs_file_device(file);
	if (!pd)
		return -EINVAL;

	switch (cmd) {
	case PKERNFS_QUIESCE_IRQ:
		return pkernfs_device_quiesce(pd);
	case PKERNFS_UNFREEZE:
		return pkernfs_device_unfreeze(pd);
	default:
		return pkernfs_device_release(pd);
	}
}

/**
 * pkernfs_device_ioctl - ioctls of a regular file of a mount
 * @file: file
 * @cmd: PKERNFS_*
 * @arg: user pointer to the argument struct of @cmd
 *
 * Return: see include/uapi/linux/pkernfs.h
 */
long pkernfs_device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;

	switch (cmd) {
	case PKERNFS_INFO:
		return pkernfs_ioctl_info(file, user);
	case PKERNFS_FREEZE:
	case PKERNFS_QUIESCE_IRQ:
	case PKERNFS_UNFREEZE:
	case PKERNFS_RELEASE:
		break;
	default:
		return -ENOTTY;
	}
	if (!(file->f_mode & FMODE_WRITE))
		return -EBADF;
	if (cmd == PKERNFS_FREEZE)
		return pkernfs_ioctl_freeze(file, user);
	return pkernfs_ioctl_simple(file, cmd, user);
}
