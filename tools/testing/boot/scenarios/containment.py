# SPDX-License-Identifier: GPL-2.0
"""Downstream port containment (DPC) stays off above a preserved device.

Where it is on FREEZE is refused; and a next kernel that knows how to does not switch it on,
but at the port of the other NIC. No version of QEMU has such ports: the capability is put
into the configuration spaces that the running QEMU has in its memory. Frames come all the
time.
"""

import struct

from pkboot import dma, live
from pkboot.result import Failure

KERNEL = 'test'         # has error reporting, which containment needs
LIKE = live
DEVICES = ('-device pcie-root-port,id=rp,chassis=1,addr=6.0,hotplug=off',
           dma.nic(0, 'bus=rp'),
           '-device pcie-root-port,id=rp2,chassis=2,addr=7.0,hotplug=off',
           '-device e1000e,bus=rp2')
APPEND = live.APPEND + ' pcie_ports=native'
TRACE = ('pci_cfg_write',)
STAGES = 2
TIMEOUT = 60
QUICK = False

GUEST = r'''
nic=0000:01:00.0

stage1() {
	region_make
	load_armed -s
	mkfifo /tmp/control
	vmm run --bind --size 160M --control /tmp/control phase=quiet wait !freeze wait \
		phase=freeze freeze info quiesce save &
	pid=$!
	await_host
	echo go >/tmp/control
	while ! dmesg | grep -q "refused action=freeze"; do sleep 0.1; done
	dmesg | grep -q "port 0000:00:06.0 has downstream port containment on" ||
		fail "no line says why"
	say "OFF please"
	await_host
	echo go >/tmp/control
	wait $pid || fail "the first VMM: $?"
	want_state detached
	kexec_jump
}

stage2() {
	phase userland
	want_state adopted
	region_mount
	vmm_back phase=resumed run=1s phase=end wait drain verify
	await_host
}
'''

_PORT = struct.pack('<HH', 0x1b36, 0xc)                 # vendor, device
_BRIDGE = bytes((4, 6))                                 # class
# The extended capabilities that these ports have, the last of them; and one more.
_AER, _ACS, _DPC = 0x100, 0x148, 0x160
_LAST = struct.pack('<I', 0xd | 1 << 16)
_MORE = struct.pack('<I', 0xd | 1 << 16 | _DPC << 20)
_CONTAINS = struct.pack('<IHH', 0x1d | 1 << 16, 0, 1)   # no capabilities; on, for fatal errors
_CONTROL = _DPC + 6


class Ports:
    """The configuration spaces of QEMU's root ports, in its memory."""

    def __init__(self, pid, count):
        self.mem = '/proc/%d/mem' % pid
        self.at = []
        with open('/proc/%d/maps' % pid) as maps, open(self.mem, 'rb', buffering=0) as mem:
            for line in maps:
                words = line.split()
                if words[1] != 'rw-p' or words[-1][0] == '/':
                    continue
                first, end = (int(at, 16) for at in words[0].split('-'))
                mem.seek(first)
                self._look(mem.read(end - first), first)
        if len(self.at) != count:
            raise Failure('%d root ports in the memory of QEMU' % len(self.at))

    def _look(self, data, first):
        at = data.find(_PORT)
        while at >= 0:
            if data[at + 10:at + 12] == _BRIDGE and data[at + _AER] == 1 and \
                    data[at + _ACS:at + _ACS + 4] == _LAST:
                self.at.append(first + at)
            at = data.find(_PORT, at + 1)

    def put(self, offset, data):
        with open(self.mem, 'r+b', buffering=0) as mem:
            for at in self.at:
                mem.seek(at + offset)
                mem.write(data)


def run(t):
    u = live.Update(t, bdf='0000:01:00.0')
    m = u.m
    u.begin(rate=300)
    ports = Ports(m.proc.pid, 2)
    ports.put(_DPC, _CONTAINS)
    ports.put(_ACS, _MORE)
    m.send('containment is on')
    m.wait('OFF please')
    ports.put(_CONTROL, bytes(2))
    m.send('it is off')
    u.end()
    u.all_landed()
    u.translated(info=1)        # the first is that of the refusal
    at = {name: now for now, name in u.d.marks()}
    writes = m.trace('pci_cfg_write', at['jump'], at['end'])
    on = [port for port in ('00:06.0', '00:07.0')
          if any(' %s @%#x <- ' % (port, _CONTROL) in w for w in writes)]
    if on != ['00:07.0']:
        raise Failure('containment was switched on at: %s' % on)
