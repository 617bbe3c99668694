# SPDX-License-Identifier: GPL-2.0
"""A VMM takes a device while RELEASE is about to stop it: RELEASE has done nothing.

Where the VMM has mapped all of it, the device is ordinary by then, and where it has not,
the device waits for it. Either way frames go on to land, and the VMM goes on.
"""

from pkboot import live

KERNEL = 'test'
LIKE = live
TRACE = ('pci_cfg_write',)
TIMEOUT = 60
QUICK = False
GUEST = r'''
knob() {
	echo "$1" >/sys/module/pkernfs/parameters/test
}

# refused ERROR: RELEASE comes to its end, and was too late
refused() {
	wait $release && fail "RELEASE: done"
	grep -q "$1" /tmp/said || fail "RELEASE: $(cat /tmp/said)"
}

# release_late: RELEASE, which has looked and goes on in three seconds
release_late() {
	knob release-waits
	pkernfsctl release /mnt/vm0/nic0 >/tmp/said 2>&1 &
	release=$!
	sleep 0.5
	knob ""
}

stage1() {
	region_make
	mkfifo /tmp/control /tmp/again
	vmm run --bind --size 160M phase=quiet run=1s freeze quiesce save ||
		fail "the first VMM: $?"
	want_state detached
	phase freeze

	release_late
	vmm restore --control /tmp/control --early 0 --pause-at attach run=500ms freeze \
		quiesce save &
	vmm=$!
	until grep -q "does not map IOVA" /sys/fs/pkernfs/devices/$nic/reason; do
		sleep 0.1
	done
	refused "Device or resource busy"
	want_state detached
	echo go >/tmp/control
	wait $vmm || fail "the VMM that had to map: $?"
	want_state detached
	phase gone

	release_late
	vmm restore --control /tmp/again run=4s phase=end wait drain verify &
	vmm=$!
	refused "Stale file handle"
	want_state ordinary
	await_host
	echo go >/tmp/again
	wait $vmm || fail "the VMM that had mapped: $?"
	await_host
}
'''


def run(t):
    u = live.Update(t)
    u.begin(rate=500)
    u.end(kexec=False)
    u.all_landed()
    u.d.never_cleared('00:04.0')
    u.no_gap(ratio=1, floor_ms=live.SHARED_MS)
