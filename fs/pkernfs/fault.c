// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: mappings of files.
 *
 * Pages are ZONE_DEVICE pages in folios of one granule, so a shared mapping that
 * is aligned like the file gets whole PMDs or PUDs if its granules are that large;
 * anything else gets PTEs of the same folios. Any fault gives the file memory, as in tmpfs: the
 * shared zero page in a shared mapping could be pinned for long, and the pin would miss
 * what is written later. On a read-only mount there is none to give: touching a hole
 * is SIGBUS.
 *
 * The invalidate lock is held shared from the look-up to the insertion, so that
 * truncate sees every mapping and no fault brings a page back. It does not keep
 * the file from growing between two faults of one granule, which then want a PTE
 * and a PMD; the folio's lock lets one of them see what the other has done.
 *
 * What mm/ does with page tables does not know PUDs of folios everywhere. Mappings that
 * may have such are marked by VM_DONTEXPAND, as those of hugetlbfs are, when they are
 * made; it is for what comes with it, too:
 *	a mapping that is split, and a PUD that is at that place: pkernfs_vma_may_split().
 *		A merge would move the border between two mappings without asking
 *	a mapping that is moved: pkernfs_vma_open()
 *	a PUD that is copied at fork, without a reference: only mappings with guards
 *		(MADV_GUARD_INSTALL) are, which VM_DONTEXPAND cannot have
 * A fault that puts a PUD back while MADV_DONTNEED takes it away is left alone by a hook
 * in zap_pud_range(): a zap takes no lock that a fault could wait for.
 */

#include <linux/highmem.h>
#include <linux/huge_mm.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mmap_lock.h>
#include <linux/pagemap.h>
#include <linux/pkernfs_compat.h>
#include <linux/swap.h>
/* In 7.2 it does not include what it needs. */
#include <linux/leafops.h>

#include <asm/cpufeature.h>

#include "pkernfs.h"

#define PKERNFS_PIN_STEP	SZ_256M

/* Is this, or will this be, a file of granules of 1 GiB? */
static bool pkernfs_file_huge(struct inode *inode)
{
	const struct pkernfs_node *n = pkernfs_node(inode);

	/* One that is empty may get others next. */
	return pkernfs_wish(inode) == PKERNFS_INODE_WISH_1G ||
	       (READ_ONCE(n->extents) && READ_ONCE(n->pool)->shift == PKERNFS_HUGE_SHIFT);
}

/* May there be PUDs in this mapping? */
static bool pkernfs_vma_huge(const struct vm_area_struct *vma)
{
	return vma->vm_flags & VM_DONTEXPAND;
}

/* The page of a file's memory, or -EHWPOISON: it, or with @whole any of its folio, is bad. */
static struct page *pkernfs_good_page(struct pkernfs_core *c, const void *data, bool whole)
{
	struct page *page = virt_to_page(data);
	u64 bytes = PAGE_SIZE;

	if (whole) {
		bytes = folio_size(page_folio(page));
		data = folio_address(page_folio(page));
	}
	return pkernfs_bad_in(c, data, bytes) ? ERR_PTR(-EHWPOISON) : page;
}

/* Could a file for which there is no memory have some if it moved to large granules? */
static bool pkernfs_may_move(struct inode *inode)
{
	struct pkernfs_core *c = pkernfs_sb_core(inode->i_sb);
	const struct pkernfs_node *n = pkernfs_node(inode);

	/* The invalidate lock keeps it from being moved meanwhile. */
	return READ_ONCE(n->extents) && READ_ONCE(n->pool) == &c->gpool[PKERNFS_GPOOL_4K] &&
	       pkernfs_wish(inode) == PKERNFS_INODE_WISH_NONE;
}

/*
 * The page at @pgoff, made if it is a hole; @make false: NULL for a hole. @whole: all of
 * its folio is asked for. -EHWPOISON: there is a memory error in it; -EAGAIN: small
 * granules are used up, or the file has them in too many pieces: it has to move, and the
 * invalidate lock is in the way.
 */
static struct page *pkernfs_fault_page(struct inode *inode, pgoff_t pgoff, bool make,
				       bool whole)
{
	struct pkernfs_core *c = pkernfs_sb_core(inode->i_sb);
	struct pkernfs_node *n = pkernfs_node(inode);
	u64 pos = (u64)pgoff << PAGE_SHIFT, bytes;
	struct pkernfs_gpool *want;
	struct page *page;
	void *data;
	int err;

	for (;;) {
		page = NULL;
		down_read(&c->lock);
		if (n->device) {
			page = ERR_PTR(-EBUSY);
		} else {
			data = pkernfs_extent_data(c, n, pos, &bytes);
			if (data)
				page = pkernfs_good_page(c, data, whole);
		}
		up_read(&c->lock);
		if (page || !make)
			return page;
		if (sb_rdonly(inode->i_sb))
			return ERR_PTR(-EROFS);
		want = pkernfs_wanted_pool(inode, 0);
		err = pkernfs_extent_fill(c, n, pos, pos, want);
		/* Small granules are used up. An empty file can have large ones. */
		if (err == -ENOSPC && pkernfs_wish(inode) == PKERNFS_INODE_WISH_NONE)
			err = pkernfs_extent_fill(c, n, pos, pos,
						  &c->gpool[PKERNFS_GPOOL_2M]);
		if ((err == -ENOSPC || err == -EFBIG) && pkernfs_may_move(inode))
			err = -EAGAIN;
		if (err)
			return ERR_PTR(err);
	}
}

/* What a fault says that gets no page. */
static vm_fault_t pkernfs_fault_error(const struct vm_fault *vmf, int err)
{
	bool user = vmf->flags & FAULT_FLAG_USER;

	pkernfs_refuse_fault(file_inode(vmf->vma->vm_file), (loff_t)vmf->pgoff << PAGE_SHIFT, err);
	switch (err) {
	case -EINTR:	/* it is to die; not of this */
		return user ? VM_FAULT_NOPAGE : VM_FAULT_SIGBUS;
	case -EAGAIN:	/* somebody else has the inode lock; a signal may end the wait */
		if (!user)
			return VM_FAULT_SIGBUS;
		schedule_timeout_uninterruptible(1);
		return VM_FAULT_NOPAGE;
	case -ESHUTDOWN:
		/*
		 * A kexec is under way. No reason to kill: stand still until it
		 * comes. But a fault of the kernel's own may be under locks that
		 * the shutdown of a device needs: that one fails.
		 */
		if (!user)
			return VM_FAULT_SIGBUS;
		schedule_timeout_uninterruptible(HZ / 50);
		return VM_FAULT_NOPAGE;
	case -ENOMEM:
		return VM_FAULT_OOM;
	case -EHWPOISON:
		return VM_FAULT_HWPOISON;
	default:
		return VM_FAULT_SIGBUS;
	}
}

/* A write to a private mapping: its own copy, and the file stays as it is. */
static vm_fault_t pkernfs_fault_cow(struct vm_fault *vmf, struct inode *inode)
{
	struct page *page = pkernfs_fault_page(inode, vmf->pgoff, false, false);
	vm_fault_t ret;

	if (IS_ERR(page))
		return pkernfs_fault_error(vmf, PTR_ERR(page));
	if (!page)
		clear_user_highpage(vmf->cow_page, vmf->address);
	else if (copy_mc_user_highpage(vmf->cow_page, page, vmf->address, vmf->vma))
		return VM_FAULT_HWPOISON;
	__folio_mark_uptodate(page_folio(vmf->cow_page));
	ret = finish_fault(vmf);
	return ret ?: VM_FAULT_DONE_COW;
}

/*
 * Whose memory it is. Only shared futexes ask, which are known by inode and index. It is so
 * while the inode is in memory; the invalidate lock keeps the granule in the file.
 */
static void pkernfs_folio_enter(struct folio *folio, struct inode *inode, pgoff_t index)
{
	struct address_space *mapping = inode->i_mapping;

	if (READ_ONCE(folio->mapping) == mapping)
		return;
	WRITE_ONCE(pkernfs_node(inode)->entered, true);
	folio->index = index;
	/* get_futex_key() reads the index after it. */
	smp_store_release(&folio->mapping, mapping);
}

/*
 * What inserts an entry is never told of a write. It would warn of a table or a mark that is
 * there by then, and both can come at any time: a table by a fault that wants a PTE, and by
 * userfaultfd's write protection and by guards, which no lock of a fault keeps away. It need
 * not be told: as nobody wants to know of writes the entry is writable if the mapping is, and
 * the CPU sets the dirty bit. Where the mapping is not (soft-dirty, userfaultfd) the next
 * fault makes the entry writable, page by page.
 */
static vm_fault_t pkernfs_fault_insert_pud(struct vm_fault *vmf, struct folio *folio,
					   bool write)
{
	pud_t pud = READ_ONCE(*vmf->pud);

	if (pud_none(pud))
		return vmf_insert_folio_pud(vmf, folio, false);
	if (pud_trans_huge(pud) && (pud_write(pud) || !write))
		return VM_FAULT_NOPAGE;
	return VM_FAULT_FALLBACK;
}

static vm_fault_t pkernfs_fault_insert_pmd(struct vm_fault *vmf, struct folio *folio,
					   bool write)
{
	pmd_t pmd = pmdp_get_lockless(vmf->pmd);

	if (pmd_none(pmd))
		return vmf_insert_folio_pmd(vmf, folio, false);
	if (pmd_trans_huge(pmd) && (pmd_write(pmd) || !write))
		return VM_FAULT_NOPAGE;
	return VM_FAULT_FALLBACK;
}

/*
 * Userfaultfd's asynchronous write protection is for any mapping, and leaves markers where
 * there was no entry, or a PMD. One would be in the way of the page. Nobody waits for an
 * event; without the marker the page counts as written, which is always safe to say. One
 * that comes only now is met by the next fault.
 */
static vm_fault_t pkernfs_fault_insert_pte(struct vm_fault *vmf, struct page *page)
{
	struct mm_struct *mm = vmf->vma->vm_mm;
	spinlock_t *ptl;	/* of the page table */
	pte_t *pte;

	if ((vmf->flags & FAULT_FLAG_ORIG_PTE_VALID) && pte_is_uffd_wp_marker(vmf->orig_pte)) {
		pte = pte_offset_map_lock(mm, vmf->pmd, vmf->address, &ptl);
		if (!pte)
			return VM_FAULT_NOPAGE;
		if (pte_same(ptep_get(pte), vmf->orig_pte))
			pte_clear(mm, vmf->address, pte);
		pte_unmap_unlock(pte, ptl);
	}
	return vmf_insert_page_mkwrite(vmf, page, false);
}

static vm_fault_t pkernfs_fault_insert(struct vm_fault *vmf, struct page *page,
				       unsigned int order, bool write)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	struct folio *folio = page_folio(page);
	vm_fault_t ret;

	pkernfs_folio_enter(folio, inode, vmf->pgoff - folio_page_idx(folio, page));
	if (order == PUD_ORDER)
		return pkernfs_fault_insert_pud(vmf, folio, write);
	folio_lock(folio);
	if (order)
		ret = pkernfs_fault_insert_pmd(vmf, folio, write);
	else if (pmd_trans_huge(pmdp_get_lockless(vmf->pmd)))
		ret = VM_FAULT_NOPAGE;		/* the page is mapped already */
	else if (pkernfs_vmemmap_own(folio))
		ret = VM_FAULT_OOM;
	else
		ret = pkernfs_fault_insert_pte(vmf, page);
	folio_unlock(folio);
	return ret;
}

/* 0: nothing done, there is a hole and @fill is not set, or the file has to @move. */
static vm_fault_t pkernfs_fault_locked(struct vm_fault *vmf, unsigned int order,
				       bool write, bool fill, bool *move)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	loff_t size = i_size_read(inode);
	struct page *page;

	if (vmf->pgoff >= DIV_ROUND_UP_ULL(size, PAGE_SIZE))
		return VM_FAULT_SIGBUS;
	/* A PMD or PUD must not show what lies behind the end. */
	if (order && round_down(vmf->pgoff, 1UL << order) + (1UL << order) >
		     size >> PAGE_SHIFT)
		return VM_FAULT_FALLBACK;
	if (vmf->cow_page)
		return pkernfs_fault_cow(vmf, inode);

	page = pkernfs_fault_page(inode, vmf->pgoff, fill, order);
	if (!page)
		return 0;
	/* Another page of the folio may be the bad one: those are mapped one by one. */
	if (order && page == ERR_PTR(-EHWPOISON))
		return VM_FAULT_FALLBACK;
	*move = page == ERR_PTR(-EAGAIN);
	if (*move)
		return 0;
	if (IS_ERR(page))
		return pkernfs_fault_error(vmf, PTR_ERR(page));
	/* The kernel maps a folio by an entry that has its size, or page by page. */
	if (order && order != folio_order(page_folio(page)))
		return VM_FAULT_FALLBACK;
	return pkernfs_fault_insert(vmf, page, order, write);
}

static vm_fault_t pkernfs_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;
	struct inode *inode = file_inode(vma->vm_file);
	bool shared = vma->vm_flags & VM_SHARED;
	bool write = shared && (vmf->flags & FAULT_FLAG_WRITE);
	unsigned long size = PAGE_SIZE << order, addr = round_down(vmf->address, size);
	bool fill = write, move = false;
	vm_fault_t ret;
	int err;

	if (order) {
		if (order != PMD_ORDER && (order != PUD_ORDER || !pkernfs_vma_huge(vma)))
			return VM_FAULT_FALLBACK;
		if (!shared || addr < vma->vm_start || size > vma->vm_end - addr ||
		    ((vmf->address >> PAGE_SHIFT) ^ vmf->pgoff) & ((1UL << order) - 1))
			return VM_FAULT_FALLBACK;
	}
	/* A read changes the filesystem too, and waits for a frozen one, if it fills. */
	for (;;) {
		if (fill)
			sb_start_pagefault(inode->i_sb);
		if (write)
			file_update_time(vma->vm_file);
		filemap_invalidate_lock_shared(inode->i_mapping);
		ret = pkernfs_fault_locked(vmf, order, write, fill, &move);
		filemap_invalidate_unlock_shared(inode->i_mapping);
		if (move) {
			err = pkernfs_move_from_fault(inode, vmf->flags & FAULT_FLAG_USER);
			if (err)
				ret = pkernfs_fault_error(vmf, err);
		}
		if (fill)
			sb_end_pagefault(inode->i_sb);
		if (ret || (fill && !move))
			return ret;
		fill = true;
		move = false;
	}
}

static vm_fault_t pkernfs_fault(struct vm_fault *vmf)
{
	return pkernfs_huge_fault(vmf, 0);
}

/*
 * The mapping becomes two, for munmap() of a part of it, mprotect() and the like. What a
 * PUD at this place shows comes back page by page. Locked against faults from here on, or
 * one could put it back before the mapping has been split.
 */
static int pkernfs_vma_may_split(struct vm_area_struct *vma, unsigned long addr)
{
	unsigned long start = addr & PUD_MASK;

	if (!pkernfs_vma_huge(vma) || start == addr || start < vma->vm_start ||
	    vma->vm_end - start < PUD_SIZE)
		return 0;
	vma_start_write(vma);
	zap_vma_range(vma, start, PUD_SIZE);
	return 0;
}

/*
 * mremap() takes a PUD for a damaged table. So when it makes the new mapping the old one,
 * which it has locked against faults, is emptied: each mapping of that range of the file
 * that this mm has, as nobody says here which one it is. Other processes keep theirs. Who
 * splits a mapping opens the new one where the old one still is, and fork() opens one of
 * another mm.
 */
static void pkernfs_vma_open(struct vm_area_struct *vma)
{
	struct address_space *mapping = vma->vm_file->f_mapping;
	pgoff_t first = vma->vm_pgoff, last = first + vma_pages(vma) - 1;
	struct vm_area_struct *old;

	if (!pkernfs_vma_huge(vma) || vma->vm_mm != current->mm ||
	    find_vma_intersection(vma->vm_mm, vma->vm_start, vma->vm_end))
		return;
	i_mmap_lock_read(mapping);
	mapping_rmap_tree_foreach(old, mapping, first, last)
		if (old->vm_mm == vma->vm_mm && pkernfs_vma_huge(old))
			zap_vma(old);
	i_mmap_unlock_read(mapping);
}

/* No page_mkwrite: a mapping that wants to be told of writes cannot be pinned. */
static const struct vm_operations_struct pkernfs_vm_ops = {
	.open		= pkernfs_vma_open,
	.may_split	= pkernfs_vma_may_split,
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
 * pkernfs_file_pinnable - does memfd_pin_folios() find this file's pages here?
 * @file: any file
 */
bool pkernfs_file_pinnable(const struct file *file)
{
	return file->f_op == &pkernfs_file_fops;
}

/* May devices write to this file? While the invalidate lock is held the answer stays. */
static int pkernfs_may_pin(struct inode *inode)
{
	return IS_IMMUTABLE(inode) ? -EPERM : IS_APPEND(inode) ? -EACCES : 0;
}

/* With @make, -EAGAIN is of pkernfs_fault_page(); without, there is a hole. */
static long pkernfs_pin_locked(struct inode *inode, loff_t start, loff_t last, bool make,
			       struct folio **folios, unsigned int max, pgoff_t *offset)
{
	pgoff_t at = start >> PAGE_SHIFT, skip;
	unsigned int count = 0;
	struct folio *folio;
	struct page *page;
	int err;

	/* Once more, as chattr(1) may have been waited for. */
	err = last < i_size_read(inode) ? pkernfs_may_pin(inode) : -EINVAL;
	if (err)
		return pkernfs_refuse_pin(inode, start, err);
	while (at <= last >> PAGE_SHIFT && count < max) {
		/* A hole takes its time: others want the lock, and the caller comes again. */
		if (count && at - (start >> PAGE_SHIFT) >= PKERNFS_PIN_STEP >> PAGE_SHIFT)
			break;
		if (fatal_signal_pending(current))
			err = -EINTR;
		if (err)
			break;
		page = pkernfs_fault_page(inode, at, make, true);
		err = page ? PTR_ERR_OR_ZERO(page) : -EAGAIN;
		if (err)
			break;
		folio = page_folio(page);
		err = pkernfs_folio_pin(folio);
		if (err)
			break;
		skip = folio_page_idx(folio, page);
		if (!count)
			*offset = (skip << PAGE_SHIFT) + offset_in_page(start);
		folios[count++] = folio;
		at += folio_nr_pages(folio) - skip;
	}
	if (!err)
		return count;
	unpin_folios(folios, count);
	return pkernfs_refuse_pin(inode, (loff_t)at << PAGE_SHIFT, err);
}

/**
 * pkernfs_pin_folios - memfd_pin_folios() for a file of pkernfs
 * @file: the file
 * @start: first byte
 * @last: last byte, before the end of the file
 * @folios: set to its folios, pinned; unpin_folios() undoes it
 * @max: elements of @folios
 * @offset: set to where @start is in the first one, in bytes
 *
 * Holes are given memory, as by a fault, and only then a frozen filesystem is waited for:
 * who restores a VM has locks that others want. The caller does not say whether the pages
 * will be written, so the descriptor has to allow both.
 *
 * Return: folios pinned, of 256 MiB or a little more at most; -EACCES: not open for reading
 * and writing, or append-only; -EPERM: immutable; -EINVAL: behind the end; -EBUSY: a device file;
 * -EHWPOISON: a memory error; -ENOSPC, -EFBIG, -ENOMEM, -EINTR, -ESHUTDOWN.
 */
long pkernfs_pin_folios(struct file *file, loff_t start, loff_t last,
			struct folio **folios, unsigned int max, pgoff_t *offset)
{
	struct inode *inode = file_inode(file);
	bool fill;
	long ret;

	if (~file->f_mode & (FMODE_READ | FMODE_WRITE))
		return pkernfs_refuse_pin(inode, start, -EACCES);
	ret = pkernfs_may_pin(inode);
	if (ret)
		return pkernfs_refuse_pin(inode, start, ret);
	fill = __sb_start_write_trylock(inode->i_sb, SB_FREEZE_PAGEFAULT);
	if (fill)
		file_update_time(file);
	for (;;) {
		filemap_invalidate_lock_shared(inode->i_mapping);
		ret = pkernfs_pin_locked(inode, start, last, fill, folios, max, offset);
		filemap_invalidate_unlock_shared(inode->i_mapping);
		/* What has been pinned by this call is not, or it would be in the way. */
		if (ret != -EAGAIN)
			break;
		if (!fill) {
			sb_start_pagefault(inode->i_sb);
			file_update_time(file);
			fill = true;
			continue;
		}
		ret = pkernfs_move_from_fault(inode, false);
		if (ret) {
			ret = pkernfs_refuse_pin(inode, start, ret == -EAGAIN ? -ENOSPC : ret);
			break;
		}
	}
	if (fill)
		sb_end_pagefault(inode->i_sb);
	return ret;
}

/**
 * pkernfs_mmap_prepare - mmap
 * @desc: the mapping to be
 *
 * Return: 0, -EBUSY: a device file; -EPERM: it could be stored to, and is immutable.
 */
int pkernfs_mmap_prepare(struct vm_area_desc *desc)
{
	struct inode *inode = file_inode(desc->file);

	if (pkernfs_refuse_device(inode))
		return -EBUSY;
	/* See pkernfs_deny_stores(). */
	if (IS_IMMUTABLE(inode) && vma_desc_test_all(desc, VMA_SHARED_BIT, VMA_MAYWRITE_BIT))
		return -EPERM;
	file_accessed(desc->file);
	desc->vm_ops = &pkernfs_vm_ops;
	vma_desc_set_flags(desc, VMA_HUGEPAGE_BIT);
	if (vma_desc_test(desc, VMA_SHARED_BIT) && pkernfs_file_huge(inode) &&
	    cpu_feature_enabled(X86_FEATURE_GBPAGES))
		vma_desc_set_flags(desc, VMA_DONTEXPAND_BIT);
	return 0;
}

/**
 * pkernfs_get_unmapped_area - where to map a file
 * @file: the file
 * @addr: what the user wants, 0: anywhere
 * @len: length
 * @pgoff: place in the file
 * @flags: MAP_*
 *
 * Aligned like the file, to 1 GiB if it has such granules, else to 2 MiB.
 *
 * Return: the address, or an error.
 */
unsigned long pkernfs_get_unmapped_area(struct file *file, unsigned long addr,
					unsigned long len, unsigned long pgoff,
					unsigned long flags)
{
	unsigned long at;

	if (!addr && !(flags & MAP_FIXED) && len >= PUD_SIZE && len <= TASK_SIZE &&
	    pkernfs_file_huge(file_inode(file))) {
		at = mm_get_unmapped_area(file, 0, len + PUD_SIZE, pgoff, flags);
		if (!IS_ERR_VALUE(at))
			return at + (((pgoff << PAGE_SHIFT) - at) & (PUD_SIZE - 1));
	}
	return thp_get_unmapped_area(file, addr, len, pgoff, flags);
}
