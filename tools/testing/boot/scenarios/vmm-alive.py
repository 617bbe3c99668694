# SPDX-License-Identifier: GPL-2.0
"""A kexec under a VMM that lives: its device goes on all the same (S8).

The VMM loses it before the jump: its mapping of a BAR is gone, and its reads fail. It
cannot have it back, by UNFREEZE or by another HWPT that translates alike, nor change anything
else. The vectors that it had on are masked, before the next kernel says its first word.
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
    """Between the jump and the next kernel the VMM has said what it got; False if nothing."""
    lines = [text for _, text in m.console.lines]
    at, = [n for n, text in enumerate(lines) if 'PHASE jump' in text]
    _, end = [n for n, text in enumerate(lines) if 'Linux version' in text]
    said = [dma.values(text) for text in lines[at:end] if 'STEP revoked' in text]
    late = ('attach', 'quiesce', 'release', 'unfreeze', 'freeze')
    if said and said != [{'signal': int(signal.SIGBUS), 'errno': errno.EIO,
                          **{call: errno.ESHUTDOWN for call in late}}]:
        raise Failure('its BAR was not taken away, or it could have it back: %s' % said)
    return bool(said)


def masked(u):
    """MSI-X is enabled, and function and vectors are masked: what comes is latched."""
    control, vectors = u.d.msix()
    if control & 0xc000 != 0xc000 or not all(v & 1 for v in vectors):
        raise Failure('not masked before the jump: MSI-X control %#x, vectors %s' %
                      (control, vectors))


def update(t, name):
    u = live.Update(t, name)
    u.begin(rate=300)
    u.m.wait('PHASE stay')
    control, vectors = u.d.msix()
    if control & 0xc000 != 0x8000 or all(v & 1 for v in vectors):
        raise Failure('no vector is on: MSI-X control %#x, vectors %s' % (control, vectors))
    u.end(look=lambda: masked(u))
    u.all_landed()
    u.no_gap(ratio=1, floor_ms=live.SHARED_MS)
    u.translated()
    return revoked(u.m)


def run(t):
    # Between the loss of its BAR and the jump are milliseconds, and on a busy host the CPU
    # that the VMM is on may not run in them.
    if not any(update(t, name) for name in ('vm', 'vm-again', 'vm-third')):
        raise Failure('its BAR was not taken away: the VMM says nothing')
