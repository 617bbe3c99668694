// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: page tables of the vmemmap that are shared.
 *
 * A granule of 1 GiB has two pages of struct pages: one with its head, and one that is
 * mapped in place of all the others, as they are alike. The page tables that say so are
 * four times as much: of eight, seven consist of one and the same entry. Here these
 * seven become one, and one for all granules of a run where their tail pages are alike
 * as well (compound_info_has_mask()).
 *
 * Whoever looks at a struct page meanwhile sees what he saw before. One of a tail is written
 * to when it is made, before it goes, and with CONFIG_PAGE_MAPCOUNT when a PTE that leads to
 * its page comes or goes. What pages of one granule count in one place is right in sum, as the
 * folio knows how many of them are mapped; from two granules it would not be. So a granule
 * has its own table before such a PTE comes: pkernfs_vmemmap_own().
 *
 * vmemmap_free() takes each table to be there once, so it has to be like that again
 * before a run is unmapped. That is the one time that takes memory.
 */

#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/list.h>
#include <linux/memory_hotplug.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/page_ref.h>
#include <linux/pgtable.h>
#include <linux/pkernfs.h>
#include <linux/string.h>

#include <asm/pgalloc.h>
#include <asm/tlbflush.h>

#include "pkernfs.h"

/* Vmemmap of a granule, in bytes, and in tables */
#define PKERNFS_HUGE_VMEMMAP	(sizeof(struct page) << (PKERNFS_HUGE_SHIFT - PAGE_SHIFT))
#define PKERNFS_HUGE_TABLES	(PKERNFS_HUGE_VMEMMAP / PMD_SIZE)

/* A run, and the granule in it that is being looked at */
struct pkernfs_vmemmap {
	unsigned long start, end, at;
	struct page *tail;		/* what its tail struct pages are mapped to */
	pte_t *shared;			/* the table that others may share, */
	struct page *shared_tail;	/* and what that maps */
	pte_t *spare;			/* the last one that went to @tables */
	struct list_head tables;	/* spare ones */
};

static bool pkernfs_vmemmap_run(struct pkernfs_vmemmap *v, const struct dev_pagemap *pgmap)
{
	if (pgmap->vmemmap_shift != PKERNFS_HUGE_SHIFT - PAGE_SHIFT)
		return false;
	memset(v, 0, sizeof(*v));
	v->start = (unsigned long)pfn_to_page(PHYS_PFN(pgmap->range.start));
	v->end = v->start + (range_len(&pgmap->range) >> PAGE_SHIFT) * sizeof(struct page);
	INIT_LIST_HEAD(&v->tables);
	return IS_ALIGNED(v->start | v->end, PMD_SIZE) &&
	       IS_ALIGNED(PKERNFS_HUGE_VMEMMAP, PMD_SIZE) && PKERNFS_HUGE_TABLES > 2;
}

/* The table at an address, or NULL if the vmemmap is none of tables. */
static pte_t *pkernfs_vmemmap_table(unsigned long addr)
{
	pmd_t pmd = pmdp_get(pmd_off_k(addr));

	return pmd_present(pmd) && !pmd_leaf(pmd) ? (pte_t *)pmd_page_vaddr(pmd) : NULL;
}

/* Does every entry of a table lead to the one page of tail struct pages? */
static bool pkernfs_vmemmap_is_tail(const pte_t *table, const struct page *tail)
{
	unsigned int i;

	for (i = 0; i < PTRS_PER_PTE; i++)
		if (!pte_present(table[i]) || pte_page(table[i]) != tail)
			return false;
	return true;
}

/* Set v->tail for the granule at v->at. */
static bool pkernfs_vmemmap_granule(struct pkernfs_vmemmap *v)
{
	pte_t *table = pkernfs_vmemmap_table(v->at);

	if (!table || !pte_present(table[PTRS_PER_PTE - 1]))
		return false;
	v->tail = pte_page(table[PTRS_PER_PTE - 1]);
	return true;
}

/* Is all of a run as memremap_pages() has made it for granules of 1 GiB? */
static bool pkernfs_vmemmap_expected(struct pkernfs_vmemmap *v)
{
	unsigned int i;

	for (v->at = v->start; v->at < v->end; v->at += PKERNFS_HUGE_VMEMMAP) {
		if (!pkernfs_vmemmap_granule(v))
			return false;
		for (i = 1; i < PKERNFS_HUGE_TABLES; i++) {
			const pte_t *table = pkernfs_vmemmap_table(v->at + i * PMD_SIZE);

			if (!table || !pkernfs_vmemmap_is_tail(table, v->tail))
				return false;
		}
		cond_resched();
	}
	return true;
}

static void pkernfs_vmemmap_set(unsigned long addr, pte_t *table)
{
	spin_lock(&init_mm.page_table_lock);
	pmd_populate_kernel(&init_mm, pmd_off_k(addr), table);
	spin_unlock(&init_mm.page_table_lock);
}

static void pkernfs_vmemmap_share_table(struct pkernfs_vmemmap *v, unsigned long addr)
{
	pte_t *table = pkernfs_vmemmap_table(addr);

	/* A run that could not be unshared is as it was: this table is in use. */
	if (table == v->shared)
		return;
	if (!v->shared || (v->tail != v->shared_tail &&
			   memcmp(page_address(v->tail), page_address(v->shared_tail),
				  PAGE_SIZE))) {
		v->shared = table;
		v->shared_tail = v->tail;
		return;
	}
	pkernfs_vmemmap_set(addr, v->shared);
	/* One that was made for the granule alone is there seven times. */
	if (table != v->spare)
		list_add(&virt_to_page(table)->lru, &v->tables);
	v->spare = table;
}

static void pkernfs_vmemmap_free(struct pkernfs_vmemmap *v)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, &v->tables, lru) {
		pte_t *table = page_address(page);

		/* A reference for each entry; those of the granule's first table stay. */
		if (pte_present(table[0]))
			page_ref_sub(pte_page(table[0]), PTRS_PER_PTE);
		/* Not while a device that shares the kernel's tables (SVA) may walk it. */
		pagetable_free_kernel(page_ptdesc(page));
	}
}

/**
 * pkernfs_vmemmap_share - let granules of 1 GiB share page tables of the vmemmap
 * @pgmap: a run that has just been mapped; of another order: nothing is done
 */
void pkernfs_vmemmap_share(const struct dev_pagemap *pgmap)
{
	struct pkernfs_vmemmap v;
	unsigned int i;

	if (!pkernfs_vmemmap_run(&v, pgmap))
		return;
	mem_hotplug_begin();
	if (pkernfs_vmemmap_expected(&v)) {
		for (v.at = v.start; v.at < v.end; v.at += PKERNFS_HUGE_VMEMMAP) {
			pkernfs_vmemmap_granule(&v);
			for (i = 1; i < PKERNFS_HUGE_TABLES; i++)
				pkernfs_vmemmap_share_table(&v, v.at + i * PMD_SIZE);
		}
		flush_tlb_kernel_range(v.start, v.end);
		pkernfs_vmemmap_free(&v);
	}
	mem_hotplug_done();
}

/* Memory for a table. */
VISIBLE_IF_KUNIT struct page *pkernfs_vmemmap_page(void)
{
	KUNIT_STATIC_STUB_REDIRECT(pkernfs_vmemmap_page);
	return alloc_page(GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN);
}

/* A table of which every entry leads to the one page of tail struct pages. */
static pte_t *pkernfs_vmemmap_fill(struct page *page, struct page *tail)
{
	pte_t *table = page_address(page);
	unsigned int i;

	for (i = 0; i < PTRS_PER_PTE; i++)
		set_pte(table + i, mk_pte(tail, PAGE_KERNEL));
	page_ref_add(tail, PTRS_PER_PTE);
	return table;
}

/**
 * pkernfs_vmemmap_own - end what a granule shares with others
 * @folio: one that a PTE is about to lead into
 *
 * What its own places share stays shared.
 *
 * Context: @folio is locked; may sleep
 * Return: 0, also where there is nothing to do; -ENOMEM
 */
int pkernfs_vmemmap_own(struct folio *folio)
{
	const unsigned long at = (unsigned long)&folio->page;
	struct pkernfs_vmemmap v = { .at = at };
	pte_t *table;
	struct page *page;
	unsigned int i;

	if (!IS_ENABLED(CONFIG_PAGE_MAPCOUNT) ||
	    folio_order(folio) != PKERNFS_HUGE_SHIFT - PAGE_SHIFT ||
	    !IS_ALIGNED(at, PMD_SIZE) || !pkernfs_vmemmap_granule(&v))
		return 0;
	table = pkernfs_vmemmap_table(at + PMD_SIZE);
	if (!table || pte_page(table[0]) == v.tail)
		return 0;
	page = pkernfs_vmemmap_page();
	if (!page)
		return -ENOMEM;
	table = pkernfs_vmemmap_fill(page, v.tail);
	for (i = 1; i < PKERNFS_HUGE_TABLES; i++)
		pkernfs_vmemmap_set(at + i * PMD_SIZE, table);
	flush_tlb_kernel_range(at + PMD_SIZE, at + PKERNFS_HUGE_VMEMMAP);
	return 0;
}

/* Give each place a table of its own; or only tell how many that takes. */
static unsigned int pkernfs_vmemmap_walk(struct pkernfs_vmemmap *v, bool change)
{
	unsigned int i, count = 0;

	v->shared = NULL;
	for (v->at = v->start; v->at < v->end; v->at += PKERNFS_HUGE_VMEMMAP) {
		if (!pkernfs_vmemmap_granule(v))
			continue;
		for (i = 1; i < PKERNFS_HUGE_TABLES; i++) {
			pte_t *table = pkernfs_vmemmap_table(v->at + i * PMD_SIZE);
			struct page *page;

			/* The first one keeps it; those that share it come one after another. */
			if (!table || table != v->shared) {
				v->shared = table;
				continue;
			}
			count++;
			if (!change)
				continue;
			page = list_first_entry(&v->tables, struct page, lru);
			list_del(&page->lru);
			table = pkernfs_vmemmap_fill(page, v->tail);
			pkernfs_vmemmap_set(v->at + i * PMD_SIZE, table);
		}
		cond_resched();
	}
	return count;
}

/**
 * pkernfs_vmemmap_unshare - make the vmemmap of a run what memunmap_pages() expects
 * @pgmap: the run
 *
 * Return: 0, or -ENOMEM: as it was then.
 */
int pkernfs_vmemmap_unshare(const struct dev_pagemap *pgmap)
{
	struct pkernfs_vmemmap v;
	struct page *page;
	unsigned int n;

	if (!pkernfs_vmemmap_run(&v, pgmap))
		return 0;
	for (n = pkernfs_vmemmap_walk(&v, false); n; n--) {
		page = pkernfs_vmemmap_page();
		if (!page) {
			pkernfs_vmemmap_free(&v);
			return -ENOMEM;
		}
		list_add(&page->lru, &v.tables);
	}
	mem_hotplug_begin();
	pkernfs_vmemmap_walk(&v, true);
	flush_tlb_kernel_range(v.start, v.end);
	mem_hotplug_done();
	return 0;
}
