#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Teach a copy of xfstests the filesystem pkernfs: TEST_DEV and SCRATCH_DEV are names of
# regions, not devices.
#
# Usage: teach.sh XFSTESTS
set -euo pipefail
changed=$(realpath "$(dirname "$0")/changed")
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

# What a test knows by names of filesystems. The list changed has the reason.
replace() {
	local file=$1 from=$2 to=$3
	[ "${file%%/*}" != tests ] || grep -q "^${file#tests/} ." "$changed" || {
		echo "teach.sh: $file is not in $changed" >&2
		exit 1
	}
	grep -q -- "$from" "$file" || {
		echo "teach.sh: there is no $from in $file" >&2
		exit 1
	}
	sed -i "s/$from/$to/" "$file"
}
replace common/rc '^\( *\)ext2|ext3|ext4|f2fs|xfs|btrfs)$' '\1pkernfs|ext2|ext3|ext4|f2fs|xfs|btrfs)'
replace tests/generic/027 '"$FSTYP" == "btrfs"' '& -o "$FSTYP" == pkernfs'
replace tests/generic/076 '^cat \$SCRATCH_DEV ' 'cat $(_pkernfs_node $SCRATCH_DEV) '
replace tests/generic/486 '^\[ "$FSTYP" = "ceph" \].*' '&\n[ "$FSTYP" = pkernfs ] \&\& max_attr_size=3072'
replace tests/generic/273 '^count=.*' '&\n_pkernfs_small=$((1 << 30))'
replace tests/generic/285 '^_run_seek_sanity_test ' '_pkernfs_granules=4096 _pkernfs_each_granule &'
replace tests/generic/490 '^_run_seek_sanity_test ' '_pkernfs_each_granule &'
replace tests/generic/619 '^FS_SIZE=.*' '&\n_pkernfs_small=$FS_SIZE'
# The name of a region begins with a letter, that of a device does not.
for f in TEST_DEV SCRATCH_DEV; do
	replace common/filter '\\B\$'$f, '$(_pkernfs_edge)$'$f,
done
for test in $(sed -n 's/^\(generic[^ ]*\) .*/\1/p' "$changed"); do
	grep -q pkernfs "tests/$test" || {
		echo "teach.sh: $test is in $changed, but is as it was" >&2
		exit 1
	}
done

cat >>common/rc <<'EOF'

# pkernfs: regions of memory. What is called in the place of what: instead() of teach.sh.
_pkernfs_scratch_mkfs() {
	# a region of memory, not a device; the old filesystem is not missed
	mkfs.pkernfs -q -f $MKFS_OPTIONS $* $SCRATCH_DEV
}
# A region has its size from the kernel's command line: blocks of the pool, which files do not
# get, are what leaves $1 bytes for files. Its blocks are of 4 KiB, whatever $2 says. A 64th is
# for small files, or $_pkernfs_small bytes more are.
_pkernfs_try_scratch_mkfs_sized() {
	local bytes=$(_get_device_size $SCRATCH_DEV)
	local inodes=$(sed -rn 's/.*--inodes[ =]([0-9]+).*/\1/p' <<<"$MKFS_OPTIONS")
	local size=$(($1 + ${_pkernfs_small:-0})) small=${_pkernfs_small:-$(($1 / 64 + 4096))}
	local pool=$(((bytes * 1024 - size - 2097152) / 4096 - 65 - ${inodes:-20000} / 8))
	[ $pool -ge 64 ] || _notrun "$SCRATCH_DEV too small"
	_pkernfs_scratch_mkfs --pool $pool --small $((small / 4096))
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
# "$@", whose last argument is a file, once with granules of 4 KiB and once of 2 MiB, or with
# $_pkernfs_granules, whatever the size of the file.
_pkernfs_each_granule() {
	local size dir
	[ $FSTYP = pkernfs ] || { "$@"; return; }
	for size in ${_pkernfs_granules:-4096 2097152}; do
		dir=$TEST_DIR/$seq.$size
		mkdir -p $dir
		$XFS_IO_PROG -c "extsize $size" $dir
		"${@:1:$#-1}" $dir/file || return
		rm -r $dir
	done
}
_pkernfs_edge() {
	if [ $FSTYP = pkernfs ]; then echo '\b'
	else echo '\B'; fi
}
# The region itself.
_pkernfs_node() {
	if [ $FSTYP = pkernfs ]; then echo /dev/pkernfs${1#region}
	else echo $1; fi
}
_pkernfs_require_local_device() {
	[ -e /sys/fs/pkernfs/$1 ] || _notrun "require $1 to be local device"
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
		_check_dev_fs _filesystem_timestamp_range _require_local_device; do
	instead $f
done

# A test has check's environment: it need not look for a hundred programs again, with a
# process for each, which is a second where the CPU is emulated.
sed -i 's/^export \([A-Z0-9_]*\)=\("\$(type -P .*)"\)$/[ -n "${\1+set}" ] || export \1=\2/' \
	common/config
