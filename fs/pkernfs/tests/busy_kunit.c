// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs KUnit: who keeps a file's memory: holds, devices, users of what was unlinked.
 */

#include <kunit/static_stub.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/sizes.h>

#include "fixture.h"

#define PKERNFS_TEST_GRANULES	12000U

static void pkernfs_test_holds(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	struct pkernfs_node *a, *b;
	struct pkernfs_core *c;
	phys_addr_t pa, pb;
	u32 generation = 0;
	bool held;
	u64 ino = 0;

	pkernfs_test_load(test, r);
	c = r->core;
	a = pkernfs_test_file(test, c, "a");
	b = pkernfs_test_file(test, c, "b");
	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, a, 0, 2), 0);
	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, b, 0, 0), 0);
	pa = pkernfs_test_phys(c, pkernfs_test_granule(a, 0));
	pb = pkernfs_test_phys(c, pkernfs_test_granule(b, 0));
	KUNIT_ASSERT_EQ(test, pb, pa + 3 * SZ_2M);

	KUNIT_EXPECT_EQ(test, pkernfs_phys_owner(r, pa + 5 * SZ_4K, SZ_2M, &ino, &generation), 0);
	KUNIT_EXPECT_EQ(test, ino, a->ino);
	KUNIT_EXPECT_EQ(test, generation, 1);
	KUNIT_EXPECT_EQ(test, pkernfs_phys_owner(r, pa, 3 * SZ_2M, NULL, NULL), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_phys_owner(r, pa, 3 * SZ_2M + 1, NULL, NULL), -ENOENT);
	KUNIT_EXPECT_EQ(test, pkernfs_phys_owner(r, pb, SZ_2M + 1, NULL, NULL), -ENOENT);
	KUNIT_EXPECT_EQ(test, pkernfs_phys_owner(r, pa, 0, NULL, NULL), -ENOENT);
	KUNIT_EXPECT_EQ(test, pkernfs_phys_owner(r, r->base, SZ_4K, NULL, NULL), -ENOENT);
	KUNIT_EXPECT_EQ(test, pkernfs_phys_owner(r, pa, U64_MAX, NULL, NULL), -ENOENT);
	KUNIT_EXPECT_EQ(test, pkernfs_phys_owner(r, U64_MAX, SZ_4K, NULL, NULL), -ENOENT);

	/* All or nothing. */
	KUNIT_EXPECT_EQ(test, pkernfs_hold(r, pa, 5 * SZ_2M, NULL), -ENOENT);
	KUNIT_EXPECT_EQ(test, a->holds, 0);

	KUNIT_EXPECT_EQ(test, pkernfs_hold(r, pa + SZ_2M + SZ_4K, SZ_4K, NULL), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_hold(r, pa + SZ_2M, SZ_4K, NULL), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_test_cut(c, a, 1, 1, -1), -EBUSY);
	KUNIT_EXPECT_EQ(test, pkernfs_test_cut(c, a, 0, 100, 0), -EBUSY);
	KUNIT_EXPECT_TRUE(test, pkernfs_extent_busy(c, a, 0, 2 * SZ_2M - 1, &held));
	KUNIT_EXPECT_TRUE(test, held);
	KUNIT_EXPECT_EQ(test, pkernfs_test_cut(c, a, 2, 2, -1), 0);
	pkernfs_unhold(r, pa + SZ_2M, SZ_4K);
	KUNIT_EXPECT_EQ(test, pkernfs_test_cut(c, a, 1, 1, -1), -EBUSY);
	KUNIT_EXPECT_EQ(test, c->gpool[0].held, 1);
	/* Held by two, of two files. */
	KUNIT_EXPECT_EQ(test, pkernfs_hold(r, pb, 1, NULL), 0);
	KUNIT_EXPECT_EQ(test, b->holds, 1);
	KUNIT_EXPECT_EQ(test, c->gpool[0].held, 2);
	pkernfs_unhold(r, pa + SZ_2M + SZ_4K, SZ_4K);
	KUNIT_EXPECT_EQ(test, a->holds, 0);
	KUNIT_EXPECT_EQ(test, pkernfs_test_cut(c, a, 0, 100, 0), 0);
	pkernfs_unhold(r, pb, 1);
	KUNIT_EXPECT_EQ(test, c->gpool[0].held, 0);

	/* An unlinked file owns its memory to the end, but nobody can come back. */
	KUNIT_EXPECT_EQ(test, pkernfs_test_rename(c, "a", "b", 0), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_phys_owner(r, pb, SZ_4K, NULL, NULL), -ENOENT);
	KUNIT_EXPECT_EQ(test, pkernfs_hold(r, pb, SZ_4K, NULL), -ENOENT);
	KUNIT_EXPECT_EQ(test, c->gpool[0].free, c->gpool[0].granules - 1);
	KUNIT_EXPECT_EQ(test, pkernfs_node_destroy(c, b), 0);
	KUNIT_EXPECT_EQ(test, c->gpool[0].free, c->gpool[0].granules);
}

/* Only an empty file becomes a device file; to make it ordinary never fails. */
static void pkernfs_test_device_file(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	struct pkernfs_device *pd = kunit_kzalloc(test, sizeof(*pd), GFP_KERNEL);
	struct pkernfs_node *n;

	KUNIT_ASSERT_NOT_NULL(test, pd);
	pkernfs_test_load(test, r);
	n = pkernfs_test_file(test, r->core, "file");
	KUNIT_EXPECT_EQ(test, pkernfs_ino_set_device(r, n->ino, 2, pd), -ESTALE);
	KUNIT_EXPECT_EQ(test, pkernfs_ino_set_device(r, PKERNFS_ROOT_INO, 1, pd), -ESTALE);
	KUNIT_EXPECT_EQ(test, pkernfs_ino_set_device(r, n->ino, 1, pd), 0);
	KUNIT_EXPECT_PTR_EQ(test, n->device, pd);
	KUNIT_EXPECT_EQ(test, pkernfs_test_fill(r->core, n, 0, 0), -EBUSY);
	KUNIT_EXPECT_EQ(test, pkernfs_ino_set_device(r, n->ino, 1, pd + 1), -EBUSY);
	/* A device whose record names the same file has failed, and goes. */
	pkernfs_ino_clear_device(r, pd + 1);
	KUNIT_EXPECT_PTR_EQ(test, n->device, pd);
	pkernfs_ino_clear_device(r, pd);
	KUNIT_EXPECT_NULL(test, n->device);

	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(r->core, n, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, pkernfs_ino_set_device(r, n->ino, 1, pd), -ESTALE);
	KUNIT_EXPECT_NULL(test, n->device);
	/* However it came to be one: nothing of the device may stay behind. */
	n->device = pd;
	pkernfs_ino_clear_device(r, pd);
	KUNIT_EXPECT_NULL(test, n->device);
}

/* Orphans live through a load, and go at the mount. */
static void pkernfs_test_orphan(struct kunit *test)
{
	struct pkernfs_region *r = pkernfs_test_region(test);
	u32 ino, generation;

	pkernfs_test_load(test, r);
	pkernfs_test_file(test, r->core, "a");
	ino = pkernfs_test_file(test, r->core, "b")->ino;
	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(r->core, pkernfs_node_find(r->core, ino), 0, 5), 0);
	generation = le32_to_cpu(pkernfs_node_find(r->core, ino)->ser->generation);
	KUNIT_ASSERT_EQ(test, pkernfs_test_rename(r->core, "a", "b", 0), 0);
	pkernfs_test_reload(test, r);
	KUNIT_EXPECT_EQ(test, r->core->gpool[0].free, r->core->gpool[0].granules - 6);
	pkernfs_orphan_reclaim(r->core);
	KUNIT_EXPECT_EQ(test, r->core->gpool[0].free, r->core->gpool[0].granules);
	KUNIT_EXPECT_NULL(test, pkernfs_node_find(r->core, ino));
	pkernfs_test_reload(test, r);
	KUNIT_EXPECT_EQ(test, r->core->gpool[0].free, r->core->gpool[0].granules);

	/* The slot comes back with another generation. */
	do {
		char name[8];
		static int i;

		snprintf(name, sizeof(name), "n%d", i++);
		pkernfs_test_file(test, r->core, name);
	} while (!pkernfs_node_find(r->core, ino));
	KUNIT_EXPECT_EQ(test, le32_to_cpu(pkernfs_node_find(r->core, ino)->ser->generation),
			generation + 1);
}

/**
 * struct pkernfs_test_others - somebody who waits for the lock
 * @task: takes it to write as soon as a granule has been looked at
 * @c: the core
 * @looks: granules that were looked at
 * @after: the same, when @task had the lock
 */
struct pkernfs_test_others {
	struct task_struct *task;
	struct pkernfs_core *c;
	u32 looks;
	u32 after;
};

static int pkernfs_test_other(void *arg)
{
	struct pkernfs_test_others *o = arg;

	down_write(&o->c->lock);
	o->after = o->looks;
	up_write(&o->c->lock);
	while (!kthread_should_stop())
		usleep_range(1000, 2000);
	return 0;
}

static struct pkernfs_test_others pkernfs_test_others;

/* In the place of pkernfs_granule_idle(). */
static bool pkernfs_test_look(struct pkernfs_core *c, const struct pkernfs_gpool *p, u32 granule)
{
	struct pkernfs_test_others *o = &pkernfs_test_others;

	if (!o->looks++) {
		wake_up_process(o->task);
		while (!rwsem_is_contended(&c->lock))
			usleep_range(1000, 2000);
	}
	/* Readers may overtake it for 4 ms. */
	if (!(o->looks % 256))
		usleep_range(1000, 2000);
	return true;
}

static void pkernfs_test_look_from(struct kunit *test, struct pkernfs_core *c)
{
	struct pkernfs_test_others *o = &pkernfs_test_others;

	*o = (struct pkernfs_test_others){ .c = c };
	o->task = kthread_create(pkernfs_test_other, o, "pkernfs-test");
	KUNIT_ASSERT_FALSE(test, IS_ERR(o->task));
	kunit_activate_static_stub(test, pkernfs_granule_idle, pkernfs_test_look);
}

/* Each granule was looked at once, in steps. */
static void pkernfs_test_looked_at(struct kunit *test, u32 granules)
{
	struct pkernfs_test_others *o = &pkernfs_test_others;

	kunit_deactivate_static_stub(test, pkernfs_granule_idle);
	kthread_stop(o->task);
	KUNIT_EXPECT_EQ(test, o->looks, granules);
	KUNIT_EXPECT_GT(test, o->after, 0);
	KUNIT_EXPECT_LT(test, o->after, granules);
}

/*
 * Who has something else to do need not wait until all of a large file has been looked at, or
 * all of a region.
 */
static void pkernfs_test_steps(struct kunit *test)
{
	struct pkernfs_core *c = pkernfs_test_sparse(test, PKERNFS_TEST_GRANULES);
	struct pkernfs_node *n = pkernfs_test_file(test, c, "file");
	struct pkernfs_gpool *p = &c->gpool[PKERNFS_GPOOL_2M];
	bool held, used;

	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, n, 0, PKERNFS_TEST_GRANULES / 2 - 1), 0);
	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, n, PKERNFS_TEST_GRANULES,
						PKERNFS_TEST_GRANULES + 9), 0);
	pkernfs_test_look_from(test, c);
	KUNIT_EXPECT_FALSE(test, pkernfs_extent_busy(c, n, 0, PKERNFS_MAX_SIZE, &held));
	pkernfs_test_looked_at(test, PKERNFS_TEST_GRANULES / 2 + 10);

	pkernfs_test_look_from(test, c);
	KUNIT_EXPECT_EQ(test, pkernfs_gpool_busy(c, p, U64_MAX), 0);
	pkernfs_test_looked_at(test, PKERNFS_TEST_GRANULES / 2 + 10);

	pkernfs_test_look_from(test, c);
	mutex_lock(&pkernfs_format_lock);
	used = pkernfs_core_in_use(c);
	mutex_unlock(&pkernfs_format_lock);
	KUNIT_EXPECT_FALSE(test, used);
	pkernfs_test_looked_at(test, PKERNFS_TEST_GRANULES / 2 + 10);
}

/* In the place of pkernfs_granule_idle(): every third one is in use. */
static bool pkernfs_test_look_third(struct pkernfs_core *c, const struct pkernfs_gpool *p,
				    u32 granule)
{
	pkernfs_test_others.looks++;
	return granule % 3;
}

/* What is in use is counted, as far as one wants to know. */
static void pkernfs_test_gpool_busy(struct kunit *test)
{
	struct pkernfs_core *c = pkernfs_test_sparse(test, PKERNFS_TEST_GRANULES);
	struct pkernfs_node *n = pkernfs_test_file(test, c, "file");
	struct pkernfs_gpool *p = &c->gpool[PKERNFS_GPOOL_2M];
	u32 first, i, busy = 0;
	bool used;

	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, n, 0, 5000), 0);
	KUNIT_ASSERT_EQ(test, pkernfs_test_cut(c, n, 10, 4000, -1), 0);
	KUNIT_ASSERT_EQ(test, n->extents, 2);
	for (i = 0; i <= 5000; i++) {
		first = pkernfs_test_granule(n, i);
		busy += first != PKERNFS_NO_GRANULE && first % 3 == 0;
	}
	pkernfs_test_others.looks = 0;
	kunit_activate_static_stub(test, pkernfs_granule_idle, pkernfs_test_look_third);
	KUNIT_EXPECT_EQ(test, pkernfs_gpool_busy(c, p, U64_MAX), busy);
	KUNIT_EXPECT_EQ(test, pkernfs_test_others.looks, 1010);
	KUNIT_EXPECT_EQ(test, pkernfs_gpool_busy(c, p, 2), 2);
	KUNIT_EXPECT_LE(test, pkernfs_test_others.looks, 1010 + 6);
	mutex_lock(&pkernfs_format_lock);
	used = pkernfs_core_in_use(c);
	mutex_unlock(&pkernfs_format_lock);
	KUNIT_EXPECT_TRUE(test, used);
	KUNIT_EXPECT_LE(test, pkernfs_test_others.looks, 1010 + 6 + 3);
	kunit_deactivate_static_stub(test, pkernfs_granule_idle);
}

/* A refusal that the log does not name is not looked into: the file may be large. */
static void pkernfs_test_say_held(struct kunit *test)
{
	struct pkernfs_core *c = pkernfs_test_sparse(test, PKERNFS_TEST_GRANULES);
	struct pkernfs_node *n = pkernfs_test_file(test, c, "file");
	struct super_block *sb = kunit_kzalloc(test, sizeof(*sb), GFP_KERNEL);
	struct pkernfs_inode_info *info = kunit_kzalloc(test, sizeof(*info), GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, sb);
	KUNIT_ASSERT_NOT_NULL(test, info);
	sb->s_fs_info = c->r;
	info->vfs.i_sb = sb;
	info->node = n;
	KUNIT_ASSERT_EQ(test, pkernfs_test_fill(c, n, 1, 999), 0);
	pkernfs_test_others.looks = 0;
	kunit_activate_static_stub(test, pkernfs_granule_idle, pkernfs_test_look_third);
	for (i = 0; i < 200; i++)
		pkernfs_say_held(&info->vfs, 0, PKERNFS_MAX_SIZE);
	kunit_deactivate_static_stub(test, pkernfs_granule_idle);
	KUNIT_EXPECT_GT(test, pkernfs_test_others.looks, 0);
	KUNIT_EXPECT_LE(test, pkernfs_test_others.looks, 50);
}

static struct kunit_case pkernfs_busy_cases[] = {
	KUNIT_CASE(pkernfs_test_holds),
	KUNIT_CASE(pkernfs_test_device_file),
	KUNIT_CASE(pkernfs_test_orphan),
	KUNIT_CASE(pkernfs_test_steps),
	KUNIT_CASE(pkernfs_test_gpool_busy),
	KUNIT_CASE(pkernfs_test_say_held),
	{}
};

static struct kunit_suite pkernfs_busy_suite = {
	.name = "pkernfs-busy",
	.exit = pkernfs_test_exit,
	.test_cases = pkernfs_busy_cases,
};

kunit_test_suite(pkernfs_busy_suite);
