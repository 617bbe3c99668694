# SPDX-License-Identifier: GPL-2.0
"""A flipped bit in a device record: the device is cut off, the files are whole (S10)."""

from pkboot import damage

KERNEL = 'release'
LIKE = damage
STAGES = 2
TIMEOUT = 90
K2_APPEND = damage.NO_DRIVER
GUEST = damage.GUEST_CUT


def run(t):
    damage.run(t, lambda r, _: (r.record() + 100,), adopted=False)
