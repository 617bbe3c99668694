// SPDX-License-Identifier: GPL-2.0
/*
 * The regions of this boot, as userspace sees them: named in sysfs, Reserved in
 * the memory map that kexec hands on, no RAM in /proc/iomem.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "pkernfs_test.h"

FIXTURE(carveout)
{
	struct region r[8];
	int nr;
};

FIXTURE_SETUP(carveout)
{
	self->nr = regions(self->r, 8);
	if (self->nr <= 0)
		SKIP(return, "no region");
}

FIXTURE_TEARDOWN(carveout)
{
}

/* Every byte of each region is Reserved in what kexec-tools reads. */
TEST_F(carveout, firmware_memmap)
{
	for (int i = 0; i < self->nr; i++) {
		EXPECT_EQ(memmap_bytes(&self->r[i], "Reserved"), self->r[i].bytes);
		EXPECT_EQ(memmap_bytes(&self->r[i], NULL), self->r[i].bytes);
	}
}

/* A busy resource of our name and no System RAM. Needs root to see addresses. */
TEST_F(carveout, iomem)
{
	if (geteuid())
		SKIP(return, "not root");
	for (int i = 0; i < self->nr; i++) {
		EXPECT_EQ(iomem_bytes(&self->r[i], "pkernfs"), self->r[i].bytes);
		EXPECT_EQ(iomem_bytes(&self->r[i], "Reserved"), self->r[i].bytes);
		EXPECT_EQ(iomem_bytes(&self->r[i], "System RAM"), 0);
	}
}

TEST_F(carveout, disjoint_and_aligned)
{
	for (int i = 0; i < self->nr; i++) {
		EXPECT_EQ(self->r[i].base % (2 << 20), 0);
		EXPECT_EQ(self->r[i].bytes % (2 << 20), 0);
		EXPECT_GE(self->r[i].bytes, 16 << 20);
		for (int j = 0; j < i; j++)
			EXPECT_TRUE(self->r[i].base >= self->r[j].base + self->r[j].bytes ||
				    self->r[j].base >= self->r[i].base + self->r[i].bytes);
	}
}

/* The kernel's own memory does not count them. */
TEST_F(carveout, not_in_memtotal)
{
	uint64_t ram = iomem_total("System RAM"), total = 0;
	char line[256];
	FILE *f;

	if (geteuid())
		SKIP(return, "not root");
	f = fopen("/proc/meminfo", "r");
	ASSERT_NE(f, NULL);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "MemTotal: %lu", &total) == 1)
			break;
	fclose(f);
	EXPECT_LE(total * 1024, ram);
}

TEST_HARNESS_MAIN
