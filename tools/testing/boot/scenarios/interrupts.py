# SPDX-License-Identifier: GPL-2.0
"""An interrupt that was raised while nobody listened arrives (S7).

Raised after QUIESCE_IRQ, by the NIC itself and without a frame: in the first
kernel after the VMM's end, or in the second before the next VMM's start; or between two
VMMs of one kernel. It arrives once, on the new eventfd. If the VMM was killed before
QUIESCE_IRQ, each vector is raised once. The VMM after it connects some of the vectors, and
does quiesce: what INFO and sysfs say then is how it goes. INTx is level-triggered: all that
is raised before it is handled is one interrupt.
"""

from pkboot import dma, live
from pkboot.result import Failure

KERNEL = 'release'
MEMORY = live.MEMORY
PKERNFS = live.PKERNFS
DEVICES = live.DEVICES
STAGES = 4
TIMEOUT = 90

# One machine, five updates: before the jump, in one kernel, after the jump, a killed VMM,
# and after that.
GUEST = r'''
first() {
	vmm "$@" freeze quiesce info save || fail "the VMM before the update: $?"
}

stage1() {
	region_make
	load_armed -c
	first run --bind --size 160M
	say "CASE before the jump"
	pkernfs-vmm raise --bdf $nic || fail "raise: $?"
	kexec_jump
}

stage2() {
	region_mount
	load_armed -c
	first restore run=1s report
	say "CASE in one kernel"
	pkernfs-vmm raise --bdf $nic || fail "raise: $?"
	first restore run=1s report
	say "CASE after the jump"
	kexec_jump
}

stage3() {
	region_mount
	load_armed -c
	pkernfs-vmm raise --bdf $nic || fail "raise: $?"
	vmm restore run=1s report freeze raise kill && fail "nobody killed the VMM"
	say "CASE killed"
	kexec_jump
}

stage4() {
	region_mount
	first restore run=1s report
	say "SYSFS irq=$(cat /sys/fs/pkernfs/devices/$nic/irq)"
	say "CASE after that"
	pkernfs-vmm raise --bdf $nic || fail "raise: $?"
	vmm restore run=1s report || fail "the VMM after the update: $?"
}
'''


VARIANTS = {'intx': {'GUEST': "vmm_state=\"$vmm_state --intx\"\n" + GUEST, 'QUICK': False},
            **live.IGB}


def new_irqs(m):
    """For each case what came on the vectors of the new VMM."""
    found = {}
    case = None
    for _, text in m.console.lines:
        if 'CASE ' in text:
            case = text.split('CASE ', 1)[1]
        elif 'REPORT ' in text and case and case not in found:
            r = dma.values(text)
            found[case] = [r[k] for k in sorted(r) if k.startswith('new_irq')]
    return found


def run(t):
    once = [1] if t.s.name == 'interrupts-intx' else [0, 1, 0]
    m = t.machine(files=dma.files(pkernfs=True)).start()
    m.finish()
    found = new_irqs(m)
    t.note(', '.join('%s: %s' % (c, i) for c, i in found.items()))
    for case in 'before the jump', 'in one kernel', 'after the jump':
        if found[case] != once:
            raise Failure('%s: %s interrupts on the vectors' % (case, found[case]))
    if min(found['killed']) < 1:
        raise Failure('killed: %s interrupts on the vectors' % found['killed'])
    # Vectors that it has not connected are owed to the next one, with all others.
    last, sysfs = (dma.report(m, word)['irq'] for word in ('INFO', 'SYSFS'))
    if last != sysfs:
        raise Failure('INFO says %s, sysfs %s' % (last, sysfs))
    came = found['after that']
    if came != once if last == 'quiesced' else min(came) < 1:
        raise Failure('%s, but %s interrupts on the vectors' % (last, came))
