# SPDX-License-Identifier: GPL-2.0
"""A next kernel without interrupt remapping finds the handover all the same.

Interrupt remapping is what makes a kernel look for the remapping units before
PCI is enumerated; with it off somebody else has to.
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


def run(t):
    u = live.Update(t)
    u.go()
    u.all_landed()
    u.translated()
