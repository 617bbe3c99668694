// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: the fixed domain of a preserved device, VT-d.
 *
 * A fixed domain translates what the HWPT translated that the device was
 * attached to, from tables inside a carve-out. The device comes to it and leaves
 * it by one atomic 16-byte write of its entry (pkernfs_entry.c): a device that
 * looks up the entry at any instant finds the old one or the new one, and both
 * translate each frozen IOVA to the same page with the same rights. That is why
 * the caches may hold either until they are flushed.
 *
 * Source: VT-d specification 4.1, 6.2 "Address Translation Caches".
 *
 * Locking: everything that changes which domain a device is on runs under its
 * iommu_group's mutex. Inside of it come the domains_rwsem of an iommufd page
 * table, iommu->did_lock and iommu->lock.
 */
#include <linux/delay.h>
#include <linux/iommu.h>
#include <linux/pci.h>
#include <linux/pkernfs.h>
#include <linux/pkernfs_iommu.h>

#include <trace/events/pkernfs.h>

#include "iommu.h"
#include "pkernfs.h"

DEFINE_STATIC_KEY_FALSE(pkernfs_iommu_key);

/* --- Refusals --------------------------------------------------------------- */

static int pkernfs_vtd_count_alias(struct pci_dev *pdev, u16 alias, void *data)
{
	unsigned int *count = data;

	(*count)++;
	return 0;
}

/* Can FREEZE carry the unit's side of @dev, attached to @live? For KUnit to see, too. */
int pkernfs_vtd_check(struct device *dev, struct iommu_domain *live,
		      struct pkernfs_refusal *why)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	struct dmar_domain *d = to_dmar_domain(live);
	struct intel_iommu *iommu = info->iommu;
	unsigned int aliases = 0;

	if (!boot_cpu_has(X86_FEATURE_CX16))
		return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL,
				      "this CPU has no 16-byte atomic write (CX16)");
	if (live->cookie_type != IOMMU_COOKIE_IOMMUFD)
		return pkernfs_refuse(why, -EBADF, ~0ULL,
				      "the device is not attached to a HWPT of an iommufd");
	if (!intel_domain_is_ss_paging(d) || d->nested_parent)
		return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL,
				      "the HWPT is not a plain second-stage one");
	if (info->ats_supported || info->ats_enabled)
		return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL, "ATS is in use");
	if (info->pri_enabled || info->pasid_supported)
		return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL,
				      "PRI or PASID is in use");
	if (dev_is_real_dma_subdevice(dev))
		return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL,
				      "the device does DMA as another one (VMD)");
	pci_for_each_dma_alias(to_pci_dev(dev), pkernfs_vtd_count_alias, &aliases);
	if (aliases != 1)
		return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL,
				      "the device has %u requester ids", aliases);
	if (pkernfs_vtd_has_rmrr(iommu))
		return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL,
				      "%s has a device with reserved memory (RMRR)",
				      iommu->name);
	return 0;
}

/**
 * pkernfs_vtd_second_stage - has a domain to be of the second stage?
 * @dev: device that it is allocated for
 * @iommu: unit that @dev is behind
 *
 * A first-stage entry takes more than 16 bytes, so it cannot be replaced in one
 * write. So in a machine with a region the domains of VFIO's users are of the
 * second stage, which only scalable mode has a choice of.
 */
bool pkernfs_vtd_second_stage(struct device *dev, struct intel_iommu *iommu)
{
	const struct device_driver *drv = READ_ONCE(dev->driver);

	return pkernfs_region_count() && ecap_slts(iommu->ecap) && dev_is_pci(dev) &&
	       drv && to_pci_driver(drv)->driver_managed_dma;
}

/* --- Replace ---------------------------------------------------------------- */

/*
 * Does the dirty tracking of two domains allow a device to go from one to the other?
 * A fixed domain tracks as the live one does. A user's may begin to, but must not
 * end it, as that would lose what is dirty; who froze the device may, on his way
 * back: it was he who has switched it off.
 */
static bool pkernfs_dirty_fits(const struct pkernfs_device *pd,
			       const struct dmar_domain *from, const struct dmar_domain *to)
{
	if (from->dirty_tracking == to->dirty_tracking)
		return true;
	return to->dirty_tracking ? pkernfs_domain_is_fixed(&from->domain) :
				    &to->domain == READ_ONCE(pd->live);
}

/*
 * Bring a device from one domain to another one. @to is entered in the unit
 * already (a reference that the device takes over on success), and its tags are
 * assigned before the hardware switches, so that an unmap of @to cannot be
 * missed; those of @from are unassigned after it.
 *
 * What the device has dirtied by the tables @left, those of @from, is dirty in @ss,
 * those of @to, from the return on. Hardware sets dirty bits in either until the
 * switch has flushed what it caches, and in @ss only from then on: so they are
 * merged after it, and none is lost in between.
 */
static int pkernfs_vtd_move(struct pkernfs_device *pd, struct device *dev,
			    struct dmar_domain *from, struct dmar_domain *to,
			    const struct pkernfs_ss *left, const struct pkernfs_ss *ss, u8 aw)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	struct intel_iommu *iommu = info->iommu;
	struct pkernfs_aim aim = {
		.ss_root = ss->root,
		.did = domain_id_iommu(to, iommu),
		.aw = aw,
	};
	unsigned long flags;
	bool all;
	int ret;

	if (!info->domain_attached || info->domain != from)
		return -ESTALE;
	ret = cache_tag_assign_domain(to, dev, IOMMU_NO_PASID);
	if (ret)
		return ret;
	/* Dirty tracking goes through the list of devices, under these locks. */
	spin_lock_irqsave(&from->lock, flags);
	spin_lock_nested(&to->lock, SINGLE_DEPTH_NESTING);
	ret = -EBUSY;
	aim.dirty = to->dirty_tracking;
	all = !from->dirty_tracking;
	if (pkernfs_dirty_fits(pd, from, to))
		ret = pkernfs_entry_switch(info, &aim);
	if (!ret) {
		list_del(&info->link);
		info->domain = to;
		list_add(&info->link, &to->devices);
	}
	spin_unlock(&to->lock);
	spin_unlock_irqrestore(&from->lock, flags);
	trace_pkernfs_replace(pd, domain_id_iommu(from, iommu), aim.did, ret);
	if (ret) {
		cache_tag_unassign_domain(to, dev, IOMMU_NO_PASID);
		return ret;
	}

	if (aim.dirty)
		pkernfs_ss_merge_dirty(left, ss, all);
	if (aim.dirty && all)
		pci_info(pd->pdev, "pkernfs: its writes were not tracked: every page counts as dirty\n");
	cache_tag_unassign_domain(from, dev, IOMMU_NO_PASID);
	domain_detach_iommu(from, iommu);
	return 0;
}

/* live -> fixed; group mutex held */
static int pkernfs_fixed_attach(struct iommu_domain *domain, struct device *dev,
				struct iommu_domain *live)
{
	struct pkernfs_fixed *f = pkernfs_to_fixed(domain);
	struct pkernfs_device *pd = f->pd;
	struct pkernfs_ss from;
	const char *what;
	int ret;
	u8 aw;

	iommu_group_mutex_assert(dev);
	if (!live)
		return -ESTALE;
	ret = pkernfs_vtd_check(dev, live, &pd->why);
	if (ret)
		return ret;
	ret = pkernfs_iommufd_lock(live, true, &what);
	if (ret)
		return pkernfs_refuse(&pd->why, ret, ~0ULL, "%s", what);

	ret = domain_attach_iommu(&f->d, f->iommu);
	if (ret) {
		pkernfs_refuse(&pd->why, ret, ~0ULL,
			       ret == -ENOMEM ? "no memory" : "no domain id left");
		goto out_unlock;
	}
	f->did = domain_id_iommu(&f->d, f->iommu);
	ret = pkernfs_fixed_clone(f, live);
	if (ret)
		goto out_detach;

	/* The record is whole before hardware depends on what it names. */
	pkernfs_record_commit(pd);
	pkernfs_live_ss(live, &from, &aw);
	ret = pkernfs_vtd_move(pd, dev, to_dmar_domain(live), &f->d, &from, &f->ss, f->aw);
	if (ret) {
		pkernfs_record_retract(pd);
		pkernfs_refuse(&pd->why, ret, ~0ULL,
			       "its entry could not be switched");
		goto out_detach;
	}
	WRITE_ONCE(pd->live, live);
	WRITE_ONCE(pd->waits, NULL);
	pkernfs_iommufd_unlock(live);
	return 0;

out_detach:
	domain_detach_iommu(&f->d, f->iommu);
out_unlock:
	pkernfs_iommufd_unlock(live);
	return ret;
}

static void pkernfs_fixed_left(struct pkernfs_device *pd)
{
	WRITE_ONCE(pd->live, NULL);
	WRITE_ONCE(pd->waits, NULL);
	pkernfs_device_left(pd);
}

#define PKERNFS_WAITS	"the HWPT does not map IOVA %#llx yet: the device stays on its fixed domain"

/* As pkernfs_ss_covers(), but for one that waits begin with what was wrong. */
static int pkernfs_fixed_compare(struct pkernfs_fixed *f, const struct pkernfs_ss *other,
				 bool waits, u64 *iova, const char **what)
{
	struct pkernfs_device *pd = f->pd;
	int ret = 0;

	*iova = pd->waits_iova;
	if (waits && pd->waits_error)
		ret = pkernfs_ss_alike(&f->ss, other, *iova, what);
	if (!ret)
		ret = pkernfs_ss_covers(&f->ss, other, iova, what);
	if (waits) {
		pd->waits_error = ret;
		pd->waits_iova = *iova;
	}
	return ret;
}

/* fixed -> a HWPT that translates alike; group mutex held */
static int pkernfs_fixed_leave(struct pkernfs_fixed *f, struct device *dev,
			       struct iommu_domain *to)
{
	struct dmar_domain *d = to_dmar_domain(to);
	struct pkernfs_device *pd = f->pd;
	/* A user that attached it earlier is still mapping. */
	bool waits = to == pd->waits;
	struct pkernfs_ss other;
	const char *what;
	u64 iova = 0;
	u8 aw;
	int ret;

	iommu_group_mutex_assert(dev);
	if (pkernfs_is_shutting_down())
		return pkernfs_refuse(&pd->why, -ESHUTDOWN, ~0ULL,
				      "a kexec has begun");
	if (!intel_domain_is_ss_paging(d) || d->nested_parent)
		return pkernfs_refuse(&pd->why, -EINVAL, ~0ULL,
				      "the HWPT is not a plain second-stage one");
	if (!pkernfs_dirty_fits(pd, &f->d, d))
		return pkernfs_refuse(&pd->why, -EXDEV, ~0ULL,
				      "the HWPT is not alike: dirty tracking is off, and was on when the device was frozen");
	ret = paging_domain_compatible(to, dev);
	if (ret)
		return pkernfs_refuse(&pd->why, ret, ~0ULL,
				      "the HWPT does not go with the remapping unit");
	ret = pkernfs_iommufd_lock(to, !waits, &what);
	if (ret)
		return waits && ret == -EBUSY ? ret :
		       pkernfs_refuse(&pd->why, ret, ~0ULL, "%s", what);

	pkernfs_live_ss(to, &other, &aw);
	ret = pkernfs_fixed_compare(f, &other, waits, &iova, &what);
	trace_pkernfs_compare(pd, ret, iova);
	if (ret == -EAGAIN && waits) {
		pkernfs_note(&pd->why, ret, iova, PKERNFS_WAITS, iova);
		goto out_unlock;
	}
	if (ret) {
		ret = -EXDEV;
		pkernfs_refuse(&pd->why, ret, iova,
			       "the HWPT is not alike: IOVA %#llx is %s", iova, what);
		goto out_unlock;
	}
	ret = domain_attach_iommu(d, f->iommu);
	if (!ret) {
		ret = pkernfs_vtd_move(pd, dev, &f->d, d, &f->ss, &other, aw);
		if (ret)
			domain_detach_iommu(d, f->iommu);
	}
	if (ret)
		pkernfs_refuse(&pd->why, ret, ~0ULL, "the HWPT could not be switched to");
	else
		pkernfs_fixed_left(pd);
out_unlock:
	pkernfs_iommufd_unlock(to);
	return ret;
}

/**
 * pkernfs_vtd_attach - attach_dev for a device on a fixed domain
 * @domain: domain that is asked for
 * @dev: device
 * @old: its fixed domain
 *
 * A user's domain has to prove itself equal. There is no other way off but the
 * static blocking domain, which does not come here: RELEASE goes there first,
 * and so does a device that is unplugged.
 *
 * Return: 0 or an errno
 */
int pkernfs_vtd_attach(struct iommu_domain *domain, struct device *dev,
		       struct iommu_domain *old)
{
	if (domain->cookie_type != IOMMU_COOKIE_IOMMUFD)
		return -EBUSY;
	return pkernfs_fixed_leave(pkernfs_to_fixed(old), dev, domain);
}

const struct iommu_domain_ops pkernfs_fixed_domain_ops = {
	.attach_dev = pkernfs_fixed_attach,
};

/* --- The IOMMU core's questions --------------------------------------------- */

/*
 * A user attaches a HWPT that does not map all that is frozen, as one does that
 * attaches first and maps then, or attaches an IOAS. It is attached to it, as far
 * as iommufd goes; the hardware follows when the rest is mapped. False: it can
 * follow now, or the attach has to fail.
 */
static bool pkernfs_fixed_wait(struct pkernfs_fixed *f, struct iommu_domain *to)
{
	struct dmar_domain *d = to_dmar_domain(to);
	struct pkernfs_device *pd = f->pd;
	struct pkernfs_ss other;
	const char *what;
	u64 iova;
	u8 aw;
	int ret;

	/* Who froze it goes on to nothing but what is alike, and keeps its way back. */
	if (READ_ONCE(pd->live) || pkernfs_is_shutting_down() ||
	    !intel_domain_is_ss_paging(d) || d->nested_parent ||
	    !pkernfs_dirty_fits(pd, &f->d, d) || paging_domain_compatible(to, &pd->pdev->dev) ||
	    pkernfs_iommufd_lock(to, true, &what))
		return false;
	pkernfs_live_ss(to, &other, &aw);
	ret = pkernfs_ss_covers(&f->ss, &other, &iova, &what);
	if (ret == -EAGAIN) {
		trace_pkernfs_compare(pd, ret, iova);
		WRITE_ONCE(pd->waits, to);
		pd->waits_error = ret;
		pd->waits_iova = iova;
		pkernfs_note(&pd->why, ret, iova, PKERNFS_WAITS, iova);
		pci_info(pd->pdev, "pkernfs: attached; it waits until IOVA %#llx and what follows is mapped\n",
			 iova);
	}
	pkernfs_iommufd_unlock(to);
	return ret == -EAGAIN;
}

bool __pkernfs_keep_domain(struct iommu_domain *old, struct iommu_domain *new)
{
	struct pkernfs_device *pd = pkernfs_to_fixed(old)->pd;

	iommu_group_mutex_assert(&pd->pdev->dev);
	if (new->cookie_type == IOMMU_COOKIE_IOMMUFD)
		return pkernfs_fixed_wait(pkernfs_to_fixed(old), new);
	/* The user lets go of the HWPT: from here on UNFREEZE is stale. */
	WRITE_ONCE(pd->live, NULL);
	WRITE_ONCE(pd->waits, NULL);
	return true;
}

/*
 * The device is being unplugged: the core has blocked it, its domain id is free
 * for others, and the group is about to go. Nothing of it may be handed over.
 */
void __pkernfs_domain_gone(struct iommu_domain *domain)
{
	struct pkernfs_device *pd = pkernfs_to_fixed(domain)->pd;

	iommu_group_mutex_assert(&pd->pdev->dev);
	/* It has been let go, and is there. */
	if (pd->state == PKERNFS_STATE_FAILED)
		return;
	pd->gone = true;
	pkernfs_fixed_left(pd);
}

/**
 * pkernfs_vtd_adopted - bring a device to the fixed domain it was left on
 * @dev: any device of a group that has no domain yet
 * @alone: it is the only one of its group
 *
 * Context: group's mutex held
 * Return: the domain; NULL if @dev is not preserved, or had to be cut off
 */
struct iommu_domain *pkernfs_vtd_adopted(struct device *dev, bool alone)
{
	struct device_domain_info *info;
	struct pkernfs_device *pd;
	struct pkernfs_fixed *f;
	struct pci_dev *pdev;
	unsigned long flags;

	if (!dev_is_pci(dev))
		return NULL;
	pdev = to_pci_dev(dev);
	pd = pkernfs_device_find(pci_domain_nr(pdev->bus), pci_dev_id(pdev));
	/* Another device may have come to its slot. */
	if (!pd || pd->state != PKERNFS_STATE_ADOPTED || !pd->fixed || pd->pdev != pdev)
		return NULL;
	f = pkernfs_to_fixed(pd->fixed);
	info = dev_iommu_priv_get(dev);
	if (!alone || f->iommu != info->iommu || info->ats_supported || info->pasid_supported ||
	    pkernfs_test(PKERNFS_TEST_TAKE_FAILS) ||
	    cache_tag_assign_domain(&f->d, dev, IOMMU_NO_PASID)) {
		pkernfs_device_fail(pd, alone ? "the IOMMU driver cannot take it over" :
				    "its IOMMU group has other devices");
		pkernfs_entry_cut_off(f, dev, pd->rid);
		domain_detach_iommu(&f->d, f->iommu);
		return NULL;
	}
	pkernfs_entry_take(f, dev);
	info->domain = &f->d;
	info->domain_attached = true;
	spin_lock_irqsave(&f->d.lock, flags);
	list_add(&info->link, &f->d.devices);
	spin_unlock_irqrestore(&f->d.lock, flags);
	pci_info(pdev, "pkernfs: adopted on its fixed domain, id %u\n", f->did);
	return pd->fixed;
}

/* --- What device.c asks ------------------------------------------------------ */

/**
 * pkernfs_iommu_freeze - bring a device from its HWPT to a fixed domain
 * @pd: device with region, record and pdev; its record is committed on success
 *
 * Context: transition lock held, may sleep
 * Return: 0, or the errno that is in @pd->why
 */
int pkernfs_iommu_freeze(struct pkernfs_device *pd)
{
	struct device *dev = &pd->pdev->dev;
	struct device_domain_info *info;
	struct iommu_domain *domain;
	struct pkernfs_fixed *f;
	int ret;

	if (!dev->iommu || !dev->iommu->iommu_dev ||
	    dev->iommu->iommu_dev->ops != &intel_iommu_ops)
		return pkernfs_refuse(&pd->why, -EOPNOTSUPP, ~0ULL,
				      "the device is not behind a VT-d unit");
	info = dev_iommu_priv_get(dev);
	ret = pkernfs_handover_room(pd, info->iommu);
	if (ret)
		return ret;
	f = pkernfs_fixed_alloc(pd, info->iommu);
	if (!f)
		return pkernfs_refuse(&pd->why, -ENOMEM, ~0ULL, "no memory");

	static_branch_inc(&pkernfs_iommu_key);
	domain = &f->d.domain;
	ret = pkernfs_group_replace(dev, &(struct pkernfs_group_change){ .to = &domain });
	if (ret) {
		static_branch_dec(&pkernfs_iommu_key);
		pkernfs_fixed_free(f);
		return pd->why.error ?: pkernfs_refuse(&pd->why, ret, ~0ULL, ret == -EOPNOTSUPP ?
				"its IOMMU group has other devices" :
				"it has no IOMMU group, or that has no domain");
	}
	pd->fixed = domain;
	return 0;
}

/**
 * pkernfs_iommu_unfreeze - bring a device back to the HWPT it came from
 * @pd: frozen device
 *
 * Return: 0, -ESTALE when the user has let go of the HWPT, or an errno
 */
int pkernfs_iommu_unfreeze(struct pkernfs_device *pd)
{
	const struct pkernfs_group_change how = { .from = pd->fixed, .to = &pd->live };

	return pkernfs_group_replace(&pd->pdev->dev, &how);
}

#define PKERNFS_UNBLOCK_TRIES	100

/**
 * pkernfs_iommu_release - stop a device and take it off its fixed domain
 * @pd: detached or adopted device
 *
 * Return: 0; -EBUSY a user has attached it, -ESTALE and has it already, or an errno:
 * it is as before then, and at work
 */
int pkernfs_iommu_release(struct pkernfs_device *pd)
{
	struct iommu_domain *blocked = intel_iommu_ops.blocked_domain;
	const struct pkernfs_group_change block = {
		.from = pd->fixed, .to = &blocked, .unless = &pd->waits, .stop = true,
	};
	const struct pkernfs_group_change unblock = { .from = blocked };
	unsigned int tries;
	int ret;

	/* This cannot stop half-way; the domain that the core wants could. */
	ret = pkernfs_group_replace(&pd->pdev->dev, &block);
	if (ret)
		return ret;
	/* Small allocations, which fail for a moment at most; there is no way back. */
	for (tries = 0; tries < PKERNFS_UNBLOCK_TRIES; tries++) {
		ret = pkernfs_group_replace(&pd->pdev->dev, &unblock);
		if (ret != -ENOMEM)
			break;
		fsleep(10000);
	}
	if (ret)
		pci_warn(pd->pdev, "pkernfs: its DMA stays blocked (%d)\n", ret);
	return 0;
}

/**
 * pkernfs_iommu_sync - wait for a domain change that is under way
 * @pd: device; no new change can begin
 *
 * Return: 0 if the device is on its fixed domain, -ESTALE if it has left it
 */
int pkernfs_iommu_sync(struct pkernfs_device *pd)
{
	const struct pkernfs_group_change how = { .from = pd->fixed, .to = &pd->fixed };

	return pkernfs_group_replace(&pd->pdev->dev, &how);
}

/**
 * pkernfs_iommu_retry - bring a device to the HWPT that its user is filling
 * @pd: device with @pd->waits
 *
 * Context: transition lock held
 * Return: 0; -EAGAIN: not all is mapped yet; -EBUSY: a change is under way;
 * -ESTALE: nobody waits any more; -EXDEV: it will never be alike
 */
int pkernfs_iommu_retry(struct pkernfs_device *pd)
{
	const struct pkernfs_group_change how = {
		.from = pd->fixed, .to = &pd->waits, .try = true,
	};

	return pkernfs_group_replace(&pd->pdev->dev, &how);
}

/**
 * pkernfs_iommu_free - free the fixed domain of a device that has left it
 * @pd: device; its tables and holds are gone after it
 */
void pkernfs_iommu_free(struct pkernfs_device *pd)
{
	if (!pd->fixed)
		return;
	pkernfs_fixed_free(pkernfs_to_fixed(pd->fixed));
	pd->fixed = NULL;
	static_branch_dec(&pkernfs_iommu_key);
}
