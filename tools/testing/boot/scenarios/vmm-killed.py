# SPDX-License-Identifier: GPL-2.0
"""The VMM is killed after each of its steps, and a new one finishes (S8).

Where the device is frozen it goes on; where it is not, the kill is an ordinary
close. Frames come all the time from the first freeze on, and none is lost.
"""

from pkboot import live
from pkboot.result import Failure

KERNEL = 'debug'
MEMORY = live.MEMORY
PKERNFS = live.PKERNFS
DEVICES = live.DEVICES
STAGES = 2
CHECK = False           # its own steps are not right yet
TIMEOUT = 240

GUEST = r'''
# killed WHERE STATE RUN...: RUN must die after WHERE and leave STATE behind
killed() {
	local step=$1 state=$2 rc=0
	shift 2
	vmm "$@" --kill-at "$step" $actions || rc=$?
	[ "$rc" = 137 ] || fail "not killed after $step: exit code $rc"
	want_state "$state"
	say "KILLED $step: $state"
}

stage1() {
	local s
	region_make
	vmm_state=
	actions=
	for s in ram open bind map hwpt attach irqs ring; do
		killed $s ordinary run --bind --size 160M
	done

	# Frozen from here on; the ring of this VMM is the one that is filled.
	actions='wait freeze'
	mkfifo /tmp/control
	vmm run --bind --size 160M --control /tmp/control --kill-at freeze \
		wait run=500ms freeze &
	await_host
	echo go >/tmp/control
	wait $! && fail "not killed after freeze"
	want_state detached

	# The same kernel: a new VMM, killed at each step until it has the device.
	actions=
	for s in ram open bind map hwpt; do
		killed $s detached restore
	done
	actions='run=200ms freeze quiesce'
	killed quiesce detached restore
	# From here on with a state file; the first one has nothing to load.
	vmm_state=
	: >/mnt/vm0/state
	vmm restore run=200ms freeze info quiesce save || fail "before the kexec: $?"
	load_armed -c
	kexec_jump
}

stage2() {
	local s
	phase userland
	region_mount
	want_state adopted
	actions=
	for s in ram state open bind map hwpt; do
		killed $s adopted restore
	done
	mkfifo /tmp/control
	vmm restore --control /tmp/control phase=resumed run=500ms phase=end wait drain verify &
	await_host
	want_state ordinary
	echo go >/tmp/control
	wait $! || fail "the last VMM: $?"
}
'''


def run(t):
    u = live.Update(t)
    u.m.start()
    at, _, _ = u.m.wait('KILLED ring')
    at, _, _ = u.m.wait('STEP ring', start=at)
    u.d.poll()
    u.d.start(rate=300)
    u.m.send('frames come')
    at, _, _ = u.m.wait('PHASE freeze', start=at)
    u.d.mark()
    u.m.wait('PHASE end', start=at)
    u.d.stop()
    u.left = u.d.scan()
    u.m.send('no more frames')
    u.m.finish()
    u.all_landed()
    p = u.d.polled()
    if p['tes_drops'] or p['absent'] or p['master_drops'] or p['faults']:
        raise Failure('the remapping unit: %s' % p)
    t.note('%d kills' % sum('KILLED ' in text for _, text in u.m.console.lines))
