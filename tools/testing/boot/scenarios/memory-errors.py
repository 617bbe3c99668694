# SPDX-License-Identifier: GPL-2.0
"""Memory errors: SIGBUS, EIO, a list that lives on, and memory that nobody gets again.

By madvise(MADV_HWPOISON) and hard_offline_page, in mapped files. The list is there
after a kexec, after mkfs and after a restore. A device that reaches such a page is not
frozen; one that is frozen goes on, and the log says so. Metadata is put nowhere on such a
page, nor are the tables of a kexec, also if it fails after FREEZE.
"""

from pkboot import dma, selftests

STAGES = 2
MEMORY = '1G'
PKERNFS = '64M@512M,256M@640M'
DEVICES = (dma.NIC,)
TIMEOUT = 120
QUICK = False


def FILES():
    return selftests.vfio_files('fs_poison') + [('/bin/pkernfs-vmm', dma.vmm())] + [
        ('/bin/pkernfsctl', dma.ctl()), ('/bin/mkfs.pkernfs', dma.ctl())]


GUEST = r'''
tap() {
	"$@" >/tmp/tap 2>&1 || fail "$* $(grep -v '^ok' /tmp/tap)"
	say "TAP $1 $(grep -c '^ok' /tmp/tap) passed"
}

frozen() {
	region_mount region1
	mkdir /mnt/vm0
	mkfifo /tmp/control
	vmm run --bind --control /tmp/control phase=bound wait freeze &
	until dmesg | grep -q 'PHASE bound'; do sleep 0.1; done
	fs_poison hit /mnt/vm0/ram 1000 || fail "fs_poison hit"
	echo go >/tmp/control
	! wait $! || fail "FREEZE of a page with a memory error"
	dmesg | grep -q 'there is a memory error in the pages of IOVA' || fail "and no reason"
	want_state ordinary

	rm /mnt/vm0/ram
	vmm run --control /tmp/control freeze phase=frozen wait unfreeze &
	until dmesg | grep -q 'PHASE frozen'; do sleep 0.1; done
	fs_poison hit /mnt/vm0/ram 1000 || fail "fs_poison hit"
	dmesg | grep -q 'a frozen device reaches it, its DMA goes on' || fail "not reported"
	want_state frozen
	echo go >/tmp/control
	wait $! || fail "the VMM: $?"
}

# Of region 1. For metadata it is an error, so that its page stays mapped.
offline() {
	! echo $(($1)) >/sys/devices/system/memory/hard_offline_page || fail "$1: no error"
	grep -q "$(printf %%x $(($1)))" /sys/fs/pkernfs/region1/bad_addresses ||
		fail "$1 is not listed"
}

metadata() {
	local records=$(((%(base)d + %(bytes)d - 2) << 20))
	offline $records
	rm /mnt/vm0/ram
	vmm run freeze info unfreeze || fail "FREEZE with a bad free record: $?"
	umount /mnt
	! mkfs.pkernfs -q -f region1 2>/tmp/err || fail "mkfs has put metadata on a bad page"
	grep -q 'a memory error is where metadata would be' /tmp/err || fail "$(cat /tmp/err)"
	region_mount region1
	umount /mnt
}

# Where a kexec's tables are about to be: the header, then the root table behind it.
handed_over() {
	local tables=$(((%(base)d + %(bytes)d - 2) << 20 | 64 << 12))
	umount /mnt
	region_mount region1
	offline $tables
	rm -f /mnt/vm0/ram
	vmm run freeze quiesce save phase=leave || fail "FREEZE with a bad page for tables: $?"
	offline $((tables + 2 * 4096))
	load_armed -c
}

# What was saved knows of no bad page. After a restore they are known all the same, also
# after one that was interrupted, which leaves no superblock.
restored() {
	local bad block count
	bad=$(cat $region/bad_addresses)
	count=$(echo $bad | wc -w)
	[ $count -ge 4 ] || fail "bad pages: $bad"
	for block in none 0 $(($(cat $region/size) / 4096 - 1)); do
		umount /mnt
		[ $block = none ] || dd if=/dev/zero of=/dev/pkernfs0 bs=4096 count=1 \
			seek=$block conv=notrunc 2>/dev/null || fail "superblock: $?"
		[ $block = none -o $block = 0 ] || dd if=/dev/zero of=/dev/pkernfs0 bs=4096 \
			count=1 conv=notrunc 2>/dev/null || fail "superblock 0: $?"
		pkernfsctl restore -q /tmp/empty region0 2>/tmp/out || fail "$(cat /tmp/out)"
		grep -q "$count pages are bad here" /tmp/out || fail "restore: $(cat /tmp/out)"
		region_mount
		[ "$(cat $region/bad_addresses)" = "$bad" ] || fail "restore has forgotten them"
	done
	rm /tmp/empty
}

stage1() {
	mkfs.pkernfs -q region1 || fail "mkfs of region 1"
	frozen
	metadata
	mkfs.pkernfs -q region0 || fail "mkfs"
	pkernfsctl save -q region0 /tmp/empty || fail "save"
	region_mount
	tap fs_poison test /mnt
	restored
	fs_poison write /mnt || fail "fs_poison write"
	dmesg | grep -q 'region 0: memory error at 0x.*: inode [0-9]*, offset 0x' ||
		fail "no line in the log"
	handed_over
	kexec_jump
}

stage2() {
	local pages
	want_state adopted
	! dmesg | grep 'record 0' || fail "a record on a bad page was read"
	region_mount region1
	vmm restore run=100ms || fail "the second VMM: $?"
	umount /mnt
	pages=$(cat $region/bad_pages)
	region_mount
	tap fs_poison check /mnt
	pkernfsctl status | grep -q "$pages pages with memory errors" || fail "status"
	umount /mnt
	mkfs.pkernfs -q -f region0 || fail "mkfs -f"
	[ "$(cat $region/bad_pages)" = "$pages" ] || fail "mkfs has forgotten them"
	region_mount
}
''' % {'base': 640, 'bytes': 256}

run = selftests.run
