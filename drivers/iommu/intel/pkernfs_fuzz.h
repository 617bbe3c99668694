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

int pkernfs_fuzz_init(struct pkernfs_fuzz *z, phys_addr_t base, void *virt, u64 bytes,
		      bool scalable);
const char *pkernfs_fuzz_run(struct pkernfs_fuzz *z, struct pkernfs_fuzz_source *s);
const char *pkernfs_fuzz_no_tables(struct pkernfs_fuzz *z);
void *pkernfs_fuzz_handover(void *arg);
struct pkernfs_dev_record *pkernfs_fuzz_record(struct pkernfs_fuzz *z, u32 slot);
void pkernfs_fuzz_seal_handover(struct pkernfs_handover *h);
void pkernfs_fuzz_seal_record(struct pkernfs_dev_record *rec);
const char *pkernfs_fuzz_drop(struct pkernfs_fuzz *z);
void pkernfs_fuzz_exit(struct pkernfs_fuzz *z);

/* --- pkernfs_fuzz_kunit.c ------------------------------------------------------ */

struct kunit;
struct kunit_suite;

struct pkernfs_fuzz *pkernfs_fuzz_make(struct kunit *test, bool scalable);
int pkernfs_fuzz_suite_init(struct kunit_suite *suite);
void pkernfs_fuzz_suite_exit(struct kunit_suite *suite);

#endif
