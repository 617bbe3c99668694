# SPDX-License-Identifier: GPL-2.0
"""The next kernel is to number buses anew, or to set payload sizes: it does neither.

pci=assign-busses would have a NIC at work under another address, which no record names, as
the port before its own has more bus numbers than it needs; pci=pcie_bus_perf would change
sizes of requests under way.
"""

from pkboot import dma, live
from pkboot.result import Failure

KERNEL = 'release'
LIKE = live
DEVICES = ('-device pcie-root-port,id=rp1,chassis=1,slot=1,addr=6.0,hotplug=off,bus-reserve=4',
           '-device pcie-root-port,id=rp2,chassis=2,slot=2,addr=7.0,hotplug=off',
           dma.nic(0, 'bus=rp2'))
TRACE = ('pci_cfg_write',)
STAGES = 2
TIMEOUT = 60
QUICK = False
K2_APPEND = 'pci=assign-busses'
VARIANTS = {'payload': {'K2_APPEND': 'pci=pcie_bus_perf'}}

_BDF = '0000:06:00.0'
GUEST = 'nic=%s\n' % _BDF + live.guest(
    first='phase=quiet run=1s freeze info phase=frozen quiesce save phase=leave',
    second='phase=resumed run=1s phase=end wait drain verify info')

# PCI_EXP_DEVCTL of QEMU's models
_DEVCTL = ' 06:00.0 @0xe8 <- ', ' 00:07.0 @0x5c <- '


def run(t):
    u = live.Update(t, bdf=_BDF)
    u.go(rate=300)
    u.all_landed()
    u.translated()
    for address in '00:07.0', '06:00.0':
        u.d.never_cleared(address)
    at = {name: now for now, name in u.d.marks()}
    sizes = [w for w in u.m.trace('pci_cfg_write', at['jump'], at['end'])
             if any(reg in w for reg in _DEVCTL)]
    if sizes:
        raise Failure('its sizes were set: ' + ', '.join(sizes))
    u.m.wait('pkernfs: %s is forced off for the preserved devices' % t.s.K2_APPEND)
