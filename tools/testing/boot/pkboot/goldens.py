# SPDX-License-Identifier: GPL-2.0
"""Regions with a damage, made by tools/testing/fuzz, and what becomes of them."""

import collections
import os
import threading

from . import env

def _lost(*inodes):
    return {old: '/lost+found/#%d' % ino for old, ino in inodes}


def _nameless(finding):
    return [finding, 'lost+found', 'nameless']


File = collections.namedtuple('File', 'mode data')

_STATE = _lost(('/vm0/state', 4))
_ROOT = {'/names': None, **_lost(('/vm0', 2), ('/link', 5), ('/fifo', 6), ('/null', 7),
                                 ('/many', 8), ('/a', 10), ('/small', 13))}
_BLOCK2 = {'/many/' + c + 'x' * 199: None for c in 'stuvwxy'}
_NO_SMALL = {'/small': dict.fromkeys(range(0, 24, 2)), '/vm0/tiny': {0: None}}
_NO_HUGE = {'/vm1/ram': {0: None, 2: None}, '/vm1/half': {0: None}}

# What the repair of a damage changes of what there was: paths, with all below them...
PATHS = {
    'special': {'/fifo': None, '/null': None},
    'chain-block.names': _BLOCK2,
    'chain-block.loop': _BLOCK2,
    'entry-length': _lost(('/vm0/ram', 3)),
    'entry-length.zero': _lost(('/vm0/ram', 3)),
    'entry-name': _STATE,
    'entry-inode': _STATE,
    'entry-inode.root': _STATE,
    'entry-inode.escape': _STATE,
    'entry-twice': _lost(('/fifo', 6)),
    'directory-twice': _STATE,
    'directory-loop': _lost(('/a', 10)),
    'directory-removed': _lost(('/vm0', 2)),
    'root': _ROOT,
    'root-occupied': _ROOT,
    'nameless': _STATE,
    'nameless.directory': _lost(('/a', 10)),
    'lost+found': _STATE,
}
# ... what granules say of themselves, by the path before, None: a hole...
DATA = {
    'inode-flags.pools': _NO_SMALL,
    'extent-range': {'/vm0/ram': {6: None}},
    'extent-range.small': {'/small': {6: None}},
    'extent-overlap': {'/vm0/ram': {6: None}},
    'extent-bad': {'/vm0/state': {0: 'inode 3 granule 6'}},
    'extent-shared': {'/vm0/state': {0: 'inode 12 granule 0'}},
    'extent-shared.small': {'/vm0/tiny': {0: None, 2: 'inode 13 granule 2'}},
    'extent-shared.start': {'/a/b/c': {0: 'inode 4 granule 0', 1: 'inode 12 granule 0'}},
    'extent-shared.middle': {'/a/b/c': {2: 'inode 15 granule 0', 3: '', 4: '', 5: '', 6: ''}},
    'extent-no-room': {'/vm0/ram': dict.fromkeys(range(1, 20, 2), ''),
                       '/vm0/state': {0: 'inode 12 granule 0', 1: 'inode 12 granule 1'},
                       '/a/b/c': {1: None}},
    'chain-block': {'/vm0/ram': {16: None, 18: None, 20: None}},
    'inode-flags.huge': {**_NO_SMALL, **_NO_HUGE},
    'inode-granules.huge': _NO_HUGE,
    'extent-range.huge': {'/vm1/ram': {0: None}},
    'extent-range.huge-start': {'/vm1/half': {0: None}},
    'extent-range.huge-place': {'/vm1/ram': {2: None}},
    'extent-range.huge-end': {'/vm1/half': {0: None}},
    'extent-overlap.huge': {'/vm1/ram': {2: None}},
    'extent-shared.huge': {'/vm1/half': {0: 'inode 19 granule 0'}},
    'extent-shared.huge-part': {'/vm1/half': {0: 'inode 19 granule 0', 1: ''}},
    'extent-bad.huge': {'/vm1/half': {0: 'inode 19 granule 2'}},
    'extent-no-room.huge': {'/vm1/half': {1: ''}},
}
# ... rights...
MODES = {
    'attributes': {'/a': 0o40705, '/vm0/tiny': 0o100604},
    'attributes-entry.acls': {'/a': 0o40705, '/vm0/tiny': 0o100604},
    'attributes-entry.acl-version': {'/vm0/tiny': 0o100604},
    'attributes-entry.acl-length': {'/vm0/tiny': 0o100604},
    'attributes-entry.acl-name': {'/vm0/tiny': 0o100604},
}
# ... and files that there were not.
FILES = {'root-occupied': {'/lost+found/#17': File(0o100600, {})}}
# Findings, where it is not just the one that the damage is named after
FINDINGS = {
    'records': ['records', 'inode-checksum', 'records'],
    'inode-flags.pools': ['inode-flags'] * 4 + ['extent-range'] * 13,
    'special': ['special'] * 2 + ['entry-inode'] * 2,
    'attributes': ['attributes'] * 4,
    'attributes-entry.acls': ['attributes-entry'] * 2,
    'inode-flags.huge': ['inode-flags'] * 7 + ['extent-range'] * 16,
    'inode-granules.huge': ['inode-granules'] * 3 + ['extent-range'] * 2 +
                           ['inode-granules', 'extent-range'],
    'extent-bad': ['extent-shared', 'extent-bad'],
    'extent-bad.huge': ['extent-shared', 'extent-bad'],
    'extent-no-room.huge': ['extent-shared', 'extent-no-room'],
    'extent-shared.middle': ['inode-checksum', 'extent-shared'],
    'extent-no-room': ['extent-shared', 'extent-no-room'],
    'chain-block.names': ['chain-block', 'links'],
    'chain-block.loop': ['chain-block', 'links'],
    'entry-length': _nameless('entry-length'),
    'entry-length.zero': _nameless('entry-length'),
    'entry-name': _nameless('entry-name'),
    'entry-inode': _nameless('entry-inode'),
    'entry-inode.root': _nameless('entry-inode'),
    'entry-inode.escape': _nameless('entry-inode'),
    'entry-twice': _nameless('entry-twice'),
    'directory-twice': _nameless('directory-twice'),
    'directory-loop': ['directory-loop', 'lost+found'],
    'directory-removed': ['lost+found', 'directory-removed', 'links'],
    'root': ['root', 'lost+found'] + ['nameless'] * 7 + ['links'],
    'root-occupied': ['root-occupied', 'root', 'lost+found'] + ['nameless'] * 8 + ['links'],
    'nameless': ['lost+found', 'nameless'],
    'nameless.directory': ['lost+found', 'nameless', 'links'],
    'lost+found': ['lost+found', 'nameless'],
}
# What -p mends too
PREEN = {'superblock-copy', 'superblock-copy.1', 'superblock-copy.huge',
         'superblock-copy.huge-align', 'superblock-differs', 'log-committed'}
# What nothing mends
HOPELESS = {'superblock', 'records', 'root-stuck', 'no-room', 'no-room.names',
            'directory-full'}


def build(kind='replay', what='region'):
    """Path of the program that makes them, and fuzzes."""
    with _building:
        if (what, kind) not in _programs:
            folder = os.path.join(env.OUT, 'bin', 'fuzz-' + what)
            os.makedirs(folder, exist_ok=True)
            out = env.sh([os.path.join(env.REPO, 'tools/testing/fuzz/build.sh'), kind,
                          folder, what])
            _programs[what, kind] = out.strip().split('\n')[-1]
        return _programs[what, kind]


# Scenarios that run at a time share it.
_building = threading.Lock()
_programs = {}


def names(program):
    return env.sh([program, 'goldens'], quiet=True).split()


def is_huge(name):
    """Are there granules of 1 GiB in the region that a damage is made in?"""
    return '.huge' in name


def make(program, name, path, huge=False):
    env.sh([program, *(['-H'] if huge else []), 'golden', name, path], quiet=True)


def files(listing):
    """Path: mode, and what each granule says of itself, of all files that have a name."""
    found = {}
    for line in listing.split('\n'):
        path, *fields = line.split('\t')
        if fields:
            data = dict(field.split(':', 1) for field in fields[3:])
            found[path] = File(int(fields[0], 8), {int(n): data[n] for n in data})
    return found


def expected(whole, name):
    """What there is after the repair of a damage."""
    want = dict(FILES.get(name, {}))
    for path, file in whole.items():
        data = {**file.data, **DATA.get(name, {}).get(path, {})}
        mode = MODES.get(name, {}).get(path, file.mode)
        for old, new in PATHS.get(name, {}).items():
            if path == old or path.startswith(old + '/'):
                path = new and new + path[len(old):]
                break
        if path:
            want[path] = File(mode, {n: text for n, text in data.items() if text is not None})
    if any(path.startswith('/lost+found/') for path in want):
        want['/lost+found'] = File(0o40700, {})
    return want


def difference(want, found):
    """As text; nothing: none."""
    return ', '.join('%s: %s, not %s' % (path, found.get(path), want.get(path))
                     for path in sorted({*want, *found})
                     if want.get(path) != found.get(path))
