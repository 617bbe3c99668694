# SPDX-License-Identifier: GPL-2.0
"""On a kernel with every check: a NIC's DMA goes on through kexec -l; kexec -e, and not a frame is lost (S1)."""

from pkboot import live

KERNEL = 'debug'
ALONE = True
LIKE = live
TRACE = ('pci_cfg_write', 'vtd_dmar_fault')
STAGES = 2
TIMEOUT = 180
GUEST = 'no_checks=\n' + live.guest()


def run(t):
    live.steady(t, rate=1060).never_cleared()
