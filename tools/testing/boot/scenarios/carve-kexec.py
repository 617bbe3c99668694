# SPDX-License-Identifier: GPL-2.0
"""Five kernels in a row leave two regions alone, told of them or not.

By kexec_load and kexec_file_load, with pkernfs= on the next command line and
without. Each kernel fills the memory that it thinks is free. A region that was
handed on Reserved is accepted again after a kernel that was not told of it.
"""

from pkboot import selftests

CHECK = False           # not run on the whole of the tree yet
MEMORY = '4G'
STAGES = 5
TIMEOUT = 240

# All but about 640 MiB, so that nothing free is left in no kernel's reach; the
# second is all of high memory up to its end.
_REGIONS = ((512, 1408), (4096, 2048))
PKERNFS = ','.join('%dM@%dM' % (size, base) for base, size in _REGIONS)

GUEST = r'''
# Overwrite up to 256 MiB of what is free, and not with zeros.
fill_memory() {
	local i=0 mb=$(($(sed -n 's/MemAvailable: *\([0-9]*\) .*/\1/p' /proc/meminfo) / 2048))
	[ $mb -lt 256 ] || mb=256
	mkdir -p /tmp/fill
	mount -t tmpfs -o size=90% fill /tmp/fill
	dd if=/bin/busybox of=/tmp/fill/a bs=1M count=1 2>/dev/null
	while [ $i -lt $mb ]; do
		cat /tmp/fill/a
		i=$((i + 1))
	done >/tmp/fill/b
	umount /tmp/fill
}

told() {
	carveout || fail "carveout"
	[ -d /sys/fs/pkernfs/region0 -a -d /sys/fs/pkernfs/region1 ] || fail "no regions"
	fill_memory
	say "READY $(arg stage)"
	await_host
}

untold() {
	local f base end
	[ ! -d /sys/fs/pkernfs/region0 ] || fail "told after all"
	for f in $(arg ranges | tr , ' '); do
		base=${f%-*} end=${f#*-}
		grep -q "$base-$end : Reserved" /proc/iomem || { cat /proc/iomem; fail "$f is not Reserved"; }
	done
	fill_memory
	say "READY $(arg stage)"
	await_host
}

next() {	# HOW, sed script for the command line
	kexec "$1" -l /boot/bzImage --initrd=/boot/initrd \
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


def run(t):
    ranges = ','.join('%08x-%08x' % (base * _MIB, (base + size) * _MIB - 1)
                      for base, size in _REGIONS)
    m = t.machine(append='ranges=' + ranges,
                  files=selftests.files('carveout')).start()
    m.wait('READY 1')
    for base, size in _REGIONS:
        for at in (base, base + size - _SAMPLE):
            selftests.pattern(t, m, 'fill', at * _MIB, _SAMPLE * _MIB, at)
    m.send('filled')
    for stage in range(2, STAGES + 1):
        m.wait('READY %d' % stage)
        for base, size in _REGIONS:
            for at in (base, base + size - _SAMPLE):
                t.check(selftests.pattern(t, m, 'check', at * _MIB, _SAMPLE * _MIB, at),
                        'kernel %d: the region at %d MiB has changed' % (stage, base))
            n = selftests.written(m, (base + _SAMPLE) * _MIB, (size - 2 * _SAMPLE) * _MIB)
            t.check(not n, 'kernel %d: %d pages of the region at %d MiB were written to'
                    % (stage, n, base))
        m.send('seen')
    m.finish()
