# SPDX-License-Identifier: GPL-2.0
"""One machine: a QEMU process, its console, and how it ended."""

import ctypes
import fcntl
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from . import console, env, initramfs, qmp
from .result import Failure, NotOurs

# Who judges by time has the host for himself: a guest that is starved of it
# tells nothing. Others share it; see ALONE.
LOCK = os.environ.get('PKERNFS_QEMU_LOCK') or os.path.join(env.CACHE, 'qemu.lock')
# So many machines that share the host run at once, of all checkouts together.
# A guest waits now and then: one more than there are CPUs leaves these no pause.
SLOTS = len(os.sched_getaffinity(0)) + 1
# Multiplies every timeout, for slow or busy machines.
SLOW = float(os.environ.get('PKERNFS_SLOW') or 1)
# .seconds spent waiting for the lock, by this thread's machines so far.
waited = threading.local()
# Not first looked up in a child: another thread may hold the loader's locks.
_libc = ctypes.CDLL(None)


def _size(text):
    return int(text[:-1]) << {'K': 10, 'M': 20, 'G': 30}[text[-1]]


def _locked(path, how=fcntl.LOCK_EX):
    f = open(path, 'w')
    try:
        fcntl.flock(f, how)
    except BlockingIOError:
        f.close()
        return None
    return f


def host_lock(alone):
    """Wait for the host: all of it, or a share. Files that hold it while open."""
    # Who waits for all of it lets nobody else pass.
    with _locked(LOCK + '.gate'):
        if alone:
            return [_locked(LOCK)]
        while True:
            for n in range(SLOTS):
                slot = _locked('%s.%d' % (LOCK, n), fcntl.LOCK_EX | fcntl.LOCK_NB)
                if slot:
                    return [slot, _locked(LOCK, fcntl.LOCK_SH)]
            time.sleep(0.1)


# Of this runner, by its name.
_FOLDER = 'pkernfs-%d-' % os.getpid()
# How QEMU 10 ends when a CPU is at a device's registers while they are moved; and how 7.2
# does when MSI-X is disabled, as at any close, within 128 us of an e1000e's message: its
# throttling timer runs on.
_ASSERTIONS = ('iotlb_to_section: Assertion',
               'e1000e_intrmgr_on_msix_throttling_timer: Assertion')


def sweep():
    """Remove what runners that were killed have left: their guests' RAM, above all."""
    for parent in ('/dev/shm', tempfile.gettempdir()):
        for name in os.listdir(parent) if os.path.isdir(parent) else ():
            hit = re.match(r'pkernfs-(\d+)-', name)
            if hit and not os.path.exists('/proc/' + hit.group(1)):
                shutil.rmtree(os.path.join(parent, name), ignore_errors=True)


def die_with_parent():
    """In the child: a runner that is killed leaves no QEMU behind."""
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Machine:
    """Made by Test.machine(); see there for the arguments."""

    def __init__(self, run, name, *, qemu, kernel, script, memory='1G', smp=2,
                 devices=(), append='', stages=1, images=None, files=(), k2_kernel=None,
                 k2_append='', kunit=False, iommu='intremap=on', reboots=False, trace=(),
                 ignore=(), timeout=60, alone=True, nodes=1, firmware=None, echo=None):
        self.name = name
        self.dir = run
        self.timeout = timeout * SLOW * (1 if alone else SLOTS)
        self.stages = stages
        self.ended = None       # what finish() found
        os.makedirs(run, exist_ok=True)
        # Short paths for the sockets; guest RAM in a file that others can map.
        self.tmp = tempfile.mkdtemp(prefix=_FOLDER)
        self.ram_bytes = _size(memory)
        self.ram = os.path.join(self._ram_dir(), 'ram')
        # Of each NUMA node, in the order of addresses.
        self.rams = [self.ram + '-%d' % n for n in range(nodes)] if nodes > 1 else [self.ram]
        self.console_log = os.path.join(run, name + '-console.log')
        self.stderr_log = os.path.join(run, name + '-qemu.log')
        self.trace_log = os.path.join(run, name + '-trace.log')
        self.data_log = os.path.join(run, name + '-data')
        initrd = os.path.join(self.tmp, 'initrd')
        initramfs.build(initrd, script, files, k2_kernel,
                        stages - 1 if images is None else images, k2_append)

        # no_timer_check: a host that is short of CPU time is no broken timer.
        # nowatchdog: before the TSC is a clock the watchdog's timer waits, with
        # interrupts off and by jiffies, which stand then, for a CPU that waits in
        # stop_machine() for this one. Such a machine hung early in its boot.
        cmdline = ('console=ttyS0 panic=-1 printk.devkmsg=on intel_iommu=on '
                   'no_timer_check tsc=nowatchdog '
                   'kunit.enable=%d stage=1 stages=%d %s' %
                   (kunit, stages, append)).strip()
        self.argv = [
            qemu,
            # la57=off: with five-level paging a debug kernel reported, some times
            # and early in its boot, a wild access in rcu_is_watching() under an
            # interrupt. 34 more boots did not show it again, so nobody knows why.
            '-machine', 'q35' + (nodes == 1) * ',memory-backend=ram0', '-accel', 'tcg',
            '-cpu', 'max,la57=off', '-smp', str(smp), '-m', memory,
            *self._memory(nodes),
            '-nodefaults', '-display', 'none',
            *(() if reboots else ('-no-reboot',)),
            '-serial', 'stdio', '-serial', 'file:' + self.data_log,
            '-qmp', 'unix:%s/qmp,server=on,wait=off' % self.tmp,
            '-qtest', 'unix:%s/qtest,server=on,wait=off' % self.tmp,
            '-qtest-log', 'none',
            '-device', 'isa-debug-exit,iobase=0xf4,iosize=0x04',
        ]
        if iommu:
            # With QEMU 10 machines hung beside resets, with an interrupt in service whose
            # EOI had been lost. It looks as if an access to registers gets lost while
            # another CPU moves or disables those of some device. Those of an x2APIC, which
            # TCG has from 9 on, are not in memory: no hang since. With -icount
            # one CPU runs at a time, and QEMU has no x2APIC ("Bad icount read").
            counted = any('-icount' in d for d in devices)
            eim = ',eim=on' if env.qemu_major(qemu) >= 9 and not counted else ''
            self.argv += ['-device', 'intel-iommu,%s,caching-mode=on%s' % (iommu, eim)]
        if firmware:
            self.argv += ['-bios', firmware]
        for d in devices:
            self.argv += d.format(tmp=self.tmp).split()
        if trace:
            for t in trace:
                self.argv += ['-trace', t]
            self.argv += ['-D', self.trace_log, '-msg', 'timestamp=on']
        self.argv += ['-kernel', kernel, '-initrd', initrd, '-append', cmdline]
        self._ignore = ignore
        self._alone = alone
        self._echo = echo
        self.proc = None
        self.console = None

    def _memory(self, nodes):
        for n, path in enumerate(self.rams):
            yield '-object'
            yield ('memory-backend-file,id=ram%d,size=%d,mem-path=%s,share=on' %
                   (n, self.ram_bytes // nodes, path))
            if nodes > 1:
                yield '-numa'
                yield 'node,memdev=ram%d' % n

    def _ram_dir(self):
        """/dev/shm where it has the room: the file is all of the guest's RAM."""
        try:
            if shutil.disk_usage('/dev/shm').free > self.ram_bytes + (256 << 20):
                self.shm = tempfile.mkdtemp(prefix=_FOLDER, dir='/dev/shm')
                return self.shm
        except OSError:
            pass
        self.shm = None
        return self.tmp

    def start(self):
        asked = time.monotonic()
        self._locks = host_lock(self._alone)
        waited.seconds = getattr(waited, 'seconds', 0) + time.monotonic() - asked
        with open(os.path.join(self.dir, self.name + '-qemu.cmd'), 'w') as f:
            f.write(' '.join(self.argv) + '\n')
        err = open(self.stderr_log, 'w')
        self.proc = subprocess.Popen(self.argv, stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, stderr=err,
                                     preexec_fn=die_with_parent)
        err.close()
        self.deadline = time.monotonic() + self.timeout
        self.console = console.Console(self.proc.stdout, self.console_log,
                                       self._echo, self._ignore)
        return self

    # --- while it runs ------------------------------------------------------

    def wait(self, pattern, seconds=None, start=0):
        """Wait for a console line; returns (index, time, match) or fails."""
        left = self.deadline - time.monotonic()
        if seconds is not None:
            left = min(left, seconds * SLOW)
        hit = self.console.wait(pattern, left, start)
        if hit:
            return hit
        if self.console.done:
            self.finish()       # names the reason, if it knows a better one
            raise Failure('machine ended before the console said /%s/' % pattern)
        if time.monotonic() >= self.deadline:
            self.finish()
        raise Failure('console did not say /%s/ in time' % pattern)

    def wait_each(self, pattern, times, start=0):
        """Wait for so many lines of the console that match; returns the last one's index."""
        at = start - 1
        for _ in range(times):
            at = self.wait(pattern, start=at + 1)[0]
        return at

    def send(self, line):
        """Type a line on the console; the guest's await_host reads it."""
        try:
            self.proc.stdin.write(line.encode() + b'\n')
            self.proc.stdin.flush()
        except BrokenPipeError:
            self.finish()       # names the reason, if it knows a better one
            raise Failure('machine ended before it was told "%s"' % line)

    def cpu_time(self):
        """Seconds of the host's CPUs that QEMU has used until now."""
        with open('/proc/%d/stat' % self.proc.pid) as f:
            fields = f.read().rpartition(')')[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def qmp(self):
        return qmp.Qmp(os.path.join(self.tmp, 'qmp'))

    def qtest(self):
        return qmp.Qtest(os.path.join(self.tmp, 'qtest'))

    def data(self):
        """What the guest wrote to ttyS1."""
        if not os.path.exists(self.data_log):       # QEMU is still to make it
            return ''
        with open(self.data_log, errors='replace') as f:
            return f.read().replace('\r\n', '\n')

    def trace(self, event, begin=0, end=float('inf')):
        """What was traced of an event between two times of the console."""
        offset = time.time() - time.monotonic() + self.console.start
        found = []
        with open(self.trace_log) as f:
            for line in f:
                hit = re.match(r'\d+@([\d.]+):(\w+) (.*)', line)
                if hit and hit.group(2) == event and \
                        begin <= float(hit.group(1)) - offset < end:
                    found.append(hit.group(3))
        return found

    def traced(self):
        """(line, event, words): what was traced, in its order, and after which line.

        The lines are those of the console, by the trace of its writes: the console's times
        are those at which they were read here, which is late on a busy host. Each line comes
        by itself first, with no event. TRACE has to have 'serial_write'.
        """
        said, line = '', ''
        with open(self.trace_log) as f:
            for text in f:
                hit = re.match(r'\d+@[\d.]+:(\w+) (write addr 0x00 val 0x(..))?(.*)', text)
                if hit and hit.group(3):
                    said += chr(int(hit.group(3), 16))
                    if said.endswith('\n'):
                        said, line = '', said.strip()
                        yield line, None, None
                elif hit:
                    yield line, hit.group(1), hit.group(4)

    def traced_in(self, begin, end):
        """Names of what was traced between two PHASE lines, the last such pair."""
        names, found = None, None
        for line, event, _ in self.traced():
            if event and names is not None:
                names.append(event)
            elif not event and line.endswith('PHASE ' + begin):
                names = []
            elif not event and line.endswith('PHASE ' + end) and names is not None:
                found, names = names, None
        if found is None:
            raise Failure('the trace does not show: PHASE ' + begin)
        return found

    # --- its end ------------------------------------------------------------

    def _registers(self):
        """Where the CPUs are, into a file, before a hung machine is killed."""
        path = os.path.join(self.dir, self.name + '-registers.log')
        try:
            q = self.qmp()
            regs = q.hmp('info registers -a')
            # A guest that sleeps for good: has it still a timer?
            regs += q.hmp('info lapic 0') + q.hmp('info lapic 1')
            q.close()
        except (OSError, RuntimeError, ValueError) as e:
            regs = 'no registers: %s\n' % e
        with open(path, 'w') as f:
            f.write(regs)
        return [l.split()[0] for l in regs.splitlines() if l.startswith('RIP=')]

    def outcome(self):
        """Wait for the end: ('verdict', rc), ('reset',), ('qemu', code), ('hang', RIPs)."""
        if self.ended:
            return self.ended
        try:
            self.proc.wait(max(0, self.deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.ended = ('hang', self._registers())
        else:
            code = self.proc.returncode
            if code >= 65 and code % 2:
                self.ended = ('verdict', (code - 1) // 2 - 32)
            elif code == 0:
                self.ended = ('reset',)
            else:
                self.ended = ('qemu', code)
        self.stop()
        return self.ended

    def finish(self):
        """Wait for the end and fail unless the guest says that all is well."""
        kind, *rest = self.outcome()
        c = self.console
        where = ' (%s)' % self.console_log
        if kind == 'hang':
            cls = Failure if c.ours else NotOurs
            raise cls('no verdict within %d s; CPUs at %s%s' %
                      (self.timeout, ' '.join(rest[0]) or 'unknown', where))
        if kind == 'qemu':
            with open(self.stderr_log, errors='replace') as f:
                said = f.read().strip()
            known = rest[0] == -signal.SIGABRT and any(a in said for a in _ASSERTIONS)
            cls = NotOurs if known else Failure
            raise cls('QEMU ended with %d: %s' % (rest[0], said or 'no message'))
        if c.faults:
            raise Failure('%d fault lines on the console, first: %s%s' %
                          (len(c.faults), c.faults[0], where))
        if kind == 'reset':
            raise Failure('the machine was reset or switched off' + where)
        if rest[0]:
            said = [l.split('FAIL: ', 1)[1] for _, l in c.lines if 'FAIL: ' in l]
            raise Failure('verdict %d%s%s' %
                          (rest[0], ': ' + said[0] if said else '', where))
        if c.kernels != self.stages:
            raise Failure('%d kernels started, not %d%s' %
                          (c.kernels, self.stages, where))
        return self

    def stop(self):
        """End it whatever its state, and clean up. May be called again."""
        if self.proc and self.proc.poll() is None:
            self.proc.kill()
        if self.proc:
            self.proc.wait()
            if self.console:
                self.console.join()
            for f in (self.proc.stdin, self.proc.stdout):
                try:
                    f.close()
                except OSError:
                    pass
            for f in self._locks:
                f.close()
        for d in (self.tmp, self.shm):
            if d:
                shutil.rmtree(d, ignore_errors=True)
