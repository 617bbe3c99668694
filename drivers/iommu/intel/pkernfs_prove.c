// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: is what the kernel before handed over what it seems to be?
 *
 * All of it lies in the region, and nothing in it is believed: each address is in
 * bounds before it is followed, each table is used once, each page belongs to a
 * file, and what hardware would read has no bit set that is reserved to it. The
 * same source is built for userspace and fuzzed there, see tools/testing/fuzz.
 *
 * Source: VT-d specification 4.1, 3.14 "Handling Requests to Interrupt Addresses",
 * 9.8 "Second-Stage Paging Entries".
 */
#include <linux/crc32c.h>
#include <linux/pkernfs.h>
#include <linux/pkernfs_iommu.h>
#include <linux/pkernfs_pci.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include <trace/events/pkernfs.h>

#include "iommu.h"
#include "pkernfs.h"

/* IOVAs that are interrupts */
#define PKERNFS_MSI_FIRST	0xfee00000ULL
#define PKERNFS_MSI_LAST	0xfeefffffULL

struct pkernfs_prove {
	struct pkernfs_device *pd;
	struct intel_iommu *iommu;
	u64 leaves;		/* held so far */
	u64 tables;		/* claimed so far */
	u64 pages;
	u32 crc;		/* of leaves and their owners */
	bool undo;		/* second walk: drop the same number again */
};

static int pkernfs_prove_table(phys_addr_t table, void *arg)
{
	struct pkernfs_prove *p = arg;
	struct pkernfs_region *r = p->pd->region;
	int ret;

	if (p->undo) {
		if (!p->tables)
			return -ECANCELED;
		p->tables--;
		return 0;
	}
	/* Before the counts are compared, as each table may lead to so much more. */
	if (p->tables >= le64_to_cpu(p->pd->rec->iommu.tables))
		return -EUCLEAN;
	/* Bounds, the pool area, and used once: all are the pool's to say. */
	ret = pkernfs_pool_claim(r, table);
	if (!ret)
		p->tables++;
	return ret;
}

/* To a unit without large pages, or snoop control, their bits are reserved ones. */
static int pkernfs_prove_bits(const struct pkernfs_ss_leaf *leaf, void *arg)
{
	const struct intel_iommu *iommu = arg;
	unsigned long sizes = cap_super_page_val(iommu->cap);

	if ((leaf->bytes == SZ_2M && !(sizes & BIT(0))) ||
	    (leaf->bytes == SZ_1G && !(sizes & BIT(1))) ||
	    (leaf->attr & PKERNFS_SS_SNP && !ecap_sc_support(iommu->ecap)))
		return -EUCLEAN;
	return 0;
}

/**
 * pkernfs_hold_leaf - hold what a leaf leads to
 * @r: region that it leads to
 * @leaf: leaf of second-stage tables
 * @pages: pages that the leaves before it lead to
 * @crc: goes on with the leaf, and with the files that it leads to; see
 *	struct pkernfs_iommu_ser
 *
 * Return: as pkernfs_hold(); -EOVERFLOW also if the leaves lead to more pages than
 *	PKERNFS_SS_ALIASES times those of the region
 */
int pkernfs_hold_leaf(struct pkernfs_region *r, const struct pkernfs_ss_leaf *leaf, u64 pages,
		      u32 *crc)
{
	const struct pkernfs_leaf_ser ser = {
		.iova = cpu_to_le64(leaf->iova),
		.phys = cpu_to_le64(leaf->oa),
		.bytes = cpu_to_le64(leaf->bytes),
		.attr = cpu_to_le64(leaf->attr & PKERNFS_SS_ATTR),
	};

	if (pages + (leaf->bytes >> PAGE_SHIFT) > PKERNFS_SS_ALIASES * (r->bytes >> PAGE_SHIFT))
		return -EOVERFLOW;
	*crc = crc32c(*crc, &ser, sizeof(ser));
	return pkernfs_hold(r, leaf->oa, leaf->bytes, crc);
}

/* A kernel that did not know of it has left no checksum. */
static bool pkernfs_prove_leaves(const struct pkernfs_dev_record *rec, u32 crc)
{
	return !(le64_to_cpu(rec->feature_compat) & PKERNFS_COMPAT_LEAVES) ||
	       le32_to_cpu(rec->iommu.leaves) == crc;
}

static int pkernfs_prove_leaf(const struct pkernfs_ss_leaf *leaf, void *arg)
{
	struct pkernfs_prove *p = arg;
	struct pkernfs_region *r = p->pd->region;
	u64 pages;
	int ret;

	if (p->undo) {
		if (!p->leaves)
			return -ECANCELED;
		p->leaves--;
		pkernfs_unhold(r, leaf->oa, leaf->bytes);
		return 0;
	}
	ret = pkernfs_prove_bits(leaf, p->iommu);
	if (ret)
		return ret;
	/* A write there is an interrupt, and no IOAS hands out such an IOVA. */
	if (leaf->iova <= PKERNFS_MSI_LAST &&
	    leaf->iova + leaf->bytes - 1 >= PKERNFS_MSI_FIRST)
		return -EUCLEAN;
	pages = p->pages + (leaf->bytes >> PAGE_SHIFT);
	if (pages > le64_to_cpu(p->pd->rec->iommu.pages))
		return -EUCLEAN;
	/* Refuses what is in no file that has a name. */
	ret = pkernfs_hold_leaf(r, leaf, p->pages, &p->crc);
	if (ret)
		return ret;
	p->leaves++;
	p->pages = pages;
	return 0;
}

/* Tables that were proven for another device; this one may be behind another unit. */
static int pkernfs_prove_shared(struct pkernfs_fixed *f, struct pkernfs_fixed *with)
{
	const struct pkernfs_iommu_ser *ser = &f->pd->rec->iommu;
	const struct pkernfs_iommu_ser *other = &with->pd->rec->iommu;
	struct pkernfs_ss_visitor v = { .leaf = pkernfs_prove_bits, .arg = f->iommu };

	/* Were only one of them tracked, the dirty bits would not be exact for it. */
	if (f->ss.levels != with->ss.levels || ser->tables != other->tables ||
	    ser->pages != other->pages || ser->leaves != other->leaves ||
	    (f->pd->rec->feature_compat ^ with->pd->rec->feature_compat) &
	    cpu_to_le64(PKERNFS_COMPAT_LEAVES) || f->d.dirty_tracking != with->d.dirty_tracking)
		return -EUCLEAN;
	return f->iommu == with->iommu ? 0 : pkernfs_ss_walk(&f->ss, &v);
}

static int pkernfs_prove_tables(struct pkernfs_fixed *f)
{
	struct pkernfs_device *pd = f->pd;
	const struct pkernfs_iommu_ser *ser = &pd->rec->iommu;
	struct pkernfs_fixed *with = pkernfs_fixed_with(f);
	struct pkernfs_prove p = { .pd = pd, .iommu = f->iommu, .crc = ~0 };
	struct pkernfs_ss_visitor v = {
		.table = pkernfs_prove_table,
		.leaf = pkernfs_prove_leaf,
		.strict = true,
		.dirty = f->d.dirty_tracking,
		.arg = &p,
	};
	int ret;

	/* To a walk that is an empty table; hardware would take page 0 for one. */
	if (!f->ss.root)
		return -EUCLEAN;
	if (with)
		return pkernfs_prove_shared(f, with);
	ret = pkernfs_ss_walk(&f->ss, &v);
	if (!ret && p.tables == le64_to_cpu(ser->tables) &&
	    p.pages == le64_to_cpu(ser->pages) && pkernfs_prove_leaves(pd->rec, p.crc))
		return 0;

	/*
	 * Let go of the pages again. The claimed table blocks stay claimed: what
	 * lies in them is not what was written, so they are not walked to free
	 * them; the pool has them back at the next boot.
	 */
	p.undo = true;
	pkernfs_ss_walk(&f->ss, &v);
	return ret ?: -EUCLEAN;
}

static int pkernfs_prove_device(struct intel_iommu *iommu,
				const struct pkernfs_handover *h,
				const struct pkernfs_tree *t, struct pkernfs_device *pd)
{
	const struct pkernfs_iommu_ser *ser = &pd->rec->iommu;
	u16 did = le16_to_cpu(ser->did);
	const struct pkernfs_aim aim = {
		.ss_root = le64_to_cpu(ser->ss_root),
		.did = did,
		.aw = ser->aw,
		.dirty = pkernfs_record_is_tracked(pd->rec),
	};
	struct pkernfs_device *other;
	struct pkernfs_fixed *f;
	int ret;

	if (le64_to_cpu(ser->drhd_base) != iommu->reg_phys ||
	    pd->segment != iommu->segment)
		return pkernfs_device_fail(pd, "its record names another remapping unit");
	if (le64_to_cpu(ser->cap) != iommu->cap || le64_to_cpu(ser->ecap) != iommu->ecap)
		return pkernfs_device_fail(pd, "%s has other capabilities than before",
					   iommu->name);
	if (ser->mode != le32_to_cpu(h->mode) || ser->flags)
		return pkernfs_device_fail(pd, "its record has an unknown mode or flag");
	if (ser->aw < 1 || ser->aw > 3 || !(cap_sagaw(iommu->cap) & BIT(ser->aw)))
		return pkernfs_device_fail(pd, "%s has no address width %u",
					   iommu->name, ser->aw);
	/* To a unit without them what switches dirty bits on is a reserved bit. */
	if (aim.dirty && !ssads_supported(iommu))
		return pkernfs_device_fail(pd, "%s has no dirty bits", iommu->name);
	if (did < IDA_START_DID || did >= cap_ndoms(iommu->cap))
		return pkernfs_device_fail(pd, "domain id %u is out of range", did);
	/* Each unit counts its domain ids from the same start. */
	list_for_each_entry(other, &pkernfs_devices, node)
		if (other != pd && other->state == PKERNFS_STATE_ADOPTED &&
		    other->rec->iommu.drhd_base == ser->drhd_base &&
		    (other->rid == pd->rid ||
		     le16_to_cpu(other->rec->iommu.did) == did))
			return pkernfs_device_fail(pd, "requester id or domain id %u is used twice",
						   did);

	/* What the hardware uses right now has to be what the record says. */
	if (!pkernfs_tree_prove_device(t, iommu, pd->rid, &aim))
		return pkernfs_device_fail(pd, "its entry is not what its record says");

	f = pkernfs_fixed_alloc(pd, iommu);
	if (!f)
		return pkernfs_device_fail(pd, "no memory");
	f->ss.root = aim.ss_root;
	f->ss.levels = ser->aw + 2;
	f->d.dirty_tracking = aim.dirty;
	ret = pkernfs_prove_tables(f);
	if (ret) {
		kfree(f);
		return pkernfs_device_fail(pd, "its second-stage tables are not proven (%d)",
					   ret);
	}
	/* From here on a release gives back what was claimed and held. */
	f->aw = ser->aw;
	pd->fixed = &f->d.domain;
	static_branch_inc(&pkernfs_iommu_key);
	return 0;
}

static const char *pkernfs_prove_header(struct intel_iommu *iommu, phys_addr_t at, u64 ttm,
					struct pkernfs_region *r,
					const struct pkernfs_handover *h,
					struct pkernfs_why *why)
{
	const char *reason;
	u64 first, blocks;

	if (pkernfs_core_load(r) || !r->sb)
		return r->reason ?: "its region has no valid superblock";
	if (h->magic != cpu_to_le32(PKERNFS_HANDOVER_MAGIC))
		return "there is no handover header";
	reason = pkernfs_version_unknown("handover header", h->version, why);
	if (reason)
		return reason;
	if (le32_to_cpu(h->crc) != crc32c(~0, h, offsetof(struct pkernfs_handover, crc)))
		return "the handover header is damaged";
	reason = pkernfs_features_unknown("handover header", h->feature_incompat, why);
	if (reason)
		return reason;
	if (le64_to_cpu(h->self) != at || le64_to_cpu(h->region_base) != r->base ||
	    le64_to_cpu(h->region_bytes) != r->bytes ||
	    memcmp(h->uuid, r->sb->uuid, sizeof(h->uuid)))
		return "the handover header belongs elsewhere";
	if (le64_to_cpu(h->drhd_base) != iommu->reg_phys)
		return "the handover header is another unit's";
	if (h->mode != cpu_to_le32(PKERNFS_IOMMU_VTD_LEGACY) &&
	    (h->mode != cpu_to_le32(PKERNFS_IOMMU_VTD_SCALABLE) || !ecap_smts(iommu->ecap)))
		return "the handover header is of an unknown mode";
	if (ttm != (h->mode == cpu_to_le32(PKERNFS_IOMMU_VTD_SCALABLE) ? DMA_RTADDR_SMT : 0))
		return "the unit is in another mode than the handover header says";
	first = (at - r->base) >> PKERNFS_BLOCK_SHIFT;
	blocks = le32_to_cpu(h->blocks);
	if (first < le64_to_cpu(r->sb->handover.start) || blocks < 2 ||
	    first + blocks > le64_to_cpu(r->sb->handover.start) +
			     le64_to_cpu(r->sb->handover.count) ||
	    le32_to_cpu(h->devices) > PKERNFS_HANDOVER_DEVICES)
		return "the handover header is out of bounds";
	return NULL;
}

/* PCI and the filesystem have to know it before they meet it. */
static int pkernfs_expect_device(struct pkernfs_device *pd)
{
	const struct pkernfs_dev_record *rec = pd->rec;
	int ret;

	/* Where this fails PCI is not told, and gives the function no protection. */
	if (pkernfs_ino_set_device(pd->region, le64_to_cpu(rec->ino),
				   le32_to_cpu(rec->generation), pd))
		return pkernfs_device_fail(pd, "its record names a file that is not there");
	ret = pkernfs_pci_expect(pd);
	if (ret)
		return pkernfs_device_fail(pd, ret == -ENOMEM ? "no memory" :
					   "its record names a function that cannot be");
	return 0;
}

/**
 * pkernfs_prove_unit - is this the handover of a unit?
 * @iommu: unit, its translation on
 * @at: physical address of the block before its root table, in @r
 * @ttm: translation table mode of the unit
 * @r: region
 * @t: out: what hardware uses
 * @why: room for a reason that names a number
 *
 * Return: NULL: it is, and each context table is in bounds; or the reason why not
 */
const char *pkernfs_prove_unit(struct intel_iommu *iommu, phys_addr_t at, u64 ttm,
			       struct pkernfs_region *r, struct pkernfs_tree *t,
			       struct pkernfs_why *why)
{
	struct pkernfs_handover *h = phys_to_virt(at);
	const char *reason = pkernfs_prove_header(iommu, at, ttm, r, h, why);

	if (reason)
		return reason;
	*t = (struct pkernfs_tree) {
		.root = (void *)h + PKERNFS_BLOCK_SIZE,
		.scalable = h->mode == cpu_to_le32(PKERNFS_IOMMU_VTD_SCALABLE),
		.from = at + 2 * PKERNFS_BLOCK_SIZE,
		.to = at + ((u64)le32_to_cpu(h->blocks) << PKERNFS_BLOCK_SHIFT),
	};
	return pkernfs_tree_prove(t) ? NULL : "the handover root table is damaged";
}

/**
 * pkernfs_prove_devices - prove the devices that a handover names
 * @iommu: unit
 * @r: region
 * @t: from pkernfs_prove_unit()
 * @named: out: how many it names
 *
 * Return: how many of them can be adopted; the others are stopped
 */
unsigned int pkernfs_prove_devices(struct intel_iommu *iommu, struct pkernfs_region *r,
				   const struct pkernfs_tree *t, unsigned int *named)
{
	const struct pkernfs_handover *h = (void *)t->root - PKERNFS_BLOCK_SIZE;
	struct pkernfs_device *pd;
	unsigned int i, good = 0;
	int ret;

	*named = le32_to_cpu(h->devices);
	for (i = 0; i < *named; i++) {
		pd = pkernfs_record_adopt(r, le32_to_cpu(h->slot[i]));
		if (!pd)
			continue;
		ret = pkernfs_prove_device(iommu, h, t, pd) ?: pkernfs_expect_device(pd);
		trace_pkernfs_adopt(pd, ret);
		good += !ret;
	}
	return good;
}
