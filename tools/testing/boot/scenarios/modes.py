# SPDX-License-Identifier: GPL-2.0
"""The next kernel is told another translation mode: it takes the one in use.

Scalable mode to a kernel with sm_off, legacy mode to one with sm_on: one line says
that the mode is forced, the device is adopted, and its DMA goes on.
"""

from pkboot import live

KERNEL = 'release'
LIKE = live
IOMMU = live.SCALABLE['scalable']['IOMMU']
STAGES = 2
TIMEOUT = 60
QUICK = False


def run(t):
    for name, first, second, forced in (('scalable', 'sm_on', 'sm_off', 'on'),
                                        ('legacy', 'sm_off', 'sm_on', 'off')):
        u = live.Update(t, name, append=live.APPEND + ' intel_iommu=' + first,
                        k2_append='intel_iommu=' + second,
                        guest=live.guest(first='phase=quiet run=500ms freeze info '
                                               'phase=frozen quiesce save phase=leave',
                                         second='phase=resumed run=500ms phase=end wait '
                                                'drain verify info'))
        u.go(rate=300)
        u.m.wait(r'pkernfs: scalable mode is forced %s for the preserved' % forced)
        u.all_landed()
        u.translated()
        mode = u.d.polled()
        t.check(mode['roots'] == 2, 'the root pointer: %s' % mode)
