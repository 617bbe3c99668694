// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: preserved devices and their states.
 *
 * DOC: A device is in exactly one state:
 *
 *	ordinary	nothing of it is here
 *	frozen		on its fixed domain, the VFIO user holds its HWPT
 *	detached	on its fixed domain, the user has let go of the HWPT
 *	handed over	a kexec is under way
 *	adopted		on its fixed domain since the kernel before
 *	failed		was handed over and could not be proven; it is cut off
 *
 * Ways between them, each with its undo:
 *
 *	ordinary -> frozen	pkernfs_device_freeze(), pkernfs_device_unfreeze()
 *	frozen -> detached	the user's detach; no way back (UNFREEZE is stale)
 *	any -> ordinary		attach to a HWPT that translates alike
 *				(pkernfs_device_left()), or RELEASE. A HWPT that
 *				does not map everything yet is attached, and the
 *				change follows by itself (pkernfs_device_retry())
 *	frozen, detached, adopted -> handed over
 *				the reboot notifier
 *
 * Locking: the transition lock covers all of it but one change: an attach runs
 * under the group's mutex, which nests inside the transition lock. It only marks
 * the device as having left; what is left to free is freed by a work under the
 * transition lock. From the mark on the device is not found any more, so PCI and
 * VFIO treat it as an ordinary one.
 */
#include <linux/crash_dump.h>
#include <linux/kexec.h>
#include <linux/pci.h>
#include <linux/pkernfs.h>
#include <linux/pkernfs_iommu.h>
#include <linux/pkernfs_pci.h>
#include <linux/ratelimit.h>
#include <linux/reboot.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include <trace/events/pkernfs.h>

#include "device.h"
#include "pkernfs.h"

/* Every change of a device's state, and the list; see linux/pkernfs.h for order. */
DEFINE_MUTEX(pkernfs_transition_lock);
LIST_HEAD(pkernfs_devices);

/* By segment << 16 | rid, for look-ups without a lock */
static DEFINE_XARRAY(pkernfs_device_index);
static DEFINE_SPINLOCK(pkernfs_why_lock);

/**
 * pkernfs_note - note why something did not happen, for INFO
 * @why: where to note it
 * @error: negative errno
 * @iova: first IOVA that matters, ~0: none
 * @fmt: reason, no newline
 */
void pkernfs_note(struct pkernfs_refusal *why, int error, u64 iova, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	spin_lock(&pkernfs_why_lock);
	why->error = error;
	why->iova = iova;
	vscnprintf(why->text, sizeof(why->text), fmt, args);
	spin_unlock(&pkernfs_why_lock);
	va_end(args);
}

/**
 * pkernfs_refuse - note and log why something is refused
 * @why: where to note it
 * @error: negative errno
 * @iova: first offending IOVA, ~0: none
 * @fmt: reason, no newline
 *
 * Return: @error
 */
int pkernfs_refuse(struct pkernfs_refusal *why, int error, u64 iova,
		   const char *fmt, ...)
{
	va_list args;
	char text[sizeof(why->text)];

	va_start(args, fmt);
	vscnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	pkernfs_note(why, error, iova, "%s", text);
	/* Anyone who may write a file of a mount can cause it. */
	pr_warn_ratelimited("pkernfs: refused (%d): %s\n", error, text);
	return error;
}

/**
 * pkernfs_why_copy - read a reason that others may be writing
 * @why: as pkernfs_note() writes it
 * @to: set to what it was at one time
 */
void pkernfs_why_copy(const struct pkernfs_refusal *why, struct pkernfs_refusal *to)
{
	spin_lock(&pkernfs_why_lock);
	*to = *why;
	spin_unlock(&pkernfs_why_lock);
}

/**
 * pkernfs_device_state - state as a user is to see it
 * @pd: device
 */
enum pkernfs_state pkernfs_device_state(const struct pkernfs_device *pd)
{
	if (READ_ONCE(pd->left))
		return PKERNFS_STATE_ORDINARY;
	if (pd->state == PKERNFS_STATE_FROZEN && !READ_ONCE(pd->live))
		return PKERNFS_STATE_DETACHED;
	return pd->state;
}

/**
 * pkernfs_device_find - the preserved device with a requester id
 * @segment: PCI segment
 * @rid: bus << 8 | devfn
 *
 * Without a lock. What is returned may be used where it cannot be freed: at
 * boot, under the transition lock, or under the mutex of its iommu_group while
 * the group is on its fixed domain.
 *
 * Return: the device, NULL if none is preserved or it has failed
 */
struct pkernfs_device *pkernfs_device_find(u16 segment, u16 rid)
{
	struct pkernfs_device *pd;

	rcu_read_lock();
	pd = xa_load(&pkernfs_device_index, (u32)segment << 16 | rid);
	if (pd && (READ_ONCE(pd->left) || READ_ONCE(pd->state) == PKERNFS_STATE_FAILED))
		pd = NULL;
	rcu_read_unlock();
	return pd;
}

/**
 * pkernfs_device_by_ino - the preserved device of a device file
 * @r: region
 * @ino: inode number
 * @generation: inode generation
 *
 * Without a lock; what is returned may only be compared with NULL, or used
 * under the transition lock.
 */
struct pkernfs_device *pkernfs_device_by_ino(struct pkernfs_region *r, u64 ino,
					     u32 generation)
{
	struct pkernfs_device *pd, *found = NULL;

	rcu_read_lock();
	list_for_each_entry_rcu(pd, &pkernfs_devices, node) {
		if (pd->region == r && le64_to_cpu(pd->rec->ino) == ino &&
		    le32_to_cpu(pd->rec->generation) == generation) {
			found = pd;
			break;
		}
	}
	rcu_read_unlock();
	return found;
}

/**
 * pkernfs_domain_feeds_frozen - was a frozen device frozen from this domain?
 * @domain: domain, which is only compared; NULL: from any one
 */
bool pkernfs_domain_feeds_frozen(struct iommu_domain *domain)
{
	struct pkernfs_device *pd;
	bool found = false;

	rcu_read_lock();
	list_for_each_entry_rcu(pd, &pkernfs_devices, node) {
		struct iommu_domain *live = READ_ONCE(pd->live);

		found |= live && (!domain || live == domain) && !READ_ONCE(pd->left);
	}
	rcu_read_unlock();
	return found;
}

/**
 * __pkernfs_domain_wanted - see pkernfs_domain_wanted()
 * @domain: domain, which is only compared
 */
bool __pkernfs_domain_wanted(struct iommu_domain *domain)
{
	struct pkernfs_device *pd;
	bool found = false;

	rcu_read_lock();
	list_for_each_entry_rcu(pd, &pkernfs_devices, node)
		found |= !READ_ONCE(pd->left) && (READ_ONCE(pd->live) == domain ||
						  READ_ONCE(pd->waits) == domain);
	rcu_read_unlock();
	return found;
}

/**
 * pkernfs_device_new - make a device that nobody knows yet
 * @r: region that it is, or was, frozen into
 * @segment: PCI segment
 * @rid: bus << 8 | devfn
 *
 * Return: the device, for pkernfs_device_put(), or NULL: no memory
 */
struct pkernfs_device *pkernfs_device_new(struct pkernfs_region *r, u16 segment, u16 rid)
{
	struct pkernfs_device *pd = kzalloc_obj(*pd);

	if (!pd)
		return NULL;
	pd->region = r;
	pd->segment = segment;
	pd->rid = rid;
	pd->why.iova = ~0ULL;
	return pd;
}

/**
 * pkernfs_device_add - make a device known
 * @pd: device, ready to be found
 *
 * Context: transition lock held, or boot
 * Return: 0; -EBUSY: there is one of that address; -ENOMEM
 */
int pkernfs_device_add(struct pkernfs_device *pd)
{
	u32 at = (u32)pd->segment << 16 | pd->rid;
	int ret;

	if (pd->failed)
		ret = xa_err(xa_store(&pkernfs_device_index, at, pd, GFP_KERNEL));
	else
		ret = xa_insert(&pkernfs_device_index, at, pd, GFP_KERNEL);
	if (ret)
		return ret;
	list_add_tail_rcu(&pd->node, &pkernfs_devices);
	if (!pd->failed)
		pkernfs_device_sysfs_add(pd);
	return 0;
}

/**
 * pkernfs_device_put - free a device that is not known, or not any more
 * @pd: device; readers of the list may look at it for one more grace period
 */
void pkernfs_device_put(struct pkernfs_device *pd)
{
	pci_dev_put(pd->pdev);
	kfree_rcu(pd, rcu);
}

/**
 * pkernfs_device_finish - drop all that is left of a preserved device
 * @pd: device that is off its fixed domain; gone after it
 *
 * Context: transition lock held
 */
void pkernfs_device_finish(struct pkernfs_device *pd)
{
	u32 at = (u32)pd->segment << 16 | pd->rid;

	lockdep_assert_held(&pkernfs_transition_lock);
	pkernfs_pci_unkeep(pd);
	trace_pkernfs_free(pd, 0);
	/* Off the list first: an inode that is read in just now looks there. */
	if (xa_load(&pkernfs_device_index, at) == pd)
		xa_store(&pkernfs_device_index, at, pd->failed, GFP_KERNEL);
	list_del_rcu(&pd->node);
	pkernfs_ino_clear_device(pd->region, pd);
	pkernfs_record_retract(pd);
	pkernfs_iommu_free(pd);
	pkernfs_device_sysfs_remove(pd);
	pkernfs_load_say(pr_info, "pkernfs: %04x:%02x:%02x.%d is an ordinary device again\n",
			 pd->segment, pd->rid >> 8, PCI_SLOT(pd->rid), PCI_FUNC(pd->rid));
	pkernfs_device_put(pd);
}

static void pkernfs_device_finish_left(struct work_struct *work)
{
	struct pkernfs_device *pd, *next;

	mutex_lock(&pkernfs_transition_lock);
	if (!pkernfs_is_shutting_down())
		list_for_each_entry_safe(pd, next, &pkernfs_devices, node)
			if (READ_ONCE(pd->left))
				pkernfs_device_finish(pd);
	mutex_unlock(&pkernfs_transition_lock);
}

static DECLARE_WORK(pkernfs_device_work, pkernfs_device_finish_left);

/**
 * pkernfs_device_retry - bring a device to the HWPT that its user is filling
 * @pd: device
 *
 * The user may be closing it: the close leaves a kept device alone, and detaches it
 * later. So the device must not cease to be kept in between.
 *
 * Context: transition lock held
 * Return: as pkernfs_iommu_retry(); -ESTALE also when nobody waits
 */
int pkernfs_device_retry(struct pkernfs_device *pd)
{
	int ret = -ESTALE;

	lockdep_assert_held(&pkernfs_transition_lock);
	if (!READ_ONCE(pd->waits) || !pd->pci || pkernfs_is_shutting_down())
		return ret;
	if (pkernfs_vfio_user_lock(pd->pci))
		ret = pkernfs_iommu_retry(pd);
	pkernfs_vfio_user_unlock();
	return ret;
}

/* Devices whose users were still mapping when they attached */
static void pkernfs_device_retry_all(struct work_struct *work)
{
	static unsigned long pause = 1;
	struct pkernfs_device *pd;
	bool again = false;

	mutex_lock(&pkernfs_transition_lock);
	list_for_each_entry(pd, &pkernfs_devices, node) {
		switch (pkernfs_device_retry(pd)) {
		case 0:
			pause = 1;
			break;
		case -EBUSY:
		case -ENOMEM:
		case -ENOSPC:
			/*
			 * A change is under way, which may be another's and bring
			 * nothing of ours; or there was no memory or domain id.
			 */
			again = true;
			break;
		}
	}
	mutex_unlock(&pkernfs_transition_lock);
	if (!again)
		return;
	mod_delayed_work(system_dfl_wq, to_delayed_work(work), pause);
	pause = min(pause * 2, (unsigned long)HZ);
}

static DECLARE_DELAYED_WORK(pkernfs_retry_work, pkernfs_device_retry_all);

/**
 * __pkernfs_iopt_mapped - a user has mapped pages; see pkernfs_iopt_mapped()
 */
void __pkernfs_iopt_mapped(void)
{
	struct pkernfs_device *pd;
	bool any = false;

	rcu_read_lock();
	list_for_each_entry_rcu(pd, &pkernfs_devices, node)
		any |= READ_ONCE(pd->waits) && !READ_ONCE(pd->left);
	rcu_read_unlock();
	if (any)
		mod_delayed_work(system_dfl_wq, &pkernfs_retry_work, 0);
}

/**
 * pkernfs_device_left - the hardware is on an ordinary domain again, or blocked
 * @pd: device
 *
 * Context: the mutex of its iommu_group is held
 */
void pkernfs_device_left(struct pkernfs_device *pd)
{
	pkernfs_pci_left(pd);
	/* The last use: who sees it may free @pd. */
	smp_store_release(&pd->left, true);
	queue_work(system_dfl_wq, &pkernfs_device_work);
}

/**
 * pkernfs_device_fail - a device that was handed over cannot be carried
 * @pd: device; it is stopped, and stays out of this kernel's tables
 * @fmt: reason, no newline
 *
 * Its record stays until RELEASE or the next kernel, so that the reason can be
 * seen.
 *
 * Context: boot, or the mutex of its iommu_group is held
 * Return: -EUCLEAN
 */
int pkernfs_device_fail(struct pkernfs_device *pd, const char *fmt, ...)
{
	va_list args;
	char text[sizeof(pd->why.text)];

	va_start(args, fmt);
	vscnprintf(text, sizeof(text), fmt, args);
	va_end(args);

	if (pd->pdev)
		pkernfs_pci_stop(pd->pdev);
	else
		pkernfs_iommu_stop_rid(pd->segment, pd->rid);
	WRITE_ONCE(pd->state, PKERNFS_STATE_FAILED);
	spin_lock(&pkernfs_why_lock);
	pd->why.error = -EUCLEAN;
	strscpy(pd->why.text, text);
	spin_unlock(&pkernfs_why_lock);
	pkernfs_load_say(pr_err, "pkernfs: %04x:%02x:%02x.%d is cut off: %s\n", pd->segment,
			 pd->rid >> 8, PCI_SLOT(pd->rid), PCI_FUNC(pd->rid), text);
	return -EUCLEAN;
}
