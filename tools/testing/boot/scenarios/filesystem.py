# SPDX-License-Identifier: GPL-2.0
"""The filesystem: files, mappings, pins for DMA, and all of it after a kexec.

The programs are those of tools/testing/selftests/pkernfs. The device that pins
is QEMU's edu, bound to vfio-pci. Before the kexec the first superblock copy is
damaged, which must not matter to the kernel, and is all that fsck finds. A file that is
open and unlinked at the kexec gives its memory back in the second kernel, and so does
one that is unlinked and pinned.
"""

from pkboot import dma, selftests

STAGES = 2
# What is there after a kexec another kernel can tell as well, and sooner.
K2_KERNEL = 'release'
MEMORY = '1G'
PKERNFS = '256M@512M'
DEVICES = ('-device edu,addr=5.0',)
TIMEOUT = 120

TESTS = ('fs_basic', 'fs_mmap', 'fs_pin', 'fs_small', 'fs_persist')


def FILES():
    found = selftests.vfio_files(*TESTS)
    return found + [('/bin/' + n, dma.ctl())
                    for n in ('pkernfsctl', 'mkfs.pkernfs', 'fsck.pkernfs')]


GUEST = r'''
region=/sys/fs/pkernfs/region0

tap() {
	"$@" >/tmp/tap 2>&1 || {
		grep -v '^ok' /tmp/tap
		fail "$*"
	}
	say "TAP $1 $(grep -c '^ok' /tmp/tap) passed"
}

stage1() {
	! mount -t pkernfs region0 /mnt 2>/dev/null || fail "mount of a blank region"
	[ "$(cat $region/state)" = blank ] || fail "state of a blank region"
	mkfs.pkernfs -q -L test region0 || fail "mkfs"
	! mkfs.pkernfs -q region0 2>/dev/null || fail "mkfs again, without --force"
	mkfs.pkernfs -q -f -L test -s 4096 region0 || fail "mkfs --force"
	mount -t pkernfs region0 /mnt || fail "mount"
	! mkfs.pkernfs -q -f region0 2>/dev/null || fail "mkfs of a mounted region"
	tap fs_basic /mnt
	tap fs_mmap /mnt

	echo vfio-pci >/sys/bus/pci/devices/0000:00:05.0/driver_override
	echo 0000:00:05.0 >/sys/bus/pci/drivers_probe
	cdev=$(ls /sys/bus/pci/devices/0000:00:05.0/vfio-dev)
	tap fs_pin /mnt /dev/vfio/devices/$cdev $region
	tap fs_small test /mnt /dev/vfio/devices/$cdev
	dmesg | grep -q "inode [0-9]* keeps its memory: a page is pinned" ||
		fail "nobody says that a pin is in the way"
	! dmesg | grep -q "preserved, reaches it" ||
		fail "a pin is taken for a device that is preserved"
	[ "$(cat $region/small_free)" = "$(cat $region/small)" ] ||
		fail "small granules lost"
	[ "$(cat $region/granules_free)" = "$(cat $region/granules)" ] ||
		fail "memory lost"

	# More small granules than a file can have pieces, and others to move to.
	umount /mnt
	mkfs.pkernfs -q -f -s 11500 region0 || fail "mkfs, many small granules"
	mount -t pkernfs region0 /mnt || fail "mount"
	tap fs_small most /mnt /dev/vfio/devices/$cdev
	umount /mnt
	mkfs.pkernfs -q -f -L test -s 4096 region0 || fail "mkfs"

	mount -t pkernfs -o region=0 none /mnt || fail "mount by option"
	fs_small write /mnt || fail "fs_small write"
	fs_persist write /mnt /dev/vfio/devices/$cdev || fail "fs_persist write"
	# Byte 100 of the first superblock copy lies in its label.
	poke $(($(cat $region/base) + 100))
	kexec_load_next -c
	kexec_jump
}

stage2() {
	dmesg | grep -q 'region 0: superblock: wrong checksum; taking the copy' ||
		fail "the damage was not seen"
	mount -t pkernfs region0 /mnt || fail "mount after kexec"
	tap fs_persist check /mnt
	tap fs_small check /mnt
	umount /mnt
	# With it for itself; then the kernel reads all of it anew.
	rc=0; fsck.pkernfs -n region0 >/tmp/out 2>&1 || rc=$?
	[ $rc = 4 ] && [ "$(grep -o ' \[[a-z+-]*\]$' /tmp/out)" = " [superblock-copy]" ] ||
		fail "fsck -n: $rc: $(cat /tmp/out)"
	rc=0; fsck.pkernfs -p region0 >/tmp/out 2>&1 || rc=$?
	[ $rc = 1 ] || fail "fsck -p: $rc: $(cat /tmp/out)"
	fsck.pkernfs -n region0 >/tmp/out 2>&1 || fail "fsck again: $?: $(cat /tmp/out)"
	mount -t pkernfs region0 /mnt || fail "second mount"
	[ -e /mnt/vm0/space ] || fail "what was changed before is gone"
	pkernfsctl status --json >/tmp/json && grep -q '"mounted": 1' /tmp/json ||
		fail "status"
	umount /mnt
}

# Flip one bit of physical memory.
poke() {
	local old
	old=$(dd if=/dev/mem bs=1 skip="$1" count=1 2>/dev/null | hexdump -e '1/1 "%u"')
	printf "\\$(printf %o $((old ^ 1)))" |
		dd of=/dev/mem bs=1 seek="$1" conv=notrunc 2>/dev/null ||
		fail "cannot write to memory"
}
'''

run = selftests.run
