#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Our user-space iWARP and Linux's siw: test programs, the wire, siw's kernel.

usage: part6.py [-h]

Runs in the machine of scripts/nested.py. siw takes the place of rxe1 (siw.py) while
this runs. Each program is captured on the cable, in build/log/part6-NAME.pcap;
run.py lets tshark read them outside, where it is quicker. What the kernel has said
meanwhile is judged: of siw nothing, or where errors are provoked only that it got a
Terminate, and never a BUG, an Oops or a WARNING. The last line is `N passed, N
failed`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import List, Tuple

import siw
from capture import Tcpdump
from vrdma_vm.wait import VmError

LOG = Path("build/log")
SUM = re.compile(r"^(\d+) passed, (\d+) failed$", re.M)
SECONDS = 700        # it takes some 150 where nobody else wants the CPUs


@dataclass(frozen=True)
class Program:
    """One test program and what siw may say about it."""

    name: str
    allowed: str


PROGRAMS = (
    Program("test_siw", r"(?!)"),
    Program("test_siw_perf", r"(?!)"),
    Program("test_siw_wrong", r"siw: got TERMINATE"),
)
# Said once, of no harm: there is no port mapper, and siw needs none
HARMLESS = re.compile(r"iwpm_register_pid|siw: loading|siw: module verif|"
                      r"SoftiWARP")
OF_SIW = re.compile(r"siw|iwcm|iw_cm")
BROKEN = re.compile(r"BUG|Oops|WARNING|Call Trace|hung_task|lockup")


def kernel_lines() -> List[str]:
    return subprocess.run(["dmesg"], stdout=subprocess.PIPE, text=True,
                          check=True, timeout=30).stdout.splitlines()


def complaints(lines: List[str], allowed: str) -> List[str]:
    """Of the kernel, in lines that came meanwhile."""
    return [line for line in lines
            if BROKEN.search(line) or (OF_SIW.search(line)
                                       and not HARMLESS.search(line)
                                       and not re.search(allowed, line))]


def run(program: Program) -> Tuple[int, int]:
    """Passes on what tests/run.py says; the kernel is one more test."""
    before = len(kernel_lines())
    with Tcpdump(LOG / f"part6-{program.name}.pcap", "tcp") as capture:
        done = subprocess.run(
            ["tests/run.py", "-j", "1", "-t", str(SECONDS),
             f"build/tests/nested/{program.name}"], stdout=subprocess.PIPE,
            text=True, check=False)
    for line in done.stdout.splitlines():
        if not SUM.match(line):
            print(line)
    log = LOG / f"{program.name}.log"
    for line in log.read_text(errors="replace").splitlines():
        if line.startswith(("in a row:", "perftest:")):
            print(f"     {line}")
    found = SUM.search(done.stdout)
    passed, failed = (int(found[1]), int(found[2])) if found else (0, 1)
    said = complaints(kernel_lines()[before:], program.allowed)
    for line in said[:8]:
        print(f"FAILED {program.name}: the kernel says: {line}")
    if capture.lost:
        print(f"FAILED {program.name}: the capture has lost "
              f"{capture.lost} frames")
        failed += 1
    sys.stdout.flush()
    return passed + (not said), failed + bool(said)


def main() -> int:
    if sys.argv[1:]:
        print(__doc__)
        return 0 if sys.argv[1] in ("-h", "--help") else 2
    passed = failed = 0
    try:
        siw.up()
        for program in PROGRAMS:
            counts = run(program)
            passed, failed = passed + counts[0], failed + counts[1]
        siw.down()
    except (VmError, OSError, subprocess.SubprocessError) as err:
        failed += 1
        print(f"FAILED preparation: {err}")
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
