# SPDX-License-Identifier: GPL-2.0-or-later
"""The lines that nd_ping and ndk_ping print, one fact each."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Dict, List, Optional

from .agent import Command
from .guest import Guest
from .wait import VmError, patience

# `1763798400.123456 nd_ping connected local=... private="text"`
_EVENT = re.compile(r"^(\d+\.\d+) (nd_ping|ndk_ping) ([a-z-]+)\b(.*)$")
_FIELD = re.compile(r'([\w-]+)=(?:"([^"]*)"|(\S+))')


@dataclass(frozen=True)
class Event:
    """One fact: when, what, and its key=value words."""

    when: float
    name: str
    fields: Dict[str, str]

    def __getitem__(self, key: str) -> str:
        if key not in self.fields:
            raise VmError(f"event `{self}` has no {key}=")
        return self.fields[key]

    def __str__(self) -> str:
        return " ".join([self.name] + [f"{k}={v}" for k, v in
                                       self.fields.items()])

    def number(self, key: str) -> float:
        try:
            return float(self[key])
        except ValueError as err:
            raise VmError(f"event `{self}`: {key} is no number") from err


def parse(line: str) -> Optional[Event]:
    match = _EVENT.match(line)
    if not match:
        return None
    fields = {key: quoted if quoted is not None and not bare else bare
              for key, quoted, bare in _FIELD.findall(match[4])}
    return Event(float(match[1]), match[3], fields)


class Ping:
    """One run of nd_ping or ndk_ping in a guest."""

    def __init__(self, guest: Guest, tool: str, *args: str) -> None:
        self.guest = guest
        self.command: Command = guest.start(" ".join((tool,) + args))

    def events(self, name: str) -> List[Event]:
        found = (parse(line) for line in list(self.command.lines))
        return [e for e in found if e and e.name == name]

    def wait_event(self, name: str, timeout: float = 30,
                   count: int = 1) -> Event:
        """The `count`th event of that name, also when it already came."""
        end = time.monotonic() + timeout * patience()
        while True:
            known = self.events(name)
            if len(known) >= count:
                return known[count - 1]
            left = end - time.monotonic()
            self.command.wait_line(left, f"event {name} number {count}")

    def one(self, name: str) -> Event:
        """The only event of that name of a run that is over."""
        found = self.events(name)
        if len(found) != 1:
            raise VmError(f"{self.command}: {len(found)} events {name}, not one")
        return found[0]

    def finish(self, status: int = 0, timeout: float = 60) -> None:
        """Waits for the end, which must be with that exit status."""
        got = self.command.wait(timeout * patience())
        if got != status:
            tail = " / ".join(self.command.lines[-3:])
            raise VmError(f"{self.command}: exit {got} instead of {status}: "
                          f"{tail}")
