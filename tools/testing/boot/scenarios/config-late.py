# SPDX-License-Identifier: GPL-2.0
"""A device to be cut off cannot be reached before PCI is enumerated: it is stopped right then.

As in a PCI segment whose configuration space is known later. Until then translation stays as
it was left. Nothing of the device is to get to the next kernel's memory, which does not
translate what it has no reason to (iommu=pt): once with a sound header and a damaged record,
so that hardware says which device it is, once with a damaged header, where it may be any.
"""

from pkboot import damage

KERNEL = 'test'
LIKE = damage
STAGES = 2
TIMEOUT = 90
QUICK = False
K2_APPEND = damage.NO_DRIVER + ' iommu=pt pkernfs_test=no-config'
GUEST = damage.GUEST_CUT


def run(t):
    damage.run(t, lambda r, _: (r.record() + 100,), adopted=False,
               says='00:04.0 cannot be stopped yet')
    damage.run(t, lambda r, _: (r.handover() + 24,), adopted=False, name='any',
               says='devices of segment 0000 cannot be stopped yet')
