// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: the fixed domain as an object, VT-d: its tables, holds and domain id.
 *
 * The tables are a clone of those of a HWPT, in the region, from which each page
 * that they lead to is held: no file can give it up. Which hardware uses the domain,
 * and when, is not known here (pkernfs.c).
 */
#include <linux/iommu.h>
#include <linux/pkernfs.h>
#include <linux/pkernfs_iommu.h>
#include <linux/slab.h>

#include "iommu.h"
#include "pkernfs.h"

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

	if (did < IDA_START_DID || did >= cap_ndoms(iommu->cap))
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
 * pkernfs_fixed_with - another device that is translated by the same tables
 * @f: fixed domain with tables
 *
 * Context: transition lock held, or boot
 * Return: its fixed domain, NULL if there is none
 */
struct pkernfs_fixed *pkernfs_fixed_with(struct pkernfs_fixed *f)
{
	struct pkernfs_device *pd;

	list_for_each_entry(pd, &pkernfs_devices, node)
		if (pd != f->pd && pd->fixed && pd->region == f->pd->region &&
		    pkernfs_to_fixed(pd->fixed)->ss.root == f->ss.root)
			return pkernfs_to_fixed(pd->fixed);
	return NULL;
}

/**
 * pkernfs_fixed_free - free a fixed domain that no hardware uses
 * @f: domain; unless another device has the same tables, they go back to the pool,
 *	and the pages they hold are let go
 */
void pkernfs_fixed_free(struct pkernfs_fixed *f)
{
	struct pkernfs_ss_visitor v = {
		.leaf = pkernfs_fixed_drop_leaf,
		.table_done = pkernfs_fixed_drop_table,
		.arg = f->pd,
	};

	WARN_ON(!list_empty(&f->d.devices));
	if (f->ss.root && !pkernfs_fixed_with(f))
		pkernfs_ss_walk(&f->ss, &v);
	pkernfs_entry_forget(f);
	xa_destroy(&f->d.iommu_array);
	kfree(f->d.qi_batch);
	kfree(f);
}

/* --- Clone ------------------------------------------------------------------ */

struct pkernfs_clone {
	struct pkernfs_device *pd;
	struct pkernfs_ss_writer w;
	u32 leave_out;		/* first range that does not end before the last leaf */
	u32 crc;		/* of leaves and their owners */
	bool count;		/* only check, and count pages */
};

static void *pkernfs_clone_alloc(void *arg)
{
	struct pkernfs_device *pd = arg;

	return pkernfs_pool_alloc(pd->region);
}

/* Leaves come ascending, and so are the ranges: those that are over stay behind. */
static bool pkernfs_may_leave_out(struct pkernfs_clone *c, u64 iova, u64 bytes)
{
	const struct pkernfs_iova_range *r = c->pd->leave_out;
	u32 i;

	while (c->leave_out < c->pd->leave_out_count &&
	       r[c->leave_out].iova + r[c->leave_out].bytes <= iova)
		c->leave_out++;
	for (i = c->leave_out; bytes && i < c->pd->leave_out_count; i++) {
		u64 here;

		if (iova < r[i].iova)
			break;
		here = min(bytes, r[i].bytes - (iova - r[i].iova));
		iova += here;
		bytes -= here;
	}
	return !bytes;
}

/*
 * One leaf of the live domain. Every page of it has to belong to a file of this
 * region; from here on the file cannot give it up. Or none does, and the user
 * allows that all of it is left out.
 */
static int pkernfs_clone_leaf(const struct pkernfs_ss_leaf *leaf, void *arg)
{
	struct pkernfs_clone *c = arg;
	struct pkernfs_device *pd = c->pd;
	struct pkernfs_region *r = pd->region;
	u64 off, step;
	int ret;

	for (off = 0; off < leaf->bytes; off += step) {
		step = min_t(u64, leaf->bytes - off, PKERNFS_GRANULE_SIZE);
		if (!pkernfs_phys_owner(r, leaf->oa + off, step, NULL, NULL))
			continue;
		/* Small granules side by side may be of several files. */
		step = PKERNFS_BLOCK_SIZE;
		if (!pkernfs_phys_owner(r, leaf->oa + off, step, NULL, NULL))
			continue;
		if (!off && !pkernfs_region_overlaps(leaf->oa, leaf->bytes) &&
		    pkernfs_may_leave_out(c, leaf->iova, leaf->bytes))
			return 0;
		return pkernfs_refuse(&pd->why, -EXDEV, leaf->iova + off,
				      "IOVA %#llx is not backed by a file of this region",
				      leaf->iova + off);
	}
	if (pkernfs_bad_phys(r, leaf->oa, leaf->bytes))
		return pkernfs_refuse(&pd->why, -EHWPOISON, leaf->iova,
				      "there is a memory error in the pages of IOVA %#llx",
				      leaf->iova);
	if (c->count) {
		c->w.pages += leaf->bytes >> PAGE_SHIFT;
		return 0;
	}

	ret = pkernfs_hold_leaf(r, leaf, c->w.pages, &c->crc);
	if (ret)	/* -ENOENT: unlinked just now, so it is no file's any more */
		return pkernfs_refuse(&pd->why, ret == -ENOENT ? -EXDEV : ret, leaf->iova,
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

/**
 * pkernfs_live_ss - the tables of a domain that is not a fixed one
 * @live: second-stage paging domain
 * @ss: where they are
 * @aw: address width field of an entry that leads there
 */
void pkernfs_live_ss(struct iommu_domain *live, struct pkernfs_ss *ss, u8 *aw)
{
	struct pt_iommu_vtdss_hw_info hw;

	pt_iommu_vtdss_hw_info(&to_dmar_domain(live)->sspt, &hw);
	ss->root = hw.ssptptr;
	ss->levels = hw.aw + 2;
	*aw = hw.aw;
}

/*
 * Devices that share a HWPT share their tables: the first one's FREEZE made them,
 * and while its user holds the HWPT this does not change. What a change that was
 * under way just then has brought is seen here; such a device gets its own.
 */
static bool pkernfs_fixed_share(struct pkernfs_fixed *f, const struct pkernfs_ss *from,
				const struct pkernfs_clone *c, struct iommu_domain *live)
{
	struct pkernfs_device *pd;
	const char *what;
	u64 iova;

	lockdep_assert_held(&pkernfs_transition_lock);
	list_for_each_entry(pd, &pkernfs_devices, node) {
		struct pkernfs_fixed *g;

		if (pd == f->pd || pd->region != f->pd->region || READ_ONCE(pd->live) != live ||
		    !pkernfs_device_on_fixed(pd))
			continue;
		g = pkernfs_to_fixed(pd->fixed);
		/* Where this unit does not snoop, the writes must have been flushed. */
		if (g->ss.levels != from->levels || g->d.dirty_tracking != f->d.dirty_tracking ||
		    (pkernfs_vtd_coherent(g->iommu) && !pkernfs_vtd_coherent(f->iommu)) ||
		    le64_to_cpu(pd->rec->iommu.pages) != c->w.pages ||
		    pkernfs_ss_covers(&g->ss, from, &iova, &what))
			continue;
		f->ss = g->ss;
		f->pd->rec->iommu.tables = pd->rec->iommu.tables;
		f->pd->rec->iommu.leaves = pd->rec->iommu.leaves;
		return true;
	}
	return false;
}

/**
 * pkernfs_fixed_clone - fill a fixed domain with what a live one translates
 * @f: fixed domain with its domain id, without tables
 * @live: domain that nobody can change meanwhile
 *
 * The device's record tells of it after that, but is not committed. After an error
 * pkernfs_fixed_free() takes back what was done.
 *
 * Context: group mutex and pkernfs_iommufd_lock() held
 * Return: 0, or the errno that is in the device's reason
 */
int pkernfs_fixed_clone(struct pkernfs_fixed *f, struct iommu_domain *live)
{
	struct pkernfs_device *pd = f->pd;
	struct pkernfs_iommu_ser *ser = &pd->rec->iommu;
	struct pkernfs_clone c = {
		.pd = pd,
		.w.alloc = pkernfs_clone_alloc,
		.w.arg = pd,
		.w.coherent = pkernfs_vtd_coherent(f->iommu),
	};
	struct pkernfs_ss_visitor v = { .leaf = pkernfs_clone_leaf, .arg = &c };
	struct pkernfs_ss from;
	int ret;

	/* If it is changed just now the move finds out, and fails. */
	f->d.dirty_tracking = to_dmar_domain(live)->dirty_tracking;
	pkernfs_live_ss(live, &from, &f->aw);
	c.count = true;
	ret = pkernfs_ss_walk(&from, &v);
	if (ret)
		return ret;
	if (!c.w.pages)
		return pkernfs_refuse(&pd->why, -EINVAL, ~0ULL, "the HWPT maps nothing");
	if (!pkernfs_fixed_share(f, &from, &c, live)) {
		c.count = false;
		c.leave_out = 0;
		c.w.pages = 0;
		c.crc = ~0;
		c.w.ss.levels = from.levels;
		ret = pkernfs_ss_walk(&from, &v);
		f->ss = c.w.ss;
		if (ret)
			return ret;
		ser->tables = cpu_to_le64(c.w.tables);
		ser->leaves = cpu_to_le32(c.crc);
	}

	ser->drhd_base = cpu_to_le64(f->iommu->reg_phys);
	ser->cap = cpu_to_le64(f->iommu->cap);
	ser->ecap = cpu_to_le64(f->iommu->ecap);
	ser->ss_root = cpu_to_le64(f->ss.root);
	ser->pages = cpu_to_le64(c.w.pages);
	ser->did = cpu_to_le16(f->did);
	ser->mode = sm_supported(f->iommu) ? PKERNFS_IOMMU_VTD_SCALABLE :
					     PKERNFS_IOMMU_VTD_LEGACY;
	ser->aw = f->aw;
	ser->flags = 0;
	pd->rec->feature_compat |= cpu_to_le64(PKERNFS_COMPAT_LEAVES);
	if (f->d.dirty_tracking)
		pd->rec->feature_incompat |= cpu_to_le64(PKERNFS_INCOMPAT_DIRTY);
	return 0;
}

/* --- What it maps ----------------------------------------------------------- */

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
