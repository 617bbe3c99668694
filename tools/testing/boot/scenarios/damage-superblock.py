# SPDX-License-Identifier: GPL-2.0
"""A damaged superblock copy: the other is taken, the update goes on (S10)."""

from pkboot import damage

KERNEL = 'release'
LIKE = damage
STAGES = 2
TIMEOUT = 90
GUEST = damage.GUEST_GOES_ON


# A byte of the region's size, in either copy
_BYTES = 40


def run(t):
    damage.run(t, lambda r, _: (_BYTES,), adopted=True,
               says='region 0: superblock: wrong checksum; taking the copy at the end')
    damage.run(t, lambda r, _: (r.last_superblock() + _BYTES,), adopted=True, name='end',
               says='region 0: superblock: wrong checksum in the copy at the end')
