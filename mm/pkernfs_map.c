// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: struct pages and a kernel mapping for the regions.
 *
 * A region is MEMORY_DEVICE_GENERIC, in compound pages of 2 MiB: pages that pin, and
 * that KVM and VFIO map huge. Where its superblock has granules of 4 KiB they are
 * single pages, where it has granules of 1 GiB they are that large. The order of a page
 * never changes while it is mapped: pages of another order are other struct pages, so mkfs
 * has the region mapped again if need be. The kernel mapping is the direct mapping, so
 * phys_to_virt() works as for RAM.
 *
 * Order: regions of the command line are mapped in a postcore_initcall, after
 * the allocators and before any bus is scanned. Those that only the hardware
 * tells of are claimed in later initcalls, before the PCI scan too.
 */

#define pr_fmt(fmt) "pkernfs: " fmt

#include <linux/crash_dump.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/ktime.h>
#include <linux/memory_hotplug.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/numa.h>
#include <linux/pkernfs.h>
#include <linux/printk.h>
#include <linux/slab.h>

#include <asm/e820/api.h>
#include <asm/mtrr.h>

#include "internal.h"
#include "pkernfs.h"

/* struct pages of a compound page that are its own when its tail is shared */
#define PKERNFS_OWN_PAGES	(2 * PAGE_SIZE / sizeof(struct page))

/*
 * PG_reserved is set on new ZONE_DEVICE pages. With it VFIO's type1 takes
 * pinned pages for MMIO and never gives the pins back, and KVM asks the memtype
 * tree at each fault. device-dax lives with that; guest memory should not.
 *
 * The page flags helpers refuse tail pages here, so the bit is cleared by hand.
 * Where the vmemmap of tail pages is shared they are the same few struct pages
 * over and over: seen when the first one beyond has lost its bit already. Their page
 * tables are shared only after this.
 */
static void pkernfs_unreserve(const struct dev_pagemap *pgmap)
{
	const unsigned long nr = 1UL << pgmap->vmemmap_shift;
	unsigned long pfn, i;

	for (pfn = PHYS_PFN(pgmap->range.start); pfn <= PHYS_PFN(pgmap->range.end); pfn += nr) {
		struct page *page = pfn_to_page(pfn);

		for (i = 0; i < nr; i++) {
			if (i == PKERNFS_OWN_PAGES && !PageReserved(page + i))
				break;
			__clear_bit(PG_reserved, &page[i].flags.f);
		}
		cond_resched();
	}
}

/* Named in /proc/iomem, and busy, so that no BAR is ever put there. */
static void __init pkernfs_insert_resource(struct pkernfs_region *r)
{
	struct resource *res = kzalloc(sizeof(*res), GFP_KERNEL);

	if (!res)
		return;
	res->name = "pkernfs";
	res->start = r->base;
	res->end = r->base + r->bytes - 1;
	res->flags = IORESOURCE_MEM | IORESOURCE_BUSY;
	if (insert_resource(&iomem_resource, res)) {
		pr_warn("region %u: not in iomem: conflict\n", r->index);
		kfree(res);
	}
}

static int __init pkernfs_region_nid(struct pkernfs_region *r)
{
	int nid = phys_to_target_node(r->base);

	if (nid != phys_to_target_node(r->base + r->bytes - 1))
		pr_warn("[mem %#010llx-%#010llx] spans NUMA nodes; better one region a node\n",
			(u64)r->base, (u64)r->base + r->bytes - 1);
	nid = numa_map_to_online_node(nid);
	return nid == NUMA_NO_NODE ? first_online_node : nid;
}

/*
 * Is it ours still, and memory? The e820 table has had time to change since
 * the early parameter: a memmap= after it may have put RAM back.
 */
static const char * __init pkernfs_unmappable(struct pkernfs_region *r)
{
	u64 end = r->base + r->bytes;
	u8 type, uniform;

	if (!e820__mapped_all(r->base, end, E820_TYPE_RESERVED) ||
	    region_intersects(r->base, r->bytes, IORESOURCE_SYSTEM_RAM,
			      IORES_DESC_NONE) != REGION_DISJOINT)
		return "not Reserved in the memory map";
	type = mtrr_type_lookup(r->base, end, &uniform);
	if (type == MTRR_TYPE_UNCACHABLE)
		return "uncached: a device, not RAM";
	if (!mhp_range_allowed(r->base, r->bytes, true))
		return "out of the reach of the direct mapping";
	return NULL;
}

static const struct dev_pagemap_ops pkernfs_pgmap_ops = {
	.memory_failure	= pkernfs_memory_failure,
};

static void pkernfs_unmap_runs(struct pkernfs_region *r)
{
	r->virt = NULL;
	while (r->pgmaps)
		memunmap_pages(&r->pgmap[--r->pgmaps]);
}

static int pkernfs_map_run(struct pkernfs_region *r, u64 start, u64 end, unsigned int order)
{
	struct dev_pagemap *pgmap = &r->pgmap[r->pgmaps];
	void *virt;

	if (start == end)
		return 0;
	memset(pgmap, 0, sizeof(*pgmap));
	pgmap->type = MEMORY_DEVICE_GENERIC;
	pgmap->range.start = r->base + start;
	pgmap->range.end = r->base + end - 1;
	pgmap->nr_range = 1;
	pgmap->ops = &pkernfs_pgmap_ops;
	pgmap->vmemmap_shift = order;
	virt = memremap_pages(pgmap, r->nid);
	if (IS_ERR(virt))
		return PTR_ERR(virt);
	r->pgmaps++;
	pkernfs_unreserve(pgmap);
	return 0;
}

/* All of the region or nothing: pages of 2 MiB, and others in @span. */
static int pkernfs_map_runs(struct pkernfs_region *r, const struct pkernfs_span *span)
{
	const unsigned int order = PKERNFS_GRANULE_SHIFT - PAGE_SHIFT;
	unsigned int i;
	u64 at = 0;
	int err = 0;

	for (i = 0; i < PKERNFS_SPANS && !err; i++) {
		if (!span[i].bytes)
			continue;
		err = pkernfs_map_run(r, at, span[i].start, order);
		at = span[i].start + span[i].bytes;
		if (!err)
			err = pkernfs_map_run(r, span[i].start, at, span[i].order);
	}
	if (!err)
		err = pkernfs_map_run(r, at, r->bytes, order);
	if (err) {
		pkernfs_unmap_runs(r);
		return err;
	}
	for (i = 0; i < r->pgmaps; i++)
		pkernfs_vmemmap_share(&r->pgmap[i]);
	memcpy(r->span, span, sizeof(r->span));
	r->virt = phys_to_virt(r->base);
	return 0;
}

static void pkernfs_span_set(struct pkernfs_span *span, const struct pkernfs_area *area,
			     unsigned int shift)
{
	span->start = le64_to_cpu(area->start) << PKERNFS_BLOCK_SHIFT;
	span->bytes = le64_to_cpu(area->count) << PKERNFS_BLOCK_SHIFT;
	span->order = span->bytes ? shift - PAGE_SHIFT : 0;
}

static void pkernfs_spans(const struct pkernfs_sb *sb, struct pkernfs_span *span)
{
	static_assert(PKERNFS_HUGE_SHIFT - PAGE_SHIFT <= MAX_FOLIO_ORDER);
	pkernfs_span_set(&span[0], &sb->small, PAGE_SHIFT);
	pkernfs_span_set(&span[1], &sb->huge, PKERNFS_HUGE_SHIFT);
	if (span[1].start < span[0].start)
		swap(span[0], span[1]);
}

/**
 * pkernfs_region_fits - is the region mapped as a superblock wants it?
 * @r: the region
 * @sb: a superblock that has proven itself, or one to be written
 *
 * Both copies are static, so another answer at mount than at boot is damage.
 */
bool pkernfs_region_fits(const struct pkernfs_region *r, const struct pkernfs_sb *sb)
{
	struct pkernfs_span span[PKERNFS_SPANS];
	unsigned int i;

	pkernfs_spans(sb, span);
	for (i = 0; i < PKERNFS_SPANS; i++)
		if (r->span[i].start != span[i].start || r->span[i].bytes != span[i].bytes ||
		    r->span[i].order != span[i].order)
			return !r->pgmaps;	/* KUnit: memory without pages of ours */
	return true;
}

/**
 * pkernfs_region_remap - make other struct pages for a region
 * @r: the region; nobody uses its memory, and nobody can begin to
 * @sb: superblock to be written
 *
 * The content stays as it is.
 *
 * Return: 0 or a negative errno: mapped as before then; or, with @r->virt NULL, not
 * at all any more.
 */
int pkernfs_region_remap(struct pkernfs_region *r, const struct pkernfs_sb *sb)
{
	struct pkernfs_span span[PKERNFS_SPANS], old[PKERNFS_SPANS];
	unsigned int i;
	int err = 0;

	pkernfs_spans(sb, span);
	memcpy(old, r->span, sizeof(old));
	for (i = 0; i < r->pgmaps && !err; i++)
		err = pkernfs_vmemmap_unshare(&r->pgmap[i]);
	if (err) {
		while (i--)
			pkernfs_vmemmap_share(&r->pgmap[i]);
		return err;
	}
	pkernfs_unmap_runs(r);
	err = pkernfs_map_runs(r, span);
	if (!err)
		return 0;
	pr_err("region %u: cannot be mapped with other granules: %pe\n", r->index,
	       ERR_PTR(err));
	if (pkernfs_map_runs(r, old))
		pr_err("region %u: nor as it was: out of use until the next boot\n", r->index);
	return err;
}

/*
 * Where the superblock has granules of 4 KiB and of 1 GiB. There is no mapping yet to read
 * it by. None that proves itself: nowhere, and nothing will be loaded.
 */
static void __init pkernfs_peek_spans(struct pkernfs_region *r, struct pkernfs_span *span)
{
	unsigned int copy;
	bool found = false;
	void *sb;

	memset(span, 0, PKERNFS_SPANS * sizeof(*span));
	for (copy = 0; copy < 2 && !found; copy++) {
		sb = memremap(copy ? r->base + r->bytes - PKERNFS_BLOCK_SIZE : r->base,
			      PKERNFS_BLOCK_SIZE, MEMREMAP_WB);
		if (!sb)
			continue;
		found = !pkernfs_sb_prove(r, copy, sb);
		if (found)
			pkernfs_spans(sb, span);
		memunmap(sb);
	}
}

static bool __init pkernfs_map(struct pkernfs_region *r)
{
	const char *why = pkernfs_unmappable(r);
	ktime_t begin = ktime_get();
	struct pkernfs_span span[PKERNFS_SPANS];
	int err;

	if (why) {
		pr_err("[mem %#010llx-%#010llx]: %s; region dropped\n",
		       (u64)r->base, (u64)r->base + r->bytes - 1, why);
		pkernfs_region_drop(r);
		return false;
	}

	r->nid = pkernfs_region_nid(r);
	pkernfs_peek_spans(r, span);
	err = pkernfs_map_runs(r, span);
	if (err) {
		pr_err("[mem %#010llx-%#010llx]: cannot be mapped: %pe; region dropped\n",
		       (u64)r->base, (u64)r->base + r->bytes - 1, ERR_PTR(err));
		pkernfs_region_drop(r);
		return false;
	}
	pkernfs_insert_resource(r);
	pr_info("[mem %#010llx-%#010llx] mapped, node %d, %lld us\n",
		(u64)r->base, (u64)r->base + r->bytes - 1, r->nid,
		ktime_us_delta(ktime_get(), begin));
	return true;
}

/**
 * pkernfs_region_claim - make a region of what only the hardware told of
 * @base: physical address
 * @bytes: length
 * @why: set if it cannot be had: what the range is, or does
 *
 * For a kernel that was not told of the region on its command line and finds it
 * through a remapping unit. Initcalls after postcore and before the PCI scan.
 * The range must be one that pkernfs= would accept, and Reserved in the memory
 * map that the kernel before has handed on. The region can be adopted from, and
 * cannot be mounted.
 *
 * Return: the region (an existing one if it is the same), or NULL.
 */
struct pkernfs_region * __init pkernfs_region_claim(phys_addr_t base, u64 bytes,
						    const char **why)
{
	struct pkernfs_region *r = pkernfs_region_find(base, bytes);
	u64 end;

	*why = NULL;
	if (r && r->base == base && r->bytes == bytes)
		return r;

	if (bytes < PKERNFS_MIN_BYTES || !IS_ALIGNED(base | bytes, PKERNFS_GRANULE_SIZE) ||
	    check_add_overflow((u64)base, bytes, &end))
		*why = "is not a possible one";
	else if (pkernfs_region_overlaps(base, bytes))
		*why = "overlaps a region of pkernfs=";
	else if (!e820__mapped_all(base, end, E820_TYPE_RESERVED))
		*why = "is not Reserved in the memory map";
	if (*why)
		return NULL;
	r = pkernfs_region_new(base, bytes, ~0U);
	if (!r) {
		*why = "is one too many";
		return NULL;
	}
	if (!pkernfs_map(r)) {
		*why = "cannot be mapped";
		return NULL;
	}
	r->reason = "not named on the command line (pkernfs=)";
	pkernfs_sysfs_add_region(r);
	return r;
}

/**
 * pkernfs_folio_pin - pin a granule's folio for DMA
 * @folio: the folio; its file cannot give it up meanwhile
 *
 * Here, as what GUP takes a pin with is known in mm/ only.
 *
 * Return: 0 or -ENOMEM.
 */
int pkernfs_folio_pin(struct folio *folio)
{
	return try_grab_folio(folio, 1, FOLL_PIN);
}

/*
 * A crash kernel lets the regions alone. Preserved devices may still be at work in
 * them, with tables that nobody here has claimed; and the struct pages would take
 * more memory than it has. They stay carved out: no segment of a kexec gets there.
 */
static void __init pkernfs_leave_alone(void)
{
	unsigned int i;

	for (i = 0; i < pkernfs_region_count(); i++) {
		struct pkernfs_region *r = pkernfs_region_get(i);

		r->reason = "not mapped by a crash kernel";
		pkernfs_sysfs_add_region(r);
	}
	if (i)
		pr_info("crash kernel: the regions are left alone\n");
}

static int __init pkernfs_map_init(void)
{
	unsigned int i = 0;

	if (is_kdump_kernel()) {
		pkernfs_leave_alone();
		return 0;
	}
	while (i < pkernfs_region_count()) {
		struct pkernfs_region *r = pkernfs_region_get(i);

		if (!pkernfs_map(r))
			continue;	/* the next one is at this place now */
		pkernfs_sysfs_add_region(r);
		i++;
	}
	return 0;
}
postcore_initcall(pkernfs_map_init);
