#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Build the QEMU that has our device, once, from Debian's own source package.
#
# Usage: qemu-build.sh [-h] [--libvhost-user | --fetch]
#
#   (no option)       Builds a minimal qemu-system-x86_64 with the device
#                     vhost-user-rdma-pci into $VRDMA_CACHE/qemu-VERSION-KEY/ and
#                     prints the binary's path.  KEY is a hash of our front-end
#                     files and this script: while they stay as they are, nothing
#                     is downloaded or built again.  About two minutes on two cores.
#   --libvhost-user   Only unpacks the vhost-user library from the same source into
#                     $VRDMA_CACHE/libvhost-user/ and prints that folder.  Compile it
#                     with: gcc -std=gnu11 -D_GNU_SOURCE -IDIR -c DIR/libvhost-user.c
#   --fetch           Only brings the source package into the cache.
#
#   Delete $VRDMA_CACHE/qemu-src to take a newer 10.0.x source.

set -euo pipefail
. "$(dirname "$0")/lib/common.sh"

SRC_SERIES=10.0
FRONTEND=$VR_ROOT/qemu-device/frontend
ABI=$VR_ROOT/qemu-device/include/virtio_rdma.h
SRCDIR=$VRDMA_CACHE/qemu-src

# --- the source package ---------------------------------------------------

# dsc_sums FILE: the sha256 list of the .dsc, as sha256sum reads it.
dsc_sums() {
	sed -n '/^Checksums-Sha256:/,/^[^ ]/s/^ \([0-9a-f]*\) [0-9]* \(.*\)/\1  \2/p' "$1"
}

# source_ok DIR: a complete, unaltered source package lies there.  The .dsc was
# recorded when apt had checked it against the archive's signed index.
source_ok() {
	(
		cd "$1" 2>/dev/null || exit 1
		sha256sum --status --strict -c dsc.sha256 2>/dev/null || exit 1
		dsc_sums ./*.dsc | sha256sum --status --strict -c - 2>/dev/null
	)
}

# fetch_source: the source package into SRCDIR.  The chain of trust is apt's:
# archive key -> InRelease -> Sources -> .dsc and tarballs; apt refuses a file
# that does not match, and the -o line refuses an archive without signature.
# A subshell: its lock is its own, --libvhost-user must not wait for a build.
fetch_source() (
	tmp=$SRCDIR.part
	take_lock qemu-src
	! source_ok "$SRCDIR" || exit 0
	rm -rf "$tmp"
	mkdir -p "$tmp"
	apt_update
	step "downloading QEMU's Debian source package (40 MB)"
	if ! download_source "$tmp"; then
		apt_update force
		rm -rf "$tmp"
		mkdir -p "$tmp"
		if ! download_source "$tmp"; then
			tail -n 10 "$VRDMA_CACHE/apt/source.log" >&2
			die "cannot download the source of qemu; see $VRDMA_CACHE/apt/source.log"
		fi
	fi
	(cd "$tmp" && sha256sum ./*.dsc >dsc.sha256)
	source_ok "$tmp" || die "the downloaded source in $tmp does not match its .dsc"
	rm -rf "$SRCDIR"
	mv "$tmp" "$SRCDIR"
)

download_source() {
	(cd "$1" && apt-get -q "${VR_APT[@]}" -o APT::Get::AllowUnauthenticated=false \
		source --only-source --download-only qemu/trixie) \
		>"$VRDMA_CACHE/apt/source.log" 2>&1 </dev/null
}

source_version() {
	sed -n 's/^Version: \([0-9]*:\)\{0,1\}//p' "$SRCDIR"/*.dsc | head -n 1
}

check_series() {
	case $1 in
	"$SRC_SERIES".*) ;;
	*) die "Debian's source is now $1; our front end was written against" \
		"$SRC_SERIES.x: adapt qemu-device/frontend, then SRC_SERIES here" ;;
	esac
}

# --- libvhost-user --------------------------------------------------------

# libvhost_user: a folder that needs nothing else.  In the source its include
# folders are links into QEMU's tree, so they are copied through the links.
libvhost_user() {
	local dir=$VRDMA_CACHE/libvhost-user tmp=$VRDMA_CACHE/libvhost-user.part ver tree
	take_lock libvhost-user
	if [ ! -e "$dir/version" ]; then
		fetch_source
		ver=$(source_version)
		check_series "$ver"
		step "unpacking libvhost-user from QEMU $ver"
		rm -rf "$tmp"
		mkdir -p "$tmp/tree"
		tar -C "$tmp/tree" --strip-components=1 --wildcards \
			-xf "$(echo "$SRCDIR"/*.orig.tar.xz)" \
			'*/subprojects/libvhost-user' '*/include/qemu/atomic.h' \
			'*/include/qemu/compiler.h' '*/include/standard-headers/linux'
		tree=$tmp/tree/subprojects/libvhost-user
		[ -f "$tree/libvhost-user.c" ] || die "no libvhost-user in QEMU $ver's source"
		rm -rf "$dir"
		cp -rL "$tree" "$tmp/out"
		printf '%s\n' "$ver" >"$tmp/out/version"
		mv "$tmp/out" "$dir"
		rm -rf "$tmp"
	fi
	printf '%s\n' "$dir"
}

# --- QEMU -----------------------------------------------------------------

# build_key: changes when something that goes into the binary changes.
build_key() {
	cat "$FRONTEND"/* "$ABI" "$0" | sha256sum | cut -c 1-12
}

# add_our_files TREE
add_our_files() {
	cp "$FRONTEND"/vhost-user-rdma.c "$FRONTEND"/vhost-user-rdma-pci.c "$1/hw/virtio/"
	cp "$FRONTEND"/vhost-user-rdma.h "$1/include/hw/virtio/"
	cp "$ABI" "$1/include/hw/virtio/virtio_rdma.h"
	cp "$FRONTEND"/rdma.mak "$1/configs/devices/x86_64-softmmu/rdma.mak"
	run_logged "$1/../patch.log" patch -d "$1" -p1 --fuzz=0 -i "$FRONTEND/qemu.patch"
}

# configure_qemu TREE BUILD: no feature but those named, nothing from the network
# (a missing libfdt would be cloned); firmware where Debian puts it, because the
# binary will not run from its build tree.
configure_qemu() {
	(cd "$2" && run_logged "$2/configure.log" "$1/configure" \
		--python=/usr/bin/python3 --target-list=x86_64-softmmu \
		--without-default-features --without-default-devices \
		--with-devices-x86_64=rdma \
		--enable-tcg --enable-kvm --enable-vhost-user \
		--disable-docs --disable-tools --disable-install-blobs \
		--enable-trace-backends=nop --disable-werror --disable-debug-info \
		--disable-download --disable-fdt \
		--firmwarepath=/usr/share/qemu:/usr/share/seabios:/usr/lib/ipxe/qemu)
}

# ninja_progress: ninja's own lines in, one line for every tenth out.
ninja_progress() {
	local n total next=0 line
	while IFS= read -r line; do
		[[ $line =~ ^\[([0-9]+)/([0-9]+)\] ]] || continue
		n=${BASH_REMATCH[1]} total=${BASH_REMATCH[2]}
		if ((n * 10 >= next * total)); then
			step "compiling QEMU: $n of $total"
			next=$((n * 10 / total + 1))
		fi
	done
}

compile_qemu() {
	if ! ninja -C "$1" qemu-system-x86_64 2>&1 </dev/null |
		tee "$1/ninja.log" | ninja_progress; then
		grep -A 15 '^FAILED' "$1/ninja.log" | head -n 40 >&2
		die "QEMU did not compile; the whole log is $1/ninja.log"
	fi
}

build_qemu() {
	local out=$1 ver=$2 work=$1.part
	rm -rf "$work"
	mkdir -p "$work/build"
	step "unpacking QEMU $ver with Debian's patches"
	run_logged "$work/unpack.log" dpkg-source --require-strong-checksums \
		-x "$(echo "$SRCDIR"/*.dsc)" "$work/src"
	add_our_files "$work/src"
	step "configuring QEMU"
	configure_qemu "$work/src" "$work/build"
	compile_qemu "$work/build"
	mkdir "$work/out"
	cp "$work/build/qemu-system-x86_64" "$work/out/"
	strip "$work/out/qemu-system-x86_64"
	run_logged "$work/probe.log" "$work/out/qemu-system-x86_64" \
		-device vhost-user-rdma-pci,help
	chmod 755 "$work/out"
	rm -rf "$out"
	mv "$work/out" "$out"
	rm -rf "$work"
	step "built $out/qemu-system-x86_64 ($(du -h "$out" | cut -f 1))"
}

qemu() {
	local ver out
	fetch_source
	ver=$(source_version)
	check_series "$ver"
	out=$VRDMA_CACHE/qemu-${ver%%+*}-$(build_key)
	# one that is there need not wait for another that is being built
	[ -x "$out/qemu-system-x86_64" ] || take_lock qemu-build
	if [ ! -x "$out/qemu-system-x86_64" ]; then
		"$VR_ROOT/scripts/setup.sh" build
		build_qemu "$out" "$ver"
	fi
	printf '%s\n' "$out/qemu-system-x86_64"
}

case ${1:-} in
-h | --help) usage_from_header "$0" ;;
--libvhost-user) libvhost_user ;;
--fetch) fetch_source; printf '%s\n' "$SRCDIR" ;;
'') qemu ;;
*) die "'$1' is no option; see $0 -h" ;;
esac
