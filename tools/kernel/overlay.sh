#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Lay pkernfs over a kernel source: DEST becomes a tree of links to the pristine
# source, with the hook series applied to real copies of the files it touches
# and our own files linked in.
#
# Usage: overlay.sh KSRC DEST [REPO]
#        overlay.sh --bare KSRC DEST
#
# --bare: the links alone, no hooks and no files of ours.
#
# DEST/build* is left alone, so an incremental build survives a new overlay. A
# file whose content did not change keeps its time stamp, so make rebuilds only
# what changed. Nothing is ever written through a link: the pristine source
# stays pristine even for root.
set -euo pipefail
bare=
if [ "$1" = --bare ]; then
	bare=1
	shift
fi
. "$(dirname "$0")/env.sh"
ksrc=$(realpath "$1") dest=$2
repo=$(realpath "${3:-$repo}")
mkdir -p "$dest"
dest=$(realpath "$dest")

# Two flavours may be built at a time.
exec 8>"$dest/.pkernfs-lock"
flock 8

# 1. The links, once per source tree.
if [ "$(cat "$dest/.pkernfs-ksrc" 2>/dev/null)" != "$ksrc" ]; then
	find "$dest" -mindepth 1 -maxdepth 1 ! -name 'build*' ! -name .pkernfs-lock -exec rm -rf {} +
	find "$ksrc" -mindepth 1 -maxdepth 1 -exec cp -rs -t "$dest" {} +
	echo "$ksrc" >"$dest/.pkernfs-ksrc"
	: >"$dest/.pkernfs-own" ; : >"$dest/.pkernfs-hooked"
fi
[ -z "$bare" ] || exit 0

# 2. The hook series, applied to copies in a scratch folder and moved in only
#    where the result differs. -F0: a hunk that has drifted must fail, not land
#    somewhere near.
hooks=$(hooks_of "$(version_of "$ksrc")")
tmp=$(mktemp -d) ; trap 'rm -rf "$tmp"' EXIT
series=$(grep -v '^#' "$hooks/series" || true)
: >"$tmp/files"
for p in $series; do
	sed -n 's,^+++ b/\([^	 ]*\).*,\1,p' "$hooks/$p"
done | sort -u >"$tmp/files"
while read -r f; do
	mkdir -p "$tmp/t/$(dirname "$f")"
	cp -L --preserve=timestamps "$ksrc/$f" "$tmp/t/$f"
done <"$tmp/files"
mkdir -p "$tmp/t"
for p in $series; do
	(cd "$tmp/t" && patch -s -p1 -F0 --no-backup-if-mismatch <"$hooks/$p") || {
		echo "overlay: $p does not apply to $ksrc" >&2
		exit 1
	}
done
# Files hooked by an earlier overlay and not by this one go back to links.
while read -r f; do
	grep -qxF "$f" "$tmp/files" || { ln -sfn "$ksrc/$f" "$dest/$f"; touch -h "$dest/$f"; }
done <"$dest/.pkernfs-hooked"
while read -r f; do
	if [ -L "$dest/$f" ] || ! cmp -s "$tmp/t/$f" "$dest/$f"; then
		rm -f "$dest/$f"
		cp "$tmp/t/$f" "$dest/$f"
	fi
done <"$tmp/files"
cp "$tmp/files" "$dest/.pkernfs-hooked"

# 3. Our own files, at the paths they have in the repository.
(cd "$repo" && for d in arch drivers fs include kernel mm Documentation tools/testing/selftests; do
	[ ! -d "$d" ] || find "$d" -type f
done | sort) >"$tmp/own"
while read -r f; do
	grep -qxF "$f" "$tmp/own" || rm -f "$dest/$f"
done <"$dest/.pkernfs-own"
while read -r f; do
	[ "$(readlink "$dest/$f" 2>/dev/null)" = "$repo/$f" ] && continue
	if [ -e "$ksrc/$f" ]; then
		echo "overlay: $f exists in the kernel source; hook it instead" >&2
		exit 1
	fi
	mkdir -p "$dest/$(dirname "$f")"
	ln -sfn "$repo/$f" "$dest/$f"
done <"$tmp/own"
cp "$tmp/own" "$dest/.pkernfs-own"
