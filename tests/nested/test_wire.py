#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The reader of captures, with frames made here from the tables of the standard."""

from __future__ import annotations

import ipaddress
import struct
import sys
import unittest
import zlib
from pathlib import Path
from typing import List, Optional

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lib"),
                str(HERE.parent.parent / "scripts")]

import as_check                     # noqa: E402
import wire                         # noqa: E402
from vrdma_vm.wait import VmError   # noqa: E402

A, B = "10.78.0.1", "10.78.1.1"
A6, B6 = "fd78::1", "fd78:0:0:1::1"
KINDS = {"REQ": 0x10, "MRA": 0x11, "REJ": 0x12, "REP": 0x13, "RTU": 0x14,
         "DREQ": 0x15, "DREP": 0x16}


def udp(source: str, target: str, payload: bytes, port: int = 4791) -> bytes:
    """An Ethernet frame."""
    data = struct.pack(">HHHH", 49152, port, 8 + len(payload), 0) + payload
    a, b = ipaddress.ip_address(source), ipaddress.ip_address(target)
    if a.version == 4:
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(data), 1, 0x4000, 64,
                         17, 0) + a.packed + b.packed
        return bytes(12) + b"\x08\x00" + ip + data
    ip = struct.pack(">IHBB", 6 << 28, len(data), 17, 64) + a.packed + b.packed
    return bytes(12) + b"\x86\xdd" + ip + data


def mad(kind: int, transaction: int, body: bytes) -> bytes:
    """BTH, DETH, MAD and a check sum that nobody reads."""
    bth = struct.pack(">BBHI", 0x64, 0, 0xffff, 1) + struct.pack(">I", 7)
    deth = struct.pack(">II", 0x80010000, 1)
    header = struct.pack(">BBBBIQHHI", 1, 7, 2, 3, 0, transaction, kind, 0, 0)
    return bth + deth + (header + body).ljust(256, b"\0") + b"icrc"


def cm(kind: str, source: str, target: str, local: int, remote: int = 0,
       transaction: Optional[int] = None, private: bytes = b"",
       reason: int = 0) -> bytes:
    body = bytearray(232)
    struct.pack_into(">I", body, 0, local)
    if kind == "REQ":
        struct.pack_into(">Q", body, 8, (0x0106 << 16) + 18515)
        body[176:176 + len(private)] = private
    else:
        struct.pack_into(">I", body, 4, remote)
    if kind == "REJ":
        struct.pack_into(">H", body, 10, reason)
    offset = {"REP": 36, "REJ": 84, "DREQ": 12}.get(kind, 8)
    if kind != "REQ":
        body[offset:offset + len(private)] = private
    key = transaction if transaction is not None else \
        zlib.crc32(repr((kind, local, remote)).encode())
    return udp(source, target, mad(KINDS[kind], key, bytes(body)))


def pcap(frames: List[bytes], order: str = "<", magic: int = 0xa1b2c3d4) -> bytes:
    out = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262144, 1)
    for number, frame in enumerate(frames):
        out += struct.pack(order + "IIII", number, 0, len(frame), len(frame))
        out += frame
    return out


def setup(a: str = A, b: str = B, x: int = 11, y: int = 22) -> List[bytes]:
    return [cm("REQ", a, b, x), cm("REP", b, a, y, x), cm("RTU", a, b, x, y)]


def stories(frames: List[bytes]) -> List[List[str]]:
    return [c.story() for c in wire.connections(wire.messages(pcap(frames)))]


class Frames(unittest.TestCase):
    def test_whole_life(self) -> None:
        for a, b in ((A, B), (A6, B6)):
            with self.subTest(a):
                frames = setup(a, b) + [cm("DREQ", b, a, 22, 11),
                                        cm("DREP", a, b, 11, 22)]
                self.assertEqual(stories(frames), [
                    [">REQ", "<REP", ">RTU", "<DREQ", ">DREP"]])

    def test_both_byte_orders_of_a_file(self) -> None:
        for order in "<>":
            for magic in (0xa1b2c3d4, 0xa1b23c4d):
                with self.subTest(f"{order} {magic:x}"):
                    got = wire.messages(pcap(setup(), order, magic))
                    self.assertEqual([m.kind for m in got],
                                     ["REQ", "REP", "RTU"])

    def test_fields(self) -> None:
        request, = wire.messages(pcap([cm("REQ", A, B, 0x1234, 0, 99,
                                          b"hello")]))
        self.assertEqual((request.source, request.target, request.local,
                          request.transaction, request.port),
                         (A, B, 0x1234, 99, 18515))
        self.assertEqual(request.private[:6], b"hello\0")
        self.assertEqual(len(request.private), 56)
        for kind, room in (("REP", 196), ("REJ", 148), ("DREQ", 220),
                           ("DREP", 224), ("RTU", 224)):
            with self.subTest(kind):
                one, = wire.messages(pcap([cm(kind, B, A, 5, 6, private=b"x",
                                              reason=28)]))
                self.assertEqual((one.local, one.remote), (5, 6))
                self.assertEqual((one.private[:1], len(one.private)),
                                 (b"x", room))
                self.assertEqual(one.reason, 28 if kind == "REJ" else 0)

    def test_a_recorded_request(self) -> None:
        """Its body as rxe sent it, up to the local GID."""
        body = bytes.fromhex(
            "1f5cebcd00000000" "0000000001061c06" "505400fffe00000b"
            "0000000000000000" "00001104" "00000004" "000000a0" "a23406a7"
            "ffff37f0" "ffffffff")
        one, = wire.messages(pcap([udp(A, B, mad(0x10, 1, body))]))
        self.assertEqual((one.kind, one.local, one.port),
                         ("REQ", 0x1f5cebcd, 0x1c06))

    def test_what_is_none(self) -> None:
        good = cm("REQ", A, B, 1)
        data = struct.pack(">BBHI", 0x0a, 0, 0xffff, 0x11) + bytes(300)
        other_qp = bytearray(good)
        other_qp[14 + 20 + 8 + 7] = 2
        other_class = bytearray(good)
        other_class[14 + 20 + 8 + 20 + 1] = 4
        fragment = bytearray(good)
        fragment[14 + 6] = 0x20
        for name, frame in {
                "arp": bytes(12) + b"\x08\x06" + bytes(28),
                "other port": udp(A, B, mad(0x10, 1, b""), 4792),
                "data": udp(A, B, data), "short": udp(A, B, b"\x64"),
                "cut": good[:100], "empty": b"", "other qp": bytes(other_qp),
                "other class": bytes(other_class),
                "fragment": bytes(fragment)}.items():
            with self.subTest(name):
                self.assertEqual(wire.messages(pcap([frame])), [])

    def test_every_cut_of_a_file(self) -> None:
        """Somebody is still writing it."""
        whole = pcap(setup())
        counts = [len(wire.messages(whole[:n])) for n in range(len(whole) + 1)]
        self.assertEqual(counts, sorted(counts))
        self.assertEqual(counts[-1], 3)

    def test_not_a_capture(self) -> None:
        with self.assertRaises(VmError):
            list(wire.packets(b"something else altogether"))
        cooked = bytearray(pcap(setup()))
        cooked[20] = 113
        with self.assertRaises(VmError):
            list(wire.packets(bytes(cooked)))

    def test_unknown_kind_is_said(self) -> None:
        with self.assertRaises(VmError):
            wire.messages(pcap([udp(A, B, mad(0x77, 1, b""))]))


class Connections(unittest.TestCase):
    def test_sent_again(self) -> None:
        dreq = cm("DREQ", A, B, 11, 22, 5)
        frames = setup() + [dreq, dreq, cm("DREP", B, A, 22, 11, 5)]
        found = wire.messages(pcap(frames))
        self.assertEqual([m.again for m in found],
                         [False] * 4 + [True, False])
        one, = wire.connections(found)
        self.assertEqual(one.story(), [">REQ", "<REP", ">RTU", ">DREQ", "<DREP"])
        self.assertEqual(one.story(again=True)[3:5], [">DREQ", ">DREQ"])
        self.assertEqual(one.times("DREQ"), 2)

    def test_a_second_dreq_is_not_a_repetition(self) -> None:
        frames = setup() + [cm("DREQ", A, B, 11, 22, 5),
                            cm("DREQ", A, B, 11, 22, 6)]
        self.assertEqual(stories(frames)[0][3:], [">DREQ", ">DREQ"])

    def test_crossing(self) -> None:
        frames = setup() + [cm("DREQ", A, B, 11, 22), cm("DREQ", B, A, 22, 11),
                            cm("DREP", B, A, 22, 11), cm("DREP", A, B, 11, 22)]
        self.assertEqual(stories(frames)[0][3:],
                         [">DREQ", "<DREQ", "<DREP", ">DREP"])

    def test_rejects(self) -> None:
        nobody = [cm("REQ", A, B, 11), cm("REJ", B, A, 0, 11, reason=8)]
        consumer = [cm("REQ", A, B, 12), cm("REJ", B, A, 23, 12, reason=28)]
        active = [cm("REQ", A, B, 13), cm("REP", B, A, 24, 13),
                  cm("REJ", A, B, 13, 24, reason=28)]
        self.assertEqual(stories(nobody + consumer + active),
                         [[">REQ", "<REJ"], [">REQ", "<REJ"],
                          [">REQ", "<REP", ">REJ"]])

    def test_two_at_once(self) -> None:
        """Of each other's direction, with the same ids at different ends."""
        there, back = setup(A, B, 11, 22), setup(B, A, 11, 22)
        mixed = [f for pair in zip(there, back) for f in pair]
        found = wire.connections(wire.messages(pcap(mixed)))
        self.assertEqual([(c.active, c.story()) for c in found], [
            (A, [">REQ", "<REP", ">RTU"]), (B, [">REQ", "<REP", ">RTU"])])

    def test_a_stray_is_said(self) -> None:
        with self.assertRaises(VmError) as caught:
            wire.connections(wire.messages(pcap([cm("DREQ", A, B, 3, 4)])))
        self.assertIn("DREQ", str(caught.exception))

    def test_words(self) -> None:
        dreq = cm("DREQ", A, B, 11, 22, 5)
        one, = wire.connections(wire.messages(pcap(setup() + [dreq, dreq])))
        self.assertEqual(str(one), f"{A} > {B} port 18515: "
                         ">REQ <REP >RTU >DREQ >DREQ*")
        reject, = wire.messages(pcap([cm("REJ", B, A, 0, 1, reason=8)]))
        self.assertEqual(str(reject), f"{B} > {A} REJ (invalid service id)")


if __name__ == "__main__":
    as_check.main()
