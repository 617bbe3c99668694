# SPDX-License-Identifier: GPL-2.0
"""What the ioctls of a device file refuse, each with its errno, and leave nothing."""

from pkboot import dma, selftests

MEMORY = '1G'
PKERNFS = '64M@512M,16M@640M'
DEVICES = (dma.NIC,)
TIMEOUT = 120


def FILES():
    return dma.files(pkernfs=True) + selftests.vfio_files('ioctl_args')


GUEST = r'''
stage1() {
	local cdev
	region_make
	mkdir /tmp/other
	mkfs.pkernfs -q region1 && mount -t pkernfs region1 /tmp/other || fail "region 1: $?"
	cdev=$(vfio_cdev)
	pool=$(cat $region/pool_free)
	ioctl_args /mnt $cdev /tmp/other >/tmp/tap 2>&1 ||
		fail "$(grep -v '^ok' /tmp/tap | tr '\n' ' ')"
	say "TAP $(grep -c '^ok' /tmp/tap) passed"
	nothing_left $pool
}
'''

run = selftests.run
