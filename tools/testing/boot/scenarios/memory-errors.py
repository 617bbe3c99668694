# SPDX-License-Identifier: GPL-2.0
"""Memory errors: SIGBUS, EIO, a list that lives on, and memory that nobody gets again.

By madvise(MADV_HWPOISON) and hard_offline_page, in mapped files. The list is there
after a kexec and after mkfs.
"""

from pkboot import dma, selftests

STAGES = 2
MEMORY = '1G'
PKERNFS = '64M@512M'
TIMEOUT = 120


def FILES():
    return selftests.vfio_files('fs_poison') + [
        ('/bin/pkernfsctl', dma.ctl()), ('/bin/mkfs.pkernfs', dma.ctl())]


GUEST = r'''
tap() {
	"$@" >/tmp/tap 2>&1 || fail "$* $(grep -v '^ok' /tmp/tap)"
	say "TAP $1 $(grep -c '^ok' /tmp/tap) passed"
}

stage1() {
	mkfs.pkernfs -q region0 || fail "mkfs"
	region_mount
	tap fs_poison test /mnt
	fs_poison write /mnt || fail "fs_poison write"
	dmesg | grep -q 'region 0: memory error at 0x.*: inode [0-9]*, offset 0x' ||
		fail "no line in the log"
	kexec_load_next -c
	kexec_jump
}

stage2() {
	local pages
	pages=$(cat $region/bad_pages)
	region_mount
	tap fs_poison check /mnt
	pkernfsctl status | grep -q "$pages pages with memory errors" || fail "status"
	umount /mnt
	mkfs.pkernfs -q -f region0 || fail "mkfs -f"
	[ "$(cat $region/bad_pages)" = "$pages" ] || fail "mkfs has forgotten them"
	region_mount
}
'''

run = selftests.run
