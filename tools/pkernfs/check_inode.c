// SPDX-License-Identifier: GPL-2.0
/*
 * The check of inodes: what each says of itself, and its attributes.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <linux/posix_acl_xattr.h>

#include "check.h"

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

/* --- the table --------------------------------------------------------------------- */

static void check_mark_set(struct check *k, uint32_t mark)
{
	struct pkernfs_table_ser *t = (void *)check_inode_change(k, 0);

	memset(t, 0, sizeof(*t));
	t->magic = htole32(PKERNFS_TABLE_MAGIC);
	t->mark = htole64(mark);
	check_inode_seal((void *)t);
}

/* Does it say how far it has been used, and is that right? */
static void check_table(struct check *k)
{
	const struct pkernfs_table_ser *t = (void *)image_inode(k->img, 0);
	uint64_t mark = le64toh(t->mark);
	uint32_t last = k->inodes - 1;

	if (!check_has(k, PKERNFS_INCOMPAT_MARK))
		return;
	while (last > PKERNFS_ROOT_INO &&
	       check_zero(image_inode(k->img, last), PKERNFS_INODE_STATIC))
		last--;
	if (le32toh(t->magic) != PKERNFS_TABLE_MAGIC || t->ino ||
	    le32toh(t->crc) != image_inode_crc((const void *)t) ||
	    mark <= PKERNFS_ROOT_INO || mark > k->inodes) {
		if (check_found(k, P_TABLE, "inode table"))
			check_mark_set(k, last + 1);
	} else if (last >= mark && check_found(k, P_TABLE_ABOVE, "inode %u", last)) {
		check_mark_set(k, last + 1);
	}
}

/* --- what it says of itself ------------------------------------------------------ */

/* The generation that a block of an inode says that it has; 0: none does. */
static __le32 check_generation(struct check *k, const struct pkernfs_inode_ser *ser)
{
	uint64_t block[] = { le64toh(ser->chain), le32toh(ser->xattr) };
	const struct pkernfs_extent_block_ser *b;
	unsigned int i;

	/* All blocks have the same head. */
	for (i = 0; i < 2; i++) {
		b = check_named(k, block[i]);
		if (b && b->ino == ser->ino && le32toh(b->crc) == image_block_crc(b))
			return b->generation;
	}
	return 0;
}

/* Is there an inode in this slot, by its own words? */
static bool check_identity(struct check *k, uint32_t ino)
{
	struct pkernfs_inode_ser *ser = image_inode(k->img, ino), copy;
	bool id = le32toh(ser->magic) == PKERNFS_INODE_MAGIC && le64toh(ser->ino) == ino;

	if (le32toh(ser->crc) == image_inode_crc(ser) && id)
		return ser->mode;
	k->node[ino].mended = true;

	/* Whole but for magic and number: with them, or without; or but for the generation */
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
	copy.generation = check_generation(k, &copy);
	if (id && le32toh(ser->crc) == image_inode_crc(&copy)) {
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

/* The block that the target of a link is in; NULL: it is none. */
static struct pkernfs_link_block_ser *check_link_block(struct check *k, uint32_t ino)
{
	uint64_t block = le64toh(image_inode(k->img, ino)->chain);
	struct node *n = &k->node[ino];

	/* Where there may be none, none is right. */
	if (!check_chain_block(k, ino, PKERNFS_LINK_MAGIC,
			       check_has(k, PKERNFS_INCOMPAT_LINKS) ? block : ~0ULL, 0))
		return NULL;
	n->block = malloc(sizeof(*n->block));
	if (!n->block)
		image_die(k->img, "no memory");
	n->block[n->blocks++] = block;
	return image_block(k->img, block);
}

/* Let a target end where it may. */
static void check_target_end(struct check *k, uint32_t ino, char *target, size_t room)
{
	struct pkernfs_inode_ser *ser = check_inode_change(k, ino);

	if (!target[0])
		target[0] = '?';
	target[room - 1] = 0;
	ser->size = htole64(strlen(target));
	check_inode_seal(ser);
}

static void check_symlink(struct check *k, uint32_t ino)
{
	struct pkernfs_inode_ser *ser = image_inode(k->img, ino);
	size_t room = PKERNFS_SYMLINK_MAX, length;
	struct pkernfs_link_block_ser *b = NULL;
	char *target = ser->target;

	if (ser->chain) {
		b = check_link_block(k, ino);
		if (!b) {
			if (!ser->chain)
				check_target_end(k, ino, target, room);
			return;
		}
		target = b->target;
		room = PKERNFS_LINK_BYTES;
	}
	length = strnlen(target, room);
	if (length && length < room && length == le64toh(ser->size) &&
	    (!b || (!b->pad && !b->reserved)))
		return;
	if (!check_found(k, P_SYMLINK, "inode %u", ino))
		return;
	if (b)
		image_change(k->img, le64toh(ser->chain));
	check_target_end(k, ino, target, room);
	if (b) {
		b->pad = 0;
		b->reserved = 0;
		check_block_seal(b);
	}
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

/* What it says of granules, but for where the data of a file is: see check_file(). */
static void check_wish(struct check *k, uint32_t ino)
{
	struct pkernfs_inode_ser *ser = image_inode(k->img, ino);
	uint16_t mode = le16toh(ser->mode), flags = le16toh(ser->flags);

	if (((flags & PKERNFS_INODE_WISH) == PKERNFS_INODE_WISH_1G &&
	     !check_has(k, PKERNFS_INCOMPAT_HUGE)) ||
	    ((flags & PKERNFS_INODE_WISH) == PKERNFS_INODE_WISH_4K &&
	     !check_has(k, PKERNFS_INCOMPAT_POOLS)) || (!S_ISREG(mode) && !S_ISDIR(mode)))
		flags &= ~PKERNFS_INODE_WISH;
	if (!S_ISREG(mode))
		flags &= ~PKERNFS_INODE_POOL;
	if (flags == le16toh(ser->flags) || !check_found(k, P_INODE_GRANULES, "inode %u", ino))
		return;
	ser = check_inode_change(k, ino);
	ser->flags = htole16(flags);
	check_inode_seal(ser);
}

static void check_inode(struct check *k, uint32_t ino)
{
	struct pkernfs_inode_ser *ser = image_inode(k->img, ino);
	uint16_t flags;

	if (check_zero(ser, PKERNFS_INODE_STATIC) || !check_identity(k, ino))
		return;
	flags = check_has(k, PKERNFS_INCOMPAT_FLAGS) ? PKERNFS_INODE_CHATTR : 0;
	if (check_has(k, PKERNFS_INCOMPAT_POOLS | PKERNFS_INCOMPAT_HUGE))
		flags |= PKERNFS_INODE_POOL | PKERNFS_INODE_WISH;
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
	check_wish(k, ino);
	if (!S_ISREG(le16toh(ser->mode)) && !S_ISDIR(le16toh(ser->mode)) &&
	    !S_ISLNK(le16toh(ser->mode)) && !check_special(k, ino))
		return;
	k->node[ino].mode = le16toh(ser->mode);
}

/* --- attributes ------------------------------------------------------------------ */

/* Space, name, and the form of an ACL; what an ACL says is judged at use. */
static bool check_xattr_possible(const struct check *k, const struct pkernfs_xattr_ser *e)
{
	const struct posix_acl_xattr_header *head = (const void *)e->data;
	uint16_t size = le16toh(e->value_len);

	if (e->space != PKERNFS_XATTR_ACL_ACCESS && e->space != PKERNFS_XATTR_ACL_DEFAULT)
		return e->space && e->space < PKERNFS_XATTR_SPACES && e->name_len &&
		       !memchr(e->data, 0, e->name_len);
	return check_has(k, PKERNFS_INCOMPAT_ACL) && !e->name_len && size >= sizeof(*head) &&
	       !((size - sizeof(*head)) % sizeof(struct posix_acl_xattr_entry)) &&
	       le32toh(head->a_version) == POSIX_ACL_XATTR_VERSION;
}

/* Length of the attributes that are sound */
static uint32_t check_xattr_sound(const struct check *k, const struct pkernfs_xattr_block_ser *b)
{
	uint32_t bytes = le32toh(b->bytes), at = 0, length, other;

	if (bytes > PKERNFS_XATTR_BYTES)
		bytes = PKERNFS_XATTR_BYTES;
	while (bytes - at >= sizeof(struct pkernfs_xattr_ser)) {
		const struct pkernfs_xattr_ser *e = (const void *)(b->entry + at), *o;

		length = (sizeof(*e) + e->name_len + le16toh(e->value_len) + 3) & ~3U;
		if (length > bytes - at || !check_xattr_possible(k, e))
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

/*
 * With an access ACL the rights of the group are the mask of it, and without it they
 * would be the group's. It may have been among what is let go of.
 */
static void check_xattr_rights(struct check *k, uint32_t ino)
{
	struct pkernfs_inode_ser *ser = check_inode_change(k, ino);
	uint16_t mode = le16toh(ser->mode);

	if (!S_ISLNK(mode))
		ser->mode = htole16(mode & ~0070);
	check_inode_seal(ser);
}

static void check_xattr_none(struct check *k, uint32_t ino)
{
	check_inode_change(k, ino)->xattr = 0;
	check_xattr_rights(k, ino);
}

static bool check_xattr_acl(const struct pkernfs_xattr_block_ser *b, uint32_t sound)
{
	uint32_t at;

	for (at = 0; at < sound;) {
		const struct pkernfs_xattr_ser *e = (const void *)(b->entry + at);

		if (e->space == PKERNFS_XATTR_ACL_ACCESS)
			return true;
		at += (sizeof(*e) + e->name_len + le16toh(e->value_len) + 3) & ~3U;
	}
	return false;
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
	b = check_named(k, block);
	if (!b || le32toh(b->magic) != PKERNFS_XATTR_MAGIC || le64toh(b->ino) != ino ||
	    b->generation != ser->generation || !check_take(k, block)) {
		if (check_found(k, P_XATTR_BLOCK, "inode %u, block %u", ino, block))
			check_xattr_none(k, ino);
		return;
	}
	if (le32toh(b->crc) != image_block_crc(b) &&
	    check_found(k, P_XATTR_CRC, "inode %u, block %u", ino, block))
		check_block_seal(image_change(k->img, block));
	sound = check_xattr_sound(k, b);
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
	if (!check_xattr_acl(b, sound))
		check_xattr_rights(k, ino);
}

/* The block that a slot is in */
static uint64_t check_inode_home(struct check *k, uint32_t ino)
{
	return ((uint8_t *)image_inode(k->img, ino) - k->img->mem) / BLOCK;
}

/* --- the root ------------------------------------------------------------------------ */

/* A slot that is free, 0: none */
static uint32_t check_inode_slot(struct check *k)
{
	uint32_t ino;

	for (ino = PKERNFS_ROOT_INO; ino < k->inodes; ino++)
		if (!k->node[ino].mode && !check_bad(k, check_inode_home(k, ino), 1))
			return ino;
	return 0;
}

static void check_inode_make(struct check *k, uint32_t ino, uint16_t mode, uint64_t parent)
{
	const struct pkernfs_table_ser *t = (const void *)image_inode(k->img, 0);
	struct pkernfs_inode_ser *ser;

	if (check_has(k, PKERNFS_INCOMPAT_MARK) && ino >= le64toh(t->mark))
		check_mark_set(k, ino + 1);
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
}

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
	uint32_t ino = check_inode_slot(k);

	if (ino)
		check_inode_make(k, ino, mode, parent);
	return ino;
}

/* What is in the root's slot and no directory gets another number; there is one. */
static void check_root_move(struct check *k)
{
	uint32_t to = check_inode_new(k, S_IFREG, 0), ino = PKERNFS_ROOT_INO, i;
	struct pkernfs_inode_ser *ser = check_inode_change(k, ino), *moved;
	struct pkernfs_extent_block_ser *b;

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
	check_inode_clear(k, ino);
}

static void check_root(struct check *k)
{
	uint32_t ino = PKERNFS_ROOT_INO;

	if (S_ISDIR(k->node[ino].mode))
		return;
	if (k->node[ino].mode && !check_inode_slot(k)) {
		check_found(k, P_ROOT_STUCK, "inode %u", ino);
		return;
	}
	if (k->node[ino].mode && check_found(k, P_ROOT_OCCUPIED, "inode %u", ino)) {
		check_root_move(k);
		k->node[ino].mode = 0;
		k->node[ino].blocks = 0;
	}
	/* Known from the next round on. */
	if (check_found(k, P_ROOT_MISSING, "inode %u", ino))
		check_inode_make(k, ino, S_IFDIR | 0755, ino);
}

/**
 * check_inodes - check the inode table and all inodes, one by one
 * @k: the check
 *
 * Those that nothing had to be guessed of come first when it is about memory.
 */
void check_inodes(struct check *k)
{
	uint32_t ino;
	int mended;

	check_table(k);
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
		else if (S_ISLNK(k->node[ino].mode))
			check_symlink(k, ino);
	}
	for (mended = 0; mended < 2; mended++)
		for (ino = PKERNFS_ROOT_INO; ino < k->inodes; ino++)
			if (S_ISREG(k->node[ino].mode) && k->node[ino].mended == mended)
				check_file(k, ino);
	check_root(k);
}
