# SPDX-License-Identifier: GPL-2.0
"""Memory errors: SIGBUS, EIO, a list that lives on, and memory that nobody gets again.

By madvise(MADV_HWPOISON) and hard_offline_page, in mapped files. The list is there
after a kexec, after mkfs and after a restore. A device that reaches such a page is not
frozen; one that is frozen goes on, and the log says so. Metadata is put nowhere on such a
page, nor are the tables of a kexec, also if it fails after FREEZE.

A bad page is not in the kernel's own mapping, so that no CPU reads it ahead of what it is
asked for: QEMU looks at the page tables. Not so one that is metadata. One that is pinned is
out if there was a machine check, which QEMU makes; if it was injected in the next kernel.
"""

from pkboot import dma, selftests
from pkboot.result import Failure

STAGES = 2
MEMORY = '1G'
PKERNFS = '64M@512M,256M@640M'
DEVICES = (dma.NIC,)
TIMEOUT = 120
QUICK = False
_LOOKS = 13         # of the host, at the kernel's mapping


def FILES():
    return selftests.vfio_files('fs_poison') + [('/bin/pkernfs-vmm', dma.vmm())] + [
        ('/bin/pkernfsctl', dma.ctl()), ('/bin/mkfs.pkernfs', dma.ctl())]


GUEST = r'''
# mapping GONE THERE: the host looks whether these addresses are in the kernel's mapping.
mapping() {
	[ -e /tmp/page_offset ] || grep -m 1 ' page_offset_base$' /proc/kallsyms >/tmp/page_offset
	say "MAPPING $(cut -d ' ' -f 1 /tmp/page_offset) gone" $1 "there" $2
	await_host
}

tap() {
	"$@" >/tmp/tap 2>&1 || fail "$* $(grep -v '^ok' /tmp/tap)"
	say "TAP $1 $(grep -c '^ok' /tmp/tap) passed"
}

# Behind a page of region 1 that is pinned: there is no use for it any more.
machine_check() {
	local bad
	bad=$(printf %%#x $(($(tail -n 1 /sys/fs/pkernfs/region1/bad_addresses) + 4096)))
	echo 1 >/sys/devices/system/machinecheck/machinecheck0/check_interval
	say "MACHINE CHECK $bad"
	until grep -q $bad /sys/fs/pkernfs/region1/bad_addresses; do sleep 0.1; done
	until dmesg | grep -q "memory error at $bad.*; a frozen device"; do sleep 0.1; done
	mapping $bad ""
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
	mapping "" "$(cat /sys/fs/pkernfs/region1/bad_addresses)"
	machine_check
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

# Who has the device open does not meet them either; but they are back before the first
# byte that he writes, which may make metadata of them.
claimed() {
	local bad
	bad=$(cat $region/bad_addresses)
	mapping "$bad" ""
	umount /mnt
	exec 3<>/dev/pkernfs0
	dd bs=4096 count=1 of=/tmp/block <&3 2>/dev/null || fail "reading a superblock: $?"
	dd bs=1M of=/dev/null <&3 2>/dev/null || fail "reading a region with bad pages: $?"
	mapping "$bad" ""
	exec 3<&-
	mapping "$bad" ""
	exec 3<>/dev/pkernfs0
	cat /tmp/block >&3
	mapping "" "$bad"
	exec 3<&-
	region_mount
	mapping "$bad" ""
}

# What were pages of a file are blocks of the pool now, and pages of another order behind it.
repooled() {
	local bad end pool= data=
	mkfs.pkernfs -q -f --pool 3072 region0 || fail "mkfs --pool"
	# It ends where the first granule begins.
	end=$(((512 << 20) + ($(cat $region/pool_blocks) + 511) / 512 * (2 << 20)))
	for bad in $(cat $region/bad_addresses); do
		if [ $((bad)) -lt $end ]; then
			pool="$pool $bad"
		else
			data="$data $bad"
		fi
	done
	[ -n "$pool" -a -n "$data" ] || fail "bad pages in the pool:$pool, in files:$data"
	mapping "$data" "$pool"
}

# All of it is forgotten if neither superblock is there: as root wants it. So is what was
# not in the mapping, or mkfs and the files would be an oops.
forgotten() {
	local bad block
	bad=$(cat $region/bad_addresses)
	umount /mnt
	for block in 0 $(($(cat $region/size) / 4096 - 1)); do
		dd if=/dev/zero of=/dev/pkernfs0 bs=4096 count=1 seek=$block conv=notrunc \
			2>/dev/null || fail "superblock: $?"
	done
	mkfs.pkernfs -q region0 || fail "mkfs without a list"
	[ "$(cat $region/bad_pages)" = 0 ] || fail "not forgotten"
	mapping "" "$bad"
	region_mount
	dd if=/dev/zero of=/mnt/all bs=1M 2>/dev/null || true
	[ "$(stat -f -c %%f /mnt)" -le "$(cat $region/small_free)" ] || fail "there is room left"
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
	claimed
	restored
	mapping "$(cat $region/bad_addresses)" ""
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
	# Records and tables are in its last 2 MiB.
	mapping "$(grep -v ^%(tail)#x /sys/fs/pkernfs/region1/bad_addresses)" \
		"$(grep ^%(tail)#x /sys/fs/pkernfs/region1/bad_addresses)"
	region_mount
	mapping "$(cat $region/bad_addresses)" ""
	umount /mnt
	pages=$(cat $region/bad_pages)
	region_mount
	tap fs_poison check /mnt
	pkernfsctl status | grep -q "$pages pages with memory errors" || fail "status"
	umount /mnt
	repooled
	mkfs.pkernfs -q -f region0 || fail "mkfs -f"
	[ "$(cat $region/bad_pages)" = "$pages" ] || fail "mkfs has forgotten them"
	region_mount
	mapping "$(cat $region/bad_addresses)" ""
	forgotten
}
''' % {'base': 640, 'bytes': 256, 'tail': 640 + 256 - 2}


def _mapped(q, offset, phys):
    """Is a page in the kernel's mapping of all memory, at its place?"""
    said = q.hmp('gva2gpa %#x' % (offset + phys))
    if 'Unmapped' in said:
        return False
    if int(said.split()[1], 16) != phys:
        raise Failure('mapping of %#x: %s' % (phys, said))
    return True


def _machine_check(q, phys):
    """An error of memory that the CPU has not met: deferred, in the banks that Linux polls."""
    # VAL, EN, ADDRV, DEFERRED; bank 4 and extended code 8 are the memory of an AMD CPU.
    q.hmp('mce 0 4 0x9400100000080000 0 %#x 0' % phys)


def run(t):
    m = t.machine().start()
    at = looks = gone = there = 0
    while looks < _LOOKS:
        at, _, hit = m.wait(r'MAPPING (\w+) gone(.*) there(.*)|MACHINE CHECK (\w+)', start=at)
        at += 1
        q = m.qmp()
        if hit.group(4):
            _machine_check(q, int(hit.group(4), 16))
            q.close()
            continue
        looks += 1
        # Without PTI a CPU that is in userspace has the same tables.
        offset = int(q.hmp('x /1xg 0x' + hit.group(1)).split()[1], 16)
        out, kept = ([int(a, 16) for a in hit.group(n).split()] for n in (2, 3))
        for phys in out:
            if _mapped(q, offset, phys):
                raise Failure('the bad page at %#x is in the kernel\'s mapping' % phys)
        # And those behind them are.
        for phys in kept + [p + 4096 for p in out + kept]:
            if phys not in out and not _mapped(q, offset, phys):
                raise Failure('the page at %#x is not in the kernel\'s mapping' % phys)
        gone += len(out)
        there += len(kept)
        q.close()
        m.send('seen')
    m.finish()
    selftests.note(t, m)
    t.note('%d times not in the kernel\'s mapping, %d times there' % (gone, there))
