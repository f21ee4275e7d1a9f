#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Part 5 of `make nested`: the path through the device beside native programs.

Runs in level 1. perftest and ours take turns on the same link, three times each;
the medians and their ratio go into build/bench/summary.json. No figure decides
anything: what fails is a figure that could not be had.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Callable, Dict, List, Tuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent
                       / "scripts"))

from vrdma_vm.wait import VmError, wait_until       # noqa: E402

ROUNDS = 3
PORT = 18600
SERVER = "10.0.0.2"    # of rxe1; the way to it begins at rxe0
BENCH = "build/tests/nested/verbs_bench"
LIMIT = 120


def _listens() -> bool:
    shown = subprocess.run(["rdma", "resource", "show", "cm_id"], text=True,
                           stdout=subprocess.PIPE, timeout=30, check=True)
    return any("LISTEN" in line and f":{PORT}" in line
               for line in shown.stdout.splitlines())


def perftest(program: str, *words: str) -> str:
    """What the client prints."""
    common = [program, "-R", "-p", str(PORT), "-F", *words]
    with subprocess.Popen(common, stdout=subprocess.DEVNULL,
                          stderr=subprocess.STDOUT) as server:
        try:
            wait_until(f"{program} listens", _listens, 60)
            done = subprocess.run(
                common + [SERVER], text=True, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, timeout=LIMIT, check=False)
        finally:
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
    if done.returncode:
        raise VmError(f"{program}: exit {done.returncode}: "
                      f"{done.stdout.strip()[-200:]}")
    return done.stdout


def column(text: str, size: int, number: int) -> float:
    """Of perftest's line for a message size."""
    for line in text.splitlines():
        words = line.split()
        if words and words[0] == str(size) and len(words) > number:
            return float(words[number])
    raise VmError(f"perftest: no line for {size} bytes in: {text[-300:]}")


def native_bandwidth(size: int) -> float:
    """MB/s of 10^6 bytes; perftest counts in 2^20."""
    text = perftest("ib_write_bw", "-s", str(size), "-n", "500")
    return column(text, size, 3) * 1.048576


def native_latency(size: int) -> float:
    """us, typical."""
    return column(perftest("ib_write_lat", "-s", str(size), "-n", "2000"),
                  size, 4)


def ours(what: str) -> Callable[[int], float]:
    """The same of the path through the device."""
    def measure(size: int) -> float:
        env = dict(os.environ, VRDMA_BACKEND="verbs")
        done = subprocess.run([BENCH, what, str(size)], text=True, env=env,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=LIMIT, check=False)
        found = re.search(rf"^{what} {size} ([0-9.]+)$", done.stdout, re.M)
        if done.returncode or not found:
            raise VmError(f"verbs_bench {what}: exit {done.returncode}: "
                          f"{done.stdout.strip()[-300:]}")
        return float(found[1])
    return measure


# name, unit, size, ours, native, its name, ratio of (ours, native)
ROWS: Tuple[Tuple[str, str, int, Callable[[int], float],
                  Callable[[int], float], str], ...] = (
    ("verbs64k_bw_vs_native", "MB/s", 65536, ours("bandwidth"),
     native_bandwidth, "ib_write_bw"),
    ("verbs64_latency_vs_native", "us", 64, ours("latency"),
     native_latency, "ib_write_lat"),
)


def measure() -> Tuple[List[Dict[str, object]], int]:
    """The summary's objects, and how many rows have none."""
    found: List[Dict[str, object]] = []
    failed = 0
    for name, unit, size, our, native, peer in ROWS:
        try:
            pairs = [(our(size), native(size)) for _ in range(ROUNDS)]
        except (VmError, OSError, subprocess.SubprocessError) as err:
            print(f"FAILED {name}: {err}", flush=True)
            failed += 1
            continue
        mine, theirs = (statistics.median(p[i] for p in pairs) for i in (0, 1))
        print(f"ok {name}: {mine:.1f} {unit}, {peer} {theirs:.1f}, "
              f"ratio {mine / theirs:.2f}", flush=True)
        found.append({"name": name, "unit": unit, "ours": round(mine, 3),
                      "peer": round(theirs, 3), "peer_name": peer,
                      "ratio": round(mine / theirs, 3)})
    return found, failed


def main() -> int:
    """Exit status 0: every figure is there."""
    found, failed = measure()
    out = Path("build/bench/summary.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(f"{len(found)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
