# SPDX-License-Identifier: GPL-2.0
"""The next kernel knows of reserved memory (RMRR) behind the unit: the device is cut off.

FREEZE refuses such a unit. Here the next kernel's DMAR is another one, in which there is
some, for another device behind the unit, for the preserved one itself, or for one that is
in ACPI's name space alone.
"""

from pkboot import damage

KERNEL = 'release'
LIKE = damage
STAGES = 2
TIMEOUT = 90
QUICK = False
K2_APPEND = damage.NO_DRIVER


def _guest(device):
    return damage.GUEST_CUT.replace('\tload_armed', '\twith_rmrr %s\n\tload_armed' % device) \
        .replace('phase userland\n', r'''phase userland
	dmesg | grep -q 'DMAR: RMRR base: 0x000000000f0000' || fail "there is no RMRR"
	want_state failed
''').replace('\tsleep 1\n', r'''
	pkernfsctl release /mnt/vm0/nic0 || fail "release"
	[ "$(cat $region/granules_held)" = 0 ] || fail "holds are left"
	rm -r /mnt/vm0 || fail "a file is still held"
	sleep 1
''')


GUEST = _guest('31 2')      # the SATA controller
VARIANTS = {'own': {'GUEST': _guest('4 0')},
            'acpi': {'GUEST': _guest('0 0 5')},
            'scalable': {'IOMMU': 'intremap=on,x-scalable-mode=on',
                         'APPEND': 'intel_iommu=sm_on'}}


def run(t):
    u = []
    damage.run(t, lambda region, tables: (), adopted=False, then=u.append,
               says=r'00:04\.0 is cut off: dmar0 has a device with reserved memory \(RMRR\)')
    p = u[0].d.polled()
    t.check(not p['tes_drops'] and not p['faults'], 'the remapping unit: %s' % p)
