// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: what a VT-d unit is left with at kexec.
 *
 * The reboot notifier builds a root table and context tables in the carve-out that
 * know the preserved devices only. When the other CPUs are stopped the unit is pointed
 * at them; translation stays on. How the next kernel takes them over: pkernfs_discover.c.
 *
 * Source: VT-d specification 4.1, 11.4.4 "Global Command and Status", 11.4.5 "Root
 * Table Address", 9.1 "Root Entry", 9.3 "Context Entry".
 */
#include <linux/crc32c.h>
#include <linux/dmar.h>
#include <linux/pkernfs.h>
#include <linux/pkernfs_iommu.h>
#include <linux/syscore_ops.h>

#include <trace/events/pkernfs.h>

#include "iommu.h"
#include "pkernfs.h"

/* Capabilities: there is a protected low memory region, cap_plmr() (11.4.2) */
#define PKERNFS_CAP_PLMR	BIT_ULL(5)

/* Handover root table of each unit, by seq_id; 0: the unit hands nothing over */
static phys_addr_t pkernfs_handover_root[DMAR_UNITS_SUPPORTED];

/* Blocks of a region's handover area, handed out from the start at each kexec */
struct pkernfs_handover_area {
	struct pkernfs_region *region;
	u64 next;
};

/* Blocks with a memory error are passed over. */
static void *pkernfs_handover_block(void *arg)
{
	struct pkernfs_handover_area *a = arg;
	const struct pkernfs_sb *sb = a->region->sb;
	void *block;

	while (a->next < le64_to_cpu(sb->handover.count)) {
		block = pkernfs_block(a->region, le64_to_cpu(sb->handover.start) + a->next++);
		if (pkernfs_bad_phys(a->region, virt_to_phys(block), PKERNFS_BLOCK_SIZE))
			continue;
		memset(block, 0, PKERNFS_BLOCK_SIZE);
		return block;
	}
	return NULL;
}

/* The header, and right behind it the root table, by which it is found; NULL: no room */
static struct pkernfs_handover *pkernfs_handover_header(struct pkernfs_handover_area *a,
							struct pkernfs_tree *t)
{
	void *h = pkernfs_handover_block(a), *root;

	while (h) {
		root = pkernfs_handover_block(a);
		if (root == h + PKERNFS_BLOCK_SIZE) {
			t->root = root;
			return h;
		}
		h = root;
	}
	return NULL;
}

/* Blocks that memory errors cost: each its own, and one that may be left before it */
static u64 pkernfs_handover_bad(struct pkernfs_region *r)
{
	u64 at = r->base + (le64_to_cpu(r->sb->handover.start) << PKERNFS_BLOCK_SHIFT);
	u64 i, bad = 0;

	for (i = 0; i < le64_to_cpu(r->sb->handover.count); i++, at += PKERNFS_BLOCK_SIZE)
		bad += pkernfs_bad_phys(r, at, PKERNFS_BLOCK_SIZE);
	return 2 * bad;
}

static int pkernfs_handover_device(struct pkernfs_tree *t, struct pkernfs_handover *h,
				   struct pkernfs_device *pd)
{
	u32 n = le32_to_cpu(h->devices);
	int ret;

	if (n == PKERNFS_HANDOVER_DEVICES)
		return -ENOSPC;
	ret = pkernfs_tree_add(t, pkernfs_to_fixed(pd->fixed), pd->rid);
	if (ret)
		return ret;
	h->slot[n] = cpu_to_le32(pd->slot);
	h->devices = cpu_to_le32(n + 1);
	return 0;
}

/* The unit that @pd is behind; @next is about to be frozen behind @iommu. */
static struct intel_iommu *pkernfs_handover_behind(struct pkernfs_device *pd,
						   struct pkernfs_device *next,
						   struct intel_iommu *iommu)
{
	if (pd == next)
		return iommu;
	return pkernfs_device_on_fixed(pd) ? pkernfs_to_fixed(pd->fixed)->iommu : NULL;
}

/**
 * pkernfs_handover_room - can a kexec carry one more device?
 * @next: device about to be frozen, in the list and on no fixed domain yet
 * @iommu: unit that it is behind
 *
 * What the reboot notifier could only answer by stopping every device is refused
 * here, to the one that asks last: a unit's handover tables lie in one region,
 * and the handover area has to hold those of all units.
 *
 * Context: transition lock held
 * Return: 0, or the errno that is in @next->why
 */
int pkernfs_handover_room(struct pkernfs_device *next, struct intel_iommu *iommu)
{
	const struct pkernfs_sb *sb = next->region->sb;
	struct pkernfs_device *pd, *before;
	u64 blocks = pkernfs_handover_bad(next->region), devices = 0;

	list_for_each_entry(pd, &pkernfs_devices, node) {
		struct intel_iommu *unit = pkernfs_handover_behind(pd, next, iommu);
		bool new_unit = true, new_bus = true;

		if (!unit)
			continue;
		if (unit == iommu && pd->region != next->region)
			return pkernfs_refuse(&next->why, -EOPNOTSUPP, ~0ULL,
					      "%s has a device that is frozen into another region",
					      iommu->name);
		if (pd->region != next->region)
			continue;
		devices += unit == iommu;
		list_for_each_entry(before, &pkernfs_devices, node) {
			if (before == pd)
				break;
			if (before->region != next->region ||
			    pkernfs_handover_behind(before, next, iommu) != unit)
				continue;
			new_unit = false;
			/* Half a bus has a context table in scalable mode. */
			if (before->rid >> (sm_supported(unit) ? 7 : 8) ==
			    pd->rid >> (sm_supported(unit) ? 7 : 8))
				new_bus = false;
		}
		/* Header and root table of the unit, context table, what is its own */
		blocks += (new_unit ? 2 : 0) + new_bus + PKERNFS_TREE_DEVICE_BLOCKS(unit);
	}
	if (devices > PKERNFS_HANDOVER_DEVICES || blocks > le64_to_cpu(sb->handover.count))
		return pkernfs_refuse(&next->why, -ENOSPC, ~0ULL,
				      "no room to hand over one more device");
	return 0;
}

/**
 * pkernfs_handover_unit - build what the next kernel is to find behind one unit
 * @iommu: unit
 *
 * Context: transition lock held
 * Return: 0, also if there is nothing to hand over; -ENOSPC; -EXDEV: its devices are
 *	frozen into several regions
 */
int pkernfs_handover_unit(struct intel_iommu *iommu)
{
	struct pkernfs_handover_area a = {};
	struct pkernfs_tree t = {
		.scalable = sm_supported(iommu),
		.block = pkernfs_handover_block,
		.arg = &a,
	};
	struct pkernfs_handover *h = NULL;
	struct pkernfs_device *pd;
	void *end;
	int ret;

	list_for_each_entry(pd, &pkernfs_devices, node) {
		if (!pkernfs_device_on_fixed(pd) ||
		    pkernfs_to_fixed(pd->fixed)->iommu != iommu)
			continue;
		if (!h) {
			a.region = pd->region;
			a.next = a.region->handover_next;
			h = pkernfs_handover_header(&a, &t);
			if (!h)
				return -ENOSPC;
			h->magic = cpu_to_le32(PKERNFS_HANDOVER_MAGIC);
			h->version = cpu_to_le32(PKERNFS_FORMAT_VERSION);
			h->self = cpu_to_le64(virt_to_phys(h));
			h->region_base = cpu_to_le64(a.region->base);
			h->region_bytes = cpu_to_le64(a.region->bytes);
			memcpy(h->uuid, a.region->sb->uuid, sizeof(h->uuid));
			h->drhd_base = cpu_to_le64(iommu->reg_phys);
			h->mode = cpu_to_le32(t.scalable ? PKERNFS_IOMMU_VTD_SCALABLE :
							   PKERNFS_IOMMU_VTD_LEGACY);
		}
		if (pd->region != a.region)
			return -EXDEV;
		ret = pkernfs_handover_device(&t, h, pd);
		if (ret)
			return ret;
		WRITE_ONCE(pd->state, PKERNFS_STATE_HANDED_OVER);
	}
	if (!h)
		return 0;

	end = pkernfs_block(a.region, le64_to_cpu(a.region->sb->handover.start) + a.next);
	h->blocks = cpu_to_le32((end - (void *)h) >> PKERNFS_BLOCK_SHIFT);
	h->crc = cpu_to_le32(crc32c(~0, h, offsetof(struct pkernfs_handover, crc)));
	if (!ecap_coherent(iommu->ecap))
		clflush_cache_range(h, end - (void *)h);
	a.region->handover_next = a.next;
	/* All of it is in memory before the address is there to be used. */
	smp_wmb();
	WRITE_ONCE(pkernfs_handover_root[iommu->seq_id], virt_to_phys(t.root));
	trace_pkernfs_handover(iommu->name, le32_to_cpu(h->devices), le32_to_cpu(h->blocks),
			       virt_to_phys(t.root));
	pr_info("%s: handing over %u device(s), root table at %pa\n", iommu->name,
		le32_to_cpu(h->devices), &pkernfs_handover_root[iommu->seq_id]);
	return 0;
}

/*
 * As if CPUs had been stopped in the middle of flushes: the locks are taken, the queue is
 * full. The protected memory regions, which need a lock too, no emulated unit has.
 */
static void pkernfs_test_stick_locks(void *data)
{
	struct dmar_drhd_unit *drhd;
	struct intel_iommu *iommu;

	for_each_active_iommu(iommu, drhd) {
		pr_warn("pkernfs: TEST: locks of %s are taken\n", iommu->name);
		iommu->cap |= PKERNFS_CAP_PLMR;
		arch_spin_lock(&iommu->register_lock.raw_lock);
		if (!iommu->qi)
			continue;
		arch_spin_lock(&iommu->qi->q_lock.raw_lock);
		iommu->qi->free_cnt = 0;
	}
}

static const struct syscore_ops pkernfs_test_syscore_ops = {
	.shutdown = pkernfs_test_stick_locks,
};

static struct syscore pkernfs_test_syscore = { .ops = &pkernfs_test_syscore_ops };

/**
 * pkernfs_iommu_handover - build what the next kernel is to find
 *
 * Called by the reboot notifier of an armed kexec. Nothing is switched yet.
 *
 * Context: transition lock held; no device can change its domain any more
 * Return: 0, or an errno after which nothing is handed over
 */
int pkernfs_iommu_handover(void)
{
	struct dmar_drhd_unit *drhd;
	struct intel_iommu *iommu;
	int ret = 0;

	down_read(&dmar_global_lock);
	for_each_active_iommu(iommu, drhd) {
		ret = pkernfs_handover_unit(iommu);
		if (ret)
			break;
	}
	up_read(&dmar_global_lock);
	if (ret)
		pkernfs_iommu_handover_cancel();
	else if (pkernfs_test(PKERNFS_TEST_STUCK_LOCKS))
		register_syscore(&pkernfs_test_syscore);
	return ret;
}

/**
 * pkernfs_iommu_handover_cancel - hand nothing over after all
 */
void pkernfs_iommu_handover_cancel(void)
{
	struct pkernfs_region *r;
	unsigned int i;

	memset(pkernfs_handover_root, 0, sizeof(pkernfs_handover_root));
	for (i = 0; i < pkernfs_region_count(); i++) {
		r = pkernfs_region_get(i);
		if (r)
			r->handover_next = 0;
	}
}

/* Does any unit hand devices over? */
static bool pkernfs_hands_over(void)
{
	return memchr_inv(pkernfs_handover_root, 0, sizeof(pkernfs_handover_root));
}

/**
 * pkernfs_vtd_break_locks - make new the locks that a stopped CPU holds
 * @iommu: unit, one that hands nothing over as well: all are on the way to the jump
 *
 * A lock that is taken now was taken by a CPU that will not come back. The
 * invalidation queue may then be between two states, so it is started afresh.
 *
 * Context: one CPU is left, interrupts off
 */
void pkernfs_vtd_break_locks(struct intel_iommu *iommu)
{
	bool stuck = false;

	if (!pkernfs_hands_over())
		return;
	if (raw_spin_is_locked(&iommu->register_lock)) {
		raw_spin_lock_init(&iommu->register_lock);
		stuck = true;
	}
	if (iommu->qi && raw_spin_is_locked(&iommu->qi->q_lock)) {
		raw_spin_lock_init(&iommu->qi->q_lock);
		stuck = true;
	}
	if (stuck)
		dmar_reenable_qi(iommu);
}

/**
 * pkernfs_vtd_shutdown - leave a unit to the next kernel
 * @iommu: unit; its locks are free, its protected memory regions off
 *
 * Context: one CPU is left, interrupts off
 * Return: true if translation has to stay on
 */
bool pkernfs_vtd_shutdown(struct intel_iommu *iommu)
{
	phys_addr_t root = pkernfs_handover_root[iommu->seq_id];
	u32 sts;

	if (!root || pkernfs_test(PKERNFS_TEST_TRANSLATION_OFF))
		return false;

	/* Faults from here on would interrupt into a kernel that is gone. */
	writel(DMA_FECTL_IM, iommu->reg + DMAR_FECTL_REG);
	readl(iommu->reg + DMAR_FECTL_REG);

	/* The tables were written by the reboot notifier. */
	iommu_flush_write_buffer(iommu);
	writeq(root | (sm_supported(iommu) ? DMA_RTADDR_SMT : 0),
	       iommu->reg + DMAR_RTADDR_REG);
	writel(iommu->gcmd | DMA_GCMD_SRTP, iommu->reg + DMAR_GCMD_REG);
	IOMMU_WAIT_OP(iommu, DMAR_GSTS_REG, readl, (sts & DMA_GSTS_RTPS), sts);
	if (!cap_esrtps(iommu->cap)) {
		iommu->flush.flush_context(iommu, 0, 0, 0, DMA_CCMD_GLOBAL_INVL);
		if (sm_supported(iommu))
			qi_flush_pasid_cache(iommu, 0, QI_PC_GLOBAL, 0);
		iommu->flush.flush_iotlb(iommu, 0, 0, 0, DMA_TLB_GLOBAL_FLUSH);
	}
	return true;
}
