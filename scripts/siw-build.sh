#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Build siw, Linux's own iWARP over TCP, for the machine of `make nested`.
#
# Usage: siw-build.sh [-h]
#
#   Prints the path of siw.ko for the kernel that `kernel-fetch.sh 6.12` gives.
#   Debian's kernels leave it out, so it is built from the package
#   linux-source-6.12 of the same version against that kernel's headers.  The
#   package is fetched and unpacked, not installed; nothing of it is kept but the
#   module, in $VRDMA_CACHE/siw-RELEASE.ko, and a second run needs no network.
#   Delete that file to build it again.

set -euo pipefail
. "$(dirname "$0")/lib/common.sh"

FLAVOUR=6.12
WHERE=drivers/infiniband/sw/siw

# The package of exactly that version, or the nearest of its flavour: siw
# changes little within a stable series.
fetch_source() { # VERSION
	local pkg=linux-source-$FLAVOUR
	apt_update
	step "downloading $pkg $1 (about 140 MB)"
	apt-get -q "${VR_APT[@]}" download "$pkg=$1" >"$VRDMA_CACHE/apt/siw.log" \
		2>&1 </dev/null && return
	note "$pkg $1 is no longer there: taking what is"
	apt_update force
	run_logged "$VRDMA_CACHE/apt/siw.log" apt-get -q "${VR_APT[@]}" download "$pkg"
}

# Only siw's folder, below the current one.
unpack() {
	local tar=usr/src/linux-source-$FLAVOUR.tar.xz
	step "unpacking siw from it"
	dpkg-deb --fsys-tarfile linux-source-*.deb | tar -xO "./$tar" |
		tar -xJ --strip-components=1 --wildcards "*/$WHERE/*"
	[ -f "$WHERE/Makefile" ] || die "no $WHERE in $(ls linux-source-*.deb)"
}

build_siw() { # OUT RELEASE VERSION HEADERS
	local work=$1.work
	rm -rf "$work"
	mkdir -p "$work"
	# shellcheck disable=SC2064 # now: $work is gone when the trap runs
	trap "rm -rf '$work'" EXIT
	cd "$work"
	fetch_source "$3"
	unpack
	step "building siw.ko for $2"
	run_logged "$VRDMA_CACHE/siw-build.log" make -C "$4" M="$work/$WHERE" \
		CONFIG_RDMA_SIW=m modules
	strip --strip-debug "$WHERE/siw.ko"
	mv "$WHERE/siw.ko" "$1"
}

main() {
	local release headers version out
	IFS=$'\t' read -r release _ _ headers \
		<<<"$("$VR_ROOT/scripts/kernel-fetch.sh" "$FLAVOUR" | tail -n 1)"
	[ -d "${headers:-}" ] || die "kernel-fetch.sh $FLAVOUR gave no usable headers"
	out=$VRDMA_CACHE/siw-$release.ko
	take_lock siw-build
	if [ ! -e "$out" ]; then
		version=$(pkg_version "linux-headers-$release")
		build_siw "$out" "$release" "$version" "$headers"
	fi
	printf '%s\n' "$out"
}

case ${1:-} in
-h | --help) usage_from_header "$0" ;;
'') main ;;
*) die "'$1' is no option; see $0 -h" ;;
esac
