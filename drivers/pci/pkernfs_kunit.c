// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: KUnit tests of the PCI half, and of what a record says of a function.
 */
#include <kunit/test.h>
#include <linux/suspend.h>

#include "pkernfs.h"

/* 04:00.0 below switch ports 02:01.0 and 01:00.0 and root port 00:1c.0. */
static void pkernfs_pci_example(struct pkernfs_pci_ser *ser)
{
	static const u8 bus[] = { 4, 2, 1, 0 };
	unsigned int i;

	memset(ser, 0, sizeof(*ser));
	ser->rid = cpu_to_le16(0x0400);
	ser->vendor = cpu_to_le16(0x8086);
	ser->device = cpu_to_le16(0x10d3);
	ser->class_revision = cpu_to_le32(0x02000000);
	ser->msix_cap = 0xa0;
	ser->msix_flags = cpu_to_le16(0x8004);
	ser->command = cpu_to_le16(0x0507);
	ser->bar[0].lo = cpu_to_le32(0xfe800000);
	ser->bar[0].start = cpu_to_le64(0xfe800000);
	ser->bar[0].bytes = cpu_to_le64(0x20000);
	ser->bridge_count = cpu_to_le32(3);
	for (i = 0; i < 3; i++) {
		ser->bridge[i].primary = bus[i + 1];
		ser->bridge[i].secondary = bus[i];
		ser->bridge[i].subordinate = 4;
		ser->bridge[i].mem = cpu_to_le32(0xfe80fe80);
		ser->bridge[i].vendor_device = cpu_to_le32(0x12348086 + i);
	}
}

static void pkernfs_pci_same_test(struct kunit *test)
{
	struct pkernfs_pci_ser was, is;
	u32 old, new;

	pkernfs_pci_example(&was);
	is = was;
	KUNIT_EXPECT_TRUE(test, pkernfs_pci_ser_valid(&was));
	KUNIT_EXPECT_NULL(test, pkernfs_pci_ser_differs(&was, &is, &old, &new));

	/* What may change from one kernel to the next. */
	is.command = cpu_to_le16(0x0003);
	is.msix_flags = cpu_to_le16(0xc004);
	is.irq_type = cpu_to_le32(2);
	is.irq_count = cpu_to_le32(5);
	is.bar[0].start = 0;
	is.bar[0].bytes = 0;
	KUNIT_EXPECT_NULL(test, pkernfs_pci_ser_differs(&was, &is, &old, &new));
}

/* Every byte that identifies it is looked at, and no other is. */
static void pkernfs_pci_each_byte_test(struct kunit *test)
{
	struct pkernfs_pci_ser *was, *is;
	unsigned int i, found = 0, bridge = offsetof(struct pkernfs_pci_ser, bridge);
	unsigned int end = bridge + 3 * sizeof(was->bridge[0]);
	u32 old, new;

	was = kunit_kzalloc(test, sizeof(*was), GFP_KERNEL);
	is = kunit_kzalloc(test, sizeof(*is), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, was);
	KUNIT_ASSERT_NOT_NULL(test, is);
	pkernfs_pci_example(was);
	for (i = 0; i < sizeof(*is); i++) {
		*is = *was;
		((u8 *)is)[i] ^= 0xff;
		if (!pkernfs_pci_ser_differs(was, is, &old, &new))
			continue;
		KUNIT_EXPECT_NE(test, old, new);
		found++;
		/* nothing behind the third of three bridges */
		if (i >= bridge && i < bridge + sizeof(is->bridge))
			KUNIT_EXPECT_LT(test, i, end);
	}
	/*
	 * Six words and a dword of identity, four bytes of capabilities, both
	 * bytes of the vector count, seven BARs, the number of bridges and three
	 * times all of a bridge.
	 */
	KUNIT_EXPECT_EQ(test, found, 6 * 2 + 4 + 4 + 2 + 7 * 4 + 4 +
			3 * sizeof(was->bridge[0]));
}

static void pkernfs_pci_name_test(struct kunit *test)
{
	struct pkernfs_pci_ser was, is;
	u32 old, new;

	pkernfs_pci_example(&was);
	is = was;
	is.bar[3].lo = cpu_to_le32(0x1000);
	KUNIT_EXPECT_STREQ(test, pkernfs_pci_ser_differs(&was, &is, &old, &new), "BAR 3");
	KUNIT_EXPECT_EQ(test, old, 0);
	KUNIT_EXPECT_EQ(test, new, 0x1000);

	is = was;
	is.bridge[2].secondary = 9;
	KUNIT_EXPECT_STREQ(test, pkernfs_pci_ser_differs(&was, &is, &old, &new),
			   "bridge secondary bus");
	KUNIT_EXPECT_EQ(test, old, 1);
	KUNIT_EXPECT_EQ(test, new, 9);

	is = was;
	is.msix_flags = cpu_to_le16(0x8003);
	KUNIT_EXPECT_STREQ(test, pkernfs_pci_ser_differs(&was, &is, &old, &new),
			   "number of MSI-X vectors");
}

/* What a damaged or foreign record may say. */
static void pkernfs_pci_invalid_test(struct kunit *test)
{
	struct pkernfs_pci_ser ser;

	pkernfs_pci_example(&ser);
	ser.bridge_count = cpu_to_le32(PKERNFS_PCI_DEPTH + 1);
	KUNIT_EXPECT_FALSE(test, pkernfs_pci_ser_valid(&ser));

	pkernfs_pci_example(&ser);
	ser.bridge_count = cpu_to_le32(~0);
	KUNIT_EXPECT_FALSE(test, pkernfs_pci_ser_valid(&ser));

	pkernfs_pci_example(&ser);
	ser.header_type = PCI_HEADER_TYPE_BRIDGE;
	KUNIT_EXPECT_FALSE(test, pkernfs_pci_ser_valid(&ser));

	/* a gap in the way up, and a loop */
	pkernfs_pci_example(&ser);
	ser.bridge[1].secondary = 3;
	KUNIT_EXPECT_FALSE(test, pkernfs_pci_ser_valid(&ser));
	pkernfs_pci_example(&ser);
	ser.bridge[0].primary = 4;
	KUNIT_EXPECT_FALSE(test, pkernfs_pci_ser_valid(&ser));

	/* a bridge that does not reach down to the function's bus */
	pkernfs_pci_example(&ser);
	ser.bridge[2].subordinate = 3;
	KUNIT_EXPECT_FALSE(test, pkernfs_pci_ser_valid(&ser));

	pkernfs_pci_example(&ser);
	ser.bar[0].bytes = cpu_to_le64(0x30000);
	KUNIT_EXPECT_FALSE(test, pkernfs_pci_ser_valid(&ser));

	/* on a root bus there is none */
	pkernfs_pci_example(&ser);
	ser.rid = cpu_to_le16(0x0010);
	ser.bridge_count = 0;
	KUNIT_EXPECT_TRUE(test, pkernfs_pci_ser_valid(&ser));
}

/* Whose half makes sleep harmful: not that of a user that has yet to be signalled. */
static void pkernfs_pci_sleep_test(struct kunit *test)
{
	struct pkernfs_pci *pp = kunit_kzalloc(test, sizeof(*pp), GFP_KERNEL);
	struct pkernfs_device *pd = kunit_kzalloc(test, sizeof(*pd), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, pp);
	KUNIT_ASSERT_NOT_NULL(test, pd);
	KUNIT_ASSERT_FALSE(test, pkernfs_pci_keeps_awake());
	pp->open = true;
	pp->raise[0] = 1;
	scoped_guard(spinlock_irqsave, &pkernfs_pci_lock)
		list_add(&pp->node, &pkernfs_pci_list);
	KUNIT_EXPECT_FALSE(test, pkernfs_pci_keeps_awake());
	pp->latched = true;
	KUNIT_EXPECT_TRUE(test, pkernfs_pci_keeps_awake());
	pp->latched = false;
	pp->pd = pd;
	KUNIT_EXPECT_TRUE(test, pkernfs_pci_keeps_awake());
	pd->state = PKERNFS_STATE_FAILED;
	KUNIT_EXPECT_FALSE(test, pkernfs_pci_keeps_awake());
	scoped_guard(spinlock_irqsave, &pkernfs_pci_lock)
		list_del(&pp->node);
}

/* One that is kept only when the machine has begun to sleep sees that. */
static void pkernfs_pci_asleep_test(struct kunit *test)
{
	struct pkernfs_pci *pp = kunit_kzalloc(test, sizeof(*pp), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, pp);
	KUNIT_ASSERT_FALSE(test, pkernfs_pci_sleeping());
	KUNIT_EXPECT_EQ(test, pkernfs_pci_sleep(NULL, PM_SUSPEND_PREPARE, NULL), NOTIFY_OK);
	KUNIT_EXPECT_TRUE(test, pkernfs_pci_sleeping());
	KUNIT_EXPECT_EQ(test, pkernfs_pci_sleep(NULL, PM_POST_SUSPEND, NULL), NOTIFY_OK);
	KUNIT_EXPECT_FALSE(test, pkernfs_pci_sleeping());
	pp->latched = true;
	scoped_guard(spinlock_irqsave, &pkernfs_pci_lock)
		list_add(&pp->node, &pkernfs_pci_list);
	KUNIT_EXPECT_EQ(test, pkernfs_pci_sleep(NULL, PM_HIBERNATION_PREPARE, NULL),
			notifier_from_errno(-EBUSY));
	KUNIT_EXPECT_FALSE(test, pkernfs_pci_sleeping());
	scoped_guard(spinlock_irqsave, &pkernfs_pci_lock)
		list_del(&pp->node);
}

/* What it was before it was held it is after that: whatever was set already stays set. */
static void pkernfs_pci_hold_test(struct kunit *test)
{
	struct pci_dev *pdev = kunit_kzalloc(test, sizeof(*pdev), GFP_KERNEL);
	struct pkernfs_pci *pp = kunit_kzalloc(test, sizeof(*pp), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, pdev);
	KUNIT_ASSERT_NOT_NULL(test, pp);
	pp->pdev = pdev;
	device_initialize(&pdev->dev);
	for (i = 0; i < 3; i++)
		pdev->resource[i] = DEFINE_RES_MEM(0x100000 * (i + 1), 0x1000);
	pdev->resource[1].flags |= IORESOURCE_PCI_FIXED;
	pdev->resource[2] = (struct resource) { };
	pkernfs_pci_hold(pp);
	KUNIT_EXPECT_TRUE(test, pdev->resource[0].flags & IORESOURCE_PCI_FIXED);
	KUNIT_EXPECT_TRUE(test, pdev->resource[1].flags & IORESOURCE_PCI_FIXED);
	KUNIT_EXPECT_TRUE(test, pdev->dev_flags & PCI_DEV_FLAGS_NO_BUS_RESET);
	pkernfs_pci_release(pdev, pp->fixed, pp->bus_reset);
	KUNIT_EXPECT_FALSE(test, pdev->resource[0].flags & IORESOURCE_PCI_FIXED);
	KUNIT_EXPECT_TRUE(test, pdev->resource[1].flags & IORESOURCE_PCI_FIXED);
	KUNIT_EXPECT_FALSE(test, pdev->dev_flags & PCI_DEV_FLAGS_NO_BUS_RESET);
	KUNIT_EXPECT_EQ(test, atomic_read(&pdev->dev.power.usage_count), 0);
	KUNIT_EXPECT_FALSE(test, pdev->resource[2].flags);
}

static struct kunit_case pkernfs_pci_cases[] = {
	KUNIT_CASE(pkernfs_pci_same_test),
	KUNIT_CASE(pkernfs_pci_each_byte_test),
	KUNIT_CASE(pkernfs_pci_name_test),
	KUNIT_CASE(pkernfs_pci_invalid_test),
	KUNIT_CASE(pkernfs_pci_sleep_test),
	KUNIT_CASE(pkernfs_pci_asleep_test),
	KUNIT_CASE(pkernfs_pci_hold_test),
	{}
};

static struct kunit_suite pkernfs_pci_suite = {
	.name = "pkernfs_pci",
	.test_cases = pkernfs_pci_cases,
};

kunit_test_suite(pkernfs_pci_suite);

MODULE_DESCRIPTION("pkernfs: tests of PCI records");
MODULE_LICENSE("GPL");
