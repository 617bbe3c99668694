# SPDX-License-Identifier: GPL-2.0
# pkernfs: build and test from the outside. `make help' tells what there is.

# Of the command line alone: the environment may have these for other programs.
T :=
V :=
TIME :=
comma := ,
boot := tools/testing/boot/run.py
verbose = $(if $(filter-out 0,$(V)),-v)

export KSRC KVER OTHER PKERNFS_CACHE WHAT

help:
	@echo 'Tests (Debian 12 or 13, as root or with sudo; kernels and QEMU come by themselves):'
	@echo '  make check            the boot tests; the last line counts them'
	@echo '  make check-all        more of them, in more combinations: before a release'
	@echo '  make check T=a,b      these alone, by name;  V=1 shows the consoles'
	@echo '  make list             the names'
	@echo '  make fuzz TIME=600    libFuzzer on the code that validates a handover'
	@echo '  make fuzz WHAT=region the same on the load of a region, and on fsck'
	@echo '  make bench            what it costs, beside hugetlbfs, tmpfs and LUO'
	@echo '  make demo             a live update to watch'
	@echo
	@echo 'The kernel:'
	@echo '  make kernel           build all kernels (debug, test, release, bare)'
	@echo '  make kernel-debug     one of them; prints the path of its bzImage'
	@echo '  make kernel-faults    debug with fault injection, for make check T=faults'
	@echo '  make kernel-kvm       release with KVM, for make check T=interrupts-kvm'
	@echo '  make hooks-check      apply the hook series without fuzz, count its lines'
	@echo '  make checkpatch       checkpatch --strict on our files and patches'
	@echo
	@echo 'Else:'
	@echo '  make deps             install the packages that all this needs'
	@echo '  make clean            remove build trees and logs of this checkout'
	@echo '  make distclean        remove the whole cache folder'
	@echo
	@echo 'KVER=X.Y                Debian'\''s linux-source-X.Y and not linux-source-7.3'
	@echo 'KSRC=/path              another Linux source, of a version in tools/kernel'
	@echo 'OTHER=X.Y, OTHER=/path  the one beside it, for make check T=versions'
	@echo 'PKERNFS_CACHE=/path     where downloads and build trees go ($$XDG_CACHE_HOME/pkernfs)'

check:
	@tools/testing/boot/check $(verbose) $(subst $(comma), ,$(T))

check-all:
	@tools/testing/boot/check --all $(verbose) $(subst $(comma), ,$(T))

demo: deps
	@$(boot) --demo

bench: deps
	@$(boot) bench

fuzz: deps
	@tools/testing/fuzz/run.sh $(TIME)

list:
	@command -v python3 >/dev/null || tools/kernel/deps.sh
	@$(boot) --list

kernel: deps
	@for f in debug test release bare; do tools/kernel/build.sh $$f || exit 1; done

kernel-debug kernel-faults kernel-test kernel-release kernel-bare kernel-kvm: deps
	@tools/kernel/build.sh $(@:kernel-%=%)

hooks-check: deps
	@tools/kernel/hooks-check.sh

checkpatch: deps
	@tools/kernel/checkpatch.sh

deps:
	@tools/kernel/deps.sh

clean:
	@tools/kernel/clean.sh

distclean:
	@tools/kernel/clean.sh --all

.PHONY: help check check-all demo bench fuzz list kernel kernel-debug kernel-faults kernel-test kernel-release kernel-bare \
	kernel-kvm hooks-check checkpatch deps clean distclean
