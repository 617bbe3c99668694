# SPDX-License-Identifier: GPL-2.0
"""An NVMe controller with slow disks, and eyes on the buffers that it fills.

What is on the disks, and which command reads which part of it into which buffer, is
as in tools/pkernfs-vmm/nvme.c. A scenario puts QEMU into its DEVICES, and in run(t):

    m = t.machine()
    d = disk.Disks(m, commands=400)
    m.start()
    d.watch(m.wait('PHASE frozen')[0])  # after INFO, whose ranges are looked up
    d.rate(10)                          # commands a second, of each disk
    ...
    d.stop()
    d.landed                            # {read: seconds since the machine's start}

QEMU translates the buffer of an ordinary read when it is submitted, and the data go
there later. With protection information it translates when it has the data; and what
it compares, it fetches then. So there are two disks, one of each kind. Guest RAM must
be mapped by 4 KiB leaves, or the trace does not tell which page was meant.
"""

import mmap
import os
import re
import struct
import threading
import time

from . import selftests
from .result import Failure

BDF = '0000:00:05.0'
QUEUES = 32
RATE = 200          # of the first disk, at first
TRACE = 'pci_nvme_irq_msix', 'vtd_dmar_translate'
QEMU = (
    '-drive file={tmp}/disk1,if=none,id=d1,format=raw,throttling.iops-total=%d' % RATE,
    # Its metadata are read when all data have been: they take a request of their own.
    '-drive file={tmp}/disk2,if=none,id=d2,format=raw,throttling.iops-total=%d' % (4 * RATE),
    '-device nvme,id=nvme0,serial=pkernfs,max_ioqpairs=%d,addr=5.0' % QUEUES,
    '-device nvme-ns,drive=d1,bus=nvme0,nsid=1',
    '-device nvme-ns,drive=d2,bus=nvme0,nsid=2,ms=8,pi=1')

_M64 = (1 << 64) - 1
_BUF_OFF, _BUF, _PAGE = 0x800000, 0x4000, 0x1000
_SPAN = 3 * _PAGE       # of the disk, for each command
_KINDS = 3              # a read, a comparison, a read of the other disk


def _word(nsid, k):
    z = ((nsid << 56) + k + 1) * 0x9e3779b97f4a7c15 & _M64
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9 & _M64
    z = (z ^ z >> 27) * 0x94d049bb133111eb & _M64
    return z ^ z >> 31


class Read:
    """What command n of the guest does; None of this is asked of the guest."""

    def __init__(self, n):
        self.n = n
        self.kind = n % _KINDS
        self.nsid = 2 if self.kind == 2 else 1
        self.pages = 1 + n // _KINDS % 3
        first = n * _SPAN // 8
        self.data = struct.pack('<%dQ' % (self.pages * _PAGE // 8), *(
            _word(self.nsid, k) for k in range(first, first + self.pages * _PAGE // 8)))

    def page(self, p):
        """Offset in guest RAM."""
        return _BUF_OFF + self.n * _BUF + (self.n + 3 * p) % 4 * _PAGE


class Disks:
    def __init__(self, machine, commands, away=()):
        """away: commands that are none of the guest's: they read to where RAM is not."""
        self.m = machine
        self.landed = {}
        self._reads = [Read(n) for n in range(commands)]
        self._end = threading.Event()
        self._thread = None
        for nsid in 1, 2:
            with open(os.path.join(machine.tmp, 'disk%d' % nsid), 'wb') as f:
                for r in self._reads:
                    if r.nsid == nsid:
                        f.seek(r.n * _SPAN)
                        f.write(r.data)
                # Room for eight bytes more a block, behind all data.
                f.truncate(commands * _SPAN * 66 // 64 + (1 << 20))
        # A comparison is of the guest's data: there is nothing to be seen of it.
        self._reads = [r for r in self._reads if r.kind != 1 and r.n not in away]
        self.reads = len(self._reads)

    def rate(self, first, second=None):
        q = self.m.qmp()
        for name, per_second in ('d1', first), ('d2', second or first):
            q.command('block_set_io_throttle', device=name, iops=per_second, iops_rd=0,
                      iops_wr=0, bps=0, bps_rd=0, bps_wr=0)
        q.close()

    def watch(self, until):
        """Look at the buffers all the time; where they are, lines up to until say."""
        self._ranges = ranges = []
        for _, text in self.m.console.lines[:until]:
            hit = re.search(r'RANGE iova=(\w+) bytes=(\w+) phys=(\w+)', text)
            if hit:
                ranges.append([int(g, 16) for g in hit.groups()])
        if not ranges:
            raise Failure('the guest has not said where its RAM is')
        with open(self.m.ram, 'rb') as f:
            self._ram = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
        for r in self._reads:
            r.at = [selftests.ram_offset(self.m, self._phys(ranges[0][0] + r.page(p)))
                    for p in range(r.pages)]
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _phys(self, iova):
        for start, count, phys in self._ranges:
            if start <= iova < start + count:
                return phys + iova - start
        raise Failure('IOVA %#x is not mapped' % iova)

    def _there(self, r):
        """Is the last word of each page there?"""
        return all(self._ram[at + _PAGE - 8:at + _PAGE] ==
                   r.data[(p + 1) * _PAGE - 8:(p + 1) * _PAGE]
                   for p, at in enumerate(r.at))

    def _look(self):
        while not self._end.wait(0.01):
            for r in self._reads:
                if r.n not in self.landed and self._there(r):
                    self.landed[r.n] = time.monotonic() - self.m.console.start

    def wait(self, enough):
        """Until enough(landed) is true."""
        while not enough(self.landed):
            if time.monotonic() > self.m.deadline or self.m.console.done:
                self.m.finish()     # names the reason, if it knows a better one
                raise Failure('only %d reads have landed' % len(self.landed))
            time.sleep(0.02)

    def stop(self):
        """No more looks, but one at every byte: returns the reads that are wrong."""
        self._end.set()
        self._thread.join()
        return [r.n for r in self._reads if r.data != b''.join(
            self._ram[at:at + _PAGE] for at in r.at)]

    def raised(self, begin=0, end=float('inf')):
        """Interrupts that the controller has raised, by vector."""
        count = [0] * (QUEUES + 1)
        for text in self.m.trace('pci_nvme_irq_msix', begin, end):
            count[int(text.split()[-1])] += 1
        return count

    def translated(self, begin=0, end=float('inf')):
        """Pages of buffers that the remapping unit was asked for, by kind of command.

        What it said must be the page that INFO had told.
        """
        count = [0] * _KINDS
        base = self._ranges[0][0] + _BUF_OFF
        for text in self.m.trace('vtd_dmar_translate', begin, end):
            hit = re.match(r'dev 00:05.00 iova (\w+) -> gpa (\w+) mask 0xfff$', text)
            if not hit:
                raise Failure('not of the controller, or not of 4 KiB: ' + text)
            iova, phys = (int(g, 16) for g in hit.groups())
            if phys != self._phys(iova):
                raise Failure('misdirected: ' + text)
            if iova >= base:
                count[(iova - base) // _BUF % _KINDS] += 1
        return count
