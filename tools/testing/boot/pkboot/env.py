# SPDX-License-Identifier: GPL-2.0
"""Where things lie, and what is built before a machine can start."""

import functools
import glob
import hashlib
import os
import re
import shutil
import subprocess
import threading

from .result import BuildError, Skip

REPO = os.path.realpath(os.path.join(os.path.dirname(__file__), '../../../..'))
BOOT = os.path.join(REPO, 'tools/testing/boot')
CACHE = os.path.realpath(
    os.environ.get('PKERNFS_CACHE') or os.path.join(
        os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'),
        'pkernfs'))
# Two checkouts share downloads, sources and the compiler cache, no more.
CHECKOUT = '%s-%s' % (os.path.basename(REPO), subprocess.run(
    ['cksum'], input=REPO.encode(), stdout=subprocess.PIPE,
    check=True).stdout.decode().split()[0])
OUT = os.path.join(CACHE, 'boot', CHECKOUT)
# Binaries that a plain user's PATH does not name.
PATH = os.environ.get('PATH', '') + ':/usr/sbin:/sbin'


def which(name):
    """Path of a program. A missing tool is a skip."""
    path = shutil.which(name, path=PATH)
    if not path:
        raise Skip('%s is not installed (make deps)' % name)
    return path


def qemu_has(device):
    """Whether the QEMU that is used models a device. Its exit code does not tell."""
    if device not in _devices:
        said = sh([which('qemu-system-x86_64'), '-device', device + ',help'], quiet=True)
        _devices[device] = said.startswith(device + ' options:')
    return _devices[device]


_devices = {}


def qemu(variable):
    """The QEMU that an environment variable has the path of; without one, that of PATH."""
    if not variable:
        return which('qemu-system-x86_64')
    path = os.environ.get(variable)
    if not path:
        raise Skip('%s does not name a QEMU: see tools/testing/qemu/README.rst' % variable)
    if not os.access(path, os.X_OK):
        raise BuildError('%s=%s is no program' % (variable, path))
    return path


@functools.lru_cache(None)
def qemu_major(path):
    """The first number of the version of a QEMU."""
    said = sh([path, '--version'])
    return int(re.search(r'version (\d+)', said).group(1))


def firmware(name):
    """Firmware that QEMU does not bring along; its package is installed on first use."""
    if not name:
        return None
    package, path = {'efi': ('ovmf', '/usr/share/ovmf/OVMF.fd')}[name]
    if not os.path.exists(path):
        sh([os.path.join(REPO, 'tools/kernel/deps.sh'), package])
    return path


def sh(argv, cwd=None, quiet=False, **environ):
    """Run a build step; its output is shown when it fails."""
    p = subprocess.run(argv, cwd=cwd or REPO, stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, env={**os.environ, **environ},
                       stderr=subprocess.PIPE if quiet else None,
                       universal_newlines=True)
    if p.returncode:
        raise BuildError('%s: exit code %d\n%s%s' %
                         (' '.join(argv), p.returncode, p.stdout or '',
                          p.stderr or ''))
    return p.stdout


_kernels = {}


def source():
    """The kernel source, got on first use."""
    sh([os.path.join(REPO, 'tools/kernel/fetch.sh')])


def other_source():
    """What tells the scripts in tools/kernel of FLAVOUR@other: OTHER is X.Y or a path."""
    other = os.environ.get('OTHER') or '7.2'
    version = re.fullmatch(r'\d+\.\d+', other)
    return {'KVER': other, 'KSRC': ''} if version else {'KVER': '', 'KSRC': other}


def kernel(flavour):
    """bzImage of a flavour, built or brought up to date on first use.

    FLAVOUR@other: the same of another kernel source, see other_source().
    """
    if flavour not in _kernels:
        name, _, other = flavour.partition('@')
        try:
            out = sh([os.path.join(REPO, 'tools/kernel/build.sh'), name],
                     **other_source() if other else {})
            _kernels[flavour] = out.split('\n')[-2]
        except BuildError as e:
            _kernels[flavour] = e
    if isinstance(_kernels[flavour], BuildError):
        raise _kernels[flavour]
    return _kernels[flavour]


def next_kernel(flavour):
    """The same for the kernel that is started by kexec, which may be from elsewhere."""
    other = os.environ.get('PKERNFS_K2')
    if not other:
        return kernel(flavour)
    if not os.path.isfile(other):
        raise BuildError('PKERNFS_K2=%s is no file' % other)
    return other


def guest_tool(source, name=None, flags=()):
    """A static program for the guest, from one C file of this repository."""
    source = os.path.join(REPO, source)
    name = name or os.path.splitext(os.path.basename(source))[0]
    cmd = ['gcc', '-static', '-O2', '-Wall', '-Werror', '-s',
           '-I', os.path.join(REPO, 'include/uapi'), *flags]
    key = hashlib.sha256(' '.join(cmd).encode())
    headers = glob.glob(os.path.join(os.path.dirname(source), '*.h')) + \
        glob.glob(os.path.join(REPO, 'include/uapi/linux/*.h'))
    for path in [source] + sorted(headers):
        with open(path, 'rb') as f:
            key.update(f.read())
    out = os.path.join(OUT, 'bin', '%s-%s' % (name, key.hexdigest()[:16]))
    if not os.path.exists(out):
        os.makedirs(os.path.dirname(out), exist_ok=True)
        temp = '%s.%d' % (out, threading.get_ident())
        sh(cmd + ['-o', temp, source])
        os.rename(temp, out)
    return out
