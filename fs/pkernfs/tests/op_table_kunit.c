// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: the table of operations that are stopped after each of their stores: what is
 * there before, and what is done. See ops.h.
 */

#include <linux/string.h>
#include <linux/xattr.h>

#include "ops.h"

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
	return pkernfs_extent_cut(c, pkernfs_one(c), 0, PKERNFS_HUGE_SIZE - 1, -1, 0);
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
