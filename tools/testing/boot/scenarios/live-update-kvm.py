# SPDX-License-Identifier: GPL-2.0
"""A live update of a VM whose vCPU takes the NIC's interrupts as frames come (S7).

The NIC sends a message for them, and none for others until the vCPU has handled that: if
one were lost, whatever was under way when the vCPU was paused, quiesced and saved, there
would be no more. The frames land without a gap all the while.
"""

from pkboot import dma, kvm, live

KERNEL = 'kvm'
LIKE = live
MANUAL = True          # a kernel of its own
ALONE = True
STAGES = 2
TRACE = kvm.TRACE
TIMEOUT = 120

GUEST = kvm.GUEST + live.guest(before='need_kvm')


def run(t):
    u = live.Update(t)
    kvm.run(t, u.m, u.go)
    u.all_landed()
    u.no_gap()
    u.translated()
    begin = [now for now, name in u.d.marks() if name == 'ring'][0]
    sent = kvm.messages(u.m, begin).get(0, 0)
    first, last = (dma.report(u.m, nth=n)['irq0'] for n in (-2, -1))
    t.note('%d interrupts of %d messages, %d of them after the update' %
           (last, sent, last - first))
    t.check(first > 10 and last - first > 10,
            'the vCPU has counted %d before the update, %d after it' % (first, last - first))
    t.check(last <= sent, 'the NIC has sent %d messages, the vCPU has counted %d' % (sent, last))
