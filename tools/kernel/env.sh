# SPDX-License-Identifier: GPL-2.0
# Sourced by the scripts here: where things lie, and how the compiler cache is
# used. Nothing is ever written into the checkout.
#
#   PKERNFS_CACHE  downloads, source, overlays, build trees, compiler cache;
#                  ${XDG_CACHE_HOME:-$HOME/.cache}/pkernfs unless set
#   KSRC           kernel source, of any version that has a folder beside this
#                  file; unless set: Debian's linux-source-$KVER, fetched on first use
#   KVER           that version; unless set: that of KSRC, or 7.3
repo=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

# The X.Y of a kernel source; nothing if it is none.
version_of() {
	[ ! -r "$1/Makefile" ] ||
		sed -n 's/^VERSION = //p; s/^PATCHLEVEL = //p' "$1/Makefile" | paste -sd.
}

# The folder of what an X.Y needs.
hooks_of() {
	[ -e "$repo/tools/kernel/$1/series" ] ||
		die "there are no hooks for Linux $1; see README, To another version of the kernel"
	echo "$repo/tools/kernel/$1"
}

sum_of() {
	printf %s "$1" | cksum | cut -d' ' -f1
}

kver=${KVER:-7.3}
if [ -n "${KSRC:-}" ]; then
	kver=$(version_of "$KSRC")
	[ -n "$kver" ] || die "KSRC=$KSRC is no kernel source"
	[ "$kver" = "${KVER:-$kver}" ] || die "KSRC=$KSRC is Linux $kver, not KVER=$KVER"
fi
hooks=$(hooks_of "$kver")
cache=${PKERNFS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pkernfs}
mkdir -p "$cache"
cache=$(realpath "$cache")
ksrc_own=$cache/src/linux-source-$kver
# One overlay a checkout and kernel source: its links point into both.
checkout=$(basename "$repo")-$(sum_of "$repo")
suffix=
[ "$kver" = 7.3 ] || suffix=-$kver
[ -z "${KSRC:-}" ] || suffix=-$kver-$(sum_of "$(realpath "$KSRC")")
overlay=$cache/w/$checkout$suffix
overlay_bare=$cache/w/bare$suffix

# Relative paths and fixed stamps, so that checkouts share one compiler cache.
export KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970'
export KBUILD_BUILD_USER=pkernfs KBUILD_BUILD_HOST=pkernfs
export CCACHE_DIR=$cache/ccache CCACHE_BASEDIR=$cache CCACHE_NOHASHDIR=1
# Dependencies from the compiler, not from a run of the preprocessor of its own.
export CCACHE_DEPEND=1
export CCACHE_MAXSIZE=8G
export LC_ALL=C
