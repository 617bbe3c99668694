# SPDX-License-Identifier: GPL-2.0
"""Regions with a damage, made by tools/testing/fuzz, and what becomes of them."""

import os

from . import dma, env

# Data that a damage or its repair takes away: what the granules say of themselves.
LOST = {
    'extent-range': {'inode 3 granule 6'},
    'extent-overlap': {'inode 3 granule 6'},
    'extent-shared': {'inode 4 granule 0'},
    'extent-shared.start': {'inode 12 granule 1'},
    'extent-no-room': {'inode 4 granule 0'},
    'extent-range.small': {'inode 13 granule 6'},
    'extent-shared.small': {'inode 14 granule 0'},
    'extent-bad': {'inode 4 granule 0'},
    'inode-flags.pools': {'inode 13 granule %d' % n for n in range(0, 24, 2)} |
                         {'inode 14 granule 0'},
    'chain-block': {'inode 3 granule %d' % n for n in (16, 18, 20)},
}
# What -p mends too
PREEN = {'superblock-copy', 'superblock-copy.1', 'superblock-differs', 'log-committed'}
# What nothing mends
HOPELESS = {'superblock', 'records', 'root-stuck', 'no-room', 'no-room.names'}


def build(kind='replay', what='region'):
    """Path of the program that makes them, and fuzzes."""
    folder = os.path.join(env.OUT, 'bin', 'fuzz-' + what)
    os.makedirs(folder, exist_ok=True)
    out = env.sh([os.path.join(env.REPO, 'tools/testing/fuzz/build.sh'), kind, folder, what])
    return out.strip().split('\n')[-1]


def names(program):
    return env.sh([program, 'goldens'], quiet=True).split()


def make(program, name, path):
    env.sh([program, 'golden', name, path], quiet=True)


def data(listing):
    """What the granules of all files that have a name say of themselves."""
    found = set()
    for line in listing.split('\n'):
        for field in line.split('\t')[4:]:
            found.add(field.split(':', 1)[1])
    return found


def ctl():
    return dma.ctl()
