# SPDX-License-Identifier: GPL-2.0
"""A live update of a machine that EFI firmware has started, by kexec -c (S1).

The next kernel has EFI's runtime services from the kernel before it: it finds a variable
that that one has written, and can write one. The variant is by kexec -s.
"""

from pkboot import live

KERNEL = 'efi'              # built for this alone
FIRMWARE = 'efi'
MANUAL = True
ALONE = True
LIKE = live
TRACE = ('pci_cfg_write', 'vtd_dmar_fault')
STAGES = 2
TIMEOUT = 180
# All free memory is overwritten, what firmware and loader have left included.
APPEND = live.APPEND + ' memtest=1'
_EFI = r'''
efi_works() {
	[ -d /sys/firmware/efi/runtime-map/0 ] || fail "not by EFI, or no runtime map"
	mount -t efivarfs efivarfs /sys/firmware/efi/efivars || fail "no EFI variables"
	[ $(ls /sys/firmware/efi/efivars | wc -l) -gt 10 ] || fail "few EFI variables"
}
var=/sys/firmware/efi/efivars/Stage%s-2c1bb2a5-4f8c-4b6e-9f38-6e5d1f3a8a77
efi_write() {
	printf '\007\000\000\000stage%s' $1 >$(printf $var $1) || fail "EFI variable: $?"
}
efi_read() {
	[ "$(tail -c 6 $(printf $var $1))" = stage$1 ] || fail "EFI variable of stage $1"
}
'''
_HOOKS = {
    'before': '''
	efi_works
	efi_write 1
''', 'early': '''
	efi_works
	efi_read 1
	efi_write 2
	efi_read 2
'''}
GUEST = _EFI + live.guest('-c', **_HOOKS)
VARIANTS = {'file': {'GUEST': _EFI + live.guest('-s', **_HOOKS)}}


def run(t):
    u = live.steady(t, rate=1060)
    u.never_cleared()
