# SPDX-License-Identifier: GPL-2.0
"""The release kernel boots, and holds no knob that is for tests only."""

KERNEL = 'release'
MEMORY = '1G'
TIMEOUT = 60

GUEST = r'''
stage1() {
	[ -d /sys/class/iommu/dmar0 ] || fail "no IOMMU"
	! grep -i 'pkernfs_test\|kasan_report\|kunit_try' /proc/kallsyms | head -1 | grep . ||
		fail "a release kernel with test code in it"
}
'''
