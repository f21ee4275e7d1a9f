# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs unittest cases and reports as Check does, for tests/run.py."""

from __future__ import annotations

import os
import re
import sys
import unittest
from typing import List


def _all(suite: unittest.TestSuite) -> List[unittest.TestCase]:
    cases: List[unittest.TestCase] = []
    for item in suite:
        cases += _all(item) if isinstance(item, unittest.TestSuite) else [item]
    return cases


def _line(kind: str, test: unittest.TestCase, trace: str) -> str:
    """FILE:LINE:F:CASE: what, as Check writes it."""
    place = re.findall(r'File "([^"]+)", line (\d+)', trace)
    file, number = place[-1] if place else ("?", "0")
    said = trace.strip().splitlines()[-1]
    return f"{os.path.relpath(file)}:{number}:{kind}:{test.id()}: {said}"


class _Subtests(unittest.TestResult):
    """Each subTest counts as a check of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.checks = 0

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase,
                   err: object) -> None:
        super().addSubTest(test, subtest, err)      # type: ignore[arg-type]
        self.checks += 1


def main(module: str = "__main__") -> None:
    """CK_RUN_CASE=NAME runs one class, as in the C programs."""
    wanted = os.environ.get("CK_RUN_CASE")
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[module])
    result = _Subtests()
    print(f"Running suite(s): {os.path.basename(sys.argv[0])}", flush=True)
    for case in _all(suite):
        if wanted in (None, type(case).__name__):
            before = result.checks
            case.run(result)
            result.checks += result.checks == before
    for kind, bad in (("F", result.failures), ("E", result.errors)):
        for test, trace in bad:
            print(trace)
            print(_line(kind, test, trace))
    failures, errors = len(result.failures), len(result.errors)
    good = result.checks - failures - errors
    print(f"{100 * good // max(result.checks, 1)}%: Checks: {result.checks}, "
          f"Failures: {failures}, Errors: {errors}")
    sys.exit(1 if failures or errors or not result.checks else 0)
