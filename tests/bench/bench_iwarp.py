#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The iWARP backend beside plain TCP and libfabric, in one run.

usage: bench_iwarp.py [ROUNDS]

Ours and the peers take turns, ROUNDS times each (7), a second at a time, all on
the loopback of a network of their own and left to the scheduler. The medians and
their ratios go into <build>/bench/summary.json, and are printed with what the
machine was doing otherwise. No figure decides anything: what fails is a figure
that could not be had.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Sequence

BUILD = Path(os.environ.get("O", "build"))
PARTS = BUILD / "tests" / "bench"
LIMIT = 120
ROUNDS = 7


class BenchError(Exception):
    """A figure that could not be had, and why."""


@dataclass(frozen=True)
class Figure:
    """One thing that is measured."""

    name: str           # also how it is called in the table
    program: str
    what: str           # its first argument
    size: int
    fabric: str = ""    # of ours

    def take(self) -> float:
        env = dict(os.environ, VRDMA_BACKEND="iwarp", VRDMA_FABRIC=self.fabric)
        done = subprocess.run(
            [str(PARTS / self.program), self.what, str(self.size)], text=True,
            env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=LIMIT, check=False)
        found = re.search(rf"^{self.what} {self.size} ([0-9.]+)$", done.stdout,
                          re.M)
        if done.returncode or not found:
            raise BenchError(f"{self.program} {self.what}: exit "
                             f"{done.returncode}: {done.stdout.strip()[-300:]}")
        return float(found[1])


PLAIN = "iwarp:crc=no"
STREAM = Figure("ours, crc=no", "guests", "bandwidth", 65536, PLAIN)
STREAM_CRC = Figure("ours, crc=yes", "guests", "bandwidth", 65536,
                    "iwarp:crc=yes")
STREAM_TCP = Figure("plain TCP", "tcp", "bandwidth", 65536)
STREAM_FABRIC = Figure("libfabric tcp, fi_write", "fabric", "bandwidth", 65536)
HOP = Figure("ours, crc=no", "guests", "latency", 64, PLAIN)
HOP_TCP = Figure("plain TCP ping-pong", "tcp", "latency", 64)
HOP_WAITING = Figure("TCP, waiting in recv()", "tcp", "waiting", 64)


@dataclass(frozen=True)
class Row:
    """Two figures, and what their ratio is to be."""

    name: str
    unit: str
    ours: Figure
    peer: Figure
    goal: str           # empty: for comparison only


ROWS = (
    Row("iwarp64k_bw_vs_tcp", "MB/s", STREAM, STREAM_TCP, ">= 0.9"),
    Row("iwarp64k_bw_vs_libfabric_tcp", "MB/s", STREAM, STREAM_FABRIC, "> 1"),
    Row("iwarp64_latency_vs_tcp", "us", HOP, HOP_TCP, "<= 1.2"),
    Row("iwarp64_latency_vs_waiting_tcp", "us", HOP, HOP_WAITING, ""),
    Row("iwarp_crc_cost", "MB/s", STREAM_CRC, STREAM, ">= 0.9"),
)


def measure(rounds: int) -> Dict[Figure, List[float]]:
    """In turns, so that whatever else the machine does meets all of them."""
    figures = list(dict.fromkeys(f for r in ROWS for f in (r.ours, r.peer)))
    found: Dict[Figure, List[float]] = {f: [] for f in figures}
    for _ in range(rounds):
        for figure in list(found):
            try:
                found[figure].append(figure.take())
            except (BenchError, OSError, subprocess.SubprocessError) as err:
                print(f"not measured: {figure.name}: {err}", flush=True)
                del found[figure]
    return found


def entry(row: Row, found: Dict[Figure, List[float]]) -> Dict[str, object]:
    """The summary's object."""
    ours, peer = (statistics.median(found[f]) for f in (row.ours, row.peer))
    return {"name": row.name, "unit": row.unit, "ours": round(ours, 3),
            "peer": round(peer, 3), "peer_name": row.peer.name,
            "ratio": round(ours / peer, 3)}


def spread(values: Sequence[float]) -> str:
    return f"{min(values):.1f}..{max(values):.1f}"


def show(row: Row, found: Dict[Figure, List[float]],
         made: Dict[str, object]) -> None:
    goal = f"  goal {row.goal}" if row.goal else ""
    print(f"{row.name:30} {made['ours']:>9} {row.unit:5}"
          f"({spread(found[row.ours])}) | {row.peer.name} {made['peer']} "
          f"({spread(found[row.peer])}) | {made['ratio']:.2f}x{goal}",
          flush=True)


def merge(made: List[Dict[str, object]]) -> None:
    """Objects of the same name are replaced, the others stay."""
    path = BUILD / "bench" / "summary.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    names = {e["name"] for e in made}
    kept = [e for e in old if e["name"] not in names]
    path.write_text(json.dumps(kept + made, indent=2) + "\n", encoding="utf-8")


def load() -> str:
    return " ".join(f"{x:.2f}" for x in os.getloadavg())


def main() -> int:
    """Exit status 0: every figure is there."""
    if sys.argv[1:2] == ["-h"]:
        print(__doc__)
        return 0
    rounds = int(sys.argv[1]) if sys.argv[1:] else ROUNDS
    print(f"bench: iWARP; medians of {rounds} rounds (least..most); load "
          f"{load()} before", flush=True)
    found = measure(rounds)
    made = []
    for row in ROWS:
        if row.ours in found and row.peer in found:
            made.append(entry(row, found))
            show(row, found, made[-1])
    merge(made)
    print(f"load {load()} after, which the bench is part of", flush=True)
    return 0 if len(made) == len(ROWS) else 1


if __name__ == "__main__":
    sys.exit(main())
