#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Two-guest tests: real guests, the real driver, the real vrdmad."""

from __future__ import annotations

import argparse
import fnmatch
import sys
import time
from pathlib import Path
from typing import List, Optional, Tuple, Type

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent
                       / "scripts"))

from vrdma_vm import Artifacts, Lab, Transcript, VmError, scenario  # noqa: E402
from vrdma_vm.paths import build_dir, flavours                      # noqa: E402

from case import Case           # noqa: E402
from cases import ALL           # noqa: E402

# Freed memory is poisoned and looked at, and what lies around an object
MEMORY_DEBUGGING = " slub_debug=FZPU"

HELP = """
The guests are booted once for each kernel and shared by the tests, in order;
after a test that left them unusable they are booted anew, and for the first test
that has them on two hosts. The transcripts are in <build>/vm-<kernel>.log. Ends
with `vm: N passed, N failed`.

examples:
  tests/vm/run.py -l                      list the tests
  tests/vm/run.py -f 6.12 'vrdmad*'       those tests, that kernel
  tests/vm/run.py -v disconnect-user      show both guests' consoles
"""


class Shared:
    """The lab that tests share, made when first needed."""

    def __init__(self, art: Artifacts, transcript: Transcript,
                 plain: bool) -> None:
        self._art, self._transcript, self._plain = art, transcript, plain
        self._lab: Optional[Lab] = None

    def get(self, kind: Type[Lab]) -> Lab:
        if self._lab is not None and type(self._lab) is not kind:
            self.drop()
        if self._lab is None:
            self._lab = kind(self._art, self._transcript, self._plain)
            self._lab.__enter__()
            for daemon in set(self._lab.daemons.values()):
                daemon.start()
            self._lab.boot()
            self._lab.load_drivers()
        return self._lab

    def drop(self) -> None:
        lab, self._lab = self._lab, None
        if lab is not None:
            lab.__exit__(None, None, None)

    def check(self) -> None:
        """Drops a lab that the next test could not use."""
        try:
            if self._lab is not None:
                scenario.ready(self._lab)
        except VmError as err:
            self._transcript.add("host", f"the guests are of no use: {err}")
            self.drop()


def run_case(case: Case, shared: Shared) -> Optional[str]:
    """Why it failed; None: it passed."""
    try:
        lab = shared.get(case.lab)
        known = len(lab.faults())
        case.run(lab)
        for fault in lab.faults()[known:]:
            return f"a kernel complained: {fault}"
    except VmError as err:
        return str(err)
    return None


def run_flavour(flavour: str, cases: List[Case],
                opts: argparse.Namespace) -> Tuple[int, int]:
    passed = failed = 0
    log = build_dir() / f"vm-{flavour}.log"
    transcript = Transcript(log, opts.verbose, show=opts.verbose)
    shared = Shared(Artifacts.make(flavour), transcript, not opts.libvirt)
    try:
        for case in cases:
            begin = time.monotonic()
            transcript.add("host", f"--- test {case.name}")
            why = run_case(case, shared)
            took = time.monotonic() - begin
            if why is None:
                passed += 1
                print(f"ok    vm {flavour} {case.name} ({took:.1f} s)",
                      flush=True)
            else:
                failed += 1
                print(f"FAIL  vm {flavour} {case.name} ({took:.1f} s): {why}\n"
                      f"      transcript: {log}", flush=True)
                transcript.add("host", f"FAILED: {why}")
                shared.check()
    finally:
        shared.drop()
    return passed, failed


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tests/vm/run.py", description=__doc__, epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pattern", nargs="*", default=["*"],
                        help="names of tests, with shell wildcards")
    parser.add_argument("-f", "--flavour", choices=["6.12", "6.1"],
                        action="append", help="kernel (default: all there are)")
    parser.add_argument("-l", "--list", action="store_true",
                        help="list the tests and stop")
    parser.add_argument("--libvirt", action="store_true",
                        help="boot through libvirt")
    parser.add_argument("-v", "--verbose", action="store_true",
                        help="show the transcript")
    return parser.parse_args()


def chosen(opts: argparse.Namespace, flavour: str, main: bool) -> List[Case]:
    """The other kernels get the short list, unless asked for by name."""
    return [c for c in ALL
            if any(fnmatch.fnmatch(c.name, p) for p in opts.pattern)
            and (main or c.every_kernel or flavour in (opts.flavour or []))]


def main() -> int:
    opts = options()
    Lab.kernel_args = MEMORY_DEBUGGING
    if opts.list:
        for case in ALL:
            print(f"{case.name:28} {'all kernels' if case.every_kernel else ''}"
                  .rstrip())
        return 0
    passed = failed = 0
    try:
        wanted = opts.flavour or flavours()
        for flavour in wanted:
            cases = chosen(opts, flavour, flavour == wanted[0])
            ok, bad = run_flavour(flavour, cases, opts)
            passed, failed = passed + ok, failed + bad
    except VmError as err:
        print(f"FAIL  vm: {err}", flush=True)
        failed += 1
    if passed + failed == 0:
        print(f"FAIL  vm: no test is called {' '.join(opts.pattern)}")
        failed = 1
    print(f"vm: {passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
