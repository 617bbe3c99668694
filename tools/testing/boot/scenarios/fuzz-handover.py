# SPDX-License-Identifier: GPL-2.0
"""100,000 damaged handovers before the code that validates them, in userspace."""

import os

from pkboot import env

KERNEL = None
QUICK = False
RUNS = 100000


def run(t):
    folder = os.path.join(env.OUT, 'bin', 'fuzz')
    os.makedirs(folder, exist_ok=True)
    out = t.command([os.path.join(env.REPO, 'tools/testing/fuzz/build.sh'), 'replay', folder])
    out = t.command([out.strip().split('\n')[-1], str(RUNS)])
    t.check('%d runs: ' % RUNS in out, 'not all of them were run: ' + out[-200:])
    t.note(out.strip().split('\n')[-1])
