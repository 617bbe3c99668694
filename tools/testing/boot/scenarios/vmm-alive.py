# SPDX-License-Identifier: GPL-2.0
"""A kexec under a VMM that lives: its device goes on all the same (S8)."""

from pkboot import live

KERNEL = 'release'
LIKE = live
STAGES = 2
TIMEOUT = 90

GUEST = r'''
stage1() {
	region_make
	load_armed -c
	vmm run --bind --size 160M phase=quiet run=2s freeze info phase=frozen save \
		phase=stay wait &
	while [ "$(device_state)" != frozen ]; do sleep 0.1; done
	sleep 1
	want_state frozen
	kexec_jump
}

stage2() {
	phase userland
	region_mount
	vmm_back phase=resumed run=1s phase=end wait drain verify
	await_host
}
'''


def run(t):
    u = live.Update(t)
    u.go(rate=300)
    u.all_landed()
    u.no_gap(ratio=1, floor_ms=live.SHARED_MS)
    u.translated()
