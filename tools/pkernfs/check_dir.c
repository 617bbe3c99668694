// SPDX-License-Identifier: GPL-2.0
/*
 * The check of directories: names, where they lead, and what no name leads to.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "check.h"

#define SUBDIRS_MAX	0xffff	/* the kernel counts them in 16 bits */

/* A name, by its place */
struct place {
	uint64_t block;
	uint32_t unit;
	uint32_t order;		/* in its directory */
	const struct pkernfs_dirent_ser *de;
};

static uint32_t check_units(size_t length)
{
	return (sizeof(struct pkernfs_dirent_ser) + length + PKERNFS_DIR_UNIT - 1) /
	       PKERNFS_DIR_UNIT;
}

static uint8_t check_dirent_type(uint16_t mode)
{
	return (mode & S_IFMT) >> 12;
}

/* --- blocks of names -------------------------------------------------------------- */

static void check_units_clear(struct check *k, uint64_t block, uint32_t unit, uint32_t units)
{
	struct pkernfs_dir_block_ser *b = image_change(k->img, block);

	memset(b->unit[unit], 0, units * PKERNFS_DIR_UNIT);
	check_block_seal(b);
}

static bool check_name_possible(const struct pkernfs_dirent_ser *de)
{
	bool dots = de->name[0] == '.' &&
		    (de->len == 1 || (de->len == 2 && de->name[1] == '.'));

	return !dots && !memchr(de->name, '/', de->len) && !memchr(de->name, 0, de->len);
}

static void check_dir_block(struct check *k, uint32_t ino, uint64_t block, uint32_t index)
{
	struct pkernfs_dir_block_ser *b = image_block(k->img, block);
	uint32_t unit, units;

	if (le32toh(b->index) != index &&
	    check_found(k, P_CHAIN_INDEX, "directory %u, block %llu", ino,
			(unsigned long long)block)) {
		b = image_change(k->img, block);
		b->index = htole32(index);
		check_block_seal(b);
	}
	for (unit = 0; unit < PKERNFS_DIR_UNITS; unit += units) {
		const struct pkernfs_dirent_ser *de = (const void *)b->unit[unit];

		units = 1;
		if (!de->ino)
			continue;
		if (!de->len || de->units != check_units(de->len) ||
		    de->units > PKERNFS_DIR_UNITS - unit) {
			if (check_found(k, P_ENTRY_LENGTH, "directory %u, block %llu, unit %u", ino,
					(unsigned long long)block, unit))
				check_units_clear(k, block, unit, 1);
			continue;
		}
		units = de->units;
		if (!check_name_possible(de) &&
		    check_found(k, P_ENTRY_NAME, "directory %u, block %llu, unit %u", ino,
				(unsigned long long)block, unit))
			check_units_clear(k, block, unit, units);
	}
}

/**
 * check_dir_load - read the blocks of a directory
 * @k: the check
 * @ino: the directory
 */
void check_dir_load(struct check *k, uint32_t ino)
{
	struct node *n = &k->node[ino];
	uint64_t block = le64toh(image_inode(k->img, ino)->chain), from = 0;

	while (block && check_chain_block(k, ino, PKERNFS_DIR_MAGIC, block, from)) {
		check_dir_block(k, ino, block, n->blocks);
		n->block = realloc(n->block, (n->blocks + 1) * sizeof(*n->block));
		if (!n->block)
			image_die(k->img, "no memory");
		n->block[n->blocks++] = block;
		from = block;
		block = le64toh(((struct pkernfs_dir_block_ser *)
				 image_block(k->img, block))->next);
	}
}

/* The next name of a directory from @at on; false: there is no more. */
static bool check_next(struct check *k, uint32_t ino, uint32_t *at, struct place *p)
{
	struct node *n = &k->node[ino];

	for (; *at / PKERNFS_DIR_UNITS < n->blocks; ++*at) {
		uint64_t block = n->block[*at / PKERNFS_DIR_UNITS];
		struct pkernfs_dir_block_ser *b = image_block(k->img, block);
		uint32_t unit = *at % PKERNFS_DIR_UNITS;

		p->de = (const void *)b->unit[unit];
		if (!p->de->ino)
			continue;
		p->block = block;
		p->unit = unit;
		p->order = *at;
		*at += p->de->units;
		return true;
	}
	return false;
}

static void check_entry_remove(struct check *k, const struct place *p)
{
	check_units_clear(k, p->block, p->unit, p->de->units);
}

/* --- names ------------------------------------------------------------------------- */

static int check_place_compare(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int order;

	if (x->de->len != y->de->len)
		return x->de->len < y->de->len ? -1 : 1;
	order = memcmp(x->de->name, y->de->name, x->de->len);
	return order ?: x->order < y->order ? -1 : 1;
}

/* Two entries of one name: a lookup finds the first, so that one stays. */
static void check_twice(struct check *k, uint32_t ino)
{
	uint32_t at = 0, count = 0, room = 0, i;
	struct place *list = NULL, p;

	while (check_next(k, ino, &at, &p)) {
		if (count == room) {
			room = room * 2 + 64;
			list = realloc(list, room * sizeof(*list));
		}
		if (!list)
			image_die(k->img, "no memory");
		list[count++] = p;
	}
	if (count)
		qsort(list, count, sizeof(*list), check_place_compare);
	for (i = 1; i < count; i++) {
		const struct pkernfs_dirent_ser *a = list[i - 1].de, *b = list[i].de;

		if (a->len != b->len || memcmp(a->name, b->name, a->len) ||
		    !check_found(k, P_ENTRY_TWICE, "directory %u: %.*s", ino, b->len, b->name))
			continue;
		/* A third one is still to be compared with the first. */
		check_entry_remove(k, &list[i]);
		list[i] = list[i - 1];
	}
	free(list);
}

static bool check_name_is_dir(struct check *k, const struct place *p, uint32_t *ino)
{
	*ino = le64toh(p->de->ino);
	return check_node(k, le64toh(p->de->ino)) && *ino != PKERNFS_ROOT_INO &&
	       S_ISDIR(k->node[*ino].mode);
}

/* A directory lies where it says that it lies, if it has a name there. */
static void check_parents(struct check *k, uint32_t ino)
{
	struct place p;
	uint32_t at = 0, child;

	while (check_next(k, ino, &at, &p))
		if (check_name_is_dir(k, &p, &child) &&
		    le64toh(image_inode(k->img, child)->parent) == ino)
			k->node[child].dir = ino;
}

static void check_name_dir(struct check *k, uint32_t ino, const struct place *p)
{
	uint32_t child = le64toh(p->de->ino);
	struct node *n = &k->node[child];

	if (n->names || (n->dir && n->dir != ino)) {
		if (check_found(k, P_DIR_TWICE, "directory %u: %.*s", ino, p->de->len,
				p->de->name))
			check_entry_remove(k, p);
		return;
	}
	if (!n->dir && check_found(k, P_DIR_PARENT, "directory %u", child)) {
		check_inode_change(k, child)->parent = htole64(ino);
		check_inode_seal(image_inode(k->img, child));
	}
	n->dir = ino;
	n->names = 1;
	k->node[ino].subdirs++;
	k->node[ino].entries++;
}

static void check_name(struct check *k, uint32_t ino, const struct place *p)
{
	uint64_t child = le64toh(p->de->ino);
	uint8_t type;

	if (!check_node(k, child) || child == PKERNFS_ROOT_INO) {
		if (check_found(k, P_ENTRY_INODE, "directory %u: %.*s", ino, p->de->len,
				p->de->name))
			check_entry_remove(k, p);
		return;
	}
	type = check_dirent_type(k->node[child].mode);
	if (p->de->type != type &&
	    check_found(k, P_ENTRY_TYPE, "directory %u: %.*s", ino, p->de->len, p->de->name)) {
		struct pkernfs_dir_block_ser *b = image_change(k->img, p->block);

		((struct pkernfs_dirent_ser *)b->unit[p->unit])->type = type;
		check_block_seal(b);
	}
	if (S_ISDIR(k->node[child].mode)) {
		check_name_dir(k, ino, p);
		return;
	}
	k->node[child].names++;
	k->node[ino].entries++;
}

/**
 * check_names - check what the names of all directories lead to
 * @k: the check; all inodes are known
 */
void check_names(struct check *k)
{
	struct place p;
	uint32_t ino, at;

	for (ino = PKERNFS_ROOT_INO; ino < k->inodes; ino++) {
		if (!S_ISDIR(k->node[ino].mode))
			continue;
		check_twice(k, ino);
		check_parents(k, ino);
	}
	for (ino = PKERNFS_ROOT_INO; ino < k->inodes; ino++)
		for (at = 0; S_ISDIR(k->node[ino].mode) && check_next(k, ino, &at, &p);)
			check_name(k, ino, &p);
}

/* --- lost+found ---------------------------------------------------------------------- */

static bool check_find(struct check *k, uint32_t dir, const char *name, struct place *p)
{
	uint32_t at = 0;

	while (check_next(k, dir, &at, p))
		if (p->de->len == strlen(name) && !memcmp(p->de->name, name, p->de->len))
			return true;
	return false;
}

/* So many free units in a row; a block is added if need be. */
static bool check_room(struct check *k, uint32_t dir, uint32_t units, struct place *p)
{
	struct node *n = &k->node[dir];
	struct pkernfs_dir_block_ser *b;
	uint32_t i, unit, run;

	for (i = 0; i < n->blocks; i++) {
		b = image_block(k->img, n->block[i]);
		for (run = 0, unit = 0; unit < PKERNFS_DIR_UNITS;) {
			const struct pkernfs_dirent_ser *de = (const void *)b->unit[unit];

			run = de->ino ? 0 : run + 1;
			unit += de->ino ? de->units : 1;
			if (run < units)
				continue;
			p->block = n->block[i];
			p->unit = unit - units;
			return true;
		}
	}
	p->block = check_chain_add(k, dir, PKERNFS_DIR_MAGIC);
	p->unit = 0;
	return p->block;
}

/* Give an inode that has no name one, and count the link. */
static bool check_enter(struct check *k, uint32_t dir, const char *name, uint32_t ino)
{
	bool is_dir = S_ISDIR(k->node[ino].mode);
	struct pkernfs_inode_ser *ser;
	struct pkernfs_dir_block_ser *b;
	struct pkernfs_dirent_ser *de;
	struct place p;

	if (!check_room(k, dir, check_units(strlen(name)), &p))
		return false;
	b = image_change(k->img, p.block);
	de = (void *)b->unit[p.unit];
	memset(de, 0, check_units(strlen(name)) * PKERNFS_DIR_UNIT);
	de->ino = htole64(ino);
	de->units = check_units(strlen(name));
	de->len = strlen(name);
	de->type = check_dirent_type(k->node[ino].mode);
	memcpy(de->name, name, de->len);
	check_block_seal(b);

	k->node[ino].names = 1;
	k->node[ino].dir = dir;
	k->node[dir].entries++;
	ser = check_inode_change(k, ino);
	if (is_dir)
		ser->parent = htole64(dir);
	else
		ser->nlink = htole32(1);
	check_inode_seal(ser);
	if (is_dir) {
		k->node[dir].subdirs++;
		ser = check_inode_change(k, dir);
		ser->nlink = htole32(le32toh(ser->nlink) + 1);
		check_inode_seal(ser);
	}
	return true;
}

static uint32_t check_lost_found(struct check *k)
{
	char name[32] = "lost+found";
	uint32_t ino;
	struct place p;

	if (k->lost || k->no_lost)
		return k->lost;
	while (check_find(k, PKERNFS_ROOT_INO, name, &p)) {
		ino = le64toh(p.de->ino);
		if (check_node(k, ino) && S_ISDIR(k->node[ino].mode)) {
			k->lost = ino;
			return ino;
		}
		/* Something else has the name. */
		if (strlen(name) > sizeof(name) - 2)
			return 0;
		strcat(name, "~");
	}
	ino = check_room(k, PKERNFS_ROOT_INO, check_units(strlen(name)), &p) ?
	      check_inode_new(k, S_IFDIR | 0700, PKERNFS_ROOT_INO) : 0;
	/* Nor will there be one in the next round. */
	k->no_lost = !ino;
	if (!ino || !check_found(k, P_LOST_FOUND, "directory %u", PKERNFS_ROOT_INO))
		return 0;
	check_enter(k, PKERNFS_ROOT_INO, name, ino);
	k->lost = ino;
	return ino;
}

/* false: it has no name still. */
static bool check_lost(struct check *k, uint32_t ino)
{
	uint32_t lost = check_lost_found(k);
	char name[64];
	struct place p;

	snprintf(name, sizeof(name), "#%u", ino);
	while (lost && strlen(name) < sizeof(name) - 2 && check_find(k, lost, name, &p))
		strcat(name, "~");
	return lost && check_enter(k, lost, name, ino);
}

/* --- links ------------------------------------------------------------------------- */

static void check_nameless(struct check *k, uint32_t ino)
{
	struct pkernfs_inode_ser *ser = image_inode(k->img, ino);
	struct node *n = &k->node[ino];
	enum problem p = ser->nlink ? P_NAMELESS : P_REMOVED_FULL;

	if (n->names || ino == PKERNFS_ROOT_INO || (!ser->nlink && !n->entries))
		return;
	if (!check_lost(k, ino))
		p = P_NO_ROOM;
	check_found(k, p, "inode %u", ino);
}

/* Does the way up lead to the root? */
static void check_reach(struct check *k, uint32_t ino)
{
	uint32_t at = ino, up = ino, entry = 0, dir;
	struct place p;
	bool loop;

	while (at != PKERNFS_ROOT_INO && k->node[at].names && !k->node[at].seen) {
		k->node[at].seen = 2;
		at = k->node[at].dir;
	}
	loop = k->node[at].seen == 2;
	/* All of it at once: where one is moved to is not on this way any more. */
	for (; k->node[up].seen == 2; up = k->node[up].dir)
		k->node[up].seen = 1;
	if (loop && check_found(k, P_DIR_LOOP, "inode %u", at)) {
		dir = k->node[at].dir;
		while (check_next(k, dir, &entry, &p)) {
			if (le64toh(p.de->ino) != at)
				continue;
			check_entry_remove(k, &p);
			k->node[dir].subdirs--;
			k->node[dir].entries--;
			check_inode_change(k, dir)->nlink =
				htole32(2 + k->node[dir].subdirs);
			check_inode_seal(image_inode(k->img, dir));
			break;
		}
		k->node[at].names = 0;
		check_lost(k, at);
	}
}

static void check_nlink(struct check *k, uint32_t ino)
{
	struct pkernfs_inode_ser *ser = image_inode(k->img, ino);
	struct node *n = &k->node[ino];
	uint32_t nlink = S_ISDIR(n->mode) ? 2 + n->subdirs : n->names;

	/* An orphan, or there was no room for it. */
	if (!n->names && ino != PKERNFS_ROOT_INO)
		return;
	if (n->subdirs > SUBDIRS_MAX && !check_found(k, P_DIR_FULL, "directory %u", ino))
		return;
	if (le32toh(ser->nlink) == nlink || !check_found(k, P_NLINK, "inode %u", ino))
		return;
	ser = check_inode_change(k, ino);
	ser->nlink = htole32(nlink);
	check_inode_seal(ser);
}

/**
 * check_links - check that a name leads to all that is in use, and count the links
 * @k: the check; names have been checked
 */
void check_links(struct check *k)
{
	uint32_t ino;

	if (!S_ISDIR(k->node[PKERNFS_ROOT_INO].mode))
		return;
	for (ino = PKERNFS_ROOT_INO; ino < k->inodes; ino++)
		if (S_ISDIR(k->node[ino].mode) && k->node[ino].names)
			check_reach(k, ino);
	for (ino = PKERNFS_ROOT_INO; ino < k->inodes; ino++)
		if (k->node[ino].mode)
			check_nameless(k, ino);
	for (ino = PKERNFS_ROOT_INO; ino < k->inodes; ino++)
		if (k->node[ino].mode)
			check_nlink(k, ino);
}
