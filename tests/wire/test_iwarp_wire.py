#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""tshark reads what two vrdmad say to each other over iWARP.

Each row is a program of tests/e2e with a fabric, watched by dumpcap in a network of
their own.  All bytes of every connection must be MPA, DDP and RDMAP to tshark, with
nothing malformed and every CRC good.  That tshark, and what is made of its words,
would tell is tried with captures that are broken here.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from typing import Callable, List, Optional, Tuple

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lib")]

import as_check                                     # noqa: E402
from iwarp_capture import (Decoding, WireError, decode,     # noqa: E402
                           frames, segment)

BUILD = Path(os.environ.get("O", "build"))
PATIENCE = 30 * int(os.environ.get("CK_TIMEOUT_MULTIPLIER", "4"))
BUFFER_MIB = "64"       # a program says some 50 MB in a second

# program, and which of its cases if not all; fabric; what must have been seen
Row = Tuple[str, str, str]
ALWAYS = "Write,Read Request,Read Response"
ROWS: List[Row] = [
    ("e2e/test_connect", "iwarp", "Write,Terminate"),
    ("e2e/test_data", "iwarp", f"{ALWAYS},Send,Send with SE,Terminate"),
    ("e2e/test_windows windows", "iwarp", f"{ALWAYS},Send with Invalidate"),
    ("e2e/test_data", "iwarp:large=never", f"{ALWAYS},Send"),
    ("e2e/test_data shapes", "iwarp:crc=no", f"{ALWAYS},Send"),
    # completions are no deliveries there: a program that asks for no bytes by them
    ("conformance/test_scheme", "iwarp:mpa=1", "Write"),
]


def wait_for(what: Callable[[], bool], name: str) -> None:
    end = time.monotonic() + PATIENCE
    while not what():
        if time.monotonic() > end:
            raise WireError(f"{name} did not happen within {PATIENCE} s")
        time.sleep(0.05)


def watched(file: Path, program: List[str]) -> int:
    """In the network of in_net: the program's status, and a capture."""
    said = file.with_suffix(".said")
    with said.open("w") as err:
        dumpcap = subprocess.Popen(
            ["dumpcap", "-q", "-P", "-i", "lo", "-f", "tcp", "-B", BUFFER_MIB,
             "-w", str(file)], stderr=err)
    try:
        wait_for(lambda: file.exists() and "File:" in said.read_text(),
                 "dumpcap's start")
        status = subprocess.run(program, check=False).returncode
        size = -1

        def is_still() -> bool:
            nonlocal size
            size, before = file.stat().st_size, size
            return size == before
        wait_for(is_still, "silence")
    finally:
        dumpcap.send_signal(signal.SIGINT)
        dumpcap.wait(PATIENCE)
    words = said.read_text()
    if "/0 (pcap:0/" not in words:
        raise WireError(f"dumpcap has lost frames: {words}")
    return status


def capture(row: Row, folder: Path) -> Path:
    program, fabric, _ = row
    program, _, case = program.partition(" ")
    file = folder / "wire.pcap"
    env = dict(os.environ, VRDMA_BACKEND="iwarp", VRDMA_FABRIC=fabric,
               VRDMA_NET="here")
    env.pop("CK_RUN_CASE", None)        # it was for us
    if case:
        env["CK_RUN_CASE"] = case
    done = subprocess.run(
        [str(BUILD / "tests/wire/in_net"), sys.executable, __file__,
         "--watched", str(file), str(BUILD / "tests" / program)],
        env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False, timeout=10 * PATIENCE)
    if done.returncode:
        raise WireError(f"{program} over {fabric}: {done.stdout}")
    return file


class Ours(unittest.TestCase):
    """Two vrdmad."""

    def _judge(self, row: Row, got: Decoding) -> None:
        self.assertEqual(got.complaints[:5], [])
        for opcode in row[2].split(","):
            self.assertGreater(got.opcodes[opcode], 0, opcode)
        checked = 0 if "crc=no" in row[1] else got.total("fpdus")
        self.assertEqual(got.total("good"), checked)

    def test_rows(self) -> None:
        for row in ROWS:
            with self.subTest(row), \
                    tempfile.TemporaryDirectory() as folder:
                got = decode(capture(row, Path(folder)))
                print(f"{row[0]} over {row[1]}: {got}", flush=True)
                self._judge(row, got)


def rewrite(file: Path, change: Callable[[int, bytearray], Optional[bytes]]
            ) -> Path:
    """Another capture of frames with a payload, each as `change` leaves it; and
    of the others."""
    raw = file.read_bytes()
    out = file.with_name("broken.pcap")
    number = 0
    with out.open("wb") as to:
        to.write(raw[:24])
        for header, frame in frames(raw):
            s = segment(frame)
            kept: Optional[bytes] = frame
            if s is not None and s.payload:
                kept = change(number, frame)
                number += 1
            if kept is not None:
                to.write(header + kept)
    return out


class Broken(unittest.TestCase):
    """A capture with one fault: what would not be seen is no proof."""

    # the third frame with a payload is the first FPDU: a Write of no bytes
    FPDU = 2

    @staticmethod
    def _capture() -> Path:
        """The same for all."""
        if not hasattr(Broken, "folder"):
            Broken.folder = tempfile.TemporaryDirectory()
            Broken.file = capture(("e2e/test_connect", "iwarp", ""),
                                  Path(Broken.folder.name))
        return Broken.file

    def _complains(self, change: Callable[[bytearray], Optional[bytes]],
                   why: str) -> None:
        broken = rewrite(self._capture(), lambda number, frame:
                         change(frame) if number == self.FPDU else frame)
        found = decode(broken).complaints
        self.assertTrue(any(why in said for said in found), found)

    @staticmethod
    def _at_end(where: int, mask: int) -> Callable[[bytearray], bytes]:
        def change(frame: bytearray) -> bytes:
            frame[where] ^= mask
            return frame
        return change

    def test_whole(self) -> None:
        same = rewrite(self._capture(), lambda _, frame: frame)
        self.assertEqual(decode(same).complaints, [])

    def test_crc(self) -> None:
        self._complains(self._at_end(-1, 1), "bad CRC")

    def test_covered_byte(self) -> None:
        self._complains(self._at_end(-5, 1), "bad CRC")

    def test_ddp_version(self) -> None:
        self._complains(self._at_end(-18, 3), "not 1")

    def test_rdmap_version(self) -> None:
        self._complains(self._at_end(-17, 0x80), "not 1")

    def test_length(self) -> None:
        self._complains(self._at_end(-20, 1), "bytes")

    def test_lost_frame(self) -> None:
        self._complains(lambda frame: None, "not captured")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--watched"]:
        sys.exit(watched(Path(sys.argv[2]), sys.argv[3:]))
    as_check.main()
