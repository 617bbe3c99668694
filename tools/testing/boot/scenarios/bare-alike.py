# SPDX-License-Identifier: GPL-2.0
"""Without pkernfs= a kernel with our hooks and one without behave alike (S11).

Both boot the same machine, bind a NIC to vfio-pci, start themselves anew by
kexec, and do the same again. Device lists, what the kernel said about PCI, IOMMU
and VFIO, and the memory map that a kexec hands on must be the same.
"""

import difflib
import os
import re

from pkboot.result import Failure

KERNEL = 'release'
MEMORY = '1G'
STAGES = 2
TIMEOUT = 120
DEVICES = (
    '-device pcie-root-port,id=rp1,chassis=1',
    '-device e1000e,bus=rp1,mac=52:54:00:00:00:01',
    '-device e1000e,mac=52:54:00:00:00:02',
)

GUEST = r'''
report() {
	local d f
	echo "== $1: memory map"
	cat /sys/firmware/memmap/*/start /sys/firmware/memmap/*/end \
		/sys/firmware/memmap/*/type | paste -s -d' '
	grep -v Kernel /proc/iomem
	for d in /sys/bus/pci/devices/*; do
		echo "== $1: ${d##*/}"
		cat $d/vendor $d/device $d/class $d/resource $d/enable $d/power_state
		hexdump -v -e '16/1 "%02x " "\n"' -n 256 $d/config
		for f in driver iommu_group iommu; do
			readlink $d/$f || echo "no $f"
		done
		cat $d/iommu_group/type 2>/dev/null || true
	done
	echo "== $1: log"
	dmesg | grep -i 'pci\|iommu\|dmar\|vfio\|e1000e\|kexec\|BIOS-e820' || true
}

both() {
	local d=/sys/bus/pci/devices/0000:01:00.0
	report "stage $1, as booted"
	echo ${d##*/} >$d/driver/unbind
	echo vfio-pci >$d/driver_override
	echo ${d##*/} >/sys/bus/pci/drivers/vfio-pci/bind
	ls /dev/vfio/devices
	report "stage $1, bound to vfio-pci"
	echo vfio-pci unbound
	echo ${d##*/} >/sys/bus/pci/drivers/vfio-pci/unbind
	report "stage $1, unbound"
}

stage1() {
	stty -F /dev/ttyS1 raw
	both 1 >/dev/ttyS1
	kexec_load_next -c
	kexec_jump
}

stage2() {
	stty -F /dev/ttyS1 raw
	both 2 >/dev/ttyS1
}
'''


def normal(text):
    """A report without what differs from boot to boot: times and addresses of
    the kernel's own choice."""
    head, lines, out = '', [], []
    for line in text.split('\n') + ['== ']:
        if line.startswith('== '):
            # A log's lines come in no fixed order where drivers probe at once.
            out += [head] + (sorted(lines) if head.endswith('log') else lines)
            head, lines = line, []
            continue
        line = re.sub(r'^\[ *\d+\.\d+\] ', '', line)
        line = re.sub(r'\b(hpa|virt|ptr|at) (0x)?[0-9a-f]{8,16}\b', r'\1 ADDR', line)
        line = re.sub(r'\b\d+ (ns|us|usecs|ms|msecs)\b', r'N \1', line)
        # The firmware's own leftovers look like a ROM in one boot of many.
        if 'Adapter ROM' in line:
            continue
        # Said of a quirk only if it took long.
        if re.search(r'quirk_\S+ took N usecs', line):
            continue
        # What differs by construction: size and place of the image itself.
        if re.search(r'Command line|Memory: |RAMDISK|Freeing|initcall', line):
            continue
        lines.append(line)
    return out


def run(t):
    reports = {}
    for flavour in 'bare', 'release':
        m = t.machine(flavour, kernel=flavour).start().finish()
        reports[flavour] = normal(m.data())
    if len(reports['bare']) < 100:
        raise Failure('the report has %d lines only' % len(reports['bare']))
    diff = list(difflib.unified_diff(reports['bare'], reports['release'],
                                     'bare', 'hooked', lineterm='', n=1))
    with open(os.path.join(t.dir, 'difference'), 'w') as f:
        f.write('\n'.join(diff) + '\n')
    if diff:
        raise Failure('they differ:\n' + '\n'.join(diff[:20]))
    t.note('%d lines alike' % len(reports['bare']))
