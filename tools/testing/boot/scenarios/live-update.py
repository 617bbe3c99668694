# SPDX-License-Identifier: GPL-2.0
"""A NIC's DMA goes on through kexec -l; kexec -e, and not a frame is lost (S1)."""

from pkboot import live

KERNEL = 'release'
VARIANTS = {'scalable': {**live.SCALABLE['scalable'], 'QUICK': True}}
ALONE = True
LIKE = live
TRACE = ('pci_cfg_write', 'vtd_dmar_fault')
STAGES = 2
TIMEOUT = 240
GUEST = 'no_checks=\n' + live.guest()


def run(t):
    u = live.Update(t)
    u.go(rate=1000)
    u.all_landed()
    u.no_gap(ratio=10)
    u.translated()
    u.never_cleared()
