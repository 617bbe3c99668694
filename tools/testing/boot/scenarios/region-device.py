# SPDX-License-Identifier: GPL-2.0
"""/dev/pkernfsN: who may open it when; fsck, dump, save and restore through it.

With a device that is frozen, or adopted by the next kernel, the region can be looked at,
but not claimed, and tables and records are zeroes for who looks. With pages pinned, and
nothing mounted, it is the same. On a terminal save and restore say how far they are.
"""

import os

from pkboot import dma, env, live, region, selftests

LIKE = live
STAGES = 2
TIMEOUT = 120
QUICK = False
PKERNFS = '64M@512M'
APPEND = ''


def FILES():
    found = dma.files(True) + selftests.vfio_files('pin_away', 'on_tty')
    bad = os.path.join(env.OUT, 'bin', 'bad-65')
    with open(bad, 'wb') as f:
        f.write(region.bad_list(65))
    return found + [
        ('/bin/fsck.pkernfs', dma.ctl()), ('/bin/dump.pkernfs', dma.ctl()),
        ('/lib/bad-65', bad)]


GUEST = r'''
dev=/dev/pkernfs0

# busy WHAT WHY: it cannot be claimed, nor formatted, of which mkfs says why
busy() {
	! ( : <>$dev ) 2>/dev/null || fail "$1: opened for writing"
	! mkfs.pkernfs -q -f region0 2>/tmp/out || fail "$1: formatted"
	grep -q "$2" /tmp/out || fail "$1: mkfs -f says: $(cat /tmp/out)"
	! fsck.pkernfs -y region0 >/tmp/out 2>&1 || fail "$1: fsck -y"
	grep -q "mounted or in use" /tmp/out || fail "$1: fsck -y says: $(cat /tmp/out)"
	! pkernfsctl save -q region0 /tmp/saved 2>/dev/null || fail "$1: save"
	[ ! -e /tmp/saved ] || fail "$1: save has left a file"
	[ ! -e /tmp/kept ] || ! pkernfsctl restore -q /tmp/kept region0 2>/tmp/out ||
		fail "$1: restored"
	[ ! -e /tmp/kept ] || grep -q "mounted or in use" /tmp/out ||
		fail "$1: restore says: $(cat /tmp/out)"
	fsck.pkernfs -n region0 >/tmp/out || fail "$1: fsck -n: $(cat /tmp/out)"
	grep -q "in use, and clean" /tmp/out || fail "$1: fsck -n says: $(cat /tmp/out)"
	dump.pkernfs --json region0 >/tmp/dump || fail "$1: dump"
}

# block N: does it hold anything but zeroes?
used() {
	dd if=$dev bs=4096 skip="$1" count="${2:-1}" 2>/dev/null | tr -d '\0' | grep -q .
}

# Pages are pinned, and nothing is mounted, open or mapped.
pinned() {
	pin_away $(vfio_cdev) /mnt/vm0/pinned /tmp/pinned >/tmp/said &
	pid=$!
	while [ ! -e /tmp/pinned ]; do
		kill -0 $pid 2>/dev/null || fail "pin_away: $(cat /tmp/said)"
		sleep 0.1
	done
	umount /mnt || fail "umount with pages pinned"
	busy "with pages pinned, not mounted" "memory is in use"
	kill $pid
	wait $pid || :
	( : <>$dev ) || fail "it cannot be claimed when nothing is pinned any more"
}

# What is said on a terminal, where each line is written over; and nowhere else.
progress() {
	mkdir -p /dev/pts
	mount -t devpts devpts /dev/pts || fail "devpts"
	on_tty pkernfsctl save region0 /tmp/shown >/tmp/tty || fail "save on a terminal: $?"
	shown saved 2
	on_tty pkernfsctl restore /tmp/shown region0 >/tmp/tty || fail "restore on a terminal: $?"
	shown proven 2
	shown restored	# first when the second in which all was proven is over
	on_tty pkernfsctl restore -q /tmp/shown region0 >/tmp/tty && [ ! -s /tmp/tty ] ||
		fail "restore -q says: $(cat /tmp/tty)"
	rm /tmp/shown
	pkernfsctl save region0 /tmp/shown >/tmp/tty 2>&1 && ! grep -q MiB /tmp/tty ||
		fail "save, not on a terminal: $(cat /tmp/tty)"
	rm /tmp/shown
}
# shown WHAT [FIRST]: the last line, and the first
shown() {
	tr '\r' '\n' </tmp/tty | grep "^$1: " >/tmp/out
	[ "$(tail -n 1 /tmp/out)" = "$1: 64 of 64 MiB" ] || fail "shown: $(cat /tmp/tty)"
	[ -z "${2-}" ] || [ "$(head -n 1 /tmp/out)" = "$1: $2 of 64 MiB" ] ||
		fail "shown first: $(cat /tmp/tty)"
}

# The page of inodes 0 to 7 is bad: it is read as zeroes, and not written.
bad_metadata() {
	local pool rc=0
	pool=$(dump.pkernfs region0 | sed -n '1s/.* pool_start=\([0-9]*\).*/\1/p')
	used 65 || fail "there are no inodes"
	dd if=/lib/bad-65 of=$dev bs=4096 seek=$pool conv=notrunc 2>/dev/null ||
		fail "the list of bad pages is not written"
	! used 65 || fail "a bad page is read"
	fsck.pkernfs -y region0 >/tmp/out 2>&1 || rc=$?
	[ $rc = 4 ] && grep -q "bad pages have metadata" /tmp/out ||
		fail "fsck -y: $rc: $(cat /tmp/out)"
	grep -q "would be: " /tmp/out && ! grep -q ": mended: " /tmp/out || fail "$(cat /tmp/out)"
	rc=0; pkernfsctl restore -q /tmp/kept region0 2>/tmp/out || rc=$?
	[ $rc = 1 ] && grep -q "page 65 is bad, and would have metadata" /tmp/out ||
		fail "restore: $rc: $(cat /tmp/out)"
	used 0 && ! used 65 || fail "a restore that was refused has changed something"
	# What is left of it can be saved, and mended there.
	rm /tmp/kept
	pkernfsctl save -q region0 /tmp/kept 2>/dev/null || fail "save of it"
	rc=0; fsck.pkernfs -y /tmp/kept >/tmp/out || rc=$?
	[ $rc = 1 ] || fail "fsck -y of the file: $rc: $(cat /tmp/out)"
}

stage1() {
	region_make
	echo whole >/mnt/vm0/file
	dd if=/dev/urandom of=/mnt/vm0/data bs=1M count=3 2>/dev/null
	mkdir -p /mnt/a/b
	sum=$(md5sum </mnt/vm0/data)
	busy mounted "memory is in use"

	umount /mnt
	exec 5<$dev
	exec 6<>$dev
	! ( : <>$dev ) 2>/dev/null || fail "claimed twice"
	! mount -t pkernfs region0 /mnt 2>/dev/null || fail "mounted while it is claimed"
	! mkfs.pkernfs -q -f region0 2>/dev/null || fail "formatted while it is claimed"
	exec 6>&-
	# The areas of devices are not written: the last granule begins with them.
	tail=$(($(cat $region/size) / 4096 - 512))
	! dd if=/bin/busybox of=$dev bs=4096 count=1 seek=$tail conv=notrunc 2>/dev/null ||
		fail "a record was written"
	used 0 || fail "there is no superblock"

	fsck.pkernfs -n region0 >/tmp/out || fail "fsck -n: $(cat /tmp/out)"
	pkernfsctl save -q region0 /tmp/saved || fail "save"
	[ $(du -k /tmp/saved | cut -f1) -lt 20000 ] || fail "the file is not sparse"
	fsck.pkernfs -n /tmp/saved >/tmp/out || fail "fsck of the file: $(cat /tmp/out)"

	region_mount
	rm -r /mnt/vm0 /mnt/a
	echo other >/mnt/other
	umount /mnt
	cp /tmp/saved /tmp/damaged
	printf x | dd of=/tmp/damaged bs=1 seek=300000 conv=notrunc 2>/dev/null
	! pkernfsctl restore -q /tmp/damaged region0 2>/dev/null || fail "restore of a damaged file"
	region_mount
	[ "$(cat /mnt/other)" = other ] || fail "a restore that was refused has changed something"
	umount /mnt
	pkernfsctl restore -q /tmp/saved region0 || fail "restore"
	region_mount
	[ "$(cat /mnt/vm0/file)" = whole -a "$(md5sum </mnt/vm0/data)" = "$sum" -a \
		-d /mnt/a/b -a ! -e /mnt/other ] || fail "it is not what it was"
	umount /mnt

	# Mended in the file, with new checksums
	printf x | dd of=/tmp/saved bs=1 seek=$((65 * 4096 + 2 * 512 + 40)) conv=notrunc 2>/dev/null
	! pkernfsctl restore -q /tmp/saved region0 2>/dev/null || fail "restore of a damaged inode"
	rc=0; fsck.pkernfs -y /tmp/saved >/tmp/out 2>&1 || rc=$?
	[ $rc = 1 ] && grep -q "not as it was saved" /tmp/out || fail "fsck -y: $rc: $(cat /tmp/out)"
	pkernfsctl restore -q /tmp/saved region0 || fail "restore of what fsck has mended"
	region_mount
	[ "$(md5sum </mnt/vm0/data)" = "$sum" ] || fail "it is not what it was, mended"
	umount /mnt

	# Into a region that was made without small granules
	mkfs.pkernfs -q -f -s 0 region0 || fail "mkfs -s 0"
	pkernfsctl restore -q /tmp/saved region0 || fail "restore where there were no small granules"
	region_mount
	[ "$(md5sum </mnt/vm0/data)" = "$sum" ] || fail "it is not what it was, made anew"
	umount /mnt

	# Damage: bits of the directory's inode, as no other is known to be used.
	at=$((65 * 4096 + 2 * 512 + 40))
	printf x | dd of=$dev bs=1 seek=$at conv=notrunc 2>/dev/null || fail "cannot be written"
	pkernfsctl save -q region0 /tmp/bad 2>/tmp/out || fail "save of what is damaged: $?"
	grep -q "damaged; saved as it is" /tmp/out || fail "save says: $(cat /tmp/out)"
	! mount -t pkernfs region0 /mnt 2>/dev/null || fail "a damaged region is mounted"
	[ "$(cat $region/state)" = refused ] || fail "its state is $(cat $region/state)"
	rc=0; fsck.pkernfs -n region0 >/tmp/out || rc=$?
	[ $rc = 4 ] || fail "fsck -n of it: $rc"
	rc=0; fsck.pkernfs -y region0 >/tmp/out || rc=$?
	[ $rc = 1 ] || fail "fsck -y of it: $rc: $(cat /tmp/out)"
	region_mount
	[ "$(md5sum </mnt/vm0/data)" = "$sum" ] || fail "fsck has lost data"
	echo more >/mnt/vm0/more
	umount /mnt

	# What was saved damaged does not replace what is whole, unless that is wanted.
	rc=0; pkernfsctl restore -q /tmp/bad region0 2>/tmp/out || rc=$?
	[ $rc = 1 ] && grep -q "/tmp/bad: was saved damaged" /tmp/out ||
		fail "restore of what was saved damaged: $rc: $(cat /tmp/out)"
	region_mount
	[ "$(cat /mnt/vm0/more)" = more ] || fail "a restore that was refused has changed something"
	umount /mnt
	rc=0; pkernfsctl restore -q -f /tmp/bad region0 2>/tmp/out || rc=$?
	[ $rc = 1 ] && grep -q "it is restored, and the kernel refuses it" /tmp/out ||
		fail "restore -f: $rc: $(cat /tmp/out)"
	rc=0; fsck.pkernfs -y /tmp/bad >/tmp/out 2>&1 || rc=$?
	[ $rc = 1 ] || fail "fsck -y of what was saved damaged: $rc: $(cat /tmp/out)"
	pkernfsctl restore -q /tmp/bad region0 || fail "restore of it, mended"
	rm /tmp/bad
	region_mount
	[ "$(md5sum </mnt/vm0/data)" = "$sum" ] || fail "it is not what it was"
	gzip </tmp/saved >/mnt/kept
	rm /mnt/vm0/*
	mv /tmp/saved /tmp/kept

	vmm run --bind --size 32M --ring 1024 freeze || fail "the VMM: $?"
	frozen "with a frozen device"
	region_mount
	load_armed -c
	kexec_jump
}

stage2() {
	# What was adopted is known before a mount, too.
	frozen "with an adopted device"
	region_mount
	want_state adopted
	gunzip </mnt/kept >/tmp/kept
	frozen "with an adopted device, and a file to restore"
	region_mount
	want_state adopted
	rm /mnt/kept
	pkernfsctl release /mnt/vm0/nic0 || fail "release"
	pinned
	progress
	fsck.pkernfs -n region0 >/tmp/out || fail "fsck in the end: $(cat /tmp/out)"
	bad_metadata
}

# frozen WHAT: a device is preserved; not mounted after it
frozen() {
	local tail=$(($(cat $region/size) / 4096 - 512))
	top=$(sed -n 's/.* root \(0x[0-9a-f]*\) tables.*/\1/p' /sys/kernel/debug/pkernfs/devices)
	[ $((top)) != 0 ] || fail "no table: $(cat /sys/kernel/debug/pkernfs/devices)"
	if grep -q ' /mnt ' /proc/mounts; then
		busy "$1, mounted" "memory is in use"
		umount /mnt
	fi
	busy "$1" "memory is in use"
	! used $tail 320 || fail "records can be read"
	! used $((($top - $(cat $region/base)) / 4096)) || fail "tables can be read"
	grep -q '"inode": 2,' /tmp/dump || fail "dump shows no inode"
	dump.pkernfs region0 >/tmp/out || fail "dump"
	! grep -q ^record /tmp/out || fail "a record is shown"
}
'''


def run(t):
    t.machine().start().finish()
