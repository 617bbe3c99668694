# SPDX-License-Identifier: GPL-2.0
"""A region of 512 GiB costs as much as one of 1 GiB: load, mount, statfs, create, umount.

In guest instructions (QEMU's -icount). The memory is a sparse file. A claim of the
region's device drops what mkfs has loaded, and its end loads it again.
"""

import re

from pkboot import dma, selftests

KERNEL = 'release'
DEVICES = ('-icount shift=0,sleep=off',)
# More RAM than the 39 bits that are the default.
IOMMU = 'intremap=on,aw-bits=48'
APPEND = 'loglevel=6'       # the serial line would be a part of what is measured
TIMEOUT = 60
MANUAL = True

_SMALL, _LARGE = 1, 512     # GiB
_STEPS = 'load', 'mount', 'statfs', 'create', 'umount'

GUEST = r'''
stage1() {
	mkfs.pkernfs -q region0 || fail "mkfs"
	bench mount region0 /mnt /dev/pkernfs0 >/tmp/cost || fail "bench: $(cat /tmp/cost)"
	while read -r line; do say "$line"; done </tmp/cost
	say "INODES $(cat $region/inodes)"
	sleep 1
}
'''


def costs(t, gib):
    m = t.machine('size-%d' % gib, smp=1, memory='%dG' % (4 + gib), pkernfs='%dG@4G' % gib,
                  files=selftests.vfio_files('bench') + [('/bin/mkfs.pkernfs', dma.ctl())])
    m.start().finish()
    text = '\n'.join(line for _, line in m.console.lines)
    return {step: int(re.search(r'BENCH mount %s (\d+)' % step, text).group(1))
            for step in _STEPS}


def run(t):
    small, large = costs(t, _SMALL), costs(t, _LARGE)
    ratios = {step: large[step] / small[step] for step in _STEPS}
    t.note(', '.join('%s %.3f and %.3f' % (s, small[s] / 1e6, large[s] / 1e6)
                     for s in _STEPS) + ' * 10^6 instructions')
    for step, ratio in ratios.items():
        t.check(ratio <= 2, '%s: %.2f of it' % (step, ratio))
