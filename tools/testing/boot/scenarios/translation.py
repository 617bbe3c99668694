# SPDX-License-Identifier: GPL-2.0
"""What the remapping unit is told in a live update (S4).

By QEMU's traces: translation is never switched off, there is no fault, from the
freeze on the NIC's entry is never found missing, and the root pointer goes from
the first kernel's to the handover's and on to the second kernel's, and nowhere
else. By a look from outside: the domain id stays the same. A replace costs one
invalidation of the device's entry and one of the old domain's translations.
"""

import re

from pkboot import live
from pkboot.result import Failure

KERNEL = 'release'
VARIANTS = live.SCALABLE
LIKE = live
TRACE = ('vtd_dmar_enable', 'vtd_reg_dmar_root', 'vtd_reg_write_gcmd',
         'vtd_dmar_fault', 'vtd_frr_new', 'vtd_ce_not_present',
         'vtd_re_not_present', 'vtd_inv_desc_cc_*', 'vtd_inv_desc_iotlb_*')
STAGES = 2
TIMEOUT = 120
GUEST = live.guest()


def run(t):
    u = live.Update(t)
    u.go(rate=1000)
    u.all_landed()
    u.translated()

    with open(u.m.trace_log) as f:
        trace = f.read()
    base, size = 512 << 20, 256 << 20
    enables = re.findall(r'vtd_dmar_enable enable (\d)', trace)
    roots = [int(r, 16) for r in
             re.findall(r'vtd_reg_dmar_root addr 0x([0-9a-f]+)', trace)]
    t.note('root pointer: ' + ' -> '.join('%#x' % r for r in roots))
    # On by the first kernel; the second one's writes leave it on.
    if enables[0] != '1' or '0' in enables:
        raise Failure('translation was switched: %s' % enables)
    if len(roots) != 3:
        raise Failure('the root pointer was written %d times' % len(roots))
    if not base <= roots[1] < base + size:
        raise Failure('the second root %#x is not in the region' % roots[1])
    if any(base <= r < base + size for r in (roots[0], roots[2])):
        raise Failure('a kernel\'s own root is in the region')
    # A missing entry of another device is looked up at every global invalidation.
    at = {name: now for now, name in u.d.marks()}
    faults = u.m.trace('vtd_dmar_fault') + u.m.trace('vtd_frr_new') + [
        e for e in u.m.trace('vtd_ce_not_present', at['freeze'], at['end'])
        if 'bus 0 devfn 32 ' in e]
    # In scalable mode half a bus has an entry of its own: the trace does not tell
    # which, and only the NIC's is there in the handover.
    if 'scalable' not in t.s.IOMMU:
        faults += u.m.trace('vtd_re_not_present', at['freeze'], at['end'])
    if faults:
        raise Failure('%d faults, first: %s' % (len(faults), faults[0]))
    replaces(t, u, at)


def replaces(t, u, at):
    """Each replace: one invalidation of the entry, one of its old domain's IOTLB."""
    for begin, end in ('freeze', 'frozen'), ('attach', 'late'):
        found = {what: len(u.m.trace('vtd_inv_desc_' + what, at[begin], at[end]))
                 for what in ('cc_global', 'cc_domain', 'cc_devices', 'iotlb_global',
                              'iotlb_domain', 'iotlb_pages', 'iotlb_pasid',
                              'iotlb_pasid_pages')}
        did = {what: n for what, n in found.items() if n}
        # The PASID cache's invalidation is not traced.
        entry = {} if 'scalable' in t.s.IOMMU else {'cc_devices': 1}
        if did != {**entry, 'iotlb_domain': 1}:
            raise Failure('%s: invalidated: %s' % (begin, did))
