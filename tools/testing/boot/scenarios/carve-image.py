# SPDX-License-Identifier: GPL-2.0
"""No kexec image can be placed in a region; which image is armed, and how long."""

from pkboot import env, selftests

KERNEL = 'release'
MEMORY = '2G'
PKERNFS = '512M@1G,64M@512M'
TIMEOUT = 120
QUICK = False

GUEST = r'''
stage1() {
	kexec_image || fail "kexec_image"
	kexec_image | grep -q '# SKIP' && fail "something was skipped" || true
	[ "$(dmesg | grep -c 'pkernfs: kexec segment')" -gt 12 ] || fail "refused without a line"
	dmesg | grep -q "kexec image knows format version 2, not 1: not armed" ||
		fail "not armed without a line"
}
'''


def run(t):
    # /boot/bzImage is there when there is a second stage; here it is a file.
    files = selftests.files('kexec_image')
    files.append(('/boot/bzImage', env.kernel(t.s.KERNEL)))
    t.machine(files=files).start().finish()
