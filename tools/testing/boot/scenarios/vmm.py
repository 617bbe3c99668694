# SPDX-License-Identifier: GPL-2.0
"""The small VMM and the watchers do what the other scenarios rely on.

Without pkernfs: both kinds of ring at a high rate, an interrupt on demand, 4 KiB
leaves on demand, and an outside walk that agrees with what was mapped.
"""

from pkboot import dma, live
from pkboot.result import Failure

KERNEL = 'release'
ALONE = True
MEMORY = '1G'
DEVICES = (dma.NIC,)
VARIANTS = live.IGB
APPEND = 'hugepages=96'
TIMEOUT = 120

GUEST = r'''
vmm() {
	pkernfs-vmm run --bind --bdf 0000:00:04.0 --ram hugetlb --size 160M \
		"$@" >/dev/kmsg 2>&1 </dev/null || fail "VMM: $?"
}

stage1() {
	mkfifo /tmp/control
	say "a ring that is filled once"
	vmm frames=20000 drain=2s verify raise run=200ms
	say "a ring that goes round"
	# The second map begins 4 KiB off and repeats part of the first, read only.
	vmm --recycle --ring 4096 --map 0:160M:4G --map 4K:8K:0x40001000:r \
		--control /tmp/control &
	await_host
	echo go >/tmp/control
	wait $!
}
'''

_FRAMES = 20000, 60000


def run(t):
    m = t.machine(files=dma.files())
    d = dma.Dma(t, m, span='1G@0')
    m.start()
    at, _, _ = m.wait('STEP ring')
    d.start(rate=20000, count=_FRAMES[0])
    d.wait()
    left = d.scan()
    at, _, _ = m.wait('STEP closed', start=at)
    r = dma.report(m)
    t.note('once: %d landed at %d/s, longest gap %.1f ms' %
           (d.watch['landed'], d.inject['rate'], d.watch['longest_gap_ms']))
    if (r['frames'] != _FRAMES[0] or r['missing'] or r['late'] or r['bad'] or
            r['stalls']):
        raise Failure('a ring that is filled once: %s' % r)
    # QEMU 10's NIC may add one of its own.
    if not r['irq1'] or not r['irq0']:
        raise Failure('one interrupt was raised: %s' % r)
    if d.watch['landed'] != _FRAMES[0]:
        raise Failure('the watcher saw %d frames' % d.watch['landed'])
    if (left['found'] != _FRAMES[0] or left['twice'] or left['damaged'] or
            left['outside'] or left['missing']):
        raise Failure('the scan disagrees: %s' % left)

    at, _, _ = m.wait('STEP ring', start=at)
    d = dma.Dma(t, m, span='1G@0')
    walk = d.walk()
    if (walk['pages_out'] + walk['pages_in'] != (160 << 8) + 2 or walk['bad'] or
            walk['leaves_2m'] != 80 or walk['leaves_4k'] != 2):
        raise Failure('the walk from outside disagrees: %s' % walk)
    d.poll()
    d.start(rate=20000, count=_FRAMES[1])
    d.wait()
    m.send('go')
    m.finish()
    r = dma.report(m)
    t.note('round: %d landed at %d/s, longest gap %.1f ms' %
           (d.watch['landed'], d.inject['rate'], d.watch['longest_gap_ms']))
    if (r['frames'] != _FRAMES[1] or r['missing'] or r['late'] or r['bad'] or
            r['stalls']):
        raise Failure('a ring that goes round: %s' % r)
    polled = d.polled()
    if polled['tes_drops'] or polled['roots'] or polled['faults']:
        raise Failure('the unit changed in the middle of it: %s' % polled)
