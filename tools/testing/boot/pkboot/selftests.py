# SPDX-License-Identifier: GPL-2.0
"""The kselftests of tools/testing/selftests/pkernfs, built for the guest, and
the host's view of guest memory."""

import mmap
import os
import re

from . import dma, env

FOLDER = 'tools/testing/selftests/pkernfs'
GIB = 1 << 30


def tool(name):
    """Path of a static program built from one of the selftests."""
    ksrc = env.sh([os.path.join(env.REPO, 'tools/kernel/fetch.sh')]).split('\n')[-2]
    # "../kselftest_harness.h" is found from any folder beside it.
    return env.guest_tool(os.path.join(FOLDER, name + '.c'), flags=(
        '-iquote', os.path.join(ksrc, 'tools/testing/selftests/kvm')))


def files(*names):
    """FILES of a machine: these programs, in /bin."""
    return [('/bin/' + n, tool(n)) for n in names]


def vfio_files(*names, flags=()):
    """The same for programs that want the kernel's own headers of VFIO and iommufd."""
    dma.vmm()           # leaves them in its folder
    headers = os.path.join(env.OUT, 'bin', 'pkernfs-vmm', 'include')
    flags = ('-D_GNU_SOURCE', '-D__counted_by(x)=', '-Wno-unused-result',
             '-isystem', headers, *flags)
    return [('/bin/' + n, env.guest_tool(os.path.join(FOLDER, n + '.c'), flags=flags))
            for n in names]


def note(t, machine):
    """What a guest said in its "TAP ..." lines, one for each program."""
    for _, line in machine.console.lines:
        if 'TAP ' in line:
            t.note(line.split('TAP ', 1)[1])


def run(t):
    """run() of a scenario whose guest has such lines."""
    m = t.machine().start()
    m.finish()
    note(t, m)


def ram_offset(machine, phys):
    """Place of a guest-physical address in the file that is the guest's RAM."""
    low = machine.ram_bytes if machine.ram_bytes < 0xb0000000 else 2 * GIB
    if phys < low:
        return phys
    assert phys >= 4 * GIB, 'no RAM at %#x' % phys
    return phys - 4 * GIB + low


def fill(t, machine, phys, count, seed):
    """Fill a stretch of guest memory with a pattern, from outside."""
    t.command([tool('region_mem'), 'fill', machine.ram,
               str(ram_offset(machine, phys)), str(count), str(seed)])


def changed(t, machine, phys, count, seed):
    """Pages of a stretch that are not any more as fill() left them."""
    said = t.command(['sh', '-c', '"$@" || [ $? = 1 ]', 'sh', tool('region_mem'),
                      'check', machine.ram, str(ram_offset(machine, phys)),
                      str(count), str(seed)])
    hit = re.search(r'^(\d+) (of \d+ pages differ|pages as filled)', said, re.M)
    return int(hit.group(1)) if 'differ' in hit.group(2) else 0


def written(machine, phys, count):
    """Pages of a stretch of guest memory that hold anything but zeros.

    Of a sparse file only what was ever touched is looked at.
    """
    start = ram_offset(machine, phys)
    end, at, pages = start + count, start, 0
    fd = os.open(machine.ram, os.O_RDONLY)
    try:
        while at < end:
            try:
                data = os.lseek(fd, at, os.SEEK_DATA)
            except OSError:
                break           # nothing but holes to the end of the file
            hole = os.lseek(fd, data, os.SEEK_HOLE)
            at = data
            while at < min(hole, end):
                page = os.pread(fd, mmap.PAGESIZE, at)
                pages += page != bytes(len(page))
                at += mmap.PAGESIZE
    finally:
        os.close(fd)
    return pages
