# SPDX-License-Identifier: GPL-2.0
"""An overlay whose upper and work directories are in a region.

Whiteouts, opaque and redirected directories, copies of files with their attributes, copies
of inodes without data, O_TMPFILE; overlayfs misses nothing that it looks for in an upper
filesystem. After a kexec the same overlay shows the same.
"""

from pkboot import dma, selftests

KERNEL = 'nfs'
MANUAL = True           # a kernel that little else wants
STAGES = 2
MEMORY = '1G'
PKERNFS = '128M@512M'
TIMEOUT = 90


def FILES():
    return selftests.vfio_files('fs_overlay') + [
        ('/bin/' + n, dma.ctl()) for n in ('pkernfsctl', 'mkfs.pkernfs', 'fsck.pkernfs')]


GUEST = r'''
overlay() {
	mkdir -p /overlay
	mount -t pkernfs region0 /mnt || fail "mount"
	mkdir -p /mnt/lower
	fs_overlay $1 /mnt /mnt/lower /overlay >/tmp/tap 2>&1 ||
		fail "$1: $(grep -v '^ok' /tmp/tap)"
	say "TAP fs_overlay $1: $(grep -c '^ok' /tmp/tap) passed"
	umount /mnt || fail "umount"
	fsck.pkernfs -n region0 >/tmp/fsck || fail "$(cat /tmp/fsck)"
}

stage1() {
	mkfs.pkernfs -q region0 || fail "mkfs"
	overlay test
	kexec_load_next -c
	kexec_jump
}

stage2() {
	overlay check
}
'''

run = selftests.run
