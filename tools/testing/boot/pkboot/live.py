# SPDX-License-Identifier: GPL-2.0
"""A live update with a NIC at work, as most scenarios want it.

The guest's side is stage1 and stage2 below or a scenario's own; the VMM in it
does what the host types. The host's side:

    def run(t):
        u = live.Update(t)
        u.begin(rate=1000)              # until frames land
        u.freeze()
        u.leave()                       # quiesce, save, exit; the guest jumps
        u.resume()                      # the next kernel's VMM has taken over
        u.end()                         # nothing missing: VMM, scan, verdict
        u.judge(ratio=3)                # no phase with a gap too long
"""

import time

from . import dma, env
from .result import Failure

PKERNFS = '384M@512M'
SPAN = PKERNFS
MEMORY = '1G'

# How the next kernel is loaded: kexec_load needs a word that it knows us.
LOAD = r'''
load_next() {
	kexec_load_next -c
	pkernfsctl arm || fail "arm: $?"
}
'''
LOAD_FILE = r'''
load_next() {
	kexec_load_next -s
	[ "$(cat /sys/fs/pkernfs/armed)" = 1 ] || fail "an image of ours is not armed"
}
'''
STAGES = r'''
stage1() {
	region_make
	load_next
	vmm run --bind --size 160M
	kexec_jump
}

stage2() {
	phase user
	region_mount
	vmm restore
}
'''

# Lines of the next kernel that begin a phase, in their order.
KERNEL_PHASES = (
    ('boot', r'Linux version '),
    ('enumerate', r'PCI host bridge to bus'),
    ('iommu', r'DMAR: No RMRR found|pkernfs: .*(adopt|handover)'),
    ('probe', r'Serial: 8250/16550 driver'),
    ('user', r'PHASE user'),
    ('bind', r'STEP state'),
    ('attach', r'STEP hwpt'),
    ('after', r'STEP ring'),
)


def tools():
    """The programs of pkernfs for the guest: VMM, mkfs and ctl."""
    ctl = dma.make('tools/pkernfs', 'pkernfsctl', 'STATIC=1', variable='OUT')
    return (*dma.files(), ('/bin/pkernfsctl', ctl), ('/bin/mkfs.pkernfs', ctl))


class Update:
    """One machine, one VMM before and one after a kexec, and what lands."""

    def __init__(self, t, name='vm', **over):
        over.setdefault('files', tools())
        self.t = t
        self.m = t.machine(name, **over)
        self.d = dma.Dma(t, self.m, span=over.get('span', SPAN))
        self.phases = []
        self.seen = 0           # console lines looked at

    # --- phases -------------------------------------------------------------

    def phase(self, name, at=None):
        """A phase begins, now or at so many seconds of the console's time."""
        if at is None:
            at = time.monotonic() - self.m.console.start
        self.phases.append((at, name))

    def wait(self, pattern, seconds=None):
        """A console line after those that were waited for before."""
        index, at, match = self.m.wait(pattern, seconds, self.seen)
        self.seen = index + 1
        return at, match

    def do(self, action, phase=None, seconds=30):
        """Type an action for the VMM and wait until it is done."""
        if phase:
            self.phase(phase)
        self.m.send(action)
        name = action.lstrip('!').split('=')[0]
        at, match = self.wait(
            r'STEP refused action=%s|ERROR|FAIL: ' % name if action[0] == '!' else
            r'STEP %s( |$)|ERROR|FAIL: ' % name, seconds)
        if not match.group(0).startswith('STEP'):
            raise Failure('VMM: %s: %s' % (action, match.string))
        return at

    # --- the way ------------------------------------------------------------

    def begin(self, rate=1000, quiet=2.0, **kw):
        self.m.start()
        self.wait('STEP ring')
        self.d.start(rate=rate, **kw)
        time.sleep(1)           # the first frames find everything cold
        self.phase('quiet')
        time.sleep(quiet)

    def freeze(self, stay=0.5):
        self.do('freeze', 'freeze')
        self.phase('frozen')
        time.sleep(stay)

    def leave(self):
        self.do('quiesce', 'quiesce')
        self.do('save')
        self.phase('leave')
        self.m.send('exit')
        at, _ = self.wait('PHASE jump')
        self.phase('shutdown', at)

    def resume(self, after=2.0, seconds=60):
        for name, pattern in KERNEL_PHASES:
            at, _ = self.wait(pattern, seconds)
            self.phase(name, at)
        time.sleep(after)

    def end(self):
        """Stop sending; every frame must be there, seen from all sides."""
        w = self.d.stop()
        self.phase('end')
        self.do('drain', seconds=60)
        self.do('verify', seconds=60)
        found = self.d.scan()
        self.do('report')
        self.m.send('exit')
        self.m.finish()
        r = dma.report(self.m)
        i = self.d.inject
        self.t.note('%d frames sent, %d landed' % (i['sent'], w['landed']))
        if w['landed'] != i['sent'] or i['refused']:
            raise Failure('%d frames sent, %d refused, %d landed' %
                          (i['sent'], i['refused'], w['landed']))
        if r['frames'] != i['sent'] or r['missing'] or r['late'] or r['bad']:
            raise Failure('the VMM misses frames: %s' % r)
        if found['found'] != i['sent']:
            raise Failure('%d frames in guest RAM, %d sent' %
                          (found['found'], i['sent']))

    def judge(self, ratio, floor_ms=20, draw=False):
        """No phase may have a gap longer than ratio times the quiet one's."""
        good = self.d.timeline('quiet', ratio, floor_ms, draw, self.phases)
        worst = max(self.d.phase.values(),
                    key=lambda p: p['longest_gap_ms'])
        self.t.note('longest gap %.1f ms, in %s (quiet %.1f ms)' %
                    (worst['longest_gap_ms'], worst['name'],
                     self.d.phase['quiet']['longest_gap_ms']))
        if not good:
            raise Failure('a gap of %.1f ms in phase %s' %
                          (worst['longest_gap_ms'], worst['name']))
