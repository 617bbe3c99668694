# SPDX-License-Identifier: GPL-2.0
"""100,000 damaged regions before the code that loads them and before fsck, in userspace."""

from pkboot import goldens

KERNEL = None
QUICK = False
RUNS = 100000


def run(t):
    out = t.command([goldens.build(), str(RUNS)])
    t.check('%d runs: ' % RUNS in out, 'not all of them were run: ' + out[-200:])
    t.note(out.strip().split('\n')[-1])
