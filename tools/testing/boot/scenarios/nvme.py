# SPDX-License-Identifier: GPL-2.0
"""An NVMe controller with 33 vectors: what was submitted before the kexec completes.

Hundreds of commands on 32 queues, with slow disks: they complete before the jump,
while the kernel changes, and after. Each does so once, and every byte is right, as
the guest and the host see it. Each translation is to the page that it should be, by
QEMU's trace. Interrupts, by the trace and by the guest's count: one at a time all of
them arrive; of those raised while they are masked each vector has exactly one.
"""

from pkboot import disk, dma, live
from pkboot.result import Failure

KERNEL = 'release'
LIKE = live
VARIANTS = live.SCALABLE
DEVICES = disk.QEMU
TRACE = disk.TRACE
STAGES = 3
TIMEOUT = 90

_EACH = 66              # twice each vector, and a few
_FIRST = 1200           # over all queues
_SECOND, _FEW = 64, 8   # over a few
_SOME = 30              # of each disk, before the jump and after it

GUEST = r'''
nic=%s

# served VERB ACTION...: the host says when the VMM may go on
served() {
	rm -f /tmp/control
	mkfifo /tmp/control
	{ vmm "$@" --control /tmp/control $actions || fail_all "the VMM: $?"; } &
	await_host
	echo go >/tmp/control
	wait $!
}

stage1() {
	region_make
	load_armed -c
	actions='each=%d report phase=submitted run=500ms submit=%d freeze info
		phase=frozen wait quiesce raise run=100ms raise save phase=leave'
	served run --bind --size 64M --iova 0x100001000 --queues %d
	want_state detached
	kexec_jump
}

stage2() {
	region_mount
	want_state adopted
	load_armed -c
	phase userland
	actions='phase=resumed complete report run=200ms phase=idle run=500ms each=%d
		report phase=again wait submit=%d:%d freeze quiesce save phase=leave'
	served restore
	kexec_jump
}

stage3() {
	region_mount
	want_state adopted
	phase userland
	await_host
	vmm restore run=1s report complete || fail "the last VMM: $?"
	await_host
}
''' % (disk.BDF, _EACH, _FIRST, disk.QUEUES, _EACH, _SECOND, _FEW)


def irqs(report, what='irqs'):
    return [int(n) for n in report[what].split(',')]


def minus(a, b):
    return [x - y for x, y in zip(a, b)]


def go(t, m, d):
    """From power-on to the verdict; returns times by name, and the REPORT lines."""
    at = {}
    line = -1

    def wait(pattern, name=None):
        nonlocal line
        line, at[name or pattern], _ = m.wait(pattern, start=line + 1)

    def some(kind, since=0):
        return sum(_EACH <= n < _EACH + _FIRST and n % 3 == kind and when > since
                   for n, when in list(d.landed.items())) > _SOME

    m.start()
    wait('PHASE submitted')
    # However long a slow host takes for what follows, most is not to land before the jump.
    d.rate(20)
    wait('PHASE frozen')
    d.watch(line)
    # When the other disk's metadata are read, it goes slowly again.
    d.rate(40, 200)
    d.wait(lambda landed: some(2))
    d.rate(20)
    m.send('some have landed')
    wait('STEP quiesce', 'masked')
    wait('PHASE jump')
    # Some of each disk land while the kernel changes, however long that takes.
    d.wait(lambda landed: some(0, at['PHASE jump']) and some(2, at['PHASE jump']))
    d.rate(1)
    wait('PHASE userland')
    wait('STEP attach')
    wait('PHASE resumed')
    d.rate(disk.RATE)
    wait('PHASE idle')
    wait('PHASE again')
    d.rate(1)
    m.send('slowly')
    wait('STEP quiesce', 'masked again')
    wait('PHASE jump', 'second jump')
    d.rate(100)
    wait('PHASE userland', 'second userland')
    d.wait(lambda landed: len(landed) == d.reads)
    m.send('all has landed')
    wait('STEP closed')
    wrong = d.stop()
    m.send('seen')
    m.finish()
    if wrong:
        raise Failure('seen from outside, %d reads are wrong: %s' % (len(wrong), wrong[:8]))
    return at, [dma.values(text) for _, text in m.console.lines if 'REPORT ' in text]


def run(t):
    total = 2 * _EACH + _FIRST + _SECOND
    m = t.machine(files=dma.files(pkernfs=True))
    d = disk.Disks(m, total)
    at, reports = go(t, m, d)
    # Each VMM gives one at its end, too.
    quiet, left, resumed, idle, _, last, _ = reports

    for r in reports:
        if r['wrong'] or r['twice'] or r['strange'] or r['bad'] or r['stalls'] or \
                r['late_irq']:
            raise Failure('the guest saw: %s' % r)
    if resumed['done'] != _EACH + _FIRST or reports[-1]['done'] != total:
        raise Failure('completed: %d, %d' % (resumed['done'], reports[-1]['done']))

    first = [when for n, when in d.landed.items() if _EACH <= n < _EACH + _FIRST]
    before = sum(when < at['PHASE jump'] for when in first)
    after = sum(when > at['STEP attach'] for when in first)
    between = len(first) - before - after
    t.note('of %d reads %d landed before the jump, %d until the attach, %d after it' %
           (len(first), before, between, after))
    if not before or not between or not after:
        raise Failure('not in each phase has a read landed')
    # Translated by the tables that the first kernel had left, or by the next one's.
    d.translated()
    _, compared, protected = d.translated(at['PHASE jump'], at['STEP attach'])
    t.note('%d pages translated meanwhile to be compared, %d to be filled' %
           (compared, protected))
    if not compared or not protected:
        raise Failure('no pages were translated meanwhile')

    # One at a time: as many as were raised, before the update and after it.
    for name, was, raised in (
            ('before', irqs(quiet), d.raised(0, at['PHASE submitted'])),
            ('after', minus(irqs(idle), irqs(resumed)),
             d.raised(at['PHASE idle'], at['PHASE again']))):
        if was[1:] != raised[1:] or not all(was[1:]):
            raise Failure('%s: raised %s, delivered %s' % (name, raised, was))
    # While masked, vector 0 had two; nothing else comes on it. On others more came
    # after that. A line of the console is later than what it tells of.
    masked = d.raised(at['masked'], at['PHASE userland'])
    most = d.raised(at['PHASE frozen'], at['PHASE idle'])
    came = irqs(resumed, 'new_irqs')
    t.note('%d interrupts raised while masked, on %d vectors' %
           (sum(masked), sum(n > 0 for n in masked)))
    if not most[0] or came[0] != 1:
        raise Failure('vector 0: %d raised, %d delivered' % (most[0], came[0]))
    for v, n in enumerate(came):
        if n < bool(masked[v]) or n > most[v]:
            raise Failure('vector %d: %d raised while masked, at most %d in all, '
                          '%d delivered' % (v, masked[v], most[v], n))
    # And with nothing later
    masked = d.raised(at['masked again'], at['second userland'])
    came = irqs(last, 'new_irqs')
    t.note('the second time %d on %d vectors, delivered %d on %d' %
           (sum(masked), sum(n > 0 for n in masked), sum(came), sum(n > 0 for n in came)))
    if came != [int(n > 0) for n in masked] or sum(came) != _FEW or max(masked) < 2:
        raise Failure('raised while masked %s, delivered %s' % (masked, came))
