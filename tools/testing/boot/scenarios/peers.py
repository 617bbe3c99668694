# SPDX-License-Identifier: GPL-2.0
"""The kernel's own tests of iommufd, VFIO and liveupdate: hooked as bare (S11).

Without pkernfs=, as most machines have it, and with a region. What fails on the bare
kernel, for want of something in a small configuration, has to fail on ours, too. VFIO's
run on an e1000e and, if QEMU has it, on an igb, which they have a driver for.
"""

import os

from pkboot import dma, env, peers
from pkboot.result import Failure

KERNEL = 'peers-hooked'     # built for this alone, as peers-bare is
MANUAL = True
MEMORY = '3G'      # VFIO's driver test maps 1 GiB
DEVICES = (dma.NIC,)
APPEND = 'kho=on liveupdate=on kho_scratch=64M,512M,0M hugepages=64'
FILES = peers.files
STAGES = 1 + len(peers.LUO)
TIMEOUT = 1800
_IGB = '0000:00:05.0'
# vfio_pci_driver_test has the igb read from and write to an address that is not mapped.
IGNORE = (r'DMAR: DRHD: handling fault', r'DMAR: \[DMA (Read|Write).*\] Request device \[%s\] '
          r'fault addr 0x[0-9a-f]+ \[fault reason 0x0[56]\]' % _IGB)
_SUITES = r'''
# on: what a program is run on, before its name in the results
on=
peer() {
	local rc=0
	echo "== $on$1" >/dev/ttyS1
	timeout 600 "$@" >/tmp/out 2>&1 || rc=$?
	cat /tmp/out >/dev/ttyS1
	echo >/dev/ttyS1
	echo "== $on$1 exit code $rc" >/dev/ttyS1
}

vfio_peers() {
	vfio_cdev
	for t in %(vfio)s; do peer $t $nic; done
}

# luo N: what stage N - 1 has left is taken back, and left for the next stage.
luo() {
	local n=$(($1 - 1)) name
	set -- %(luo)s
	[ $n = 0 ] || { eval "name=\${$n}"; peer $name -s 2; }
	n=$((n + 1))
	[ $n -le $# ] || return 0
	kexec_load_next -s
	eval "name=\${$n}"
	# A daemon holds the session, and has to live until the kexec.
	$name -s 1 >/dev/ttyS1 2>&1 </dev/null || fail "$name, stage 1: $?"
	kexec_jump
}

stage1() {
	stty -F /dev/ttyS1 raw
	for t in %(iommu)s; do peer $t; done
	vfio_peers
	if [ -d /sys/bus/pci/devices/%(igb)s ]; then
		nic=%(igb)s
		on=igb:
		vfio_peers
		on=
	fi
	peer liveupdate
	luo 1
}
''' % {'iommu': ' '.join(peers.IOMMU), 'igb': _IGB, 'vfio': ' '.join(peers.VFIO),
       'luo': ' '.join(peers.LUO)}
GUEST = _SUITES + ''.join('''
stage%d() {
	stty -F /dev/ttyS1 raw
	luo %d
}
''' % (n, n) for n in range(2, STAGES + 1))


def run(t):
    found = {}
    devices = DEVICES
    if env.qemu_has('igb'):
        devices += ('-device igb,addr=5.0',)
    else:
        t.note('this QEMU has no igb')
    for name, flavour, append in (
            ('bare', 'peers-bare', ''), ('hooked', 'peers-hooked', ''),
            ('region', 'peers-hooked', ' pkernfs=256M@1G')):
        m = t.machine(name, kernel=flavour, devices=devices, append=APPEND + append)
        m.start().finish()
        found[name] = r = peers.results(m.data())
        t.note('%s: %s' % (name, ', '.join(
            '%d %s' % (list(r.values()).count(how), how)
            for how in ('pass', 'fail', 'skip'))))
    bare = found['bare']
    with open(os.path.join(t.dir, 'results'), 'w') as f:
        for case in sorted(bare):
            f.write('%s %s\n' % (bare[case], case))
    if list(bare.values()).count('pass') < 200:
        raise Failure('the tests themselves do not work')
    if len(devices) > 1 and not any(c.startswith('igb:vfio_pci_driver_test ') and how == 'pass'
                                    for c, how in bare.items()):
        raise Failure('the driver test does not work on an igb')
    for name, r in found.items():
        other = ['%s: %s, bare: %s' % (c, r.get(c), bare.get(c))
                 for c in sorted({*r, *bare}) if r.get(c) != bare.get(c)]
        if other:
            raise Failure('%s: %s' % (name, '\n'.join(other[:20])))
