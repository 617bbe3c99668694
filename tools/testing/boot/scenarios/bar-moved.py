# SPDX-License-Identifier: GPL-2.0
"""A BAR that is not where it was: the device is cut off.

Moved from outside, while the next kernel boots: the record is whole, and the device
goes on with its DMA.
"""

from pkboot import damage, dma

KERNEL = 'release'
LIKE = damage
STAGES = 2
TIMEOUT = 90
K2_APPEND = damage.NO_DRIVER
GUEST = damage.GUEST_CUT

_BAR0 = dma.ECAM + (4 << 15) + 0x10
_FREE = 0xfd000000      # in the host bridge's window, and nobody's


def run(t):
    def move(region, _tables):
        q = region.machine.qtest()
        t.note('BAR 0: %#x -> %#x' % (q.readl(_BAR0), _FREE))
        q.writel(_BAR0, _FREE)
        q.close()
        return ()

    damage.run(t, move, adopted=False,
               says='00:04.0 is cut off: .*: BAR 0 is %#x, was' % _FREE)
