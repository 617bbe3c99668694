# SPDX-License-Identifier: GPL-2.0
"""A NIC's DMA goes on through a kexec, and not a frame is lost (S1)."""

from pkboot import dma
from pkboot.result import Failure

KERNEL = 'release'
MEMORY = '1G'
PKERNFS = '256M@512M'
DEVICES = (dma.NIC,)
TRACE = ('pci_cfg_write', 'vtd_dmar_fault')
STAGES = 2
TIMEOUT = 120

GUEST = r'''
vmm() {
	local verb=$1
	shift
	pkernfs-vmm "$verb" --phases --bdf 0000:00:04.0 --ram /mnt/vm0/ram \
		--state /mnt/vm0/state --device /mnt/vm0/nic0 "$@" >/dev/kmsg 2>&1
}

stage1() {
	mkfs.pkernfs -q 0
	mount -t pkernfs region0 /mnt
	mkdir /mnt/vm0
	df -k /mnt >/dev/kmsg
	kexec_load_next -c
	pkernfsctl arm
	vmm run --bind --size 160M phase=quiet run=3s freeze info phase=frozen \
		run=500ms quiesce save phase=leave ||
		fail "the first VMM: $?"
	phase gone
	sleep 0.5
	kexec_jump
}

stage2() {
	phase userland
	mount -t pkernfs region0 /mnt
	mkfifo /tmp/control
	vmm restore --control /tmp/control phase=resumed run=2s phase=end wait drain verify info &
	await_host
	echo go >/tmp/control
	wait $! || fail "the second VMM: $?"
	await_host
}
'''


def run(t):
    m = t.machine(files=dma.files(pkernfs=True))
    d = dma.Dma(t, m, span=PKERNFS)
    m.start()
    m.wait('STEP ring')
    d.poll()
    d.start(rate=1000)
    m.wait('PHASE freeze')
    d.mark()
    m.wait('PHASE end')
    d.stop()
    m.send('no more frames')
    m.wait('STEP closed.*', start=m.wait('PHASE resumed')[0])
    left = d.scan()
    m.send('seen')
    m.finish()
    good = d.timeline('quiet', ratio=10, floor_ms=20)
    r = dma.report(m)
    sent = d.inject['sent']
    t.note('%d sent, %d landed, %d found after, longest gap %.1f ms' %
           (sent, d.watch['landed'], left['found'], d.watch['longest_gap_ms']))
    if r['frames'] != sent or r['missing'] or r['late'] or r['bad'] or r['stalls']:
        raise Failure('of %d frames the VMM saw: %s' % (sent, r))
    if left['found'] != sent or left['twice'] or left['damaged'] or left['outside']:
        raise Failure('the scan from outside found: %s' % left)
    if d.watch['landed'] != sent:
        raise Failure('the watcher saw %d of %d' % (d.watch['landed'], sent))
    if not good:
        raise Failure('DMA paused: ' + ', '.join(
            '%s %.0f ms' % (n, p['longest_gap_ms'])
            for n, p in d.phase.items() if p['verdict'] != 'good'))
    p = d.polled()
    if p['tes_drops'] or p['absent'] or p['master_drops'] or p['faults'] or p['dids']:
        raise Failure('the remapping unit: %s' % p)
