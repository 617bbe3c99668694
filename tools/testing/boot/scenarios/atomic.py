# SPDX-License-Identifier: GPL-2.0
"""The replace is one CMPXCHG16B, with a lock: the instruction itself (S6).

What no emulator can show, that hardware never sees half of an entry, rests on it.
"""

import os
import re

from pkboot import env

KERNEL = 'release'


def run(t):
    build = env.kernel(KERNEL).split('/arch/x86/')[0]
    code = t.command([env.which('objdump'), '-d', '--no-show-raw-insn', os.path.join(
        build, 'drivers/iommu/intel/pkernfs_entry.o')])
    body = re.findall(r'<(pkernfs_\w+)>:\n((?:\s+[0-9a-f]+:.*\n)+)', code)
    at = [(name, text) for name, text in body if 'cmpxchg16b' in text]
    t.check(len(at) == 1 and at[0][1].count('lock cmpxchg16b') == 1 and
            at[0][1].count('cmpxchg16b') == 1,
            'CMPXCHG16B is in %s' % ([name for name, _ in at] or 'no function'))
    t.note('lock cmpxchg16b in %s' % at[0][0])
