/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkernfs: bad pages and the kernel's own mapping, nospec.c
 */
#ifndef _PKERNFS_NOSPEC_H
#define _PKERNFS_NOSPEC_H

#include <linux/types.h>

struct pkernfs_bad_block_ser;
struct pkernfs_region;

int pkernfs_nospec_hide(struct pkernfs_region *r, u64 page);
void pkernfs_nospec_load(struct pkernfs_region *r, const struct pkernfs_bad_block_ser *b);
void pkernfs_nospec_show(struct pkernfs_region *r);
bool pkernfs_nospec_hidden(const struct pkernfs_region *r, u64 page);

#endif
