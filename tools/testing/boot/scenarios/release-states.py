# SPDX-License-Identifier: GPL-2.0
"""RELEASE in each state, by root and by another user: nothing is held after it.

Ordinary, frozen, detached, with a user that waits, adopted, failed. Frames come all
the time: none lands in the region from RELEASE on, until a new VMM takes the device,
and its own driver before that. The RAM file is removed, and its room is free again.
"""

import time

from pkboot import dma, live
from pkboot.region import Region
from pkboot.result import Failure

KERNEL = 'release'
LIKE = live
DEVICES = ('-device pcie-root-port,id=rp,chassis=1,addr=6.0', dma.nic(0, 'bus=rp'))
STAGES = 3
TIMEOUT = 60
# Its own driver must not take the device that failed: see live.NO_DRIVER.
K2_APPEND = live.NO_DRIVER

_COMMON = r'''
nic=0000:01:00.0
dev=/sys/bus/pci/devices/$nic
busy="Device or resource busy"

# release ERROR: RELEASE says so; "": it is done
release() {
	local said
	said=$(pkernfsctl release /mnt/vm0/nic0 2>&1) && said= || :
	case $said in
	*"$1"*) [ -n "$1" -o -z "$said" ] || fail "RELEASE: $said" ;;
	*) fail "RELEASE: ${said:-done}, not ${1:-done}" ;;
	esac
}

other_user() {
	echo nobody:x:65534:65534::/:/bin/sh >/etc/passwd
	chmod 755 /mnt /mnt/vm0
	chmod 666 /mnt/vm0/nic0
	su nobody -c 'pkernfsctl release /mnt/vm0/nic0' 2>&1 | grep -q "$1" ||
		fail "another user's RELEASE is not: $1"
}

free() {
	echo $(cat $region/granules_held) $(cat $region/pool_free) \
		$(cat $region/granules_free)
}

# finish NAME: RELEASE, and nothing is left of it
finish() {
	local was
	was=$(device_state)
	other_user "Operation not permitted"
	release ""
	say "RELEASED $1"
	await_host
	want_state ordinary
	release "no device is frozen into it"
	rm -r /mnt/vm0/* || fail "$1: files are held"
	[ "$(free)" = "$(cat /mnt/free)" ] || fail "$1: $(free), not $(cat /mnt/free)"
	[ -z "$(ls /sys/fs/pkernfs/devices)" ] || fail "$1: a device is left"
	[ $(pins) = 0 ] || fail "$1: $(pins) pins"
	say "FINISHED $1: it was $was"
}

new_vmm() {
	vmm run --bind --size 160M --control /tmp/control frames=20 "$@" ||
		fail_all "a new VMM: $?"
}

waiting() {
	local pid
	vmm restore --control /tmp/control --early 0 --pause-at attach &
	pid=$!
	while ! grep -q "does not map IOVA" /sys/fs/pkernfs/devices/$nic/reason \
		2>/dev/null; do sleep 0.1; done
	other_user "Operation not permitted"
	release "$busy"
	killall -9 pkernfs-vmm
	wait $pid || :
}

'''

GUEST = _COMMON + r'''
stage1() {
	region_make
	mkfifo /tmp/control
	echo 0 >/mnt/free
	new_vmm exit
	>/mnt/vm0/nic0
	release "no device is frozen into it"
	other_user "no device is frozen into it"
	rm /mnt/vm0/*
	was=$(free)
	echo $was >/mnt/free

	new_vmm freeze wait &
	pid=$!
	while [ "$(device_state)" != frozen ]; do sleep 0.1; done
	other_user "Operation not permitted"
	release "$busy"
	want_state frozen
	echo go >/tmp/control
	wait $pid
	want_state detached
	finish detached
	new_vmm freeze quiesce save
	waiting
	want_state detached
	finish waiting
	new_vmm freeze quiesce save
	load_armed -s
	kexec_jump
}

stage2() {
	region_mount
	mkfifo /tmp/control
	want_state adopted
	waiting
	want_state adopted
	finish adopted
	new_vmm freeze quiesce save
	load_armed -s
	kexec_jump
}

stage3() {
	region_mount
	mkfifo /tmp/control
	want_state failed
	why=$(cat /sys/fs/pkernfs/devices/$nic/reason)
	was=$(free)
	# A FREEZE that is refused, as the memory is no file's, changes nothing of that.
	pkernfs-vmm run --bind --bdf $nic --ram /tmp/ram --size 16M --ring 1024 --device /mnt/vm0/other \
		'!freeze' >/dev/kmsg 2>&1 || fail "a VMM on other memory: $?"
	rm /mnt/vm0/other
	want_state failed
	[ "$(cat /sys/fs/pkernfs/devices/$nic/reason)" = "$why" ] || fail "the reason has gone"
	[ "$(free)" = "$was" ] || fail "failed: $(free), was $was"
	finish failed
	new_vmm exit
}
'''

# The device was at work when its user went: its own driver, which switches bus
# mastering on first, must find it reset.
_OWN = _COMMON + r'''
stage1() {
	local net
	region_make
	mkfifo /tmp/control
	# The model's only reset that does anything.
	echo bus >$dev/reset_method
	new_vmm freeze
	want_state detached
	release ""
	echo >$dev/driver_override
	echo $nic >$dev/driver/unbind
	echo $nic >/sys/bus/pci/drivers/e1000e/bind || fail "its own driver"
	net=$(ls $dev/net)
	echo 0x1003 >$dev/net/$net/flags	# up
	while [ $(cat $dev/net/$net/statistics/rx_packets) = 0 ]; do sleep 0.1; done
	say "DRIVER receives"
}
'''

# More frames than there will be
_ALL = 1000000


def own_driver(t):
    u = live.Update(t, 'own', guest=_OWN, stages=1)
    u.m.start()
    u.m.wait('STEP ring')
    u.d.start(rate=200)
    u.m.finish()


def harm(u):
    """A bit of the tables that no hardware reads: not what was recorded."""
    q = u.m.qmp()
    q.command('stop')
    r = Region(u.m, live.PKERNFS)
    root = int(u.d.walk()['rtaddr'], 16) - r.base
    context = r.u64(root + 16) - 1      # of bus 1, where the device is the first
    r.flip(context - r.base + 8)
    r.close()
    q.command('cont')
    q.close()


def run(t):
    own_driver(t)
    u = live.Update(t)
    u.m.start()
    u.m.wait('STEP ring')
    u.d.start(rate=200)
    at = 0
    for name in 'detached', 'waiting', 'adopted', 'failed':
        if name == 'failed':
            at, _, _ = u.m.wait('PHASE jump', start=at)
            u.m.wait('Linux version', start=at)
            harm(u)
        at, _, _ = u.m.wait('RELEASED ' + name, start=at)
        before = u.d.scan(_ALL)
        time.sleep(0.3)         # of 60 frames
        after = u.d.scan(_ALL)
        if before != after or not after['found']:
            raise Failure('%s: frames land after the RELEASE: %s, then %s' %
                          (name, before, after))
        u.m.send('seen')
    u.m.finish()
    t.note('released: ' + ', '.join(
        text.split('FINISHED ')[1].split(':')[0] for _, text in u.m.console.lines
        if 'FINISHED ' in text))
