# SPDX-License-Identifier: GPL-2.0
"""A VMM takes its device back in any order of map and attach, and may be replaced.

VMM after VMM, in one kernel and over a kexec, while frames come: attach by IOAS
before and after the maps, a HWPT attached empty or half filled. The hardware stays
on the fixed domain until all is mapped, and changes by itself then; bus mastering stays
on from the first freeze to the end. One that maps
another page is refused; one that never maps the rest sees in INFO what is missing.
What a real VMM maps besides guest RAM is left out of the freeze.
"""

import errno

from pkboot import dma, live
from pkboot.result import Failure

KERNEL = 'release'
LIKE = live
TRACE = ('pci_cfg_write',)
STAGES = 2
TIMEOUT = 90

# RAM in three parts, and memory that is not RAM, as a BIOS is.
_MAPS = ('--map 0:64M:4G --map 64M:32M:0x104000000 --map 96M:64M:0x106000000 '
         '--map anon:2M:0xc0000000')

# What is not as it was frozen, and how the kernel says so
_BAD = (('--map 2M:158M:4G', 'mapped to another page'),
        ('--map 0:160M:4G:r', 'mapped with other rights'))

GUEST = r'''
maps="%s"

# again [OPTION]...: a new VMM takes the device, freezes it and goes.
again() {
	vmm restore "$@" $maps --leave-out 0xc0000000:2M \
		run=100ms freeze quiesce save || fail "VMM with $*: $?"
	want_state detached
}

orders() {
	again
	again --by-ioas
	again --by-ioas --early 0
	again --early 0
	again --early 2
}

# It has attached, and nothing is mapped; it goes on as it is told.
waiting() {
	rm -f /tmp/control
	mkfifo /tmp/control
	vmm restore --control /tmp/control $maps --early 1 --pause-at attach "$@" &
	pid=$!
	while ! grep -q "does not map IOVA 0x104000000" \
		/sys/fs/pkernfs/devices/$nic/reason 2>/dev/null; do sleep 0.1; done
	say "WAITS"
	pkernfs-vmm info --device /mnt/vm0/nic0 >/dev/kmsg || fail "INFO: $?"
}

stage1() {
	region_make
	vmm run --bind --size 160M $maps phase=quiet run=500ms '!freeze' exit ||
		fail "without --leave-out: $?"
	want_state ordinary
	vmm run --bind --size 160M --iova 4G $maps --leave-out 0xc0000000:2M \
		phase=quiet run=500ms freeze info phase=frozen \
		quiesce save || fail "the first VMM: $?"
	orders
	# It waits, and is killed: the device stays where it is, for the next one.
	waiting
	want_state detached
	pkernfsctl release /mnt/vm0/nic0 2>/dev/null && fail "released under a user that waits"
	killall -9 pkernfs-vmm
	wait $pid || :
	want_state detached
	for bad in %s; do
		say "BAD $bad"
		vmm restore $bad && fail "attached with $bad"
		want_state detached
	done
	say "BAD no more"
	again
	# A kexec under one that waits
	load_armed -c
	waiting
	kexec_jump
}

stage2() {
	region_mount
	want_state adopted
	orders
	waiting phase=resumed run=500ms phase=end wait drain verify report
	want_state detached
	echo info >/tmp/control
	echo go >/tmp/control
	await_host
	want_state ordinary
	echo go >/tmp/control
	wait $pid || fail "the last VMM: $?"
	await_host
}
''' % (_MAPS, ' '.join("'%s'" % bad for bad, _ in _BAD))


def refused(m):
    """Each of _BAD: by errno, in INFO with the IOVA, and in the log."""
    lines = [text for _, text in m.console.lines]
    at = [n for n, text in enumerate(lines) if 'BAD ' in text]
    for (bad, what), begin, end in zip(_BAD, at[:-1], at[1:], strict=True):
        said = lines[begin:end]
        info = [dma.values(text) for text in said if 'INFO ' in text]
        error = [dma.values(text) for text in said if 'ERROR ' in text]
        if [(e['step'], e['errno']) for e in error] != [('attach', errno.EXDEV)]:
            raise Failure('%s: %s' % (bad, error or 'no error'))
        if [(i['error'], i['error_iova']) for i in info] != [(errno.EXDEV, '0x100000000')]:
            raise Failure('%s: INFO says %s' % (bad, info))
        line = 'pkernfs: refused (-%d): the HWPT is not alike: IOVA 0x100000000 is %s' % (
            errno.EXDEV, what)
        if not any(text.endswith(line) for text in said):
            raise Failure('%s: not in the log: %s' % (bad, line))


def waited(m):
    """What INFO said each time that a user had yet to map something: which IOVA is next."""
    lines = [text for _, text in m.console.lines]
    at = [n for n, text in enumerate(lines) if text.endswith('WAITS')]
    infos = [next(dma.values(text) for text in lines[n:] if 'INFO ' in text) for n in at]
    found = [(i['state'], i['error'], i['error_iova']) for i in infos]
    if found != [('detached', errno.EAGAIN, '0x104000000')] * 3:
        raise Failure('INFO of those that wait says %s' % found)


def run(t):
    u = live.Update(t)
    u.m.start()
    at, _, _ = u.m.wait('STEP ring')
    at, _, _ = u.m.wait('STEP ring', start=at + 1)
    u.d.poll()
    u.d.start(rate=500)
    at, _, _ = u.m.wait('PHASE jump', start=at)
    u.m.wait('PHASE end', start=at)
    u.d.stop()
    u.m.send('no more frames')
    u.m.wait('STEP closed', start=u.m.wait('STEP verify', start=at)[0])
    u.left = u.d.scan()
    u.m.send('seen')
    u.m.finish()
    refused(u.m)
    waited(u.m)
    u.all_landed()
    u.no_gap(ratio=1, floor_ms=live.SHARED_MS)
    u.never_cleared(since='frozen')
    p = u.d.undisturbed()
    t.note('%d domains in turn' % p['dids'])
