# SPDX-License-Identifier: GPL-2.0
"""Live updates to a kernel in which one allocation of the adoption fails.

Frames come all the time. Each kernel has either adopted the device, and not a frame is
lost, or has cut it off, says so, and all of its memory is given back by RELEASE; the next
VMM starts anew then. Files are whole, and kmemleak finds nothing. Which allocations fail is
decided by the seed: of each part of the way as many, at the same distance from each other.
A kernel whose IOMMU driver has come to nothing has no VFIO: the one after it has a VMM again.
faults-adoption-long has ten times as many; PKERNFS_POINTS=79,150 has these.
"""

import os
import random
import re

from pkboot import dma, faults, live
from pkboot.result import Failure

KERNEL = 'faults'       # built for faults alone
LIKE = live
MANUAL = True
MEMORY = '1G'
PKERNFS = '192M@512M'
STAGES = 26             # the second counts
IMAGES = 1              # the region keeps them for the others
APPEND = '%s %s pkernfs_test=fail-0' % (faults.APPEND, live.NO_DRIVER)
IGNORE = faults.IGNORE
FILES = faults.files
TIMEOUT = 1200
VARIANTS = {'long': {'STAGES': 242, 'TIMEOUT': 10800},
            'scalable': {'IOMMU': 'intremap=on,x-scalable-mode=on',
                         'APPEND': 'intel_iommu=sm_on'}}

GUEST = faults.GUEST + r'''
images=/mnt/boot
room() {
	cat $region/pool_free $region/granules_free $region/small_free $region/inodes_free \
		$region/granules_held | paste -sd' '
}

# onwards N: the next kernel's N-th allocation fails
onwards() {
	k2_sed="s/pkernfs_test=fail-[0-9]*/pkernfs_test=fail-$1/"
	load_armed -c
	kexec_jump
}

# Of the device, as its file says: it needs no memory at boot to be shown.
state() {
	pkernfsctl info /mnt/vm0/nic0 | sed -n 's/^state: *//p'
}

left() {
	echo "$*" >/mnt/left
}

new_vmm() {
	room >/tmp/room
	cat /tmp/room >/mnt/room
	vmm run --size 40M --ring 8192 --recycle run=300ms freeze quiesce save ||
		fail "a VMM: $?"
	room >/tmp/room
	cat /tmp/room >/mnt/frozen
	left yes
}

# Which allocations are to fail, of the parts in turn
points() {
	case $(arg points) in
	?*)	arg points | tr , '\n'
		return
	esac
	dmesg | sed -n 's/.*TEST: up to the end of .*: \([0-9]*\) allocations/\1/p' |
		awk -v each=$((($(arg stages) - 2) / 3)) -v seed=$(arg seed) '
			{ from[NR] = last + 1; n[NR] = $1 - last; last = $1 }
			END {
				for (i = 0; i < each; i++)
					for (p = NR; p; p--) {
						m = each < n[p] ? each : n[p]
						if (i < m)
							print from[p] + (int(i * n[p] / m) + seed) % n[p]
					}
			}'
}

stage1() {
	region_make
	mkdir $images
	cp /boot/bzImage /boot/initrd $images/
	dd if=/dev/urandom of=/mnt/pattern bs=1M count=4 2>/dev/null
	sha256sum /mnt/pattern >/mnt/sums
	for f in room frozen points at left; do echo 0 >/mnt/$f; done
	vfio_cdev >/dev/null
	new_vmm
	onwards 0
}

cut_off() {
	local dev=/sys/bus/pci/devices/$nic said
	said=$(dmesg | grep -E 'pkernfs: .*(is cut off|devices are stopped)') ||
		fail "it is $(state), and no line says that it is cut off"
	[ ! -e $dev ] || [ $((0x$(od -An -tx1 -j4 -N1 $dev/config | tr -d ' ') & 4)) = 0 ] ||
		fail "it is bus master"
	sum=$(sha256sum /mnt/vm0/ram)
	sleep 0.5
	[ "$sum" = "$(sha256sum /mnt/vm0/ram)" ] || fail "its memory changes"
	[ "$(state)" = ordinary ] || pkernfsctl release /mnt/vm0/nic0 || fail "release"
	[ -z "$(ls /sys/fs/pkernfs/devices)" ] || fail "a device is left"
	# A folder keeps the block that names were in.
	rm -r /mnt/vm0 || fail "a file is held"
	mkdir /mnt/vm0
	left no
	say "$said"
}

same_room() {
	[ "$(room)" = "$(cat $1)" ] || fail "room $(room), at first $(cat $1)"
}

again() {
	local n=$(arg pkernfs_test) at
	region_mount
	at=$(cat /mnt/at)
	sha256sum -c -s /mnt/sums || fail "a file is not whole"
	[ $(arg stage) != 2 ] || points >/mnt/points
	case $(cat /mnt/left) in
	no)	same_room /mnt/room
		;;
	yes)	if [ "$(state)" = adopted ]; then
			vmm restore run=300ms freeze quiesce save ||
				fail "$n: VMM $(arg stage): $?"
			same_room /mnt/frozen
			say "DONE $n adopted"
		else
			cut_off
			same_room /mnt/room
			say "DONE $n cut off"
		fi
	esac
	# Where the IOMMU driver has not started there is no VFIO.
	if [ $(cat /mnt/left) = no ] && [ -e /sys/bus/pci/devices/$nic/iommu_group ]; then
		vfio_cdev >/dev/null
		new_vmm
	fi
	no_leaks
	[ $(arg stage) != $(arg stages) ] || return 0
	[ $(cat /mnt/left) = yes ] || onwards 0
	at=$((at + 1))
	echo $at >/mnt/at
	# A part may have fewer than its share.
	at=$(sed -n ${at}p /mnt/points)
	onwards ${at:-0}
}

for i in $(seq 2 $(arg stages)); do
	eval "stage$i() { again; }"
done
'''


def went_on(t, lines):
    """Each kernel that has adopted the device has more frames, and lacks none."""
    frames = 0
    for text in lines:
        if 'REPORT ' not in text:
            continue
        r = dma.values(text.split('REPORT ', 1)[1])
        t.check(r['missing'] + r['late'] + r['bad'] + r['foreign'] == 0, text)
        if r['verb'] == 'restore':
            t.check(r['frames'] > frames, 'no frame has come: ' + text)
        frames = r['frames']


def run(t):
    seed = int(os.environ.get('PKERNFS_SEED', random.randrange(1000)))
    points = os.environ.get('PKERNFS_POINTS', '')
    if points:
        t.s.STAGES = 2 + len(points.split(','))
    u = live.Update(t, files=faults.files(),
                    append='%s seed=%d points=%s' % (t.s.APPEND, seed, points))
    m, d = u.m, u.d
    m.start()
    m.wait('STEP ring')
    d.poll(pause_us=5000)
    d.start(rate=50)
    m.wait(r'stage %d of' % t.s.STAGES)
    m.wait(r'DONE .*', start=m.wait('stage %d of' % t.s.STAGES)[0])
    d.stop()
    left = d.scan()
    m.finish()
    p = d.polled()
    if p['untranslated'] or p['faults']:
        raise Failure('the remapping unit: %s' % p)
    if left['outside']:
        raise Failure('frames lie outside of the region: %s' % left)
    lines = [text for _, text in m.console.lines]
    went_on(t, lines)
    done = [text.split('DONE ', 1)[1] for text in lines if 'DONE ' in text]
    adopted = sum(text.endswith('adopted') for text in done)
    failed = [text.split('failed: ', 1)[1] for text in lines if 'TEST: allocation' in text]
    ours = sum('pkernfs' in text for text in failed)
    # The first kernel has said one, before it had a device.
    counts = [text.split('end of ', 1)[1] for text in lines if 'TEST: up to' in text][1:4]
    parts = [int(re.search(r': (\d+) alloc', text).group(1)) for text in counts]
    t.note('seed %d: %d failed, %d of them below pkernfs; %d adopted, %d cut off; %s' %
           (seed, len(failed), ours, adopted, len(done) - adopted, ', '.join(counts)))
    if points:
        return
    t.check(len(parts) == 3 and 0 < parts[0] < parts[1] < parts[2],
            'a part of the way has no allocations')
    t.check(ours and 2 * len(failed) > len(done), 'too few have failed')
