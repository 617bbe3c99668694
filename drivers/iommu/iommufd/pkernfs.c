// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: what a frozen device asks of iommufd.
 *
 * The frozen state owns nothing of iommufd and holds no reference on its
 * objects. A domain is only looked at while its group's mutex is held and the
 * domain is attached to it, or is being attached.
 */
#include <linux/delay.h>
#include <linux/iommu.h>
#include <linux/pkernfs_iommu.h>

#include "io_pagetable.h"
#include "iommufd_private.h"

/* How long to wait for changes of an IOAS that are under way */
#define PKERNFS_IOPT_MS		5000

static struct io_pagetable *pkernfs_iommufd_iopt(struct iommu_domain *domain)
{
	return &to_hwpt_paging(domain->iommufd_hwpt)->ioas->iopt;
}

/* Its exporter may take it back, and the tables change, without our lock. */
static bool pkernfs_iopt_has_dmabuf(struct io_pagetable *iopt)
{
	struct iopt_area *area;

	guard(rwsem_read)(&iopt->iova_rwsem);
	for (area = iopt_area_iter_first(iopt, 0, ULONG_MAX); area;
	     area = iopt_area_iter_next(area, 0, ULONG_MAX))
		if (area->pages && iopt_is_dmabuf(area->pages))
			return true;
	return false;
}

/**
 * pkernfs_iommufd_lock - keep the mappings of a HWPT's domain from changing
 * @domain: domain of a HWPT; the group's mutex is held
 * @wait: for changes that are under way
 * @what: out: why not, when an errno is returned
 *
 * The semaphore is held for reading while memory is pinned, which a page of the
 * user's can make last for ever. The transition lock and the group's mutex are
 * held here, and a reboot waits for both: so this gives up after a while.
 *
 * Return: 0 with the page table's domains_rwsem held for writing; -EOPNOTSUPP
 * for a HWPT that cannot be carried; -EBUSY
 */
int pkernfs_iommufd_lock(struct iommu_domain *domain, bool wait, const char **what)
{
	struct iommufd_hw_pagetable *hwpt = domain->iommufd_hwpt;
	struct io_pagetable *iopt;
	unsigned int ms;

	if (!hwpt_is_paging(hwpt)) {
		*what = "the HWPT is a nested one";
		return -EOPNOTSUPP;
	}
	iopt = pkernfs_iommufd_iopt(domain);
	if (hwpt->fault) {
		*what = "the HWPT reports IO page faults";
		return -EOPNOTSUPP;
	}
	if (to_hwpt_paging(hwpt)->nest_parent) {
		*what = "the HWPT is a nesting parent";
		return -EOPNOTSUPP;
	}
	for (ms = 0; ms < PKERNFS_IOPT_MS; ms++) {
		if (down_write_trylock(&iopt->domains_rwsem)) {
			if (!pkernfs_iopt_has_dmabuf(iopt))
				return 0;
			up_write(&iopt->domains_rwsem);
			*what = "its IOAS maps a dma-buf";
			return -EOPNOTSUPP;
		}
		if (!wait)
			break;
		fsleep(1000);
	}
	*what = "its IOAS is being changed";
	return -EBUSY;
}

/**
 * pkernfs_iommufd_unlock - undo pkernfs_iommufd_lock()
 * @domain: the same domain
 */
void pkernfs_iommufd_unlock(struct iommu_domain *domain)
{
	up_write(&pkernfs_iommufd_iopt(domain)->domains_rwsem);
}

/*
 * An ioctl that passed this question just before a FREEZE may still change the
 * live domain just after it. That hurts nobody: the fixed domain keeps its own
 * tables and holds its pages, and UNFREEZE compares before it switches.
 */
bool __pkernfs_iopt_frozen(struct io_pagetable *iopt)
{
	struct iommu_domain *domain;
	unsigned long index;
	bool frozen = false;

	down_read(&iopt->domains_rwsem);
	xa_for_each(&iopt->domains, index, domain)
		frozen |= pkernfs_domain_feeds_frozen(domain);
	up_read(&iopt->domains_rwsem);
	return frozen;
}
