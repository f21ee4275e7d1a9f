# SPDX-License-Identifier: GPL-2.0-or-later
"""fabric = verbs:DEVICE: the host's RDMA device, and what memory it may pin."""

from __future__ import annotations

import ipaddress
import json
import re
from typing import Dict, List, Optional, Set

from . import domain
from .check import Checked, default_hugepage, mib
from .conf import PAGE, Address, Guest
from .host import READ, WRITE, Host

_CLASS = "sys/class/infiniband"
# Mappings that vrdmad has for other reasons than guests' regions
_MAPS_OF_ITS_OWN = 1024


def fabric(c: Checked) -> None:
    devices: Dict[str, List[Guest]] = {}
    for guest in c.verbs_guests():
        devices.setdefault(guest.verbs_device or "", []).append(guest)
    for name, guests in devices.items():
        if c.host.stat(f"{_CLASS}/{name}") is None:
            _no_device(c, name, guests)
            continue
        _nodes(c, name)
        for guest in guests:
            for address in guest.addresses:
                _address(c, name, guest, address)
    if devices:
        _memlock(c)
        _map_count(c)


def _no_device(c: Checked, name: str, guests: List[Guest]) -> None:
    there = ", ".join(c.host.list(_CLASS))
    mend = f"name one that is there: {there}" if there else \
        "load its driver, or make one: rdma link add rxe0 type rxe netdev DEV"
    for guest in guests:
        c.report.wrong("fabric", f"this host has no RDMA device {name}", mend,
                       guest.name)


# ------------------------------------------------------------------ the nodes

def _nodes(c: Checked, name: str) -> None:
    uverbs = next((node for node in c.host.list("sys/class/infiniband_verbs")
                   if c.host.read(f"sys/class/infiniband_verbs/{node}/ibdev")
                   == name), None)
    if uverbs is None:
        c.report.wrong("fabric", f"{name} has no node for user space",
                       "modprobe ib_uverbs")
    else:
        _node(c, uverbs, "ib_uverbs")
    _node(c, "rdma_cm", "rdma_ucm")


def _node(c: Checked, name: str, module: str) -> None:
    assert c.service is not None
    path = f"/dev/infiniband/{name}"
    user = c.service.user
    info = c.host.stat(path)
    if info is None:
        c.report.wrong("fabric", f"{path} does not exist", f"modprobe {module}")
        return
    block = c.host.obstacle(user, path)
    if block or not c.host.may(user, path, READ | WRITE):
        group = c.host.group_name(info.st_gid)
        mend = f"put vrdmad's user into the group: usermod -a -G {group} {user}" \
            if info.st_gid and info.st_mode & 0o060 == 0o060 else \
            "let a udev rule give it to a group of that user (README.md)"
        c.report.wrong("fabric", f"{block or path}: {user} may not use it", mend)
    else:
        c.report.ok("fabric", f"{user} may use {path}")


# -------------------------------------------------------------- the addresses

def addresses_of(host: Host, name: str) -> Dict[Address, str]:
    """The addresses of an RDMA device, each with its port."""
    found: Dict[Address, str] = {}
    for port in host.list(f"{_CLASS}/{name}/ports"):
        folder = f"{_CLASS}/{name}/ports/{port}"
        for index in host.list(f"{folder}/gids"):
            address = gid_address(host.read(f"{folder}/gids/{index}"))
            if address is not None and "RoCE" in \
                    (host.read(f"{folder}/gid_attrs/types/{index}") or ""):
                found.setdefault(address, port)
    # iWARP and InfiniBand name other things in their tables
    for netdev in netdevs_of(host, name):
        for address in netdev_addresses(host, netdev):
            found.setdefault(address, "")
    return found


def gid_address(gid: Optional[str]) -> Optional[Address]:
    try:
        address = ipaddress.IPv6Address(gid or "")
    except ValueError:
        return None
    if address == ipaddress.IPv6Address(0):
        return None
    return address.ipv4_mapped or address


def netdevs_of(host: Host, name: str) -> List[str]:
    found: Set[str] = set(host.list(f"{_CLASS}/{name}/device/net"))
    parent = host.read(f"{_CLASS}/{name}/parent")       # rxe
    if parent:
        found.add(parent)
    for port in host.list(f"{_CLASS}/{name}/ports"):
        folder = f"{_CLASS}/{name}/ports/{port}/gid_attrs/ndevs"
        found.update(filter(None, (host.read(f"{folder}/{index}")
                                   for index in host.list(folder))))
    return sorted(found)


def netdev_addresses(host: Host, netdev: str) -> List[Address]:
    status, text = host.run(["ip", "-j", "addr", "show", "dev", netdev])
    try:
        rows = json.loads(text) if status == 0 else []
        return [ipaddress.ip_address(info["local"]) for row in rows
                for info in row.get("addr_info", []) if "local" in info]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def _address(c: Checked, name: str, guest: Guest, address: Address) -> None:
    there = addresses_of(c.host, name)
    if address not in there:
        netdev = (netdevs_of(c.host, name) or ["NETDEV"])[0]
        bits = 24 if address.version == 4 else 64
        usual = ", ".join(map(str, there)) or "none"
        c.report.wrong("fabric", f"{address} is no address of {name} (it has: "
                       f"{usual})", f"ip addr add {address}/{bits} dev {netdev},"
                       " with the prefix of that network", guest.name)
        return
    ports = [there[address]] if there[address] else \
        c.host.list(f"{_CLASS}/{name}/ports")
    states = [c.host.read(f"{_CLASS}/{name}/ports/{port}/state") or "unknown"
              for port in ports]
    if not any("ACTIVE" in state for state in states):
        netdev = (netdevs_of(c.host, name) or ["NETDEV"])[0]
        c.report.wrong("fabric", f"the port of {name} with {address} is "
                       f"{' and '.join(states) or 'not there'}, not ACTIVE",
                       f"plug in its cable, or ip link set {netdev} up",
                       guest.name)
    else:
        c.report.ok("fabric", f"{name} has {address}, its port is active",
                    guest.name)


# ----------------------------------------------------------------- its memory

def _pinned(c: Checked, guest: Guest) -> int:
    """Bytes that the guest's regions may pin. Overlapping regions count twice,
    but never more than max-mr-pages."""
    root = c.domains.get(guest.name)
    memory = domain.memory_bytes(root) if root is not None else None
    return min(guest.registered_bytes, memory or guest.registered_bytes)


def _memlock(c: Checked) -> None:
    assert c.service is not None
    guests = c.verbs_guests()
    need = sum(_pinned(c, guest) for guest in guests)
    have = c.service.memlock
    if c.service.user.uid == 0 or have is None:
        c.report.ok("memlock", f"{c.service.user} has no limit")
    elif have < need:
        c.report.wrong(
            "memlock", f"{c.service.source} may lock {mib(have)}, guests "
            f"{', '.join(g.name for g in guests)} may register {mib(need)}",
            "say LimitMEMLOCK=infinity in vrdmad.service (or a line in "
            "/etc/security/limits.conf), or lower max-mr-pages")
    else:
        c.report.ok("memlock", f"{mib(have)} for {mib(need)}")


def _pages(c: Checked, guest: Guest) -> int:
    root = c.domains.get(guest.name)
    page = PAGE
    if root is not None and domain.has_hugepages(root):
        page = domain.page_bytes(root) or default_hugepage(c.host)
    return -(-_pinned(c, guest) // page)


def _map_count(c: Checked) -> None:
    """A region whose pages are scattered is put together from mappings of one
    page each, in the worst case."""
    need = sum(_pages(c, guest) for guest in c.verbs_guests()) + \
        _MAPS_OF_ITS_OWN
    text = c.host.read("proc/sys/vm/max_map_count") or ""
    if not re.fullmatch(r"\d+", text):
        return
    if int(text) < need:
        c.report.wrong("mappings", f"vm.max_map_count is {text}, regions of "
                       f"scattered pages may need {need}",
                       f"sysctl -w vm.max_map_count={need} (and a line in "
                       "/etc/sysctl.d/)")
    else:
        c.report.ok("mappings", f"vm.max_map_count {text} for {need}")
