# SPDX-License-Identifier: GPL-2.0
"""A live update of a VMM that gives iommufd the RAM file, not a mapping of it.

IOMMU_IOAS_MAP_FILE before the kexec and IOMMU_IOAS_MAP after it, and the other way
round: both are the same pages. A frozen device holds them when the VMM has gone, and
with it the IOAS and its pins: no call takes them from their file, before the kexec nor
after it.
"""

from pkboot import dma, live, selftests

KERNEL = 'test'
LIKE = live
STAGES = 2
TIMEOUT = 120

_HELD = r'''
	held=$(cat $region/granules_held)
	[ "$held" = 80 ] || fail "$held granules are held"
	fs_held /mnt vm0/ram >/tmp/tap || fail "$(grep -v '^ok' /tmp/tap)"
	dmesg | grep "inode $(stat -c %i /mnt/vm0/ram) keeps its memory" | grep -q $nic ||
		fail "nothing says which device it is held for"
	! rm -f /mnt/vm0/nic0 2>/dev/null || fail "a device file was removed"
	dmesg | grep -q "region 0: inode $(stat -c %i /mnt/vm0/nic0) is the file of $nic," ||
		fail "nothing says whose file it is"
'''
_BY_FILE = '--by-file '

GUEST = live.guest(first=_BY_FILE + live.FIRST, gone=_HELD, mounted=_HELD)

# The same with guest RAM in granules of 4 KiB.
_SMALL = r'''
	umount /mnt
	mkfs.pkernfs -q -f -s 45056 region0 || fail "mkfs --small"
	region_mount
	mkdir /mnt/vm0
	pkernfsctl granules 4k /mnt/vm0 || fail "granules"
'''
_SMALL_HELD = _HELD.replace('granules_held', 'small_held').replace('80', '40960')

# And in a granule of 1 GiB: to the remapping unit it is one entry, before the kexec and
# after it, as RAM, IOVA and memory are aligned alike.
_HUGE = r'''
	umount /mnt
	mkfs.pkernfs -q -f -H 1 region0 || fail "mkfs --huge"
	region_mount
	mkdir /mnt/vm0
	>/mnt/vm0/ram
	pkernfsctl granules 1g /mnt/vm0/ram || fail "granules"
'''
_HUGE_HELD = _HELD.replace('granules_held', 'huge_held').replace('80', '1')

VARIANTS = {
    'huge': {'MEMORY': '6G', 'PKERNFS': '2050M@4G', 'TIMEOUT': 240, 'MANUAL': True,
             'GUEST': live.guest(first='--size 1G ' + _BY_FILE + live.FIRST, before=_HUGE,
                                 gone=_HUGE_HELD, mounted=_HUGE_HELD)},
    'restore': {'GUEST': live.guest(second=_BY_FILE + live.SECOND), 'QUICK': False},
    'small': {'GUEST': live.guest(first=_BY_FILE + live.FIRST, before=_SMALL,
                                  gone=_SMALL_HELD), 'QUICK': False},
}


def run(t):
    u = live.Update(t, files=dma.files(pkernfs=True) + selftests.vfio_files('fs_held'))
    u.go(rate=1000)
    u.all_landed()
    u.translated()
    if t.s.name == 'map-file-huge':
        # QEMU's unit has 39 bits: the one entry of the root table is the guest's RAM.
        tables = dma.report(u.m, 'INFO', nth=0)['tables']
        t.check(tables == 1, 'the device is frozen with %d tables' % tables)
