# SPDX-License-Identifier: GPL-2.0
"""A live update of a VMM that gives iommufd the RAM file, not a mapping of it.

IOMMU_IOAS_MAP_FILE before the kexec and IOMMU_IOAS_MAP after it, and the other way
round: both are the same pages. The remapping unit has them by leaves as large as the
granules, in the live domain, in the fixed one and in the next live one. A frozen device
holds them when the VMM has gone, and with it the IOAS and its pins: no call takes them
from their file, before the kexec nor after it.
"""

from pkboot import dma, live, selftests
from pkboot.result import Failure

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


def leaves(u, where, big):
    """The device's tables from outside: RAM by the largest leaves that there can be.

    where: 'in' or 'out' of the region these tables have to be; big: leaves_1g, leaves_2m"""
    walk = u.d.walk()
    want = {'top_at': where, 'bad': 0, 'pages_out': 0, 'leaves_1g': 0, 'leaves_2m': 0,
            'leaves_4k': 0, big: 1 if big == 'leaves_1g' else 80}
    if any(walk[key] != want[key] for key in want):
        raise Failure('the tables are to have %s: %s' % (want, walk))
    # A GiB is one entry of the last but two; QEMU 7.2's unit has 3 levels, 10.0's has 4.
    if big == 'leaves_1g' and walk['tables_in'] + walk['tables_out'] != walk['aw']:
        raise Failure('other tables than those on the way to it: %s' % walk)
    return walk


def run(t):
    u = live.Update(t, files=dma.files(pkernfs=True) + selftests.vfio_files('fs_held'))
    # Which of 4 KiB granules lie side by side is a matter of chance.
    big = {'map-file-huge': 'leaves_1g', 'map-file-small': None}.get(t.s.name, 'leaves_2m')

    walks = []

    def look(where):
        if big:
            walks.append(leaves(u, where, big))

    u.begin(rate=1000)
    u.m.wait('PHASE quiet')
    look('out')
    u.end(look=lambda: look('in'), back=lambda: look('out'))
    u.all_landed()
    u.translated()
    if big:
        tables = dma.report(u.m, 'INFO', nth=0)['tables']
        t.check(tables == walks[1]['tables_in'], 'the VMM was told of %d tables' % tables)
