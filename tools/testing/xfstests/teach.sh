#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Teach a copy of xfstests the filesystem pkernfs: TEST_DEV and SCRATCH_DEV are names of
# regions, not devices.
#
# Usage: teach.sh XFSTESTS
set -euo pipefail
cd "${1:?usage: teach.sh XFSTESTS}"

# Where tmpfs is named among those that need no block device, so are we.
like_tmpfs() {
	local file=$1 function=$2
	sed -i "/^$function()/,/^}/ s/\btmpfs\([|)]\)/pkernfs|tmpfs\1/" "$file"
	sed -n "/^$function()/,/^}/p" "$file" | grep -q pkernfs || {
		echo "teach.sh: $function in $file is not as expected" >&2
		exit 1
	}
}
like_tmpfs common/config _check_device
for f in _require_scratch_nocheck _require_test _fstyp_has_non_default_seek_data_hole; do
	like_tmpfs common/rc $f
done

cat >>common/rc <<'EOF'

# pkernfs. Each function asks again, as a run may have sections of several filesystems.
_pkernfs_instead() {
	eval "$(declare -f "$1" | sed "1s/.*/_before_pkernfs$1 ()/")"
	eval "$1() {
		if [ \"\$FSTYP\" = pkernfs ]; then _pkernfs$1 \"\$@\"
		else _before_pkernfs$1 \"\$@\"; fi
	}"
}
_pkernfs_scratch_mkfs() {
	# a region of memory, not a device; the old filesystem is not missed
	mkfs.pkernfs -q -f $MKFS_OPTIONS $* $SCRATCH_DEV
}
# A mount checks all metadata.
_pkernfs_check_test_fs() {
	_test_cycle_mount || _log_err "_check_test_fs: cannot be mounted again"
}
_pkernfs_check_dev_fs() {
	_scratch_unmount >/dev/null 2>&1
	_try_scratch_mount >/dev/null 2>&1 ||
		_log_err "_check_scratch_fs: cannot be mounted again"
	_scratch_unmount >/dev/null 2>&1
}
_pkernfs_instead _scratch_mkfs
_pkernfs_instead _check_test_fs
_pkernfs_instead _check_dev_fs
EOF
