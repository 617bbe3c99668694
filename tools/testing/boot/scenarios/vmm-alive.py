# SPDX-License-Identifier: GPL-2.0
"""A kexec under a VMM that lives: its device goes on all the same (S8).

The VMM loses it before the jump: its mapping of a BAR is gone, and its reads fail. The
vectors that it had on are masked, before the next kernel says its first word.
"""

import errno
import signal

from pkboot import dma, live
from pkboot.result import Failure

KERNEL = 'release'
LIKE = live
STAGES = 2
TIMEOUT = 90

GUEST = r'''
stage1() {
	region_make
	load_armed -c
	vmm run --bind --size 160M phase=quiet run=2s freeze info phase=frozen save \
		phase=stay revoked &
	while [ "$(device_state)" != frozen ]; do sleep 0.1; done
	sleep 1
	want_state frozen
	kexec_jump
}

stage2() {
	phase userland
	region_mount
	vmm_back phase=resumed run=1s phase=end wait drain verify
	await_host
}
'''


def revoked(m):
    """Between the jump and the next kernel the VMM has said what it got."""
    lines = [text for _, text in m.console.lines]
    at, = [n for n, text in enumerate(lines) if 'PHASE jump' in text]
    _, end = [n for n, text in enumerate(lines) if 'Linux version' in text]
    said = [dma.values(text) for text in lines[at:end] if 'STEP revoked' in text]
    if said != [{'signal': int(signal.SIGBUS), 'errno': errno.EIO}]:
        raise Failure('its BAR was not taken away: %s' % (said or 'the VMM says nothing'))


def masked(u):
    """MSI-X is enabled, and function and vectors are masked: what comes is latched."""
    control, vectors = u.d.msix()
    if control & 0xc000 != 0xc000 or not all(v & 1 for v in vectors):
        raise Failure('not masked before the jump: MSI-X control %#x, vectors %s' %
                      (control, vectors))


def run(t):
    u = live.Update(t)
    u.begin(rate=300)
    u.m.wait('PHASE stay')
    control, vectors = u.d.msix()
    if control & 0xc000 != 0x8000 or all(v & 1 for v in vectors):
        raise Failure('no vector is on: MSI-X control %#x, vectors %s' % (control, vectors))
    u.end(look=lambda: masked(u))
    revoked(u.m)
    u.all_landed()
    u.no_gap(ratio=1, floor_ms=live.SHARED_MS)
    u.translated()
