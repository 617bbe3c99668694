/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkernfs: domains of a group, for a device that is being frozen or given up.
 *
 * Included at the end of iommu.c, since struct iommu_group is private to it.
 */
#ifdef CONFIG_PKERNFS_FS

#include <linux/pkernfs_pci.h>

/**
 * pkernfs_group_replace - bring the one device of a group to another domain
 * @dev: device
 * @how: from which one, to which one
 *
 * Unlike iommu_replace_group_handle() it leaves the attach handle alone: to
 * iommufd the device stays attached to its HWPT while it is frozen.
 *
 * Return: 0; -ESTALE: the group is not on the domain that is expected, or has none;
 * -EOPNOTSUPP: it has other devices; -EBUSY; -ENODEV; or what the new domain's
 * attach_dev gave
 */
int pkernfs_group_replace(struct device *dev, const struct pkernfs_group_change *how)
{
	struct iommu_group *group = iommu_group_get(dev);
	struct iommu_domain *domain;
	int ret = 0;

	if (!group)
		return -ENODEV;
	if (!how->try) {
		mutex_lock(&group->mutex);
	} else if (!mutex_trylock(&group->mutex)) {
		iommu_group_put(group);
		return -EBUSY;
	}
	domain = how->to ? *how->to :
		 group->owner ? group->blocking_domain : group->default_domain;
	if (!list_is_singular(&group->devices))
		ret = -EOPNOTSUPP;
	else if (!domain || (how->from && group->domain != how->from))
		ret = -ESTALE;
	else if (how->unless && *how->unless)
		ret = -EBUSY;
	if (!ret && how->stop)
		pkernfs_pci_stop(to_pci_dev(dev));
	if (!ret && group->domain != domain)
		ret = __iommu_attach_device(domain, dev, group->domain);
	if (!ret)
		group->domain = domain;
	mutex_unlock(&group->mutex);
	iommu_group_put(group);
	return ret;
}

/* A group that has no domain yet: each device of it is asked for. */
struct iommu_domain *__pkernfs_adopted_domain(struct iommu_group *group)
{
	bool alone = list_is_singular(&group->devices);
	struct iommu_domain *domain = NULL;
	struct group_device *device;

	lockdep_assert_held(&group->mutex);
	for_each_group_device(group, device)
		domain = pkernfs_vtd_adopted(device->dev, alone) ?: domain;
	return domain;
}

#endif
