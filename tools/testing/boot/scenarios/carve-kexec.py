# SPDX-License-Identifier: GPL-2.0
"""Five kernels in a row leave two regions alone, told of them or not.

By kexec_load and kexec_file_load, with pkernfs= on the next command line and
without. Each kernel fills the memory that it thinks is free. A region that was
handed on Reserved is accepted again after a kernel that was not told of it.
"""

from pkboot import selftests

MEMORY = '4G'
STAGES = 5
TIMEOUT = 240

# All but about 640 MiB, so that nothing free is left in no kernel's reach; the
# second is all of high memory up to its end.
_REGIONS = ((512, 1408), (4096, 2048))
PKERNFS = ','.join('%dM@%dM' % (size, base) for base, size in _REGIONS)

GUEST = r'''
# Overwrite up to 96 MiB of what is free, and not with zeros.
fill_memory() {
	local i=0 mb=$(($(sed -n 's/MemAvailable: *\([0-9]*\) .*/\1/p' /proc/meminfo) / 2048))
	[ $mb -lt 96 ] || mb=96
	mkdir -p /tmp/fill
	mount -t tmpfs -o size=90% fill /tmp/fill
	dd if=/bin/busybox of=/tmp/fill/a bs=1M count=1 2>/dev/null
	while [ $i -lt $mb ]; do
		cat /tmp/fill/a
		i=$((i + 1))
	done >/tmp/fill/b
	umount /tmp/fill
}

ready() {
	fill_memory
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

# Each kernel's initrd has /boot for the one after it.
next() {	# HOW, sed script for the command line
	(cd / && cat boot/initrd && find boot | cpio -o -H newc) >/tmp/initrd
	kexec "$1" -l /boot/bzImage --initrd=/tmp/initrd \
		--command-line="$(k2_cmdline | sed "$2")" || fail "kexec $1: $?"
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
        ram, reserved = iomem(m, 'RAM', start), iomem(m, 'RESERVED', start)
        start = ready
        for base, size in _REGIONS:
            first, last = base * _MIB, (base + size) * _MIB - 1
            t.check(any(a <= first and last <= b for a, b in reserved) and
                    all(last < a or b < first for a, b in ram),
                    'kernel %d: the region at %d MiB is not Reserved' % (stage, base))
            for at in (base, base + size - _SAMPLE):
                if stage == 1:
                    selftests.pattern(t, m, 'fill', at * _MIB, _SAMPLE * _MIB, at)
                t.check(selftests.pattern(t, m, 'check', at * _MIB, _SAMPLE * _MIB, at),
                        'kernel %d: the region at %d MiB has changed' % (stage, base))
            n = selftests.written(m, (base + _SAMPLE) * _MIB, (size - 2 * _SAMPLE) * _MIB)
            t.check(not n, 'kernel %d: %d pages of the region at %d MiB were written to'
                    % (stage, n, base))
        m.send('seen')
    m.finish()
