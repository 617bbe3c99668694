# SPDX-License-Identifier: GPL-2.0
"""CPUs that are stopped at kexec hold the remapping unit's locks: the update goes on.

By a knob of the test kernel. The locks are those of the registers and of the invalidation
queue, which is full as well; that of the registers is also what the kernel takes first, for
protected memory regions.
"""

from pkboot import live

KERNEL = 'test'
VARIANTS = live.SCALABLE
LIKE = live
APPEND = live.APPEND + ' pkernfs_test=stuck-locks'
K2_APPEND = 'pkernfs_test='
STAGES = 2
TIMEOUT = 60
QUICK = False
GUEST = live.guest()


def run(t):
    u = live.Update(t)
    u.go(rate=300)
    t.check(any('pkernfs: TEST: locks of dmar0 are taken' in text
                for _, text in u.m.console.lines), 'no lock was taken')
    u.all_landed()
    u.no_gap(ratio=1, floor_ms=live.SHARED_MS)
    u.translated()
