# SPDX-License-Identifier: GPL-2.0
"""A region seen, and damaged, from outside of the machine.

Offsets are those of include/uapi/linux/pkernfs_format.h, which asserts them.
"""

import mmap
import struct

from .result import Failure

BLOCK = 4096
KNOWN = (1 << 30) - 1       # features that a kernel of today may have
SB_MAGIC = 0x53464e52454b50
RECORD_MAGIC = 0x43524b50
HANDOVER_MAGIC = 0x4f484b50
BAD_MAGIC = 0x44424b50
AREAS = 'journal', 'inodes', 'records', 'handover', 'pool', 'data'


def _crc_table():
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82f63b78 if n & 1 else 0)
        yield n


_CRC = tuple(_crc_table())


def crc32c(data):
    """As the format has it: seed ~0, nothing inverted at the end."""
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xff]
    return crc


def bad_list(*pages):
    """The block that lists these pages as bad."""
    rest = struct.pack('<QQII', 0, 0, 0, len(pages)) + struct.pack('<%dQ' % len(pages), *pages)
    rest += bytes(BLOCK - 8 - len(rest))
    return struct.pack('<II', BAD_MAGIC, crc32c(rest)) + rest


class Part:
    """A static struct with features: what its writer would have made of it."""

    def __init__(self, region, at, start, version, compat, crc):
        self.r, self.at, self.start, self.crc = region, at, start, crc
        self.version, self.compat, self.incompat = version, compat, compat + 8
        if self.sum() != region.u32(at + crc):
            raise Failure('the checksum at %#x is not where it should be' % at)

    def sum(self):
        base = self.r.base + self.at
        return crc32c(self.r.map[base + self.start:base + self.crc])

    def write(self, version=1, compat=0, incompat=0):
        self.r.put32(self.at + self.version, version)
        self.r.put64(self.at + self.compat, compat)
        # Beside those that are in use
        self.r.put64(self.at + self.incompat,
                     self.r.u64(self.at + self.incompat) & KNOWN | incompat)
        self.r.put32(self.at + self.crc, self.sum())


class Region:
    """Of a machine whose RAM up to its end lies below 4 GiB (2 GiB at most)."""

    def __init__(self, machine, span):
        size, base = (int(t[:-1]) << 20 for t in span.split('@'))
        self.machine, self.base, self.size = machine, base, size
        with open(machine.ram, 'r+b') as f:
            self.map = mmap.mmap(f.fileno(), 0)
        if self.u64(0) != SB_MAGIC:
            raise Failure('there is no superblock at the region\'s start')
        self.area = {}
        for i, name in enumerate(AREAS):
            self.area[name] = struct.unpack_from('<QQ', self.map,
                                                 base + 112 + 16 * i)

    def u32(self, offset):
        return struct.unpack_from('<I', self.map, self.base + offset)[0]

    def u64(self, offset):
        return struct.unpack_from('<Q', self.map, self.base + offset)[0]

    def flip(self, offset, bit=0):
        """Change one bit; returns what the byte was."""
        was = self.map[self.base + offset]
        self.map[self.base + offset] = was ^ (1 << bit)
        return was

    def put32(self, offset, value):
        struct.pack_into('<I', self.map, self.base + offset, value)

    def put64(self, offset, value):
        struct.pack_into('<Q', self.map, self.base + offset, value)

    def blocks(self, name):
        """Offsets of the blocks of an area."""
        start, count = self.area[name]
        return (n * BLOCK for n in range(start, start + count))

    def record(self, rid=None):
        """Offset of the first device record that is in use, or of that for this device."""
        for at in self.blocks('records'):
            if self.u32(at) == 1 and self.u32(at + 8) == RECORD_MAGIC and \
                    rid in (None, self.u32(at + 48) >> 16):
                return at
        raise Failure('no device record is in use')

    def handover(self, unit=None):
        """Offset of the first handover header, or of that of this unit."""
        for at in self.blocks('handover'):
            if self.u32(at) == HANDOVER_MAGIC and unit in (None, self.u64(at + 64)):
                return at
        raise Failure('there is no handover header')

    def last_superblock(self):
        return self.size - BLOCK

    def superblocks(self):
        return [Part(self, at, 0, 8, 16, 276) for at in (0, self.last_superblock())]

    def record_part(self):
        return Part(self, self.record(), 8, 12, 16, 700)

    def handover_part(self):
        return Part(self, self.handover(), 0, 4, 8, 340)

    def close(self):
        self.map.close()
