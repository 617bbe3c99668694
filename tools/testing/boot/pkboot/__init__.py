# SPDX-License-Identifier: GPL-2.0
"""Boot tests of pkernfs in QEMU. See README.rst here."""
