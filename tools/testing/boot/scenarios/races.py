# SPDX-License-Identifier: GPL-2.0
"""FREEZE, QUIESCE_IRQ, UNFREEZE and RELEASE against a user of the VFIO device, and its close.

A kernel with every check, three threads, and a device that is never reset, so
that opening it takes no time. Afterwards nothing may be held or lost.
"""

from pkboot import dma, selftests

KERNEL = 'debug'
MEMORY = '1G'
PKERNFS = '64M@512M'
DEVICES = (dma.NIC,)
TIMEOUT = 120


def FILES():
    return dma.files(pkernfs=True) + selftests.vfio_files('races', flags=('-pthread',))


GUEST = r'''
stage1() {
	local dev=/sys/bus/pci/devices/$nic cdev
	region_make
	cdev=$(vfio_cdev)
	echo >$dev/reset_method
	pool=$(cat $region/pool_free)
	races /mnt $cdev 15 >/tmp/races 2>&1 ||
		fail "$(cat /tmp/races)"
	say "RACES $(cat /tmp/races)"
	nothing_left $pool
	echo $nic >$dev/driver/unbind || fail "unbind"
}
'''


def run(t):
    m = t.machine().start()
    m.finish()
    for _, line in m.console.lines:
        if 'RACES ' in line:
            t.note(line.split('RACES ', 1)[1])
