# SPDX-License-Identifier: GPL-2.0
"""What FREEZE cannot carry it refuses, with its errno and a reason in the log and in INFO.

A device that is not alone in its IOMMU group, that has a function with another driver,
ATS, or no PCI Express capability, that is below too many bridges, or asleep; a HWPT that
is none, or maps nothing; a region with no room for tables, for a record, or for the
handover. Next kernels: one with reserved memory (RMRR) behind the same remapping unit, one
with pci=realloc, one on a CPU without CMPXCHG16B. And first-stage translation, where QEMU
has it (10.0). By name, as nothing else wants their kernel: an IOAS with a dma-buf; and
sleep, with a device that is preserved, and hibernation with a region that is loaded.
"""

import errno

from pkboot import dma, selftests
from pkboot.region import Region

QUICK = False
STAGES = 4
MEMORY = '1G'
PKERNFS = '64M@512M,16M@640M'
IOMMU = 'intremap=on,device-iotlb=on'
TIMEOUT = 240

_NIC, _NIC2, _EDU = '0000:00:04.0', '0000:00:09.0', '0000:00:06.0'
_BESIDE = '0000:00:05.0'
# Buses are counted by the ports' addresses.
_RNG, _DEEP, _PAIR, _SIBLING = '0000:02:00.0', '0000:0b:00.0', '0000:0c:00.0', '0000:0c:00.1'

# One bridge more than a record has room for: a port, and four switches of two.
_SWITCHES = ''.join(
    ' -device x3130-upstream,id=up%d,bus=down%d'
    ' -device xio3130-downstream,id=down%d,bus=up%d,chassis=%d' % (n, n - 1, n, n, 10 + n)
    for n in range(1, 5))
DEVICES = (dma.NIC,
           '-device e1000e,addr=5.0,multifunction=on '
           '-device pcie-root-port,id=rp5,chassis=5,addr=5.1',
           '-device edu,addr=6.0',
           '-device pcie-root-port,id=rp7,chassis=7,addr=7.0 '
           '-device virtio-rng-pci,bus=rp7,disable-legacy=on,iommu_platform=on,ats=on',
           '-device e1000e,addr=9.0',
           '-device pcie-root-port,id=down0,chassis=10,addr=8.0' + _SWITCHES +
           ' -device e1000e,bus=down4',
           # Not on the first bus: Linux takes it that Intel's devices there have ACS.
           '-device pcie-root-port,id=rpa,chassis=4,addr=a.0 '
           '-device e1000e,bus=rpa,addr=0.0,multifunction=on '
           '-device e1000e,bus=rpa,addr=0.1')


def FILES():
    return dma.files(pkernfs=True) + selftests.vfio_files('refused')


_COMMON = r'''
wrong=0

# freeze DEVICE ERRNO TEXT [HOW]: refused like that; 0: it is frozen, and its user goes
freeze() {
	nic=$1
	refused /mnt $(vfio_cdev) "$2" "$3" ${4-} >/tmp/tap 2>&1 || {
		say "WRONG $*: $(grep -v '^ok' /tmp/tap | tr '\n' ' ')"
		wrong=$((wrong + 1))
		return
	}
	[ "$2" != 0 ] || return 0
	want_state ordinary
	say "REFUSED $1 ${4-}: $3"
	# Of more than ten lines in five seconds the log has not all.
	sleep 0.5
}

all_refused() {
	[ $wrong = 0 ] || fail "$wrong are not refused as they should be"
}

'''

GUEST = _COMMON + r'''
give_up() {
	local f
	for f in /mnt/vfio*-ram; do
		pkernfsctl release ${f%%-ram} || fail "release: $?"
		rm $f ${f%%-ram}
	done
}

# other_region: an empty filesystem in region 1, as the host wants it
other_region() {
	umount /mnt
	mkfs.pkernfs -q -f -p 1 region1 || fail "mkfs: $?"
	phase $1
	await_host
	region_mount region1
}

devices() {
	freeze %(nic)s %(EBADF)d "not attached to a HWPT" unattached
	freeze %(nic)s %(EINVAL)d "the HWPT maps nothing" empty
	freeze %(nic)s %(EXDEV)d "is not backed by a file of this region" unlinked
	freeze %(nic)s %(EOVERFLOW)d "pages of IOVA 0x200000000 cannot be held" often
	freeze %(nic)s %(EBUSY)d "the file is not empty, or it is mapped" mapped
	freeze %(nic)s %(EBUSY)d "%(nic)s is frozen already" again
	freeze %(nic)s %(EOPNOTSUPP)d "memory decode is off" undecoded
	freeze %(nic)s %(EOPNOTSUPP)d "it is in D3, not D0" asleep
	freeze %(edu)s %(EOPNOTSUPP)d "it is no PCI Express function"
	freeze %(rng)s %(EOPNOTSUPP)d "ATS is on"
	freeze %(deep)s %(EOPNOTSUPP)d "more than 8 bridges above it"
	# It is a port, and has pcieport.
	freeze %(beside)s %(EOPNOTSUPP)d \
		"function 1 of its device has a driver other than vfio-pci"
	echo %(sibling)s >/sys/bus/pci/devices/%(sibling)s/driver/unbind
	freeze %(pair)s %(EOPNOTSUPP)d "its IOMMU group has other devices"
}

stage1() {
	local pool
	region_make
	pool=$(cat $region/pool_free)
	devices
	freeze %(nic)s 0 ""
	other_region as-it-is
	freeze %(nic2)s %(EOPNOTSUPP)d "has a device that is frozen into another region"
	umount /mnt
	region_mount
	give_up
	nothing_left $pool
	umount /mnt
	region_mount region1
	freeze %(nic2)s %(ENOSPC)d "no room for second-stage tables" sparse
	other_region no-room
	freeze %(nic)s %(ENOSPC)d "no room to hand over one more device"
	other_region one-record
	freeze %(nic)s 0 ""
	freeze %(nic2)s %(ENOSPC)d "no device record left in the region"
	give_up
	umount /mnt
	all_refused
	with_rmrr 31 2		# the SATA controller
	kexec_load_next -c
	kexec_jump
}

next() {
	region_mount
	freeze %(nic)s %(EOPNOTSUPP)d "$1"
	umount /mnt
	all_refused
}

stage2() {
	dmesg | grep -q 'DMAR: RMRR base: 0x000000000f0000' || fail "there is no RMRR"
	next "has a device with reserved memory (RMRR)"
	k2_sed='s/$/ pci=realloc/'
	kexec_load_next -c
	kexec_jump
}

stage3() {
	next "this kernel was booted with pci=realloc"
	k2_sed='s/ pci=realloc/ clearcpuid=cx16/'
	kexec_load_next -c
	kexec_jump
}

stage4() {
	next "this CPU has no 16-byte atomic write"
}
''' % dict(errno.__dict__, nic=_NIC, nic2=_NIC2, edu=_EDU, beside=_BESIDE, rng=_RNG,
           deep=_DEEP, pair=_PAIR, sibling=_SIBLING)

_FIRST_STAGE = _COMMON + r'''
stage1() {
	region_make
	freeze %s %d "the HWPT is not a plain second-stage one"
	all_refused
}
''' % (_NIC, errno.EOPNOTSUPP)

_IOV = _COMMON + r'''
sleeps() {
	(echo $1 >/sys/power/state) 2>/tmp/said
}

# Processes are all that sleeps in a test.
for_a_while() {
	local how
	for how in "$@"; do
		sleeps $how || fail "this kernel does not sleep, $how: $(cat /tmp/said)"
	done
}

# busy HOW LINE: it was, and the log says why
busy() {
	grep -q busy /tmp/said || fail "$1: $(cat /tmp/said)"
	dmesg -c | grep -q "$2" || fail "$1: nobody says why"
}

# never LINE HOW...
never() {
	local how line=$1
	shift
	for how in "$@"; do
		dmesg -c >/dev/null
		! sleeps $how || fail "the machine has slept, $how"
		busy $how "$line"
	done
}

# An image that is to come back: no_return LINE
no_return() {
	kexec -c $no_checks --load-preserve-context --mem-min=0x4000000 --mem-max=0x7ffffff \
		-l $images/bzImage --initrd=$images/initrd \
		--command-line="$(k2_cmdline)" || fail "kexec -l: $?"
	! pkernfsctl arm 2>/tmp/said || fail "it is armed"
	say "ARM $(cat /tmp/said)"
	dmesg -c >/dev/null
	! kexec -e 2>/tmp/said || fail "kexec -e"
	busy "kexec -e" "$1"
}

stage1() {
	local loaded="region 0 is in use, and is not saved"
	local preserved="the machine cannot sleep: a device is preserved"
	echo freezer >/sys/power/pm_test
	for_a_while freeze mem disk
	region_make
	echo kept >/mnt/vm0/kept
	# A region is not saved, as memory that keeps its power need not be.
	for_a_while freeze mem
	never "$loaded" disk
	no_return "no kernel that comes back is left: $loaded"
	umount /mnt
	never "the machine cannot hibernate: $loaded" disk
	for_a_while freeze mem
	region_mount
	[ "$(cat /mnt/vm0/kept)" = kept ] || fail "the region has changed"
	freeze %(nic)s %(EOPNOTSUPP)d "its IOAS maps a dma-buf" dmabuf
	freeze %(nic)s 0 ""
	never "$preserved" freeze mem disk
	want_state detached
	echo none >/sys/power/pm_test
	no_return "$preserved"
	want_state detached
	all_refused
	load_armed -c
	kexec_jump
}

stage2() {
	region_mount
	want_state adopted
}
''' % dict(errno.__dict__, nic=_NIC)

VARIANTS = {'first-stage': {'IOMMU': 'intremap=on,x-scalable-mode=on,x-flts=on',
                            'APPEND': 'intel_iommu=sm_on', 'DEVICES': (dma.NIC,),
                            'GUEST': _FIRST_STAGE, 'STAGES': 1},
            'iov': {'KERNEL': 'iov', 'APPEND': 'suspend.pm_test_delay=1',
                    'DEVICES': (dma.NIC,), 'GUEST': _IOV, 'STAGES': 2, 'MANUAL': True}}

# Of the areas in a superblock: see pkboot/region.py
_RECORDS, _HANDOVER = 2, 3


def area(m, which, blocks):
    """Make an area of region 1 smaller, as another mkfs might have."""
    r = Region(m, '16M@640M')
    for part in r.superblocks():
        r.put64(part.at + 112 + 16 * which + 8, blocks)
        part.write()
    r.close()


def run(t):
    m = t.machine().start()
    if t.s.STAGES == 1:
        if m.outcome()[0] == 'qemu':
            with open(m.stderr_log) as f:
                if 'x-flts' in f.read():
                    t.skip('this QEMU has no first-stage translation')
    elif t.s.STAGES == 4:
        m.wait('PHASE as-it-is')
        m.send('go on')
        m.wait('PHASE no-room')
        area(m, _HANDOVER, 2)
        m.send('no room')
        m.wait('PHASE one-record')
        area(m, _RECORDS, 1)
        m.send('one record')
    m.finish()
    t.note('%d refusals' % sum('REFUSED ' in text for _, text in m.console.lines))
