# SPDX-License-Identifier: GPL-2.0
"""Control: with the function masked and not the vectors an interrupt is lost (S3)."""

from pkboot import dma, live
from pkboot.result import Failure

KERNEL = 'test'
LIKE = live
APPEND = 'pkernfs_test=maskallonly'
STAGES = 2
TIMEOUT = 60

GUEST = r'''
stage1() {
	region_make
	load_armed -c
	vmm run --bind --size 160M freeze info quiesce save || fail "first VMM: $?"
	pkernfs-vmm raise --bdf $nic || fail "raise: $?"
	kexec_jump
}

stage2() {
	region_mount
	vmm restore run=1s || fail "second VMM: $?"
}
'''


def run(t):
    m = t.machine(files=dma.files(pkernfs=True))
    m.start().finish()
    r = dma.report(m)
    if r['new_irq1']:
        raise Failure('with a piece left out it arrived %d times' % r['new_irq1'])
    t.note('fails as it should: no interrupt instead of 1')
