# SPDX-License-Identifier: GPL-2.0
"""make and the scripts: what they take of whom, and what they say when it does not go."""

import os
import subprocess

from pkboot import env

KERNEL = None
_KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'


def run(t):
    def call(*args, rc=0, **environ):
        p = subprocess.run(args, cwd=env.REPO, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, universal_newlines=True, timeout=60,
                           env={**{k: v for k, v in os.environ.items()
                                   if k not in ('MAKEFLAGS', 'MFLAGS', 'MAKELEVEL')}, **environ})
        t.check(p.returncode == rc, '%s: %d: %s' % (' '.join(args), p.returncode, p.stdout))
        return p.stdout

    def check(*args, **environ):
        """What is run for a check."""
        return call('make', '-sn', *args, **environ).split()[1:]

    # What to run is said to make, not found lying about; and V=0 is no V.
    for got, want in ((check('check', T='boot', V='1'), []),
                      (check('check', 'V=0'), []),
                      (check('check', 'V=1', 'T=a,b'), ['-v', 'a', 'b']),
                      (check('check-all', 'T=a'), ['--all', 'a']),
                      (check('fuzz', TIME='%E')[1:], [])):
        t.check(got == want, 'make runs %s, not %s' % (got, want))

    said = call('tools/testing/boot/run.py', 'static', 'no-such', rc=1).split('\n')
    t.check('no such scenario: no-such' in said[0] and said[1:] ==
            ['0 passed, 1 failed, 0 skipped', ''], 'of a wrong name: %s' % said)

    # Its programs are not there, or end at once.
    script = 'tools/testing/boot/host/test/run.sh'
    for args in (), ('--help',):
        t.check(call(script, *args, rc=2).startswith('usage: '), 'usage of run.sh')

    def program(name, text):
        path = os.path.join(t.dir, name)
        with open(path, 'w') as f:
            f.write('#!/bin/sh\n' + text)
        os.chmod(path, 0o755)

    program('fakenic', 'exit 1\n')
    program('pkernfs-host', 'exit 1\n')
    t.check('FAIL all landed' in call(script, t.dir, rc=1), 'run.sh without a NIC')

    # Debian has the source no more.
    if os.access(_KEYRING, os.R_OK):
        program('apt-get', 'case $1 in\nindextargets) echo Packages Debian Debian main mirror ;;\n'
                '*) exit 1 ;;\nesac\n')
        said = call('tools/kernel/fetch.sh', rc=1, KSRC='', KVER='',
                    PKERNFS_CACHE=os.path.join(env.OUT, 'nothing'),
                    PATH=t.dir + ':' + os.environ['PATH'])
        folder = os.path.join(env.REPO, 'tools/kernel')
        hooks = sorted(name for name in os.listdir(folder) if name[0].isdigit())
        t.check(said.endswith('there are hooks for %s only\n' % ' '.join(hooks)),
                'fetch.sh says: ' + said)
