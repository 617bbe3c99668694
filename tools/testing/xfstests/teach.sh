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

# What a test knows by names of filesystems.
replace() {
	local file=$1 from=$2 to=$3
	grep -q -- "$from" "$file" || {
		echo "teach.sh: there is no $from in $file" >&2
		exit 1
	}
	sed -i "s/$from/$to/" "$file"
}
replace common/rc '^\( *\)ext2|ext3|ext4|f2fs|xfs|btrfs)$' '\1pkernfs|ext2|ext3|ext4|f2fs|xfs|btrfs)'
# All attributes of an inode have one block of 4 KiB. The test makes one of three quarters
# of st_blksize, which is the granule.
replace tests/generic/486 '^\[ "$FSTYP" = "ceph" \].*' '&\n[ "$FSTYP" = pkernfs ] \&\& max_attr_size=3072'
# It works out the granule from a small file, and expects it of a large one.
replace tests/generic/490 '^_run_seek_sanity_test ' \
	'[ "$FSTYP" != pkernfs ] || _pkernfs_small_granules\n&'

cat >>common/rc <<'EOF'

# pkernfs: regions of memory. What is called in the place of what: instead() of teach.sh.
_pkernfs_scratch_mkfs() {
	# a region of memory, not a device; the old filesystem is not missed
	mkfs.pkernfs -q -f $MKFS_OPTIONS $* $SCRATCH_DEV
}
# A region has its size from the kernel's command line: blocks of the pool, which files do not
# get, are what leaves $1 bytes for files. Its blocks are of 4 KiB, whatever $2 says.
_pkernfs_try_scratch_mkfs_sized() {
	local bytes=$(_get_device_size $SCRATCH_DEV)
	local inodes=$(sed -rn 's/.*--inodes[ =]([0-9]+).*/\1/p' <<<"$MKFS_OPTIONS")
	local pool=$(((bytes * 1024 - $1 - 2097152) / 4096 - 65 - ${inodes:-20000} / 8))
	[ $pool -ge 64 ] || _notrun "$SCRATCH_DEV too small"
	_pkernfs_scratch_mkfs --pool $pool --small $(($1 / 4096 / 64 + 1))
}
_pkernfs_get_device_size() {
	echo $(($(cat /sys/fs/pkernfs/$1/size) >> 10))
}
# Nanoseconds since 1970 in 64 bits.
_pkernfs_filesystem_timestamp_range() {
	echo "-9223372035 9223372035"
}
# A mount checks nothing that was mounted before: the metadata stay loaded.
_pkernfs_fsck() {
	fsck.pkernfs -n $1 >$tmp.fsck 2>&1 && return
	_log_err "fsck.pkernfs: $1 is damaged"
	tee -a $seqres.full <$tmp.fsck
	return 1
}
_pkernfs_check_test_fs() {
	_test_unmount 2>/dev/null	# a test may have done it
	_pkernfs_fsck $TEST_DEV || return 1
	_test_mount && return
	_log_err "$TEST_DEV cannot be mounted again"
	return 1
}
# Files of $base_test_file have granules of 4 KiB, whatever their size.
_pkernfs_small_granules() {
	mkdir -p $TEST_DIR/$seq.small
	$XFS_IO_PROG -c "extsize 4096" $TEST_DIR/$seq.small
	base_test_file=$TEST_DIR/$seq.small/seek
}
_pkernfs_repair_test_fs() {
	fsck.pkernfs -y $TEST_DEV >>$seqres.full 2>&1 || [ $? = 1 ] ||
		mkfs.pkernfs -q -f $MKFS_OPTIONS $TEST_DEV
}
_pkernfs_check_dev_fs() {
	local at=$(findmnt -rncv -S $1 -o TARGET | head -1)
	[ -z "$at" ] || _unmount $1
	_pkernfs_fsck $1 || return 1
	[ -z "$at" ] || _mount -t pkernfs $1 $at && return
	_log_err "$1 cannot be mounted again"
	return 1
}
EOF

# Each function asks, as a run may have sections of several filesystems.
instead() {
	grep -q "^$1()" common/rc || {
		echo "teach.sh: there is no $1 in common/rc" >&2
		exit 1
	}
	sed -i "s/^$1()/_before_pkernfs$1()/" common/rc
	cat >>common/rc <<-EOF
		$1() {
			if [ "\$FSTYP" = pkernfs ]; then _pkernfs$1 "\$@"
			else _before_pkernfs$1 "\$@"; fi
		}
	EOF
}
for f in _scratch_mkfs _try_scratch_mkfs_sized _get_device_size _repair_test_fs _check_test_fs \
		_check_dev_fs _filesystem_timestamp_range; do
	instead $f
done

# A test has check's environment: it need not look for a hundred programs again, with a
# process for each, which is a second where the CPU is emulated.
sed -i 's/^export \([A-Z0-9_]*\)=\("\$(type -P .*)"\)$/[ -n "${\1+set}" ] || export \1=\2/' \
	common/config
