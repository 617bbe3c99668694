# SPDX-License-Identifier: GPL-2.0
"""A NIC's DMA goes on through kexec -l; kexec -e, and not a frame is lost (S1)."""

from pkboot import live

KERNEL = 'release'
VARIANTS = {'scalable': {**live.SCALABLE['scalable'], 'QUICK': True}, **live.IGB}
ALONE = True
LIKE = live
TRACE = ('pci_cfg_write', 'vtd_dmar_fault')
STAGES = 2
TIMEOUT = 120
GUEST = 'no_checks=\n' + live.guest()


def run(t):
    u = live.steady(t, rate=1060)
    u.never_cleared()
