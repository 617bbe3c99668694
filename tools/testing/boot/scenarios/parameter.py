# SPDX-License-Identifier: GPL-2.0
"""The next kernel is booted with no pkernfs=, or one that names other memory (S10).

The hardware tells of the handover: the device is adopted, or handed over again,
and its DMA goes on. A third kernel with the right parameter has everything.
"""

from pkboot import live

KERNEL = 'release'
LIKE = live
STAGES = 3
TIMEOUT = 90

GUEST = r'''
stage1() {
	region_make
	k2_sed='%s'
	load_armed -s
	vmm run --bind --size 160M phase=quiet run=2s freeze info phase=frozen \
		quiesce save phase=leave || fail "the first VMM: $?"
	kexec_jump
}

stage2() {
	phase second
	want_state adopted
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
    for name, edit in (('no', 's/pkernfs=[^ ]* *//'),
                       ('wrong', 's/pkernfs=[^ ]*/pkernfs=64M@896M/')):
        u = live.Update(t, name, guest=GUEST % edit)
        u.go(rate=250)
        u.all_landed()
        u.no_gap(ratio=1, floor_ms=live.SHARED_MS)
        p = u.d.polled()
        t.check(not (p['tes_drops'] or p['absent'] or p['master_drops'] or p['faults']),
                'the remapping unit: %s' % p)
