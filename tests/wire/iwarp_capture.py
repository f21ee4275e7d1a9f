# SPDX-License-Identifier: GPL-2.0-or-later
"""What tshark makes of a capture of iWARP, and whether that is all of it.

tshark names what it takes for MPA, DDP and RDMAP; it does not say what it passed
over.  So the lengths that it names are added up for each direction of each
connection and compared with the TCP stream's own length, which is read here.

tshark 4.0 remembers a connection by its addresses and ports, and takes the MPA
frames of a second one between the same for data of the first.  The tests use the
same over and over, so it gets a copy of the capture in which the n-th connection
of a pair has n in its addresses.  Nothing behind the TCP header is touched.
"""

from __future__ import annotations

import ipaddress
import re
import struct
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

_MAGIC = {b"\xd4\xc3\xb2\xa1": "<", b"\x4d\x3c\xb2\xa1": "<",
          b"\xa1\xb2\xc3\xd4": ">", b"\xa1\xb2\x3c\x4d": ">"}
FIN, SYN, RST, ACK = 1, 2, 4, 16
LARGEST_FPDU = 65536 + 8
# A guest's bytes may look like anything; out of order is not lost; an ephemeral port
# may be that of another protocol to tshark (44322 is pmproxy's)
_TSHARK = ["tshark", "-n", "-O", "iwarp_mpa,iwarp_ddp_rdmap",
           "-o", "tcp.reassemble_out_of_order:TRUE",
           "-o", "tcp.try_heuristic_first:TRUE",
           "--disable-protocol", "rpcordma", "--disable-protocol", "smb_direct"]

# Who sends to whom: address, port, address, port
Way = Tuple[str, int, str, int]


class WireError(Exception):
    """Something cannot be read."""


def back(way: Way) -> Way:
    return way[2], way[3], way[0], way[1]


class Segment(NamedTuple):
    """Where things are in a frame."""

    address: int            # of the two addresses' first byte
    size: int               # of each
    tcp: int
    payload: int            # bytes of it


@dataclass
class Stream:
    """One direction of a connection, as TCP has it."""

    first: int              # sequence number of its first byte
    flags: int = 0          # all that were seen
    pieces: List[Tuple[int, int]] = field(default_factory=list)

    @property
    def length(self) -> int:
        return max((end for _, end in self.pieces), default=0)

    @property
    def missing(self) -> int:
        """Bytes that no frame had."""
        gone = at = 0
        for begin, end in sorted(self.pieces):
            gone += max(0, begin - at)
            at = max(at, end)
        return gone


@dataclass
class Decoded:
    """The same, as tshark has it."""

    length: int = 0
    fpdus: int = 0
    good: int = 0           # of their CRCs
    bad: int = 0
    opcodes: "Counter[str]" = field(default_factory=Counter)


def frames(raw: bytes) -> Iterator[Tuple[bytes, bytearray]]:
    """Record header and frame of each packet of a capture file."""
    order = _MAGIC.get(raw[:4])
    if order is None:
        raise WireError("no capture file of the old kind")
    at = 24
    while at + 16 <= len(raw):
        kept, was = struct.unpack_from(order + "II", raw, at + 8)
        if kept != was:
            raise WireError(f"a frame of {was} bytes was cut to {kept}")
        yield raw[at:at + 16], bytearray(raw[at + 16:at + 16 + kept])
        at += 16 + kept


def segment(frame: bytes) -> Optional[Segment]:
    """None: it is no TCP."""
    kind = frame[12:14]
    if kind == b"\x08\x00" and frame[23] == 6:
        tcp = 14 + (frame[14] & 15) * 4
        end = 14 + struct.unpack_from(">H", frame, 16)[0]
        return Segment(26, 4, tcp, end - tcp - (frame[tcp + 12] >> 4) * 4)
    if kind == b"\x86\xdd" and frame[20] == 6:
        tcp = 54
        length = struct.unpack_from(">H", frame, 18)[0]
        return Segment(22, 16, tcp, length - (frame[tcp + 12] >> 4) * 4)
    return None


def way_of(frame: bytes, s: Segment) -> Way:
    a, b = (str(ipaddress.ip_address(bytes(frame[at:at + s.size])))
            for at in (s.address, s.address + s.size))
    ports = struct.unpack_from(">HH", frame, s.tcp)
    return a, ports[0], b, ports[1]


class Capture:
    """A capture file, its streams, and the copy for tshark."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.streams: Dict[Way, Stream] = {}
        self._number: Dict[Way, int] = {}       # of the pair's connections
        self._begins: Dict[Way, int] = {}       # sequence number of the last SYN
        self.copy = file.with_suffix(".copy.pcap")
        raw = file.read_bytes()
        with self.copy.open("wb") as out:
            out.write(raw[:24])
            for header, frame in frames(raw):
                self._take(frame)
                out.write(header + frame)

    def _take(self, frame: bytearray) -> None:
        s = segment(frame)
        if s is None:
            return
        seq, = struct.unpack_from(">I", frame, s.tcp + 4)
        flags = frame[s.tcp + 13]
        way = way_of(frame, s)
        if flags & SYN and not flags & ACK and self._begins.get(way) != seq:
            self._begins[way] = seq
            number = self._number.get(way, 0) + 1
            self._number[way] = self._number[back(way)] = number
        number = self._number.get(way, 0)
        if number > 255:
            raise WireError(f"over 255 connections of {way}")
        for at in (s.address, s.address + s.size):
            frame[at + 1] = number
        self._count(way_of(frame, s), seq, flags, s.payload)

    def _count(self, way: Way, seq: int, flags: int, payload: int) -> None:
        if flags & SYN:
            self.streams.setdefault(way, Stream((seq + 1) & 0xffffffff))
        stream = self.streams.get(way)
        if stream is None:
            return      # a reset that answers what was never there
        stream.flags |= flags
        begin = (seq - stream.first) & 0xffffffff
        if payload or flags & FIN:      # which comes behind the last byte
            stream.pieces.append((begin, begin + payload))


_IP = re.compile(r"^Internet Protocol Version \d, Src: (\S+), Dst: (\S+)")
_TCP = re.compile(r"^Transmission Control Protocol, Src Port: (\d+), "
                  r"Dst Port: (\d+)")
_FRAME = re.compile(r"^Frame (\d+):")
_PRIVATE = re.compile(r"^ +Private data length: (\d+)")
_ULPDU = re.compile(r"^ +ULPDU length: (\d+)")
_CRC = re.compile(r"^ +CRC check: \S+ \((\w+) CRC32")
_OPCODE = re.compile(r"OpCode: (.+) \(0x")
_VERSION = re.compile(r"= (?:DDP protocol v|V)ersion: (\d)")


def fpdu_size(ulpdu: int) -> int:
    """With length, pad and CRC."""
    return (ulpdu + 2 + 3) // 4 * 4 + 4


class Decoding:
    """tshark's words about a capture, line by line."""

    def __init__(self, capture: Capture) -> None:
        self.capture = capture
        self.ways: Dict[Way, Decoded] = {}
        self.complaints: List[str] = []
        self._addresses = ("", "")
        self._way: Optional[Way] = None
        self._frame = 0
        try:
            done = subprocess.run(
                _TSHARK + ["-r", str(capture.copy)], stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True, check=False, timeout=300)
        except OSError as err:
            raise WireError(f"tshark: {err.strerror}; "
                            "scripts/setup.sh build") from err
        if done.returncode:
            raise WireError(f"tshark: exit {done.returncode}: {done.stderr}")
        for line in done.stdout.splitlines():
            self._read(line)
        self._compare()

    @property
    def connections(self) -> int:
        return len(self.ways) // 2

    def total(self, what: str) -> int:
        return sum(getattr(d, what) for d in self.ways.values())

    @property
    def opcodes(self) -> "Counter[str]":
        return sum((d.opcodes for d in self.ways.values()), Counter())

    def __str__(self) -> str:
        said = ", ".join(f"{n} {o}" for o, n in sorted(self.opcodes.items()))
        return (f"{self.connections} connections, {self.total('fpdus')} FPDUs "
                f"({self.total('good')} CRCs good, {self.total('bad')} bad): "
                f"{said}")

    def _complain(self, what: str) -> None:
        self.complaints.append(f"frame {self._frame}: {what}")

    def _read(self, line: str) -> None:
        for pattern, take in self._LINES:
            found = pattern.search(line)
            if found:
                take(self, found)
                return
        if "Malformed" in line and line.startswith("["):
            self._complain(line.strip("[]"))

    def _decoded(self) -> Decoded:
        assert self._way is not None
        return self.ways[self._way]

    def _on_frame(self, m: "re.Match[str]") -> None:
        self._frame, self._way = int(m[1]), None

    def _on_ip(self, m: "re.Match[str]") -> None:
        self._addresses = (m[1], m[2])

    def _on_tcp(self, m: "re.Match[str]") -> None:
        a, b = self._addresses
        self._way = a, int(m[1]), b, int(m[2])
        self.ways.setdefault(self._way, Decoded())

    def _on_private(self, m: "re.Match[str]") -> None:
        self._decoded().length += 20 + int(m[1])

    def _on_ulpdu(self, m: "re.Match[str]") -> None:
        self._decoded().length += fpdu_size(int(m[1]))
        self._decoded().fpdus += 1

    def _on_crc(self, m: "re.Match[str]") -> None:
        if m[1] == "Good":
            self._decoded().good += 1
            return
        self._decoded().bad += 1
        self._complain("bad CRC")

    def _on_opcode(self, m: "re.Match[str]") -> None:
        self._decoded().opcodes[m[1]] += 1

    def _on_version(self, m: "re.Match[str]") -> None:
        if m[1] != "1":
            self._complain(f"{m[0].strip('= ')}, which is not 1")

    _LINES = ((_FRAME, _on_frame), (_IP, _on_ip), (_TCP, _on_tcp),
              (_PRIVATE, _on_private), (_ULPDU, _on_ulpdu), (_CRC, _on_crc),
              (_OPCODE, _on_opcode), (_VERSION, _on_version))

    def _compare(self) -> None:
        """A reset may have come in the middle of an FPDU, nothing else may."""
        if not self.total("fpdus"):
            self.complaints.append("no FPDU at all")
        for way, stream in self.capture.streams.items():
            got = self.ways.get(way, Decoded())
            other = self.capture.streams.get(back(way), Stream(0))
            if stream.missing:
                self.complaints.append(
                    f"{way}: {stream.missing} bytes were not captured")
            left = stream.length - got.length
            reset = (stream.flags | other.flags) & RST
            if left and not (reset and 0 < left < LARGEST_FPDU):
                self.complaints.append(
                    f"{way}: {stream.length} bytes, {got.length} of them are "
                    "MPA's to tshark")


def decode(file: Path) -> Decoding:
    capture = Capture(file)
    try:
        return Decoding(capture)
    finally:
        capture.copy.unlink()
