# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's libvirt domain: what the vRDMA device needs of it.

* memoryBacking with a shared memfd: vrdmad maps the guest's memory.
* the device by qemu:commandline: libvirt knows no vhost-user-rdma-pci. Its
  slot is fixed, because libvirt's own counting does not see it.
* ACPI, without which libvirt 9 gives QEMU an option that QEMU 9 lost.

vrdmad listens before the domain starts: QEMU waits for it before libvirt gets
an answer.
"""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import Dict, Iterator, List, Optional, Set, Tuple

DEVICE = "vhost-user-rdma-pci"
QEMU_NS = "http://libvirt.org/schemas/domain/qemu/1.0"
RECONNECT_MS = 500

_COMMANDLINE = f"{{{QEMU_NS}}}commandline"
_ARG = f"{{{QEMU_NS}}}arg"

# The device's own default (qemu-device/frontend): no more has to be said
DEFAULT_QUEUES = 40

# From the end of the bus, which libvirt fills from the beginning; without
# those that libvirt and q35 have a use for: 1f the chipset, 1d and 1a its USB,
# 1b its sound.
_SLOTS = (0x1e, 0x1c, 0x19, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11,
          0x10)
DEFAULT_SLOT = _SLOTS[0]

# Machine types by their bus of fixed slots
_BUSES = ((r"q35|pc-q35-.*|virt|virt-.*", "pcie.0"),
          (r"pc|pc-i440fx-.*", "pci.0"))


class DomainError(Exception):
    """What is wrong with a domain, and how to mend it."""


@dataclass(frozen=True)
class Problem:
    """Something in a domain that vRDMA cannot work with."""

    what: str
    mend: str


@dataclass(frozen=True)
class Device:
    """A vRDMA device as QEMU is told of it."""

    name: str               # of the guest in vrdmad's configuration
    socket: str
    queues: int = 0
    slot: int = DEFAULT_SLOT
    bus: str = "pcie.0"

    @property
    def chardev(self) -> str:
        return f"vrdma-{self.name}"

    def arguments(self) -> List[str]:
        """The same words on a command line and in XML."""
        device = f"{DEVICE},chardev={self.chardev}"
        if self.queues > DEFAULT_QUEUES:
            device += f",num_vqs={self.queues}"
        return ["-chardev",
                f"socket,id={self.chardev},path={_escape(self.socket)},"
                f"reconnect-ms={RECONNECT_MS}",
                "-device", f"{device},bus={self.bus},addr={self.slot:#x}"]


def _escape(value: str) -> str:
    """QEMU takes a comma for the next option unless it is doubled."""
    return value.replace(",", ",,")


def options(argument: str) -> Dict[str, str]:
    """A QEMU option list; its first word is key ""."""
    words = re.findall(r"(?:[^,]|,,)+", argument)
    parts = [word.replace(",,", ",").partition("=") for word in words]
    return {key if i or eq else "": value if i or eq else key
            for i, (key, eq, value) in enumerate(parts)}


# -------------------------------------------------------------------- parsing

def empty() -> ET.Element:
    """A domain with nothing in it: what is merged into it is a fragment."""
    return ET.Element("domain")


def parse(text: str) -> ET.Element:
    """A domain's XML. Its comments and its prefixes are kept."""
    try:
        for _, (prefix, uri) in ET.iterparse(io.StringIO(text), ["start-ns"]):
            _keep_prefix(prefix, uri)
        root = ET.fromstring(text, ET.XMLParser(
            target=ET.TreeBuilder(insert_comments=True)))
    except ET.ParseError as err:
        raise DomainError(f"the XML is not well-formed: {err}") from None
    if root.tag != "domain":
        raise DomainError(f"the XML is a <{root.tag}>, not a <domain>; give "
                          "what `virsh dumpxml --inactive` prints")
    return root


def _keep_prefix(prefix: str, uri: str) -> None:
    try:
        if prefix:
            ET.register_namespace(prefix, uri)
    except ValueError:
        pass    # ns0: a name of ElementTree's own, it finds another


ET.register_namespace("qemu", QEMU_NS)


def text(root: ET.Element) -> str:
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def arguments(root: ET.Element) -> List[str]:
    """What qemu:commandline adds."""
    return [arg.get("value", "") for arg in root.iterfind(f"{_COMMANDLINE}/{_ARG}")]


def devices(root: ET.Element) -> Iterator[Tuple[Dict[str, str], str]]:
    """Each vRDMA device that is there: its options, and its socket."""
    args = arguments(root)
    sockets = {}
    for flag, value in zip(args, args[1:]):
        if flag == "-chardev":
            chardev = options(value)
            sockets[chardev.get("id", "")] = chardev.get("path", "")
    for flag, value in zip(args, args[1:]):
        found = options(value)
        if flag == "-device" and found.get("") == DEVICE:
            yield found, sockets.get(found.get("chardev", ""), "")


def has_socket(root: ET.Element, socket: str) -> bool:
    return any(path == socket for _, path in devices(root))


def emulator(root: ET.Element) -> Optional[str]:
    return root.findtext("devices/emulator")


_UNITS = {"b": 1, "bytes": 1, "k": 1 << 10, "kib": 1 << 10, "kb": 1000,
          "m": 1 << 20, "mib": 1 << 20, "mb": 10**6, "g": 1 << 30,
          "gib": 1 << 30, "gb": 10**9, "t": 1 << 40, "tib": 1 << 40,
          "tb": 10**12}


def memory_bytes(root: ET.Element) -> Optional[int]:
    """The most memory that this guest can have."""
    for path in ("maxMemory", "memory"):
        found = root.find(path)
        if found is not None:
            return _size(found.text, found.get("unit"))
    return None


def page_bytes(root: ET.Element) -> Optional[int]:
    """Of the hugepages, where the domain asks for a size."""
    page = root.find("memoryBacking/hugepages/page")
    return None if page is None else _size(page.get("size"), page.get("unit"))


def _size(number: Optional[str], unit: Optional[str]) -> Optional[int]:
    factor = _UNITS.get((unit or "KiB").lower())
    number = (number or "").strip()
    return int(number) * factor if factor and number.isdigit() else None


def has_hugepages(root: ET.Element) -> bool:
    return root.find("memoryBacking/hugepages") is not None


# ------------------------------------------------------------------- problems

def problems(root: ET.Element, unsealed: bool = False) -> List[Problem]:
    """What in this domain keeps vrdmad from its memory."""
    found = list(_backing_problems(root, unsealed))
    for cell in root.iterfind("cpu/numa/cell"):
        if cell.get("memAccess", "shared") != "shared":
            found.append(Problem(
                f"NUMA cell {cell.get('id', '?')} has memAccess='private'",
                "remove memAccess or make it 'shared'"))
    for dimm in root.iterfind("devices/memory"):
        if dimm.get("access", "shared") != "shared":
            found.append(Problem(
                f"a memory device {dimm.get('model', '')} has "
                "access='private'", "remove access or make it 'shared'"))
    if root.find("launchSecurity") is not None:
        found.append(Problem("launchSecurity encrypts the guest's memory",
                             "remove it: vrdmad reads and writes that memory"))
    if root.find("features/acpi") is None:
        found.append(Problem("the domain has no ACPI",
                             "put <acpi/> into <features>"))
    return found


def _backing_problems(root: ET.Element, unsealed: bool) -> Iterator[Problem]:
    source = root.find("memoryBacking/source")
    access = root.find("memoryBacking/access")
    kind = "anonymous" if source is None else source.get("type", "anonymous")
    mode = "private" if access is None else access.get("mode", "private")
    if kind == "anonymous":
        yield Problem("the guest's memory is anonymous",
                      "put <source type='memfd'/> into <memoryBacking>")
    elif kind != "memfd" and not unsealed:
        yield Problem(f"the guest's memory is of type '{kind}', which could "
                      "shrink under vrdmad",
                      "put <source type='memfd'/> into <memoryBacking>, or "
                      "allow-unsealed-memory = yes into the configuration")
    if mode != "shared":
        yield Problem("the guest's memory is not shared",
                      "put <access mode='shared'/> into <memoryBacking>")


# ------------------------------------------------------------------ addresses

def bus_of(root: ET.Element) -> str:
    kind = root.find("os/type")
    # one that is not there yet is a fragment's; libvirt would make it a pc
    machine = "q35" if kind is None else kind.get("machine", "none given")
    for pattern, bus in _BUSES:
        if re.fullmatch(pattern, machine):
            return bus
    raise DomainError(f"machine '{machine}' has no PCI bus that is known here; "
                      "give <os><type machine='q35'>")


def used_slots(root: ET.Element) -> Set[int]:
    """Slots of the first bus that somebody has."""
    used = set()
    for address in root.iterfind("devices//address"):
        if address.get("type") == "pci" and \
                not _number(address.get("bus")) and \
                not _number(address.get("domain")):
            used.add(_number(address.get("slot")))
    for controller in root.iterfind("devices/controller"):
        if controller.get("model") == "dmi-to-pci-bridge" and \
                controller.find("address") is None:
            used.add(0x1e)      # where libvirt likes to put it
    args = arguments(root)
    for flag, value in zip(args, args[1:]):
        if flag == "-device":
            found = options(value)
            if found.get("bus") in (None, "pcie.0", "pci.0"):
                slot = found.get("addr", "0").partition(".")[0]
                used.add(_number("0x" + slot.removeprefix("0x")))
    return used


def _number(text_: Optional[str]) -> int:
    try:
        return int(text_ or "0", 0)
    except ValueError:
        raise DomainError(f"address '{text_}' is no number") from None


def free_slot(root: ET.Element) -> int:
    used = used_slots(root)
    for slot in _SLOTS:
        if slot not in used:
            return slot
    raise DomainError(f"no slot of {bus_of(root)} is free for the device; put "
                      "other devices behind a pcie-root-port")


# ---------------------------------------------------------------------- merge

def merge(root: ET.Element, device: Device, *, hugepages: bool = False,
          unsealed: bool = False, qemu: Optional[str] = None) -> Device:
    """Adds the device and what it needs to a domain.

    What is missing is added; what is there and contradicts is left, and told.
    A device of the same guest is replaced, in its slot. Gives the device with
    its place.
    """
    slot = remove(root, device.chardev)
    if has_socket(root, device.socket):
        raise DomainError(f"the domain has a device on {device.socket} that is "
                          "not from here; remove it from <qemu:commandline>")
    if slot is None:
        slot = free_slot(root)
    device = Device(device.name, device.socket, device.queues, slot,
                    bus_of(root))
    _add_backing(root, hugepages)
    if root.find("features/acpi") is None:
        ET.SubElement(_child(root, "features"), "acpi")
    if qemu:
        _child(_child(root, "devices"), "emulator", first=True).text = qemu
    add_arguments(root, device.arguments())
    wrong = problems(root, unsealed)
    if wrong:
        raise DomainError("; ".join(f"{p.what}: {p.mend}" for p in wrong))
    return device


def _add_backing(root: ET.Element, hugepages: bool) -> None:
    backing = _child(root, "memoryBacking")
    if hugepages:
        _child(backing, "hugepages", first=True)
    if backing.find("source") is None:
        ET.SubElement(backing, "source", type="memfd")
    if backing.find("access") is None:
        ET.SubElement(backing, "access", mode="shared")


def _child(parent: ET.Element, tag: str, first: bool = False) -> ET.Element:
    child = parent.find(tag)
    if child is None:
        child = ET.Element(tag)
        parent.insert(0 if first else len(parent), child)
    return child


def add_arguments(root: ET.Element, args: List[str]) -> None:
    commandline = _child(root, _COMMANDLINE)
    for arg in args:
        ET.SubElement(commandline, _ARG, value=arg)


def remove(root: ET.Element, chardev: str) -> Optional[int]:
    """Takes a vRDMA device out; the slot it had, None: it had none."""
    slot = None
    for commandline in root.iterfind(_COMMANDLINE):
        args = commandline.findall(_ARG)
        for flag, value in zip(args, args[1:]):
            kind, found = flag.get("value"), options(value.get("value", ""))
            if kind == "-device" and found.get("") == DEVICE and \
                    found.get("chardev") == chardev:
                slot = _number(found.get("addr"))
            elif kind != "-chardev" or found.get("id") != chardev:
                continue
            commandline.remove(flag)
            commandline.remove(value)
    return slot or None
