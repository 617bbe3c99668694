# SPDX-License-Identifier: GPL-2.0
"""A damaged superblock copy: the other is taken, the update goes on (S10)."""

from pkboot import damage

KERNEL = 'release'
LIKE = damage
STAGES = 2
TIMEOUT = 90
GUEST = damage.GUEST_GOES_ON


def run(t):
    damage.run(t, lambda r, _: (40,), adopted=True)
