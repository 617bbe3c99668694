// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs KUnit: layout and superblock.
 */

#include <linux/crc32.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/suspend.h>

#include "fixture.h"

static void pkernfs_test_layout(struct kunit *test)
{
	static const u64 sizes[] = { SZ_16M, SZ_64M, SZ_1G, SZ_1T, 16ULL * SZ_1T };
	struct pkernfs_format opt = { .label = "a label" };
	static struct pkernfs_region r = { .base = SZ_1T };
	unsigned int i;

	/* sb_check() of copy 0 looks at block 0 only. */
	r.virt = kunit_kzalloc(test, PKERNFS_BLOCK_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, r.virt);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct pkernfs_sb *sb = r.virt;

		r.bytes = sizes[i];
		KUNIT_ASSERT_EQ(test, pkernfs_layout(r.base, r.bytes, 3, &opt, sb), 0);
		sb->crc = cpu_to_le32(crc32c(~0, sb, offsetof(struct pkernfs_sb, crc)));
		KUNIT_EXPECT_STREQ(test, pkernfs_sb_check(&r, 0) ?: "", "");
		KUNIT_EXPECT_GE(test, pkernfs_area_count(&sb->data) << PKERNFS_BLOCK_SHIFT,
				r.bytes / 2);
		KUNIT_EXPECT_TRUE(test, memchr_inv(sb->uuid, 0, sizeof(sb->uuid)));
	}
}

static void pkernfs_test_layout_refused(struct kunit *test)
{
	struct pkernfs_format opt = {}, big_pool = { .pool_blocks = SZ_1M };
	struct pkernfs_format many = { .inodes = ~0U };
	struct pkernfs_format big_small = { .small_blocks = SZ_1M };
	struct pkernfs_format all_small = { .small_blocks = SZ_16M >> PKERNFS_BLOCK_SHIFT };
	struct pkernfs_sb sb;

	KUNIT_EXPECT_EQ(test, pkernfs_layout(SZ_1G + SZ_4K, SZ_1G, 0, &opt, &sb), -EINVAL);
	KUNIT_EXPECT_EQ(test, pkernfs_layout(SZ_1G, SZ_1G + SZ_4K, 0, &opt, &sb), -EINVAL);
	KUNIT_EXPECT_EQ(test, pkernfs_layout(SZ_1G, 0, 0, &opt, &sb), -ENOSPC);
	KUNIT_EXPECT_EQ(test, pkernfs_layout(SZ_1G, SZ_2M, 0, &opt, &sb), -ENOSPC);
	KUNIT_EXPECT_EQ(test, pkernfs_layout(SZ_1G, SZ_16M, 0, &big_pool, &sb), -EINVAL);
	KUNIT_EXPECT_EQ(test, pkernfs_layout(SZ_1G, SZ_1G, 0, &many, &sb), -EINVAL);
	KUNIT_EXPECT_EQ(test, pkernfs_layout(SZ_1G, SZ_16M, 0, &big_small, &sb), -EINVAL);
	KUNIT_EXPECT_EQ(test, pkernfs_layout(SZ_1G, SZ_16M, 0, &all_small, &sb), -ENOSPC);
}

/* Of the root directory, with a right checksum. */
static void pkernfs_test_set_flags(struct pkernfs_region *r, u16 flags)
{
	const struct pkernfs_sb *sb = r->virt;
	struct pkernfs_inode_ser *root = pkernfs_block(r, pkernfs_area_start(&sb->inodes)) +
					 PKERNFS_ROOT_INO * PKERNFS_INODE_SIZE;

	root->flags = cpu_to_le16(flags);
	root->crc = cpu_to_le32(pkernfs_inode_crc(root));
}

/* Small granules: as many as wished for, none, or by the size of the region. */
static void pkernfs_test_layout_small(struct kunit *test)
{
	static const struct {
		u64 bytes, wish, blocks;
	} rows[] = {
		{ SZ_16M, 0, 512 },
		{ SZ_1G, 0, SZ_16M >> PKERNFS_BLOCK_SHIFT },
		{ SZ_1T, 0, SZ_1G >> PKERNFS_BLOCK_SHIFT },
		{ SZ_1G, 1, 512 },
		{ SZ_1G, 513, 1024 },
		{ SZ_1G, PKERNFS_FORMAT_NO_SMALL, 0 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pkernfs_format opt = { .small_blocks = rows[i].wish };
		struct pkernfs_sb sb;

		KUNIT_ASSERT_EQ(test, pkernfs_layout(SZ_1T, rows[i].bytes, 0, &opt, &sb), 0);
		KUNIT_EXPECT_EQ(test, pkernfs_area_count(&sb.small), rows[i].blocks);
		KUNIT_EXPECT_EQ(test, pkernfs_area_start(&sb.small) % 512, 0);
		/* Without any an older kernel may mount it. */
		KUNIT_EXPECT_EQ(test, !!(le64_to_cpu(sb.feature_incompat) &
					 PKERNFS_INCOMPAT_POOLS), !!rows[i].blocks);
	}
}

/* Granules of 1 GiB: aligned in physical memory, with data on the larger side of them. */
static void pkernfs_test_layout_huge(struct kunit *test)
{
	static const struct {
		u64 base, bytes, wish, huge, data_less;
		int err;
	} rows[] = {
		/* What is there before them is data. */
		{ SZ_1G, 2ULL * SZ_1G + SZ_2M, 1, 2ULL * SZ_1G, SZ_1G, 0 },
		{ SZ_1G, 3ULL * SZ_1G + SZ_2M, 2, 2ULL * SZ_1G, SZ_1G, 0 },
		{ SZ_1G, 3ULL * SZ_1G, 1, 2ULL * SZ_1G, SZ_1G, 0 },
		/* Or behind them, where the region begins in the middle of a GiB. */
		{ SZ_1G + SZ_512M, 2ULL * SZ_1G + SZ_512M, 1, 2ULL * SZ_1G, SZ_1G, 0 },
		/* There is more room than alignment leaves. */
		{ SZ_1G, 2ULL * SZ_1G, 1, 0, 0, -ENOSPC },
		{ SZ_1G, 3ULL * SZ_1G, 2, 0, 0, -ENOSPC },
		{ SZ_1G, SZ_1G, 1, 0, 0, -ENOSPC },
		{ SZ_1G, SZ_1G, 2, 0, 0, -EINVAL },
		{ SZ_1G, SZ_1G, U64_MAX, 0, 0, -EINVAL },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pkernfs_format opt = { .huge_granules = rows[i].wish };
		struct pkernfs_sb sb;

		KUNIT_ASSERT_EQ_MSG(test, pkernfs_layout(rows[i].base, rows[i].bytes, 0, &opt,
							 &sb), rows[i].err, "row %u", i);
		if (rows[i].err)
			continue;
		KUNIT_EXPECT_TRUE(test, le64_to_cpu(sb.feature_incompat) &
				  PKERNFS_INCOMPAT_HUGE);
		KUNIT_EXPECT_EQ_MSG(test, rows[i].base +
				    (pkernfs_area_start(&sb.huge) << PKERNFS_BLOCK_SHIFT),
				    rows[i].huge, "row %u", i);
		KUNIT_EXPECT_EQ(test, pkernfs_area_count(&sb.huge) << PKERNFS_BLOCK_SHIFT,
				rows[i].wish * SZ_1G);
		/* All of the GiB beside them but metadata and small granules. */
		KUNIT_EXPECT_LE(test, pkernfs_area_count(&sb.data) << PKERNFS_BLOCK_SHIFT,
				rows[i].data_less);
		KUNIT_EXPECT_GE(test, pkernfs_area_count(&sb.data) << PKERNFS_BLOCK_SHIFT,
				rows[i].data_less - SZ_64M);
	}
}

/* One extent, with a right checksum. */
static void pkernfs_test_extent_set(struct pkernfs_inode_ser *ser, u16 flags, u64 phys,
				    u64 bytes)
{
	ser->flags = cpu_to_le16(flags);
	ser->extent[0].logical = 0;
	ser->extent[0].phys = cpu_to_le64(phys);
	ser->extent[0].bytes = cpu_to_le64(bytes);
	ser->crc = cpu_to_le32(pkernfs_inode_crc(ser));
}

static void pkernfs_test_not_loaded(struct kunit *test, struct pkernfs_region *r,
				    const char *reason)
{
	const char *why = NULL;
	struct pkernfs_core *c = pkernfs_core_new(r, &why);

	KUNIT_EXPECT_TRUE(test, IS_ERR(c));
	KUNIT_EXPECT_STREQ(test, why ?: "", reason);
	if (!IS_ERR(c))
		pkernfs_core_free(c);
}

/* @reason "": it is not. */
static void pkernfs_test_sb_refused(struct kunit *test, struct pkernfs_region *r,
				    const char *reason)
{
	struct pkernfs_sb *sb = r->virt;

	sb->crc = cpu_to_le32(crc32c(~0, sb, offsetof(struct pkernfs_sb, crc)));
	KUNIT_EXPECT_STREQ(test, pkernfs_sb_check(r, 0) ?: "", reason);
}

static void pkernfs_test_huge_load(struct kunit *test)
{
	const u64 huge = PKERNFS_TEST_BASE + SZ_1G;
	const char *range = "extent: not a range of its area";
	const char *granules = "inode: impossible granules";
	struct pkernfs_sb *sb;
	struct pkernfs_inode_ser *ser;
	struct pkernfs_region *r = pkernfs_test_huge_region(test);
	struct pkernfs_gpool *p;
	struct pkernfs_node *n;
	u64 bytes;
	bool held;
	u32 ino;

	pkernfs_test_load(test, r);
	n = pkernfs_test_file(test, r->core, "ram");
	ino = n->ino;
	ser = n->ser;
	KUNIT_EXPECT_EQ(test, r->core->gpool[PKERNFS_GPOOL_1G].free, 2);
	pkernfs_test_extent_set(ser, PKERNFS_INODE_POOL_1G | PKERNFS_INODE_WISH_1G,
				huge + SZ_1G, SZ_1G);
	pkernfs_test_reload(test, r);
	p = &r->core->gpool[PKERNFS_GPOOL_1G];
	n = pkernfs_node_find(r->core, ino);
	KUNIT_EXPECT_PTR_EQ(test, n->pool, p);
	KUNIT_EXPECT_EQ(test, p->free, 1);
	KUNIT_EXPECT_EQ(test, pkernfs_granule_owner(p, 1), ino);
	KUNIT_EXPECT_EQ(test, pkernfs_extent_total(n), SZ_1G);
	KUNIT_EXPECT_PTR_EQ(test, pkernfs_extent_data(r->core, n, SZ_2M + 5, &bytes),
			    r->virt + 2ULL * SZ_1G + SZ_2M + 5);
	KUNIT_EXPECT_EQ(test, bytes, SZ_1G - SZ_2M - 5);
	KUNIT_EXPECT_EQ(test, pkernfs_extent_holes(n, p->shift, 0, SZ_1G), 1ULL);

	/* A page of it holds all of it, and nothing holds what is not a file's. */
	KUNIT_EXPECT_EQ(test, pkernfs_hold(r, huge, SZ_4K, NULL), -ENOENT);
	KUNIT_EXPECT_EQ(test, pkernfs_hold(r, huge + SZ_1G - SZ_4K, SZ_8K, NULL), -ENOENT);
	KUNIT_EXPECT_EQ(test, pkernfs_hold(r, huge + SZ_1G + SZ_2M, SZ_4K, NULL), 0);
	KUNIT_EXPECT_EQ(test, p->held, 1);
	KUNIT_EXPECT_TRUE(test, pkernfs_extent_busy(r->core, n, SZ_512M, SZ_512M, &held));
	KUNIT_EXPECT_TRUE(test, held);
	KUNIT_EXPECT_EQ(test, pkernfs_extent_cut(r->core, n, 0, SZ_1G - 1, 0, 0), -EBUSY);
	pkernfs_unhold(r, huge + SZ_1G + SZ_2M, SZ_4K);
	/* What is not cut off whole stays. */
	KUNIT_EXPECT_EQ(test, pkernfs_extent_cut(r->core, n, SZ_2M, SZ_1G - 1, -1, 0), 0);
	KUNIT_EXPECT_EQ(test, p->free, 1);
	KUNIT_EXPECT_EQ(test, pkernfs_extent_fill(r->core, n, PKERNFS_MAX_END, PKERNFS_MAX_END, p),
			-EFBIG);
	KUNIT_EXPECT_EQ(test, pkernfs_extent_cut(r->core, n, 0, SZ_1G - 1, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, p->free, 2);
	pkernfs_test_unload(r);

	pkernfs_test_extent_set(ser, PKERNFS_INODE_POOL_1G, huge + SZ_2M, SZ_1G);
	pkernfs_test_not_loaded(test, r, range);
	pkernfs_test_extent_set(ser, PKERNFS_INODE_POOL_1G, huge - SZ_1G, SZ_1G);
	pkernfs_test_not_loaded(test, r, range);
	pkernfs_test_extent_set(ser, PKERNFS_INODE_POOL_1G, huge, SZ_2M);
	pkernfs_test_not_loaded(test, r, range);
	pkernfs_test_extent_set(ser, PKERNFS_INODE_POOL_1G, huge, 3ULL * SZ_1G);
	pkernfs_test_not_loaded(test, r, range);
	pkernfs_test_extent_set(ser, PKERNFS_INODE_POOL_2M, huge, SZ_1G);
	pkernfs_test_not_loaded(test, r, range);
	pkernfs_test_extent_set(ser, PKERNFS_INODE_POOL, huge, SZ_1G);
	pkernfs_test_not_loaded(test, r, granules);
	pkernfs_test_extent_set(ser, 0, 0, 0);

	/* Without the feature there are no such granules, files, nor wishes. */
	sb = r->virt;
	sb->feature_incompat &= ~cpu_to_le64(PKERNFS_INCOMPAT_HUGE);
	pkernfs_test_sb_refused(test, r, "superblock: huge granules in a region without such");
	memset(&sb->huge, 0, sizeof(sb->huge));
	pkernfs_test_sb_refused(test, r, "");
	pkernfs_test_extent_set(ser, PKERNFS_INODE_WISH_1G, 0, 0);
	pkernfs_test_not_loaded(test, r, granules);
	pkernfs_test_extent_set(ser, PKERNFS_INODE_POOL_1G, 0, 0);
	pkernfs_test_not_loaded(test, r, granules);

	/* And those that are not aligned are refused. */
	sb->feature_incompat |= cpu_to_le64(PKERNFS_INCOMPAT_HUGE);
	pkernfs_test_sb_refused(test, r, "superblock: an area lies outside of the region");
	sb->huge.start = cpu_to_le64((SZ_1G + SZ_2M) >> PKERNFS_BLOCK_SHIFT);
	sb->huge.count = cpu_to_le64(SZ_1G >> PKERNFS_BLOCK_SHIFT);
	pkernfs_test_sb_refused(test, r, "superblock: huge granules not aligned to 1 GiB");
	sb->huge.start = cpu_to_le64(SZ_1G >> PKERNFS_BLOCK_SHIFT);
	pkernfs_test_sb_refused(test, r, "");
	sb->huge.count = cpu_to_le64((SZ_1G + SZ_2M) >> PKERNFS_BLOCK_SHIFT);
	pkernfs_test_sb_refused(test, r, "superblock: huge granules not aligned to 1 GiB");
}

/* Inodes: as many as wished for, or by the size of the region. */
static void pkernfs_test_layout_inodes(struct kunit *test)
{
	static const struct {
		u64 bytes, wish, inodes;
	} rows[] = {
		{ SZ_16M, 0, 512 },
		{ SZ_64M, 0, 1024 },
		{ SZ_1G, 0, 16384 },
		{ 512ULL * SZ_1G, 0, 16384 + 511 * 512 },
		{ 16ULL * SZ_1T, 0, SZ_1M },
		{ SZ_1G, 1, 16 },
		{ SZ_1G, 1001, 1008 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pkernfs_format opt = { .inodes = rows[i].wish };
		struct pkernfs_sb sb;

		KUNIT_ASSERT_EQ(test, pkernfs_layout(SZ_1T, rows[i].bytes, 0, &opt, &sb), 0);
		KUNIT_EXPECT_EQ(test, pkernfs_area_count(&sb.inodes), rows[i].inodes / 8);
	}
}

/* A region from before: without the feature, and files as they were. */
static void pkernfs_test_without_small(struct kunit *test)
{
	struct pkernfs_format opt = { .inodes = PKERNFS_TEST_INODES,
				      .small_blocks = PKERNFS_FORMAT_NO_SMALL };
	struct pkernfs_region *r = pkernfs_test_region(test);
	struct pkernfs_sb sb, *sb0 = r->virt;
	struct pkernfs_node *n;
	const char *why = NULL;

	KUNIT_ASSERT_EQ(test, pkernfs_layout(r->base, r->bytes, 0, &opt, &sb), 0);
	pkernfs_format_write(r, &sb, NULL);
	pkernfs_test_load(test, r);
	n = pkernfs_test_file(test, r->core, "file");
	KUNIT_EXPECT_EQ(test, r->core->gpool[PKERNFS_GPOOL_4K].granules, 0);
	KUNIT_EXPECT_EQ(test, pkernfs_test_fill(r->core, n, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, n->ser->flags, 0);
	pkernfs_test_unload(r);

	sb0->small = sb0->data;
	sb0->crc = cpu_to_le32(crc32c(~0, sb0, offsetof(struct pkernfs_sb, crc)));
	KUNIT_EXPECT_STREQ(test, pkernfs_sb_check(r, 0) ?: "",
			   "superblock: small granules in a region without such");
	*sb0 = sb;
	sb0->crc = cpu_to_le32(crc32c(~0, sb0, offsetof(struct pkernfs_sb, crc)));
	pkernfs_test_set_flags(r, PKERNFS_INODE_WISH_4K);
	r->core = pkernfs_core_new(r, &why);
	KUNIT_EXPECT_TRUE(test, IS_ERR(r->core));
	r->core = NULL;
	KUNIT_EXPECT_STREQ(test, why, "inode: a flag that this kernel does not know");
	pkernfs_test_set_flags(r, 0);
	pkernfs_test_load(test, r);
}

/* Every single damaged byte of a superblock is seen, in both copies. */
static void pkernfs_test_sb_flip(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	u64 last = (r->bytes >> PKERNFS_BLOCK_SHIFT) - 1;
	unsigned int copy, i, bit;

	for (copy = 0; copy < 2; copy++) {
		u8 *sb = pkernfs_block(r, copy ? last : 0);

		KUNIT_ASSERT_STREQ(test, pkernfs_sb_check(r, copy) ?: "", "");
		for (i = 0; i < sizeof(struct pkernfs_sb); i++) {
			for (bit = 0; bit < 8; bit++) {
				sb[i] ^= 1 << bit;
				KUNIT_EXPECT_NOT_NULL_MSG(test, pkernfs_sb_check(r, copy),
							  "copy %u byte %u bit %u",
							  copy, i, bit);
				sb[i] ^= 1 << bit;
			}
		}
		KUNIT_EXPECT_STREQ(test, pkernfs_sb_check(r, copy) ?: "", "");
	}
}

static int pkernfs_test_mkfs(struct pkernfs_region *r, u32 flags)
{
	struct pkernfs_format opt = { .inodes = PKERNFS_TEST_INODES, .flags = flags };
	const char *why;
	int err;

	mutex_lock(&pkernfs_transition_lock);
	err = pkernfs_format(r, &opt, &why);
	mutex_unlock(&pkernfs_transition_lock);
	return err;
}

static void pkernfs_test_sb_copies(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	void *sb1 = pkernfs_block(r, (r->bytes >> PKERNFS_BLOCK_SHIFT) - 1);
	const char *why = NULL;

	KUNIT_EXPECT_PTR_EQ(test, pkernfs_sb_find(r, &why), r->virt);
	((u8 *)r->virt)[100] ^= 1;
	KUNIT_EXPECT_PTR_EQ(test, pkernfs_sb_find(r, &why), sb1);
	pkernfs_test_load(test, r);	/* from the other copy */
	pkernfs_test_unload(r);
	((u8 *)sb1)[100] ^= 1;
	KUNIT_EXPECT_NULL(test, pkernfs_sb_find(r, &why));
	KUNIT_EXPECT_STREQ(test, why, "superblock: wrong checksum");

	/* A copy at the other end is no copy. */
	((u8 *)r->virt)[100] ^= 1;
	memcpy(sb1, r->virt, PKERNFS_BLOCK_SIZE);
	KUNIT_EXPECT_STREQ(test, pkernfs_sb_check(r, 1),
			   "superblock: this copy belongs elsewhere");

	/* The same bytes at another address or of another size are not ours. */
	r->base += SZ_2M;
	KUNIT_EXPECT_NOT_NULL(test, pkernfs_sb_check(r, 0));
	r->base -= SZ_2M;
	r->bytes -= SZ_2M;
	KUNIT_EXPECT_NOT_NULL(test, pkernfs_sb_check(r, 0));
	r->bytes += SZ_2M;

	/* Blank memory has no reason to complain about. */
	memset(r->virt, 0, PKERNFS_BLOCK_SIZE);
	memset(sb1, 0, PKERNFS_BLOCK_SIZE);
	KUNIT_EXPECT_NULL(test, pkernfs_sb_find(r, &why));
	KUNIT_EXPECT_NULL(test, why);
}

static void pkernfs_test_seal(struct pkernfs_sb *sb)
{
	sb->crc = cpu_to_le32(crc32c(~0, sb, offsetof(struct pkernfs_sb, crc)));
}

/* What a newer kernel has made: refused by name, and left alone by mkfs. */
static void pkernfs_test_sb_newer(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	struct pkernfs_sb *sb = r->virt;
	struct pkernfs_sb *sb1 = pkernfs_block(r, (r->bytes >> PKERNFS_BLOCK_SHIFT) - 1);

	sb->feature_compat = cpu_to_le64(1ULL << 63);
	pkernfs_test_seal(sb);
	KUNIT_EXPECT_STREQ(test, pkernfs_sb_check(r, 0) ?: "", "");

	sb->feature_incompat = cpu_to_le64(3ULL << 62);
	pkernfs_test_seal(sb);
	KUNIT_EXPECT_STREQ(test, pkernfs_sb_check(r, 0) ?: "",
			   "superblock: unknown incompatible feature bits 0xc000000000000000");

	/* Another version may be checked by other means. */
	sb->version = cpu_to_le32(PKERNFS_FORMAT_VERSION + 1);
	KUNIT_EXPECT_STREQ(test, pkernfs_sb_check(r, 0) ?: "",
			   "superblock: unknown format version 2, not 1");

	memset(sb1, 0, PKERNFS_BLOCK_SIZE);
	KUNIT_EXPECT_EQ(test, pkernfs_test_mkfs(r, 0), -EEXIST);
	memcpy(sb1, sb, PKERNFS_BLOCK_SIZE);
	memset(sb, 0, PKERNFS_BLOCK_SIZE);
	KUNIT_EXPECT_EQ(test, pkernfs_test_mkfs(r, 0), -EEXIST);
	KUNIT_EXPECT_EQ(test, pkernfs_test_mkfs(r, PKERNFS_FORMAT_FORCE), 0);
	KUNIT_EXPECT_STREQ(test, pkernfs_sb_check(r, 0) ?: "", "");
}

/* Areas that overlap or lie outside are refused even with a right checksum. */
static void pkernfs_test_sb_areas(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	struct pkernfs_sb good = *(struct pkernfs_sb *)r->virt, *sb = r->virt;
	struct pkernfs_area *area = &sb->journal;
	u64 blocks = r->bytes >> PKERNFS_BLOCK_SHIFT;
	const u64 starts[] = { 0, blocks - 1, blocks, U64_MAX };
	const u64 counts[] = { 0, blocks, U64_MAX, U64_MAX - 1 };
	unsigned int i, j;

	for (i = 0; i < 7; i++) {
		for (j = 0; j < 2 * ARRAY_SIZE(starts); j++) {
			*sb = good;
			if (j < ARRAY_SIZE(starts))
				area[i].start = cpu_to_le64(starts[j]);
			else
				area[i].count = cpu_to_le64(counts[j - ARRAY_SIZE(starts)]);
			sb->crc = cpu_to_le32(crc32c(~0, sb,
						     offsetof(struct pkernfs_sb, crc)));
			KUNIT_EXPECT_NOT_NULL_MSG(test, pkernfs_sb_check(r, 0),
						  "area %u case %u", i, j);
		}
		*sb = good;
		area[i].start = area[(i + 1) % 7].start;
		sb->crc = cpu_to_le32(crc32c(~0, sb, offsetof(struct pkernfs_sb, crc)));
		KUNIT_EXPECT_NOT_NULL_MSG(test, pkernfs_sb_check(r, 0), "area %u", i);
	}
}

/*
 * A directory that has children loads whatever the order of the inode numbers:
 * slots are used again, and rename moves directories below younger ones.
 */
static void pkernfs_test_tree(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	struct pkernfs_core *c;
	u32 parent, child, ino;

	pkernfs_test_load(test, r);
	ino = pkernfs_test_file(test, r->core, "file")->ino;
	KUNIT_ASSERT_EQ(test, pkernfs_test_mkdir(r->core, PKERNFS_ROOT_INO, "parent",
						 &parent), 0);
	KUNIT_ASSERT_EQ(test, pkernfs_test_unlink(r->core, "file"), 0);
	pkernfs_test_reload(test, r);
	c = r->core;
	KUNIT_ASSERT_EQ(test, pkernfs_test_mkdir(c, parent, "child", &child), 0);
	KUNIT_ASSERT_LT(test, child, parent);
	KUNIT_ASSERT_EQ(test, pkernfs_test_mkdir(c, child, "a", &ino), 0);
	KUNIT_ASSERT_EQ(test, pkernfs_test_mkdir(c, child, "b", &ino), 0);
	KUNIT_ASSERT_EQ(test, pkernfs_test_mkdir(c, ino, "below b", &ino), 0);
	pkernfs_test_reload(test, r);
}

static struct pkernfs_dev_record *pkernfs_test_record(struct pkernfs_region *r)
{
	const struct pkernfs_sb *sb = r->virt;

	return pkernfs_block(r, pkernfs_area_start(&sb->records));
}

/* mkfs never takes a region from a device, and always gets rid of a broken one. */
static void pkernfs_test_mkfs_records(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	struct pkernfs_device *pd = kunit_kzalloc(test, sizeof(*pd), GFP_KERNEL);
	struct pkernfs_inode_ser *root;
	struct pkernfs_sb *sb = r->virt;

	KUNIT_ASSERT_NOT_NULL(test, pd);
	pkernfs_test_load(test, r);
	pkernfs_test_record(r)->state = cpu_to_le32(PKERNFS_RECORD_FROZEN);
	KUNIT_EXPECT_EQ(test, pkernfs_test_mkfs(r, 0), -EBUSY);
	KUNIT_EXPECT_EQ(test, pkernfs_test_mkfs(r, PKERNFS_FORMAT_FORCE), -EBUSY);
	pkernfs_test_unload(r);
	r->sb = NULL;

	/* It cannot be loaded, so nobody can release what the record names. */
	root = pkernfs_block(r, pkernfs_area_start(&sb->inodes)) +
	       PKERNFS_ROOT_INO * PKERNFS_INODE_SIZE;
	root->nlink = 0;
	KUNIT_EXPECT_EQ(test, pkernfs_test_mkfs(r, 0), -EBUSY);
	/* But a device that this kernel knows of is alive, whatever is damaged. */
	pd->region = r;
	mutex_lock(&pkernfs_transition_lock);
	list_add_tail_rcu(&pd->node, &pkernfs_devices);
	mutex_unlock(&pkernfs_transition_lock);
	KUNIT_EXPECT_EQ(test, pkernfs_test_mkfs(r, PKERNFS_FORMAT_FORCE), -EBUSY);
	sb->crc ^= cpu_to_le32(1);
	KUNIT_EXPECT_EQ(test, pkernfs_test_mkfs(r, PKERNFS_FORMAT_FORCE), -EBUSY);
	sb->crc ^= cpu_to_le32(1);
	mutex_lock(&pkernfs_transition_lock);
	list_del_rcu(&pd->node);
	mutex_unlock(&pkernfs_transition_lock);
	synchronize_rcu();
	KUNIT_EXPECT_EQ(test, pkernfs_test_mkfs(r, PKERNFS_FORMAT_FORCE), 0);
	KUNIT_EXPECT_NOT_NULL(test, r->core);
	KUNIT_EXPECT_EQ(test, pkernfs_test_record(r)->state, 0);
}

/* What is loaded keeps the machine from hibernation, and hibernation it from being loaded. */
static void pkernfs_test_sleep(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test), *real = pkernfs_region_get(0);
	int busy = notifier_from_errno(-EBUSY);

	if (!pkernfs_region_count() || real->core)
		kunit_skip(test, "there is no region that is blank");
	KUNIT_EXPECT_EQ(test, pkernfs_sleep(NULL, PM_HIBERNATION_PREPARE, NULL), NOTIFY_OK);
	KUNIT_EXPECT_EQ(test, pkernfs_core_load(r), -EBUSY);
	KUNIT_EXPECT_NULL(test, r->core);
	KUNIT_EXPECT_EQ(test, pkernfs_test_mkfs(r, PKERNFS_FORMAT_FORCE), -EBUSY);
	KUNIT_EXPECT_EQ(test, pkernfs_sleep(NULL, PM_POST_HIBERNATION, NULL), NOTIFY_OK);
	KUNIT_EXPECT_EQ(test, pkernfs_core_load(r), 0);

	WRITE_ONCE(real->claimed, true);
	KUNIT_EXPECT_EQ(test, pkernfs_sleep(NULL, PM_HIBERNATION_PREPARE, NULL), busy);
	WRITE_ONCE(real->claimed, false);
	WRITE_ONCE(real->core, r->core);
	KUNIT_EXPECT_EQ(test, pkernfs_sleep(NULL, PM_HIBERNATION_PREPARE, NULL), busy);
	KUNIT_EXPECT_EQ(test, pkernfs_sleep(NULL, PM_RESTORE_PREPARE, NULL), busy);
	KUNIT_EXPECT_EQ(test, pkernfs_sleep(NULL, PM_SUSPEND_PREPARE, NULL), NOTIFY_OK);
	KUNIT_EXPECT_EQ(test, pkernfs_sleep(NULL, PM_POST_SUSPEND, NULL), NOTIFY_OK);
	WRITE_ONCE(real->core, NULL);
}

static struct kunit_case pkernfs_format_cases[] = {
	KUNIT_CASE(pkernfs_test_layout),
	KUNIT_CASE(pkernfs_test_layout_refused),
	KUNIT_CASE(pkernfs_test_layout_small),
	KUNIT_CASE(pkernfs_test_layout_huge),
	KUNIT_CASE(pkernfs_test_huge_load),
	KUNIT_CASE(pkernfs_test_layout_inodes),
	KUNIT_CASE(pkernfs_test_without_small),
	KUNIT_CASE(pkernfs_test_sb_flip),
	KUNIT_CASE(pkernfs_test_sb_copies),
	KUNIT_CASE(pkernfs_test_sb_newer),
	KUNIT_CASE(pkernfs_test_sb_areas),
	KUNIT_CASE(pkernfs_test_tree),
	KUNIT_CASE(pkernfs_test_mkfs_records),
	KUNIT_CASE(pkernfs_test_sleep),
	{}
};

static struct kunit_suite pkernfs_format_suite = {
	.name = "pkernfs-format",
	.exit = pkernfs_test_exit,
	.test_cases = pkernfs_format_cases,
};

kunit_test_suite(pkernfs_format_suite);
