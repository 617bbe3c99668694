// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: a region's metadata in memory.
 *
 * Loaded once, by the adoption of devices at boot or by the first mount, and kept:
 * what a preserved device or a pin can reach stays known after umount. Loading
 * proves the superblock, replays the redo log, then reads and checks everything.
 * It writes nothing but the replay. A region in which anything is damaged is not
 * loaded at all: whose memory it is can then not be known, and giving some of it
 * away could hand out what a device still writes to.
 *
 * Its cost goes by what is in use, not by the size of the region.
 */

#define pr_fmt(fmt) "pkernfs: " fmt

#include <linux/kexec.h>
#include <linux/printk.h>
#include <linux/reboot.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "nospec.h"
#include "pkernfs.h"

#define PKERNFS_RECLAIM_PERIOD	HZ

static void pkernfs_reclaim_work(struct work_struct *work)
{
	struct pkernfs_core *c = container_of(to_delayed_work(work),
					      struct pkernfs_core, reclaim);

	pkernfs_orphan_reclaim(c);
}

static struct pkernfs_core *pkernfs_core_make(struct pkernfs_region *r, bool check,
					      const char **why)
{
	struct pkernfs_core *c = kzalloc_obj(*c);
	int err;

	*why = "no memory";
	if (!c)
		return ERR_PTR(-ENOMEM);
	c->r = r;
	c->check = check;
	c->stores_left = -1;
	init_rwsem(&c->lock);
	xa_init_flags(&c->nodes, XA_FLAGS_ALLOC1);
	INIT_LIST_HEAD(&c->orphans);
	INIT_LIST_HEAD(&c->fills);
	init_waitqueue_head(&c->fill_wait);
	INIT_DELAYED_WORK(&c->reclaim, pkernfs_reclaim_work);
	err = pkernfs_core_read(c, why);
	if (err) {
		pkernfs_core_free(c);
		return ERR_PTR(err);
	}
	return c;
}

/**
 * pkernfs_core_new - load the metadata of a region
 * @r: the region; r->sb has proven itself
 * @why: set on error
 *
 * Return: the core, or an error pointer: -EUCLEAN, -ENOMEM.
 */
struct pkernfs_core *pkernfs_core_new(struct pkernfs_region *r, const char **why)
{
	return pkernfs_core_make(r, false, why);
}

void pkernfs_core_free(struct pkernfs_core *c)
{
	cancel_delayed_work_sync(&c->reclaim);
	pkernfs_alloc_exit(c);
	kfree(c);
}

/* pkernfs_core_load() with pkernfs_format_lock held. */
int pkernfs_core_load_locked(struct pkernfs_region *r)
{
	const struct pkernfs_sb *sb;
	struct pkernfs_core *c;
	const char *why = NULL, *last;

	lockdep_assert_held(&pkernfs_format_lock);
	if (r->core)
		return 0;
	if (!r->virt)
		return -ENXIO;
	if (r->claimed || pkernfs_hibernating())
		return -EBUSY;

	sb = pkernfs_sb_find(r, &why);
	if (!sb) {
		WRITE_ONCE(r->reason, why);
		return -EINVAL;
	}
	/* Nothing depends on it; but the next damage may be to this one. */
	last = (void *)sb == r->virt ? pkernfs_sb_check(r, 1) : NULL;
	if (last)
		pkernfs_load_say(pr_warn, "region %u: %s in the copy at the end\n",
				 r->index, last);
	WRITE_ONCE(r->sb, sb);
	c = pkernfs_core_new(r, &why);
	if (IS_ERR(c)) {
		pkernfs_load_say(pr_err, "region %u: not loaded: %s\n", r->index, why);
		WRITE_ONCE(r->sb, NULL);
		WRITE_ONCE(r->reason, why);
		return PTR_ERR(c);
	}
	/* What was wrong before is not any more; but ~0 is no place to mount. */
	if (r->index != ~0U)
		WRITE_ONCE(r->reason, NULL);
	pkernfs_nospec_load(r, pkernfs_bad_list(c));
	/* Lockless readers of r->core must find it complete. */
	smp_store_release(&r->core, c);
	return 0;
}

/**
 * pkernfs_core_load - read and check the metadata of a region
 * @r: the region, mapped
 *
 * Any number of times; only the first one does something. Sets r->sb, r->core, and
 * on failure r->reason. Process context, from the time that regions are mapped.
 *
 * Return: 0; -EINVAL: no superblock proves itself; -EUCLEAN: damaged; -EBUSY: claimed
 * through its device, or the machine is about to hibernate; -ENOMEM.
 */
int pkernfs_core_load(struct pkernfs_region *r)
{
	int err;

	mutex_lock(&pkernfs_format_lock);
	err = pkernfs_core_load_locked(r);
	mutex_unlock(&pkernfs_format_lock);
	return err;
}

/*
 * Read all metadata once more, as the next kernel would, while nobody changes it; @c:
 * of the region, if it is loaded. @free: set to its free inodes at that time. Nothing is
 * written.
 */
static struct pkernfs_core *pkernfs_core_again(struct pkernfs_region *r,
					       struct pkernfs_core *c, u32 *free,
					       const char **why)
{
	unsigned int nofs = memalloc_nofs_save();
	struct pkernfs_core *next;

	/* The lock of @next is taken inside. */
	if (c)
		down_read_nested(&c->lock, SINGLE_DEPTH_NESTING);
	next = pkernfs_core_make(r, true, why);
	*free = c ? c->inodes_free : 0;
	if (c)
		up_read(&c->lock);
	memalloc_nofs_restore(nofs);
	return next;
}

/**
 * pkernfs_core_check - would the next kernel load this region?
 * @r: the region
 * @result: reason and numbers are set
 *
 * Return: 0, or -ENOMEM.
 */
int pkernfs_core_check(struct pkernfs_region *r, struct pkernfs_region_check *result)
{
	const char *why = NULL;
	struct pkernfs_core *next;
	u32 free;

	lockdep_assert_held(&pkernfs_format_lock);
	/* Without a core nobody has looked since it was written. */
	if (!r->core)
		WRITE_ONCE(r->sb, pkernfs_sb_find(r, &why));
	if (!r->sb) {
		strscpy_pad(result->reason, why ?: "not formatted", sizeof(result->reason));
		return 0;
	}
	next = pkernfs_core_again(r, r->core, &free, &why);
	if (PTR_ERR(next) == -ENOMEM)
		return -ENOMEM;
	if (IS_ERR(next)) {
		strscpy_pad(result->reason, why, sizeof(result->reason));
		return 0;
	}
	result->inodes = next->inodes - 1 - next->inodes_free;
	result->orphans = list_count_nodes(&next->orphans);
	pkernfs_core_free(next);
	return 0;
}

#ifdef CONFIG_PKERNFS_TEST
/*
 * Would the next kernel load what this one has made? A change that the checks at
 * load do not know would show there first, as a region that nobody can reach.
 */
void pkernfs_core_verify(struct pkernfs_core *c)
{
	struct pkernfs_core *next;
	const char *why;
	u32 free;

	/* What a test has stopped is for the replay to finish. */
	if (pkernfs_core_stopped(c))
		return;
	next = pkernfs_core_again(c->r, c, &free, &why);
	if (!IS_ERR(next)) {
		WARN_ON_ONCE(next->inodes_free != free);
		pkernfs_core_free(next);
	} else {
		WARN(PTR_ERR(next) != -ENOMEM, "region %u cannot be loaded again: %s\n",
		     c->r->index, why);
	}
}
#endif

/**
 * pkernfs_core_quiesce - no change of metadata from here on
 * @c: the core
 *
 * When it returns no operation is under way, and later ones fail with -ESHUTDOWN,
 * so that the CPUs may stop anywhere. The redo log would cope without it; this way
 * it has nothing to do.
 */
void pkernfs_core_quiesce(struct pkernfs_core *c)
{
	down_write(&c->lock);
	c->quiesced = true;
	up_write(&c->lock);
}

/* There is no way back: from here on nothing can make a kexec fail. */
static int pkernfs_core_reboot(struct notifier_block *nb, unsigned long action,
			       void *data)
{
	struct pkernfs_core *c;
	unsigned int i;

	if (!kexec_in_progress)
		return NOTIFY_DONE;
	mutex_lock(&pkernfs_format_lock);
	for (i = 0; i < pkernfs_region_count(); i++) {
		c = pkernfs_region_get(i)->core;
		if (!c)
			continue;
		pkernfs_core_quiesce(c);
		pkernfs_core_verify(c);
	}
	mutex_unlock(&pkernfs_format_lock);
	return NOTIFY_DONE;
}

static struct notifier_block pkernfs_core_nb = {
	.notifier_call	= pkernfs_core_reboot,
	.priority	= -1,	/* after that of the devices, which builds the handover */
};

static int __init pkernfs_core_init(void)
{
	return register_reboot_notifier(&pkernfs_core_nb);
}
fs_initcall(pkernfs_core_init);

/**
 * pkernfs_core_in_use - would anybody miss the contents of this region?
 * @c: its core
 *
 * pkernfs_format_lock is held. Mounted, held for a device, or with pages pinned.
 */
bool pkernfs_core_in_use(struct pkernfs_core *c)
{
	const struct pkernfs_gpool *p;
	bool used = c->sb;
	struct pkernfs_node *n;
	unsigned long ino;

	lockdep_assert_held(&pkernfs_format_lock);
	down_read(&c->lock);
	for (p = c->gpool; p < c->gpool + PKERNFS_GPOOLS; p++)
		used = used || p->held;
	xa_for_each(&c->nodes, ino, n)
		used = used || n->device;
	up_read(&c->lock);
	/* Without a mount, and of what is not held, users only go. */
	for (p = c->gpool; p < c->gpool + PKERNFS_GPOOLS && !used; p++)
		used = pkernfs_gpool_busy(c, p, 1);
	return used;
}

/* --- device files ------------------------------------------------------------- */

/* Can this be a device file: an empty regular file that has a name? */
bool pkernfs_node_fit(const struct pkernfs_node *n)
{
	return n->slots && !n->extents && n->ser->nlink;
}

/**
 * pkernfs_ino_set_device - make a file a device file, without an inode and a mount
 * @r: the region, loaded
 * @ino: from the device's record
 * @generation: from there too
 * @pd: the device
 *
 * At adoption.
 *
 * Return: 0, -ESTALE: there is no such file, or it is not empty; -EBUSY: it is
 * another device's.
 */
int pkernfs_ino_set_device(struct pkernfs_region *r, u64 ino, u32 generation,
			   struct pkernfs_device *pd)
{
	struct pkernfs_core *c = r->core;
	struct pkernfs_node *n;
	int err = 0;

	if (!c)
		return -ESTALE;
	down_write(&c->lock);
	n = pkernfs_node_find(c, ino);
	if (!n || le32_to_cpu(n->ser->generation) != generation || !pkernfs_node_fit(n))
		err = -ESTALE;
	else if (n->device && n->device != pd)
		err = -EBUSY;
	else
		WRITE_ONCE(n->device, pd);
	up_write(&c->lock);
	return err;
}

/**
 * pkernfs_ino_clear_device - a device is gone: its file is ordinary again
 * @r: the region
 * @pd: the device
 *
 * Whatever became of the file, or its node would point at a device that is gone.
 * Not by the number in the record, which may be any when the device has failed:
 * the file of another device stays that.
 */
void pkernfs_ino_clear_device(struct pkernfs_region *r, struct pkernfs_device *pd)
{
	struct pkernfs_core *c = r->core;
	struct pkernfs_node *n;
	unsigned long ino;

	if (!c)
		return;
	down_write(&c->lock);
	xa_for_each(&c->nodes, ino, n)
		if (n->device == pd)
			WRITE_ONCE(n->device, NULL);
	up_write(&c->lock);
}

/* --- orphans ------------------------------------------------------------------- */

/**
 * pkernfs_node_destroy - free an unlinked inode with all that it has
 * @c: the core
 * @n: its node; no inode of the VFS refers to it. Gone on success
 *
 * Return: 0; -EBUSY: pages are pinned or held, it is being looked up by a file handle, or
 * the filesystem is frozen or read-only; -ESHUTDOWN.
 */
int pkernfs_node_destroy(struct pkernfs_core *c, struct pkernfs_node *n)
{
	struct pkernfs_inode_ser *ser;
	u32 i, xattr;
	bool held;
	int err;

	if (READ_ONCE(c->frozen) || READ_ONCE(c->rdonly))
		return -EBUSY;	/* asked again below; to look at all pages takes longer */
	/* No inode of an unlinked one is made: a page without users gets none any more. */
	if (pkernfs_extent_busy(c, n, 0, PKERNFS_MAX_SIZE, &held))
		return -EBUSY;
	err = pkernfs_tx_begin(c);
	if (err)
		return err;
	if (WARN_ON_ONCE(n->ser->nlink) || c->frozen || c->rdonly || n->holds || n->device ||
	    atomic_read(&n->lookups)) {
		pkernfs_tx_end(c);
		return -EBUSY;
	}
	xattr = le32_to_cpu(n->ser->xattr);
	ser = pkernfs_tx_inode(c, n->ino);
	memset(ser, 0, PKERNFS_INODE_STATIC);
	ser->magic = n->ser->magic;
	ser->generation = n->ser->generation;
	ser->ino = n->ser->ino;
	err = pkernfs_tx_commit(c);
	if (!err) {
		for (i = 0; i < n->extents; i++)
			pkernfs_granule_release(c, n->pool, n->extent[i].granule,
						n->extent[i].count);
		for (i = 0; i < n->chains; i++)
			pkernfs_pool_put(c, n->chain[i]);
		if (xattr)
			pkernfs_pool_put(c, xattr);
		pkernfs_node_free(c, n);
	}
	pkernfs_tx_end(c);
	return err;
}

/**
 * pkernfs_orphan_add - free this unlinked inode when its pages are idle
 * @c: the core
 * @n: its node
 *
 * ZONE_DEVICE pages say nothing when their last user goes, so we look again from
 * time to time.
 */
void pkernfs_orphan_add(struct pkernfs_core *c, struct pkernfs_node *n)
{
	down_write(&c->lock);
	list_add_tail(&n->orphan, &c->orphans);
	up_write(&c->lock);
	schedule_delayed_work(&c->reclaim, PKERNFS_RECLAIM_PERIOD);
}

/**
 * pkernfs_orphan_reclaim - free the orphans that have become idle
 * @c: the core
 *
 * At mount, and then as long as there are any.
 */
void pkernfs_orphan_reclaim(struct pkernfs_core *c)
{
	struct pkernfs_node *n, *next;
	LIST_HEAD(list);
	bool again;
	int err = 0;

	down_write(&c->lock);
	list_splice_init(&c->orphans, &list);
	up_write(&c->lock);

	list_for_each_entry_safe(n, next, &list, orphan) {
		if (err != -ESHUTDOWN)
			err = pkernfs_node_destroy(c, n);
	}

	down_write(&c->lock);
	list_splice(&list, &c->orphans);
	again = !list_empty(&c->orphans) && !c->quiesced;
	up_write(&c->lock);
	if (again)
		schedule_delayed_work(&c->reclaim, PKERNFS_RECLAIM_PERIOD);
}
