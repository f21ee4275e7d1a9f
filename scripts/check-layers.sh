#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Keep the borders between the parts: which folder may include which of ours.
#
# Usage: check-layers.sh [-h]
#
#   Reads every #include "..." of the tracked C files, finds whose header it is,
#   and compares with the table below.  A header of the same folder is always
#   fine, and so is one that is not ours (Linux, QEMU, libraries).

set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in -h | --help)
	sed -n '/^# Usage:/,/^$/s/^# \{0,1\}//p' "$0"
	exit 0
	;;
esac

# folder: folders whose headers it may include
allowed() {
	case $1 in
	qemu-device/include) echo "" ;;
	qemu-device/frontend) echo "qemu-device/include" ;;
	qemu-device/model) echo "qemu-device/include host-backend host-backend/local host-backend/iwarp host-backend/verbs" ;;
	host-backend) echo "qemu-device/include" ;;
	host-backend/*) echo "qemu-device/include host-backend" ;;
	guest-driver/core | guest-driver/core/freestanding) echo "qemu-device/include" ;;
	guest-driver/linux | guest-driver/linux/*) echo "qemu-device/include guest-driver/core guest-driver/user guest-driver/linux" ;;
	guest-driver/user) echo "qemu-device/include guest-driver/core guest-driver/linux" ;;
	guest-driver/windows/sys) echo "qemu-device/include guest-driver/core guest-driver/user guest-driver/linux guest-driver/windows guest-driver/windows/compat guest-driver/windows/ndis guest-driver/windows/pci" ;;
	guest-driver/windows | guest-driver/windows/compat | guest-driver/windows/compat/* | guest-driver/windows/ndis | guest-driver/windows/pci | guest-driver/windows/wine) echo "qemu-device/include guest-driver/core guest-driver/user guest-driver/linux guest-driver/windows guest-driver/windows/compat guest-driver/windows/wine" ;;
	guest-driver/windows/dll | guest-driver/windows/dll/compat | guest-driver/windows/tools | guest-driver/windows/wine/tools) echo "qemu-device/include guest-driver/core guest-driver/linux guest-driver/ndspi guest-driver/windows guest-driver/windows/compat guest-driver/windows/dll guest-driver/windows/dll/compat guest-driver/windows/tools guest-driver/windows/wine" ;;
	guest-driver/ndspi | guest-driver/ndspi/*) echo "qemu-device/include guest-driver/core guest-driver/linux guest-driver/ndspi" ;;
	tests | tests/*) echo "*" ;;
	*) return 1 ;;
	esac
}

# Headers of the guest core that code outside the kernel may take: shared
# protocol and numbers, nothing of the miniport itself.
ndspi_core='vrdma_ring.h vrdma_status.h nd_status.h nd_sockaddr.h'

bad=0
complain() {
	echo "$1: $2" >&2
	bad=1
}

declare -A home
while IFS= read -r h; do
	home[${h##*/}]+="${h%/*} "
done < <(git ls-files '*.h')

while IFS= read -r file; do
	dir=${file%/*}
	if ! may=$(allowed "$dir"); then
		complain "$file" "folder $dir has no rule in scripts/check-layers.sh"
		continue
	fi
	[ "$may" = "*" ] && continue
	while IFS= read -r inc; do
		# the one way from shared source, under _WIN32, to what Windows has
		case ${inc##*/} in *_windows.h) continue ;; esac
		where=${home[${inc##*/}]:-}
		[ -n "$where" ] || continue
		ok=0
		for w in $where; do
			[ "$w" = "$dir" ] && ok=1
			case " $may " in *" $w "*) ok=1 ;; esac
		done
		[ $ok = 1 ] || complain "$file" "includes $inc of $where; $dir may include only: ${may:-nothing of ours}"
		case $dir in guest-driver/ndspi*)
			if [[ $where == *guest-driver/core* ]]; then
				case " $ndspi_core " in
				*" ${inc##*/} "*) ;;
				*) complain "$file" "includes $inc of the core; the library may take only: $ndspi_core" ;;
				esac
			fi
			;;
		esac
	done < <(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p' "$file")
	# The core reaches the system through vrdma_os.h only.
	if [ "$dir" = guest-driver/core ]; then
		while IFS= read -r inc; do
			case $inc in
			stdint.h | stdbool.h | stddef.h | stdarg.h | string.h | linux/types.h | linux/stddef.h | linux/string.h) ;;
			*) complain "$file" "includes <$inc>; the core takes no OS header" ;;
			esac
		done < <(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*<\([^>]*\)>.*/\1/p' "$file")
	fi
done < <(git ls-files '*.c' '*.h')

# One helper compares ranges; an addition before a comparison can wrap.
rows=$(git grep -nE '(addr|offset|off|gpa|va) *\+ *(len|length|size|count)[a-z_]* *(>|>=|<|<=) ' -- \
	qemu-device/model host-backend guest-driver/core || true)
[ -z "$rows" ] || complain "range arithmetic" "use range_within(), which subtracts:
$rows"

[ $bad = 0 ] && echo "layers: clean"
exit $bad
