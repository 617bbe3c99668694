// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: the damage of pkernfs_fuzz.c, and checksums and counts that match it.
 */
#include <linux/bitmap.h>
#include <linux/crc32.h>
#include <linux/io.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "iommu.h"
#include "../../../fs/pkernfs/pkernfs.h"
#include "../../../fs/pkernfs/device.h"
#include "pkernfs_fuzz.h"

/* --- Damage ------------------------------------------------------------------------- */

/* splitmix64: one word of state, so that a run is named by its seed */
static u64 pkernfs_fuzz_random(struct pkernfs_fuzz_source *s)
{
	u64 x = s->state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

static u64 pkernfs_fuzz_take(struct pkernfs_fuzz_source *s, unsigned int bytes)
{
	u64 x = 0;

	if (!s->data)
		return pkernfs_fuzz_random(s);
	while (bytes-- && s->left) {
		x = x << 8 | *s->data++;
		s->left--;
	}
	s->over = !s->left;
	return x;
}

u32 pkernfs_fuzz_pick(struct pkernfs_fuzz_source *s, u32 n)
{
	return (u32)pkernfs_fuzz_take(s, n > 256 ? 2 : 1) % n;
}

static u64 pkernfs_fuzz_interesting(struct pkernfs_fuzz_source *s)
{
	static const u64 values[] = {
		0, 1, 2, 3, 63, 64, 65, 511, 512, 0xfee00000, U32_MAX, S64_MAX, U64_MAX,
	};
	u32 i = pkernfs_fuzz_pick(s, ARRAY_SIZE(values) + 64);

	return i < ARRAY_SIZE(values) ? values[i] : BIT_ULL(i - ARRAY_SIZE(values));
}

/* A block that is watched; most often one with something in it */
static u64 pkernfs_fuzz_block(struct pkernfs_fuzz *z, struct pkernfs_fuzz_source *s)
{
	if (pkernfs_fuzz_pick(s, 4))
		return z->busy[pkernfs_fuzz_pick(s, z->busies)];
	return z->block[pkernfs_fuzz_pick(s, z->blocks)];
}

/* A block that is watched, an address that hardware would take for a pointer or page */
static u64 pkernfs_fuzz_pointer(struct pkernfs_fuzz *z, struct pkernfs_fuzz_source *s)
{
	static const u16 flags[] = { 0, 1, 2, 3, 0x7, 0x83, 0x81, 0x803, 0x883, 0x103, 0x203 };
	u64 low = flags[pkernfs_fuzz_pick(s, ARRAY_SIZE(flags))];

	switch (pkernfs_fuzz_pick(s, 4)) {
	case 0:
	case 1:
		return pkernfs_fuzz_phys(z, pkernfs_fuzz_block(z, s)) | low;
	case 2:
		/* A page or granule of the data area, or right behind it */
		return (pkernfs_fuzz_granule(z, 0) + ((u64)pkernfs_fuzz_pick(s, 8) << 21) +
			((u64)pkernfs_fuzz_pick(s, 2) << 12)) | low;
	default:
		return (z->r.base + z->r.bytes - ((u64)pkernfs_fuzz_pick(s, 4) << 21) +
			((u64)pkernfs_fuzz_pick(s, 4) << 12)) | low;
	}
}

/* A committed operation that a replay is to finish */
static void pkernfs_fuzz_journal(struct pkernfs_fuzz *z, struct pkernfs_fuzz_source *s)
{
	struct pkernfs_journal_ser *j =
		pkernfs_block(&z->r, pkernfs_fuzz_start(&z->sb.journal));
	struct pkernfs_journal_rec_ser *rec = (void *)j + PKERNFS_BLOCK_SIZE;
	bool inode = pkernfs_fuzz_pick(s, 2);
	u32 bytes = inode ? PKERNFS_INODE_STATIC : PKERNFS_BLOCK_SIZE;
	const struct pkernfs_area *a = inode ? &z->sb.inodes : &z->sb.pool;
	u64 to = pkernfs_fuzz_start(a) + pkernfs_fuzz_pick(s, inode ? 1 : PKERNFS_FUZZ_POOL);
	u64 from = pkernfs_fuzz_block(z, s) << PKERNFS_BLOCK_SHIFT;

	if (!pkernfs_fuzz_pick(s, 4))
		to = pkernfs_fuzz_block(z, s);
	to <<= PKERNFS_BLOCK_SHIFT;
	if (inode) {
		to += pkernfs_fuzz_pick(s, 8) * PKERNFS_INODE_SIZE;
		from += pkernfs_fuzz_pick(s, 8) * PKERNFS_INODE_SIZE;
	}
	rec->offset = cpu_to_le64(to);
	rec->kind = cpu_to_le32(inode ? PKERNFS_REC_INODE : PKERNFS_REC_BLOCK);
	rec->bytes = cpu_to_le32(bytes);
	memmove(rec + 1, z->r.virt + from, bytes);
	j->bytes = cpu_to_le64(sizeof(*rec) + bytes);
	j->commit = cpu_to_le64(1);
}

/* Where to: half of the time at a word that is not 0, as most are */
static u64 *pkernfs_fuzz_word(struct pkernfs_fuzz *z, struct pkernfs_fuzz_source *s)
{
	u64 *words = pkernfs_block(&z->r, pkernfs_fuzz_block(z, s));
	u32 at = pkernfs_fuzz_pick(s, 512), i;

	if (pkernfs_fuzz_pick(s, 2))
		for (i = 0; i < 512 && !words[at]; i++)
			at = (at + 1) % 512;
	return &words[at];
}

void pkernfs_fuzz_change(struct pkernfs_fuzz *z, struct pkernfs_fuzz_source *s)
{
	u64 *to = pkernfs_fuzz_word(z, s), *from, saved;
	u32 words;

	switch (pkernfs_fuzz_pick(s, 14)) {
	case 0:
	case 1:
		*to ^= BIT_ULL(pkernfs_fuzz_pick(s, 64));
		break;
	case 2:
		((u8 *)to)[pkernfs_fuzz_pick(s, 8)] = pkernfs_fuzz_take(s, 1);
		break;
	case 3:
		*to = pkernfs_fuzz_take(s, 8);
		break;
	case 4:
		*to = pkernfs_fuzz_interesting(s);
		break;
	case 5:
		*to += (s64)pkernfs_fuzz_pick(s, 16) - 8;
		break;
	case 6:
	case 7:
		*to = pkernfs_fuzz_pointer(z, s);
		break;
	case 8:
		/* A splice of another block, up to the end of either */
		from = pkernfs_fuzz_word(z, s);
		words = 512 - max(offset_in_page(to), offset_in_page(from)) / 8;
		memmove(to, from, 8 * min(words, 1 + pkernfs_fuzz_pick(s, 64)));
		break;
	case 9:
		from = pkernfs_fuzz_word(z, s);
		memmove(PTR_ALIGN_DOWN(to, PKERNFS_BLOCK_SIZE),
			PTR_ALIGN_DOWN(from, PKERNFS_BLOCK_SIZE), PKERNFS_BLOCK_SIZE);
		break;
	case 10:
		from = pkernfs_fuzz_word(z, s);
		saved = *to;
		*to = *from;
		*from = saved;
		break;
	case 11:
	case 12:
		/* The same a few entries on, or in the next record, inode or extent */
		words = (u32)(offset_in_page(to) / 8) + 8 * pkernfs_fuzz_pick(s, 2) +
			pkernfs_fuzz_pick(s, 16) - 8;
		PTR_ALIGN_DOWN(to, PKERNFS_BLOCK_SIZE)[words % 512] = *to;
		break;
	default:
		if (!pkernfs_fuzz_pick(s, 4))
			pkernfs_fuzz_journal(z, s);
	}
}

/* --- Checksums and counts that match --------------------------------------------------- */

/* What an entry of the tree leads to, NULL: nothing that may be written to */
static u64 *pkernfs_fuzz_down(struct pkernfs_fuzz *z, u64 entry)
{
	u64 block = ((entry & ~0xfffULL) - z->r.base) >> 12;
	u64 start = pkernfs_fuzz_start(&z->sb.handover);

	if (!(entry & 1) || block < start + 3 || block >= start + PKERNFS_FUZZ_HANDOVER)
		return NULL;
	return pkernfs_block(&z->r, block);
}

/* The hardware's entry, as a record has it by now */
void pkernfs_fuzz_mend_entry(struct pkernfs_fuzz *z, const struct pkernfs_dev_record *rec)
{
	u64 *at = phys_to_virt(z->at + PKERNFS_BLOCK_SIZE);
	u64 root = le64_to_cpu(rec->iommu.ss_root) & ~0xfffULL;
	u64 did = le16_to_cpu(rec->iommu.did), aw = rec->iommu.aw & 7;
	u16 rid = le16_to_cpu(rec->pci.rid);

	at = pkernfs_fuzz_down(z, at[(rid >> 8) * 2 + (z->scalable && rid & 0x80)]);
	if (!at)
		return;
	if (!z->scalable) {
		at[(rid & 0xff) * 2] = root | 1;
		at[(rid & 0xff) * 2 + 1] = did << 8 | aw;
		return;
	}
	at = pkernfs_fuzz_down(z, at[(rid & 0x7f) * 4]);
	at = at ? pkernfs_fuzz_down(z, *at) : NULL;
	if (at) {
		at[0] = root | 2 << 6 | aw << 2 | 1 |
			(pkernfs_fuzz_is_tracked(rec) ? 1 << 9 : 0);
		at[1] = did | 1 << 23;
	}
}

void pkernfs_fuzz_mend_counts(struct pkernfs_fuzz *z, struct pkernfs_dev_record *rec)
{
	struct pkernfs_fuzz_walk w = { .z = z, .sb = &z->sb, .count = true };

	pkernfs_fuzz_walk(&w, le64_to_cpu(rec->iommu.ss_root), rec->iommu.aw);
	/* Of tables that lead to themselves no count would be right. */
	if (w.bad)
		return;
	rec->iommu.tables = cpu_to_le64(w.tables);
	rec->iommu.pages = cpu_to_le64(w.pages);
	rec->iommu.leaves = cpu_to_le32(w.crc);
}

static void pkernfs_fuzz_mend_record(struct pkernfs_fuzz *z, struct pkernfs_fuzz_source *s, u32 i)
{
	struct pkernfs_dev_record *rec = pkernfs_fuzz_record(z, i);

	if (pkernfs_fuzz_pick(s, 4))
		pkernfs_fuzz_mend_counts(z, rec);
	if (!pkernfs_fuzz_pick(s, 16))
		rec->feature_incompat ^= cpu_to_le64(PKERNFS_INCOMPAT_DIRTY);
	/* As from a kernel that did not know of it */
	if (!pkernfs_fuzz_pick(s, 16))
		rec->feature_compat ^= cpu_to_le64(PKERNFS_COMPAT_LEAVES);
	if (pkernfs_fuzz_pick(s, 2))
		pkernfs_fuzz_mend_entry(z, rec);
	if (pkernfs_fuzz_pick(s, 16))
		pkernfs_fuzz_seal_record(rec);
}

static void pkernfs_fuzz_mend_files(struct pkernfs_fuzz *z)
{
	u64 pool = pkernfs_fuzz_start(&z->sb.pool);
	struct pkernfs_inode_ser *ser;
	u32 i;

	for (i = 0; i < le64_to_cpu(z->sb.inodes.count) * 8; i++) {
		ser = pkernfs_fuzz_inode(z, i);
		if (ser->magic)
			ser->crc = cpu_to_le32(pkernfs_inode_crc(ser));
	}
	for (i = 0; i < PKERNFS_FUZZ_POOL; i++) {
		__le32 *magic = pkernfs_block(&z->r, pool + i);

		if (*magic == cpu_to_le32(PKERNFS_DIR_MAGIC) ||
		    *magic == cpu_to_le32(PKERNFS_EXTENT_MAGIC) ||
		    *magic == cpu_to_le32(PKERNFS_BAD_MAGIC))
			pkernfs_block_seal(magic);
	}
}

static void pkernfs_fuzz_mend_journal(struct pkernfs_fuzz *z)
{
	struct pkernfs_journal_ser *j =
		pkernfs_block(&z->r, pkernfs_fuzz_start(&z->sb.journal));
	u64 bytes = le64_to_cpu(j->bytes);
	u32 crc = crc32c(~0, &j->bytes, sizeof(j->bytes));

	if (!j->commit || bytes > PKERNFS_BLOCK_SIZE * 8)
		return;
	crc = crc32c(crc, (void *)j + PKERNFS_BLOCK_SIZE, bytes);
	j->commit = cpu_to_le64((le64_to_cpu(j->commit) & ~(u64)U32_MAX) | crc);
}

void pkernfs_fuzz_mend(struct pkernfs_fuzz *z, struct pkernfs_fuzz_source *s)
{
	unsigned int i;

	if (pkernfs_fuzz_pick(s, 16))
		pkernfs_fuzz_mend_files(z);
	if (pkernfs_fuzz_pick(s, 16))
		pkernfs_fuzz_mend_journal(z);
	for (i = 0; i < PKERNFS_FUZZ_RECORDS; i++)
		pkernfs_fuzz_mend_record(z, s, i);
	if (pkernfs_fuzz_pick(s, 16))
		pkernfs_fuzz_seal_handover(phys_to_virt(z->at));
	if (pkernfs_fuzz_pick(s, 16)) {
		pkernfs_fuzz_seal_sb(z->r.virt);
		pkernfs_fuzz_seal_sb(z->r.virt + z->r.bytes - PKERNFS_BLOCK_SIZE);
	}
}
