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

from pkboot import dma, selftests

KERNEL = 'faults'       # built for this alone
MANUAL = True
MEMORY = '1G'
PKERNFS = '64M@512M'
DEVICES = (dma.NIC,)
# The suite is run when the guest has said what may fail.
KUNIT = True
APPEND = 'kunit.autorun=0 kmemleak=on'
TIMEOUT = 240
# A failed allocation says so.
IGNORE = (r'page allocation failure',)


def FILES():
    return dma.files(pkernfs=True) + selftests.vfio_files('faults')


GUEST = r'''
debug=/sys/kernel/debug

# Every allocation of this kernel may fail, for who counts them.
may_fail() {
	local what
	for what in failslab fail_page_alloc; do
		echo N >$debug/$what/ignore-gfp-wait
		echo 0 >$debug/$what/verbose
	done
	echo 0 >$debug/fail_page_alloc/min-order
}

adoption() {
	local suite=$debug/kunit/pkernfs_adopt_faults
	echo run >$suite/run
	grep -q '^ok .*pkernfs_adopt_faults' $suite/results && ! grep -q SKIP $suite/results ||
		fail "$(tr '\n' ' ' <$suite/results)"
	sed -n 's/.*# \(pkernfs_faults_.*: .* allocations, .*\)/TAP \1/p' $suite/results |
		while read -r line; do say "$line"; done
}

# What nothing points to for 5 s; a value may look like a pointer for a while.
no_leaks() {
	sleep 6
	echo scan >$debug/kmemleak
	echo scan >$debug/kmemleak
	cat $debug/kmemleak >/tmp/leaks
	[ ! -s /tmp/leaks ] || { cat /tmp/leaks >/dev/kmsg; fail "memory is lost"; }
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
	faults /mnt $cdev >/tmp/tap 2>&1 ||
		fail "$(grep -v '^ok' /tmp/tap | tr '\n' ' ')"
	sed -n 's/^ok.* - \(.*: .* points, .*\)/TAP \1/p' /tmp/tap |
		while read -r line; do say "$line"; done
	nothing_left $pool
	echo $nic >$dev/driver/unbind || fail "unbind"
	no_leaks
}
'''

run = selftests.run
