#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# checkpatch --strict on our C files, headers and hook patches.
set -euo pipefail
. "$(dirname "$0")/env.sh"
ksrc=$("$repo/tools/kernel/fetch.sh")
# Not asked for: what is about mails (sign-off, MAINTAINERS); BIT() for sizes, and
# CamelCase, which the C language itself has in _Static_assert; the warning that
# a table's macro uses an argument twice. In programs also what only the kernel
# has: its attribute macros, strscpy(), no volatile, negative errnos.
patches=FILE_PATH_CHANGES,MISSING_SIGN_OFF,COMMIT_MESSAGE,COMMIT_LOG_LONG_LINE
files=FILE_PATH_CHANGES,BIT_MACRO,CAMELCASE,MACRO_ARG_REUSE
# The form of a tracepoint is its own.
traces=$files,COMPLEX_MACRO,PARENTHESIS_ALIGNMENT,OPEN_ENDED_LINE
# What differs by version: outside a kernel's tree there is no other way to tell.
compat=$files,LINUX_VERSION_CODE,CONSTANT_COMPARISON
programs=$files,PREFER_DEFINED_ATTRIBUTE_MACRO,ARRAY_SIZE,VOLATILE,STRCPY,STRNCPY,USE_NEGATIVE_ERRNO

# In a folder of its own: inside a git tree it takes a patch for a file, and
# leaves a cache behind.
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
# What was once found good is not looked at again: by content, rules and script.
good=$cache/checkpatch
mkdir -p "$good"
script=$(sha256sum <"$ksrc/scripts/checkpatch.pl")
stamp() {
	echo "$good/$({ echo "$script $1"; cat "$2"; } | sha256sum | cut -d' ' -f1)"
}
# checkpatch RULES [-f] FILE...
checkpatch() {
	local rules=$1 form='' f todo=() stamps=()
	shift
	[ "$1" != -f ] || { form=-f; shift; }
	for f in "$@"; do
		stamps+=("$(stamp "$rules" "$f")")
		[ -e "${stamps[-1]}" ] || todo+=("$f")
	done
	[ ${#todo[@]} = 0 ] || "$ksrc/scripts/checkpatch.pl" --no-tree --strict --terse \
		--no-summary --root "$ksrc" --ignore "$rules" $form "${todo[@]}" || return
	touch "${stamps[@]}"
}
sources() {
	(cd "$repo" && for d in "$@"; do
		[ ! -d "$d" ] || find "$repo/$d" -name '*.[chS]'
	done) | sort
}

mkdir patches
for p in "$hooks"/*.patch; do
	# The line that ends a commit message.
	[ ! -e "$p" ] || sed '0,/^--- a\//s//---\n&/' "$p" >"patches/${p##*/}"
done
mapfile -t kernel < <(sources arch drivers fs include kernel mm |
	grep -v '/include/trace/\|/pkernfs_compat.h$')
mapfile -t trace < <(sources include/trace)
mapfile -t tools < <(sources tools)
{
	checkpatch "$programs" -f "${tools[@]}" || touch bad
} >tools.log &
{
	checkpatch "$files" -f "${kernel[@]}" || touch bad
	checkpatch "$traces" -f "${trace[@]}" || touch bad
	checkpatch "$compat" -f "$repo/include/linux/pkernfs_compat.h" || touch bad
	[ -z "$(ls patches)" ] || checkpatch "$patches" patches/* || touch bad
} >kernel.log
wait
cat kernel.log tools.log | sed "s,^$repo/,,"
[ ! -e bad ]
