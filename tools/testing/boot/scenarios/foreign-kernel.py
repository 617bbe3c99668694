# SPDX-License-Identifier: GPL-2.0
"""The next kernel knows nothing of pkernfs: devices are stopped before the jump.

By kexec_load with nobody saying that it is armed, the VMM gone; by kexec_file_load,
which sees no mark in the image, the VMM still there. From the next kernel's first
word on not a byte of the region changes, though frames are sent all the time.
"""

import hashlib

from pkboot import dma, live, selftests
from pkboot.result import Failure

KERNEL = 'release'
K2_KERNEL = 'bare'
LIKE = live
STAGES = 2
TIMEOUT = 60
QUICK = False
K2_APPEND = live.NO_DRIVER

GUEST = r'''
stage1() {
	region_make
	kexec_load_next %s
	[ "$(cat /sys/fs/pkernfs/armed)" = 0 ] || fail "the image is armed"
	vmm run --bind --size 160M phase=quiet run=500ms freeze phase=frozen %s &
	while [ "$(device_state)" != %s ]; do sleep 0.1; done
	sleep 0.5
	kexec_jump
}

stage2() {
	phase userland
	[ ! -e /sys/fs/pkernfs ] || fail "it knows pkernfs"
	grep -q "20000000-2fffffff : Reserved" /proc/iomem || fail "the region is not Reserved"
	sleep 1
	phase end
	await_host
}
'''

_MIB = 1 << 20


def region(m):
    """All of it, as one number."""
    with open(m.ram, 'rb') as f:
        f.seek(selftests.ram_offset(m, 512 * _MIB))
        return hashlib.blake2b(f.read(256 * _MIB)).digest()


def run(t):
    for how, last, state in (('-c', 'quiesce save', 'detached'), ('-s', 'wait', 'frozen')):
        m = t.machine('vm' + how, guest=GUEST % (how, last, state),
                      files=dma.files(pkernfs=True))
        d = dma.Dma(t, m, span=t.s.PKERNFS)
        m.start()
        m.wait('STEP ring')
        d.poll()
        d.start(rate=300)
        jump, _, _ = m.wait('PHASE jump')
        m.wait('Linux version', start=jump)
        before = region(m)
        m.wait('PHASE end', start=jump)
        after = region(m)
        d.stop()
        left = d.scan()
        m.send('seen')
        m.finish()
        d.timeline('quiet')
        t.note('%s: %d of %d frames landed before the jump' %
               (how, left['found'], d.inject['sent']))
        t.check(before == after, 'the region has changed after the jump')
        said = [text for _, text in m.console.lines if 'is stopped before the jump' in text]
        t.check(len(said) == 1, '%d lines say that the device was stopped' % len(said))
        if left['outside'] or left['damaged'] or left['found'] < 100:
            raise Failure('frames in RAM: %s' % left)
        if d.phase['userland']['landed']:
            raise Failure('DMA went on into a kernel that does not expect it')
        # Bus mastering went off first, and once: nothing after it switched it on.
        p = d.polled()
        t.check(p['master_drops'] == 1 and not p['faults'], 'from outside: %s' % p)
