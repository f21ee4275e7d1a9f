#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Make the machine in which `make nested` runs: a Debian of its own, with an RDMA
# stack, libvirt and KVM, that boots guests of ours inside itself.
#
# Usage: nested-image.sh [-h] [INITRD]
#
#   Prints one line, fields separated by tabs:
#
#       VMLINUZ  INITRD  ROOT
#
#   ROOT is an ext4 file system that is never written to; it stays in
#   $VRDMA_CACHE/nested-KEY.ext4 and is made anew when the list of packages or the
#   kernel changes (debootstrap, under a minute).  INITRD (default
#   $O/nested-initrd.gz) mounts it below a layer in memory and starts the agent of
#   tests/guest/.  Nothing of a build of ours is in either: scripts/nested.py
#   brings that in after boot.

set -euo pipefail
. "$(dirname "$0")/lib/common.sh"
. "$(dirname "$0")/lib/initramfs.sh"

FLAVOUR=6.12

# What is needed before ROOT is mounted, and what in it.  Their dependencies come
# along.
BOOT_MODULES="virtio_pci virtio_blk crc32c_generic ext4 overlay"
ROOT_MODULES="kvm-amd kvm-intel crc32_generic rdma_rxe ib_uverbs rdma_ucm rdma_cm veth dummy
	nf_tables nft_limit nft_numgen sch_netem sch_prio cls_u32 tun"

# package | why
packages() {
	sed -e '/^#/d' -e '/^$/d' <<'TABLE'
python3|the tests
iproute2|veth, rxe, routing rules
kmod|their modules
rdma-core|rdma_cm's user space
ibverbs-providers|rxe's part of libibverbs
ibverbs-utils|ibv_devinfo
rdmacm-utils|rping, a peer that is not ours
perftest|ib_write_bw and its like, the measure
tcpdump|what went over the wire
nftables|what did not
seabios|their firmware
qemu-system-data|their option ROMs
libvirt-daemon|guests
libvirt-daemon-driver-qemu|guests
libvirt-clients|guests
libinih1|vrdmad
libisal2|vrdmad
libsubunit0|test programs, by Check
TABLE
}

kernel() { # RELEASE VMLINUZ MODULE-FOLDER
	"$VR_ROOT/scripts/kernel-fetch.sh" "$FLAVOUR" | tail -n 1
}

root_key() {
	{
		debian_codename
		printf '%s\n' "$RELEASE $ROOT_MODULES"
		packages
		declare -f build_root add_modules slim settle
	} | sha256sum | cut -c 1-12
}

# module_files NAME...: each with all that it needs, once, without the folder.
module_files() {
	local m
	for m in "$@"; do
		modprobe -d "${MODDIR%/lib/modules/*}" -S "$RELEASE" --show-depends "$m" ||
			die "kernel $RELEASE has no module $m"
	done | sed -n "s,^insmod .*/lib/modules/$RELEASE/\([^ ]*\).*,\1,p" | sort -u
}

# add_modules ROOT: as they are, packed; kmod in ROOT unpacks them.
add_modules() {
	local f dst=$1/lib/modules/$RELEASE
	mkdir -p "$dst"
	# shellcheck disable=SC2086 # a list of words
	module_files $ROOT_MODULES | while read -r f; do
		install -D -m 0644 "$MODDIR/$f" "$dst/$f"
	done
	initramfs_depmod "$1" "$MODDIR"
}

# Nobody reads manuals in there.
slim() {
	rm -rf "$1"/usr/share/{doc,man,locale,info,zoneinfo,lintian,bash-completion} \
		"$1"/var/cache/apt/* "$1"/var/lib/apt/lists/* "$1"/var/log/*
}

# QEMU there is ours, and root's.  Debian's package of settings, with all that it
# asks for, is left out; libvirtd insists on the user that it would have made.
settle() {
	mkdir -p "$1/etc/libvirt" "$1/var/log/libvirt/qemu" "$1/vrdma"
	chroot "$1" useradd --system --user-group --no-create-home libvirt-qemu
	printf 'user = "root"\ngroup = "root"\n' >"$1/etc/libvirt/qemu.conf"
	printf 'nested\n' >"$1/etc/hostname"
	printf '127.0.0.1 localhost nested\n::1 localhost\n' >"$1/etc/hosts"
}

# build_root OUT: runs as root, in this script called with --build.
build_root() {
	local work=$1.work mirror size
	rm -rf "$work"
	mkdir -p "$work"
	# shellcheck disable=SC2064 # now: $work is gone when the trap runs
	trap "rm -rf '$work'" EXIT
	mirror=$(system_mirror "$(debian_codename)" stable) || mirror=$VR_DEBIAN_FALLBACK
	step "debootstrap of $(debian_codename) from $mirror"
	run_logged "$VRDMA_CACHE/nested-debootstrap.log" debootstrap --variant=minbase \
		--keyring="$VR_KEYRING" --include="$(packages | cut -d'|' -f1 | paste -sd,)" \
		"$(debian_codename)" "$work/root" "$mirror"
	add_modules "$work/root"
	slim "$work/root"
	settle "$work/root"
	size=$(du -sm "$work/root" | cut -f 1)
	step "making its file system, $size MB"
	run_logged "$work/mke2fs.log" mke2fs -q -t ext4 -O ^has_journal -m 0 \
		-d "$work/root" "$1.part" "$((size + size / 5 + 16))M"
	chmod 0644 "$1.part"
	mv "$1.part" "$1"
}

ensure_root() {
	local old
	take_lock nested-image
	[ ! -e "$1" ] || return 0
	have debootstrap || die "debootstrap is missing: scripts/setup.sh nested"
	as_root env VRDMA_CACHE="$VRDMA_CACHE" "$VR_ROOT/scripts/nested-image.sh" \
		--build "$1"
	for old in "$VRDMA_CACHE"/nested-*.ext4; do
		# an older one, unless somebody who has yet to rebase may still use it
		[ "$old" = "$1" ] || [ -z "$(find "$old" -mtime +7)" ] || rm -f "$old"
	done
}

build_initrd() {
	local out=$1 work m key
	key=$(cat "$0" "$VR_ROOT/scripts/lib/initramfs.sh" "$VR_ROOT/tests/nested/init" \
		"$VR_ROOT/tests/guest/vragent.c" "$(command -v busybox)" |
		sha256sum)"$RELEASE"
	[ ! -e "$out" ] || [ "$(cat "$out.key" 2>/dev/null)" != "$key" ] || return 0
	mkdir -p "$(dirname "$out")"
	work=$(mktemp -d)
	initramfs_busybox "$work"
	initramfs_agent "$work" "$VR_ROOT/tests/guest/vragent.c"
	cp "$VR_ROOT/tests/nested/init" "$work/init"
	# shellcheck disable=SC2086 # a list of words
	for m in $(module_files $BOOT_MODULES); do
		m=${m##*/}
		initramfs_module "$work" "$MODDIR" "${m%.ko*}"
	done
	initramfs_depmod "$work" "$MODDIR"
	initramfs_pack "$work" "$out"
	rm -rf "$work"
	printf '%s\n' "$key" >"$out.key"
}

main() {
	local initrd=${1:-${O:-$VR_ROOT/build}/nested-initrd.gz} root vmlinuz
	IFS=$'\t' read -r RELEASE vmlinuz MODDIR _ <<<"$(kernel)"
	[ -d "${MODDIR:-}" ] || die "kernel-fetch.sh $FLAVOUR gave no usable kernel"
	root=$VRDMA_CACHE/nested-$(root_key).ext4
	ensure_root "$root"
	build_initrd "$initrd"
	printf '%s\t%s\t%s\n' "$vmlinuz" "$initrd" "$root"
}

case ${1:-} in
-h | --help) usage_from_header "$0" ;;
--build)
	IFS=$'\t' read -r RELEASE _ MODDIR _ <<<"$(kernel)"
	build_root "$2"
	;;
-*) die "'$1' is no option; see $0 -h" ;;
*) main "$@" ;;
esac
