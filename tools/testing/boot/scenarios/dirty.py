# SPDX-License-Identifier: GPL-2.0
"""Dirty pages are not lost over freeze, kexec and attach, and none is made up.

QEMU's remapping unit has no dirty bits. A knob lets the kernel believe that it has,
and this file sets them as hardware would: in whatever tables the device's entry leads
to just then, and only if the entry says that it may. The VMMs ask iommufd what is
dirty. Their page sizes differ; part of the memory is mapped to be read only. Frames
come all the time: QEMU takes such entries and tables for good ones.
"""

import mmap
import re
import struct

from pkboot import dma, live
from pkboot.result import Failure

KERNEL = 'test'
LIKE = live
IOMMU = live.SCALABLE['scalable']['IOMMU']
APPEND = live.APPEND + ' intel_iommu=sm_on pkernfs_test=ssads'
STAGES = 2
TIMEOUT = 90
QUICK = False

_IOVA, _WRITEABLE, _SIZE = 4 << 30, 144 << 20, 160 << 20
_MAPS = '--map 0:%d:%d --map %d:%d:%d:r' % (
    _WRITEABLE, _IOVA, _WRITEABLE, _SIZE - _WRITEABLE, _IOVA + _WRITEABLE)
_SMALL, _LARGE = 4 << 10, 2 << 20

# The host says what the VMM is to do; "end" is said to the shell.
GUEST = r'''
maps='%s'

# driven VERB [OPTION]...: a VMM that does what the host says
driven() {
	local line
	rm -f /tmp/control
	mkfifo /tmp/control
	{ vmm "$@" $maps --control /tmp/control wait || fail_all "$*: $?"; } &
	while read -r line && [ "$line" != end ]; do
		echo "$line" >/tmp/control
	done
	wait $!
}

stage1() {
	region_make
	load_armed -c
	driven run --bind --size 160M --track --small-pages
	want_state detached
	kexec_jump
}

stage2() {
	region_mount
	want_state adopted
	# That would lose what is dirty.
	vmm restore exit && fail "attached without dirty tracking"
	vmm restore --by-ioas $maps exit && fail "attached by IOAS, without dirty tracking"
	want_state adopted
	driven restore --track --pause-at map
	want_state detached
	driven restore --track --small-pages
	want_state detached
	driven restore --track
	want_state ordinary
	await_host
}
''' % _MAPS


class Guest:
    """The VMM of the moment, the tables of its device, and the hardware's part."""

    def __init__(self, t):
        self.t = t
        self.u = live.Update(t)
        self.m, self.d = self.u.m, self.u.d
        self.at = -1
        self.ram = None

    def wait(self, what):
        self.at, _, hit = self.m.wait(what, start=self.at + 1)
        return hit

    def do(self, action):
        """Have the VMM do it."""
        self.m.send(action)
        self.wait('STEP ' + (action if action[0] != '!' else 'refused action=' + action[1:]))

    def go(self, *actions):
        for action in actions:
            self.do(action)

    def leave(self):
        self.m.send('go')
        self.wait('STEP closed')
        self.m.send('end')

    def write(self, *offsets, tracked=True):
        """The device writes to these pages of RAM; hardware takes note if it is to."""
        walk = self.d.walk()
        if walk['ssade'] != int(tracked):
            raise Failure('the entry has SSADE %d' % walk['ssade'])
        if not self.ram:
            with open(self.m.ram, 'r+b') as f:
                self.ram = mmap.mmap(f.fileno(), 0)
        for offset in offsets if tracked else ():
            table = int(walk['top'], 16)
            for shift in range(12 + 9 * (walk['aw'] + 1), 11, -9):
                at = table + ((_IOVA + offset) >> shift & 511) * 8
                entry, = struct.unpack_from('<Q', self.ram, at)
                leaf = shift == 12 or entry & 0x80
                if not entry & 2:
                    raise Failure('IOVA %#x cannot be written to' % (_IOVA + offset))
                struct.pack_into('<Q', self.ram, at, entry | (0x300 if leaf else 0x100))
                if leaf:
                    break
                table = entry & 0xffffffffff000

    def dirty(self, *pages):
        """What is dirty must be these (offset, bytes) of RAM, and is clean then."""
        before = self.at
        self.m.send('dirty')
        total = int(self.wait(r'BITMAP pages=(\d+)').group(1))
        self.wait('STEP dirty')
        said = [re.search(r'DIRTY iova=0x(\w+) bytes=0x(\w+)', text)
                for _, text in self.m.console.lines[before + 1:self.at]]
        found = sorted((int(s.group(1), 16) - _IOVA, int(s.group(2), 16)) for s in said if s)
        if found != sorted(pages) or total != sum(n for _, n in pages) >> 12:
            raise Failure('dirty: %s, not %s (%d pages)' % (found, sorted(pages), total))

    def info(self, dirty):
        self.do('info')
        said = dma.report(self.m, 'INFO')['dirty']
        if said != dirty:
            raise Failure('INFO says "%s", not "%s"' % (said, dirty))


def run(t):
    g = Guest(t)
    g.m.start()
    g.wait('STEP ring')
    g.d.start(rate=200)
    # No two in 2 MiB: one is dirty before the freeze, one in the fixed domain...
    a, b, c, e = (n * _LARGE + 7 * _SMALL for n in (3, 11, 12, 40))

    # Without a freeze: that it works at all
    g.write(a, b)
    g.dirty((a, _SMALL), (b, _SMALL))
    g.dirty()
    # There and back in one kernel
    g.write(a)
    g.go('freeze', '!untrack')
    g.info('exact')
    g.write(b, c)
    g.do('unfreeze')
    g.dirty((a, _SMALL), (b, _SMALL), (c, _SMALL))
    g.dirty()
    g.write(c)
    g.dirty((c, _SMALL))
    # Over a kexec, into tables with larger pages
    g.write(a)
    g.do('freeze')
    g.write(b)
    g.go('quiesce', 'save')
    g.leave()
    g.wait('PHASE jump')
    for _ in range(2):
        g.wait(r'refused \(-18\): the HWPT is not alike: dirty tracking is off')
    # Adopted, and not attached yet
    g.wait('STEP map')
    g.write(c, _WRITEABLE - _SMALL)
    g.m.send('go')
    g.wait('STEP ring')
    last = (_WRITEABLE - _LARGE, _LARGE)
    two = (b - 7 * _SMALL, 2 * _LARGE)
    g.dirty((a - 7 * _SMALL, _LARGE), two, last)
    g.dirty()
    # To another VMM, into tables with smaller pages
    g.write(e)
    g.do('freeze')
    g.info('exact')
    g.go('quiesce', 'save')
    g.leave()
    g.wait('STEP ring')
    g.dirty((e - 7 * _SMALL, _LARGE))
    # Nothing is tracked while it is frozen: all that it may write to
    g.go('untrack', 'freeze')
    g.info('all')
    g.write(a, tracked=False)
    g.go('quiesce', 'save')
    g.leave()
    g.wait('its writes were not tracked')
    g.wait('STEP ring')
    g.dirty((0, _WRITEABLE))
    g.dirty()
    g.write(a)
    g.dirty((a - 7 * _SMALL, _LARGE))
    g.d.stop()
    g.m.send('drain')
    g.wait('STEP drain')
    g.leave()
    g.u.left = g.d.scan()
    g.m.send('seen')
    g.m.finish()
    g.u.all_landed()
