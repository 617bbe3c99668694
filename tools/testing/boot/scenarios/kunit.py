# SPDX-License-Identifier: GPL-2.0
"""The KUnit suites pass: each by its name, each case.

The verdict is taken from the KTAP lines on the console. A suite that was not
built or did not run cannot fail, so their names are given here, and each has
to have run as many cases as it announced. The slow one, which stops operations after
each single of their stores, takes as long as all others: it is a variant.
"""

import re

MEMORY = '1G'
PKERNFS = '18M@512M'        # some cases look at a region of this boot
KUNIT = True
APPEND = 'kunit.filter_glob=pkernfs[-_]* kunit.filter=speed>very_slow'
TIMEOUT = 120

SUITES = {'pkernfs_boot', 'pkernfs_region', 'pkernfs_pci', 'pkernfs_second_stage',
          'pkernfs_check', 'pkernfs_fuzz', 'pkernfs_units', 'pkernfs-format',
          'pkernfs-damage', 'pkernfs-alloc', 'pkernfs-bad', 'pkernfs-table',
          'pkernfs-symlink', 'pkernfs-journal', 'pkernfs-window', 'pkernfs-busy'}
# Wants granules of 1 GiB: huge-tables.py.
ELSEWHERE = ('pkernfs_test_tables',)
# Said twice, the second one counts.
VARIANTS = {'journal': {'APPEND': 'kunit.filter_glob=pkernfs-journal kunit.filter=speed<slow',
                        'TIMEOUT': 240, 'QUICK': False}}

# They have run before init starts.
GUEST = r'''
stage1() {
	:
}
'''


def ktap(lines):
    """Suites and their cases: {name: (cases announced, [(case, ok, skipped)])}."""
    found, plan, cases = {}, 0, []
    for line in lines:
        hit = re.match(r'(?:\[ *[\d.]+\] )?( *)(not ok|ok|1\.\.)(?: )?(\d+)(?: (\S+))?(.*)', line)
        if not hit:
            continue
        indent, what, number, name, rest = hit.groups()
        if what == '1..':
            if len(indent) == 4:
                plan, cases = int(number), []
        elif len(indent) == 4:
            cases.append((name, what == 'ok', '# SKIP' in rest))
        elif not indent and name:
            # A suite says so itself when one of its cases has failed.
            found[name] = (plan, cases + [(name, what == 'ok', '# SKIP' in rest)])
            plan, cases = 0, []
    return found


def run(t):
    m = t.machine().start()
    m.finish()
    for _, text in m.console.lines:
        t.check(not re.match(r'(\[ *[\d.]+\] )? *not ok ', text), text)
    found = ktap(text for _, text in m.console.lines)
    want = {'pkernfs-journal'} if t.s.name == 'kunit-journal' else SUITES
    t.check(set(found) == want, 'missing: %s; not known here: %s' %
            (', '.join(sorted(want - set(found))) or 'none',
             ', '.join(sorted(set(found) - want)) or 'none'))
    for suite, (plan, cases) in found.items():
        for case, good, skipped in cases:
            t.check(good, '%s: %s failed' % (suite, case))
            t.check(skipped == (case in ELSEWHERE), '%s: %s was %sskipped' %
                    (suite, case, 'not ' * (not skipped)))
        t.check(plan and len(cases) - 1 == plan, '%s: %d cases of %d' %
                (suite, len(cases) - 1, plan))
    t.note('%d suites, %d cases' % (len(found), sum(p for p, _ in found.values())))
