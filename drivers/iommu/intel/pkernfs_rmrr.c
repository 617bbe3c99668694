// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: is there a device with reserved memory (RMRR) behind a unit? It cannot be carried
 * over the next kernel's SRTP yet.
 *
 * Read from the firmware's table: the driver lists no reserved memory of ACPI name space
 * devices, and to ask it for that of a PCI device takes memory that there may be none of.
 *
 * Source: VT-d specification 4.1, 8.3 "DMA Remapping Hardware Unit Definition Structure",
 * 8.4 "Reserved Memory Region Reporting Structure".
 */
#include <linux/acpi.h>
#include <linux/dmar.h>
#include <linux/pci.h>

#include "iommu.h"
#include "pkernfs.h"

#define pkernfs_for_each_scope(scope, start, end)					\
	for (scope = (const void *)(start);						\
	     (const void *)(scope + 1) <= (const void *)(end) &&			\
	     scope->length >= sizeof(*scope);						\
	     scope = (const void *)scope + scope->length)

/* The function that a scope names; NULL: it is not there. To be put. */
static struct pci_dev *pkernfs_rmrr_function(u16 segment,
					     const struct acpi_dmar_device_scope *scope)
{
	const struct acpi_dmar_pci_path *path = (const void *)(scope + 1);
	unsigned int left = (scope->length - sizeof(*scope)) / sizeof(*path);
	struct pci_dev *pdev = NULL;
	u8 bus = scope->bus;

	while (left--) {
		pdev = pci_get_domain_bus_and_slot(segment, bus,
						   PCI_DEVFN(path->device, path->function));
		if (!pdev || !left)
			break;
		path++;
		/* Without a bus behind it the path leads nowhere. */
		bus = pdev->subordinate ? pdev->subordinate->number : 0;
		pci_dev_put(pdev);
		if (!bus)
			return NULL;
	}
	return pdev;
}

static bool pkernfs_rmrr_below(struct pci_dev *pdev, const struct pci_dev *of)
{
	const struct pci_bus *bus = of->subordinate;

	return pdev == of || (bus && pci_domain_nr(pdev->bus) == pci_domain_nr(of->bus) &&
			      pdev->bus->number >= bus->number &&
			      pdev->bus->number <= bus->busn_res.end);
}

/* Is the function, or one below it if it is a bridge, behind the unit? */
static bool pkernfs_rmrr_pci(struct intel_iommu *iommu, u16 segment,
			     const struct acpi_dmar_device_scope *scope)
{
	struct pci_dev *of = pkernfs_rmrr_function(segment, scope), *pdev = NULL;
	bool found = false;

	if (!of)
		return false;
	for_each_pci_dev(pdev) {
		struct dmar_drhd_unit *drhd = dmar_find_matched_drhd_unit(pdev);

		found = drhd && drhd->iommu == iommu && pkernfs_rmrr_below(pdev, of);
		if (found)
			break;
	}
	pci_dev_put(pdev);
	pci_dev_put(of);
	return found;
}

/* Does the unit name an ACPI name space device, or may it be one of those it does not name? */
static bool pkernfs_rmrr_acpi(struct intel_iommu *iommu, u16 segment, u8 id)
{
	const struct acpi_dmar_hardware_unit *hw = (void *)iommu->drhd->hdr;
	const struct acpi_dmar_device_scope *scope;

	if (iommu->drhd->include_all && hw->segment == segment)
		return true;
	pkernfs_for_each_scope(scope, hw + 1, (void *)hw + hw->header.length)
		if (scope->entry_type == ACPI_DMAR_SCOPE_TYPE_NAMESPACE &&
		    scope->enumeration_id == id)
			return true;
	return false;
}

static bool pkernfs_rmrr_behind(struct intel_iommu *iommu,
				const struct acpi_dmar_reserved_memory *rmrr)
{
	const struct acpi_dmar_device_scope *scope;

	pkernfs_for_each_scope(scope, rmrr + 1, (void *)rmrr + rmrr->header.length) {
		switch (scope->entry_type) {
		case ACPI_DMAR_SCOPE_TYPE_ENDPOINT:
		case ACPI_DMAR_SCOPE_TYPE_BRIDGE:
			if (pkernfs_rmrr_pci(iommu, rmrr->segment, scope))
				return true;
			break;
		case ACPI_DMAR_SCOPE_TYPE_NAMESPACE:
			if (pkernfs_rmrr_acpi(iommu, rmrr->segment, scope->enumeration_id))
				return true;
		}
	}
	return false;
}

/**
 * pkernfs_rmrr_in - does a DMAR table name reserved memory behind a unit?
 * @dmar: the table, one that the driver has parsed without an error
 * @iommu: unit
 */
bool pkernfs_rmrr_in(const struct acpi_table_header *dmar, struct intel_iommu *iommu)
{
	const void *at = (void *)dmar + sizeof(struct acpi_table_dmar);
	const void *end = (void *)dmar + dmar->length;
	const struct acpi_dmar_header *h;

	for (; at + sizeof(*h) <= end; at += h->length) {
		h = at;
		if (h->length < sizeof(*h))
			break;
		if (h->type == ACPI_DMAR_TYPE_RESERVED_MEMORY &&
		    pkernfs_rmrr_behind(iommu, (const void *)h))
			return true;
	}
	return false;
}

/**
 * pkernfs_vtd_has_rmrr - is there a device with reserved memory behind a unit?
 * @iommu: unit
 *
 * The IOMMU driver need not have met the devices.
 *
 * Context: PCI has been enumerated; may sleep
 * Return: true also if it cannot be told
 */
bool pkernfs_vtd_has_rmrr(struct intel_iommu *iommu)
{
	struct acpi_table_header *dmar;
	acpi_status status = acpi_get_table(ACPI_SIG_DMAR, 0, &dmar);
	bool found;

	if (ACPI_FAILURE(status))
		return status != AE_NOT_FOUND;
	found = pkernfs_rmrr_in(dmar, iommu);
	acpi_put_table(dmar);
	return found;
}
