# SPDX-License-Identifier: GPL-2.0
"""initramfs images: newc archives, written here so that no root is needed.

The kernel takes several archives one after the other, so the part that all
scenarios share is one file, and what a scenario adds is appended to it. Both are
compressed, for the sake of kexec: each byte goes through SHA-256 twice.
"""

import os
import re
import subprocess

from . import env


class Cpio:
    """A newc archive in memory."""

    def __init__(self):
        self.data = bytearray()
        self.ino = 0
        self.dirs = {''}
        self.programs = {}      # where each is that came from the host

    def _entry(self, name, mode, body=b'', rdev=(0, 0)):
        self.ino += 1
        raw = name.encode() + b'\0'
        head = '070701' + ''.join('%08X' % v for v in (
            self.ino, mode, 0, 0, 1, 0, len(body), 0, 0, rdev[0], rdev[1],
            len(raw), 0))
        self.data += head.encode() + raw
        self.data += b'\0' * (-len(self.data) % 4)
        self.data += body
        self.data += b'\0' * (-len(self.data) % 4)

    def mkdir(self, name):
        name = name.strip('/')
        if name not in self.dirs:
            self.mkdir(os.path.dirname(name))
            self.dirs.add(name)
            self._entry(name, 0o040755)

    def node(self, name, major, minor):
        self.mkdir(os.path.dirname(name))
        self._entry(name.strip('/'), 0o020600, rdev=(major, minor))

    def symlink(self, name, target):
        self.mkdir(os.path.dirname(name))
        self._entry(name.strip('/'), 0o120777, target.encode())

    def write(self, name, body, mode=0o644):
        self.mkdir(os.path.dirname(name))
        if isinstance(body, str):
            body = body.encode()
        self._entry(name.strip('/'), 0o100000 | mode, body)

    def copy(self, name, source, mode=0o755):
        with open(source, 'rb') as f:
            self.write(name, f.read(), mode)

    def program(self, source, name=None):
        """A program and the shared libraries it needs."""
        name = name or '/bin/' + os.path.basename(source)
        if source in self.programs:
            self.symlink(name, self.programs[source])
            return
        self.programs[source] = name
        self.copy(name, source)
        p = subprocess.run(['ldd', source], stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL, universal_newlines=True)
        for lib in re.findall(r'(/\S+) \(0x', p.stdout):
            if lib not in self.dirs:
                self.dirs.add(lib)
                self.copy(lib, lib)

    def bytes(self):
        self._entry('TRAILER!!!', 0)
        self.data += b'\0' * (-len(self.data) % 512)
        return bytes(self.data)


def base():
    """What every scenario has: busybox, kexec, our guest library and tools."""
    c = Cpio()
    for d in ('proc', 'sys', 'dev', 'tmp', 'mnt', 'boot', 'test', 'etc'):
        c.mkdir(d)
    c.node('/dev/console', 5, 1)
    busybox = env.which('busybox')
    c.copy('/bin/busybox', busybox)
    for applet in env.sh([busybox, '--list'], quiet=True).split():
        if applet != 'busybox':
            c.symlink('/bin/' + applet, 'busybox')
    c.symlink('/sbin', 'bin')
    c.program(env.which('kexec'))
    for tool in ('verdict', 'tsc'):
        c.copy('/bin/' + tool, env.guest_tool('tools/testing/boot/guest/%s.c' % tool))
    c.copy('/init', os.path.join(env.BOOT, 'guest/init'))
    c.copy('/lib/guest.sh', os.path.join(env.BOOT, 'guest/lib.sh'), 0o644)
    return c.bytes()


_base = None


def packed(archive, level):
    """Compressed; the zeroes tell the kernel where it ends."""
    p = subprocess.run([env.which('lz4'), '-l', '-c', '-%d' % level], input=archive,
                       stdout=subprocess.PIPE, check=True)
    return p.stdout + b'\0' * (4 + -len(p.stdout) % 4)


def build(path, script, files=(), kernel=None, kexecs=0, k2_append=''):
    """Write the image of a scenario to path; returns its size in bytes.

    script: the guest's side, shell functions stage1, stage2, ...
    files: (name in the guest, path on the host)
    kernel: bzImage for /boot
    kexecs: how often the guest starts it: each time with an initrd of its own
            beside it, in which there is one less
    """
    global _base
    if _base is None:
        _base = packed(base(), 9)
    own = Cpio()
    own.write('/test/script', script)
    own.write('/test/k2-append', k2_append)
    for f in files:
        own.program(f[1], f[0])
    small = _base + packed(own.bytes(), 1)
    image = small
    for _ in range(kexecs):
        boot = Cpio()
        boot.copy('/boot/bzImage', kernel, 0o644)
        boot.write('/boot/initrd', image)
        image = small + boot.bytes()
    with open(path, 'wb') as f:
        f.write(image)
    return len(image)
