#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Tests of the host programs without a guest: a fake NIC puts frames into a file,
# in good order or with a fault, and watch, scan and timeline must tell.
#
# Usage: run.sh DIR-OF-PROGRAMS
set -u
[ -x "${1:-}/fakenic" ] && [ -x "$1/pkernfs-host" ] || {
	echo "usage: $0 DIR-OF-PROGRAMS" >&2
	exit 2
}
bin=$(realpath "$1")
dir=$(mktemp -d -p /dev/shm)
trap 'rm -rf "$dir"' EXIT
size=67108864 range=33554432@33554432 bad=0

# name, ring, frames, rate, fault, place, exit of watch, exit of scan
try() {
	rm -f "$dir/ram"
	"$bin/fakenic" "$dir/sock" "$dir/ram" $size "$2" "$5" "$6" &
	nic=$!
	while [ ! -S "$dir/sock" ] && kill -0 $nic 2>/dev/null; do sleep 0.01; done
	"$bin/pkernfs-host" watch --ram "$dir/ram" --range $range --settle 400 --run 7 \
		--out "$dir/csv" --socket "$dir/sock" --count "$3" --rate "$4" >"$dir/watch"
	watch=$?
	"$bin/pkernfs-host" scan --ram "$dir/ram" --range $range --run 7 --count "$3" >"$dir/scan"
	scan=$?
	wait $nic
	if [ $watch = "$7" ] && [ $scan = "$8" ]; then
		echo "ok   $1"
	else
		echo "FAIL $1: watch $watch (want $7), scan $scan (want $8)"
		cat "$dir/watch" "$dir/scan"
		bad=1
	fi
}

try "all landed"		8000 5000 10000 none 0		0 0
try "ring goes round"		2000 9000 20000 none 0		0 1
try "one lost"			8000 3000 10000 drop 1500	1 1
try "one damaged"		8000 3000 10000 flip 1500	1 1
try "one twice"			8000 500 10000 twice 100	0 1
try "one outside"		8000 1000 10000 stray 100	0 1

# A stall of 300 ms, which the sender does not feel, must show as a gap.
try "one stalled"		8000 1500 1000 stall 1000	0 0
begin=$(sed -n '2s/.*,//p' "$dir/csv") middle=$(sed -n '602s/.*,//p' "$dir/csv")
printf '%s quiet\n%s busy\n' "$begin" "$middle" >"$dir/phases"
"$bin/pkernfs-host" timeline --in "$dir/csv" --phases "$dir/phases" --max-ratio 5 --floor-ms 20 \
	--svg "$dir/svg" >"$dir/timeline"
if [ $? = 1 ] && grep -q 'name=busy.*verdict=over' "$dir/timeline" &&
   grep -q 'name=quiet.*verdict=good' "$dir/timeline" && grep -q '</svg>' "$dir/svg"; then
	echo "ok   timeline tells a stall"
else
	echo "FAIL timeline tells a stall"
	cat "$dir/timeline"
	bad=1
fi
exit $bad
