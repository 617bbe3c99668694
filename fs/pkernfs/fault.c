// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: mappings of files.
 *
 * Pages are ZONE_DEVICE pages in folios of one granule, so a shared mapping that
 * is aligned like the file gets whole PMDs; anything else gets PTEs of the same
 * folios. Any fault gives the file memory, as in tmpfs: the shared zero page in a
 * shared mapping could be pinned for long, and the pin would miss what is written
 * later. On a read-only mount there is none to give: touching a hole is SIGBUS.
 *
 * The invalidate lock is held shared from the look-up to the insertion, so that
 * truncate sees every mapping and no fault brings a page back. It does not keep
 * the file from growing between two faults of one granule, which then want a PTE
 * and a PMD; the folio's lock lets one of them see what the other has done.
 */

#include <linux/highmem.h>
#include <linux/huge_mm.h>
#include <linux/mm.h>
#include <linux/pagemap.h>

#include "pkernfs.h"

/* The page at @pgoff, made if it is a hole; @make false: NULL for a hole. */
static struct page *pkernfs_fault_page(struct inode *inode, pgoff_t pgoff, bool make)
{
	struct pkernfs_core *c = pkernfs_sb_core(inode->i_sb);
	struct pkernfs_node *n = pkernfs_node(inode);
	u64 logical = pgoff / PKERNFS_BLOCKS_PER_GRANULE;
	const struct pkernfs_extent *e;
	struct page *page;
	int err;

	for (;;) {
		page = NULL;
		down_read(&c->lock);
		if (n->device) {
			page = ERR_PTR(-EBUSY);
		} else {
			e = pkernfs_extent_find(n, logical);
			if (e)
				page = folio_page(pkernfs_granule_folio(c, e->granule +
									(logical - e->logical)),
						  pgoff % PKERNFS_BLOCKS_PER_GRANULE);
		}
		up_read(&c->lock);
		if (page || !make)
			return page;
		if (sb_rdonly(inode->i_sb))
			return ERR_PTR(-EROFS);
		err = pkernfs_extent_fill(c, n, logical, logical);
		if (err)
			return ERR_PTR(err);
	}
}

/* A write to a private mapping: its own copy, and the file stays as it is. */
static vm_fault_t pkernfs_fault_cow(struct vm_fault *vmf, struct inode *inode)
{
	struct page *page = pkernfs_fault_page(inode, vmf->pgoff, false);
	vm_fault_t ret;

	if (IS_ERR(page))
		return VM_FAULT_SIGBUS;
	if (!page)
		clear_user_highpage(vmf->cow_page, vmf->address);
	else if (copy_mc_user_highpage(vmf->cow_page, page, vmf->address, vmf->vma))
		return VM_FAULT_HWPOISON;
	__folio_mark_uptodate(page_folio(vmf->cow_page));
	ret = finish_fault(vmf);
	return ret ?: VM_FAULT_DONE_COW;
}

static vm_fault_t pkernfs_fault_insert(struct vm_fault *vmf, struct page *page,
				       unsigned int order, bool write)
{
	struct folio *folio = page_folio(page);
	vm_fault_t ret;
	pmd_t pmd;

	folio_lock(folio);
	pmd = pmdp_get_lockless(vmf->pmd);
	if (order && !pmd_none(pmd) && !pmd_trans_huge(pmd))
		ret = VM_FAULT_FALLBACK;	/* a page table is there already */
	else if (order)
		ret = vmf_insert_folio_pmd(vmf, folio, write);
	else if (pmd_trans_huge(pmd))
		ret = VM_FAULT_NOPAGE;		/* the page is mapped already */
	else
		ret = vmf_insert_page_mkwrite(vmf, page, write);
	folio_unlock(folio);
	return ret;
}

/* 0: nothing done, there is a hole and @fill is not set. */
static vm_fault_t pkernfs_fault_locked(struct vm_fault *vmf, unsigned int order,
				       bool write, bool fill)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	loff_t size = i_size_read(inode);
	struct page *page;

	if (vmf->pgoff >= DIV_ROUND_UP_ULL(size, PAGE_SIZE))
		return VM_FAULT_SIGBUS;
	/* A PMD must not show what lies behind the end. */
	if (order && round_down(vmf->pgoff, 1UL << order) + (1UL << order) >
		     size >> PAGE_SHIFT)
		return VM_FAULT_FALLBACK;
	if (vmf->cow_page)
		return pkernfs_fault_cow(vmf, inode);

	page = pkernfs_fault_page(inode, vmf->pgoff, fill);
	if (!page)
		return 0;
	if (page == ERR_PTR(-ESHUTDOWN)) {
		/*
		 * A kexec is under way. No reason to kill: stand still until it
		 * comes. But a fault of the kernel's own may be under locks that
		 * the shutdown of a device needs: that one fails.
		 */
		if (!(vmf->flags & FAULT_FLAG_USER))
			return VM_FAULT_SIGBUS;
		schedule_timeout_uninterruptible(HZ / 50);
		return VM_FAULT_NOPAGE;
	}
	if (IS_ERR(page))
		return page == ERR_PTR(-ENOMEM) ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
	return pkernfs_fault_insert(vmf, page, order, write);
}

static vm_fault_t pkernfs_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;
	struct inode *inode = file_inode(vma->vm_file);
	bool shared = vma->vm_flags & VM_SHARED;
	bool write = shared && (vmf->flags & FAULT_FLAG_WRITE);
	unsigned long addr = vmf->address & PMD_MASK;
	bool fill = write;
	vm_fault_t ret;

	if (order) {
		if (order != PMD_ORDER || !shared ||
		    addr < vma->vm_start || addr + PMD_SIZE > vma->vm_end ||
		    ((vmf->address >> PAGE_SHIFT) ^ vmf->pgoff) &
		    ((1UL << PMD_ORDER) - 1))
			return VM_FAULT_FALLBACK;
	}
	/* A read changes the filesystem too, and waits for a frozen one, if it fills. */
	for (;;) {
		if (fill)
			sb_start_pagefault(inode->i_sb);
		if (write)
			file_update_time(vma->vm_file);
		filemap_invalidate_lock_shared(inode->i_mapping);
		ret = pkernfs_fault_locked(vmf, order, write, fill);
		filemap_invalidate_unlock_shared(inode->i_mapping);
		if (fill)
			sb_end_pagefault(inode->i_sb);
		if (ret || fill)
			return ret;
		fill = true;
	}
}

static vm_fault_t pkernfs_fault(struct vm_fault *vmf)
{
	return pkernfs_huge_fault(vmf, 0);
}

/* No page_mkwrite: a mapping that wants to be told of writes cannot be pinned. */
static const struct vm_operations_struct pkernfs_vm_ops = {
	.fault		= pkernfs_fault,
	.huge_fault	= pkernfs_huge_fault,
};

/**
 * pkernfs_vma_pinnable - may pages of this DAX mapping be pinned for long?
 * @vma: the mapping
 *
 * Those of pkernfs may: no page is taken from a file while it has users.
 */
bool pkernfs_vma_pinnable(struct vm_area_struct *vma)
{
	return vma->vm_ops == &pkernfs_vm_ops;
}

/**
 * pkernfs_mmap_prepare - mmap
 * @desc: the mapping to be
 *
 * Return: 0, -EBUSY: a device file.
 */
int pkernfs_mmap_prepare(struct vm_area_desc *desc)
{
	if (pkernfs_is_device(file_inode(desc->file)))
		return -EBUSY;
	file_accessed(desc->file);
	desc->vm_ops = &pkernfs_vm_ops;
	vma_desc_set_flags(desc, VMA_HUGEPAGE_BIT);
	return 0;
}
