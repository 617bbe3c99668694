# SPDX-License-Identifier: GPL-2.0
"""A flipped bit in the handover header: the device is cut off (S10).

A context entry for another device, of which the header says nothing: that one is cut off,
and the preserved one goes on.
"""

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


def unnamed(r, walk):
    """What leads the NIC (00:04.0) leads the SATA controller (00:1f.2), too."""
    at = int(walk['context'], 16) - r.base
    for word in 0, 8:
        r.put64(at + 16 * 0xfa + word, r.u64(at + 16 * 0x20 + word))
    return ()


def run(t):
    damage.run(t, lambda r, _: (r.handover() + 24,), adopted=False)
    damage.run(t, unnamed, adopted=True, name='unnamed', guest=damage.GUEST_GOES_ON,
               says='00:1f.2 is cut off: the handover does not name it')
