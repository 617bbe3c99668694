# SPDX-License-Identifier: GPL-2.0
"""Control: if opening the device resets it, the update fails (S3)."""

from pkboot import live

KERNEL = 'test'
LIKE = live
VARIANTS = live.IGB
APPEND = live.APPEND + ' pkernfs_test=vfioreset'
STAGES = 2
TIMEOUT = 60
K2_APPEND = live.NO_DRIVER
GUEST = live.guest()


def why(u):
    lost = u.d.watch['landed'] < u.d.inject['sent']
    if 'igb' in u.t.s.NEEDS:
        return lost and any('the device lost its ring' in text
                            for _, text in u.m.console.lines)
    # A model without FLR keeps its ring through the reset, and loses the bus.
    return lost or u.d.polled()['master_drops']


def run(t):
    live.must_fail(t, why)
