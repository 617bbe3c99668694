// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: records of preserved devices, one block each in the region.
 *
 * DOC: A record is written while its state says FREE, and becomes valid by one
 * store. It says what a device was frozen to; which devices a kernel really
 * left working is said by the handover alone. So a record that no handover names
 * is stale: the machine was reset, or the device was stopped or had left its
 * fixed domain before the jump.
 *
 * Locking: the transition lock; at boot none is needed.
 */
#include <linux/crc32c.h>
#include <linux/pci.h>
#include <linux/pkernfs.h>
#include <linux/pkernfs_iommu.h>

#include "device.h"

static struct pkernfs_dev_record *pkernfs_record(struct pkernfs_region *r, u64 slot)
{
	return pkernfs_block(r, le64_to_cpu(r->sb->records.start) + slot);
}

/* On hardware each look at such a page is a machine check: it stays in the kernel's mapping. */
static bool pkernfs_record_is_bad(struct pkernfs_region *r, u64 slot)
{
	u64 block = le64_to_cpu(r->sb->records.start) + slot;

	return pkernfs_bad_phys(r, r->base + (block << PKERNFS_BLOCK_SHIFT), PKERNFS_BLOCK_SIZE);
}

static u32 pkernfs_record_crc(const struct pkernfs_dev_record *rec)
{
	return crc32c(~0, &rec->magic,
		      offsetof(struct pkernfs_dev_record, crc) -
		      offsetof(struct pkernfs_dev_record, magic));
}

/**
 * pkernfs_record_alloc - take a free record for a device that is to be frozen
 * @pd: device with its region set; slot and rec are set on success
 *
 * Return: 0, -ENOSPC
 */
int pkernfs_record_alloc(struct pkernfs_device *pd)
{
	struct pkernfs_region *r = pd->region;
	struct pkernfs_device *other;
	u64 slot;

	lockdep_assert_held(&pkernfs_transition_lock);
	for (slot = 0; slot < le64_to_cpu(r->sb->records.count); slot++) {
		struct pkernfs_dev_record *rec = pkernfs_record(r, slot);
		bool used = pkernfs_record_is_bad(r, slot) ||
			    rec->state != cpu_to_le32(PKERNFS_RECORD_FREE);

		list_for_each_entry(other, &pkernfs_devices, node)
			used |= other->region == r && other->slot == slot;
		if (used)
			continue;
		memset(rec, 0, sizeof(*rec));
		rec->magic = cpu_to_le32(PKERNFS_RECORD_MAGIC);
		rec->version = cpu_to_le32(PKERNFS_FORMAT_VERSION);
		rec->slot = cpu_to_le32(slot);
		pd->slot = slot;
		pd->rec = rec;
		return 0;
	}
	return -ENOSPC;
}

/**
 * pkernfs_record_commit - make a filled record valid
 * @pd: device
 */
void pkernfs_record_commit(struct pkernfs_device *pd)
{
	struct pkernfs_dev_record *rec = pd->rec;

	rec->irq = cpu_to_le32(PKERNFS_RECORD_IRQ_UNCERTAIN);
	rec->crc = cpu_to_le32(pkernfs_record_crc(rec));
	smp_wmb();	/* all of it before the word that makes it valid */
	WRITE_ONCE(rec->state, cpu_to_le32(PKERNFS_RECORD_FROZEN));
	smp_wmb();	/* valid before hardware depends on it */
}

/**
 * pkernfs_record_retract - end a record
 * @pd: device that no hardware uses the tables of
 */
void pkernfs_record_retract(struct pkernfs_device *pd)
{
	smp_wmb();	/* after hardware has let go of what it names */
	WRITE_ONCE(pd->rec->state, cpu_to_le32(PKERNFS_RECORD_FREE));
}

static const char *pkernfs_record_check(struct pkernfs_region *r, u32 slot,
					struct pkernfs_why *why)
{
	const struct pkernfs_dev_record *rec = pkernfs_record(r, slot);
	const char *reason;

	if (pkernfs_record_is_bad(r, slot))
		return "there is a memory error in its page";
	if (rec->state == cpu_to_le32(PKERNFS_RECORD_FREE))
		return "it is free";
	if (rec->state != cpu_to_le32(PKERNFS_RECORD_FROZEN))
		return "its state is none";
	if (rec->magic != cpu_to_le32(PKERNFS_RECORD_MAGIC))
		return "it has no magic";
	reason = pkernfs_version_unknown("device record", rec->version, why);
	if (reason)
		return reason;
	if (le32_to_cpu(rec->crc) != pkernfs_record_crc(rec))
		return "its checksum does not match";
	reason = pkernfs_features_unknown("device record", rec->feature_incompat, why);
	if (reason)
		return reason;
	if (le32_to_cpu(rec->slot) != slot)
		return "it belongs to another slot";
	if (le32_to_cpu(rec->irq) > PKERNFS_RECORD_IRQ_QUIESCED)
		return "its interrupt state is none";
	return NULL;
}

/* For sysfs, as there may be no device that the reason could be read of. */
__printf(2, 3)
static void pkernfs_record_why(struct pkernfs_region *r, const char *fmt, ...)
{
	va_list args;

	if (r->handover_why.text[0])
		return;
	va_start(args, fmt);
	vscnprintf(r->handover_why.text, sizeof(r->handover_why.text), fmt, args);
	va_end(args);
}

/* The device of a sound record; NULL: no memory, or it is in the list already. */
static struct pkernfs_device *pkernfs_record_device(struct pkernfs_region *r, u32 slot,
						    enum pkernfs_state state)
{
	struct pkernfs_dev_record *rec = pkernfs_record(r, slot);
	struct pkernfs_device *pd = pkernfs_device_new(r, le16_to_cpu(rec->pci.segment),
						       le16_to_cpu(rec->pci.rid));
	int ret;

	if (!pd)
		return NULL;
	pd->slot = slot;
	pd->rec = rec;
	pd->state = state;
	pd->irq_quiesced = pkernfs_record_is_quiesced(rec);
	ret = pkernfs_device_add(pd);
	if (ret) {
		pkernfs_load_say(pr_err, "pkernfs: record %u: %s\n", slot,
				 ret == -EBUSY ? "device is named twice" : "no memory");
		pkernfs_device_put(pd);
		return NULL;
	}
	return pd;
}

/**
 * pkernfs_record_adopt - make a device of a record that a handover names
 * @r: region
 * @slot: as the handover says, not checked yet
 *
 * Return: the device in state ADOPTED, or NULL with one line in the log, and the reason
 * in the region's handover_why
 */
struct pkernfs_device *pkernfs_record_adopt(struct pkernfs_region *r, u32 slot)
{
	struct pkernfs_device *pd;
	struct pkernfs_why why;
	const char *reason;

	if (slot >= le64_to_cpu(r->sb->records.count)) {
		pkernfs_load_say(pr_err,
				 "pkernfs: the handover names record %u, which does not exist\n",
				 slot);
		pkernfs_record_why(r, "the handover names record %u, which does not exist", slot);
		return NULL;
	}
	reason = pkernfs_record_check(r, slot, &why);
	if (reason) {
		pkernfs_load_say(pr_err, "pkernfs: record %u cannot be believed: %s\n", slot,
				 reason);
		pkernfs_record_why(r, "record %u: %s", slot, reason);
		return NULL;
	}
	pd = pkernfs_record_device(r, slot, PKERNFS_STATE_ADOPTED);
	if (!pd)
		pkernfs_record_why(r, "the device of record %u cannot be adopted", slot);
	return pd;
}

/**
 * pkernfs_record_cut_off - a remapping unit's handover proves nothing
 * @r: the region that it is in
 * @drhd_base: the unit, 0: all
 * @reason: why; no newline
 *
 * Which devices were handed over cannot be told. But a sound record that names the unit
 * tells of a device that is stopped for this reason, as all of the unit are: it fails.
 */
void pkernfs_record_cut_off(struct pkernfs_region *r, u64 drhd_base, const char *reason)
{
	struct pkernfs_device *pd;
	struct pkernfs_why why;
	u64 slot;

	pkernfs_record_why(r, "%s", reason);
	if (!r->sb || !r->core)
		return;
	for (slot = 0; slot < le64_to_cpu(r->sb->records.count); slot++) {
		struct pkernfs_dev_record *rec = pkernfs_record(r, slot);

		if (pkernfs_record_check(r, slot, &why) ||
		    (drhd_base && le64_to_cpu(rec->iommu.drhd_base) != drhd_base))
			continue;
		pd = pkernfs_record_device(r, slot, PKERNFS_STATE_FAILED);
		if (pd)
			pkernfs_device_fail(pd, "%s", reason);
		else
			pkernfs_iommu_stop_rid(le16_to_cpu(rec->pci.segment),
					       le16_to_cpu(rec->pci.rid));
	}
}

/**
 * pkernfs_record_drop_stale - end the records that no handover named
 * @r: region whose superblock has proven itself
 */
void pkernfs_record_drop_stale(struct pkernfs_region *r)
{
	struct pkernfs_device *pd;
	u64 slot;

	for (slot = 0; slot < le64_to_cpu(r->sb->records.count); slot++) {
		struct pkernfs_dev_record *rec = pkernfs_record(r, slot);
		struct pkernfs_why why;
		const char *reason;
		bool named = false;
		u16 rid;

		if (pkernfs_record_is_bad(r, slot) ||
		    rec->state == cpu_to_le32(PKERNFS_RECORD_FREE))
			continue;
		list_for_each_entry(pd, &pkernfs_devices, node)
			named |= pd->region == r && pd->slot == slot;
		if (named)
			continue;
		reason = pkernfs_record_check(r, slot, &why);
		rid = le16_to_cpu(rec->pci.rid);
		if (reason)
			pr_warn("pkernfs: region%u: record %llu dropped: %s\n", r->index,
				slot, reason);
		else
			pr_warn("pkernfs: region%u: record %llu of %04x:%02x:%02x.%d is stale, its device was not handed over; dropped\n",
				r->index, slot, le16_to_cpu(rec->pci.segment),
				rid >> 8, PCI_SLOT(rid), PCI_FUNC(rid));
		WRITE_ONCE(rec->state, cpu_to_le32(PKERNFS_RECORD_FREE));
	}
}
