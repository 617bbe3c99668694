# SPDX-License-Identifier: GPL-2.0
"""Mutants: a replace that is not one atomic write loses frames, and we see it (S6).

Two broken ones, by knobs of a test kernel: the entry is cleared and flushed before the
new one is written; one half of it is written and flushed before the other. As old and
new tables translate alike, and so would any mix of old and new halves, that half has an
address width that neither has. The same cycles with no knob lose nothing
(freeze-cycles).
"""

from pkboot import dma, live
from pkboot.result import Failure

KERNEL = 'test'
VARIANTS = live.SCALABLE
MEMORY = live.MEMORY
PKERNFS = live.PKERNFS
DEVICES = live.DEVICES
TIMEOUT = 60
# Frames that meet the broken entry are faults: that is what is wanted here.
IGNORE = (r'DMAR: DRHD: handling fault', r'DMAR: \[DMA (Read|Write)')

GUEST = r'''
stage1() {
	region_make
	vmm run --bind --size 160M phase=quiet run=1s cycles=%d report run=1s \
		drain report || say "the VMM has seen it: $?"
}
'''
_CYCLES = 50


def run(t):
    for knob in 'none', 'clear-first', 'half-first':
        m = t.machine(knob, files=dma.files(pkernfs=True), guest=GUEST % _CYCLES,
                      append='pkernfs_test=' + knob if knob != 'none' else '')
        d = dma.Dma(t, m, span=PKERNFS)
        m.start()
        m.wait('STEP ring')
        d.poll()
        d.start(rate=2000)
        m.wait('STEP cycles')
        m.wait('STEP report')
        d.stop()
        m.finish()
        sent, lost = d.inject['sent'], d.inject['sent'] - d.watch['landed']
        t.note('%s: %d of %d frames lost' % (knob, lost, sent))
        if knob == 'none' and lost:
            raise Failure('the replace itself loses frames')
        if knob != 'none' and not lost:
            raise Failure('%s was not noticed' % knob)
