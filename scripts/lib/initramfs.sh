# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What an initramfs of ours is made from: busybox, kernel modules, the agent.
# Sourced; the caller has a function die.

# initramfs_busybox TREE: the usual folders, busybox and its names.
initramfs_busybox() {
	local tree=$1 busybox applet
	busybox=$(command -v busybox) || die "busybox is missing: scripts/setup.sh guest"
	mkdir -p "$tree"/{bin,usr/bin,proc,sys,dev,tmp,run}
	cp "$busybox" "$tree/bin/busybox"
	for applet in $("$busybox" --list); do
		[ "$applet" = busybox ] || ln -sf busybox "$tree/bin/$applet"
	done
}

# initramfs_agent TREE SOURCE: runs the host's commands inside.
initramfs_agent() {
	"${CC:-cc}" -std=gnu11 -Wall -Wextra -O2 -static -o "$1/bin/vragent" "$2"
}

# initramfs_module TREE MODULE-FOLDER NAME: unpacked, as busybox wants it; nothing
# when the kernel has it built in.
initramfs_module() {
	local f dst
	dst=$1/lib/modules/$(basename "$2")
	mkdir -p "$dst"
	! grep -qs "/$3\.ko\$" "$2/modules.builtin" || return 0
	f=$(find "$2/" -name "$3.ko*" | head -n 1)
	case $f in
	'') die "$3.ko is not under $2" ;;
	*.xz) xz -dc "$f" >"$dst/$3.ko" ;;
	*.zst) zstd -qdc "$f" >"$dst/$3.ko" ;;
	*) cp "$f" "$dst/$3.ko" ;;
	esac
}

# initramfs_depmod TREE MODULE-FOLDER: after the last module.
initramfs_depmod() {
	local f rel
	rel=$(basename "$2")
	mkdir -p "$1/lib/modules/$rel"
	for f in modules.builtin modules.builtin.modinfo modules.order; do
		[ ! -f "$2/$f" ] || cp "$2/$f" "$1/lib/modules/$rel/"
	done
	depmod -b "$1" "$rel"
}

# initramfs_pack TREE OUT: the same tree gives the same bytes.
initramfs_pack() {
	(cd "$1" && find . -print0 | sort -z |
		cpio --quiet --null --create --format=newc --owner=0:0 --reproducible) |
		gzip -1n >"$2.part"
	chmod 0644 "$2.part"
	mv "$2.part" "$2"
}
