# SPDX-License-Identifier: GPL-2.0
"""The kernel's own tests of iommufd, VFIO and liveupdate: hooked as bare (S11).

Without pkernfs=, as most machines have it, and with a region. What fails on the bare
kernel, for want of something in a small configuration, has to fail on ours, too.
"""

import os

from pkboot import dma, peers
from pkboot.result import Failure

KERNEL = 'peers-hooked'     # built for this alone, as peers-bare is
MANUAL = True
MEMORY = '2G'
DEVICES = (dma.NIC,)
APPEND = 'kho=on liveupdate=on kho_scratch=64M,512M,0M hugepages=64'
FILES = peers.files
STAGES = 1 + len(peers.LUO)
TIMEOUT = 900

_SUITES = r'''
peer() {
	local rc=0
	echo "== $1" >/dev/ttyS1
	timeout 400 "$@" >/tmp/out 2>&1 || rc=$?
	cat /tmp/out >/dev/ttyS1
	echo >/dev/ttyS1
	echo "== $1 exit code $rc" >/dev/ttyS1
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
	vfio_cdev
	for t in %(vfio)s; do peer $t $nic; done
	peer liveupdate
	luo 1
}
''' % {'iommu': ' '.join(peers.IOMMU), 'vfio': ' '.join(peers.VFIO),
       'luo': ' '.join(peers.LUO)}
GUEST = _SUITES + ''.join('''
stage%d() {
	stty -F /dev/ttyS1 raw
	luo %d
}
''' % (n, n) for n in range(2, STAGES + 1))


def run(t):
    found = {}
    for name, flavour, append in (
            ('bare', 'peers-bare', ''), ('hooked', 'peers-hooked', ''),
            ('region', 'peers-hooked', ' pkernfs=256M@1G')):
        m = t.machine(name, kernel=flavour, append=APPEND + append).start().finish()
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
    for name, r in found.items():
        other = ['%s: %s, bare: %s' % (c, r.get(c), bare.get(c))
                 for c in sorted({*r, *bare}) if r.get(c) != bare.get(c)]
        if other:
            raise Failure('%s: %s' % (name, '\n'.join(other[:20])))
