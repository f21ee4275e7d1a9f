#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
"""Check vrdma.inf as far as that can be done without Windows.

Usage: check_inf.py [-h] [--header FILE] [--built DIR] [INF]

Sections that are named exist and are used, strings are defined and used, files are
what `make windows` builds (with --built), the hardware id is the one that the device's
header gives, and the keywords of NetworkDirect, of an Ethernet adapter and of
message-signalled interrupts are there.  One line for each complaint; status 1 with any.
"""
from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Dict, List, Tuple

HERE = Path(__file__).resolve().parent
VIRTIO_VENDOR, VIRTIO_FIRST = 0x1AF4, 0x1040
ARCH = "NTamd64.6.2"  # x64, from Windows 8 and Server 2012 on
WELL_KNOWN = {"version", "manufacturer", "sourcedisksnames", "sourcedisksfiles",
              "destinationdirs", "strings"}

Lines = List[Tuple[str, str]]  # key (or "") and value, comments gone

VERSION = {"signature": '"$WINDOWS NT$"', "class": "Net",
           "classguid": "{4d36e972-e325-11ce-bfc1-08002be10318}"}
INSTALL = {"*iftype": "6", "*mediatype": "0", "*physicalmediatype": "14", "bustype": "5"}
NDI = "Ndi\\params\\*NetworkDirect"
MESSAGES = "Interrupt Management\\MessageSignaledInterruptProperties"
# key, value's name, type, data; None: anything
REGISTRY = [
    ("Ndi", "Service", "0", "vrdma"),
    ("Ndi\\Interfaces", "UpperRange", "0", "ndis5"),
    ("Ndi\\Interfaces", "LowerRange", "0", "ethernet"),
    (NDI, "ParamDesc", "0", None), (NDI, "Type", "0", "enum"), (NDI, "Default", "0", "1"),
    (NDI + "\\enum", "0", "0", None), (NDI + "\\enum", "1", "0", None),
    (NDI + "Technology", "ParamDesc", "0", None), (NDI + "Technology", "Type", "0", "enum"),
    (NDI + "Technology", "Default", "0", "1"),
    (NDI + "Technology\\enum", "1", "0", None),
    (MESSAGES, "MSISupported", "0x00010001", "1"),
    (MESSAGES, "MessageNumberLimit", "0x00010001", None),
]


def split(line: str) -> List[str]:
    """Fields of a line, at commas outside of quotes."""
    return [f.strip() for f in re.findall(r'((?:"[^"]*"|[^",])*)(?:,|$)', line)][:-1] or [line]


def unquote(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


class Inf:
    def __init__(self, text: str) -> None:
        self.sections: Dict[str, Lines] = {}
        self.complaints: List[str] = []
        self.used = set(WELL_KNOWN)
        current: Lines = []
        for raw in text.splitlines():
            line = re.sub(r'((?:"[^"]*"|[^";])*);.*', r"\1", raw).strip()
            if line.startswith("["):
                name = line.strip("[]").lower()
                if name in self.sections:
                    self.bad(f"[{name}] is there twice")
                current = self.sections.setdefault(name, [])
            elif line:
                key, eq, value = line.partition("=")
                current.append((key.strip(), value.strip()) if eq else ("", line))

    def bad(self, what: str) -> None:
        self.complaints.append(what)

    def section(self, name: str) -> Lines:
        self.used.add(name.lower())
        if name.lower() not in self.sections:
            self.bad(f"[{name}] is named and not there")
        return self.sections.get(name.lower(), [])

    def value(self, section: str, key: str) -> str:
        for k, v in self.section(section):
            if k.lower() == key.lower():
                return v
        self.bad(f"[{section}] has no {key}")
        return ""

    def expect(self, section: str, want: Dict[str, str]) -> None:
        for key, value in want.items():
            have = self.value(section, key)
            if have and have != value:
                self.bad(f"[{section}] {key} is {have}, not {value}")

    def registry(self, section: str) -> List[Tuple[str, str, str, str]]:
        """What the AddReg sections that a section names put under HKR."""
        rows = []
        for name in split(self.value(section, "AddReg")):
            for _, line in self.section(name):
                f = [unquote(x) for x in split(line)] + [""] * 5
                if f[0] != "HKR":
                    self.bad(f"[{name}] writes to {f[0]}")
                rows.append((f[1], f[2], f[3], f[4]))
        return rows


def check_registry(inf: Inf) -> None:
    rows = inf.registry("Install.NT") + inf.registry("Install.NT.HW")
    for key, name, kind, data in REGISTRY:
        have = [r for r in rows if (r[0], r[1], r[2]) == (key, name, kind)]
        if len(have) != 1:
            inf.bad(f"{key}: {name} is there {len(have)} times")
        elif data is not None and have[0][3] != data:
            inf.bad(f"{key}: {name} is {have[0][3]}, not {data}")
    limit = [r[3] for r in rows if r[1] == "MessageNumberLimit"]
    # every queue that the driver takes (VRP_MAX_QUEUES), and the configuration
    queues = re.search(r"VRP_MAX_QUEUES\s+(\d+)u", (HERE / "pci/virtio_pci.h").read_text())
    if limit and queues and limit[0] != str(int(queues.group(1)) + 1):
        inf.bad(f"MessageNumberLimit is {limit[0]} for {queues.group(1)} queues")


def check_files(inf: Inf, built: List[str]) -> None:
    files = [v or k for k, v in inf.section("Files.Driver")]
    if split(inf.value("Install.NT", "CopyFiles")) != ["Files.Driver"]:
        inf.bad("[Install.NT] does not copy [Files.Driver]")
    sources = [k for k, _ in inf.section("SourceDisksFiles")]
    disks = [k for k, _ in inf.section("SourceDisksNames")]
    for k, v in inf.section("SourceDisksFiles"):
        if v not in disks:
            inf.bad(f"{k} is on disk {v}, which has no name")
    if sorted(files) != sorted(sources):
        inf.bad(f"files copied {files}, files on disks {sources}")
    directory = inf.value("DestinationDirs", "Files.Driver")
    binary = inf.value("Service", "ServiceBinary")
    if binary not in [f"%{directory}%\\{f}" for f in files]:
        inf.bad(f"ServiceBinary {binary} is none of the files copied")
    for f in files:
        if f not in built:
            inf.bad(f"{f} is not built")


def check_device(inf: Inf, header: str) -> None:
    vendor = inf.section("Manufacturer")
    models, arch = (split(vendor[0][1]) + [""])[:2] if vendor else ("", "")
    if arch != ARCH:
        inf.bad(f"[Manufacturer] is for {arch}, not {ARCH}")
    device = re.search(r"#define VIRTIO_ID_RDMA\s+(\d+)", header)
    want = f"PCI\\VEN_{VIRTIO_VENDOR:04X}&DEV_{VIRTIO_FIRST + int(device.group(1)):04X}" \
        if device else "?"
    for _, line in inf.section(f"{models}.{arch}"):
        install, hardware = (split(line) + [""])[:2]
        if install != "Install" or hardware != want:
            inf.bad(f"{install}, {hardware} is not Install, {want}")
    service = split(inf.value("Install.NT.Services", "AddService"))
    if service != ["vrdma", "2", "Service"]:
        inf.bad(f"AddService = {service}")


def check_strings(inf: Inf, text: str) -> None:
    defined = {k for k, v in inf.section("Strings") if v}
    body = re.sub(r";.*", "", text)
    used = {s for s in re.findall(r"%([A-Za-z]\w*)%", body)}
    for name in sorted(used - defined):
        inf.bad(f"%{name}% is not defined")
    for name in sorted(defined - used):
        inf.bad(f"%{name}% is not used")


def check(text: str, header: str, built: List[str]) -> List[str]:
    inf = Inf(text)
    inf.expect("Version", VERSION)
    for key in ("Provider", "CatalogFile", "DriverVer", "PnpLockdown"):
        inf.value("Version", key)
    inf.expect("Install.NT", INSTALL)
    check_device(inf, header)
    check_registry(inf)
    check_files(inf, built)
    inf.expect("Service", {"ServiceType": "1", "StartType": "3", "ErrorControl": "1"})
    check_strings(inf, text)
    for name in sorted(set(inf.sections) - inf.used):
        inf.bad(f"[{name}] is named by nothing")
    return inf.complaints


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--header", type=Path,
                   default=HERE.parent.parent / "qemu-device/include/virtio_rdma.h")
    p.add_argument("--built", type=Path, help="where `make windows` put its files")
    p.add_argument("inf", nargs="?", type=Path, default=HERE / "vrdma.inf")
    a = p.parse_args()
    built = [f.name for f in a.built.iterdir()] if a.built else ["vrdma.sys"]
    complaints = check(a.inf.read_text(), a.header.read_text(), built)
    for line in complaints:
        print(f"{a.inf.name}: {line}")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
