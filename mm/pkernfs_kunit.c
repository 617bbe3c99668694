// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: KUnit tests of the carve-out and of the image's mark.
 */

#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/io.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/page_ref.h>
#include <linux/pgtable.h>
#include <linux/pkernfs.h>
#include <linux/pkernfs_image.h>
#include <linux/string.h>

#include <asm/bootparam.h>

#include "pkernfs.h"

/* --- The parser ------------------------------------------------------------ */

struct pkernfs_good {
	const char *entry;
	u64 base, bytes;
};

static const struct pkernfs_good pkernfs_good[] __initconst = {
	{ "64M@1G",			SZ_1G,		SZ_64M },
	{ "64m@1g",			SZ_1G,		SZ_64M },
	{ "65536K@1048576k",		SZ_1G,		SZ_64M },
	{ "0x4000000@0x40000000",	SZ_1G,		SZ_64M },
	{ "67108864@1073741824",	SZ_1G,		SZ_64M },
	{ "0x10M@0X2M",			SZ_2M,		SZ_16M },
	{ "16M@0",			0,		SZ_16M },
	{ "18M@6M",			3ULL * SZ_2M,	9ULL * SZ_2M },
	{ "1T@3T",			3ULL << 40,	1ULL << 40 },
	{ "1P@8E",			1ULL << 63,	1ULL << 50 },
};

static const char * const pkernfs_bad[] __initconst = {
	/* not SIZE@ADDR */
	"", "@", "64M", "64M@", "@1G", "M@1G", "64M@M", "64M@@1G", "64M 1G",
	" 64M@1G", "64M@1G ", "64M@1Gx", "64MM@1G", "64M@1G@2G", "64M@1G,64M@2G",
	"-64M@1G", "64M@-1G", "+64M@1G", "0x@1G", "64M@0x", "089M@1G", "64M$1G",
	"64M!1G", "1.5G@1G", "nan@1G",
	/* too small */
	"0@1G", "0M@1G", "1@1G", "4K@1G", "2M@1G", "14M@1G",
	/* not aligned */
	"17M@1G", "64M@1M", "64M@1025M", "67108865@1G", "64M@0x40000001",
	"0x4001000@1G",
	/* too large */
	"16E@0", "32M@16E", "18446744073709551616@0", "64M@18446744073709551616",
	"0xfffffffffffffffff@1G", "99999999999999999999999999999999999@1G",
	"18446744073709551615K@1G",
	/* beyond the end of the address space */
	"8E@8E", "64M@0xfffffffffe000000", "4M@0xffffffffffe00000", "15E@15E",
};

static void __init pkernfs_test_parse_good(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pkernfs_good); i++) {
		u64 base = ~0ULL, bytes = ~0ULL;
		const char *why;

		why = pkernfs_parse_entry(pkernfs_good[i].entry, &base, &bytes);
		KUNIT_EXPECT_NULL_MSG(test, why, "%s: %s", pkernfs_good[i].entry, why);
		KUNIT_EXPECT_EQ(test, base, pkernfs_good[i].base);
		KUNIT_EXPECT_EQ(test, bytes, pkernfs_good[i].bytes);
	}
}

static void __init pkernfs_test_parse_bad(struct kunit *test)
{
	unsigned int i;
	u64 base, bytes;

	for (i = 0; i < ARRAY_SIZE(pkernfs_bad); i++)
		KUNIT_EXPECT_NOT_NULL_MSG(test,
					  pkernfs_parse_entry(pkernfs_bad[i], &base, &bytes),
					  "\"%s\" was taken", pkernfs_bad[i]);
}

/* --- The mark --------------------------------------------------------------- */

/* A bzImage of nothing but headers: setup of two sectors, then kernel_info. */
#define PKERNFS_TEST_INFO	(3 * 512 + 64)
#define PKERNFS_TEST_BYTES	(PKERNFS_TEST_INFO + 64)

static u8 *pkernfs_test_image(struct kunit *test, size_t bytes)
{
	struct setup_header hdr = {
		.setup_sects = 2,
		.header = 0x53726448,
		.version = 0x020f,
		.kernel_info_offset = 64,
	};
	struct {
		char top[4];
		__le32 size, total, type_max;
		char other[4];
		__le32 other_size, other_data;
		struct pkernfs_image_mark mark;
	} __packed info = {
		.top = { 'L', 'T', 'o', 'P' },
		.size = cpu_to_le32(16),
		.total = cpu_to_le32(sizeof(info)),
		.other = { 'O', 'T', 'H', 'R' },
		.other_size = cpu_to_le32(12),
		.mark = {
			.magic = { 'P', 'K', 'N', 'F' },
			.size = cpu_to_le32(sizeof(info.mark)),
			.version = cpu_to_le32(PKERNFS_FORMAT_VERSION),
		},
	};
	u8 *whole, *image;

	whole = kunit_kzalloc(test, PKERNFS_TEST_BYTES, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, whole);
	memcpy(whole + offsetof(struct boot_params, hdr), &hdr, sizeof(hdr));
	memcpy(whole + PKERNFS_TEST_INFO, &info, sizeof(info));
	/* Of just that size, so that KASAN sees a step beyond. */
	image = kunit_kmalloc(test, bytes ?: 1, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, image);
	memcpy(image, whole, bytes);
	kunit_kfree(test, whole);
	return image;
}

static void pkernfs_test_mark(struct kunit *test)
{
	const struct pkernfs_image_mark *m;
	u8 *image = pkernfs_test_image(test, PKERNFS_TEST_BYTES);

	m = pkernfs_image_find_mark(image, PKERNFS_TEST_BYTES);
	KUNIT_ASSERT_NOT_NULL(test, m);
	KUNIT_EXPECT_PTR_EQ(test, (u8 *)m, image + PKERNFS_TEST_INFO + 28);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(m->version), PKERNFS_FORMAT_VERSION);
}

/* A file that ends early has no mark, and nothing beyond its end is read. */
static void pkernfs_test_mark_short(struct kunit *test)
{
	const size_t whole = PKERNFS_TEST_INFO + 28 + sizeof(struct pkernfs_image_mark);
	size_t bytes;

	/* Each length in the headers, a few in the emptiness between them. */
	for (bytes = 0; bytes < whole; bytes += bytes < 480 || bytes >= 1580 ? 1 : 100) {
		u8 *image = pkernfs_test_image(test, bytes);

		KUNIT_EXPECT_NULL(test, pkernfs_image_find_mark(image, bytes));
		kunit_kfree(test, image);
	}
}

/* Each field that leads to the mark set to each of some bad values. */
static void pkernfs_test_mark_bad(struct kunit *test)
{
	static const u32 values[] = { 0, 1, 7, 0x7fffffff, 0x80000000, ~0U };
	static const size_t hdr = offsetof(struct boot_params, hdr);
	const size_t fields[] = {
		hdr + offsetof(struct setup_header, header),
		hdr + offsetof(struct setup_header, kernel_info_offset),
		PKERNFS_TEST_INFO,		/* LToP */
		PKERNFS_TEST_INFO + 4,		/* size */
		PKERNFS_TEST_INFO + 8,		/* size in total */
		PKERNFS_TEST_INFO + 20,		/* size of the block before */
		PKERNFS_TEST_INFO + 28,		/* PKNF */
		PKERNFS_TEST_INFO + 32,		/* size of the mark */
	};
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		for (j = 0; j < ARRAY_SIZE(values); j++) {
			u8 *image = pkernfs_test_image(test, PKERNFS_TEST_BYTES);

			memcpy(image + fields[i], &values[j], sizeof(u32));
			KUNIT_EXPECT_NULL_MSG(test,
					      pkernfs_image_find_mark(image, PKERNFS_TEST_BYTES),
					      "offset %zu, value %#x", fields[i], values[j]);
			kunit_kfree(test, image);
		}
	}
}

/* --- The regions of this boot ----------------------------------------------- */

static struct pkernfs_region *pkernfs_test_region(struct kunit *test)
{
	if (!pkernfs_region_count())
		kunit_skip(test, "no pkernfs= on the command line");
	return pkernfs_region_get(0);
}

static void pkernfs_test_ranges(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	u64 end = r->base + r->bytes;

	KUNIT_EXPECT_PTR_EQ(test, pkernfs_region_find(r->base, 1), r);
	KUNIT_EXPECT_PTR_EQ(test, pkernfs_region_find(r->base, r->bytes), r);
	KUNIT_EXPECT_PTR_EQ(test, pkernfs_region_find(end - 1, 1), r);
	KUNIT_EXPECT_NULL(test, pkernfs_region_find(r->base, 0));
	KUNIT_EXPECT_NULL(test, pkernfs_region_find(r->base - 1, 2));
	KUNIT_EXPECT_NULL(test, pkernfs_region_find(end - 1, 2));
	KUNIT_EXPECT_NULL(test, pkernfs_region_find(r->base, r->bytes + 1));
	KUNIT_EXPECT_NULL(test, pkernfs_region_find(end - PAGE_SIZE, ~0ULL));

	KUNIT_EXPECT_TRUE(test, pkernfs_region_overlaps(r->base - 1, 2));
	KUNIT_EXPECT_TRUE(test, pkernfs_region_overlaps(end - 1, 2));
	KUNIT_EXPECT_TRUE(test, pkernfs_region_overlaps(0, ~0ULL));
	KUNIT_EXPECT_TRUE(test, pkernfs_region_overlaps(r->base, ~0ULL));
	KUNIT_EXPECT_FALSE(test, pkernfs_region_overlaps(r->base, 0));
	KUNIT_EXPECT_FALSE(test, pkernfs_region_overlaps(r->base - 1, 1));
	KUNIT_EXPECT_PTR_EQ(test, pkernfs_region_touching(r->base - 1, 2), r);
	KUNIT_EXPECT_PTR_EQ(test, pkernfs_region_touching(r->base, ~0ULL), r);
	KUNIT_EXPECT_NULL(test, pkernfs_region_touching(r->base - 1, 1));
	KUNIT_EXPECT_NULL(test, pkernfs_region_get(pkernfs_region_count()));
}

/* A granule has eight tables, of which seven are one: so many for one granule alone. */
#define PKERNFS_TEST_TABLES	6

/* Pages for tables that were asked for, and the one that there is not. */
static struct page *pkernfs_test_table[PKERNFS_TEST_TABLES];
static unsigned int pkernfs_test_asked, pkernfs_test_missing;

/* In the place of pkernfs_vmemmap_page(). With a reference more, so that it stays. */
static struct page *pkernfs_test_table_page(void)
{
	struct page *page = NULL;

	if (pkernfs_test_asked == ARRAY_SIZE(pkernfs_test_table))
		return NULL;
	if (pkernfs_test_asked != pkernfs_test_missing)
		page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (page)
		get_page(page);
	pkernfs_test_table[pkernfs_test_asked++] = page;
	return page;
}

/* Tables of a run's struct pages that are free already. */
static unsigned int pkernfs_test_tables_free(const struct dev_pagemap *pgmap)
{
	unsigned long at = (unsigned long)pfn_to_page(PHYS_PFN(pgmap->range.start));
	unsigned long end = at + (range_len(&pgmap->range) >> PAGE_SHIFT) * sizeof(struct page);
	unsigned int bad = 0;

	for (; at < end; at += PMD_SIZE)
		bad += page_ref_count(pmd_page(pmdp_get(pmd_off_k(at)))) != 1;
	return bad;
}

/*
 * A region whose granules of 1 GiB are to go, and each of the pages for page tables that
 * this takes is missing in turn: it is mapped as it was, those that were there are free
 * again, and no table is that is in use.
 */
static void pkernfs_test_tables(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	const struct dev_pagemap *huge = NULL;
	struct pkernfs_sb *sb;
	struct folio *last;
	unsigned int i;

	for (i = 0; i < r->pgmaps; i++)
		if (r->pgmap[i].vmemmap_shift == PKERNFS_HUGE_SHIFT - PAGE_SHIFT)
			huge = &r->pgmap[i];
	if (!huge)
		kunit_skip(test, "no granules of 1 GiB");
	KUNIT_ASSERT_NOT_NULL(test, r->sb);
	sb = kunit_kmalloc(test, sizeof(*sb), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, sb);
	*sb = *r->sb;
	memset(&sb->huge, 0, sizeof(sb->huge));

	KUNIT_EXPECT_EQ(test, pkernfs_test_tables_free(huge), 0);
	/* One that shares nothing with others any more, if there are others */
	last = page_folio(pfn_to_page(PHYS_PFN(huge->range.end)));
	KUNIT_EXPECT_EQ(test, pkernfs_vmemmap_own(last), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_vmemmap_own(last), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_test_tables_free(huge), 0);
	kunit_activate_static_stub(test, pkernfs_vmemmap_page, pkernfs_test_table_page);
	for (pkernfs_test_missing = 0; pkernfs_test_missing < PKERNFS_TEST_TABLES;
	     pkernfs_test_missing++) {
		pkernfs_test_asked = 0;
		KUNIT_EXPECT_EQ(test, pkernfs_region_remap(r, sb), -ENOMEM);
		KUNIT_EXPECT_EQ(test, pkernfs_test_asked, pkernfs_test_missing + 1);
		KUNIT_EXPECT_EQ(test, pkernfs_test_tables_free(huge), 0);
		for (i = 0; i < pkernfs_test_missing; i++) {
			KUNIT_EXPECT_EQ(test, page_ref_count(pkernfs_test_table[i]), 1);
			__free_page(pkernfs_test_table[i]);
		}
	}
	kunit_deactivate_static_stub(test, pkernfs_vmemmap_page);
	KUNIT_EXPECT_PTR_EQ(test, r->virt, phys_to_virt(r->base));
}

static void pkernfs_test_pages(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	unsigned long pfn, first = PHYS_PFN(r->base), bad = 0;

	KUNIT_EXPECT_PTR_EQ(test, r->virt, phys_to_virt(r->base));
	for (pfn = first; pfn < first + PHYS_PFN(r->bytes); pfn++) {
		struct page *page = pfn_to_page(pfn);
		struct folio *folio = page_folio(page);
		u64 at = PFN_PHYS(pfn) - r->base;
		u64 size = PKERNFS_GRANULE_SIZE;
		unsigned int i;

		for (i = 0; i < PKERNFS_SPANS; i++)
			if (at - r->span[i].start < r->span[i].bytes)
				size = PAGE_SIZE << r->span[i].order;

		if (!pfn_valid(pfn) || PageReserved(page) ||
		    !folio_is_zone_device(folio) || page_pgmap(page) < r->pgmap ||
		    page_pgmap(page) >= r->pgmap + r->pgmaps ||
		    folio_pfn(folio) != ALIGN_DOWN(pfn, size / PAGE_SIZE) ||
		    folio_size(folio) != size ||
		    folio_ref_count(folio) < 1 || folio->mapping)
			bad++;
	}
	KUNIT_EXPECT_EQ(test, bad, 0);
}

/* A page of a region is pinned as any memory is, and the pin goes again. */
static void pkernfs_test_pin(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	struct folio *folio = page_folio(pfn_to_page(PHYS_PFN(r->base) + 300));
	int refs = folio_ref_count(folio);

	folio_get(folio);
	KUNIT_EXPECT_TRUE(test, folio_is_longterm_pinnable(folio));
	KUNIT_EXPECT_EQ(test, folio_ref_count(folio), refs + 1);
	folio_put(folio);
	KUNIT_EXPECT_EQ(test, folio_ref_count(folio), refs);
}

/* What a claim has to refuse; none of it may leave a region behind. */
static void __init pkernfs_test_claim(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	unsigned int count = pkernfs_region_count();
	const char *why = "none";

	KUNIT_EXPECT_PTR_EQ(test, pkernfs_region_claim(r->base, r->bytes, &why), r);
	KUNIT_EXPECT_NULL(test, why);
	KUNIT_EXPECT_NULL(test, pkernfs_region_claim(r->base, r->bytes / 2, &why));
	KUNIT_EXPECT_NULL(test, pkernfs_region_claim(r->base - SZ_2M, SZ_16M, &why));
	KUNIT_EXPECT_NULL(test, pkernfs_region_claim(r->base + 4096, SZ_16M, &why));
	KUNIT_EXPECT_NULL(test, pkernfs_region_claim(SZ_2M, SZ_16M, &why));
	KUNIT_EXPECT_NULL(test, pkernfs_region_claim(r->base, 0, &why));
	KUNIT_EXPECT_NULL(test, pkernfs_region_claim(1ULL << 50, SZ_16M, &why));
	KUNIT_EXPECT_NULL(test, pkernfs_region_claim(-(u64)SZ_2M, SZ_16M, &why));
	KUNIT_EXPECT_STREQ(test, why, "is not a possible one");
	KUNIT_EXPECT_EQ(test, pkernfs_region_count(), count);
}

/* Tests of functions of the init section run at boot only, but see __refdata. */
static struct kunit_case __refdata pkernfs_boot_cases[] = {
	KUNIT_CASE(pkernfs_test_parse_good),
	KUNIT_CASE(pkernfs_test_parse_bad),
	KUNIT_CASE(pkernfs_test_claim),
	{}
};

static struct kunit_suite pkernfs_boot_suite = {
	.name = "pkernfs_boot",
	.test_cases = pkernfs_boot_cases,
};

kunit_test_init_section_suites(&pkernfs_boot_suite);

static struct kunit_case pkernfs_region_cases[] = {
	KUNIT_CASE(pkernfs_test_mark),
	KUNIT_CASE(pkernfs_test_mark_short),
	KUNIT_CASE(pkernfs_test_mark_bad),
	KUNIT_CASE(pkernfs_test_ranges),
	KUNIT_CASE(pkernfs_test_tables),
	KUNIT_CASE(pkernfs_test_pages),
	KUNIT_CASE(pkernfs_test_pin),
	{}
};

static struct kunit_suite pkernfs_region_suite = {
	.name = "pkernfs_region",
	.test_cases = pkernfs_region_cases,
};

kunit_test_suite(pkernfs_region_suite);
