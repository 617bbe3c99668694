// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: operations as dir.c, inode.c and file.c do them, without the VFS, and the table
 * of those that are stopped after each of their stores. See ops.h.
 */

#include <linux/string.h>
#include <linux/xattr.h>

#include "ops.h"

static struct qstr pkernfs_test_name(const char *name)
{
	return (struct qstr) { .name = (const unsigned char *)name, .len = strlen(name) };
}

/* --- names ------------------------------------------------------------------- */

/* A target so long, at least one byte. */
static int pkernfs_test_target(struct pkernfs_core *c, struct pkernfs_node *n, u32 len)
{
	static char target[PKERNFS_LINK_BYTES + 1];

	memset(target, 'x', sizeof(target));
	target[clamp_t(u32, len, 1, sizeof(target) - 1)] = 0;
	return pkernfs_symlink_tx(c, n, target);
}

/* @rdev: of a symbolic link the length of its target. */
static struct pkernfs_node *pkernfs_test_node(struct pkernfs_core *c, umode_t mode,
					      u32 nlink, u32 rdev)
{
	struct pkernfs_node *n = pkernfs_node_new(c, S_ISREG(mode));
	struct pkernfs_inode_ser *ser;
	int err;

	if (IS_ERR(n))
		return n;
	ser = pkernfs_tx_fresh(c, n->ino);
	ser->mode = cpu_to_le16(mode);
	ser->nlink = cpu_to_le32(nlink);
	if (!S_ISLNK(mode)) {
		ser->rdev = cpu_to_le32(rdev);
		return n;
	}
	err = pkernfs_test_target(c, n, rdev);
	if (!err)
		return n;
	pkernfs_node_free(c, n);
	return ERR_PTR(err);
}

/* No name: as O_TMPFILE does it. */
static int pkernfs_test_create_tx(struct pkernfs_core *c, struct pkernfs_node *d,
				  const struct qstr *name, umode_t mode, u32 rdev,
				  const struct pkernfs_acls *acls, u32 *ino)
{
	struct pkernfs_xattr_blocks blocks = {};
	struct pkernfs_place at = {};
	struct pkernfs_node *n;
	int err = 0;

	n = pkernfs_test_node(c, mode, S_ISDIR(mode) ? 2 : !!name, rdev);
	if (IS_ERR(n))
		return PTR_ERR(n);
	*ino = n->ino;
	if (name)
		err = pkernfs_dirent_room(c, d, name, &at);
	if (err)
		goto free;
	if (S_ISDIR(mode)) {
		pkernfs_tx_inode(c, n->ino)->parent = cpu_to_le64(d->ino);
		le32_add_cpu(&pkernfs_tx_inode(c, d->ino)->nlink, 1);
	}
	if (name)
		pkernfs_dirent_add(c, d, &at, name, *ino, fs_umode_to_dtype(mode));
	err = pkernfs_acl_tx(c, n, acls, &blocks) ?: pkernfs_tx_commit(c);
	if (err) {
		pkernfs_xattr_drop(c, &blocks);
		pkernfs_dirent_drop(c, &at);
		goto free;
	}
	pkernfs_dirent_keep(d, &at);
	return 0;
free:
	pkernfs_symlink_drop(c, n);
	pkernfs_node_free(c, n);
	return err;
}

static int pkernfs_test_make(struct pkernfs_core *c, u32 dir, const char *name,
			     umode_t mode, u32 rdev, const struct pkernfs_acls *acls, u32 *ino)
{
	static const struct pkernfs_acls none;
	struct qstr q = pkernfs_test_name(name ?: "");
	int err = pkernfs_tx_begin(c);

	if (err)
		return err;
	err = pkernfs_test_create_tx(c, pkernfs_node_find(c, dir), name ? &q : NULL, mode, rdev,
				     acls ?: &none, ino);
	pkernfs_tx_end(c);
	return err;
}

int pkernfs_test_create(struct pkernfs_core *c, const char *name, u32 *ino)
{
	return pkernfs_test_make(c, PKERNFS_ROOT_INO, name, S_IFREG | 0644, 0, NULL, ino);
}

int pkernfs_test_mknod(struct pkernfs_core *c, const char *name, umode_t mode, u32 rdev,
		       u32 *ino)
{
	return pkernfs_test_make(c, PKERNFS_ROOT_INO, name, mode | 0644, rdev, NULL, ino);
}

int pkernfs_test_symlink(struct pkernfs_core *c, const char *name, u32 len, u32 *ino)
{
	return pkernfs_test_make(c, PKERNFS_ROOT_INO, name, S_IFLNK | 0777, len, NULL, ino);
}

int pkernfs_test_mkdir(struct pkernfs_core *c, u32 dir, const char *name, u32 *ino)
{
	return pkernfs_test_make(c, dir, name, S_IFDIR | 0755, 0, NULL, ino);
}

static bool pkernfs_test_is_dir(struct pkernfs_core *c, u32 ino)
{
	return S_ISDIR(le16_to_cpu(pkernfs_node_find(c, ino)->ser->mode));
}

/* A name of @d goes away; the entry itself is the caller's. */
static void pkernfs_test_drop_name(struct pkernfs_core *c, struct pkernfs_node *d, u32 ino)
{
	struct pkernfs_inode_ser *ser = pkernfs_tx_inode(c, ino);

	if (pkernfs_test_is_dir(c, ino)) {
		ser->nlink = 0;
		le32_add_cpu(&pkernfs_tx_inode(c, d->ino)->nlink, -1);
	} else {
		le32_add_cpu(&ser->nlink, -1);
	}
}

/* As unlink(2) and rmdir(2), in use: the inode stays. */
static int pkernfs_test_remove(struct pkernfs_core *c, const char *name, u32 *ino)
{
	struct pkernfs_node *d = pkernfs_node_find(c, PKERNFS_ROOT_INO);
	struct qstr q = pkernfs_test_name(name);
	const struct pkernfs_dirent_ser *de;
	struct pkernfs_place at;
	int err = pkernfs_tx_begin(c);

	if (err)
		return err;
	err = -ENOENT;
	de = pkernfs_dirent_find(c, d, &q, &at);
	if (de) {
		*ino = le64_to_cpu(de->ino);
		pkernfs_dirent_del(c, d, &at);
		pkernfs_test_drop_name(c, d, *ino);
		err = pkernfs_tx_commit(c);
	}
	pkernfs_tx_end(c);
	return err;
}

/* Two transactions: the name, and the inode. */
int pkernfs_test_unlink(struct pkernfs_core *c, const char *name)
{
	u32 ino = 0;

	return pkernfs_test_remove(c, name, &ino) ?:
	       pkernfs_node_destroy(c, pkernfs_node_find(c, ino));
}

int pkernfs_test_link(struct pkernfs_core *c, u32 ino, const char *name)
{
	struct pkernfs_node *d = pkernfs_node_find(c, PKERNFS_ROOT_INO);
	struct qstr q = pkernfs_test_name(name);
	struct pkernfs_place at;
	int err = pkernfs_tx_begin(c);

	if (err)
		return err;
	err = pkernfs_dirent_room(c, d, &q, &at);
	if (!err) {
		pkernfs_dirent_add(c, d, &at, &q, ino, DT_REG);
		le32_add_cpu(&pkernfs_tx_inode(c, ino)->nlink, 1);
		err = pkernfs_tx_commit(c);
		if (err)
			pkernfs_dirent_drop(c, &at);
		else
			pkernfs_dirent_keep(d, &at);
	}
	pkernfs_tx_end(c);
	return err;
}

/* A directory lies in another one now. */
static void pkernfs_test_moved(struct pkernfs_core *c, struct pkernfs_node *from,
			       struct pkernfs_node *to, u32 ino)
{
	if (from == to || !pkernfs_test_is_dir(c, ino))
		return;
	pkernfs_tx_inode(c, ino)->parent = cpu_to_le64(to->ino);
	le32_add_cpu(&pkernfs_tx_inode(c, from->ino)->nlink, -1);
	le32_add_cpu(&pkernfs_tx_inode(c, to->ino)->nlink, 1);
}

static int pkernfs_test_rename_tx(struct pkernfs_core *c, struct pkernfs_node *d,
				  const struct qstr *from, struct pkernfs_node *d_to,
				  const struct qstr *to, unsigned int flags)
{
	const struct pkernfs_dirent_ser *de, *over;
	struct pkernfs_place at, at_to;
	struct pkernfs_node *n = NULL;
	u32 ino, ino_to = 0;
	int err;

	de = pkernfs_dirent_find(c, d, from, &at);
	if (!de)
		return -ENOENT;
	ino = le64_to_cpu(de->ino);
	over = pkernfs_dirent_find(c, d_to, to, &at_to);
	if (over) {
		ino_to = le64_to_cpu(over->ino);
		pkernfs_dirent_set(c, d_to, &at_to, ino, de->type);
	} else {
		err = pkernfs_dirent_room(c, d_to, to, &at_to);
		if (err)
			return err;
		pkernfs_dirent_add(c, d_to, &at_to, to, ino, de->type);
	}
	pkernfs_test_moved(c, d, d_to, ino);
	if (flags & RENAME_EXCHANGE) {
		pkernfs_dirent_set(c, d, &at, ino_to, over->type);
		pkernfs_test_moved(c, d_to, d, ino_to);
	} else {
		if (over)
			pkernfs_test_drop_name(c, d_to, ino_to);
		if (flags & RENAME_WHITEOUT)
			n = pkernfs_test_node(c, S_IFCHR, 1, 0);
		if (IS_ERR(n))
			return PTR_ERR(n);
		if (n)
			pkernfs_dirent_set(c, d, &at, n->ino, DT_CHR);
		else
			pkernfs_dirent_del(c, d, &at);
	}
	err = pkernfs_tx_commit(c);
	if (!err) {
		pkernfs_dirent_keep(d_to, &at_to);
		return 0;
	}
	pkernfs_dirent_drop(c, &at_to);
	if (n)
		pkernfs_node_free(c, n);
	return err;
}

/* Over an existing one too, which is left an orphan: as rename(2) in use. */
static int pkernfs_test_rename_to(struct pkernfs_core *c, u32 dir, const char *from, u32 dir_to,
				  const char *to, unsigned int flags)
{
	struct qstr qf = pkernfs_test_name(from), qt = pkernfs_test_name(to);
	int err = pkernfs_tx_begin(c);

	if (err)
		return err;
	err = pkernfs_test_rename_tx(c, pkernfs_node_find(c, dir), &qf,
				     pkernfs_node_find(c, dir_to), &qt, flags);
	pkernfs_tx_end(c);
	return err;
}

/* In the root directory. */
int pkernfs_test_rename(struct pkernfs_core *c, const char *from, const char *to,
			unsigned int flags)
{
	return pkernfs_test_rename_to(c, PKERNFS_ROOT_INO, from, PKERNFS_ROOT_INO, to, flags);
}

/* core->lock is held. */
static u32 pkernfs_test_lookup_locked(struct pkernfs_core *c, const char *name)
{
	struct qstr q = pkernfs_test_name(name);
	const struct pkernfs_dirent_ser *de;

	de = pkernfs_dirent_find(c, pkernfs_node_find(c, PKERNFS_ROOT_INO), &q, NULL);
	return de ? le64_to_cpu(de->ino) : 0;
}

/* In the root directory. */
u32 pkernfs_test_lookup(struct pkernfs_core *c, const char *name)
{
	u32 ino;

	down_read(&c->lock);
	ino = pkernfs_test_lookup_locked(c, name);
	up_read(&c->lock);
	return ino;
}

/* --- data -------------------------------------------------------------------- */

/* Fill and cut in granules of 2 MiB. */
int pkernfs_test_fill(struct pkernfs_core *c, struct pkernfs_node *n, u64 first, u64 last)
{
	return pkernfs_extent_fill(c, n, first << PKERNFS_GRANULE_SHIFT,
				   (last << PKERNFS_GRANULE_SHIFT) + PKERNFS_GRANULE_SIZE - 1,
				   &c->gpool[PKERNFS_GPOOL_2M]);
}

int pkernfs_test_cut(struct pkernfs_core *c, struct pkernfs_node *n, u64 first, u64 last,
		     s64 size)
{
	return pkernfs_extent_cut(c, n, first << PKERNFS_GRANULE_SHIFT,
				  (last << PKERNFS_GRANULE_SHIFT) + PKERNFS_GRANULE_SIZE - 1,
				  size);
}

/* --- what is there before, and what is done ---------------------------------- */

static int pkernfs_setup_empty(struct pkernfs_core *c)
{
	return 0;
}

static int pkernfs_setup_one(struct pkernfs_core *c)
{
	u32 ino;

	return pkernfs_test_create(c, "one", &ino);
}

int pkernfs_setup_two(struct pkernfs_core *c)
{
	u32 ino;

	return pkernfs_setup_one(c) ?: pkernfs_test_create(c, "two", &ino);
}

struct pkernfs_node *pkernfs_one(struct pkernfs_core *c)
{
	return pkernfs_node_find(c, pkernfs_test_lookup(c, "one"));
}

/* That many pieces; all but the first eight of them in the chain. */
static int pkernfs_fill_pieces(struct pkernfs_core *c, struct pkernfs_node *n,
			       unsigned int pieces)
{
	unsigned int i;

	for (i = 0; i < pieces; i++)
		if (pkernfs_test_fill(c, n, 10 * i, 10 * i))
			return -EIO;
	return n->chains == (pieces > PKERNFS_INODE_EXTENTS) ? 0 : -EIO;
}

static int pkernfs_setup_data(struct pkernfs_core *c)
{
	return pkernfs_setup_one(c) ?:
	       pkernfs_fill_pieces(c, pkernfs_one(c), PKERNFS_INODE_EXTENTS + 1);
}

static int pkernfs_setup_eight(struct pkernfs_core *c)
{
	return pkernfs_setup_one(c) ?:
	       pkernfs_fill_pieces(c, pkernfs_one(c), PKERNFS_INODE_EXTENTS);
}

static int pkernfs_setup_full(struct pkernfs_core *c)
{
	return pkernfs_setup_one(c) ?:
	       pkernfs_fill_pieces(c, pkernfs_one(c), PKERNFS_INODE_EXTENTS - 1) ?:
	       pkernfs_test_fill(c, pkernfs_one(c), 100, 102);	/* to be split */
}

/* Between two pieces that lie beside each other in memory, too. */
static int pkernfs_setup_gap(struct pkernfs_core *c)
{
	return pkernfs_setup_one(c) ?: pkernfs_test_fill(c, pkernfs_one(c), 0, 0) ?:
	       pkernfs_test_fill(c, pkernfs_one(c), 2, 2);
}

static int pkernfs_run_create(struct pkernfs_core *c)
{
	u32 ino;

	return pkernfs_test_create(c, "a name that takes more than one unit", &ino);
}

/* In the root directory, as they come. */
static int pkernfs_setup_mark(struct pkernfs_core *c)
{
	char name[8];
	u32 ino;
	int err;

	do {
		snprintf(name, sizeof(name), "n%u", c->inodes_free);
		err = pkernfs_test_create(c, name, &ino);
	} while (!err && ino + 1 < pkernfs_ino_mark(c));
	return err;
}

static int pkernfs_run_mark(struct pkernfs_core *c)
{
	u32 before = pkernfs_ino_mark(c), ino;
	int err = pkernfs_test_create(c, "one more", &ino);

	return err ?: ino == before ? 0 : -EIO;
}

/* Of a name that a block has room for 15 times */
static const char *pkernfs_long_name(char first)
{
	static char name[241];

	memset(name, 'x', sizeof(name) - 1);
	name[0] = first;
	return name;
}

static int pkernfs_setup_block(struct pkernfs_core *c)
{
	int err = pkernfs_setup_one(c);
	char first;

	for (first = 'a'; !err && first < 'a' + 15; first++)
		err = pkernfs_test_link(c, pkernfs_test_lookup(c, "one"),
					pkernfs_long_name(first));
	return err ?: pkernfs_node_find(c, PKERNFS_ROOT_INO)->chains == 1 ? 0 : -EIO;
}

static int pkernfs_run_block(struct pkernfs_core *c)
{
	u32 ino;
	int err = pkernfs_test_create(c, pkernfs_long_name('z'), &ino);

	return err ?: pkernfs_node_find(c, PKERNFS_ROOT_INO)->chains == 2 ? 0 : -EIO;
}

static int pkernfs_run_symlink(struct pkernfs_core *c)
{
	u32 ino;

	return pkernfs_test_symlink(c, "symlink", 17, &ino);
}

static int pkernfs_run_symlink_long(struct pkernfs_core *c)
{
	u32 ino;

	return pkernfs_test_symlink(c, "symlink", PKERNFS_LINK_BYTES - 1, &ino);
}

static int pkernfs_setup_symlink_orphan(struct pkernfs_core *c)
{
	u32 ino;

	return pkernfs_test_symlink(c, NULL, PKERNFS_SYMLINK_MAX, &ino);
}

static int pkernfs_run_link(struct pkernfs_core *c)
{
	return pkernfs_test_link(c, pkernfs_test_lookup(c, "one"), "three");
}

static int pkernfs_setup_linked(struct pkernfs_core *c)
{
	return pkernfs_setup_two(c) ?: pkernfs_run_link(c);
}

static int pkernfs_run_unlink(struct pkernfs_core *c)
{
	u32 ino;

	return pkernfs_test_remove(c, "one", &ino);
}

static int pkernfs_run_rename(struct pkernfs_core *c)
{
	return pkernfs_test_rename(c, "one", "three", 0);
}

static int pkernfs_run_rename_over(struct pkernfs_core *c)
{
	return pkernfs_test_rename(c, "one", "two", 0);
}

static int pkernfs_run_exchange(struct pkernfs_core *c)
{
	return pkernfs_test_rename(c, "one", "two", RENAME_EXCHANGE);
}

static int pkernfs_run_whiteout(struct pkernfs_core *c)
{
	return pkernfs_test_rename(c, "one", "three", RENAME_WHITEOUT);
}

static int pkernfs_run_whiteout_over(struct pkernfs_core *c)
{
	return pkernfs_test_rename(c, "one", "two", RENAME_WHITEOUT);
}

/* /one has a directory in it, /two has one and a file. */
static int pkernfs_setup_dirs(struct pkernfs_core *c)
{
	u32 one, two, ino;

	return pkernfs_test_mkdir(c, PKERNFS_ROOT_INO, "one", &one) ?:
	       pkernfs_test_mkdir(c, PKERNFS_ROOT_INO, "two", &two) ?:
	       pkernfs_test_mkdir(c, one, "dir", &ino) ?:
	       pkernfs_test_mkdir(c, two, "other", &ino) ?:
	       pkernfs_test_make(c, two, "file", S_IFREG | 0600, 0, NULL, &ino);
}

static int pkernfs_setup_dir(struct pkernfs_core *c)
{
	u32 ino;

	return pkernfs_test_mkdir(c, PKERNFS_ROOT_INO, "one", &ino);
}

static int pkernfs_rename_dir(struct pkernfs_core *c, const char *to, unsigned int flags)
{
	return pkernfs_test_rename_to(c, pkernfs_test_lookup(c, "one"), "dir",
				      pkernfs_test_lookup(c, "two"), to, flags);
}

static int pkernfs_run_dir(struct pkernfs_core *c)
{
	return pkernfs_rename_dir(c, "moved", 0);
}

static int pkernfs_run_dir_over(struct pkernfs_core *c)
{
	return pkernfs_rename_dir(c, "other", 0);
}

static int pkernfs_run_dir_exchange(struct pkernfs_core *c)
{
	return pkernfs_rename_dir(c, "other", RENAME_EXCHANGE);
}

static int pkernfs_run_dir_file(struct pkernfs_core *c)
{
	return pkernfs_rename_dir(c, "file", RENAME_EXCHANGE);
}

static int pkernfs_run_mknod(struct pkernfs_core *c)
{
	u32 ino;

	return pkernfs_test_mknod(c, "disk", S_IFBLK, 259, &ino);
}

static int pkernfs_run_mkdir(struct pkernfs_core *c)
{
	u32 ino;

	return pkernfs_test_mkdir(c, PKERNFS_ROOT_INO, "dir", &ino);
}

static int pkernfs_run_tmpfile(struct pkernfs_core *c)
{
	u32 ino;

	return pkernfs_test_create(c, NULL, &ino);
}

static int pkernfs_setup_tmpfile(struct pkernfs_core *c)
{
	return pkernfs_run_tmpfile(c);
}

static int pkernfs_setup_data_orphan(struct pkernfs_core *c)
{
	return pkernfs_setup_tmpfile(c) ?:
	       pkernfs_fill_pieces(c, pkernfs_node_find(c, PKERNFS_ROOT_INO + 1),
				   PKERNFS_INODE_EXTENTS + 1);
}

static int pkernfs_run_link_tmpfile(struct pkernfs_core *c)
{
	return pkernfs_test_link(c, PKERNFS_ROOT_INO + 1, "linked");
}

static int pkernfs_run_free_tmpfile(struct pkernfs_core *c)
{
	return pkernfs_node_destroy(c, pkernfs_node_find(c, PKERNFS_ROOT_INO + 1));
}

static int pkernfs_run_fill(struct pkernfs_core *c)
{
	return pkernfs_test_fill(c, pkernfs_one(c), 1000, 1000);
}

static int pkernfs_run_fill_gap(struct pkernfs_core *c)
{
	int err = pkernfs_test_fill(c, pkernfs_one(c), 1, 1);

	return err ?: pkernfs_one(c)->extents == 1 ? 0 : -EIO;
}

static int pkernfs_run_fill_block(struct pkernfs_core *c)
{
	return pkernfs_run_fill(c) ?: pkernfs_one(c)->chains == 1 ? 0 : -EIO;
}

static int pkernfs_fill_huge(struct pkernfs_core *c, u64 granule)
{
	return pkernfs_extent_fill(c, pkernfs_one(c), granule << PKERNFS_HUGE_SHIFT,
				   granule << PKERNFS_HUGE_SHIFT,
				   &c->gpool[PKERNFS_GPOOL_1G]);
}

static int pkernfs_run_fill_huge(struct pkernfs_core *c)
{
	return pkernfs_fill_huge(c, 1);
}

static int pkernfs_setup_huge(struct pkernfs_core *c)
{
	return pkernfs_setup_one(c) ?: pkernfs_fill_huge(c, 0) ?: pkernfs_fill_huge(c, 1);
}

static int pkernfs_run_punch_huge(struct pkernfs_core *c)
{
	return pkernfs_extent_cut(c, pkernfs_one(c), 0, PKERNFS_HUGE_SIZE - 1, -1);
}

static int pkernfs_fill_small(struct pkernfs_core *c, u64 page)
{
	return pkernfs_extent_fill(c, pkernfs_one(c), page * PKERNFS_BLOCK_SIZE,
				   page * PKERNFS_BLOCK_SIZE, &c->gpool[PKERNFS_GPOOL_4K]);
}

static int pkernfs_run_fill_small(struct pkernfs_core *c)
{
	return pkernfs_fill_small(c, 1000);
}

/* In pieces, into the chain. */
static int pkernfs_setup_small(struct pkernfs_core *c)
{
	int err = pkernfs_setup_one(c);
	unsigned int i;

	for (i = 0; !err && i < PKERNFS_INODE_EXTENTS + 1; i++)
		err = pkernfs_fill_small(c, 10 * i);
	return err ?: pkernfs_one(c)->chains == 1 ? 0 : -EIO;
}

static int pkernfs_run_move(struct pkernfs_core *c)
{
	return pkernfs_extent_move(c, pkernfs_one(c), &c->gpool[PKERNFS_GPOOL_2M]);
}

static int pkernfs_run_truncate(struct pkernfs_core *c)
{
	return pkernfs_test_cut(c, pkernfs_one(c), 5, 1000, 12345);
}

static int pkernfs_run_punch(struct pkernfs_core *c)
{
	return pkernfs_test_cut(c, pkernfs_one(c), 101, 101, -1);
}

static int pkernfs_run_attr(struct pkernfs_core *c)
{
	return pkernfs_xattr_set(c, pkernfs_one(c), PKERNFS_XATTR_USER, "name", "value", 5,
				 XATTR_CREATE);
}

/* With one more attribute in front of it and one behind it. */
static int pkernfs_setup_attr(struct pkernfs_core *c)
{
	return pkernfs_setup_one(c) ?:
	       pkernfs_xattr_set(c, pkernfs_one(c), PKERNFS_XATTR_SECURITY, "first", "12345", 5,
				 0) ?:
	       pkernfs_run_attr(c) ?:
	       pkernfs_xattr_set(c, pkernfs_one(c), PKERNFS_XATTR_TRUSTED, "name",
				 "longer than that", 16, 0);
}

static int pkernfs_setup_one_attr(struct pkernfs_core *c)
{
	return pkernfs_setup_one(c) ?: pkernfs_run_attr(c);
}

static int pkernfs_run_attr_replace(struct pkernfs_core *c)
{
	return pkernfs_xattr_set(c, pkernfs_one(c), PKERNFS_XATTR_USER, "name",
				 "quite another value", 19, XATTR_REPLACE);
}

static int pkernfs_run_attr_remove(struct pkernfs_core *c)
{
	return pkernfs_xattr_set(c, pkernfs_one(c), PKERNFS_XATTR_USER, "name", NULL, 0,
				 XATTR_REPLACE);
}

static int pkernfs_setup_attr_orphan(struct pkernfs_core *c)
{
	return pkernfs_setup_tmpfile(c) ?:
	       pkernfs_xattr_set(c, pkernfs_node_find(c, PKERNFS_ROOT_INO + 1),
				 PKERNFS_XATTR_USER, "name", "value", 5, 0);
}

/* Version, one entry, its id */
static __le32 pkernfs_acl[2][3] = {
	{ cpu_to_le32(2), cpu_to_le32(1), cpu_to_le32(3) },
	{ cpu_to_le32(2), cpu_to_le32(1), cpu_to_le32(5) },
};

/* An ACL changes the mode with it: both, or neither. */
static int pkernfs_run_acl(struct pkernfs_core *c)
{
	return pkernfs_acl_store(c, pkernfs_one(c), PKERNFS_XATTR_ACL_ACCESS, pkernfs_acl[0],
				 sizeof(pkernfs_acl[0]), S_IFREG | 0640);
}

static int pkernfs_setup_acl(struct pkernfs_core *c)
{
	return pkernfs_setup_one(c) ?: pkernfs_run_acl(c);
}

/* As chmod(2) and chown(2): @acls: what becomes of its ACL */
static int pkernfs_set_attributes(struct pkernfs_core *c, const struct pkernfs_acls *acls)
{
	struct pkernfs_xattr_blocks blocks = {};
	struct pkernfs_inode_ser *ser;
	int err = pkernfs_tx_begin(c);

	if (err)
		return err;
	err = pkernfs_acl_tx(c, pkernfs_node_find(c, PKERNFS_ROOT_INO + 1), acls, &blocks);
	if (!err) {
		ser = pkernfs_tx_inode(c, PKERNFS_ROOT_INO + 1);
		ser->mode = cpu_to_le16(S_IFREG | 0751);
		ser->uid = cpu_to_le32(1000);
		ser->gid = cpu_to_le32(100);
		err = pkernfs_tx_commit(c);
	}
	pkernfs_tx_end(c);
	return err;
}

static int pkernfs_run_chmod(struct pkernfs_core *c)
{
	static const struct pkernfs_acls none;

	return pkernfs_set_attributes(c, &none);
}

static int pkernfs_run_chmod_acl(struct pkernfs_core *c)
{
	struct pkernfs_acls acls = {
		.value = { pkernfs_acl[1] }, .size = { sizeof(pkernfs_acl[1]) },
	};

	return pkernfs_set_attributes(c, &acls);
}

/* A directory that begins with what its parent has for it. */
static int pkernfs_run_inherit(struct pkernfs_core *c)
{
	struct pkernfs_acls acls = {
		.value = { pkernfs_acl[0], pkernfs_acl[1] },
		.size = { sizeof(pkernfs_acl[0]), sizeof(pkernfs_acl[1]) },
	};
	u32 ino;

	return pkernfs_test_make(c, PKERNFS_ROOT_INO, "heir", S_IFDIR | 0750, 0, &acls, &ino);
}

static int pkernfs_run_size(struct pkernfs_core *c)
{
	int err = pkernfs_tx_begin(c);

	if (err)
		return err;
	pkernfs_tx_inode(c, PKERNFS_ROOT_INO + 1)->size = cpu_to_le64(54321);
	err = pkernfs_tx_commit(c);
	pkernfs_tx_end(c);
	return err;
}

static int pkernfs_run_bad(struct pkernfs_core *c)
{
	return pkernfs_bad_add(c, pkernfs_area_start(&c->r->sb->data) + 5);
}

static int pkernfs_run_flags(struct pkernfs_core *c)
{
	int err = pkernfs_tx_begin(c);

	if (err)
		return err;
	pkernfs_tx_inode(c, pkernfs_test_lookup_locked(c, "one"))->flags =
		cpu_to_le16(PKERNFS_INODE_IMMUTABLE);
	err = pkernfs_tx_commit(c);
	pkernfs_tx_end(c);
	return err;
}

const struct pkernfs_test_op pkernfs_test_ops[PKERNFS_TEST_OPS] = {
	{ "create", pkernfs_setup_empty, pkernfs_run_create },
	{ "create beside others", pkernfs_setup_two, pkernfs_run_create },
	{ "create that raises the mark", pkernfs_setup_mark, pkernfs_run_mark },
	{ "create in a new block of names", pkernfs_setup_block, pkernfs_run_block },
	{ "symlink", pkernfs_setup_two, pkernfs_run_symlink },
	{ "symlink with a block", pkernfs_setup_two, pkernfs_run_symlink_long },
	{ "mknod", pkernfs_setup_two, pkernfs_run_mknod },
	{ "mkdir", pkernfs_setup_two, pkernfs_run_mkdir },
	{ "link", pkernfs_setup_two, pkernfs_run_link },
	{ "unlink", pkernfs_setup_two, pkernfs_run_unlink },
	{ "unlink, and a name is left", pkernfs_setup_linked, pkernfs_run_unlink },
	{ "rmdir", pkernfs_setup_dir, pkernfs_run_unlink },
	{ "rename", pkernfs_setup_two, pkernfs_run_rename },
	{ "rename over", pkernfs_setup_two, pkernfs_run_rename_over },
	{ "exchange", pkernfs_setup_two, pkernfs_run_exchange },
	{ "rename with whiteout", pkernfs_setup_two, pkernfs_run_whiteout },
	{ "rename over with whiteout", pkernfs_setup_two, pkernfs_run_whiteout_over },
	{ "directory into another", pkernfs_setup_dirs, pkernfs_run_dir },
	{ "directory over another", pkernfs_setup_dirs, pkernfs_run_dir_over },
	{ "exchange of directories", pkernfs_setup_dirs, pkernfs_run_dir_exchange },
	{ "exchange with a directory", pkernfs_setup_dirs, pkernfs_run_dir_file },
	{ "create without a name", pkernfs_setup_empty, pkernfs_run_tmpfile },
	{ "link of what has no name", pkernfs_setup_tmpfile, pkernfs_run_link_tmpfile },
	{ "free what has no name", pkernfs_setup_tmpfile, pkernfs_run_free_tmpfile },
	{ "free an inode with attributes", pkernfs_setup_attr_orphan, pkernfs_run_free_tmpfile },
	{ "free a symlink with a block", pkernfs_setup_symlink_orphan, pkernfs_run_free_tmpfile },
	{ "free an inode with data", pkernfs_setup_data_orphan, pkernfs_run_free_tmpfile },
	{ "mode and owner", pkernfs_setup_two, pkernfs_run_chmod },
	{ "mode, owner and ACL", pkernfs_setup_acl, pkernfs_run_chmod_acl },
	{ "flags", pkernfs_setup_two, pkernfs_run_flags },
	{ "size", pkernfs_setup_data, pkernfs_run_size },
	{ "first attribute", pkernfs_setup_two, pkernfs_run_attr },
	{ "replace an attribute", pkernfs_setup_attr, pkernfs_run_attr_replace },
	{ "remove an attribute", pkernfs_setup_attr, pkernfs_run_attr_remove },
	{ "remove the last attribute", pkernfs_setup_one_attr, pkernfs_run_attr_remove },
	{ "first ACL", pkernfs_setup_two, pkernfs_run_acl },
	{ "ACL beside attributes", pkernfs_setup_attr, pkernfs_run_acl },
	{ "inherited ACLs", pkernfs_setup_two, pkernfs_run_inherit },
	{ "bad page", pkernfs_setup_two, pkernfs_run_bad },
	{ "fill", pkernfs_setup_data, pkernfs_run_fill },
	{ "fill between neighbours", pkernfs_setup_gap, pkernfs_run_fill_gap },
	{ "fill with a new block", pkernfs_setup_eight, pkernfs_run_fill_block },
	{ "first small granule", pkernfs_setup_two, pkernfs_run_fill_small },
	{ "move to large granules", pkernfs_setup_small, pkernfs_run_move },
	{ "truncate", pkernfs_setup_data, pkernfs_run_truncate },
	{ "punch, splitting into a new block", pkernfs_setup_full, pkernfs_run_punch },
	{ "first granule of 1 GiB", pkernfs_setup_one, pkernfs_run_fill_huge, true },
	{ "punch of a granule of 1 GiB", pkernfs_setup_huge, pkernfs_run_punch_huge, true },
};
