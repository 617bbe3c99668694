# SPDX-License-Identifier: GPL-2.0
"""A carve-out in the middle, at the top, all of high memory: Reserved everywhere.

The kernel must come up with each, name the regions in sysfs and iomem, show them
Reserved in the memory map that kexec hands on, and not have touched a byte.
"""

from pkboot import selftests

KERNEL = 'release'
MEMORY = '2G'

GUEST = r'''
stage1() {
	local f n=0
	carveout || fail "carveout"
	for f in /sys/fs/pkernfs/region*; do
		[ "$(cat $f/state)" = blank ] || fail "$f is $(cat $f/state)"
		n=$((n + 1))
	done
	[ $n = $(arg regions) ] || fail "$n regions"
	dmesg | grep 'pkernfs: .*mapped'
	say READY
	await_host
}
'''

_MIB = 1 << 20
_CASES = (
    ('middle', '2G', ((1024, 512),)),
    ('odd', '2G', ((514, 66), (1166, 130))),
    ('top', '4G', ((6144 - 256, 256),)),
    ('high', '4G', ((4096, 2048), (512, 1024))),
    ('many', '2G', tuple((256 + 64 * i, 16 + 2 * i) for i in range(8))),
)


def run(t):
    for name, memory, regions in _CASES:
        m = t.machine(name, memory=memory,
                      pkernfs=','.join('%dM@%dM' % (size, base) for base, size in regions),
                      append='regions=%d' % len(regions),
                      files=selftests.files('carveout'))
        m.start()
        m.wait('READY')
        for base, size in regions:
            n = selftests.written(m, base * _MIB, size * _MIB)
            t.check(not n, '%s: %d pages of the region were written to' % (name, n))
        m.send('go')
        m.finish()
