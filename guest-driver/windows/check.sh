#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Look at Windows binaries from outside: what they are, import and export.
#
# Usage: check.sh [-h] DIR
#
#   DIR   where `make windows` put them
#
#   Every import must be in imports.txt, or be exported by our own DLL; the DLL
#   exports what dll/provider.def names and nothing else.  A driver has relocations
#   and unwind codes, and imports nothing of user space; vrdma.inf goes with it.

set -euo pipefail
case ${1:-} in
-h | --help | '')
	sed -n '/^# Usage:/,/^$/s/^# \{0,1\}//p' "$0"
	[ -n "${1:-}" ] && exit 0
	exit 2
	;;
esac
here=$(cd "$(dirname "$0")" && pwd)
dir=$1
objdump=${OBJDUMP:-x86_64-w64-mingw32-objdump}
bad=0

complain() {
	echo "$1: $2" >&2
	bad=1
}

# "library function" of each import, libraries in lower case
imports() {
	"$objdump" -p "$1" | awk '/DLL Name:/ { d = tolower($3) }
		/^\t[0-9a-f]+\t *[0-9]+  / { print d, $3 }' | sort
}

exports() {
	"$objdump" -p "$1" | awk '/^\[Ordinal\/Name Pointer\] Table/ { on = 1; next }
		on && /^\t\[/ { print $NF } on && /^$/ { exit }' | sort
}

named() {
	awk '$1 == "EXPORTS" { on = 1; next } on && NF { print $1 }' "$here/dll/provider.def" | sort
}

# subsystem: 1 native, 3 console
check_one() {
	local file=$dir/$1 subsystem=$2 is rows
	[ -f "$file" ] || { complain "$file" "is not there"; return 0; }
	is=$("$objdump" -p "$file" | awk '$1 == "Subsystem" { print $2 + 0 }')
	[ "$is" = "$subsystem" ] || complain "$1" "is of subsystem $is, not $subsystem"
	rows=$(imports "$file" | comm -23 - <(
		{ grep -v '^#' "$here/imports.txt"; named | sed 's/^/vrdmand.dll /'; } | sort))
	[ -z "$rows" ] || complain "$1" "imports what imports.txt does not list:
$rows"
	echo "windows: $1: $(imports "$file" | wc -l) imports"
}

# What the kernel's loader wants; with a library of user space Wine starts it as a DLL
check_driver() {
	local file=$dir/$1 libs=$2 rows part
	[ -f "$file" ] || return 0
	rows=$(imports "$file" | grep -vE "^($libs) " || true)
	[ -z "$rows" ] || complain "$1" "imports from no library of the kernel's:
$rows"
	for part in .reloc .pdata; do
		"$objdump" -h "$file" | grep -q " $part " || complain "$1" "has no $part"
	done
}

check_one vrdma.sys 1
check_driver vrdma.sys 'ntoskrnl\.exe|ndis\.sys|hal\.dll'
check_one wine/vrdma.sys 1
check_driver wine/vrdma.sys 'ntoskrnl\.exe|hal\.dll'
check_one vrdmand.dll 3
for exe in nd_info.exe nd_ping.exe nd_install.exe wine/vrdma_load.exe; do
	check_one "$exe" 3
done
rows=$(exports "$dir/vrdmand.dll" | diff - <(named) || true)
[ -z "$rows" ] || complain vrdmand.dll "does not export what dll/provider.def names:
$rows"
"$here/check_inf.py" --built "$dir" "$dir/vrdma.inf" || bad=1
[ $bad = 0 ] && echo "windows: clean"
exit $bad
