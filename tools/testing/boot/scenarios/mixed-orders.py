# SPDX-License-Identifier: GPL-2.0
"""Four NICs of three VMs over two kexecs, in orders and states that are random.

Two NICs are on one IOAS, with one HWPT or with two. Each order, of freezing, leaving and
coming back, is drawn from a seed; so is what each VM does before the second kexec: one has
taken its devices back and frozen them again, one has not come at all or is still mapping,
one has its own at work in the ordinary way. Frames for all of them come all the time, but
for the last one's while the kernel changes, as nobody has frozen that. The seed is in the
summary; PKERNFS_SEED sets it.
"""

import os
import random

from pkboot import dma, live

KERNEL = 'release'
LIKE = live
VARIANTS = live.SCALABLE
DEVICES = (dma.nic(),
           '-device pcie-root-port,id=rp1,chassis=1,slot=1,addr=6.0',
           '-device pcie-root-port,id=rp2,chassis=2,slot=2,addr=7.0',
           dma.nic(1, 'bus=rp1'), dma.nic(2, 'bus=rp2'), dma.nic(3, 'addr=5.0'))
TRACE = ('pci_cfg_write',)
STAGES = 3
TIMEOUT = 120
QUICK = False
# Of what was stopped in the midst of its work: see live.NO_DRIVER.
K2_APPEND = live.NO_DRIVER

_BDFS = '0000:00:04.0', '0000:01:00.0', '0000:02:00.0', '0000:00:05.0'
_VMS = (0, 1), (2,), (3,)
_STATES = 'frozen', 'adopted', 'ordinary'

_COMMON = r'''
bdf0=%s bdf1=%s bdf2=%s bdf3=%s

# one N VERB [OPTION|ACTION]...: the VMM, or the process of it, that has device N
one() {
	local n=$1 verb=$2 bdf more=
	shift 2
	eval bdf=\$bdf$n
	case $n in
	0) more="--share /tmp/share" ;;
	1) more="--join /tmp/share" ;;
	esac
	case $n$verb in
	1run) more="$more $hwpt --iova 8G" ;;
	1restore) more="$more $hwpt" ;;
	esac
	pkernfs-vmm $verb --bdf $bdf --ram /mnt/vm0/ram$n --state /mnt/vm0/state$n \
		--device /mnt/vm0/nic$n --control /tmp/c$n $more "$@" >/dev/kmsg 2>&1 ||
		fail_all "VMM $n: $?"
}

# They come back in this order; the two of one VM are ordinary when both have mapped.
back() {
	local n order=$1
	shift
	for n in $order; do
		one $n restore run=300ms wait "$@" &
		case $order in
		*0*1*|*1*0*) [ $n = 0 -o $n = 1 ] && continue ;;
		esac
		is $n ordinary
	done
	for n in $order; do is $n ordinary; done
}

pool() {
	cat $region/pool_free
}

next() {
	region_mount
	mkfifo /tmp/c0 /tmp/c1 /tmp/c2 /tmp/c3
}
''' % _BDFS

_SCRIPT = r'''
stage1() {
	local n was
	region_make
	mkfifo /tmp/c0 /tmp/c1 /tmp/c2 /tmp/c3
	for n in 0 1 2 3; do
		one $n run --size 40M --ring 16384 --bind wait freeze info wait quiesce save &
		until_said $((n + 1)) "STEP ring"
	done
	await_host
	load_armed -c
	echo none >/mnt/room
	pool >/tmp/room
	cat /tmp/room >/mnt/room
	phase freeze
	for n in %(freeze)s; do
		was=$(pool)
		go $n; is $n frozen
		if [ $n = %(second)s ]; then
			[ $(pool) = $was ] || fail "the tables of one HWPT exist twice"
		else
			[ $(pool) != $was ] || fail "device $n has no tables of its own"
		fi
	done
	for n in %(leave)s; do go $n; is $n detached; done
	wait
	kexec_jump
}

stage2() {
	local n
	next
	for n in 0 1 2 3; do is $n adopted; done
	load_armed -c
	phase userland
	back "%(ordinary)s" drain verify report wait
	say "STOP these"
	await_host
	go %(ordinary)s
	await_host
	back "%(frozen)s" freeze quiesce save
	for n in %(again)s; do go $n; is $n detached; done
	%(waits)s
	for n in %(adopted)s; do is $n adopted; done
	kexec_jump
}

stage3() {
	local n
	next
	for n in %(ordinary)s; do is $n ordinary; done
	for n in %(frozen)s %(adopted)s; do is $n adopted; done
	phase resumed
	back "%(last)s" drain verify
	phase end
	await_host
	go %(last)s
	wait
	[ $(pool) = $(cat /mnt/room) ] || fail "pool: $(pool), at first $(cat /mnt/room)"
	await_host
}
'''

_WAITS = r'''one %d restore --early 0 --pause-at attach &
	while ! grep -q "does not map IOVA" /sys/fs/pkernfs/devices/%s/reason; do sleep 0.1; done'''


class Plan:
    """What happens, by a seed."""

    def __init__(self, seed):
        rand = random.Random(seed)

        def mixed(nics):
            return rand.sample(list(nics), len(nics))

        def words(nics):
            return ' '.join(str(n) for n in nics)

        self.own_hwpt = rand.random() < 0.5
        freeze = mixed(range(4))
        vms = dict(zip(_STATES, mixed(_VMS)))
        self.ordinary = vms['ordinary']
        # Of a VM with one device it may be that its next VMM is there, and still maps.
        waits = len(vms['adopted']) == 1 and rand.random() < 0.5
        self.last = mixed(vms['frozen'] + vms['adopted'])
        self.guest = 'hwpt=%s\n' % ('--own-hwpt' if self.own_hwpt else '') + _SCRIPT % {
            'freeze': words(freeze), 'leave': words(mixed(range(4))),
            'second': 'none' if self.own_hwpt else max(0, 1, key=freeze.index),
            'ordinary': words(mixed(self.ordinary)), 'frozen': words(mixed(vms['frozen'])),
            'again': words(mixed(vms['frozen'])), 'adopted': words(vms['adopted']),
            'waits': _WAITS % (vms['adopted'][0], _BDFS[vms['adopted'][0]]) if waits else ':',
            'last': words(self.last)}
        self.text = '%s, frozen by %s, then %s%s' % (
            'two HWPTs' if self.own_hwpt else 'one HWPT', words(freeze),
            ', '.join('%s %s' % (words(vms[state]), state) for state in _STATES),
            ' and waiting' if waits else '')


def run(t):
    seed = int(os.environ.get('PKERNFS_SEED') or random.SystemRandom().randrange(1 << 30))
    plan = Plan(seed)
    t.note('seed %d: %s' % (seed, plan.text))
    m = t.machine(files=dma.files(pkernfs=True), guest=_COMMON + plan.guest)
    nics = dma.start_all(t, m, range(4), rate=40)
    # One of those that are never stopped
    kept = nics[plan.last[0]]
    kept.poll(*(_BDFS[n] for n in plan.last))
    m.send('frames come')
    at, _, _ = m.wait('STOP these')
    for n in plan.ordinary:
        nics[n].stop()
    m.send('no more frames for some')
    at = m.wait_each('STEP report', len(plan.ordinary), start=at + 1)
    m.send('seen')
    at, _, _ = m.wait('PHASE end', start=at)
    for n in plan.last:
        nics[n].stop()
    m.send('no more frames')
    m.wait_each('STEP closed', len(plan.last), start=at + 1)
    left = [d.scan() for d in nics]
    m.send('seen')
    m.finish()
    reports = dma.reports(m)
    for d, scan in zip(nics, left):
        d.all_landed(reports.get(d.run), scan)
    t.note('%s frames' % ', '.join(str(d.inject['sent']) for d in nics))
    for n in plan.last:
        nics[n].never_cleared(_BDFS[n][5:])
    kept.undisturbed(roots=4)
