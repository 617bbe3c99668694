# SPDX-License-Identifier: GPL-2.0
"""A kernel starts the next one by kexec_file_load, and that one comes up."""

KERNEL = 'release'
VARIANTS = {'debug': {'KERNEL': 'debug', 'QUICK': False}}
STAGES = 2
MEMORY = '1G'
TIMEOUT = 120

GUEST = r'''
stage1() {
	kexec_load_next -s
	kexec_jump
}

stage2() {
	[ -d /sys/class/iommu/dmar0 ] || fail "no IOMMU after kexec"
}
'''
