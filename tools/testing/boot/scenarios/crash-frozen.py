# SPDX-License-Identifier: GPL-2.0
"""A panic with a device frozen: the crash kernel lets its DMA go on, and no other.

The crash kernel adopts nothing. It takes over the translation that it finds, in the mode
that it is in: frames land in frozen pages on and on, in the region nothing else changes,
and translation is off at no time while the device is bus master. A kexec onward stops the
device; the next kernel calls its record stale, and its files are whole and free.

The kernel that panics is the one that froze it, with the VMM alive, or the next one, which
has adopted it against its command line: in a mode that it was not to use, or with the
IOMMU off. That command line is the crash kernel's, too.
"""

import mmap

from pkboot import dma, live
from pkboot.result import Failure

KERNEL = 'release'
MEMORY = live.MEMORY
PKERNFS = live.PKERNFS
DEVICES = live.DEVICES
APPEND = live.APPEND + ' crashkernel=224M'
K2_APPEND = live.NO_DRIVER
TRACE = ('pci_cfg_write', 'vtd_dmar_enable')
STAGES = 3
TIMEOUT = 90
QUICK = False
IGNORE = (r'Kernel panic - not syncing: NMI', r'Call Trace:')


def FILES():
    return dma.files(pkernfs=True)


_COMMON = r'''
# IOVAs are such that the same physical addresses are RAM outside the region.
vmm_first() {
	vmm run --bind --size 160M --iova 128M phase=quiet run=500ms freeze phase=frozen "$@"
}

crash() {
	kexec -s -p /boot/bzImage --initrd=/boot/initrd --command-line="$(k2_cmdline)" ||
		fail "kexec -s -p: $?"
	echo 1 >/proc/sys/kernel/unknown_nmi_panic
	want_state $1
	say "READY to crash"
	sleep 60
	fail "the NMI did not make it panic"
}

crashed() {
	phase crashed
	[ -e /proc/vmcore ] || fail "this is no crash kernel"
	[ "$(cat $region/state)" = refused ] || fail "state: $(cat $region/state)"
	want_state ordinary
	! mount -t pkernfs region0 /mnt 2>/dev/null || fail "it can be mounted"
	sleep 1
	say "READY to be looked at"
	await_host
	k2_sed='s/elfcorehdr=[^ ]*//'
	kexec_load_next -s
	kexec_jump
}

after() {
	phase userland
	[ -z "$(ls /sys/fs/pkernfs/devices)" ] || fail "a device is left"
	region_mount
	whole_and_free
	sleep 0.5
	phase end
	await_host
	rm -r /mnt/vm0 || fail "a file is still held"
}
'''
GUEST = _COMMON + r'''
stage1() {
	region_make
	echo whole >/mnt/file
	vmm_first sleep=100s &
	while [ "$(device_state)" != frozen ]; do sleep 0.1; done
	crash frozen
}

stage2() { crashed; }
stage3() { after; }
'''
_ADOPTED = _COMMON + r'''
stage1() {
	region_make
	echo whole >/mnt/file
	load_armed -s
	vmm_first quiesce save phase=leave || fail "the VMM: $?"
	kexec_jump
}

stage2() {
	phase adopted
	crash adopted
}

stage3() { crashed; }
stage4() { after; }
'''
VARIANTS = {**live.SCALABLE,
            'mode': {**live.SCALABLE['scalable'], 'GUEST': _ADOPTED, 'STAGES': 4,
                     'K2_APPEND': 'intel_iommu=sm_off ' + live.NO_DRIVER},
            'off': {'GUEST': _ADOPTED, 'STAGES': 4,
                    'K2_APPEND': 'intel_iommu=off ' + live.NO_DRIVER}}
_FORCED = {'crash-frozen-mode': 'scalable mode is forced on',
           'crash-frozen-off': 'intel_iommu is forced on'}


def rest(m, frozen):
    """(physical address, bytes) of all of the region but the pages that are frozen."""
    size, at = (int(text[:-1]) << 20 for text in PKERNFS.split('@'))
    found, end = [], at + size
    with open(m.ram, 'rb') as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as ram:
        for phys, count in sorted(frozen) + [(end, 0)]:
            found.append((at, ram[at:phys]))
            at = phys + count
    return found


def unchanged(m, frozen, before):
    for (at, was), (_, now) in zip(before, rest(m, frozen)):
        if was != now:
            first = next(n for n in range(len(was)) if was[n] != now[n])
            raise Failure('the region has changed at %#x' % (at + first))


def run(t):
    m = t.machine()
    d = dma.Dma(t, m, span=PKERNFS)
    m.start()
    m.wait('STEP ring')
    d.start(rate=300)
    ready, _, _ = m.wait('READY to crash')
    frozen = d.maps()
    t.check(sum(count for _, count in frozen) == 160 << 20, 'frozen: %s' % frozen)
    d.poll()
    before = rest(m, frozen)
    q = m.qmp()
    q.command('inject-nmi')
    q.close()
    m.wait('READY to be looked at')
    unchanged(m, frozen, before)
    m.send('seen')
    m.wait('PHASE end')
    d.stop()
    left = d.scan()
    m.send('seen')
    m.finish()
    d.translated()
    p = d.polled()
    t.check(not p['dids'] and not p['faults'], 'the remapping unit: %s' % p)
    # Once: by the crash kernel, on its way out.
    drops = d.stopped_first('e1000e 00:04.0')
    t.check(drops == 1, 'translation was switched off %d times' % drops)
    d.timeline('quiet')
    t.note('%d frames landed in the crash kernel' % d.phase['crashed']['landed'])
    d.none_astray(left)
    t.check(d.phase['crashed']['landed'], 'DMA has ended with the panic')
    t.check(not d.phase['userland']['landed'], 'DMA went on after the kexec')
    said = [text for _, text in m.console.lines]
    forced = _FORCED.get(t.s.name)
    if forced and not any(forced in text for text in said[:ready]):
        raise Failure('no line says that %s' % forced)
    if not any('Copied translation tables' in text for text in said[ready:]):
        raise Failure('the crash kernel has not taken over the tables')
    if len([text for text in said if 'is stale' in text]) != 1:
        raise Failure('not one line says that the record is stale')
