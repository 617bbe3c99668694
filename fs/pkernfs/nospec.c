// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: bad pages leave the kernel's own mapping.
 *
 * Nobody asks for a page that is known to be bad. But a CPU reads ahead of what it is asked
 * for, a copy of the page before it is enough, and what it meets there is a machine check
 * like any other. So such a page is taken out of the direct mapping, as x86 does it for
 * memory that fails under a CPU, and for that alone: an error that comes by another way stays
 * mapped there, and the next kernel maps all of a region anew.
 *
 * It is done for pages of granules only. Metadata is used on, and so is what somebody may
 * just be writing to (poison.c); of metadata one page may be bad and unused today and hold
 * something tomorrow.
 *
 * A page that is not mapped must be known as bad by whoever could touch it. What is bad, and
 * what is metadata, is written in the region. So before somebody else may write that, mkfs
 * or the first store through /dev/pkernfsN, all its pages come back; the next load takes out
 * those that are listed then. region->hidden are those that are out, of which there are no
 * more than in the list.
 */

#define pr_fmt(fmt) "pkernfs: " fmt

#include <linux/ktime.h>
#include <linux/printk.h>
#include <linux/set_memory.h>
#include <linux/slab.h>

#include "nospec.h"
#include "pkernfs.h"

/**
 * pkernfs_nospec_hidden - is this page out of the mapping?
 * @r: the region; pkernfs_format_lock is held
 * @page: the page, counted from the start of the region
 */
bool pkernfs_nospec_hidden(const struct pkernfs_region *r, u64 page)
{
	lockdep_assert_held(&pkernfs_format_lock);
	return pkernfs_bad_listed(r->hidden, page);
}

/**
 * pkernfs_nospec_hide - take a bad page out of the mapping
 * @r: the region; pkernfs_format_lock is held
 * @page: the page of a granule, in the list of bad ones, counted from the start of the region
 *
 * It splits the large page that maps it, for which it takes memory, and interrupts all CPUs.
 *
 * Return: 0, also if it is out already; or an errno: it is as it was.
 */
int pkernfs_nospec_hide(struct pkernfs_region *r, u64 page)
{
	int err;

	lockdep_assert_held(&pkernfs_format_lock);
	if (!r->pgmaps)		/* KUnit: memory that is not ours */
		return 0;
	if (!r->hidden)
		r->hidden = kzalloc_obj(*r->hidden);
	if (!r->hidden)
		return -ENOMEM;
	if (pkernfs_bad_listed(r->hidden, page))
		return 0;
	err = set_mce_nospec(PHYS_PFN(r->base) + page);
	return err ?: pkernfs_bad_insert(r->hidden, page);
}

static bool pkernfs_page_in(const struct pkernfs_area *a, u64 page)
{
	return page - pkernfs_area_start(a) < pkernfs_area_count(a);
}

/**
 * pkernfs_nospec_load - take all bad pages of granules out of the mapping
 * @r: the region, not loaded yet; pkernfs_format_lock is held. r->sb has proven itself, and
 *	metadata is as it was when pages were taken out before
 * @b: the list, sound; NULL: there is none
 *
 * A failure costs no more than that: the page is not touched, but may be read ahead.
 */
void pkernfs_nospec_load(struct pkernfs_region *r, const struct pkernfs_bad_block_ser *b)
{
	const struct pkernfs_sb *sb = r->sb;
	ktime_t begin = ktime_get();
	u32 i, count = 0, failed = 0;
	int err = 0, last;

	for (i = 0; b && i < le32_to_cpu(b->count); i++) {
		u64 page = le64_to_cpu(b->page[i]);

		if ((!pkernfs_page_in(&sb->data, page) && !pkernfs_page_in(&sb->small, page) &&
		     !pkernfs_page_in(&sb->huge, page)) || pkernfs_nospec_hidden(r, page))
			continue;
		count++;
		last = pkernfs_nospec_hide(r, page);
		failed += !!last;
		err = last ?: err;
		cond_resched();
	}
	if (!count || !r->pgmaps)
		return;
	pr_info("region %u: %u bad pages taken out of the kernel's mapping, %lld us\n",
		r->index, count - failed, ktime_us_delta(ktime_get(), begin));
	if (failed)
		pr_warn("region %u: %u bad pages stay in the kernel's mapping: %pe\n",
			r->index, failed, ERR_PTR(err));
}

/**
 * pkernfs_nospec_show - have all pages in the mapping again
 * @r: the region, not loaded any more; pkernfs_format_lock is held
 *
 * Before its metadata is written by others than those who know the list. No memory is
 * needed, as nothing is split.
 */
void pkernfs_nospec_show(struct pkernfs_region *r)
{
	u32 i;

	lockdep_assert_held(&pkernfs_format_lock);
	if (!r->hidden)
		return;
	for (i = 0; i < le32_to_cpu(r->hidden->count); i++) {
		WARN_ON_ONCE(clear_mce_nospec(PHYS_PFN(r->base) +
					      le64_to_cpu(r->hidden->page[i])));
		cond_resched();
	}
	kfree(r->hidden);
	r->hidden = NULL;
}
