#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The iWARP backend beside plain TCP and libfabric, in one run.

usage: bench_iwarp.py [ROUNDS]

Ours and the peers take turns, ROUNDS times each ($BENCH_ROUNDS, or 5), a second at
a time, all on the loopback of a network of their own and left to the scheduler.
The medians and their ratios go into <build>/bench/summary.json, and are printed
with what the machine was doing otherwise. No figure decides anything: what fails is
a figure of ours that could not be had.
"""

from __future__ import annotations

import sys

from figures import (Of, Program, Report, Row, all_ours, measure,
                     rounds_wanted)


def ours(name: str, args: str, fabric: str) -> Program:
    return Program(name, "guests", args, ours=True,
                   env={"VRDMA_BACKEND": "iwarp", "VRDMA_FABRIC": fabric})


PLAIN = "iwarp:crc=no"
STREAM = ours("ours, crc=no", "bandwidth 65536", PLAIN)
STREAM_CRC = ours("ours, crc=yes", "bandwidth 65536", "iwarp:crc=yes")
STREAM_TCP = Program("plain TCP", "tcp", "bandwidth 65536")
STREAM_FABRIC = Program("libfabric tcp, fi_write", "fabric", "bandwidth 65536")
HOP = ours("ours 64, crc=no", "latency 64", PLAIN)
HOP_TCP = Program("plain TCP ping-pong", "tcp", "latency 64")
HOP_WAITING = Program("TCP, waiting in recv()", "tcp", "waiting 64")
SOURCES = (STREAM, STREAM_TCP, STREAM_FABRIC, HOP, HOP_TCP, HOP_WAITING,
           STREAM_CRC)


def row(name: str, unit: str, mine: Program, peer: Program, goal: str) -> Row:
    return Row(name, unit, Of(mine.name), Of(peer.name), goal)


ROWS = (
    row("iwarp64k_bw_vs_tcp", "MB/s", STREAM, STREAM_TCP, ">= 0.9"),
    row("iwarp64k_bw_vs_libfabric_tcp", "MB/s", STREAM, STREAM_FABRIC, "> 1"),
    row("iwarp64_latency_vs_tcp", "us", HOP, HOP_TCP, "<= 1.2"),
    row("iwarp64_latency_vs_waiting_tcp", "us", HOP, HOP_WAITING, ""),
    row("iwarp_crc_cost", "MB/s", STREAM_CRC, STREAM, ">= 0.9"),
)


def main() -> int:
    """Exit status 0: every figure of ours is there."""
    if sys.argv[1:2] == ["-h"]:
        print(__doc__)
        return 0
    report = Report("iwarp", "iWARP", rounds_wanted(sys.argv[1:]))
    report.begin()
    found = measure(SOURCES, report.rounds)
    report.rows(ROWS, found)
    report.end(found)
    return 0 if all_ours(SOURCES, found) else 1


if __name__ == "__main__":
    sys.exit(main())
