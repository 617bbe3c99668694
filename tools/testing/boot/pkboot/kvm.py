# SPDX-License-Identifier: GPL-2.0
"""A VM in the machine: QEMU's TCG emulates AMD's SVM, the kernel's KVM runs a vCPU.

A scenario has KERNEL = 'kvm', GUEST in its own, and begins stage1 with need_kvm.
"""

import re
import struct

from . import dma, selftests
from .result import Failure

GUEST = r'''
need_kvm() {
	[ -c /dev/kvm ] || {
		say "SKIP no /dev/kvm: the CPU that QEMU emulates has no SVM"
		verdict 0
	}
}
vmm_state="$vmm_state --kvm"
'''

# Each message of an e1000e, for TRACE. The second are those that its throttling has put
# off, and by an error of QEMU's others once more: in 10.0 all, in 7.2 all that come after
# one that was put off. Masked, or pending already, the two are one.
TRACE = ('e1000e_irq_msix_notify_vec', 'e1000e_irq_msix_notify_postponed_vec')


def run(t, m, what):
    """Do what(), which runs machine m to its end; skip where the guest has no KVM."""
    try:
        what()
    except Failure:
        for _, text in m.console.lines:
            if 'SKIP ' in text and not m.console.faults:
                t.skip(text.split('SKIP ', 1)[1])
        raise


def messages(m, begin, end=float('inf')):
    """How many MSI-X messages the NIC has sent in that time, by vector."""
    found = {}
    for event in TRACE:
        for words in m.trace(event, begin, end):
            # "... vector 0x2" or "... EITR[2]": it has five
            vector = int(re.search(r'(\d)\]?$', words).group(1))
            found[vector] = found.get(vector, 0) + 1
    return found


def raise_from_outside(m, causes):
    """Have the NIC raise these, whoever runs in the machine."""
    q = m.qtest()
    bar = q.readl(dma.ECAM + (4 << 15) + 0x10) & ~0xf
    q.writel(bar + 0xc8, causes)    # ICS
    q.close()


# Of tools/pkernfs-vmm: where RAM begins for the device, and struct guest_page as far
# as it is looked at.
_IOVA = 1 << 32
_MAGIC = 0x5453455547
_IRQS = 0x78


def guest_irqs(m, vectors):
    """The guest's own counts, by vector, read from outside where INFO says RAM is."""
    ranges = [dma.values(text) for _, text in m.console.lines if 'RANGE iova=' in text]
    phys = [int(r['phys'], 0) for r in ranges if int(r['iova'], 0) == _IOVA][-1]
    with open(m.ram, 'rb') as f:
        f.seek(selftests.ram_offset(m, phys))
        page = f.read(4096)
    if struct.unpack_from('<Q', page)[0] != _MAGIC:
        raise Failure('no guest at %#x, where RAM is by INFO' % phys)
    return list(struct.unpack_from('<%dQ' % vectors, page, _IRQS))
