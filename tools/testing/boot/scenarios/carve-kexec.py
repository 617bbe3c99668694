# SPDX-License-Identifier: GPL-2.0
"""Five kernels in a row leave two regions alone, told of them or not.

By kexec_load and kexec_file_load, with pkernfs= on the next command line and
without. Each kernel overwrites all that it finds free, early in its boot; what
it would do to memory that is not handed on Reserved is seen in carve-control. A
region that was handed on Reserved is accepted again after a kernel that was not
told of it.
"""

from pkboot import selftests

KERNEL = 'test'         # memtest=, and fast
MEMORY = '4G'
STAGES = 5
TIMEOUT = 120
APPEND = 'memtest=1'

# All but about 640 MiB; the second is all of high memory up to its end.
_REGIONS = ((512, 1408), (4096, 2048))
PKERNFS = ','.join('%dM@%dM' % (size, base) for base, size in _REGIONS)

GUEST = r'''
ready() {
	say "RAM $(sed -n 's/^\([0-9a-f-]*\) : System RAM$/\1/p' /proc/iomem | tr '\n' ' ')"
	say "RESERVED $(sed -n 's/^\([0-9a-f-]*\) : Reserved$/\1/p' /proc/iomem | tr '\n' ' ')"
	say "READY $(arg stage)"
	await_host
}

told() {
	carveout || fail "carveout"
	[ -d /sys/fs/pkernfs/region0 -a -d /sys/fs/pkernfs/region1 ] || fail "no regions"
	ready
}

untold() {
	[ ! -d /sys/fs/pkernfs/region0 ] || fail "told after all"
	ready
}

next() {	# HOW, sed script for the command line
	k2_sed=$2
	kexec_load_next "$1"
	kexec_jump
}

stage1() { told; next -c ''; }
stage2() { told; next -s ''; }
stage3() { told; next -c 's/pkernfs=/notpkernfs=/'; }
stage4() { untold; next -s 's/notpkernfs=/pkernfs=/'; }
stage5() { told; }
'''

_MIB = 1 << 20
_SAMPLE = 64


def iomem(m, name, start):
    """What the kernel that has just come up said: [(first, last)...]."""
    _, _, hit = m.wait(r'%s ((?:[0-9a-f]+-[0-9a-f]+ )+)' % name, start=start)
    return [tuple(int(x, 16) for x in r.split('-')) for r in hit.group(1).split()]


def run(t):
    m = t.machine(files=selftests.files('carveout')).start()
    start = 0
    for stage in range(1, STAGES + 1):
        ready, _, _ = m.wait('READY %d' % stage, start=start)
        t.check(any('early_memtest' in text for _, text in m.console.lines[start:ready]),
                'kernel %d did not overwrite what it found free' % stage)
        ram, reserved = iomem(m, 'RAM', start), iomem(m, 'RESERVED', start)
        start = ready
        for base, size in _REGIONS:
            first, last = base * _MIB, (base + size) * _MIB - 1
            t.check(any(a <= first and last <= b for a, b in reserved) and
                    all(last < a or b < first for a, b in ram),
                    'kernel %d: the region at %d MiB is not Reserved' % (stage, base))
            # memtest leaves zeros: samples hold something else, and what lies
            # between them holds nothing.
            at = base
            for sample in (base, base + size // 2, base + size - _SAMPLE):
                if stage == 1:
                    selftests.fill(t, m, sample * _MIB, _SAMPLE * _MIB, sample)
                n = selftests.changed(t, m, sample * _MIB, _SAMPLE * _MIB, sample) + \
                    selftests.written(m, at * _MIB, (sample - at) * _MIB)
                t.check(not n, 'kernel %d: %d pages of the region at %d MiB have changed' %
                        (stage, n, base))
                at = sample + _SAMPLE
        m.send('seen')
    m.finish()
