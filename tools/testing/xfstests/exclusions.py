#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""List the tests of xfstests that do not pass on pkernfs, each with its reason.

    exclusions.py RESULTS... >exclusions

RESULTS is what the scenario xfstests has kept (XFSTESTS_RESULTS); of a test that is in more
than one, the last counts. It goes to standard output; how many of each class to standard error.
"""

import collections
import os
import re
import sys

FOLDER = os.path.dirname(os.path.realpath(__file__))
# By what a test says that is not run: the first that is found. What a memory filesystem
# cannot have, and then what tmpfs has not either.
_CLASSES = (
    ('reflink', r'[Rr]eflink|Dedupe|duperemove|cross-device copy'),
    ('quota', r'[Qq]uota'),
    ('swap', r'swapfile'),
    ('device', r'block disk|block device|block size|sector size|scsi_debug|LOGWRITES|LOGDEV'
               r'|FITRIM|FSTRIM|thin_check|atomic'),
    ('crypt', r'encrypt|fsverity|verity|inlinecrypt'),
    ('shutdown', r'shutdown'),
    ('map', r'fiemap|FIBMAP|fsmap'),
    ('exchange', r'exchangerange|swapext|startupdate|commitrange'),
    ('ranges', r'finsert|fcollapse|funshare'),
    ('dax', r'\bdax\b|chattr \+x'),
    ('size', r'too small|requires at least'),
    ('other', r''),
)
_HEAD = '''\
# Tests of the generic group of xfstests that do not pass on pkernfs, made by exclusions.py out of
# what the scenario xfstests has found. A line is a test, its class, what it does on the tmpfs
# of the bare kernel, and what it says on pkernfs.
#
# reflink, quota, swap, device: what a filesystem of memory cannot have
# crypt     encryption, verity            shutdown  an end as if the power had gone
# map       where blocks are              exchange  of ranges between files
# ranges    inserted, collapsed           dax       as an option of mount or a flag
# size      larger regions than there are
# other     what it says
# fails     it is run and fails, and says the same on tmpfs
# own       it is not run, and is on tmpfs: there should be none
# excluded  the list exclude has the reason
'''


def read(path):
    """What a run has found: {(filesystem, test): (how, why)}."""
    found = {}
    with open(path) as f:
        for line in f:
            fstyp, how, test, *why = line.split(None, 3)
            found[fstyp, test] = how, why[0].strip() if why else ''
    return found


def reasons(name):
    """{test: reason} of a list with reasons."""
    with open(os.path.join(FOLDER, name)) as f:
        return dict((line.split(None, 1) + [''])[:2] for line in map(str.strip, f)
                    if line and not line.startswith('#'))


def kind(ours, bare):
    """The class of a test that does not pass, by how it ends here and on tmpfs."""
    how, why = ours
    if how == 'fail':
        return 'fails'
    if bare[0] in ('pass', 'fail'):
        return 'own'
    return next(name for name, said in _CLASSES if re.search(said, why))


def listed():
    """{test: class} as the list of exclusions has it."""
    return {test: rest.split()[0] for test, rest in reasons('exclusions').items()}


def lines(found):
    """The list: (test, class, how on tmpfs, why) of each test that does not pass."""
    tests = sorted(test for fstyp, test in found if fstyp == 'pkernfs')
    for test in tests:
        how, why = found['pkernfs', test]
        if how == 'pass':
            continue
        bare = found.get(('tmpfs', test), ('unknown', ''))
        yield test, kind((how, why), bare), bare[0], why
    for test, why in reasons('exclude').items():
        yield test, 'excluded', '-', why


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith('-'):
        print(__doc__.strip())
        return sys.argv[1:] != ['--help']
    found = {}
    for path in sys.argv[1:]:
        found.update(read(path))
    count = collections.Counter()
    out = []
    for test, name, bare, why in sorted(lines(found)):
        out.append('%s %-9s %-6s %s\n' % (test, name, bare, why))
        count[name] += 1
    sys.stdout.write(_HEAD + ''.join(out))
    count['pass'] = sum(how == 'pass' for (fstyp, _), (how, _) in found.items()
                        if fstyp == 'pkernfs')
    for name, n in count.most_common():
        print('%5d %s' % (n, name), file=sys.stderr)
    return 0


if __name__ == '__main__':
    sys.exit(main())
