# SPDX-License-Identifier: GPL-2.0
"""The hook series applies exactly, and stays under its size."""

KERNEL = None


def run(t):
    out = t.command(['tools/kernel/hooks-check.sh'])
    t.note(out.strip().split('\n')[-1])
