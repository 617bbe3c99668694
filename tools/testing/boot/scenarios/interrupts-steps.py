# SPDX-License-Identifier: GPL-2.0
"""Interrupts that the NIC raises during each step of a live update arrive, once (S7).

They come from outside, whoever runs in the machine. First one after the other while a VMM
freezes, quiesces and unfreezes again and again: each is waited for. Then in live updates,
two in each, on a vector of their own: after QUIESCE_IRQ, without a VMM, on the way down, as
the next kernel boots, enumerates and takes the units over, before there is a VMM, and
between the steps of the one that comes, up to where it unmasks. Which step it was is taken
from QEMU's trace. What was raised and has not been told yet comes just once.
"""

import re
import time

from pkboot import dma, kvm, live
from pkboot.result import Failure

KERNEL = 'release'
LIKE = live
STAGES = 8
TRACE = (*kvm.TRACE, 'serial_write')
TIMEOUT = 180
QUICK = False

# A step begins with this line, and ends with the next one's. The VMM waits at the STEP lines.
_STEPS = (('quiesced', r'STEP quiesce'), ('no VMM', r'PHASE gone'), ('down', r'PHASE jump'),
          ('boot', dma.BOOT[0][0]), ('enumeration', dma.BOOT[1][0]),
          ('units', dma.BOOT[2][0]), ('userland', r'PHASE userland'),
          ('opened', r'STEP open'), ('bound', r'STEP bind'), ('attached', r'STEP attach'),
          ('resumed', r'STEP irqs'))
_MASKED = [name for name, _ in _STEPS[:-1]]
_WAITS = ('quiesced', 'no VMM', 'userland', 'opened', 'bound', 'attached')
# By vector: the cause of a frame, and any other one
_CAUSES = (1 << 20, 1 << 24)
_CYCLES = 60
_UNMASKED = ('freeze', 'quiesce', 'unfreeze')

GUEST = r'''
# Each time the VMM waits the host has a look.
vmm_waits() {
	local i
	for i in $(seq $1); do
		await_host
		echo go >/tmp/control
	done
}

leave() {
	phase gone
	await_host
	[ $(arg stage) = $(arg stages) ] || kexec_jump
}

stage1() {
	region_make
	load_armed -c
	mkfifo /tmp/control
	vmm run --bind --size 160M --control /tmp/control freeze info unfreeze wait \
		$(for i in $(seq %d); do echo freeze quiesce unfreeze run=4ms; done) \
		phase=cycled wait report freeze info quiesce wait save || fail_all "the first VMM: $?" &
	vmm_waits 3
	wait $!
	leave
}

again() {
	phase userland
	await_host
	region_mount
	[ $(arg stage) = $(arg stages) ] || load_armed -c
	mkfifo /tmp/control
	vmm restore --control /tmp/control --pause-at open,bind,attach \
		run=1s report freeze info quiesce wait save || fail_all "VMM $(arg stage): $?" &
	vmm_waits 4
	wait $!
	leave
}

for i in $(seq 2 $(arg stages)); do
	eval "stage$i() { again; }"
done
''' % _CYCLES


class Nic:
    """What raises, from outside."""

    def __init__(self, m):
        self.q = m.qtest()
        self.bar = self.q.readl(dma.ECAM + (4 << 15) + 0x10) & ~0xf

    def raise_on(self, vector):
        self.q.writel(self.bar + 0xc8, _CAUSES[vector])     # ICS


def one_by_one(m, nic):
    """Until all cycles are done: raise, and wait until the guest has counted it."""
    raised = 0
    before = kvm.guest_irqs(m, 2)[1]
    while not any('PHASE cycled' in text for _, text in m.console.lines[-50:]):
        nic.raise_on(1)
        raised += 1
        end = time.monotonic() + 10
        while kvm.guest_irqs(m, 2)[1] == before:
            if time.monotonic() > end:
                raise Failure('interrupt %d has not come within 10 s' % raised)
            time.sleep(0.0005)
        before = kvm.guest_irqs(m, 2)[1]
        # Within its throttling interval the NIC would put it off: see pkboot/kvm.py
        time.sleep(0.002)
    return raised


def update(m, nic, todo, at):
    """One live update, from where the VMM before has quiesced, with an interrupt in two steps.

    Takes from todo those that were not over when it had been raised.
    """
    plan = list(dict.fromkeys(todo + _MASKED[2:6]))[:2]
    raised = 0
    for n, (name, begins) in enumerate(_STEPS):
        at, _, _ = m.wait(begins, start=at + 1)
        if name in plan:
            nic.raise_on(raised)
            raised += 1
            if name in todo and not m.console.wait(_STEPS[n + 1][1], 0, at + 1):
                todo.remove(name)
        if name in _WAITS:
            m.send('seen')
    at, _, _ = m.wait('REPORT', start=at)
    r = dma.report(m)
    came = [r['new_irq%d' % v] for v in range(3)]
    if came != [1, 1, 0]:
        raise Failure('raised in %s: %s interrupts on the vectors' % (' and '.join(plan), came))
    return at


def steps(m):
    """How many messages there were inside of each call of the cycles, and in each step."""
    found = {}
    step, cycles = None, True
    for line, event, _ in m.traced():
        if event in kvm.TRACE:
            found[step] = found.get(step, 0) + 1
        elif not event and cycles:
            hit = re.search(r'(PHASE|STEP) (\w+)', line)
            if hit:
                step = hit.group(2) if hit.group(1) == 'PHASE' else None
                cycles = step != 'cycled'
        elif not event:
            step = next((name for name, begins in _STEPS if re.search(begins, line)), step)
    return found


def run(t):
    m = t.machine(files=dma.files(pkernfs=True)).start()
    at, _, _ = m.wait('STEP unfreeze')
    nic = Nic(m)
    m.send('frozen once')
    raised = one_by_one(m, nic)
    m.send('enough')
    at, _, _ = m.wait('REPORT', start=at)
    cycled = dma.report(m)
    todo = list(_MASKED)
    for _ in range(t.s.STAGES - 1):
        at = update(m, nic, todo, at)
    for _, begins in _STEPS[:2]:
        at, _, _ = m.wait(begins, start=at + 1)
        m.send('seen')
    m.finish()
    # QEMU may send one twice: see pkboot/kvm.py
    sent = kvm.messages(m, 0, m.wait('REPORT')[1]).get(1, 0)
    t.check(raised <= cycled['irq1'] <= sent and not cycled['irq0'],
            '%d raised in cycles, %d messages: %s' % (raised, sent, cycled))
    found = steps(m)
    t.note('%d raised while %s, and %s' %
           (raised, ', '.join('%s (%d)' % (n, found.get(n, 0)) for n in _UNMASKED),
            ', '.join('%s (%d)' % (n, found.get(n, 0)) for n in _MASKED)))
    for name in (*_UNMASKED, *_MASKED):
        t.check(found.get(name), 'nothing was raised in the step: ' + name)
