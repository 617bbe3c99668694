# SPDX-License-Identifier: GPL-2.0
"""On a cold boot a randomised kernel never lands in the region.

The region is seven eighths of RAM. The control is the same kernel with the
parameter where the decompressor stops reading (behind mem=0) and the kernel does
not: there it must land in the region in some boot, and the region be refused.
"""

KERNEL = 'release'
MEMORY = '2G'

PKERNFS = '1792M@128M'
_BASE, _END = 128 << 20, (128 + 1792) << 20
# Were the region not avoided, not even one in ten thousand runs would pass.
_BOOTS = 5

GUEST = r'''
stage1() {
	say "KERNEL at $(sed -n 's/^ *\([0-9a-f]*\)-.*: Kernel code/\1/p' /proc/iomem)"
	if [ -d /sys/fs/pkernfs/region0 ]; then
		say REGION there
	else
		dmesg | grep -q 'pkernfs: .*in use at' || fail "no region, no reason"
		say REGION refused
	fi
}
'''


def boot(t, name, **over):
    """Whether the region is there, after one cold boot."""
    m = t.machine(name, **over).start().finish()
    text = '\n'.join(line for _, line in m.console.lines)
    at = int(text.split('KERNEL at ')[1].split()[0], 16)
    there = 'REGION there' in text
    t.check(there != (_BASE <= at < _END),
            '%s: kernel at %#x, region %s' % (name, at, 'there' if there else 'refused'))
    return at, there


def run(t):
    places = set()
    for i in range(_BOOTS):
        at, there = boot(t, 'boot%d' % i)
        t.check(there, 'boot %d: the kernel landed in the region, at %#x' % (i, at))
        places.add(at)
    t.check(len(places) > _BOOTS // 2, 'only %d places: not randomised?' % len(places))
    refused = 0
    for i in range(_BOOTS):
        at, there = boot(t, 'control%d' % i, pkernfs=None,
                         append='mem=0 pkernfs=' + PKERNFS)
        refused += not there
        if refused:
            break
    t.check(refused, 'the control never landed in the region in %d boots' % _BOOTS)
    t.note('%d places in %d boots; the control hit in boot %d' %
           (len(places), _BOOTS, i + 1))
