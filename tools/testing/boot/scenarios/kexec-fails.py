# SPDX-License-Identifier: GPL-2.0
"""A kexec that does not come to pass: the device is still frozen, and usable.

Nothing is loaded; the loaded image was taken back after it was armed; a load is
refused because its image reaches into the region. After each UNFREEZE and FREEZE
work, and in the end the device changes kernels after all. (Once kexec has begun
nothing can stop it: the answer of a reboot notifier is not asked for.)
"""

from pkboot import dma, live, selftests

KERNEL = 'release'
LIKE = live
STAGES = 2
TRACE = ('pci_cfg_write',)
TIMEOUT = 60


GUEST = r'''
# fails NAME: kexec does not, for this reason
fails() {
	local said
	said=$(kexec -e 2>&1) && fail "$1: kexec -e came back and is content"
	said=$(kexec_call 2>&1) && fail "$1: the kernel says nothing"
	[ "$said" = "Invalid argument" ] || fail "$1: $said"
	[ "$(cat /sys/fs/pkernfs/armed)" = 0 ] || fail "$1: armed"
	want_state frozen
	echo unfreeze >/tmp/control
	while [ "$(device_state)" != ordinary ]; do sleep 0.1; done
	echo freeze >/tmp/control
	while [ "$(device_state)" != frozen ]; do sleep 0.1; done
	say "FAILED $1"
}

stage1() {
	region_make
	mkfifo /tmp/control
	vmm run --bind --size 160M --control /tmp/control phase=quiet run=500ms \
		freeze info wait quiesce save &
	pid=$!
	while [ "$(device_state)" != frozen ]; do sleep 0.1; done
	fails "nothing is loaded"
	load_armed -c
	kexec -u || fail "kexec -u: $?"
	fails "taken back"
	load_armed -s
	kexec -c -u || fail "kexec -u: $?"
	fails "taken back"
	# Refused: the loaded image, and that it is armed, stay.
	kexec_image -r image.region_is_refused >/tmp/tap 2>&1 || fail "$(cat /tmp/tap)"
	fails "no image of a region"
	load_armed -s
	kexec_call overlap >/tmp/said 2>&1 && fail "an image in the region was loaded"
	grep -q "Cannot assign requested address" /tmp/said || fail "$(cat /tmp/said)"
	[ "$(cat /sys/fs/pkernfs/armed)" = 1 ] || fail "a refusal has disarmed"
	want_state frozen
	echo go >/tmp/control
	wait $pid || fail "the first VMM: $?"
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
    u = live.Update(t, files=dma.files(pkernfs=True) +
                    selftests.files('kexec_image', 'kexec_call'))
    u.go(rate=300)
    u.all_landed()
    u.no_gap(ratio=1, floor_ms=live.SHARED_MS)
    u.never_cleared(since='quiet')
    u.d.undisturbed(roots=2)
    t.note('%d kexecs failed' % sum('FAILED ' in text for _, text in u.m.console.lines))
