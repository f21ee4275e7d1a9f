# SPDX-License-Identifier: GPL-2.0-or-later
"""The host, as far as the checks look at it: files, users, programs."""

from __future__ import annotations

import errno
import fcntl
import grp
import os
import pwd
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import FrozenSet, List, Optional, Sequence, Tuple

READ, WRITE, ENTER = 4, 2, 1
_OS_BITS = {READ: os.R_OK, WRITE: os.W_OK, ENTER: os.X_OK}


@dataclass(frozen=True)
class Identity:
    """A user and all groups that a process of his has."""

    name: str
    uid: int
    gid: int
    groups: FrozenSet[int]

    def __str__(self) -> str:
        return self.name


# Who has no right but everybody's
OTHERS = Identity("everybody", 0xfffffffe, 0xfffffffe, frozenset())


def allowed(info: os.stat_result, who: Identity, want: int) -> bool:
    """What the permission bits say."""
    if who.uid == 0:
        return True
    shift = 6 if info.st_uid == who.uid else 3 if info.st_gid in who.groups \
        else 0
    return info.st_mode >> shift & want == want


class Host:
    """Everything is asked through this, so that a folder can stand in for a
    machine (--root): files are looked for below it, users in its etc/passwd."""

    def __init__(self, root: str = "/") -> None:
        self.root = Path(root)
        self.real = os.path.realpath(root) == "/"

    # ---- files --------------------------------------------------------------

    def path(self, name: str) -> Path:
        return self.root / name.lstrip("/")

    def read(self, name: str) -> Optional[str]:
        """None: not there, not ours to read, or nothing in it to read."""
        try:
            return self.path(name).read_text(encoding="utf-8",
                                             errors="replace").strip()
        except OSError:
            return None

    def list(self, name: str) -> List[str]:
        try:
            return sorted(os.listdir(self.path(name)), key=_natural)
        except OSError:
            return []

    def stat(self, name: str) -> Optional[os.stat_result]:
        try:
            return os.stat(self.path(name))
        except OSError:
            return None

    def is_socket(self, name: str) -> bool:
        info = self.stat(name)
        return info is not None and stat.S_ISSOCK(info.st_mode)

    def may(self, who: Identity, name: str, want: int) -> bool:
        """Whether he has these rights on that file; folders above are not
        looked at. The kernel is asked where it can be, for it knows ACLs."""
        info = self.stat(name)
        if info is None:
            return False
        if self.real and os.geteuid() == 0:
            return _ask_kernel(who, str(self.path(name)), want)
        return allowed(info, who, want)

    def obstacle(self, who: Identity, name: str) -> Optional[str]:
        """The folder above that file which he may not enter."""
        for folder in reversed(Path(name).parents):
            if not self.may(who, str(folder), ENTER):
                return str(folder)
        return None

    # ---- users --------------------------------------------------------------

    def group(self, name: str) -> Optional[int]:
        if name.isdigit():
            return int(name)
        if self.real:
            try:
                return grp.getgrnam(name).gr_gid
            except KeyError:
                return None
        return next((int(f[2]) for f in self._entries("etc/group")
                     if f[0] == name), None)

    def group_name(self, gid: int) -> str:
        if self.real:
            try:
                return grp.getgrgid(gid).gr_name
            except KeyError:
                return str(gid)
        return next((f[0] for f in self._entries("etc/group")
                     if f[2] == str(gid)), str(gid))

    def identity(self, name: str, group: Optional[str] = None
                 ) -> Optional[Identity]:
        """A user by name or number; `group`: what his process has as well."""
        found = self._user(name)
        if found is None:
            return None
        name, uid, gid = found
        extra = None if group is None else self.group(group)
        groups = {gid, *self._member_of(name, gid)}
        if extra is not None:
            gid = extra
            groups.add(extra)
        return Identity(name, uid, gid, frozenset(groups))

    def _user(self, name: str) -> Optional[Tuple[str, int, int]]:
        if self.real:
            try:
                entry = pwd.getpwuid(int(name)) if name.isdigit() \
                    else pwd.getpwnam(name)
            except KeyError:
                return None
            return entry.pw_name, entry.pw_uid, entry.pw_gid
        field = 2 if name.isdigit() else 0
        return next(((f[0], int(f[2]), int(f[3]))
                     for f in self._entries("etc/passwd") if f[field] == name),
                    None)

    def _member_of(self, name: str, gid: int) -> List[int]:
        if self.real:
            return os.getgrouplist(name, gid)
        return [int(f[2]) for f in self._entries("etc/group")
                if name in f[3].split(",")]

    def _entries(self, name: str) -> List[List[str]]:
        return [line.split(":") for line in (self.read(name) or "").splitlines()]

    # ---- programs -----------------------------------------------------------

    @staticmethod
    def run(argv: Sequence[str], timeout: float = 30) -> Tuple[int, str]:
        """Exit status and all it said; 127: it could not be run."""
        try:
            done = subprocess.run(list(argv), stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=timeout,
                                  check=False)
        except subprocess.TimeoutExpired:
            return 124, f"no answer within {timeout:g} s"
        except OSError as err:
            return 127, f"cannot run {argv[0]}: {err.strerror}"
        return done.returncode, done.stdout.decode("utf-8", "replace").strip()

    def listening(self, pid: Optional[int] = None) -> List[str]:
        """Paths of the sockets that somebody listens on, in that process's
        network namespace or in ours.

        Asked from the kernel: a trial connection would look to the listener
        like a client that came and went.
        """
        whose = f"{pid}/" if pid else ""
        accepting = 0x10000     # __SO_ACCEPTCON
        rows = (line.split(maxsplit=7) for line in
                (self.read(f"proc/{whose}net/unix") or "").splitlines()[1:])
        return [row[7] for row in rows
                if len(row) == 8 and int(row[3], 16) & accepting]

    def apparmor(self) -> bool:
        return self.read("sys/module/apparmor/parameters/enabled") == "Y"

    def apparmor_knows_sockets(self) -> bool:
        """Whether it asks for a rule where a unix socket is connected to; the
        kernels of Debian 12 do not, others do."""
        features = "sys/kernel/security/apparmor/features"
        return any(self.read(f"{features}/{name}/af_unix") == "yes"
                   for name in self.list(features))

    def kvm_fault(self) -> Optional[str]:
        """Why /dev/kvm makes no virtual machine; None: it does."""
        get_api_version, create_vm = 0xAE00, 0xAE01
        try:
            kvm = os.open(self.path("dev/kvm"), os.O_RDWR | os.O_CLOEXEC)
        except OSError as err:
            return err.strerror
        try:
            if fcntl.ioctl(kvm, get_api_version) != 12:
                return "not API version 12"
            os.close(fcntl.ioctl(kvm, create_vm, 0))
        except OSError as err:
            return err.strerror
        finally:
            os.close(kvm)
        return None


def _natural(name: str) -> Tuple[int, str]:
    """2 before 10"""
    return (int(name), "") if name.isdigit() else (1 << 62, name)


def _ask_kernel(who: Identity, path: str, want: int) -> bool:
    """In a process that becomes him, and does nothing else."""
    mode = sum(bit for right, bit in _OS_BITS.items() if want & right)
    child = os.fork()
    if child == 0:
        status = errno.EPERM
        try:
            os.setgroups(sorted(who.groups))
            os.setresgid(who.gid, who.gid, who.gid)
            os.setresuid(who.uid, who.uid, who.uid)
            status = 0 if os.access(path, mode) else 1
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
