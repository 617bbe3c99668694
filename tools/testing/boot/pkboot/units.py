# SPDX-License-Identifier: GPL-2.0
"""Machines with two remapping units, as a patched QEMU has them: tools/testing/qemu.

The first unit has what is on bus 0, below the second is a root bus of its own. Frames come
for NIC 0 below the first, and 1 and 2 below the second; below each is another NIC, which
the kernel's own driver has. A scenario declares QEMU, DEVICES, SCALABLE and TRACE of this
module, and puts GUEST before its own.
"""

import re

from . import dma, live
from .result import Failure

QEMU = 'PKERNFS_QEMU_UNITS'
# Where they have their registers.
UNITS = FIRST, SECOND = dma.UNIT, dma.UNIT + 0x1000
# Of the NICs that frames come for.
ADDRESS = '00:04.0', '21:00.0', '22:00.0'
BELOW = {FIRST: (0,), SECOND: (1, 2)}
# Ports above those of the second.
PORTS = '20:01.0', '20:02.0'
TRACE = ('pci_cfg_write', 'vtd_dmar_enable', 'vtd_reg_dmar_root')


def devices(second='intremap=on'):
    """second: properties of the second unit; those of the first are IOMMU"""
    return (dma.nic(0), '-device e1000e,addr=5.0',
            '-device pxb-pcie,id=pxb,bus=pcie.0,addr=8.0,bus_nr=32',
            '-device intel-iommu,primary-bus=pxb,%s,caching-mode=on' % second,
            *('-device pcie-root-port,id=rp%d,bus=pxb,chassis=%d,addr=%d.0' % (n, n, n)
              for n in (1, 2, 3)),
            dma.nic(1, 'bus=rp1'), dma.nic(2, 'bus=rp2'), '-device e1000e,bus=rp3')


DEVICES = devices()
SCALABLE = {'scalable': {**live.SCALABLE['scalable'],
                         'DEVICES': devices(live.SCALABLE['scalable']['IOMMU'])}}

GUEST = r'''
%s
dir0=/mnt/vm0 dir1=/mnt/vm0 dir2=/mnt/vm1

begin() {
	region_make
	mkdir /mnt/vm1
	mkfifo /tmp/c0 /tmp/c1 /tmp/c2
}

begin_next() {
	region_mount
	mkfifo /tmp/c0 /tmp/c1 /tmp/c2
}

# Those that are nobody's here are with their driver.
own_drivers() {
	local dev
	for dev in 00:05.0 23:00.0; do
		[ -e /sys/bus/pci/drivers/e1000e/0000:$dev ] || fail "$dev has no driver"
	done
}
''' % '\n'.join('bdf%d=0000:%s' % (n, a) for n, a in enumerate(ADDRESS))


def unit_of(n):
    """The unit that a NIC is below."""
    return next(base for base, below in BELOW.items() if n in below)


def rid(n):
    """What a NIC's record has of its address."""
    bus, slot, function = re.split('[:.]', ADDRESS[n])
    return int(bus, 16) << 8 | int(slot, 16) << 3 | int(function)


def begin(t, numbers, name='vm', rate=60, **over):
    """A machine, in which frames come for these NICs: it, and a dma.Dma for each."""
    m = t.machine(name, files=dma.files(pkernfs=True), **over)
    nics = dma.start_all(t, m, numbers, rate=rate)
    nics[0].poll(units={base: ['0000:' + ADDRESS[n] for n in below if n in numbers]
                        for base, below in BELOW.items()})
    m.send('frames come')
    return m, nics


def all_landed(t, m, nics, left):
    """Of each NIC, what scan() has found: every frame; and no interrupt was lost.

    One was raised when its VMM had gone, beside those of frames.
    """
    reports = dma.reports(m)
    for d, scan in zip(nics, left):
        t.note('%s, NIC %d: %d frames sent, %d landed' %
               (m.name, d.nic, d.inject['sent'], d.watch['landed']))
        r = reports.get(d.run)
        d.all_landed(r, scan)
        if r['new_irq1'] != 1 or not r['new_irq0']:
            raise Failure('interrupts of NIC %d: %s' % (d.nic, r))


def undisturbed(nics, unit, dids):
    """Translation of a unit is never off since the freeze, by poll() and by trace.

    Its root pointer is set twice, for the jump and by the next kernel. NICs that are watched
    below it went from one domain to another so many times.
    """
    d = nics[0]
    p = d.undisturbed(roots=2, unit=unit)
    if p['dids'] != dids:
        raise Failure('domain ids below unit %#x changed %d times' % (unit, p['dids']))
    switched, roots = since_freeze(d, unit)
    if switched or roots != 2:
        raise Failure('unit %#x: switched %s, %d root pointers' % (unit, switched, roots))


def since_freeze(d, unit):
    """By trace: how translation of a unit was switched, and how often its root was set."""
    begin = next(now for now, name in d.marks() if name == 'freeze')
    end = ' unit %#x' % unit
    switched = [int(re.match(r'enable (\d)', w).group(1))
                for w in d.m.trace('vtd_dmar_enable', begin) if w.endswith(end)]
    roots = [w for w in d.m.trace('vtd_reg_dmar_root', begin) if w.endswith(end)]
    return switched, len(roots)
