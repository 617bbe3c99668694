# SPDX-License-Identifier: GPL-2.0
# What the scenarios' guest scripts share.

# One line on the console, whole, in order with the kernel's own.
# The kernel takes no more than 1 KiB at a time.
say() {
	local text="$*"
	echo "<5>${text:0:960}" >/dev/kmsg
}

# A phase begins; the host takes the time.
phase() {
	say "PHASE $*"
}

fail() {
	say "FAIL: $*"
	exit 1
}

# The same from the background: the machine ends at once.
fail_all() {
	say "FAIL: $*"
	verdict 1
}

# Value of NAME=value on the kernel command line.
arg() {
	sed -n "s/.*\\b$1=\\([^ ]*\\).*/\\1/p" /proc/cmdline
}

# Wait for the host to type a line (Machine.send).
await_host() {
	local line
	read -r line || fail "the host has gone"
	say "host says $line"
}

# The next kernel's command line: this one's with the next stage number, and
# what the scenario wants to add. Nothing that is under test has a hand in it.
k2_cmdline() {
	local stage
	stage=$(arg stage)
	echo "$(sed "s/\\bstage=$stage\\b/stage=$((stage + 1))/; $k2_sed" \
		/proc/cmdline) $(cat /test/k2-append)"
}
# For who wants to take something away.
k2_sed=

# Where the next kernel and its initrd are.
images=/boot

# Sums over the images, by kexec-tools and again by its purgatory, are most of what a
# kexec costs here. Emptied by who wants them all the same.
no_checks=--no-checks

# kexec_load_next -c|-s: load the next kernel by kexec_load or kexec_file_load.
kexec_load_next() {
	kexec "$1" $([ "$1" != -c ] || echo $no_checks) -l $images/bzImage --initrd=$images/initrd \
		--command-line="$(k2_cmdline)" ||
		fail "kexec $1 -l: $?"
	[ "$(cat /sys/kernel/kexec_loaded)" = 1 ] || fail "nothing was loaded"
}

# Does not return.
kexec_jump() {
	phase jump
	kexec -e
	fail "kexec -e came back: $?"
}

# next_dmar: the next kernel's initrd brings a DMAR of its own. Its header is the machine's, what
# is behind that, from the creator's id at 28 on, is in /tmp/dmar.
next_dmar() {
	local from=/sys/firmware/acpi/tables/DMAR to=/tmp/early/kernel/firmware/acpi/DMAR.aml
	local bytes sum
	mkdir -p $(dirname $to) /tmp/images
	bytes=$(($(wc -c </tmp/dmar) + 28))
	{
		printf DMAR
		printf "$(printf '\\%03o\\%03o\\0\\0' $((bytes & 255)) $((bytes >> 8)))"
		dd if=$from bs=1 skip=8 count=1
		printf '\0'
		dd if=$from bs=1 skip=10 count=14
		printf '\377\0\0\0'		# OEM revision: the newer one is taken
		cat /tmp/dmar
	} >$to 2>/dev/null
	sum=$(od -An -v -tu1 $to | awk '{ for (i = 1; i <= NF; i++) n += $i }
		END { print (256 - n % 256) % 256 }')
	printf "$(printf '\\%03o' $sum)" |
		dd of=$to bs=1 seek=9 conv=notrunc 2>/dev/null
	(cd /tmp/early && find kernel | cpio -o -H newc) >/tmp/images/initrd
	cat /boot/initrd >>/tmp/images/initrd
	ln -s /boot/bzImage /tmp/images
	images=/tmp/images
}

# with_rmrr SLOT FUNCTION [5]: reserved memory where the firmware's is below 1 MiB for that
# device of bus 0; or for device 0 in ACPI's name space, behind a unit that has whatever no
# other one names.
with_rmrr() {
	local from=/sys/firmware/acpi/tables/DMAR
	{
		dd if=$from bs=1 skip=28 count=24
		[ "${3-}" != 5 ] || printf '\1'	# INCLUDE_PCI_ALL
		[ "${3-}" = 5 ] || dd if=$from bs=1 skip=52 count=1
		dd if=$from bs=1 skip=53
		printf '\1\0\40\0\0\0\0\0'	# RMRR, 32 bytes, segment 0
		printf '\0\0\17\0\0\0\0\0\377\377\17\0\0\0\0\0'
		printf "\\${3:-1}\10\0\0\0\0$(printf '\\%03o\\%03o' $1 $2)"
	} >/tmp/dmar 2>/dev/null
	next_dmar
}

# with_ignored_unit: of the unit's scope nothing is left but the IOAPIC, which is the first.
with_ignored_unit() {
	local from=/sys/firmware/acpi/tables/DMAR
	{
		dd if=$from bs=1 skip=28 count=22
		printf '\30\0'
		dd if=$from bs=1 skip=52 count=20
	} >/tmp/dmar 2>/dev/null
	next_dmar
}

# --- a region, and the small VMM in it --------------------------------------

nic=0000:00:04.0
region=/sys/fs/pkernfs/region0
# Emptied by who has no saved state.
vmm_state='--state /mnt/vm0/state'

region_mount() {
	mount -t pkernfs "${1:-region0}" /mnt || fail "mount: $?"
}

# A new filesystem with a folder for one VM.
region_make() {
	mkfs.pkernfs -q region0 || fail "mkfs: $?"
	region_mount
	mkdir /mnt/vm0
}

# Load the next kernel, armed. kexec_load shows the kernel nothing of the image,
# so root must say that it knows pkernfs.
load_armed() {
	kexec_load_next "$1"
	if [ "$1" = -c ]; then
		[ "$(cat /sys/fs/pkernfs/armed)" = 0 ] || fail "armed by kexec_load"
		pkernfsctl arm || fail "arm: $?"
	fi
	[ "$(cat /sys/fs/pkernfs/armed)" = 1 ] || fail "the image is not armed"
}

# vmm run|restore [OPTION|ACTION]...: what it says goes to the console.
vmm() {
	local verb=$1
	shift
	pkernfs-vmm "$verb" --phases --bdf $nic --ram /mnt/vm0/ram $vmm_state \
		--device /mnt/vm0/nic0 "$@" >/dev/kmsg 2>&1
}

# vmm_back ACTION...: a VMM takes the device back. Its "wait" ends when the host, which
# has seen a phase begin, says that it sends no more.
vmm_back() {
	mkfifo /tmp/control
	{ vmm restore --control /tmp/control "$@" || fail_all "the second VMM: $?"; } &
	await_host
	echo go >/tmp/control
	wait $!
}

# vfio_cdev: hand the NIC to vfio-pci, and say where its cdev is.
vfio_cdev() {
	local dev=/sys/bus/pci/devices/$nic
	echo vfio-pci >$dev/driver_override
	[ ! -e $dev/driver ] || echo $nic >$dev/driver/unbind
	echo $nic >/sys/bus/pci/drivers_probe
	echo /dev/vfio/devices/$(ls $dev/vfio-dev)
}

# nothing_left POOL: no device is known, nothing is held, and so many blocks are free.
nothing_left() {
	[ "$(cat $region/pool_free)" = "$1" ] || fail "pool blocks are lost"
	[ "$(cat $region/granules_held)$(cat $region/small_held)" = 00 ] || fail "holds are left"
	[ -z "$(ls /sys/fs/pkernfs/devices)" ] || fail "a device is left"
}

# whole: /mnt/file says so, and RAM of 160 MiB is as long as it was.
whole() {
	[ "$(cat /mnt/file)" = whole ] || fail "a file has changed"
	[ "$(stat -c %s /mnt/vm0/ram)" = 167772160 ] || fail "the RAM file has changed"
}

# whole_and_free: and nothing holds them.
whole_and_free() {
	whole
	[ "$(cat $region/granules_held)$(cat $region/small_held)" = 00 ] || fail "holds are left"
}

# What is pinned now, in pages; state of the device; is it gone from the list?
pins() {
	awk '/^nr_foll_pin_acquired/ { n += $2 } /^nr_foll_pin_released/ { n -= $2 }
		END { print n }' /proc/vmstat
}
device_state() {
	cat /sys/fs/pkernfs/devices/$nic/state 2>/dev/null || echo ordinary
}
want_state() {
	local is
	is=$(device_state)
	[ "$is" = "$1" ] || fail "the device is $is, not $1"
}

# --- several devices: N is at $bdfN; its VMM listens at /tmp/cN, its files are in $dirN ---

# one N VERB [OPTION|ACTION]...: the VMM, or the process of it, that has device N
one() {
	local n=$1 verb=$2 bdf dir
	shift 2
	eval bdf=\$bdf$n dir=\$dir$n
	pkernfs-vmm $verb --bdf $bdf --ram $dir/ram$n --state $dir/state$n \
		--device $dir/nic$n --control /tmp/c$n "$@" >/dev/kmsg 2>&1 ||
		fail_all "VMM $n: $?"
}

# go N...: the VMM has waited long enough
go() {
	local n
	for n in "$@"; do echo go >/tmp/c$n; done
}

# is N STATE: wait until it is
is() {
	local i
	eval nic=\$bdf$1
	for i in $(seq 200); do
		[ "$(device_state)" != $2 ] || return 0
		sleep 0.1
	done
	fail "device $1 is $(device_state), not $2"
}

# until_said N TEXT: wait until N lines of VMMs have it. VMMs begin and end one after the
# other: while a CPU maps or unmaps the BARs of one device, QEMU loses accesses of other CPUs
# to those of other devices (7.2: about one in 10^5, 10.0 likewise).
until_said() {
	local i
	for i in $(seq 300); do
		[ "$(dmesg | grep -c "$2")" -lt $1 ] || return 0
		sleep 0.1
	done
	fail "not $1 times: $2"
}
