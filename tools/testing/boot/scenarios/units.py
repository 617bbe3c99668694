# SPDX-License-Identifier: GPL-2.0
"""Two remapping units, devices below both: translation of neither is ever off.

Below one is a NIC of a VM, below the other a second one of that VM, on the same HWPT, and
one of another VM. Frames come all the time. Frozen, left and taken back each in another
order; each has an interrupt raised when its VMM has gone. Below each unit there is one more
NIC, with a driver of its own in both kernels.
"""

from pkboot import live, units

KERNEL = 'release'
LIKE = live
QEMU = units.QEMU
# Mixed: the second unit has no scalable mode.
VARIANTS = {**units.SCALABLE,
            'mixed': {**units.SCALABLE['scalable'], 'DEVICES': units.DEVICES}}
DEVICES = units.DEVICES
TRACE = units.TRACE
STAGES = 2
TIMEOUT = 90
QUICK = False

GUEST = units.GUEST + r'''
pool() {
	cat $region/pool_free
}

stage1() {
	local n before
	begin
	own_drivers
	set -- --size 64M --ring 16384 --bind
	one 0 run "$@" --share /tmp/share wait freeze wait quiesce save &
	until_said 1 "STEP ring"
	one 1 run "$@" --iova 8G --join /tmp/share wait freeze wait quiesce save &
	until_said 2 "STEP ring"
	one 2 run "$@" wait freeze wait quiesce save &
	await_host
	load_armed -c
	phase freeze
	go 2; is 2 frozen
	go 1; is 1 frozen
	before=$(pool)
	go 0; is 0 frozen
	[ "$(pool)" = $before ] || fail "the tables of one HWPT exist twice"
	phase leave
	for n in 1 0 2; do go $n; is $n detached; done
	wait
	for n in 0 1 2; do
		eval pkernfs-vmm raise --bdf \$bdf$n || fail "raise: $?"
	done
	kexec_jump
}

stage2() {
	local n
	begin_next
	own_drivers
	for n in 0 1 2; do is $n adopted; done
	phase userland
	set -- run=1s wait drain verify
	one 1 restore --share /tmp/share "$@" &
	while ! grep -q "does not map IOVA" /sys/fs/pkernfs/devices/$bdf1/reason 2>/dev/null; do
		sleep 0.1
	done
	one 2 restore "$@" &
	is 2 ordinary
	is 1 adopted
	one 0 restore --join /tmp/share "$@" &
	is 1 ordinary
	is 0 ordinary
	phase resumed
	sleep 1
	phase end
	await_host
	for n in 0 1 2; do go $n; until_said $((n + 1)) "STEP closed"; done
	wait
	await_host
}
'''


# Of the first, of the second
_SCALABLE = {'units': (0, 0), 'units-scalable': (1, 1), 'units-mixed': (1, 0)}


def run(t):
    m, nics = units.begin(t, range(3))
    at, _, _ = m.wait('PHASE jump')
    m.wait('PHASE end', start=at)
    for d in nics:
        d.stop()
    m.send('no more frames')
    m.wait_each('STEP closed', len(nics), start=at + 1)
    left = [d.scan() for d in nics]
    m.send('seen')
    m.finish()
    units.all_landed(t, m, nics, left)
    for address in (*units.ADDRESS, *units.PORTS):
        nics[0].never_cleared(address)
    for unit, scalable in zip(units.UNITS, _SCALABLE[t.s.name]):
        units.undisturbed(nics, unit, dids=2 * len(units.BELOW[unit]))
        roots = [w for w in m.trace('vtd_reg_dmar_root') if w.endswith(' unit %#x' % unit)]
        t.check(len(roots) == 3 and all(' scalable %d ' % scalable in w for w in roots),
                'root pointers: %s' % roots)
