# SPDX-License-Identifier: GPL-2.0-or-later
"""The sockets: vrdmad must make them, QEMU reach them, nobody else.

Who connects says which memory vrdmad works on, so everybody else is kept out.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from .check import Checked, qemu_identity
from .conf import Guest
from .host import ENTER, OTHERS, READ, WRITE, Identity, allowed


def sockets(c: Checked) -> None:
    for guest in c.guests:
        qemu = qemu_identity(c, guest)
        if qemu is None:
            continue        # the check of QEMU says so
        folder = os.path.dirname(guest.socket) or "."
        if _folder(c, guest, folder, qemu):
            _socket(c, guest, folder, qemu)


def _make_folder(c: Checked, folder: str, qemu: Identity) -> str:
    """The folder as README.md has it: its group goes to the sockets in it.
    Never one that others have a use for, like /run."""
    assert c.service is not None
    own = folder if folder.count("/") > 1 else "/run/vrdma"
    make = (f"install -d -o {c.service.user} -g {c.host.group_name(qemu.gid)} "
            f"-m 2750 {own}")
    return make if own == folder else f"put it into a folder of its own: {make}"


def _folder(c: Checked, guest: Guest, folder: str, qemu: Identity) -> bool:
    """Whether the socket itself can be looked at."""
    assert c.service is not None
    info = c.host.stat(folder)
    if info is None:
        c.report.wrong("socket", f"the folder {folder} does not exist",
                       _make_folder(c, folder, qemu), guest.name)
        return False
    fine = True
    for who, want, to in ((c.service.user, WRITE | ENTER, "make a socket in"),
                          (qemu, ENTER, "enter")):
        block = c.host.obstacle(who, folder)
        if block:
            c.report.wrong("socket", f"{block}: {who} may not enter it",
                           f"chmod o+x {block}, or give another path",
                           guest.name)
            fine = False
        elif not c.host.may(who, folder, want):
            c.report.wrong("socket", f"{folder}: {who} may not {to} it",
                           _make_folder(c, folder, qemu), guest.name)
            fine = False
    return fine


@dataclass(frozen=True)
class Rights:
    """Of a socket, as it is or will be."""

    mode: int
    uid: int
    gid: int

    def let(self, who: Identity) -> bool:
        info = os.stat_result((self.mode, 0, 0, 0, self.uid, self.gid, 0, 0, 0,
                               0))
        return allowed(info, who, READ | WRITE)


def _socket(c: Checked, guest: Guest, folder: str, qemu: Identity) -> None:
    path = guest.socket
    info = c.host.stat(path)
    if info is None:
        _planned(c, guest, folder, qemu)
    elif not stat.S_ISSOCK(info.st_mode):
        c.report.wrong("socket", f"{path} is a file and no socket",
                       f"rm {path}, or give another path", guest.name)
    elif path not in c.host.listening():
        c.report.note("socket", f"nobody listens on {path}",
                      "start vrdmad before the guest", guest.name)
    elif not c.host.may(qemu, path, READ | WRITE):
        c.report.wrong("socket", f"{path}: {qemu} may not connect",
                       _mend_rights(c, qemu), guest.name)
    else:
        _others(c, guest, path, folder, Rights(info.st_mode, info.st_uid,
                                               info.st_gid))


def _planned(c: Checked, guest: Guest, folder: str, qemu: Identity) -> None:
    """vrdmad does not run: what it is going to make."""
    assert c.service is not None
    user = c.service.user
    mode, group = c.config.socket_mode, c.config.socket_group
    c.report.note("socket", f"{guest.socket} is not there yet",
                  "start vrdmad before the guest", guest.name)
    if group is not None:
        gid = c.host.group(group)
        if gid is None or (user.uid and gid not in user.groups):
            c.report.wrong("socket", f"{user} is not in group {group} of "
                           "socket-group", f"usermod -a -G {group} {user}",
                           guest.name)
            return
    else:
        info = c.host.stat(folder)
        assert info is not None
        gid = info.st_gid if info.st_mode & stat.S_ISGID else user.gid
    if mode is None:
        c.report.note("socket", "its permissions will be what vrdmad's umask "
                      "leaves", "say socket-mode = 0660 in [vrdmad]", guest.name)
        return
    rights = Rights(mode, user.uid, gid)
    if not rights.let(qemu):
        c.report.wrong("socket", f"its mode will be {mode:04o}, its group "
                       f"{c.host.group_name(gid)}: {qemu} will not be able to "
                       "connect", _mend_rights(c, qemu), guest.name)
    else:
        _others(c, guest, guest.socket, folder, rights)


def _mend_rights(c: Checked, qemu: Identity) -> str:
    group = c.host.group_name(qemu.gid)
    return (f"say socket-mode = 0660 and socket-group = {group} in [vrdmad] and "
            "restart vrdmad")


def _others(c: Checked, guest: Guest, path: str, folder: str,
            rights: Rights) -> None:
    open_way = c.host.obstacle(OTHERS, folder) is None and \
        c.host.may(OTHERS, folder, ENTER)
    if open_way and rights.let(OTHERS):
        c.report.wrong("socket", f"everybody may connect to {path}",
                       f"say socket-mode = 0660 in [vrdmad], or chmod o-x "
                       f"{folder}", guest.name)
    else:
        c.report.ok("socket", f"{path} is for QEMU only", guest.name)
