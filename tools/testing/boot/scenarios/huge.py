# SPDX-License-Identifier: GPL-2.0
"""Granules of 1 GiB: who gets them, mapped and pinned at once, and all of it after a kexec.

What mm/ does with a mapping of 1 GiB (split, move, fork, protect), the last granule that
two want at once, one that is zeroed for who is killed, private mappings, what begins or ends
where two meet, and memory errors, in one that a file has and in one that is free.
"""

from pkboot import dma, selftests

STAGES = 2
# What is there after a kexec another kernel can tell as well, and sooner.
K2_KERNEL = 'release'
MEMORY = '6G'
# The first GiB for metadata and all else, the last 2 MiB for records
PKERNFS = '3074M@4G'
DEVICES = ('-device edu,addr=5.0',)
TIMEOUT = 180
QUICK = False


def FILES():
    return selftests.vfio_files('fs_huge', 'fs_border') + [
        ('/bin/' + name, dma.ctl())
        for name in ('pkernfsctl', 'mkfs.pkernfs', 'fsck.pkernfs', 'dump.pkernfs')]


GUEST = r'''
tap() {
	"$@" >/tmp/tap 2>&1 || {
		grep -v '^ok' /tmp/tap
		fail "$*"
	}
	say "TAP $1 $(grep -c '^ok' /tmp/tap) passed"
}

memmap() {
	awk '/^nr_memmap_pages/ { print $2 }' /proc/vmstat
}

whole() {
	umount /mnt
	fsck.pkernfs -n region0 >/tmp/fsck || fail "$(cat /tmp/fsck)"
	mount -t pkernfs region0 /mnt || fail "mount"
}

edu_cdev() {
	echo vfio-pci >/sys/bus/pci/devices/0000:00:05.0/driver_override
	echo 0000:00:05.0 >/sys/bus/pci/drivers_probe
	cdev=/dev/vfio/devices/$(ls /sys/bus/pci/devices/0000:00:05.0/vfio-dev)
}

stage1() {
	! mkfs.pkernfs -q -H 3 region0 2>/tmp/err || fail "mkfs: more than there is room for"
	grep -q 'the layout does not fit' /tmp/err || fail "$(cat /tmp/err)"
	before=$(memmap)
	mkfs.pkernfs -q -H 2 region0 || fail "mkfs"
	saved=$((before - $(memmap)))
	mount -t pkernfs region0 /mnt || fail "mount"
	[ "$(cat $region/huge)$(cat $region/huge_free)" = 22 ] || fail "not two granules"
	# Two GiB had 2048 blocks of struct pages, and have 4.
	[ $saved -gt 1900 ] || fail "mkfs has given back $saved of $before blocks of struct pages"
	edu_cdev
	tap fs_huge test /mnt $cdev
	tap fs_border /mnt $cdev
	pkernfsctl granules 1g /mnt/vm || fail "granules"
	! pkernfsctl granules 1G /mnt/vm 2>/dev/null || fail "granules of 1G"
	fs_huge write /mnt || fail "fs_huge write"
	pkernfsctl status | grep -q 'granules of 1 GiB: 1 of 2 free, 0 held' || fail "status"
	whole
	kexec_load_next -c
	kexec_jump
}

stage2() {
	dump.pkernfs --json region0 >/tmp/json || fail "dump"
	grep -q '"granule": 1073741824' /tmp/json || fail "no file of such granules"
	mount -t pkernfs region0 /mnt || fail "mount after kexec"
	edu_cdev
	tap fs_huge check /mnt $cdev
	dmesg | grep -q 'memory error at 0x.*: inode [0-9]*, offset 0x900000' || fail "not reported"
	dmesg | grep -q 'memory error at 0x.*: in no file' || fail "nor the other one"
	whole
}
'''

run = selftests.run
