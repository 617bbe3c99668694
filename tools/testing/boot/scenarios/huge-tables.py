# SPDX-License-Identifier: GPL-2.0
"""Shared page tables of struct pages: made and unmade by mkfs, and each page is whole.

The tables are shared when a region is mapped, and made anew before mkfs maps it in another
way: both over and over here. In the next kernel KUnit lets it fail for want of memory, and
looks at each page of the region. What is saved by it: bench.py.
"""

from pkboot import dma
from pkboot.result import Failure

STAGES = 2
KERNEL = 'release'
K2_KERNEL = 'debug'
KUNIT = True
APPEND = 'kunit.filter_glob=pkernfs_region'
MEMORY = '6G'
PKERNFS = '3074M@4G'
TIMEOUT = 180
QUICK = False
_CYCLES = 8


def FILES():
    return dma.files(pkernfs=True)


_SCRIPT = r'''
cycle() {
	mkfs.pkernfs -q -f -H 1 region0 || fail "mkfs -H 1"
	mkfs.pkernfs -q -f -H 2 region0 || fail "mkfs -H 2"
}
stage1() {
	for i in $(seq %d); do cycle; done
	mkfs.pkernfs -q -f -H %d region0 || fail "mkfs -H %d"
	kexec_load_next -c
	kexec_jump
}
stage2() {
	[ "$(cat $region/huge)" = %d ] || fail "not so many granules"
	mkfs.pkernfs -q -f -H %d region0 || fail "mkfs"
}
'''
GUEST = _SCRIPT % (_CYCLES, 2, 2, 2, 1)
# Only a run of one granule is such that it could be shared once more when it is already.
VARIANTS = {'one': {'GUEST': _SCRIPT % (1, 1, 1, 1, 2)}}


def run(t):
    m = t.machine().start().finish()
    for what in 'ok 1 pkernfs_region', 'ok 5 pkernfs_test_tables':
        # Not one that was skipped, of which it says so behind the name.
        if not any(text.endswith(' ' + what) and 'not ok' not in text
                   for _, text in m.console.lines):
            raise Failure('KUnit does not say: ' + what)
