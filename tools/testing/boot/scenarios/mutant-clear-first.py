# SPDX-License-Identifier: GPL-2.0
"""Mutant: a replace that first clears the entry loses frames, and we see it (S6)."""

from pkboot import dma, live
from pkboot.result import Failure

CHECK = False           # not run on the whole of the tree yet
KERNEL = 'debug'
MEMORY = live.MEMORY
PKERNFS = live.PKERNFS
DEVICES = live.DEVICES
APPEND = 'pkernfs_test=clear-first'
TIMEOUT = 120
IGNORE = (r'DMAR: ',)

GUEST = r'''
stage1() {
	region_make
	vmm run --bind --size 160M phase=quiet run=1s cycles=50 report run=1s \
		drain report || say "the VMM has seen it: $?"
}
'''


def run(t):
    m = t.machine(files=dma.files(pkernfs=True))
    d = dma.Dma(t, m, span=PKERNFS)
    m.start()
    m.wait('STEP ring')
    d.poll()
    d.start(rate=2000)
    at, _, _ = m.wait('STEP report')
    d.stop()
    m.finish()
    lost = d.inject['sent'] - d.watch['landed']
    p = d.polled()
    t.note('%d of %d frames lost, %d faults' % (lost, d.inject['sent'], p['faults']))
    if not lost:
        raise Failure('a broken replace was not noticed')
