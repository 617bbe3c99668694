# SPDX-License-Identifier: GPL-2.0
"""An image that was not armed: devices are stopped before the jump (S10).

So they are in a variant: the image was armed, and the region that the device is frozen
into has been formatted since, with features that the image does not know; or a new user
is in the middle of an attach, and stays there. Two such users of two devices are waited for
no longer than one.

The files stay. No frame lands after the jump, and none outside the region: the device
is reset, and its own driver, which switches bus mastering on first, finds no ring.
"""

from pkboot import dma, live, selftests
from pkboot.result import Failure

KERNEL = 'release'
MEMORY = live.MEMORY
PKERNFS = live.PKERNFS
DEVICES = live.PORT_DEVICES
APPEND = live.APPEND
STAGES = 2
TIMEOUT = 90

_OLD = r'''
	at=$(strings -t d $images/bzImage | awk '$2 == "PKNF" { print $1; exit }')
	dd if=/dev/zero of=$images/bzImage bs=1 count=8 seek=$((at + 16)) conv=notrunc 2>/dev/null
	kexec_load_next -s
	[ "$(cat /sys/fs/pkernfs/armed)" = 1 ] || fail "not armed"
'''
_ALL = r'''
stage1() {
	%(load)s
	region_make
	%(reset)s
	vmm run --bind --size 160M --iova 128M phase=quiet run=1s freeze info phase=frozen run=500ms \
		quiesce save phase=leave || fail "the VMM: $?"
	%(then)s
	kexec_jump
}

stage2() {
	phase userland
	sleep 1
	region_mount
	[ "$(stat -c %%s /mnt/vm0/ram)" = 167772160 ] || fail "the RAM file has changed"
	want_state ordinary
	phase end
	await_host
}
'''
_BUSY = r'''
	busy() {
		mkdir /tmp/$1
		mkfs.pkernfs -q $1 || fail "mkfs of $1: $?"
		mount -t pkernfs $1 /tmp/$1 || fail "mount of $1: $?"
		busy_user /tmp/$1 /dev/vfio/devices/$(ls /sys/bus/pci/devices/$2/vfio-dev) \
			>/tmp/busy-$1 2>&1 &
		sleep 1
		[ "$(cat /tmp/busy-$1)" = attaching ] && grep -q '^State:.D' /proc/$!/status ||
			fail "the user is not busy: $(cat /tmp/busy-$1)"
	}
	mkdir /mnt/vm1
	pkernfs-vmm run --bind --bdf 0000:00:05.0 --ram /mnt/vm1/ram --size 16M --ring 1024 --iova 128M \
		--device /mnt/vm1/nic freeze >/tmp/vm1 2>&1 || fail "another VMM: $(cat /tmp/vm1)"
	busy region1 $nic
	busy region2 0000:00:05.0
'''
_BY_BUS = live.PORT_GUEST + _ALL
_NEW = 'kexec_load_next -c'
GUEST = _BY_BUS % {'load': _NEW, 'reset': 'reset_by_bus', 'then': ':'}
VARIANTS = {
    'features': {'GUEST': _BY_BUS % {'load': _OLD, 'reset': 'reset_by_bus', 'then': ':'},
                 'QUICK': False},
    'busy': {'GUEST': _BY_BUS % {'load': 'load_armed -c', 'reset': 'reset_by_bus',
                                 'then': _BUSY},
             'DEVICES': (*DEVICES, dma.nic(1, 'addr=5.0')),
             'PKERNFS': PKERNFS + ',16M@768M,16M@784M', 'QUICK': False},
    'igb': {**live.IGB['igb'], 'TRACE': ('pci_cfg_write',),
            'GUEST': _ALL % {'load': _NEW, 'reset': ':', 'then': ':'}},
}


WHY = {
    'not-armed-features': 'the loaded image will not adopt it',
    'not-armed-busy': 'its user cannot be stopped',
}


def run(t):
    u = live.Update(t, span=PKERNFS, files=dma.files(pkernfs=True) +
                    selftests.vfio_files('busy_user'))
    m, d = u.m, u.d
    m.start()
    m.wait('STEP ring')
    d.poll(dma.BDF if t.s.NEEDS else live.PORT_BDF)
    d.start(rate=300)
    m.wait('PHASE end')
    d.stop()
    left = d.scan()
    if t.s.NEEDS:
        u.was_reset('jump', 'userland')
    m.send('seen')
    m.finish()
    d.translated()
    d.timeline('quiet')
    t.note('%d frames landed before the jump' % left['found'])
    why = WHY.get(t.s.name, 'the loaded image was not armed')
    said = [at for at, text in m.console.lines if 'is stopped before the jump: ' + why in text]
    t.check(len(said) == 1 + (t.s.name == 'not-armed-busy'),
            '%d lines say that a device was stopped' % len(said))
    # The first one was waited for, 5 s.
    t.check(said[-1] - said[0] < 2.5, 'the second user was waited for once more')
    if left['outside'] or left['damaged'] or left['found'] < 300:
        raise Failure('frames in RAM: %s' % left)
    if any(d.phase[name]['landed'] for name in ('boot', 'enumerate', 'probe', 'userland')):
        raise Failure('DMA went on into a kernel that does not expect it')
