// SPDX-License-Identifier: GPL-2.0
/*
 * A region with a tree of files in it, made by the kernel's own code.
 */
#include <limits.h>
#include <linux/posix_acl_xattr.h>
#include <sys/mman.h>

#include "region.h"

/* Nothing, on both sides: as far as 32 bits count blocks */
#define GUARD	(16ULL << 40)

static void region_must(bool ok, const char *what)
{
	if (!ok)
		shim_die(what);
}

/*
 * Memory for a region, with nothing around it. Of granules of 1 GiB there is only what
 * somebody touches, by the page.
 */
void region_memory(struct pkernfs_region *r, bool huge)
{
	u64 bytes = REGION_BYTES + (huge ? REGION_HUGE * PKERNFS_HUGE_SIZE : 0);
	void *p = mmap(NULL, GUARD + bytes + GUARD, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	region_must(p != MAP_FAILED && !mprotect(p + GUARD, bytes, PROT_READ | PROT_WRITE),
		    "no memory");
	if (huge)
		madvise(p + GUARD, bytes, MADV_NOHUGEPAGE);
	memset(r, 0, sizeof(*r));
	r->base = huge ? REGION_HUGE_BASE : REGION_BASE;
	r->bytes = bytes;
	r->virt = p + GUARD;
	shim_base = r->base;
	shim_bytes = r->bytes;
	shim_virt = r->virt;
}

bool region_load(struct pkernfs_region *r, const char **why)
{
	*why = NULL;
	r->core = NULL;
	r->sb = pkernfs_sb_find(r, why);
	if (!r->sb) {
		*why = *why ?: "not formatted";
		return false;
	}
	r->core = pkernfs_core_new(r, why);
	if (!IS_ERR(r->core))
		return true;
	r->core = NULL;
	return false;
}

void region_unload(struct pkernfs_region *r)
{
	if (r->core)
		pkernfs_core_free(r->core);
	r->core = NULL;
}

/* --- names, as dir.c does it ---------------------------------------------------- */

static int region_enter(struct pkernfs_core *c, struct pkernfs_node *d, const char *name,
			u32 ino, umode_t mode, struct pkernfs_place *at)
{
	struct qstr q = { .name = (const u8 *)name, .len = strlen(name) };
	int err = pkernfs_dirent_room(c, d, &q, at);

	if (!err)
		pkernfs_dirent_add(c, d, at, &q, ino, fs_umode_to_dtype(mode));
	return err;
}

static int region_finish(struct pkernfs_core *c, struct pkernfs_node *d,
			 struct pkernfs_place *at, int err)
{
	if (!err)
		err = pkernfs_tx_commit(c);
	if (err)
		pkernfs_dirent_drop(c, at);
	else
		pkernfs_dirent_keep(d, at);
	return err;
}

/* Some do not fit into the inode. */
static int region_target(struct pkernfs_core *c, struct pkernfs_node *n)
{
	char target[1000];

	snprintf(target, sizeof(target), "vm0/%*s", n->ino % 2 ? 3 : 900, "ram");
	return pkernfs_symlink_tx(c, n, target);
}

/* Without a name: an orphan. */
int region_create(struct pkernfs_core *c, u32 dir, const char *name, umode_t mode, u32 *ino)
{
	struct pkernfs_place at = {};
	struct pkernfs_inode_ser *ser;
	struct pkernfs_node *n;
	int err = pkernfs_tx_begin(c);

	if (err)
		return err;
	n = pkernfs_node_new(c, S_ISREG(mode));
	if (IS_ERR(n)) {
		pkernfs_tx_end(c);
		return PTR_ERR(n);
	}
	*ino = n->ino;
	ser = pkernfs_tx_fresh(c, *ino);
	ser->mode = cpu_to_le16(mode);
	ser->nlink = cpu_to_le32(S_ISDIR(mode) ? 2 : !!name);
	if (S_ISLNK(mode))
		err = region_target(c, n);
	else if (S_ISCHR(mode))
		ser->rdev = cpu_to_le32(0x103);
	if (name && !err)
		err = region_enter(c, pkernfs_node_find(c, dir), name, *ino, mode, &at);
	if (!err && S_ISDIR(mode)) {
		pkernfs_tx_inode(c, *ino)->parent = cpu_to_le64(dir);
		le32_add_cpu(&pkernfs_tx_inode(c, dir)->nlink, 1);
	}
	err = region_finish(c, pkernfs_node_find(c, dir), &at, err);
	if (err) {
		pkernfs_symlink_drop(c, n);
		pkernfs_node_free(c, n);
	}
	pkernfs_tx_end(c);
	return err;
}

int region_link(struct pkernfs_core *c, u32 dir, const char *name, u32 ino)
{
	struct pkernfs_place at = {};
	int err = pkernfs_tx_begin(c);

	if (err)
		return err;
	err = region_enter(c, pkernfs_node_find(c, dir), name, ino, S_IFREG, &at);
	if (!err)
		le32_add_cpu(&pkernfs_tx_inode(c, ino)->nlink, 1);
	err = region_finish(c, pkernfs_node_find(c, dir), &at, err);
	pkernfs_tx_end(c);
	return err;
}

/* --- the tree ---------------------------------------------------------------------- */

static void region_size(struct pkernfs_core *c, u32 ino, u64 size)
{
	region_must(!pkernfs_tx_begin(c), "no transaction");
	pkernfs_tx_inode(c, ino)->size = cpu_to_le64(size);
	region_must(!pkernfs_tx_commit(c), "no commit");
	pkernfs_tx_end(c);
}

static void region_flags(struct pkernfs_core *c, u32 ino, u16 flags)
{
	region_must(!pkernfs_tx_begin(c), "no transaction");
	pkernfs_tx_inode(c, ino)->flags |= cpu_to_le16(flags);
	region_must(!pkernfs_tx_commit(c), "no commit");
	pkernfs_tx_end(c);
}

/* One whose entries say nothing. */
static void region_acl(struct pkernfs_core *c, u32 ino, u8 space, unsigned int entries)
{
	struct {
		struct posix_acl_xattr_header head;
		struct posix_acl_xattr_entry entry[8];
	} acl = { .head.a_version = cpu_to_le32(POSIX_ACL_XATTR_VERSION) };

	region_must(!pkernfs_xattr_set(c, pkernfs_node_find(c, ino), space, "", &acl,
				       sizeof(acl.head) + entries * sizeof(*acl.entry), 0),
		    "no ACL");
}

/* Where a file has its data, in pages from the start of the region */
static u64 region_page(struct pkernfs_core *c, u32 ino, u64 pos)
{
	u64 bytes;

	return (pkernfs_extent_data(c, pkernfs_node_find(c, ino), pos, &bytes) - c->r->virt) >>
	       PKERNFS_BLOCK_SHIFT;
}

static void region_xattr(struct pkernfs_core *c, u32 ino, u8 space, const char *name,
			 const char *value)
{
	region_must(!pkernfs_xattr_set(c, pkernfs_node_find(c, ino), space, name, value,
				       strlen(value), 0), "no attribute");
}

/*
 * Bad pages of all kinds: in the next block of the pool, in granules that are free, and in
 * those of files.
 */
static void region_bad(struct pkernfs_core *c)
{
	const struct pkernfs_sb *sb = c->r->sb;
	u64 bad[] = {
		pkernfs_area_start(&sb->pool) + c->pool_blocks - c->pool_free,
		pkernfs_area_start(&sb->small) + 32,
		region_page(c, TREE_SMALL, 4 * PKERNFS_BLOCK_SIZE),
		region_page(c, TREE_RAM, 6 * PKERNFS_GRANULE_SIZE) + 5,
		pkernfs_area_start(&sb->data) + 27 * PKERNFS_BLOCKS_PER_GRANULE + 7,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		region_must(!pkernfs_bad_add(c, bad[ARRAY_SIZE(bad) - 1 - i]), "no bad page");
	if (!region_huge(c->r))
		return;
	region_must(!pkernfs_bad_add(c, region_page(c, TREE_HUGE, 2 * PKERNFS_HUGE_SIZE) + 77) &&
		    !pkernfs_bad_add(c, pkernfs_area_start(&sb->records) - 300), "no bad page");
}

/* One granule, which says whose it is. */
static void region_data(struct pkernfs_core *c, u32 ino, unsigned int pool, u64 logical)
{
	struct pkernfs_node *n = pkernfs_node_find(c, ino);
	struct pkernfs_gpool *p = &c->gpool[pool];
	u64 pos = logical << p->shift, bytes;

	region_must(!pkernfs_extent_fill(c, n, pos, pos, p), "no data");
	sprintf(pkernfs_extent_data(c, n, pos, &bytes), "inode %u granule %llu", ino,
		(unsigned long long)logical);
	/* As after a load: what comes next is right behind, whatever this might grow to. */
	pkernfs_window_drop(n);
}

static void region_mk(struct pkernfs_core *c, u32 dir, const char *name, umode_t mode, u32 want)
{
	u32 ino;

	region_must(!region_create(c, dir, name, mode, &ino) && ino == want,
		    "the tree grows otherwise");
}

/*
 * Granules of 1 GiB: two of a file with a hole between them, one that a file begins to
 * use, one that is free, and the last one, which is going to have a bad page.
 */
static void region_make_huge(struct pkernfs_core *c)
{
	region_mk(c, TREE_ROOT, "vm1", S_IFDIR | 0700, TREE_VM1);
	region_mk(c, TREE_VM1, "ram", S_IFREG | 0600, TREE_HUGE);
	region_mk(c, TREE_VM1, "half", S_IFREG | 0600, TREE_HALF);
	region_flags(c, TREE_VM1, PKERNFS_INODE_WISH_1G);
	region_flags(c, TREE_HALF, PKERNFS_INODE_WISH_1G);
	region_data(c, TREE_HUGE, PKERNFS_GPOOL_1G, 0);
	region_data(c, TREE_HUGE, PKERNFS_GPOOL_1G, 2);
	region_size(c, TREE_HUGE, 3 * PKERNFS_HUGE_SIZE);
	region_data(c, TREE_HALF, PKERNFS_GPOOL_1G, 0);
	region_size(c, TREE_HALF, 5 << 20);
}

/**
 * region_make - format a region and make the tree
 * @r: the region
 *
 * The same each time, to the bit. Afterwards it is loaded.
 */
void region_make(struct pkernfs_region *r)
{
	struct pkernfs_format opt = {
		.inodes = REGION_INODES, .pool_blocks = 64, .label = "damaged",
		.huge_granules = region_huge(r) ? REGION_HUGE : 0,
	};
	char name[PKERNFS_NAME_MAX + 1];
	struct pkernfs_sb sb;
	struct pkernfs_core *c;
	const char *why;
	u32 i;

	memset(name, 'x', sizeof(name));
	region_must(!pkernfs_layout(r->base, r->bytes, 0, &opt, &sb), "no layout");
	pkernfs_format_write(r, &sb, NULL);
	region_must(region_load(r, &why), "an empty region is not loaded");
	c = r->core;

	region_mk(c, TREE_ROOT, "vm0", S_IFDIR | 0700, TREE_VM0);
	region_mk(c, TREE_VM0, "ram", S_IFREG | 0600, TREE_RAM);
	region_mk(c, TREE_VM0, "state", S_IFREG | 0600, TREE_STATE);
	region_mk(c, TREE_ROOT, "link", S_IFLNK | 0777, TREE_LINK);
	region_mk(c, TREE_ROOT, "fifo", S_IFIFO | 0644, TREE_FIFO);
	region_mk(c, TREE_ROOT, "null", S_IFCHR | 0666, TREE_NULL);
	region_mk(c, TREE_ROOT, "many", S_IFDIR | 0755, TREE_MANY);
	region_mk(c, TREE_ROOT, "names", S_IFREG | 0644, TREE_NAMES);
	region_mk(c, TREE_ROOT, "a", S_IFDIR | 0755, TREE_A);
	region_mk(c, TREE_A, "b", S_IFDIR | 0755, TREE_B);
	region_mk(c, TREE_B, "c", S_IFREG | 0644, TREE_C);
	region_mk(c, TREE_ROOT, "small", S_IFREG | 0644, TREE_SMALL);
	region_mk(c, TREE_VM0, "tiny", S_IFREG | 0644, TREE_TINY);
	region_mk(c, TREE_ROOT, NULL, S_IFREG | 0600, TREE_ORPHAN);
	region_mk(c, TREE_VM0, "long", S_IFLNK | 0777, TREE_LONG);

	/* Extents that cannot be joined, more than an inode has; blocks of names. */
	for (i = 0; i < 11; i++)
		region_data(c, TREE_RAM, PKERNFS_GPOOL_2M, 2 * i);
	region_size(c, TREE_RAM, 22 * PKERNFS_GRANULE_SIZE);
	region_data(c, TREE_STATE, PKERNFS_GPOOL_2M, 0);
	region_size(c, TREE_STATE, 100);
	region_data(c, TREE_C, PKERNFS_GPOOL_2M, 0);
	region_data(c, TREE_C, PKERNFS_GPOOL_2M, 1);
	region_size(c, TREE_C, PKERNFS_GRANULE_SIZE + 1);
	region_data(c, TREE_ORPHAN, PKERNFS_GPOOL_2M, 0);
	for (i = 0; i < TREE_SMALL_GRANULES; i++)
		region_data(c, TREE_SMALL, PKERNFS_GPOOL_4K, 2 * i);
	region_size(c, TREE_SMALL, 2 * TREE_SMALL_GRANULES * PKERNFS_BLOCK_SIZE);
	region_data(c, TREE_TINY, PKERNFS_GPOOL_4K, 0);
	region_size(c, TREE_TINY, 9);
	region_flags(c, TREE_MANY, PKERNFS_INODE_WISH_4K);
	region_flags(c, TREE_STATE, PKERNFS_INODE_WISH_2M | PKERNFS_INODE_NODUMP);
	for (i = 0; i < 25; i++) {
		name[200] = 0;
		name[0] = 'a' + i;
		region_must(!region_link(c, TREE_MANY, name, TREE_NAMES), "no link");
	}
	region_xattr(c, TREE_STATE, PKERNFS_XATTR_USER, "one", "1");
	region_xattr(c, TREE_STATE, PKERNFS_XATTR_USER, "two", "22");
	region_xattr(c, TREE_ROOT, PKERNFS_XATTR_TRUSTED, "root", "");

	region_acl(c, TREE_A, PKERNFS_XATTR_ACL_ACCESS, 5);
	region_acl(c, TREE_A, PKERNFS_XATTR_ACL_DEFAULT, 3);
	region_acl(c, TREE_TINY, PKERNFS_XATTR_ACL_ACCESS, 5);

	/* A slot that will be free again */
	region_mk(c, TREE_ROOT, NULL, S_IFREG | 0600, TREE_FREE);
	if (region_huge(r))
		region_make_huge(c);
	region_bad(c);
	region_must(!pkernfs_node_destroy(c, pkernfs_node_find(c, TREE_FREE)),
		    "cannot be removed");
}

/* --- what is in it ------------------------------------------------------------------ */

static void region_list_data(struct pkernfs_core *c, struct pkernfs_node *n)
{
	u32 i, g;

	for (i = 0; i < n->extents; i++)
		for (g = 0; g < n->extent[i].count; g++)
			printf("\t%llu:%.40s", (unsigned long long)n->extent[i].logical + g,
			       (char *)pkernfs_granule_virt(c, n->pool, n->extent[i].granule + g));
}

static void region_list_dir(struct pkernfs_core *c, struct pkernfs_node *d, const char *path)
{
	const struct pkernfs_dirent_ser *de;
	char name[PATH_MAX];
	u64 cookie = 0;

	while ((de = pkernfs_dirent_next(c, d, &cookie))) {
		struct pkernfs_node *n = pkernfs_node_find(c, le64_to_cpu(de->ino));

		snprintf(name, sizeof(name), "%s/%.*s", path, de->len, de->name);
		printf("%s\t%o\t%llu\t%u", name, le16_to_cpu(n->ser->mode),
		       (unsigned long long)le64_to_cpu(n->ser->size), n->ino);
		region_list_data(c, n);
		putchar('\n');
		if (de->type == DT_DIR)
			region_list_dir(c, n, name);
	}
}

/* All names: path, mode, size, inode, and what each granule says of itself. */
void region_list(struct pkernfs_core *c)
{
	down_read(&c->lock);
	region_list_dir(c, pkernfs_node_find(c, PKERNFS_ROOT_INO), "");
	up_read(&c->lock);
}
