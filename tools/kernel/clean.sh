#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Remove this checkout's build trees, of any source, and logs; with --all the whole cache.
set -euo pipefail
. "$(dirname "$0")/env.sh"
if [ "${1:-}" = --all ]; then
	rm -rf "$cache"
else
	rm -rf "$cache"/{w,boot,fuzz}/"$checkout"{,-*}
fi
