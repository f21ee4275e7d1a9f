#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The path between two guests of one vrdmad beside its limits and its peers.

usage: bench_local.py [ROUNDS]

Ours and the peers take turns, ROUNDS times ($BENCH_ROUNDS, or 5); of the curves
every third round has a point. Into <build>/bench go a table with ratios, the
figures of every run as JSON, plots as SVG, and the medians into summary.json. No
figure decides anything: what fails is a figure of ours that could not be had.
"""

from __future__ import annotations

import re
import statistics
import sys
from typing import Dict, List, Tuple, Union

from figures import (OUT, PROGRAMS, BenchError, History, Of, Program, Report,
                     Row, Source, Taken, all_ours, keyed, measure, output,
                     rounds_wanted)
from peers import Iperf3, PingPong, Ucx
from plots import Curve, Plot

HEAD_MS = 500       # for what stands in rows
CURVE_MS = 200      # for what stands in curves only
CURVE_EVERY = 3     # rounds

SIZES = (8, 64, 512, 4096, 16384, 65536, 262144, 1 << 20, 4 << 20)
SOME_SIZES = (64, 4096, 65536, 1 << 20)         # of peers that are not so near
QPS = (1, 2, 4, 8, 16, 32, 64)
OPS = ("write", "read", "send")


def local(args: str, ms: int = HEAD_MS, every: int = 1) -> Program:
    return Program(f"local {args}", "local", args, ms, ours=True, every=every)


def bare(size: int, ms: int = HEAD_MS, every: int = 1) -> Program:
    return Program(f"bare ring {size}", "bare", str(size), ms, every=every,
                   says=f"bare {size}")


def tcp(what: str, size: int, ms: int = HEAD_MS, every: int = 1) -> Program:
    return Program(f"tcp {what} {size}", "tcp", f"{what} {size}", ms,
                   every=every)


def shm_stream(size: int, ms: int = HEAD_MS, every: int = 1) -> Program:
    return Program(f"fi_write shm {size}", "fabric", f"bandwidth {size}", ms,
                   {"BENCH_PROVIDER": "shm"}, every=every)


class Counts(Source):
    """Instructions and misses of a simulated cache for one write of 64 bytes."""

    def __init__(self, workers: int) -> None:
        super().__init__(f"counts, {workers} workers", ours=True, every=1000)
        self._workers = str(workers)

    def take(self) -> Taken:
        text = output(["valgrind", "--tool=callgrind", "--cache-sim=yes",
                       "--toggle-collect=served",
                       "--callgrind-out-file=/dev/null",
                       str(PROGRAMS / "counts"), self._workers])
        requests = keyed(text, f"counts {self._workers}")["requests"]
        found = re.search(r"Collected : ([0-9 ]+)", text)
        if not found:
            raise BenchError(f"valgrind counted nothing: {text[-300:]}")
        # Ir Dr Dw I1mr D1mr D1mw; zeroes at the end are left out
        n = [float(v) for v in found[1].split()] + [0.0] * 9
        return {"instructions": n[0] / requests,
                "d1_misses": (n[4] + n[5]) / requests}


MANY_WORKERS = 32

# What the rows below are made of
HEAD: List[Source] = [
    local("write 64 1 polled"), bare(64), PingPong("shm", 64),
    Ucx("put_lat", 64), Program("cache line", "cacheline", "", HEAD_MS,
                                says="cacheline 8"),
    local("send 64 1 polled"), local("read 64 1 polled"),
    PingPong("tcp", 64), tcp("latency", 64), Ucx("put_bw", 64),
    local("write 64 1 sleeping"), local("send 64 1 sleeping"),
    tcp("waiting", 64),
    local("write 65536 1 polled"), PingPong("shm", 65536), shm_stream(65536),
    Ucx("put_bw", 65536), bare(65536), PingPong("tcp", 65536),
    tcp("bandwidth", 65536), Iperf3(),
    local("write 65536 1 polled contiguous"),
    local("write 1048576 1 polled"), bare(1 << 20),
    local("write 1048576 1 polled contiguous"),
    local("connect"), local("register 2m"), local("register 4k"),
    local("idle 1000"),
    *[Program(f"{w} workers, {p} pairs", "workers", f"{w} {p}", HEAD_MS,
              ours=True) for w, p in ((1, 2), (2, 2), (1, 4), (2, 4))],
    Counts(1), Counts(MANY_WORKERS),
]

# And what only the curves have
CURVES: List[Source] = [
    *[local(f"{op} {size} 1 polled", CURVE_MS, CURVE_EVERY)
      for op in OPS for size in SIZES],
    *[local(f"send {size} 1 sleeping", CURVE_MS, CURVE_EVERY)
      for size in SOME_SIZES],
    *[local(f"write 64 {qps} polled", CURVE_MS, CURVE_EVERY) for qps in QPS],
    *[bare(size, CURVE_MS, CURVE_EVERY) for size in SIZES],
    *[PingPong("shm", size, CURVE_EVERY) for size in SIZES],
    *[PingPong("tcp", size, CURVE_EVERY) for size in SOME_SIZES],
    *[Ucx(test, size, CURVE_EVERY) for test in ("put_lat", "put_bw")
      for size in SOME_SIZES],
    *[tcp(what, size, CURVE_MS, CURVE_EVERY)
      for what in ("latency", "bandwidth") for size in SOME_SIZES],
]

W64, W64K, W1M = (f"local write {n} 1 polled" for n in (64, 65536, 1 << 20))


def row(name: str, unit: str, ours: str, key: str, peer: Union[str, float],
        peer_key: str = "", goal: str = "", peer_name: str = "") -> Row:
    """peer_key: where it is not ours."""
    other = Of(peer, peer_key or key) if isinstance(peer, str) else peer
    return Row(name, unit, Of(ours, key), other, goal, peer_name)


ROWS: Tuple[Row, ...] = (
    # fi_pingpong has a mean only
    row("write64_latency_vs_fi_shm", "us", W64, "mean", "fi_pingpong shm 64",
        goal="<= 1"),
    row("write64_latency_vs_bare_ring", "us", W64, "p50", "bare ring 64",
        goal="<= 1.4"),
    row("write64_latency_vs_cache_line", "us", W64, "p50", "cache line",
        peer_name="cache line, there and back"),
    row("write64_latency_vs_ucx", "us", W64, "p50", "ucx put_lat 64",
        peer_name="ucx_perftest, the client's own store"),
    row("write64_latency_vs_tcp", "us", W64, "p50", "tcp latency 64", "value"),
    row("write64_latency_vs_fi_tcp", "us", W64, "mean", "fi_pingpong tcp 64"),
    row("send64_latency_vs_fi_shm", "us", "local send 64 1 polled", "mean",
        "fi_pingpong shm 64"),
    row("read64_latency_vs_bare_ring", "us", "local read 64 1 polled", "p50",
        "bare ring 64"),
    row("write64_sleeping_latency_vs_waiting_tcp", "us",
        "local write 64 1 sleeping", "p50", "tcp waiting 64", "value"),
    row("send64_sleeping_latency_vs_waiting_tcp", "us",
        "local send 64 1 sleeping", "p50", "tcp waiting 64", "value"),
    row("write64_rate_vs_bare_ring", "M/s", W64, "rate", "bare ring 64",
        goal=">= 0.5", peer_name="bare ring, each with a completion"),
    row("write64_silent_rate_vs_bare_ring", "M/s", W64, "silent",
        "bare ring 64", goal=">= 0.5",
        peer_name="bare ring, one in 64 with a completion"),
    row("write64_rate_per_worker", "M/s", W64, "silent", 8.0, goal=">= 1"),
    row("write64_rate_vs_ucx", "M/s", W64, "rate", "ucx put_bw 64"),
    row("write64k_bw_vs_fi_shm", "GB/s", W64K, "bw", "fi_pingpong shm 65536",
        peer_name="fi_pingpong shm, one on its way"),
    Row("write64k_bw_vs_fi_write_shm", "GB/s", Of(W64K, "bw"),
        Of("fi_write shm 65536", "value", 0.001),
        peer_name="fi_write shm, 64 on their way"),
    row("write64k_bw_vs_ucx", "GB/s", W64K, "bw", "ucx put_bw 65536"),
    row("write64k_bw_vs_fi_tcp", "GB/s", W64K, "bw", "fi_pingpong tcp 65536"),
    Row("write64k_bw_vs_tcp", "GB/s", Of(W64K, "bw"),
        Of("tcp bandwidth 65536", "value", 0.001)),
    row("write64k_bw_vs_iperf3", "GB/s", W64K, "bw", "iperf3"),
    row("write64k_bw_vs_bare_ring", "GB/s", W64K, "bw", "bare ring 65536"),
    *[row(f"write{size}{layout}_bw_vs_{peer}", "GB/s", source, "bw", source,
          key, ">= 0.9", text)
      for size, count in (("64k", 65536), ("1m", 1 << 20))
      for layout, words, peers in (
          ("", "", (("memcpy", "memcpy", "memcpy, same buffers"),
                    ("memcpy_by_page", "pages",
                     "memcpy page by page, as the device sees them"))),
          ("_contiguous", " contiguous",
           (("memcpy", "memcpy", "memcpy, same buffers"),)))
      for peer, key, text in peers
      for source in (f"local write {count} 1 polled{words}",)],
    row("write1m_bw_vs_bare_ring", "GB/s", W1M, "bw", "bare ring 1048576"),
    row("connect_local_us", "us", "local connect", "p50", 200.0, goal="<= 1"),
    row("disconnect_local_us", "us", "local connect", "disconnect", 200.0,
        goal="<= 1"),
    row("registration_ms_per_gib", "ms", "local register 2m", "ms", 5.0,
        goal="<= 1", peer_name="goal, with pages of 2 MiB"),
    row("registration_4k_ms_per_gib", "ms", "local register 4k", "ms",
        "local register 2m", peer_name="with pages of 2 MiB"),
    row("registration_ns_per_4k_page", "ns", "local register 4k", "page_ns",
        "local register 2m", peer_name="with pages of 2 MiB"),
    row("idle_cpu_percent", "%", "local idle 1000", "cpu", 0.0,
        peer_name="goal, 1000 idle queue pairs"),
    row("write64_latency_beside_1000_idle", "us", "local idle 1000", "p50",
        W64, peer_name="alone"),
    *[row(f"two_workers_{pairs}_pairs_{key}_vs_one", unit,
          f"2 workers, {pairs} pairs", key, f"1 workers, {pairs} pairs")
      for pairs in (2, 4)
      for key, unit in (("rate", "M/s"), ("by_cpu", "M/s"), ("cpu_ns", "ns"))],
    *[row(f"workers_{MANY_WORKERS}_{key}_vs_one", "each",
          f"counts, {MANY_WORKERS} workers", key, "counts, 1 workers")
      for key in ("instructions", "d1_misses")],
)


def sizes(name: str, source: str, key: str, of: Tuple[int, ...] = SIZES,
          times: float = 1.0) -> Curve:
    return Curve(name, [(n, Of(source.format(n), key, times)) for n in of])


def of_ours(key: str) -> List[Curve]:
    return [sizes(f"ours, {op}", f"local {op} {{}} 1 polled", key) for op in OPS]


PLOTS: Tuple[Plot, ...] = (
    Plot("latency", "One message, one way (read: there and back)", "bytes", "us", [
        *of_ours("p50"),
        sizes("ours, send, both sleep", "local send {} 1 sleeping", "p50",
              SOME_SIZES),
        sizes("bare ring", "bare ring {}", "p50"),
        sizes("fi_pingpong shm", "fi_pingpong shm {}", "mean"),
        sizes("ucx put", "ucx put_lat {}", "p50", SOME_SIZES),
        sizes("fi_pingpong tcp", "fi_pingpong tcp {}", "mean", SOME_SIZES),
        sizes("plain TCP", "tcp latency {}", "value", SOME_SIZES),
    ]),
    Plot("bandwidth", "The queue kept full (fi_pingpong: one on its way)",
         "bytes", "GB/s", [
             *of_ours("bw"),
             sizes("memcpy, same buffers", "local write {} 1 polled", "memcpy"),
             sizes("memcpy, page by page", "local write {} 1 polled", "pages"),
             sizes("bare ring", "bare ring {}", "bw"),
             sizes("fi_pingpong shm", "fi_pingpong shm {}", "bw"),
             sizes("ucx put", "ucx put_bw {}", "bw", SOME_SIZES),
             sizes("plain TCP", "tcp bandwidth {}", "value", SOME_SIZES, 0.001),
         ]),
    Plot("rate", "Writes of 64 bytes, one worker", "queue pairs", "M/s", [
        Curve("ours, a completion each",
              [(n, Of(f"local write 64 {n} polled", "rate")) for n in QPS]),
        Curve("ours, one in 64",
              [(n, Of(f"local write 64 {n} polled", "silent")) for n in QPS]),
        Curve("bare ring, a completion each",
              [(n, Of("bare ring 64", "rate")) for n in QPS]),
        Curve("bare ring, one in 64",
              [(n, Of("bare ring 64", "silent")) for n in QPS]),
    ], log_y=False),
)

# What the table of all points shows, and how
COLUMNS = (("p50", "p50 us"), ("p99", "p99 us"), ("p999", "p99.9 us"),
           ("mean", "mean us"), ("rate", "M/s"), ("silent", "M/s silent"),
           ("bw", "GB/s"), ("memcpy", "memcpy"), ("pages", "by page"))


def points(found: History) -> List[str]:
    """The medians of everything that has more than one figure."""
    lines = [f"{'':34}" + "".join(f"{head:>11}" for _, head in COLUMNS)]
    for name, keys in found.items():
        shown: Dict[str, str] = {
            k: f"{statistics.median(v):.4g}" for k, v in keys.items()}
        cells = "".join(f"{shown.get(k, ''):>11}" for k, _ in COLUMNS)
        if cells.strip():
            lines.append(f"{name:34}{cells}")
    return lines


def draw(report: Report, found: History) -> None:
    for plot in PLOTS:
        try:
            report.say(f"plot: {plot.draw(found, OUT)}")
        except BenchError as err:
            report.say(f"no plot: {err}")


def main() -> int:
    """Exit status 0: every figure of ours is there."""
    if sys.argv[1:2] == ["-h"]:
        print(__doc__)
        return 0
    report = Report("local", "the local path", rounds_wanted(sys.argv[1:]))
    report.begin()
    # what is in both lists is taken as the first says
    sources = list({s.name: s for s in [*CURVES, *HEAD]}.values())
    found = measure(sources, report.rounds)
    report.rows(ROWS, found)
    report.say()
    for line in points(found):
        report.say(line)
    draw(report, found)
    report.end(found)
    return 0 if all_ours(sources, found) else 1


if __name__ == "__main__":
    sys.exit(main())
