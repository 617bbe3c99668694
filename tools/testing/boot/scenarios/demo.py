# SPDX-License-Identifier: GPL-2.0
"""What make demo shows: each phase as it passes, the timeline, its last line."""

import os
import re

from pkboot import demo, live
from pkboot.result import Failure

KERNEL = 'release'
LIKE = live
QUICK = False
ALONE = True
STAGES = 2
TIMEOUT = 120
GUEST = live.guest()


def run(t):
    lines = []
    demo.show(t, lines.append)
    shown = [hit.group(1) for hit in (re.match(r' *[\d.]+ s  (\w+) ', s) for s in lines) if hit]
    if shown != list(demo.PHASES):
        raise Failure('phases shown: %s' % ' '.join(shown))
    last = re.fullmatch(r'(\d+) frames sent, (\d+) landed, 0 lost; longest gap [\d.]+ ms; '
                        r'kernel downtime [\d.]+ s', lines[-1])
    if not last or last.group(1) != last.group(2) or int(last.group(1)) < 5000:
        raise Failure('the last line: ' + lines[-1])
    drawn = '\n'.join(lines).split('frames landed per ')[1:]
    if len(drawn) != 1 or not re.search(r'\^jump\b', drawn[0]) or '\u2588' not in drawn[0]:
        raise Failure('there is no timeline with the jump in it')
    picture = [s for s in lines if s.startswith('the same as a picture: ')][0].split(': ')[1]
    with open(os.path.join(picture)) as f:
        svg = f.read()
    if '<svg' not in svg or 'jump' not in svg:
        raise Failure('%s is no picture of a kexec' % picture)
    t.note(lines[-1])
