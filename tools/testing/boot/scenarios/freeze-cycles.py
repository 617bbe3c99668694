# SPDX-License-Identifier: GPL-2.0
"""Twice 1,000 times freeze and undo under load: no frame and no memory is lost (S6)."""

from pkboot import dma, live
from pkboot.result import Failure

KERNEL = 'release'
VARIANTS = live.SCALABLE
ALONE = True
MEMORY = live.MEMORY
PKERNFS = live.PKERNFS
DEVICES = live.DEVICES
TIMEOUT = 90
# What a ring that goes round takes for long, with a processor of two left for the
# freezes: twice as much, which it takes without them, fills it in the end.
_RATE = 10000

# The first cycles fill caches.
GUEST = r'''
free_kb() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	# With what lies on the lists of single CPUs, up to 63 pages each.
	awk '/^MemFree/ { n += $2 } /^ *count:/ { n += 4 * $2 } END { print n }' \
		/proc/meminfo /proc/zoneinfo
}

stage1() {
	region_make
	mkfifo /tmp/control
	vmm run --bind --size 160M --recycle --ring 8192 --control /tmp/control \
		wait cycles=100 report wait cycles=1000 report wait cycles=1000 report wait drain &
	await_host
	echo go >/tmp/control
	await_host
	before=$(free_kb) pool=$(cat $region/pool_free)
	echo go >/tmp/control
	await_host
	between=$(free_kb)
	echo go >/tmp/control
	await_host
	after=$(free_kb)
	[ "$(cat $region/pool_free)" = $pool ] || fail "pool blocks are lost"
	[ "$(cat $region/granules_held)" = 0 ] || fail "holds are left"
	say "MEMORY first=$((before - between)) second=$((between - after))"
	echo go >/tmp/control
	wait $! || fail "the VMM: $?"
}
'''


def run(t):
    m = t.machine(files=dma.files(pkernfs=True))
    d = dma.Dma(t, m, span=PKERNFS)
    m.start()
    at, _, _ = m.wait('STEP ring')
    d.poll()
    d.start(rate=_RATE)
    m.send('frames come')
    at, _, _ = m.wait('STEP report', start=at)
    m.send('the first are done')
    at, _, _ = m.wait('STEP report', start=at + 1)
    m.send('a thousand are done')
    at, _, _ = m.wait('STEP report', start=at + 1)
    d.stop()
    m.send('all are done')
    m.finish()
    r = dma.report(m)
    sent = d.inject['sent']
    memory = dma.report(m, 'MEMORY')
    lost = memory['first'], memory['second']
    t.note('%d frames at %d/s, %d and %d kB' % (sent, d.inject['rate'], *lost))
    if d.inject['rate'] < 0.75 * _RATE:
        raise Failure('%d frames a second only' % d.inject['rate'])
    if r['frames'] != sent or r['missing'] or r['late'] or r['bad'] or r['stalls']:
        raise Failure('of %d frames the VMM saw: %s' % (sent, r))
    # Slabs come and go, some 80 kB of them; what leaks does so each time.
    if min(lost) > 120:
        raise Failure('%d and %d kB are lost in 1,000 cycles' % lost)
    p = d.polled()
    if p['tes_drops'] or p['absent'] or p['faults'] or p['roots']:
        raise Failure('the remapping unit: %s' % p)
