# SPDX-License-Identifier: GPL-2.0
"""Control: without the bus-master hook DMA pauses, and the update fails (S3)."""

from pkboot import live

KERNEL = 'test'
LIKE = live
APPEND = live.APPEND + ' pkernfs_test=nobm'
STAGES = 2
TIMEOUT = 60
K2_APPEND = live.NO_DRIVER
GUEST = live.guest()


def why(u):
    return u.d.polled()['master_drops']


def run(t):
    live.must_fail(t, why)
