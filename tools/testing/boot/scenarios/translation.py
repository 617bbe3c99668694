# SPDX-License-Identifier: GPL-2.0
"""What the remapping unit is told in a live update (S4).

By QEMU's traces: translation is never switched off, there is no fault, from the
freeze on the NIC's entry is never found missing, and the root pointer goes from
the first kernel's to the handover's and on to the second kernel's, and nowhere
else. By a look from outside: the domain id stays the same. A replace costs one
invalidation of the device's entry and one of the old domain's translations.
"""

import collections
import re

from pkboot import live
from pkboot.result import Failure

KERNEL = 'release'
VARIANTS = live.SCALABLE
LIKE = live
TRACE = ('vtd_dmar_enable', 'vtd_reg_dmar_root', 'vtd_reg_write_gcmd',
         'vtd_dmar_fault', 'vtd_frr_new', 'vtd_ce_not_present',
         'vtd_re_not_present', 'vtd_inv_desc_cc_*', 'vtd_inv_desc_iotlb_*', 'serial_write')
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
    replaces(t, u)


def replaces(t, u):
    """Each replace: one invalidation of the entry, one of its old domain's IOTLB.

    And nothing else in a wide window around it: what the guest says comes out some time
    after it was said.
    """
    for begin, end in ('quiet', 'frozen'), ('userland', 'late'):
        did = collections.Counter(name for name in u.m.traced_in(begin, end)
                                  if name.startswith('vtd_inv_desc_'))
        # Each device that the entry's invalidation finds has a line of its own, too.
        del did['vtd_inv_desc_cc_device']
        # The PASID cache's invalidation is not traced.
        if 'scalable' not in t.s.IOMMU:
            did['vtd_inv_desc_cc_devices'] -= 1
        did['vtd_inv_desc_iotlb_domain'] -= 1
        if any(did.values()):
            raise Failure('%s to %s: too many or too few: %s' %
                          (begin, end, dict(did)))
