# SPDX-License-Identifier: GPL-2.0
"""A device record in a state that does not exist: the device is cut off (S10)."""

from pkboot import damage

KERNEL = 'release'
LIKE = damage
STAGES = 2
TIMEOUT = 90
K2_APPEND = damage.NO_DRIVER
GUEST = damage.GUEST_CUT


def run(t):
    damage.run(t, lambda r, _: (r.record() + 1,), adopted=False)
