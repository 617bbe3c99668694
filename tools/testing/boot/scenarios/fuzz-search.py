# SPDX-License-Identifier: GPL-2.0
"""libFuzzer looks for damaged regions and handovers that are not borne, or believed; half a minute each.

What it finds is kept, and so is what it learns: tools/testing/fuzz/README.rst. Without
clang it is skipped.
"""

import os
import re

from pkboot import env

KERNEL = None
QUICK = False
SECONDS = 30


def search(t, what):
    out = t.command(['sh', '-c', 'WHAT=%s "$@" || { [ $? = 4 ] && echo not to be had; }' % what,
                     'sh', os.path.join(env.REPO, 'tools/testing/fuzz/run.sh'), str(SECONDS)])
    if out.endswith('not to be had\n'):
        t.skip('no clang with libFuzzer')
    units = re.search(r'^stat::number_of_executed_units: (\d+)$', out, re.M)
    found = re.findall(r' cov: (\d+) ', out)
    t.check(units and found and int(units.group(1)) > 1000, 'it has not searched: ' + out[-200:])
    t.note('%s: %s runs, %s edges' % (what, units.group(1), found[-1]))


def run(t):
    env.which('clang')
    for what in 'handover', 'region':
        search(t, what)
