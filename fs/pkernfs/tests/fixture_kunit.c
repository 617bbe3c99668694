// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs KUnit: the region that the suites work on, and operations on names as
 * dir.c does them, without the VFS.
 */

#include <linux/string.h>
#include <linux/vmalloc.h>

#include "fixture.h"

/* A formatted region, not loaded. pkernfs_test_exit() frees it. */
struct pkernfs_region *pkernfs_test_region(struct kunit *test)
{
	struct pkernfs_format opt = { .inodes = PKERNFS_TEST_INODES, .label = "test" };
	struct pkernfs_region *r = kunit_kzalloc(test, sizeof(*r), GFP_KERNEL);
	struct pkernfs_sb sb;

	KUNIT_ASSERT_NOT_NULL(test, r);
	r->base = PKERNFS_TEST_BASE;
	r->bytes = PKERNFS_TEST_BYTES;
	r->virt = vzalloc(r->bytes);
	KUNIT_ASSERT_NOT_NULL(test, r->virt);
	test->priv = r;
	KUNIT_ASSERT_EQ(test, pkernfs_layout(r->base, r->bytes, 0, &opt, &sb), 0);
	pkernfs_format_write(r, &sb, NULL);
	return r;
}

void pkernfs_test_load(struct kunit *test, struct pkernfs_region *r)
{
	const char *why = NULL;

	r->sb = pkernfs_sb_find(r, &why);
	KUNIT_ASSERT_NOT_NULL_MSG(test, r->sb, "%s", why);
	r->core = pkernfs_core_new(r, &why);
	if (IS_ERR(r->core)) {
		r->core = NULL;
		KUNIT_FAIL_AND_ABORT(test, "not loaded: %s", why);
	}
}

void pkernfs_test_unload(struct pkernfs_region *r)
{
	if (r->core)
		pkernfs_core_free(r->core);
	r->core = NULL;
}

/* What the next kernel would see. */
void pkernfs_test_reload(struct kunit *test, struct pkernfs_region *r)
{
	pkernfs_test_unload(r);
	pkernfs_test_load(test, r);
}

void pkernfs_test_exit(struct kunit *test)
{
	struct pkernfs_region *r = test->priv;

	if (!r)
		return;
	pkernfs_test_unload(r);
	vfree(r->virt);
}

static struct qstr pkernfs_test_name(const char *name)
{
	return (struct qstr)QSTR_INIT(name, strlen(name));
}

static struct pkernfs_node *pkernfs_test_node(struct pkernfs_core *c, umode_t mode,
					      u32 nlink, u32 rdev)
{
	struct pkernfs_node *n = pkernfs_node_new(c, S_ISREG(mode));
	struct pkernfs_inode_ser *ser;

	if (IS_ERR(n))
		return n;
	ser = pkernfs_tx_fresh(c, n->ino);
	ser->mode = cpu_to_le16(mode);
	ser->nlink = cpu_to_le32(nlink);
	ser->rdev = cpu_to_le32(rdev);
	return n;
}

/* No name: as O_TMPFILE does it. */
static int pkernfs_test_create_tx(struct pkernfs_core *c, struct pkernfs_node *d,
				  const struct qstr *name, umode_t mode, u32 rdev,
				  u32 *ino)
{
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
	err = pkernfs_tx_commit(c);
	if (err) {
		pkernfs_dirent_drop(c, &at);
		goto free;
	}
	pkernfs_dirent_keep(d, &at);
	return 0;
free:
	pkernfs_node_free(c, n);
	return err;
}

static int pkernfs_test_make(struct pkernfs_core *c, u32 dir, const char *name,
			     umode_t mode, u32 rdev, u32 *ino)
{
	struct qstr q = pkernfs_test_name(name ?: "");
	int err = pkernfs_tx_begin(c);

	if (err)
		return err;
	err = pkernfs_test_create_tx(c, pkernfs_node_find(c, dir), name ? &q : NULL, mode, rdev,
				     ino);
	pkernfs_tx_end(c);
	return err;
}

int pkernfs_test_create(struct pkernfs_core *c, const char *name, u32 *ino)
{
	return pkernfs_test_make(c, PKERNFS_ROOT_INO, name, S_IFREG | 0644, 0, ino);
}

int pkernfs_test_mknod(struct pkernfs_core *c, const char *name, umode_t mode, u32 rdev,
		       u32 *ino)
{
	return pkernfs_test_make(c, PKERNFS_ROOT_INO, name, mode | 0644, rdev, ino);
}

int pkernfs_test_mkdir(struct pkernfs_core *c, u32 dir, const char *name, u32 *ino)
{
	return pkernfs_test_make(c, dir, name, S_IFDIR | 0755, 0, ino);
}

int pkernfs_test_unlink(struct pkernfs_core *c, const char *name)
{
	struct pkernfs_node *d = pkernfs_node_find(c, PKERNFS_ROOT_INO);
	struct qstr q = pkernfs_test_name(name);
	const struct pkernfs_dirent_ser *de;
	struct pkernfs_place at;
	int err = pkernfs_tx_begin(c);
	u32 ino = 0;

	if (err)
		return err;
	err = -ENOENT;
	de = pkernfs_dirent_find(c, d, &q, &at);
	if (de) {
		ino = le64_to_cpu(de->ino);
		pkernfs_dirent_del(c, d, &at);
		pkernfs_tx_inode(c, ino)->nlink = 0;
		err = pkernfs_tx_commit(c);
	}
	pkernfs_tx_end(c);
	return err ?: pkernfs_node_destroy(c, pkernfs_node_find(c, ino));
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

static int pkernfs_test_rename_tx(struct pkernfs_core *c, struct pkernfs_node *d,
				  const struct qstr *from, const struct qstr *to,
				  unsigned int flags)
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
	over = pkernfs_dirent_find(c, d, to, &at_to);
	if (over) {
		ino_to = le64_to_cpu(over->ino);
		pkernfs_dirent_set(c, d, &at_to, ino, DT_REG);
	} else {
		err = pkernfs_dirent_room(c, d, to, &at_to);
		if (err)
			return err;
		pkernfs_dirent_add(c, d, &at_to, to, ino, DT_REG);
	}
	if (flags & RENAME_EXCHANGE) {
		pkernfs_dirent_set(c, d, &at, ino_to, DT_REG);
	} else {
		if (over)
			pkernfs_tx_inode(c, ino_to)->nlink = 0;
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
		pkernfs_dirent_keep(d, &at_to);
		return 0;
	}
	pkernfs_dirent_drop(c, &at_to);
	if (n)
		pkernfs_node_free(c, n);
	return err;
}

/* Over an existing file too, which is left an orphan: as rename(2) in use. */
int pkernfs_test_rename(struct pkernfs_core *c, const char *from, const char *to,
			unsigned int flags)
{
	struct qstr qf = pkernfs_test_name(from), qt = pkernfs_test_name(to);
	int err = pkernfs_tx_begin(c);

	if (err)
		return err;
	err = pkernfs_test_rename_tx(c, pkernfs_node_find(c, PKERNFS_ROOT_INO), &qf, &qt, flags);
	pkernfs_tx_end(c);
	return err;
}

/* core->lock is held. */
u32 pkernfs_test_lookup_locked(struct pkernfs_core *c, const char *name)
{
	struct qstr q = pkernfs_test_name(name);
	const struct pkernfs_dirent_ser *de;

	de = pkernfs_dirent_find(c, pkernfs_node_find(c, PKERNFS_ROOT_INO), &q, NULL);
	return de ? le64_to_cpu(de->ino) : 0;
}

u32 pkernfs_test_lookup(struct pkernfs_core *c, const char *name)
{
	u32 ino;

	down_read(&c->lock);
	ino = pkernfs_test_lookup_locked(c, name);
	up_read(&c->lock);
	return ino;
}

struct pkernfs_node *pkernfs_test_file(struct kunit *test, struct pkernfs_core *c,
				       const char *name)
{
	u32 ino = 0;

	KUNIT_ASSERT_EQ(test, pkernfs_test_create(c, name, &ino), 0);
	KUNIT_ASSERT_EQ(test, pkernfs_test_lookup(c, name), ino);
	return pkernfs_node_find(c, ino);
}

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
