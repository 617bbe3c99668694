# SPDX-License-Identifier: GPL-2.0
"""The filesystem: what programs expect of one on Linux, beyond files and names.

Nameless and special files, whiteouts, ranges of zeroes, places in directories, limits
of time, remount, a freeze of the filesystem; extended attributes, flags of chattr, file
handles, O_DIRECT; ACLs, mounts with shifted ids; all that one can do to the data of a file,
at once, pins by the file too; what fails when inodes or blocks of metadata are used up. What
of it is stored is there after a kexec, and a handle that the kernel before has given opens
its file.
"""

from pkboot import dma, selftests

STAGES = 2
MEMORY = '1G'
PKERNFS = '128M@512M'
DEVICES = ('-device edu,addr=5.0',)
TIMEOUT = 120


def FILES():
    found = selftests.vfio_files('fs_posix', 'fs_full', 'fs_attr', 'fs_acl', 'fs_mix')
    return found + [('/bin/pkernfsctl', dma.ctl()), ('/bin/mkfs.pkernfs', dma.ctl())]


GUEST = r'''
tap() {
	"$@" >/tmp/tap 2>&1 || fail "$* $(grep -v '^ok' /tmp/tap)"
	say "TAP $1 $(grep -c '^ok' /tmp/tap) passed"
}

stage1() {
	# All of them are used once.
	mkfs.pkernfs -q --inodes 512 region0 || fail "mkfs"
	mount -t pkernfs region0 /mnt || fail "mount"
	echo vfio-pci >/sys/bus/pci/devices/0000:00:05.0/driver_override
	echo 0000:00:05.0 >/sys/bus/pci/drivers_probe
	tap fs_full /mnt
	tap fs_mix /mnt /dev/vfio/devices/$(ls /sys/bus/pci/devices/0000:00:05.0/vfio-dev)
	# fs_posix last: it remembers how many inodes are free.
	for t in fs_attr fs_acl fs_posix; do
		tap $t test /mnt
		mkdir /mnt/$t
		$t write /mnt/$t || fail "$t write"
	done
	kexec_load_next -c
	kexec_jump
}

stage2() {
	mount -t pkernfs region0 /mnt || fail "mount after kexec"
	for t in fs_posix fs_attr fs_acl; do
		tap $t check /mnt/$t
	done
	umount /mnt
}
'''

run = selftests.run
