# SPDX-License-Identifier: GPL-2.0
"""fsck of a mounted region: all that is wrong, as fsck finds it later, and nothing else.

The host damages what is mounted. Before that fsck runs beside operations on names, which
it must not take for damage.
"""

from pkboot import dma
from pkboot.region import Region

QUICK = False
MEMORY = '1G'
PKERNFS = '64M@512M'
TIMEOUT = 90
# A kernel with test knobs looks at umount whether the next one would take the region.
IGNORE = (r'WARNING: fs/pkernfs/core.c:\d+ at pkernfs_core_verify', r'Call Trace:')


def FILES():
    return [('/bin/' + n, dma.ctl()) for n in ('fsck.pkernfs', 'mkfs.pkernfs')]


GUEST = r'''
churn() {
	while [ ! -e /tmp/stop ]; do
		mkdir /mnt/a/new
		: >/mnt/a/new/file
		mv /mnt/a/new/file /mnt/b/file
		mv /mnt/a/new /mnt/b/new
		rm -r /mnt/b/*
	done
}

stage1() {
	region_make
	mkdir /mnt/a /mnt/b
	echo state >/mnt/vm0/state
	churn &
	for i in $(seq 10); do
		fsck.pkernfs -n region0 >/tmp/out || fail "beside others: $(cat /tmp/out)"
		grep -q 'in use, and clean' /tmp/out || fail "beside others: $(cat /tmp/out)"
	done
	: >/tmp/stop
	wait
	fsck.pkernfs -n region0 >/tmp/out || fail "$(cat /tmp/out)"
	say "PHASE idle"
	await_host
	rc=0; fsck.pkernfs -n region0 >/tmp/online || rc=$?
	[ $rc = 4 ] && grep -q 'in use: nothing is mended' /tmp/online ||
		fail "of damage: $rc: $(cat /tmp/online)"
	umount /mnt
	rc=0; fsck.pkernfs -n region0 >/tmp/offline || rc=$?
	[ $rc = 4 ] || fail "not mounted: $rc: $(cat /tmp/offline)"
	for i in online offline; do
		grep ']$' /tmp/$i >/tmp/$i-rows
	done
	cmp /tmp/online-rows /tmp/offline-rows ||
		fail "mounted: $(cat /tmp/online) not mounted: $(cat /tmp/offline)"
	rows=$(sed 's/.*\[\(.*\)\]$/\1/' /tmp/online-rows)
	[ "$(echo $rows)" = "superblock-copy inode-checksum inode-checksum" ] || fail "rows: $rows"
	fsck.pkernfs -y region0 >/tmp/out && fail "nothing to mend"
	region_mount
	[ "$(cat /mnt/vm0/state)" = state ] || fail "it is not what it was"
}
'''


def run(t):
    m = t.machine().start()
    m.wait('PHASE idle')
    r = Region(m, t.s.PKERNFS)
    r.flip(r.last_superblock() + 80)    # its label
    inodes = next(r.blocks('inodes'))
    for ino in 2, 5:                    # /vm0, /vm0/state: their owner
        r.flip(inodes + ino * 512 + 20)
    r.close()
    m.send('go')
    m.finish()
