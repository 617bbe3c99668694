# SPDX-License-Identifier: GPL-2.0
"""A region seen, and damaged, from outside of the machine.

Offsets are those of include/uapi/linux/pkernfs_format.h, which asserts them.
"""

import mmap
import struct

from .result import Failure

BLOCK = 4096
SB_MAGIC = 0x53464e52454b50
RECORD_MAGIC = 0x43524b50
HANDOVER_MAGIC = 0x4f484b50
AREAS = 'journal', 'inodes', 'records', 'handover', 'pool', 'data'


class Region:
    """Of a machine whose RAM up to its end lies below 4 GiB (2 GiB at most)."""

    def __init__(self, machine, span):
        size, base = (int(t[:-1]) << 20 for t in span.split('@'))
        self.base, self.size = base, size
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

    def put64(self, offset, value):
        struct.pack_into('<Q', self.map, self.base + offset, value)

    def blocks(self, name):
        """Offsets of the blocks of an area."""
        start, count = self.area[name]
        return (n * BLOCK for n in range(start, start + count))

    def record(self):
        """Offset of the first device record that is in use."""
        for at in self.blocks('records'):
            if self.u32(at) == 1 and self.u32(at + 8) == RECORD_MAGIC:
                return at
        raise Failure('no device record is in use')

    def handover(self):
        """Offset of the first handover header."""
        for at in self.blocks('handover'):
            if self.u32(at) == HANDOVER_MAGIC:
                return at
        raise Failure('there is no handover header')

    def last_superblock(self):
        return self.size - BLOCK

    def close(self):
        self.map.close()
