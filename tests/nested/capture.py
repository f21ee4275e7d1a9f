# SPDX-License-Identifier: GPL-2.0-or-later
"""A tap on the cable between the two sides: for all of it, or for the connection
manager's words."""

from __future__ import annotations

import re
import secrets
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import List, Optional, Sequence, Type

from vrdma_vm.process import Child
from vrdma_vm.wait import VmError, wait_until

import wire
from link import SIDES

BUFFER_KIB = "65536"    # an emulated machine's tcpdump is slow

# Opcode of the datagrams that the connection manager's messages are.  A filter
# knows no UDP behind IPv6; its header has 40 bytes.
_FILTER = (f"udp dst port {wire.UDP_PORT} and "
           f"((ip and udp[8] = {wire.UD_SEND_ONLY}) or "
           f"(ip6 and ip6[48] = {wire.UD_SEND_ONLY}))")


class Tcpdump:
    """What passes while the context lasts.

    Taken at side 0: what a rule of nftables drops on its way in, at either
    side, was on the cable and is seen.
    """

    def __init__(self, file: Path, what: str) -> None:
        self.file = file
        self.lost = 0       # frames, behind the context
        self._filter = what
        self._said: List[str] = []
        self._tcpdump: Optional[Child] = None

    def __enter__(self) -> "Tcpdump":
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.unlink(missing_ok=True)
        self._tcpdump = Child(
            ["tcpdump", "-i", SIDES[0].netdev, "-n", "-p", "-U", "-s", "0",
             "-B", BUFFER_KIB, "--immediate-mode", "-Z", "root", "-w",
             str(self.file), self._filter], self._said.append)
        wait_until("tcpdump to listen", self._listens, 20)
        return self

    def _listens(self) -> bool:
        assert self._tcpdump is not None
        if self._tcpdump.status is not None:
            raise VmError(f"tcpdump ended: {' / '.join(self._said)}")
        return any("listening on" in line for line in self._said)

    def __exit__(self, kind: Optional[Type[BaseException]],
                 value: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        assert self._tcpdump is not None
        try:
            if kind is None:
                self.wait_for_all()
        finally:
            self._tcpdump.end()
        found = re.search(r"(\d+) packets? dropped by kernel",
                          " ".join(self._said))
        self.lost = int(found[1]) if found else 0

    def wait_for_all(self) -> None:
        """What went before is in the file."""
        size = -1

        def is_still() -> bool:
            nonlocal size
            size, before = self.file.stat().st_size, size
            return size == before
        wait_until("the cable to be silent", is_still, 20)


class Capture(Tcpdump):
    """Of the connection manager's messages."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, _FILTER)

    def wait_for_all(self) -> None:
        """What went before a datagram of each side is in the file when those
        are."""
        for side in SIDES:
            mark = bytes([wire.UD_SEND_ONLY]) + bytes(11) + \
                secrets.token_bytes(16)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind((side.ipv4, 0))
                # to a queue pair that is none: the device drops it
                sock.sendto(mark, (side.other.ipv4, wire.UDP_PORT))
            self._wait_for(mark)

    def _wait_for(self, mark: bytes) -> None:
        wait_until("the capture's last packet",
                   lambda: mark in self.file.read_bytes(), 20)

    @property
    def messages(self) -> List[wire.Message]:
        return wire.messages(self.file.read_bytes())

    @property
    def connections(self) -> List[wire.Connection]:
        return wire.connections(self.messages)

    def expect(self, *stories: Sequence[str]) -> None:
        """These connections, in this order, and nothing else on the wire."""
        found = self.connections
        if [c.story() for c in found] != [list(s) for s in stories]:
            raise VmError(
                f"on the wire was `{'; '.join(map(str, found)) or 'nothing'}`, "
                f"expected `{'; '.join(' '.join(s) for s in stories)}`; "
                f"see {self.file}")
