# SPDX-License-Identifier: GPL-2.0
"""System calls that change metadata, stopped after their stores: all or nothing.

Each kind of system call is cut off by regionN_stores of debugfs, at its first stores and
then here and there; then the kernel reads the region anew, as the next one would, and what
is there is the state before or after, as far as the VFS can tell, and for fsck.pkernfs
it is clean. The long variant stops at many more, the far one everywhere in a write that
lets the file grow first.
"""

from pkboot import dma, selftests

KERNEL = 'debug'
MEMORY = '1G'
PKERNFS = '64M@512M'
TIMEOUT = 900
QUICK = False
APPEND = 'step=97'
VARIANTS = {'long': {'APPEND': 'step=7', 'TIMEOUT': 3600, 'MANUAL': True},
            'far': {'APPEND': 'step=1 only=write+that+takes+large+granules'}}


def FILES():
    return selftests.vfio_files('fs_stop') + [
        ('/bin/' + n, dma.ctl()) for n in ('pkernfsctl', 'mkfs.pkernfs', 'fsck.pkernfs')]


GUEST = r'''
stage1() {
	local cuts logs only
	mkfs.pkernfs -q --inodes 512 -s 2048 region0 || fail "mkfs"
	# Not each log that is finished.
	echo 6 >/proc/sys/kernel/printk
	only=$(arg only | tr + ' ')
	fs_stop region0 /mnt $(arg step) ${only:+"$only"} >/tmp/tap 2>&1 ||
		fail "$(grep -v '^ok' /tmp/tap) $(cat /tmp/fsck 2>/dev/null)"
	cuts=$(sed -n 's/^# \([0-9]*\) times after a commit/\1/p' /tmp/tap)
	logs=$(dmesg | grep -c 'finishing the operation')
	# Few stops are between two transactions, or behind the last one.
	[ $logs -gt $((cuts * 9 / 10)) ] && [ $logs -le $cuts ] ||
		fail "$logs logs were finished, of $cuts"
	say "TAP fs_stop $(grep -c '^ok' /tmp/tap) passed, $logs logs finished"
}
'''

run = selftests.run
