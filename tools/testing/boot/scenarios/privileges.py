# SPDX-License-Identifier: GPL-2.0
"""Who may mount, freeze, unfreeze, release, arm, and see what: the table of the guide."""

from pkboot import dma, selftests

MEMORY = '1G'
PKERNFS = '64M@512M'
DEVICES = (dma.NIC,)
TIMEOUT = 120
QUICK = False


def FILES():
    return dma.files(pkernfs=True) + selftests.vfio_files('privileges')


GUEST = r'''
stage1() {
	local cdev
	region_make
	cdev=$(vfio_cdev)
	pool=$(cat $region/pool_free)
	[ -e /sys/kernel/debug/pkernfs ] || mount -t debugfs none /sys/kernel/debug ||
		fail "debugfs: $?"
	privileges /mnt $cdev >/tmp/tap 2>&1 ||
		fail "$(grep -v '^ok' /tmp/tap | tr '\n' ' ')"
	say "TAP $(grep -c '^ok' /tmp/tap) passed"
	nothing_left $pool
}
'''

run = selftests.run
