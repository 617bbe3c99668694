#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Write edits made to hooked files in an overlay back into the hook series.
#
# Usage: hooks-refresh.sh KSRC DEST NNNN-subsystem-what.patch FILE...
#
# The named patch gets the difference between KSRC and DEST of the named files;
# the prose above its first diff is kept. A FILE belongs to one patch only.
set -euo pipefail
. "$(dirname "$0")/env.sh"
ksrc=$(realpath "$1") dest=$(realpath "$2")
patch=$(hooks_of "$(version_of "$ksrc")")/$3
shift 3
tmp=$(mktemp)
trap 'rm -f "$tmp"' EXIT
[ -f "$patch" ] && sed '/^--- a\//,$d' "$patch" >"$tmp"
for f in "$@"; do
	(diff -up --label "a/$f" --label "b/$f" "$ksrc/$f" "$dest/$f" || true) >>"$tmp"
done
cat "$tmp" >"$patch"
s=$(dirname "$patch")/series
grep -qxF "$(basename "$patch")" "$s" 2>/dev/null || { basename "$patch" >>"$s"; sort -o "$s" "$s"; }
