# SPDX-License-Identifier: GPL-2.0
"""The KUnit suites pass.

The verdict is taken from debugfs inside the guest, not from the console. A
suite that is not there cannot fail: their number is checked too.
"""

CHECK = False           # not run on the whole of the tree yet
MEMORY = '1G'
KUNIT = True
APPEND = 'kunit.filter_glob=pkernfs*'
TIMEOUT = 120

GUEST = r'''
stage1() {
	local f n=0 cases=0 bad=0
	for f in /sys/kernel/debug/kunit/pkernfs*/results; do
		[ -e "$f" ] || continue
		n=$((n + 1))
		cases=$((cases + $(grep -c '^ *    ok ' "$f" || true)))
		if grep -q '^ *not ok' "$f" || ! grep -q '^ok ' "$f"; then
			bad=$((bad + 1))
			grep -B5 '^ *not ok' "$f" || cat "$f"
		fi
	done
	say "KUNIT $n suites, $cases cases"
	[ "$bad" = 0 ] || fail "$bad KUnit suites failed"
	[ "$n" -gt 0 ] || fail "no KUnit suite of ours has run"
}
'''


def run(t):
    m = t.machine().start()
    m.finish()
    for _, line in m.console.lines:
        if 'KUNIT ' in line:
            t.note(line.split('KUNIT ', 1)[1])
