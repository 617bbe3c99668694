# SPDX-License-Identifier: GPL-2.0
"""Tables of the handover that say more than the record: the device is cut off (S10).

What is changed is nothing that hardware reads for this device, so that nothing but
the proof can notice: an ignored bit of its context entry, a root entry of a bus
that has no preserved device, a leaf behind the frozen range that maps other memory.
"""

from pkboot import damage

KERNEL = 'release'
LIKE = damage
STAGES = 2
TIMEOUT = 60
K2_APPEND = damage.NO_DRIVER
GUEST = damage.GUEST_CUT


def context(r, walk):
    return [int(walk['context'], 16) + 16 * 32 + 8 - r.base]


def root(r, walk):
    r.put64(int(walk['rtaddr'], 16) + 16 * 7 - r.base, 0x1000 | 1)
    return []


def leaf(r, walk):
    # 39 bits: the top table has a GiB an entry, and the frozen range begins at 4 GiB.
    r.put64(int(walk['top'], 16) + 8 * 300 - r.base, 1 << 7 | 3)
    return []


def run(t):
    for harm in context, root, leaf:
        damage.run(t, harm, adopted=False, name=harm.__name__)
