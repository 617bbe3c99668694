#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Print the path of the kernel source; get it first if it is not there.
#
# Debian's linux-source package of our version, through an apt root of our own:
# the machine's sources stay untouched, and apt checks the signatures against
# Debian's archive keys. The mirror is the one that the machine's apt uses for
# Debian itself. KSRC=/path takes another tree instead.
set -euo pipefail
. "$(dirname "$0")/env.sh"
package=linux-source-$kver
suites="trixie-backports forky sid"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

if [ -n "${KSRC:-}" ]; then
	[ ! -e "$KSRC/.config" ] && [ ! -d "$KSRC/include/config" ] ||
		die "KSRC=$KSRC has been built in; run make mrproper there"
	realpath "$KSRC"
	exit
fi
# A finished tree is moved into place, so that being there means being whole.
if [ "$(version_of "$ksrc_own")" = "$kver" ]; then
	echo "$ksrc_own"
	exit
fi

# Mirrors of Debian itself, as the machine's apt knows them: not the security
# archive, no third party. Origin and label are known once lists were fetched.
mirrors() {
	apt-get indextargets --format \
		'$(CREATED_BY) $(ORIGIN) $(LABEL) $(COMPONENT) $(REPO_URI)' |
		awk '$1 == "Packages" && $2 == "Debian" && $3 == "Debian" && $4 == "main" { print $5 }' |
		awk '!seen[$0]++'
}

[ -r "$keyring" ] || die "$keyring is missing (package debian-archive-keyring)"
list=$(mirrors)
if [ -z "$list" ]; then
	sudo=
	[ "$(id -u)" = 0 ] || sudo=sudo
	$sudo apt-get -qq update >&2 || true
	list=$(mirrors)
fi
[ -n "$list" ] || die "apt knows no mirror of Debian; set KSRC=/path to a Linux $kver source"

root=$cache/apt-root
mkdir -p "$root"/{lists/partial,archives/partial,empty}
: >"$root/status"
# Only the source lists, the state and the cache are ours: a proxy and the like
# stay as the machine has them. The signature checks are not left to chance.
apt_root() {
	local cmd=$1
	shift
	"$cmd" -qq \
		-o Dir::Etc::SourceList="$root/sources.list" \
		-o Dir::Etc::SourceParts="$root/empty" \
		-o Dir::Etc::Preferences="$root/empty/none" \
		-o Dir::Etc::PreferencesParts="$root/empty" \
		-o Dir::State::Lists="$root/lists" \
		-o Dir::State::Status="$root/status" \
		-o Dir::Cache="$root" \
		-o Dir::Cache::Archives="$root/archives" \
		-o APT::Get::AllowUnauthenticated=false \
		-o Acquire::AllowInsecureRepositories=false \
		-o Acquire::AllowWeakRepositories=false \
		-o Acquire::Languages=none \
		-o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
		-o APT::Update::Error-Mode=any \
		-o APT::Sandbox::User="$(id -un)" "$@"
}

deb=
for suite in $suites; do
	for mirror in $list; do
		echo "deb [signed-by=$keyring] $mirror $suite main" >"$root/sources.list"
		apt_root apt-get update >"$root/log" 2>&1 || continue
		[ -n "$(apt_root apt-cache show "$package" 2>/dev/null)" ] || continue
		echo "getting $package from $suite" >&2
		rm -f "$root/archives/${package}"_*.deb
		(cd "$root/archives" && apt_root apt-get download "$package" >"$root/log" 2>&1) || {
			cat "$root/log" >&2
			continue
		}
		deb=$(ls "$root/archives/${package}"_*.deb)
		break 2
	done
done
[ -n "$deb" ] || {
	cat "$root/log" >&2 || true
	die "none of $suites on this machine's Debian mirror has $package;" \
		"set KSRC=/path to a Linux $kver source: there are hooks for" \
		"$(cd "$repo/tools/kernel" && echo [0-9]*.[0-9]*) only"
}

mkdir -p "$cache/src"
tmp=$(mktemp -d "$cache/src/.tmp.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
dpkg-deb --fsys-tarfile "$deb" |
	tar -xO "./usr/src/$package.tar.xz" | tar -xJ -C "$tmp"
[ "$(version_of "$tmp/$package")" = "$kver" ] || die "$deb holds no Linux $kver source"
rm -rf "$ksrc_own"
mv "$tmp/$package" "$ksrc_own"
rm -f "$deb"
echo "$ksrc_own"
