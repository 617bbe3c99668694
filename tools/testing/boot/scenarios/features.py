# SPDX-License-Identifier: GPL-2.0
"""The kernel before was newer: what this one does not know it refuses by name (S10).

An unknown version or incompatible feature of a device record or of the handover
header: the device is cut off, the files are whole. Of the superblock: the region is
not even mounted or formatted; with the bit away, as for a kernel that knows it, the
next one finds its files whole. Unknown compatible features: the update goes on.
"""

from pkboot import damage

KERNEL = 'release'
LIKE = damage
STAGES = 2
TIMEOUT = 60
QUICK = False
GUEST = damage.GUEST_CUT

# The highest bit and a low one: a line that is cut to 32 bits would not have both.
_BITS = 1 << 63 | 1 << 30
_UNKNOWN = 'unknown incompatible feature bits 0x8000000040000000'
_VERSION = 'unknown format version 7, not 1'

_GUEST_NOT_MOUNTED = damage.STAGE1 + r'''
stage2() {
	phase userland
	[ "$(device_state)" = ordinary ] || fail "the device is $(device_state)"
	! mount -t pkernfs region0 /mnt 2>/dev/null || fail "it was mounted"
	grep -q '%(why)s' $region/reason || fail "reason: $(cat $region/reason)"
	! mkfs.pkernfs -q region0 2>/dev/null || fail "it was formatted"
	sleep 1
	phase end
	await_host
	# Its struct pages were made as for a region without small granules.
	kexec_load_next -c
	kexec -e
}
stage3() {
	region_mount
	[ "$(cat /mnt/file)" = whole ] || fail "a file has changed"
	[ "$(stat -c %%s /mnt/vm0/ram)" = 167772160 ] || fail "the RAM file has changed"
}
''' % {'why': _UNKNOWN}


def superblocks(**features):
    def write(r, _=None):
        for part in r.superblocks():
            part.write(**features)
        return ()
    return write


def compatible(r, _):
    for part in r.superblocks() + [r.record_part(), r.handover_part()]:
        part.write(compat=_BITS)
    return ()


def run(t):
    def cut(what, part, says, **features):
        def write(r, _):
            part(r).write(**features)
            return ()
        damage.run(t, write, False, what,
                   r'00:04\.0 is cut off: .*%s: %s' % (what.split('-')[0], says),
                   k2_append=damage.NO_DRIVER)

    damage.run(t, compatible, True, 'compatible', guest=damage.GUEST_GOES_ON)
    cut('record-version', lambda r: r.record_part(), _VERSION, version=7)
    cut('record-features', lambda r: r.record_part(), _UNKNOWN, incompat=_BITS)
    cut('header-version', lambda r: r.handover_part(), _VERSION, version=7)
    cut('header-features', lambda r: r.handover_part(), _UNKNOWN, incompat=_BITS)
    damage.run(t, superblocks(incompat=_BITS), False, 'superblock-features',
               'root table in reserved memory at .*superblock: ' + _UNKNOWN,
               mend=superblocks(), named=False, guest=_GUEST_NOT_MOUNTED, stages=3,
               k2_append=damage.NO_DRIVER)
