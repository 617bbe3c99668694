# SPDX-License-Identifier: GPL-2.0
"""fsck.pkernfs of damaged regions, one for each finding; the second run is clean.

Each damage is made, found, not mended by -n, mended by -y, and by -p only if nothing
can be lost by it; then the kernel's own code, built for userspace, has to load the
region, and all data of files that was there has to be there, under whatever name.
"""

import json
import os
import re
import subprocess

from pkboot import goldens

KERNEL = None


def run(t):
    program, ctl = goldens.build(), goldens.ctl()
    path = os.path.join(t.dir, 'image')
    kinds = set()

    def fsck(*args):
        p = subprocess.run([ctl, 'fsck', *args, path], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, universal_newlines=True, timeout=60)
        return p.returncode, p.stdout

    def content():
        return os.stat(path).st_mtime_ns

    def listing():
        return goldens.data(t.command([program, 'list', path]))

    goldens.make(program, 'whole', path)
    rc, said = fsck('-n')
    t.check(rc == 0 and said.count('\n') == 1, 'a whole region: %d: %s' % (rc, said))
    whole = listing()
    t.check(len(whole) == 27, 'the region has not the data that it should have')
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
        rows = set(re.findall(r' \[([a-z+-]+)\]$', said, re.M))
        check(finding in rows, 'not found: ' + said)
        kinds |= rows
        check(content() == before, 'fsck -n has written')
        rc, said = fsck('-p')
        if name in goldens.PREEN:
            check(rc == 1, 'fsck -p: exit code %d: %s' % (rc, said))
            goldens.make(program, name, path)
        else:
            check(rc == 4, 'fsck -p: exit code %d: %s' % (rc, said))
            check(content() == before, 'fsck -p has written')
        rc, said = fsck('-y')
        if name in goldens.HOPELESS:
            check(rc & 4, 'fsck -y: exit code %d: %s' % (rc, said))
            continue
        check(rc == 1, 'fsck -y: exit code %d: %s' % (rc, said))
        rc, said = fsck('-n')
        check(rc == 0 and said.count('\n') == 1, 'second run: %d: %s' % (rc, said))
        gone = whole - listing() - goldens.LOST.get(name, set())
        check(not gone, 'lost: %s' % sorted(gone))

    # Each row of the table stands for something that can be had.
    with open(os.path.join(os.path.dirname(__file__),
                           '../../../pkernfs/check.c')) as f:
        table = set(re.findall(r'= \{ "([a-z+-]+)"', f.read()))
    t.check(table - kinds == {'directory-full'}, 'findings without a damage: %s' %
            sorted(table - kinds))

    # A saved region has checksums: fsck renews those of what it mends, restore sees
    # whatever else has changed. What there is of it without a machine.
    goldens.make(program, 'nameless', path)
    saved = os.path.join(t.dir, 'saved')
    t.command([ctl, 'save', path, saved])
    t.check(os.stat(saved).st_blocks * 512 < 50 << 20, 'the file is not sparse')
    t.command([ctl, 'fsck', '-n', '--help'])
    os.rename(saved, path)
    rc, said = fsck('-y')
    t.check(rc == 1, 'fsck of a saved region: %d: %s' % (rc, said))
    t.check(json.loads(t.command([ctl, 'dump', '--json', path]))['inodes'][0]['inode'] == 1,
            'dump --json')
    t.check('lost+found' in t.command([ctl, 'dump', path]), 'dump')

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
    t.check(goldens.data(t.command([program, 'list', path])) == whole, 'not all is saved')
    for args, want in ((('-x',), 16), (('-n', '-y'), 16), (('/nowhere',), 16)):
        rc, said = fsck(*args)
        t.check(rc == want, 'fsck %s: exit code %d' % (' '.join(args), rc))
    for f in (path,):
        os.remove(f)
    t.note('%d damages of %d kinds' % (len(todo), len(kinds)))
