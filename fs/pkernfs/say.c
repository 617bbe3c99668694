// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: what the log says of a call that was refused, and why.
 *
 * Whoever may open a file can cause all of this, so it is rate limited.
 */
#define pr_fmt(fmt) "pkernfs: " fmt

#include <linux/pci.h>
#include <linux/pkernfs.h>
#include <linux/pkernfs_iommu.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>
#include <linux/rculist.h>

#include "device.h"
#include "pkernfs.h"

/**
 * pkernfs_refuse_device - is it the file of a preserved device? Then say so
 * @inode: a file
 *
 * For a call that is refused with -EBUSY then.
 */
bool pkernfs_refuse_device(struct inode *inode)
{
	const struct pkernfs_device *pd;

	rcu_read_lock();
	pd = READ_ONCE(pkernfs_node(inode)->device);
	if (pd)
		pr_info_ratelimited("region %u: inode %lu is the file of %04x:%02x:%02x.%d, which is preserved\n",
				    pd->region->index, (unsigned long)inode->i_ino, pd->segment,
				    PCI_BUS_NUM(pd->rid), PCI_SLOT(pd->rid), PCI_FUNC(pd->rid));
	rcu_read_unlock();
	return pd;
}

/* Why somebody gets no page of a file, NULL: not for what the file or the region is. */
static const char *pkernfs_no_page(int err)
{
	switch (err) {
	case -EACCES:
		return "not open to read and to write, or append-only";
	case -EBUSY:
		return "the file of a preserved device";
	case -EFBIG:
		return "the file is in too many pieces";
	case -EHWPOISON:
		return "a memory error";
	case -EINVAL:
		return "behind the end of the file";
	case -ENOSPC:
		return "no memory is left that it could have, or no block for metadata";
	case -EPERM:
		return "the file is immutable";
	case -EROFS:
		return "a hole, and the mount is read-only";
	default:
		return NULL;
	}
}

/**
 * pkernfs_refuse_fault - say why a fault gets no page; its task may die of that
 * @inode: the file
 * @pos: place in it
 * @err: negative errno
 */
void pkernfs_refuse_fault(struct inode *inode, loff_t pos, int err)
{
	const char *why = pkernfs_no_page(err);

	if (why)
		pr_warn_ratelimited("region %u: inode %lu, offset %#llx: no page for a fault (%d): %s\n",
				    pkernfs_inode_core(inode)->r->index,
				    (unsigned long)inode->i_ino, pos, err, why);
}

/**
 * pkernfs_refuse_pin - say why a pin by the file is refused
 * @inode: the file
 * @pos: place in it
 * @err: negative errno
 *
 * Return: @err
 */
int pkernfs_refuse_pin(struct inode *inode, loff_t pos, int err)
{
	const char *why = pkernfs_no_page(err);

	if (why)
		pr_info_ratelimited("region %u: inode %lu, offset %#llx: not pinned (%d): %s\n",
				    pkernfs_inode_core(inode)->r->index,
				    (unsigned long)inode->i_ino, pos, err, why);
	return err;
}

struct pkernfs_reach {
	struct pkernfs_core *c;
	struct pkernfs_node *n;
	u64 from;
	u64 last;
};

/* Is some of this memory that part of the file? core->lock is held. */
static int pkernfs_reach_range(u64 iova, u64 bytes, u64 phys, u32 prot, void *arg)
{
	const struct pkernfs_reach *at = arg;
	const struct pkernfs_gpool *p = at->n->pool;
	u64 from = at->from >> p->shift, last = at->last >> p->shift, start;
	u32 i;

	for (i = pkernfs_extent_index(at->n, from); i < at->n->extents; i++) {
		const struct pkernfs_extent *e = &at->n->extent[i];
		u64 first = max(from, e->logical), end = min(last + 1, e->logical + e->count);

		if (first >= end)
			break;
		start = at->c->r->base + (pkernfs_granule_virt(at->c, p, e->granule +
							       (first - e->logical)) -
					  at->c->r->virt);
		if (phys < start + ((end - first) << p->shift) && start < phys + bytes)
			return -EEXIST;
	}
	return 0;
}

/**
 * pkernfs_say_held - say in the log what a file has kept its memory, or name, for
 * @inode: the file; its inode lock is held, and no other one of ours
 * @from: first byte of the part that would have gone
 * @last: last byte
 *
 * For who has got -EBUSY. Who has pinned a page is not known.
 */
void pkernfs_say_held(struct inode *inode, u64 from, u64 last)
{
	static DEFINE_RATELIMIT_STATE(rs, DEFAULT_RATELIMIT_INTERVAL, DEFAULT_RATELIMIT_BURST);
	struct pkernfs_core *c = pkernfs_sb_core(inode->i_sb);
	struct pkernfs_reach at = {
		.c = c, .n = pkernfs_node(inode), .from = from, .last = last,
	};
	struct pkernfs_device *pd;
	char name[16] = "a device";
	bool held;

	/* To look for it takes longer than to say it, and anybody can have it looked for. */
	if (pkernfs_refuse_device(inode) || !__ratelimit(&rs))
		return;
	if (!pkernfs_extent_busy(c, at.n, from, last, &held))
		return;
	if (!held) {
		pr_info("region %u: inode %lu keeps its memory: a page is pinned or in use\n",
			c->r->index, (unsigned long)inode->i_ino);
		return;
	}
	/* It nests outside of the inode lock. Who has it just now may be freezing one more. */
	if (mutex_trylock(&pkernfs_transition_lock)) {
		down_read(&c->lock);
		list_for_each_entry(pd, &pkernfs_devices, node) {
			if (pd->region != c->r ||
			    pkernfs_iommu_ranges(pd, pkernfs_reach_range, &at) != -EEXIST)
				continue;
			snprintf(name, sizeof(name), "%04x:%02x:%02x.%d", pd->segment,
				 PCI_BUS_NUM(pd->rid), PCI_SLOT(pd->rid), PCI_FUNC(pd->rid));
			break;
		}
		up_read(&c->lock);
		mutex_unlock(&pkernfs_transition_lock);
	}
	pr_info("region %u: inode %lu keeps its memory and its last name: %s, preserved, reaches it\n",
		c->r->index, (unsigned long)inode->i_ino, name);
}
