# SPDX-License-Identifier: GPL-2.0
"""Kexec and panic at random instants of operations on files: nothing done is lost.

Two programs work on names, each in a folder of its own, and note in a file of the
second region which operation has begun and which is done. Some are stores to holes
through shared mappings, with MAP_SYNC and without: noted with no call in between. The
next kernel finds what is done, and of what was under way all or nothing. First a kexec
ends them, in the middle of their system calls; then a panic, after which the crash kernel
boots another one. Each time fsck.pkernfs finds nothing: what was left in the redo log the
kernel has finished at boot. The long variant does that ten times.
"""

import random
import time

from pkboot import dma, selftests

KERNEL = 'release'
MEMORY = '2G'
PKERNFS = '384M@512M,32M@1G'    # all files with all the granules that they can have
APPEND = 'crashkernel=224M'
STAGES = 4
TIMEOUT = 120
QUICK = False
IGNORE = (r'Kernel panic - not syncing: NMI', r'Call Trace:')
VARIANTS = {'long': {'MANUAL': True}}


def FILES():
    return selftests.vfio_files('fs_crash') + [
        ('/bin/' + n, dma.ctl()) for n in ('pkernfsctl', 'mkfs.pkernfs', 'fsck.pkernfs')]


GUEST = r'''
mounts() {
	mkdir -p /keep
	mount -t pkernfs region0 /mnt || fail "mount of region 0"
	mount -t pkernfs region1 /keep || fail "mount of region 1"
}

# Not mounted, so fsck has the region for itself and reads all of it; and the kernel lets
# go of what it has loaded, and reads it anew afterwards.
clean() {
	local n
	for n in 0 1; do
		fsck.pkernfs -n region$n >/tmp/out 2>&1 ||
			fail "fsck of region $n: $?: $(cat /tmp/out)"
		grep -q ': clean: ' /tmp/out && [ $(wc -l </tmp/out) = 1 ] ||
			fail "fsck of region $n says: $(cat /tmp/out)"
	done
}

# To be ended from elsewhere; the folders are new in each stage.
work() {
	local n
	for n in 1 2; do
		mkdir /mnt/$1-$n
		fs_crash work /mnt/$1-$n /keep/$1-$n $(($(arg seed) + n)) || fail "fs_crash: $?" &
	done
	for n in 1 2; do
		until enough $(logged $1-$n 16) $(logged $1-$n 24) $(logged $1-$n 32); do
			sleep 0.1
		done
	done
}

logged() {
	hexdump -s $2 -n 4 -e '1/4 "%u"' /keep/$1 2>/dev/null
}

# Operations that are done, stores to holes, those with MAP_SYNC
enough() {
	[ $# = 3 ] && [ $1 -ge 20 ] && [ $2 -ge 5 ] && [ $3 -ge 5 ]
}

check() {
	local n
	for n in 1 2; do
		fs_crash check /mnt/$1-$n /keep/$1-$n >/tmp/said || fail "$1: $(cat /tmp/said)"
		say "TAP $1: $(cat /tmp/said)"
	done
}

stage1() {
	mkfs.pkernfs -q region0 && mkfs.pkernfs -q region1 || fail "mkfs"
	mounts
	kexec_load_next -s
	work kexec
	sleep $(arg wait)
	kexec_jump
}

stage2() {
	clean
	mounts
	check kexec
	kexec -s -p /boot/bzImage --initrd=/boot/initrd --command-line="$(k2_cmdline)" ||
		fail "kexec -s -p: $?"
	echo 1 >/proc/sys/kernel/unknown_nmi_panic
	work panic
	say "READY to crash"
	sleep 60
	fail "the NMI did not make it panic"
}

stage3() {
	[ -e /proc/vmcore ] || fail "this is no crash kernel"
	k2_sed='s/elfcorehdr=[^ ]*//'
	kexec_load_next -s
	kexec_jump
}

stage4() {
	clean
	mounts
	check kexec
	check panic
	umount /mnt
	umount /keep
	clean
}
'''


def once(t, name):
    rand = random.SystemRandom()
    seed, wait = rand.randrange(1 << 30), rand.uniform(0.1, 1.5)
    m = t.machine(name, append='%s seed=%d wait=%.3f' % (APPEND, seed, wait)).start()
    m.wait('READY to crash')
    time.sleep(rand.uniform(0.05, 1))
    q = m.qmp()
    q.command('inject-nmi')
    q.close()
    m.finish()
    said = [text.split('TAP ', 1)[1] for _, text in m.console.lines if 'TAP ' in text]
    t.check(len(said) == 6, 'not all was checked')
    return said


def run(t):
    rounds = 10 if t.s.name.endswith('-long') else 1
    under_way = 0
    for n in range(rounds):
        said = once(t, 'vm%d' % n)
        under_way += sum('one begun' in text for text in said[:2] + said[4:])
        if rounds == 1:
            t.note('; '.join(said[:2] + said[4:]))
    if rounds > 1:
        t.note('%d rounds; an operation was under way %d times of %d' %
               (rounds, under_way, 4 * rounds))
        t.check(under_way, 'no operation was under way when its kernel ended')
