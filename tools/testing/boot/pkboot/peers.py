# SPDX-License-Identifier: GPL-2.0
"""The kernel's own selftests of iommufd, vfio and liveupdate, built for the guest.

From the pristine source, static, each by the one compiler call that its Makefile comes
down to: those leave objects beside the source, and want shared libraries.
"""

import glob
import hashlib
import os
import re
import tempfile

from . import env

_FOLDER = 'tools/testing/selftests'
IOMMU = 'iommufd', 'iommufd_fail_nth'
VFIO = ('vfio_pci_device_test', 'vfio_iommufd_setup_test', 'vfio_dma_mapping_test',
        'vfio_dma_mapping_mmio_test', 'vfio_pci_driver_test')
LUO = 'luo_kexec_simple', 'luo_multi_session', 'luo_stress_sessions', 'luo_stress_files'
# Folder, the programs in it, what each is linked with: sources, libraries
_PROGRAMS = (
    ('iommu', IOMMU, (), ('-lcap',)),
    ('vfio', VFIO, ('lib/*.c', 'lib/drivers/*/*.c'), ('-pthread', '-luuid')),
    ('liveupdate', ('liveupdate',) + LUO, ('lib/*.c',), ()),
)


def _key(ksrc):
    """Of all that the programs are made of, but for the kernel's headers."""
    key = hashlib.sha256(ksrc.encode())
    sources = [__file__, os.path.join(ksrc, 'Makefile')]
    for folder, *_ in _PROGRAMS:
        sources += sorted(glob.glob(os.path.join(ksrc, _FOLDER, folder, '**', '*.[ch]'),
                                    recursive=True))
    for path in sources:
        with open(path, 'rb') as f:
            key.update(f.read())
    return key.hexdigest()[:16]


def _build(ksrc, out):
    env.sh(['make', '-s', '-C', ksrc, 'O=' + os.path.join(out, 'headers'), 'headers'])
    for folder, names, also, libraries in _PROGRAMS:
        where = os.path.join(ksrc, _FOLDER, folder)
        library = [f for pattern in also
                   for f in sorted(glob.glob(os.path.join(where, pattern)))]
        for name in names:
            env.sh(['gcc', '-static', '-s', '-O2', '-w', '-D_GNU_SOURCE=',
                    '-isystem', os.path.join(out, 'headers/usr/include'),
                    '-I', os.path.join(where, 'lib/include'),
                    '-I', os.path.join(where, '..'),
                    '-I', os.path.join(ksrc, 'tools/include'),
                    '-o', os.path.join(out, name),
                    os.path.join(where, name + '.c'), *library, *libraries])


def files():
    """FILES of a machine: the programs, in /bin."""
    ksrc = env.sh([os.path.join(env.REPO, 'tools/kernel/fetch.sh')]).split('\n')[-2]
    out = os.path.join(env.OUT, 'bin', 'peers-' + _key(ksrc))
    if not os.path.exists(out):
        os.makedirs(os.path.dirname(out), exist_ok=True)
        temp = tempfile.mkdtemp(dir=os.path.dirname(out))
        _build(ksrc, temp)
        os.rename(temp, out)
    return [('/bin/' + name, os.path.join(out, name))
            for _, names, *_ in _PROGRAMS for name in names]


def results(text):
    """{'PROGRAM CASE': 'pass', 'fail' or 'skip'} of what run_peer() in a guest wrote."""
    found = {}
    program = None
    for line in text.split('\n'):
        begin = re.match(r'== (\S+)$', line)
        end = re.match(r'== (\S+) exit code (\d+)$', line)
        case = re.match(r'(ok|not ok) \d+ (?:- )?(\S+)(.*)', line)
        if begin:
            program = begin.group(1)
        elif end:
            # 4: there is nothing it could be run on.
            found[end.group(1)] = {'0': 'pass', '4': 'skip'}.get(end.group(2), 'fail')
        elif case and program:
            found['%s %s' % (program, case.group(2))] = (
                'skip' if '# SKIP' in case.group(3) else
                'pass' if case.group(1) == 'ok' else 'fail')
    return found
