# SPDX-License-Identifier: GPL-2.0
"""A region that the kernel's NFS server exports, to a client in the same machine.

Files, names, attributes, holes by NFS 4.2, looked at from both sides; handles that the client
has are good when the server was ended, the region mounted anew and the server started, and
one of an inode that is gone is stale though its number is another's.
"""

from pkboot import dma, selftests

KERNEL = 'nfs'
MANUAL = True           # a kernel that little else wants
MEMORY = '1G'
PKERNFS = '128M@512M'
TIMEOUT = 120


def FILES():
    return selftests.vfio_files('fs_nfs') + [
        ('/bin/' + n, dma.ctl()) for n in ('pkernfsctl', 'mkfs.pkernfs', 'fsck.pkernfs')]


GUEST = r'''
stage1() {
	mkfs.pkernfs -q region0 || fail "mkfs"
	mount -t pkernfs region0 /mnt || fail "mount"
	ifconfig lo 127.0.0.1 up
	hostname guest
	# Where the server notes who its clients were before a restart.
	mkdir -p /nfs /var/lib/nfs/v4recovery
	fs_nfs region0 /mnt /nfs >/tmp/tap 2>&1 || fail "$(grep -v '^ok' /tmp/tap)"
	say "TAP fs_nfs $(grep -c '^ok' /tmp/tap) passed"
	umount /mnt || fail "umount"
	fsck.pkernfs -n region0 >/tmp/fsck || fail "$(cat /tmp/fsck)"
}
'''

run = selftests.run
