#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Fetch the Debian kernels that the test guests boot, without installing them.
#
# Usage: kernel-fetch.sh [-h] [6.12|6.1]...
#
#   Brings each kernel flavour (default: both) into $VRDMA_CACHE/kernels/ and
#   installs the headers of exactly that version, so that modules build for it.
#   Prints one line per flavour, fields separated by tabs:
#
#       RELEASE  VMLINUZ  MODULE-FOLDER  HEADER-FOLDER
#
#   MODULE-FOLDER has modules.dep and is laid out as lib/modules/RELEASE below
#   a root, so `modprobe -d ROOT` works.  A flavour that this Debian does not
#   package (6.1 on Debian 13) is left out, with a note, unless asked for by name.
#   What is in the cache is used as it is: a second run needs no network.
#   Delete $VRDMA_CACHE/kernels/FLAVOUR to take a newer version.

set -euo pipefail
. "$(dirname "$0")/lib/common.sh"

# find_release FLAVOUR: newest "RELEASE VERSION" with an image and headers of
# the same version.  Cloud and real-time builds lack drivers or differ.
find_release() {
	local rel ver
	while read -r rel; do
		ver=$(package_version "linux-image-$rel")
		if [ -n "$ver" ] && [ "$ver" = "$(package_version "linux-headers-$rel")" ]; then
			printf '%s %s\n' "$rel" "$ver"
			return 0
		fi
	done < <(apt-cache "${VR_APT[@]}" pkgnames "linux-image-$1." |
		sed -n 's/^linux-image-\([0-9][^ ]*\)-amd64$/\1-amd64/p' |
		grep -vE -e '-(cloud|rt)-amd64$' | sort -rV)
	return 1
}

package_version() {
	apt-cache "${VR_APT[@]}" --no-all-versions show "$1" 2>/dev/null |
		sed -n 's/^Version: //p' | head -n 1
}

# unpack_image RELEASE VERSION DIR: kernel and modules, nothing else.
unpack_image() {
	local rel=$1 ver=$2 dir=$3 tmp=$3.part
	rm -rf "$tmp" "$dir"
	mkdir -p "$tmp/deb" "$tmp/root/lib/modules"
	step "downloading linux-image-$rel $ver (about 100 MB)"
	(cd "$tmp" && run_logged "$VRDMA_CACHE/apt/kernel.log" \
		apt-get -q "${VR_APT[@]}" download "linux-image-$rel=$ver")
	step "unpacking linux-image-$rel"
	dpkg-deb -x "$tmp"/linux-image-*.deb "$tmp/deb"
	mv "$tmp/deb/boot/vmlinuz-$rel" "$tmp/vmlinuz"
	# Debian 13 ships them below /usr/lib.
	mv "$tmp/deb"/{,usr/}lib/modules/"$rel" "$tmp/root/lib/modules/" 2>/dev/null || true
	[ -d "$tmp/root/lib/modules/$rel/kernel" ] ||
		die "linux-image-$rel has no modules where they were looked for; see $tmp"
	depmod -b "$tmp/root" "$rel"
	rm -rf "$tmp/deb" "$tmp"/*.deb
	printf '%s\n' "$ver" >"$tmp/version"
	printf '%s\n' "$rel" >"$tmp/release"
	mv "$tmp" "$dir"
}

# ensure_image FLAVOUR DIR: 0 when there, 1 when this Debian has none.
ensure_image() {
	local found
	[ ! -e "$2/release" ] || return 0
	[ "$(cat "$2/absent" 2>/dev/null)" != "$(debian_codename)" ] || return 1
	apt_update
	if ! found=$(find_release "$1"); then
		# The lists may be from before the packages; only fresh ones prove absence.
		apt_update force
		found=$(find_release "$1") || found=
	fi
	if [ -z "$found" ]; then
		mkdir -p "$2"
		debian_codename >"$2/absent"
		return 1
	fi
	# shellcheck disable=SC2086 # two words on purpose
	unpack_image $found "$2"
}

# ensure_headers RELEASE VERSION
ensure_headers() {
	local pkg=linux-headers-$1
	[ "$(pkg_version "$pkg")" != "$2" ] || return 0
	step "installing $pkg $2"
	apt_install "$pkg=$2"
}

fetch_flavour() {
	local dir rel
	dir=$(cache_dir kernels)/$1
	if ! ensure_image "$1" "$dir"; then
		note "Debian $(debian_codename) packages no $1 kernel: left out"
		return 1
	fi
	rel=$(cat "$dir/release")
	ensure_headers "$rel" "$(cat "$dir/version")"
	printf '%s\t%s\t%s\t%s\n' "$rel" "$dir/vmlinuz" \
		"$dir/root/lib/modules/$rel" "/usr/src/linux-headers-$rel"
}

main() {
	local flavour asked=$#
	case ${1:-} in -h | --help) usage_from_header "$0"; exit 0 ;; esac
	[ "$(dpkg --print-architecture)" = amd64 ] ||
		die "only amd64 kernels are fetched, this machine is $(dpkg --print-architecture)"
	[ $# -gt 0 ] || set -- 6.12 6.1
	for flavour in "$@"; do
		case $flavour in
		6.12 | 6.1) ;;
		*) die "'$flavour' is no kernel flavour; 6.12 and 6.1 are" ;;
		esac
	done
	take_lock kernel-fetch
	have depmod || apt_install kmod
	for flavour in "$@"; do
		fetch_flavour "$flavour" || [ "$asked" -eq 0 ] ||
			die "kernel $flavour cannot be had on this Debian; ask for 6.12"
	done
}

main "$@"
