// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: pages with a memory error that cannot be corrected.
 *
 * The first block of the pool lists them, ascending, so that the next kernel knows
 * them before it gives out anything. A bad page takes its whole granule with it: one
 * that is free is never given out, one of a file stays the file's until the file
 * gives it up, and is not free after that. In the file the other pages go on.
 *
 * Of metadata there is no second copy. An error there is listed and reported, and a
 * block of the pool is not used any more when it becomes free, nor is a free record.
 */

#include <linux/slab.h>

#include "pkernfs.h"

static u64 pkernfs_bad_home(const struct pkernfs_sb *sb)
{
	return pkernfs_area_start(&sb->pool);
}

/* The list; NULL: the region was made without one. */
const struct pkernfs_bad_block_ser *pkernfs_bad_list(struct pkernfs_core *c)
{
	if (!pkernfs_has(c, PKERNFS_INCOMPAT_BAD))
		return NULL;
	return pkernfs_block(c->r, pkernfs_bad_home(c->r->sb));
}

/* Bad pages that are known. core->lock is held. */
u32 pkernfs_bad_count(struct pkernfs_core *c)
{
	const struct pkernfs_bad_block_ser *b = pkernfs_bad_list(c);

	return b ? le32_to_cpu(b->count) : 0;
}

/* Place in the list of the first one that is not before @page. */
static u32 pkernfs_bad_index(const struct pkernfs_bad_block_ser *b, u64 page)
{
	u32 low = 0, high = le32_to_cpu(b->count);

	while (low < high) {
		u32 mid = low + (high - low) / 2;

		if (le64_to_cpu(b->page[mid]) < page)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/**
 * pkernfs_bad_listed - is this page in a list?
 * @b: the list, sound; NULL: there is none
 * @page: the page, counted from the start of the region
 */
bool pkernfs_bad_listed(const struct pkernfs_bad_block_ser *b, u64 page)
{
	u32 i = b ? pkernfs_bad_index(b, page) : 0;

	return b && i < le32_to_cpu(b->count) && le64_to_cpu(b->page[i]) == page;
}

/**
 * pkernfs_bad_first - first bad page of a range
 * @c: the core; its lock is held
 * @page: first page, counted from the start of the region
 * @count: length
 *
 * Return: the page, or U64_MAX: all are good.
 */
u64 pkernfs_bad_first(struct pkernfs_core *c, u64 page, u64 count)
{
	const struct pkernfs_bad_block_ser *b = pkernfs_bad_list(c);
	u32 i;

	if (!b || !b->count)
		return U64_MAX;
	i = pkernfs_bad_index(b, page);
	if (i == le32_to_cpu(b->count) || le64_to_cpu(b->page[i]) - page >= count)
		return U64_MAX;
	return le64_to_cpu(b->page[i]);
}

/**
 * pkernfs_bad_phys - is there a bad page in this memory?
 * @r: the region, loaded
 * @phys: physical address
 * @bytes: length; all of it lies in the region
 */
bool pkernfs_bad_phys(struct pkernfs_region *r, phys_addr_t phys, u64 bytes)
{
	u64 first = (phys - r->base) >> PKERNFS_BLOCK_SHIFT;
	u64 last = (phys + bytes - 1 - r->base) >> PKERNFS_BLOCK_SHIFT;
	struct pkernfs_core *c = r->core;
	bool bad;

	down_read(&c->lock);
	bad = pkernfs_bad_first(c, first, last - first + 1) != U64_MAX;
	up_read(&c->lock);
	return bad;
}

/* First page of a granule, counted from the start of the region. */
static u64 pkernfs_granule_page(const struct pkernfs_gpool *p, u32 granule)
{
	return p->start + ((u64)granule << (p->shift - PKERNFS_BLOCK_SHIFT));
}

/**
 * pkernfs_page_granule - the granule that a page is in
 * @c: the core
 * @page: the page, counted from the start of the region
 * @granule: set to it
 *
 * Return: the pool that it is one of; NULL: the page is metadata.
 */
struct pkernfs_gpool *pkernfs_page_granule(struct pkernfs_core *c, u64 page, u32 *granule)
{
	struct pkernfs_gpool *p;

	for (p = c->gpool; p < c->gpool + PKERNFS_GPOOLS; p++) {
		u64 g = (page - p->start) >> (p->shift - PKERNFS_BLOCK_SHIFT);

		if (page < p->start || g >= p->granules)
			continue;
		*granule = g;
		return p;
	}
	return NULL;
}

/**
 * pkernfs_bad_in - is there a bad page in this part of the region?
 * @c: the core; its lock is held
 * @data: where it begins
 * @bytes: its length
 */
bool pkernfs_bad_in(struct pkernfs_core *c, const void *data, u64 bytes)
{
	u64 at = data - c->r->virt, page = at >> PKERNFS_BLOCK_SHIFT;

	return pkernfs_bad_first(c, page, DIV_ROUND_UP(at + bytes, PKERNFS_BLOCK_SIZE) -
				 page) != U64_MAX;
}

/**
 * pkernfs_bad_span - good memory from a place on
 * @c: the core; its lock is held
 * @data: the place
 * @bytes: how much is asked for; set to how many of it are good; or bad, up to the end
 *	of the page
 *
 * Return: false if the page is bad.
 */
bool pkernfs_bad_span(struct pkernfs_core *c, const void *data, u64 *bytes)
{
	u64 at = data - c->r->virt, page = at >> PKERNFS_BLOCK_SHIFT;
	u64 end = DIV_ROUND_UP(at + *bytes, PKERNFS_BLOCK_SIZE);
	u64 bad = pkernfs_bad_first(c, page, end - page);

	if (bad == U64_MAX)
		return true;
	if (bad != page) {
		*bytes = (bad << PKERNFS_BLOCK_SHIFT) - at;
		return true;
	}
	*bytes = min(*bytes, PKERNFS_BLOCK_SIZE - at % PKERNFS_BLOCK_SIZE);
	return false;
}

/**
 * pkernfs_bad_withhold - do not count bad granules as free
 * @c: the core; its lock is held
 * @p: granules of which size
 * @granule: the first one that may be bad and has just become free
 * @count: how many
 */
void pkernfs_bad_withhold(struct pkernfs_core *c, struct pkernfs_gpool *p, u32 granule,
			  u32 count)
{
	u64 page = pkernfs_granule_page(p, granule);
	u64 end = pkernfs_granule_page(p, granule + count);

	while (page < end) {
		page = pkernfs_bad_first(c, page, end - page);
		if (page == U64_MAX)
			break;
		granule = (page - p->start) >> (p->shift - PKERNFS_BLOCK_SHIFT);
		if (!__test_and_set_bit(granule, p->map))
			p->free--;
		page = pkernfs_granule_page(p, granule + 1);
	}
}

static const char *pkernfs_bad_damage(struct pkernfs_region *r,
				      const struct pkernfs_bad_block_ser *b)
{
	u32 count = le32_to_cpu(b->count), i;
	u64 page, last = 0;

	if (!pkernfs_block_sound(b, PKERNFS_BAD_MAGIC, 0, 0) || b->pad)
		return "bad pages: wrong checksum";
	if (count > PKERNFS_BAD_PAGES ||
	    memchr_inv(b->page + count, 0, (PKERNFS_BAD_PAGES - count) * sizeof(*b->page)))
		return "bad pages: impossible number";
	for (i = 0; i < count; i++, last = page) {
		page = le64_to_cpu(b->page[i]);
		if ((i && page <= last) || page >= r->bytes >> PKERNFS_BLOCK_SHIFT)
			return "bad pages: not in the region, or not ascending";
	}
	return NULL;
}

/**
 * pkernfs_bad_load - read the list at load
 * @c: the core; the log has been replayed
 * @why: set on error
 *
 * Before anything else takes blocks of the pool.
 *
 * Return: 0 or -EUCLEAN.
 */
int pkernfs_bad_load(struct pkernfs_core *c, const char **why)
{
	const struct pkernfs_bad_block_ser *b = pkernfs_bad_list(c);

	if (!b)
		return 0;
	*why = pkernfs_bad_damage(c->r, b);
	if (*why)
		return -EUCLEAN;
	*why = "bad pages: no pool";
	return pkernfs_pool_take(c, pkernfs_bad_home(c->r->sb)) ? -EUCLEAN : 0;
}

/**
 * pkernfs_bad_write - write the list of a new filesystem
 * @r: the region
 * @sb: its new superblock, not written yet
 * @old: what was known before, from pkernfs_bad_keep(); NULL: nothing
 */
void pkernfs_bad_write(struct pkernfs_region *r, const struct pkernfs_sb *sb,
		       const struct pkernfs_bad_block_ser *old)
{
	struct pkernfs_bad_block_ser *b = pkernfs_block(r, pkernfs_bad_home(sb));

	memset(b, 0, sizeof(*b));
	if (old)
		*b = *old;
	b->magic = cpu_to_le32(PKERNFS_BAD_MAGIC);
	pkernfs_block_seal(b);
}

/**
 * pkernfs_bad_keep - the list as it is now
 * @r: the region
 *
 * For a new filesystem, as memory does not get better by mkfs; and for whoever reads
 * or writes the region byte by byte. A region that cannot be loaded has a list, too.
 *
 * Return: a copy, to be freed with kfree(); NULL: there is none that is sound; -ENOMEM.
 */
struct pkernfs_bad_block_ser *pkernfs_bad_keep(struct pkernfs_region *r)
{
	const char *why;
	const struct pkernfs_sb *sb = r->sb ?: pkernfs_sb_find(r, &why);
	const struct pkernfs_bad_block_ser *b;

	if (!sb || !(le64_to_cpu(sb->feature_incompat) & PKERNFS_INCOMPAT_BAD))
		return NULL;
	b = pkernfs_block(r, pkernfs_bad_home(sb));
	if (pkernfs_bad_damage(r, b))
		return NULL;
	return kmemdup(b, sizeof(*b), GFP_KERNEL) ?: ERR_PTR(-ENOMEM);
}

static bool pkernfs_bad_between(const struct pkernfs_bad_block_ser *b, u64 start, u64 count)
{
	u32 i = pkernfs_bad_index(b, start);

	return i < le32_to_cpu(b->count) && le64_to_cpu(b->page[i]) - start < count;
}

static bool pkernfs_bad_area(const struct pkernfs_bad_block_ser *b,
			     const struct pkernfs_area *a)
{
	return pkernfs_bad_between(b, pkernfs_area_start(a), pkernfs_area_count(a));
}

/**
 * pkernfs_bad_layout - would a layout have metadata on a bad page?
 * @b: the list, sound; NULL: there is none
 * @sb: a superblock to be written
 *
 * Blocks of the pool are no question, but for the first: bad ones are not given out.
 */
bool pkernfs_bad_layout(const struct pkernfs_bad_block_ser *b, const struct pkernfs_sb *sb)
{
	u64 blocks = le64_to_cpu(sb->bytes) >> PKERNFS_BLOCK_SHIFT;

	return b && (pkernfs_bad_between(b, 0, 1) || pkernfs_bad_between(b, blocks - 1, 1) ||
		     pkernfs_bad_area(b, &sb->journal) || pkernfs_bad_area(b, &sb->inodes) ||
		     pkernfs_bad_area(b, &sb->records) || pkernfs_bad_area(b, &sb->handover) ||
		     pkernfs_bad_between(b, pkernfs_bad_home(sb), 1));
}

/* --- a new error -------------------------------------------------------------- */

/* Enter a page into a list: 0, -EEXIST, -ENOSPC. */
int pkernfs_bad_insert(struct pkernfs_bad_block_ser *b, u64 page)
{
	u32 count = le32_to_cpu(b->count), i = pkernfs_bad_index(b, page);

	if (i < count && le64_to_cpu(b->page[i]) == page)
		return -EEXIST;
	if (count == PKERNFS_BAD_PAGES)
		return -ENOSPC;
	memmove(b->page + i + 1, b->page + i, (count - i) * sizeof(*b->page));
	b->page[i] = cpu_to_le64(page);
	b->count = cpu_to_le32(count + 1);
	return 0;
}

/**
 * pkernfs_bad_add - remember a bad page
 * @c: the core
 * @page: the page, counted from the start of the region
 *
 * Return: 0; -EEXIST: it is known; -ENOSPC: the list is full; -EOPNOTSUPP: there is
 * none; -EIO: it cannot be written without the page; -ESHUTDOWN.
 */
int pkernfs_bad_add(struct pkernfs_core *c, u64 page)
{
	struct pkernfs_bad_block_ser *b;
	struct pkernfs_gpool *p;
	u32 g;
	int err;

	if (!pkernfs_has(c, PKERNFS_INCOMPAT_BAD))
		return -EOPNOTSUPP;
	if (page == pkernfs_bad_home(c->r->sb) ||
	    page - pkernfs_area_start(&c->r->sb->journal) <
	    pkernfs_area_count(&c->r->sb->journal))
		return -EIO;
	err = pkernfs_tx_begin(c);
	if (err)
		return err;
	b = pkernfs_tx_block(c, pkernfs_bad_home(c->r->sb));
	err = pkernfs_bad_insert(b, page);
	if (err)
		goto out;
	err = pkernfs_tx_commit(c);
	p = pkernfs_page_granule(c, page, &g);
	if (!err && p)
		pkernfs_bad_withhold(c, p, g, 1);
out:
	pkernfs_tx_end(c);
	return err;
}
