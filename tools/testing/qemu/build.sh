#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Build the QEMU that has several VT-d units, for the scenarios units*, and print its path.
#
# Usage: build.sh
#
# Debian 12's source by apt, from the mirror that the machine's apt uses for Debian, with
# Debian's patches and those beside this file; and no more of it than the scenarios want.
# Everything is in the cache folder, and built once. JOBS=N: so many compilers at once.
set -euo pipefail
[ $# = 0 ] || {
	sed -n '3,/^[^#]/s/^# \{0,1\}//p' "$0"
	[ "$1" = --help ]
	exit
}
. "$(dirname "$0")/../../kernel/env.sh"
own=$repo/tools/testing/qemu
work=$cache/qemu-units
qemu=$work/qemu-system-x86_64
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
mkdir -p "$work"
exec 9>"$work/.lock"
flock 9
stamp=$(cat "$0" "$own"/*.patch | sha256sum)
if [ -x "$qemu" ] && [ "$(cat "$work/.stamp" 2>/dev/null)" = "$stamp" ]; then
	echo "$qemu"
	exit
fi

run() {
	"$@" >"$work/log" 2>&1 || { tail -30 "$work/log" >&2; die "failed: $*"; }
}

"$repo/tools/kernel/deps.sh" dpkg-dev libfdt-dev libglib2.0-dev libpixman-1-dev meson \
	ninja-build pkg-config seabios >&2

# An apt of our own for the source: the machine's knows binaries, as a rule.
root=$work/apt
mkdir -p "$root"/{lists/partial,archives/partial,empty}
: >"$root/status"
mirror=$(apt-get indextargets --format '$(CREATED_BY) $(ORIGIN) $(LABEL) $(COMPONENT) $(REPO_URI)' |
	awk '$1 == "Packages" && $2 == "Debian" && $3 == "Debian" && $4 == "main" { print $5; exit }')
[ -n "$mirror" ] || die "apt knows no mirror of Debian"
echo "deb-src [signed-by=$keyring] $mirror bookworm main" >"$root/sources.list"
apt() {
	run apt-get -qq \
		-o Dir::Etc::SourceList="$root/sources.list" \
		-o Dir::Etc::SourceParts="$root/empty" \
		-o Dir::State::Lists="$root/lists" \
		-o Dir::State::Status="$root/status" \
		-o Dir::Cache="$root" \
		-o APT::Sandbox::User="$(id -un)" "$@"
}
apt update
rm -rf "$work/src" "$work/build" "$work/.stamp"
mkdir "$work/src" "$work/build"
cd "$work/src"
apt source --only-source qemu
src=$(echo "$work"/src/qemu-*/)
for p in "$own"/*.patch; do
	run patch -d "$src" -p1 -i "$p"
done
cat >"$src/configs/devices/x86_64-softmmu/units.mak" <<-END
	CONFIG_Q35=y
	CONFIG_VTD=y
	CONFIG_PXB=y
	CONFIG_PCIE_PORT=y
	CONFIG_E1000E_PCI_EXPRESS=y
	CONFIG_ISA_DEBUG=y
	CONFIG_CXL=y
	CONFIG_CXL_MEM_DEVICE=y
END
cd "$work/build"
run "$src/configure" --target-list=x86_64-softmmu --with-devices-x86_64=units \
	--without-default-devices --without-default-features --enable-tcg \
	--enable-trace-backends=log --disable-docs --disable-tools --disable-debug-info \
	--disable-werror --meson=meson --with-git-submodules=ignore \
	--firmwarepath=/usr/share/qemu:/usr/share/seabios:/usr/lib/ipxe/qemu
run ninja -j "${JOBS:-$(nproc)}" qemu-system-x86_64
# In its build tree it would look for firmware there.
cp qemu-system-x86_64 "$qemu.new"
mv "$qemu.new" "$qemu"
rm -rf "$work/src" "$work/build"
echo "$stamp" >"$work/.stamp"
echo "$qemu"
