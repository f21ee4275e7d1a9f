# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Helpers that every script here sources: progress lines, the cache folder,
# locks, and apt with a configuration of our own.
#
# DOC: standard output belongs to the result
#
# The scripts print what their caller asked for (a path, a table) on standard
# output and everything a person wants to watch on standard error, so that
# `x=$(scripts/foo.sh)` works and still shows progress.
#
# DOC: apt without touching the system's configuration
#
# Some packages must be newer than Debian 12 has them (backports) and QEMU
# comes from trixie's source.  Both are reached through a sources file and a
# lists folder inside the cache; /etc/apt and /var/lib/apt/lists stay as they
# are.  The mirror is the one the system itself uses, asked from apt at run
# time, because a machine may only reach that one.

# shellcheck disable=SC2034 # for the scripts that source this
VR_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
VRDMA_CACHE=${VRDMA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vrdma}
case $VRDMA_CACHE in /*) ;; *) VRDMA_CACHE=$PWD/$VRDMA_CACHE ;; esac
export VRDMA_CACHE

# Debian keeps depmod, losetup and friends where a plain user has no PATH to.
PATH=$PATH:/usr/sbin:/sbin

VR_PROG=$(basename "$0" .sh)
VR_T0=$SECONDS

# step TEXT: one line that says what begins now, with seconds since the start.
step() { printf '[%s %3ds] %s\n' "$VR_PROG" "$((SECONDS - VR_T0))" "$*" >&2; }

# note TEXT: something worth knowing that is not a step.
note() { printf '[%s     ] %s\n' "$VR_PROG" "$*" >&2; }

# die TEXT: what went wrong, where, and how to mend it.
die() {
	printf '%s: error: %s\n' "$VR_PROG" "$*" >&2
	exit 1
}

# usage_from_header FILE: print the "Usage:" comment block of a script, so the
# help text exists once.
usage_from_header() {
	sed -n '/^# Usage:/,/^$/s/^# \{0,1\}//p' "$1"
}

have() { command -v "$1" >/dev/null 2>&1; }

cache_dir() {
	mkdir -p "$VRDMA_CACHE/$1" ||
		die "cannot make $VRDMA_CACHE/$1; set VRDMA_CACHE to a folder you may write"
	printf '%s\n' "$VRDMA_CACHE/$1"
}

# take_lock NAME: hold a lock until this shell ends.  Two makes that run at
# the same time must not build the same thing into the same folder.
take_lock() {
	local dir
	dir=$(cache_dir locks)
	exec 9>"$dir/$1"
	if ! flock -n 9; then
		step "waiting for another $1 to finish"
		flock -w "${VRDMA_LOCK_TIMEOUT:-3600}" 9 ||
			die "another $1 held $dir/$1 for over an hour; end it and try again"
	fi
}

# run_logged LOG CMD...: quiet when it works, the log's end when it does not.
run_logged() {
	local log=$1
	shift
	if ! "$@" >"$log" 2>&1 </dev/null; then
		tail -n 25 "$log" >&2
		die "'$1' failed; the whole log is $log"
	fi
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif have sudo; then
		sudo "$@"
	else
		die "'$*' needs root: run as root, or install and configure sudo"
	fi
}

# --- what this machine is -------------------------------------------------

os_field() {
	local line
	line=$(grep "^$1=" /etc/os-release 2>/dev/null) || return 0
	line=${line#*=}
	printf '%s\n' "${line//\"/}"
}

debian_codename() {
	local id name
	id=$(os_field ID)
	name=$(os_field VERSION_CODENAME)
	[ "$id" = debian ] ||
		die "this is '${id:-unknown}', not Debian; the scripts know Debian 12 and 13 only"
	case $name in
	bookworm | trixie) ;;
	*) note "Debian '$name' was never tried; going on as if it were trixie" ;;
	esac
	printf '%s\n' "$name"
}

# --- packages -------------------------------------------------------------

# pkg_version NAME: version when installed, nothing otherwise.
pkg_version() {
	# shellcheck disable=SC2016 # a dpkg-query format, not a shell variable
	dpkg-query -W -f='${db:Status-Status} ${Version}\n' "$1" 2>/dev/null |
		sed -n 's/^installed //p' | head -n 1
}

# pkg_ok NAME [MIN]: installed, and not older than MIN.
pkg_ok() {
	local v
	v=$(pkg_version "$1")
	[ -n "$v" ] || return 1
	[ -z "${2:-}" ] || dpkg --compare-versions "$v" ge "$2"
}

VR_DEBIAN_FALLBACK=http://deb.debian.org/debian
VR_SECURITY_FALLBACK=http://deb.debian.org/debian-security
VR_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$VR_KEYRING" ] || VR_KEYRING=${VR_KEYRING%.gpg}.pgp

# system_mirror SUITE...: the URI from which this system takes SUITE's main
# component.  apt is asked rather than the files read: it knows both formats,
# disabled entries and mirror lists.  The empty lists folder makes it name
# every index instead of only those it has.
system_mirror() {
	local empty suite uri
	empty=$(cache_dir apt/empty)
	mkdir -p "$empty/partial"
	for suite in "$@"; do
		uri=$(apt-get -qq --print-uris -o Dir::State::Lists="$empty" \
			-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= update 2>/dev/null |
			sed -n "s,^'\(.*\)/dists/$suite/main/binary-.*,\1,p" |
			grep -m 1 debian) || continue
		printf '%s\n' "$uri"
		return 0
	done
	return 1
}

# apt_write_sources FILE MIRROR SECURITY: what we may install, and whose
# source we may fetch.  No `deb` line for another release: it would outrank
# this system's own packages.
apt_write_sources() {
	local name opt="[signed-by=$VR_KEYRING]"
	name=$(debian_codename)
	{
		printf 'deb %s %s %s main\n' "$opt" "$2" "$name"
		printf 'deb %s %s %s-updates main\n' "$opt" "$2" "$name"
		printf 'deb %s %s %s-security main\n' "$opt" "$3" "$name"
		[ "$name" != bookworm ] ||
			printf 'deb %s %s %s-backports main\n' "$opt" "$2" "$name"
		printf 'deb-src %s %s trixie main\n' "$opt" "$2"
	} >"$1"
}

# apt_opts: the options that make apt use our sources, into VR_APT.
apt_opts() {
	local dir
	dir=$(cache_dir apt)
	mkdir -p "$dir/lists/partial" "$dir/archives/partial"
	VR_APT=(
		-o "Dir::Etc::SourceList=$dir/sources.list"
		-o Dir::Etc::SourceParts=/dev/null
		-o "Dir::State::Lists=$dir/lists"
		-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
		-o APT::Sandbox::User=root
		-o DPkg::Lock::Timeout=600
		-o Acquire::Retries=3
	)
}

# apt_update [force]: bring our lists up to date, at most once in a run and
# not when a fetch of the last day is there.
VR_APT_FRESH=
apt_update() {
	local dir mirror security log
	apt_opts
	[ -z "$VR_APT_FRESH" ] || return 0
	dir=$VRDMA_CACHE/apt
	if [ "${1:-}" != force ] && [ -n "$(find "$dir/stamp" -mmin -1440 2>/dev/null)" ]; then
		return 0
	fi
	[ -r "$VR_KEYRING" ] ||
		die "$VR_KEYRING is missing; install the package debian-archive-keyring"
	step "reading package lists (private to $dir)"
	mirror=$(system_mirror "$(debian_codename)" stable) || mirror=$VR_DEBIAN_FALLBACK
	security=$(system_mirror "$(debian_codename)-security" stable-security) ||
		security=$VR_SECURITY_FALLBACK
	log=$dir/update.log
	apt_write_sources "$dir/sources.list" "$mirror" "$security"
	if ! apt_try_update "$log" && [ "${mirror%/}" != "$VR_DEBIAN_FALLBACK" ]; then
		note "mirror $mirror does not serve all we need, trying $VR_DEBIAN_FALLBACK"
		apt_write_sources "$dir/sources.list" "$VR_DEBIAN_FALLBACK" "$VR_SECURITY_FALLBACK"
		apt_try_update "$log" || true
	fi
	if ! tail -n 1 "$log" | grep -q '^ok$'; then
		grep '^[EW]:' "$log" | head -n 6 >&2
		die "apt-get update failed; is the network there? The whole log is $log"
	fi
	touch "$dir/stamp"
	VR_APT_FRESH=yes
}

# apt-get update returns 0 even when an index was not fetched: ask for errors.
apt_try_update() {
	apt-get -q "${VR_APT[@]}" -o APT::Update::Error-Mode=any update \
		>"$1" 2>&1 </dev/null && echo ok >>"$1"
}

# apt_install PKG[=VERSION|/SUITE]...: install from our sources.  A stale
# list names files the mirror no longer has: refresh it once and try again.
apt_install() {
	local log
	apt_update
	log=$VRDMA_CACHE/apt/install.log
	if ! apt_try_install "$log" "$@"; then
		VR_APT_FRESH=
		apt_update force
		if ! apt_try_install "$log" "$@"; then
			tail -n 15 "$log" >&2
			die "apt-get install $* failed; the whole log is $log"
		fi
	fi
}

# 9>&-: a daemon that a package starts must not inherit our lock and keep it.
apt_try_install() {
	local log=$1
	shift
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y "${VR_APT[@]}" \
		install --no-install-recommends "$@" >"$log" 2>&1 </dev/null 9>&-
}
