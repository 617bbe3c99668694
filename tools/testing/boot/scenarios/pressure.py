# SPDX-License-Identifier: GPL-2.0
"""Next to no memory is left: each step works, or is refused and changes nothing.

FREEZE, UNFREEZE, a new VMM's attach, loads of an image, and then the kexec itself,
with less and less left. The loads are what needs much: root's kexec may end there,
the image that was loaded before stays, and nobody else is killed. FREEZE wants little of
the kernel, which waits for that and does not refuse it (scenario faults makes it); what it
is refused for is room for its tables in the region, once there is none. No frame is lost.
"""

import re

from pkboot import live

KERNEL = 'release'
LIKE = live
STAGES = 2
TIMEOUT = 60
QUICK = False
# What the kernel has to say when it ends kexec; run() looks at who it was.
IGNORE = (r'Out of memory: Killed process \d+ \(kexec\)', r'Call Trace:')

GUEST = r'''
left() {
	awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo
}

# fill MIB: leave so much
fill() {
	local n
	n=$(left)
	[ $n -le $1 ] || dd if=/dev/zero of=/fill/$1 bs=1M count=$((n - $1)) 2>/dev/null ||
		fail "cannot fill"
	say "LEFT $(left) MiB"
}

# soon STATE: wait until it is; false if it is not for long
soon() {
	local n
	for n in $(seq 50); do
		[ "$(device_state)" != $1 ] || return 0
		sleep 0.1
	done
	return 1
}

refused() {
	say "REFUSED $1: $(pkernfsctl info /mnt/vm0/nic0 | sed -n 's/^last error: *//p')"
}

# No block of the pool is left: each of these targets takes one.
no_room() {
	local free
	mkdir /mnt/full
	ln -s $(awk -v n=$(cat $region/pool_free) 'BEGIN { at = sprintf("%0480d", 0)
		while (n--) print at "/" n }') /mnt/full 2>/dev/null && fail "all of it fits"
	free=$(cat $region/pool_free)
	[ $free -lt 3 ] || fail "$free blocks of the pool are left"
}

# FREEZE is refused, and the device is an ordinary one; with room again it is done.
room() {
	local held
	echo unfreeze >/tmp/control
	soon ordinary || fail "not unfrozen: $(device_state)"
	no_room
	held=$(cat $region/granules_held)
	echo freeze >/tmp/control
	soon frozen && fail "frozen into a region without room for tables"
	refused freeze
	want_state ordinary
	[ "$(cat $region/granules_held)" = $held ] || fail "a FREEZE that is refused holds memory"
	[ ! -s /mnt/vm0/nic0 ] || fail "its file is not empty"
	rm -r /mnt/full
	echo freeze >/tmp/control
	soon frozen || fail "not frozen with room again: $(device_state)"
}

# A user that goes through all that it can call; it may be refused, and goes on.
cycles() {
	local n
	for n in 1 2 3; do
		echo unfreeze >/tmp/control
		soon ordinary || fail "not unfrozen: $(device_state)"
		echo freeze >/tmp/control
		soon frozen || refused freeze
	done
}

# The first to go
load() {
	sh -c 'echo 1000 >/proc/self/oom_score_adj; exec kexec "$@"' kexec "$1" -l \
		/boot/bzImage --initrd=/boot/initrd --command-line="$(k2_cmdline)" \
		>/dev/kmsg 2>&1 || say "REFUSED load $1: $?"
	[ "$(cat /sys/kernel/kexec_loaded)" = 1 ] || fail "the loaded image has gone"
}

stage1() {
	region_make
	load_armed -s
	mkfifo /tmp/control
	mkdir /fill
	mount -t tmpfs -o size=2G fill /fill
	vmm run --bind --size 160M --control /tmp/control phase=quiet run=500ms \
		freeze info wait quiesce save &
	pid=$!
	soon frozen || fail "not frozen"
	for left in 64 24 8 3; do
		fill $left
		cycles
		soon frozen || fail "it cannot be frozen with $left MiB"
		load -s
	done
	room
	load -c
	soon frozen || fail "a load took the device along"
	echo go >/tmp/control
	wait $pid || fail "the first VMM: $?"
	want_state detached
	for n in 1 2 3; do
		vmm restore run=100ms freeze quiesce save || refused "VMM $n"
		want_state detached
	done
	say "LEFT $(left) MiB"
	# By now another image may be loaded; kexec_load's was not armed.
	[ "$(cat /sys/fs/pkernfs/armed)" = 1 ] || pkernfsctl arm || fail "arm: $?"
	kexec_jump
}

stage2() {
	phase userland
	want_state adopted
	region_mount
	vmm_back phase=resumed run=500ms phase=end wait drain verify
	await_host
}
'''


def run(t):
    u = live.Update(t)
    u.go(rate=300)
    u.all_landed()
    u.d.undisturbed()
    lines = [text for _, text in u.m.console.lines]
    killed = [hit.group(1) for hit in map(re.compile(
        r'Killed process \d+ \((.*?)\)').search, lines) if hit]
    t.check(set(killed) <= {'kexec'}, 'killed: %s' % killed)
    t.note('MiB left: ' + ', '.join(text.split('LEFT ')[1].split()[0]
                                    for text in lines if 'LEFT ' in text))
    refused = [text.split('REFUSED ')[1] for text in lines if 'REFUSED ' in text]
    t.note('refused: ' + ', '.join(text.split(':')[0] for text in refused))
    # Or there was enough for everything, and nothing has been seen.
    t.check(killed or any(text.startswith('load ') for text in refused),
            'memory never ran short')
    t.check(any(text.startswith('freeze: No space left on device: no room for') for text
                in refused), 'no FREEZE was refused for want of room: %s' % refused)
