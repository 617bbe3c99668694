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

VARIANTS = {
    'restore': {'GUEST': live.guest(second=_BY_FILE + live.SECOND)},
    'small': {'GUEST': live.guest(first=_BY_FILE + live.FIRST, before=_SMALL,
                                  gone=_SMALL_HELD)},
}


def run(t):
    u = live.Update(t, files=dma.files(pkernfs=True) + selftests.vfio_files('fs_held'))
    u.go(rate=1000)
    u.all_landed()
    u.translated()
