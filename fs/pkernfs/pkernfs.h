/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkernfs: what the files of the filesystem share among themselves.
 *
 * Two layers. The core (format, journal, alloc, extent, dirent, core) knows a
 * region's metadata and works without a mount: at boot, when devices are adopted,
 * and after umount, when pages may still be pinned. The VFS half (super, inode,
 * dir, file, fault) sits on it and keeps no metadata of its own.
 *
 * Names that end in _ser are in the region and live on; all else is this
 * kernel's.
 *
 * Locks, outermost first, inside pkernfs_transition_lock:
 *	pkernfs_format_lock	mount and umount against mkfs, loads of a core
 *	inode lock		of the VFS
 *	mapping->invalidate_lock	faults (shared) against truncate and punch
 *	core->lock		all metadata of one region
 *	folio lock		what is mapped of a granule, and as whose
 * A fault that finds small granules used up, inside mmap_lock and what its caller has,
 * wants the inode lock to move the file: it only tries, see pkernfs_move_from_fault().
 *
 * Memory is allocated under core->lock with GFP_NOFS only, as reclaim may evict
 * an inode, which takes it.
 */
#ifndef _FS_PKERNFS_H
#define _FS_PKERNFS_H

#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pkernfs.h>
#include <linux/rwsem.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#define PKERNFS_BLOCKS_PER_GRANULE	(PKERNFS_GRANULE_SIZE / PKERNFS_BLOCK_SIZE)
#define PKERNFS_SLOTS	(PKERNFS_INODE_EXTENTS + \
			 PKERNFS_CHAIN_MAX * PKERNFS_BLOCK_EXTENTS)
#define PKERNFS_NO_GRANULE	(~0U)
/* What no file is larger than. Its last granule is whole, and ends where no loff_t goes. */
#define PKERNFS_MAX_SIZE	((u64)MAX_LFS_FILESIZE)
#define PKERNFS_MAX_END		(PKERNFS_MAX_SIZE + 1)

struct pkernfs_format;

/* Which granules: what PKERNFS_INODE_POOL says of a file. */
enum {
	PKERNFS_GPOOL_2M,
	PKERNFS_GPOOL_4K,
	PKERNFS_GPOOL_1G,
	PKERNFS_GPOOLS
};

/**
 * struct pkernfs_granule - what is known of a granule
 * @owner: inode of the file that has it, 0: none
 * @holds: DMA holds
 */
struct pkernfs_granule {
	u32 owner;
	u32 holds;
};

#define PKERNFS_CHUNK	(PAGE_SIZE / sizeof(struct pkernfs_granule))

/**
 * struct pkernfs_gpool - granules of one size
 * @shift: log2 of their size
 * @start: first block of the area that they are in
 * @granules: number of them, 0: the region has none of this size
 * @free: of them, neither in a file nor reserved for one
 * @map: those that are not free
 * @chunk: what is known of them, PKERNFS_CHUNK in each; NULL: nothing, as none of them
 *	has been taken yet. So a region costs by what is used of it
 * @held: number of those with a hold
 * @hint: where to look first
 * @rover: where the search for long runs goes on
 * @window: windows of files that grow, that which was used last at the end
 * @windows: number of them
 *
 * The first three never change; the rest is under core->lock.
 */
struct pkernfs_gpool {
	unsigned int shift;
	u64 start;
	u32 granules;
	u32 free;
	unsigned long *map;
	struct pkernfs_granule **chunk;
	u32 held;
	u32 hint;
	u32 rover;
	struct list_head window;
	u32 windows;
};

/**
 * struct pkernfs_window - free granules that a file is to grow into
 * @list: in pool->window
 * @pool: granules of which size; NULL: there is no window
 * @logical: place in the file that the first of them is for
 * @granule: the first one
 * @count: how many
 *
 * No two overlap. See window.c.
 */
struct pkernfs_window {
	struct list_head list;
	struct pkernfs_gpool *pool;
	u64 logical;
	u32 granule;
	u32 count;
};

/**
 * struct pkernfs_extent - a run of file data, in granules of the file's size
 * @logical: place in the file
 * @granule: first granule of the pool
 * @count: length
 * @slot: where it is stored: the inode's own slots, then those of the chain
 */
struct pkernfs_extent {
	u64 logical;
	u32 granule;
	u32 count;
	u32 slot;
};

/**
 * struct pkernfs_node - an inode of the region that is in use
 * @ino: its number
 * @ser: the inode itself
 * @pool: granules of its extents; without any, of those that it had last
 * @extent: sorted by @logical
 * @extents: number of them
 * @room: elements allocated
 * @window: where its next extents will be
 * @slots: which slots are used, PKERNFS_SLOTS bits; regular files only
 * @chain: block numbers of the extent or directory blocks; of a link's target
 * @chains: number of them
 * @chain_room: elements allocated
 * @holds: sum of the hold counts of its granules
 * @device: the preserved device whose file this is, NULL: none
 * @orphan: in core->orphans: unlinked, out of the VFS, some page still in use
 * @fill_seq: counts parts of it that are in core->fills no more
 * @lookups: of it by the VFS, under way; goes up under core->lock, and down at any time
 * @seen: at load: names that lead to it, and of a directory those in it; see there
 * @entered: pages of it name the VFS's inode; set by faults, cleared when that goes
 *
 * All under core->lock but @entered.
 */
struct pkernfs_node {
	u32 ino;
	struct pkernfs_inode_ser *ser;
	struct pkernfs_gpool *pool;
	struct pkernfs_extent *extent;
	u32 extents;
	u32 room;
	struct pkernfs_window window;
	unsigned long *slots;
	u64 *chain;
	u32 chains;
	u32 chain_room;
	u64 holds;
	struct pkernfs_device *device;
	struct list_head orphan;
	unsigned int fill_seq;
	atomic_t lookups;
	u32 seen;
	bool entered;
};

/**
 * struct pkernfs_fill - a part of a file that somebody is zeroing memory for
 * @list: in core->fills
 * @n: the file
 * @first: first byte of the part
 * @end: first byte behind it
 * @p: the granules that are reserved for it: of which size
 * @run: and which ones; they are written to without a lock
 * @runs: elements of @run
 */
struct pkernfs_fill {
	struct list_head list;
	struct pkernfs_node *n;
	u64 first;
	u64 end;
	const struct pkernfs_gpool *p;
	const struct pkernfs_extent *run;
	u32 runs;
};

/**
 * struct pkernfs_core - a region's metadata in memory
 * @r: the region
 * @lock: read to look something up, write to change it
 * @quiesced: a kexec has begun: no change any more
 * @frozen: by FIFREEZE: orphans wait
 * @rdonly: mounted read-only: they wait, too
 * @gpool: granules for file data, by size
 * @fills: what is being zeroed
 * @fill_wait: for a change of a node's @fill_seq
 * @pool_blocks: size of the pool
 * @pool_free: free blocks in it
 * @pool_map: blocks that are not free
 * @pool_hint: where to look first
 * @inodes: size of the inode table
 * @inodes_free: free slots in it
 * @nodes: those in use, by inode number
 * @tx_used: bytes of records in the journal, of the transaction under way
 * @tx_seq: sequence number of the next commit
 * @tx_overflow: the transaction does not fit
 * @check: only looked at: nothing is written, not even what the log says
 * @zeroing: bytes that calls of fallocate() under way are to give memory to
 * @zeroed: of these, those that have it
 * @orphans: nodes to be freed when they are idle
 * @reclaim: looks at @orphans
 * @sb: mounted there, NULL: not mounted; pkernfs_format_lock
 * @stores_left: tests: the journal's stores that still happen, -1: all
 */
struct pkernfs_core {
	struct pkernfs_region *r;
	struct rw_semaphore lock;
	bool quiesced;
	bool frozen;
	bool rdonly;

	struct pkernfs_gpool gpool[PKERNFS_GPOOLS];
	struct list_head fills;
	wait_queue_head_t fill_wait;

	u64 pool_blocks;
	u64 pool_free;
	unsigned long *pool_map;
	u64 pool_hint;

	u32 inodes;
	u32 inodes_free;
	struct xarray nodes;

	size_t tx_used;
	u32 tx_seq;
	bool tx_overflow;
	bool check;

	atomic64_t zeroing;
	atomic64_t zeroed;

	struct list_head orphans;
	struct delayed_work reclaim;

	struct super_block *sb;
	long stores_left;
};

struct pkernfs_inode_info {
	struct inode vfs;
	struct pkernfs_node *node;
};

static inline struct pkernfs_node *pkernfs_node(struct inode *inode)
{
	return container_of(inode, struct pkernfs_inode_info, vfs)->node;
}

static inline struct pkernfs_core *pkernfs_sb_core(struct super_block *sb)
{
	return ((struct pkernfs_region *)sb->s_fs_info)->core;
}

static inline struct pkernfs_core *pkernfs_inode_core(struct inode *inode)
{
	return pkernfs_sb_core(inode->i_sb);
}

/* For a test, no store happens any more, as if the kernel had stopped there. */
static inline bool pkernfs_core_stopped(const struct pkernfs_core *c)
{
	return IS_ENABLED(CONFIG_PKERNFS_KUNIT_TEST) && !c->stores_left;
}

/* Was the region made with this incompatible feature? */
static inline bool pkernfs_has(const struct pkernfs_core *c, u64 incompat)
{
	return le64_to_cpu(c->r->sb->feature_incompat) & incompat;
}

/* Where the last granule that a file can have ends, and how large a file can be. */
static inline u64 pkernfs_max_end(const struct pkernfs_core *c)
{
	return PKERNFS_MAX_END -
	       (pkernfs_has(c, PKERNFS_INCOMPAT_LARGE) ? 0 : PKERNFS_GRANULE_SIZE);
}

static inline u64 pkernfs_max_size(const struct pkernfs_core *c)
{
	return min(pkernfs_max_end(c), PKERNFS_MAX_SIZE);
}

/* What is known of a granule, or NULL: nobody has it. core->lock is held. */
static inline struct pkernfs_granule *pkernfs_granule(const struct pkernfs_gpool *p, u32 granule)
{
	struct pkernfs_granule *chunk = p->chunk[granule / PKERNFS_CHUNK];

	return chunk ? chunk + granule % PKERNFS_CHUNK : NULL;
}

/* Inode of the file that has a granule, 0: none. core->lock is held. */
static inline u32 pkernfs_granule_owner(const struct pkernfs_gpool *p, u32 granule)
{
	const struct pkernfs_granule *g = pkernfs_granule(p, granule);

	return g ? g->owner : 0;
}

/* DMA holds of a granule. core->lock is held. */
static inline u32 pkernfs_granule_holds(const struct pkernfs_gpool *p, u32 granule)
{
	const struct pkernfs_granule *g = pkernfs_granule(p, granule);

	return g ? g->holds : 0;
}

/* The head of the inode table; with PKERNFS_INCOMPAT_MARK only. */
static inline struct pkernfs_table_ser *pkernfs_table(const struct pkernfs_core *c)
{
	return pkernfs_block(c->r, le64_to_cpu(c->r->sb->inodes.start));
}

/* The node of an inode, or NULL: no such inode is in use. core->lock is held. */
static inline struct pkernfs_node *pkernfs_node_find(struct pkernfs_core *c, u64 ino)
{
	return xa_load(&c->nodes, ino);
}

static inline u64 pkernfs_area_start(const struct pkernfs_area *a)
{
	return le64_to_cpu(a->start);
}

static inline u64 pkernfs_area_count(const struct pkernfs_area *a)
{
	return le64_to_cpu(a->count);
}

/* --- format.c: layout, superblock, mkfs ------------------------------------ */

extern struct mutex pkernfs_format_lock;

int pkernfs_layout(u64 base, u64 bytes, unsigned int index,
		   const struct pkernfs_format *opt, struct pkernfs_sb *sb);
const char *pkernfs_sb_check(struct pkernfs_region *r, unsigned int copy);
void pkernfs_sb_refit(struct pkernfs_region *r);
const struct pkernfs_sb *pkernfs_sb_find(struct pkernfs_region *r,
					 const char **why);
void pkernfs_format_write(struct pkernfs_region *r, const struct pkernfs_sb *sb,
			  const struct pkernfs_bad_block_ser *bad);
int pkernfs_format(struct pkernfs_region *r, const struct pkernfs_format *opt,
		   const char **why);
bool pkernfs_format_devices(struct pkernfs_region *r);
void pkernfs_area_zero(struct pkernfs_region *r, const struct pkernfs_area *a);

/* --- journal.c: the redo log ------------------------------------------------ */

int pkernfs_tx_begin(struct pkernfs_core *c);
struct pkernfs_inode_ser *pkernfs_tx_inode(struct pkernfs_core *c, u32 ino);
struct pkernfs_inode_ser *pkernfs_tx_fresh(struct pkernfs_core *c, u32 ino);
void pkernfs_table_seal(struct pkernfs_table_ser *t);
bool pkernfs_table_sound(const struct pkernfs_table_ser *t);
void pkernfs_tx_size(struct pkernfs_core *c, u32 ino, u64 size, umode_t mode);
void *pkernfs_tx_block(struct pkernfs_core *c, u64 block);
int pkernfs_tx_commit(struct pkernfs_core *c);
void pkernfs_tx_end(struct pkernfs_core *c);
int pkernfs_journal_replay(struct pkernfs_core *c, const char **why);
void pkernfs_block_seal(void *block);
bool pkernfs_block_sound(const void *block, u32 magic, u64 ino, u32 generation);
u32 pkernfs_inode_crc(const struct pkernfs_inode_ser *ser);

/* --- window.c: where a file gets its granules --------------------------------- */

void pkernfs_window_drop(struct pkernfs_node *n);
u64 pkernfs_window_size(const struct pkernfs_node *n, const struct pkernfs_gpool *p);
u32 pkernfs_window_find(struct pkernfs_gpool *p, u32 want, u32 runs, bool all, u32 *got);
u32 pkernfs_window_goal(struct pkernfs_node *n, struct pkernfs_gpool *p, u64 first, u64 end,
			u32 *count);

/* --- alloc.c: granules, holds ------------------------------------------------- */

int pkernfs_alloc_init(struct pkernfs_core *c);
void pkernfs_alloc_exit(struct pkernfs_core *c);
int pkernfs_granule_reserve(struct pkernfs_core *c, struct pkernfs_gpool *p, u32 goal,
			    u32 want, u32 *granule, u32 *got);
void pkernfs_granule_forget(struct pkernfs_core *c, const struct pkernfs_gpool *p,
			    u32 granule);
void pkernfs_granule_release(struct pkernfs_core *c, struct pkernfs_gpool *p, u32 granule,
			     u32 count);
struct pkernfs_gpool *pkernfs_flags_pool(struct pkernfs_core *c, u16 flags);
int pkernfs_granule_own(struct pkernfs_gpool *p, u32 granule, u32 count, u32 ino);
void pkernfs_granule_enter(struct pkernfs_gpool *p, u32 granule, u32 count, u32 ino);
void *pkernfs_granule_virt(struct pkernfs_core *c, const struct pkernfs_gpool *p,
			   u32 granule);
bool pkernfs_granule_idle(struct pkernfs_core *c, const struct pkernfs_gpool *p,
			  u32 granule);
bool pkernfs_granule_lent(struct pkernfs_core *c, const struct pkernfs_gpool *p,
			  u32 granule);

/* --- pool.c: blocks of 4 KiB ------------------------------------------------- */

u64 pkernfs_pool_get(struct pkernfs_core *c);
void pkernfs_pool_put(struct pkernfs_core *c, u64 block);
int pkernfs_pool_take(struct pkernfs_core *c, u64 block);

/* --- node.c: inode slots -------------------------------------------------------- */

u32 pkernfs_ino_mark(struct pkernfs_core *c);
u32 pkernfs_ino_mark_above(struct pkernfs_core *c, u32 ino);
struct pkernfs_node *pkernfs_node_load(struct pkernfs_core *c, u32 ino, bool slots);
struct pkernfs_node *pkernfs_node_new(struct pkernfs_core *c, bool slots);
void pkernfs_node_free(struct pkernfs_core *c, struct pkernfs_node *n);
int pkernfs_chain_room(struct pkernfs_node *n);

/* --- extent.c: data of a file ----------------------------------------------- */

u32 pkernfs_extent_index(struct pkernfs_node *n, u64 logical);
const struct pkernfs_extent *pkernfs_extent_find(struct pkernfs_node *n, u64 logical);
void *pkernfs_extent_data(struct pkernfs_core *c, struct pkernfs_node *n, u64 pos,
			  u64 *bytes);
int pkernfs_extent_load(struct pkernfs_core *c, struct pkernfs_node *n, const char **why);
int pkernfs_extent_cut(struct pkernfs_core *c, struct pkernfs_node *n,
		       u64 from, u64 last, s64 size, umode_t mode);
u64 pkernfs_extent_total(struct pkernfs_node *n);
u64 pkernfs_extent_seek(struct pkernfs_node *n, u64 pos, bool data);
u64 pkernfs_extent_holes(struct pkernfs_node *n, unsigned int shift, u64 from, u64 last);

/* Slots and the array, for who is in a transaction. */
int pkernfs_extent_insert(struct pkernfs_node *n, u32 at, const struct pkernfs_extent *e);
void pkernfs_slot_write(struct pkernfs_core *c, struct pkernfs_node *n, u32 slot,
			const struct pkernfs_extent *e);
int pkernfs_slot_get(struct pkernfs_core *c, struct pkernfs_node *n, u64 *fresh, u32 *slot);
void pkernfs_slot_undo(struct pkernfs_core *c, struct pkernfs_node *n, u64 fresh);

/* --- busy.c: who uses it ---------------------------------------------------- */

void pkernfs_extent_forget(struct pkernfs_core *c, struct pkernfs_node *n, u64 from, u64 last);
bool pkernfs_extent_busy(struct pkernfs_core *c, struct pkernfs_node *n,
			 u64 from, u64 last, bool *held);
u64 pkernfs_gpool_busy(struct pkernfs_core *c, const struct pkernfs_gpool *p, u64 most);
int pkernfs_extent_lent(struct pkernfs_core *c, struct pkernfs_node *n, u64 *from, u64 last);

/* --- fill.c: memory for it ---------------------------------------------------- */

int pkernfs_extent_fill_part(struct pkernfs_core *c, struct pkernfs_node *n,
			     u64 from, u64 last, u64 more, struct pkernfs_gpool *want);

/* pkernfs_extent_fill_part() of what is all that the caller wants. */
static inline int pkernfs_extent_fill(struct pkernfs_core *c, struct pkernfs_node *n,
				      u64 from, u64 last, struct pkernfs_gpool *want)
{
	return pkernfs_extent_fill_part(c, n, from, last, last, want);
}

int pkernfs_extent_move(struct pkernfs_core *c, struct pkernfs_node *n,
			struct pkernfs_gpool *to);
bool pkernfs_extent_filling(struct pkernfs_core *c, const struct pkernfs_gpool *p, u32 granule);

/* --- say.c: what the log says of refusals --------------------------------------- */

bool pkernfs_refuse_device(struct inode *inode);
void pkernfs_refuse_fault(struct inode *inode, loff_t pos, int err);
int pkernfs_refuse_pin(struct inode *inode, loff_t pos, int err);
void pkernfs_say_held(struct inode *inode, u64 from, u64 last);

/* --- zero.c ------------------------------------------------------------------ */

int pkernfs_zero_memory(struct pkernfs_core *c, void *mem, u64 bytes);
#if IS_ENABLED(CONFIG_KUNIT)
unsigned int pkernfs_zero_helpers(u64 bytes);
void pkernfs_zero_piece(void *mem, u64 bytes);
#endif

/* --- dirent.c: names of a directory ------------------------------------------ */

/* Where an entry is, or could be put. */
struct pkernfs_place {
	u32 chain;		/* element of node->chain */
	u32 unit;
	u64 fresh;		/* block to be added to the chain, 0: none */
};

int pkernfs_dirent_load(struct pkernfs_core *c, struct pkernfs_node *n,
			const char **why);
const char *pkernfs_dirent_twice(struct pkernfs_core *c, struct pkernfs_node *n);
const struct pkernfs_dirent_ser *
pkernfs_dirent_find(struct pkernfs_core *c, struct pkernfs_node *n,
		    const struct qstr *name, struct pkernfs_place *at);
void pkernfs_dirent_resume(struct pkernfs_core *c, struct pkernfs_node *n, u64 *cookie);
const struct pkernfs_dirent_ser *
pkernfs_dirent_next(struct pkernfs_core *c, struct pkernfs_node *n, u64 *cookie);
int pkernfs_dirent_room(struct pkernfs_core *c, struct pkernfs_node *n,
			const struct qstr *name, struct pkernfs_place *at);
void pkernfs_dirent_add(struct pkernfs_core *c, struct pkernfs_node *n,
			const struct pkernfs_place *at, const struct qstr *name,
			u32 ino, u8 type);
void pkernfs_dirent_del(struct pkernfs_core *c, struct pkernfs_node *n,
			const struct pkernfs_place *at);
void pkernfs_dirent_set(struct pkernfs_core *c, struct pkernfs_node *n,
			const struct pkernfs_place *at, u32 ino, u8 type);
void pkernfs_dirent_keep(struct pkernfs_node *n, const struct pkernfs_place *at);
void pkernfs_dirent_drop(struct pkernfs_core *c, const struct pkernfs_place *at);

/* --- symlink.c ---------------------------------------------------------------- */

int pkernfs_symlink_load(struct pkernfs_core *c, struct pkernfs_node *n, const char **why);
int pkernfs_symlink_tx(struct pkernfs_core *c, struct pkernfs_node *n, const char *target);
void pkernfs_symlink_drop(struct pkernfs_core *c, struct pkernfs_node *n);
const char *pkernfs_symlink_target(struct pkernfs_core *c, const struct pkernfs_node *n);

/* --- xattr.c ----------------------------------------------------------------- */

/* Pool blocks that come or go with a change of attributes; 0: none. */
struct pkernfs_xattr_blocks {
	u64 fresh;
	u64 empty;
};

int pkernfs_xattr_load(struct pkernfs_core *c, struct pkernfs_node *n, const char **why);
int pkernfs_xattr_get(struct pkernfs_core *c, struct pkernfs_node *n, u8 space,
		      const char *name, void *value, size_t size);
int pkernfs_xattr_tx(struct pkernfs_core *c, struct pkernfs_node *n, u8 space,
		     const char *name, const void *value, size_t size, int flags,
		     struct pkernfs_xattr_blocks *blocks);
void pkernfs_xattr_keep(struct pkernfs_core *c, const struct pkernfs_xattr_blocks *blocks);
void pkernfs_xattr_drop(struct pkernfs_core *c, const struct pkernfs_xattr_blocks *blocks);
int pkernfs_xattr_set(struct pkernfs_core *c, struct pkernfs_node *n, u8 space,
		      const char *name, const void *value, size_t size, int flags);
ssize_t pkernfs_listxattr(struct dentry *dentry, char *list, size_t size);
extern const struct xattr_handler * const pkernfs_xattr_handlers[];

/* --- bad.c: pages with memory errors ------------------------------------------ */

const struct pkernfs_bad_block_ser *pkernfs_bad_list(struct pkernfs_core *c);
u32 pkernfs_bad_count(struct pkernfs_core *c);
bool pkernfs_bad_listed(const struct pkernfs_bad_block_ser *b, u64 page);
u64 pkernfs_bad_first(struct pkernfs_core *c, u64 page, u64 count);
bool pkernfs_bad_in(struct pkernfs_core *c, const void *data, u64 bytes);
bool pkernfs_bad_span(struct pkernfs_core *c, const void *data, u64 *bytes);
void pkernfs_bad_withhold(struct pkernfs_core *c, struct pkernfs_gpool *p, u32 granule,
			  u32 count);
struct pkernfs_gpool *pkernfs_page_granule(struct pkernfs_core *c, u64 page, u32 *granule);
int pkernfs_bad_load(struct pkernfs_core *c, const char **why);
int pkernfs_bad_insert(struct pkernfs_bad_block_ser *b, u64 page);
int pkernfs_bad_add(struct pkernfs_core *c, u64 page);
bool pkernfs_bad_layout(const struct pkernfs_bad_block_ser *b, const struct pkernfs_sb *sb);
struct pkernfs_bad_block_ser *pkernfs_bad_keep(struct pkernfs_region *r);
void pkernfs_bad_write(struct pkernfs_region *r, const struct pkernfs_sb *sb,
		       const struct pkernfs_bad_block_ser *old);

/* --- poison.c: memory that fails while it is in use ---------------------------- */

int pkernfs_page_failure(struct pkernfs_core *c, u64 page, int flags, struct super_block **sb);

/* --- acl.c -------------------------------------------------------------------- */

enum {
	PKERNFS_ACL_ACCESS,
	PKERNFS_ACL_DEFAULT,
	PKERNFS_ACLS
};

/* ACLs that an operation stores, NULL: none; themselves and as attributes. */
struct pkernfs_acls {
	struct posix_acl *acl[PKERNFS_ACLS];
	void *value[PKERNFS_ACLS];
	size_t size[PKERNFS_ACLS];
};

struct posix_acl *pkernfs_get_acl(struct inode *inode, int type, bool rcu);
int pkernfs_set_acl(struct mnt_idmap *idmap, struct dentry *dentry,
		    struct posix_acl *acl, int type);
int pkernfs_acl_store(struct pkernfs_core *c, struct pkernfs_node *n, u8 space,
		      const void *value, size_t size, umode_t mode);
int pkernfs_acl_inherit(struct inode *dir, struct inode *inode, struct pkernfs_acls *acls);
int pkernfs_acl_chmod(struct inode *inode, umode_t mode, struct pkernfs_acls *acls);
int pkernfs_acl_tx(struct pkernfs_core *c, struct pkernfs_node *n,
		   const struct pkernfs_acls *acls, struct pkernfs_xattr_blocks *blocks);
void pkernfs_acl_done(struct inode *inode, struct pkernfs_acls *acls, bool stored);

/* --- load.c ------------------------------------------------------------------ */

int pkernfs_core_read(struct pkernfs_core *c, const char **why);

/* --- core.c ------------------------------------------------------------------ */

struct pkernfs_core *pkernfs_core_new(struct pkernfs_region *r, const char **why);
void pkernfs_core_free(struct pkernfs_core *c);
int pkernfs_core_load_locked(struct pkernfs_region *r);
int pkernfs_core_check(struct pkernfs_region *r, struct pkernfs_region_check *result);
void pkernfs_core_quiesce(struct pkernfs_core *c);
bool pkernfs_core_in_use(struct pkernfs_core *c);
bool pkernfs_node_fit(const struct pkernfs_node *n);
int pkernfs_node_destroy(struct pkernfs_core *c, struct pkernfs_node *n);
void pkernfs_orphan_add(struct pkernfs_core *c, struct pkernfs_node *n);
void pkernfs_orphan_reclaim(struct pkernfs_core *c);
#ifdef CONFIG_PKERNFS_TEST
void pkernfs_core_verify(struct pkernfs_core *c);
#else
static inline void pkernfs_core_verify(struct pkernfs_core *c) { }
#endif

/* --- sleep.c ------------------------------------------------------------------ */

bool pkernfs_hibernating(void);
int pkernfs_sleep(struct notifier_block *nb, unsigned long action, void *data);

/* --- super.c, inode.c, dir.c, file.c, space.c, fault.c, export.c -------------- */

extern const struct super_operations pkernfs_super_ops;
extern const struct export_operations pkernfs_export_ops;
extern const struct inode_operations pkernfs_dir_iops;
extern const struct inode_operations pkernfs_file_iops;
extern const struct inode_operations pkernfs_symlink_iops;
extern const struct inode_operations pkernfs_special_iops;
extern const struct file_operations pkernfs_dir_fops;
extern const struct file_operations pkernfs_file_fops;
extern const struct address_space_operations pkernfs_aops;

struct inode *pkernfs_iget(struct super_block *sb, u32 ino, u32 generation);
void pkernfs_inode_init(struct inode *inode, struct pkernfs_node *n);
__le64 pkernfs_time_ser(struct timespec64 t);
void pkernfs_inode_times(struct inode *inode);
void pkernfs_inode_evict(struct inode *inode);
int pkernfs_inode_update_time(struct inode *inode, enum fs_update_time type,
			      unsigned int flags);
int pkernfs_setattr(struct mnt_idmap *idmap, struct dentry *dentry,
		    struct iattr *attr);
int pkernfs_getattr(struct mnt_idmap *idmap, const struct path *path,
		    struct kstat *stat, u32 mask, unsigned int flags);
int pkernfs_fileattr_get(struct dentry *dentry, struct file_kattr *fa);
int pkernfs_fileattr_set(struct mnt_idmap *idmap, struct dentry *dentry,
			 struct file_kattr *fa);
int pkernfs_zero(struct inode *inode, u64 from, u64 to);
int pkernfs_zero_grown(struct inode *inode, u64 from, u64 size);
int pkernfs_commit_size(struct inode *inode, loff_t size, umode_t mode);
int pkernfs_set_size(struct inode *inode, loff_t size, umode_t mode);
struct pkernfs_gpool *pkernfs_wanted_pool(struct inode *inode, u64 end);
void pkernfs_outgrow(struct inode *inode, u64 end);
int pkernfs_fill(struct inode *inode, u64 from, u64 last, u64 end);
int pkernfs_move_from_fault(struct inode *inode, bool user);
long pkernfs_fallocate(struct file *file, int mode, loff_t offset, loff_t len);
int pkernfs_mmap_prepare(struct vm_area_desc *desc);
unsigned long pkernfs_get_unmapped_area(struct file *file, unsigned long addr,
					unsigned long len, unsigned long pgoff,
					unsigned long flags);

/* PKERNFS_INODE_WISH_* of a regular file or a directory. */
static inline u16 pkernfs_wish(struct inode *inode)
{
	return le16_to_cpu(READ_ONCE(pkernfs_node(inode)->ser->flags)) & PKERNFS_INODE_WISH;
}

/* Only the pages' own reference is left. */
static inline bool pkernfs_folio_idle(struct folio *folio)
{
	return folio_ref_count(folio) <= 1;
}

/*
 * Has somebody a reference on it that is not for a mapping? For an instant it looks so while a
 * mapping comes or goes.
 */
static inline bool pkernfs_folio_lent(struct folio *folio)
{
	return folio_ref_count(folio) > 1 + folio_mapcount(folio);
}

#endif
