#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Install the Debian packages that building, testing and linting need.
#
# Usage: setup.sh [-h] [-n] [build|guest|windows|nested|lint|bench|all]...
#
#   build   compiler, libraries and tools for vrdmad, the libraries, the unit
#           tests and QEMU
#   guest   what boots two guests: firmware, initramfs tools, libvirt, and the
#           guest kernels with their headers (scripts/kernel-fetch.sh)
#   windows the compiler for Windows guests, and Wine to run what it makes
#   nested  what makes the machine of `make nested`: a guest with guests of its own
#   lint    clang-format, clang-tidy, cppcheck, shellcheck, sparse
#   bench   peers that `make bench` measures beside us, and what draws it
#   all     all of these (default)
#   -n      only say what is missing; exit status 1 if anything is
#
#   Debian 12 and 13.  Uses sudo where not root.  When nothing is missing it does
#   nothing and needs no network.  Packages that Debian 12 has too old come from
#   bookworm-backports; the system's own apt configuration is not changed, the
#   package lists are kept in $VRDMA_CACHE/apt.

set -euo pipefail
. "$(dirname "$0")/lib/common.sh"

# group | package | least version, or - | why
#
# A least version that this Debian does not have means: from backports.
packages() {
	sed -e '/^#/d' -e '/^$/d' <<'TABLE'
build|gcc|-|first compiler
build|libc6-dev|-|C library headers
build|linux-libc-dev|-|linux/vhost.h for libvhost-user
build|make|-|the Makefile
build|pkg-config|-|finds the libraries below
build|clang|-|second compiler: another set of warnings, freestanding core, fuzzers
build|check|-|unit test framework
build|libinih-dev|-|vrdmad's configuration file
build|libibverbs-dev|-|the verbs backend
build|librdmacm-dev|-|the verbs backend
build|libisal-dev|-|fast CRC32C for iWARP
build|python3|-|VM orchestration, QEMU's configure
build|python3-venv|-|QEMU's configure makes a virtual environment
build|dpkg-dev|-|unpacks QEMU's source package
build|patch|-|applies our change to QEMU
build|xz-utils|-|unpacks sources and kernel modules
build|ca-certificates|-|mirrors on https
build|meson|1.5.0|QEMU's build system
build|ninja-build|-|QEMU's build system
build|flex|-|QEMU's configure asks for it
build|bison|-|QEMU's configure asks for it
build|libglib2.0-dev|-|QEMU
build|zlib1g-dev|-|QEMU
build|tshark|-|reads what iWARP says on the wire
build|spin|-|walks through the orders of sleep and of completion events
guest|busybox-static|-|user space of the test guests
guest|iproute2|-|a network for each of two vrdmad
guest|cpio|-|makes their initramfs
guest|kmod|-|depmod for their modules
guest|seabios|-|firmware of the built QEMU
guest|qemu-system-data|-|option ROMs of the built QEMU
guest|libvirt-daemon-system|-|the demo attaches guests by libvirt
guest|libvirt-daemon-driver-qemu|-|libvirt's QEMU driver, apart since Debian 12
guest|libvirt-clients|-|virsh
windows|gcc-mingw-w64-x86-64|-|compiler, driver kit headers and import libraries
windows|wine64|-|runs the driver, the provider and the tools
windows|python3|-|checks the INF, drives the tests
bench|libfabric-bin|-|fi_pingpong
bench|libfabric-dev|-|its tcp and shm providers, for what streams
bench|ucx-utils|-|ucx_perftest
bench|iperf3|-|TCP, by another's program
bench|gnuplot-nox|-|the plots
bench|valgrind|-|counts of instructions and cache misses
bench|perftest|-|rxe inside the guests of `make bench-vm`
bench|ibverbs-providers|-|its part of libibverbs
bench|iproute2|-|rdma makes it
nested|debootstrap|-|the root file system of the machine of `make nested`
nested|e2fsprogs|-|mke2fs makes its disk
lint|clang-format|-|make format
lint|clang-tidy|-|static checks
lint|cppcheck|-|static checks
lint|shellcheck|-|checks of these scripts
lint|sparse|-|endianness checks of the ABI and the kernel module
TABLE
}

# missing GROUP: "PACKAGE LEAST" of each that is absent or too old.
missing() {
	local group pkg least
	while IFS='|' read -r group pkg least _; do
		[ "$group" = "$1" ] || continue
		[ "$least" != - ] || least=
		pkg_ok "$pkg" "$least" || printf '%s %s\n' "$pkg" "$least"
	done < <(packages)
}

# wanted PACKAGE LEAST: the word for apt-get; names backports when the release
# itself is too old.  Only this package then comes from there, not its
# dependencies.
wanted() {
	local own
	if [ -n "${2:-}" ]; then
		own=$(apt-cache "${VR_APT[@]}" policy "$1" | sed -n 's/^ *Candidate: //p')
		dpkg --compare-versions "${own:-0}" ge "$2" ||
			{ printf '%s/%s-backports\n' "$1" "$(debian_codename)"; return; }
	fi
	printf '%s\n' "$1"
}

setup_group() {
	local list=() words=() entry
	mapfile -t list < <(missing "$1")
	[ "${#list[@]}" -gt 0 ] || return 0
	if [ "$DRY" = yes ]; then
		printf '%s: missing: %s\n' "$1" "${list[*]%% *}"
		LACKING=1
		return 0
	fi
	apt_update
	for entry in "${list[@]}"; do
		# shellcheck disable=SC2086 # two words on purpose
		words+=("$(wanted $entry)")
	done
	step "installing for '$1': ${words[*]}"
	apt_install "${words[@]}"
	mapfile -t list < <(missing "$1")
	[ "${#list[@]}" -eq 0 ] ||
		die "still missing after apt-get: ${list[*]}; see $VRDMA_CACHE/apt/install.log"
}

main() {
	local group groups=()
	DRY=no LACKING=0
	while [ $# -gt 0 ]; do
		case $1 in
		-h | --help) usage_from_header "$0"; exit 0 ;;
		-n) DRY=yes ;;
		build | guest | windows | nested | lint | bench) groups+=("$1") ;;
		all) groups+=(build guest windows nested lint bench) ;;
		*) die "'$1' is no group; see $0 -h" ;;
		esac
		shift
	done
	[ "${#groups[@]}" -gt 0 ] || groups=(build guest windows nested lint bench)
	debian_codename >/dev/null
	take_lock setup
	for group in "${groups[@]}"; do
		setup_group "$group"
		if [ "$group" = guest ] && [ "$DRY" = no ]; then
			"$VR_ROOT/scripts/kernel-fetch.sh" >/dev/null
		fi
	done
	exit "$LACKING"
}

main "$@"
