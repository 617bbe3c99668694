# SPDX-License-Identifier: GPL-2.0
"""Both functions of one device are preserved; or one is, and the other is ordinary.

Each has a VMM of its own. While one function is frozen the other's VMM resets its own,
asks for a reset of the bus, closes and comes again. Frozen both, they go one after the
other, and come back in the other order. Where only one is frozen at the kexec the other
is stopped as ever, is taken by a new VMM beside the adopted one, and works. As long as it
has a driver of its own the FREEZE is refused, and it gets none, in the next kernel either,
before the first one is ordinary. Frames come all the time.
"""

import errno

from pkboot import dma, live
from pkboot.result import Failure

KERNEL = 'release'
LIKE = live
# On the first bus Linux takes it that functions of Intel's devices are isolated, and that
# bus has no reset: behind a port the two would share a group.
DEVICES = (dma.nic(0, 'addr=4.0,multifunction=on'), dma.nic(1, 'addr=4.1'))
TRACE = ('pci_cfg_write',)
STAGES = 2
TIMEOUT = 90
QUICK = False

_FUNCTIONS = '00:04.0', '00:04.1'

_COMMON = r'''
bdf0=0000:00:04.0 bdf1=0000:00:04.1

# one N VERB [OPTION|ACTION]...: the VMM that has function N
one() {
	local n=$1 verb=$2 bdf
	shift 2
	eval bdf=\$bdf$n
	pkernfs-vmm $verb --bdf $bdf --ram /mnt/vm$n/ram --state /mnt/vm$n/state \
		--device /mnt/vm$n/nic --control /tmp/c$n "$@" >/dev/kmsg 2>&1 ||
		fail_all "VMM $n: $?"
}

begin() {
	region_make
	mkdir /mnt/vm1
	mkfifo /tmp/c0 /tmp/c1
}

# The driver of its own is not for function 1 as long as function 0 is preserved.
no_driver() {
	local dev=/sys/bus/pci/devices/$bdf1
	[ ! -e $dev/driver ] || fail "function 1 has a driver"
	echo >$dev/driver_override
	! echo $bdf1 2>/tmp/said >/sys/bus/pci/drivers/e1000e/bind || fail "taken by its driver"
	grep -q "No such device" /tmp/said || fail "bind: $(cat /tmp/said)"
}

begin_next() {
	region_mount
	mkfifo /tmp/c0 /tmp/c1
}
'''

_BOTH = r'''
stage1() {
	begin
	set -- --size 64M --ring 16384 --bind
	one 0 run "$@" wait freeze info wait quiesce save &
	until_said 1 "STEP ring"
	one 1 run "$@" wait freeze info wait '!hot-reset' quiesce save &
	await_host
	load_armed -c
	phase freeze
	go 1; is 1 frozen
	go 0; is 0 frozen
	# It closes, beside one that is frozen.
	go 0; is 0 detached
	is 1 frozen
	go 1; is 1 detached
	is 0 detached
	wait
	kexec_jump
}

stage2() {
	begin_next
	phase userland
	is 0 adopted
	is 1 adopted
	one 1 restore run=500ms wait drain verify &
	is 1 ordinary
	is 0 adopted
	one 0 restore run=500ms wait drain verify &
	is 0 ordinary
	phase resumed
	sleep 1
	phase end
	await_host
	go 0 1
	wait
	await_host
}
'''

_MIXED = r'''
stage1() {
	begin
	set -- --size 64M --ring 16384 --bind
	one 0 run "$@" wait '!freeze' wait freeze info wait quiesce save &
	await_host
	load_armed -c
	# The other one has a driver of its own, which might do anything.
	go 0
	while ! dmesg | grep -q "refused action=freeze"; do sleep 0.1; done
	one 1 run "$@" each=3
	phase freeze
	go 0; is 0 frozen
	# What its VMM does to the other function: it is not this one's.
	one 1 run "$@" each=3 '!hot-reset' reset
	echo $bdf1 >/sys/bus/pci/drivers/vfio-pci/unbind
	no_driver
	one 1 run "$@" each=3 wait &
	while ! grep -q . /mnt/vm1/state 2>/dev/null; do sleep 0.1; done
	is 0 frozen
	go 0; is 0 detached
	# It is at work, and its VMM alive.
	kexec_jump
}

stage2() {
	begin_next
	phase userland
	is 0 adopted
	is 1 ordinary
	no_driver
	rm /mnt/vm1/*
	one 1 run --size 64M --ring 16384 --bind each=3 '!hot-reset' verify
	is 0 adopted
	one 1 run --size 64M --ring 16384 each=3 freeze quiesce save
	is 1 detached
	is 0 adopted
	one 0 restore run=500ms wait drain verify &
	is 0 ordinary
	is 1 detached
	phase resumed
	sleep 1
	phase end
	await_host
	go 0
	wait
	await_host
}
'''


def go(t, name, guest, nics):
    """One machine, whose NICs with these numbers get frames."""
    m = t.machine(name, files=dma.files(pkernfs=True), guest=_COMMON + guest)
    dmas = dma.start_all(t, m, nics, rate=60)
    dmas[0].poll(*('0000:' + _FUNCTIONS[n] for n in nics))
    m.send('frames come')
    at, _, _ = m.wait('PHASE jump')
    at, _, _ = m.wait('PHASE end', start=at)
    for d in dmas:
        d.stop()
    m.send('no more frames')
    m.wait_each('STEP closed', len(dmas), start=at + 1)
    left = [d.scan() for d in dmas]
    m.send('seen')
    m.finish()
    reports = dma.reports(m)
    for d, scan in zip(dmas, left):
        t.note('%s, function %d: %d frames sent, %d landed' %
               (name, d.nic, d.inject['sent'], d.watch['landed']))
        d.all_landed(reports.get(d.run), scan)
        dmas[0].never_cleared(_FUNCTIONS[d.nic])
    dmas[0].undisturbed(roots=2)
    return m


def run(t):
    for name, guest, nics in ('both', _BOTH, (0, 1)), ('mixed', _MIXED, (0,)):
        m = go(t, name, guest, nics)
        refused = [dma.values(text)['errno'] for _, text in m.console.lines
                   if 'STEP refused action=hot-reset' in text]
        if not refused or set(refused) != {errno.ENODEV}:
            raise Failure('resets of the bus: %s' % refused)
