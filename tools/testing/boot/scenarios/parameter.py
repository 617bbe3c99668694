# SPDX-License-Identifier: GPL-2.0
"""The next kernel is booted with no pkernfs=, or one that names other memory (S10).

The hardware tells of the handover: the device is adopted, or handed over again,
and its DMA goes on. The region is shown and cannot be mounted. A third kernel with the
right parameter has everything.
"""

from pkboot import live

KERNEL = 'release'
LIKE = live
STAGES = 3
TIMEOUT = 90

GUEST = r'''
told_by_hardware=/sys/fs/pkernfs/region100

# not_mounted REGION TEXT: the mount is refused, and says so
not_mounted() {
	mount -t pkernfs $1 /mnt 2>/dev/null && fail "$1 is mounted"
	dmesg | tail -3 | grep -qF "pkernfs: $2" || fail "mount of $1: $(dmesg | tail -3)"
}

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


def run(t):
    for name, edit, refused in (
            ('no', 's/pkernfs=[^ ]* *//',
             'there is no region 0 (pkernfs= on the command line)'),
            ('wrong', 's/pkernfs=[^ ]*/pkernfs=64M@896M/', 'region 0 is not formatted')):
        u = live.Update(t, name, guest=GUEST % {'edit': edit, 'refused': refused})
        u.go(rate=250)
        u.all_landed()
        u.no_gap(ratio=1, floor_ms=live.SHARED_MS)
        found = sum('handover found at ' in text and ' 1 of 1 device(s) proven' in text
                    for _, text in u.m.console.lines)
        t.check(found == 2, '%d lines of two kernels tell of the handover' % found)
        u.d.undisturbed()
