// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: the fixture of pkernfs_fuzz.c, a region with a handover of three devices in it.
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

/* --- Checksums ------------------------------------------------------------------ */

void pkernfs_fuzz_seal_sb(struct pkernfs_sb *sb)
{
	sb->crc = cpu_to_le32(crc32c(~0, sb, offsetof(struct pkernfs_sb, crc)));
}

void pkernfs_fuzz_seal_handover(struct pkernfs_handover *h)
{
	h->crc = cpu_to_le32(crc32c(~0, h, offsetof(struct pkernfs_handover, crc)));
}

void pkernfs_fuzz_seal_record(struct pkernfs_dev_record *rec)
{
	rec->crc = cpu_to_le32(crc32c(~0, &rec->magic,
				      offsetof(struct pkernfs_dev_record, crc) -
				      offsetof(struct pkernfs_dev_record, magic)));
}

/* --- The fixture ------------------------------------------------------------------ */

struct pkernfs_inode_ser *pkernfs_fuzz_inode(struct pkernfs_fuzz *z, u32 ino)
{
	return pkernfs_block(&z->r, pkernfs_fuzz_start(&z->sb.inodes)) +
	       (u64)ino * PKERNFS_INODE_SIZE;
}

struct pkernfs_dev_record *pkernfs_fuzz_record(struct pkernfs_fuzz *z, u32 slot)
{
	return pkernfs_block(&z->r, pkernfs_fuzz_start(&z->sb.records) + slot);
}

static void *pkernfs_fuzz_pool(void *arg)
{
	struct pkernfs_fuzz *z = arg;

	return pkernfs_block(&z->r, pkernfs_fuzz_start(&z->sb.pool) + z->pool_next++);
}

void *pkernfs_fuzz_handover(void *arg)
{
	struct pkernfs_fuzz *z = arg;

	return pkernfs_block(&z->r, pkernfs_fuzz_start(&z->sb.handover) + z->tree_next++);
}

static void pkernfs_fuzz_name(struct pkernfs_dir_block_ser *b, u32 unit, u64 ino, char last)
{
	struct pkernfs_dirent_ser *de = (void *)b->unit[unit];

	de->ino = cpu_to_le64(ino);
	de->units = 1;
	de->len = 2;
	de->type = DT_REG;
	de->name[0] = 'f';
	de->name[1] = last;
}

static void pkernfs_fuzz_extent(struct pkernfs_fuzz *z, struct pkernfs_extent_ser *e,
				u64 logical, u32 first, u32 count)
{
	e->logical = cpu_to_le64(logical << PKERNFS_GRANULE_SHIFT);
	e->phys = cpu_to_le64(pkernfs_fuzz_granule(z, first));
	e->bytes = cpu_to_le64((u64)count << PKERNFS_GRANULE_SHIFT);
}

/*
 * A RAM file that has all granules but the first and the last three, an orphan and a
 * file that no device reaches with one more each, and the files of the devices.
 */
static void pkernfs_fuzz_files(struct pkernfs_fuzz *z)
{
	u32 granules = le64_to_cpu(z->sb.data.count) / PKERNFS_BLOCKS_PER_GRANULE;
	u64 pool = pkernfs_fuzz_start(&z->sb.pool) + 1, ino;
	struct pkernfs_dir_block_ser *names = pkernfs_fuzz_pool(z);
	struct pkernfs_extent_block_ser *more = pkernfs_fuzz_pool(z);
	struct pkernfs_table_ser *table = (void *)pkernfs_fuzz_inode(z, 0);
	struct pkernfs_inode_ser *ser = pkernfs_fuzz_inode(z, PKERNFS_ROOT_INO);

	table->mark = cpu_to_le64(PKERNFS_FUZZ_NIC + PKERNFS_FUZZ_DEVICES);
	pkernfs_table_seal(table);
	ser->btime = 0;
	ser->chain = cpu_to_le64(pool);
	ser->crc = cpu_to_le32(pkernfs_inode_crc(ser));
	names->magic = cpu_to_le32(PKERNFS_DIR_MAGIC);
	names->ino = cpu_to_le64(PKERNFS_ROOT_INO);
	names->generation = cpu_to_le32(1);
	more->magic = cpu_to_le32(PKERNFS_EXTENT_MAGIC);
	more->ino = cpu_to_le64(PKERNFS_FUZZ_RAM);
	more->generation = cpu_to_le32(1);
	pkernfs_fuzz_extent(z, &more->extent[0], granules, granules - 4, 1);

	for (ino = PKERNFS_FUZZ_RAM; ino < PKERNFS_FUZZ_NIC + PKERNFS_FUZZ_DEVICES; ino++) {
		ser = pkernfs_fuzz_inode(z, ino);
		ser->magic = cpu_to_le32(PKERNFS_INODE_MAGIC);
		ser->generation = cpu_to_le32(1);
		ser->ino = cpu_to_le64(ino);
		ser->mode = cpu_to_le16(S_IFREG | 0600);
		ser->nlink = cpu_to_le32(ino != PKERNFS_FUZZ_ORPHAN);
		if (ino == PKERNFS_FUZZ_RAM) {
			ser->chain = cpu_to_le64(pool + 1);
			pkernfs_fuzz_extent(z, &ser->extent[0], 0, 1, granules - 5);
		} else if (ino == PKERNFS_FUZZ_ORPHAN) {
			pkernfs_fuzz_extent(z, &ser->extent[0], 0, granules - 2, 1);
		} else if (ino == PKERNFS_FUZZ_OTHER) {
			/* Of a file with a name; no device reaches it. */
			pkernfs_fuzz_extent(z, &ser->extent[0], 0, granules - 3, 1);
		}
		ser->crc = cpu_to_le32(pkernfs_inode_crc(ser));
		if (ser->nlink)
			pkernfs_fuzz_name(names, ino, ino, '0' + ino);
	}
	pkernfs_block_seal(names);
	pkernfs_block_seal(more);
}

static int pkernfs_fuzz_map(struct pkernfs_ss_writer *w, u64 iova, u64 oa, u64 bytes, u64 attr)
{
	return pkernfs_ss_map(w, &(struct pkernfs_ss_leaf) {
		.iova = iova, .oa = oa, .bytes = bytes, .attr = attr,
	});
}

static int pkernfs_fuzz_tables(struct pkernfs_fuzz *z, struct pkernfs_ss_writer *w)
{
	const u64 rw = PKERNFS_SS_R | PKERNFS_SS_W;
	u32 granules = le64_to_cpu(z->sb.data.count) / PKERNFS_BLOCKS_PER_GRANULE;
	u64 large = round_up(pkernfs_fuzz_granule(z, 1), SZ_1G);
	u64 one = pkernfs_fuzz_granule(z, 1);
	int ret;

	/* The second one ends where interrupts begin. */
	ret = pkernfs_fuzz_map(w, SZ_2M, one, SZ_2M, rw) ?:
	      pkernfs_fuzz_map(w, 0xfec00000, one, SZ_2M, rw) ?:
	      pkernfs_fuzz_map(w, SZ_1G + SZ_4K, one + SZ_8K, SZ_4K, rw) ?:
	      pkernfs_fuzz_map(w, SZ_1G + SZ_8K, one, SZ_4K, PKERNFS_SS_R);
	if (!ret && large + SZ_1G <= pkernfs_fuzz_granule(z, granules - 4))
		ret = pkernfs_fuzz_map(w, 8ULL * SZ_1G, large, SZ_1G, rw);
	return ret;
}

static int pkernfs_fuzz_device(struct pkernfs_fuzz *z, struct pkernfs_tree *t, u32 i,
			       const struct pkernfs_ss_writer *w)
{
	static const u16 rids[] = { 0x0018, 0x0098, 0x0108 };
	struct pkernfs_dev_record *rec = pkernfs_fuzz_record(z, i);
	struct pkernfs_fixed *f = kzalloc_obj(*f);
	int ret;

	if (!f)
		return -ENOMEM;
	f->iommu = z->iommu;
	f->ss = w->ss;
	f->aw = w->ss.levels - 2;
	f->did = 10 + i;
	f->d.dirty_tracking = z->scalable && i == PKERNFS_FUZZ_DEVICES - 1;
	ret = pkernfs_tree_add(t, f, rids[i]);

	if (f->d.dirty_tracking)
		rec->feature_incompat = cpu_to_le64(PKERNFS_INCOMPAT_DIRTY);
	rec->state = cpu_to_le32(PKERNFS_RECORD_FROZEN);
	rec->magic = cpu_to_le32(PKERNFS_RECORD_MAGIC);
	rec->version = cpu_to_le32(PKERNFS_FORMAT_VERSION);
	rec->slot = cpu_to_le32(i);
	rec->generation = cpu_to_le32(1);
	rec->ino = cpu_to_le64(PKERNFS_FUZZ_NIC + i);
	rec->pci.rid = cpu_to_le16(rids[i]);
	if (rids[i] >> 8) {
		rec->pci.bridge_count = cpu_to_le32(1);
		rec->pci.bridge[0].secondary = rids[i] >> 8;
		rec->pci.bridge[0].subordinate = rids[i] >> 8;
	}
	rec->iommu.drhd_base = cpu_to_le64(z->iommu->reg_phys);
	rec->iommu.cap = cpu_to_le64(z->iommu->cap);
	rec->iommu.ecap = cpu_to_le64(z->iommu->ecap);
	rec->iommu.ss_root = cpu_to_le64(f->ss.root);
	rec->iommu.tables = cpu_to_le64(w->tables);
	rec->iommu.pages = cpu_to_le64(w->pages);
	rec->iommu.did = cpu_to_le16(f->did);
	rec->iommu.mode = z->scalable ? PKERNFS_IOMMU_VTD_SCALABLE : PKERNFS_IOMMU_VTD_LEGACY;
	rec->iommu.aw = f->aw;
	rec->feature_compat = cpu_to_le64(PKERNFS_COMPAT_LEAVES);
	pkernfs_fuzz_mend_counts(z, rec);
	pkernfs_fuzz_seal_record(rec);
	kfree(f);
	return ret;
}

static int pkernfs_fuzz_hand_over(struct pkernfs_fuzz *z)
{
	struct pkernfs_ss_writer w[2];
	struct pkernfs_handover *h;
	struct pkernfs_tree t = {
		.scalable = z->scalable, .block = pkernfs_fuzz_handover, .arg = z,
	};
	unsigned int i;
	int ret = 0;

	z->tree_next = 1;	/* as if another unit came first */
	h = pkernfs_fuzz_handover(z);
	z->at = virt_to_phys(h);
	t.root = pkernfs_fuzz_handover(z);
	for (i = 0; i < ARRAY_SIZE(w) && !ret; i++) {
		w[i] = (struct pkernfs_ss_writer) {
			.ss.levels = 4 - i, .alloc = pkernfs_fuzz_pool, .arg = z, .coherent = true,
		};
		ret = pkernfs_fuzz_tables(z, &w[i]);
	}
	/* Hardware has set accessed and dirty bits: the first page's, and on the way there. */
	if (!ret && z->scalable) {
		u64 *table = phys_to_virt(w[1].ss.root);

		table[0] |= PKERNFS_SS_A;
		table = phys_to_virt(table[0] & PKERNFS_SS_OA);
		table[1] |= PKERNFS_SS_A | PKERNFS_SS_D;
	}
	/* The first two have been attached to one HWPT. */
	for (i = 0; i < PKERNFS_FUZZ_DEVICES && !ret; i++) {
		ret = pkernfs_fuzz_device(z, &t, i, &w[i / 2]);
		h->slot[i] = cpu_to_le32(i);
	}
	h->magic = cpu_to_le32(PKERNFS_HANDOVER_MAGIC);
	h->version = cpu_to_le32(PKERNFS_FORMAT_VERSION);
	h->self = cpu_to_le64(z->at);
	h->region_base = cpu_to_le64(z->r.base);
	h->region_bytes = cpu_to_le64(z->r.bytes);
	memcpy(h->uuid, z->sb.uuid, sizeof(h->uuid));
	h->drhd_base = cpu_to_le64(z->iommu->reg_phys);
	h->blocks = cpu_to_le32(z->tree_next - 1);
	h->mode = cpu_to_le32(z->scalable ? PKERNFS_IOMMU_VTD_SCALABLE :
					    PKERNFS_IOMMU_VTD_LEGACY);
	h->devices = cpu_to_le32(PKERNFS_FUZZ_DEVICES);
	pkernfs_fuzz_seal_handover(h);
	return ret;
}

static void pkernfs_fuzz_watch(struct pkernfs_fuzz *z, u64 start, u64 count)
{
	while (count-- && z->blocks < PKERNFS_FUZZ_BLOCKS)
		z->block[z->blocks++] = start++;
}

static void pkernfs_fuzz_save(struct pkernfs_fuzz *z)
{
	unsigned int i;

	for (i = 0; i < z->blocks; i++) {
		void *block = pkernfs_block(&z->r, z->block[i]);

		memcpy(z->saved + i * PKERNFS_BLOCK_SIZE, block, PKERNFS_BLOCK_SIZE);
		if (memchr_inv(block, 0, PKERNFS_BLOCK_SIZE))
			z->busy[z->busies++] = z->block[i];
	}
}

void pkernfs_fuzz_restore(struct pkernfs_fuzz *z)
{
	unsigned int i;

	for (i = 0; i < z->blocks; i++)
		memcpy(pkernfs_block(&z->r, z->block[i]), z->saved + i * PKERNFS_BLOCK_SIZE,
		       PKERNFS_BLOCK_SIZE);
}

/**
 * pkernfs_fuzz_init - write the fixture
 * @z: zeroed
 * @base: physical address of memory that is nobody's
 * @virt: phys_to_virt(@base)
 * @bytes: its size, PKERNFS_FUZZ_MIN at least
 * @scalable: the unit is in scalable mode
 *
 * Return: 0, -ENOMEM, or an errno of a fixture that does not fit
 */
int pkernfs_fuzz_init(struct pkernfs_fuzz *z, phys_addr_t base, void *virt, u64 bytes,
		      bool scalable)
{
	const struct pkernfs_format opt = { .inodes = 16, .uuid = "fuzz" };
	int ret;

	z->r.base = base;
	z->r.virt = virt;
	z->r.bytes = bytes;
	z->scalable = scalable;
	z->iommu = kzalloc_obj(*z->iommu);
	z->saved = kvcalloc(PKERNFS_FUZZ_BLOCKS, PKERNFS_BLOCK_SIZE, GFP_KERNEL);
	z->used = kvcalloc(BITS_TO_LONGS(bytes >> PKERNFS_BLOCK_SHIFT), sizeof(long), GFP_KERNEL);
	z->holds = kvcalloc(bytes >> PKERNFS_GRANULE_SHIFT, sizeof(*z->holds), GFP_KERNEL);
	ret = -ENOMEM;
	if (!z->iommu || !z->saved || !z->used || !z->holds)
		goto fail;

	/*
	 * 256 domain ids, address widths of 3 to 5 levels, 2 MiB and 1 GiB pages; in one
	 * mode also snoop control, and dirty bits with the snooping of tables that they need
	 */
	z->iommu->reg_phys = 0xfed90000;
	z->iommu->cap = 2 | 0xeULL << 8 | 3ULL << 34;
	z->iommu->ecap = scalable ? BIT_ULL(43) | BIT_ULL(7) | BIT_ULL(45) | BIT_ULL(48) : 0;
	ret = pkernfs_layout(base, bytes, 0, &opt, &z->sb);
	if (ret)
		goto fail;
	z->sb.pool.count = cpu_to_le64(PKERNFS_FUZZ_POOL);
	z->sb.records.count = cpu_to_le64(PKERNFS_FUZZ_RECORDS);
	z->sb.handover.count = cpu_to_le64(PKERNFS_FUZZ_HANDOVER);
	memset(pkernfs_block(&z->r, pkernfs_fuzz_start(&z->sb.pool)), 0,
	       PKERNFS_FUZZ_POOL * PKERNFS_BLOCK_SIZE);
	pkernfs_format_write(&z->r, &z->sb, NULL);
	z->pool_next = 1;	/* the first block lists bad pages */
	pkernfs_fuzz_files(z);
	ret = pkernfs_fuzz_hand_over(z);
	if (ret)
		goto fail;

	pkernfs_fuzz_watch(z, 0, 1);
	pkernfs_fuzz_watch(z, pkernfs_fuzz_start(&z->sb.journal), PKERNFS_FUZZ_JOURNAL);
	pkernfs_fuzz_watch(z, pkernfs_fuzz_start(&z->sb.inodes), le64_to_cpu(z->sb.inodes.count));
	pkernfs_fuzz_watch(z, pkernfs_fuzz_start(&z->sb.pool), PKERNFS_FUZZ_POOL);
	pkernfs_fuzz_watch(z, pkernfs_fuzz_start(&z->sb.records), PKERNFS_FUZZ_RECORDS);
	pkernfs_fuzz_watch(z, pkernfs_fuzz_start(&z->sb.handover), PKERNFS_FUZZ_HANDOVER);
	pkernfs_fuzz_watch(z, (bytes >> PKERNFS_BLOCK_SHIFT) - 1, 1);
	pkernfs_fuzz_save(z);
	return 0;
fail:
	pkernfs_fuzz_exit(z);
	return ret;
}

/**
 * pkernfs_fuzz_exit - free what pkernfs_fuzz_init() took
 * @z: the superblocks are wiped, so that nobody takes the region for a real one
 */
void pkernfs_fuzz_exit(struct pkernfs_fuzz *z)
{
	memset(z->r.virt, 0, PKERNFS_BLOCK_SIZE);
	memset(z->r.virt + z->r.bytes - PKERNFS_BLOCK_SIZE, 0, PKERNFS_BLOCK_SIZE);
	kfree(z->iommu);
	kvfree(z->saved);
	kvfree(z->used);
	kvfree(z->holds);
}
