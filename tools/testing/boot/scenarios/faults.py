# SPDX-License-Identifier: GPL-2.0
"""The n-th allocation or copy of each call fails, for every n: nothing is left.

FREEZE, UNFREEZE, QUIESCE_IRQ, INFO, open, map, ATTACH and RELEASE; after a failure
the device is where it was, and the call can be made again. Not BIND: it enables the
function, for which _PRT is interpreted, and ACPICA of 7.3 uses what it has freed when
that runs out of memory (KASAN in acpi_ns_get_attached_object()).
"""

from pkboot import dma, selftests

KERNEL = 'faults'       # built for this alone
MANUAL = True
MEMORY = '1G'
PKERNFS = '64M@512M'
DEVICES = (dma.NIC,)
TIMEOUT = 120
# A failed allocation says so.
IGNORE = (r'page allocation failure',)


def FILES():
    return dma.files(pkernfs=True) + selftests.vfio_files('faults')


GUEST = r'''
stage1() {
	local dev=/sys/bus/pci/devices/$nic cdev
	region_make
	cdev=$(vfio_cdev)
	echo >$dev/reset_method
	pool=$(cat $region/pool_free)
	faults /mnt $cdev >/tmp/tap 2>&1 ||
		fail "$(grep -v '^ok' /tmp/tap | tr '\n' ' ')"
	sed -n 's/^ok.* - \(.*: .* points, .*\)/TAP \1/p' /tmp/tap |
		while read -r line; do say "$line"; done
	nothing_left $pool
	echo $nic >$dev/driver/unbind || fail "unbind"
}
'''

run = selftests.run
