// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs KUnit: what FREEZE refuses for the sake of the remapping unit, of devices and
 * domains that emulators do not have.
 */
#include <kunit/test.h>
#include <linux/acpi.h>
#include <linux/dmar.h>
#include <linux/iommu.h>
#include <linux/pci.h>
#include <linux/pkernfs.h>

#include "iommu.h"
#include "pkernfs.h"

struct pkernfs_check_test {
	struct pci_bus bus;
	struct pci_dev pdev;
	struct dev_iommu of;
	struct device_domain_info info;
	struct dmar_domain domain;
	struct pkernfs_refusal why;
	DECLARE_BITMAP(alias, U8_MAX + 1);	/* one for each devfn */
};

/* There is nothing wrong with it: each case has one thing that is. */
static int pkernfs_check_init(struct kunit *test)
{
	struct pkernfs_check_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	t->pdev.bus = &t->bus;
	t->pdev.dev.iommu = &t->of;
	t->of.priv = &t->info;
	t->domain.domain.type = IOMMU_DOMAIN_UNMANAGED;
	t->domain.domain.cookie_type = IOMMU_COOKIE_IOMMUFD;
	t->domain.domain.ops = &intel_ss_paging_domain_ops;
	test->priv = t;
	return 0;
}

static int pkernfs_check_run(struct pkernfs_check_test *t)
{
	return pkernfs_vtd_check(&t->pdev.dev, &t->domain.domain, &t->why);
}

static void pkernfs_check_refused(struct kunit *test, int error, const char *text)
{
	struct pkernfs_check_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, error, pkernfs_check_run(t));
	KUNIT_EXPECT_EQ(test, t->why.error, error);
	KUNIT_EXPECT_STREQ(test, t->why.text, text);
}

static void pkernfs_check_plain(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, 0, pkernfs_check_run(test->priv));
}

static void pkernfs_check_cookie(struct kunit *test)
{
	struct pkernfs_check_test *t = test->priv;

	t->domain.domain.cookie_type = IOMMU_COOKIE_DMA_IOVA;
	pkernfs_check_refused(test, -EBADF,
			      "the device is not attached to a HWPT of an iommufd");
}

#define PKERNFS_CHECK_STAGE	"the HWPT is not a plain second-stage one"

static void pkernfs_check_first_stage(struct kunit *test)
{
	struct pkernfs_check_test *t = test->priv;

	t->domain.domain.ops = &intel_fs_paging_domain_ops;
	pkernfs_check_refused(test, -EOPNOTSUPP, PKERNFS_CHECK_STAGE);
}

/* A guest's tables over those of a parent; the next is the parent. */
static void pkernfs_check_nested(struct kunit *test)
{
	static const struct iommu_domain_ops nested;
	struct pkernfs_check_test *t = test->priv;

	t->domain.domain.type = IOMMU_DOMAIN_NESTED;
	t->domain.domain.ops = &nested;
	pkernfs_check_refused(test, -EOPNOTSUPP, PKERNFS_CHECK_STAGE);
}

static void pkernfs_check_nest_parent(struct kunit *test)
{
	struct pkernfs_check_test *t = test->priv;

	t->domain.nested_parent = true;
	pkernfs_check_refused(test, -EOPNOTSUPP, PKERNFS_CHECK_STAGE);
}

static void pkernfs_check_ats(struct kunit *test)
{
	struct pkernfs_check_test *t = test->priv;

	t->info.ats_supported = true;
	pkernfs_check_refused(test, -EOPNOTSUPP, "ATS is in use");
	t->info.ats_supported = false;
	t->info.ats_enabled = true;
	pkernfs_check_refused(test, -EOPNOTSUPP, "ATS is in use");
}

static void pkernfs_check_pri(struct kunit *test)
{
	struct pkernfs_check_test *t = test->priv;

	t->info.pri_enabled = true;
	pkernfs_check_refused(test, -EOPNOTSUPP, "PRI or PASID is in use");
}

static void pkernfs_check_pasid(struct kunit *test)
{
	struct pkernfs_check_test *t = test->priv;

	t->info.pasid_supported = 1;
	pkernfs_check_refused(test, -EOPNOTSUPP, "PRI or PASID is in use");
}

static void pkernfs_check_aliases(struct kunit *test)
{
	struct pkernfs_check_test *t = test->priv;

	t->pdev.dma_alias_mask = t->alias;
	__set_bit(PCI_DEVFN(0, 1), t->alias);
	pkernfs_check_refused(test, -EOPNOTSUPP, "the device has 2 requester ids");
}

/* --- Reserved memory in a DMAR table ------------------------------------------- */

#define PKERNFS_CHECK_ACPI	7	/* enumeration id of a name space device */

struct pkernfs_check_dmar {
	struct acpi_table_dmar table;
	struct {
		struct acpi_dmar_reserved_memory rmrr;
		struct acpi_dmar_device_scope scope[2];
	} __packed entry;
} __packed;

struct pkernfs_check_unit {
	struct {
		struct acpi_dmar_hardware_unit hw;
		struct acpi_dmar_device_scope scope[2];
	} __packed entry;
	struct dmar_drhd_unit drhd;
	struct intel_iommu iommu;
};

static void pkernfs_check_scope(struct acpi_dmar_device_scope *scope, u8 type, u8 id)
{
	scope->entry_type = type;
	scope->length = sizeof(*scope);
	scope->enumeration_id = id;
}

static void pkernfs_check_rmrr(struct kunit *test)
{
	struct pkernfs_check_dmar *d = kunit_kzalloc(test, sizeof(*d), GFP_KERNEL);
	struct pkernfs_check_unit *u = kunit_kzalloc(test, sizeof(*u), GFP_KERNEL);
	struct acpi_table_header *dmar;

	KUNIT_ASSERT_NOT_NULL(test, d);
	KUNIT_ASSERT_NOT_NULL(test, u);
	dmar = &d->table.header;
	dmar->length = sizeof(*d);
	d->entry.rmrr.header.type = ACPI_DMAR_TYPE_RESERVED_MEMORY;
	d->entry.rmrr.header.length = sizeof(d->entry);
	d->entry.rmrr.segment = 1;
	/* A function that is not there, and a name space device */
	pkernfs_check_scope(&d->entry.scope[0], ACPI_DMAR_SCOPE_TYPE_ENDPOINT, 0);
	pkernfs_check_scope(&d->entry.scope[1], ACPI_DMAR_SCOPE_TYPE_NAMESPACE,
			    PKERNFS_CHECK_ACPI);
	u->iommu.drhd = &u->drhd;
	u->drhd.hdr = &u->entry.hw.header;
	u->entry.hw.header.length = sizeof(u->entry);
	pkernfs_check_scope(&u->entry.scope[0], ACPI_DMAR_SCOPE_TYPE_IOAPIC, PKERNFS_CHECK_ACPI);
	pkernfs_check_scope(&u->entry.scope[1], ACPI_DMAR_SCOPE_TYPE_NAMESPACE,
			    PKERNFS_CHECK_ACPI + 1);
	KUNIT_EXPECT_FALSE(test, pkernfs_rmrr_in(dmar, &u->iommu));
	u->entry.scope[1].enumeration_id--;
	KUNIT_EXPECT_TRUE(test, pkernfs_rmrr_in(dmar, &u->iommu));

	/* What no unit names may be behind the one that has all others of the segment. */
	u->entry.hw.header.length = sizeof(u->entry.hw);
	u->drhd.include_all = 1;
	KUNIT_EXPECT_FALSE(test, pkernfs_rmrr_in(dmar, &u->iommu));
	u->entry.hw.segment = 1;
	KUNIT_EXPECT_TRUE(test, pkernfs_rmrr_in(dmar, &u->iommu));

	/* Of no length, it ends there. */
	d->entry.scope[0].length = 0;
	KUNIT_EXPECT_FALSE(test, pkernfs_rmrr_in(dmar, &u->iommu));
	d->entry.rmrr.header.length = 0;
	KUNIT_EXPECT_FALSE(test, pkernfs_rmrr_in(dmar, &u->iommu));
}

static struct kunit_case pkernfs_check_cases[] = {
	KUNIT_CASE(pkernfs_check_plain),
	KUNIT_CASE(pkernfs_check_cookie),
	KUNIT_CASE(pkernfs_check_first_stage),
	KUNIT_CASE(pkernfs_check_nested),
	KUNIT_CASE(pkernfs_check_nest_parent),
	KUNIT_CASE(pkernfs_check_ats),
	KUNIT_CASE(pkernfs_check_pri),
	KUNIT_CASE(pkernfs_check_pasid),
	KUNIT_CASE(pkernfs_check_aliases),
	KUNIT_CASE(pkernfs_check_rmrr),
	{}
};

static struct kunit_suite pkernfs_check_suite = {
	.name = "pkernfs_check",
	.init = pkernfs_check_init,
	.test_cases = pkernfs_check_cases,
};

kunit_test_suite(pkernfs_check_suite);
