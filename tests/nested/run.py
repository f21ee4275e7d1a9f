#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What `make nested` runs: our own host with an RDMA link, and the parts in it.

Boots the machine of scripts/nested.py, brings the build in, joins its two RDMA
devices, and runs the parts one after the other, each a command in there that
ends with `N passed, N failed`.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent
                       / "scripts"))
sys.path.insert(1, str(Path(__file__).resolve().parent.parent / "wire"))

from iwarp_capture import WireError, decode         # noqa: E402
from vrdma_vm import Transcript, VmError            # noqa: E402
from vrdma_vm.level1 import HOME, Level1, Parts, payload    # noqa: E402
from vrdma_vm.paths import build_dir                # noqa: E402

HELP = """
Ends with a line for each part, `nested: part K: N passed, N failed`, and their
sum. Logs of all levels: <build>/log/nested/. scripts/nested.py is the same machine
by hand.

examples:
  tests/nested/run.py            all parts
  tests/nested/run.py 2 4        those
"""

SUM = re.compile(r"^(?:[a-z]+: )?(\d+) passed, (\d+) failed$")
LINK_SECONDS = 120


@dataclass(frozen=True)
class Part:
    """One of the commands in level 1."""

    number: int
    what: str
    command: str
    seconds: int            # its longest time
    # what is judged out here, behind it: its tests that passed and failed
    after: Optional[Callable[[Level1], Tuple[int, int]]] = None


def over_verbs(folder: str, *names: str) -> str:
    """Programs of the build over two RDMA devices."""
    return " ".join(f"build/tests/{folder}/test_{n}@verbs" for n in names)


# Not test_quiesce, test_many and test_scale, which are about speed and number: an
# emulated machine takes many minutes for them; nor what rxe's guests are not
# offered, test_fast and test_windows
SCHEME = over_verbs("conformance", "scheme", "causes", "in_flight", "misuse")
OBJECTS = over_verbs(
    "e2e", "calls", "close", "connect", "cq", "cq_moderation", "cq_resize",
    "data", "endpoints", "lifetime", "posts", "property", "recovery", "regions",
    "srq")


def read_wire(lab: Level1) -> Tuple[int, int]:
    """tshark reads what part 6 has captured; each file is a test."""
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        lab.pull([f"{HOME}/build/log/part6-*.pcap"], Path(folder))
        for file in sorted(Path(folder).iterdir()):
            name = file.name.split("part6-")[-1]
            try:
                got = decode(file)
                what = got.complaints[:5]
                print(f"     {name}: {got}")
            except WireError as err:
                what = [str(err)]
            for line in what:
                print(f"FAILED {name}: {line}; see the logs of level 1")
            failed, passed = failed + bool(what), passed + (not what)
    if not failed:      # large, and of no interest any more
        lab.start("rm -f build/log/part6-*.pcap").wait(20)
    return passed, failed or int(not passed)


PARTS = (
    Part(1, "two guests, data and connections", "tests/nested/part1.py", 1500),
    Part(2, "the disconnect scheme and the objects over verbs",
         f"tests/run.py -j 1 -t 600 {SCHEME} {OBJECTS}", 2400),
    Part(3, "what is said on the wire", "python3 tests/nested/part3.py", 900),
    Part(4, "a peer that is not ours, a device that goes",
         "tests/run.py -j 1 -t 600 build/tests/nested/test_foreign "
         "build/tests/nested/test_device@verbs", 1000),
    Part(5, "beside native programs", "python3 tests/nested/part5.py", 600),
    Part(6, "iWARP with siw", "python3 tests/nested/part6.py", 1500,
         after=read_wire),
)


def run_part(lab: Level1, part: Part) -> Tuple[int, int]:
    """Passes its lines on as they come; what it counted."""
    print(f"nested: part {part.number}: {part.what}", flush=True)
    running = lab.start(part.command)
    end = time.monotonic() + part.seconds
    shown, status = 0, None
    while status is None:
        try:
            status = running.wait(0.5)
        except VmError as err:
            if not running.running or time.monotonic() > end:
                running.kill()
                print(f"     part {part.number}: {err}", flush=True)
                return 0, 1
        for line in running.lines[shown:]:
            print(f"     {line}", flush=True)
            shown += 1
    sums = [m for m in map(SUM.match, running.lines) if m]
    if not sums:
        print(f"     part {part.number}: exit status {status} without a sum")
        return 0, 1
    passed, failed = int(sums[-1][1]), int(sums[-1][2])
    return passed, failed if failed or not status else 1


def keep_logs(lab: Level1) -> None:
    """What is there of all levels, whatever became of them."""
    kept = build_dir() / "log" / "nested"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    try:
        lab.pull([f"{HOME}/build/log/*"], kept)
    except (VmError, OSError) as err:
        print(f"nested: no logs of level 1: {err}")
    print(f"nested: logs of all levels: {kept}", flush=True)


def keep_summary(lab: Level1) -> None:
    """What part 5 measured, beside what `make bench` leaves."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            lab.pull([f"{HOME}/build/bench/summary.json"], Path(folder))
        except VmError:
            return      # part 5 has said why there is none
        for file in Path(folder).iterdir():
            merge_summary(json.loads(file.read_text(encoding="utf-8")))


def merge_summary(found: List[Dict[str, object]]) -> None:
    """Objects of the same name are replaced, the others stay."""
    path = build_dir() / "bench" / "summary.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    names = {entry["name"] for entry in found}
    kept = [entry for entry in old if entry["name"] not in names]
    path.write_text(json.dumps(kept + found, indent=2) + "\n",
                    encoding="utf-8")


def run(numbers: List[int]) -> List[Tuple[int, int, int]]:
    """Part, passed, failed."""
    transcript = Transcript(build_dir() / "nested.log", show=False)
    parts = Parts.make()
    lab = Level1.new(parts, transcript)
    counts = []
    try:
        lab.boot()
        lab.push(payload(parts.guest))
        for part in PARTS:
            if part.number in numbers:
                # part 4 takes a device away
                lab.start("python3 tests/nested/link.py up").wait(LINK_SECONDS)
                counts.append((part.number, *run_part(lab, part)))
                if part.after:
                    more = part.after(lab)
                    counts[-1] = (part.number, counts[-1][1] + more[0],
                                  counts[-1][2] + more[1])
        if 5 in numbers:
            keep_summary(lab)
    finally:
        keep_logs(lab)
        lab.close()
    return counts


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="run.py", description=__doc__, epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", type=int, metavar="PART",
                        choices=[p.number for p in PARTS] + [[]],
                        help="its number (default: all)")
    return parser.parse_args()


def main() -> int:
    """Exit status 0: nothing failed."""
    numbers = options().parts or [p.number for p in PARTS]
    try:
        counts = run(numbers)
    except (VmError, OSError) as err:
        print(f"nested: {err}")
        counts = []
    missing = len(numbers) - len(counts)
    for number, passed, failed in counts:
        print(f"nested: part {number}: {passed} passed, {failed} failed")
    passed = sum(c[1] for c in counts)
    failed = sum(c[2] for c in counts) + missing
    print(f"nested: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
