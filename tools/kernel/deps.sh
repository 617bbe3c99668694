#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Install what the build and the boot tests need, and only what is missing.
# Debian 12 or 13, as root or with sudo. Arguments: packages that some few want.
set -euo pipefail
packages="bc binutils bison busybox-static ccache cpio flex gcc kexec-tools
	libc6-dev libcap-dev libelf-dev libssl-dev lz4 make patch perl python3
	qemu-system-x86 tar uuid-dev xz-utils $*"

missing=
for p in $packages; do
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] ||
		missing="$missing $p"
done
[ -n "$missing" ] || exit 0

sudo=
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || {
		echo "deps: these packages are missing, and there is no sudo:$missing" >&2
		exit 1
	}
	sudo=sudo
fi
export DEBIAN_FRONTEND=noninteractive
apt() {
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@"
}
echo "installing:$missing"
# kexec-tools asks whether to take over reboots: it must not.
echo 'kexec-tools kexec-tools/load_kexec boolean false' |
	$sudo debconf-set-selections 2>/dev/null || true
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The lists may be absent or old; both show as a failed install.
# shellcheck disable=SC2086
apt install -y --no-install-recommends $missing >"$log" 2>&1 ||
	{ apt update && apt install -y --no-install-recommends $missing; } >"$log" 2>&1 || {
	cat "$log" >&2
	echo "deps: apt could not install:$missing" >&2
	exit 1
}
