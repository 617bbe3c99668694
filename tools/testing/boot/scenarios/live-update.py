# SPDX-License-Identifier: GPL-2.0
"""A NIC's DMA goes on through kexec -l; kexec -e, and not a frame is lost (S1).

And where a VMM is replaced without a kexec, in-place, by the same measure.
"""

from pkboot import live

KERNEL = 'release'
VARIANTS = {'scalable': {**live.SCALABLE['scalable'], 'QUICK': True}, **live.IGB,
            'in-place': {'STAGES': 1, 'GUEST': live.GUEST_IN_PLACE}}
ALONE = True
LIKE = live
TRACE = ('pci_cfg_write', 'vtd_dmar_fault')
STAGES = 2
TIMEOUT = 120
GUEST = 'no_checks=\n' + live.guest()


def run(t):
    u = live.steady(t, rate=1060, kexec=t.s.STAGES > 1)
    u.never_cleared()
