# SPDX-License-Identifier: GPL-2.0
"""Zeroing: by all CPUs, in sight, killable, and not again after a kexec."""

import re

from pkboot import dma, selftests

K2_KERNEL = 'release'
MEMORY = '1G'
PKERNFS = '448M@512M'
STAGES = 2
TIMEOUT = 120
QUICK = False

GUEST = r'''
tap() {
	"$@" >/tmp/tap 2>&1 || {
		grep -v '^ok' /tmp/tap >/dev/kmsg
		fail "$*"
	}
	say "TAP $1 $(grep -c '^ok' /tmp/tap) passed"
}
stage1() {
	mkfs.pkernfs -q region0 || fail "mkfs"
	region_mount
	tap fs_zero test /mnt
	pkernfsctl status --json | grep -q '"zeroing": 0' || fail "status"
	fs_zero write /mnt || fail "write"
	kexec_load_next -c
	kexec_jump
}
stage2() {
	region_mount
	tap fs_zero check /mnt
}
'''
# How much sooner several CPUs are through.
_RATE = r'''
stage1() {
	mkfs.pkernfs -q region0 || fail "mkfs"
	region_mount
	for i in 1 2 3; do
		for cpus in 1 2; do
			say "$(fs_zero rate /mnt 896 $cpus)"
		done
	done
}
'''
VARIANTS = {'rate': {'KERNEL': 'release', 'MEMORY': '2G', 'PKERNFS': '960M@1G', 'STAGES': 1, 'GUEST': _RATE, 'ALONE': True,
                     'MANUAL': True}}


def FILES():
    return selftests.vfio_files('fs_zero') + [('/bin/pkernfsctl', dma.ctl()),
                                         ('/bin/mkfs.pkernfs', dma.ctl())]


def run(t):
    if t.s.name == 'zeroing':
        selftests.run(t)
        return
    m = t.machine().start()
    m.finish()
    took = {'1': [], '2': []}
    for _, text in m.console.lines:
        hit = re.search(r'ZERO (\d) ([\d.]+)', text)
        if hit:
            took[hit.group(1)].append(float(hit.group(2)))
    one, two = (sorted(took[n])[1] for n in '12')
    t.note('896 MiB: 1 CPU %.3f s, 2 CPUs %.3f s: %.2f of it' % (one, two, two / one))
    t.check(two < 0.9 * one, 'two CPUs are not sooner through than one')
