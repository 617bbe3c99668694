#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Make the root filesystem that the scenario xfstests boots with: Debian, and a built
# xfstests.
#
# Usage: rootfs.sh XFSTESTS
#
#   XFSTESTS  a checkout of xfstests; it stays as it is
#
# Prints the path of an archive, an initramfs in which all lies below /r. Debian comes by
# debootstrap, once for a list of packages, and is kept in the cache folder; the archive is
# made anew when XFSTESTS or teach.sh have changed. Needs root, for debootstrap and chroot.
# Exit code 2: not root, or debootstrap or cpio is not installed.
set -euo pipefail
[ $# = 1 ] && [ "${1#-}" = "$1" ] || {
	sed -n '3,/^[^#]/s/^# \{0,1\}//p' "$0"
	[ "${1:-}" = --help ]
	exit
}
. "$(dirname "$0")/../../kernel/env.sh"
own=$repo/tools/testing/xfstests
xfstests=$(realpath "$1")
[ -x "$xfstests/check" ] || die "$1 is no checkout of xfstests"
packages=acct,acl,attr,autoconf,automake,bc,bsdextrautils,dbench,e2fsprogs,fio,gawk,gcc,gettext-base
packages+=,kmod,libacl1-dev,libaio-dev,libattr1-dev,libc6-dev,libcap-dev,libcap2-bin
packages+=,libgdbm-compat-dev,libtool-bin,liburing-dev,make,perl,pkgconf,procps,psmisc
packages+=,python3-minimal,uuid-dev,uuid-runtime,xfslibs-dev,xfsprogs

work=$cache/xfstests image=$work/root.cpio
mkdir -p "$work"
exec 9>"$work/.lock"
flock 9
built=$({
	(cd "$xfstests" && find . -name .git -prune -o -type f -printf '%p %s %T@\n' | sort)
	cat "$0"
} | sha256sum)
stamp=$({ echo "$built"; cat "$own/teach.sh" "$own/changed"; } | sha256sum)
if [ -e "$image" ] && [ "$(cat "$work/.stamp" 2>/dev/null)" = "$stamp" ]; then
	echo "$image"
	exit
fi
for tool in debootstrap cpio; do
	command -v "$tool" >/dev/null || { echo "rootfs: $tool is not installed" >&2; exit 2; }
done
[ "$(id -u)" = 0 ] || { echo "rootfs: only root can make it" >&2; exit 2; }
rm -f "$work/.stamp"

root=$work/fs/r
run() {
	"$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; die "failed: $*"; }
}
if [ "$(cat "$root/.complete" 2>/dev/null)" != "$packages" ]; then
	rm -rf "$root"
	mkdir -p "$work/fs"
	run debootstrap --variant=minbase --include="$packages" trixie "$root"
	# Users that tests want.
	for user in fsgqa 123456-fsgqa fsgqa2; do
		run chroot "$root" useradd --badname -m "$user"
	done
	echo "$packages" >"$root/.complete"
fi
if [ "$(cat "$work/.built" 2>/dev/null)" != "$built" ]; then
	rm -rf "$work/.built" "$root/xfstests"
	mkdir -p "$root/xfstests" "$root/mnt/test" "$root/mnt/scratch"
	(cd "$xfstests" && tar -c --exclude=.git .) | tar -x -C "$root/xfstests"
	run chroot "$root" make -C /xfstests -j"$(nproc)"
	# It has what headers of Linux 6.17 brought, but make leaves it out without these; and
	# flags have 64 bits in the kernel.
	sed -i 's/__u32\tfa_xflags;/__u64\tfa_xflags;/' "$root/xfstests/src/file_attr.c"
	run chroot "$root" make -C /xfstests/src LINUX_TARGETS=file_attr file_attr
	echo "$built" >"$work/.built"
fi
(cd "$xfstests" && tar -c common tests) | tar -x -C "$root/xfstests"
run "$own/teach.sh" "$root/xfstests"
# What is needed to build it is not needed to run it.
(cd "$work/fs" && find r \( -path r/var/cache -o -path r/var/lib/apt -o -path r/usr/share/doc \
		-o -path r/usr/share/man -o -path r/usr/share/locale -o -path r/usr/include \
		-o -path r/usr/lib/gcc -o -path r/usr/libexec/gcc \
		-o -path r/proc -o -path r/sys -o -path r/dev \) -prune -o \
		! -name '*.a' ! -name '*.o' -print |
	cpio --quiet -o -H newc) >"$image.new"
mv "$image.new" "$image"
echo "$stamp" >"$work/.stamp"
echo "$image"
