// SPDX-License-Identifier: GPL-2.0
/* Reads a remapping unit's registers and tables. */
#include <errno.h>
#include <string.h>

#include "vtd.h"

#define ENTRY_PRESENT	1ULL
#define ENTRY_ADDR	0x000ffffffffff000ULL
#define SS_READ		1ULL
#define SS_WRITE	2ULL
#define SS_LEAF		0x80ULL

/**
 * vtd_open() - connect to QEMU and map guest RAM
 * @vtd: filled
 * @qtest: socket, NULL: none, and its registers cannot be read
 * @ram: file
 * @low: as of ram_attach()
 *
 * Return: 0 or -errno.
 */
int vtd_open(struct vtd *vtd, const char *qtest, const char *ram, u64 low)
{
	int ret;

	vtd->base = VTD_BASE;
	vtd->ecam = VTD_ECAM;
	ret = ram_attach(&vtd->ram, ram, low);
	return ret || !qtest ? ret : qtest_open(&vtd->q, qtest);
}

/**
 * vtd_bdf() - [SEGMENT:]BUS:DEVICE.FUNCTION
 * @text: what was given
 * @rid: bus << 8 | devfn
 *
 * Return: 0 or -EINVAL.
 */
int vtd_bdf(const char *text, u16 *rid)
{
	unsigned int segment, bus, dev, fn;

	if (sscanf(text, "%x:%x:%x.%x", &segment, &bus, &dev, &fn) != 4) {
		segment = 0;
		if (sscanf(text, "%x:%x.%x", &bus, &dev, &fn) != 3)
			return -EINVAL;
	}
	if (segment || bus > 255 || dev > 31 || fn > 7)
		return -EINVAL;
	*rid = bus << 8 | dev << 3 | fn;
	return 0;
}

/**
 * vtd_reg() - read a register
 * @vtd: the unit
 * @width: 'l' or 'q'
 * @reg: offset
 * @value: what it holds
 *
 * Return: 0 or -errno.
 */
int vtd_reg(struct vtd *vtd, char width, u32 reg, u64 *value)
{
	return qtest_read(&vtd->q, width, vtd->base + reg, value);
}

/**
 * vtd_command() - read COMMAND of a PCI function
 * @vtd: the unit
 * @rid: the function
 * @command: the register
 *
 * By the memory-mapped configuration space: the address port at 0xcf8 belongs
 * to the guest, and a read of ours between its two accesses would misdirect it.
 *
 * Return: 0 or -errno.
 */
int vtd_command(struct vtd *vtd, u16 rid, u16 *command)
{
	u64 value;
	int ret;

	ret = qtest_read(&vtd->q, 'w', vtd->ecam + ((u64)rid << 12) + 4,
			 &value);
	*command = value;
	return ret;
}

static u64 vtd_read(const struct vtd *vtd, u64 phys)
{
	u64 off = ram_offset(&vtd->ram, phys);
	u64 value;

	if (off == RAM_NOWHERE || off + 8 > vtd->ram.bytes)
		return 0;
	memcpy(&value, vtd->ram.map + off, sizeof(value));
	return value;
}

static void vtd_legacy(const struct vtd *vtd, u16 rid, struct vtd_entry *e)
{
	u64 lo, hi;

	lo = vtd_read(vtd, e->root + (rid >> 8) * 16);
	if (!(lo & ENTRY_PRESENT))
		return;
	e->context = lo & ENTRY_ADDR;
	lo = vtd_read(vtd, e->context + (rid & 0xff) * 16);
	hi = vtd_read(vtd, e->context + (rid & 0xff) * 16 + 8);
	e->present = lo & ENTRY_PRESENT;
	e->type = lo >> 2 & 3;
	e->top = lo & ENTRY_ADDR;
	e->aw = hi & 7;
	e->did = hi >> 8;
}

static void vtd_scalable(const struct vtd *vtd, u16 rid, struct vtd_entry *e)
{
	u64 half, lo, dir, table, v0, v1;
	u32 pasid;

	half = vtd_read(vtd, e->root + (rid >> 8) * 16 + (rid & 0x80 ? 8 : 0));
	if (!(half & ENTRY_PRESENT))
		return;
	e->context = half & ENTRY_ADDR;
	lo = vtd_read(vtd, e->context + (rid & 0x7f) * 32);
	if (!(lo & ENTRY_PRESENT))
		return;
	pasid = vtd_read(vtd, e->context + (rid & 0x7f) * 32 + 8) & 0xfffff;
	e->pasid_dir = lo & ENTRY_ADDR;
	dir = vtd_read(vtd, e->pasid_dir + (pasid >> 6) * 8);
	if (!(dir & ENTRY_PRESENT))
		return;
	e->pasid_table = dir & ENTRY_ADDR;
	table = e->pasid_table + (pasid & 63) * 64;
	v0 = vtd_read(vtd, table);
	v1 = vtd_read(vtd, table + 8);
	e->present = v0 & ENTRY_PRESENT;
	e->type = v0 >> 6 & 7;
	e->ssade = v0 >> 9 & 1;
	e->top = v0 & ENTRY_ADDR;
	e->aw = v0 >> 2 & 7;
	e->did = v1;
}

/**
 * vtd_entry() - find what translates a device
 * @vtd: the unit
 * @rtaddr: its RTADDR
 * @rid: the device
 * @e: filled
 */
void vtd_entry(const struct vtd *vtd, u64 rtaddr, u16 rid,
	       struct vtd_entry *e)
{
	*e = (struct vtd_entry) {
		.root = rtaddr & ENTRY_ADDR,
		.scalable = rtaddr & RTADDR_TTM,
	};
	if (e->scalable)
		vtd_scalable(vtd, rid, e);
	else
		vtd_legacy(vtd, rid, e);
}

static void vtd_level(const struct vtd *vtd, u64 table, int level, u64 iova,
		      struct vtd_walk *walk)
{
	const unsigned int shift = 12 + 9 * (level - 1);

	walk->table(walk->arg, table, level);
	for (u64 i = 0; i < 512; i++) {
		u64 entry = vtd_read(vtd, table + i * 8);
		u64 at = iova | i << shift;
		u64 to = entry & ENTRY_ADDR;

		if (!(entry & (SS_READ | SS_WRITE)))
			continue;
		if (ram_offset(&vtd->ram, to) == RAM_NOWHERE)
			walk->bad++;
		else if (level == 1 || entry & SS_LEAF)
			walk->leaf(walk->arg, at, to & ~((1ULL << shift) - 1),
				   1ULL << shift, entry & 3);
		else
			vtd_level(vtd, to, level - 1, at, walk);
	}
}

/**
 * vtd_tables() - walk the second stage of a device
 * @vtd: the unit
 * @e: the device's entry
 * @walk: callbacks
 */
void vtd_tables(const struct vtd *vtd, const struct vtd_entry *e,
		struct vtd_walk *walk)
{
	if (e->present && e->aw >= 1 && e->aw <= 3)
		vtd_level(vtd, e->top, e->aw + 2, 0, walk);
}
