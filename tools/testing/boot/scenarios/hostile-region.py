# SPDX-License-Identifier: GPL-2.0
"""Damaged regions mounted in a loop under KASAN: no splat, no hang, no write astray.

The damage is that of fuzz-region, by seed, and what the kernel says of each must be
what the same code said in userspace. The host puts it into the machine's memory, the
guest mounts, walks, changes and unmounts, the host looks at what has changed and puts
all back. Beside the region lie two others that nobody has formatted: not a byte of them
may change.
"""

import mmap
import os
import struct
import time

from pkboot import dma, goldens, selftests

MEMORY = '1G'
PKERNFS = '32M@480M,64M@512M,32M@576M'
TIMEOUT = 90
QUICK = False
RUNS = 300
SECONDS = 30                # no more than this, of an idle host
MIN_RUNS = 30               # of a busy one

BASE = 512 << 20
FRONT = 2 << 20
LAST = (64 << 20) - 4096


def FILES():
    return selftests.files('fs_hostile') + [('/bin/mkfs.pkernfs', dma.ctl())]


GUEST = r'''
stage1() {
	echo 6 >/proc/sys/kernel/printk
	# Pages for granules as the host's regions have them.
	mkfs.pkernfs -q --inodes 64 --pool 64 region1 || fail "mkfs"
	fs_hostile 1 /mnt || fail "fs_hostile: $?"
	dmesg | grep HOSTILE: && fail "the program is not content"
	return 0
}
'''


def read_mutants(path):
    with open(path, 'rb') as f:
        while True:
            head = f.read(32)
            if not head:
                return
            seed, loads, log, blocks = struct.unpack('<4Q', head)
            yield seed, loads, log, [(struct.unpack('<Q', f.read(8))[0], f.read(4096))
                                     for _ in range(blocks)]


def run(t):
    program = goldens.build()
    image, pack = os.path.join(t.dir, 'image'), os.path.join(t.dir, 'mutants')
    goldens.make(program, 'whole', image)
    t.command([program, 'mutants', '0', str(RUNS), pack])
    with open(image, 'rb') as f:
        whole = f.read()
    m = t.machine().start()
    m.wait('TRIED nothing')
    with open(m.ram, 'r+b') as f:
        ram = mmap.mmap(f.fileno(), 0)

    def put(at, content):
        ram[BASE + at:BASE + at + len(content)] = content

    def get(at, count):
        return ram[BASE + at:BASE + at + count]

    put(0, whole)
    begin, mounted, refused, ok = time.monotonic(), 0, 0, False
    for seed, loads, log, blocks in read_mutants(pack):
        front = bytearray(whole[:FRONT])
        last = whole[LAST:]
        for block, content in blocks:
            if block * 4096 == LAST:
                last = content
            else:
                front[block * 4096:block * 4096 + 4096] = content
        put(0, bytes(front))
        put(LAST, last)
        if ok:      # who was mounted has written to files
            for at in range(FRONT, LAST, FRONT):
                put(at, whole[at:at + 4096])
        start = len(m.console.lines)
        m.send('next')
        _, _, hit = m.wait(r'TRIED (\w+) (-?\d+)', start=start)
        ok = hit.group(1) == 'mounted'
        t.check(ok == bool(loads), 'seed %d: %s, and in userspace %s' %
                (seed, hit.group(0), 'it loads' if loads else 'it does not'))
        mounted += ok
        refused += not ok
        if not ok and not log:
            t.check(get(0, FRONT) == bytes(front) and get(LAST, 4096) == last and
                    all(get(at, 4096) == whole[at:at + 4096]
                        for at in range(FRONT, LAST - FRONT, FRONT)),
                    'seed %d: refused, and written to' % seed)
        if time.monotonic() > begin + SECONDS * 2:
            break
    for base in 480 << 20, 576 << 20:
        t.check(not selftests.written(m, base, 32 << 20), 'a write beside the region')
    m.send('end')
    m.finish()
    ram.close()
    os.remove(pack)
    t.check(mounted + refused >= MIN_RUNS, 'only %d in time' % (mounted + refused))
    t.note('%d mounted, %d refused' % (mounted, refused))
