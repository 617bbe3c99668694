# SPDX-License-Identifier: GPL-2.0
"""Damage that is done to a region while the next kernel boots.

The machine is halted when the next kernel says its first word, bits are flipped
from outside, and it goes on.
"""

import re

from . import dma, live
from .region import Region
from .result import Failure

MEMORY = live.MEMORY
PKERNFS = live.PKERNFS
DEVICES = live.DEVICES
# The first word must come before anything looks at the region.
APPEND = live.APPEND
NO_DRIVER = live.NO_DRIVER

# IOVAs are such that the same physical addresses are RAM outside the region: what is
# not translated is seen there.
STAGE1 = r'''
stage1() {
	region_make
	echo whole >/mnt/file
	mkdir /mnt/vm1
	pkernfsctl granules 2m /mnt/vm1 || fail "granules"
	echo "RAM of another VM" | dd of=/mnt/vm1/ram bs=2M conv=sync 2>/dev/null
	load_armed -c
	vmm run --bind --size 160M --iova 128M phase=quiet run=1s freeze info phase=frozen \
		quiesce save phase=leave || fail "the first VMM: $?"
	kexec_jump
}
'''
GUEST_CUT = STAGE1 + r'''
stage2() {
	phase userland
	[ "$(device_state)" != adopted ] || fail "the device was adopted"
	[ -n "$(cat $region/handover_reason /sys/fs/pkernfs/devices/*/reason 2>/dev/null)" ] ||
		fail "no reason in sysfs"
	region_mount
	whole
	sleep 1
	phase end
	await_host
}
'''

def guest_given_up(why):
    """The device's state in sysfs says why; what was cut off is given up and leaves nothing."""
    return GUEST_CUT.replace('\tsleep 1\n', r'''
	want_state failed
	grep -q "%s" /sys/fs/pkernfs/devices/$nic/reason ||
		fail "reason: $(cat /sys/fs/pkernfs/devices/$nic/reason)"
	pkernfsctl release /mnt/vm0/nic0 || fail "release"
	[ -z "$(ls /sys/fs/pkernfs/devices)" ] || fail "a device is left"
	[ "$(cat $region/granules_held)" = 0 ] || fail "holds are left"
	rm -r /mnt/vm0 || fail "a file is still held"
	sleep 1
''' % why)


GUEST_GOES_ON = STAGE1 + r'''
stage2() {
	phase userland
	want_state adopted
	region_mount
	whole
	mkfifo /tmp/control
	vmm restore --control /tmp/control phase=resumed run=500ms phase=end wait drain verify &
	await_host
	echo go >/tmp/control
	wait $! || fail "the second VMM: $?"
	await_host
}
'''


def run(t, harm, adopted, name='vm', says=None, mend=None, named=True, then=None,
        reset=True, **over):
    """harm: function of the Region and of the poller's look at the tables; what it
    returns are offsets of bytes to flip a bit of.
    says: what one line of the next kernel must match, and no more than one
    named: it can be told which device was cut off
    mend: function of the Region, called at the end of the guest's last phase
    then: function of the Update, called there, too
    reset: it is reset, before its own driver could have it
    over: bdf, if it is another; what the machine has otherwise than the scenario says"""
    u = live.Update(t, name, **over)
    m, d = u.m, u.d
    m.start()
    m.wait('STEP ring')
    d.start(rate=250)
    jump, _, _ = m.wait('PHASE jump')

    def strike():
        r = Region(m, PKERNFS)
        for at in harm(r, d.walk(u.bdf)):
            r.flip(at)
        r.close()
        d.poll(u.bdf)

    live.halted(m, jump, strike)
    m.wait('PHASE end', start=jump)
    d.stop()
    left = d.scan()
    if mend:
        r = Region(m, PKERNFS)
        mend(r)
        r.close()
    if then:
        then(u)
    m.send('no more frames')
    if adopted:
        m.wait('STEP closed', start=jump)
        u.left = d.scan()
        m.send('seen')
    m.finish()
    d.translated()
    said = [text for _, text in m.console.lines[jump:] if 'pkernfs: ' in text]
    if left['outside'] or left['damaged']:
        raise Failure('frames are where they must not be: %s' % left)
    if says and sum(bool(re.search(says, text)) for text in said) != 1:
        raise Failure('no line, or more than one, says /%s/' % says)
    if adopted:
        u.all_landed()
        return
    d.timeline('quiet')
    t.note('%d of %d frames landed before it was cut off' %
           (d.watch['landed'], d.inject['sent']))
    if left['found'] != d.watch['landed'] or left['twice']:
        raise Failure('%d landed, but in RAM there are %s' % (d.watch['landed'], left))
    if d.phase['userland']['landed']:
        raise Failure('DMA went on though nothing proved the device')
    if not named:
        if not any('devices are stopped' in s for s in said):
            raise Failure('no line says what became of the device')
    elif len([s for s in said if u.bdf + ' is cut off: ' in s]) != 1:
        raise Failure('no line, or more than one, says what became of the device')
    elif any('is stale' in s for s in said):
        raise Failure('a device that was handed over is called stale')
    if reset and not any('stopped and reset' in s for s in said):
        raise Failure('it was not reset before its own driver could have it')
