# SPDX-License-Identifier: GPL-2.0
"""Reboot, halt, power-off, a reset with a device frozen: the record is stale, and dropped.

The way down switches translation off, so it stops the device first. The VMM lives, frames
come all the time, and what is not translated would land beside the region. A reset stops
everything at once. Translation is off after it, so nothing vouches for the device: it is
not adopted, its record is dropped with one line, and its files are whole and free (S10).
"""

from pkboot import dma, live
from pkboot.result import Failure

KERNEL = 'release'
MEMORY = live.MEMORY
PKERNFS = live.PKERNFS
DEVICES = live.DEVICES
TRACE = ('pci_cfg_write', 'vtd_dmar_enable')
REBOOTS = True
STAGES = 2
TIMEOUT = 90
QUICK = False

# Both lives are stage 1: after the reset there is a filesystem already.
GUEST = r'''
stage1() {
	if [ "$(cat $region/state)" = formatted ]; then
		region_mount
		want_state ordinary
		whole_and_free
		phase end
		await_host
		rm -r /mnt/vm0 || fail "a file is still held"
		verdict 0
	fi
	region_make
	echo whole >/mnt/file
	vmm run --bind --size 160M --iova 128M phase=quiet run=500ms freeze phase=frozen \
		sleep=100s &
	while [ "$(device_state)" != frozen ]; do sleep 0.1; done
	sleep 0.5
	phase down
	[ $(arg how) = reset ] || $(arg how) -f		# that one comes from outside
	sleep 100
	fail "$(arg how) has no effect"
}
'''
APPEND = live.APPEND + ' how=reboot'
VARIANTS = {
    'halt': {'APPEND': 'how=halt'},
    # QEMU stays, for who wants to look, and to be reset.
    'off': {'APPEND': 'how=poweroff', 'DEVICES': (*DEVICES, '-no-shutdown')},
    'reset': {'APPEND': 'how=reset', 'QUICK': True},
}
_DOWN = {'way-down-halt': 'reboot: System halted', 'way-down-off': 'reboot: Power down'}


def run(t):
    m = t.machine(files=dma.files(pkernfs=True), k2_kernel=None)
    d = dma.Dma(t, m, span=PKERNFS)
    m.start()
    m.wait('STEP ring')
    d.poll()
    d.start(rate=300)
    line, down, _ = m.wait('PHASE down')
    if t.s.name in _DOWN:
        line, down, _ = m.wait(_DOWN[t.s.name], start=line)
        # What nothing translates any more would land now.
        try:
            m.wait('Linux version', seconds=1, start=line)
            raise Failure('the machine has started anew by itself')
        except Failure as e:
            if 'in time' not in str(e):
                raise
    if t.s.name != 'way-down':
        q = m.qmp()
        q.command('system_reset')
        if 'off' in t.s.name:
            q.command('cont')
        q.close()
    m.wait('PHASE end', start=line)
    d.stop()
    left = d.scan()
    m.send('seen')
    m.finish()
    d.translated()
    stopped = t.s.name != 'way-down-reset'
    drops = d.stopped_first('e1000e 00:04.0')
    t.check(drops == stopped, 'translation was switched off %d times' % drops)
    d.timeline('quiet')
    t.note('%d frames landed' % left['found'])
    d.none_astray(left)
    t.check(d.phase['frozen']['landed'], 'no frame landed in the frozen device\'s memory')
    for text, times in (('00:04.0 is stopped as the machine goes down', stopped),
                        ('is stale', 1)):
        if len([line for _, line in m.console.lines if text in line]) != times:
            raise Failure('not %d lines say: %s' % (times, text))
