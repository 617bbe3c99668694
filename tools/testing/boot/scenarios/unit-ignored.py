# SPDX-License-Identifier: GPL-2.0
"""The next kernel's IOMMU driver would leave the unit alone: it drives it all the same.

As igfx_off has it do with a unit that has display devices only, which QEMU has not; here it is
one that has no device in its scope. That is known when PCI has been enumerated, with the device
behind it found and at work. The device is then cut off, as the driver does not know it, and
translation is not switched off.
"""

from pkboot import damage

KERNEL = 'release'
LIKE = damage
STAGES = 2
TIMEOUT = 90
QUICK = False
TRACE = ('pci_cfg_write', 'vtd_dmar_enable')
K2_APPEND = damage.NO_DRIVER
_WHY = 'the IOMMU driver does not keep it'
GUEST = damage.guest_given_up(_WHY).replace('\tload_armed', '\twith_ignored_unit\n\tload_armed')
VARIANTS = {'scalable': {'IOMMU': 'intremap=on,x-scalable-mode=on',
                         'APPEND': 'intel_iommu=sm_on'}}


def run(t):
    u = []
    damage.run(t, lambda region, tables: (), adopted=False, says='00:04.0 is cut off: ' + _WHY,
               then=u.append)
    said = [text for _, text in u[0].m.console.lines]
    t.check(any('dmar0 is driven for the preserved devices' in text for text in said),
            'the unit was not to be left alone')
    drops = u[0].d.stopped_first('e1000e 00:04.0')
    t.check(not drops, 'translation was switched off %d times' % drops)
