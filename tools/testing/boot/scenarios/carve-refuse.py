# SPDX-License-Identifier: GPL-2.0
"""What cannot be a region is refused with one line each, and the boot goes on."""

from pkboot import selftests

KERNEL = 'release'
MEMORY = '2G'

GUEST = r'''
stage1() {
	carveout || fail "carveout"	# skips where there is no region
	say "REGIONS $(cat /sys/fs/pkernfs/region*/base 2>/dev/null | tr '\n' ' ')"
}
'''

# What is given, and what the kernel says to it; None: it is taken.
_ENTRIES = (
    ('', 'not SIZE@ADDR'),
    ('rubbish', 'not SIZE@ADDR'),
    ('64M', 'not SIZE@ADDR'),
    ('64M$1G', 'not SIZE@ADDR'),
    ('64M@1Gx', 'not SIZE@ADDR'),
    ('0@1G', 'smaller than 16 MiB'),
    ('8M@1G', 'smaller than 16 MiB'),
    ('65M@1G', 'multiples of 2 MiB'),
    ('64M@1025M', 'multiples of 2 MiB'),
    ('16E@0', 'number too large'),
    ('64M@99999999999999999999', 'number too large'),
    ('8E@8E', 'beyond the address space'),
    ('64M@3G', 'not RAM everywhere'),           # a hole
    ('64M@16T', 'not RAM everywhere'),          # nothing at all
    ('128M@2016M', 'not RAM everywhere'),       # RAM, and beyond its end
    ('1G@0', 'not RAM everywhere'),             # RAM, and the hole below 1 MiB
    ('64M@1G', None),
    ('64M@1056M', 'overlaps another region'),
    ('2M@1G', 'smaller than 16 MiB'),
    ('16M@1024M', 'overlaps another region'),
    ('16M@1088M', None),                        # right beside
    ('16M@1008M', None),
)


def run(t):
    m = t.machine(append='pkernfs=' + ','.join(e for e, _ in _ENTRIES),
                  files=selftests.files('carveout')).start().finish()
    said = [l.split('pkernfs: ', 1)[1] for _, l in m.console.lines
            if 'pkernfs: ' in l and 'refused' in l]
    want = [(e, why) for e, why in _ENTRIES if why]
    t.check(len(said) == len(want), '%d refusals, not %d' % (len(said), len(want)))
    for line, (entry, why) in zip(said, want):
        t.check(line.startswith(entry + ':') and why in line,
                '"%s" was refused with "%s"' % (entry, line))
    bases = [l.split('REGIONS ')[1].split() for _, l in m.console.lines
             if 'REGIONS ' in l][0]
    t.check(sorted(int(b, 0) for b in bases) ==
            [1008 << 20, 1024 << 20, 1088 << 20], 'regions at %s' % bases)

    # More than eight; the parameter given twice; none at all in it.
    nine = ','.join('16M@%dM' % (256 + 16 * i) for i in range(9))
    m = t.machine('nine', append='pkernfs=%s pkernfs=16M@1G pkernfs' % nine,
                  files=selftests.files('carveout')).start().finish()
    said = [l.split('pkernfs: ', 1)[1] for _, l in m.console.lines
            if 'pkernfs: ' in l and 'refused' in l]
    t.check(len(said) == 3 and 'too many' in said[0] and 'too many' in said[1] and
            'not SIZE@ADDR' in said[2], 'nine regions: %s' % said)

    # All of RAM but its ends: the kernel is in it wherever it was put.
    m = t.machine('inuse', append='nokaslr pkernfs=1984M@2M',
                  files=selftests.files('carveout')).start().finish()
    said = [l.split('pkernfs: ', 1)[1] for _, l in m.console.lines
            if 'pkernfs: ' in l and 'refused' in l]
    t.check(len(said) == 1 and 'in use at' in said[0], 'kernel in it: %s' % said)
