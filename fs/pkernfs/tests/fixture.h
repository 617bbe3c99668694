/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkernfs KUnit: a region in ordinary memory, without struct pages of its own.
 */
#ifndef _PKERNFS_TESTS_FIXTURE_H
#define _PKERNFS_TESTS_FIXTURE_H

#include <kunit/test.h>

#include "ops.h"

#define PKERNFS_TEST_BASE	BIT_ULL(32)
#define PKERNFS_TEST_BYTES	(32ULL << 20)

struct pkernfs_region *pkernfs_test_region(struct kunit *test);
struct pkernfs_region *pkernfs_test_huge_region(struct kunit *test);
struct pkernfs_core *pkernfs_test_sparse(struct kunit *test, u32 granules);
void pkernfs_test_load(struct kunit *test, struct pkernfs_region *r);
void pkernfs_test_unload(struct pkernfs_region *r);
void pkernfs_test_reload(struct kunit *test, struct pkernfs_region *r);
void pkernfs_test_exit(struct kunit *test);
struct pkernfs_node *pkernfs_test_file(struct kunit *test, struct pkernfs_core *c,
				       const char *name);
phys_addr_t pkernfs_test_phys(struct pkernfs_core *c, u32 granule);
u32 pkernfs_test_granule(struct pkernfs_node *n, u64 logical);

#endif
