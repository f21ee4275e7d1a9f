#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The protocols of sleep and of completion events, in every order that there is.

Spin walks through all states of doorbell.pml, arm.pml and resize.pml.  As they are
written nothing may be lost; and each rule that can be taken away (-D in the model) must be
one without which something is."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import List, Tuple

sys.dont_write_bytecode = True
_HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(_HERE.parent / "lib"))

import as_check                                                 # noqa: E402

LIMIT = 120
DEPTH = 1000000


def run(argv: List[str], cwd: Path) -> str:
    done = subprocess.run(argv, cwd=cwd, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=LIMIT, check=False)
    if done.returncode:
        raise AssertionError(f"{' '.join(argv)}: exit {done.returncode}: "
                             f"{done.stdout[-1000:]}")
    return done.stdout


def walk(model: str, *defines: str) -> Tuple[int, int]:
    """Errors found (the walk ends with the first), and states seen."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        run(["spin", "-a", *(f"-D{d}" for d in defines), str(_HERE / model)],
            place)
        run(["gcc", "-w", "-DSAFETY", "-DNOCLAIM", "-o", "pan", "pan.c"],
            place)
        said = run(["./pan", f"-m{DEPTH}", "-n"], place)
    if "max search depth too small" in said:
        raise AssertionError(f"{model}: deeper than {DEPTH}")
    errors = re.search(r"errors: (\d+)", said)
    states = re.search(r"(\d+) states, stored", said)
    if not errors or not states:
        raise AssertionError(f"{model}: pan said: {said[-500:]}")
    return int(errors[1]), int(states[1])


def rules(model: str) -> List[str]:
    """What the model lets be taken away: its #ifdef and #ifndef, but for sizes."""
    text = (_HERE / model).read_text(encoding="utf-8")
    found = set(re.findall(r"^#ifn?def (\w+)$", text, re.M))
    return sorted(found - {"POSTS", "ENTRIES"})


class Model(unittest.TestCase):
    """One model each."""

    def holds(self, model: str, *sizes: str) -> None:
        errors, states = walk(model, *sizes)
        print(f"{model}: {states} states", flush=True)
        self.assertEqual(errors, 0)
        self.assertGreater(states, 1000)

    def needs_each_rule(self, model: str, least: int) -> None:
        names = rules(model)
        self.assertGreaterEqual(len(names), least)
        for name in names:
            with self.subTest(rule=name):
                errors, _ = walk(model, name)
                self.assertGreater(errors, 0, f"{model} holds with {name}, too")

    def test_doorbell(self) -> None:
        self.holds("doorbell.pml")

    def test_doorbell_rules(self) -> None:
        self.needs_each_rule("doorbell.pml", 8)

    def test_arm(self) -> None:
        self.holds("arm.pml", "ENTRIES=40")

    def test_arm_rules(self) -> None:
        self.needs_each_rule("arm.pml", 5)

    def test_resize(self) -> None:
        self.holds("resize.pml", "ENTRIES=12")

    def test_resize_rules(self) -> None:
        self.needs_each_rule("resize.pml", 6)


if __name__ == "__main__":
    as_check.main()
