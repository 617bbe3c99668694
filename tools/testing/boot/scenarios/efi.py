# SPDX-License-Identifier: GPL-2.0
"""Started by EFI firmware: a region that is free by EFI's map is left alone, others refused.

The regions are filled before the machine is switched on. Firmware, stub and kernel leave
every byte as it is, although the kernel overwrites all that it finds free (memtest=); the
control, without pkernfs=, does not. What EFI's memory map does not call free is refused
with one line: boot services data, which the e820 table calls RAM, what it calls Reserved
as if it were a region, the kernel, the initrd.
A randomised kernel keeps out of the regions; the control is a parameter in quotes, which
the stub does not find and the kernel does.
"""

import re

from pkboot import selftests

KERNEL = 'efi'              # built for this alone
FIRMWARE = 'efi'
MANUAL = True
MEMORY = '4G'               # 2 GiB below 4 GiB, 2 GiB from there on
TIMEOUT = 120
_BOOTS = 3

GUEST = r'''
stage1() {
	local f
	[ -d /sys/firmware/efi/runtime-map/0 ] || fail "not started by EFI"
	carveout || fail "carveout"	# skips where there is no region
	say "KERNEL $(sed -n 's/^ *\([0-9a-f]*\)-\([0-9a-f]*\) : Kernel code/\1-\2/p' /proc/iomem)"
	for f in /sys/fs/pkernfs/region*; do
		[ ! -d $f ] || say "REGION $(cat $f/base) $(cat $f/size) $(cat $f/state)"
	done
	say READY
	await_host
}
'''

_MIB = 1 << 20
_STEP = 2 * _MIB
_FREE = 'Conventional', 'Loader Code'
_USED = 'Loader Data', 'Boot Code', 'Boot Data'
_RAM = _FREE + _USED


def texts(m):
    return [text for _, text in m.console.lines]


def span(base, size):
    return '%dM@%dM' % (size // _MIB, base // _MIB)


def boot(t, name, regions=(), quoted=False, fill=False, append=''):
    """One cold boot: the machine, still running, and the regions that it has."""
    if regions:
        param = 'pkernfs=' + ','.join(span(*r) for r in regions)
        append = '%s %s' % ('"%s"' % param if quoted else param, append)
    m = t.machine(name, append=append, files=selftests.files('carveout'))
    if fill:
        with open(m.ram, 'wb') as f:
            f.truncate(m.ram_bytes)
        for base, size in fill:
            selftests.fill(t, m, base, size, base)
    m.start()
    m.wait('READY')
    found = [re.search(r'REGION (\d+|0x[0-9a-f]+) (\d+) (\w+)', x) for x in texts(m)]
    found = [(int(hit.group(1), 0), int(hit.group(2), 0), hit.group(3)) for hit in found if hit]
    return m, found


def end(m):
    m.send('go')
    m.finish()


def refusals(m):
    return [x.split('pkernfs: ', 1)[1] for x in texts(m)
            if 'pkernfs: ' in x and 'region refused' in x]


class Map:
    """EFI's memory map, as the kernel prints it, and what lies where."""

    def __init__(self, m):
        self.areas = []
        text = '\n'.join(texts(m))
        for hit in re.finditer(r'efi: mem\d+: \[([^|]*)\|.*\] range=\[0x(\w+)-0x(\w+)\]',
                               text.split('EFI runtime memory map')[0]):
            self.areas.append((hit.group(1).strip(), int(hit.group(2), 16),
                               int(hit.group(3), 16) + 1))
        self.kernel = [int(x, 16) for x in
                       re.search(r'KERNEL (\w+)-(\w+)', text).groups()]
        self.initrd = [int(x, 16) for x in
                       re.search(r'RAMDISK: \[mem 0x(\w+)-0x(\w+)\]', text).groups()]

    def types(self, base, size):
        """Types in a window; None stands for a hole."""
        found, at = set(), base
        for name, first, last in sorted(self.areas, key=lambda a: a[1]):
            if last > base and first < base + size:
                if first > at:
                    found.add(None)
                found.add(name)
                at = last
        if at < base + size:
            found.add(None)
        return found

    def at(self, address):
        return address // _STEP * _STEP, 8 * _STEP

    def windows(self, types, wanted):
        """Places of 16 MiB with nothing but these types, and one that is wanted."""
        size, found = 16 * _MIB, []
        for base in range(_STEP, 4 * selftests.GIB - size, _STEP):
            there = self.types(base, size)
            used = [self.kernel, self.initrd] + [(b, b + size) for b in found]
            if there <= set(types) and there & set(wanted) and \
                    all(base >= b or base + size <= a for a, b in used):
                found.append(base)
        return [(base, size) for base in found]

    def largest(self, below):
        return max(((a, b) for name, a, b in self.areas if name == _FREE[0] and b <= below),
                   key=lambda x: x[1] - x[0])


def left_alone(t, regions):
    for name, given in ('carved', regions), ('control', ()):
        m, found = boot(t, name, given, fill=regions, append='memtest=1')
        t.check(any('early_memtest' in x for x in texts(m)), 'free memory was not overwritten')
        t.check(found == [(b, s, 'blank') for b, s in given],
                '%s: regions %s' % (name, found))
        changed = [selftests.changed(t, m, base, size, base) for base, size in regions]
        if given:
            t.check(not any(changed), 'pages of the regions that have changed: %s' % changed)
        else:
            t.check(all(changed), 'changed without pkernfs=: %s' % changed)
        end(m)


def refused(t, name, regions, why):
    m, found = boot(t, name, regions)
    said = refusals(m)
    t.check(not found, '%s: taken: %s' % (name, found))
    t.check(len(said) == len(regions), '%s: %d of %d regions refused: %s' %
            (name, len(said), len(regions), said))
    for line, region in zip(said, regions):
        t.check(line.startswith(span(*region) + ': ') and re.search(why, line),
                '%s: refused with "%s"' % (name, line))
    end(m)


def kept_out(t, regions):
    def one(name, quoted):
        m, found = boot(t, name, regions, quoted)
        at = Map(m).kernel[0]
        hit = any(b <= at < b + s for b, s in regions)
        t.check(len(found) + len(refusals(m)) == len(regions), '%s: %s' % (name, found))
        t.check(hit == (len(found) < len(regions)),
                '%s: kernel at %#x, regions %s' % (name, at, found))
        end(m)
        return hit

    for i in range(_BOOTS):
        t.check(not one('boot%d' % i, False), 'boot %d: the kernel is in a region' % i)
    for i in range(_BOOTS):
        if one('quoted%d' % i, True):
            t.note('the control hit in boot %d' % (i + 1))
            return
    t.check(False, 'the control was in no region in %d boots' % _BOOTS)


def run(t):
    m, _ = boot(t, 'map', append='efi=debug nokaslr')
    where = Map(m)
    end(m)
    high = 4 * selftests.GIB
    first, last = where.largest(high)
    first, last = first + 256 * _MIB & -_STEP, last & -_STEP
    t.check(where.types(high, 2 * selftests.GIB) == {'Conventional'}, 'firmware is in high memory')
    t.check(last - first > 512 * _MIB, 'no room below 4 GiB: %#x-%#x' % (first, last))

    left_alone(t, [(first, 256 * _MIB), (high, 512 * _MIB),
                   (high + 2 * selftests.GIB - 256 * _MIB, 256 * _MIB)])
    places = where.windows(_RAM, _USED)[:4], where.windows(('Reserved',), ('Reserved',))[:4]
    t.check(all(places), 'firmware has left nothing behind: %s' % where.areas)
    t.note('refused: %d places that are RAM, %d that are Reserved' % tuple(map(len, places)))
    refused(t, 'firmware', sum(places, []), 'in use by the firmware')
    refused(t, 'images', [where.at(where.kernel[0]), where.at(where.initrd[0])],
            'in use at')
    kept_out(t, [(first, last - first), (high, 2 * selftests.GIB)])
