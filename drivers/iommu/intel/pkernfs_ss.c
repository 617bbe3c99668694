// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: VT-d second-stage tables, read and written by hand.
 */
#include <linux/bitops.h>
#include <linux/cacheflush.h>
#include <linux/errno.h>
#include <linux/io.h>
#include <linux/minmax.h>
#include <linux/mm.h>

#include "pkernfs_ss.h"

#define PKERNFS_SS_TABLE_BITS	9
#define PKERNFS_SS_ENTRIES	(1U << PKERNFS_SS_TABLE_BITS)

/* log2 of what one entry of a table at @level translates; level 0 is the last */
static unsigned int pkernfs_ss_shift(unsigned int level)
{
	return PAGE_SHIFT + level * PKERNFS_SS_TABLE_BITS;
}

static unsigned int pkernfs_ss_index(u64 iova, unsigned int level)
{
	return (iova >> pkernfs_ss_shift(level)) & (PKERNFS_SS_ENTRIES - 1);
}

static bool pkernfs_ss_is_leaf(u64 entry, unsigned int level)
{
	return level == 0 || (level <= 2 && (entry & PKERNFS_SS_PS));
}

static bool pkernfs_ss_present(u64 entry)
{
	return entry & (PKERNFS_SS_R | PKERNFS_SS_W);
}

/*
 * Bits that must be zero in what another kernel left (9.8, "Reserved"). Accessed and
 * dirty bits are only there if hardware was told to set them, and a page that it must
 * not write to is never dirty.
 */
static bool pkernfs_ss_sane(u64 entry, unsigned int level, bool dirty)
{
	u64 oa = entry & PKERNFS_SS_OA, may = dirty ? PKERNFS_SS_A : 0;

	if (!pkernfs_ss_is_leaf(entry, level))
		return !(entry & ~(PKERNFS_SS_R | PKERNFS_SS_W | PKERNFS_SS_OA | may)) &&
		       (entry & PKERNFS_SS_R) && (entry & PKERNFS_SS_W);

	if (dirty && entry & PKERNFS_SS_W)
		may |= PKERNFS_SS_D;
	if (entry & ~(PKERNFS_SS_ATTR | (level ? PKERNFS_SS_PS : 0) | PKERNFS_SS_OA | may))
		return false;
	return !(oa & (BIT_ULL(pkernfs_ss_shift(level)) - 1));
}

static void pkernfs_ss_decode(u64 entry, u64 iova, unsigned int level,
			      struct pkernfs_ss_leaf *leaf)
{
	leaf->bytes = BIT_ULL(pkernfs_ss_shift(level));
	leaf->iova = iova & ~(leaf->bytes - 1);
	leaf->oa = entry & PKERNFS_SS_OA & ~(leaf->bytes - 1);
	leaf->attr = entry & PKERNFS_SS_ATTR;
	leaf->dirty = entry & PKERNFS_SS_D;
}

static int pkernfs_ss_walk_table(phys_addr_t phys, u64 iova, unsigned int level,
				 const struct pkernfs_ss_visitor *v)
{
	struct pkernfs_ss_leaf leaf;
	unsigned int i;
	const u64 *table;
	int ret;

	if (v->table) {
		ret = v->table(phys, v->arg);
		if (ret)
			return ret;
	}

	cond_resched();
	table = phys_to_virt(phys);
	for (i = 0; i < PKERNFS_SS_ENTRIES; i++) {
		u64 at = iova | ((u64)i << pkernfs_ss_shift(level));
		u64 entry = READ_ONCE(table[i]);

		if (!pkernfs_ss_present(entry)) {
			if (v->strict && entry)
				return -EUCLEAN;
			continue;
		}
		if (v->strict && !pkernfs_ss_sane(entry, level, v->dirty))
			return -EUCLEAN;

		if (pkernfs_ss_is_leaf(entry, level)) {
			pkernfs_ss_decode(entry, at, level, &leaf);
			ret = v->leaf ? v->leaf(&leaf, v->arg) : 0;
		} else {
			ret = pkernfs_ss_walk_table(entry & PKERNFS_SS_OA, at,
						    level - 1, v);
		}
		if (ret)
			return ret;
	}

	if (v->table_done)
		v->table_done(phys, v->arg);
	return 0;
}

/**
 * pkernfs_ss_walk - visit all tables and leaves
 * @ss: table; a root of 0 is an empty one
 * @v: what to call
 *
 * The caller keeps the tables from changing, and may sleep. Recursion is bounded by
 * the number of levels, 5 at most.
 *
 * Return: 0, -EUCLEAN (see &pkernfs_ss_visitor.strict), or what a function gave
 */
int pkernfs_ss_walk(const struct pkernfs_ss *ss,
		    const struct pkernfs_ss_visitor *v)
{
	if (!ss->root)
		return 0;
	if (ss->levels < 3 || ss->levels > 5)
		return -EUCLEAN;
	return pkernfs_ss_walk_table(ss->root, 0, ss->levels - 1, v);
}

/* Entry of the leaf that translates an IOVA; NULL: @hole is the span without one */
static u64 *pkernfs_ss_find(const struct pkernfs_ss *ss, u64 iova,
			    struct pkernfs_ss_leaf *leaf, struct pkernfs_ss_leaf *hole)
{
	unsigned int level = ss->levels;
	phys_addr_t phys = ss->root;

	if (phys && !(iova >> pkernfs_ss_shift(level))) {
		while (level--) {
			u64 *table = phys_to_virt(phys);
			u64 *at = &table[pkernfs_ss_index(iova, level)];
			u64 entry = READ_ONCE(*at);

			if (!pkernfs_ss_present(entry))
				break;
			if (pkernfs_ss_is_leaf(entry, level)) {
				pkernfs_ss_decode(entry, iova, level, leaf);
				return at;
			}
			phys = entry & PKERNFS_SS_OA;
		}
	}
	hole->bytes = BIT_ULL(pkernfs_ss_shift(level));
	hole->iova = iova & ~(hole->bytes - 1);
	return NULL;
}

/**
 * pkernfs_ss_lookup - the leaf that translates an IOVA
 * @ss: table, one that this kernel trusts
 * @iova: any IOVA
 * @leaf: out
 *
 * Return: true if there is one
 */
bool pkernfs_ss_lookup(const struct pkernfs_ss *ss, u64 iova,
		       struct pkernfs_ss_leaf *leaf)
{
	struct pkernfs_ss_leaf hole;

	return pkernfs_ss_find(ss, iova, leaf, &hole);
}

/* How the leaves @a and @b translate @iova differently, NULL: alike */
static const char *pkernfs_ss_differ(const struct pkernfs_ss_leaf *a,
				     const struct pkernfs_ss_leaf *b, u64 iova)
{
	if (b->oa + (iova - b->iova) != a->oa + (iova - a->iova))
		return "mapped to another page";
	if (b->attr != a->attr)
		return "mapped with other rights";
	return NULL;
}

/**
 * pkernfs_ss_alike - pkernfs_ss_covers() for one IOVA
 * @fixed: the table that the hardware uses
 * @other: the table that is to replace it
 * @iova: IOVA
 * @what: out: how it differs
 *
 * Return: 0, -EXDEV or -EAGAIN as pkernfs_ss_covers()
 */
int pkernfs_ss_alike(const struct pkernfs_ss *fixed, const struct pkernfs_ss *other,
		     u64 iova, const char **what)
{
	struct pkernfs_ss_leaf a, b;

	if (!pkernfs_ss_lookup(fixed, iova, &a))
		return 0;
	*what = "not mapped";
	if (!pkernfs_ss_lookup(other, iova, &b))
		return -EAGAIN;
	*what = pkernfs_ss_differ(&a, &b, iova);
	return *what ? -EXDEV : 0;
}

struct pkernfs_ss_cover {
	const struct pkernfs_ss *other;
	u64 iova;
	const char *what;
	bool missing;
	u64 first_missing;
};

static int pkernfs_ss_cover_leaf(const struct pkernfs_ss_leaf *a, void *arg)
{
	struct pkernfs_ss_cover *c = arg;
	struct pkernfs_ss_leaf b;
	u64 at = a->iova;

	while (at < a->iova + a->bytes) {
		c->iova = at;
		if (!pkernfs_ss_find(c->other, at, &b, &b)) {
			if (!c->missing)
				c->first_missing = at;
			c->missing = true;
			at = min(a->iova + a->bytes, b.iova + b.bytes);
			continue;
		}
		c->what = pkernfs_ss_differ(a, &b, at);
		if (c->what)
			return -EXDEV;
		at = min(a->iova + a->bytes, b.iova + b.bytes);
	}
	return 0;
}

/**
 * pkernfs_ss_covers - does a table translate all that a fixed one does, alike?
 * @fixed: the table that the hardware uses
 * @other: the table that is to replace it; it may map more
 * @iova: out: first IOVA that differs, or else the first that is not mapped
 * @what: out: how it differs
 *
 * Every IOVA of @fixed has to go to the same page with the same rights and the
 * same snoop control. Page sizes may differ.
 *
 * Return: 0; -EXDEV when an IOVA is mapped in another way; -EAGAIN when the only
 * difference is that IOVAs are not mapped. @iova and @what are set with either.
 */
int pkernfs_ss_covers(const struct pkernfs_ss *fixed,
		      const struct pkernfs_ss *other, u64 *iova,
		      const char **what)
{
	struct pkernfs_ss_cover c = { .other = other, .iova = ~0ULL };
	struct pkernfs_ss_visitor v = {
		.leaf = pkernfs_ss_cover_leaf,
		.arg = &c,
	};
	int ret;

	ret = pkernfs_ss_walk(fixed, &v);
	if (ret) {
		*iova = c.iova;
		*what = c.what ?: "unreadable";
		return ret;
	}
	if (!c.missing)
		return 0;
	*iova = c.first_missing;
	*what = "not mapped";
	return -EAGAIN;
}

struct pkernfs_ss_merge {
	const struct pkernfs_ss *to;
	bool all;
};

static int pkernfs_ss_merge_leaf(const struct pkernfs_ss_leaf *a, void *arg)
{
	const struct pkernfs_ss_merge *m = arg;
	u64 at = a->iova, end = a->iova + a->bytes, *entry;
	struct pkernfs_ss_leaf b;

	if (!(a->attr & PKERNFS_SS_W) || !(a->dirty || m->all))
		return 0;
	for (; at < end; at = b.iova + b.bytes) {
		entry = pkernfs_ss_find(m->to, at, &b, &b);
		/* Hardware may be changing the same entry. */
		if (entry && b.attr & PKERNFS_SS_W && !b.dirty)
			set_bit(PKERNFS_SS_D_BIT, (unsigned long *)entry);
	}
	return 0;
}

/**
 * pkernfs_ss_merge_dirty - what is dirty in one table is dirty in another one, too
 * @from: the table that hardware has left: nothing caches it any more, so none of its
 *	dirty bits can come late
 * @to: the table that hardware is on; its leaves, but not their dirty bits, are kept
 *	from changing. It may lack some IOVAs; page sizes may differ
 * @all: @from has no dirty bits, as hardware was not told to set them: all that a
 *	device may write to counts as dirty
 *
 * A larger page of @to is dirty if any part of it is. Not for units that do not snoop
 * their tables: those have no dirty bits.
 */
void pkernfs_ss_merge_dirty(const struct pkernfs_ss *from, const struct pkernfs_ss *to,
			    bool all)
{
	struct pkernfs_ss_merge m = { .to = to, .all = all };
	struct pkernfs_ss_visitor v = { .leaf = pkernfs_ss_merge_leaf, .arg = &m };

	pkernfs_ss_walk(from, &v);
}

static void pkernfs_ss_store(struct pkernfs_ss_writer *w, u64 *at, u64 entry)
{
	WRITE_ONCE(*at, entry);
	if (!w->coherent)
		clflush_cache_range(at, sizeof(*at));
}

static u64 *pkernfs_ss_new_table(struct pkernfs_ss_writer *w)
{
	u64 *table = w->alloc(w->arg);

	if (table) {
		w->tables++;
		if (!w->coherent)
			clflush_cache_range(table, PAGE_SIZE);
	}
	return table;
}

/**
 * pkernfs_ss_map - add a leaf to a table that no hardware uses yet
 * @w: writer; @w->ss.levels is set
 * @leaf: an IOVA range that is not mapped so far
 *
 * On an error the table is whole, without this leaf; what was taken stays in it.
 *
 * Return: 0, -ENOSPC when there is no block, -ERANGE when the IOVA is beyond
 * the table, -EINVAL for a size or alignment that does not exist, -EEXIST
 */
int pkernfs_ss_map(struct pkernfs_ss_writer *w,
		   const struct pkernfs_ss_leaf *leaf)
{
	unsigned int level = w->ss.levels - 1;
	unsigned int last;
	u64 *table, *at;

	for (last = 0; last <= 2; last++)
		if (leaf->bytes == BIT_ULL(pkernfs_ss_shift(last)))
			break;
	if (last > 2 || (leaf->iova | leaf->oa) & (leaf->bytes - 1) ||
	    leaf->oa & ~PKERNFS_SS_OA || !pkernfs_ss_present(leaf->attr) ||
	    leaf->attr & ~PKERNFS_SS_ATTR)
		return -EINVAL;
	if (leaf->iova >> pkernfs_ss_shift(w->ss.levels))
		return -ERANGE;

	if (!w->ss.root) {
		table = pkernfs_ss_new_table(w);
		if (!table)
			return -ENOSPC;
		w->ss.root = virt_to_phys(table);
	}

	table = phys_to_virt(w->ss.root);
	for (;; level--) {
		at = &table[pkernfs_ss_index(leaf->iova, level)];
		if (level == last)
			break;
		if (!*at) {
			u64 *next = pkernfs_ss_new_table(w);

			if (!next)
				return -ENOSPC;
			pkernfs_ss_store(w, at, virt_to_phys(next) |
					 PKERNFS_SS_R | PKERNFS_SS_W);
		} else if (pkernfs_ss_is_leaf(*at, level)) {
			return -EEXIST;
		}
		table = phys_to_virt(*at & PKERNFS_SS_OA);
	}
	if (*at)
		return -EEXIST;

	pkernfs_ss_store(w, at, leaf->oa | leaf->attr |
			 (level ? PKERNFS_SS_PS : 0));
	w->pages += leaf->bytes >> PAGE_SHIFT;
	return 0;
}
