# SPDX-License-Identifier: GPL-2.0
"""Virtual functions: refused at FREEZE, and so is what they belong to.

Without them it is frozen, gets none while it is preserved, and lives through a kexec into
a kernel that knows of them, as that looks at them before any driver does.
"""

import errno

from pkboot import dma, live
from pkboot.result import Failure

KERNEL = 'iov'              # built for this alone
MANUAL = True
LIKE = live
DEVICES = live.IGB['igb']['DEVICES']
NEEDS = live.IGB['igb']['NEEDS']
APPEND = live.APPEND + ' vfio-pci.enable_sriov=1'
STAGES = 2
TIMEOUT = 180

_HELPERS = r'''
pf=/sys/bus/pci/devices/$nic

# paused [OPTION]...: a VMM that has attached, and then does what is written to 3
paused() {
	mkfifo /tmp/paused
	vmm run --bind --size 160M --control /tmp/paused --pause-at attach "$@" &
	exec 3>/tmp/paused
	rm /tmp/paused
}
paused_end() {
	exec 3>&-
	wait $! || fail "the VMM of $nic: $?"
}
# said N LINE: wait until the VMMs have said so for the Nth time
said() {
	until [ "$(dmesg | grep -c "$2")" -ge "$1" ]; do sleep 0.1; done
}
vfs_busy() {
	! echo 1 2>/tmp/error >$pf/sriov_numvfs || fail "a preserved device got functions"
	[ "$(cat $pf/sriov_numvfs)" = 0 ] || fail "there are virtual functions"
}
'''

_REFUSED = r'''
	paused
	said 1 'STEP attach'
	echo 1 >$pf/sriov_numvfs
	echo '!freeze' >&3
	said 1 'STEP refused'
	echo 0 >$pf/sriov_numvfs
	printf '%s\n' freeze unfreeze exit >&3
	paused_end

	# With vfio-pci for the one, the other could be opened with a token only.
	echo pci-pf-stub >$pf/driver_override
	echo $nic >$pf/driver/unbind
	echo $nic >/sys/bus/pci/drivers_probe
	echo 1 >$pf/sriov_numvfs
	nic=$(basename "$(readlink $pf/virtfn0)")
	paused
	printf '%s\n' '!freeze' exit >&3
	paused_end
	nic=$(basename $pf)
	echo 0 >$pf/sriov_numvfs
'''
GUEST = _HELPERS + live.guest(before=_REFUSED, gone='vfs_busy', early='vfs_busy')

_REASONS = 'it has virtual functions', 'it is a virtual function'


def run(t):
    u = live.Update(t)
    u.go()
    said = [dma.values(text) for _, text in u.m.console.lines if 'INFO ' in text]
    steps = [dma.values(text) for _, text in u.m.console.lines if 'STEP refused' in text]
    for info, step, why in zip(said, steps, _REASONS, strict=False):
        t.note('%s: %s' % (info['rid'], info['reason']))
        if step['errno'] != errno.EOPNOTSUPP or info['reason'] != why:
            raise Failure('refused with %s: %s' % (step, info))
    if len(steps) != len(_REASONS):
        raise Failure('refused %d times' % len(steps))
    u.all_landed()
