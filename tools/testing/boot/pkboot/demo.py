# SPDX-License-Identifier: GPL-2.0
"""The live update of the scenario live-update, for a person to watch."""

import os
import re

from . import live
from .dma import BOOT

# What the phases are, in the order in which they come.
PHASES = {
    'quiet': 'a VMM runs, frames land in its guest\'s RAM',
    'freeze': 'FREEZE: the translation is copied, the hardware switched to it',
    'frozen': 'frozen; the guest would still run',
    'quiesce': 'QUIESCE_IRQ: vCPUs are paused, every vector is masked',
    'leave': 'state saved, the VMM exits; the device goes on',
    'jump': 'kexec -e',
    'boot': 'the next kernel',
    'enumerate': 'it finds the PCI devices, and leaves ours alone',
    'probe': 'it probes drivers',
    'userland': 'its userland',
    'bind': 'the next VMM has opened the device, which was not reset',
    'attach': 'ATTACH: compared with the frozen translation, then replaced',
    'resumed': 'vectors unmasked, the guest runs',
    'end': 'the end',
}


def show(t, out):
    """Run it; out: prints a line."""
    state = {}

    def echo(now, text):
        hit = re.search(r'PHASE (\S+)', text)
        name = hit and hit.group(1)
        if name == 'jump':
            state['boot'] = list(BOOT)
        if not hit and state['boot'] and re.search(state['boot'][0][0], text):
            name = state['boot'].pop(0)[1]
        if name == 'quiet':
            state['begun'] = True
        # The first VMM binds and attaches, too.
        if name in PHASES and state['begun']:
            out('%8.2f s  %-10s %s' % (now, name, PHASES[name]))

    def look(end):
        state.update(boot=[], begun=False)
        out('the machine boots; then 1,000 numbered frames a second')
        u = live.Update(t, 'vm' + end)
        u.go(rate=1000)
        out('')
        u.d.timeline('quiet', 10, draw=out)
        out('the same as a picture: %s' % os.path.relpath(u.d.svg))
        u.all_landed()
        u.translated()
        u.no_gap()
        return u

    t.echo = echo
    u = live.looks(t, look, out)
    at = dict((name, now) for now, name in reversed(list(u.d.marks())))
    sent, landed = u.d.inject['sent'], u.d.watch['landed']
    out('%d frames sent, %d landed, %d lost; longest gap %.1f ms; kernel downtime '
        '%.2f s' % (sent, landed, sent - landed, u.d.watch['longest_gap_ms'],
                    at['userland'] - at['jump']))
