# SPDX-License-Identifier: GPL-2.0
"""Two VMMs for one device, and two FREEZEs of it, at the same time: one has it.

Restores by two at once, again and again: detached in the kernel that froze it, adopted in
the next one. VFIO gives the device to one of them, and the other's bind fails and changes
nothing. Where the VMM that froze it is still there, both fail. Of two FREEZEs into two
files the later one is refused. Frames come all the time.
"""

import errno
import re

from pkboot import dma, live
from pkboot.result import Failure

KERNEL = 'release'
LIKE = live
STAGES = 2
TIMEOUT = 120
QUICK = False

_ROUNDS = 8

GUEST = r'''
# racer N [OPTION|ACTION]...: one of two; what it said is in a file, its exit code too
racer() {
	local n=$1 rc=0
	shift
	pkernfs-vmm restore --bdf $nic --ram /mnt/vm0/ram $vmm_state --device /mnt/vm0/nic0 \
		--control /tmp/c$n --pause-at open "$@" >/tmp/said$n 2>&1 || rc=$?
	echo $rc >/tmp/rc$n
}

until_true() {
	local n
	for n in $(seq 300); do
		! eval "$1" || return 0
		sleep 0.1
	done
	fail "not within 30 s: $1; $(cat /tmp/said* | tr '\n' ' ')"
}

lost() {
	local what
	[ "$(cat /tmp/rc$1)" = 3 ] || fail "exit code $(cat /tmp/rc$1)"
	what=$(grep ERROR /tmp/said$1)
	say "LOST $2 $what"
}

# race WINNERS [OPTION|ACTION]...: two that have both opened the device bind it
race() {
	local winners=$1 was other
	shift
	was=$(device_state)
	rm -f /tmp/rc* /tmp/said*
	racer 0 "$@" &
	racers=$!
	racer 1 "$@" &
	racers="$racers $!"
	until_true 'grep -q "STEP open" /tmp/said0 && grep -q "STEP open" /tmp/said1'
	{ echo go >/tmp/c0; } &
	echo go >/tmp/c1
	until_true '[ -e /tmp/rc0 -o -e /tmp/rc1 ]'
	[ $winners = 1 ] || until_true '[ -e /tmp/rc0 -a -e /tmp/rc1 ]'
	won=
	for other in 0 1; do
		if [ -e /tmp/rc$other ]; then
			lost $other $was
		else
			won=$other
		fi
	done
	if [ $winners = 0 ]; then
		[ -z "$won" ] || fail "$won has it, too"
		wait $racers
		want_state $was
		return
	fi
	# It waits, and the other one cannot come back.
	[ -n "$won" ] || fail "both have failed"
	say "WON $was $won"
}

# The winner is the next VMM, and freezes the device, into one of two files.
to_the_end() {
	until_true 'grep -q "STEP ring" /tmp/said$won'
	want_state ordinary
	echo go >/tmp/c$won
	wait $racers
	[ "$(cat /tmp/rc$won)" = 0 ] || fail "the winner: $(tr '\n' ' ' </tmp/said$won)"
	say "$(grep raced /tmp/said$won)"
	want_state detached
}

full="wait freeze-race=/mnt/vm0/nic1 quiesce save"

stage1() {
	region_make
	mkfifo /tmp/c0 /tmp/c1 /tmp/control
	load_armed -c
	vmm run --bind --size 160M --control /tmp/control phase=quiet run=500ms \
		freeze info wait quiesce save &
	first=$!
	while [ "$(device_state)" != frozen ]; do sleep 0.1; done
	race 0 $full
	race 0 $full
	want_state frozen
	echo go >/tmp/control
	wait $first
	want_state detached
	for n in $(seq %(rounds)d); do
		race 1 $full
		to_the_end
	done
	kexec_jump
}

stage2() {
	region_mount
	mkfifo /tmp/c0 /tmp/c1
	phase userland
	# It binds, and dies: the device stays adopted.
	for n in $(seq %(rounds)d); do
		want_state adopted
		race 1 --pause-at open,bind $full
		until_true 'grep -q "STEP bind" /tmp/said$won'
		killall -9 pkernfs-vmm
		wait $racers
	done
	want_state adopted
	race 1 $full
	to_the_end
	vmm_back phase=resumed run=500ms phase=end wait drain verify
	await_host
}
''' % {'rounds': _ROUNDS}


def run(t):
    u = live.Update(t)
    u.go(rate=150)
    u.all_landed()
    lines = [text for _, text in u.m.console.lines]
    won = [hit.groups() for hit in map(re.compile(r'WON (\w+) (\d)').search, lines) if hit]
    lost = [(text.split('LOST ')[1].split()[0], dma.values(text)) for text in lines
            if 'LOST ' in text]
    # Two in each of the two rounds while it was frozen
    states = [state for state, _ in won]
    expected = ['detached'] * _ROUNDS + ['adopted'] * (_ROUNDS + 1)
    if states != expected or [s for s, _ in lost] != ['frozen'] * 4 + expected:
        raise Failure('won: %s, lost: %s' % (states, [s for s, _ in lost]))
    # VFIO's own: a cdev that is open is for one user.
    how = {(v.get('step'), v.get('errno')) for _, v in lost}
    if how != {('bind', errno.EINVAL)}:
        raise Failure('who lost was told: %s' % sorted(how, key=str))
    raced = [dma.values(text) for text in lines if 'STEP raced' in text]
    if len(raced) != _ROUNDS + 1 or any(r['errno'] != errno.EBUSY for r in raced):
        raise Failure('of two FREEZEs: %s' % raced)
    t.note('the second VMM won %d times of %d, the second FREEZE %d of %d' %
           (sum(int(n) for _, n in won), len(won), sum(r['won'] for r in raced), len(raced)))
    u.d.undisturbed(roots=2)
