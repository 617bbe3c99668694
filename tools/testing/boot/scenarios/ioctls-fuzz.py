# SPDX-License-Identifier: GPL-2.0
"""Random arguments to every ioctl and to the files in sysfs: no harm, and it still works."""

from pkboot import dma, selftests

MEMORY = '1G'
PKERNFS = '64M@512M'
DEVICES = (dma.NIC,)
TIMEOUT = 120
QUICK = False


def FILES():
    return dma.files(pkernfs=True) + selftests.vfio_files('ioctl_fuzz', flags=('-pthread',))


GUEST = r'''
about() {
	grep -r . $region /sys/fs/pkernfs/armed 2>/dev/null | sort
}

stage1() {
	local cdev
	region_make
	cdev=$(vfio_cdev)
	pool=$(cat $region/pool_free)
	about >/tmp/before
	ioctl_fuzz /mnt $cdev 6000 >/tmp/tap 2>&1 ||
		fail "$(grep -v '^ok' /tmp/tap | tr '\n' ' ')"
	say "TAP $(sed -n 's/^# //p' /tmp/tap)"
	nothing_left $pool
	about >/tmp/after
	cmp /tmp/before /tmp/after || fail "$(diff /tmp/before /tmp/after | tr '\n' ' ')"
	# A next kernel would load it, too.
	umount /mnt
	region_mount
}
'''

run = selftests.run
