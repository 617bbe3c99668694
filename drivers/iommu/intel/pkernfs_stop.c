// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: devices that are stopped before PCI is enumerated.
 *
 * What the kernel before handed over and this one cannot prove must not do DMA when
 * translation changes. Its bus mastering is cleared and what is on its way is waited
 * for, by configuration cycles of our own.
 *
 * Source: PCI Express base specification 6.0, 7.5.1.1.3 "Command Register",
 * 7.5.3.5 "Device Status Register".
 */
#include <kunit/static_stub.h>
#include <linux/delay.h>
#include <linux/pci.h>
#include <linux/pkernfs.h>
#include <linux/pkernfs_iommu.h>
#include <linux/pkernfs_pci.h>
#include <asm/pci-direct.h>
#include <asm/pci_x86.h>

#include "pkernfs.h"

/*
 * By hand, since PCI is not enumerated: all ones where there is nothing, an errno where
 * there is no way to see it, as in a segment whose MMCONFIG is known later, or never.
 * Without raw_pci_ops (pci=off) nobody else is at the configuration ports.
 */
int pkernfs_config_read(u16 segment, u16 rid, u8 reg)
{
	u32 value = ~0;
	int ret;

	KUNIT_STATIC_STUB_REDIRECT(pkernfs_config_read, segment, rid, reg);
	if (pkernfs_test(PKERNFS_TEST_NO_CONFIG))
		return -ENODEV;
	if (raw_pci_ops) {
		ret = raw_pci_read(segment, rid >> 8, rid & 0xff, reg, 2, &value);
		return ret < 0 ? ret : (u16)value;
	}
	if (segment)
		return -ENODEV;
	return read_pci_config_16(rid >> 8, PCI_SLOT(rid), PCI_FUNC(rid), reg);
}

static void pkernfs_config_write(u16 segment, u16 rid, u8 reg, u16 value)
{
	if (raw_pci_ops)
		raw_pci_write(segment, rid >> 8, rid & 0xff, reg, 2, value);
	else if (!segment)
		write_pci_config_16(rid >> 8, PCI_SLOT(rid), PCI_FUNC(rid), reg, value);
}

bool pkernfs_out_of_reach;

/**
 * pkernfs_iommu_stop_rid - clear bus mastering before PCI is enumerated
 * @segment: PCI segment
 * @rid: bus << 8 | devfn
 *
 * Waits for pending transactions.
 */
void pkernfs_iommu_stop_rid(u16 segment, u16 rid)
{
	int left = 48, ms = 1000, command;
	u16 cap;
	u8 pos;

	KUNIT_STATIC_STUB_REDIRECT(pkernfs_iommu_stop_rid, segment, rid);
	command = pkernfs_config_read(segment, rid, PCI_COMMAND);
	if (command < 0) {
		pkernfs_out_of_reach = true;
		pkernfs_pci_reset_later(segment, rid);
		pr_err("pkernfs: %04x:%02x:%02x.%d cannot be stopped yet, its configuration space cannot be read (%d)\n",
		       segment, rid >> 8, PCI_SLOT(rid), PCI_FUNC(rid), command);
		return;
	}
	if (command == 0xffff || !(command & PCI_COMMAND_MASTER))
		return;
	pkernfs_config_write(segment, rid, PCI_COMMAND, command & ~PCI_COMMAND_MASTER);
	pkernfs_config_read(segment, rid, PCI_COMMAND);

	/* Requests that are on their way have to end before anything changes. */
	pos = pkernfs_config_read(segment, rid, PCI_CAPABILITY_LIST);
	while (pos >= 0x40 && left--) {
		pos &= ~3;
		cap = pkernfs_config_read(segment, rid, pos);
		if ((cap & 0xff) == PCI_CAP_ID_EXP) {
			while (pkernfs_config_read(segment, rid, pos + PCI_EXP_DEVSTA) &
			       PCI_EXP_DEVSTA_TRPND && ms--)
				mdelay(1);
			break;
		}
		pos = cap >> 8;
	}
	pkernfs_pci_reset_later(segment, rid);
	pr_warn("pkernfs: bus mastering of %04x:%02x:%02x.%d cleared\n", segment,
		rid >> 8, PCI_SLOT(rid), PCI_FUNC(rid));
}

/* Endpoints of one bus that nobody has proven; an errno: it cannot be read. */
static int pkernfs_stop_bus(u16 segment, unsigned int bus)
{
	unsigned int slot, func;

	for (slot = 0; slot < 32; slot++) {
		for (func = 0; func < 8; func++) {
			u16 rid = bus << 8 | PCI_DEVFN(slot, func);
			struct pkernfs_device *pd;
			int vendor;
			u8 type;

			vendor = pkernfs_config_read(segment, rid, PCI_VENDOR_ID);
			if (vendor < 0)
				return vendor;
			if (vendor == 0xffff) {
				if (!func)
					break;
				continue;
			}
			type = pkernfs_config_read(segment, rid, PCI_HEADER_TYPE);
			pd = pkernfs_device_find(segment, rid);
			if (!(type & PCI_HEADER_TYPE_MASK) &&
			    (!pd || pd->state != PKERNFS_STATE_ADOPTED))
				pkernfs_iommu_stop_rid(segment, rid);
			if (!func && !(type & PCI_HEADER_TYPE_MFD))
				break;
		}
	}
	return 0;
}

/**
 * pkernfs_stop_all - stop the devices of a handover that proves nothing
 * @segment: PCI segment of its unit
 *
 * Every endpoint there may be a preserved device, but for those that another unit's
 * handover has proven. Buses that cannot be read are none, unless it is all of them:
 * MMCONFIG has a range.
 */
void pkernfs_stop_all(u16 segment)
{
	unsigned int bus, readable = 0;
	int ret, error = 0;

	for (bus = 0; bus < 256; bus++) {
		ret = pkernfs_stop_bus(segment, bus);
		if (ret)
			error = ret;
		else
			readable++;
	}
	if (readable)
		return;
	pkernfs_out_of_reach = true;
	pkernfs_pci_reset_later(segment, PKERNFS_PCI_ANY);
	pr_err("pkernfs: devices of segment %04x cannot be stopped yet, their configuration space cannot be read (%d)\n",
	       segment, error);
}
