/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkernfs: VT-d second-stage tables, read and written by hand.
 *
 * The tables of a fixed domain lie in a carve-out and outlive the kernel that
 * wrote them, so they cannot be generic_pt tables: those live in pages that
 * belong to a kernel. The reader serves for generic_pt tables too.
 *
 * Source: VT-d specification 4.1, 3.7 "Second-Stage Translation" and 9.8
 * "Second-Stage Paging Entries".
 */
#ifndef _INTEL_PKERNFS_SS_H
#define _INTEL_PKERNFS_SS_H

#include <linux/bits.h>
#include <linux/types.h>

#define PKERNFS_SS_R	BIT_ULL(0)
#define PKERNFS_SS_W	BIT_ULL(1)
#define PKERNFS_SS_PS	BIT_ULL(7)
#define PKERNFS_SS_A	BIT_ULL(8)
#define PKERNFS_SS_D_BIT	9
#define PKERNFS_SS_D	BIT_ULL(PKERNFS_SS_D_BIT)
#define PKERNFS_SS_SNP	BIT_ULL(11)
#define PKERNFS_SS_OA	GENMASK_ULL(51, 12)
#define PKERNFS_SS_ATTR	(PKERNFS_SS_R | PKERNFS_SS_W | PKERNFS_SS_SNP)

/**
 * struct pkernfs_ss - a second-stage table
 * @root: physical address of the top table
 * @levels: 3, 4 or 5
 */
struct pkernfs_ss {
	phys_addr_t root;
	u8 levels;
};

/**
 * struct pkernfs_ss_leaf - one leaf entry
 * @iova: first IOVA that it translates
 * @oa: physical address that @iova translates to
 * @bytes: 4 KiB, 2 MiB or 1 GiB
 * @attr: PKERNFS_SS_ATTR bits
 * @dirty: hardware says that a device has written there; of a leaf that is read
 */
struct pkernfs_ss_leaf {
	u64 iova;
	u64 oa;
	u64 bytes;
	u64 attr;
	bool dirty;
};

/**
 * struct pkernfs_ss_visitor - what a walk calls
 * @table: called with the physical address of each table before it is read, and
 *	says whether it may be: 0, or an errno that ends the walk. NULL: all may.
 * @leaf: called with each leaf, in ascending order of IOVA; an errno ends the
 *	walk
 * @table_done: called with each table after all below it was visited, and after
 *	the last read of it. NULL: nothing
 * @strict: an entry with a reserved bit set, or a table entry without both
 *	rights, ends the walk with -EUCLEAN. For tables that another kernel left.
 * @dirty: with @strict: hardware may have set accessed and dirty bits, which are
 *	otherwise refused as well
 * @arg: passed to the functions
 */
struct pkernfs_ss_visitor {
	int (*table)(phys_addr_t table, void *arg);
	int (*leaf)(const struct pkernfs_ss_leaf *leaf, void *arg);
	void (*table_done)(phys_addr_t table, void *arg);
	bool strict;
	bool dirty;
	void *arg;
};

int pkernfs_ss_walk(const struct pkernfs_ss *ss,
		    const struct pkernfs_ss_visitor *v);
bool pkernfs_ss_lookup(const struct pkernfs_ss *ss, u64 iova,
		       struct pkernfs_ss_leaf *leaf);
int pkernfs_ss_covers(const struct pkernfs_ss *fixed,
		      const struct pkernfs_ss *other, u64 *iova,
		      const char **what);
int pkernfs_ss_alike(const struct pkernfs_ss *fixed, const struct pkernfs_ss *other,
		     u64 iova, const char **what);
void pkernfs_ss_merge_dirty(const struct pkernfs_ss *from, const struct pkernfs_ss *to,
			    bool all);

/**
 * struct pkernfs_ss_writer - a second-stage table that is being built
 * @ss: the table; @ss.root is 0 before the first leaf
 * @alloc: gives a zeroed 4 KiB block in the direct map, or NULL
 * @arg: passed to @alloc
 * @coherent: the remapping unit snoops; otherwise each store is flushed
 * @tables: number of blocks taken so far
 * @pages: number of 4 KiB pages mapped so far
 */
struct pkernfs_ss_writer {
	struct pkernfs_ss ss;
	void *(*alloc)(void *arg);
	void *arg;
	bool coherent;
	u64 tables;
	u64 pages;
};

int pkernfs_ss_map(struct pkernfs_ss_writer *w,
		   const struct pkernfs_ss_leaf *leaf);

#endif
