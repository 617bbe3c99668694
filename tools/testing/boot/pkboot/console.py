# SPDX-License-Identifier: GPL-2.0
"""The serial console: lines with host time stamps, and lines that are faults."""

import re
import threading
import time

# A line that matches one of these is a failure, whatever the verdict says. The
# one place where such patterns stand.
FAULTS = re.compile('|'.join((
    r'\bWARNING: ', r'\bBUG: ', r'\bBUG at ', r'kernel BUG', r'\bKASAN: ',
    r'\bUBSAN: ', r'\bKFENCE: ', r'Oops: ', r'general protection fault',
    r'Unable to handle kernel', r'Kernel panic', r'Call Trace:',
    r'possible (recursive|circular) locking', r'\bINFO: possible ',
    r'inconsistent lock state', r'suspicious RCU', r'held lock freed',
    r'lock held when returning', r'bad unlock balance',
    r'scheduling while atomic', r'sleeping function called',
    r'rcu: INFO: ', r'detected stall', r'soft lockup', r'hard LOCKUP',
    r'INFO: task .* blocked', r'Bad page (state|map)', r'nobody cared',
    r'refcount_t: ', r'list_(add|del) corruption', r'unregister_netdevice: ',
    r'DMAR: DRHD: handling fault', r'DMAR: \[.*\] Request device',
    r'deprecated workqueue', r'Out of memory', r'segfault at', r'trap (invalid opcode|divide)',
)))

# Sent by our code, in kernel or guest: from here on a hang is ours.
OURS = re.compile(r'pkernfs|stage \d+ of \d+')


class Console:
    """Reads a pipe until it ends; everything is kept and written to a file."""

    def __init__(self, pipe, log, echo=None, ignore=()):
        self.start = time.monotonic()
        self.lines = []         # (seconds since start, text)
        self.faults = []
        self.ours = False
        self.kernels = 0        # how many kernels have said hello
        self._ignore = [re.compile(i) for i in ignore]
        self._cond = threading.Condition()
        self.done = False       # it has ended
        self._pipe = pipe
        self._log = log
        self._echo = echo
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        rest = b''
        with open(self._log, 'w', buffering=1, errors='replace') as log:
            while True:
                chunk = self._pipe.read1(65536)
                now = time.monotonic() - self.start
                if not chunk and rest:
                    chunk = b'\n'
                *lines, rest = (rest + chunk).split(b'\n')
                for raw in lines:
                    text = raw.decode(errors='replace').rstrip('\r')
                    log.write('%9.3f %s\n' % (now, text))
                    self._line(now, text)
                if not chunk:
                    break
        with self._cond:
            self.done = True
            self._cond.notify_all()

    def _line(self, now, text):
        if self._echo:
            self._echo(now, text)
        with self._cond:
            self.lines.append((now, text))
            if OURS.search(text) and 'Command line' not in text and \
                    'command line' not in text and 'LOCALVERSION' not in text \
                    and 'Linux version' not in text:
                self.ours = True
            if 'Linux version ' in text:
                self.kernels += 1
            if FAULTS.search(text) and \
                    not any(i.search(text) for i in self._ignore):
                self.faults.append(text)
            self._cond.notify_all()

    def wait(self, pattern, seconds, start=0):
        """First line from number start on that matches: (index, time, match).

        None if it does not come in time or the console ends without it.
        """
        pattern = re.compile(pattern)
        end = time.monotonic() + seconds
        i = start
        with self._cond:
            while True:
                while i < len(self.lines):
                    m = pattern.search(self.lines[i][1])
                    if m:
                        return i, self.lines[i][0], m
                    i += 1
                left = end - time.monotonic()
                if self.done or left <= 0:
                    return None
                self._cond.wait(left)

    def join(self):
        self._thread.join(10)

    def tail(self, count=15):
        return [text for _, text in self.lines[-count:]]
