# SPDX-License-Identifier: GPL-2.0
"""A crash kernel leaves the region alone, though its command line names it.

It must not map nor load it: it adopts nothing, so it knows neither the tables nor
the pages that a preserved device may still be using. The host sees that not a
byte of the region's metadata changes.
"""

from pkboot import dma, selftests

KERNEL = 'release'
MEMORY = '1G'
PKERNFS = '256M@512M'
APPEND = 'crashkernel=224M'
STAGES = 2
TIMEOUT = 90
IGNORE = (r'Kernel panic - not syncing: NMI', r'Call Trace:')

GUEST = r'''
stage1() {
	region_make
	echo content >/mnt/vm0/file
	kexec -s -p /boot/bzImage --initrd=/boot/initrd --command-line="$(k2_cmdline)" ||
		fail "kexec -s -p: $?"
	[ "$(cat /sys/kernel/kexec_crash_loaded)" = 1 ] || fail "no crash kernel"
	echo 1 >/proc/sys/kernel/unknown_nmi_panic
	say "READY to crash"
	sleep 60
	fail "the NMI did not make it panic"
}

stage2() {
	[ -e /proc/vmcore ] || fail "this is no crash kernel"
	grep -q 'pkernfs=' /proc/cmdline || fail "it was not told of the region"
	[ "$(cat $region/state)" = refused ] || fail "state: $(cat $region/state)"
	grep -q 'crash kernel' $region/reason || fail "reason: $(cat $region/reason)"
	! grep -q pkernfs /proc/iomem || fail "it is mapped"
	! mount -t pkernfs region0 /mnt 2>/dev/null || fail "it can be mounted"
	! mkfs.pkernfs -q -f region0 2>/dev/null || fail "it can be formatted"
	say "READY to be looked at"
	await_host
}
'''

_MIB = 1 << 20


def metadata(m):
    """All in front of the data: superblock, log, inodes, pool."""
    with open(m.ram, 'rb') as f:
        f.seek(selftests.ram_offset(m, 512 * _MIB))
        return f.read(2 * _MIB)


def run(t):
    m = t.machine(files=[('/bin/pkernfsctl', dma.ctl()),
                         ('/bin/mkfs.pkernfs', dma.ctl())]).start()
    m.wait('READY to crash')
    before = metadata(m)
    q = m.qmp()
    q.command('inject-nmi')
    q.close()
    m.wait('READY to be looked at')
    t.check(metadata(m) == before, 'the metadata of the region has changed')
    m.send('seen')
    m.finish()
