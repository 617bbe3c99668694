# SPDX-License-Identifier: GPL-2.0
"""save and restore of a region with granules of 1 GiB: byte for byte, and where it fits only.

The host writes to a file's granule. After mkfs, and rubbish over it, what is restored must
be that, and zeroes beside it. One that has not the same size is refused.
"""

from pkboot import dma, selftests

QUICK = False
MEMORY = '4160M'
# The granule is the sixth GiB of physical memory.
PKERNFS = '1088M@5058M,64M@4608M'
TIMEOUT = 180

GRANULE = 5 << 30
GIB = 1 << 30
MIB = 1 << 20
# Of the file, in whole 2 MiB: up to its end
PIECES = (4 * MIB, 2 * MIB), (510 * MIB, 4 * MIB), (GIB - 2 * MIB, 2 * MIB)


def FILES():
    return [('/bin/' + name, dma.ctl())
            for name in ('pkernfsctl', 'mkfs.pkernfs', 'fsck.pkernfs')]


GUEST = r'''
host() {
	say "PHASE $1"
	await_host
}

stage1() {
	mkfs.pkernfs -q --huge 1 region0 || fail "mkfs"
	region_mount
	mkdir /mnt/vm
	pkernfsctl granules 1g /mnt/vm || fail "granules"
	: >/mnt/vm/ram
	truncate -s 1G /mnt/vm/ram
	echo x | dd of=/mnt/vm/ram bs=1 seek=4096 conv=notrunc 2>/dev/null || fail "no granule"
	[ $(cat $region/huge_free) = 0 ] || fail "not the granule"
	umount /mnt
	host filled
	pkernfsctl save -q region0 /tmp/saved || fail "save"
	[ $(du -k /tmp/saved | cut -f1) -lt 20000 ] || fail "holes are not kept: $(du -k /tmp/saved)"

	mkfs.pkernfs -q region1 || fail "mkfs of region 1"
	! pkernfsctl restore -q /tmp/saved region1 2>/tmp/err || fail "restored where it cannot be"
	grep -q 'saved from 1088 MiB at 0x13c200000, and /dev/pkernfs1 is 64 MiB at 0x120000000' \
		/tmp/err || fail "$(cat /tmp/err)"
	fsck.pkernfs -n region1 >/tmp/out || fail "that has changed it: $(cat /tmp/out)"

	# One like it, then one that was made without such granules and has room for them
	for huge in 1 0; do
		mkfs.pkernfs -q -f --huge $huge region0 || fail "mkfs -f"
		host "formatted $huge"
		pkernfsctl restore -q /tmp/saved region0 || fail "restore"
		fsck.pkernfs -n region0 >/tmp/out || fail "$(cat /tmp/out)"
		host "restored $huge"
		region_mount
		[ $(stat -c %s.%b /mnt/vm/ram) = 1073741824.2097152 ] || fail "another file"
		[ $(cat $region/huge)$(cat $region/huge_free) = 10 ] || fail "other granules"
		umount /mnt
	done
}
'''


def run(t):
    m = t.machine().start()

    def wait(phase):
        m.wait('PHASE ' + phase)

    wait('filled')
    t.check(selftests.written(m, GRANULE, GIB) == 1, 'the file is not where it should be')
    for n, (at, count) in enumerate(PIECES, 1):
        selftests.fill(t, m, GRANULE + at, count, n)
    m.send('go')
    pages = sum(count for _, count in PIECES) // 4096 + 1
    for huge in 1, 0:
        wait('formatted %d' % huge)
        # Over the first piece, behind the second, and where nothing is.
        for at in 4 * MIB, 514 * MIB, 700 * MIB:
            selftests.fill(t, m, GRANULE + at, 2 * MIB, 7)
        m.send('go')
        wait('restored %d' % huge)
        for n, (at, count) in enumerate(PIECES, 1):
            t.check(not selftests.changed(t, m, GRANULE + at, count, n),
                    'the piece at MiB %d is not what was saved' % (at // MIB))
        found = selftests.written(m, GRANULE, GIB)
        t.check(found == pages, '%d pages are not zero, and not %d' % (found, pages))
        m.send('go')
    m.finish()
