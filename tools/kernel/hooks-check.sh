#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Apply the hook series to a copy of the files it touches, without fuzz, and
# count the lines it adds to existing files. More than 400 are too many.
set -euo pipefail
. "$(dirname "$0")/env.sh"
limit=400
ksrc=$("$repo/tools/kernel/fetch.sh")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

touched() {
	sed -n 's,^+++ b/\([^	 ]*\).*,\1,p' "$hooks/$1"
}

series=$(grep -v '^#' "$hooks/series" || true)
for p in "$hooks"/*.patch; do
	[ -e "$p" ] || continue
	grep -qxF "$(basename "$p")" <<<"$series" ||
		die "$(basename "$p") is not in the series"
done
sum=0
for p in $series; do
	[ -e "$hooks/$p" ] || die "the series names $p, which is not there"
	while read -r f; do
		[ ! -e "$tmp/$f" ] || die "$p: $f belongs to another patch already"
		[ -e "$ksrc/$f" ] || die "$p: $f is not in the kernel source"
		mkdir -p "$tmp/$(dirname "$f")"
		cp -L "$ksrc/$f" "$tmp/$f"
	done < <(touched "$p")
	(cd "$tmp" && patch -p1 -F0 --no-backup-if-mismatch <"$hooks/$p") >"$tmp/log" || {
		cat "$tmp/log" >&2
		die "$p does not apply"
	}
	added=$(grep -c '^+\([^+]\|$\|++[^ ]\)' "$hooks/$p" || true)
	sum=$((sum + added))
	printf '%4d  %s\n' "$added" "$p"
done
printf '%4d  lines added in all (at most %d)\n' "$sum" "$limit"
[ "$sum" -le "$limit" ] || die "the series adds too much to existing files"
