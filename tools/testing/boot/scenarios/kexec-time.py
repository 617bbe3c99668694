# SPDX-License-Identifier: GPL-2.0
"""A kexec with a device at work takes no longer than one without pkernfs.

Three in a row each way, from kexec -e to userland, in a machine with the same
devices. The device is handed over again and again: nobody takes it back.
"""

import re
import statistics

from pkboot import dma, live
from pkboot.result import Failure

KERNEL = 'release'
ALONE = True
MEMORY = live.MEMORY
DEVICES = live.DEVICES
STAGES = 4
TIMEOUT = 120
_LIMIT = 1.15           # times differ by so much from run to run

_PLAIN = r'''
stage1() { kexec_load_next -c; kexec_jump; }
stage2() { phase userland; kexec_load_next -c; kexec_jump; }
stage3() { phase userland; kexec_load_next -c; kexec_jump; }
stage4() { phase userland; }
'''
_FROZEN = r'''
stage1() {
	region_make
	load_armed -c
	vmm run --bind --size 160M run=500ms freeze quiesce save || fail "VMM: $?"
	kexec_jump
}
again() { phase userland; want_state adopted; load_armed -c; kexec_jump; }
stage2() { again; }
stage3() { again; }
stage4() { phase userland; want_state adopted; }
'''


def times(m):
    """Seconds from each jump to the userland after it."""
    found, jump = [], None
    for now, text in m.console.lines:
        hit = re.search(r'PHASE (jump|userland)', text)
        if hit and hit.group(1) == 'jump':
            jump = now
        elif hit:
            found.append(now - jump)
    return found


def run(t):
    files = dma.files(pkernfs=True)
    plain = t.machine('plain', guest=_PLAIN, files=files).start().finish()
    frozen = t.machine('frozen', guest=_FROZEN, files=files,
                       pkernfs=live.PKERNFS).start().finish()
    a, b = times(plain), times(frozen)
    ratio = statistics.median(b) / statistics.median(a)
    t.note('plain %s s, with pkernfs %s s, ratio %.2f' %
           (' '.join('%.2f' % x for x in a), ' '.join('%.2f' % x for x in b), ratio))
    if len(a) != 3 or len(b) != 3 or ratio > _LIMIT:
        raise Failure('a kexec takes %.2f times as long' % ratio)
