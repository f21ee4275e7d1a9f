#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The main job: two guests connect, move data, disconnect, die, come back."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from typing import Callable, List

from vrdma_vm import Artifacts, Lab, Transcript, VmError, scenario
from vrdma_vm.paths import build_dir

HELP = """
Boots two guests with a vRDMA device each, served by one vrdmad, and shows:

  1  both devices are found; nd_info of each
  2  B listens, A connects, private data both ways
  3  send/receive, a 64 MiB RDMA write and a read, checked by content
  4  A's Disconnect stays pending until B, told once, disconnects too;
     late posts complete as cancelled
  5  the same between two kernel consumers
  6  B's guest is killed in mid-transfer; later vrdmad itself, and restarted

Prints one transcript of all sides (seconds, who, what), `step K ok` or
`step K FAILED: why` after each step, and exits 1 if anything differs from
what is expected. The whole transcript, kernel messages included, is left in
<build>/demo.log. Needs what `make demo` builds before it calls this.
"""


@dataclass(frozen=True)
class Step:
    """One step of the main job."""

    title: str
    run: Callable[[Lab], None]


def found(lab: Lab) -> None:
    lab.vrdmad.start()
    lab.boot()
    lab.load_drivers()
    for guest in lab.guests.values():
        scenario.device_found(guest)


def connected(lab: Lab, tool: str = scenario.USER) -> None:
    for address in scenario.ADDRESSES["b"]:
        scenario.connects(lab, tool, address)


def moved(lab: Lab, tool: str = scenario.USER) -> None:
    scenario.transfers(lab, tool, "send", "64K", 64)
    scenario.transfers(lab, tool, "write", "64M", 1)
    scenario.transfers(lab, tool, "read", "64M", 1)


def disconnected(lab: Lab, tool: str = scenario.USER) -> None:
    scenario.disconnects(lab, tool)


def kernel_consumers(lab: Lab) -> None:
    connected(lab, scenario.KERNEL)
    moved(lab, scenario.KERNEL)
    disconnected(lab, scenario.KERNEL)


def survived(lab: Lab) -> None:
    scenario.peer_guest_dies(lab, scenario.USER)
    scenario.vrdmad_dies(lab, scenario.USER)


STEPS: List[Step] = [
    Step("both devices found", found),
    Step("B listens, A connects, private data both ways", connected),
    Step("data moves, checked by content", moved),
    Step("graceful disconnect", disconnected),
    Step("the same between two kernel consumers", kernel_consumers),
    Step("a guest dies, vrdmad dies, the rest lives on", survived),
]


def run_steps(lab: Lab) -> int:
    """Number of the step that failed; 0: none. Each stands on the one before,
    so the first failure ends the job."""
    for number, step in enumerate(STEPS, 1):
        lab.transcript.plain(f"\nstep {number}: {step.title}")
        try:
            step.run(lab)
            faults = lab.faults()
            if faults:
                raise VmError(f"a kernel complained: {faults[0]}")
        except VmError as err:
            lab.transcript.plain(f"step {number} FAILED: {err}")
            return number
        lab.transcript.plain(f"step {number} ok")
    return 0


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="demo.py", description=__doc__, epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plain", action="store_true",
                        help="QEMU by its command line instead of libvirt")
    parser.add_argument("--flavour", choices=["6.12", "6.1"], default="6.12",
                        help="the guests' kernel (default: %(default)s)")
    parser.add_argument("-v", "--verbose", action="store_true",
                        help="show the guests' whole consoles")
    return parser.parse_args()


def main() -> int:
    opts = options()
    transcript = Transcript(build_dir() / "demo.log", opts.verbose)
    begin = time.monotonic()
    try:
        with Lab(Artifacts.make(opts.flavour), transcript, opts.plain) as lab:
            failed = run_steps(lab)
    except VmError as err:
        print(f"demo: {err}", file=sys.stderr)
        return 1
    seconds = time.monotonic() - begin
    if failed:
        transcript.plain(f"\ndemo: step {failed} failed after {seconds:.0f} s; "
                         f"transcript: {build_dir() / 'demo.log'}")
        return 1
    transcript.plain(f"\ndemo: all {len(STEPS)} steps ok in {seconds:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
