# SPDX-License-Identifier: GPL-2.0
"""pkernfsctl: what it tells by --json, with a device in each state, and what it does.

status, list and info are parsed as JSON, and of names and labels the terminal gets nothing
that it would obey; quiesce, unfreeze, release, arm and disarm do what they say, or say why
not. All of a region is listed, by whatever of it is mounted and can be seen. A device that
was adopted is in status before a mount, too.
Where INFO has more ranges than it tells of (one, here), that is said, and no success.
"""

import json
import re

from pkboot import dma
from pkboot.result import Failure

KERNEL = 'release'
MEMORY = '1G'
PKERNFS = '64M@512M'
DEVICES = (dma.NIC,)
STAGES = 2
TIMEOUT = 60

# In a JSON string little of this stands for itself, and not all should on a terminal.
_LABEL = 'a "label" \\ of /two/\x1b[2J'
_NAME = 'odd "name" \\n é\x7f\u009b\n  forged: 0000:00:05.0 adopted'

GUEST = r"""
dev=/mnt/vm0/nic0

# tell NAME COMMAND...: what pkernfsctl says, to the host
tell() {
	local name=$1
	shift
	pkernfsctl "$@" >/tmp/said || fail "pkernfsctl $*: $?"
	{ echo "=== $name"; cat /tmp/said; } >/dev/ttyS1
}

# refuses TEXT [asks] COMMAND...: pkernfsctl says that, and that it is refused; asks: a user
refuses() {
	local text=$1 code=0
	shift
	if [ $1 = asks ]; then
		su user -c "pkernfsctl $2 $3" >/tmp/said 2>&1 || code=$?
	else
		pkernfsctl "$@" >/tmp/said 2>&1 || code=$?
	fi
	[ $code = 1 ] || fail "pkernfsctl $*: $code: $(cat /tmp/said)"
	grep -qF "$text" /tmp/said || fail "pkernfsctl $*: $(cat /tmp/said)"
}

# lists PATH...: these and no other ones
lists() {
	pkernfsctl list >/tmp/said || fail "list: $?"
	printf "${1+%%s\n}" "$@" >/tmp/want
	sed -n 's,^  \(/mnt/[^:]*\): .*,\1,p' /tmp/said | sort >/tmp/shown
	cmp -s /tmp/want /tmp/shown || fail "list: $(cat /tmp/said)"
}

# some NAME COMMAND...: the same, of one that says that it does not tell all
some() {
	local name=$1 code=0
	shift
	pkernfsctl-one "$@" >/tmp/said 2>/tmp/err || code=$?
	[ $code = 1 ] || fail "pkernfsctl $*, not all of it: $code"
	[ "$(cat /tmp/err)" = "pkernfsctl: $dev: only 1 of 2 ranges" ] || fail "$(cat /tmp/err)"
	[ $name = text ] || { echo "=== $name"; cat /tmp/said; } >/dev/ttyS1
}

# What is hidden is not asked, and of a region without its root all the rest is shown.
mounts() {
	mkdir /mnt/vm1 /mnt/vm1/in /tmp/vm0 /tmp/vm1
	lists /mnt/vm0/ /mnt/vm1/ /mnt/vm1/in/
	mount -t tmpfs tmpfs /mnt
	touch /mnt/file
	lists
	umount /mnt
	mount -o bind /mnt/vm0 /tmp/vm0
	mount -o bind /mnt/vm1 /tmp/vm1
	touch /mnt/vm0/file
	umount /mnt
	pkernfsctl list | grep -q '^  /tmp/vm0/file: ' && pkernfsctl list | grep -q '^  /tmp/vm1/in/: ' ||
		fail "of a region whose root is not mounted: $(pkernfsctl list)"
	region_mount
	lists /mnt/vm0/ /mnt/vm0/file /mnt/vm1/ /mnt/vm1/in/
	[ $(wc -l </tmp/said) = 4 ] || fail "shown twice: $(cat /tmp/said)"
	umount /tmp/vm0
	umount /tmp/vm1
	rm -r /mnt/vm1 /mnt/vm0/file
}

stage1() {
	local pid free
	mkfs.pkernfs -q -s 02048 region0 || fail "mkfs: $?"
	[ "$(cat $region/small)" = 2048 ] || fail "a number is not decimal: $(cat $region/small)"
	mkfs.pkernfs -q -f -L '%s' /dev/pkernfs0 || fail "mkfs of the device: $?"
	tell blank status --json
	pkernfsctl status | grep -qF ', label a "label" \x5c of /two/\x1b[2J, uuid ' ||
		fail "$(pkernfsctl status)"
	region_mount
	mkdir /mnt/vm0
	mounts
	touch '/mnt/vm0/%s'
	pkernfsctl list >/tmp/said || fail "list: $?"
	[ $(wc -l </tmp/said) = 2 ] && ! grep -q "$(printf '[\177\302]')" /tmp/said ||
		fail "list: $(cat /tmp/said)"
	refuses "no kexec image is loaded" arm
	# RAM in two ranges: there are four granules before /mnt/second, and four behind it
	free=$(cat $region/granules_free)
	fallocate -l $((free * 2 - 10))M /mnt/first && fallocate -l 2M /mnt/second &&
		truncate -s $((free * 2 - 18))M /mnt/first || fail "fallocate"
	mkfifo /tmp/control
	vmm run --bind --size 16M --ring 1024 --control /tmp/control freeze wait &
	pid=$!
	while [ "$(device_state)" != frozen ]; do sleep 0.1; done
	rm /mnt/first /mnt/second
	tell frozen status --json
	tell frozen-info info --json $dev
	tell frozen-list list --json
	some cut-info info --json $dev
	some cut-status status --json
	some text info $dev
	[ $(grep -c '^range: ' /tmp/said) = 1 ] || fail "$(cat /tmp/said)"
	pkernfsctl quiesce $dev || fail "quiesce: $?"
	pkernfsctl quiesce $dev || fail "quiesce again: $?"
	tell quiesced-info info --json $dev
	refuses "the VFIO user is there" release $dev
	tell refused-info info --json $dev
	pkernfsctl unfreeze $dev || fail "unfreeze: $?"
	want_state ordinary
	tell ordinary-info info --json $dev
	refuses "no device is frozen into it" unfreeze $dev
	refuses "no device is frozen into it" quiesce $dev
	# Why a FREEZE was refused is no answer to another question.
	echo content >$dev
	echo '!freeze' >/tmp/control
	until pkernfsctl info $dev | grep -q "the file is not empty"; do sleep 0.1; done
	refuses "no device is frozen into it" release $dev
	[ $(wc -l </tmp/said) = 1 ] || fail "release: $(cat /tmp/said)"
	: >$dev
	for action in freeze quiesce save go; do echo $action >/tmp/control; done
	wait $pid || fail "the VMM: $?"
	want_state detached
	refuses "the user that froze it has gone" unfreeze $dev
	refuses "the user that froze it has gone" quiesce $dev
	echo user::1000:1000::/:/bin/sh >/etc/passwd
	chmod 666 $dev
	refuses "Operation not permitted" asks release $dev
	[ $(wc -l </tmp/said) = 1 ] || fail "release: $(cat /tmp/said)"
	kexec_load_next -c
	pkernfsctl arm || fail "arm: $?"
	tell armed status --json
	pkernfsctl disarm || fail "disarm: $?"
	tell disarmed status --json
	pkernfsctl arm || fail "arm: $?"
	kexec_jump
}

stage2() {
	tell before status --json
	pkernfsctl status | grep -q "inode [0-9]* of region 0: $nic adopted, 4096 pages" ||
		fail "$(pkernfsctl status)"
	region_mount
	tell after status --json
	refuses "not frozen in this kernel, it is adopted" unfreeze $dev
	refuses "not frozen in this kernel, it is adopted" quiesce $dev
	pkernfsctl release $dev || fail "release: $?"
	tell released status --json
}
""" % (_LABEL, _NAME)


def documents(m):
    """Name -> what pkernfsctl told by it."""
    found = {}
    for name, text in re.findall(r'^=== (\S+)\n(.*?)(?=^=== |\Z)', m.data(), re.M | re.S):
        try:
            found[name] = json.loads(text)
        except ValueError as e:
            raise Failure('%s is no JSON: %s: %s' % (name, e, text))
    return found


def run(t):
    m = t.machine(files=dma.files(pkernfs=True) + [
        ('/bin/pkernfsctl-one', dma.ctl('-DINFO_RANGES=1'))]).start()
    m.finish()
    d = documents(m)
    t.check('\x7f' not in m.data() and '\x9b' not in m.data(), 'JSON has what a terminal obeys')

    def want(name, is_, /, **values):
        wrong = {k: is_.get(k) for k, v in values.items() if is_.get(k) != v}
        t.check(not wrong, '%s: %s' % (name, wrong))

    def only(name, what):
        t.check(len(d[name][what]) == 1, '%s: %s are %s' % (name, what, d[name][what]))
        return d[name][what][0]

    region = only('blank', 'regions')
    want('blank', region, name='region0', state='formatted', label=_LABEL, base=512 << 20,
         size=64 << 20, mounted=0)
    t.check(d['blank']['devices'] == [] and d['blank']['armed'] is False, str(d['blank']))

    frozen = {'state': 'frozen', 'device': dma.BDF, 'vendor_id': 0x8086, 'device_id': 0x10d3,
              'interrupts_quiesced': False, 'dirty_exact': False, 'pages': 16 << 8}
    want('status', only('frozen', 'devices'), path='/mnt/vm0/nic0', type='device', size=0, **frozen)
    want('status', only('frozen', 'regions'), granules_held=8, mounted=1)
    info = d['frozen-info']
    want('info', info, error=None, reason=None, **frozen)
    t.check(sum(r['bytes'] for r in info['ranges']) == 16 << 20 and
            all(r['read'] and r['write'] for r in info['ranges']) and
            info['ranges'][0]['iova'] == 1 << 32 and
            all(512 << 20 <= r['phys'] < 576 << 20 for r in info['ranges']), str(info))
    t.check(len(info['ranges']) == info['range_count'] == 2, str(info))
    for cut in d['cut-info'], only('cut-status', 'devices'):
        t.check(cut['ranges'] == info['ranges'][:1] and cut['range_count'] == 2, str(cut))
    files = {f['path']: f for f in d['frozen-list']}
    t.check(sorted(files) == sorted('/mnt/vm0' + f for f in (
        '', '/nic0', '/ram', '/state', '/' + _NAME)), str(sorted(files)))
    want('list', files['/mnt/vm0'], type='directory')
    want('list', files['/mnt/vm0/ram'], type='file', size=16 << 20, allocated=16 << 20)
    want('list', files['/mnt/vm0/nic0'], type='device', **frozen)

    want('quiesced', d['quiesced-info'], state='frozen', interrupts_quiesced=True)
    want('refused', d['refused-info'], error=16,
         reason='the VFIO user is there: unfreeze the device, or end the user')
    want('unfrozen', d['ordinary-info'], state='ordinary')
    t.check(d['armed']['armed'] is True and d['disarmed']['armed'] is False, 'armed')

    after = only('after', 'devices')
    want('before the mount', only('before', 'devices'), state='adopted', device=dma.BDF, path=None, region=0,
         inode=files['/mnt/vm0/nic0']['inode'], interrupts_quiesced=True, pages=16 << 8,
         domain_id=after['domain_id'])
    want('after it', after, state='adopted', device=dma.BDF, path='/mnt/vm0/nic0')
    t.check(d['released']['devices'] == [], str(d['released']))
    t.note('%d documents' % len(d))
