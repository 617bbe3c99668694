# SPDX-License-Identifier: GPL-2.0
# What the scenarios' guest scripts share.

# One line on the console, whole, in order with the kernel's own.
say() {
	echo "<5>$*" >/dev/kmsg
}

# A phase begins; the host takes the time.
phase() {
	say "PHASE $*"
}

fail() {
	say "FAIL: $*"
	exit 1
}

# Value of NAME=value on the kernel command line.
arg() {
	sed -n "s/.*\\b$1=\\([^ ]*\\).*/\\1/p" /proc/cmdline
}

# Wait for the host to type a line (Machine.send).
await_host() {
	local line
	read -r line || fail "the host has gone"
	say "host says $line"
}

# The next kernel's command line: this one's with the next stage number, and
# what the scenario wants to add. Nothing that is under test has a hand in it.
k2_cmdline() {
	local stage
	stage=$(arg stage)
	echo "$(sed "s/\\bstage=$stage\\b/stage=$((stage + 1))/" /proc/cmdline)" \
		"$(cat /test/k2-append)"
}

# kexec_load_next -c|-s: load the next kernel by kexec_load or kexec_file_load.
kexec_load_next() {
	kexec "$1" -l /boot/bzImage --initrd=/boot/initrd \
		--command-line="$(k2_cmdline)" ||
		fail "kexec $1 -l: $?"
	[ "$(cat /sys/kernel/kexec_loaded)" = 1 ] || fail "nothing was loaded"
}

# Does not return.
kexec_jump() {
	phase jump
	kexec -e
	fail "kexec -e came back: $?"
}
