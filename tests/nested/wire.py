# SPDX-License-Identifier: GPL-2.0-or-later
"""What two connection managers said to each other, read from a capture.

The InfiniBand connection manager's messages travel over RoCEv2 as UDP datagrams
to port 4791: base transport header (12 bytes, opcode 0x64, UD send only), datagram
header (8), then a management datagram (MAD) of 256 bytes: 24 of header and a body
that each message lays out for itself.  Only those are read here; data passes by.

A message that was sent again has the transaction id of the first time.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Dict, Iterable, Iterator, List, Optional, Tuple

from vrdma_vm.wait import VmError

UDP_PORT = 4791
UD_SEND_ONLY = 0x64
QP1 = 1
CM_CLASS = 0x07

# Attribute id: name, where its comm ids of sender and receiver are, where the
# private data begins.  Offsets count from the body, behind the MAD's header.
# An id that a message does not have: None.
@dataclass(frozen=True)
class _Layout:
    name: str
    local: Optional[int]
    remote: Optional[int]
    private: int


_LAYOUTS: Dict[int, _Layout] = {
    0x10: _Layout("REQ", 0, None, 140 + 36),    # behind the IP address header
    0x11: _Layout("MRA", 0, 4, 10),
    0x12: _Layout("REJ", 0, 4, 84),
    0x13: _Layout("REP", 0, 4, 36),
    0x14: _Layout("RTU", 0, 4, 8),
    0x15: _Layout("DREQ", 0, 4, 12),
    0x16: _Layout("DREP", 0, 4, 8),
    0x17: _Layout("SIDR_REQ", 0, None, 32),
    0x18: _Layout("SIDR_REP", None, 0, 92),
    0x19: _Layout("LAP", 0, 4, 64),
    0x1a: _Layout("APR", 0, 4, 84),
}

_MAD_BODY = 24
_REJ_REASON = 10
_REQ_SERVICE = 8

# What rejects mean to us; others show as numbers
REASONS = {4: "timeout", 8: "invalid service id", 28: "consumer"}


@dataclass(frozen=True)
class Message:
    """One of them."""

    kind: str
    source: str             # address
    target: str
    transaction: int
    local: int              # comm id of the sender; 0: it has none
    remote: int
    private: bytes = field(repr=False)
    reason: int = 0         # of a REJ
    port: int = 0           # of a REQ: what it asks for
    again: bool = False     # was sent before

    def __str__(self) -> str:
        text = f"{self.source} > {self.target} {self.kind}"
        if self.kind == "REJ":
            text += f" ({REASONS.get(self.reason, self.reason)})"
        return text + (" again" if self.again else "")


# -- frames --

def packets(pcap: bytes) -> Iterator[bytes]:
    """The frames of a capture file, as far as they are whole: somebody may still
    be writing it."""
    if len(pcap) < 24:
        return
    orders = {b"\xd4\xc3\xb2\xa1": "<", b"\x4d\x3c\xb2\xa1": "<",
              b"\xa1\xb2\xc3\xd4": ">", b"\xa1\xb2\x3c\x4d": ">"}
    order = orders.get(pcap[:4])
    if order is None:
        raise VmError(f"not a capture file: begins with {pcap[:4].hex()}")
    link, = struct.unpack_from(order + "I", pcap, 20)
    if link != 1:
        raise VmError(f"capture of link type {link}, not Ethernet")
    at = 24
    while at + 16 <= len(pcap):
        length, = struct.unpack_from(order + "8xI", pcap, at)
        if at + 16 + length > len(pcap):
            return
        yield pcap[at + 16:at + 16 + length]
        at += 16 + length


def datagram(frame: bytes) -> Optional[Tuple[str, str, bytes]]:
    """Source, target and payload of a UDP datagram to our port, else None."""
    kind = frame[12:14]
    if kind == b"\x08\x00":
        parsed = _ipv4(frame[14:])
    elif kind == b"\x86\xdd":
        parsed = _ipv6(frame[14:])
    else:
        return None
    if parsed is None:
        return None
    source, target, udp = parsed
    if len(udp) < 8 or struct.unpack_from(">H", udp, 2)[0] != UDP_PORT:
        return None
    return source, target, udp[8:struct.unpack_from(">H", udp, 4)[0]]


def _ipv4(ip: bytes) -> Optional[Tuple[str, str, bytes]]:
    if len(ip) < 20 or ip[0] >> 4 != 4 or ip[9] != 17:
        return None
    if struct.unpack_from(">H", ip, 6)[0] & 0x3fff:
        return None     # a fragment: nothing of ours is
    total, = struct.unpack_from(">H", ip, 2)
    source, target = (".".join(map(str, ip[a:a + 4])) for a in (12, 16))
    return source, target, ip[(ip[0] & 15) * 4:total]


def _ipv6(ip: bytes) -> Optional[Tuple[str, str, bytes]]:
    if len(ip) < 40 or ip[0] >> 4 != 6 or ip[6] != 17:
        return None
    total, = struct.unpack_from(">H", ip, 4)
    source, target = (_text6(ip[a:a + 16]) for a in (8, 24))
    return source, target, ip[40:40 + total]


def _text6(raw: bytes) -> str:
    import ipaddress
    return str(ipaddress.IPv6Address(raw))


# -- messages --

def message(source: str, target: str, payload: bytes) -> Optional[Message]:
    """The datagram as a message of the connection manager, else None."""
    if len(payload) < 20 + 256 or payload[0] != UD_SEND_ONLY:
        return None
    to_qp = int.from_bytes(payload[5:8], "big")
    from_qp = int.from_bytes(payload[17:20], "big")
    mad = payload[20:20 + 256]
    if (to_qp, from_qp) != (QP1, QP1) or mad[1] != CM_CLASS:
        return None
    transaction, attribute = struct.unpack_from(">8xQH", mad)
    layout = _LAYOUTS.get(attribute)
    if layout is None:
        raise VmError(f"{source} > {target}: connection manager's message of "
                      f"unknown kind {attribute:#x}")
    body = mad[_MAD_BODY:]

    def number(offset: Optional[int]) -> int:
        return 0 if offset is None else \
            int.from_bytes(body[offset:offset + 4], "big")

    return Message(
        kind=layout.name, source=source, target=target,
        transaction=transaction, local=number(layout.local),
        remote=number(layout.remote), private=body[layout.private:],
        reason=int.from_bytes(body[_REJ_REASON:_REJ_REASON + 2], "big")
        if layout.name == "REJ" else 0,
        port=int.from_bytes(body[_REQ_SERVICE + 6:_REQ_SERVICE + 8], "big")
        if layout.name == "REQ" else 0)


def messages(pcap: bytes) -> List[Message]:
    """All of them, in the order of the wire, those sent again marked."""
    found: List[Message] = []
    seen = set()
    for frame in packets(pcap):
        udp = datagram(frame)
        one = message(*udp) if udp else None
        if one is None:
            continue
        key = (one.kind, one.source, one.target, one.transaction, one.local,
               one.remote)
        if key in seen:
            one = Message(**{**one.__dict__, "again": True})
        seen.add(key)
        found.append(one)
    return found


class Connection:
    """The messages of one connection; it begins with its REQ."""

    def __init__(self, request: Message) -> None:
        self.active = request.source
        self.passive = request.target
        self.port = request.port
        self.all: List[Message] = [request]
        self._ids = {(request.source, request.local)}

    def takes(self, one: Message) -> bool:
        """Whether it is one of this connection's; if so, keeps it."""
        ends = {(one.source, one.local), (one.target, one.remote)}
        ends = {e for e in ends if e[1]}
        if not ends & self._ids:
            return False
        self._ids |= ends
        self.all.append(one)
        return True

    def story(self, again: bool = False) -> List[str]:
        """`>REQ`, `<REP` and so on; > is from the side that connected.

        What was sent again is left out unless asked for.
        """
        return [(">" if m.source == self.active else "<") + m.kind
                for m in self.all if again or not m.again]

    def times(self, kind: str) -> int:
        """How often that was sent, repetitions and all."""
        return sum(m.kind == kind for m in self.all)

    def __str__(self) -> str:
        words = [(">" if m.source == self.active else "<") + m.kind +
                 ("*" if m.again else "") for m in self.all]
        return f"{self.active} > {self.passive} port {self.port}: " + \
            " ".join(words)


def connections(found: Iterable[Message]) -> List[Connection]:
    """Sorted out by connection, in the order of their REQs.

    A message that belongs to none of them is an error: a capture that begins
    before the first REQ has none such.
    """
    known: List[Connection] = []
    for one in found:
        # the newest first: ids of the past may be given again
        if any(c.takes(one) for c in reversed(known)):
            continue
        if one.kind != "REQ":
            raise VmError(f"`{one}` belongs to no connection that was seen")
        known.append(Connection(one))
    return known
