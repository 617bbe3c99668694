#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Let libFuzzer search for so many seconds: `make fuzz'. Installs clang if need be.
#
# WHAT=region: damaged regions, otherwise handovers.
#
# Usage: run.sh [SECONDS [libFuzzer option or file]...]
#
# What it learns is kept for the next time. A file that it has found something with is
# kept, too, and named; given as an argument it is run alone. Exit code 4: a skip.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
. "$here/../../kernel/env.sh"
seconds=${1:-60}
[ $# = 0 ] || shift

"$repo/tools/kernel/deps.sh" clang libclang-rt-dev || {
	echo "skipped: no clang with libFuzzer can be installed" >&2
	exit 4
}
what=${WHAT:-handover}
out=$cache/fuzz/$checkout
[ "$what" = handover ] || out=$out-$what
mkdir -p "$out/corpus" "$out/found"
program=$("$here/build.sh" libfuzzer "$out" "$what" | tail -1)
for f in "$@"; do
	# Files only: no search.
	[ ! -f "$f" ] || exec "$program" "$@"
done
"$program" -max_total_time="$seconds" -max_len=1024 -timeout=10 -print_final_stats=1 \
	-artifact_prefix="$out/found/" "$@" "$out/corpus"
