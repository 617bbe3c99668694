# SPDX-License-Identifier: GPL-2.0
"""The n-th allocation or copy of each call fails, for every n: nothing is left.

FREEZE, UNFREEZE, QUIESCE_IRQ, INFO, open, BIND, map, ATTACH and RELEASE; after a
failure the device is where it was, and the call can be made again. The function is
enabled before: who enables it first has _PRT interpreted, and ACPICA of 7.3 uses what
it has freed when that runs out of memory (KASAN in acpi_ns_get_attached_object()).
Before that adoption, on a handover in memory: a device is in the next kernel's tables
as its record says, or it is stopped and nothing is left of it. After all of it
kmemleak finds nothing.
"""

from pkboot import dma, faults, selftests

KERNEL = 'faults'       # built for this alone
MANUAL = True
MEMORY = '1G'
PKERNFS = '64M@512M'
DEVICES = (dma.NIC,)
# The suite is run when the guest has said what may fail.
KUNIT = True
APPEND = 'kunit.autorun=0 ' + faults.APPEND
TIMEOUT = 240
IGNORE = faults.IGNORE
FILES = faults.files

GUEST = faults.GUEST + r'''
adoption() {
	local suite=$debug/kunit/pkernfs_adopt_faults
	echo run >$suite/run
	grep -q '^ok .*pkernfs_adopt_faults' $suite/results && ! grep -q SKIP $suite/results ||
		fail "$(tr '\n' ' ' <$suite/results)"
	sed -n 's/.*# \(pkernfs_faults_.*: .* allocations, .*\)/TAP \1/p' $suite/results |
		while read -r line; do say "$line"; done
}

stage1() {
	local dev=/sys/bus/pci/devices/$nic cdev
	echo clear >$debug/kmemleak
	may_fail
	adoption
	region_make
	[ ! -e $dev/driver ] || echo $nic >$dev/driver/unbind
	echo 1 >$dev/enable || fail "the function is not enabled"
	cdev=$(vfio_cdev)
	echo >$dev/reset_method
	pool=$(cat $region/pool_free)
	swept $cdev
	nothing_left $pool
	echo $nic >$dev/driver/unbind || fail "unbind"
	no_leaks
}
'''

run = selftests.run
