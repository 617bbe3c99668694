# SPDX-License-Identifier: GPL-2.0
"""xfstests, the generic group, on pkernfs; what fails there also on tmpfs.

XFSTESTS=/path is a checkout of xfstests, which is not a part of this project;
XFSTESTS_ARGS says which tests (-g quick). tools/testing/xfstests has the script that
teaches it pkernfs, how the root filesystem is made (root and debootstrap are needed),
and the list of tests that are not run. A test that fails on pkernfs must fail on the
tmpfs of the bare kernel, too. The variant runs in a debug kernel.
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
    return [('/bin/mkfs.pkernfs', dma.ctl()), ('/test/exclude', os.path.join(FOLDER, 'exclude'))]


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
	cp /bin/mkfs.pkernfs /r/usr/sbin/
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
	tests=$(arg tests | tr , ' ')
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


def results(t, name, root, fstyp, tests, **over):
    """Which tests passed, failed, were not run, by the words of check."""
    m = t.machine(name, append='fstyp=%s tests=%s' % (fstyp, ','.join(tests)), **over)
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
    known = []
    if ours['fail']:
        bare = results(t, 'tmpfs', root, 'tmpfs', ours['fail'], kernel='bare', pkernfs=None)
        known = bare['fail']
    with open(os.path.join(t.dir, 'results'), 'w') as f:
        for how in ours:
            f.writelines('%s %s\n' % (how, test) for test in ours[how])
        f.writelines('tmpfs fail %s\n' % test for test in known)
    t.note('%d passed, %d not run, %d failed, of which %d on tmpfs too' % (
        len(ours['pass']), len(ours['notrun']), len(ours['fail']), len(known)))
    bad = [test for test in ours['fail'] if test not in known]
    if bad:
        raise Failure('failed: ' + ' '.join(bad))
