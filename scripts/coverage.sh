#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Line coverage of the tests that need no VM.
#
# Usage: coverage.sh [-h]
#
#   Builds with gcc --coverage into build-cov, runs the tests, prints lines
#   covered per file of ours, lowest first, and the sum per part.

set -euo pipefail
cd "$(dirname "$0")/.." || exit
case ${1:-} in -h | --help)
	sed -n '/^# Usage:/,/^$/s/^# \{0,1\}//p' "$0"
	exit 0
	;;
esac
export O=build-cov
find "$O" -name '*.gcda' -delete 2>/dev/null || true
make --no-print-directory -j2 check-run O="$O" SAN=coverage
# gcov prints, per source: File 'x', then Lines executed:P% of N
find "$O" -name '*.gcno' ! -path "*/tests/*" -print0 |
	xargs -0 -n 1 gcov -n 2>/dev/null |
	awk -F"[':% ]+" '
		/^File/ { file = $2 }
		/^Lines executed/ && file ~ /^(qemu-device|host-backend|guest-driver)\// {
			if (!(file in total) || $5 + 0 > total[file]) total[file] = $5 + 0
			done[file] = done[file] > $3 ? done[file] : $3 + 0
			file = ""
		}
		END { for (f in total) printf "%6.1f%% %5d %s\n", done[f], total[f], f }' |
	sort -n |
	awk '{ print; split($3, p, "/"); part = p[1] "/" p[2]
		lines[part] += $2; hit[part] += $1 * $2 / 100 }
		END { print ""; for (q in lines) printf "%6.1f%% %5d %s\n", 100 * hit[q] / lines[q], lines[q], q }'
