# SPDX-License-Identifier: GPL-2.0
"""What root and the guest can do to a device does nothing to a preserved one.

Frozen under its VMM, detached, without a driver, adopted: removal, every reset of
the device and of the port above it, another driver, disable, sleep and writes to the
configuration are refused or do no harm. Frames come all the time. Neither its bus mastering
nor the port's is ever off, and both stay awake.
"""

from pkboot import dma, live

KERNEL = 'release'
LIKE = live
DEVICES = ('-device pcie-root-port,id=rp,chassis=1,addr=6.0', dma.nic(0, 'bus=rp'))
TRACE = ('pci_cfg_write',)
STAGES = 2
TIMEOUT = 60

GUEST = r'''
nic=0000:01:00.0
dev=/sys/bus/pci/devices/$nic
port=/sys/bus/pci/devices/0000:00:06.0
busy="Device or resource busy"
tries=0

# knock ERROR FILE TEXT: a write that must say this; "": it is taken
knock() {
	local said
	said=$( (echo "$3" >"$2") 2>&1 ) || :
	case $said in
	*"$1") [ -n "$1" -o -z "$said" ] || fail "$3 >$2: $said" ;;
	*) fail "$3 >$2: ${said:-taken}, not ${1:-taken}" ;;
	esac
	tries=$((tries + 1))
}

# poke FILE OFFSET OCTAL OCTAL: two bytes into a configuration, as setpci does
poke() {
	printf "\\$3\\$4" | dd of=$1 bs=2 seek=$(($2 / 2)) count=1 conv=notrunc \
		2>/tmp/said && fail "$1: written at $2"
	grep -q "$busy" /tmp/said || fail "$1: $(cat /tmp/said)"
	tries=$((tries + 1))
}

# A port would go to sleep after 100 ms, a device at once.
awake() {
	local f is
	sleep 0.5
	for f in $dev $port; do
		is="$(cat $f/power_state) $(cat $f/power/runtime_status)"
		[ "$is" = "D0 active" ] || fail "$1: ${f##*/} is $is"
	done
}

has_driver() {
	local is
	is=$(basename "$(readlink $dev/driver)")
	[ "$is" = "$1" ] || fail "its driver is '$is', not '$1'"
}

# All that does not depend on the driver
knocks() {
	local f methods=
	want_state $1
	knock "$busy" $dev/remove 1
	knock "$busy" $port/remove 1
	knock "" $dev/reset_method ""
	knock "Inappropriate ioctl for device" $dev/reset 1
	for f in bus pm default; do
		(echo $f >$dev/reset_method) 2>/dev/null || continue
		methods="$methods $f"
		knock "$busy" $dev/reset 1
	done
	# That by the bus is none while the device is kept.
	[ "$methods" = " pm default" ] || fail "tried to reset it by:$methods"
	knock "Inappropriate ioctl for device" $port/reset_subordinate 1
	[ ! -e $port/reset ] || knock "$busy" $port/reset 1
	knock "$busy" $dev/rescan 1
	knock "$busy" $port/rescan 1
	knock "" /sys/bus/pci/rescan 1
	for f in $dev $port; do
		knock "" $f/power/control auto
		knock "" $f/d3cold_allowed 1
	done
	awake $1
	knock "Permission denied" $dev/driver_override e1000e
	knock "" /sys/bus/pci/drivers_probe $nic
	has_driver vfio-pci
	knock "No such device" /sys/bus/pci/drivers/e1000e/bind $nic
	knock "$busy" $dev/enable 0
	for f in "" DMA identity; do
		(echo $f >$dev/iommu_group/type) 2>/dev/null && fail "$f domain"
	done
	poke $dev/config 4 002 000		# COMMAND: no bus mastering
	poke /proc/bus/pci/01/00.0 4 002 000
	poke $port/config 4 002 000
	poke $port/config 62 100 000		# bridge control: reset the bus
	want_state $1
	say "KNOCKED $1"
}

# And what does: it loses its driver, is nobody's, and is taken by its own again
orphan() {
	knock "" /sys/bus/pci/drivers/vfio-pci/unbind $nic
	nobodys
}

nobodys() {
	[ ! -e $dev/driver ] || fail "it has a driver"
	knock "" $dev/enable 1
	knock "" $dev/enable 0
	awake "without a driver"
	knock "No such device" /sys/bus/pci/drivers/e1000e/bind $nic
	knock "$busy" $dev/reset 1
	knock "" /sys/bus/pci/drivers_probe $nic
	has_driver vfio-pci
}

stage1() {
	region_make
	load_armed -c
	mkfifo /tmp/control
	vmm run --bind --size 160M --control /tmp/control phase=quiet run=500ms \
		freeze info !reset !hot-reset d3 wait quiesce save &
	pid=$!
	while [ "$(device_state)" != frozen ]; do sleep 0.1; done
	knocks frozen
	# It waits until the VMM has gone.
	echo $nic >/sys/bus/pci/drivers/vfio-pci/unbind &
	echo go >/tmp/control
	wait $pid || fail "the first VMM: $?"
	wait
	want_state detached
	nobodys
	knocks detached
	orphan
	say "TRIED $tries"
	kexec_jump
}

stage2() {
	phase userland
	knocks adopted
	orphan
	knocks adopted
	region_mount
	vmm_back phase=resumed run=1s phase=end wait drain \
		verify
	await_host
	# And now all of it works again.
	want_state ordinary
	[ "$(cat $dev/driver_override)" = "(null)" ] || fail "driver_override is left"
	knock "" $dev/driver_override ""
	knock "" /sys/bus/pci/drivers/vfio-pci/unbind $nic
	knock "" /sys/bus/pci/drivers/e1000e/bind $nic
	has_driver e1000e
	knock "" $dev/reset 1
	knock "" $dev/remove 1
	knock "" $port/rescan 1
	[ -e $dev ] || fail "not found again"
	say "TRIED $tries"
}
'''


def run(t):
    u = live.Update(t, bdf='0000:01:00.0')
    u.go(rate=300)
    u.all_landed()
    u.translated()
    for address in '00:06.0', '01:00.0':
        u.d.never_cleared(address)
    t.note('%d attempts' % sum(int(text.split('TRIED ')[1]) for _, text
                               in u.m.console.lines if 'TRIED ' in text))
