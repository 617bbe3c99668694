# SPDX-License-Identifier: GPL-2.0
"""A preserved device is unplugged: nothing of it is kept.

The device is behind a hot-plug port, and its VMM was killed. Not on a kernel with
lockdep: pciehp takes its reset_lock inside and outside of pci_rescan_remove_lock.
"""

from pkboot import dma

KERNEL = 'test'
MEMORY = '1G'
PKERNFS = '256M@512M'
# By the port's own registers and not by ACPI.
DEVICES = ('-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off '
           '-device pcie-root-port,id=rp,chassis=1,addr=6.0 '
           '-device e1000e,id=nic,bus=rp',)
TIMEOUT = 60
QUICK = False


def FILES():
    return dma.files(pkernfs=True)


GUEST = r'''
nic=0000:01:00.0

stage1() {
	local pool
	region_make
	vmm run --bind --size 160M --kill-at freeze freeze && fail "not killed"
	want_state detached
	pool=$(($(cat $region/pool_free) +
		$(cat /sys/fs/pkernfs/devices/$nic/tables)))
	! echo 1 >/sys/bus/pci/devices/$nic/remove || fail "removed by hand"
	say "STEP unplug"
	await_host
	while [ -e /sys/bus/pci/devices/$nic ] || [ -e /sys/fs/pkernfs/devices/$nic ]; do
		sleep 0.2
	done
	[ "$(cat $region/granules_held)" = 0 ] || fail "holds are left"
	[ "$(cat $region/pool_free)" = $pool ] || fail "pool blocks are lost"
	pkernfsctl release /mnt/vm0/nic0 2>&1 | grep -q "Invalid argument" ||
		fail "there is something to release"
	rm -r /mnt/vm0 || fail "files are held"
}
'''


def run(t):
    m = t.machine().start()
    m.wait('STEP unplug')
    q = m.qmp()
    q.command('device_del', id='nic')
    m.send('pulled')
    m.finish()
