# SPDX-License-Identifier: GPL-2.0
"""Frames go on landing in guest RAM through kexec -l; kexec -e (S1)."""

from pkboot import dma, live

KERNEL = 'release'
MEMORY = live.MEMORY
PKERNFS = live.PKERNFS
DEVICES = (dma.NIC,)
APPEND = 'earlycon=uart,io,0x3f8,115200'
STAGES = 2
TIMEOUT = 120
GUEST = live.LOAD + live.STAGES


def run(t):
    u = live.Update(t)
    u.begin(rate=1000)
    u.freeze()
    u.leave()
    u.resume()
    u.end()
    u.judge(ratio=3)
