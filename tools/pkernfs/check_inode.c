// SPDX-License-Identifier: GPL-2.0
/*
 * The check of inodes: what each says of itself, its attributes, and its data.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "check.h"

/* As far as the kernel counts bytes of a file: whole granules only. */
#define SIZE_MAX_FILE	((uint64_t)INT64_MAX & ~(PKERNFS_GRANULE_SIZE - 1))
#define SLOTS_OF_CHAIN(n)	(PKERNFS_INODE_EXTENTS + (n) * PKERNFS_BLOCK_EXTENTS)

struct pkernfs_inode_ser *check_inode_change(struct check *k, uint32_t ino)
{
	struct pkernfs_inode_ser *ser = image_inode(k->img, ino);

	image_change(k->img, ((uint8_t *)ser - k->img->mem) / BLOCK);
	return ser;
}

void check_inode_seal(struct pkernfs_inode_ser *ser)
{
	ser->crc = htole32(image_inode_crc(ser));
}

static void check_inode_clear(struct check *k, uint32_t ino)
{
	struct pkernfs_inode_ser *ser = check_inode_change(k, ino);
	__le32 generation = ser->generation;

	memset(ser, 0, PKERNFS_INODE_STATIC);
	ser->magic = htole32(PKERNFS_INODE_MAGIC);
	ser->generation = generation;
	ser->ino = htole64(ino);
	check_inode_seal(ser);
}

static bool check_type_known(uint16_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		return true;
	}
	return false;
}

static bool check_zero(const void *p, size_t bytes)
{
	const uint8_t *at = p;

	return !bytes || (!*at && !memcmp(at, at + 1, bytes - 1));
}

/* --- what it says of itself ------------------------------------------------------ */

/* Is there an inode in this slot, by its own words? */
static bool check_identity(struct check *k, uint32_t ino)
{
	struct pkernfs_inode_ser *ser = image_inode(k->img, ino), copy;
	bool id = le32toh(ser->magic) == PKERNFS_INODE_MAGIC && le64toh(ser->ino) == ino;

	if (le32toh(ser->crc) == image_inode_crc(ser) && id)
		return ser->mode;
	k->node[ino].mended = true;

	/* Whole but for these two words: with them, or without */
	copy = *ser;
	copy.magic = htole32(PKERNFS_INODE_MAGIC);
	copy.ino = htole64(ino);
	if (!id && (le32toh(ser->crc) == image_inode_crc(ser) ||
		    le32toh(ser->crc) == image_inode_crc(&copy))) {
		check_inode_seal(&copy);
		if (check_found(k, P_INODE_ID, "inode %u", ino))
			*check_inode_change(k, ino) = copy;
		return copy.mode;
	}
	if (id) {
		if (check_found(k, P_INODE_CRC, "inode %u", ino))
			check_inode_seal(check_inode_change(k, ino));
		return ser->mode;
	}
	if (check_found(k, P_INODE_JUNK, "inode %u", ino))
		check_inode_clear(k, ino);
	return false;
}

static void check_symlink(struct check *k, uint32_t ino)
{
	struct pkernfs_inode_ser *ser = image_inode(k->img, ino);
	size_t length = strnlen(ser->target, PKERNFS_SYMLINK_MAX);

	if (length && length < PKERNFS_SYMLINK_MAX && length == le64toh(ser->size))
		return;
	if (!check_found(k, P_SYMLINK, "inode %u", ino))
		return;
	ser = check_inode_change(k, ino);
	if (!length)
		ser->target[0] = '?';
	ser->target[PKERNFS_SYMLINK_MAX - 1] = 0;
	ser->size = htole64(strlen(ser->target));
	check_inode_seal(ser);
}

/* false: it is no more */
static bool check_special(struct check *k, uint32_t ino)
{
	struct pkernfs_inode_ser *ser = image_inode(k->img, ino);
	uint16_t mode = le16toh(ser->mode);

	if (!check_has(k, PKERNFS_INCOMPAT_SPECIAL)) {
		if (check_found(k, P_SPECIAL_FEATURE, "inode %u", ino))
			check_inode_clear(k, ino);
		return false;
	}
	if ((ser->size || ser->chain ||
	     !check_zero(&ser->rdev + 1, sizeof(ser->target) - sizeof(ser->rdev))) &&
	    check_found(k, P_SPECIAL_DATA, "inode %u", ino)) {
		ser = check_inode_change(k, ino);
		ser->size = 0;
		ser->chain = 0;
		memset(&ser->rdev + 1, 0, sizeof(ser->target) - sizeof(ser->rdev));
		check_inode_seal(ser);
	}
	if (ser->rdev && !S_ISCHR(mode) && !S_ISBLK(mode) &&
	    check_found(k, P_SPECIAL_RDEV, "inode %u", ino)) {
		ser = check_inode_change(k, ino);
		ser->rdev = 0;
		check_inode_seal(ser);
	}
	return true;
}

static void check_inode(struct check *k, uint32_t ino)
{
	struct pkernfs_inode_ser *ser = image_inode(k->img, ino);
	uint16_t flags;

	if (check_zero(ser, PKERNFS_INODE_STATIC) || !check_identity(k, ino))
		return;
	flags = check_has(k, PKERNFS_INCOMPAT_FLAGS) ? PKERNFS_INODE_KNOWN : 0;
	if (le16toh(ser->flags) & ~flags && check_found(k, P_INODE_FLAGS, "inode %u", ino)) {
		ser = check_inode_change(k, ino);
		ser->flags &= htole16(flags);
		check_inode_seal(ser);
	}
	if (!check_type_known(le16toh(ser->mode)) &&
	    check_found(k, P_INODE_TYPE, "inode %u", ino)) {
		ser = check_inode_change(k, ino);
		ser->mode = htole16(S_IFREG | (le16toh(ser->mode) & 0777));
		check_inode_seal(ser);
		k->node[ino].mended = true;
	}
	if (S_ISLNK(le16toh(ser->mode)))
		check_symlink(k, ino);
	else if (!S_ISREG(le16toh(ser->mode)) && !S_ISDIR(le16toh(ser->mode)) &&
		 !check_special(k, ino))
		return;
	k->node[ino].mode = le16toh(ser->mode);
}

/* --- attributes ------------------------------------------------------------------ */

/* Length of the attributes that are sound */
static uint32_t check_xattr_sound(const struct pkernfs_xattr_block_ser *b)
{
	uint32_t bytes = le32toh(b->bytes), at = 0, length, other;

	if (bytes > PKERNFS_XATTR_BYTES)
		bytes = PKERNFS_XATTR_BYTES;
	while (bytes - at >= sizeof(struct pkernfs_xattr_ser)) {
		const struct pkernfs_xattr_ser *e = (const void *)(b->entry + at), *o;

		length = (sizeof(*e) + e->name_len + le16toh(e->value_len) + 3) & ~3U;
		if (length > bytes - at || !e->space || e->space >= PKERNFS_XATTR_SPACES ||
		    !e->name_len || memchr(e->data, 0, e->name_len))
			break;
		for (other = 0; other < at;
		     other += (sizeof(*o) + o->name_len + le16toh(o->value_len) + 3) & ~3U) {
			o = (const void *)(b->entry + other);
			if (o->space == e->space && o->name_len == e->name_len &&
			    !memcmp(o->data, e->data, e->name_len))
				return at;
		}
		at += length;
	}
	return at;
}

static void check_xattr_none(struct check *k, uint32_t ino)
{
	struct pkernfs_inode_ser *ser = check_inode_change(k, ino);

	ser->xattr = 0;
	check_inode_seal(ser);
}

static void check_xattr(struct check *k, uint32_t ino)
{
	struct pkernfs_inode_ser *ser = image_inode(k->img, ino);
	uint32_t block = le32toh(ser->xattr), sound;
	struct pkernfs_xattr_block_ser *b;

	if (!block)
		return;
	if (!check_has(k, PKERNFS_INCOMPAT_XATTR)) {
		if (check_found(k, P_XATTR_FEATURE, "inode %u", ino))
			check_xattr_none(k, ino);
		return;
	}
	b = area_has(&k->img->sb.pool, block) ? image_block(k->img, block) : NULL;
	if (!b || le32toh(b->magic) != PKERNFS_XATTR_MAGIC || le64toh(b->ino) != ino ||
	    b->generation != ser->generation || !check_take(k, block)) {
		if (check_found(k, P_XATTR_BLOCK, "inode %u, block %u", ino, block))
			check_xattr_none(k, ino);
		return;
	}
	if (le32toh(b->crc) != image_block_crc(b) &&
	    check_found(k, P_XATTR_CRC, "inode %u, block %u", ino, block))
		check_block_seal(image_change(k->img, block));
	sound = check_xattr_sound(b);
	if (sound && sound == le32toh(b->bytes) && !b->pad &&
	    check_zero(b->entry + sound, PKERNFS_XATTR_BYTES - sound))
		return;
	if (!check_found(k, P_XATTR_ENTRY, "inode %u, block %u, byte %u", ino, block, sound))
		return;
	if (!sound) {
		check_xattr_none(k, ino);
		return;
	}
	b = image_change(k->img, block);
	b->pad = 0;
	b->bytes = htole32(sound);
	memset(b->entry + sound, 0, PKERNFS_XATTR_BYTES - sound);
	check_block_seal(b);
}

/* --- data ------------------------------------------------------------------------ */

/* The extents of a file so far, in granules, sorted */
struct runs {
	struct run {
		uint64_t logical, count;
	} run[SLOTS_OF_CHAIN(PKERNFS_CHAIN_MAX)];
	uint32_t runs;
};

/* Add a run; false: it overlaps one that is there. */
static bool check_run_add(struct runs *r, uint64_t logical, uint64_t count)
{
	uint32_t low = 0, high = r->runs, mid;

	while (low < high) {
		mid = (low + high) / 2;
		if (r->run[mid].logical + r->run[mid].count <= logical)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < r->runs && r->run[low].logical < logical + count)
		return false;
	memmove(&r->run[low + 1], &r->run[low], (r->runs - low) * sizeof(*r->run));
	r->run[low] = (struct run) { logical, count };
	r->runs++;
	return true;
}

/* Where a slot is stored: the block, and its place there */
static struct pkernfs_extent_ser *check_slot(struct check *k, uint32_t ino, uint32_t slot,
					     uint64_t *block)
{
	struct pkernfs_inode_ser *ser = image_inode(k->img, ino);
	struct pkernfs_extent_block_ser *b;
	uint32_t n;

	*block = 0;
	if (slot < PKERNFS_INODE_EXTENTS)
		return &ser->extent[slot];
	n = (slot - PKERNFS_INODE_EXTENTS) / PKERNFS_BLOCK_EXTENTS;
	*block = k->node[ino].block[n];
	b = image_block(k->img, *block);
	return &b->extent[(slot - PKERNFS_INODE_EXTENTS) % PKERNFS_BLOCK_EXTENTS];
}

static void check_slot_set(struct check *k, uint32_t ino, uint32_t slot,
			   const struct pkernfs_extent_ser *e)
{
	struct pkernfs_extent_ser *to;
	uint64_t block;

	to = check_slot(k, ino, slot, &block);
	if (block) {
		image_change(k->img, block);
		*to = *e;
		check_block_seal(image_block(k->img, block));
	} else {
		check_inode_change(k, ino);
		*to = *e;
		check_inode_seal(image_inode(k->img, ino));
	}
}

static void check_slot_clear(struct check *k, uint32_t ino, uint32_t slot)
{
	check_slot_set(k, ino, slot, &(struct pkernfs_extent_ser) {});
}

static void check_share(struct check *k, uint32_t ino, uint32_t slot)
{
	k->shared = realloc(k->shared, (k->shareds + 1) * sizeof(*k->shared));
	if (!k->shared) {
		fprintf(stderr, "%s: no memory\n", k->img->path);
		exit(8);
	}
	k->shared[k->shareds++] = (struct shared) { ino, slot };
}

static void check_extent(struct check *k, uint32_t ino, uint32_t slot, struct runs *runs)
{
	uint64_t data = image_data(k->img), size = k->granules << PKERNFS_GRANULE_SHIFT;
	uint64_t logical, phys, bytes, block, g, i;
	const struct pkernfs_extent_ser *e = check_slot(k, ino, slot, &block);

	logical = le64toh(e->logical);
	phys = le64toh(e->phys);
	bytes = le64toh(e->bytes);
	if (!bytes)
		return;
	if ((logical | phys | bytes) % PKERNFS_GRANULE_SIZE || phys < data ||
	    phys - data >= size || bytes > size - (phys - data) ||
	    logical >= SIZE_MAX_FILE || bytes > SIZE_MAX_FILE - logical) {
		if (check_found(k, P_EXTENT_RANGE, "inode %u, extent %u", ino, slot))
			check_slot_clear(k, ino, slot);
		return;
	}
	logical >>= PKERNFS_GRANULE_SHIFT;
	bytes >>= PKERNFS_GRANULE_SHIFT;
	g = (phys - data) >> PKERNFS_GRANULE_SHIFT;
	if (!check_run_add(runs, logical, bytes)) {
		if (check_found(k, P_EXTENT_OVERLAP, "inode %u, extent %u", ino, slot))
			check_slot_clear(k, ino, slot);
		return;
	}
	for (i = 0; i < bytes; i++) {
		if (!k->owner[g + i])
			continue;
		if (check_found(k, P_EXTENT_SHARED, "inode %u, extent %u: inode %u has it",
				ino, slot, k->owner[g + i]))
			check_share(k, ino, slot);
		return;
	}
	for (i = 0; i < bytes; i++)
		k->owner[g + i] = ino;
}

/* Blocks of the chain come before any extent: mending one needs to know where it is. */
static void check_extent_blocks(struct check *k, uint32_t ino)
{
	struct node *n = &k->node[ino];
	uint64_t block = le64toh(image_inode(k->img, ino)->chain), from = 0;

	n->block = calloc(PKERNFS_CHAIN_MAX + 1, sizeof(*n->block));
	if (!n->block) {
		fprintf(stderr, "%s: no memory\n", k->img->path);
		exit(8);
	}
	while (block) {
		/* One that is too long ends as if a block were wrong. */
		if (n->blocks == PKERNFS_CHAIN_MAX)
			block = ~0ULL;
		if (!check_chain_block(k, ino, PKERNFS_EXTENT_MAGIC, block, from))
			return;
		n->block[n->blocks++] = block;
		from = block;
		block = le64toh(((struct pkernfs_extent_block_ser *)
				 image_block(k->img, block))->next);
	}
}

static void check_file(struct check *k, uint32_t ino)
{
	static struct runs runs;
	struct pkernfs_inode_ser *ser;
	uint64_t end = 0;
	uint32_t slot;

	runs.runs = 0;
	for (slot = 0; slot < SLOTS_OF_CHAIN(k->node[ino].blocks); slot++)
		check_extent(k, ino, slot, &runs);

	ser = image_inode(k->img, ino);
	if (le64toh(ser->size) <= SIZE_MAX_FILE || !check_found(k, P_INODE_SIZE, "inode %u", ino))
		return;
	if (runs.runs)
		end = runs.run[runs.runs - 1].logical + runs.run[runs.runs - 1].count;
	ser = check_inode_change(k, ino);
	ser->size = htole64(end << PKERNFS_GRANULE_SHIFT);
	check_inode_seal(ser);
}

/* --- extents that share memory ----------------------------------------------------- */

static uint64_t check_free_run(struct check *k, uint64_t count)
{
	uint64_t g, run = 0;

	for (g = 0; g < k->granules; g++) {
		run = k->owner[g] ? 0 : run + 1;
		if (run == count)
			return g + 1 - count;
	}
	return k->granules;
}

/**
 * check_shared - give each extent whose memory another file has a copy of it
 * @k: the check
 *
 * When all else is known, as what is free is known only then. Which of the two the
 * data belongs to nobody can tell.
 */
void check_shared(struct check *k)
{
	unsigned int n;

	for (n = 0; n < k->shareds; n++) {
		uint32_t ino = k->shared[n].ino, slot = k->shared[n].slot;
		uint64_t block, from, to, count, i;
		struct pkernfs_extent_ser e;

		/* Cleared meanwhile, or in a chain that was cut: the next round tells. */
		if (!k->node[ino].mode || slot >= SLOTS_OF_CHAIN(k->node[ino].blocks))
			continue;
		e = *check_slot(k, ino, slot, &block);
		count = le64toh(e.bytes) >> PKERNFS_GRANULE_SHIFT;
		from = (le64toh(e.phys) - image_data(k->img)) >> PKERNFS_GRANULE_SHIFT;
		to = check_free_run(k, count);
		if (to == k->granules) {
			if (check_found(k, P_EXTENT_NO_ROOM, "inode %u, extent %u", ino, slot))
				check_slot_clear(k, ino, slot);
			continue;
		}
		for (i = 0; i < count; i++) {
			k->owner[to + i] = ino;
			image_copy(k->img, from + i, to + i);
		}
		e.phys = htole64(image_data(k->img) + (to << PKERNFS_GRANULE_SHIFT));
		check_slot_set(k, ino, slot, &e);
	}
}

/* --- the root ------------------------------------------------------------------------ */

/**
 * check_inode_new - a new inode, with no name yet
 * @k: the check
 * @mode: type and rights
 * @parent: for a directory
 *
 * Return: its number, 0: no slot is free.
 */
uint32_t check_inode_new(struct check *k, uint16_t mode, uint64_t parent)
{
	struct pkernfs_inode_ser *ser;
	uint32_t ino;

	for (ino = PKERNFS_ROOT_INO; ino < k->inodes; ino++)
		if (!k->node[ino].mode)
			break;
	if (ino == k->inodes)
		return 0;
	check_inode_clear(k, ino);
	ser = check_inode_change(k, ino);
	ser->generation = htole32(le32toh(ser->generation) + 1);
	if (!ser->generation)
		ser->generation = htole32(1);
	ser->mode = htole16(mode);
	if (S_ISDIR(mode)) {
		ser->nlink = htole32(2);
		ser->parent = htole64(parent);
	}
	memset(&ser->atime, 0, PKERNFS_INODE_SIZE - PKERNFS_INODE_STATIC);
	check_inode_seal(ser);
	k->node[ino].mode = mode;
	return ino;
}

/* What is in the root's slot and no directory gets another number. */
static void check_root_move(struct check *k)
{
	uint32_t to = check_inode_new(k, S_IFREG, 0), ino = PKERNFS_ROOT_INO, i;
	struct pkernfs_inode_ser *ser = check_inode_change(k, ino), *moved;
	struct pkernfs_extent_block_ser *b;

	if (to) {
		moved = check_inode_change(k, to);
		*moved = *ser;
		moved->ino = htole64(to);
		check_inode_seal(moved);
		for (i = 0; i <= k->node[ino].blocks; i++) {
			uint64_t block = i < k->node[ino].blocks ? k->node[ino].block[i] :
					 le32toh(ser->xattr);

			if (!block)
				continue;
			b = image_change(k->img, block);
			b->ino = htole64(to);
			check_block_seal(b);
		}
	}
	check_inode_clear(k, ino);
}

static void check_root(struct check *k)
{
	uint32_t ino = PKERNFS_ROOT_INO;

	if (S_ISDIR(k->node[ino].mode))
		return;
	if (k->node[ino].mode && check_found(k, P_ROOT_OCCUPIED, "inode %u", ino)) {
		check_root_move(k);
		k->node[ino].mode = 0;
		k->node[ino].blocks = 0;
	}
	/* Known from the next round on. */
	if (check_found(k, P_ROOT_MISSING, "inode %u", ino))
		check_inode_new(k, S_IFDIR | 0755, ino);
}

/**
 * check_inodes - check all inodes, one by one
 * @k: the check
 *
 * Those that nothing had to be guessed of come first when it is about memory.
 */
void check_inodes(struct check *k)
{
	uint32_t ino;
	int mended;

	for (ino = PKERNFS_ROOT_INO; ino < k->inodes; ino++)
		check_inode(k, ino);
	for (ino = PKERNFS_ROOT_INO; ino < k->inodes; ino++) {
		if (!k->node[ino].mode)
			continue;
		check_xattr(k, ino);
		if (S_ISREG(k->node[ino].mode))
			check_extent_blocks(k, ino);
		else if (S_ISDIR(k->node[ino].mode))
			check_dir_load(k, ino);
	}
	for (mended = 0; mended < 2; mended++)
		for (ino = PKERNFS_ROOT_INO; ino < k->inodes; ino++)
			if (S_ISREG(k->node[ino].mode) && k->node[ino].mended == mended)
				check_file(k, ino);
	check_root(k);
}
