#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A live update to watch: a NIC's DMA goes on while the kernel under it changes.

Runs the scenario live-update, tells the phases as they pass, then draws when
frames landed. The last line sums it up; the exit code is that of the scenario.
"""

import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

from pkboot import env, live, scenario  # noqa: E402
from pkboot.result import Failure  # noqa: E402

PHASES = {
    'quiet': 'the guest runs, frames come in',
    'freeze': 'the device goes to its fixed domain',
    'quiesce': 'its interrupts are masked',
    'save': 'the VMM saves its state',
    'gone': 'the VMM has gone, the device has not',
    'jump': 'kexec',
    'userland': 'the next kernel is up',
    'attach': 'a new VMM proves the same translation and attaches',
    'resumed': 'the guest goes on',
    'end': 'nothing is special any more',
}


def echo(now, text):
    hit = re.search(r'PHASE (\S+)', text)
    if hit and hit.group(1) in PHASES:
        print('%8.2f s  %-10s %s' % (now, hit.group(1), PHASES[hit.group(1)]), flush=True)
    elif re.search(r'handing over \d|handover found|entered in this kernel|ordinary device again',
                   text):
        print('%8.2f s  %-10s %s' % (now, '', re.sub(r'^\[ *[\d.]+\] ', '', text)), flush=True)


def main():
    found = [s for s in scenario.load_all() if s.name == 'live-update']
    print('building the kernel, if there is something to build', flush=True)
    env.kernel(found[0].KERNEL)
    t = scenario.Test(found[0], echo)
    u = live.Update(t)
    why = ''
    try:
        u.go(rate=1000)
        u.no_gap(draw=True)
        u.all_landed()
        u.translated()
    except Failure as e:
        why = str(e)
        u.settle()
    finally:
        t.end()
    if why:
        print('FAILED: ' + why)
    if not u.d.inject or not u.d.watch:
        return 1
    at = {m.group(1): now for now, text in u.m.console.lines
          for m in [re.search(r'PHASE (\S+)', text)] if m}
    down = at.get('userland', 0) - at.get('jump', 0)
    sent, landed = u.d.inject['sent'], u.d.watch['landed']
    print('timeline: ' + u.d.svg)
    print('%d frames sent, %d landed, %d lost, longest gap %.1f ms, kernel downtime %.1f s' %
          (sent, landed, sent - landed, u.d.watch['longest_gap_ms'], down))
    return 1 if why or sent != landed else 0


if __name__ == '__main__':
    sys.exit(main())
