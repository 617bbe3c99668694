# SPDX-License-Identifier: GPL-2.0
"""Control: memory set aside by memmap= does not outlive a kexec unharmed.

If this memory were whole afterwards, carve-kexec would prove nothing.
"""

from pkboot import selftests

CHECK = False           # not run on the whole of the tree yet
MEMORY = '1G'
STAGES = 2
TIMEOUT = 120
# Escaped as for a boot loader that does not touch it.
APPEND = 'memmap=512M$256M'

GUEST = r'''
stage1() {
	grep -q '10000000-2fffffff : Reserved' /proc/iomem || fail "memmap= did nothing"
	say "READY 1"
	await_host
	kexec -c -l /boot/bzImage --initrd=/boot/initrd \
		--command-line="$(k2_cmdline | sed 's/memmap=/notmemmap=/')" || fail "kexec: $?"
	kexec_jump
}

stage2() {
	local i=0
	mkdir -p /tmp/fill
	mount -t tmpfs -o size=90% fill /tmp/fill
	dd if=/bin/busybox of=/tmp/fill/a bs=1M count=1 2>/dev/null
	while [ $i -lt 128 ]; do
		cat /tmp/fill/a
		i=$((i + 1))
	done >/tmp/fill/b
	say "READY 2"
	await_host
}
'''

_MIB = 1 << 20


def run(t):
    m = t.machine().start()
    m.wait('READY 1')
    selftests.pattern(t, m, 'fill', 256 * _MIB, 512 * _MIB, 1)
    m.send('filled')
    m.wait('READY 2')
    t.check(not selftests.pattern(t, m, 'check', 256 * _MIB, 512 * _MIB, 1),
            'memory that the next kernel was free to use is as it was')
    m.send('seen')
    m.finish()
