# SPDX-License-Identifier: GPL-2.0
"""Control: if opening the device resets it, the update fails (S3)."""

from pkboot import live

CHECK = False           # not run on the whole of the tree yet
KERNEL = 'debug'
MEMORY = live.MEMORY
PKERNFS = live.PKERNFS
DEVICES = live.DEVICES
APPEND = live.APPEND + ' pkernfs_test=vfioreset'
STAGES = 2
TIMEOUT = 180
IGNORE = (r'DMAR: DRHD: handling fault', r'DMAR: \[DMA Write')
GUEST = live.guest()


def why(u):
    return u.d.watch['landed'] < u.d.inject['sent']


def run(t):
    live.must_fail(t, why)
