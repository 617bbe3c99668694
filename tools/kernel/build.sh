#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Build a test kernel and print the path of its bzImage.
#
# Usage: build.sh FLAVOUR
#
#   debug    hooks, our files, every check the kernel has, KUnit, test knobs
#   test     hooks, our files, test knobs: the speed of a release kernel
#   faults   debug, with fault injection and kmemleak
#   release  hooks and our files; no test knobs, no debugging
#   bare     the pristine source, configured like release
#   peers-hooked, peers-bare   release and bare, with what the kernel's own
#            selftests of iommufd and liveupdate need
#   bench    release, with LUO to compare with
#   numa     release, with NUMA
#   iov      release, with virtual functions, dma-bufs and sleep
#   kvm      release, with KVM
#   efi      release, with EFI
#   nfs      release, with overlayfs and NFS
#   xfstests, xfstests-debug, xfstests-bare   test, debug and bare, with what tests of
#            xfstests want of a kernel
#
# A flavour whose inputs did not change is not touched.
set -euo pipefail
. "$(dirname "$0")/env.sh"
flavour=${1:?usage: build.sh debug|faults|test|release|bare|peers-hooked|peers-bare|bench|numa|iov|kvm|efi|nfs|xfstests|xfstests-debug|xfstests-bare}
ksrc=$("$repo/tools/kernel/fetch.sh")

base=$hooks/base.config own=$hooks/pkernfs.config test=$hooks/test.config
debug=$hooks/debug.config
tree=$overlay
case $flavour in
debug)	fragments="$base $own $test $debug" ;;
faults)	fragments="$base $own $test $debug $hooks/faults.config" ;;
test)	fragments="$base $own $test" ;;
release) fragments="$base $own" ;;
bare)	tree=$overlay_bare fragments=$base ;;
peers-hooked) fragments="$base $own $hooks/peers.config" ;;
peers-bare) tree=$overlay_bare fragments="$base $hooks/peers.config" ;;
xfstests) fragments="$base $own $test $hooks/xfstests.config" ;;
xfstests-debug) fragments="$base $own $test $debug $hooks/xfstests.config" ;;
xfstests-bare) tree=$overlay_bare fragments="$base $hooks/xfstests.config" ;;
bench|numa|iov|kvm|efi|nfs) fragments="$base $own $hooks/$flavour.config" ;;
*)	die "no such flavour: $flavour" ;;
esac
build=$tree/build-$flavour
image=$build/arch/x86/boot/bzImage
mkdir -p "$build"

exec 9>"$build/.pkernfs-lock"
flock 9

# Every input that is ours, by content. A KSRC of the user's may be edited at
# any time: make looks at it on each run.
inputs() {
	echo "$ksrc" "$flavour"
	stat -c '%y' "$ksrc/Makefile"
	gcc --version | head -1
	cd "$repo"
	if [ "$tree" != "$overlay_bare" ]; then
		for d in arch drivers fs include kernel mm; do
			[ ! -d "$d" ] || find "$d" -type f
		done | sort | xargs sha256sum "$hooks"/*.patch
	fi
	# shellcheck disable=SC2086
	sha256sum $fragments
}
stamp=$(inputs | sha256sum)
if [ -z "${KSRC:-}" ] && [ -e "$image" ] &&
   [ "$(cat "$build/.pkernfs-stamp" 2>/dev/null)" = "$stamp" ]; then
	echo "$image"
	exit
fi
rm -f "$build/.pkernfs-stamp"

if [ "$tree" = "$overlay_bare" ]; then
	"$repo/tools/kernel/overlay.sh" --bare "$ksrc" "$tree"
else
	"$repo/tools/kernel/overlay.sh" "$ksrc" "$tree" "$repo"
fi

# The flavours without debugging differ in a few objects: begin with a copy of one
# that is there, and make finds them by the changed options. Not so the hooked files:
# a link has the time of the pristine file, which is older than any object. And what
# is below tools/ knows the folder that it was built in.
seed() {
	local from f
	for from in $seeds; do
		if [ -e "$from/.pkernfs-stamp" ] &&
		   [ "$(cat "$from/../.pkernfs-ksrc")" = "$ksrc" ]; then
			cp -a "$from/." "$build/"
			rm -rf "$build/.pkernfs-stamp" "$build/tools"
			sed -n 's,^+++ b/\([^	 ]*\)\.[cS]\([	 ].*\)\?$,\1,p' "$hooks"/*.patch |
				cat - <(sed 's/\.[cS]$//' "$overlay/.pkernfs-hooked") |
				while read -r f; do
					rm -f "$build/$f.o" "$build/$f.stub.o"
				done
			return
		fi
	done
}
case $flavour in
debug|faults|xfstests-debug) seeds= ;;
peers-*) seeds="$overlay/build-peers-hooked $overlay_bare/build-peers-bare" ;;
*)	seeds="$overlay/build-release $overlay/build-test $overlay_bare/build-bare" ;;
esac
[ -e "$build/.config" ] || seed

mk() {
	make -s -C "$tree" O="build-$flavour" CC="ccache gcc" HOSTCC="ccache gcc" "$@"
}

# The configuration goes to a side file, and into place if it differs.
export PATH=$repo/tools/kernel/bin:$PATH
configure() {
	mk KCONFIG_CONFIG=.config.new tinyconfig
	# shellcheck disable=SC2086
	(cd "$build" && KCONFIG_CONFIG=.config.new \
		../scripts/kconfig/merge_config.sh -m .config.new $fragments)
	mk KCONFIG_CONFIG=.config.new olddefconfig
} >"$build/config.log" 2>&1
configure || {
	cat "$build/config.log" >&2
	die "$flavour: cannot configure"
}
# Kconfig drops what it cannot satisfy without a word: each wish must have stuck.
# shellcheck disable=SC2086
lost=$(awk '
	FILENAME != config && /^CONFIG_[A-Za-z0-9_]+=/ {
		s = $0; sub(/=.*/, "", s); want[s] = $0 }
	FILENAME != config && /^# CONFIG_[A-Za-z0-9_]+ is not set$/ { want[$2] = "" }
	FILENAME == config && /^CONFIG_/ { s = $0; sub(/=.*/, "", s); got[s] = $0 }
	END { for (s in want) if (got[s] != want[s])
		print "  " (want[s] == "" ? "# " s " is not set" : want[s]) \
			"   (is: " (got[s] == "" ? "not set" : got[s]) ")" }
	' config="$build/.config.new" $fragments "$build/.config.new")
[ -z "$lost" ] || die "$flavour: these did not stick in the configuration:
$lost"
cmp -s "$build/.config.new" "$build/.config" || cp "$build/.config.new" "$build/.config"

mk -j"$(nproc)" bzImage >"$build/make.log" 2>&1 || {
	grep -E -B2 -A12 'error:|\*\*\*|undefined reference|warning:' "$build/make.log" |
		head -100 >&2 || true
	die "$flavour: the build failed; all of it is in $build/make.log"
}
# Our own files build without a warning.
! grep -E 'warning:' "$build/make.log" | grep pkernfs >&2 ||
	die "$flavour: compiler warnings in our files"
echo "$stamp" >"$build/.pkernfs-stamp"
echo "$image"
