# SPDX-License-Identifier: GPL-2.0
"""What pkernfs costs, beside hugetlbfs, tmpfs and LUO's memfds: make bench.

All of it in guest instructions (QEMU's -icount), so that the numbers are the same in
every run and on every host. What is compared runs in one machine; what needs a kexec,
or another size of memory, in machines that differ in nothing else. What could not be
measured, or is above a goal, is a failure.
"""

import re

from pkboot import dma, selftests
from pkboot.result import Failure

KERNEL = 'bench'            # built for this alone
MANUAL = True
DEVICES = ('-device edu,addr=5.0', '-icount shift=0,sleep=off')
# The serial line would be a part of what is measured.
APPEND = 'loglevel=6'
TIMEOUT = 1200

_SMALL, _MIDDLE, _LARGE = 1, 128, 512   # GiB
_RESTORE = 4096                 # MiB

# What has to hold, as it is printed.
_GOALS = {
    'mount': 2,                 # of _LARGE, relative to _SMALL; so all that a mount goes with
    'memfd, 4 KiB': 0.01,       # pkernfs, relative to it
    'memfd, THP': 0.1,
    'KiB per GiB': 16,          # with granules of 1 GiB
}

_EDU = r'''
nic=0000:00:05.0
cost() {
	local as=$1
	shift
	bench "$@" >/tmp/cost || fail "$*: $(cat /tmp/cost)"
	while read -r line; do say "$as $line"; done </tmp/cost
	sleep 1		# the serial line is slow, and the machine's end is not
}
'''
# On each filesystem a file of 1 GiB; on hugetlbfs nothing else is to be had.
_SPEED = _EDU + r'''
try() {
	mkdir -p /$1
	mount -t $2 ${3:-} $1 /$1 || fail "mount $1"
	[ "$1" != region1 ] || pkernfsctl granules 1g /$1 || fail "granules"
	cost $1 touch /$1/file 1024
	cost $1 map /$1/file 1024 $cdev
	case $1 in huge*) ;; *) cost $1 meta /$1 500 ;; esac
	umount /$1
}
stage1() {
	cdev=$(vfio_cdev)
	mkfs.pkernfs -q region0 || fail "mkfs"
	mkfs.pkernfs -q -H 1 region1 || fail "mkfs --huge"
	try region0 pkernfs
	try region1 pkernfs
	try tmpfs tmpfs "-o size=1100M"
	try tmpfs-thp tmpfs "-o size=1100M,huge=always"
	try huge-2m hugetlbfs "-o pagesize=2M"
	try huge-1g hugetlbfs "-o pagesize=1G"
}
'''
_SIZE = _EDU + r'''
stage1() {
	mkfs.pkernfs -q %s region0 || fail "mkfs"
	kexec_load_next -s
	kexec_jump
}
# Not before: what mkfs has mapped anew is not all given back.
stage2() {
	cost size mount region0 /mnt /dev/pkernfs0
	mount -t pkernfs region0 /mnt || fail "mount"
	# Free pages, and those that a CPU keeps at hand: megabytes.
	say "size BENCH memory free $(($(awk '$1 == "nr_free_pages" || $1 == "count:" { n += $2 }
		END { print n }' /proc/zoneinfo) * 4096))"
	# Of virtual time, an instruction is a nanosecond.
	say "size BENCH boot map $(dmesg | sed -n 's/.* mapped, node .*, \([0-9]*\) us$/\1000/p')"
	sleep 1
}
'''
_KEPT = _EDU + r'''
stage1() {
	mkfs.pkernfs -q region0 || fail "mkfs"
	mount -t pkernfs region0 /mnt || fail "mount"
	cost save make /mnt/file %(mib)d
	kexec_load_next -s
	kexec_jump
}
stage2() {
	cdev=$(vfio_cdev)
	cost restore mount region0 /mnt
	mount -t pkernfs region0 /mnt || fail "mount"
	cost restore restore /mnt/file %(mib)d $cdev
}
''' % {'mib': _RESTORE}
# THP or not: shmem_enabled.
_LUO = _EDU + r'''
stage1() {
	echo %%s >/sys/kernel/mm/transparent_hugepage/shmem_enabled
	kexec_load_next -s
	cost save luo-save %(mib)d
	kexec_jump
}
stage2() {
	cdev=$(vfio_cdev)
	cost restore luo-restore %(mib)d $cdev
}
''' % {'mib': _RESTORE}


def costs(t, name, **over):
    """{(subject, command, step): ticks} of one machine's steps."""
    m = t.machine(name, smp=1, **over).start().finish()
    found = {}
    for _, text in m.console.lines:
        hit = re.search(r'(\S+) BENCH (\S+) (\S+) (\d+|none)', text)
        if hit:
            ticks = hit.group(4)
            found[hit.group(1, 2, 3)] = None if ticks == 'none' else int(ticks)
    if not found:
        raise Failure('%s: nothing was measured' % name)
    return found


def need(found, *keys):
    """What was measured; what is not there is no row of its own, but a failure."""
    lost = [' '.join(k) for k in keys if k not in found]
    if lost:
        raise Failure('not measured: ' + ', '.join(lost))
    return [found[k] for k in keys]


def ratio(a, b):
    return '-' if a is None or b is None else '%.3g' % (a / b)


def table(head, rows):
    """Of reStructuredText; numbers are made text here."""
    rows = [[x if isinstance(x, str) else '-' if x is None else '%.3f' % x for x in row]
            for row in [head, *rows]]
    width = [max(len(row[i]) for row in rows) for i in range(len(head))]
    rule = '  '.join('=' * w for w in width)
    lines = ['  '.join(x.ljust(w) for x, w in zip(row, width)).rstrip() for row in rows]
    return '\n'.join([rule, lines[0], rule, *lines[1:], rule]) + '\n'


def speed(t):
    # The second one is 2 MiB longer: its last GiB is a granule.
    found = costs(t, 'speed', memory='10G', guest=_SPEED, pkernfs='2G@4G,2050M@6G',
                  files=dma.files(pkernfs=True) + bench(),
                  append=APPEND + ' hugepagesz=1G hugepages=1 hugepagesz=2M hugepages=512')
    subjects = 'region0', 'region1', 'huge-2m', 'huge-1g', 'tmpfs', 'tmpfs-thp'
    steps = [('touch', 'first'), ('map', 'va'), ('map', 'file')]
    names = [('meta', s) for s in ('create', 'stat', 'rename', 'unlink')]
    rows = []
    for step in steps + names:
        # There are no names to speak of on hugetlbfs.
        ticks = [None if step in names and s.startswith('huge') else need(found, (s, *step))[0]
                 for s in subjects]
        if None in ticks[:2]:
            raise Failure('%s %s: pkernfs does not have it' % step)
        rows.append(['%s %s' % step] + [None if x is None else x / 1e6 for x in ticks] +
                    [ratio(x, ticks[0]) for x in ticks[1:]])
    return table(['10^6 instructions', 'pkernfs 2M', 'pkernfs 1G', *subjects[2:],
                  *('%s/pkernfs' % s for s in ('1G', *subjects[2:]))], rows), []


def size(t):
    # Three GiB are for metadata and small files, one is lost to alignment.
    small, large, huge, huger = (
        costs(t, name, memory='%dG' % (8 + gib), stages=2, guest=_SIZE.replace('%s', mkfs),
              iommu='intremap=on,aw-bits=48',   # more than the 39 that are the default
              pkernfs='%dG@4G' % gib, files=dma.files(pkernfs=True) + bench())
        for name, gib, mkfs in (('size-small', _SMALL, ''), ('size-large', _LARGE, ''),
                                ('size-huge', _MIDDLE, '--huge=%d' % (_MIDDLE - 4)),
                                ('size-huger', _LARGE, '--huge=%d' % (_LARGE - 4))))
    rows, goals = [], []
    for step in ('load', 'mount', 'statfs', 'create', 'umount'):
        a, b = (need(m, ('size', 'mount', step))[0] for m in (small, large))
        rows.append([step, a / 1e6, b / 1e6, ratio(b, a)])
        goals.append(('%s of %d GiB, to that of %d' % (step, _LARGE, _SMALL), b / a,
                      _GOALS['mount']))
    free, boot = ([need(m, ('size', *what))[0] for m in (small, large, huge, huger)]
                  for what in (('memory', 'free'), ('boot', 'map')))
    # All but so many GiB are granules of 1 GiB, in both: what one more of them costs.
    lost = ((free[0] - free[1]) / (_LARGE - _SMALL) / 1024,
            (free[2] - free[3]) / (_LARGE - _MIDDLE) / 1024)
    goals.append(('KiB per GiB', lost[1], _GOALS['KiB per GiB']))
    return table(['10^6 instructions', '%d GiB' % _SMALL, '%d GiB' % _LARGE, 'ratio'], rows) + \
        ('Memory taken by one more GiB of a region: %.1f KiB with granules of 2 MiB, '
         '%.1f KiB with granules of 1 GiB\n' % lost) + \
        ('To map it at boot: %.1f and %.1f with granules of 2 MiB (%d and %d GiB), '
         '%.1f and %.1f with granules of 1 GiB (%d and %d GiB)\n' %
         (boot[0] / 1e6, boot[1] / 1e6, _SMALL, _LARGE,
          boot[2] / 1e6, boot[3] / 1e6, _MIDDLE, _LARGE)), goals


def restore(t):
    ways = {'pkernfs': costs(t, 'restore', memory='10G', stages=2, guest=_KEPT,
                             pkernfs='5G@4G', files=dma.files(pkernfs=True) + bench())}
    for name, thp in (('memfd, 4 KiB', 'never'), ('memfd, THP', 'always')):
        ways[name] = costs(t, 'luo-' + thp, memory='10G', stages=2, guest=_LUO % thp,
                           files=dma.files() + bench(),
                           append=APPEND + ' kho=on liveupdate=on kho_scratch=64M,512M,0M')
    total, rows, goals = {}, [], []
    for name, found in ways.items():
        command = 'restore' if name == 'pkernfs' else 'luo-restore'
        parts = need(found, ('restore', command, 'retrieved'), ('restore', command, 'mapped'))
        parts.insert(0, need(found, ('restore', 'mount', 'mount'))[0]
                     if name == 'pkernfs' else 0)
        total[name] = sum(parts)
        rows.append([name, *(x / 1e6 for x in parts), total[name] / 1e6,
                     ratio(total['pkernfs'], total[name])])
        if name != 'pkernfs':
            goals.append(('restore, to %s' % name, total['pkernfs'] / total[name],
                          _GOALS[name]))
    return table(['10^6 instructions', 'mount', 'open or retrieve', 'mmap and MAP_FILE', 'sum',
                  'pkernfs/this'], rows), goals


def bench():
    """The program, and the kernel's headers of liveupdate for it."""
    return selftests.vfio_files('bench')


def run(t):
    parts = [part(t) for part in (speed, size, restore)]
    t.note('\n' + '\n'.join(text for text, _ in parts))
    missed = ['%s: %.3g, not %.3g at most' % goal for _, goals in parts for goal in goals
              if not goal[1] <= goal[2]]
    t.check(not missed, '; '.join(missed))
