#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# All checks that read source without running it.
#
# Usage: lint.sh [-h] [STEP]...
#
#   STEP  spdx layers functions format shell python cppcheck tidy sparse
#         freestanding compilers (default: all)
#
#   Every step runs, also after one failed; exit status 1 if any did.

set -uo pipefail
cd "$(dirname "$0")/.." || exit
case ${1:-} in -h | --help)
	sed -n '/^# Usage:/,/^$/s/^# \{0,1\}//p' "$0"
	exit 0
	;;
esac
jobs=$(nproc)

c_files() {
	git ls-files '*.c' '*.h' ':!qemu-device/frontend'
}

# What builds in user space: the kernel module has the kernel's own checks.
user_c() {
	git ls-files 'qemu-device/model/*.c' 'host-backend/*.c' \
		'guest-driver/core/*.c' 'guest-driver/ndspi/*.c' 'tests/*.c' \
		'guest-driver/linux/tools/*.c'
}

lint_spdx() {
	local missing
	missing=$(git ls-files -z ':!LICENSES' ':!*.json' ':!*.md' ':!COPYING*' |
		xargs -0 grep -L 'SPDX-License-Identifier')
	[ -z "$missing" ] || {
		printf 'no SPDX line: %s\n' "$missing"
		return 1
	}
}

lint_layers() { scripts/check-layers.sh; }
lint_functions() { scripts/check-functions.py; }

# Layout that no reader should have to argue about.  clang-format itself is for
# new lines (make format): it would pull apart the tables of the headers.
lint_format() {
	c_files | xargs awk '
		function bad(why) { printf "%s:%d: %s\n", FILENAME, FNR, why; n++ }
		/[ \t]$/ { bad("space at the end of the line") }
		/\r$/ { bad("carriage return") }
		/^ +[^ *]/ && !/^ \*/ { bad("indented by spaces") }
		{ line = $0; while (match(line, /\t/)) {
			pad = 8 - (RSTART - 1) % 8
			line = substr(line, 1, RSTART - 1) sprintf("%*s", pad, "") substr(line, RSTART + 1)
		} }
		length(line) > 100 && !/"/ { bad("longer than 100 columns") }
		END { exit n > 0 }'
}

lint_shell() {
	git ls-files '*.sh' .ci/run | xargs shellcheck -x -S warning
}

lint_python() {
	git ls-files '*.py' scripts/vrdma-domain | xargs python3 -m py_compile
}

lint_cppcheck() {
	user_c | grep -v '^tests/' | cppcheck --quiet --std=c11 --error-exitcode=1 \
		--enable=warning,portability --inline-suppr --suppress=missingInclude \
		--suppress=nullPointerArithmeticRedundantCheck \
		-j "$jobs" -D__x86_64__ -DUINTPTR_MAX=0xffffffffffffffff \
		-Iqemu-device/include -Ihost-backend -Iqemu-device/model \
		-Iguest-driver/core --file-list=-
}

lint_tidy() {
	# one file a run: the va_list check of clang 14 fails on the second one
	make --no-print-directory -s compile-flags | while read -r dir flags; do
		# shellcheck disable=SC2086
		git ls-files "$dir/*.c" | xargs -r -P "$jobs" -n 1 sh -c \
			'clang-tidy --quiet "$@" -- '"$flags" tidy 2>/dev/null
	done | awk '{ print } /(warning|error):/ { n++ } END { exit n > 0 }'
}

# The ABI's byte order: sparse knows the kernel's types, so it checks the module.
lint_sparse() {
	make --no-print-directory -s kmod-sparse
}

lint_freestanding() { make --no-print-directory -s core-freestanding; }

lint_compilers() {
	make --no-print-directory -s all tests O=build-gcc CC=gcc -j "$jobs" &&
		make --no-print-directory -s all tests O=build-clang CC=clang -j "$jobs"
}

steps=${*:-spdx layers functions shell python freestanding compilers cppcheck tidy format sparse}
failed=""
for s in $steps; do
	declare -F "lint_$s" >/dev/null || {
		echo "lint.sh: no step '$s'; see lint.sh -h" >&2
		exit 2
	}
	t0=$SECONDS
	if "lint_$s"; then
		printf 'lint %-13s ok      %3d s\n' "$s" $((SECONDS - t0))
	else
		printf 'lint %-13s FAILED  %3d s   again: scripts/lint.sh %s\n' "$s" $((SECONDS - t0)) "$s"
		failed+=" $s"
	fi
done
if [ -n "$failed" ]; then
	echo "lint: failed:$failed"
	exit 1
fi
echo "lint: clean"
