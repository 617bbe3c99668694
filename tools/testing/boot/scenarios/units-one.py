# SPDX-License-Identifier: GPL-2.0
"""Two remapping units, one with a preserved device: the other is switched off, as ever.

Either of them. What is below the other one is at work until the jump, and is stopped before
its unit is; in the next kernel a new VMM has it while the preserved one is still adopted.
Translation of the unit with the preserved device is never off.
"""

from pkboot import live, units

KERNEL = 'release'
LIKE = live
QEMU = units.QEMU
# Off: the next kernel is not to use the units, and has to drive both.
# Stuck: CPUs that are stopped at kexec hold the locks of both.
VARIANTS = {**units.SCALABLE,
            'off': {'K2_APPEND': 'intel_iommu=off'},
            'stuck': {'KERNEL': 'test', 'APPEND': 'pkernfs_test=stuck-locks',
                      'K2_APPEND': 'pkernfs_test='}}
DEVICES = units.DEVICES
TRACE = (*units.TRACE, 'serial_write')
STAGES = 2
TIMEOUT = 90
QUICK = False

# Device P is preserved, and O is not.
_EITHER = units.GUEST + r'''
stage1() {
	begin
	own_drivers
	set -- --size 64M --ring 16384 --bind
	one $P run "$@" wait freeze wait quiesce save &
	await_host
	load_armed -c
	one $O run "$@" each=3 wait &
	until_said 1 "STEP each"
	phase freeze
	go $P; is $P frozen
	phase leave
	go $P; is $P detached
	eval pkernfs-vmm raise --bdf \$bdf$P || fail "raise: $?"
	# Device O is at work, and its VMM alive.
	kexec_jump
}

stage2() {
	begin_next
	own_drivers
	is $P adopted
	is $O ordinary
	phase userland
	eval rm -f \$dir$O/*$O
	one $O run --size 64M --ring 16384 --bind each=3 verify
	is $P adopted
	one $P restore run=1s wait drain verify &
	is $P ordinary
	phase resumed
	sleep 1
	phase end
	await_host
	go $P
	wait
	await_host
}
'''


def by_kernel(m, unit):
    """How each kernel has switched translation of a unit, by trace."""
    found = []
    for line, event, words in m.traced():
        if not event and 'Linux version' in line:
            found.append([])
        elif event == 'vtd_dmar_enable' and words.endswith(' unit %#x' % unit):
            found[-1].append(int(words.split()[1]))
    return found


def run(t):
    for preserved, ordinary in (0, 2), (2, 0):
        name = 'nic%d' % preserved
        m, nics = units.begin(t, (preserved,), name, guest='P=%d O=%d\n' %
                              (preserved, ordinary) + _EITHER)
        at, _, _ = m.wait('PHASE jump')
        at, _, _ = m.wait('PHASE end', start=at)
        nics[0].stop()
        m.send('no more frames')
        m.wait('STEP closed', start=at)
        left = [nics[0].scan()]
        m.send('seen')
        m.finish()
        units.all_landed(t, m, nics, left)
        stuck = [text for _, text in m.console.lines if 'pkernfs: TEST: locks of ' in text]
        t.check(len(stuck) == (2 if t.s.name == 'units-one-stuck' else 0), 'stuck: %s' % stuck)
        on, off = (units.unit_of(n) for n in (preserved, ordinary))
        units.undisturbed(nics, on, dids=2)
        nics[0].never_cleared(units.ADDRESS[preserved])
        nics[0].stopped_first('e1000e ' + units.ADDRESS[ordinary], unit=off)
        roots = units.since_freeze(nics[0], off)[1]
        switched = by_kernel(m, off)
        t.check(switched == [[1, 0], [1]] and roots == 1,
                'unit %#x: switched %s, %d root pointers' % (off, switched, roots))
