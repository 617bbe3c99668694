# SPDX-License-Identifier: GPL-2.0
"""Live update after live update, under DMA and interrupts: nothing is lost or leaks.

soak-long is a hundred on the debug kernel.
"""

from pkboot import live
from pkboot.result import Failure

KERNEL = 'release'
LIKE = live
STAGES = 6
IMAGES = 1              # the region keeps them for the others
TIMEOUT = 90
VARIANTS = {'long': {'KERNEL': 'debug', 'STAGES': 101, 'TIMEOUT': 5400, 'MANUAL': True}}

GUEST = r'''
no_checks=
images=/mnt/boot
room() {
	cat $region/pool_free $region/granules_free $region/inodes_free | paste -sd' '
}

# -c and -s in turn
onwards() {
	load_armed $([ $(($(arg stage) % 2)) = 0 ] && echo -s || echo -c)
	phase jump$(arg stage)
	kexec -e
}

stage1() {
	region_make
	mkdir $images
	cp /boot/bzImage /boot/initrd $images/
	vmm run --bind --size 160M --ring 65528 run=300ms freeze info quiesce save ||
		fail "the first VMM: $?"
	echo none >/mnt/room
	room >/tmp/room
	cat /tmp/room >/mnt/room
	onwards
}

again() {
	region_mount
	want_state adopted
	[ "$(room)" = "$(cat /mnt/room)" ] || fail "room $(room), at first $(cat /mnt/room)"
	vmm restore run=300ms raise run=100ms freeze quiesce save || fail "VMM $(arg stage): $?"
	onwards
}

for i in $(seq 2 $(($(arg stages) - 1))); do
	eval "stage$i() { again; }"
done
eval "stage$(arg stages)() { last; }"

last() {
	region_mount
	vmm_back phase=end wait drain verify
	rm -r /mnt/* || fail "a file is still held"
	[ "$(cat $region/granules_free)" = "$(cat $region/granules)" ] ||
		fail "granules are lost"
	await_host
}
'''


def run(t):
    u = live.Update(t)
    u.m.start()
    u.m.wait('STEP ring')
    u.d.start(rate=20 if t.s.MANUAL else 150)
    u.m.wait('PHASE end')
    u.d.stop()
    u.left = u.d.scan()
    u.m.send('no more frames')
    u.m.wait('STEP closed', start=u.m.wait('STEP verify')[0])
    u.m.send('seen')
    u.m.finish()
    u.all_landed()
    at = [now for now, name in u.d.marks() if name.startswith('jump')]
    took = [b - a for a, b in zip(at, at[1:])]
    t.note('%d live updates, %.1f s each; first %.1f s, last %.1f s' %
           (len(at), sum(took) / len(took), took[0], took[-1]))
    if len(at) != t.s.STAGES - 1:
        raise Failure('%d jumps' % len(at))
    # The host has other things to do as well: the best of some.
    some = max(2, len(took) // 10)
    if min(took[-some:]) > 1.5 * min(took[:some]) + 1:
        raise Failure('the last updates took %.1f s, the first %.1f s' %
                      (min(took[-some:]), min(took[:some])))
