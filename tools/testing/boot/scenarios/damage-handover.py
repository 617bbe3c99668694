# SPDX-License-Identifier: GPL-2.0
"""A flipped bit in the handover header: the device is cut off (S10)."""

from pkboot import damage

KERNEL = 'release'
LIKE = damage
STAGES = 2
TIMEOUT = 90
K2_APPEND = damage.NO_DRIVER
# The record is sound: it tells of a device that has failed, and why, until RELEASE.
GUEST = damage.GUEST_CUT.replace('\tsleep 1\n', r'''
	want_state failed
	grep -q 'the handover header is damaged' /sys/fs/pkernfs/devices/$nic/reason ||
		fail "reason: $(cat /sys/fs/pkernfs/devices/$nic/reason)"
	pkernfsctl release /mnt/vm0/nic0 || fail "release"
	want_state ordinary
	rm -r /mnt/vm0 || fail "a file is still held"
	sleep 1
''')


def run(t):
    damage.run(t, lambda r, _: (r.handover() + 24,), adopted=False)
