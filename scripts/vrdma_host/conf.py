# SPDX-License-Identifier: GPL-2.0-or-later
"""vrdmad's configuration file, read the way vrdmad reads it.

Only what other programs must know of it is understood here. Whether each key
is known and in range, vrdmad says itself: `vrdmad --config FILE --check-config`.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Tuple, Union

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

# Defaults of the keys that are looked at; tests/scripts compares them with
# what vrdmad -h prints.
DEFAULTS = {"num-ceq": 4, "num-wakeq": 16, "max-mr-pages": 20 << 20}

PAGE = 4096
SOCKET_MODES = range(0o600, 0o1000)


class ConfError(Exception):
    """What is wrong, in which line of which file, and what would be right."""


@dataclass
class Guest:
    """A section [guest NAME]."""

    name: str
    values: Dict[str, List[str]] = field(default_factory=dict)

    def last(self, key: str) -> Optional[str]:
        values = self.values.get(key)
        return values[-1] if values else None

    def number(self, key: str) -> int:
        text = self.last(key)
        if text is None:
            return DEFAULTS[key]
        try:
            return parse_number(text)
        except ValueError:
            raise ConfError(f"guest {self.name}: {key} = {text}: "
                            "not a number") from None

    @property
    def socket(self) -> str:
        path = self.last("socket")
        if not path:
            raise ConfError(f"guest {self.name} has no socket; add a line like "
                            f"'socket = /run/vrdma/{self.name}.sock'")
        return path

    @property
    def addresses(self) -> List[Address]:
        words = [word for value in self.values.get("address", [])
                 for word in re.split(r"[,\s]+", value) if word]
        try:
            return [ipaddress.ip_address(word) for word in words]
        except ValueError as err:
            raise ConfError(f"guest {self.name}: address: {err}") from None

    @property
    def verbs_device(self) -> Optional[str]:
        """The host's RDMA device that this guest's connections take."""
        fabric = self.last("fabric") or "none"
        kind, _, device = fabric.partition(":")
        if fabric == "none":
            return None
        if kind != "verbs" or not device or "/" in device:
            raise ConfError(f"guest {self.name}: fabric = {fabric}: give none "
                            "or verbs:DEVICE, a device of `rdma link`")
        return device

    @property
    def unsealed_memory(self) -> bool:
        return self.last("allow-unsealed-memory") == "yes"

    @property
    def queues(self) -> int:
        """Virtqueues: control, events, then these two kinds."""
        return 2 + self.number("num-ceq") + self.number("num-wakeq")

    @property
    def registered_bytes(self) -> int:
        """How much the guest may register at one time, at most."""
        return self.number("max-mr-pages") * PAGE


@dataclass
class Config:
    """A whole file."""

    path: str
    guests: List[Guest] = field(default_factory=list)
    common: Guest = field(default_factory=lambda: Guest("vrdmad"))

    def guest(self, name: str) -> Guest:
        for guest in self.guests:
            if guest.name == name:
                return guest
        names = ", ".join(g.name for g in self.guests)
        raise ConfError(f"{self.path}: no section [guest {name}]; "
                        f"there is: {names or 'none'}")

    @property
    def socket_mode(self) -> Optional[int]:
        text = self.common.last("socket-mode")
        if text is None:
            return None
        try:
            mode = int(text, 8)
        except ValueError:
            mode = -1
        if mode not in SOCKET_MODES:
            raise ConfError(f"{self.path}: socket-mode = {text}: give octal "
                            "permissions like 0660")
        return mode

    @property
    def socket_group(self) -> Optional[str]:
        return self.common.last("socket-group")


def parse_number(text: str) -> int:
    """As strtoull with base 0: 010 is eight."""
    if re.fullmatch(r"0[0-7]+", text):
        return int(text, 8)
    return int(text, 0)


# ---------------------------------------------------------------- the format
# libinih's: [section], key = value or key : value, comments from # or ; at the
# start of a line and from ; behind a space, and an indented line that is one
# more value (all of it) of the key above it.

_SPACE = " \t\n\v\f\r"


def _cut(text: str, stops: str = "") -> int:
    """Where the first of `stops`, or a comment, begins; else the end."""
    for i, char in enumerate(text):
        if char in stops or (char == ";" and i and text[i - 1] in _SPACE):
            return i
    return len(text)


def lines(text: str) -> Iterator[Tuple[int, str, str, str]]:
    """(line, section, key, value) of each key; key "": a line that is none."""
    section = key = ""
    for number, raw in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        line = raw.strip(_SPACE)
        if not line or line[0] in "#;":
            continue
        if key and raw[0] in _SPACE:
            yield number, section, key, line
        elif line[0] == "[":
            end = 1 + _cut(line[1:], "]")
            if line[end:end + 1] != "]":
                yield number, section, "", line
                return
            section, key = line[1:end], ""
        else:
            end = _cut(line, "=:")
            if line[end:end + 1] not in ("=", ":"):
                yield number, section, "", line
                return
            key, value = line[:end].rstrip(_SPACE), line[end + 1:]
            yield number, section, key, value[:_cut(value)].strip(_SPACE)


def parse(text: str, path: str) -> Config:
    config = Config(path)
    sections: Dict[str, Guest] = {"vrdmad": config.common}
    current = None
    for number, section, key, value in lines(text):
        if not key:
            raise ConfError(f"{path}:{number}: neither [section] nor "
                            "key = value")
        if section != current and section != "vrdmad":
            sections[section] = _new_guest(config, section, f"{path}:{number}")
        current = section
        sections[section].values.setdefault(key, []).append(value)
    return config


def _new_guest(config: Config, section: str, where: str) -> Guest:
    name = re.fullmatch(r"guest[ \t]+(\S.*)", section)
    if not name:
        raise ConfError(f"{where}: [{section}]: there are [vrdmad] and "
                        "[guest NAME]")
    if any(guest.name == name[1] for guest in config.guests):
        raise ConfError(f"{where}: [{section}] is there already; join the "
                        "sections")
    config.guests.append(Guest(name[1]))
    return config.guests[-1]


def read(path: Path) -> Config:
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as err:
        raise ConfError(f"{path}: cannot read: {err.strerror}; give vrdmad's "
                        "configuration file (vrdmad -h shows one)") from None
    return parse(text, str(path))
