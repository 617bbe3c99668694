# SPDX-License-Identifier: GPL-2.0
"""Interrupts of a vCPU, by KVM's irqfds: what was raised is delivered, once (S7).

The vCPU counts them itself, in guest RAM, which is read from outside too. The NIC
raises some one by one before the freeze, frozen, and after the resume. Where nobody
can take it, an interrupt is pending in one of two places, and the next vCPU finds
both: in the local APIC if the vCPU was paused and QUIESCE_IRQ had not come, in the
NIC after it. The next vCPU is in this kernel, or in the next; there was no kernel that
could have known of one that came from outside while the next one booted.

What QEMU sends twice (see pkboot/kvm.py) the vCPU may count twice where nothing is masked
or paused: there are no more than the NIC has sent.
"""

from pkboot import dma, kvm, live
from pkboot.result import Failure

KERNEL = 'kvm'
MANUAL = True          # a kernel of its own
MEMORY = live.MEMORY
PKERNFS = live.PKERNFS
DEVICES = live.DEVICES
STAGES = 3
TRACE = kvm.TRACE
TIMEOUT = 240

# Vector 0, and vector 2, which is also the one if none is named
_RX, _TX = 0x100000, 0x400000

# A report after each line is a row of CASES.
GUEST = kvm.GUEST + r'''
rx=%#x
tx=%#x

stage1() {
	need_kvm
	region_make
	load_armed -c
	vmm run --bind --size 160M run=2s report run=500ms \
		each=20 report \
		freeze each=20 report \
		pause raise=$rx quiesce raise unfreeze run=1s report \
		freeze info pause raise=$rx quiesce raise save || fail "the first VMM: $?"
	kexec_jump
}

stage2() {
	region_mount
	load_armed -c
	vmm restore run=1s report \
		each=20 report \
		freeze pause raise=$rx quiesce save || fail "the second VMM: $?"
	pkernfs-vmm raise --bdf $nic $tx >/dev/kmsg || fail "raise: $?"
	vmm restore run=1s report \
		freeze info quiesce save || fail "the third VMM: $?"
	pkernfs-vmm raise --bdf $nic $rx >/dev/kmsg || fail "raise: $?"
	kexec_jump
}

stage3() {
	await_host
	region_mount
	vmm restore run=1s report \
		each=20 report \
		freeze info unfreeze || fail "the fourth VMM: $?"
	say "CASE end"
	await_host
}
''' % (_RX, _TX)

# What each report has more than the one before: vector 0, vector 2. Of 20 each of which
# was waited for, at least.
CASES = (
    ('before the freeze', 0, 20),
    ('frozen', 0, 20),
    ('paused, unfrozen', 1, 1),
    ('end of the first VMM', 0, 0),
    ('over a kexec, raised before it', 1, 1),
    ('after the resume', 0, 20),
    ('end of the second VMM', 0, 0),
    ('over a change of VMM', 1, 1),
    ('end of the third VMM', 0, 0),
    ('over a kexec, raised after the VMM and as the kernel booted', 1, 1),
    ('after the last resume', 0, 20),
    ('end of the fourth VMM', 0, 0),
)


def counts(m):
    """(time, vectors 0 and 2) of each report."""
    for now, text in m.console.lines:
        if 'REPORT ' in text:
            r = dma.values(text)
            yield now, (r['irq0'], r['irq2'])


def in_the_boot(m):
    """Vector 2 while the last kernel boots; when it had booted."""
    last, at = -1, 0
    for _ in range(STAGES - 1):
        last, _, _ = m.wait('PHASE jump', start=last + 1)
    last, at, _ = m.wait('Linux version', start=last)
    kvm.raise_from_outside(m, _TX)
    _, booted, _ = m.wait('stage 3 of 3', start=last)
    m.send('raised')
    return at, booted


def run(t):
    m = t.machine(files=dma.files(pkernfs=True))
    boot = []
    outside = []

    def go():
        m.start()
        boot.extend(in_the_boot(m))
        m.wait('CASE end')
        outside.extend(kvm.guest_irqs(m, 3))
        m.send('seen')
        m.finish()

    kvm.run(t, m, go)
    (begin, first), *reports = counts(m)
    t.check(len(reports) == len(CASES), '%d reports' % len(reports))
    before = first
    for (case, *want), (_, is_) in zip(CASES, reports):
        more = [b - a for a, b in zip(before, is_)]
        if more != want and (want[1] != 20 or more[0] != want[0] or more[1] < want[1]):
            raise Failure('%s: %s interrupts on vectors 0 and 2, not %s' % (case, more, want))
        before = is_
    raised = [sum(c[v] for c in CASES) for v in (1, 2)]
    counted = [b - a for a, b in zip(first, before)]
    sent = kvm.messages(m, begin)
    t.note('%s raised on vectors 0 and 2, %s sent, %s delivered' %
           (raised, [sent.get(v, 0) for v in (0, 2)], counted))
    t.check(outside == [before[0], 0, before[1]],
            'from outside the guest has counted %s, by its reports %s' % (outside, before))
    t.check(list(kvm.messages(m, *boot)) == [2], 'nothing was raised as the kernel booted')
    t.check(all(r <= c <= sent[v] for r, c, v in zip(raised, counted, (0, 2))),
            'raised %s, sent %s, delivered %s' % (raised, sent, counted))
