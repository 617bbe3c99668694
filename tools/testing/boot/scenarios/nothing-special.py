# SPDX-License-Identifier: GPL-2.0
"""After the switch nothing special is left (S5).

By a walk from outside, and by what IOMMU debugfs says: root, context, PASID and page
tables of the second kernel lie in ordinary memory. By the guest: as many pages are
pinned, and as many granules referred to, as for a VMM that was never frozen, the region
has as much room as before the freeze, the device is listed no more, and after the VMM's
end the RAM file can be removed and the device, once unbound, goes to its own driver, as
nothing says any more which one it is to have.
"""

import re

from pkboot import dma, live
from pkboot.result import Failure

KERNEL = 'test'         # it has IOMMU debugfs
LIKE = live
STAGES = 2
TIMEOUT = 90

_BODY = r'''
debugfs=/sys/kernel/debug/iommu/intel

room() {
	cat $region/pool_free $region/granules_free $region/granules_held \
		$region/inodes_free | paste -sd' '
}

# Pages pinned, and granules that somebody has a reference to.
users() {
	echo "$(pins) $(cat $region/granules_busy)"
}

stage1() {
	region_make
	# A VMM that is never frozen, for comparison; it makes all the files.
	mkfifo /tmp/control
	: >/mnt/vm0/state
	: >/mnt/vm0/nic0
	vmm run --bind --size 160M --control /tmp/control wait &
	while ! [ -e /mnt/vm0/ram ] || [ "$(pins)" -lt 40960 ]; do sleep 0.1; done
	users >/mnt/pins
	echo go >/tmp/control
	wait $! || fail "the VMM that is not frozen: $?"
	# The note takes room of its own, and so does the saved state.
	[ -s /mnt/vm0/state ] || echo none >/mnt/vm0/state
	echo none >/mnt/room
	room >/tmp/room
	cat /tmp/room >/mnt/room
	load_armed -c
	vmm run --bind --size 160M phase=quiet run=1s freeze info phase=frozen \
		quiesce save phase=leave || fail "the first VMM: $?"
	[ "$(room)" != "$(cat /mnt/room)" ] || fail "a frozen device takes no room"
	want_state detached
	kexec_jump
}

stage2() {
	region_mount
	want_state adopted
	mkfifo /tmp/control
	vmm restore --control /tmp/control phase=resumed run=500ms phase=end wait drain verify &
	await_host
	want_state ordinary
	[ "$(room)" = "$(cat /mnt/room)" ] ||
		fail "room $(room), before the freeze $(cat /mnt/room)"
	[ "$(users)" = "$(cat /mnt/pins)" ] ||
		fail "pages and granules in use: $(users), without a freeze $(cat /mnt/pins)"
	[ ! -s /mnt/vm0/nic0 ] || fail "the device file is not empty"
	grep -e 'Root Table Address' -e '^00:04\.0' $debugfs/dmar_translation_struct |
		while read -r line; do say "TABLES $line"; done
	say "TABLES $(grep '^Device' $debugfs/$nic/domain_translation_struct)"
	echo go >/tmp/control
	wait $! || fail "the second VMM: $?"
	[ "$(users)" = "0 0" ] || fail "in use after the end: $(users)"
	rm -r /mnt/vm0 /mnt/room /mnt/pins || fail "a file is still held"
	[ "$(cat $region/granules_free)" = "$(cat $region/granules)" ] ||
		fail "granules are lost"
	[ "$(cat $region/small_free)" = "$(cat $region/small)" ] ||
		fail "small granules are lost"
	# A directory's blocks leave only with it: the root keeps its one. The other is
	# the list of bad pages.
	[ "$(cat $region/pool_free)" = $(($(cat $region/pool_blocks) - 2)) ] ||
		fail "pool blocks are lost"
	umount /mnt
	echo $nic >/sys/bus/pci/devices/$nic/driver/unbind
	echo $nic >/sys/bus/pci/drivers_probe
	[ "$(basename "$(readlink /sys/bus/pci/devices/$nic/driver)")" = "$driver" ] ||
		fail "its own driver does not take the device"
}
'''
GUEST = 'driver=e1000e\n' + _BODY
VARIANTS = {**live.SCALABLE, 'igb': {**live.IGB['igb'], 'GUEST': 'driver=\n' + _BODY}}


def tables(m):
    """Addresses of root, context and top page table, as debugfs has them."""
    said = [text.split('TABLES ', 1)[1] for _, text in m.console.lines
            if 'TABLES ' in text]
    root = [re.search(r'Root Table Address: 0x(\w+)', s) for s in said]
    entry = [re.match(r'00:04\.0\s+0x\w+:0x(\w+)\s+0x\w+:0x(\w+)', s) for s in said]
    top = [re.match(r'Device .*@0x(\w+)', s) for s in said]
    found = [int(x, 16) & ~0xfff for hit in root + entry + top if hit
             for x in hit.groups()]
    if len(found) != 4:
        raise Failure('debugfs names %d tables: %s' % (len(found), said))
    return found


def run(t):
    u = live.Update(t)
    u.m.start()
    at, _, _ = u.m.wait('PHASE quiet')
    u.d.start(rate=1000)
    u.m.wait('PHASE end', start=at)
    u.d.stop()
    walk = u.d.walk()
    u.m.send('seen')
    u.m.finish()
    if any(512 << 20 <= at < 768 << 20 for at in tables(u.m)):
        raise Failure('debugfs: a table is in the region')
    pasid = ('pasid_dir_at', 'pasid_table_at') if walk['mode'] == 'scalable' else ()
    for what in ('root', 'context_at', 'top_at', *pasid):
        if walk[what] != 'out':
            raise Failure('%s is in the region: %s' % (what, walk))
    if walk['tables_in'] or walk['pages_out'] or walk['bad'] or \
            walk['pages_in'] != 160 << 8:
        raise Failure('the tables of the second kernel: %s' % walk)
    sent = u.d.inject['sent']
    r = dma.report(u.m)
    t.note('%d frames sent, %d pages and %d tables walked' %
           (sent, walk['pages_in'], walk['tables_out']))
    if r['frames'] != sent or r['missing']:
        raise Failure('of %d frames the VMM saw: %s' % (sent, r))
