# SPDX-License-Identifier: GPL-2.0
"""KVM maps guest RAM by the granules of its file: 2 MiB, 1 GiB, also after a kexec.

By KVM's own counts of what it has mapped, when the guest has touched all of its RAM.
The control is a memfd, of which each page is mapped by itself.
"""

from pkboot import dma, kvm
from pkboot.result import Failure

KERNEL = 'kvm'
MANUAL = True          # a kernel of its own
MEMORY = '6G'
PKERNFS = '2050M@4G'
DEVICES = (dma.NIC,)
STAGES = 2
TIMEOUT = 240

GUEST = kvm.GUEST + r'''
stage1() {
	need_kvm
	mkfs.pkernfs -q -H 1 region0 || fail "mkfs --huge"
	region_mount
	mkdir /mnt/vm0
	load_armed -c
	say "CASE memfd"
	pkernfs-vmm run --kvm --bind --bdf $nic --ram memfd --size 160M touch >/dev/kmsg ||
		fail "memfd: $?"
	say "CASE 2M"
	pkernfs-vmm run --kvm --bdf $nic --ram /mnt/vm0/small --size 160M touch >/dev/kmsg ||
		fail "granules of 2 MiB: $?"
	>/mnt/vm0/ram
	pkernfsctl granules 1g /mnt/vm0/ram || fail "granules"
	say "CASE 1G"
	vmm run --size 1G touch freeze quiesce save || fail "granules of 1 GiB: $?"
	kexec_jump
}

stage2() {
	region_mount
	say "CASE 1G after a kexec"
	vmm restore touch || fail "the VMM after the update: $?"
}
'''

# Pages of RAM of the size that they have to have
CASES = {
    'memfd': ('4k', 160 << 8),
    '2M': ('2m', 80),
    '1G': ('1g', 1),
    '1G after a kexec': ('1g', 1),
}
# BAR 0 is mapped by 4 KiB: not RAM.
_BAR = 32


def run(t):
    m = t.machine(files=dma.files(pkernfs=True))
    kvm.run(t, m, lambda: m.start().finish())
    found = {}
    case = None
    for _, text in m.console.lines:
        if 'CASE ' in text:
            case = text.split('CASE ', 1)[1]
        elif 'PAGES ' in text:
            found[case] = dma.values(text)
    t.note(', '.join('%s: %s' % (c, ' '.join('%s %d' % p for p in f.items() if p[1]))
                     for c, f in found.items()))
    for case, (size, count) in CASES.items():
        for s, n in found[case].items():
            least = count if s == size else 0
            if not least <= n <= least + (_BAR if s == '4k' else 0):
                raise Failure('%s: KVM maps %d pages of %s, of RAM there should be %d' %
                              (case, n, s, least))
