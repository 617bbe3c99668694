// SPDX-License-Identifier: GPL-2.0
/*
 * pkernfs: preserved devices when a kernel leaves, and when the next one comes.
 */
#include <linux/crash_dump.h>
#include <linux/kexec.h>
#include <linux/pci.h>
#include <linux/pkernfs.h>
#include <linux/pkernfs_iommu.h>
#include <linux/pkernfs_pci.h>
#include <linux/reboot.h>

#include "pkernfs.h"

static bool pkernfs_shutting_down;

/**
 * pkernfs_is_shutting_down - has a kexec begun?
 *
 * Set under the transition lock, and then never cleared.
 */
bool pkernfs_is_shutting_down(void)
{
	return READ_ONCE(pkernfs_shutting_down);
}

/* --- Leaving this kernel ------------------------------------------------------ */

static void pkernfs_stop_device(struct pkernfs_device *pd, const char *when_why)
{
	pkernfs_pci_stop(pd->pdev);
	/* The next kernel's driver may switch bus mastering on before all else. */
	if (kexec_in_progress)
		pkernfs_pci_reset(pd->pdev);
	pr_err("pkernfs: %s is stopped %s\n", pci_name(pd->pdev), when_why);
}

static void pkernfs_stop_devices(const char *when_why)
{
	struct pkernfs_device *pd;

	list_for_each_entry(pd, &pkernfs_devices, node)
		if (pkernfs_device_on_fixed(pd))
			pkernfs_stop_device(pd, when_why);
}

static void pkernfs_prepare_device(struct pkernfs_device *pd)
{
	if (pkernfs_iommu_sync(pd))
		return;
	/* Not only a frozen device has a user: one may be about to attach. */
	if (pkernfs_vfio_revoke(pd)) {
		pkernfs_stop_device(pd, "before the jump: its user cannot be stopped");
		WRITE_ONCE(pd->state, PKERNFS_STATE_FAILED);
		return;
	}
	/* A user that did not say it has drained: uncertain stays uncertain. */
	if (!pd->irq_quiesced && pkernfs_pci_quiesce_irq(pd, false, &pd->why))
		pr_warn("pkernfs: %s: vectors could not be masked\n", pci_name(pd->pdev));
}

/* Features that the next kernel has to know, or it would stop the devices itself. */
static u64 pkernfs_features_used(void)
{
	struct pkernfs_device *pd;
	u64 incompat = 0;

	list_for_each_entry(pd, &pkernfs_devices, node)
		if (pkernfs_device_on_fixed(pd))
			incompat |= le64_to_cpu(pd->rec->feature_incompat |
						pd->region->sb->feature_incompat);
	return incompat;
}

static int pkernfs_reboot(struct notifier_block *nb, unsigned long action, void *data)
{
	struct pkernfs_device *pd;
	bool any = false;
	u64 unknown;
	int ret;

	mutex_lock(&pkernfs_transition_lock);
	WRITE_ONCE(pkernfs_shutting_down, true);
	list_for_each_entry(pd, &pkernfs_devices, node)
		any |= pkernfs_device_on_fixed(pd);
	if (any && !kexec_in_progress) {
		/* The way down switches translation off; they would go on without. */
		pkernfs_stop_devices("as the machine goes down");
	} else if (any) {
		unknown = pkernfs_kexec_unknown(pkernfs_features_used());
		if (!pkernfs_kexec_armed()) {
			pkernfs_stop_devices("before the jump: the loaded image was not armed");
		} else if (unknown) {
			pr_err("pkernfs: the loaded image does not know incompatible feature bits %#llx\n",
			       unknown);
			pkernfs_stop_devices("before the jump: the loaded image will not adopt it");
		} else {
			list_for_each_entry(pd, &pkernfs_devices, node)
				if (pkernfs_device_on_fixed(pd))
					pkernfs_prepare_device(pd);
			ret = pkernfs_iommu_handover();
			if (ret) {
				pr_err("pkernfs: the handover tables cannot be built (%d)\n", ret);
				pkernfs_stop_devices("before the jump: there is no handover");
			}
		}
	}
	mutex_unlock(&pkernfs_transition_lock);
	return NOTIFY_DONE;
}

static struct notifier_block pkernfs_reboot_nb = { .notifier_call = pkernfs_reboot };

/* --- Coming from another kernel ----------------------------------------------- */

/*
 * After the regions are mapped and before PCI is enumerated: PCI has to know
 * which functions to leave alone.
 */
static int __init pkernfs_device_boot(void)
{
	unsigned int i;

	pkernfs_test_fail_begin();
	for (i = 0; i < pkernfs_region_count(); i++)
		pkernfs_core_load(pkernfs_region_get(i));
	pkernfs_iommu_discover();
	pkernfs_test_fail_end("discovery");
	for (i = 0; i < pkernfs_region_count(); i++) {
		struct pkernfs_region *r = pkernfs_region_get(i);

		if (r->sb && r->core && !is_kdump_kernel())
			pkernfs_record_drop_stale(r);
	}
	return register_reboot_notifier(&pkernfs_reboot_nb);
}
arch_initcall_sync(pkernfs_device_boot);
