# SPDX-License-Identifier: GPL-2.0
"""A region on each NUMA node: the memory of a mount's files is on that node.

Who wants memory of a node makes the file in that node's mount. The kernel says in sysfs
which node a region is on; where the bytes are is seen from outside.
"""

from pkboot import dma
from pkboot.result import Failure

KERNEL = 'numa'             # built for this alone
MANUAL = True
STAGES = 2
MEMORY = '2G'
NODES = 2
PKERNFS = '256M@512M,256M@1536M'
_TEXT = 'this is the memory of node'

def FILES():
    return dma.files(pkernfs=True)


GUEST = r'''
regions() {
	for n in 0 1; do
		[ "$(cat /sys/fs/pkernfs/region$n/node)" = $n ] || fail "node of region $n"
		mkdir -p /mnt$n
	done
	pkernfsctl status | grep -q 'region1: .*, node 1' || fail "status"
	[ -d /sys/devices/system/node/node1 ] || fail "one node only"
}
stage1() {
	regions
	for n in 0 1; do
		mkfs.pkernfs -q region$n || fail "mkfs"
		region_mount_on $n
		echo "%(text)s $n" >/mnt$n/file
		# As of any filesystem: the same one, in another place.
		mkdir -p /again
		mount -t pkernfs region$n /again || fail "region $n once more"
		[ "$(cat /again/file)" = "%(text)s $n" ] || fail "region $n is another one"
		umount /again || fail "umount"
	done
	kexec_load_next -s
	kexec_jump
}
stage2() {
	regions
	for n in 0 1; do
		region_mount_on $n
		[ "$(cat /mnt$n/file)" = "%(text)s $n" ] || fail "file of node $n"
	done
	say "WRITTEN"
	await_host
}
region_mount_on() {
	mount -t pkernfs region$1 /mnt$1 || fail "mount of region $1"
}
''' % {'text': _TEXT}


def run(t):
    m = t.machine().start()
    m.wait('WRITTEN')
    for node, path in enumerate(m.rams):
        with open(path, 'rb') as f:
            f.seek(512 << 20)
            # The region is the half of the node's memory that begins here.
            data = f.read(256 << 20)
        for n in range(len(m.rams)):
            there = b'%s %d\n' % (_TEXT.encode(), n) in data
            if there != (n == node):
                raise Failure('text of node %d in the region of node %d: %s' %
                              (n, node, there))
    m.send('seen')
    m.finish()
