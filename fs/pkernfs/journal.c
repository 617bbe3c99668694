// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkernfs: the redo log.
 *
 * A transaction holds core->lock for writing from pkernfs_tx_begin() to
 * pkernfs_tx_end(). In between its steps ask for the inodes and pool blocks that
 * they change and get copies, which lie in the journal already; commit completes
 * checksums and makes the copies valid with one store, then applies them. What
 * the next kernel sees if this one stops:
 *
 *	before the store of commit	nothing has happened
 *	after it			all has happened, once replayed
 *
 * Replay copies whole objects, so doing it again changes nothing.
 *
 * A block fresh from the pool is zeroed outside of the log: until the transaction
 * that links it is committed, no one can reach it. What it is filled with goes
 * through the log like all else, as a replay may have to do it again.
 *
 * Ordering is all that is needed: caches are coherent across a kexec.
 */

#define pr_fmt(fmt) "pkernfs: " fmt

#include <linux/crc32.h>
#include <linux/printk.h>

#include "pkernfs.h"

static struct pkernfs_journal_ser *pkernfs_journal(struct pkernfs_core *c)
{
	return pkernfs_block(c->r, pkernfs_area_start(&c->r->sb->journal));
}

static void *pkernfs_journal_data(struct pkernfs_core *c)
{
	return (void *)pkernfs_journal(c) + PKERNFS_BLOCK_SIZE;
}

static size_t pkernfs_journal_size(struct pkernfs_core *c)
{
	return (pkernfs_area_count(&c->r->sb->journal) - 1) << PKERNFS_BLOCK_SHIFT;
}

/*
 * Does this store still happen? Always, but for the tests that stop here: KUnit's, and
 * whoever writes to regionN_stores in debugfs.
 */
static bool pkernfs_store_happens(struct pkernfs_core *c)
{
	if (!IS_ENABLED(CONFIG_PKERNFS_KUNIT_TEST) || c->stores_left < 0)
		return true;
	if (pkernfs_core_stopped(c))
		return false;
	c->stores_left--;
	return true;
}

static void pkernfs_store64(struct pkernfs_core *c, __le64 *to, u64 value)
{
	if (pkernfs_store_happens(c))
		WRITE_ONCE(*to, cpu_to_le64(value));
}

static void pkernfs_copy(struct pkernfs_core *c, void *to, const void *from,
			 size_t bytes)
{
	if (!IS_ENABLED(CONFIG_PKERNFS_KUNIT_TEST) || c->stores_left < 0) {
		memcpy(to, from, bytes);
		return;
	}
	for (; bytes; bytes -= 8, to += 8, from += 8)
		if (pkernfs_store_happens(c))
			memcpy(to, from, 8);
}

/**
 * pkernfs_block_seal - complete the checksum of an extent or directory block
 * @block: the block
 *
 * Magic and checksum are at the same place in both.
 */
void pkernfs_block_seal(void *block)
{
	struct pkernfs_extent_block_ser *b = block;

	b->crc = cpu_to_le32(crc32c(~0, block + 8, PKERNFS_BLOCK_SIZE - 8));
}

/**
 * pkernfs_block_sound - is this the block that a chain says it is?
 * @block: the block
 * @magic: of its kind, PKERNFS_EXTENT_MAGIC and others
 * @ino: inode whose chain it is in
 * @generation: of that inode
 */
bool pkernfs_block_sound(const void *block, u32 magic, u64 ino, u32 generation)
{
	const struct pkernfs_extent_block_ser *b = block;

	return le32_to_cpu(b->magic) == magic && le64_to_cpu(b->ino) == ino &&
	       le32_to_cpu(b->generation) == generation &&
	       le32_to_cpu(b->crc) == crc32c(~0, block + 8, PKERNFS_BLOCK_SIZE - 8);
}

/* Its checksum is where that of an inode is, which is how the log completes both. */
static u32 pkernfs_table_crc(const struct pkernfs_table_ser *t)
{
	static_assert(offsetof(struct pkernfs_table_ser, crc) ==
		      offsetof(struct pkernfs_inode_ser, crc));
	return crc32c(~0, t, offsetof(struct pkernfs_table_ser, crc));
}

void pkernfs_table_seal(struct pkernfs_table_ser *t)
{
	t->magic = cpu_to_le32(PKERNFS_TABLE_MAGIC);
	t->crc = cpu_to_le32(pkernfs_table_crc(t));
}

/* Is this the head of an inode table? What it says is not judged. */
bool pkernfs_table_sound(const struct pkernfs_table_ser *t)
{
	return le32_to_cpu(t->magic) == PKERNFS_TABLE_MAGIC && !t->ino &&
	       le32_to_cpu(t->crc) == pkernfs_table_crc(t);
}

u32 pkernfs_inode_crc(const struct pkernfs_inode_ser *ser)
{
	return crc32c(~0, ser, offsetof(struct pkernfs_inode_ser, crc));
}

/**
 * pkernfs_tx_begin - begin a transaction
 * @c: the core
 *
 * Return: 0 with core->lock held for writing, or -ESHUTDOWN.
 */
int pkernfs_tx_begin(struct pkernfs_core *c)
{
	down_write(&c->lock);
	if (c->quiesced || pkernfs_core_stopped(c)) {
		up_write(&c->lock);
		return -ESHUTDOWN;
	}
	c->tx_used = 0;
	c->tx_overflow = false;
	return 0;
}

void pkernfs_tx_end(struct pkernfs_core *c)
{
	up_write(&c->lock);
}

/*
 * The copy of an object in the transaction, made now if it is the first time
 * that it is asked for. A transaction has a few records, seldom more than ten.
 */
static void *pkernfs_tx_copy(struct pkernfs_core *c, u64 offset, u32 kind,
			     u32 bytes)
{
	struct pkernfs_journal_rec_ser *rec;
	size_t at;

	lockdep_assert_held_write(&c->lock);

	for (at = 0; at < c->tx_used; at += sizeof(*rec) + le32_to_cpu(rec->bytes)) {
		rec = pkernfs_journal_data(c) + at;
		if (le64_to_cpu(rec->offset) == offset)
			return rec + 1;
	}

	if (c->tx_used + sizeof(*rec) + bytes > pkernfs_journal_size(c)) {
		/*
		 * The largest transaction fits into the smallest journal, by
		 * PKERNFS_CHAIN_MAX. Let the caller scribble on what it has; the
		 * commit will refuse.
		 */
		WARN_ON_ONCE(1);
		c->tx_overflow = true;
		c->tx_used = 0;
	}
	rec = pkernfs_journal_data(c) + c->tx_used;
	rec->offset = cpu_to_le64(offset);
	rec->kind = cpu_to_le32(kind);
	rec->bytes = cpu_to_le32(bytes);
	memcpy(rec + 1, c->r->virt + offset, bytes);
	c->tx_used += sizeof(*rec) + bytes;
	return rec + 1;
}

static u64 pkernfs_ino_offset(struct pkernfs_core *c, u32 ino)
{
	return (pkernfs_area_start(&c->r->sb->inodes) << PKERNFS_BLOCK_SHIFT) +
	       (u64)ino * PKERNFS_INODE_SIZE;
}

/**
 * pkernfs_tx_inode - change an inode in this transaction
 * @c: the core
 * @ino: inode number
 *
 * Return: a copy of its static part. The times behind must not be touched.
 */
struct pkernfs_inode_ser *pkernfs_tx_inode(struct pkernfs_core *c, u32 ino)
{
	return pkernfs_tx_copy(c, pkernfs_ino_offset(c, ino), PKERNFS_REC_INODE,
			       PKERNFS_INODE_STATIC);
}

/**
 * pkernfs_tx_size - change the size of a file in this transaction
 * @c: the core
 * @ino: inode number
 * @size: in bytes
 * @mode: what it becomes with it, 0: as it is
 */
void pkernfs_tx_size(struct pkernfs_core *c, u32 ino, u64 size, umode_t mode)
{
	struct pkernfs_inode_ser *ser = pkernfs_tx_inode(c, ino);

	ser->size = cpu_to_le64(size);
	if (mode)
		ser->mode = cpu_to_le16(mode);
}

/**
 * pkernfs_tx_fresh - begin an inode in a free slot, in this transaction
 * @c: the core
 * @ino: its number, from pkernfs_node_new()
 *
 * If none was used as high in the table as this one, the table says so from now on.
 *
 * Return: the copy of its static part: identity and a generation of its own, zeroes
 * behind them.
 */
struct pkernfs_inode_ser *pkernfs_tx_fresh(struct pkernfs_core *c, u32 ino)
{
	struct pkernfs_inode_ser *ser = pkernfs_tx_inode(c, ino);
	u32 generation = le32_to_cpu(ser->generation) + 1;
	struct pkernfs_table_ser *t;

	if (ino >= pkernfs_ino_mark(c)) {
		t = (void *)pkernfs_tx_inode(c, 0);
		t->mark = cpu_to_le64(pkernfs_ino_mark_above(c, ino));
	}
	memset(ser, 0, PKERNFS_INODE_STATIC);
	ser->magic = cpu_to_le32(PKERNFS_INODE_MAGIC);
	ser->generation = cpu_to_le32(generation ?: 1);
	ser->ino = cpu_to_le64(ino);
	return ser;
}

/**
 * pkernfs_tx_block - change an extent or directory block in this transaction
 * @c: the core
 * @block: its number in the region
 *
 * Return: a copy of all of it.
 */
void *pkernfs_tx_block(struct pkernfs_core *c, u64 block)
{
	return pkernfs_tx_copy(c, block << PKERNFS_BLOCK_SHIFT, PKERNFS_REC_BLOCK,
			       PKERNFS_BLOCK_SIZE);
}

static void pkernfs_tx_seal(struct pkernfs_core *c)
{
	struct pkernfs_journal_rec_ser *rec;
	struct pkernfs_inode_ser *ser;
	size_t at;

	for (at = 0; at < c->tx_used; at += sizeof(*rec) + le32_to_cpu(rec->bytes)) {
		rec = pkernfs_journal_data(c) + at;
		if (le32_to_cpu(rec->kind) == PKERNFS_REC_BLOCK) {
			pkernfs_block_seal(rec + 1);
		} else {
			ser = (void *)(rec + 1);
			ser->crc = cpu_to_le32(pkernfs_inode_crc(ser));
		}
	}
}

static void pkernfs_journal_apply(struct pkernfs_core *c, size_t bytes)
{
	struct pkernfs_journal_rec_ser *rec;
	size_t at;

	for (at = 0; at < bytes; at += sizeof(*rec) + le32_to_cpu(rec->bytes)) {
		rec = pkernfs_journal_data(c) + at;
		pkernfs_copy(c, c->r->virt + le64_to_cpu(rec->offset), rec + 1,
			     le32_to_cpu(rec->bytes));
	}
}

static u32 pkernfs_journal_crc(struct pkernfs_core *c, size_t bytes)
{
	u32 crc = crc32c(~0, &pkernfs_journal(c)->bytes, sizeof(__le64));

	return crc32c(crc, pkernfs_journal_data(c), bytes);
}

/**
 * pkernfs_tx_commit - make the transaction happen
 * @c: the core; the lock stays held, for the caller to follow up in memory
 *
 * Return: 0, or -EIO if the transaction was too large: nothing has happened. -ESHUTDOWN: a
 * test has stopped it somewhere; the operation is to do nothing more.
 */
int pkernfs_tx_commit(struct pkernfs_core *c)
{
	struct pkernfs_journal_ser *j = pkernfs_journal(c);

	lockdep_assert_held_write(&c->lock);
	if (c->tx_overflow)
		return -EIO;

	WRITE_ONCE(c->r->changes, c->r->changes + 1);
	pkernfs_tx_seal(c);
	pkernfs_store64(c, &j->bytes, c->tx_used);
	smp_wmb();	/* records before the word that makes them valid */
	if (!++c->tx_seq)
		c->tx_seq = 1;
	pkernfs_store64(c, &j->commit, (u64)c->tx_seq << 32 |
			pkernfs_journal_crc(c, c->tx_used));
	smp_wmb();	/* valid before any target changes */
	pkernfs_journal_apply(c, c->tx_used);
	smp_wmb();	/* all targets changed before it is over */
	pkernfs_store64(c, &j->commit, 0);
	smp_wmb();	/* over before the next one's records */
	return pkernfs_core_stopped(c) ? -ESHUTDOWN : 0;
}

static const char *pkernfs_journal_damage(struct pkernfs_core *c, u64 commit,
					  u64 bytes)
{
	const struct pkernfs_sb *sb = c->r->sb;
	u64 inodes = pkernfs_area_start(&sb->inodes) << PKERNFS_BLOCK_SHIFT;
	u64 inodes_end = inodes +
		(pkernfs_area_count(&sb->inodes) << PKERNFS_BLOCK_SHIFT);
	u64 pool = pkernfs_area_start(&sb->pool) << PKERNFS_BLOCK_SHIFT;
	u64 pool_end = pool + (pkernfs_area_count(&sb->pool) << PKERNFS_BLOCK_SHIFT);
	struct pkernfs_journal_rec_ser *rec;
	u64 at, offset;
	u32 size;

	if (bytes > pkernfs_journal_size(c))
		return "redo log: too long";
	if (pkernfs_journal_crc(c, bytes) != (u32)commit)
		return "redo log: committed, and its checksum is wrong";
	for (at = 0; at < bytes; at += sizeof(*rec) + size) {
		if (bytes - at < sizeof(*rec))
			return "redo log: half a record";
		rec = pkernfs_journal_data(c) + at;
		offset = le64_to_cpu(rec->offset);
		size = le32_to_cpu(rec->bytes);
		if (size > bytes - at - sizeof(*rec))
			return "redo log: half a record";
		switch (le32_to_cpu(rec->kind)) {
		case PKERNFS_REC_INODE:
			if (size != PKERNFS_INODE_STATIC ||
			    offset % PKERNFS_INODE_SIZE ||
			    offset < inodes || offset >= inodes_end)
				return "redo log: no inode at the target";
			break;
		case PKERNFS_REC_BLOCK:
			if (size != PKERNFS_BLOCK_SIZE ||
			    offset % PKERNFS_BLOCK_SIZE ||
			    offset < pool || offset >= pool_end)
				return "redo log: target not in the pool";
			break;
		default:
			return "redo log: unknown record";
		}
	}
	return NULL;
}

/**
 * pkernfs_journal_replay - finish what the kernel before had committed
 * @c: the core; its superblock has proven itself
 * @why: set on error
 *
 * Nothing is written unless the log is proven whole.
 *
 * Return: 0 or -EUCLEAN.
 */
int pkernfs_journal_replay(struct pkernfs_core *c, const char **why)
{
	struct pkernfs_journal_ser *j = pkernfs_journal(c);
	u64 commit = le64_to_cpu(READ_ONCE(j->commit));
	u64 bytes = le64_to_cpu(READ_ONCE(j->bytes));

	if (le32_to_cpu(j->magic) != PKERNFS_JOURNAL_MAGIC) {
		*why = "redo log: no magic";
		return -EUCLEAN;
	}
	if (le32_to_cpu(j->version) != PKERNFS_FORMAT_VERSION) {
		*why = "redo log: unknown format version";
		return -EUCLEAN;
	}
	c->tx_seq = commit >> 32;
	if (!commit)
		return 0;

	*why = pkernfs_journal_damage(c, commit, bytes);
	if (!*why && c->check)
		*why = "redo log: an operation that was committed is not finished";
	if (*why)
		return -EUCLEAN;
	pkernfs_load_say(pr_info,
			 "region %u: finishing the operation that the kernel before had committed\n",
			 c->r->index);
	WRITE_ONCE(c->r->changes, c->r->changes + 1);
	pkernfs_journal_apply(c, bytes);
	smp_wmb();	/* all targets changed before it is over */
	pkernfs_store64(c, &j->commit, 0);
	return 0;
}
