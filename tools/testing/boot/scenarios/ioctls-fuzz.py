# SPDX-License-Identifier: GPL-2.0
"""Random arguments to every ioctl and to the files in sysfs: no harm, and it still works.

On device files, whose device is frozen and not in turn, on /dev/pkernfs, on /dev/pkernfs0,
and FSSETXATTR on files and a folder. ioctls-fuzz-kept: where the device is detached, and
adopted in the next kernel, by a user who is not root: it stays as it is, and the next VMM
has it. ioctls-fuzz-long makes 100,000 calls.
"""

from pkboot import dma, live, selftests

MEMORY = '1G'
PKERNFS = '64M@512M'
DEVICES = (dma.NIC,)
TIMEOUT = 120
QUICK = False


def FILES():
    return dma.files(pkernfs=True) + selftests.vfio_files('ioctl_fuzz', flags=('-pthread',))


_ORDINARY = r'''
about() {
	grep -r . $region /sys/fs/pkernfs/armed 2>/dev/null | sort
}

stage1() {
	local cdev
	region_make
	cdev=$(vfio_cdev)
	pool=$(cat $region/pool_free)
	about >/tmp/before
	ioctl_fuzz /mnt $cdev %d >/tmp/tap 2>&1 ||
		fail "$(grep -v '^ok' /tmp/tap | tr '\n' ' ')"
	say "TAP $(sed -n 's/^# //p' /tmp/tap)"
	nothing_left $pool
	about >/tmp/after
	cmp /tmp/before /tmp/after || fail "$(diff /tmp/before /tmp/after | tr '\n' ' ')"
	# A next kernel would load it, too.
	umount /mnt
	region_mount
}
'''

_KEPT = r'''
device="--device /mnt/vm0/nic"

cdev() {
	echo /dev/vfio/devices/$(ls /sys/bus/pci/devices/$nic/vfio-dev)
}

# fuzz STATE SEED: nothing is another way after it
fuzz() {
	local was
	want_state $1
	>/mnt/vm0/other
	echo x >/mnt/vm0/full
	was=$(cat $region/pool_free $region/granules_held)
	ioctl_fuzz /mnt/vm0 $(cdev) 3000 $2 $1 >/tmp/tap 2>&1 ||
		fail "$(grep -v '^ok' /tmp/tap | tr '\n' ' ')"
	say "TAP $1: $(sed -n 's/^# //p' /tmp/tap)"
	want_state $1
	[ "$(cat $region/pool_free $region/granules_held)" = "$was" ] || fail "other room"
}

stage1() {
	region_make
	vmm run $device --bind --size 16M --ring 256 each=3 freeze quiesce save || fail "VMM: $?"
	fuzz detached 1
	vmm restore $device each=3 freeze quiesce save || fail "the next VMM: $?"
	load_armed -s
	kexec_jump
}

stage2() {
	region_mount
	fuzz adopted 2
	vmm restore $device each=3 || fail "the last VMM: $?"
	want_state ordinary
}
'''

GUEST = _ORDINARY % 6000
VARIANTS = {'long': {'GUEST': _ORDINARY % 100000, 'TIMEOUT': 1800, 'MANUAL': True},
            'kept': {'GUEST': _KEPT, 'STAGES': 2, 'TIMEOUT': 240, 'APPEND': live.APPEND,
                     'K2_APPEND': live.NO_DRIVER}}

run = selftests.run
