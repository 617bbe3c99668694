# SPDX-License-Identifier: GPL-2.0
"""The release kernel boots, and holds no knob that is for tests only."""

KERNEL = 'release'
MEMORY = '1G'
TIMEOUT = 60

GUEST = r'''
stage1() {
	[ -d /sys/class/iommu/dmar0 ] || fail "no IOMMU"
	# Knobs, KASAN and KUnit, by a symbol that each brings.
	! grep ' pkernfs_test\| __asan_load8$\| kunit_run_tests$' /proc/kallsyms ||
		fail "a release kernel with test code in it"
}
'''
