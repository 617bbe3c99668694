# SPDX-License-Identifier: GPL-2.0
"""DMA that goes on by itself: a NIC fed from the host, and eyes on guest RAM.

A scenario puts NIC into its DEVICES, files() into FILES, and in run(t):

    m = t.machine()
    d = dma.Dma(t, m, span='512M@1G')
    m.start()
    m.wait('STEP ring')
    d.start(rate=1000)
    ...
    d.stop()                    # nothing is sent any more, all has been seen
    m.finish()
    d.watch['landed'], d.phase['jump']['longest_gap_ms']

The guest's "PHASE name" lines become the phases of the timeline.
"""

import os
import re
import signal
import subprocess
import threading
import time

from . import env
from .result import Failure

BDF = '0000:00:04.0'
# Where q35's firmware puts the configuration space of bus 0.
ECAM = 0xb0000000
# And the remapping unit has its registers.
UNIT = 0xfed90000


def nic(n=0, where='addr=4.0', model='e1000e'):
    """QEMU's arguments for a NIC; frames come over a socket."""
    return ('-netdev dgram,id=n%d,local.type=unix,local.path={tmp}/nic%d,'
            'remote.type=unix,remote.path={tmp}/far%d -device %s,netdev=n%d,%s' %
            (n, n, n, model, n, where))


# One that nobody resets when the kernel changes.
NIC = nic()


_making = threading.Lock()


def _make(folder, target, *variables):
    """A program of this repository by its own Makefile."""
    out = os.path.join(env.OUT, 'bin', target)
    os.makedirs(out, exist_ok=True)
    with _making:
        env.sh(['make', '-s', '-C', os.path.join(env.REPO, folder), 'O=' + out,
                *variables])
    return os.path.join(out, target)


def vmm():
    """The small VMM, a static program for the guest."""
    ksrc = env.sh([os.path.join(env.REPO, 'tools/kernel/fetch.sh')])
    return _make('tools/pkernfs-vmm', 'pkernfs-vmm', 'KSRC=' + ksrc.split('\n')[-2])


def ctl(flags=''):
    """mkfs.pkernfs and pkernfsctl, one static program."""
    out = os.path.join(env.OUT, 'bin', 'pkernfsctl%s.d' % flags)
    with _making:
        env.sh(['make', '-s', '-C', os.path.join(env.REPO, 'tools/pkernfs'),
                'OUT=' + out, 'STATIC=1', 'CFLAGS=-O2 -g ' + flags])
    return os.path.join(out, 'pkernfsctl')


def host():
    """The program that sends, watches and scans."""
    return _make('tools/testing/boot/host', 'pkernfs-host')


def files(pkernfs=False):
    """What the guest needs; with pkernfs: its tools too."""
    found = [('/bin/pkernfs-vmm', vmm())]
    if pkernfs:
        found += [('/bin/pkernfsctl', ctl()), ('/bin/mkfs.pkernfs', ctl())]
    return found


# Where the power state of QEMU's models is that have one; 7.2's ports have none.
PMCSR = {'e1000e': 0xcc, 'igb': 0x44}

# Phases that the second kernel's own lines begin.
BOOT = ((r'Linux version', 'boot'), (r'pci 0000:00:00\.0: \[', 'enumerate'),
        (r'DMAR: Intel\(R\) Virtualization', 'probe'))


def values(line):
    """key=value words of a line as a dictionary; numbers as numbers."""
    found = {}
    for key, text in re.findall(r'([\w.]+)=("[^"]*"|\S+)', line):
        if re.fullmatch(r'-?\d+', text):
            found[key] = int(text)
        elif re.fullmatch(r'-?\d+\.\d+', text):
            found[key] = float(text)
        else:
            found[key] = text.strip('"')
    return found


def _lines(machine, word):
    return [text for _, text in machine.console.lines
            if re.search(r'(^|[\s>:])%s ' % word, text)]


def report(machine, word='REPORT', nth=-1):
    """A line of the VMM from the console, as a dictionary."""
    lines = _lines(machine, word)
    if not lines:
        raise Failure('the VMM gave no %s line' % word)
    return values(lines[nth])


def reports(machine):
    """Of several NICs: the last REPORT of each, by the run that its frames are of."""
    found = [values(text) for text in _lines(machine, 'REPORT')]
    return {r['run']: r for r in found}


def start_all(t, machine, nics, rate):
    """Starts the machine; frames for each of these NICs come when all have their rings."""
    found = [Dma(t, machine, span=t.s.PKERNFS, nic=n) for n in nics]
    machine.start()
    machine.wait_each('STEP ring', len(found))
    for d in found:
        d.start(rate=rate)
    return found


class Dma:
    """What is sent into a machine, and what lands there."""

    def __init__(self, t, machine, span, run=None, nic=0):
        self.t = t
        self.m = machine
        self.span = span
        self.nic = nic
        self.name = machine.name + ('-nic%d' % nic if nic else '')
        self.host = host()
        # Of one machine's NICs no two are alike.
        self.run = run or ((int(time.monotonic() * 1000) << 4 & 0xfffffff0) | nic << 1 | 1)
        self.csv = os.path.join(t.dir, self.name + '-landings.csv')
        self.phases = os.path.join(t.dir, self.name + '-phases')
        self.svg = os.path.join(t.dir, self.name + '-timeline.svg')
        self.inject = self.watch = None
        self.phase = {}
        self._watch = self._poll = None

    def _log(self, name):
        return os.path.join(self.t.dir, '%s-%s' % (self.name, name))

    def _spawn(self, name, *args):
        return self.t.spawn([self.host, *args], self._log(name))

    def start(self, rate=1000, count=0, poll_us=200, settle=1500):
        """Send and watch, from now until stop()."""
        self._watch = self._spawn(
            'watch', 'watch', '--ram', self.m.ram, '--range', self.span,
            '--out', self.csv, '--socket', os.path.join(self.m.tmp, 'nic%d' % self.nic),
            '--local', os.path.join(self.m.tmp, 'far%d' % self.nic), '--rate', str(rate),
            '--count', str(count), '--poll-us', str(poll_us),
            '--settle', str(settle), '--run', str(self.run))

    def poll(self, *bdfs, pause_us=1000, units=None):
        """Log what becomes of the remapping unit and of these functions.

        units: {address: functions below it}, where there are several
        """
        args = []
        for base, below in (units or {UNIT: bdfs or (BDF,)}).items():
            args += ['--unit', hex(base)]
            for bdf in below:
                args += ['--bdf', bdf]
        self._poll = self._spawn(
            'vtd', 'vtdpoll', '--qtest', os.path.join(self.m.tmp, 'qtest'),
            '--ram', self.m.ram, '--range', self.span, *args,
            '--pause-us', str(pause_us), '--out', self._log('vtd-changes'))

    def wait(self, seconds=120):
        """Until all of start()'s count has been sent, and has landed or not."""
        try:
            self._watch.wait(seconds)
        except subprocess.TimeoutExpired:
            pass                # stop() makes it say how far it came
        return self.stop()

    def stop(self):
        """End what start() and poll() began; returns what watch said."""
        if self._poll:
            self._poll.send_signal(signal.SIGTERM)
            self._poll.wait(10)
        if self._watch.poll() is None:
            self._watch.send_signal(signal.SIGTERM)
        self._watch.wait(60)
        with open(self._log('watch')) as f:
            text = f.read()
        for line in text.split('\n'):
            if line.startswith('INJECT '):
                self.inject = values(line)
            if line.startswith('WATCH '):
                self.watch = values(line)
        if not self.watch or not self.inject:
            raise Failure('the watcher failed: ' + text.strip())
        return self.watch

    def polled(self, unit=UNIT):
        """The counts of poll() for a unit and what is below it."""
        with open(self._log('vtd')) as f:
            text = f.read()
        for line in text.split('\n'):
            if line.startswith('POLL unit=%#x ' % unit):
                return values(line)
        raise Failure('the VT-d poller failed: ' + text.strip())

    def undisturbed(self, roots=None, unit=UNIT):
        """By poll(): translation and bus mastering never off, no fault; so many changes
        of the root pointer."""
        p = self.polled(unit)
        if p['tes_drops'] or p['absent'] or p['master_drops'] or p['faults']:
            raise Failure('the remapping unit: %s' % p)
        if roots not in (None, p['roots']):
            raise Failure('the root pointer changed %d times' % p['roots'])
        return p

    def translated(self, unit=UNIT):
        """No device was bus master with translation off, as far as poll() has seen."""
        p = self.polled(unit)
        if p['untranslated'] or not p['samples']:
            raise Failure('bus master without translation: %s' % p)

    def marks(self):
        """(seconds, name): by PHASE lines, and by BOOT after the jump."""
        marks = []
        for now, text in self.m.console.lines:
            hit = re.search(r'PHASE (\S+)', text)
            if hit:
                yield now, hit.group(1)
                if hit.group(1) == 'jump':
                    marks = list(BOOT)
            elif marks and re.search(marks[0][0], text):
                yield now, marks.pop(0)[1]

    def never_cleared(self, address, since='freeze'):
        """No write to a function's registers stops it; returns how many writes there were.

        By QEMU's trace of pci_cfg_write, in which it is "00:06.0" or the like, from the
        first such phase on until nothing is sent any more: each write to the command
        register leaves bus mastering on, and none asks for another power state than D0. What
        is off for less than the time between two looks is seen, too. A port without bus
        mastering lets QEMU's frames pass, as hardware would not, and so does a NIC in D3.
        """
        at = {}
        for now, name in self.marks():
            at.setdefault(name, now)
        ours = [w for w in self.m.trace('pci_cfg_write', at[since], at['end'])
                if w.split()[1] == address]
        command = [int(w.split()[-1], 16) for w in ours if ' @0x4 ' in w]
        if not command:
            raise Failure('the trace shows no write to the command register of ' + address)
        if any(not value & 4 for value in command):
            raise Failure('bus mastering of %s was cleared: %s' %
                          (address, ' '.join(hex(v) for v in command)))
        model = ours[0].split()[0]
        if model not in PMCSR:
            return len(ours)
        state = '%s %s @%#x <- ' % (model, address, PMCSR[model])
        if not any(w.startswith(state) for w in
                   self.m.trace('pci_cfg_write', 0, at[since])):
            raise Failure('the trace shows no power state of %s at all' % address)
        asleep = [w for w in ours if w.startswith(state) and int(w.split()[-1], 16) & 3]
        if asleep:
            raise Failure('put to sleep: ' + asleep[0])
        return len(ours)

    def stopped_first(self, device, sid=None, between=('STEP unplug', 'PHASE end'),
                      unit=None):
        """Translation is never switched off while a function is bus master.

        By QEMU's trace of pci_cfg_write, which names it like "e1000e 00:04.0", and of
        vtd_dmar_enable: what is shorter than the time between two looks is seen, too.
        Returns how often translation was switched off.
        sid: that of this source alone, by vtd_inv_desc_cc_devices, between two lines
        unit: of this one alone, where the trace tells one from the other
        """
        master, drops = None, 0
        event = 'vtd_dmar_enable enable 0' + (' unit %#x' % unit if unit else '')
        begin, end = 0, float('inf')
        if sid is not None:
            event = 'vtd_inv_desc_cc_devices context invalidate devices sid %#x ' % sid
            begin, end = (time.time() - time.monotonic() + self.m.console.start +
                          self.m.wait(line)[1] for line in between)
        with open(self.m.trace_log) as f:
            for line in f:
                head, _, said = line.strip().partition(':')
                if said.startswith('pci_cfg_write %s @0x4 ' % device):
                    master = bool(int(said.split()[-1], 16) & 4)
                elif said.startswith(event) and begin <= float(head.split('@')[1]) < end:
                    drops += 1
                    if master:
                        raise Failure('translation was switched off with %s bus master' % device)
        if master is None:
            raise Failure('the trace shows no write to the command register of ' + device)
        return drops

    def timeline(self, quiet, ratio=0, floor_ms=20, draw=None):
        """Judge by phases; True if none is over the ratio. draw: prints text."""
        with open(self.phases, 'w') as f:
            for now, name in self.marks():
                f.write('%d %s\n' % ((self.m.console.start + now) * 1e9, name))
        p = subprocess.run(
            [self.host, 'timeline', '--in', self.csv, '--phases', self.phases,
             '--quiet', quiet, '--max-ratio', str(ratio), '--floor-ms',
             str(floor_ms), '--svg', self.svg] + ([] if draw else ['--no-draw']),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            universal_newlines=True)
        with open(self._log('timeline'), 'w') as f:
            f.write(p.stdout)
        if p.returncode > 1:
            raise Failure('timeline: ' + p.stdout.strip())
        for line in p.stdout.split('\n'):
            if line.startswith('PHASE '):
                v = values(line)
                self.phase[v['name']] = v
        if draw:
            draw(p.stdout)
        return p.returncode == 0

    def frozen(self):
        """What a frozen device could write to, by the guest's INFO: BYTES@ADDR each."""
        found = []
        for _, text in self.m.console.lines:
            hit = re.search(r'RANGE iova=\w+ bytes=(\w+) phys=(\w+) prot=(\d+)', text)
            span = hit and '%s@%s' % hit.groups()[:2]
            if hit and int(hit.group(3)) & 2 and span not in found:
                found.append(span)
        return found

    def scan(self, count=None):
        """Look through guest RAM; the machine must not have been stopped yet.

        Outside is what is not in frozen(), or in the region where nothing was frozen."""
        ranges = [a for span in self.frozen() or [self.span] for a in ('--range', span)]
        p = subprocess.run(
            [self.host, 'scan', '--ram', self.m.ram, *ranges,
             '--run', str(self.run), '--verbose', '--count',
             str(self.inject['sent'] if count is None else count)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            universal_newlines=True)
        with open(self._log('scan'), 'w') as f:
            f.write(p.stdout)
        for line in p.stdout.split('\n'):
            if line.startswith('SCAN '):
                return values(line)
        raise Failure('scan failed: ' + p.stdout.strip())

    def all_landed(self, report, left):
        """Every frame was seen, once and whole: by the VMM, the watcher and scan()."""
        sent, of = self.inject['sent'], 'of %d frames for NIC %d ' % (self.inject['sent'],
                                                                     self.nic)
        if not report or report['frames'] != sent or report['missing'] or \
                report['late'] or report['bad'] or report['stalls']:
            raise Failure(of + 'the VMM saw: %s' % report)
        if left['found'] != sent or left['twice'] or left['damaged'] or left['outside']:
            raise Failure(of + 'the scan found: %s' % left)
        if self.watch['landed'] != sent:
            raise Failure(of + 'the watcher saw %d' % self.watch['landed'])

    def none_astray(self, left):
        """What the watcher saw land is what scan() has found, once, whole, nowhere else."""
        if left['outside'] or left['damaged'] or left['twice'] or \
                left['found'] != self.watch['landed']:
            raise Failure('%d landed, but in RAM there are %s' % (self.watch['landed'], left))

    def registers(self, *offsets):
        """What 00:04.0 has in its BAR 0; the machine must not have been stopped yet."""
        q = self.m.qtest()
        bar = q.readl(ECAM + (4 << 15) + 0x10) & ~0xf
        found = [q.readl(bar + at) for at in offsets]
        q.close()
        return found

    def msix(self):
        """Of 00:04.0: message control, and the control word of each vector; the machine
        must not have been stopped yet. By QMP, as poll() has qtest for itself."""
        q = self.m.qmp()

        def readl(at):
            return int(q.hmp('xp /1xw %#x' % at).split()[1], 16)

        config = ECAM + (4 << 15)
        at = readl(config + 0x34) & 0xff
        while readl(config + at) & 0xff != 0x11:
            at = readl(config + at) >> 8 & 0xff
            if not at:
                raise Failure('it has no MSI-X')
        control, table = readl(config + at) >> 16, readl(config + at + 4)
        table = (readl(config + 0x10 + 4 * (table & 7)) & ~0xf) + (table & ~7)
        vectors = [readl(table + 16 * n + 12) for n in range((control & 0x7ff) + 1)]
        q.close()
        return control, vectors

    def _unit(self):
        """For who walks tables: the way to the unit, or while poll() has it, its root."""
        if not self._poll or self._poll.poll() is not None:
            return '--qtest', os.path.join(self.m.tmp, 'qtest')
        q = self.m.qmp()
        rtaddr = q.hmp('xp /1xg %#x' % (UNIT + 0x20)).split()[1]
        q.close()
        return '--rtaddr', rtaddr

    def _walk(self, bdf, *args):
        p = subprocess.run(
            [self.host, 'vtdwalk', *self._unit(), '--ram', self.m.ram,
             '--range', self.span, '--bdf', bdf, *args],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            universal_newlines=True)
        with open(self._log('walk'), 'a') as f:
            f.write(p.stdout)
        if p.returncode > 1:
            raise Failure('vtdwalk: ' + p.stdout.strip())
        return p.stdout

    def walk(self, bdf=BDF):
        """One look at a device's tables: the words of all lines."""
        return values(self._walk(bdf))

    def maps(self, bdf=BDF):
        """(physical address, bytes) of what a device's IOVAs translate to."""
        lines = [values(line) for line in self._walk(bdf, '--maps').split('\n')
                 if line.startswith('MAP ')]
        return [(int(m['phys'], 16), int(m['bytes'], 16)) for m in lines]
