# SPDX-License-Identifier: GPL-2.0
"""Ten kexecs in a row, and no VMM in between: the device is handed on each time.

Not a frame is lost, the domain id stays, no pool block is lost. The eleventh kernel's
VMM takes the device back. The images lie in the region: each kernel loads the next
from there.
"""

from pkboot import live

KERNEL = 'release'
LIKE = live
_KEXECS = 10
STAGES = _KEXECS + 1
IMAGES = 1              # the region keeps them for the others
TIMEOUT = 90
QUICK = False

GUEST = r'''
no_checks=
images=/mnt/boot

next() {
	load_armed -s
	kexec_jump
}

facts() {
	echo $(cat /sys/fs/pkernfs/devices/$nic/domain_id) $(cat $region/pool_free) \
		$(cat $region/granules_free) $(cat $region/granules_held) \
		$(cat $region/inodes_free) $(cat $region/orphans)
}

stage1() {
	region_make
	mkdir $images
	cp /boot/* $images/
	echo 0 >/mnt/facts
	vmm run --bind --size 160M phase=quiet run=500ms freeze info quiesce save ||
		fail "the first VMM: $?"
	echo "$(facts)" >/mnt/next
	mv /mnt/next /mnt/facts
	echo "$(facts)" | diff - /mnt/facts || fail "$(facts)"
	next
}

again() {
	phase userland
	want_state adopted
	region_mount
	[ "$(facts)" = "$(cat /mnt/facts)" ] || fail "$(facts), not $(cat /mnt/facts)"
	next
}

for n in 2 3 4 5 6 7 8 9 10; do
	eval "stage$n() { again; }"
done

stage11() {
	local tables room
	phase userland
	region_mount
	[ "$(facts)" = "$(cat /mnt/facts)" ] || fail "$(facts), not $(cat /mnt/facts)"
	tables=$(cat /sys/fs/pkernfs/devices/$nic/tables)
	room=$(cat $region/pool_free)
	vmm_back phase=resumed run=500ms phase=end wait drain \
		verify info
	want_state ordinary
	[ "$(cat $region/pool_free)" = $((room + tables)) ] || fail "pool blocks are lost"
	[ "$(cat $region/granules_held)" = 0 ] || fail "holds are left"
	await_host
}
'''


def run(t):
    u = live.Update(t)
    u.go(rate=100)
    u.all_landed()
    # To the handover's root and to the next kernel's own, each time.
    p = u.d.undisturbed(roots=2 * _KEXECS)
    t.check(p['dids'] == 2, 'the domain id changed %d times' % p['dids'])
    times, jump = [], None
    for now, name in u.d.marks():
        if name == 'jump':
            jump = now
        elif name == 'userland':
            times.append(now - jump)
    t.check(len(times) == _KEXECS, '%d kexecs' % len(times))
    t.note('to userland: first %.1f s, last %.1f s' % (times[0], times[-1]))
    adopted = [text.split('found at ')[1].split(',')[0] for _, text in u.m.console.lines
               if 'handover found at ' in text]
    t.note('handovers at %s' % ' '.join(sorted(set(adopted))))
