#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Usage: build.sh [-h] [-s] OUT [KDIR]
#
#   Builds the driver, ndk_ping and the tests of tests/kernel out of the source
#   tree:
#
#     OUT/kmod/RELEASE/{vrdma.ko,ndk_ping.ko,ndk_test.ko}
#
#   for each kernel that scripts/kernel-fetch.sh brings, or, with KDIR (a
#   kernel's build folder, such as /lib/modules/$(uname -r)/build), for that one.
#   With -s sparse looks at the sources first (into OUT/sparse, the newest
#   kernel only, without the tests).  A warning is an error.  The log is OUT/kmod/RELEASE/build.log.

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)

die() {
	printf 'build.sh: %s\n' "$*" >&2
	exit 1
}

# link_sources DIR: objects are made beside the links, not in the source tree.
link_sources() {
	local dir=$1 part
	local -A from=(
		[linux]=$here [core]=$root/guest-driver/core
		[user]=$root/guest-driver/user
		[abi]=$root/qemu-device/include [ndk_ping]=$here/ndk_ping
	)
	for part in "${!from[@]}"; do
		mkdir -p "$dir/$part"
		find "$dir/$part" -maxdepth 1 -type l -name '*.[ch]' -delete
		find "${from[$part]}" -maxdepth 1 -name '*.[ch]' \
			-exec ln -sf -t "$dir/$part" {} +
	done
	ln -sf "$here/Kbuild" "$dir/Kbuild"
	[ ${#check[@]} -gt 0 ] || link_tests "$dir/ndk_test"
}

# What ndk_test.ko has of the user-space tests and their library, and the headers
# of the C library for which posix.h stands.
suites=(e2e/test_{calls,close,connect,cq,cq_moderation,cq_resize,data,endpoints}
	e2e/test_{fast,lifetime,posts,property,regions,srq,windows}
	conformance/test_{misuse,quiesce,scheme})
lib=(fixture.h ndk_ep.c ndk_util.c ndk_util.h pair.c pattern.h)
posix=(arpa/inet.h check.h netinet/in.h poll.h pthread.h sched.h stdatomic.h stddef.h
	stdint.h stdio.h stdlib.h string.h time.h unistd.h)

# link_tests DIR
link_tests() {
	local dir=$1 tests=$root/tests name
	local files=("${suites[@]/#/$tests/}")
	rm -rf "$dir/posix"
	mkdir -p "$dir"
	find "$dir" -maxdepth 1 -type l -delete
	ln -s -t "$dir" "$tests"/kernel/*.[ch] "$tests/kernel/module.mk" \
		"${files[@]/%/.c}" "${lib[@]/#/$tests/lib/}"
	for name in "${posix[@]}"; do
		mkdir -p "$dir/posix/$(dirname "$name")"
		ln -s "$tests/kernel/posix.h" "$dir/posix/$name"
	done
}

# build_one RELEASE KDIR: make's own variables (O above all) mean something else
# to the kernel's make.
build_one() {
	local release=$1 kdir=$2 dir=$out/kmod/$1
	mkdir -p "$dir"
	link_sources "$dir"
	if ! env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u O -u CC -u V -u Q \
		make -C "$kdir" M="$dir" -j"$(nproc)" "${check[@]}" modules \
		>"$dir/build.log" 2>&1; then
		grep -E -A3 'error|Error|ERROR' "$dir/build.log" >&2 || tail -n 20 "$dir/build.log" >&2
		die "the modules do not build for $release; the whole log is $dir/build.log"
	fi
	if grep -E 'warning:|WARNING:' "$dir/build.log" >&2; then
		die "warnings for $release (above); the whole log is $dir/build.log"
	fi
	printf '%s\n' "$dir"/*.ko
}

# -Wno-cast-truncate: a mask of all bits but one, cut to its field, is meant
check=()
if [ "${1:-}" = -s ]; then
	check=(C=2 CHECK=sparse "CF=-Wsparse-error -Wno-cast-truncate")
	shift
fi
case ${1:-} in
-h | --help | '')
	sed -n '/^# Usage:/,/^$/s/^# \{0,1\}//p' "$0"
	[ -n "${1:-}" ] && exit 0
	exit 2
	;;
esac
mkdir -p "$1"
out=$(cd "$1" && pwd)
if [ -n "${2:-}" ]; then
	[ -f "$2/Makefile" ] || die "$2 is no kernel build folder; install linux-headers"
	release=$(make -s -C "$2" kernelrelease)
	build_one "$release" "$2"
	exit 0
fi
lines=$("$root/scripts/kernel-fetch.sh")
[ -n "$lines" ] || die "scripts/kernel-fetch.sh found no kernel"
if [ ${#check[@]} -gt 0 ]; then
	lines=$(head -n 1 <<<"$lines")
	out=$out/sparse
fi
while IFS=$'\t' read -r release _ _ headers; do
	build_one "$release" "$headers"
done <<<"$lines"
