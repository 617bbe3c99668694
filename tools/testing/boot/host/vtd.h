/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An Intel remapping unit seen from outside: registers through QEMU's qtest,
 * tables in the file that is the guest's RAM. Knows nothing of the kernel's
 * code, so that the two can disagree. Bit layouts: VT-d specification, chapters
 * 9 (structures) and 11 (registers).
 */
#ifndef PKERNFS_HOST_VTD_H
#define PKERNFS_HOST_VTD_H

#include "host.h"

#define VTD_BASE	0xfed90000ULL	/* QEMU's q35 */
#define VTD_ECAM	0xb0000000ULL

#define VTD_GSTS	0x1c
#define  GSTS_TES	BIT(31)
#define VTD_RTADDR	0x20
#define  RTADDR_TTM	0xc00
#define VTD_FSTS	0x34
#define VTD_IRTA	0xb8

/**
 * struct vtd - the unit
 * @q: QEMU
 * @ram: guest RAM
 * @base: address of its registers
 * @ecam: address of PCI configuration space
 */
struct vtd {
	struct qtest q;
	struct ram ram;
	u64 base;
	u64 ecam;
};

/**
 * struct vtd_entry - what a device's DMA goes through
 * @root: physical address of the root table
 * @context: physical address of the context table, 0: root entry not present
 * @pasid_dir: physical address of the PASID directory, 0: not in scalable mode
 * @pasid_table: physical address of the PASID table, likewise
 * @top: physical address of the top second-stage table
 * @did: domain id
 * @aw: address width field; levels of tables are @aw + 2
 * @type: translation type of a legacy entry, PGTT of a scalable one
 * @scalable: scalable mode
 * @ssade: hardware is to set accessed and dirty bits
 * @present: there is such an entry
 */
struct vtd_entry {
	u64 root;
	u64 context;
	u64 pasid_dir;
	u64 pasid_table;
	u64 top;
	u16 did;
	u8 aw;
	u8 type;
	bool scalable;
	bool ssade;
	bool present;
};

/**
 * struct vtd_walk - what a walk of the second stage finds
 * @table: called for each table, with its physical address and level
 * @leaf: called for each leaf in order of @iova
 * @arg: for the callbacks
 * @bad: entries that point to no RAM
 */
struct vtd_walk {
	void (*table)(void *arg, u64 phys, int level);
	void (*leaf)(void *arg, u64 iova, u64 phys, u64 bytes, u32 prot);
	void *arg;
	u64 bad;
};

int vtd_open(struct vtd *vtd, const char *qtest, const char *ram, u64 low);
int vtd_bdf(const char *text, u16 *rid);
int vtd_reg(struct vtd *vtd, char width, u32 reg, u64 *value);
int vtd_command(struct vtd *vtd, u16 rid, u16 *command);
void vtd_entry(const struct vtd *vtd, u64 rtaddr, u16 rid,
	       struct vtd_entry *e);
void vtd_tables(const struct vtd *vtd, const struct vtd_entry *e,
		struct vtd_walk *walk);

#endif
