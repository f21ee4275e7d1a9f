#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
# Compile the miniport core freestanding with every compiler that is here.
set -euo pipefail

usage() {
	cat <<-'TEXT'
	usage: check.sh OUT_DIR

	Compiles each file of guest-driver/core without the system's headers and
	reports any symbol, other than memcpy, memset, memcmp, memmove and compiler
	helpers, that it would need from outside.  Compilers that are not installed are
	named and left out; gcc must be there.
	TEXT
}

case "${1:-}" in
-h | --help) usage; exit 0 ;;
"") usage >&2; exit 2 ;;
esac

cd "$(dirname "$0")/../../.."
out=$1
flags=(-std=gnu11 -O2 -ffreestanding -nostdinc -Wall -Wextra -Wshadow
	-Wmissing-prototypes -Wvla -Werror -Iguest-driver/core
	-Iqemu-device/include -isystem guest-driver/core/freestanding)
allowed='^(memcpy|memset|memcmp|memmove|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail(_local)?|__atomic_.*|__x86\..*)$'

# name, compiler, its extra flags
variants=(
	"gcc gcc"
	"clang clang"
	"gcc-32 gcc -m32 -march=i686"
	# the context page is page-aligned, which its type cannot say on i386
	"clang-32 clang --target=i686-linux-gnu -Wno-atomic-alignment"
	"aarch64 aarch64-linux-gnu-gcc"
	"powerpc64-be powerpc64-linux-gnu-gcc"
	"clang-s390x-be clang --target=s390x-linux-gnu"
)

works() {	# compiler and flags: can it compile an empty file for the target?
	command -v "$1" >/dev/null && echo 'int x;' | "$@" -c -xc -o /dev/null - 2>/dev/null
}

check_variant() {
	local name=$1
	shift
	local include nm=(nm) dir="$out/$name" src bad
	include=$("$@" -print-file-name=include)
	mkdir -p "$dir"
	rm -f "$dir"/*.o
	for src in guest-driver/core/*.c; do
		"$@" "${flags[@]}" -isystem "$include" -c -o "$dir/$(basename "$src" .c).o" "$src"
	done
	"$@" -nostdlib -r -o "$dir/all.o" "$dir"/*.o 2>/dev/null ||
		{ echo "core-freestanding: $name compiled (no linker for it, symbols not checked)"; return; }
	bad=$("${nm[@]}" -u "$dir/all.o" | awk '{print $NF}' | grep -Ev "$allowed" || true)
	if [ -n "$bad" ]; then
		echo "core-freestanding: $name: the core needs from outside: $bad" >&2
		exit 1
	fi
	echo "core-freestanding: $name ok"
}

for v in "${variants[@]}"; do
	read -r -a words <<<"$v"
	if works "${words[@]:1}"; then
		check_variant "${words[@]}"
	elif [ "${words[0]}" = gcc ]; then
		echo "core-freestanding: gcc does not run; install it (scripts/setup.sh build)" >&2
		exit 1
	else
		echo "core-freestanding: ${words[0]} left out: ${words[1]} or its target is not installed"
	fi
done
