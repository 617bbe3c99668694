# SPDX-License-Identifier: GPL-2.0
"""A flipped bit in a device record: the device is cut off, the files are whole (S10)."""

from pkboot import damage, live

KERNEL = 'release'
LIKE = damage
VARIANTS = {'igb': {**live.IGB['igb'], 'TRACE': ('pci_cfg_write',)}}
STAGES = 2
TIMEOUT = 90
K2_APPEND = damage.NO_DRIVER
# No device can be made of the record: the region says it.
GUEST = damage.GUEST_CUT.replace('\tsleep 1\n', r'''
	[ "$(device_state)" = ordinary ] || fail "the device is $(device_state)"
	pkernfsctl status | grep -q 'cut off: record 0: its checksum' ||
		fail "$(pkernfsctl status)"
	sleep 1
''')


def reset(u):
    u.was_reset('jump', 'userland')


def run(t):
    damage.run(t, lambda r, _: (r.record() + 100,), adopted=False,
               then=reset if t.s.NEEDS else None)
