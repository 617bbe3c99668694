# SPDX-License-Identifier: GPL-2.0
"""A device record in a state that does not exist: the device is cut off (S10)."""

from pkboot import damage

KERNEL = 'release'
MEMORY = damage.MEMORY
PKERNFS = damage.PKERNFS
DEVICES = damage.DEVICES
APPEND = damage.APPEND
STAGES = 2
TIMEOUT = 180
# Cut off here, the NIC goes to its own driver, with its ring still armed.
IGNORE = (r'DMAR: DRHD: handling fault', r'DMAR: \[DMA ')
GUEST = damage.GUEST_CUT


def run(t):
    damage.run(t, lambda r: (r.record() + 1,), adopted=False)
