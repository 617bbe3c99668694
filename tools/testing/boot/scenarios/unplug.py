# SPDX-License-Identifier: GPL-2.0
"""A preserved device is unplugged while frames come: nothing of it is kept.

The device is behind a hot-plug port, whose attention button is pressed. It was frozen by a
VMM that was killed; by one that lives, for which the removal waits; by one that the kernel
before had. It is stopped before it is blocked: there is no fault, and no frame lands
anywhere else. Not on a kernel with lockdep: pciehp takes its reset_lock inside and outside
of pci_rescan_remove_lock.
"""

from pkboot import dma, live
from pkboot.result import Failure

KERNEL = 'test'
MEMORY = '1G'
PKERNFS = '256M@512M'
# By the port's own registers and not by ACPI.
DEVICES = ('-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off '
           '-device pcie-root-port,id=rp,chassis=1,addr=6.0',
           dma.nic(0, 'id=nic,bus=rp'))
APPEND = live.APPEND
TRACE = ('pci_cfg_write', 'vtd_inv_desc_cc_devices')
TIMEOUT = 60
QUICK = False


def FILES():
    return dma.files(pkernfs=True)


_COMMON = r'''
nic=0000:01:00.0

# IOVAs are such that the same physical addresses are RAM outside the region.
vmm_first() {
	vmm run --bind --size 160M --iova 128M "$@"
}

unplug() {
	pool=$(($(cat $region/pool_free) +
		$(cat /sys/fs/pkernfs/devices/$nic/tables)))
	! echo 1 >/sys/bus/pci/devices/$nic/remove || fail "removed by hand"
	sleep 0.5
	say "STEP unplug"
	await_host
}

gone() {
	local n=0
	while [ -e /sys/bus/pci/devices/$nic ] || [ -e /sys/fs/pkernfs/devices/$nic ]; do
		sleep 0.2
		n=$((n + 1))
		[ $n -lt 150 ] || fail "it is still there: $(ls /sys/fs/pkernfs/devices)"
	done
	phase gone
	[ "$(cat $region/granules_held)" = 0 ] || fail "holds are left"
	[ "$(cat $region/pool_free)" = $pool ] || fail "pool blocks are lost"
	pkernfsctl release /mnt/vm0/nic0 2>&1 | grep -q "no device is frozen into it" ||
		fail "there is something to release"
	sleep 0.5
	phase end
	await_host
	rm -r /mnt/vm0 || fail "files are held"
}
'''
GUEST = _COMMON + r'''
stage1() {
	region_make
	vmm_first --kill-at freeze phase=quiet run=500ms freeze && fail "not killed"
	phase frozen
	want_state detached
	unplug
	gone
}
'''
_ALIVE = _COMMON + r'''
stage1() {
	region_make
	mkfifo /tmp/control
	vmm_first --control /tmp/control phase=quiet run=500ms freeze phase=frozen wait &
	while [ "$(device_state)" != frozen ]; do sleep 0.1; done
	unplug
	# The button's five seconds, and more.
	n=0
	while ! dmesg | grep -q 'vfio-pci 0000:01:00.0:.* device request'; do
		sleep 0.5
		n=$((n + 1))
		[ $n -lt 60 ] || fail "nobody asks for the device"
	done
	phase asked
	sleep 1
	want_state frozen
	[ -e /sys/bus/pci/devices/$nic ] || fail "it did not wait for the VMM"
	phase leave
	echo go >/tmp/control
	wait $! || fail "the VMM: $?"
	gone
}
'''
_ADOPTED = _COMMON + r'''
stage1() {
	region_make
	load_armed -s
	vmm_first phase=quiet run=500ms freeze quiesce save phase=leave || fail "the VMM: $?"
	kexec_jump
}

stage2() {
	phase frozen
	region_mount
	want_state adopted
	unplug
	gone
}
'''
VARIANTS = {'alive': {'GUEST': _ALIVE},
            'adopted': {'GUEST': _ADOPTED, 'STAGES': 2}}


def run(t):
    m = t.machine()
    d = dma.Dma(t, m, span=PKERNFS)
    m.start()
    m.wait('STEP ring')
    d.poll('0000:01:00.0')
    d.start(rate=300)
    m.wait('STEP unplug')
    q = m.qmp()
    q.command('device_del', id='nic')
    m.send('pulled')
    q.close()
    m.wait('PHASE end')
    d.stop()
    left = d.scan()
    m.send('seen')
    m.finish()
    p = d.polled()
    t.check(not p['faults'] and not p['untranslated'] and not p['tes_drops'],
            'the remapping unit: %s' % p)
    d.timeline('quiet')
    t.note('%d frames landed' % left['found'])
    d.none_astray(left)
    t.check(d.stopped_first('e1000e 01:00.0', 0x100), 'the trace does not show it blocked')
    for name in 'frozen', 'asked':
        if name in d.phase and not d.phase[name]['landed']:
            raise Failure('no frame landed in phase ' + name)
    t.check(not d.phase['gone']['landed'], 'DMA went on without the device')
