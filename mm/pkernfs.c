// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: the carve-out at boot.
 *
 * pkernfs=SIZE@ADDR takes RAM out of the memory map before anything can be
 * allocated from it. Why not memmap=SIZE$ADDR: that changes the table that
 * this kernel uses and leaves the one that kexec hands on saying "RAM", so
 * that the next kernel, or a segment of its image, may be put there.
 *
 * e820_table		made Reserved: memblock, and so every allocator of this
 *			kernel, never sees the region
 * e820_table_kexec	made Reserved: kexec_file_load() hands it on, and
 *			/sys/firmware/memmap, which kexec-tools reads, shows it
 * e820_table_firmware	left alone: it is what the firmware said, and
 *			hibernation compares it with the next boot's
 *
 * The next kernel finds the region Reserved whatever its own command line says,
 * and accepts that as well as RAM.
 *
 * Nothing here writes to a region, nor believes anything that is in it.
 */

#define pr_fmt(fmt) "pkernfs: " fmt

#include <linux/ctype.h>
#include <linux/efi.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kstrtox.h>
#include <linux/memblock.h>
#include <linux/overflow.h>
#include <linux/pkernfs.h>
#include <linux/printk.h>
#include <linux/range.h>
#include <linux/string.h>

#include <asm/bootparam.h>
#include <asm/e820/api.h>
#include <asm/sections.h>
#include <asm/setup.h>

#include "pkernfs.h"

/*
 * Regions are added and dropped by the boot CPU only, in the early parameter
 * and in initcalls before the PCI scan. After that the list is constant, so it
 * needs no lock.
 */
static struct pkernfs_region pkernfs_regions[PKERNFS_MAX_REGIONS];
static unsigned int pkernfs_nr_regions;

/*
 * Everything that was ever made Reserved here. A region that is dropped because
 * it could not be mapped stays in this list: its memory is still not RAM, and
 * may hold data that a later kernel can map.
 */
static struct range pkernfs_carved[PKERNFS_MAX_REGIONS];
static unsigned int pkernfs_nr_carved;

/* Entries met on the command line, refused ones included. */
static unsigned int pkernfs_nr_entries __initdata;

/* --- The list of regions --------------------------------------------------- */

/**
 * pkernfs_region_count - how many regions there are
 *
 * Return: number of regions, PKERNFS_MAX_REGIONS at most.
 */
unsigned int pkernfs_region_count(void)
{
	return pkernfs_nr_regions;
}

/**
 * pkernfs_region_get - region by its place in the list
 * @i: from 0; not the index of the superblock
 *
 * Return: the region, which lives as long as the kernel, or NULL.
 */
struct pkernfs_region *pkernfs_region_get(unsigned int i)
{
	return i < pkernfs_nr_regions ? &pkernfs_regions[i] : NULL;
}

/**
 * pkernfs_region_find - region that holds all of a range
 * @phys: physical address of its first byte
 * @bytes: length, at least 1
 *
 * Return: the region, or NULL if there is none that holds all of it.
 */
struct pkernfs_region *pkernfs_region_find(phys_addr_t phys, u64 bytes)
{
	unsigned int i;

	for (i = 0; i < pkernfs_nr_regions; i++) {
		struct pkernfs_region *r = &pkernfs_regions[i];

		if (bytes && phys >= r->base && bytes <= r->bytes &&
		    phys - r->base <= r->bytes - bytes)
			return r;
	}
	return NULL;
}

/**
 * pkernfs_region_overlaps - does a range touch memory that was carved out?
 * @base: physical address of its first byte
 * @bytes: length, 0: touches nothing
 *
 * Return: true also for a carve-out that could not be mapped.
 */
bool pkernfs_region_overlaps(phys_addr_t base, u64 bytes)
{
	u64 last;
	unsigned int i;

	if (!bytes)
		return false;
	if (check_add_overflow((u64)base, bytes - 1, &last))
		last = U64_MAX;
	for (i = 0; i < pkernfs_nr_carved; i++)
		if (base <= pkernfs_carved[i].end &&
		    last >= pkernfs_carved[i].start)
			return true;
	return false;
}

/**
 * pkernfs_region_touching - the first region that a range touches
 * @base: physical address of its first byte
 * @bytes: length
 *
 * Return: the region, or NULL.
 */
struct pkernfs_region *pkernfs_region_touching(phys_addr_t base, u64 bytes)
{
	unsigned int i;
	u64 last;

	if (check_add_overflow((u64)base, bytes, &last))
		last = U64_MAX;
	for (i = 0; i < pkernfs_nr_regions; i++)
		if (base < pkernfs_regions[i].base + pkernfs_regions[i].bytes &&
		    last > pkernfs_regions[i].base)
			return &pkernfs_regions[i];
	return NULL;
}

/**
 * pkernfs_region_new - put a range into the list; boot only
 * @base: physical address
 * @bytes: length
 * @index: place on the command line, ~0: not named there
 *
 * Return: the region, not mapped yet, or NULL if the list is full.
 */
struct pkernfs_region * __init pkernfs_region_new(phys_addr_t base, u64 bytes,
						  unsigned int index)
{
	struct pkernfs_region *r;

	if (pkernfs_nr_carved == PKERNFS_MAX_REGIONS)
		return NULL;

	pkernfs_carved[pkernfs_nr_carved++] = (struct range) {
		.start = base,
		.end = base + bytes - 1,
	};
	r = &pkernfs_regions[pkernfs_nr_regions++];
	r->base = base;
	r->bytes = bytes;
	r->index = index;
	return r;
}

/**
 * pkernfs_region_drop - take a region that could not be mapped out of the list
 * @r: the region; nobody else knows of it yet
 */
void __init pkernfs_region_drop(struct pkernfs_region *r)
{
	unsigned int i = r - pkernfs_regions;

	pkernfs_nr_regions--;
	memmove(r, r + 1, (pkernfs_nr_regions - i) * sizeof(*r));
	memset(&pkernfs_regions[pkernfs_nr_regions], 0, sizeof(*r));
}

/* --- The command line ------------------------------------------------------ */

/*
 * A number with an optional suffix, as memparse() takes it, but refusing what
 * memparse() silently wraps.
 */
static const char * __init pkernfs_parse_number(const char **p, u64 *val)
{
	const char *s = *p;
	char digits[24];
	size_t len = 0;
	int shift = 0;
	int ret;

	if (s[0] == '0' && tolower(s[1]) == 'x') {
		for (len = 2; isxdigit(s[len]); )
			len++;
	} else {
		while (isdigit(s[len]))
			len++;
	}
	if (len >= sizeof(digits))
		return "number too large";
	memcpy(digits, s, len);
	digits[len] = '\0';
	ret = kstrtoull(digits, 0, val);
	if (ret)
		return ret == -ERANGE ? "number too large" : "not SIZE@ADDR";

	s += len;
	switch (toupper(*s)) {
	case 'E':
		shift += 10;
		fallthrough;
	case 'P':
		shift += 10;
		fallthrough;
	case 'T':
		shift += 10;
		fallthrough;
	case 'G':
		shift += 10;
		fallthrough;
	case 'M':
		shift += 10;
		fallthrough;
	case 'K':
		shift += 10;
		s++;
	}
	if (check_shl_overflow(*val, shift, val))
		return "number too large";
	*p = s;
	return NULL;
}

/**
 * pkernfs_parse_entry - take one SIZE@ADDR apart, and see that it makes sense
 * @entry: text, ends with NUL
 * @base: returns the address
 * @bytes: returns the size
 *
 * Knows nothing of the machine's memory.
 *
 * Return: NULL, or why it is refused.
 */
const char * __init pkernfs_parse_entry(const char *entry, u64 *base, u64 *bytes)
{
	const char *why;
	u64 end;

	why = pkernfs_parse_number(&entry, bytes);
	if (why)
		return why;
	if (*entry++ != '@')
		return "not SIZE@ADDR";
	why = pkernfs_parse_number(&entry, base);
	if (why)
		return why;
	if (*entry)
		return "not SIZE@ADDR";

	if (*bytes < PKERNFS_MIN_BYTES)
		return "smaller than 16 MiB";
	if (!IS_ALIGNED(*base | *bytes, PKERNFS_GRANULE_SIZE))
		return "size and address must be multiples of 2 MiB";
	if (check_add_overflow(*base, *bytes, &end))
		return "reaches beyond the address space";
	return NULL;
}

/*
 * Free memory, or programs that have ended: the boot loader, and the stub. The kernel is
 * of this type as well, and is looked for apart.
 */
static bool __init pkernfs_efi_free(const efi_memory_desc_t *md)
{
	return (md->type == EFI_CONVENTIONAL_MEMORY || md->type == EFI_LOADER_CODE) &&
	       !(md->attribute & EFI_MEMORY_RUNTIME);
}

/*
 * EFI's memory map: as the firmware has left it, or, after a kexec, what the firmware goes
 * on using. The e820 table calls memory RAM in which loaders and boot services have left
 * tables that are read, and a seed that is wiped, by this kernel and by those after it. And
 * it calls memory Reserved that runtime services work in, as it does a region of the kernel
 * before. So all of a region has to be free here.
 */
static const char * __init pkernfs_efi_in_use(u64 base, u64 end, u64 *first, u64 *last)
{
	const struct efi_info *efi = &boot_params.efi_info;
	const u64 map = efi->efi_memmap | (u64)efi->efi_memmap_hi << 32;
	unsigned int n;
	u64 at;

	if (!efi->efi_memmap_size)
		return NULL;
	*first = map;
	*last = map + efi->efi_memmap_size - 1;
	if (*first < end && *last >= base)
		return "in use";
	if (efi->efi_memdesc_size < sizeof(efi_memory_desc_t))
		return "EFI's memory map cannot be read";

	for (n = efi->efi_memmap_size / efi->efi_memdesc_size, at = map; n;
	     n--, at += efi->efi_memdesc_size) {
		efi_memory_desc_t *md = early_memremap_ro(at, sizeof(*md));
		u64 start, stop;
		bool used;

		if (!md)
			return "EFI's memory map cannot be read";
		start = md->phys_addr;
		if (check_shl_overflow(md->num_pages, EFI_PAGE_SHIFT, &stop) ||
		    check_add_overflow(start, stop, &stop))
			stop = U64_MAX;
		used = !pkernfs_efi_free(md) && md->num_pages;
		early_memunmap(md, sizeof(*md));
		if (used && start < end && stop > base) {
			*first = start;
			*last = stop - 1;
			return "in use by the firmware";
		}
	}
	return NULL;
}

/* Why the range cannot be had, and where; NULL: it can. */
static const char * __init pkernfs_in_use(u64 base, u64 end, u64 *first, u64 *last)
{
	phys_addr_t start, stop;
	u64 i;

	/* Kernel and initrd are reserved already, and so is setup_data. */
	for_each_reserved_mem_range(i, &start, &stop) {
		if (start < end && stop > base) {
			*first = start;
			*last = stop - 1;
			return "in use";
		}
	}
	/* The kernel's brk area comes later. */
	*first = __pa_symbol(_text);
	*last = __pa_symbol(_end) - 1;
	if (*first < end && *last >= base)
		return "in use";
	return pkernfs_efi_in_use(base, end, first, last);
}

static void __init pkernfs_carve(const char *entry)
{
	unsigned int index = pkernfs_nr_entries++;
	u64 base, bytes, end, first, last;
	const char *why;

	why = pkernfs_parse_entry(entry, &base, &bytes);
	if (why)
		goto refuse;
	if (pkernfs_nr_carved == PKERNFS_MAX_REGIONS) {
		why = "too many regions";
		goto refuse;
	}
	if (pkernfs_region_overlaps(base, bytes)) {
		why = "overlaps another region";
		goto refuse;
	}

	/* mem= and memmap= leave the table unsorted. */
	e820__update_table(e820_table);
	end = base + bytes;
	if (!e820__mapped_all(base, end, E820_TYPE_RAM) &&
	    !e820__mapped_all(base, end, E820_TYPE_RESERVED)) {
		why = "there is not RAM everywhere";
		goto refuse;
	}
	why = pkernfs_in_use(base, end, &first, &last);
	if (why) {
		pr_err("%.64s: %s at [mem %#010llx-%#010llx]; region refused\n",
		       entry, why, first, last);
		return;
	}

	/* The second table may say RAM where the first says Reserved (memmap=). */
	e820__range_update(base, bytes, E820_TYPE_RAM, E820_TYPE_RESERVED);
	e820__range_update_table(e820_table_kexec, base, bytes, E820_TYPE_RAM,
				 E820_TYPE_RESERVED);
	e820__update_table(e820_table);
	e820__update_table(e820_table_kexec);
	if (e820_table_kexec->nr_entries > E820_MAX_ENTRIES_ZEROPAGE)
		pr_warn("memory map of %u entries: kexec hands on %u of them\n",
			e820_table_kexec->nr_entries, E820_MAX_ENTRIES_ZEROPAGE);
	pkernfs_region_new(base, bytes, index);
	pr_info("region %u: [mem %#010llx-%#010llx] reserved\n", index, base,
		end - 1);
	return;

refuse:
	pr_err("%.64s: %s; region refused\n", entry, why);
}

static int __init pkernfs_early_param(char *arg)
{
	char *entry;

	if (!arg)
		arg = "";
	while ((entry = strsep(&arg, ",")))
		pkernfs_carve(entry);
	return 0;
}
early_param("pkernfs", pkernfs_early_param);
