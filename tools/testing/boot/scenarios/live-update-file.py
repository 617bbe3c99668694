# SPDX-License-Identifier: GPL-2.0
"""A live update by kexec -s, at the top of RAM, into a kernel that wipes memory (S2).

The region is the last RAM of the machine. The next kernel overwrites all its
free memory before it looks at any device (memtest=): what would still point into
the first kernel's memory does not live through that unseen. The filesystem is
unmounted before the kexec, as an init system does it.
"""

from pkboot import live
from pkboot.result import Failure

KERNEL = 'test'
ALONE = True
MEMORY = '3G'           # q35: 2 GiB below 4 GiB, 1 GiB from there on
PKERNFS = '256M@4864M'
DEVICES = live.DEVICES
APPEND = live.APPEND
K2_APPEND = 'memtest=1'
TRACE = ('pci_cfg_write', 'vtd_dmar_fault')
STAGES = 2
TIMEOUT = 120
GUEST = live.guest(load='-s', before=r'''
	grep -q '^ *130000000-13fffffff : pkernfs' /proc/iomem ||
		fail "no region at the last of the memory: $(cat /proc/iomem)"
''', gone=r'''
	umount /mnt || fail "umount under a frozen device: $?"
	want_state detached
''')


def run(t):
    u = live.steady(t, rate=1060)
    u.never_cleared()
    if not any('early_memtest' in text for _, text in u.m.console.lines):
        raise Failure('the next kernel has not overwritten its memory')
