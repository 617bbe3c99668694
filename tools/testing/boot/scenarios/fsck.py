# SPDX-License-Identifier: GPL-2.0
"""fsck.pkernfs of damaged regions, one for each finding; the second run is clean.

Each damage is made, found, not mended by -n, mended by -y, and by -p only if nothing
can be lost by it; then the kernel's own code, built for userspace, has to load the
region, and each name, and each granule of each file, has to be what it should be.
"""

import json
import os
import re
import resource
import signal
import struct
import subprocess

from pkboot import dma, goldens
from pkboot.region import crc32c

KERNEL = None
QUICK = False
PIECE = 2 << 20             # SUMS_PIECE of tools/pkernfs/sums.h, and struct sums_head
HEAD = '<QIIQQ16sI'
GIB = 1 << 30
HUGE = 62 << 20             # where granules of 1 GiB begin, see tools/testing/fuzz/region.h


class Saved:
    """A saved region: it, and the sums behind it."""

    def __init__(self, path):
        with open(path, 'rb') as f:
            self.all = f.read()
        self.head = self.all[-4096:]
        fields = struct.unpack_from(HEAD, self.head)
        self.table_crc, self.bytes, self.marks = fields[2], fields[4], fields[6]
        self.table = self.all[self.bytes:-4096]
        self.sums = struct.unpack_from('<%dI' % (self.bytes // PIECE), self.table)

    def piece(self, n):
        return self.all[n * PIECE:(n + 1) * PIECE]

    def sound(self):
        crc, = struct.unpack_from('<I', self.head, struct.calcsize(HEAD))
        return self.table_crc == crc32c(self.table) and \
            crc == crc32c(self.head[:struct.calcsize(HEAD)])

    def interrupt(self, path, sums, pieces):
        """Write it with the sums from before, and marks on these pieces."""
        table = bytearray(self.table)
        struct.pack_into('<%dI' % len(sums), table, 0, *sums)
        zeroed = bytearray(table)
        for n in pieces:
            struct.pack_into('<I', zeroed, n * 4, 0)
        fields = list(struct.unpack_from(HEAD, self.head))
        fields[2], fields[6] = crc32c(zeroed), len(pieces)
        head = struct.pack(HEAD, *fields)
        marks = struct.pack('<%dI' % len(pieces), *pieces)
        marks += bytes(4096 - len(head) - 8 - len(marks))
        with open(path, 'wb') as f:
            f.write(self.all[:self.bytes] + table + head +
                    struct.pack('<II', crc32c(head), crc32c(marks)) + marks)


def run(t):
    program, ctl = goldens.build(), dma.ctl()
    path = os.path.join(t.dir, 'image')
    kinds = set()

    def fsck(*args, limit=resource.RLIM_INFINITY):
        def limits():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        p = subprocess.run([ctl, 'fsck', *args, path], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, universal_newlines=True, timeout=60,
                           preexec_fn=limits)
        return p.returncode, p.stdout

    def content():
        return os.stat(path).st_mtime_ns

    def done(said):
        """Lines that say that something has been mended."""
        return [line for line in said.split('\n') if line.endswith(']') and
                'would be: ' not in line and 'cannot be mended' not in line]

    def listing():
        return goldens.files(t.command([program, 'list', path]))

    goldens.make(program, 'whole', path)
    rc, said = fsck('-n')
    t.check(rc == 0 and said.count('\n') == 1, 'a whole region: %d: %s' % (rc, said))
    whole = listing()
    t.check(sum(len(file.data) for file in whole.values()) == 27,
            'the region has not the data that it should have')
    goldens.make(program, 'whole', path, huge=True)
    rc, said = fsck('-n')
    t.check(rc == 0 and said.count('\n') == 1, 'a whole one with 1 GiB granules: ' + said)
    whole_huge = listing()
    t.check({name: len(file.data) for name, file in whole_huge.items() if name not in whole} ==
            {'/vm1': 0, '/vm1/ram': 2, '/vm1/half': 1}, 'nor has one with 1 GiB granules')
    todo = [n for n in goldens.names(program) if n != 'whole']
    for name in todo:
        def check(cond, text):
            t.check(cond, '%s: %s' % (name, text))

        finding = name.split('.')[0]
        goldens.make(program, name, path)
        before = content()
        taken = subprocess.run([program, 'list', path], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL).returncode == 0
        check(taken == (name in goldens.PREEN), 'the kernel\'s verdict is another one')
        rc, said = fsck('-n')
        check(rc == 4, 'fsck -n: exit code %d: %s' % (rc, said))
        rows = re.findall(r' \[([a-z+-]+)\]$', said, re.M)
        check(rows == goldens.FINDINGS.get(name, [finding]), 'other findings: ' + said)
        kinds |= set(rows)
        check(content() == before, 'fsck -n has written')
        rc, said = fsck('-p')
        if name in goldens.PREEN:
            check(rc == 1, 'fsck -p: exit code %d: %s' % (rc, said))
            goldens.make(program, name, path)
        else:
            check(rc == 4, 'fsck -p: exit code %d: %s' % (rc, said))
            check(content() == before, 'fsck -p has written')
            check(not done(said), 'fsck -p says that it has mended something: ' + said)
        rc, said = fsck('-y')
        if name in goldens.HOPELESS:
            check(rc & 4, 'fsck -y: exit code %d: %s' % (rc, said))
            check(name != 'records' or not done(said), 'fsck -y of devices: ' + said)
            continue
        check(rc == 1, 'fsck -y: exit code %d: %s' % (rc, said))
        rc, said = fsck('-n')
        check(rc == 0 and said.count('\n') == 1, 'second run: %d: %s' % (rc, said))
        before = whole_huge if goldens.is_huge(name) else whole
        other = goldens.difference(goldens.expected(before, name), listing())
        check(not other, other)
        check(os.stat(path).st_blocks * 512 < 100 << 20, 'the file is not sparse any more')

    # Each row of the table stands for something that can be had.
    with open(os.path.join(os.path.dirname(__file__),
                           '../../../pkernfs/check.c')) as f:
        table = set(re.findall(r'= \{ "([a-z+-]+)"', f.read()))
    t.check(table == kinds, 'findings without a damage: %s' % sorted(table - kinds))

    # A name goes to a terminal.
    goldens.make(program, 'entry-inode.escape', path)
    rc, said = fsck('-n')
    t.check('\x1b' not in said and r'\x1btate' in said, 'a name is not escaped: ' + said)

    # A saved region has checksums: fsck renews those of what it mends, restore sees
    # whatever else has changed. What there is of it without a machine.
    goldens.make(program, 'extent-shared.start', path)
    saved = os.path.join(t.dir, 'saved')
    t.command([ctl, 'save', path, saved])
    t.check(os.stat(saved).st_blocks * 512 < 50 << 20, 'the file is not sparse')
    t.command([ctl, 'fsck', '-n', '--help'])
    os.rename(saved, path)
    before = Saved(path)
    # Where it cannot write to the end, it cannot say first what it is about to change.
    rc, said = fsck('-y', limit=before.bytes)
    t.check(rc == 8 and 'written in part' in said, 'fsck -y: %d: %s' % (rc, said))
    t.check(Saved(path).all == before.all, 'it was written before the checksums were marked')
    rc, said = fsck('-y')
    t.check(rc == 1, 'fsck of a saved region: %d: %s' % (rc, said))
    after = Saved(path)
    changed = [n for n in range(len(before.sums)) if before.piece(n) != after.piece(n)]
    t.check(len(changed) == 2, 'pieces %s were changed' % changed)
    wrong = [n for n in range(len(after.sums)) if after.sums[n] !=
             (crc32c(after.piece(n)) if n in changed else before.sums[n])]
    t.check(not wrong and after.sound() and not after.marks,
            'checksums of pieces %s, or head and table' % wrong)

    # Interrupted when all but the checksums was written, or had changed by itself.
    after.interrupt(path, before.sums, changed)
    said = t.command(['sh', '-c', '! "$@"', 'sh', ctl, 'restore', path, '/nowhere'])
    t.check('interrupted' in said, 'restore of it: ' + said)
    rc, said = fsck('-n')
    t.check(rc == 4 and 'interrupted' in said, 'fsck -n of it: %d: %s' % (rc, said))
    rc, said = fsck('-y')
    t.check(rc == 1, 'fsck -y of it: %d: %s' % (rc, said))
    t.check(Saved(path).all == after.all, 'it is not as if it had not been interrupted')
    with open(path, 'wb') as f:
        f.write(before.all)
        f.seek(500 * 4096)
        f.write(b'rotten')
    rc, said = fsck('-y')
    t.check(rc == 1 and 'MiB 0: not as it was saved' in said, 'fsck -y of a rotten one: ' + said)
    t.check(json.loads(t.command([ctl, 'dump', '--json', path]))['inodes'][0]['inode'] == 1,
            'dump --json')
    t.check('name="small"' in t.command([ctl, 'dump', path]), 'dump')
    t.command(['sh', '-c', '"$@"; [ $? = 2 ]', 'sh', ctl, 'dump', '-x'])

    # Of a whole region, what no file has is left out: granules of both sizes.
    goldens.make(program, 'whole', path)
    free = (512 + 40, 1024 + 512 * 26 + 1)
    with open(path, 'r+b') as f:
        for block in free:
            f.seek(block * 4096)
            t.check(not any(f.read(4096)), 'block %d is not free' % block)
            f.seek(block * 4096)
            f.write(b'x' * 4096)
    t.command([ctl, 'save', path, saved])
    with open(saved, 'rb') as f:
        for block in free:
            f.seek(block * 4096)
            t.check(not any(f.read(4096)), 'block %d has been saved' % block)
    os.rename(saved, path)
    t.check(listing() == whole, 'not all is saved')

    # So it is with granules of 1 GiB: one that a file has, and one that is free.
    goldens.make(program, 'whole', path, huge=True)
    used, free = (HUGE + n * GIB + 300 * 4096 for n in (0, 1))
    with open(path, 'r+b') as f:
        for at in used, free:
            f.seek(at)
            f.write(b'x' * 4096)
    t.command([ctl, 'save', path, saved])
    t.check(os.stat(saved).st_blocks * 512 < 50 << 20, 'holes of 1 GiB are not kept')
    with open(saved, 'rb') as f:
        f.seek(used)
        t.check(f.read(4096) == b'x' * 4096, 'what a file has in a GiB is not saved')
        f.seek(free)
        t.check(not any(f.read(4096)), 'a GiB that is free has been saved')
    os.rename(saved, path)
    t.check(listing() == whole_huge, 'not all of it is saved')
    rc, said = fsck('-n')
    t.check(rc == 0, 'fsck of what is saved: ' + said)
    goldens.make(program, 'whole', saved)
    said = t.command(['sh', '-c', '! "$@"', 'sh', ctl, 'restore', path, saved])
    t.check('saved from 5184 MiB at 0x13c200000, and ' in said and 'is 64 MiB' in said,
            'restore to one that is too small: ' + said)
    os.remove(saved)
    for args, want in ((('-x',), 16), (('-n', '-y'), 16), (('/nowhere',), 16)):
        rc, said = fsck(*args)
        t.check(rc == want, 'fsck %s: exit code %d' % (' '.join(args), rc))
    for f in (path,):
        os.remove(f)
    t.note('%d damages of %d kinds' % (len(todo), len(kinds)))
