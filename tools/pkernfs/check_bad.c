// SPDX-License-Identifier: GPL-2.0
/*
 * The check of the list of bad pages, the first block of the pool.
 *
 * A page that is lost from it is found again when somebody uses it, the hard way; one
 * that is wrongly in it costs its granule when that is free. So what can be a page stays.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"

static uint32_t check_bad_count(const struct pkernfs_bad_block_ser *b)
{
	return le32toh(b->count) < PKERNFS_BAD_PAGES ? le32toh(b->count) : PKERNFS_BAD_PAGES;
}

/* Place in the list of the first one that is not before @page */
static uint32_t check_bad_index(const struct pkernfs_bad_block_ser *b, uint64_t page)
{
	uint32_t low = 0, high = check_bad_count(b);

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (le64toh(b->page[mid]) < page)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool check_bad_zero(const struct pkernfs_bad_block_ser *b)
{
	return !b->ino && !b->pad && !b->generation;
}

static void check_bad_head(struct check *k, uint64_t block)
{
	struct pkernfs_bad_block_ser *b = image_block(k->img, block);
	bool magic = le32toh(b->magic) == PKERNFS_BAD_MAGIC;
	bool head = check_bad_zero(b);
	bool crc = le32toh(b->crc) == image_block_crc(b);

	if (magic && head && crc)
		return;
	if (!magic && !(head && crc)) {
		k->bad_blank = check_zero(b, BLOCK);
		if (!check_found(k, P_BAD_LIST, "block %llu", (unsigned long long)block))
			return;
		memset(image_change(k->img, block), 0, BLOCK);
	} else if (!check_found(k, P_BAD_CRC, "block %llu", (unsigned long long)block)) {
		return;
	}
	b = image_change(k->img, block);
	b->magic = htole32(PKERNFS_BAD_MAGIC);
	b->ino = 0;
	b->pad = 0;
	b->generation = 0;
	check_block_seal(b);
}

/* Number, range and order */
static bool check_bad_sound(const struct image *img, const struct pkernfs_bad_block_ser *b)
{
	uint32_t count = check_bad_count(b), i;

	if (count != le32toh(b->count) ||
	    !check_zero(b->page + count, (PKERNFS_BAD_PAGES - count) * sizeof(*b->page)))
		return false;
	for (i = 0; i < count; i++)
		if (le64toh(b->page[i]) >= img->blocks ||
		    (i && le64toh(b->page[i]) <= le64toh(b->page[i - 1])))
			return false;
	return true;
}

static int check_bad_compare(const void *a, const void *b)
{
	uint64_t x = le64toh(*(const __le64 *)a), y = le64toh(*(const __le64 *)b);

	return x < y ? -1 : x > y;
}

/* Those behind the end that they say, too. Page 0 can only be the first one. */
static void check_bad_order(struct check *k, struct pkernfs_bad_block_ser *b)
{
	uint32_t i, count = 0, once = 0;

	for (i = 0; i < PKERNFS_BAD_PAGES; i++)
		if (le64toh(b->page[i]) < k->img->blocks &&
		    (b->page[i] || (!i && check_bad_count(b))))
			b->page[count++] = b->page[i];
	qsort(b->page, count, sizeof(*b->page), check_bad_compare);
	for (i = 0; i < count; i++)
		if (!i || b->page[i] != b->page[i - 1])
			b->page[once++] = b->page[i];
	memset(b->page + once, 0, (PKERNFS_BAD_PAGES - once) * sizeof(*b->page));
	b->count = htole32(once);
	check_block_seal(b);
}

/**
 * check_bad_list - check the list of bad pages
 * @k: the check; the log has been replayed
 *
 * Before anything else takes blocks of the pool.
 */
void check_bad_list(struct check *k)
{
	uint64_t block = area_start(&k->img->sb.pool);
	struct pkernfs_bad_block_ser *b;

	k->bad = NULL;
	if (!check_has(k, PKERNFS_INCOMPAT_BAD))
		return;
	check_named(k, block);
	check_take(k, block);
	check_bad_head(k, block);
	b = image_block(k->img, block);
	if (!check_bad_sound(k->img, b) &&
	    check_found(k, P_BAD_PAGE, "block %llu, %u pages", (unsigned long long)block,
			le32toh(b->count)))
		check_bad_order(k, image_change(k->img, block));
	k->bad = b;
}

/**
 * check_bad - is there a bad page among these blocks?
 * @k: the check
 * @block: the first one
 * @blocks: number of them
 */
bool check_bad(const struct check *k, uint64_t block, uint64_t blocks)
{
	uint32_t low;

	if (!k->bad)
		return false;
	low = check_bad_index(k->bad, block);
	return low < check_bad_count(k->bad) && le64toh(k->bad->page[low]) - block < blocks;
}

/**
 * check_bad_metadata - the next bad page that has metadata, or has had before the repair
 * @k: the check, done
 * @b: list of bad pages, of this region or of where it is to go; NULL: there is none
 * @at: place in the list to go on from, 0 at first
 *
 * Return: the page, or ~0: there is no more.
 */
uint64_t check_bad_metadata(const struct check *k, const struct pkernfs_bad_block_ser *b,
			    uint32_t *at)
{
	const struct pkernfs_sb *sb = &k->img->sb;

	while (b && *at < check_bad_count(b)) {
		uint64_t page = le64toh(b->page[(*at)++]), i = page - area_start(&sb->pool);

		if (!page || page == k->img->blocks - 1 || area_has(&sb->journal, page) ||
		    area_has(&sb->inodes, page) ||
		    (area_has(&sb->pool, page) && (k->pool[i / 8] | k->named[i / 8]) & 1 << i % 8))
			return page;
	}
	return ~0ULL;
}

/**
 * check_bad_find - the list of bad pages that a superblock names
 * @img: the region
 * @sb: its superblock
 *
 * Return: the number of its block; 0: there is none.
 */
uint64_t check_bad_find(const struct image *img, const struct pkernfs_sb *sb)
{
	if (!(le64toh(sb->feature_incompat) & PKERNFS_INCOMPAT_BAD) ||
	    area_start(&sb->pool) >= img->blocks)
		return 0;
	return area_start(&sb->pool);
}

/**
 * check_bad_whole - would a kernel take this list of bad pages?
 * @img: the region
 * @b: the list
 */
bool check_bad_whole(const struct image *img, const struct pkernfs_bad_block_ser *b)
{
	return le32toh(b->magic) == PKERNFS_BAD_MAGIC && check_bad_zero(b) &&
	       le32toh(b->crc) == image_block_crc(b) && check_bad_sound(img, b);
}

/**
 * check_bad_merge - add the pages of one list to another
 * @to: a list that is whole; it still is afterwards
 * @from: a list that is whole
 * @added: set to the number of pages that @to did not have
 *
 * Return: number of pages that @to had no room for.
 */
uint32_t check_bad_merge(struct pkernfs_bad_block_ser *to,
			 const struct pkernfs_bad_block_ser *from, uint32_t *added)
{
	uint32_t i, at, count, left = 0;

	*added = 0;
	for (i = 0; i < check_bad_count(from); i++) {
		count = check_bad_count(to);
		at = check_bad_index(to, le64toh(from->page[i]));
		if (at < count && to->page[at] == from->page[i])
			continue;
		++*added;
		if (count == PKERNFS_BAD_PAGES) {
			left++;
			continue;
		}
		memmove(&to->page[at + 1], &to->page[at], (count - at) * sizeof(*to->page));
		to->page[at] = from->page[i];
		to->count = htole32(count + 1);
	}
	check_block_seal(to);
	return left;
}
