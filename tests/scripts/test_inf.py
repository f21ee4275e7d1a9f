#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""vrdma.inf is right, and check_inf.py would see it if it were not: each test changes one
thing in it."""

from __future__ import annotations

import os
import re
import sys
import unittest
from pathlib import Path
from typing import List

sys.dont_write_bytecode = True
_HERE = Path(__file__).resolve().parent
ROOT = _HERE.parent.parent
sys.path.insert(0, str(_HERE.parent / "lib"))
sys.path.insert(0, str(ROOT / "guest-driver/windows"))

import as_check                                                 # noqa: E402
import check_inf                                                # noqa: E402

INF = (ROOT / "guest-driver/windows/vrdma.inf").read_text()
HEADER = (ROOT / "qemu-device/include/virtio_rdma.h").read_text()


def check(text: str, header: str = HEADER) -> List[str]:
    return check_inf.check(text, header, ["vrdma.sys"])


class ThisTree(unittest.TestCase):
    def test_is_right(self) -> None:
        self.assertEqual(check(INF), [])


class Planted(unittest.TestCase):
    def told(self, old: str, new: str, *what: str) -> None:
        text, times = re.subn(old, new, INF, count=1, flags=re.M)
        self.assertEqual(times, 1, old)
        complaints = "\n".join(check(text))
        for line in what:
            self.assertIn(line, complaints)

    def test_a_section_that_is_not_there(self) -> None:
        self.told(r"^\[Reg\.Messages\]", "[Reg.Message]",
                  "[Reg.Messages] is named and not there",
                  "[reg.message] is named by nothing")

    def test_a_section_twice(self) -> None:
        self.told(r"^\[Reg\.Messages\]", "[Strings]", "[strings] is there twice")

    def test_another_device(self) -> None:
        self.told("DEV_106A", "DEV_1041", "is not Install, PCI\\VEN_1AF4&DEV_106A")

    def test_another_id_in_the_header(self) -> None:
        header = re.sub(r"(#define VIRTIO_ID_RDMA\s+)42", r"\g<1>43", HEADER)
        self.assertNotEqual(header, HEADER)
        self.assertIn("is not Install, PCI\\VEN_1AF4&DEV_106B", "\n".join(check(INF, header)))

    def test_another_architecture(self) -> None:
        self.told(r"Adapters, NTamd64\.6\.2", "Adapters, NTarm64", "is for NTarm64")

    def test_a_file_that_is_not_built(self) -> None:
        self.told(r"^(\[Files\.Driver\]\n)vrdma\.sys", r"\1rdma.sys",
                  "rdma.sys is not built", "files copied ['rdma.sys']",
                  "ServiceBinary %12%\\vrdma.sys is none of the files copied")

    def test_a_file_elsewhere(self) -> None:
        self.told(r"^(Files\.Driver\s*= )12", r"\g<1>13", "is none of the files copied")

    def test_a_disk_without_a_name(self) -> None:
        self.told(r"^vrdma\.sys = 1", "vrdma.sys = 2", "is on disk 2")

    def test_keywords(self) -> None:
        self.told(r"^HKR, Ndi\\params\\\*NetworkDirect, Default, 0, \"1\"\n", "",
                  "*NetworkDirect: Default is there 0 times")
        self.told(r"(\*NetworkDirectTechnology, Default, 0, )\"1\"", r'\1"2"',
                  "Default is 2, not 1")
        self.told(r"^(\*PhysicalMediaType.*)14", r"\g<1>0", "*physicalmediatype is 0, not 14")
        self.told(r"^\*IfType.*\n", "", "[Install.NT] has no *iftype")
        self.told(r"\"ndis5\"", '"ndis4"', "UpperRange is ndis4, not ndis5")

    def test_interrupts(self) -> None:
        self.told(r"MSISupported, 0x00010001, 1", "MSISupported, 0x00010001, 0",
                  "MSISupported is 0, not 1")
        self.told(r"(MessageNumberLimit, 0x00010001, )65", r"\g<1>16", "for 64 queues")

    def test_strings(self) -> None:
        self.told(r"^Iwarp.*\n", "", "%Iwarp% is not defined")
        self.told(r"^(Iwarp.*)$", r'\1\nMore = "x"', "%More% is not used")

    def test_class_and_service(self) -> None:
        self.told(r"^(Class\s*= )Net", r"\1System", "class is System, not Net")
        self.told(r"^(StartType\s*= )3", r"\g<1>0", "StartType is 0, not 3")
        self.told(r"AddService = vrdma", "AddService = vrdm", "AddService = ['vrdm'")


if __name__ == "__main__":
    os.chdir(ROOT)
    as_check.main()
