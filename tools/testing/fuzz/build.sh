#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Build the validator of handovers, or the load of regions, for userspace, from the
# sources of the kernel, with AddressSanitizer and UBSan; print the path of the program.
#
# Usage: build.sh replay|libfuzzer FOLDER [handover|region|crash]
#
#   replay     by gcc: so many runs by seed
#   libfuzzer  by clang
set -euo pipefail
here=$(realpath "$(dirname "$0")")
. "$here/../../kernel/env.sh"
kind=${1:?usage: build.sh replay|libfuzzer FOLDER} out=${2:?no folder} what=${3:-handover}
ksrc=$("$repo/tools/kernel/fetch.sh")

# Headers that userspace has not: each is shim.h.
headers="asm/e820/api.h iommu.h pasid.h kunit/static_stub.h kunit/test-bug.h linux/cacheflush.h linux/crc32.h
	linux/crc32c.h linux/fs.h linux/init.h linux/io.h linux/kexec.h linux/memremap.h
	linux/minmax.h linux/mm.h linux/mutex.h linux/pagemap.h linux/pci.h linux/pkernfs_iommu.h
	linux/pkernfs_pci.h linux/posix_acl.h linux/printk.h linux/reboot.h linux/rwsem.h linux/sched.h
	linux/sched/mm.h linux/sched/signal.h linux/slab.h linux/sort.h linux/string.h
	linux/uuid.h linux/workqueue.h linux/capability.h linux/wait.h linux/xarray.h
	trace/events/pkernfs.h"
for h in $headers; do
	mkdir -p "$out/include/$(dirname "$h")"
	echo '#include <shim.h>' >"$out/include/$h"
done

vtd=$repo/drivers/iommu/intel fs=$repo/fs/pkernfs
sources="$fs/core.c $fs/load.c $fs/bad.c $fs/xattr.c $fs/format.c $fs/journal.c $fs/alloc.c
	$fs/window.c $fs/pool.c $fs/node.c $fs/extent.c $fs/busy.c
	$fs/fill.c $fs/dirent.c $fs/symlink.c $here/shim.c $ksrc/tools/lib/find_bit.c $ksrc/tools/lib/bitmap.c $ksrc/tools/lib/hweight.c
	$ksrc/tools/lib/vsprintf.c"
flags="-std=gnu11 -O2 -g -fno-omit-frame-pointer -fms-extensions -msse4.2 -w -Werror=implicit-function-declaration
	-fno-strict-aliasing -D_GNU_SOURCE -D__KERNEL__ -DCONFIG_PKERNFS_FS=1
	-DCONFIG_PHYS_ADDR_T_64BIT=1 -I$here -I$out/include -I$repo/include
	-I$ksrc/tools/include"
case $what in
handover)
	sources="$sources $vtd/pkernfs_prove.c $vtd/pkernfs_tree.c $vtd/pkernfs_ss.c
		$vtd/pkernfs_fuzz.c $vtd/pkernfs_fuzz_image.c $vtd/pkernfs_fuzz_damage.c
		$fs/record.c $here/shim_device.c $here/handover.c" ;;
region)
	sources="$sources $here/tree.c $here/golden.c $here/region.c" ;;
crash)
	# The redo log of KUnit's kernel can be stopped.
	flags="$flags -DCONFIG_PKERNFS_KUNIT_TEST=1"
	sources="$sources $fs/acl.c $fs/tests/ops_kunit.c $fs/tests/op_table_kunit.c
		$here/tree.c $here/crash.c" ;;
*)	die "no such thing: $what" ;;
esac
case $kind in
replay)	cc=gcc sanitize=address,undefined ;;
libfuzzer) cc=clang sanitize=fuzzer,address,undefined flags="$flags -DLIBFUZZER" ;;
*)	die "no such program: $kind" ;;
esac
sanitize="-fsanitize=$sanitize -fno-sanitize=alignment -fno-sanitize-recover=all"
program=$out/$kind
[ "$what" = handover ] || program=$program-$what
objects=
# The checker of the tools has headers of its own, those of userspace.
[ "$what" = handover ] || for f in "$here/verdict.c" "$repo"/tools/pkernfs/{check,check_bad,check_data,check_dir,check_inode,image,sums}.c; do
	o=$out/$kind-$(basename "$f" .c).o
	# shellcheck disable=SC2086
	$cc -std=gnu11 -O2 -g -fno-omit-frame-pointer -msse4.2 -D_GNU_SOURCE \
		-I"$repo/include/uapi" $sanitize -c -o "$o" "$f"
	objects="$objects $o"
done
# shellcheck disable=SC2086
$cc $flags $sanitize -o "$program.new" $sources $objects
mv "$program.new" "$program"
echo "$program"
