# SPDX-License-Identifier: GPL-2.0
"""What the ioctls of a device file refuse, each with its errno, and leave nothing."""

from pkboot import dma, selftests

MEMORY = '1G'
PKERNFS = '64M@512M'
DEVICES = (dma.NIC,)
TIMEOUT = 120


def FILES():
    return dma.files(pkernfs=True) + selftests.vfio_files('ioctl_args')


GUEST = r'''
stage1() {
	local dev=/sys/bus/pci/devices/$nic
	region_make
	echo vfio-pci >$dev/driver_override
	echo $nic >$dev/driver/unbind
	echo $nic >/sys/bus/pci/drivers_probe
	pool=$(cat $region/pool_free)
	ioctl_args /mnt /dev/vfio/devices/$(ls $dev/vfio-dev) >/tmp/tap 2>&1 ||
		fail "$(grep -v '^ok' /tmp/tap | tr '\n' ' ')"
	say "TAP $(grep -c '^ok' /tmp/tap) passed"
	[ "$(cat $region/pool_free)" = $pool ] || fail "pool blocks are lost"
	[ "$(cat $region/granules_held)" = 0 ] || fail "holds are left"
	[ -z "$(ls /sys/fs/pkernfs/devices)" ] || fail "a device is left"
}
'''


def run(t):
    m = t.machine().start()
    m.finish()
    for _, line in m.console.lines:
        if 'TAP ' in line:
            t.note(line.split('TAP ', 1)[1])
