# SPDX-License-Identifier: GPL-2.0
"""Each step of a live update has its tracepoint, and debugfs tells what is kept.

That of the handover comes when nobody can read the trace any more: tp_printk has it on the
console.
"""

import re

from pkboot import live
from pkboot.result import Failure

KERNEL = 'test'
LIKE = live
APPEND = live.APPEND + ' tp_printk'
K2_APPEND = 'trace_event=pkernfs:*'
STAGES = 2
TIMEOUT = 60

_SHOW = r'''
	sed -n 's/.*: \(pkernfs_[a-z]*: .*\)/TRACE \1/p' /sys/kernel/tracing/trace |
		while read -r line; do say "$line"; done
	while read -r line; do say "DEBUGFS $line"; done </sys/kernel/debug/pkernfs/devices
'''
_ON = r'''
	mount -t tracefs tracefs /sys/kernel/tracing
	echo 1 >/sys/kernel/tracing/events/pkernfs/enable
	echo 1 >/sys/kernel/tracing/events/pkernfs/pkernfs_handover/enable
'''
GUEST = live.guest(
    first='phase=quiet run=500ms freeze unfreeze freeze info phase=frozen quiesce save phase=leave',
    second='phase=resumed run=500ms phase=end wait drain verify info',
    before=_ON, gone=_SHOW, early='mount -t tracefs tracefs /sys/kernel/tracing',
    after=_SHOW)

# In this order; {did} is the domain id of the frozen device.
_FIRST = (r'pkernfs_replace: 0000:00:04\.0 did (\d+) -> {did} pages=40960 ret=0',
          r'pkernfs_freeze: 0000:00:04\.0 did={did} pages=40960 tables=\d ret=0',
          r'pkernfs_compare: 0000:00:04\.0 pages=40960 ret=0',
          r'pkernfs_replace: 0000:00:04\.0 did {did} -> (\d+) pages=40960 ret=0',
          r'pkernfs_unfreeze: 0000:00:04\.0 .* ret=0',
          r'pkernfs_free: 0000:00:04\.0 did={did} pages=40960 ',
          r'pkernfs_freeze: 0000:00:04\.0 did={did} pages=40960 ')
_SECOND = (r'pkernfs_adopt: 0000:00:04\.0 did={did} pages=40960 tables=\d ret=0',
           r'pkernfs_compare: 0000:00:04\.0 pages=40960 ret=0',
           r'pkernfs_replace: 0000:00:04\.0 did {did} -> (\d+) pages=40960 ret=0',
           r'pkernfs_free: 0000:00:04\.0 did={did} pages=40960 ')


def handed_over(m):
    """Between the jump and the next kernel, once, and with what the next one finds."""
    lines = [text for _, text in m.console.lines]
    at, = [n for n, text in enumerate(lines) if 'PHASE jump' in text]
    _, end = [n for n, text in enumerate(lines) if 'Linux version' in text]
    # The header, the root table, and a context table.
    hits = [hit for hit in (re.search(r'pkernfs_handover: dmar0 devices=1 blocks=3 '
                                      r'root=0x([0-9a-f]+)$', text) for text in lines[at:end])
            if hit]
    if len(hits) != 1:
        raise Failure('%d events of a handover before the jump' % len(hits))
    found, = [re.search(r'handover found at 0x([0-9a-f]+)', text) for text in lines
              if 'handover found at ' in text]
    # The header is the block in front of the root table.
    if int(hits[0].group(1), 16) != int(found.group(1), 16) + 4096:
        raise Failure('%s, but %s' % (hits[0].group(), found.group()))


def run(t):
    u = live.Update(t)
    u.go(rate=300)
    u.all_landed()
    did = str(re.search(r' did=(\d+) ', u.m.wait(r'INFO .*')[2].group()).group(1))
    # By place: what is read at once has one time.
    jump = u.m.wait('PHASE jump')[0]
    for part, wanted in ((slice(jump), _FIRST), (slice(jump, None), _SECOND)):
        lines = [text.split('TRACE ', 1)[1] for _, text in u.m.console.lines[part]
                 if 'TRACE ' in text]
        at = 0
        for want in wanted:
            hit = [n for n, line in enumerate(lines[at:], at)
                   if re.search(want.replace('{did}', did), line)]
            if not hit:
                raise Failure('no %s after line %d of %s' % (want, at, lines))
            at = hit[0] + 1
    handed_over(u.m)
    t.note('%d events wanted and there' % (len(_FIRST) + len(_SECOND) + 1))
    said = '\n'.join(text for _, text in u.m.console.lines if 'DEBUGFS ' in text)
    for want in (r'0000:00:04\.0 detached', r'mode 1 did %s aw [12]' % did,
                 r'0x0*100000000\.\.0x0*109ffffff -> 0x0*2[0-9a-f][02468ace]00000 rw'):
        if not re.search(want, said):
            raise Failure('debugfs does not say %s: %s' % (want, said))
