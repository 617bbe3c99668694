# SPDX-License-Identifier: GPL-2.0
"""A next kernel without interrupt remapping finds the handover all the same.

Interrupt remapping is what makes a kernel look for the remapping units before
PCI is enumerated; with it off somebody else has to. So with VT-d off on the command
line, in each of its ways: it is forced on.
"""

from pkboot import live

KERNEL = 'release'
LIKE = live
# VFIO takes no device then, unless it is told that nobody minds.
K2_APPEND = 'intremap=off iommufd.allow_unsafe_interrupts=1'
STAGES = 2
TIMEOUT = 120
QUICK = False
GUEST = live.guest()
VARIANTS = {'off': {'K2_APPEND': 'intel_iommu=off'},
            'no-iommu': {'K2_APPEND': 'iommu=off'},
            'both-off': {'K2_APPEND': 'intel_iommu=off ' + K2_APPEND}}


def run(t):
    u = live.Update(t)
    u.go()
    if 'iommu=off' in t.s.K2_APPEND:
        u.m.wait('pkernfs: intel_iommu is forced on for the preserved devices')
    u.all_landed()
    u.translated()
