#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/functions.md is true of this tree, and check-functions.py would see it if it
were not: each test changes one thing in a copy of the tree."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from types import ModuleType
from typing import List

sys.dont_write_bytecode = True
_HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(_HERE.parent / "lib"))

import as_check                                                 # noqa: E402

ROOT = _HERE.parent.parent
SCRIPT = ROOT / "scripts/check-functions.py"
TABLE = "docs/functions.md"
CQ_TEST = "tests/unit/test_core_cq.c"


def _load() -> ModuleType:
    """The script as a module: what it read of one tree serves for the next."""
    spec = importlib.util.spec_from_file_location("check_functions", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCRIPT_AS_MODULE = _load()


def check(root: Path) -> List[str]:
    return list(SCRIPT_AS_MODULE.complaints(root))


def run(root: Path) -> List[str]:
    """The complaints; the sum behind them must agree."""
    done = subprocess.run([sys.executable, str(SCRIPT), "--root", str(root)],
                          capture_output=True, text=True, timeout=120, check=False)
    lines = done.stdout.splitlines()
    assert lines and not done.stderr, done.stderr
    assert lines[-1].endswith(f", complaints: {len(lines) - 1}"), lines[-1]
    assert done.returncode == (len(lines) > 1)
    return lines[:-1]


class ThisTree(unittest.TestCase):
    def test_is_complete(self) -> None:
        self.assertEqual(run(ROOT), [])


class Planted(unittest.TestCase):
    """One thing is changed, and that one thing is told."""

    def setUp(self) -> None:
        self._dir = tempfile.TemporaryDirectory()
        self.addCleanup(self._dir.cleanup)
        self.root = Path(self._dir.name)
        for part in ("docs", "guest-driver/core", "guest-driver/ndspi", "tests/unit",
                     "tests/e2e", "tests/conformance", "tests/lib",
                     "tests/guest"):
            shutil.copytree(ROOT / part, self.root / part)

    def change(self, name: str, old: str, new: str) -> None:
        path = self.root / name
        text, times = re.subn(old, new, path.read_text(), count=1, flags=re.M)
        self.assertEqual(times, 1, f"{name} has no {old}")
        path.write_text(text)

    def told(self, *wanted: str) -> None:
        lines = check(self.root)
        self.assertEqual(len(lines), len(wanted), lines)
        for line, want in zip(lines, wanted):
            self.assertIn(want, line)

    def test_row_is_missing(self) -> None:
        self.change(TABLE, r"^\| `NdkArmCq` .*\n", "")
        self.told("NDK_CQ_DISPATCH NdkArmCq: no row")
        self.assertEqual(run(self.root), check(self.root))

    def test_slot_is_new(self) -> None:
        self.change("guest-driver/core/ndk.h", r"^\tNDK_FN_ARM_CQ \*NdkArmCq;",
                    r"\g<0>\n\tNDK_FN_ARM_CQ *NdkPlanted;")
        self.told("NDK_CQ_DISPATCH NdkPlanted: no row")

    def test_method_is_new(self) -> None:
        self.change("guest-driver/ndspi/ndspi.h",
                    r"^\tHRESULT\(ND_CALL \*Listen\)",
                    r"\tHRESULT(ND_CALL *Planted)(IND2Listener *self);\n\g<0>")
        self.told("IND2Listener Planted: no row")

    def test_entry_point_is_new(self) -> None:
        self.change("guest-driver/ndspi/ndutil.h", r"^HRESULT NdStartup\(VOID\);",
                    r"\g<0>\nHRESULT NdPlanted(VOID);")
        self.told("NdPlanted: no row")

    def test_row_of_no_function(self) -> None:
        self.change(TABLE, r"^\| `NdkArmCq` ", "| `NdkGone` ")
        self.told("NdkGone: not in the headers", "NdkArmCq: no row")

    def test_row_twice(self) -> None:
        self.change(TABLE, r"^(\| `NdkArmCq` .*\n)", r"\1\1")
        self.told("NdkArmCq: twice")

    def test_row_without_test(self) -> None:
        self.change(TABLE, r"^(\| `NdkReleaseLAM` \| yes \|).*", r"\1 |")
        self.told("NdkReleaseLAM: no test")

    def test_no_such_test(self) -> None:
        self.change(CQ_TEST, r"START_TEST\(arm_kinds\)", "START_TEST(arm_kind)")
        self.change(CQ_TEST, r"tc, arm_kinds,", "tc, arm_kind,")
        self.told("there is no test unit/test_core_cq.c:arm_kinds")

    def test_not_run(self) -> None:
        self.change(CQ_TEST, r"^.*tcase_add_loop_test\(tc, arm_kinds,.*\n", "")
        self.told("there is no test unit/test_core_cq.c:arm_kinds")

    def test_no_such_file(self) -> None:
        (self.root / "tests/unit/test_core_pagelist.c").unlink()
        self.told("unit/test_core_pagelist.c:lam", "unit/test_core_pagelist.c:lam")

    def test_does_not_call_it(self) -> None:
        self.change(CQ_TEST, r"r\.cq->Dispatch->NdkResizeCq\(r\.cq, 16, on_request, &c\)",
                    "STATUS_NOT_SUPPORTED")
        self.told("NdkResizeCq: unit/test_core_cq.c:no_resize_no_moderation does not call")

    def test_only_a_comment_calls_it(self) -> None:
        self.change(CQ_TEST, r"r\.cq->Dispatch->NdkResizeCq\(r\.cq, 16, on_request, &c\)",
                    r"/* \g<0> */ STATUS_NOT_SUPPORTED")
        self.told("NdkResizeCq: unit/test_core_cq.c:no_resize_no_moderation does not call")

    def test_calls_another_type(self) -> None:
        """A listener's address is not a connector's."""
        self.change(TABLE, r"(NDK_CONNECTOR_DISPATCH(?s:.*?)^\| `NdkGetLocalAddress` \| yes \|).*",
                    r"\1 `unit/test_core_connector.c:listener` |")
        self.told("NDK_CONNECTOR_DISPATCH NdkGetLocalAddress: "
                  "unit/test_core_connector.c:listener does not call it")

    def test_refusal_is_not_looked_for(self) -> None:
        self.change(TABLE, r"^(\| `NdkArmCq` \|) yes \|", r"\1 NOT_SUPPORTED: planted |")
        self.change(TABLE, r"^(\| `NdkArmCq` .*?\| `unit/test_core_cq.c:arm_kinds`).*", r"\1 |")
        self.told("NdkArmCq: no test looks for NOT_SUPPORTED")

    def test_no_answer(self) -> None:
        self.change(TABLE, r"^(\| `NdkArmCq` \|) yes \|", r"\1 perhaps |")
        self.told("NdkArmCq: no \"yes\"")

    def test_creator_is_supported(self) -> None:
        self.change(TABLE, r"^(\| `NdkCloseSharedEndpoint` \|) yes \|",
                    r"\1 no object: NdkCreateSharedEndpoint |")
        self.told("NdkCreateSharedEndpoint is supported")


if __name__ == "__main__":
    os.chdir(ROOT)
    as_check.main()
