# SPDX-License-Identifier: GPL-2.0
"""An access to what the freeze has left out faults, and no other access does.

An NVMe controller is told to read into memory that is not of pkernfs, which its VMM has
mapped and let FREEZE leave out. Before the freeze that works. While the controller is on
its fixed domain, frozen and adopted, the remapping unit faults on that IOVA alone, by
QEMU's trace and by the kernel's log; all that the guest reads meanwhile is right, and the
next VMM has its device.
"""

import re
import time

from pkboot import disk, dma, live
from pkboot.result import Failure

KERNEL = 'release'
LIKE = live
VARIANTS = live.SCALABLE
DEVICES = disk.QEMU
TRACE = (*disk.TRACE, 'vtd_dmar_fault')
# What this is about
_LOG = (r'DMAR: \[DMA Write (NO_PASID|PASID 0x0)\] Request device \[0000:00:05\.0\] '
        r'fault addr 0xc0000000')
IGNORE = (_LOG, r'DMAR: DRHD: handling fault')
STAGES = 2
TIMEOUT = 60
QUICK = False

_AWAY = 0xc0000000
_EACH, _MORE, _LAST = 12, 600, 12
# Two reads to there by the first disk, and one by the other, which is behind the others.
_AT = (_EACH, _EACH + 1 + _MORE, _EACH + 1 + _MORE + 1)

GUEST = r'''
nic=%(bdf)s

stage1() {
	region_make
	load_armed -c
	mkfifo /tmp/control
	{ vmm run --bind --size 64M --iova 0x100001000 --queues 4 --control /tmp/control \
		--map 0:64M:0x100001000 --map anon:2M:%(away)#x --leave-out %(away)#x:2M \
		each=%(each)d phase=ordinary read-at=1:%(away)#x complete phase=submitted \
		submit=%(more)d freeze info phase=frozen read-at=1:%(away)#x wait \
		read-at=2:%(away)#x quiesce save || fail_all "the first VMM: $?"; } &
	await_host
	echo go >/tmp/control
	wait $!
	want_state detached
	kexec_jump
}

stage2() {
	region_mount
	want_state adopted
	phase userland
	await_host
	want_state adopted
	vmm restore complete phase=resumed each=%(last)d complete report || fail "the last VMM: $?"
	want_state ordinary
	await_host
}
''' % {'bdf': disk.BDF, 'away': _AWAY, 'each': _EACH, 'more': _MORE, 'last': _LAST}


def faults(m):
    """So many were there; each is at the IOVA that was left out."""
    found = m.trace('vtd_dmar_fault')
    for text in found:
        hit = re.match(r'sid 0x28 fault \d+ addr (\w+) write 1$', text)
        if not hit or int(hit.group(1), 16) & ~0xfff != _AWAY:
            raise Failure('another fault: ' + text)
    return len(found)


def more_faults(m, than):
    while faults(m) <= than:
        if time.monotonic() > m.deadline or m.console.done:
            m.finish()          # names the reason, if it knows a better one
            raise Failure('no fault')
        time.sleep(0.05)
    return faults(m)


def run(t):
    m = t.machine(files=dma.files(pkernfs=True))
    d = disk.Disks(m, _AT[-1] + 1 + _LAST, away=_AT)
    m.start()
    at, submitted, _ = m.wait('PHASE submitted')
    if not any(' iova %#x -> ' % _AWAY in text
               for text in m.trace('vtd_dmar_translate', 0, submitted)):
        raise Failure('the device has not been where it may be before the freeze')
    t.check(not faults(m), 'a fault before the freeze')
    at, frozen, _ = m.wait('PHASE frozen', start=at)
    d.watch(at)
    # Slow enough for some to come after the jump.
    d.rate(10)
    first = more_faults(m, 0)
    m.send('it has faulted')
    at, jump, _ = m.wait('PHASE jump', start=at)
    before = faults(m)
    m.wait('PHASE userland', start=at)
    d.rate(disk.RATE)
    d.wait(lambda landed: len(landed) >= d.reads - sum(n % 3 != 1 for n in range(_LAST)))
    adopted = more_faults(m, before)
    m.send('it has faulted again')
    m.wait('STEP closed', start=m.wait('PHASE resumed', start=at)[0])
    wrong = d.stop()
    m.send('seen')
    m.finish()
    t.check(not wrong, 'seen from outside, %d reads are wrong: %s' % (len(wrong), wrong[:8]))
    t.note('%d faults while it was frozen, %d until the jump, %d in all' %
           (first, before, adopted))
    t.check(faults(m) == adopted, 'faults after the attach')
    # Elsewhere it has been all the time: each translation is to the page that INFO named.
    d.translated(frozen, m.wait('STEP attach', start=at)[1])
    said = [now for now, text in m.console.lines if re.search(_LOG, text)]
    if not said or said[0] > jump or said[-1] < jump:
        raise Failure('the log does not say it in both kernels: %s' % said)
    r = dma.report(m)
    if r['done'] != _AT[-1] + 1 + _LAST or r['wrong'] or r['twice'] or r['strange'] or \
            r['bad'] or r['stalls'] or r['late_irq']:
        raise Failure('the guest saw: %s' % r)
