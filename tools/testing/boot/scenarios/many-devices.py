# SPDX-License-Identifier: GPL-2.0
"""Three NICs at once: two on one HWPT, one of another VM; behind a port, and a switch.

Frozen, left and taken back each in another order. The two that share a HWPT share
their second-stage tables, which exist once. Frames for all three come all the time.
Bus mastering of what is behind a port, and of all ports above it, is never off; a reset of
the switch's upstream port, which has one of its own, is refused as long. The switch's downstream port is one of QEMU's root ports, as its own model has no ACS.
"""

from pkboot import dma, live

KERNEL = 'release'
LIKE = live
VARIANTS = live.SCALABLE
DEVICES = (dma.nic(),
           '-device pcie-root-port,id=rp1,chassis=1,slot=1,addr=6.0',
           '-device pcie-root-port,id=rp2,chassis=2,slot=2,addr=7.0',
           '-device x3130-upstream,id=up,bus=rp2',
           '-device pcie-root-port,id=down,bus=up,chassis=3,slot=3',
           dma.nic(1, 'bus=rp1'), dma.nic(2, 'bus=down'))
TRACE = ('pci_cfg_write',)
STAGES = 2
TIMEOUT = 90

GUEST = r'''
bdf0=0000:00:04.0 bdf1=0000:01:00.0 bdf2=0000:04:00.0
switch=/sys/bus/pci/devices/0000:02:00.0
dir0=/mnt/vm0 dir1=/mnt/vm0 dir2=/mnt/vm1

# The upstream port is not reset: busy.
no_reset() {
	! echo 1 2>/tmp/said >$switch/reset || fail "the switch was reset"
	grep -q "resource busy" /tmp/said || fail "reset: $(cat /tmp/said)"
}

pool() {
	cat $region/pool_free
}

stage1() {
	local n before
	region_make
	mkdir /mnt/vm1
	mkfifo /tmp/c0 /tmp/c1 /tmp/c2
	set -- --size 64M --ring 16384 --bind
	one 0 run "$@" --share /tmp/share wait freeze unfreeze freeze wait quiesce save &
	until_said 1 "STEP ring"
	one 1 run "$@" --iova 8G --join /tmp/share wait freeze wait quiesce save &
	until_said 2 "STEP ring"
	one 2 run "$@" wait freeze wait quiesce save &
	await_host
	load_armed -c
	pool >/mnt/room
	phase freeze
	go 1; is 1 frozen
	before=$(pool)
	go 0; is 0 frozen
	sleep 0.5; is 0 frozen
	[ "$(pool)" = $before ] || fail "the tables of one HWPT exist twice"
	go 2; is 2 frozen
	[ "$(pool)" != $before ] || fail "another VM has no tables of its own"
	no_reset
	phase leave
	go 0; is 0 detached
	go 2; is 2 detached
	go 1; is 1 detached
	wait
	kexec_jump
}

stage2() {
	local n
	region_mount
	for n in 0 1 2; do is $n adopted; done
	no_reset
	mkfifo /tmp/c0 /tmp/c1 /tmp/c2
	phase userland
	set -- run=1s wait drain verify
	one 2 restore "$@" &
	is 2 ordinary
	# It maps its own part of what both had: not enough for the hardware to go.
	one 0 restore --share /tmp/share "$@" &
	while ! grep -q "does not map IOVA 0x200000000" \
		/sys/fs/pkernfs/devices/$bdf0/reason 2>/dev/null; do sleep 0.1; done
	is 0 adopted
	one 1 restore --join /tmp/share "$@" &
	is 0 ordinary
	is 1 ordinary
	phase resumed
	sleep 1
	phase end
	await_host
	for n in 0 1 2; do go $n; until_said $((n + 1)) "STEP closed"; done
	wait
	# What is saved is a file and has blocks of its own; it was there before, too.
	[ "$(pool)" = "$(cat /mnt/room)" ] || fail "pool: $(pool), before $(cat /mnt/room)"
	echo 1 >$switch/reset || fail "reset: $?"
	await_host
}
'''


def run(t):
    m = t.machine(files=dma.files(pkernfs=True))
    nics = dma.start_all(t, m, range(3), rate=60)       # the ring holds four minutes of it
    nics[0].poll('0000:00:04.0', '0000:01:00.0', '0000:04:00.0')
    m.send('frames come')
    at, _, _ = m.wait('PHASE jump')
    m.wait('PHASE end', start=at)
    for d in nics:
        d.stop()
    m.send('no more frames')
    m.wait_each('STEP closed', len(nics), start=at + 1)
    left = [d.scan() for d in nics]
    m.send('seen')
    m.finish()
    reports = dma.reports(m)
    for d, scan in zip(nics, left):
        t.note('NIC %d: %d frames sent, %d landed' %
               (d.nic, d.inject['sent'], d.watch['landed']))
        d.all_landed(reports.get(d.run), scan)
    for address in '00:06.0', '01:00.0', '00:07.0', '02:00.0', '03:00.0', '04:00.0':
        nics[0].never_cleared(address)
    nics[0].undisturbed(roots=2)
