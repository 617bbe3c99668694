# SPDX-License-Identifier: GPL-2.0
"""Control: if opening the device resets it, the update fails (S3)."""

from pkboot import live

KERNEL = 'test'
LIKE = live
APPEND = live.APPEND + ' pkernfs_test=vfioreset'
STAGES = 2
TIMEOUT = 60
K2_APPEND = live.NO_DRIVER
GUEST = live.guest()


def why(u):
    # A model without FLR keeps its ring through the reset, and loses the bus.
    return u.d.watch['landed'] < u.d.inject['sent'] or \
        u.d.polled()['master_drops']


def run(t):
    live.must_fail(t, why)
