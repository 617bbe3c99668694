# SPDX-License-Identifier: GPL-2.0
"""100,000 damaged regions before the code that loads them and before fsck, in userspace.

Half of them have granules of 1 GiB.
"""

from pkboot import goldens

KERNEL = None
QUICK = False
RUNS = 100000


def run(t):
    program = goldens.build()
    for huge in [], ['-H']:
        out = t.command([program, *huge, str(RUNS // 2)])
        t.check('%d runs: ' % (RUNS // 2) in out, 'not all of them were run: ' + out[-200:])
        t.note(out.strip().split('\n')[-1])
