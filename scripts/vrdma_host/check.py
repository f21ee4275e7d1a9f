# SPDX-License-Identifier: GPL-2.0-or-later
"""Is this host ready for the guests of a configuration?"""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from typing import Callable, Dict, List, Optional, Tuple

from . import domain
from .conf import Config, Guest
from .host import Host, Identity
from .report import Report


@dataclass
class Wishes:
    """What the operator said on the command line; None: find out."""

    user: Optional[str] = None          # vrdmad's
    qemu_user: Optional[str] = None
    qemu: Optional[str] = None          # the program
    vrdmad: Optional[str] = None        # the program
    uri: str = "qemu:///system"
    unit: str = "vrdmad.service"
    kvm: bool = True


@dataclass(frozen=True)
class Service:
    """vrdmad as it runs, or as it will."""

    source: str                         # how this is known
    user: Identity
    memlock: Optional[int]              # bytes; None: no limit


@dataclass
class Checked:
    """What the checks share."""

    host: Host
    config: Config
    guests: List[Guest]
    wishes: Wishes
    report: Report = field(default_factory=Report)
    service: Optional[Service] = None
    # domains that libvirt knows, by guest; filled by the check of libvirt
    domains: Dict[str, ET.Element] = field(default_factory=dict)
    security_models: List[str] = field(default_factory=list)

    def verbs_guests(self) -> List[Guest]:
        return [g for g in self.guests if g.verbs_device]


Check = Callable[[Checked], None]


# ------------------------------------------------------------ vrdmad's account

def find_service(c: Checked) -> None:
    """Whose rights and limits count: the process that runs, else the unit,
    else whoever asks."""
    found = _running(c) or _unit(c) or _caller(c)
    user = found.user
    if c.wishes.user:
        named = c.host.identity(c.wishes.user)
        if named is None:
            c.report.wrong("vrdmad", f"there is no user {c.wishes.user}",
                           f"useradd --system {c.wishes.user}")
        else:
            user = named
    c.service = Service(found.source, user, found.memlock)
    c.report.ok("vrdmad", f"its user is {user}, its limits are those of "
                f"{found.source}")


def _running(c: Checked) -> Optional[Service]:
    for pid in filter(str.isdigit, c.host.list("proc")):
        words = (c.host.read(f"proc/{pid}/cmdline") or "").split("\0")
        if os.path.basename(words[0]) != "vrdmad" or \
                os.path.abspath(c.config.path) not in words:
            continue
        info = c.host.stat(f"proc/{pid}")
        who = None if info is None else _process_identity(c.host, pid)
        if who is not None:
            limits = c.host.read(f"proc/{pid}/limits") or ""
            return Service(f"the running vrdmad (pid {pid})", who,
                           _proc_limit(limits))
    return None


def _process_identity(host: Host, pid: str) -> Optional[Identity]:
    """With the groups that it really has."""
    status = host.read(f"proc/{pid}/status") or ""
    rows = dict(line.split(":", 1) for line in status.splitlines()
                if ":" in line)
    if not {"Uid", "Gid", "Groups"} <= rows.keys():
        return None
    uid, gid = (int(rows[key].split()[1]) for key in ("Uid", "Gid"))
    groups = frozenset({gid, *map(int, rows["Groups"].split())})
    known = host.identity(str(uid))
    return Identity(known.name if known else str(uid), uid, gid, groups)


def _proc_limit(limits: str) -> Optional[int]:
    found = re.search(r"^Max locked memory +(\S+)", limits, re.M)
    if not found or found[1] == "unlimited":
        return None
    return int(found[1])


def _unit(c: Checked) -> Optional[Service]:
    if c.host.stat("run/systemd/system") is None:
        return None
    status, text = c.host.run(
        ["systemctl", "show", c.wishes.unit, "--property",
         "LoadState,User,Group,SupplementaryGroups,LimitMEMLOCK"])
    values = dict(line.split("=", 1) for line in text.splitlines()
                  if "=" in line)
    if status or values.get("LoadState") != "loaded":
        return None
    who = c.host.identity(values.get("User") or "root",
                          values.get("Group") or None)
    if who is None:
        return None
    more = {c.host.group(name)
            for name in values.get("SupplementaryGroups", "").split()}
    groups = who.groups | {gid for gid in more if gid is not None}
    limit = values.get("LimitMEMLOCK", "infinity")
    return Service(c.wishes.unit,
                   Identity(who.name, who.uid, who.gid, frozenset(groups)),
                   None if limit == "infinity" else int(limit))


def _caller(c: Checked) -> Service:
    uid = os.geteuid()
    known = c.host.identity(str(uid))
    who = Identity(known.name if known else str(uid), uid, os.getegid(),
                   frozenset({os.getegid(), *os.getgroups()}))
    limits = c.host.read("proc/self/limits") or ""
    return Service("who runs this (no vrdmad runs with this configuration, "
                   f"and there is no {c.wishes.unit})", who,
                   _proc_limit(limits))


def qemu_identity(c: Checked, guest: Guest) -> Optional[Identity]:
    """The user of a guest's QEMU: its domain's label, libvirt's setting, or
    the distribution's."""
    if c.wishes.qemu_user:
        return c.host.identity(c.wishes.qemu_user)
    if c.wishes.uri.endswith("/session"):
        return c.host.identity(str(os.geteuid()))
    label = _dac_label(c.domains.get(guest.name))
    if label:
        user, group = label
        return c.host.identity(user, group)
    settings = c.host.read("etc/libvirt/qemu.conf") or ""
    user, group = (_setting(settings, key) for key in ("user", "group"))
    names = [user] if user else ["libvirt-qemu", "qemu"]
    for name in names:
        # libvirt's own default for the group is the user's namesake
        extra = group or (name if c.host.group(name) is not None else None)
        found = c.host.identity(name.removeprefix("+"), extra)
        if found:
            return found
    return None


def _setting(text: str, key: str) -> Optional[str]:
    found = re.search(rf'^\s*{key}\s*=\s*"\+?([^"]+)"', text, re.M)
    return found[1] if found else None


def _dac_label(root: Optional[ET.Element]) -> Optional[Tuple[str, str]]:
    if root is None:
        return None
    for label in root.iterfind("seclabel"):
        user, colon, group = (label.findtext("label") or "").partition(":")
        if label.get("model") == "dac" and colon:
            return user.removeprefix("+"), group.removeprefix("+")
    return None


# ------------------------------------------------------------------- domains

def domains(c: Checked) -> None:
    """What libvirt was told of the guests that it knows."""
    for guest in c.guests:
        root = c.domains.get(guest.name)
        if root is None:
            continue
        name = root.findtext("name")
        found = domain.problems(root, guest.unsealed_memory)
        for problem in found:
            c.report.wrong("domain", f"{name}: {problem.what}",
                           f"virsh edit {name}: {problem.mend}", guest.name)
        _queues(c, guest, root)
        if not found:
            c.report.ok("domain", f"{name} shares its memory", guest.name)


def _queues(c: Checked, guest: Guest, root: ET.Element) -> None:
    for options, socket in domain.devices(root):
        have = int(options.get("num_vqs", domain.DEFAULT_QUEUES))
        if socket == guest.socket and have < guest.queues:
            c.report.wrong(
                "domain", f"{root.findtext('name')}: its device has {have} "
                f"queues, num-ceq and num-wakeq ask for {guest.queues}",
                f"put num_vqs={guest.queues} behind {domain.DEVICE}",
                guest.name)


def hugepages(c: Checked) -> None:
    for guest in c.guests:
        root = c.domains.get(guest.name)
        if root is None or not domain.has_hugepages(root):
            continue
        need = domain.memory_bytes(root) or 0
        size = domain.page_bytes(root) or default_hugepage(c.host)
        folder = f"sys/kernel/mm/hugepages/hugepages-{size >> 10}kB"
        have = int(c.host.read(f"{folder}/nr_hugepages") or 0) * size
        if have < need:
            c.report.wrong(
                "hugepages", f"this host has {mib(have)} in pages of "
                f"{mib(size)}, the domain needs {mib(need)}",
                f"echo {-(-need // size)} > /{folder}/nr_hugepages", guest.name)
        else:
            c.report.ok("hugepages", f"{mib(have)} for {mib(need)}", guest.name)


def default_hugepage(host: Host) -> int:
    found = re.search(r"^Hugepagesize: +(\d+) kB",
                      host.read("proc/meminfo") or "", re.M)
    return int(found[1]) << 10 if found else 2 << 20


def mib(size: int) -> str:
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"
