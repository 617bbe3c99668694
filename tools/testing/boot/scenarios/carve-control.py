# SPDX-License-Identifier: GPL-2.0
"""Control: memory set aside by memmap= is overwritten by the next kernel.

memmap= does what pkernfs= does but for one thing: the map that is handed on to
the next kernel still says RAM. All else is as in carve-kexec. If this memory
were whole afterwards, carve-kexec would prove nothing.
"""

from pkboot import selftests
from pkboot.result import Failure

KERNEL = 'test'         # memtest=, and fast
QUICK = False
MEMORY = '1G'
STAGES = 2
# Each kernel overwrites what it finds free. "$" is as for a boot loader that
# does not touch it.
APPEND = 'memtest=1 memmap=512M$256M'

GUEST = r'''
stage1() {
	grep -q '10000000-2fffffff : Reserved' /proc/iomem || fail "memmap= did nothing"
	say "READY 1"
	await_host
	k2_sed='s/memmap=/notmemmap=/'
	kexec_load_next -c
	kexec_jump
}

stage2() {
	say "READY 2"
	await_host
}
'''

_MIB = 1 << 20


def run(t):
    m = t.machine().start()
    m.wait('READY 1')
    selftests.fill(t, m, 256 * _MIB, 512 * _MIB, 1)
    if selftests.changed(t, m, 256 * _MIB, 512 * _MIB, 1):
        raise Failure('memory changes while it is set aside')
    m.send('filled')
    m.wait('READY 2')
    pages = selftests.changed(t, m, 256 * _MIB, 512 * _MIB, 1)
    m.send('seen')
    m.finish()
    # All but what the kernel got by way of its image and has not used.
    t.check(pages > 512 * _MIB // 4096 * 9 // 10,
            'of memory that the next kernel was free to use it overwrote %d pages' % pages)
    t.note('%d of %d pages overwritten' % (pages, 512 * _MIB // 4096))
