#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Assembles the initramfs of a test guest.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
. "$here/lib/initramfs.sh"

usage() {
	cat <<END
usage: guest-image.sh [-h] [-n] [-r] FLAVOUR OUT.cpio.gz

Packs a small root file system for a guest with Debian's kernel FLAVOUR (6.12
or 6.1): busybox, the agent that runs commands for the host (tests/guest/),
the virtio bus modules of that kernel, and what has been built so far of

    \$O/kmod/<release>/*.ko    our kernel modules for it
    \$O/bin/nd_*, ndk_ping     user tools, with the libraries they need

O is the build directory (default: build). A module or tool that is missing is
an error; -n packs without (for trying out the machinery alone).  -r packs rxe
beside it, over virtio-net, and the programs that measure it, of this system.

Prints the kernel and the image, tab-separated, once OUT is up to date. Nothing
is done when OUT was made from the same inputs.

example: scripts/guest-image.sh 6.12 build/guest-6.12.cpio.gz
END
}

die() {
	echo "guest-image: $*" >&2
	exit 1
}

bare=0
rxe=0
while getopts hnr opt; do
	case $opt in
	h) usage; exit 0 ;;
	n) bare=1 ;;
	r) rxe=1 ;;
	*) usage >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -eq 2 ] || { usage >&2; exit 2; }
flavour=$1
out=$2
build=${O:-$root/build}

# What the guest has of the kernel and of ours.
modules=(virtio virtio_ring virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci
	virtio_console)
tools=(nd_info nd_ping ndk_ping vrdma_uapi nd_conform
	nd_test_{memory,queues,connector,surface})
# and with -r, with all that these modules need
rxe_modules="virtio_net rdma_rxe crc32_generic rdma_ucm"
rxe_tools="ib_write_bw ib_write_lat rdma"

line=$("$here/kernel-fetch.sh" "$flavour" | tail -n 1)
IFS=$'\t' read -r release vmlinuz moddir _ <<<"$line"
[[ -n ${release:-} && -f ${vmlinuz:-} && -d ${moddir:-} ]] ||
	die "kernel-fetch.sh $flavour gave no usable kernel: '$line'"

busybox=$(command -v busybox) || die "busybox is missing: scripts/setup.sh guest"

# --- inputs -----------------------------------------------------------------
our_modules() {
	local f
	for f in "$build/kmod/$release/"*.ko; do
		[ ! -e "$f" ] || echo "$f"
	done
}

our_tools() {
	local t
	for t in "${tools[@]}"; do
		if [ -x "$build/bin/$t" ]; then
			echo "$build/bin/$t"
			continue
		fi
		[ "$bare" = 1 ] || die "$build/bin/$t is not built: make all"
	done
}

kos=$(our_modules)
[ -n "$kos" ] || [ "$bare" = 1 ] || die "no module in $build/kmod/$release: make kmod"
bins=$(our_tools)

# rxe's part of libibverbs, which finds it by the file beside it.
rxe_provider() {
	dpkg -L ibverbs-providers 2>/dev/null | grep -E '/(librxe-[^/]*\.so|rxe\.driver)$' ||
		die "no rxe in ibverbs-providers: scripts/setup.sh bench"
}

# paths; and names of modules, once each
rxe_files=
if [ "$rxe" = 1 ]; then
	for t in $rxe_tools; do
		bins+=$'\n'$(command -v "$t") || die "$t is missing: scripts/setup.sh bench"
	done
	rxe_files=$(rxe_provider)
	needed=$(for m in $rxe_modules; do
		modprobe -d "${moddir%/lib/modules/*}" -S "$release" --show-depends "$m" ||
			die "kernel $release has no module $m"
	done) || exit 1
	mapfile -t -O "${#modules[@]}" modules < <(sed -n \
		's,^insmod .*/\([^/]*\)\.ko.*,\1,p' <<<"$needed" | sort -u)
fi

key=$(
	{
		echo "$release $bare $rxe ${modules[*]}"
		# shellcheck disable=SC2086 # one path a word is meant
		cat "$0" "$here/lib/initramfs.sh" "$root"/tests/guest/* "$busybox" $kos $bins $rxe_files
	} | sha256sum | cut -d' ' -f1
)
if [ -f "$out" ] && [ "$(cat "$out.key" 2>/dev/null)" = "$key" ]; then
	printf '%s\t%s\n' "$vmlinuz" "$out"
	exit 0
fi

# --- tree -------------------------------------------------------------------
mkdir -p "$(dirname "$out")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/root
initramfs_busybox "$tree"
cp "$root/tests/guest/init" "$tree/init"
initramfs_agent "$tree" "$root/tests/guest/vragent.c"

for m in "${modules[@]}"; do
	initramfs_module "$tree" "$moddir" "$m"
done
for f in $kos; do
	cp "$f" "$tree/lib/modules/$release/"
done
initramfs_depmod "$tree" "$moddir"

# A tool's libraries go where its interpreter looks for them.
add_tool() {
	local lib
	cp "$1" "$tree/usr/bin/"
	# no library is no failure: ldd refuses a static program
	for lib in $({ ldd "$1" 2>/dev/null || true; } | sed -n 's,^[^/]*\(/[^ ]*\).*,\1,p'); do
		mkdir -p "$tree$(dirname "$lib")"
		cp -L "$lib" "$tree$lib"
	done
}
for f in $bins; do
	add_tool "$f"
done
for f in $rxe_files; do
	mkdir -p "$tree$(dirname "$f")"
	cp -L "$f" "$tree$f"
done

# --- image ------------------------------------------------------------------
initramfs_pack "$tree" "$out"
echo "$key" >"$out.key"
echo "guest-image: $out for $release, $(wc -c <"$out") bytes" >&2
printf '%s\t%s\n' "$vmlinuz" "$out"
