# SPDX-License-Identifier: GPL-2.0
"""Of two NICs the preserved one goes to vfio-pci, the other to its driver (S9)."""

from pkboot import live
from pkboot.result import Failure

KERNEL = 'release'
MEMORY = live.MEMORY
PKERNFS = live.PKERNFS
DEVICES = (*live.DEVICES, '-device e1000e,addr=5.0')
APPEND = live.APPEND
STAGES = 2
TIMEOUT = 120

_DRIVERS = r'''
	for d in 4:vfio-pci 5:e1000e; do
		is=$(basename "$(readlink /sys/bus/pci/devices/0000:00:0${d%%:*}.0/driver)")
		[ "$is" = "${d#*:}" ] || fail "device ${d%%:*} is with $is"
	done
'''
GUEST = live.guest(second='phase=resumed run=1s phase=end wait drain verify info',
                   early=_DRIVERS)


def run(t):
    u = live.Update(t)
    u.go()
    u.all_landed()
    u.no_gap(ratio=1, floor_ms=live.SHARED_MS)
    if sum('eth0: Intel' in text for _, text in u.m.console.lines) < 2:
        raise Failure('the other NIC has no interface in both kernels')
