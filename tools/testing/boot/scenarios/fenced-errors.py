# SPDX-License-Identifier: GPL-2.0
"""Errors that the port above a preserved device reports do not get it reset.

Not fatal and fatal ones, with the VMM there, without it, and in the next
kernel: recovery from a fatal one resets the bus, which is refused. Frames come all
the time.
"""

from pkboot import dma, live

KERNEL = 'test'         # has error reporting
LIKE = live
DEVICES = ('-device pcie-root-port,id=rp,chassis=1,addr=6.0,hotplug=off',
           dma.nic(0, 'bus=rp'))
APPEND = live.APPEND + ' pcie_ports=native'
STAGES = 2
TIMEOUT = 60
QUICK = False

GUEST = r'''
nic=0000:01:00.0

# errors STATE: the host makes some
errors() {
	want_state $1
	say "ERRORS please"
	await_host
	want_state $1
	! echo 1 >/sys/bus/pci/devices/$nic/reset || fail "reset"
}

stage1() {
	region_make
	load_armed -s
	mkfifo /tmp/control
	vmm run --bind --size 160M --control /tmp/control phase=quiet run=500ms \
		freeze info wait quiesce save &
	pid=$!
	while [ "$(device_state)" != frozen ]; do sleep 0.1; done
	errors frozen
	echo go >/tmp/control
	wait $pid || fail "the first VMM: $?"
	errors detached
	kexec_jump
}

stage2() {
	phase userland
	errors adopted
	region_mount
	vmm_back phase=resumed run=1s phase=end wait drain \
		verify
	await_host
}
'''

# Completion timeout; malformed TLP
_ERRORS = (('COMP_TIME', 'device recovery successful'),
           ('MALF_TLP', 'device recovery failed'))


def run(t):
    u = live.Update(t, bdf='0000:01:00.0')
    m, d = u.m, u.d
    m.start()
    m.wait('STEP ring')
    d.poll(u.bdf)
    d.start(rate=300)
    at, count = 0, 0
    for _ in 'frozen', 'detached', 'adopted':
        at, _, _ = m.wait('ERRORS please', start=at)
        for error, said in _ERRORS:
            q = m.qmp()
            reply = q.hmp('pcie_aer_inject_error rp %s' % error)
            q.close()
            t.check('OK' in reply, reply)
            at, _, _ = m.wait(said, start=at + 1)
            count += 1
        m.send('there they were')
    m.wait('PHASE end', start=at)
    d.stop()
    m.send('no more frames')
    m.wait('STEP closed', start=at)
    u.left = d.scan()
    m.send('seen')
    m.finish()
    u.all_landed()
    u.translated()
    t.note('%d errors' % count)
