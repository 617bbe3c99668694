# SPDX-License-Identifier: GPL-2.0
"""Two remapping units, and what is handed over of one cannot be had: it alone is cut off.

Its device's record is damaged, or its handover's header; or the next kernel knows of
reserved memory (RMRR) behind it. DMA of the device below the other unit goes on, and its
translation is never off; then it is released, and nothing is left of either.
"""

from pkboot import live, units
from pkboot.region import Region

KERNEL = 'release'
LIKE = live
QEMU = units.QEMU
VARIANTS = units.SCALABLE
DEVICES = units.DEVICES
TRACE = units.TRACE
K2_APPEND = live.NO_DRIVER
STAGES = 2
TIMEOUT = 90
QUICK = False

# Device D is to be cut off, and G to go on.
_EITHER = units.GUEST + r'''
stage1() {
	begin
	own_drivers
	set -- --size 64M --ring 16384 --bind
	one 0 run "$@" wait freeze info wait quiesce save &
	until_said 1 "STEP ring"
	one 2 run "$@" wait freeze info wait quiesce save &
	await_host
	$BEFORE
	load_armed -c
	phase quiet
	sleep 1
	phase freeze
	go 0; is 0 frozen
	go 2; is 2 frozen
	phase leave
	go 0; is 0 detached
	go 2; is 2 detached
	wait
	kexec_jump
}

# let_go N: RELEASE
let_go() {
	eval pkernfsctl release \$dir$1/nic$1 || fail "RELEASE of $1: $?"
	is $1 ordinary
}

stage2() {
	local n
	begin_next
	is $G adopted
	is $D $CUT
	phase userland
	sleep 2
	phase end
	await_host
	[ $CUT = ordinary ] || let_go $D
	let_go $G
	phase released
	await_host
	for n in $D $G; do
		eval rm \$dir$n/ram$n || fail "RAM $n is held"
	done
	[ "$(cat $region/granules_held)" = 0 ] || fail "holds are left"
	[ -z "$(ls /sys/fs/pkernfs/devices)" ] || fail "a device is left"
}
'''


def record(r, n):
    return r.record(units.rid(n)) + 100


def header(r, n):
    return r.handover(units.unit_of(n)) + 24


# What is damaged, or what the guest does before it loads the next kernel; the state of the
# device; how its unit is switched: not at all if this kernel was to have the device.
_CASES = {'record': (record, ':', 'ordinary', [0, 1]),
          'header': (header, ':', 'failed', [0, 1]),
          'rmrr': (None, 'with_rmrr 5 0', 'failed', [])}


def run(t):
    for cut, good in (0, 2), (2, 0):
        for case in _CASES:
            # Only what is on bus 0 is named so easily in an ACPI table.
            if case != 'rmrr' or cut == 0:
                at_work(t, case, cut, good)


def at_work(t, case, cut, good):
    harm, before, state, switches = _CASES[case]
    m, nics = units.begin(t, (0, 2), '%s%d' % (case, cut),
                          guest='D=%d G=%d BEFORE="%s" CUT=%s\n' % (cut, good, before, state) +
                          _EITHER)
    d = {n.nic: n for n in nics}
    jump, _, _ = m.wait('PHASE jump')

    def strike():
        r = Region(m, t.s.PKERNFS)
        r.flip(harm(r, cut))
        r.close()

    if harm:
        live.halted(m, jump, strike)
    at, _, _ = m.wait('PHASE end', start=jump)
    for n in nics:
        n.stop()
    m.send('no more frames')
    m.wait('PHASE released', start=at)
    left = {n.nic: n.scan() for n in nics}
    m.send('seen')
    m.finish()
    for n in nics:
        n.none_astray(left[n.nic])
        n.timeline('quiet')
        t.note('%s: of %d frames for NIC %d %d landed' %
               (m.name, n.inject['sent'], n.nic, n.watch['landed']))
    t.check(d[good].watch['landed'] == d[good].inject['sent'], 'frames are missing')
    t.check(not d[cut].phase['userland']['landed'], 'DMA went on though nothing proved it')
    said = [text for _, text in m.console.lines if ' is cut off: ' in text]
    t.check(len(said) == 1 and units.ADDRESS[cut] in said[0], 'cut off: %s' % said)
    on, off = units.unit_of(good), units.unit_of(cut)
    units.undisturbed(nics, on, dids=1)
    nics[0].never_cleared(units.ADDRESS[good])
    nics[0].stopped_first('e1000e ' + units.ADDRESS[cut], unit=off)
    switched, roots = units.since_freeze(nics[0], off)
    t.check((switched, roots) == (switches, 2),
            'unit %#x: switched %s, %d root pointers' % (off, switched, roots))
