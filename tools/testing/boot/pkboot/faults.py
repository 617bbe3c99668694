# SPDX-License-Identifier: GPL-2.0
"""A kernel in which allocations and copies can be made to fail, one by one.

A scenario has KERNEL = 'faults', what is here in its own, and GUEST in front of its own.
"""

from . import dma, selftests

APPEND = 'kmemleak=on'
# A failed allocation says so.
IGNORE = (r'page allocation failure',)


def files():
    return dma.files(pkernfs=True) + selftests.vfio_files('faults')


GUEST = r'''
debug=/sys/kernel/debug

# Every allocation of this kernel may fail, for who counts them: but not those of ACPICA, which
# then loses count of references, and uses what it has freed. It lies in one piece.
may_fail() {
	local what
	set -- $(sort /proc/kallsyms | awk '$3 == "_etext" { exit }
		$3 ~ /^acpi_(ds|ev|ex|hw|ns|ps|rs|tb|ut)_[a-z0-9_]*$/ {
			from = from ? from : $1; last = $1; inside = 1; next }
		inside && $1 != last { to = $1; inside = 0 }
		END { print from, to }')
	[ $# = 2 ] || fail "where is ACPICA?"
	for what in failslab fail_page_alloc; do
		echo N >$debug/$what/ignore-gfp-wait
		echo 0 >$debug/$what/verbose
		echo 0x$1 >$debug/$what/reject-start
		echo 0x$2 >$debug/$what/reject-end
	done
	echo 0 >$debug/fail_page_alloc/min-order
}

# swept ARGUMENT...: what selftests/pkernfs/faults.c does
swept() {
	faults /mnt "$@" >/tmp/tap 2>&1 ||
		fail "$(grep -v '^ok' /tmp/tap | tr '\n' ' ')"
	sed -n 's/^ok.* - \(.*: .* points, .*\)/TAP \1/p' /tmp/tap |
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
'''
