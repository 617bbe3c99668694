/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkernfs: what the files of the carve-out share among themselves.
 */
#ifndef _MM_PKERNFS_H
#define _MM_PKERNFS_H

#include <linux/init.h>
#include <linux/sizes.h>
#include <linux/types.h>

/* A smaller one has no room for metadata and a few granules of data. */
#define PKERNFS_MIN_BYTES	SZ_16M

const char *pkernfs_parse_entry(const char *entry, u64 *base, u64 *bytes);

struct dev_pagemap;
struct page;
struct pkernfs_region;

/* --- mm/pkernfs.c --------------------------------------------------------- */

struct pkernfs_region *pkernfs_region_new(phys_addr_t base, u64 bytes,
					  unsigned int index);
void pkernfs_region_drop(struct pkernfs_region *r);

/* --- mm/pkernfs_sysfs.c --------------------------------------------------- */

void pkernfs_sysfs_add_region(struct pkernfs_region *r);

/* --- mm/pkernfs_vmemmap.c ------------------------------------------------- */

void pkernfs_vmemmap_share(const struct dev_pagemap *pgmap);
int pkernfs_vmemmap_unshare(const struct dev_pagemap *pgmap);
#if IS_ENABLED(CONFIG_KUNIT)
struct page *pkernfs_vmemmap_page(void);
#endif

#endif
