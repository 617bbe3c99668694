/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkernfs, IOMMU half: what device.c asks of it, and the stubs that the IOMMU
 * core, iommufd and intel-iommu call.
 */
#ifndef _LINUX_PKERNFS_IOMMU_H
#define _LINUX_PKERNFS_IOMMU_H

#include <linux/iommu.h>
#include <linux/jump_label.h>
#include <linux/types.h>

struct intel_iommu;
struct iommu_group;
struct io_pagetable;
struct pkernfs_device;

#ifdef CONFIG_PKERNFS_FS

/* On while any device is preserved: off, every stub below is a no-op. */
DECLARE_STATIC_KEY_FALSE(pkernfs_iommu_key);

extern const struct iommu_domain_ops pkernfs_fixed_domain_ops;

/* --- drivers/iommu/intel/pkernfs.c ----------------------------------------- */

int pkernfs_iommu_freeze(struct pkernfs_device *pd);
int pkernfs_iommu_unfreeze(struct pkernfs_device *pd);
int pkernfs_iommu_release(struct pkernfs_device *pd);
int pkernfs_iommu_sync(struct pkernfs_device *pd);
int pkernfs_iommu_retry(struct pkernfs_device *pd);
void pkernfs_iommu_free(struct pkernfs_device *pd);
struct iommu_domain *pkernfs_vtd_adopted(struct device *dev, bool alone);
bool pkernfs_vtd_second_stage(struct device *dev, struct intel_iommu *iommu);

/* --- drivers/iommu/intel/pkernfs_entry.c ----------------------------------- */

void __pkernfs_let_go(struct device *dev);
void pkernfs_iommu_settle(void);

/* --- drivers/iommu/intel/pkernfs_fixed.c ----------------------------------- */

int pkernfs_iommu_ranges(struct pkernfs_device *pd,
			 int (*range)(u64 iova, u64 bytes, u64 phys, u32 prot,
				      void *arg), void *arg);

/* --- drivers/iommu/intel/pkernfs_handover.c -------------------------------- */

int pkernfs_iommu_handover(void);
void pkernfs_iommu_handover_cancel(void);
void pkernfs_vtd_break_locks(struct intel_iommu *iommu);
bool pkernfs_vtd_shutdown(struct intel_iommu *iommu);

/* --- drivers/iommu/intel/pkernfs_stop.c ------------------------------------ */

void pkernfs_iommu_stop_rid(u16 segment, u16 rid);

/* --- drivers/iommu/intel/pkernfs_discover.c -------------------------------- */

int pkernfs_iommu_discover(void);
bool pkernfs_vtd_keep_translation(struct intel_iommu *iommu);
bool pkernfs_vtd_drive(struct intel_iommu *iommu);
bool pkernfs_vtd_adopt(struct intel_iommu *iommu);
void pkernfs_vtd_init_failed(void);

/* --- drivers/iommu/iommu.c, by hook ---------------------------------------- */

/**
 * struct pkernfs_group_change - what pkernfs_group_replace() is to do
 * @from: domain that the group has to be on, NULL: any
 * @to: where the new domain is found once the group's mutex is held; NULL: the
 *	domain that the core wants for the group, as at a detach
 * @unless: -EBUSY if a domain is found there; NULL: do not look
 * @stop: stop the device first, once nothing is in the way any more
 * @try: -EBUSY if the group's mutex is held
 */
struct pkernfs_group_change {
	struct iommu_domain *from;
	struct iommu_domain **to;
	struct iommu_domain **unless;
	bool stop;
	bool try;
};

int pkernfs_group_replace(struct device *dev, const struct pkernfs_group_change *how);

/* --- drivers/iommu/iommufd/pkernfs.c --------------------------------------- */

int pkernfs_iommufd_lock(struct iommu_domain *domain, bool wait, const char **what);
void pkernfs_iommufd_unlock(struct iommu_domain *domain);
bool __pkernfs_iopt_frozen(struct io_pagetable *iopt);

/* --- called by existing code ------------------------------------------------ */

bool pkernfs_domain_feeds_frozen(struct iommu_domain *domain);
bool __pkernfs_domain_wanted(struct iommu_domain *domain);
void __pkernfs_iopt_mapped(void);
bool __pkernfs_keep_domain(struct iommu_domain *old, struct iommu_domain *new);
void __pkernfs_domain_gone(struct iommu_domain *domain);
struct iommu_domain *__pkernfs_adopted_domain(struct iommu_group *group);

/**
 * pkernfs_domain_is_fixed - is this the fixed domain of a preserved device?
 * @domain: any domain, or NULL
 */
static inline bool pkernfs_domain_is_fixed(const struct iommu_domain *domain)
{
	return static_branch_unlikely(&pkernfs_iommu_key) && domain &&
	       domain->ops == &pkernfs_fixed_domain_ops;
}

/**
 * pkernfs_keep_domain - must a group keep its domain?
 * @old: domain of the group
 * @new: domain that is asked for
 *
 * A group on a fixed domain leaves it for a user's domain only, and only when that
 * maps all that is frozen; until then the attach has succeeded, and the group waits.
 * Requests for the default or the blocking domain come from teardown, and from
 * ownership changes; they succeed without a change.
 */
static inline bool pkernfs_keep_domain(struct iommu_domain *old,
				       struct iommu_domain *new)
{
	return pkernfs_domain_is_fixed(old) && __pkernfs_keep_domain(old, new);
}

/**
 * pkernfs_may_attach - may a group go from its domain to another one?
 * @old: domain of the group
 * @new: domain that is asked for
 *
 * From a fixed one to that of a HWPT, and to nothing else: the attach compares
 * them. A container of VFIO type 1 would fill its domain only later.
 */
static inline bool pkernfs_may_attach(const struct iommu_domain *old,
				      const struct iommu_domain *new)
{
	return pkernfs_domain_is_fixed(old) && new->cookie_type == IOMMU_COOKIE_IOMMUFD;
}

/**
 * pkernfs_domain_gone - a device is unplugged, and the hardware is off its domain
 * @domain: domain of its group
 *
 * Return: true if it was a fixed one, which is freed soon
 */
static inline bool pkernfs_domain_gone(struct iommu_domain *domain)
{
	if (!pkernfs_domain_is_fixed(domain))
		return false;
	__pkernfs_domain_gone(domain);
	return true;
}

/**
 * pkernfs_let_go - the IOMMU driver is about to forget a device
 * @dev: device, in its place
 *
 * As when it could not be met in full. An adopted one is stopped before it is blocked.
 */
static inline void pkernfs_let_go(struct device *dev)
{
	if (static_branch_unlikely(&pkernfs_iommu_key))
		__pkernfs_let_go(dev);
}

/**
 * pkernfs_adopted_domain - domain that the kernel before left for a device
 * @group: group that has no domain yet
 *
 * Return: the fixed domain, with the group's one device entered in it, or NULL
 */
static inline struct iommu_domain *pkernfs_adopted_domain(struct iommu_group *group)
{
	if (!static_branch_unlikely(&pkernfs_iommu_key))
		return NULL;
	return __pkernfs_adopted_domain(group);
}

/**
 * pkernfs_iopt_frozen - does this IO page table feed a frozen device?
 * @iopt: page table of an IOAS
 *
 * Return: -EBUSY if it does, else 0
 */
static inline int pkernfs_iopt_frozen(struct io_pagetable *iopt)
{
	if (!static_branch_unlikely(&pkernfs_iommu_key))
		return 0;
	return __pkernfs_iopt_frozen(iopt) ? -EBUSY : 0;
}

/**
 * pkernfs_any_frozen - is any device frozen from a HWPT that is still there?
 *
 * For IOMMU_IOAS_CHANGE_PROCESS, which is about all IOASes of an iommufd. A fixed
 * domain does not know of which one it was frozen: it refers to nothing of iommufd but
 * the domain. So this refuses too often, in each iommufd while another's device is
 * frozen and its user there, which is for the short time of an update.
 *
 * Return: -EBUSY if there is one, else 0
 */
static inline int pkernfs_any_frozen(void)
{
	if (!static_branch_unlikely(&pkernfs_iommu_key))
		return 0;
	return pkernfs_domain_feeds_frozen(NULL) ? -EBUSY : 0;
}

/**
 * pkernfs_domain_wanted - is a device to come to this domain, or back to it?
 * @domain: domain of a HWPT
 *
 * Its dirty tracking cannot be changed meanwhile: hardware does not use it.
 *
 * Return: -EBUSY if one is, else 0
 */
static inline int pkernfs_domain_wanted(struct iommu_domain *domain)
{
	if (!static_branch_unlikely(&pkernfs_iommu_key))
		return 0;
	return __pkernfs_domain_wanted(domain) ? -EBUSY : 0;
}

/**
 * pkernfs_iopt_mapped - pages were mapped into the domains of an IO page table
 *
 * A device that is attached to one of them may have waited for it. No lock of the
 * page table's is held.
 */
static inline void pkernfs_iopt_mapped(void)
{
	if (static_branch_unlikely(&pkernfs_iommu_key))
		__pkernfs_iopt_mapped();
}

#else

static inline bool pkernfs_domain_is_fixed(const struct iommu_domain *domain) { return false; }
static inline bool pkernfs_keep_domain(struct iommu_domain *old,
				       struct iommu_domain *new) { return false; }
static inline bool pkernfs_may_attach(const struct iommu_domain *old,
				      const struct iommu_domain *new) { return false; }
static inline bool pkernfs_domain_gone(struct iommu_domain *domain) { return false; }
static inline void pkernfs_let_go(struct device *dev) { }
static inline struct iommu_domain *
pkernfs_adopted_domain(struct iommu_group *group) { return NULL; }
static inline int pkernfs_iopt_frozen(struct io_pagetable *iopt) { return 0; }
static inline int pkernfs_any_frozen(void) { return 0; }
static inline int pkernfs_domain_wanted(struct iommu_domain *domain) { return 0; }
static inline void pkernfs_iopt_mapped(void) { }
static inline bool pkernfs_vtd_second_stage(struct device *dev,
					    struct intel_iommu *iommu) { return false; }
static inline void pkernfs_vtd_break_locks(struct intel_iommu *iommu) { }
static inline bool pkernfs_vtd_shutdown(struct intel_iommu *iommu) { return false; }
static inline bool pkernfs_vtd_drive(struct intel_iommu *iommu) { return false; }
static inline bool pkernfs_vtd_keep_translation(struct intel_iommu *iommu) { return false; }
static inline bool pkernfs_vtd_adopt(struct intel_iommu *iommu) { return false; }
static inline void pkernfs_vtd_init_failed(void) { }

#endif

/* Only called where pkernfs_domain_is_fixed() says so. */
int pkernfs_vtd_attach(struct iommu_domain *domain, struct device *dev,
		       struct iommu_domain *old);

#endif
