# SPDX-License-Identifier: GPL-2.0
"""A machine reset with a device frozen: the record is stale, and dropped (S10).

Translation is off after the reset, so nothing vouches for the device: it is not
adopted, its record is dropped with one line, and its files are whole and free.
"""

from pkboot import dma, live
from pkboot.result import Failure

KERNEL = 'release'
MEMORY = live.MEMORY
PKERNFS = live.PKERNFS
DEVICES = live.DEVICES
REBOOTS = True
STAGES = 2
TIMEOUT = 90

# Both lives are stage 1: after the reset there is a filesystem already.
GUEST = r'''
stage1() {
	if [ "$(cat $region/state)" = formatted ]; then
		region_mount
		want_state ordinary
		[ "$(cat /mnt/file)" = whole ] || fail "a file has changed"
		[ "$(cat $region/granules_held)" = 0 ] || fail "holds are left"
		rm -r /mnt/vm0 || fail "a file is still held"
		phase end
		await_host
		verdict 0
	fi
	region_make
	echo whole >/mnt/file
	vmm run --bind --size 160M --iova 128M run=500ms freeze info quiesce save || fail "VMM: $?"
	say "RESET me"
	sleep 100
}
'''


def run(t):
    m = t.machine(files=dma.files(pkernfs=True), k2_kernel=None)
    d = dma.Dma(t, m, span=PKERNFS)
    m.start()
    m.wait('STEP ring')
    d.poll()
    d.start(rate=300)
    m.wait('RESET me')
    q = m.qmp()
    q.command('system_reset')
    q.close()
    m.wait('PHASE end')
    d.stop()
    left = d.scan()
    m.send('seen')
    m.finish()
    d.translated()
    if left['outside'] or left['damaged'] or left['found'] != d.watch['landed']:
        raise Failure('%d landed, but in RAM there are %s' % (d.watch['landed'], left))
    stale = [text for _, text in m.console.lines if 'is stale' in text]
    if len(stale) != 1:
        raise Failure('%d lines say that the record is stale' % len(stale))
