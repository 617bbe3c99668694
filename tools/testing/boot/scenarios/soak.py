# SPDX-License-Identifier: GPL-2.0
"""Live update after live update, under DMA and interrupts: nothing is lost or leaks.

Frames come all the time. In each kernel interrupts are raised one at a time, and one more
when the vectors are masked, which the next kernel's VMM has: all of them arrive, and none
that the NIC has not sent.
soak-long is a hundred on the debug kernel.
"""

from pkboot import dma, kvm, live
from pkboot.result import Failure

KERNEL = 'release'
LIKE = live
STAGES = 6
TRACE = kvm.TRACE
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
	vmm run --bind --size 160M --ring 65528 run=300ms each=2 freeze info quiesce raise \
		save ||
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
	vmm restore run=300ms came each=2 freeze quiesce raise save || fail "VMM $(arg stage): $?"
	onwards
}

for i in $(seq 2 $(($(arg stages) - 1))); do
	eval "stage$i() { again; }"
done
eval "stage$(arg stages)() { last; }"

last() {
	region_mount
	vmm_back came phase=end wait drain each=2 verify
	rm -r /mnt/* || fail "a file is still held"
	[ "$(cat $region/granules_free)" = "$(cat $region/granules)" ] ||
		fail "granules are lost"
	await_host
}
'''


def interrupts(t, m):
    """All that were ever raised, by the guest's memory, which is that of all its VMMs."""
    r = dma.report(m)
    sent = kvm.messages(m, 0).get(1, 0)
    t.note('%d interrupts raised, %d messages, %d delivered' %
           (r['raised'], sent, r['irq1']))
    if r['raised'] != 3 * t.s.STAGES - 1:
        raise Failure('of %d kernels only so many: %s' % (t.s.STAGES, r))
    # QEMU may send one twice: see pkboot/kvm.py
    if not r['raised'] <= r['irq1'] <= sent:
        raise Failure('of %d messages for %d interrupts came: %s' % (sent, r['raised'], r))


def run(t):
    used, shown = [], t.echo

    def echo(now, text):
        if shown:
            shown(now, text)
        if 'PHASE jump' in text:
            used.append(u.m.cpu_time())

    t.echo = echo
    u = live.Update(t)
    u.m.start()
    u.m.wait('STEP ring')
    u.d.poll(pause_us=5000)
    # On a busy host a hundred take an hour, and the ring has 65,528 buffers.
    u.d.start(rate=10 if t.s.MANUAL else 150)
    u.m.wait('PHASE end')
    u.d.stop()
    u.left = u.d.scan()
    u.m.send('no more frames')
    u.m.wait('STEP closed', start=u.m.wait('STEP verify')[0])
    u.m.send('seen')
    u.m.finish()
    u.all_landed()
    interrupts(t, u.m)
    # This kernel's -> the handover's -> the next kernel's, each time.
    u.d.undisturbed(roots=2 * (t.s.STAGES - 1))
    at = [now for now, name in u.d.marks() if name.startswith('jump')]
    # Of the host's CPUs: what time it is there depends on what else runs.
    took = [b - a for a, b in zip(used, used[1:])]
    t.note('%d live updates, %.1f s of CPU each; first %.1f s, last %.1f s' %
           (len(at), sum(took) / len(took), took[0], took[-1]))
    if len(at) != t.s.STAGES - 1:
        raise Failure('%d jumps' % len(at))
    # The host has other things to do as well, which slows its CPUs: the best of some.
    some = max(2, len(took) // 10)
    if min(took[-some:]) > 1.5 * min(took[:some]) + 1:
        raise Failure('the last updates took %.1f s, the first %.1f s' %
                      (min(took[-some:]), min(took[:some])))
