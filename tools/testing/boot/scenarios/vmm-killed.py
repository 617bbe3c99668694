# SPDX-License-Identifier: GPL-2.0
"""The VMM is killed after each of its steps, and a new one finishes (S8).

Where the device is frozen it goes on; where it is not, the kill is an ordinary
close. Frames come all the time from the first freeze on to the end of the second
kernel's VMM, and none is lost. The kernels after it see the kills after the attach,
which end the frames, one each: after the attach, the interrupts, and the ring. The
last one kills at moments of no choice.
"""

from pkboot import live
from pkboot.result import Failure

KERNEL = 'release'
MEMORY = live.MEMORY
PKERNFS = live.PKERNFS
DEVICES = live.DEVICES
STAGES = 5
TRACE = ('pci_cfg_write',)
TIMEOUT = 120

GUEST = r'''
dev=/sys/bus/pci/devices/$nic

# byte OFFSET: of its configuration space
byte() {
	hexdump -s $(($1)) -n 1 -e '1/1 "%u"' $dev/config
}

# 128 if MSI-X is enabled, by the device itself
msix_enabled() {
	local at=$(byte 0x34)
	while [ $at != 0 ] && [ $(byte $at) != 17 ]; do at=$(byte $((at + 1))); done
	[ $at != 0 ] || fail "it has no MSI-X"
	echo $(($(byte $((at + 3))) & 128))
}

# killed STEP STATE RUN...: RUN must die after STEP and leave STATE behind
killed() {
	local step=$1 state=$2 rc=0 master msix
	shift 2
	vmm "$@" --kill-at "$step" $actions || rc=$?
	[ "$rc" = 137 ] || fail "not killed after $step: exit code $rc"
	want_state "$state"
	say "KILLED $step: $state"
	[ "$(basename "$(readlink $dev/driver)")" = vfio-pci ] || return 0
	# Closed: bus mastering and interrupts are off. Kept: bus mastering is on.
	master=$(($(byte 4) & 4))
	msix=$(msix_enabled):$(ls $dev/msi_irqs 2>/dev/null | wc -l)
	case $state:$master:$msix in
	ordinary:0:0:0) ;;
	detached:4:*|adopted:4:*) ;;
	*) fail "$state, but COMMAND has $master, and MSI-X and its vectors are $msix" ;;
	esac
}

stage1() {
	local s
	region_make
	mkfifo /tmp/control
	actions=
	for s in ram open bind map hwpt attach irqs ring; do
		killed $s ordinary run --bind --size 160M
	done
	# Frozen, left, and taken back: killed when it is ordinary again.
	actions=freeze
	for s in attach irqs ring; do
		killed freeze detached run --bind --size 160M
		killed $s ordinary restore
	done

	# Frozen from here on; the ring of this VMM is the one that is filled.
	vmm run --bind --size 160M --control /tmp/control --kill-at freeze \
		wait phase=quiet run=500ms freeze info &
	await_host
	echo go >/tmp/control
	wait $! && fail "not killed after freeze"
	want_state detached

	# The same kernel: a new VMM, killed at each step until it has the device.
	actions=
	for s in ram state open bind map hwpt; do
		killed $s detached restore
	done
	vmm restore run=200ms freeze quiesce save || fail "before the kexec: $?"
	want_state detached
	actions='run=200ms freeze quiesce save'
	for s in freeze quiesce save; do
		killed $s detached restore
	done
	load_armed -c
	kexec_jump
}

stage2() {
	local s
	phase userland
	region_mount
	mkfifo /tmp/control
	want_state adopted
	actions=
	for s in ram state open bind map hwpt; do
		killed $s adopted restore
	done
	vmm restore --control /tmp/control phase=resumed run=500ms phase=end \
		wait drain verify report &
	await_host
	want_state ordinary
	echo go >/tmp/control
	wait $! || fail "the last VMM: $?"
	await_host
	frozen_again
}

frozen_again() {
	vmm run --size 160M freeze quiesce save || fail "frozen again: $?"
	load_armed -c
	kexec_jump
}

# Adopted, and then an ordinary device by the attach: its VMM dies after STEP.
killed_late() {
	region_mount
	want_state adopted
	actions=
	killed $1 ordinary restore
}

stage3() {
	killed_late attach
	frozen_again
}

stage4() {
	killed_late irqs
	frozen_again
}

stage5() {
	local n=0 rc state
	killed_late ring
	# Freezes and undoes as fast as it can, until it is killed.
	while [ $n -lt 20 ]; do
		n=$((n + 1)) rc=0
		vmm run --size 160M cycles=100000 &
		usleep $((300000 + n * 7919))
		kill -9 $(pidof pkernfs-vmm) || fail "no VMM"
		wait $! || rc=$?
		[ $rc = 137 ] || fail "round $n: exit code $rc"
		state=$(device_state)
		say "KILLED any: $state"
		case $state in
		ordinary) ;;
		detached) vmm release || fail "release: $?"; want_state ordinary ;;
		*) fail "round $n: $state" ;;
		esac
	done
	rm -r /mnt/vm0 || fail "files are held"
	[ "$(cat $region/granules_held)" = 0 ] || fail "holds are left"
}
'''


def run(t):
    u = live.Update(t)
    u.m.start()
    at, _, _ = u.m.wait('KILLED ring: ordinary')
    at, _, _ = u.m.wait('KILLED ring: ordinary', start=at + 1)
    at, _, _ = u.m.wait('STEP ring', start=at)
    u.d.poll()
    u.d.start(rate=500)
    u.m.send('frames come')
    at, _, _ = u.m.wait('PHASE end', start=at)
    u.d.stop()
    u.left = u.d.scan()
    u.m.send('no more frames')
    u.m.wait('STEP report', start=at)
    u.all_landed()
    u.no_gap(ratio=1, floor_ms=live.SHARED_MS)
    u.never_cleared(since='quiet')
    u.d.undisturbed()
    u.m.send('seen')
    u.m.finish()
    t.note('%d kills' % sum('KILLED ' in text for _, text in u.m.console.lines))
