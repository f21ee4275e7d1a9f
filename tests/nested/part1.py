#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Part 1 of `make nested`: two guests of two hosts, data and connections over rxe."""

from __future__ import annotations

import argparse
import fnmatch
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Callable, List, Optional

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent
                       / "scripts"))

from vrdma_vm import ADDRESSES, Artifacts, Lab, Transcript, VmError   # noqa: E402
from vrdma_vm import scenario                                   # noqa: E402
from vrdma_vm.paths import build_dir                            # noqa: E402
from vrdma_vm.scenario import KERNEL, USER, expect              # noqa: E402

import link                                                     # noqa: E402
from hosts import Hosts                                         # noqa: E402

HELP = """
Runs in level 1 (scripts/nested.py shell), where KVM is real to its guests. Guest a
belongs to a vrdmad on rxe0, guest b to one on rxe1; both are booted once, for all
cases. What everybody said, kernels and vrdmads too, is in
<build>/log/nested-part1.log; after a failure level 1's own kernel log is beside it.

A line for each case, `ok NAME` or `FAILED NAME: why`; the last line is
`N passed, N failed`. Exit status 1 if any failed.

examples:
  scripts/nested.py shell tests/nested/part1.py
  scripts/nested.py shell 'tests/nested/part1.py --plain "*-kernel"'
"""

# No case waits for them to pass, so they are bounds only.  A kernel's first Accept
# was seen to take 14 s, which is more than the default.
LIMITS = {"connect-timeout-ms": 60000, "disconnect-timeout-ms": 60000,
          "rnr-timeout-ms": 60000}
PACKET_BYTES = 4096     # of data, at most; see link.py


@dataclass(frozen=True)
class Case:
    """One test; finds both guests booted, with their drivers."""

    name: str
    run: Callable[[Lab], object]


def devices(lab: Lab) -> None:
    for guest in lab.guests.values():
        scenario.device_found(guest)


def moves(lab: Lab, tool: str, op: str, size: str, count: int) -> None:
    """Moves data, compares it, and makes sure that it went through rxe."""
    before = sum(side.sent_packets for side in link.SIDES)
    event = scenario.transfers(lab, tool, op, size, count)
    sent = sum(side.sent_packets for side in link.SIDES) - before
    least = max(int(event["bytes"]) // PACKET_BYTES, count)
    expect(sent >= least,
           f"{event['bytes']} bytes take {least} packets, rxe0 and rxe1 sent "
           f"{sent}: they went another way")


def _moves(tool: str, op: str, size: str, count: int) -> Case:
    return Case(f"{op}-{size}-{_whose(tool)}",
                partial(moves, tool=tool, op=op, size=size, count=count))


def _whose(tool: str) -> str:
    return {USER: "user", KERNEL: "kernel"}[tool]


def _cases(tool: str) -> List[Case]:
    """One consumer's."""
    return [
        Case(f"connect-{_whose(tool)}", partial(scenario.connects, tool=tool)),
        _moves(tool, "send", "64", 16),
        _moves(tool, "send", "256K", 2),
        _moves(tool, "write", "4096", 16),
        _moves(tool, "write", "1M", 1),
        _moves(tool, "read", "4096", 16),
        _moves(tool, "read", "1M", 1),
        Case(f"disconnect-{_whose(tool)}",
             partial(scenario.disconnects, tool=tool)),
        *[Case(f"disconnect-by-{who}-{_whose(tool)}",
               partial(scenario.who_disconnects, tool=tool, who=who))
          for who in ("client", "server", "both")],
    ]


ALL: List[Case] = [
    Case("devices", devices),
    *_cases(USER),
    Case("connect-ipv6", partial(scenario.connects, tool=USER,
                                 address=ADDRESSES["b"][1])),
    *_cases(KERNEL),
]


class Report:
    """Says how each case ended, and counts."""

    def __init__(self, transcript: Transcript) -> None:
        self.passed = 0
        self.failed = 0
        self._transcript = transcript

    def add(self, name: str, why: Optional[str], seconds: float) -> None:
        line = f"ok {name}" if why is None else f"FAILED {name}: {why}"
        self._transcript.add("host", f"{line} ({seconds:.1f} s)")
        print(line, flush=True)
        self.passed += why is None
        self.failed += why is not None


def boot(lab: Lab) -> None:
    for daemon in set(lab.daemons.values()):    # of one host: the same
        daemon.start()
    lab.boot()
    lab.load_drivers()


def attempt(lab: Lab, case: Case) -> Optional[str]:
    """Why it failed; None: it passed."""
    known = len(lab.faults())
    try:
        case.run(lab)
        for name, daemon in lab.daemons.items():
            expect(daemon.running, f"vrdmad of guest {name} ended")
    except VmError as err:
        return str(err)
    faults = lab.faults()[known:]
    return f"a kernel complained: {faults[0]}" if faults else None


def usable(lab: Lab) -> bool:
    """Whether a next case has any use for the guests."""
    try:
        scenario.ready(lab)
    except VmError as err:
        lab.say(f"the guests are of no use: {err}")
        return False
    return True


def run_all(lab: Lab, cases: List[Case], report: Report, end: float) -> None:
    """What follows on a case that left the guests unusable fails unrun."""
    spoilt = ""
    for case in [Case("boot", boot), *cases]:
        begin = time.monotonic()
        why: Optional[str] = f"not run: {spoilt}"
        if not spoilt:
            lab.say(f"--- {case.name}")
            why = attempt(lab, case)
            if why and (case.name == "boot" or not usable(lab)):
                spoilt = f"`{case.name}` left no guests that are of use"
            elif time.monotonic() >= end:
                spoilt = _OUT_OF_TIME
        report.add(case.name, why, time.monotonic() - begin)


_OUT_OF_TIME = "the cases together took too long; -t gives more time"


def _out_of_time(_number: int, _frame: object) -> None:
    raise VmError(_OUT_OF_TIME)


def run(opts: argparse.Namespace, cases: List[Case]) -> Report:
    log = build_dir() / "log" / "nested-part1.log"
    transcript = Transcript(log, opts.verbose, show=opts.verbose)
    report = Report(transcript)
    signal.signal(signal.SIGALRM, _out_of_time)
    signal.alarm(opts.timeout)
    end = time.monotonic() + opts.timeout
    try:
        link.up()
        with Hosts(Artifacts.make("6.12"), transcript, opts.plain,
                   LIMITS) as lab:
            run_all(lab, cases, report, end)
            signal.alarm(0)     # cleaning up has bounds of its own
    except VmError as err:
        report.add("hosts", str(err), 0)
    finally:
        signal.alarm(0)
    if report.failed:
        print(f"transcript: {log}\nlevel 1's kernel: {_keep_dmesg(log)}",
              flush=True)
    return report


def _keep_dmesg(beside: Path) -> Path:
    path = beside.with_name(beside.stem + "-dmesg.log")
    with path.open("wb") as out:
        subprocess.run(["dmesg"], stdout=out, stderr=subprocess.STDOUT,
                       timeout=30, check=False)
    return path


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tests/nested/part1.py", description=__doc__, epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pattern", nargs="*", default=["*"],
                        help="names of cases, with shell wildcards")
    parser.add_argument("-l", "--list", action="store_true",
                        help="list the cases and stop")
    parser.add_argument("--plain", action="store_true",
                        help="boot by plain QEMU, not through libvirt: faster")
    parser.add_argument("-t", "--timeout", type=int, default=1200,
                        metavar="SECONDS", help="longest time for all cases "
                        "together (default: %(default)s)")
    parser.add_argument("-v", "--verbose", action="store_true",
                        help="show the transcript")
    return parser.parse_args()


def main() -> int:
    opts = options()
    cases = [c for c in ALL
             if any(fnmatch.fnmatch(c.name, p) for p in opts.pattern)]
    if not cases:
        print(f"part1: no case is called {' '.join(opts.pattern)}; -l lists them",
              file=sys.stderr)
        return 2
    if opts.list:
        print("\n".join(case.name for case in cases))
        return 0
    report = run(opts, cases)
    print(f"{report.passed} passed, {report.failed} failed", flush=True)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
