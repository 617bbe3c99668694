# SPDX-License-Identifier: GPL-2.0
"""A device whose user has MSI is refused at FREEZE, and works on.

MSI without mask bits latches nothing, so an interrupt of the kernel change would be
lost. QEMU's edu has nothing else, and is no PCI Express function either: it is told
of the MSI. The NIC has both: with MSI-X it is frozen.
"""

import errno

from pkboot import dma, live
from pkboot.result import Failure

KERNEL = 'release'
LIKE = live
DEVICES = (dma.NIC, '-device edu,addr=5.0')

GUEST = r'''
# refused [OPTION]...: the device NIC, before and after a freeze that is refused
refused() {
	vmm run --bind "$@" raise run=200ms report '!freeze' raise \
		run=200ms report || fail "the VMM of $nic: $?"
	want_state ordinary
}

stage1() {
	region_make
	nic=0000:00:05.0
	refused --device /mnt/vm0/edu0 --size 8M
	nic=0000:00:04.0
	refused --msi --size 160M
	vmm run --size 160M raise run=100ms freeze raise run=200ms unfreeze report || fail "MSI-X: $?"
	want_state ordinary
}
'''


def run(t):
    m = t.machine(files=dma.files(pkernfs=True))
    m.start().finish()
    said = [dma.values(text) for _, text in m.console.lines if 'INFO ' in text]
    steps = [dma.values(text) for _, text in m.console.lines if 'STEP refused' in text]
    reports = [dma.values(text) for _, text in m.console.lines if 'REPORT ' in text]
    for info, step, name in zip(said, steps, ('edu', 'NIC'), strict=True):
        t.note('%s: %s' % (name, info['reason']))
        if step['errno'] != errno.EOPNOTSUPP or info['error'] != errno.EOPNOTSUPP:
            raise Failure('%s: refused with %s, INFO says %s' % (name, step, info))
        if not info['reason'].startswith('MSI is in use'):
            raise Failure('%s: refused as %s' % (name, info['reason']))
    # Two reports of its own, and one at its end
    for i, name in (0, 'edu'), (3, 'NIC'):
        before, after = reports[i], reports[i + 1]
        if before['irq0'] < 1 or after['irq0'] <= before['irq0'] or 'irq1' in after:
            raise Failure('%s: interrupts %s, then %s' % (name, before, after))
    edu = reports[1]
    if edu['irq0'] != edu['raised']:
        raise Failure('edu: %d raised, %d delivered' % (edu['raised'], edu['irq0']))
    # Not exactly: QEMU 10's NIC adds one now and then, also with MSI and no freeze.
    if reports[6]['irq1'] < reports[6]['raised']:
        raise Failure('with MSI-X: %s' % reports[6])
