/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkernfs KUnit: a region in ordinary memory, without struct pages of its own.
 */
#ifndef _PKERNFS_TESTS_FIXTURE_H
#define _PKERNFS_TESTS_FIXTURE_H

#include <kunit/test.h>

#include "../pkernfs.h"

#define PKERNFS_TEST_BASE	BIT_ULL(32)
#define PKERNFS_TEST_BYTES	(32ULL << 20)
#define PKERNFS_TEST_INODES	32

struct pkernfs_region *pkernfs_test_region(struct kunit *test);
void pkernfs_test_load(struct kunit *test, struct pkernfs_region *r);
void pkernfs_test_unload(struct pkernfs_region *r);
void pkernfs_test_reload(struct kunit *test, struct pkernfs_region *r);
void pkernfs_test_exit(struct kunit *test);
int pkernfs_test_create(struct pkernfs_core *c, const char *name, u32 *ino);
int pkernfs_test_mknod(struct pkernfs_core *c, const char *name, umode_t mode, u32 rdev,
		       u32 *ino);
int pkernfs_test_mkdir(struct pkernfs_core *c, u32 dir, const char *name, u32 *ino);
int pkernfs_test_unlink(struct pkernfs_core *c, const char *name);
int pkernfs_test_link(struct pkernfs_core *c, u32 ino, const char *name);
int pkernfs_test_rename(struct pkernfs_core *c, const char *from, const char *to,
			unsigned int flags);
int pkernfs_test_fill(struct pkernfs_core *c, struct pkernfs_node *n, u64 first, u64 last);
int pkernfs_test_cut(struct pkernfs_core *c, struct pkernfs_node *n, u64 first, u64 last,
		     s64 size);
u32 pkernfs_test_lookup_locked(struct pkernfs_core *c, const char *name);
u32 pkernfs_test_lookup(struct pkernfs_core *c, const char *name);
struct pkernfs_node *pkernfs_test_file(struct kunit *test, struct pkernfs_core *c,
				       const char *name);

#endif
