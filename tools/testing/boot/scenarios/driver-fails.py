# SPDX-License-Identifier: GPL-2.0
"""The next kernel's IOMMU driver gives up its start: the device is cut off first.

It had adopted the device, and fails then: what it frees the hardware is using, and it
switches translation off. Not before the device is stopped. So if it was forced on against
the command line, and a kernel without PCI, which does not find the device, stops it, too;
and one without ACPI, which does not find the unit.
"""

from pkboot import damage

KERNEL = 'test'
LIKE = damage
STAGES = 2
TIMEOUT = 90
QUICK = False
TRACE = ('pci_cfg_write', 'vtd_dmar_enable')
_KNOB = damage.NO_DRIVER + ' pkernfs_test=init-fails'
K2_APPEND = _KNOB
GUEST = damage.guest_given_up("$(arg says | tr _ ' ')")
_SCALABLE = {'IOMMU': 'intremap=on,x-scalable-mode=on',
             'APPEND': 'intel_iommu=sm_on'}
VARIANTS = {
    'scalable': _SCALABLE,
    'off': {'K2_APPEND': _KNOB + ' intel_iommu=off'},
    # Without interrupt remapping nobody needs the unit any more: it is forgotten.
    'intremap-off': {'K2_APPEND': _KNOB + ' intremap=off'},
    'no-pci': {'K2_APPEND': 'pci=off'},
    # With interrupt remapping left on it would have no interrupts.
    'no-acpi': {'IOMMU': 'intremap=off', 'APPEND': 'iommufd.allow_unsafe_interrupts=1',
                'K2_APPEND': damage.NO_DRIVER + ' acpi=off'},
}


def run(t):
    pci = 'pci=off' not in t.s.K2_APPEND
    unit = 'acpi=off' not in t.s.K2_APPEND
    says = 'the device is not there' if not pci else 'the IOMMU driver does not start' if unit \
        else 'the remapping units cannot be found'
    u = []
    damage.run(t, lambda region, tables: (), adopted=False, says='00:04.0 is cut off: ' + says,
               reset=pci, then=u.append,
               k2_append='%s says=%s' % (t.s.K2_APPEND, says.replace(' ', '_')))
    m, d = u[0].m, u[0].d
    said = [text for _, text in m.console.lines]
    drops = d.stopped_first('e1000e 00:04.0')
    if pci and unit:
        t.check(any('DMAR: Initialization failed' in text for text in said),
                'the IOMMU driver has not failed')
        t.check(any('1 device(s) entered' in text for text in said), 'nothing was adopted')
    # Without PCI the unit has no devices, and is not driven.
    t.check(drops == unit, 'translation was switched off %d times' % drops)
    if 'intel_iommu=off' in t.s.K2_APPEND:
        t.check(any('intel_iommu is forced on' in text for text in said),
                'no line says that intel_iommu is forced on')
