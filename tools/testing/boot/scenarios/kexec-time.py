# SPDX-License-Identifier: GPL-2.0
"""A kexec with a device frozen takes no longer than one without pkernfs.

From kexec -e to userland, in a machine with the same devices, by the TSC. Under
QEMU's -icount that counts instructions, whatever else the host does: each run gives the
same number. The variant takes real time, three kexecs in a row: the device is handed
over again and again, nobody takes it back. It tells and does not judge, as single
kexecs differ by a third.
"""

import re

from pkboot import dma, live
from pkboot.result import Failure

KERNEL = 'release'
MEMORY = live.MEMORY
DEVICES = (*live.DEVICES, '-icount shift=0,sleep=off')
STAGES = 2
TIMEOUT = 120
# The serial line is as slow as a real one: what is waiting to be printed at the jump
# would be counted.
APPEND = 'loglevel=6'
VARIANTS = {'wall': {'DEVICES': live.DEVICES, 'STAGES': 4, 'ALONE': True, 'QUICK': False}}
_LIMIT = 1.05

_CLOCK = r'''
clock() { say "CLOCK $1 $(tsc)"; }
jump() { sleep 1; clock jump; kexec_jump; }
'''
_PLAIN = _CLOCK + r'''
stage1() { kexec_load_next -c; jump; }
again() {
	clock userland
	[ -e /boot/bzImage ] || { sleep 1; return; }
	kexec_load_next -c
	jump
}
stage2() { again; }
stage3() { again; }
stage4() { again; }
'''
_FROZEN = _CLOCK + r'''
stage1() {
	region_make
	load_armed -c
	vmm run --bind --size 160M run=500ms freeze quiesce save || fail "VMM: $?"
	jump
}
again() {
	clock userland
	want_state adopted
	[ -e /boot/bzImage ] || { sleep 1; return; }
	load_armed -c
	jump
}
stage2() { again; }
stage3() { again; }
stage4() { again; }
'''


def times(t, name, **over):
    """Ticks of the TSC from each jump to the userland after it, in 10^9."""
    m = t.machine(name, smp=1, files=dma.files(pkernfs=True), **over).start().finish()
    found, jump = [], None
    for _, text in m.console.lines:
        hit = re.search(r'CLOCK (\w+) (\d+)', text)
        if hit and hit.group(1) == 'jump':
            jump = int(hit.group(2))
        elif hit:
            found.append((int(hit.group(2)) - jump) / 1e9)
    if len(found) != t.s.STAGES - 1:
        raise Failure('%s: %d times' % (name, len(found)))
    return found


def run(t):
    plain = times(t, 'plain', guest=_PLAIN)
    frozen = times(t, 'frozen', guest=_FROZEN, pkernfs=live.PKERNFS)
    ratio = sum(frozen) / sum(plain)
    t.note('plain %s, with pkernfs %s 10^9 ticks, ratio %.2f' %
           (' '.join('%.2f' % x for x in plain), ' '.join('%.2f' % x for x in frozen), ratio))
    if ratio > _LIMIT and not t.s.ALONE:
        raise Failure('a kexec takes %.2f times as long' % ratio)
