// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: zeroing memory for files.
 *
 * Most of the time that it takes to make a guest's RAM is this. So a large range is
 * shared out among CPUs, in pieces that whoever is free takes the next one of. The
 * caller does as much as it can itself; work items help it, as many as it may use CPUs.
 *
 * The helpers are kernel threads, and nobody's cgroup pays for them. Therefore they have
 * the lowest priority, and get what is idle; whoever has a nice value, or may run on one
 * CPU only, gets none; and the workqueue is in sysfs, for its CPUs and priority to be
 * changed. Those that have not begun when the caller is through, or is being killed, never
 * will. The others have to be waited for until they are through with their piece, for as
 * long as it takes them to get a CPU: so their pieces are small, and a real-time task,
 * which may be what keeps them from it, gets no help.
 */

#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/cpumask.h>
#include <linux/init.h>
#include <linux/sched.h>
#include <linux/sched/rt.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "pkernfs.h"

#define PKERNFS_ZERO_PIECE	SZ_2M
#define PKERNFS_ZERO_HELP	SZ_256K	/* a helper's piece */
#define PKERNFS_ZERO_SHARED	SZ_32M	/* below it takes as long to get help */
#define PKERNFS_ZERO_HELPERS	31U

static struct workqueue_struct *pkernfs_zero_wq;	/* NULL: no helpers */

/**
 * struct pkernfs_zero - memory that is being zeroed
 * @mem: where it begins
 * @bytes: its length
 * @next: offset of the first piece that nobody has taken
 * @stop: the caller is being killed
 */
struct pkernfs_zero {
	void *mem;
	u64 bytes;
	atomic64_t next;
	bool stop;
};

struct pkernfs_zero_helper {
	struct work_struct work;
	struct pkernfs_zero *z;
};

/* By the caller a stub of KUnit's can be called in its place. */
VISIBLE_IF_KUNIT void pkernfs_zero_piece(void *mem, u64 bytes)
{
	KUNIT_STATIC_STUB_REDIRECT(pkernfs_zero_piece, mem, bytes);
	memset(mem, 0, bytes);
}

static void pkernfs_zero_pieces(struct pkernfs_zero *z, bool caller)
{
	u64 at, piece = caller ? PKERNFS_ZERO_PIECE : PKERNFS_ZERO_HELP;

	for (;;) {
		at = atomic64_fetch_add(piece, &z->next);
		if (at >= z->bytes || READ_ONCE(z->stop))
			return;
		/* What is a single piece, as for a fault, is done all the same. */
		if (caller && at && fatal_signal_pending(current)) {
			WRITE_ONCE(z->stop, true);
			return;
		}
		pkernfs_zero_piece(z->mem + at, min(z->bytes - at, piece));
		cond_resched();
	}
}

static void pkernfs_zero_work(struct work_struct *work)
{
	pkernfs_zero_pieces(container_of(work, struct pkernfs_zero_helper, work)->z, false);
}

/* How many are to help the caller with so much. */
VISIBLE_IF_KUNIT unsigned int pkernfs_zero_helpers(u64 bytes)
{
	unsigned int cpus;

	if (!pkernfs_zero_wq || bytes < PKERNFS_ZERO_SHARED || task_nice(current) > 0 ||
	    rt_or_dl_task(current))
		return 0;
	cpus = cpumask_weight_and(current->cpus_ptr, cpu_online_mask);
	return min(max(cpus, 1U) - 1, PKERNFS_ZERO_HELPERS);
}

/**
 * pkernfs_zero_memory - zero memory of a region
 * @c: its core; the lock is not held
 * @mem: where to begin
 * @bytes: how much
 *
 * Return: 0; -EINTR: the caller is being killed, and not all is zero.
 */
int pkernfs_zero_memory(struct pkernfs_core *c, void *mem, u64 bytes)
{
	struct pkernfs_zero z = { .mem = mem, .bytes = bytes };
	unsigned int helpers = pkernfs_zero_helpers(bytes), i;
	struct pkernfs_zero_helper *h = NULL;

	KUNIT_STATIC_STUB_REDIRECT(pkernfs_zero_memory, c, mem, bytes);
	if (helpers)
		h = kvcalloc(helpers, sizeof(*h), GFP_NOFS | __GFP_NOWARN);
	for (i = 0; h && i < helpers; i++) {
		h[i].z = &z;
		INIT_WORK(&h[i].work, pkernfs_zero_work);
		queue_work_node(c->r->nid, pkernfs_zero_wq, &h[i].work);
	}
	pkernfs_zero_pieces(&z, true);
	for (i = 0; h && i < helpers; i++)
		cancel_work_sync(&h[i].work);
	kvfree(h);
	return z.stop ? -EINTR : 0;
}

static int __init pkernfs_zero_init(void)
{
	struct workqueue_attrs *attrs;

	if (!pkernfs_region_count())
		return 0;
	attrs = alloc_workqueue_attrs();
	if (!attrs)
		return -ENOMEM;
	pkernfs_zero_wq = alloc_workqueue("pkernfs_zero", WQ_UNBOUND | WQ_SYSFS, 0);
	attrs->nice = MAX_NICE;
	if (pkernfs_zero_wq && apply_workqueue_attrs(pkernfs_zero_wq, attrs)) {
		destroy_workqueue(pkernfs_zero_wq);
		pkernfs_zero_wq = NULL;
	}
	free_workqueue_attrs(attrs);
	return pkernfs_zero_wq ? 0 : -ENOMEM;
}
fs_initcall(pkernfs_zero_init);
