#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# All tests: what `make test` and the build machine run.
#
# Usage: test.sh [-h]
#
#   Installs what is missing, builds, and runs every stage, also after one that
#   failed.  The last line is the sum: "N passed, N failed".

set -uo pipefail
cd "$(dirname "$0")/.." || exit
case ${1:-} in -h | --help)
	sed -n '/^# Usage:/,/^$/s/^# \{0,1\}//p' "$0"
	exit 0
	;;
esac
export O=${O:-build}
log=$O/log
mkdir -p "$log"
passed=0
failed=0
t0=$SECONDS

say() { printf '\n== %s (%d s)\n' "$*" $((SECONDS - t0)); }

# stage NAME COMMAND...: its last line "N passed, N failed" is added to the sum;
# a stage without one counts as one test.
stage() {
	local name=$1 status sum p f
	shift
	say "$name"
	"$@" 2>&1 </dev/null | tee "$log/stage-$name.log"
	status=${PIPESTATUS[0]}
	sum=$(grep -oE '[0-9]+ passed, [0-9]+ failed' "$log/stage-$name.log" | tail -n 1)
	if [ -n "$sum" ]; then
		p=${sum%% passed*}
		f=${sum##*, }
		f=${f%% failed}
		[ "$status" = 0 ] || [ "$f" != 0 ] || f=1
	elif [ "$status" = 0 ]; then
		p=1 f=0
	else
		p=0 f=1
		echo "stage $name failed with exit status $status; again: $*"
	fi
	passed=$((passed + p))
	failed=$((failed + f))
}

finish() {
	say "done"
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ]
}

stage setup scripts/setup.sh build guest
if [ "$failed" != 0 ]; then
	finish
	exit 1
fi
stage build make --no-print-directory -j2 all tests kmod
stage clang make --no-print-directory -j2 all tests O=build-clang CC=clang
stage freestanding make --no-print-directory core-freestanding
stage layers scripts/check-layers.sh
stage check make --no-print-directory check-run
stage workers make --no-print-directory check-workers
stage wire make --no-print-directory wire
stage fuzz make --no-print-directory fuzz-brief
stage explorer make --no-print-directory explorer-run
stage check-asan make --no-print-directory -j2 check-run O=build-asan SAN=address
stage windows make --no-print-directory windows
stage wine make --no-print-directory test-wine
stage vm make --no-print-directory check-vm
stage wine-linux make --no-print-directory test-wine-linux
stage nested make --no-print-directory nested
stage demo make --no-print-directory demo
finish
