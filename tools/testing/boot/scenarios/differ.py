# SPDX-License-Identifier: GPL-2.0
"""A live update from a kernel with every check to one with none, and back (S1).

And to one that has more to do with memory that outlives it: kexec handover.
"""

from pkboot import live

KERNEL = 'debug'
K2_KERNEL = 'release'
VARIANTS = {
    'back': {'KERNEL': 'release', 'K2_KERNEL': 'debug'},
    # Its flavour is one that only peers wants.
    'kho': {'KERNEL': 'release', 'K2_KERNEL': 'peers-hooked', 'MANUAL': True,
            'K2_APPEND': 'kho=on liveupdate=on kho_scratch=64M,64M,0M'},
}
LIKE = live
STAGES = 2
TIMEOUT = 90
QUICK = False
GUEST = live.guest()


def run(t):
    u = live.Update(t)
    u.go(rate=400)
    u.all_landed()
    u.translated()
