#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# checkpatch --strict on our C files, headers and hook patches.
set -euo pipefail
. "$(dirname "$0")/env.sh"
ksrc=$("$repo/tools/kernel/fetch.sh")
# FILE_PATH_CHANGES asks for MAINTAINERS, LINUX_VERSION_CODE and the like do
# not arise; COMMIT_MESSAGE and MISSING_SIGN_OFF are of mails, not of patches
# that live in a repository.
checkpatch="$ksrc/scripts/checkpatch.pl --no-tree --strict --terse --no-summary
	--ignore FILE_PATH_CHANGES,MISSING_SIGN_OFF,COMMIT_MESSAGE"
cd "$repo"
rc=0
while read -r f; do
	# shellcheck disable=SC2086
	$checkpatch -f "$f" || rc=1
done < <(find arch drivers fs include kernel mm tools -name '*.[chS]' 2>/dev/null | sort)
for p in tools/kernel/$kver/*.patch; do
	# shellcheck disable=SC2086
	[ ! -e "$p" ] || $checkpatch "$p" || rc=1
done
exit $rc
