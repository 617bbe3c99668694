# SPDX-License-Identifier: GPL-2.0
"""Damaged regions mounted in a loop under KASAN: no splat, no hang, no write astray.

[huge]: with granules of 1 GiB, of which nobody touches more than a few pages.

The damage is that of fuzz-region, by seed, and what the kernel says of each must be
what the same code said in userspace; a mount that is refused gives EINVAL where no copy of
the superblock proves itself, EUCLEAN otherwise. The host puts it into the machine's memory, the
guest mounts, walks, changes and unmounts, the host looks at what has changed and puts
all back. Beside the region lie two others that nobody has formatted: not a byte of them
may change.
"""

import errno
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

FRONT = 2 << 20


def FILES():
    return selftests.files('fs_hostile') + [('/bin/mkfs.pkernfs', dma.ctl())]


# Pages for granules as the host's regions have them.
MKFS = 'mkfs.pkernfs -q --inodes 64 --pool 64 region1'

GUEST = r'''
stage1() {
	echo 6 >/proc/sys/kernel/printk
	%s || fail "mkfs"
	fs_hostile 1 /mnt || fail "fs_hostile: $?"
	dmesg | grep HOSTILE: && fail "the program is not content"
	return 0
}
'''

VARIANTS = {'huge': {
    # REGION_HUGE_BASE and REGION_HUGE of tools/testing/fuzz/region.h
    'MEMORY': '8256M',
    'PKERNFS': '32M@5026M,5184M@5058M,32M@10242M',
    'GUEST': GUEST % (MKFS + ' --huge 5'),
}}
GUEST = GUEST % MKFS


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
    below, region, beyond = (tuple(int(text[:-1]) << 20 for text in span.split('@'))
                             for span in t.s.PKERNFS.split(','))
    huge = region[0] > 1 << 30
    goldens.make(program, 'whole', image, huge)
    t.command([program, *(['-H'] if huge else []), 'mutants', '0', str(RUNS), pack])
    with open(image, 'rb') as f:
        whole = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
    os.remove(image)
    t.check(len(whole) == region[0], 'the region is not as large as those of the fuzzer')
    m = t.machine().start()
    m.wait('TRIED nothing')
    with open(m.ram, 'r+b') as f:
        ram = mmap.mmap(f.fileno(), 0)
    base, last_at = selftests.ram_offset(m, region[1]), region[0] - 4096

    def put(at, content):
        ram[base + at:base + at + len(content)] = content

    def get(at, count):
        return ram[base + at:base + at + count]

    # All that is not zero: granules say what they do in their first page.
    put(0, whole[:2 * FRONT])
    for at in range(2 * FRONT, last_at, FRONT):
        put(at, whole[at:at + 4096])
    put(last_at, whole[last_at:])
    begin, mounted, refused, unnamed, ok = time.monotonic(), 0, 0, 0, False
    for seed, loads, log, blocks in read_mutants(pack):
        front = bytearray(whole[:FRONT])
        last = whole[last_at:]
        for block, content in blocks:
            if block * 4096 == last_at:
                last = content
            else:
                front[block * 4096:block * 4096 + 4096] = content
        put(0, bytes(front))
        put(last_at, last)
        if ok:      # who was mounted has written to files
            for at in range(FRONT, last_at, FRONT):
                put(at, whole[at:at + 4096])
        start = len(m.console.lines)
        m.send('next')
        _, _, hit = m.wait(r'TRIED (\w+) (-?\d+)', start=start)
        ok = hit.group(1) == 'mounted'
        t.check(ok == bool(loads), 'seed %d: %s, and in userspace %s' %
                (seed, hit.group(0), 'it loads' if loads else 'it does not'))
        mounted += ok
        refused += not ok
        if not ok:
            # One with a bit changed where no checksum looks may prove itself, too.
            named = front[:4096] == whole[:4096] or last == whole[last_at:]
            wants = (errno.EUCLEAN,) if named else (errno.EINVAL, errno.EUCLEAN)
            t.check(int(hit.group(2)) in wants, 'seed %d: %s, not %s' %
                    (seed, hit.group(0), ' or '.join(map(str, wants))))
            unnamed += hit.group(2) == str(errno.EINVAL)
        if not ok and not log:
            t.check(get(0, FRONT) == bytes(front) and get(last_at, 4096) == last and
                    all(get(at, 4096) == whole[at:at + 4096]
                        for at in range(FRONT, last_at - FRONT, FRONT)),
                    'seed %d: refused, and written to' % seed)
        if time.monotonic() > begin + SECONDS * 2:
            break
    for count, start in below, beyond:
        t.check(not selftests.written(m, start, count), 'a write beside the region')
    m.send('end')
    m.finish()
    ram.close()
    whole.close()
    os.remove(pack)
    t.check(mounted + refused >= MIN_RUNS, 'only %d in time' % (mounted + refused))
    t.note('%d mounted, %d refused, %d of them for the superblock' %
           (mounted, refused, unnamed))
