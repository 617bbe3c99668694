/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkernfs: operations as those who are called by the VFS do them, without it; and the table
 * of those that are stopped after each of their stores. For KUnit, and for
 * tools/testing/fuzz, which has fsck look at what is left.
 */
#ifndef _PKERNFS_TESTS_OPS_H
#define _PKERNFS_TESTS_OPS_H

#include "../pkernfs.h"

#define PKERNFS_TEST_INODES	64
#define PKERNFS_TEST_OPS	48

/**
 * struct pkernfs_test_op - an operation to be stopped
 * @name: what it is
 * @setup: what is there before; 0, or it is not
 * @run: the operation: one transaction
 * @huge: the region has granules of 1 GiB
 */
struct pkernfs_test_op {
	const char *name;
	int (*setup)(struct pkernfs_core *c);
	int (*run)(struct pkernfs_core *c);
	bool huge;
};

extern const struct pkernfs_test_op pkernfs_test_ops[PKERNFS_TEST_OPS];

int pkernfs_test_make(struct pkernfs_core *c, u32 dir, const char *name,
		      umode_t mode, u32 rdev, const struct pkernfs_acls *acls, u32 *ino);
int pkernfs_test_remove(struct pkernfs_core *c, const char *name, u32 *ino);
int pkernfs_test_rename_to(struct pkernfs_core *c, u32 dir, const char *from, u32 dir_to,
			   const char *to, unsigned int flags);
u32 pkernfs_test_lookup_locked(struct pkernfs_core *c, const char *name);
int pkernfs_test_create(struct pkernfs_core *c, const char *name, u32 *ino);
int pkernfs_test_mknod(struct pkernfs_core *c, const char *name, umode_t mode, u32 rdev,
		       u32 *ino);
int pkernfs_test_symlink(struct pkernfs_core *c, const char *name, u32 len, u32 *ino);
int pkernfs_test_mkdir(struct pkernfs_core *c, u32 dir, const char *name, u32 *ino);
int pkernfs_test_unlink(struct pkernfs_core *c, const char *name);
int pkernfs_test_link(struct pkernfs_core *c, u32 ino, const char *name);
int pkernfs_test_rename(struct pkernfs_core *c, const char *from, const char *to,
			unsigned int flags);
int pkernfs_test_fill(struct pkernfs_core *c, struct pkernfs_node *n, u64 first, u64 last);
int pkernfs_test_cut(struct pkernfs_core *c, struct pkernfs_node *n, u64 first, u64 last,
		     s64 size);
u32 pkernfs_test_lookup(struct pkernfs_core *c, const char *name);

/* --- op_table_kunit.c --------------------------------------------------------- */

int pkernfs_setup_two(struct pkernfs_core *c);
struct pkernfs_node *pkernfs_one(struct pkernfs_core *c);

#endif
