# SPDX-License-Identifier: GPL-2.0
"""The n-th allocation or copy of each call fails while a NIC does DMA: it goes on.

As faults, with the device at work: a VMM has left it, and frames come all the time.
FREEZE, UNFREEZE, QUIESCE_IRQ, INFO, open, BIND, map and ATTACH: not a frame is lost, and
none is where it should not be. Then RELEASE, which stops the device, whether it fails or
not. Afterwards kmemleak finds nothing.

Left out is what ACPICA allocates, which evaluates _PRT where vfio-pci enables or disables the
device: out of memory it loses count of references ("Could not update object reference
count"), and goes on with an object that it has freed, as KASAN has seen
(acpi_ns_get_attached_object()). Nothing of pkernfs is below it.
"""

from pkboot import dma, faults, live
from pkboot.result import Failure

KERNEL = 'faults'       # built for faults alone
MANUAL = True
MEMORY = '1G'
PKERNFS = '128M@512M'
DEVICES = (dma.NIC,)
APPEND = faults.APPEND
IGNORE = faults.IGNORE
FILES = faults.files
TIMEOUT = 300
# So that the ring is not full before the end
_RATE, _RING = 20, 32768

GUEST = faults.GUEST + r'''
stage1() {
	local dev=/sys/bus/pci/devices/$nic cdev
	echo clear >$debug/kmemleak
	may_fail
	region_make
	pool=$(cat $region/pool_free)
	cdev=$(vfio_cdev)
	vmm run --size 72M --ring %d run=1s freeze info save || fail "the first VMM: $?"
	echo >$dev/reset_method
	swept $cdev /mnt/vm0/ram /mnt/vm0/nic0
	vmm_back phase=resumed run=1s phase=end wait drain verify freeze save
	await_host
	swept $cdev /mnt/vm0/ram /mnt/vm0/nic0 release
	say "GIVEN up"
	await_host
	rm -r /mnt/vm0 || fail "a file is still held"
	nothing_left $pool
	echo $nic >$dev/driver/unbind || fail "unbind"
	no_leaks
}
''' % _RING


def run(t):
    u = live.Update(t, files=faults.files())
    m, d = u.m, u.d
    m.start()
    m.wait('STEP ring')
    d.poll()
    d.start(rate=_RATE)
    m.wait('PHASE end')
    d.stop()
    m.send('no more frames')
    m.wait('STEP verify')
    u.left = d.scan()
    u.all_landed()
    p = d.polled()
    if p['tes_drops'] or p['absent'] or p['master_drops'] or p['faults'] or p['roots']:
        raise Failure('the remapping unit: %s' % p)
    d.poll()
    d.start(rate=_RATE)
    m.send('frames come')
    m.wait('GIVEN up')
    d.stop()
    d.translated()
    m.send('no more frames')
    m.finish()
    for _, line in m.console.lines:
        if 'TAP ' in line:
            t.note(line.split('TAP ', 1)[1])
