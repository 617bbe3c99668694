# SPDX-License-Identifier: GPL-2.0
"""The next kernel's IOMMU driver cannot take an adopted device over: it is cut off.

The device is at work then, with the unit driven by that kernel. It is stopped, and its entry
taken out; translation stays on. When it has been given up it is like any other: a new VMM
has its DMA.
"""

from pkboot import damage, dma

KERNEL = 'test'
LIKE = damage
STAGES = 2
TIMEOUT = 90
QUICK = False
TRACE = ('pci_cfg_write', 'vtd_dmar_enable', 'vtd_inv_desc_cc_devices')
K2_APPEND = damage.NO_DRIVER + ' pkernfs_test=take-fails'
VARIANTS = {'scalable': {'IOMMU': 'intremap=on,x-scalable-mode=on',
                         'APPEND': 'intel_iommu=sm_on'}}
_WHY = 'the IOMMU driver cannot take it over'

GUEST = damage.guest_given_up(_WHY).replace('\tawait_host\n}', r'''
	await_host
	mkdir /mnt/vm0
	mkfifo /tmp/control
	vmm run --bind --size 160M --iova 128M --control /tmp/control wait drain freeze \
		info unfreeze &
	await_host
	echo go >/tmp/control
	wait $! || fail "a VMM after it: $?"
	await_host
}''')


def again(u):
    """The device is an ordinary one: frames land where a new VMM wants them."""
    # What it has is the driver's own, or nothing.
    u.t.check(u.d.walk().get('top_at') != 'in', 'its entry leads to tables that were given back')
    u.m.send('take it')
    ring, _, _ = u.m.wait('STEP ring', start=u.m.wait('PHASE end')[0])
    d = dma.Dma(u.t, u.m, span=u.t.s.PKERNFS)
    d.name, d.csv = 'vm-again', u.d.csv + '-again'
    d.start(rate=250, count=500)
    d.wait()
    u.m.send('all sent')
    u.m.wait('STEP closed', start=ring)
    left = d.scan()
    u.t.check(d.watch['landed'] == d.inject['sent'] == left['found'] == 500 and
              not left['outside'], 'of 500 frames for a new VMM %s' % left)


def run(t):
    u = []
    damage.run(t, lambda region, tables: (), adopted=False, says='00:04.0 is cut off: ' + _WHY,
               then=lambda update: (u.append(update), again(update)))
    said = [text for _, text in u[0].m.console.lines]
    t.check(any('1 device(s) entered' in text for text in said), 'nothing was adopted')
    drops = u[0].d.stopped_first('e1000e 00:04.0')
    t.check(not drops, 'translation was switched off %d times' % drops)
    t.check(u[0].d.stopped_first('e1000e 00:04.0', 0x20, ('PHASE jump', 'PHASE userland')),
            'the trace does not show its entry taken out')
