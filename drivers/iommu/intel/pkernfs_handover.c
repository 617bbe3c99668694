// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: what a VT-d unit is left with at kexec, and how the next kernel
 * takes it over.
 *
 * In the kernel that leaves, the reboot notifier builds a root table and context
 * tables in the carve-out that know the preserved devices only. When the other
 * CPUs are stopped the unit is pointed at them; translation stays on. The next
 * kernel finds them through the unit's own registers, proves every part, and
 * enters the preserved devices in its own tables before it points the unit
 * there. Translation is never off with a preserved device behind the unit.
 *
 * Source: VT-d specification 4.1, 11.4.4 "Global Command", 11.4.6 "Root Table
 * Address", 9.1 "Root Entry", 9.3 "Context Entry".
 */
#include <kunit/static_stub.h>
#include <linux/crash_dump.h>
#include <linux/crc32c.h>
#include <linux/delay.h>
#include <linux/dmar.h>
#include <linux/io.h>
#include <linux/pci.h>
#include <linux/pkernfs.h>
#include <linux/pkernfs_compat.h>
#include <linux/pkernfs_iommu.h>
#include <linux/pkernfs_pci.h>
#include <linux/string_choices.h>
#include <linux/syscore_ops.h>
#include <asm/e820/api.h>
#include <asm/pci-direct.h>
#include <asm/pci_x86.h>

#include <trace/events/pkernfs.h>

#include "iommu.h"
#include "pkernfs.h"

/* Translation table mode in the root table address register (11.4.5) */
#define PKERNFS_RTADDR_TTM	GENMASK_ULL(11, 10)

/* Extended capabilities that dirty bits need, ecap_slads() and ecap_smpwc() (11.4.3) */
#define PKERNFS_ECAP_SSADS	BIT_ULL(45)
#define PKERNFS_ECAP_SMPWC	BIT_ULL(48)

/* Capabilities: there is a protected low memory region, cap_plmr() (11.4.2) */
#define PKERNFS_CAP_PLMR	BIT_ULL(5)

/* Handover root table of each unit, by seq_id; 0: the unit hands nothing over */
static phys_addr_t pkernfs_handover_root[DMAR_UNITS_SUPPORTED];
/* The driver is on for the preserved devices alone */
static bool pkernfs_forced_on;
/* Units that the kernel before handed over, by seq_id */
static bool pkernfs_handed_over[DMAR_UNITS_SUPPORTED];

/* --- The kernel that leaves -------------------------------------------------- */

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

/* --- The kernel that comes: cutting off -------------------------------------- */

/*
 * By hand, since PCI is not enumerated: all ones where there is nothing, an errno where
 * there is no way to see it, as in a segment whose MMCONFIG is known later, or never.
 * Without raw_pci_ops (pci=off) nobody else is at the configuration ports.
 */
int pkernfs_config_read(u16 segment, u16 rid, u8 reg)
{
	u32 value = ~0;
	int ret;

	KUNIT_STATIC_STUB_REDIRECT(pkernfs_config_read, segment, rid, reg);
	if (raw_pci_ops) {
		ret = raw_pci_read(segment, rid >> 8, rid & 0xff, reg, 2, &value);
		return ret < 0 ? ret : (u16)value;
	}
	if (segment)
		return -ENODEV;
	return read_pci_config_16(rid >> 8, PCI_SLOT(rid), PCI_FUNC(rid), reg);
}

static void pkernfs_config_write(u16 segment, u16 rid, u8 reg, u16 value)
{
	if (raw_pci_ops)
		raw_pci_write(segment, rid >> 8, rid & 0xff, reg, 2, value);
	else if (!segment)
		write_pci_config_16(rid >> 8, PCI_SLOT(rid), PCI_FUNC(rid), reg, value);
}

/* There is a device that may be at work, and cannot be stopped before PCI is enumerated. */
static bool pkernfs_out_of_reach;

/**
 * pkernfs_iommu_stop_rid - clear bus mastering before PCI is enumerated
 * @segment: PCI segment
 * @rid: bus << 8 | devfn
 *
 * Waits for pending transactions.
 */
void pkernfs_iommu_stop_rid(u16 segment, u16 rid)
{
	int left = 48, ms = 1000, command;
	u16 cap;
	u8 pos;

	KUNIT_STATIC_STUB_REDIRECT(pkernfs_iommu_stop_rid, segment, rid);
	command = pkernfs_config_read(segment, rid, PCI_COMMAND);
	if (command < 0) {
		pkernfs_out_of_reach = true;
		pkernfs_pci_reset_later(segment, rid);
		pr_err("pkernfs: %04x:%02x:%02x.%d cannot be stopped yet, its configuration space cannot be read (%d)\n",
		       segment, rid >> 8, PCI_SLOT(rid), PCI_FUNC(rid), command);
		return;
	}
	if (command == 0xffff || !(command & PCI_COMMAND_MASTER))
		return;
	pkernfs_config_write(segment, rid, PCI_COMMAND, command & ~PCI_COMMAND_MASTER);
	pkernfs_config_read(segment, rid, PCI_COMMAND);

	/* Requests that are on their way have to end before anything changes. */
	pos = pkernfs_config_read(segment, rid, PCI_CAPABILITY_LIST);
	while (pos >= 0x40 && left--) {
		pos &= ~3;
		cap = pkernfs_config_read(segment, rid, pos);
		if ((cap & 0xff) == PCI_CAP_ID_EXP) {
			while (pkernfs_config_read(segment, rid, pos + PCI_EXP_DEVSTA) &
			       PCI_EXP_DEVSTA_TRPND && ms--)
				mdelay(1);
			break;
		}
		pos = cap >> 8;
	}
	pkernfs_pci_reset_later(segment, rid);
	pr_warn("pkernfs: bus mastering of %04x:%02x:%02x.%d cleared\n", segment,
		rid >> 8, PCI_SLOT(rid), PCI_FUNC(rid));
}

/*
 * A handover that proves nothing: every endpoint of the unit's segment may be a
 * preserved device, but for those that another unit's handover has proven.
 */
static void pkernfs_stop_all(u16 segment)
{
	unsigned int bus, slot, func;

	for (bus = 0; bus < 256; bus++) {
		for (slot = 0; slot < 32; slot++) {
			for (func = 0; func < 8; func++) {
				u16 rid = bus << 8 | PCI_DEVFN(slot, func);
				struct pkernfs_device *pd;
				int vendor;
				u8 type;

				vendor = pkernfs_config_read(segment, rid, PCI_VENDOR_ID);
				if (vendor < 0) {
					pkernfs_out_of_reach = true;
					pr_err("pkernfs: devices of segment %04x cannot be stopped, their configuration space cannot be read (%d)\n",
					       segment, vendor);
					return;
				}
				if (vendor == 0xffff) {
					if (!func)
						break;
					continue;
				}
				type = pkernfs_config_read(segment, rid, PCI_HEADER_TYPE);
				pd = pkernfs_device_find(segment, rid);
				if (!(type & PCI_HEADER_TYPE_MASK) &&
				    (!pd || pd->state != PKERNFS_STATE_ADOPTED))
					pkernfs_iommu_stop_rid(segment, rid);
				if (!func && !(type & PCI_HEADER_TYPE_MFD))
					break;
			}
		}
	}
}

/* --- The kernel that comes: finding ------------------------------------------ */

/* The log has a line about it. */
static bool pkernfs_is_failed(u16 segment, u16 rid)
{
	struct pkernfs_device *pd;

	list_for_each_entry(pd, &pkernfs_devices, node)
		if (pd->segment == segment && pd->rid == rid &&
		    pd->state == PKERNFS_STATE_FAILED)
			return true;
	return false;
}

/* Devices that the hardware lets through and that no proven record names */
static void pkernfs_stop_unnamed(const struct pkernfs_region *r, const struct pkernfs_tree *t,
				 u16 segment)
{
	unsigned int rid;

	for (rid = 0; rid < 1 << 16; rid++) {
		struct context_entry *context = pkernfs_tree_context(t, rid);
		struct pkernfs_device *pd;

		if (!context || !context_present(context))
			continue;
		pd = pkernfs_device_find(segment, rid);
		if (pd && pd->state == PKERNFS_STATE_ADOPTED)
			continue;
		pkernfs_iommu_stop_rid(segment, rid);
		if (!pkernfs_is_failed(segment, rid))
			pr_err("pkernfs: %04x:%02x:%02x.%d is cut off: %s\n", segment, rid >> 8,
			       PCI_SLOT(rid), PCI_FUNC(rid),
			       r->handover_why.text[0] ? r->handover_why.text :
							 "the handover does not name it");
	}
}

/*
 * Translation is on when firmware protects the machine against DMA, too, and its
 * tables are in reserved memory. Ours are in a region, or have at least one of
 * two marks; with neither they are nobody's that we know.
 *
 * 1: @r is the region. 0: not ours. Negative: none can be had, for the reason @why; @r is
 * one that is in its place, to tell of it, or NULL.
 */
int __init pkernfs_handover_region(phys_addr_t at, struct pkernfs_region **r,
				   struct pkernfs_why *why)
{
	struct pkernfs_handover *h;
	const char *reason;
	bool ours, whole;
	u64 base, bytes;

	KUNIT_STATIC_STUB_REDIRECT(pkernfs_handover_region, at, r, why);
	*r = pkernfs_region_find(at, 2 * PKERNFS_BLOCK_SIZE);
	if (*r)
		return 1;
	strscpy(why->text, "no region is there, and its header proves nothing");
	/* Nobody named the region on the command line: the header does. */
	h = memremap(at, PKERNFS_BLOCK_SIZE, MEMREMAP_WB);
	if (!h)
		return -ENXIO;
	ours = h->magic == cpu_to_le32(PKERNFS_HANDOVER_MAGIC) ||
	       le64_to_cpu(h->self) == at;
	base = le64_to_cpu(h->region_base);
	bytes = le64_to_cpu(h->region_bytes);
	whole = h->magic == cpu_to_le32(PKERNFS_HANDOVER_MAGIC) &&
		le64_to_cpu(h->self) == at &&
		le32_to_cpu(h->crc) == crc32c(~0, h, offsetof(struct pkernfs_handover, crc)) &&
		base <= at && bytes >= 2 * PKERNFS_BLOCK_SIZE &&
		at - base <= bytes - 2 * PKERNFS_BLOCK_SIZE;
	memunmap(h);
	if (!whole)
		return ours ? -ENXIO : 0;
	*r = pkernfs_region_claim(base, bytes, &reason);
	if (*r)
		return 1;
	*r = pkernfs_region_touching(base, bytes);
	snprintf(why->text, sizeof(why->text), "its region is %#llx@%#llx, which %s", bytes,
		 base, reason);
	return -ENXIO;
}

/* What was computed of each unit for another mode is computed again. */
void pkernfs_force_mode(bool scalable)
{
	struct dmar_drhd_unit *drhd;
	struct intel_iommu *iommu;

	KUNIT_STATIC_STUB_REDIRECT(pkernfs_force_mode, scalable);
	if (intel_iommu_sm == scalable)
		return;
	intel_iommu_sm = scalable;
	for_each_active_iommu(iommu, drhd) {
		iommu->agaw = iommu_calculate_agaw(iommu);
		iommu->msagaw = iommu_calculate_max_sagaw(iommu);
	}
}

/*
 * A crash kernel copies the tables of the one that crashed, and so has to be in its
 * mode. That one may have been forced into it, against a command line that is the
 * crash kernel's, too; and into using the units at all.
 */
static void __init pkernfs_follow_crashed(void)
{
	struct dmar_drhd_unit *drhd;
	struct intel_iommu *iommu;

	for_each_active_iommu(iommu, drhd) {
		if (!(readl(iommu->reg + DMAR_GSTS_REG) & DMA_GSTS_TES))
			continue;
		if (ecap_smts(iommu->ecap))
			pkernfs_force_mode(readq(iommu->reg + DMAR_RTADDR_REG) & DMA_RTADDR_SMT);
		if (dmar_policy_off())
			dmar_policy = DMAR_ON;
		no_iommu = 0;
	}
}

/*
 * Preserved devices need the mode that their unit is in, whatever the command line
 * wants. False if another unit needs the other one: @set tells whether one has set it.
 */
static bool pkernfs_set_mode(struct intel_iommu *iommu, bool scalable, bool *set)
{
	/* A unit without scalable mode is in legacy mode in either. */
	if (!ecap_smts(iommu->ecap))
		return true;
	if (*set)
		return intel_iommu_sm == scalable;
	*set = true;
	if (intel_iommu_sm != scalable)
		pr_warn("pkernfs: scalable mode is forced %s for the preserved devices\n",
			str_on_off(scalable));
	pkernfs_force_mode(scalable);
	return true;
}

/*
 * Its translation stays on until this kernel's own tables are there, which have an entry of
 * each device that is adopted, and none of one that could not be stopped.
 */
static void __init pkernfs_keep_unit(struct intel_iommu *iommu)
{
	pkernfs_handed_over[iommu->seq_id] = true;
	/* The unit has to be driven, and in the mode that it is in. */
	if (dmar_policy_off()) {
		pr_warn("pkernfs: intel_iommu is forced on for the preserved devices\n");
		dmar_policy = DMAR_FORCE_ON;
		pkernfs_forced_on = true;
	}
	no_iommu = 0;
}

/* Number of devices that can be adopted; negative: it proves nothing */
static int __init pkernfs_discover_unit(struct intel_iommu *iommu, bool *mode_set)
{
	struct pkernfs_region *r;
	struct pkernfs_tree t;
	struct pkernfs_why why;
	const char *reason;
	unsigned int good, named;
	phys_addr_t root, at;
	u64 rtaddr;
	int found;

	pkernfs_out_of_reach = false;
	if (!(readl(iommu->reg + DMAR_GSTS_REG) & DMA_GSTS_TES))
		return 0;
	rtaddr = readq(iommu->reg + DMAR_RTADDR_REG);
	root = rtaddr & VTD_PAGE_MASK;
	if (root < PKERNFS_BLOCK_SIZE)
		return 0;
	at = root - PKERNFS_BLOCK_SIZE;
	if (!e820__mapped_all(at, root + PKERNFS_BLOCK_SIZE, E820_TYPE_RESERVED))
		return 0;

	found = pkernfs_handover_region(at, &r, &why);
	if (!found)
		return 0;
	pkernfs_pci_force_options();
	if (found < 0) {
		reason = why.text;
		goto unprovable;
	}
	reason = pkernfs_prove_unit(iommu, at, rtaddr & PKERNFS_RTADDR_TTM, r, &t, &why);
	if (reason)
		goto unprovable;
	/* One mode for all units that could be in either, as one kernel had them. */
	if (!pkernfs_set_mode(iommu, t.scalable, mode_set)) {
		reason = "another unit was left in another mode";
		goto unprovable;
	}
	if (iommu->drhd->ignored) {
		reason = "this kernel does not drive the unit";
		goto unprovable;
	}

	good = pkernfs_prove_devices(iommu, r, &t, &named);
	pkernfs_stop_unnamed(r, &t, iommu->segment);
	if (good || pkernfs_out_of_reach)
		pkernfs_keep_unit(iommu);
	pr_info("pkernfs: %s: handover found at %pa, %u of %u device(s) proven\n",
		iommu->name, &at, good, named);
	return good;

unprovable:
	pr_err("pkernfs: %s: translation is on with its root table in reserved memory at %pa, but %s; devices are stopped\n",
	       iommu->name, &root, reason);
	if (r)
		pkernfs_record_cut_off(r, iommu->reg_phys, reason);
	return -EUCLEAN;
}

/* No emulated unit sets dirty bits: of a test this says that it does so itself. */
static void __init pkernfs_test_ssads(void)
{
	struct dmar_drhd_unit *drhd;
	struct intel_iommu *iommu;

	if (!pkernfs_test(PKERNFS_TEST_SSADS))
		return;
	for_each_iommu(iommu, drhd)
		iommu->ecap |= PKERNFS_ECAP_SSADS | PKERNFS_ECAP_SMPWC;
}

/**
 * pkernfs_discover_units - find and prove what has been left in these units
 * @units: list of struct dmar_drhd_unit
 *
 * Return: number of devices that can be adopted
 */
int __init pkernfs_discover_units(struct list_head *units)
{
	DECLARE_BITMAP(unprovable, DMAR_UNITS_SUPPORTED) = {};
	bool mode_set = false, scalable;
	struct dmar_drhd_unit *drhd;
	int ret, n = 0;

	/* Boot is single-threaded: the lock would only be in the way of others. */
	list_for_each_entry(drhd, units, list) {
		ret = pkernfs_discover_unit(drhd->iommu, &mode_set);
		if (ret < 0)
			__set_bit(drhd->iommu->seq_id, unprovable);
		else
			n += ret;
	}
	/* When it is known which devices the others have proven. */
	list_for_each_entry(drhd, units, list) {
		if (!test_bit(drhd->iommu->seq_id, unprovable))
			continue;
		pkernfs_out_of_reach = false;
		pkernfs_stop_all(drhd->iommu->segment);
		scalable = readq(drhd->iommu->reg + DMAR_RTADDR_REG) & DMA_RTADDR_SMT;
		if (pkernfs_out_of_reach && !drhd->ignored &&
		    pkernfs_set_mode(drhd->iommu, scalable, &mode_set))
			pkernfs_keep_unit(drhd->iommu);
	}
	return n;
}

/*
 * Without memory for the list of units, or with acpi=off. What the hardware lets through
 * cannot be told then, and is not changed: who has a sound record may be at work.
 */
static void __init pkernfs_discover_none(int error)
{
	struct pkernfs_why why;
	unsigned int i;

	if (is_kdump_kernel())
		return;
	snprintf(why.text, sizeof(why.text), "the remapping units cannot be found (%d)", error);
	for (i = 0; i < pkernfs_region_count(); i++)
		pkernfs_record_cut_off(pkernfs_region_get(i), 0, why.text);
}

/**
 * pkernfs_iommu_discover - find and prove what the kernel before handed over
 *
 * By hardware first: a unit with translation on and its root table in reserved
 * memory was handed over, whatever the command line says. Must run before PCI is
 * enumerated. What cannot be proven is cut off here.
 *
 * Return: number of devices that can be adopted
 */
int __init pkernfs_iommu_discover(void)
{
	int ret;

	/* The tables of a crashed kernel are kdump's to copy. */
	if (is_kdump_kernel() && !pkernfs_region_count())
		return 0;

	/*
	 * With interrupt remapping the units are known by now. Without it, and
	 * with the IOMMU off on the command line, they have to be found all the
	 * same: the hardware is what it was left as.
	 */
	down_write(&dmar_global_lock);
	ret = dmar_table_init();
	up_write(&dmar_global_lock);
	if (ret) {
		pkernfs_discover_none(ret);
		return 0;
	}

	pkernfs_test_ssads();
	if (is_kdump_kernel()) {
		pkernfs_follow_crashed();
		return 0;
	}
	return pkernfs_discover_units(&dmar_drhd_units);
}

/* --- The kernel that comes: adopting ------------------------------------------ */

/**
 * pkernfs_vtd_keep_translation - must translation of a unit stay on at boot?
 * @iommu: unit whose translation the kernel before left on
 */
bool pkernfs_vtd_keep_translation(struct intel_iommu *iommu)
{
	if (!pkernfs_handed_over[iommu->seq_id])
		return false;
	pkernfs_test_fail_begin();
	return true;
}

/**
 * pkernfs_vtd_drive - has a unit to be driven that the IOMMU driver would leave alone?
 * @iommu: unit that it ignores, for a reason that was not there at discovery: igfx_off, or no
 *	device in its scope
 *
 * Return: true if it is ignored no longer, for the preserved devices
 */
bool pkernfs_vtd_drive(struct intel_iommu *iommu)
{
	if (!pkernfs_handed_over[iommu->seq_id])
		return false;
	pr_warn("pkernfs: %s is driven for the preserved devices\n", iommu->name);
	iommu->drhd->ignored = 0;
	return true;
}

/**
 * pkernfs_adopt_entry - enter a proven device in this kernel's own tables
 * @pd: device
 *
 * Context: the unit's root table is not in use yet
 * Return: 0; or -EUCLEAN, with the device stopped, and nothing of it in the tables
 */
int pkernfs_adopt_entry(struct pkernfs_device *pd)
{
	struct pkernfs_fixed *f = pkernfs_to_fixed(pd->fixed);
	u16 did = le16_to_cpu(pd->rec->iommu.did);
	int ret;

	ret = pkernfs_fixed_take_did(f, did);
	if (ret)
		return pkernfs_device_fail(pd, "domain id %u cannot be had (%d)", did, ret);

	if (pkernfs_entry_adopt(f, pd->rid)) {
		domain_detach_iommu(&f->d, f->iommu);
		return pkernfs_device_fail(pd, "no memory");
	}
	return 0;
}

static int pkernfs_adopt_device(struct pkernfs_device *pd)
{
	struct intel_iommu *iommu = pkernfs_to_fixed(pd->fixed)->iommu;

	if (!pd->pdev)
		return pkernfs_device_fail(pd, "it was not found on its bus");
	/* FREEZE has seen none: this kernel's DMAR table is another one. */
	if (pkernfs_vtd_has_rmrr(iommu))
		return pkernfs_device_fail(pd, "%s has a device with reserved memory (RMRR)",
					   iommu->name);
	return pkernfs_adopt_entry(pd);
}

/*
 * The unit's fault interrupt is allocated already, and the unit does not know: to allocate
 * it is the last thing that the driver's start does, and it fails.
 */
static void pkernfs_test_init_fails(struct intel_iommu *iommu)
{
	if (!pkernfs_test(PKERNFS_TEST_INIT_FAILS))
		return;
	if (!iommu->irq)
		dmar_alloc_hwirq(iommu->seq_id, iommu->node, iommu);
	iommu->irq = 0;
}

/**
 * pkernfs_vtd_adopt - enter preserved devices in this kernel's context tables
 * @iommu: unit with its new, empty root table, which hardware does not use yet
 *
 * Context: init_dmars(), before the new root table is set
 * Return: true if the unit was handed over; there is nothing to copy then
 */
bool pkernfs_vtd_adopt(struct intel_iommu *iommu)
{
	struct pkernfs_device *pd;
	unsigned int n = 0;

	if (!pkernfs_handed_over[iommu->seq_id])
		return false;
	list_for_each_entry(pd, &pkernfs_devices, node)
		if (pd->state == PKERNFS_STATE_ADOPTED &&
		    pkernfs_to_fixed(pd->fixed)->iommu == iommu &&
		    !pkernfs_adopt_device(pd))
			n++;
	iommu->flags &= ~VTD_FLAG_TRANS_PRE_ENABLED;
	pr_info("pkernfs: %s: %u device(s) entered in this kernel's tables, translation stays on\n",
		iommu->name, n);
	pkernfs_test_init_fails(iommu);
	return true;
}

/**
 * pkernfs_vtd_init_failed - the IOMMU driver gives up its start
 *
 * What it frees, hardware may be using. So the preserved devices are stopped. May be
 * called twice.
 *
 * Context: boot, dmar_global_lock held
 */
void pkernfs_vtd_init_failed(void)
{
	struct pkernfs_device *pd;

	list_for_each_entry(pd, &pkernfs_devices, node) {
		struct pkernfs_fixed *f;

		if (pd->state != PKERNFS_STATE_ADOPTED || !pd->fixed)
			continue;
		f = pkernfs_to_fixed(pd->fixed);
		pkernfs_device_fail(pd, "the IOMMU driver does not start");
		if (f->did)
			domain_detach_iommu(&f->d, f->iommu);
		f->did = 0;
	}
	/* With force on it would be a panic, and the devices are stopped already. */
	if (pkernfs_forced_on)
		dmar_policy = DMAR_USER_OFF;
}
