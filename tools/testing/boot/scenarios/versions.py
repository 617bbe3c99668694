# SPDX-License-Identifier: GPL-2.0
"""A live update to a kernel of another version, and one from it (S1).

OTHER=X.Y or OTHER=/path names its source: Debian's 7.2 if not given. Each way twice,
by kexec_load and by kexec_file_load, which has to find our mark in the other's image.
"""

import re

from pkboot import live

KERNEL = 'release'
K2_KERNEL = 'release@other'
VARIANTS = {
    'scalable': live.SCALABLE['scalable'],
    'debug': {'KERNEL': 'debug', 'K2_KERNEL': 'debug@other', 'TIMEOUT': 180},
}
ALONE = True
LIKE = live
TRACE = ('pci_cfg_write', 'vtd_dmar_fault')
STAGES = 2
TIMEOUT = 120
# It wants kernels that nothing else wants.
MANUAL = True


def releases(u):
    """Of the kernels that ran, by their own word."""
    said = (re.search(r'Linux version (\S+)', text) for _, text in u.m.console.lines)
    return [hit.group(1) for hit in said if hit]


def update(t, k1, k2, load):
    """There or back: the releases of the two kernels."""
    u = live.steady(t, 1060, k1.replace('@', '-') + load, kernel=k1, k2_kernel=k2,
                    guest=live.guest(load))
    u.never_cleared()
    ran = releases(u)
    t.note('%s, kexec %s' % (' to '.join(ran), load))
    return ran


def run(t):
    ours, other = t.s.KERNEL, t.s.K2_KERNEL
    for load in '-c', '-s':
        there = update(t, ours, other, load)
        back = update(t, other, ours, load)
        t.check(len(set(there)) == 2, 'both kernels are %s' % there[0])
        t.check(there == back[::-1], 'not the same kernels in both ways')
