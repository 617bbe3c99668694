# SPDX-License-Identifier: GPL-2.0
# Sourced by the scripts here: where things lie, and how the compiler cache is
# used. Nothing is ever written into the checkout.
#
#   PKERNFS_CACHE  downloads, source, overlays, build trees, compiler cache;
#                  ${XDG_CACHE_HOME:-$HOME/.cache}/pkernfs unless set
#   KSRC           kernel source, any 7.3.y tree; unless set: Debian's
#                  linux-source-7.3, fetched on first use
repo=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
kver=7.3
cache=${PKERNFS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pkernfs}
mkdir -p "$cache"
cache=$(realpath "$cache")
hooks=$repo/tools/kernel/$kver
ksrc_own=$cache/src/linux-source-$kver
# One overlay a checkout: its links point into the checkout.
overlay=$cache/w/$(basename "$repo")-$(printf %s "$repo" | cksum | cut -d' ' -f1)
overlay_bare=$cache/w/bare

# Relative paths and fixed stamps, so that checkouts share one compiler cache.
export KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970'
export KBUILD_BUILD_USER=pkernfs KBUILD_BUILD_HOST=pkernfs
export CCACHE_DIR=$cache/ccache CCACHE_BASEDIR=$cache CCACHE_NOHASHDIR=1
# Dependencies from the compiler, not from a run of the preprocessor of its own.
export CCACHE_DEPEND=1
export CCACHE_MAXSIZE=8G
export LC_ALL=C

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}
