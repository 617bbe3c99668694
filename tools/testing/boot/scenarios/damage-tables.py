# SPDX-License-Identifier: GPL-2.0
"""Tables of the handover that say more than the record: the device is cut off (S10).

What is changed is nothing that hardware reads for this device just then, so that nothing
but the proof can notice: an ignored bit of its context entry, a root entry of a bus that
has no preserved device, a leaf behind the frozen range that maps other memory, one that
leads to a file of another VM, two that lead to each other's page.
"""

from pkboot import damage
from pkboot.result import Failure

KERNEL = 'release'
LIKE = damage
STAGES = 2
TIMEOUT = 60
K2_APPEND = damage.NO_DRIVER
# What was held and claimed while they were looked at is given back.
GUEST = damage.guest_given_up('.')


def context(r, walk):
    return [int(walk['context'], 16) + 16 * 32 + 8 - r.base]


def root(r, walk):
    r.put64(int(walk['rtaddr'], 16) + 16 * 7 - r.base, 0x1000 | 1)
    return []


def leaf(r, walk):
    # An entry of the top table has a GiB at least, and the frozen range is in the first.
    r.put64(int(walk['top'], 16) + 8 * 300 - r.base, 1 << 7 | 3)
    return []


def last(r, walk):
    """The offset of the last leaf: guest RAM is 160 MiB, from IOVA 128 MiB on."""
    table = int(walk['top'], 16)
    # From the top, which the width tells of: all of it is in the first GiB.
    for _ in range(walk['aw']):
        table = r.u64(table - r.base) & ~0xfff
    return table + (128 + 160 - 2) // 2 * 8 - r.base


def other(r, walk):
    page = r.map.find(b'RAM of another VM', r.base, r.base + r.size)
    at = last(r, walk)
    if page & 0x1fffff or r.u64(at) & 1 << 7 == 0 or r.u64(at + 8):
        raise Failure('another file at %#x, leaf %#x' % (page, r.u64(at)))
    r.put64(at, page | r.u64(at) & 0x1fffff)
    return []


def swapped(r, walk):
    at = last(r, walk)
    one, two = r.u64(at), r.u64(at - 8)
    r.put64(at, two)
    r.put64(at - 8, one)
    return []


def run(t):
    for harm in context, root, leaf, other, swapped:
        damage.run(t, harm, adopted=False, name=harm.__name__)
