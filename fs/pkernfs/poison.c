// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: memory of a region fails while it is in use.
 *
 * Whoever touches a bad page learns of it: its mappings are removed, and a fault is
 * SIGBUS with the address (BUS_MCEERR_AR); read(2) and write(2) end before it, and
 * at it they are EIO. What cannot be undone is what was pinned, or frozen for a
 * device: its DMA goes on, and the log says so. bad.c remembers the page.
 *
 * Pages of files are touched nowhere any more, and are taken out of the direct mapping
 * (nospec.c). Metadata is used on, through that mapping. So is, for a while, what somebody
 * was already writing to: memory that is being made ready for a file, and a file whose
 * inode lock is taken. Whoever looks a page up later finds it in the list.
 *
 * That leaves those who have looked it up before, by a pin or another reference. The kernel
 * may read it for them, to encrypt what they write to a disk, say. If the error is real that
 * is a machine check at best. If it is only said to be one, by madvise(MADV_HWPOISON) or in
 * sysfs, it need not become an oops: then the next load takes out the page.
 */

#define pr_fmt(fmt) "pkernfs: " fmt

#include <linux/delay.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/printk.h>

#include "nospec.h"
#include "pkernfs.h"

/**
 * struct pkernfs_bad_place - what a bad page is part of
 * @ino: the file, 0: none
 * @index: where in the file
 * @held: a frozen device reaches it
 * @busy: somebody may be writing to it, and does not know yet that it is bad
 */
struct pkernfs_bad_place {
	u32 ino;
	pgoff_t index;
	bool held;
	bool busy;
};

/* The page is in the list already: whoever looks it up after this knows that it is bad. */
static void pkernfs_bad_find(struct pkernfs_core *c, u64 page, struct pkernfs_bad_place *at)
{
	const struct pkernfs_gpool *p;
	u32 i, g;

	down_read(&c->lock);
	p = pkernfs_page_granule(c, page, &g);
	if (p && pkernfs_granule_owner(p, g)) {
		struct pkernfs_node *n = pkernfs_node_find(c, pkernfs_granule_owner(p, g));
		unsigned int shift = p->shift - PKERNFS_BLOCK_SHIFT;

		for (i = 0; i < n->extents; i++) {
			const struct pkernfs_extent *e = &n->extent[i];

			if (g < e->granule || g - e->granule >= e->count)
				continue;
			at->ino = n->ino;
			at->index = ((e->logical + g - e->granule) << shift) +
				    ((page - p->start) & ((1U << shift) - 1));
		}
		at->held = pkernfs_granule_holds(p, g);
	} else if (p) {
		at->busy = pkernfs_extent_filling(c, p, g);
	}
	up_read(&c->lock);
}

/*
 * Remove the mappings of the page, and tell those who want to be told at once. The
 * superblock is kept meanwhile, or what is in its inode cache could be on its way out;
 * the caller drops it when it holds no lock any more. NULL: not mounted.
 */
static struct super_block *pkernfs_bad_unmap(struct pkernfs_core *c, int flags,
					     struct pkernfs_bad_place *at)
{
	struct super_block *sb = c->sb;
	struct inode *inode;
	LIST_HEAD(tell);
	u64 size;

	lockdep_assert_held(&pkernfs_format_lock);
	if (!sb || !atomic_inc_not_zero(&sb->s_active))
		return NULL;
	inode = ilookup(sb, at->ino);
	if (!inode)
		return sb;	/* nobody has opened it */
	filemap_invalidate_lock(inode->i_mapping);
	pkernfs_poison_collect(inode->i_mapping, at->index, flags, &tell);
	/* All that may be mapped together with it */
	size = max_t(u64, PKERNFS_GRANULE_SIZE, 1ULL << pkernfs_node(inode)->pool->shift);
	unmap_mapping_range(inode->i_mapping, round_down((u64)at->index << PAGE_SHIFT, size),
			    size, 0);
	filemap_invalidate_unlock(inode->i_mapping);
	pkernfs_poison_tell(flags, &tell);
	/* Not waited for: a write may stand in a page fault for as long as it likes. */
	if (inode_trylock(inode))
		inode_unlock(inode);
	else
		at->busy = true;
	iput(inode);
	return sb;
}

static void pkernfs_bad_report(struct pkernfs_core *c, u64 page,
			       const struct pkernfs_bad_place *at)
{
	u64 phys = c->r->base + (page << PKERNFS_BLOCK_SHIFT);
	const char *more = "";
	u32 granule;

	if (at->ino) {
		if (at->held)
			more = "; a frozen device reaches it, its DMA goes on";
		else if (folio_maybe_dma_pinned(pfn_folio(PHYS_PFN(phys))))
			more = "; pinned, DMA to it may go on";
		pr_err("region %u: memory error at %#llx: inode %u, offset %#llx%s\n",
		       c->r->index, phys, at->ino, (u64)at->index << PAGE_SHIFT, more);
		return;
	}
	if (pkernfs_page_granule(c, page, &granule))
		more = "in no file";
	else
		more = "metadata; save the files, and make a new filesystem";
	pr_err("region %u: memory error at %#llx: %s\n", c->r->index, phys, more);
}

/**
 * pkernfs_page_failure - a page of a loaded region has failed
 * @c: the core
 * @page: the page, counted from the start of the region
 * @flags: MF_*
 * @sb: set to what deactivate_super() is to be called for, when no lock is held any more;
 *	NULL: nothing
 *
 * pkernfs_format_lock is held. Return: see pkernfs_memory_failure().
 */
int pkernfs_page_failure(struct pkernfs_core *c, u64 page, int flags, struct super_block **sb)
{
	struct pkernfs_bad_place at = {};
	int err = pkernfs_bad_add(c, page);
	u32 granule;

	*sb = NULL;
	pkernfs_bad_find(c, page, &at);
	if (at.ino)
		*sb = pkernfs_bad_unmap(c, flags, &at);
	pkernfs_bad_report(c, page, &at);
	if (err && err != -EEXIST)
		pr_err("region %u: the error is not remembered: %pe\n", c->r->index,
		       ERR_PTR(err));
	if (err == -EOPNOTSUPP || !pkernfs_page_granule(c, page, &granule))
		return -EIO;
	if (err && err != -EEXIST)
		return err;
	if (at.busy) {
		pr_warn("region %u: it stays in the kernel's mapping, as it may just be written to\n",
			c->r->index);
		return -EHWPOISON;
	}
	if (flags & MF_SW_SIMULATED && at.ino &&
	    pkernfs_folio_lent(pfn_folio(PHYS_PFN(c->r->base) + page)))
		return 0;
	err = pkernfs_nospec_hide(c->r, page);
	if (!err)
		return 0;
	pr_warn("region %u: it stays in the kernel's mapping: %pe\n", c->r->index, ERR_PTR(err));
	return -EHWPOISON;
}

/**
 * pkernfs_memory_failure - memory of a region has failed
 * @pgmap: of the region
 * @pfn: the page
 * @nr_pages: 1
 * @flags: MF_*
 *
 * From memory_failure(), in process context, without locks.
 *
 * Return: 0: unmapped and remembered, and nothing here touches the page again: it is out of
 * the direct mapping, and the architecture may take it out once more; or an errno, upon which
 * it stays there: -EHWPOISON: unmapped and remembered, but the kernel may just be writing to
 * it, or there is no memory to split its mapping, and nobody is to be killed for that; -EIO
 * for metadata, whether it is remembered or not.
 * Never -EOPNOTSUPP, which would have mm/ do what it does for DAX: it wants entries in
 * i_pages that there are not.
 */
int pkernfs_memory_failure(struct dev_pagemap *pgmap, unsigned long pfn,
			   unsigned long nr_pages, int flags)
{
	struct pkernfs_region *r = pkernfs_region_find(PFN_PHYS(pfn), PAGE_SIZE);
	struct super_block *sb = NULL;
	int err = -ENXIO;

	if (WARN_ON_ONCE(!r))
		return err;

	/*
	 * Outermost, and held to the end: mkfs may not free what is looked at. But mkfs
	 * may be waiting, with the lock, for the reference on @pgmap that the caller has.
	 */
	while (!mutex_trylock(&pkernfs_format_lock)) {
		if (percpu_ref_is_dying(&pgmap->ref)) {
			pr_err("region %u: memory error at %#llx: not remembered, its pages are being made anew\n",
			       r->index, (u64)PFN_PHYS(pfn));
			return -EBUSY;
		}
		msleep(20);
	}
	if (r->core)
		err = pkernfs_page_failure(r->core, pfn - PHYS_PFN(r->base), flags, &sb);
	else
		pr_err("region %u: memory error at %#llx: not loaded, not remembered\n",
		       r->index, (u64)PFN_PHYS(pfn));
	mutex_unlock(&pkernfs_format_lock);
	if (sb)
		deactivate_super(sb);
	return err;
}
