# SPDX-License-Identifier: GPL-2.0
"""A live update with a NIC at work, as most scenarios want it.

    KERNEL, MEMORY, ... = ...
    GUEST = live.guest()

    def run(t):
        u = live.Update(t)
        u.go()              # start to verdict
        u.all_landed()      # seen by the VMM, by the watcher, by the scan
        u.no_gap(ratio=10)  # in no phase
        u.translated()      # the remapping unit, as seen from outside
"""

from . import dma
from .result import BuildError, Failure, NotOurs

MEMORY = '1G'
PKERNFS = '256M@512M'
DEVICES = (dma.NIC,)
# A pause shorter than this may be the host's, of a scenario that shares it. One that
# lasts until the device is taken back is several times as long.
SHARED_MS = 1000
# The earliest lines of a kernel in time, for the phases.
APPEND = 'earlycon=uart,io,0x3f8,115200'

# For VARIANTS: the same with the remapping unit in scalable mode.
SCALABLE = {'scalable': {'IOMMU': 'intremap=on,x-scalable-mode=on',
                         'APPEND': 'intel_iommu=sm_on', 'QUICK': False}}

# And with an 82576. Unlike the e1000e it has a function level reset that leaves nothing
# of what a driver has set up: a ring that is still there has not been reset. The kernels
# have no driver of their own for it.
IGB = {'igb': {'DEVICES': (dma.nic(model='igb'),), 'NEEDS': ('igb',), 'QUICK': False}}

# A NIC that can be reset with the bus that it is on, by who says so: the reset that
# QEMU 7.2's e1000e has of its own is a power cycle that clears nothing.
PORT_DEVICES = ('-device pcie-root-port,id=rp1,chassis=1,slot=1,addr=6.0',
                dma.nic(0, 'bus=rp1'))
PORT_BDF = '0000:01:00.0'
PORT_GUEST = r'''
nic=%s
reset_by_bus() {
	echo bus >/sys/bus/pci/devices/$nic/reset_method
}
''' % PORT_BDF

# For K2_APPEND where the next kernel gets a NIC with a ring, which no reset has cleared:
# its own driver would switch bus mastering on while the old ring is still armed. That
# faults, as it should, and QEMU 7.2's model ends with an assertion (e1000e_core.c:143)
# if a frame comes between that and MSI-X.
NO_DRIVER = 'initcall_blacklist=e1000_init_module'

# What a live update goes through, in order; nothing of it may go unseen.
PHASES = ('quiet', 'freeze', 'frozen', 'jump', 'boot', 'enumerate', 'probe', 'userland',
          'bind', 'attach', 'resumed')
KEXEC_PHASES = ('jump', 'boot', 'enumerate', 'probe', 'userland')

FIRST = ('phase=quiet run=3s freeze info phase=frozen run=500ms quiesce save '
         'phase=leave')
SECOND = 'phase=resumed run=2s phase=end wait drain verify info'


def guest(load='-c', first=FIRST, second=SECOND, gone='', before='', early='', mounted='',
          after=''):
    """The guest's side.

    load: -c for kexec_load, -s for kexec_file_load
    first, second: what the VMM does before and after the kexec
    before: commands before the first VMM; gone: after it; early: first thing in
            the next kernel; mounted: before the second VMM; after: after it
    """
    return r'''
stage1() {
	region_make
	load_armed %(load)s
	%(before)s
	vmm run --bind --size 160M %(first)s || fail "the first VMM: $?"
	phase gone
	sleep 0.5
	%(gone)s
	kexec_jump
}

stage2() {
	phase userland
	%(early)s
	region_mount
	%(mounted)s
	vmm_back %(second)s
	%(after)s
	await_host
}
''' % {'load': load, 'first': first, 'second': second, 'gone': gone or ':',
       'before': before or ':', 'early': early or ':', 'mounted': mounted or ':',
       'after': after or ':'}


# A VMM is replaced, and nothing else: it leaves the device frozen, and the next one of the
# same kernel takes it back.
GUEST_IN_PLACE = r'''
stage1() {
	region_make
	vmm run --bind --size 160M %s || fail "the first VMM: $?"
	want_state detached
	phase gone
	sleep 0.5
	vmm_back %s
	want_state ordinary
	await_host
}
''' % (FIRST, SECOND)


def halted(m, jump, look):
    """Call look() while the machine is halted, where the next kernel says its first
    word: it has seen neither region nor devices yet."""
    m.wait('Linux version', start=jump)
    q = m.qmp()
    q.command('stop')
    q.close()
    look()
    q = m.qmp()
    q.command('cont')
    q.close()


class Gap(Failure):
    """Longer between two landings than may be."""


class Update:
    """One machine, one VMM before and one after a kexec, and what lands."""

    def __init__(self, t, name='vm', span=None, bdf=dma.BDF, **over):
        self.bdf = bdf
        over.setdefault('files', dma.files(pkernfs=True))
        span = span or over.get('pkernfs', t.s.PKERNFS)
        self.t = t
        self.m = t.machine(name, **over)
        self.d = dma.Dma(t, self.m, span=span)
        self.left = None

    def go(self, rate=1000, poll=True, kexec=True):
        """From power-on to the verdict."""
        self.begin(rate, poll)
        self.end(kexec)

    def begin(self, rate, poll=True):
        """From power-on to the first frame."""
        self.m.start()
        self.m.wait('STEP ring')
        if poll:
            self.d.poll(self.bdf)
        self.d.start(rate=rate)

    def end(self, kexec=True, look=None, back=None):
        """To the verdict.

        look: called at the next kernel's first word, see halted()
        back: called when the next VMM has the device
        """
        freeze, _, _ = self.m.wait('PHASE freeze')
        left, _, _ = self.m.wait('PHASE jump' if kexec else 'PHASE gone', start=freeze)
        if look:
            halted(self.m, left, look)
        self.m.wait('PHASE end', start=left)
        if back:
            back()
        self.d.stop()
        self.m.send('no more frames')
        self.m.wait('STEP closed', start=left)
        self.left = self.d.scan()
        self.m.send('seen')
        self.m.finish()

    def all_landed(self):
        """Every frame was seen, once and whole: by VMM, watcher and scan."""
        r = dma.report(self.m)
        self.t.note('%d frames sent, %d landed, %d found after' %
                    (self.d.inject['sent'], self.d.watch['landed'], self.left['found']))
        self.d.all_landed(r, self.left)

    def no_gap(self, ratio=10, floor_ms=20, draw=False, phases=()):
        """In no phase a gap longer than ratio times the quiet phase's."""
        good = self.d.timeline('quiet', ratio, floor_ms, draw)
        for name in phases:
            p = self.d.phase.get(name)
            if not p or p['ms'] > 10 and not p['landed']:
                raise Failure('nothing is known of phase %s' % name)
        worst = max(self.d.phase.values(), key=lambda p: p['longest_gap_ms'])
        self.t.note('longest gap %.1f ms, in %s (quiet: %.1f ms)' %
                    (worst['longest_gap_ms'], worst['name'],
                     self.d.phase['quiet']['longest_gap_ms']))
        if not good:
            raise Gap('DMA paused: ' + ', '.join(
                '%s %.0f ms' % (n, p['longest_gap_ms'])
                for n, p in self.d.phase.items() if p['verdict'] != 'good'))

    def translated(self, kexec=True, info=0):
        """Translation and bus mastering never off, no fault, and nothing but
        the two root pointers and the two domains that there have to be."""
        # The first kernel's root -> the handover's -> the second kernel's.
        p = self.d.undisturbed(roots=2 * kexec)
        # Live -> fixed at FREEZE, fixed -> the new HWPT's at the attach.
        if p['dids'] != 2:
            raise Failure('the domain id changed %d times' % p['dids'])
        if not kexec:
            return
        frozen = dma.report(self.m, 'INFO', info)['did']
        _, _, hit = self.m.wait(r'adopted on its fixed domain, id (\d+)')
        if int(hit.group(1)) != frozen:
            raise Failure('frozen under domain id %d, but %s' % (frozen, hit.group()))

    def never_cleared(self, since='freeze'):
        """Bus mastering of the NIC is never switched off, nor is it put to sleep."""
        self.t.note('%d writes to its configuration' %
                    self.d.never_cleared('00:04.0', since))

    def was_reset(self, since, until):
        """Between two phases the igb was stopped, reset, and not set to work again.

        By QEMU's trace (TRACE = ('pci_cfg_write',)), and by its registers, while the
        guest's last phase goes on.
        """
        at = {name: now for now, name in self.d.marks()}
        command, control = ' 00:04.0 @0x4 <- ', ' 00:04.0 @0xa8 <- '
        did = []
        for w in self.m.trace('pci_cfg_write', at[since], at[until]):
            value = int(w.split()[-1], 16)
            if command in w:
                did.append('master' if value & 4 else 'stop')
            elif control in w and value & 0x8000:
                did.append('reset')
        if 'stop' not in did or 'reset' not in did[did.index('stop'):]:
            raise Failure('not stopped and reset after %s: %s' % (since, did))
        if 'master' in did[did.index('stop'):]:
            raise Failure('bus mastering came on again: %s' % did)
        # Receive queue 0 and the receiver: what no driver had to clear.
        base, rctl = self.d.registers(0x2800, 0x100)
        if base or rctl:
            raise Failure('after the reset: RDBAL %#x, RCTL %#x' % (base, rctl))

    def settle(self):
        """After a failure: have what there is to be had, for a closer look."""
        try:
            if not self.d.watch:
                self.d.stop()
            if not self.d.phase:
                self.d.timeline('quiet')
        except Failure as e:
            self.t.note('not seen from outside: %s' % str(e)[:60])


def looks(t, look, say):
    """Two looks of three must show no gap; one is enough where it shows none.

    What the update itself does to DMA it does each time; a pause of the host's comes and
    goes. How often more than one was needed is in the last lines of a run.

    look: function of what the machine's name ends with
    say: called with a line when two more are needed"""
    gaps = 0
    for end in '', '-again', '-third':
        try:
            found = look(end)
        except Gap as e:
            gaps += 1
            if gaps == 2:
                raise
            say('two more looks: %s' % e)
            t.looks += 1
            continue
        if end == '-third' or not gaps:
            return found


def steady(t, rate, name='vm', kexec=True, **over):
    """An update in which all frames land at no less than 1,000 a second, without a pause."""
    phases = PHASES if kexec else [p for p in PHASES if p not in KEXEC_PHASES]

    def look(end):
        u = Update(t, name + end, **over)
        u.go(rate=rate(u.m) if callable(rate) else rate, kexec=kexec)
        u.all_landed()
        u.translated(kexec)
        if u.d.inject['rate'] < 1000:
            raise Failure('%d frames a second only' % u.d.inject['rate'])
        u.no_gap(ratio=10, floor_ms=5, phases=phases)
        return u

    return looks(t, look, t.note)


def must_fail(t, why, rate=500, **over):
    """A control: with one piece left out the update must not pass.

    why: function of the Update; true if it failed for the reason that it should
    """
    u = Update(t, **over)
    try:
        u.go(rate=rate)
        u.all_landed()
        u.no_gap()
        u.translated()
    except (BuildError, NotOurs):
        raise
    except Failure as e:
        u.settle()
        if u.m.console.faults or not why(u):
            raise Failure('failed, but not as it should: %s' % e)
        t.note('fails as it should: %s' % str(e).split(' (')[0][:60])
        return
    raise Failure('passes with a piece left out')
