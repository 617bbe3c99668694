/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkernfs: damage to what a kernel has handed over. For KUnit and for userspace,
 * see pkernfs_fuzz.c.
 */
#ifndef _INTEL_PKERNFS_FUZZ_H
#define _INTEL_PKERNFS_FUZZ_H

#include "pkernfs.h"

#define PKERNFS_FUZZ_BLOCKS	192
#define PKERNFS_FUZZ_MIN	(18ULL << 20)

#define PKERNFS_FUZZ_POOL	48
#define PKERNFS_FUZZ_RECORDS	4
#define PKERNFS_FUZZ_HANDOVER	26
#define PKERNFS_FUZZ_DEVICES	3
#define PKERNFS_FUZZ_CHANGES	8
/* Where the areas of the fixture begin, in blocks, but for journal and inodes */
#define PKERNFS_FUZZ_JOURNAL	3

enum { PKERNFS_FUZZ_RAM = 2, PKERNFS_FUZZ_ORPHAN, PKERNFS_FUZZ_OTHER, PKERNFS_FUZZ_NIC };

/**
 * struct pkernfs_fuzz_source - what the damage is decided by
 * @data: input of a fuzzer, NULL: random numbers
 * @left: bytes left of it
 * @state: of the random numbers; the seed at first
 * @over: all of @data is used up
 */
struct pkernfs_fuzz_source {
	const u8 *data;
	size_t left;
	u64 state;
	bool over;
};

/**
 * struct pkernfs_fuzz - a region with a handover of three devices in it
 * @r: the region
 * @iommu: unit that the devices are behind
 * @scalable: it is in scalable mode
 * @sb: superblock as it was written
 * @at: physical address of the handover's header
 * @pool_next: block of the pool that the fixture takes next
 * @tree_next: the same of the handover area
 * @block: blocks of metadata that are damaged, and restored after it
 * @blocks: number of them
 * @busy: those that are not empty
 * @busies: number of them
 * @saved: what they hold
 * @used: a bit for each block of the region; for checks
 * @holds: a count for each granule of the region; for checks
 * @others: the same of all granules that are not of 2 MiB, together
 * @boot: what looks at the region in place of a boot with one unit, or NULL
 * @enter: what comes after the proof of all devices, or NULL
 * @adopted: devices that were adopted in all runs so far
 * @refused: devices that were cut off in all runs so far
 */
struct pkernfs_fuzz {
	struct pkernfs_region r;
	struct intel_iommu *iommu;
	bool scalable;
	struct pkernfs_sb sb;
	phys_addr_t at;
	u64 pool_next, tree_next;
	u64 block[PKERNFS_FUZZ_BLOCKS];
	unsigned int blocks;
	u64 busy[PKERNFS_FUZZ_BLOCKS];
	unsigned int busies;
	void *saved;
	unsigned long *used;
	u32 *holds;
	u64 others;
	const char *(*boot)(struct pkernfs_fuzz *z);
	const char *(*enter)(struct pkernfs_fuzz *z);
	u64 adopted, refused;
};

/**
 * struct pkernfs_fuzz_walk - a walk of second-stage tables
 * @z: fixture
 * @sb: superblock that says where the pool and the data are
 * @count: only count, whatever is there; not for ever, though
 * @dirty: hardware sets accessed and dirty bits
 * @tables: tables so far
 * @pages: 4 KiB pages so far
 * @crc: of leaves so far, as if all that they lead to were of the RAM file
 * @bad: what is wrong with them, NULL: nothing so far
 */
struct pkernfs_fuzz_walk {
	struct pkernfs_fuzz *z;
	const struct pkernfs_sb *sb;
	bool count, dirty;
	u64 tables, pages;
	u32 crc;
	const char *bad;
};

static inline u64 pkernfs_fuzz_start(const struct pkernfs_area *a)
{
	return le64_to_cpu(a->start);
}

static inline u64 pkernfs_fuzz_phys(struct pkernfs_fuzz *z, u64 block)
{
	return z->r.base + (block << PKERNFS_BLOCK_SHIFT);
}

static inline u64 pkernfs_fuzz_granule(struct pkernfs_fuzz *z, u32 granule)
{
	return pkernfs_fuzz_phys(z, pkernfs_fuzz_start(&z->sb.data)) +
	       ((u64)granule << PKERNFS_GRANULE_SHIFT);
}

static inline bool pkernfs_fuzz_is_tracked(const struct pkernfs_dev_record *rec)
{
	return le64_to_cpu(rec->feature_incompat) >> 6 & 1;
}

/* --- pkernfs_fuzz_image.c ------------------------------------------------------ */

int pkernfs_fuzz_init(struct pkernfs_fuzz *z, phys_addr_t base, void *virt, u64 bytes,
		      bool scalable);
void pkernfs_fuzz_exit(struct pkernfs_fuzz *z);
void pkernfs_fuzz_restore(struct pkernfs_fuzz *z);
void *pkernfs_fuzz_handover(void *arg);
struct pkernfs_inode_ser *pkernfs_fuzz_inode(struct pkernfs_fuzz *z, u32 ino);
struct pkernfs_dev_record *pkernfs_fuzz_record(struct pkernfs_fuzz *z, u32 slot);
void pkernfs_fuzz_seal_sb(struct pkernfs_sb *sb);
void pkernfs_fuzz_seal_handover(struct pkernfs_handover *h);
void pkernfs_fuzz_seal_record(struct pkernfs_dev_record *rec);

/* --- pkernfs_fuzz_damage.c ----------------------------------------------------- */

u32 pkernfs_fuzz_pick(struct pkernfs_fuzz_source *s, u32 n);
void pkernfs_fuzz_change(struct pkernfs_fuzz *z, struct pkernfs_fuzz_source *s);
void pkernfs_fuzz_mend(struct pkernfs_fuzz *z, struct pkernfs_fuzz_source *s);
void pkernfs_fuzz_mend_counts(struct pkernfs_fuzz *z, struct pkernfs_dev_record *rec);
void pkernfs_fuzz_mend_entry(struct pkernfs_fuzz *z, const struct pkernfs_dev_record *rec);

/* --- pkernfs_fuzz.c ------------------------------------------------------------ */

void pkernfs_fuzz_walk(struct pkernfs_fuzz_walk *w, u64 root, int aw);
const char *pkernfs_fuzz_drop(struct pkernfs_fuzz *z);
const char *pkernfs_fuzz_no_tables(struct pkernfs_fuzz *z);
const char *pkernfs_fuzz_run(struct pkernfs_fuzz *z, struct pkernfs_fuzz_source *s);

/* --- pkernfs_fuzz_kunit.c ------------------------------------------------------ */

struct kunit;
struct kunit_suite;

struct pkernfs_fuzz *pkernfs_fuzz_make(struct kunit *test, bool scalable);
int pkernfs_fuzz_suite_init(struct kunit_suite *suite);
void pkernfs_fuzz_suite_exit(struct kunit_suite *suite);

#endif
