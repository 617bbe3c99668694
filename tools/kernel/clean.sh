#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Remove this checkout's build trees and logs; with --all the whole cache.
set -euo pipefail
. "$(dirname "$0")/env.sh"
if [ "${1:-}" = --all ]; then
	rm -rf "$cache"
else
	rm -rf "$overlay" "$cache/boot/$(basename "$overlay")" "$cache/fuzz/$(basename "$overlay")"
fi
