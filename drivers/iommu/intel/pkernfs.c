// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: the fixed domain of a preserved device, VT-d legacy mode.
 *
 * A fixed domain translates what the HWPT translated that the device was
 * attached to, from tables inside a carve-out. The device comes to it and leaves
 * it by one atomic 16-byte write of its context entry: a device that looks up
 * the entry at any instant finds the old one or the new one, and both translate
 * each frozen IOVA to the same page with the same rights. That is why the caches
 * may hold either until they are flushed.
 *
 * Source: VT-d specification 4.1, 9.3 "Context Entry", 6.2 "Address Translation
 * Caches" and 6.5.3.3 "Guidance to Software for Invalidations". That hardware
 * fetches a context entry in one piece follows from 9.3 and from what irq
 * remapping relies on for 128-bit posted entries (modify_irte()).
 *
 * Locking: everything that changes which domain a device is on runs under its
 * iommu_group's mutex. Inside of it come the domains_rwsem of an iommufd page
 * table, iommu->did_lock and iommu->lock.
 */
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/pci.h>
#include <linux/pkernfs.h>
#include <linux/pkernfs_iommu.h>
#include <linux/slab.h>

#include "iommu.h"
#include "pasid.h"
#include "pkernfs.h"

#define PKERNFS_CONTEXT_AW	GENMASK_ULL(2, 0)
#define PKERNFS_CONTEXT_DID	GENMASK_ULL(23, 8)

DEFINE_STATIC_KEY_FALSE(pkernfs_iommu_key);

/* Context entry of a fixed domain: present, faults reported, second stage */
struct context_entry pkernfs_context_entry(u64 ss_root, u8 aw, u16 did)
{
	struct context_entry e = {};

	context_set_domain_id(&e, did);
	context_set_address_root(&e, ss_root);
	context_set_address_width(&e, aw);
	context_set_translation_type(&e, CONTEXT_TT_MULTI_LEVEL);
	context_set_fault_enable(&e);
	context_set_present(&e);
	return e;
}

/* --- Refusals --------------------------------------------------------------- */

static int pkernfs_vtd_count_alias(struct pci_dev *pdev, u16 alias, void *data)
{
	unsigned int *count = data;

	(*count)++;
	return 0;
}

/* RMRR devices on this unit cannot be carried over the next kernel's SRTP yet. */
static bool pkernfs_vtd_has_rmrr(struct intel_iommu *iommu)
{
	struct iommu_resv_region *r;
	struct pci_dev *pdev = NULL;
	bool found = false;

	for_each_pci_dev(pdev) {
		struct device_domain_info *info;
		LIST_HEAD(regions);

		if (!pdev->dev.iommu || !pdev->dev.iommu->iommu_dev ||
		    pdev->dev.iommu->iommu_dev->ops != &intel_iommu_ops)
			continue;
		info = dev_iommu_priv_get(&pdev->dev);
		if (!info || info->iommu != iommu)
			continue;
		iommu_get_resv_regions(&pdev->dev, &regions);
		list_for_each_entry(r, &regions, list)
			if (r->type == IOMMU_RESV_DIRECT ||
			    r->type == IOMMU_RESV_DIRECT_RELAXABLE)
				found = true;
		iommu_put_resv_regions(&pdev->dev, &regions);
		if (found) {
			pci_dev_put(pdev);
			break;
		}
	}
	return found;
}

static int pkernfs_vtd_check(struct device *dev, struct iommu_domain *live,
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
	if (sm_supported(iommu))
		return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL,
				      "%s is in scalable mode", iommu->name);
	if (!intel_domain_is_ss_paging(d) || d->nested_parent)
		return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL,
				      "the HWPT is not a plain second-stage one");
	if (d->dirty_tracking)
		return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL,
				      "dirty tracking is on");
	if (info->ats_supported || info->ats_enabled)
		return pkernfs_refuse(why, -EOPNOTSUPP, ~0ULL, "ATS is in use");
	if (info->pri_enabled || info->pasid_enabled)
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

/* --- The domain object ------------------------------------------------------ */

/**
 * pkernfs_fixed_alloc - an empty fixed domain
 * @pd: device that it is for
 * @iommu: unit that the device is behind
 *
 * Return: the domain, NULL without memory
 */
struct pkernfs_fixed *pkernfs_fixed_alloc(struct pkernfs_device *pd,
					  struct intel_iommu *iommu)
{
	struct pkernfs_fixed *f = kzalloc_obj(*f);
	struct dmar_domain *d;

	if (!f)
		return NULL;
	d = &f->d;
	INIT_LIST_HEAD(&d->devices);
	INIT_LIST_HEAD(&d->dev_pasids);
	INIT_LIST_HEAD(&d->cache_tags);
	INIT_LIST_HEAD(&d->s1_domains);
	spin_lock_init(&d->lock);
	spin_lock_init(&d->cache_lock);
	spin_lock_init(&d->s1_lock);
	xa_init(&d->iommu_array);
	d->domain.type = IOMMU_DOMAIN_UNMANAGED;
	d->domain.ops = &pkernfs_fixed_domain_ops;
	d->domain.owner = &intel_iommu_ops;
	d->domain.pgsize_bitmap = SZ_4K | SZ_2M | SZ_1G;
	d->domain.geometry.aperture_end = ~0ULL;
	d->domain.geometry.force_aperture = true;
	f->pd = pd;
	f->iommu = iommu;
	return f;
}

/**
 * pkernfs_fixed_take_did - enter a fixed domain in its unit under a given id
 * @f: domain
 * @did: the id that the kernel before used
 *
 * Any other id could meet translations of another domain that the unit still
 * has cached under it.
 *
 * Return: 0, -EBUSY when the id is taken, -ENOMEM, -ERANGE
 */
int pkernfs_fixed_take_did(struct pkernfs_fixed *f, u16 did)
{
	struct intel_iommu *iommu = f->iommu;
	struct iommu_domain_info *info;
	int ret;

	if (did < IDA_START_DID || did >= iommu->max_domain_id)
		return -ERANGE;
	info = kzalloc_obj(*info);
	if (!info)
		return -ENOMEM;

	guard(mutex)(&iommu->did_lock);
	ret = ida_alloc_range(&iommu->domain_ida, did, did, GFP_KERNEL);
	if (ret < 0) {
		kfree(info);
		return ret == -ENOSPC ? -EBUSY : ret;
	}
	info->refcnt = 1;
	info->did = did;
	info->iommu = iommu;
	ret = xa_err(xa_store(&f->d.iommu_array, iommu->seq_id, info, GFP_KERNEL));
	if (ret) {
		ida_free(&iommu->domain_ida, did);
		kfree(info);
		return ret;
	}
	f->did = did;
	return 0;
}

/* Drop what a table of the region holds; cannot fail. */
static int pkernfs_fixed_drop_leaf(const struct pkernfs_ss_leaf *leaf, void *arg)
{
	struct pkernfs_device *pd = arg;

	pkernfs_unhold(pd->region, leaf->oa, leaf->bytes);
	return 0;
}

static void pkernfs_fixed_drop_table(phys_addr_t table, void *arg)
{
	struct pkernfs_device *pd = arg;

	pkernfs_pool_free(pd->region, phys_to_virt(table));
}

/**
 * pkernfs_fixed_free - free a fixed domain that no hardware uses
 * @f: domain; its tables go back to the pool, the pages it holds are let go
 */
void pkernfs_fixed_free(struct pkernfs_fixed *f)
{
	struct pkernfs_ss_visitor v = {
		.leaf = pkernfs_fixed_drop_leaf,
		.table_done = pkernfs_fixed_drop_table,
		.arg = f->pd,
	};

	WARN_ON(!list_empty(&f->d.devices));
	pkernfs_ss_walk(&f->ss, &v);
	xa_destroy(&f->d.iommu_array);
	kfree(f->d.qi_batch);
	kfree(f);
}

/* --- Clone ------------------------------------------------------------------ */

struct pkernfs_clone {
	struct pkernfs_device *pd;
	struct pkernfs_ss_writer w;
};

static void *pkernfs_clone_alloc(void *arg)
{
	struct pkernfs_device *pd = arg;

	return pkernfs_pool_alloc(pd->region);
}

/*
 * One leaf of the live domain. Every page of it has to belong to a file of this
 * region; from here on the file cannot give it up.
 */
static int pkernfs_clone_leaf(const struct pkernfs_ss_leaf *leaf, void *arg)
{
	struct pkernfs_clone *c = arg;
	struct pkernfs_device *pd = c->pd;
	struct pkernfs_region *r = pd->region;
	u64 off, step, ino;
	u32 generation;
	int ret;

	for (off = 0; off < leaf->bytes; off += step) {
		step = min_t(u64, leaf->bytes - off, PKERNFS_GRANULE_SIZE);
		if (pkernfs_phys_owner(r, leaf->oa + off, step, &ino, &generation))
			return pkernfs_refuse(&pd->why, -EXDEV, leaf->iova + off,
					      "IOVA %#llx is not backed by a file of this region",
					      leaf->iova + off);
	}

	ret = pkernfs_hold(r, leaf->oa, leaf->bytes);
	if (ret)
		return pkernfs_refuse(&pd->why, ret, leaf->iova,
				      "pages of IOVA %#llx cannot be held",
				      leaf->iova);
	ret = pkernfs_ss_map(&c->w, leaf);
	if (ret) {
		pkernfs_unhold(r, leaf->oa, leaf->bytes);
		return pkernfs_refuse(&pd->why, ret, leaf->iova, ret == -ENOSPC ?
				      "no room for second-stage tables in the region" :
				      "IOVA %#llx cannot be mapped", leaf->iova);
	}
	return 0;
}

static void pkernfs_live_ss(struct iommu_domain *live, struct pkernfs_ss *ss, u8 *aw)
{
	struct pt_iommu_vtdss_hw_info hw;

	pt_iommu_vtdss_hw_info(&to_dmar_domain(live)->sspt, &hw);
	ss->root = hw.ssptptr;
	ss->levels = hw.aw + 2;
	*aw = hw.aw;
}

static int pkernfs_fixed_clone(struct pkernfs_fixed *f, struct iommu_domain *live)
{
	struct pkernfs_device *pd = f->pd;
	struct pkernfs_iommu_ser *ser = &pd->rec->iommu;
	struct pkernfs_clone c = {
		.pd = pd,
		.w.alloc = pkernfs_clone_alloc,
		.w.arg = pd,
		.w.coherent = ecap_coherent(f->iommu->ecap),
	};
	struct pkernfs_ss_visitor v = { .leaf = pkernfs_clone_leaf, .arg = &c };
	struct pkernfs_ss from;
	int ret;

	pkernfs_live_ss(live, &from, &f->aw);
	c.w.ss.levels = from.levels;
	ret = pkernfs_ss_walk(&from, &v);
	f->ss = c.w.ss;
	if (ret)
		return ret;
	if (!c.w.pages)
		return pkernfs_refuse(&pd->why, -EINVAL, ~0ULL, "the HWPT maps nothing");

	ser->drhd_base = cpu_to_le64(f->iommu->reg_phys);
	ser->cap = cpu_to_le64(f->iommu->cap);
	ser->ecap = cpu_to_le64(f->iommu->ecap);
	ser->ss_root = cpu_to_le64(f->ss.root);
	ser->tables = cpu_to_le64(c.w.tables);
	ser->pages = cpu_to_le64(c.w.pages);
	ser->did = cpu_to_le16(f->did);
	ser->mode = PKERNFS_IOMMU_VTD_LEGACY;
	ser->aw = f->aw;
	ser->flags = 0;
	return 0;
}

/* --- Replace ---------------------------------------------------------------- */

union pkernfs_context {
	struct context_entry e;
	u128 whole;
};

/*
 * Write the context entry of a device in one piece, then let go of what is
 * cached under the old domain id. The one place where hardware is switched.
 */
static int pkernfs_vtd_switch(struct device_domain_info *info, u64 ss_root,
			      u8 aw, u16 did)
{
	struct intel_iommu *iommu = info->iommu;
	union pkernfs_context old, new;
	struct context_entry *at;
	u16 old_did;

	spin_lock(&iommu->lock);
	at = iommu_context_addr(iommu, info->bus, info->devfn, 0);
	if (!at || !context_present(at)) {
		spin_unlock(&iommu->lock);
		return -ENODEV;
	}
	old.e = *at;
	old_did = context_domain_id(at);
	new.e = old.e;
	new.e.lo = (old.e.lo & ~VTD_PAGE_MASK) | (ss_root & VTD_PAGE_MASK);
	new.e.hi = (old.e.hi & ~(PKERNFS_CONTEXT_AW | PKERNFS_CONTEXT_DID)) |
		   FIELD_PREP(PKERNFS_CONTEXT_AW, aw) |
		   FIELD_PREP(PKERNFS_CONTEXT_DID, did);
	if (pkernfs_test(PKERNFS_TEST_CLEAR_FIRST)) {
		context_clear_present(at);
		__iommu_flush_cache(iommu, at, sizeof(*at));
		iommu->flush.flush_context(iommu, old_did,
					   PCI_DEVID(info->bus, info->devfn),
					   DMA_CCMD_MASK_NOBIT,
					   DMA_CCMD_DEVICE_INVL);
		iommu->flush.flush_iotlb(iommu, old_did, 0, 0, DMA_TLB_DSI_FLUSH);
		pkernfs_test_window();
		WRITE_ONCE(at->hi, new.e.hi);
		WRITE_ONCE(at->lo, new.e.lo);
	} else if (pkernfs_test(PKERNFS_TEST_HALF_FIRST)) {
		WRITE_ONCE(at->hi, new.e.hi ^ PKERNFS_CONTEXT_AW);
		__iommu_flush_cache(iommu, at, sizeof(*at));
		iommu->flush.flush_context(iommu, old_did,
					   PCI_DEVID(info->bus, info->devfn),
					   DMA_CCMD_MASK_NOBIT,
					   DMA_CCMD_DEVICE_INVL);
		iommu->flush.flush_iotlb(iommu, old_did, 0, 0, DMA_TLB_DSI_FLUSH);
		pkernfs_test_window();
		WRITE_ONCE(at->hi, new.e.hi);
		WRITE_ONCE(at->lo, new.e.lo);
	} else if (!try_cmpxchg128((u128 *)at, &old.whole, new.whole)) {
		/* Nobody but us writes a present entry under iommu->lock. */
		spin_unlock(&iommu->lock);
		WARN_ON_ONCE(1);
		return -EBUSY;
	}
	__iommu_flush_cache(iommu, at, sizeof(*at));
	spin_unlock(&iommu->lock);

	iommu_flush_write_buffer(iommu);
	intel_context_flush_no_pasid(info, at, old_did,
				     PCI_DEVID(info->bus, info->devfn));
	return 0;
}

/*
 * Bring a device from one domain to another one. @to is entered in the unit
 * already (a reference that the device takes over on success), and its tags are
 * assigned before the hardware switches, so that an unmap of @to cannot be
 * missed; those of @from are unassigned after it.
 */
static int pkernfs_vtd_move(struct device *dev, struct dmar_domain *from,
			    struct dmar_domain *to, u64 ss_root, u8 aw)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	struct intel_iommu *iommu = info->iommu;
	unsigned long flags;
	int ret;

	if (!info->domain_attached || info->domain != from)
		return -ESTALE;
	ret = cache_tag_assign_domain(to, dev, IOMMU_NO_PASID);
	if (ret)
		return ret;
	ret = pkernfs_vtd_switch(info, ss_root, aw, domain_id_iommu(to, iommu));
	if (ret) {
		cache_tag_unassign_domain(to, dev, IOMMU_NO_PASID);
		return ret;
	}

	spin_lock_irqsave(&from->lock, flags);
	list_del(&info->link);
	spin_unlock_irqrestore(&from->lock, flags);
	info->domain = to;
	spin_lock_irqsave(&to->lock, flags);
	list_add(&info->link, &to->devices);
	spin_unlock_irqrestore(&to->lock, flags);

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
	const char *what;
	int ret;

	if (!live)
		return -ESTALE;
	ret = pkernfs_vtd_check(dev, live, &pd->why);
	if (ret)
		return ret;
	ret = pkernfs_iommufd_lock(live, &what);
	if (ret)
		return pkernfs_refuse(&pd->why, ret, ~0ULL, "%s", what);

	ret = domain_attach_iommu(&f->d, f->iommu);
	if (ret) {
		pkernfs_refuse(&pd->why, ret, ~0ULL, "no domain id left");
		goto out_unlock;
	}
	f->did = domain_id_iommu(&f->d, f->iommu);
	ret = pkernfs_fixed_clone(f, live);
	if (ret)
		goto out_detach;

	/* The record is whole before hardware depends on what it names. */
	pkernfs_record_commit(pd);
	ret = pkernfs_vtd_move(dev, to_dmar_domain(live), &f->d, f->ss.root, f->aw);
	if (ret) {
		pkernfs_record_retract(pd);
		pkernfs_refuse(&pd->why, ret, ~0ULL,
			       "the context entry could not be switched");
		goto out_detach;
	}
	WRITE_ONCE(pd->live, live);
	pkernfs_iommufd_unlock(live);
	return 0;

out_detach:
	domain_detach_iommu(&f->d, f->iommu);
out_unlock:
	pkernfs_iommufd_unlock(live);
	return ret;
}

/* fixed -> a HWPT that translates alike; group mutex held */
static int pkernfs_fixed_leave(struct pkernfs_fixed *f, struct device *dev,
			       struct iommu_domain *to)
{
	struct dmar_domain *d = to_dmar_domain(to);
	struct pkernfs_device *pd = f->pd;
	struct pkernfs_ss other;
	const char *what;
	u64 iova;
	u8 aw;
	int ret;

	if (pkernfs_is_shutting_down())
		return pkernfs_refuse(&pd->why, -ESHUTDOWN, ~0ULL,
				      "a kexec has begun");
	if (!intel_domain_is_ss_paging(d) || d->nested_parent)
		return pkernfs_refuse(&pd->why, -EINVAL, ~0ULL,
				      "the HWPT is not a plain second-stage one");
	ret = paging_domain_compatible(to, dev);
	if (ret)
		return ret;
	ret = pkernfs_iommufd_lock(to, &what);
	if (ret)
		return pkernfs_refuse(&pd->why, ret, ~0ULL, "%s", what);

	pkernfs_live_ss(to, &other, &aw);
	ret = pkernfs_ss_covers(&f->ss, &other, &iova, &what);
	if (ret) {
		pkernfs_refuse(&pd->why, ret, iova,
			       "the HWPT is not alike: IOVA %#llx is %s", iova, what);
		goto out_unlock;
	}
	ret = domain_attach_iommu(d, f->iommu);
	if (ret)
		goto out_unlock;
	ret = pkernfs_vtd_move(dev, &f->d, d, other.root, aw);
	if (ret)
		domain_detach_iommu(d, f->iommu);
	else
		pkernfs_device_left(pd);
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

bool __pkernfs_keep_domain(struct iommu_domain *old, struct iommu_domain *new)
{
	struct pkernfs_device *pd = pkernfs_to_fixed(old)->pd;

	if (new->cookie_type == IOMMU_COOKIE_IOMMUFD)
		return false;
	/* The user lets go of the HWPT: from here on UNFREEZE is stale. */
	WRITE_ONCE(pd->live, NULL);
	return true;
}

/*
 * The device is being unplugged: the core has blocked it, its domain id is free
 * for others, and the group is about to go. Nothing of it may be handed over.
 */
void __pkernfs_domain_gone(struct iommu_domain *domain)
{
	struct pkernfs_device *pd = pkernfs_to_fixed(domain)->pd;

	WRITE_ONCE(pd->live, NULL);
	pd->gone = true;
	pkernfs_device_left(pd);
}

/* Stopped already: take its entry out of this kernel's tables again. */
static void pkernfs_vtd_cut_off(struct pkernfs_fixed *f)
{
	struct intel_iommu *iommu = f->iommu;
	struct context_entry *at;
	u16 rid = f->pd->rid;

	spin_lock(&iommu->lock);
	at = iommu_context_addr(iommu, PCI_BUS_NUM(rid), rid & 0xff, 0);
	if (at) {
		context_clear_present(at);
		__iommu_flush_cache(iommu, at, sizeof(*at));
	}
	spin_unlock(&iommu->lock);
	iommu->flush.flush_context(iommu, f->did, rid, DMA_CCMD_MASK_NOBIT,
				   DMA_CCMD_DEVICE_INVL);
	iommu->flush.flush_iotlb(iommu, f->did, 0, 0, DMA_TLB_DSI_FLUSH);
	if (at) {
		context_clear_entry(at);
		__iommu_flush_cache(iommu, at, sizeof(*at));
	}
	domain_detach_iommu(&f->d, iommu);
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
	if (!alone || f->iommu != info->iommu || info->ats_supported ||
	    cache_tag_assign_domain(&f->d, dev, IOMMU_NO_PASID)) {
		pkernfs_device_fail(pd, alone ? "the IOMMU driver cannot take it over" :
				    "its IOMMU group has other devices");
		pkernfs_vtd_cut_off(f);
		return NULL;
	}
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
	ret = pkernfs_group_replace(dev, NULL, &domain);
	if (ret) {
		static_branch_dec(&pkernfs_iommu_key);
		pkernfs_fixed_free(f);
		return pd->why.error ?: pkernfs_refuse(&pd->why, ret, ~0ULL,
				"the IOMMU group has other devices or no domain");
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
	return pkernfs_group_replace(&pd->pdev->dev, pd->fixed, &pd->live);
}

/**
 * pkernfs_iommu_release - take a stopped device off its fixed domain
 * @pd: detached or adopted device, bus mastering off
 *
 * Return: 0 or an errno
 */
int pkernfs_iommu_release(struct pkernfs_device *pd)
{
	struct iommu_domain *blocked = intel_iommu_ops.blocked_domain;
	int ret;

	/* This cannot stop half-way; the domain that the core wants could. */
	ret = pkernfs_group_replace(&pd->pdev->dev, pd->fixed, &blocked);
	if (ret)
		return ret;
	ret = pkernfs_group_replace(&pd->pdev->dev, blocked, NULL);
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
	return pkernfs_group_replace(&pd->pdev->dev, pd->fixed, &pd->fixed);
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

struct pkernfs_ranges {
	int (*range)(u64 iova, u64 bytes, u64 phys, u32 prot, void *arg);
	void *arg;
	struct pkernfs_ss_leaf run;
};

static int pkernfs_ranges_leaf(const struct pkernfs_ss_leaf *leaf, void *arg)
{
	struct pkernfs_ranges *r = arg;
	int ret = 0;

	if (r->run.bytes && leaf->attr == r->run.attr &&
	    leaf->iova == r->run.iova + r->run.bytes &&
	    leaf->oa == r->run.oa + r->run.bytes) {
		r->run.bytes += leaf->bytes;
		return 0;
	}
	if (r->run.bytes)
		ret = r->range(r->run.iova, r->run.bytes, r->run.oa,
			       r->run.attr & 3, r->arg);
	r->run = *leaf;
	return ret;
}

/**
 * pkernfs_iommu_ranges - name what a fixed domain maps, in runs
 * @pd: device
 * @range: called with each run, ascending; an errno ends it
 * @arg: passed to @range
 *
 * Context: transition lock held
 * Return: 0, or what @range gave
 */
int pkernfs_iommu_ranges(struct pkernfs_device *pd,
			 int (*range)(u64 iova, u64 bytes, u64 phys, u32 prot,
				      void *arg), void *arg)
{
	struct pkernfs_ranges r = { .range = range, .arg = arg };
	struct pkernfs_ss_visitor v = { .leaf = pkernfs_ranges_leaf, .arg = &r };
	int ret;

	if (!pd->fixed)
		return 0;
	ret = pkernfs_ss_walk(&pkernfs_to_fixed(pd->fixed)->ss, &v);
	if (!ret && r.run.bytes)
		ret = range(r.run.iova, r.run.bytes, r.run.oa, r.run.attr & 3, arg);
	return ret;
}
