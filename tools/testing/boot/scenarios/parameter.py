# SPDX-License-Identifier: GPL-2.0
"""The next kernel is booted with no pkernfs=, or one that names other memory (S10).

The hardware tells of the handover: the device is adopted, or handed over again,
and its DMA goes on. The region is shown and cannot be mounted. Where pkernfs= names the
right address and a smaller size, no region can be had that the handover is in: the device
is cut off. A third kernel with the right parameter has everything. The variants are those
where it is another address, and a larger size.
"""

from pkboot import damage, live
from pkboot.result import Failure

KERNEL = 'release'
LIKE = live
STAGES = 3
TIMEOUT = 90
VARIANTS = {'elsewhere': {}, 'larger': {'QUICK': False}}

_COMMON = r'''
told_by_hardware=/sys/fs/pkernfs/region100

# not_mounted REGION TEXT: the mount is refused, and says so
not_mounted() {
	local before
	before=$(dmesg | grep -cF "pkernfs: $2") || true
	mount -t pkernfs $1 /mnt 2>/dev/null && fail "$1 is mounted"
	[ "$(dmesg | grep -cF "pkernfs: $2")" -gt "$before" ] ||
		fail "mount of $1: $(dmesg | tail -3)"
}

'''

GUEST = _COMMON + r'''
stage1() {
	region_make
	k2_sed='%(edit)s'
	load_armed -s
	vmm run --bind --size 160M phase=quiet run=2s freeze info phase=frozen \
		quiesce save phase=leave || fail "the first VMM: $?"
	kexec_jump
}

stage2() {
	phase second
	want_state adopted
	[ $(($(cat $told_by_hardware/base))) = $((512 << 20)) ] || fail "base"
	[ "$(cat $told_by_hardware/state)" = refused ] || fail "state"
	grep -q 'not named on the command line' $told_by_hardware/reason || fail "reason"
	[ "$(cat /sys/fs/pkernfs/devices/$nic/region)" = 100 ] || fail "the device's region"
	not_mounted region100 "there is no region 100 (pkernfs= on the command line)"
	not_mounted region0 "%(refused)s"
	k2_sed='s/pkernfs=[^ ]*//; s/$/ pkernfs=256M@512M/'
	load_armed -s
	phase leave2
	kexec_jump
}

stage3() {
	phase userland
	region_mount
	vmm_back phase=resumed run=1s phase=end wait drain verify info
	await_host
}
'''

_OVERLAPS = 'its region is 0x10000000@0x20000000, which overlaps a region of pkernfs='
# K2's region begins where the right one does, and ends before the handover's tables.
GUEST_SMALLER = _COMMON + damage.STAGE1.replace('region_make\n', r"""region_make
	dd if=/dev/urandom of=/mnt/random bs=1M count=9 2>/dev/null
	md5sum </mnt/random >/mnt/sum
	k2_sed='s/pkernfs=[^ ]*/pkernfs=128M@512M/'
""") + r'''
stage2() {
	phase userland
	want_state ordinary
	grep -q '%(why)s' $region/handover_reason || fail "$(cat $region/handover_reason)"
	pkernfsctl status | grep -q 'cut off: .*%(why)s' || fail "$(pkernfsctl status)"
	not_mounted region0 "region 0: superblock: belongs to another region (is pkernfs= right?)"
	mkfs.pkernfs -q region0 2>/dev/null && fail "it is formatted"
	sleep 1
	phase end
	await_host
	k2_sed='s/pkernfs=[^ ]*//; s/$/ pkernfs=256M@512M/'
	kexec_load_next -s
	kexec_jump
}

stage3() {
	region_mount
	want_state ordinary
	[ "$(cat /mnt/file)$(md5sum </mnt/random)" = "whole$(cat /mnt/sum)" ] ||
		fail "a file has changed"
	[ "$(stat -c %%s /mnt/vm0/ram)" = 167772160 ] || fail "the RAM file has changed"
	[ "$(cat $region/granules_held)" = 0 ] || fail "holds are left"
	say "MOUNTED"
	await_host
	rm -r /mnt/vm0 || fail "a file is still held"
}
''' % {'why': _OVERLAPS}


def third(u):
    """What has landed is there in a kernel that knows the region, too."""
    u.m.send('go on')
    u.m.wait('MOUNTED')
    left = u.d.scan()
    if left['found'] != u.d.watch['landed'] or left['twice'] or left['damaged']:
        raise Failure('%d landed, but in the third kernel there are %s' %
                      (u.d.watch['landed'], left))
    stale = [text for _, text in u.m.console.lines if '00:04.0 is stale, ' in text]
    u.t.check(len(stale) == 1, '%d lines say that the record is stale' % len(stale))


# What K2's command line becomes, and what it says of a mount of region 0.
ADOPTED = {
    'parameter': ('s/pkernfs=[^ ]* *//', 'there is no region 0 (pkernfs= on the command line)'),
    'parameter-elsewhere': ('s/pkernfs=[^ ]*/pkernfs=64M@896M/', 'region 0 is not formatted'),
    # No RAM, as the kernel before has handed on the region as Reserved.
    'parameter-larger': ('s/pkernfs=[^ ]*/pkernfs=288M@512M/',
                         'there is no region 0 (pkernfs= on the command line)'),
}


def run(t):
    if t.s.name == 'parameter':
        damage.run(t, lambda r, _: (), adopted=False, name='smaller', named=False, then=third,
                   says='in reserved memory at .*, but ' + _OVERLAPS, guest=GUEST_SMALLER,
                   k2_append=damage.NO_DRIVER)
    edit, refused = ADOPTED[t.s.name]
    u = live.Update(t, guest=GUEST % {'edit': edit, 'refused': refused})
    u.go(rate=250)
    u.all_landed()
    u.no_gap(ratio=1, floor_ms=live.SHARED_MS)
    found = sum('handover found at ' in text and ' 1 of 1 device(s) proven' in text
                for _, text in u.m.console.lines)
    t.check(found == 2, '%d lines of two kernels tell of the handover' % found)
    u.d.undisturbed()
