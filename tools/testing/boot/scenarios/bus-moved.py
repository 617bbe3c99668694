# SPDX-License-Identifier: GPL-2.0
"""The bus of a preserved device has another number: it is stopped where it is found.

The port above it is given another bus number from outside, while the next kernel boots: the
device goes on with its DMA under an address that no record names. Nothing of it is to get to
that kernel's memory, which does not translate what it has no reason to (iommu=pt).
"""

from pkboot import damage, dma, live

KERNEL = 'release'
LIKE = damage
DEVICES = live.PORT_DEVICES
TRACE = ('pci_cfg_write', 'vtd_dmar_enable')
STAGES = 2
TIMEOUT = 90
QUICK = False
K2_APPEND = damage.NO_DRIVER + ' iommu=pt'
GUEST = live.PORT_GUEST + damage.GUEST_CUT

_BUSES = dma.ECAM + (6 << 15) + 0x18


def run(t):
    def move(region, _tables):
        q = region.machine.qtest()
        was = q.readl(_BUSES)
        q.writel(_BUSES, was & 0xff0000ff | 0x050500)
        t.note('bus numbers: %#x -> %#x' % (was, q.readl(_BUSES)))
        q.close()
        return ()

    damage.run(t, move, adopted=False, bdf=live.PORT_BDF,
               says='05:00.0: pkernfs: stopped: it may be what 0000:01:00.0 was')
