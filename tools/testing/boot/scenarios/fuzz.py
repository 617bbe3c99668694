# SPDX-License-Identifier: GPL-2.0
"""100,000 damaged handovers under KASAN; half an hour and more, so by its name only.

A small number of them is part of kunit; the same number runs in userspace in
fuzz-handover. After a failure "seed N" on the console says which one it was:
pkernfs_fuzz_kunit.seed=N pkernfs_fuzz_kunit.runs=1.
"""

import re

MEMORY = '1G'
PKERNFS = '18M@512M'
KUNIT = True
MANUAL = True
TIMEOUT = 7200
RUNS = 50000                # in each mode
APPEND = 'kunit.filter_glob=pkernfs_fuzz kunit.timeout=3600 pkernfs_fuzz_kunit.runs=%d' % RUNS

GUEST = r'''
stage1() {
	:
}
'''


def run(t):
    m = t.machine().start()
    m.finish()
    modes = 0
    for _, text in m.console.lines:
        t.check(not re.search(r'\bnot ok \d+ pkernfs_fuzz', text), text)
        hit = re.search(r'# pkernfs_fuzz_(\w+): (%d runs: .*)' % RUNS, text)
        if hit:
            modes += 1
            t.note('%s: %s' % hit.groups())
    t.check(modes == 2, '%d of 2 modes ran' % modes)
