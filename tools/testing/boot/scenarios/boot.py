# SPDX-License-Identifier: GPL-2.0
"""The test kernel boots, with the IOMMU on, and says so."""

MEMORY = '1G'
TIMEOUT = 60

GUEST = r'''
stage1() {
	[ -d /sys/class/iommu/dmar0 ] || fail "no IOMMU"
	ls /sys/kernel/iommu_groups/* >/dev/null || fail "no IOMMU groups"
}
'''
