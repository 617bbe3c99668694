# SPDX-License-Identifier: GPL-2.0
"""xfstests, the generic group, on pkernfs; what fails or is not run there also on tmpfs.

XFSTESTS=/path is a checkout of xfstests, which is not a part of this project;
XFSTESTS_ARGS says which tests (-g quick). tools/testing/xfstests has the script that
teaches it pkernfs, how the root filesystem is made (root and debootstrap are needed),
and lists with reasons: tests that are excluded, tests that find something missing in pkernfs
and are not run, and all that do not pass. A test that fails on pkernfs must fail on the tmpfs
of the bare kernel, too, and say the same, and one that is not run must not run there unless it
is in the second list. What does not pass has to stand in the third.
The tests are dealt out to machines of one CPU, some at a time: most of a test is processes
that begin and end, which QEMU is the slower with the more CPUs it has. XFSTESTS_RESULTS=FILE
keeps what was found, and what is there is not run again: the way to go on with a run that
was ended. Programs are at the same addresses each time (norandmaps), as QEMU 7.2 translates
them again otherwise: it takes a third of the time. The variant runs in a debug kernel, of which
a splat is a failure. XFSTESTS_MACHINES says how many machines run at once (2).
"""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from concurrent import futures

from pkboot import dma, env
from pkboot.result import BuildError, Failure

MANUAL = True
KERNEL = 'xfstests'
VARIANTS = {'debug': {'KERNEL': 'xfstests-debug', 'TIMEOUT': 14400}}
MEMORY = '6G'
PKERNFS = '2G@4G,2G@6G'
TIMEOUT = 3600
_PART = 60           # tests of one machine
_SAID = 2000         # characters of what a test said that failed
_MACHINES = int(os.environ.get('XFSTESTS_MACHINES') or 2)    # at once
_BARE = 'xfstests-bare'
# For a test that finds the regions too small: alone, as it may fill 8 GiB.
_LARGE = {'memory': '17G', 'pkernfs': '6G@4G,9G@10G'}
_SMALL = 'region1 too small|scratch device size too small|requires at least [0-9]+GB free'
FOLDER = os.path.join(env.REPO, 'tools/testing/xfstests')
sys.path.insert(0, FOLDER)
import exclusions  # noqa: E402


def FILES():
    return [('/bin/mkfs.pkernfs', dma.ctl()), ('/bin/fsck.pkernfs', dma.ctl())]


GUEST = r'''
stage1() {
	stty -F /dev/ttyS1 raw
	mount --bind /r /r
	for d in proc sys dev; do
		mkdir -p /r/$d
		mount --bind /$d /r/$d
	done
	mkdir -p /dev/shm /dev/pts
	ln -s /proc/self/fd /dev/fd
	mount -t devpts devpts /r/dev/pts
	mount -t tmpfs tmpfs /r/tmp
	mount -t tmpfs tmpfs /r/dev/shm
	mount -t cgroup2 cgroup2 /r/sys/fs/cgroup
	cp /bin/mkfs.pkernfs /bin/fsck.pkernfs /r/usr/sbin/
	hostname guest
	ifconfig lo 127.0.0.1 up
	fstyp=$(arg fstyp)
	cat >/r/xfstests/local.config <<-EOF
		export FSTYP=$fstyp
		export TEST_DEV=region0 TEST_DIR=/mnt/test
		export SCRATCH_DEV=region1 SCRATCH_MNT=/mnt/scratch
		export DIFF_LENGTH=60 MKFS_OPTIONS="--inodes 20000" SOAK_DURATION=180
	EOF
	[ $fstyp != pkernfs ] || mkfs.pkernfs -q --inodes 20000 region0 || fail "mkfs"
	tests=$(cat /test/tests)
	phase tests
	# Who is in a chroot gets no user namespace: it has to be the root of all.
	(cd /r && mount --move . / && exec chroot . env -i HOME=/root TERM=dumb \
		PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -c "cd /xfstests && ./check $tests
			for f in results/*/*.out.bad; do
				[ ! -e \$f ] || { echo == \$f; grep -v '^[0-9]* [a-z]*.from' \$f | head -n 60; }
			done >/dev/console") >/dev/ttyS1 2>&1 </dev/null || :
	echo "== done" >/dev/ttyS1
}
'''


def archive():
    path = os.environ.get('XFSTESTS')
    if not path:
        return None
    p = subprocess.run([os.path.join(FOLDER, 'rootfs.sh'), path], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, universal_newlines=True)
    if p.returncode:
        raise BuildError(p.stderr.strip())
    return p.stdout.split('\n')[-2]


def named(root, args):
    """Tests by name, and those of groups: -g GROUP; -g all is every one."""
    names, args = [], list(args)
    while args:
        arg = args.pop(0)
        if arg != '-g':
            names.append(arg)
            continue
        group = args.pop(0)
        with open(os.path.join(os.path.dirname(root),
                               'fs/r/xfstests/tests/generic/group.list')) as f:
            names += ['generic/' + words[0] for words in map(str.split, f)
                      if words and words[0].isdigit() and group in words[1:] + ['all']]
    return [name for name in dict.fromkeys(names) if name not in exclusions.reasons('exclude')]


def failure(text):
    """What a test said that failed: the first line, and those that it should have said and
    did not (-), and did and should not have (+)."""
    lines = [re.sub(r'\(see .*?\)', '', line).replace('- output mismatch', '')
             for line in text.strip().split('\n')[:1]]
    lines += re.findall(r'^    ([-+](?!-- |\+\+ ).*)', text, re.M)
    return ' | '.join(' '.join(line.split()) for line in lines if line.strip())[:_SAID]


def ends(text):
    """How tests have ended, by the lines of check: {test: (how, why)}.

    Of one that is the last, and is not said to have ended, why is None."""
    found = {}
    for hit in re.finditer(r'^(generic/\d+)(.*?)(?=^generic/\d+ |^Ran: |\Z)', text, re.M | re.S):
        test, said = hit.group(1), hit.group(2).strip()
        if said.startswith('[not run]'):
            found[test] = 'notrun', said.split(']', 1)[1].split('\n')[0].strip()
        elif re.fullmatch(r'\d+s', said):
            found[test] = 'pass', said
        else:
            done = hit.end() < len(text)
            found[test] = 'fail', failure(hit.group(2)) if done else None
    for test in ' '.join(re.findall('^Failures: (.*)', text, re.M)).split():
        if found[test][0] != 'fail':
            found[test] = 'fail', 'it is among the failures'
    return found


class Run:
    """What was found so far: {(filesystem, test): (how, why)}."""

    def __init__(self, t, root):
        self.t = t
        self.root = root
        self.found = {}
        self.trouble = []
        self.large = threading.Lock()
        self.file = os.environ.get('XFSTESTS_RESULTS') or os.path.join(t.dir, 'results')
        if os.path.exists(self.file):
            self.found = exclusions.read(self.file)

    def add(self, fstyp, ended):
        ended = {test: end for test, end in ended.items()
                 if self.found.get((fstyp, test)) != end}
        for test, (how, why) in ended.items():
            self.found[fstyp, test] = how, why
        with open(self.file, 'a') as f:
            f.writelines('%s %s %s %s\n' % (fstyp, how, test, why)
                         for test, (how, why) in ended.items())

    def machine(self, name, fstyp, tests, **over):
        """One machine; what is left of the tests when it has died, that of which it died not."""
        wanted = os.path.join(self.t.dir, name + '-tests')
        with open(wanted, 'w') as f:
            f.write(' '.join(tests) + '\n')
        m = self.t.machine(name, smp=1, append='norandmaps fstyp=' + fstyp,
                           files=FILES() + [('/test/tests', wanted)], **over)
        with open(self.root, 'rb') as more, open(os.path.join(m.tmp, 'initrd'), 'ab') as f:
            shutil.copyfileobj(more, f)
        try:
            m.start()
            while m.proc.poll() is None and time.monotonic() < m.deadline:
                time.sleep(2)
                ended = ends(m.data())
                self.add(fstyp, dict(list(ended.items())[:-1]))
            m.finish()
        except Failure as e:
            self.trouble.append('%s: %s' % (name, e))
        text = m.data()
        ended = ends(text)
        left = [test for test in tests if test not in ended]
        died = '\n== done' not in text
        for test in ended:
            if ended[test][1] is None:
                ended[test] = 'fail', 'the machine ended in it' if died else 'it has no end'
        if died and not ended:
            raise Failure('%s: check did not begin' % name)
        if not died and left:
            raise Failure('%s: check knows nothing of %s' % (name, ' '.join(left)))
        self.add(fstyp, ended)
        return left

    def tests(self, name, fstyp, tests, **over):
        """Run them, but for those whose end is known; again with those left if it dies."""
        tests = [test for test in tests if (fstyp, test) not in self.found]
        while tests:
            tests = self.machine(name, fstyp, tests, **over)
            name += '+'

    def part(self, n, tests):
        """On pkernfs, then what does not pass on tmpfs."""
        self.tests('pkernfs-%02d' % n, 'pkernfs', tests)
        for test in tests:
            how, why = self.found['pkernfs', test]
            if how == 'notrun' and re.search(_SMALL, why):
                with self.large:
                    del self.found['pkernfs', test]
                    self.tests('pkernfs-' + os.path.basename(test), 'pkernfs', [test], **_LARGE)
        self.tests('tmpfs-%02d' % n, 'tmpfs', [
            test for test in tests if self.found['pkernfs', test][0] != 'pass'],
            kernel=_BARE, pkernfs=None)


def run(t):
    root = archive()
    if not root:
        t.skip('XFSTESTS=/path is not set')
    tests = named(root, os.environ.get('XFSTESTS_ARGS', '-g quick').split())
    r = Run(t, root)
    parts = -(-len(tests) // _PART)
    with futures.ThreadPoolExecutor(_MACHINES) as pool:
        list(pool.map(lambda n: r.part(n, tests[n::parts]), range(parts)))
    ours, bare = ({how: [test for test in tests if r.found.get((fstyp, test), ' ')[0] == how]
                   for how in ('pass', 'fail', 'notrun')} for fstyp in ('pkernfs', 'tmpfs'))
    t.check(ours['pass'], 'no test passed')
    known = [test for test in ours['fail'] if r.found['pkernfs', test] == r.found['tmpfs', test]]
    runs = [test for test in ours['notrun'] if test in bare['pass'] + bare['fail']]
    t.note('%d passed, %d not run, of which %d run on tmpfs, %d failed, of which %d on tmpfs too'
           % (len(ours['pass']), len(ours['notrun']), len(runs), len(ours['fail']), len(known)))
    list_ = exclusions.listed()
    kinds = {test: name for test, name, *_ in exclusions.lines(r.found)}
    bad = r.trouble + ['%s: %s' % (what, ' '.join(tests)) for what, tests in (
        ('failed', [test for test in ours['fail'] if test not in bare['fail']]),
        ('said something else than on tmpfs, where they fail too', [
            test for test in ours['fail'] if test in bare['fail'] and test not in known]),
        ('not run, but run on tmpfs', runs),
        ('not in the list of exclusions, or of another class', [
            test for test in tests if test in kinds and list_.get(test) != kinds[test]]),
        ('in the list of exclusions, but passed', [
            test for test in ours['pass'] if test in list_])) if tests]
    if bad:
        raise Failure('; '.join(bad))
