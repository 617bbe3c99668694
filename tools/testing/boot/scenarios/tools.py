# SPDX-License-Identifier: GPL-2.0
"""mkfs, fsck, dump and save where no kernel is asked: what they print to, and take for what."""

import os
import pty
import signal
import subprocess
import time

from pkboot import dma, goldens

KERNEL = None
# No machine has so many: mkfs would format it.
REGION = '4000000000'


def run(t):
    program, ctl = goldens.build(), dma.ctl()
    path, saved = (os.path.join(t.dir, name) for name in ('image', 'saved'))

    def call(*args, shell='', rc=0, said=''):
        p = subprocess.run(['sh', '-c', '"$@" ' + shell, 'sh', *args], cwd=t.dir,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=60)
        text = p.stdout.decode('latin-1')
        t.check(p.returncode == rc and said in text,
                '%s %s: %d: %s' % (' '.join(args[1:]), shell, p.returncode, text))
        return text

    def content():
        with open(path, 'rb') as f:
            return f.read()

    # What nobody gets to read is no success.
    goldens.make(program, 'whole', path)
    lost = 'standard output: not all could be written'
    for shell in '>/dev/full', '>&-':
        call(ctl, '--help', shell=shell, rc=1, said=lost)
        call(ctl, 'dump', '--json', 'image', shell=shell, rc=1, said=lost)
        call(ctl, 'fsck', 'image', shell=shell, rc=8, said=lost)
    goldens.make(program, 'entry-inode.escape', path)
    call(ctl, 'fsck', 'image', shell='>/dev/full', rc=12, said=lost)

    # With no standard error, what is opened next is not it.
    before = content()
    call(ctl, 'fsck', '-p', 'image', shell='2>&-', rc=4)
    t.check(content() == before, 'what fsck had to say is in the file')

    # Whatever a name has in it, the terminal is not told.
    text = call(ctl, 'fsck', 'a\x1b[2J\nb\x7f', rc=8, said=r'a\x1b[2J\x0ab\x7f: No such file')
    t.check(text.count('\n') == 1 and '\x1b' not in text, 'a name is not escaped: ' + text)

    # "region0" is a region; a file is not meant by that, nor is the region if there is one.
    os.rename(path, os.path.join(t.dir, 'region' + REGION))
    name, twice = 'region' + REGION, 'a file here has that name, too'
    call(ctl, 'fsck', '-y', name, rc=16, said=twice)
    call(ctl, 'dump', name, rc=2, said=twice)
    call(ctl, 'save', name, saved, rc=2, said=twice)
    call(ctl, 'restore', saved, name, rc=2, said=twice)
    call(ctl, 'fsck', './' + name, rc=4)
    os.remove(os.path.join(t.dir, name))
    call(ctl, 'fsck', name, rc=8, said='/dev/pkernfs%s: No such file' % REGION)

    # What is a region, and a number: 3 is that this one is not there.
    for good in '', 'region', 'pkernfs', '/dev/pkernfs':
        call(ctl, 'mkfs', '--small=512', good + REGION, rc=3)
    for bad in 'region ', 'region+', 'region0x', '-', '/dev/region', '/dev/', 'regionpkernfs':
        call(ctl, 'mkfs', '--', bad + REGION, rc=2, said='not a region')
    for bad in '', ' 8', '+8', '8 ', '0x8', '-8', '18446744073709551616':
        call(ctl, 'mkfs', '--pool=' + bad, REGION, rc=2, said='not a number')

    interrupted_save(t, program, ctl, path, saved)


def interrupted_save(t, program, ctl, path, saved):
    """What is not whole does not stay, and the error says whose it is."""
    signals = signal.SIGHUP, signal.SIGINT, signal.SIGTERM

    def defaults():
        for sig in signals:
            signal.signal(sig, signal.SIG_DFL)

    def save(stderr=subprocess.PIPE):
        p = subprocess.Popen([ctl, 'save', path, saved], stdin=subprocess.DEVNULL, stderr=stderr,
                             preexec_fn=defaults)
        end = time.monotonic() + 60
        while not os.path.exists(saved) and p.poll() is None and time.monotonic() < end:
            time.sleep(0.001)
        return p

    # A damaged one is read wholly, which takes some time.
    goldens.make(program, 'extent-bad.huge', path)
    for sig in signals:
        p = save()
        p.send_signal(sig)
        p.communicate()
        t.check(p.returncode == -sig, 'a save with signal %d ends with %d' % (sig, p.returncode))
        t.check(not os.path.exists(saved), 'signal %d leaves a file' % sig)

    # Of one that cannot be read. On a terminal the line of progress ends before that.
    master, slave = pty.openpty()
    p = save(stderr=slave)
    p.send_signal(signal.SIGSTOP)
    os.truncate(path, 4 << 20)
    p.send_signal(signal.SIGCONT)
    p.wait()
    os.close(slave)
    said = b''
    try:
        while True:
            said += os.read(master, 65536)
    except OSError:         # all is read
        said = said.decode()
    os.close(master)
    t.check(p.returncode == 1 and ' MiB\r\npkernfsctl: %s: Input/output error\r\n' % path in said,
            'a save of what cannot be read: %d: %r' % (p.returncode, said))
    t.check(not os.path.exists(saved), 'it leaves a file')

    goldens.make(program, 'whole', path)
    with open(saved, 'w'):
        p = save()
    said = p.communicate()[1].decode()
    t.check(p.returncode == 1 and saved + ': is there already' in said, 'a second save: ' + said)
    os.remove(saved)
    os.remove(path)
