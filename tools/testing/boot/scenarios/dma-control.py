# SPDX-License-Identifier: GPL-2.0
"""Without pkernfs a NIC's DMA ends at the kexec: the control of S1.

The unmodified kernel; guest RAM is hugetlb memory of the first kernel. Frames
land until the kexec and never after it, and QEMU's queue fills up before the
NIC, so the sender is refused.
"""

from pkboot import dma, live
from pkboot.result import Failure

KERNEL = 'bare'
MEMORY = '1G'
DEVICES = (dma.NIC,)
APPEND = 'hugepages=96'
STAGES = 2
K2_APPEND = live.NO_DRIVER
TIMEOUT = 120
QUICK = False

GUEST = r'''
stage1() {
	kexec_load_next -c
	mkfifo /tmp/control
	pkernfs-vmm run --bind --bdf 0000:00:04.0 --ram hugetlb --size 160M \
		--control /tmp/control >/dev/kmsg 2>&1 &
	await_host
	phase quiet
	sleep 3
	echo report >/tmp/control
	sleep 0.2
	kexec_jump
}

stage2() {
	phase second
	sleep 2
	phase end
	await_host
}
'''


def run(t):
    m = t.machine(files=dma.files())
    d = dma.Dma(t, m, span='1G@0')
    m.start()
    m.wait('STEP ring')
    d.start(rate=1000)
    m.send('frames come')
    m.wait('PHASE end')
    w = d.stop()
    left = d.scan()
    m.send('seen')
    m.finish()
    d.timeline('quiet')
    t.note('%d of %d frames landed, %d left in RAM' %
           (w['landed'], w['sent'], left['found']))
    r = dma.report(m)
    if r['missing'] or r['late'] or r['bad'] or r['frames'] < 300:
        raise Failure('frames were wrong before the kexec: %s' % r)
    if d.phase['second']['landed'] or w['landed'] >= w['sent']:
        raise Failure('DMA went on without pkernfs')
    if not d.inject['refused']:
        raise Failure('QEMU took all frames: did the NIC take them?')
