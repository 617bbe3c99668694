# SPDX-License-Identifier: GPL-2.0
"""Operations stopped after each of their stores: fsck and the load agree on what is left.

In userspace, with the operations of KUnit's suite of the redo log (kunit-journal), which
has the kernel's load look at the same, and not fsck.
"""

import re

from pkboot import goldens

KERNEL = None
QUICK = False


def run(t):
    out = t.command([goldens.build(what='crash')]).strip().split('\n')[-1]
    hit = re.match(r'(\d+) operations, (\d+) regions, (\d+) with an operation to be finished$',
                   out)
    t.check(hit, 'it says: ' + out)
    operations, regions, logs = map(int, hit.groups())
    # Of each there are four without: two before the commit, two when all is done.
    t.check(regions > 100 * operations and logs == regions - 4 * operations,
            'of %d regions %d had something in the log' % (regions, logs))
    t.note(out)
