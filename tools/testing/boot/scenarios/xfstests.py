# SPDX-License-Identifier: GPL-2.0
"""xfstests, the generic group, on pkernfs; what fails or is not run there also on tmpfs.

XFSTESTS=/path is a checkout of xfstests, which is not a part of this project;
XFSTESTS_ARGS says which tests (-g quick). tools/testing/xfstests has the script that
teaches it pkernfs, how the root filesystem is made (root and debootstrap are needed),
and two lists with reasons: tests that are excluded, and tests that find something missing
in pkernfs and are not run. A test that fails on pkernfs must fail on the tmpfs of the bare
kernel, too, and one that is not run must not run there unless it is in the second list.
The variant runs in a debug kernel.
"""

import os
import re
import shutil
import subprocess

from pkboot import dma, env
from pkboot.result import BuildError, Failure

MANUAL = True
KERNEL = 'test'
VARIANTS = {'debug': {'KERNEL': 'debug'}}
MEMORY = '6G'
PKERNFS = '2G@4G,2G@6G'
TIMEOUT = 3 * 3600
FOLDER = os.path.join(env.REPO, 'tools/testing/xfstests')


def FILES():
    return [('/bin/mkfs.pkernfs', dma.ctl()), ('/bin/fsck.pkernfs', dma.ctl()),
            ('/test/exclude', os.path.join(FOLDER, 'exclude'))]


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
	cp /bin/mkfs.pkernfs /bin/fsck.pkernfs /r/usr/sbin/
	sed 's/#.*//; s/ .*//' /test/exclude >/r/xfstests/exclude
	hostname guest
	fstyp=$(arg fstyp)
	cat >/r/xfstests/local.config <<-EOF
		export FSTYP=$fstyp
		export TEST_DEV=region0 TEST_DIR=/mnt/test
		export SCRATCH_DEV=region1 SCRATCH_MNT=/mnt/scratch
		export DIFF_LENGTH=20 MKFS_OPTIONS="--inodes 20000"
	EOF
	[ $fstyp != pkernfs ] || mkfs.pkernfs -q --inodes 20000 region0 || fail "mkfs"
	tests=$(cat /test/tests)
	phase tests
	chroot /r env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb \
		sh -c "cd /xfstests && ./check -E exclude $tests" >/dev/ttyS1 2>&1 </dev/null || :
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


def listed(name):
    """The tests of a list with reasons."""
    with open(os.path.join(FOLDER, name)) as f:
        return [line.split()[0] for line in f if line.strip() and not line.startswith('#')]


def results(t, name, root, fstyp, tests, **over):
    """Which tests passed, failed, were not run, by the words of check."""
    wanted = os.path.join(t.dir, name + '-tests')
    with open(wanted, 'w') as f:
        f.write(' '.join(tests) + '\n')
    m = t.machine(name, append='fstyp=' + fstyp, files=FILES() + [('/test/tests', wanted)],
                  **over)
    with open(root, 'rb') as more, open(os.path.join(m.tmp, 'initrd'), 'ab') as f:
        shutil.copyfileobj(more, f)
    m.start().finish()
    text = m.data()
    t.check('\n== done' in text, '%s: check did not come to its end' % name)
    said = {what: re.findall(r'generic/\d+', ' '.join(re.findall('^%s: (.*)' % what, text, re.M)))
            for what in ('Ran', 'Not run', 'Failures')}
    return {'pass': [test for test in said['Ran']
                     if test not in said['Not run'] + said['Failures']],
            'fail': said['Failures'], 'notrun': said['Not run']}


def run(t):
    root = archive()
    if not root:
        t.skip('XFSTESTS=/path is not set')
    args = os.environ.get('XFSTESTS_ARGS', '-g quick').split()
    ours = results(t, 'pkernfs', root, 'pkernfs', args)
    t.check(ours['pass'], 'no test passed')
    known, runs = [], []
    if ours['fail'] + ours['notrun']:
        bare = results(t, 'tmpfs', root, 'tmpfs', ours['fail'] + ours['notrun'],
                       kernel='bare', pkernfs=None)
        known = [test for test in bare['fail'] if test in ours['fail']]
        runs = [test for test in ours['notrun'] if test in bare['pass'] + bare['fail']]
    with open(os.path.join(t.dir, 'results'), 'w') as f:
        for how in ours:
            f.writelines('%s %s\n' % (how, test) for test in ours[how])
        f.writelines('tmpfs fail %s\n' % test for test in known)
        f.writelines('tmpfs run %s\n' % test for test in runs)
    t.note('%d passed, %d not run, of which %d run on tmpfs, %d failed, of which %d on tmpfs too'
           % (len(ours['pass']), len(ours['notrun']), len(runs), len(ours['fail']), len(known)))
    reasons = listed('notrun')
    bad = ['%s: %s' % (what, ' '.join(tests)) for what, tests in (
        ('failed', [test for test in ours['fail'] if test not in known]),
        ('not run, but run on tmpfs', [test for test in runs if test not in reasons]),
        ('in the list of tests that are not run, but run', [
            test for test in reasons if test in ours['pass'] + ours['fail']])) if tests]
    if bad:
        raise Failure('; '.join(bad))
