# SPDX-License-Identifier: GPL-2.0
"""What can be checked without running it: style, kernel-doc, scripts, licences, numbers."""

import os
import re

from pkboot import env

KERNEL = None
_ABI = 'Documentation/ABI/testing/sysfs-fs-pkernfs'
_SOURCE = ('.c', '.h', '.S', '.sh', '.py', '.rst', '.patch', '.config')


def files():
    for folder, dirs, names in os.walk(env.REPO):
        dirs[:] = sorted(d for d in dirs if d not in ('.git', '__pycache__'))
        for name in sorted(names):
            yield os.path.relpath(os.path.join(folder, name), env.REPO)


def ioctl_type_taken(ksrc):
    """Lines of the kernel's table that give the type of our ioctls to somebody else."""
    with open(os.path.join(env.REPO, 'include/uapi/linux/pkernfs.h')) as f:
        ours = re.search(r'^#define PKERNFS_TYPE\s+(0x\w\w)$', f.read(), re.M).group(1)
    with open(os.path.join(ksrc, 'Documentation/userspace-api/ioctl/ioctl-number.rst'),
              encoding='utf-8') as f:
        return [line.strip() for line in f if line.upper().startswith(ours.upper())]


def not_in_abi():
    """Files in sysfs, by the sources that make them, that Documentation/ABI has not."""
    with open(os.path.join(env.REPO, _ABI)) as f:
        told = set(re.findall(r'^What:\t\t/sys/fs/pkernfs/(?:.*/)?(\w+)$', f.read(), re.M))
    made = set()
    for source in 'mm/pkernfs_sysfs.c', 'fs/pkernfs/sysfs.c', 'fs/pkernfs/device_sysfs.c', \
            'kernel/pkernfs_kexec.c':
        with open(os.path.join(env.REPO, source)) as f:
            made.update(re.findall(r'^\s*(?:PKERNFS_(?:NUMBER|BUSY|DEVICE_ATTR)|'
                                   r'[^#\n]*= __ATTR\w*)\(([a-z]\w*)', f.read(), re.M))
    return made ^ told


def run(t):
    bad = []
    docs = []
    for f in files():
        path = os.path.join(env.REPO, f)
        try:
            with open(path, encoding='utf-8') as fd:
                text = fd.read()
        except UnicodeDecodeError:
            continue
        head = text[:200]
        if f.endswith(_SOURCE[:-2]) and 'SPDX-License-Identifier' not in head:
            bad.append('%s: no SPDX line' % f)
        if re.search(r'[ \t]+$', text, re.M) and not f.endswith('.patch'):
            bad.append('%s: space at the end of a line' % f)
        if head.startswith(('#!/bin/sh', '#!/bin/bash')) or f.endswith('.sh'):
            t.command(['bash' if 'bash' in head else 'sh', '-n', f])
        if f.endswith('.py'):
            try:
                compile(text, f, 'exec')
            except SyntaxError as e:
                bad.append('%s: %s' % (f, e))
        if f.endswith(('.c', '.h')) and '/**\n' in text:
            docs.append(f)
    t.check(not bad, '\n'.join(bad[:20]))
    ksrc = t.command(['tools/kernel/fetch.sh']).split('\n')[-2]
    taken = ioctl_type_taken(ksrc)
    t.check(not taken, 'the type of our ioctls is taken: %s' % '; '.join(taken))
    t.check(not not_in_abi(), 'in one of sysfs and %s only: %s' % (_ABI, not_in_abi()))
    out = t.command(['python3', os.path.join(ksrc, 'scripts/kernel-doc'), '-none',
                     *docs])
    t.check(not out.strip(), 'kernel-doc: ' + out.strip()[:2000])
    t.command(['tools/kernel/checkpatch.sh'])
    t.note('%d files with kernel-doc' % len(docs))
