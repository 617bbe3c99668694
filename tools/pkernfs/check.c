// SPDX-License-Identifier: GPL-2.0
/*
 * The check of a region: what can be found, superblock, redo log, and the order of it
 * all.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "check.h"

/* After so many rounds there must be a mistake in the checker itself. */
#define ROUNDS	16

const struct problem_info problem_info[PROBLEMS] = {
	[P_SB_NONE]	= { "superblock", "no copy of the superblock is valid", NULL, P_UNFIXED },
	[P_SB_COPY]	= { "superblock-copy", "damaged, and the other copy is whole",
			    "made from the other", P_MILD | P_PREEN },
	[P_SB_DIFFER]	= { "superblock-differs", "not the same as copy 0", "made from copy 0",
			    P_MILD | P_PREEN },
	[P_JOURNAL_HEAD] = { "log-head", "no magic, or of another version", "made anew", 0 },
	[P_JOURNAL_DAMAGE] = { "log-damaged", "committed, and damaged",
			       "dropped: what it says has not happened", 0 },
	[P_JOURNAL_REPLAY] = { "log-committed", "an operation that was committed is not finished",
			       "finished", P_MILD | P_PREEN },
	[P_RECORDS]	= { "records", "it says that a device is preserved",
			    NULL, P_MILD | P_UNFIXED },
	[P_BAD_LIST]	= { "bad-pages", "there is no list of bad pages",
			    "made anew, empty: bad pages are not known any more", 0 },
	[P_BAD_CRC]	= { "bad-pages-checksum", "wrong head or checksum of the list of bad pages",
			    "believed as far as it can be", 0 },
	[P_BAD_PAGE]	= { "bad-pages-entry", "bad pages out of order, or not in the region",
			    "those that can be are kept, in order", 0 },
	[P_TABLE]	= { "inode-table", "it does not say how far it is used",
			    "set to the last slot that is not empty", 0 },
	[P_TABLE_ABOVE]	= { "inode-above", "in use above what the inode table says",
			    "the table says so now", 0 },
	[P_INODE_ID]	= { "inode-id", "wrong magic, number or generation", "put right", 0 },
	[P_INODE_CRC]	= { "inode-checksum", "wrong checksum",
			    "believed as far as it can be", 0 },
	[P_INODE_JUNK]	= { "inode-junk", "no inode", "slot cleared", 0 },
	[P_INODE_TYPE]	= { "inode-type", "unknown type", "made a regular file", 0 },
	[P_INODE_FLAGS]	= { "inode-flags", "unknown flags", "cleared", 0 },
	[P_INODE_GRANULES] = { "inode-granules", "impossible granules",
			       "told by where its data is, and nothing wished for", 0 },
	[P_INODE_SIZE]	= { "inode-size", "impossible size", "set to the end of its data", 0 },
	[P_SYMLINK]	= { "symlink", "symbolic link without an end, or empty",
			    "cut off where it may end", 0 },
	[P_SPECIAL_FEATURE] = { "special", "special file in a region without such", "removed", 0 },
	[P_SPECIAL_DATA] = { "special-data", "special file with data", "emptied", 0 },
	[P_SPECIAL_RDEV] = { "special-number", "a device's number, and no device", "cleared", 0 },
	[P_XATTR_FEATURE] = { "attributes", "attributes in a region without such",
			      "removed, and the rights of its group", 0 },
	[P_XATTR_BLOCK]	= { "attributes-block", "block of attributes is not its own",
			    "let go of, and the rights of its group", 0 },
	[P_XATTR_CRC]	= { "attributes-checksum", "wrong checksum of the attributes",
			    "believed as far as they can be", 0 },
	[P_XATTR_ENTRY]	= { "attributes-entry", "an attribute is damaged",
			    "cut off here, and the group's rights if no ACL is left", 0 },
	[P_EXTENT_RANGE] = { "extent-range", "not a range of its area, or of a file",
			     "this part of the file is a hole", 0 },
	[P_EXTENT_OVERLAP] = { "extent-overlap", "overlaps another one of the file",
			       "removed", 0 },
	[P_EXTENT_SHARED] = { "extent-shared", "memory that belongs to another file",
			      "gets a copy of it", 0 },
	[P_EXTENT_BAD]	= { "extent-bad", "there are bad pages in what is to be copied",
			    "zeroes in the copy", 0 },
	[P_EXTENT_NO_ROOM] = { "extent-no-room", "no room for a copy",
			       "this part of the file is a hole", 0 },
	[P_CHAIN_BLOCK]	= { "chain-block", "not a block of it, or used twice",
			    "chain ends before it", 0 },
	[P_CHAIN_CRC]	= { "chain-checksum", "wrong checksum",
			    "believed as far as it can be", 0 },
	[P_CHAIN_INDEX]	= { "chain-index", "block of names in another place than it says",
			    "put right", 0 },
	[P_ENTRY_LENGTH] = { "entry-length", "entry of impossible length", "removed", 0 },
	[P_ENTRY_NAME]	= { "entry-name", "impossible name", "removed", 0 },
	[P_ENTRY_INODE]	= { "entry-inode", "entry without an inode", "removed", 0 },
	[P_ENTRY_TYPE]	= { "entry-type", "entry of another type than its inode", "put right", 0 },
	[P_ENTRY_TWICE]	= { "entry-twice", "two entries of one name", "the second removed", 0 },
	[P_DIR_TWICE]	= { "directory-twice", "directory in two places", "this name removed", 0 },
	[P_DIR_PARENT]	= { "directory-parent", "lies in another directory than it says",
			    "put right", 0 },
	[P_DIR_LOOP]	= { "directory-loop", "directory that lies in itself",
			    "moved to lost+found", 0 },
	[P_DIR_FULL]	= { "directory-full", "more subdirectories than there may be", NULL,
			    P_UNFIXED },
	[P_REMOVED_FULL] = { "directory-removed", "removed directory that is not empty",
			     "put into lost+found", 0 },
	[P_ROOT_MISSING] = { "root", "there is no root directory", "made anew", 0 },
	[P_ROOT_OCCUPIED] = { "root-occupied", "not a directory in the root's place",
			      "moved elsewhere", 0 },
	[P_ROOT_STUCK]	= { "root-stuck", "not a directory in the root's place, no slot is free",
			    NULL, P_UNFIXED },
	[P_NAMELESS]	= { "nameless", "no name leads to it", "put into lost+found", 0 },
	[P_NLINK]	= { "links", "wrong number of links", "put right", 0 },
	[P_LOST_FOUND]	= { "lost+found", "there is no lost+found", "made", P_MILD },
	[P_NO_ROOM]	= { "no-room", "no name leads to it, and lost+found has no room", NULL,
			    P_UNFIXED },
};

/**
 * check_found - something is wrong
 * @k: the check
 * @p: what
 * @fmt: where
 *
 * Return: it is to be mended.
 */
bool check_found(struct check *k, enum problem p, const char *fmt, ...)
{
	const struct problem_info *info = &problem_info[p];
	char where[160];
	va_list args;

	va_start(args, fmt);
	vsnprintf(where, sizeof(where), fmt, args);
	va_end(args);

	k->count[p]++;
	if (info->flags & P_MILD)
		k->mild++;
	else
		k->found++;
	if (!(info->flags & P_UNFIXED))
		k->fixed++;
	else if (!(info->flags & P_MILD))
		k->left++;
	if (!(info->flags & P_PREEN))
		k->unsafe++;
	if (k->report)
		k->report(k, p, where);
	return !(info->flags & P_UNFIXED);
}

bool check_has(const struct check *k, uint64_t incompat)
{
	return le64toh(k->img->sb.feature_incompat) & incompat;
}

/* --- blocks of the pool --------------------------------------------------------- */

/* A block of the pool that something names, to read it; NULL: it is none. */
void *check_named(struct check *k, uint64_t block)
{
	uint64_t i = block - area_start(&k->img->sb.pool);

	if (!area_has(&k->img->sb.pool, block))
		return NULL;
	k->named[i / 8] |= 1 << i % 8;
	return image_block(k->img, block);
}

/* A block of the pool is in use. false: it is none, or was in use. */
bool check_take(struct check *k, uint64_t block)
{
	uint64_t i = block - area_start(&k->img->sb.pool);

	if (!area_has(&k->img->sb.pool, block) || k->pool[i / 8] & 1 << i % 8)
		return false;
	k->pool[i / 8] |= 1 << i % 8;
	return true;
}

/* A block that is not in use, zeroed, or 0: there is none. */
uint64_t check_free_block(struct check *k)
{
	const struct pkernfs_area *pool = &k->img->sb.pool;
	uint64_t block;

	for (block = area_start(pool); area_has(pool, block); block++) {
		if (check_bad(k, block, 1) || !check_take(k, block))
			continue;
		memset(image_change(k->img, block), 0, BLOCK);
		return block;
	}
	return 0;
}

void check_block_seal(void *block)
{
	((struct pkernfs_extent_block_ser *)block)->crc = htole32(image_block_crc(block));
}

/**
 * check_chain_block - is this the next block of a chain?
 * @k: the check
 * @ino: inode that the chain belongs to
 * @magic: kind of the block
 * @block: its number
 * @from: block that names it, 0: the inode
 *
 * If not it is cut off, and so is all behind it.
 */
bool check_chain_block(struct check *k, uint32_t ino, uint32_t magic, uint64_t block,
		       uint64_t from)
{
	struct pkernfs_extent_block_ser *b = check_named(k, block);

	/* All blocks have the same head. */
	if (b) {
		if (le32toh(b->magic) == magic && le64toh(b->ino) == ino &&
		    b->generation == image_inode(k->img, ino)->generation &&
		    check_take(k, block)) {
			if (le32toh(b->crc) != image_block_crc(b) &&
			    check_found(k, P_CHAIN_CRC, "inode %u, block %llu", ino,
					(unsigned long long)block)) {
				k->node[ino].mended = true;
				check_block_seal(image_change(k->img, block));
			}
			return true;
		}
	}
	if (!check_found(k, P_CHAIN_BLOCK, "inode %u, block %llu", ino, (unsigned long long)block))
		return false;
	if (from) {
		b = image_change(k->img, from);
		b->next = 0;
		check_block_seal(b);
	} else {
		check_inode_change(k, ino)->chain = 0;
		check_inode_seal(image_inode(k->img, ino));
	}
	return false;
}

/**
 * check_chain_add - add a block to a chain
 * @k: the check
 * @ino: inode that the chain belongs to; all of its blocks are known
 * @magic: kind of the block
 *
 * Return: its number, empty; 0: there is none.
 */
uint64_t check_chain_add(struct check *k, uint32_t ino, uint32_t magic)
{
	struct node *n = &k->node[ino];
	struct pkernfs_dir_block_ser *b;	/* all blocks have the same head, but for @index */
	uint64_t block = check_free_block(k);

	if (!block)
		return 0;
	n->block = realloc(n->block, (n->blocks + 1) * sizeof(*n->block));
	if (!n->block)
		image_die(k->img, "no memory");
	b = image_change(k->img, block);
	b->magic = htole32(magic);
	b->ino = htole64(ino);
	b->generation = image_inode(k->img, ino)->generation;
	if (magic == PKERNFS_DIR_MAGIC)
		b->index = htole32(n->blocks);
	check_block_seal(b);
	if (n->blocks) {
		b = image_change(k->img, n->block[n->blocks - 1]);
		b->next = htole64(block);
		check_block_seal(b);
	} else {
		check_inode_change(k, ino)->chain = htole64(block);
		check_inode_seal(image_inode(k->img, ino));
	}
	n->block[n->blocks++] = block;
	return block;
}

/* --- superblock ------------------------------------------------------------------- */

static void check_sb_mend(struct check *k, unsigned int copy)
{
	struct pkernfs_sb *sb = image_change(k->img, image_sb_block(k->img, copy));

	memset(sb, 0, BLOCK);
	*sb = k->img->sb;
	sb->copy = htole32(copy);
	sb->crc = htole32(image_crc(~0, sb, offsetof(struct pkernfs_sb, crc)));
}

static bool check_superblocks(struct check *k)
{
	const char *why[SB_COPIES];
	struct pkernfs_sb sb;
	unsigned int copy;

	for (copy = 0; copy < SB_COPIES; copy++)
		why[copy] = image_sb_damage(k->img, copy);
	if (!image_superblock(k->img)) {
		check_found(k, P_SB_NONE, "copy 0: %s, copy 1: %s", why[0], why[1]);
		return false;
	}
	for (copy = 0; copy < SB_COPIES; copy++)
		if (why[copy] && check_found(k, P_SB_COPY, "superblock %u: %s", copy, why[copy]))
			check_sb_mend(k, copy);
	/* But for their number and checksum they are the same. */
	sb = *(const struct pkernfs_sb *)image_block(k->img, image_sb_block(k->img, 1));
	sb.copy = k->img->sb.copy;
	sb.crc = k->img->sb.crc;
	if (memcmp(&sb, &k->img->sb, sizeof(sb)) && check_found(k, P_SB_DIFFER, "superblock 1"))
		check_sb_mend(k, 1);
	return true;
}

/* --- redo log -------------------------------------------------------------------- */

static struct pkernfs_journal_ser *check_journal(struct check *k)
{
	return image_block(k->img, area_start(&k->img->sb.journal));
}

/* A part of the records; they may lie in pieces that were read apart. */
static void check_journal_read(struct check *k, uint64_t at, void *to, size_t bytes)
{
	uint64_t first = area_start(&k->img->sb.journal) + 1;
	size_t part;

	for (; bytes; bytes -= part, at += part, to = (char *)to + part) {
		part = BLOCK - at % BLOCK;
		if (part > bytes)
			part = bytes;
		memcpy(to, (char *)image_block(k->img, first + at / BLOCK) + at % BLOCK, part);
	}
}

static bool check_journal_sound(struct check *k, uint64_t commit, uint64_t bytes)
{
	const struct pkernfs_sb *sb = &k->img->sb;
	struct pkernfs_journal_rec_ser rec;
	uint64_t at, block, length;
	uint8_t piece[BLOCK];
	uint32_t crc;

	if (bytes > (area_count(&sb->journal) - 1) * BLOCK)
		return false;
	crc = image_crc(~0, &check_journal(k)->bytes, 8);
	for (at = 0; at < bytes; at += length) {
		length = bytes - at < BLOCK ? bytes - at : BLOCK;
		check_journal_read(k, at, piece, length);
		crc = image_crc(crc, piece, length);
	}
	if (crc != (uint32_t)commit)
		return false;
	for (at = 0; at < bytes; at += sizeof(rec) + length) {
		if (bytes - at < sizeof(rec))
			return false;
		check_journal_read(k, at, &rec, sizeof(rec));
		length = le32toh(rec.bytes);
		block = le64toh(rec.offset) / BLOCK;
		if (length > bytes - at - sizeof(rec))
			return false;
		if (le32toh(rec.kind) == PKERNFS_REC_INODE) {
			if (length != PKERNFS_INODE_STATIC ||
			    le64toh(rec.offset) % PKERNFS_INODE_SIZE ||
			    !area_has(&sb->inodes, block))
				return false;
		} else if (le32toh(rec.kind) != PKERNFS_REC_BLOCK || length != BLOCK ||
			   le64toh(rec.offset) % BLOCK || !area_has(&sb->pool, block)) {
			return false;
		}
	}
	return true;
}

static void check_journal_replay(struct check *k, uint64_t bytes)
{
	struct pkernfs_journal_rec_ser rec;
	uint64_t at, offset;

	for (at = 0; at < bytes; at += sizeof(rec) + le32toh(rec.bytes)) {
		check_journal_read(k, at, &rec, sizeof(rec));
		offset = le64toh(rec.offset);
		check_journal_read(k, at + sizeof(rec),
				   (char *)image_change(k->img, offset / BLOCK) + offset % BLOCK,
				   le32toh(rec.bytes));
	}
}

static void check_log(struct check *k)
{
	uint64_t block = area_start(&k->img->sb.journal), commit;
	struct pkernfs_journal_ser *j = check_journal(k);

	if (le32toh(j->magic) != PKERNFS_JOURNAL_MAGIC ||
	    le32toh(j->version) != PKERNFS_FORMAT_VERSION) {
		if (!check_found(k, P_JOURNAL_HEAD, "redo log"))
			return;
		j = image_change(k->img, block);
		j->magic = htole32(PKERNFS_JOURNAL_MAGIC);
		j->version = htole32(PKERNFS_FORMAT_VERSION);
	}
	commit = le64toh(j->commit);
	if (!commit)
		return;
	if (!check_journal_sound(k, commit, le64toh(j->bytes))) {
		if (!check_found(k, P_JOURNAL_DAMAGE, "redo log"))
			return;
	} else {
		if (!check_found(k, P_JOURNAL_REPLAY, "redo log"))
			return;
		check_journal_replay(k, le64toh(j->bytes));
	}
	j = image_change(k->img, block);
	j->commit = 0;
}

/* --- records --------------------------------------------------------------------- */

/*
 * Tables of preserved devices lie in blocks of the pool that only the kernel knows to
 * be in use. So where there are such devices nothing is changed.
 */
static void check_records(struct check *k)
{
	const struct pkernfs_area *a = &k->img->sb.records;
	uint64_t i;

	k->frozen = false;
	for (i = 0; i < area_count(a); i++) {
		const struct pkernfs_dev_record *rec = image_block(k->img, area_start(a) + i);

		if (le32toh(rec->state) != PKERNFS_RECORD_FROZEN)
			continue;
		check_found(k, P_RECORDS, "record %llu", (unsigned long long)i);
		k->frozen = true;
	}
}

/* --- all of it ------------------------------------------------------------------- */

static void check_free(struct check *k)
{
	struct gpool *p;
	uint32_t ino;

	for (ino = 0; k->node && ino < k->inodes; ino++)
		free(k->node[ino].block);
	free(k->node);
	free(k->pool);
	for (p = k->gpool; p < k->gpool + GPOOLS; p++) {
		free(p->owner);
		p->owner = NULL;
	}
	free(k->shared);
	k->node = NULL;
	k->pool = NULL;
	k->shared = NULL;
	k->shareds = 0;
	k->lost = 0;
}

static bool check_gpool(struct gpool *p, const struct pkernfs_area *area, unsigned int shift)
{
	p->shift = shift;
	p->start = area_start(area);
	p->granules = area_count(area) >> (shift - PKERNFS_BLOCK_SHIFT);
	p->owner = calloc(p->granules + 1, sizeof(*p->owner));
	return p->owner;
}

static bool check_alloc(struct check *k)
{
	const struct pkernfs_sb *sb = &k->img->sb;

	k->inodes = image_inodes(k->img);
	k->node = calloc(k->inodes, sizeof(*k->node));
	k->pool = calloc(area_count(&sb->pool) / 8 + 1, 1);
	/* What a repair lets go of may be what cannot be read. */
	if (!k->named)
		k->named = calloc(area_count(&sb->pool) / 8 + 1, 1);
	return check_gpool(&k->gpool[GPOOL_2M], &sb->data, PKERNFS_GRANULE_SHIFT) &&
	       check_gpool(&k->gpool[GPOOL_4K], &sb->small, PKERNFS_BLOCK_SHIFT) &&
	       check_gpool(&k->gpool[GPOOL_1G], &sb->huge, PKERNFS_HUGE_SHIFT) &&
	       k->node && k->pool && k->named;
}

static void check_count(struct check *k)
{
	const struct gpool *p;
	uint64_t g;
	uint32_t ino;

	k->files = 0;
	k->orphans = 0;
	k->bytes = 0;
	k->bytes_used = 0;
	for (ino = 0; ino < k->inodes; ino++) {
		k->files += !!k->node[ino].mode;
		k->orphans += k->node[ino].mode && !image_inode(k->img, ino)->nlink;
	}
	for (p = k->gpool; p < k->gpool + GPOOLS; p++) {
		k->bytes += p->granules << p->shift;
		for (g = 0; g < p->granules; g++)
			k->bytes_used += (uint64_t)!!p->owner[g] << p->shift;
	}
}

/* Look at everything once, and mend it. false: there was nothing to look at. */
static bool check_round(struct check *k)
{
	check_free(k);
	k->fixed = 0;
	k->left = 0;
	if (!check_superblocks(k))
		return false;
	if (!check_alloc(k))
		image_die(k->img, "no memory");
	check_log(k);
	check_records(k);
	check_bad_list(k);
	check_inodes(k);
	check_names(k);
	check_links(k);
	check_shared(k);
	check_count(k);
	return true;
}

/**
 * check_run - check a region, and mend it in memory
 * @k: report and arg are set, all else is zero
 * @img: the region
 *
 * The tables of the last round stay, until check_exit(). Changes are in the image; the
 * caller writes them, or undoes them.
 *
 * Return: the region is whole now, as far as it was looked at.
 */
bool check_run(struct check *k, struct image *img)
{
	unsigned int round;

	k->img = img;
	for (round = 0; round < ROUNDS; round++) {
		if (!check_round(k))
			return false;
		if (!k->fixed)
			return !k->left;
	}
	k->left++;
	return false;
}

void check_exit(struct check *k)
{
	check_free(k);
	free(k->named);
	k->named = NULL;
}
