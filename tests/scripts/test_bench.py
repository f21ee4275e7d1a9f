#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""tests/bench's scripts: what they read of peers' output, and make of it.

No figure of a benchmark decides anything here: the figures are made up.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import socket
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Dict, List, Optional, Tuple

sys.dont_write_bytecode = True
_HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(_HERE.parent / "lib"), str(_HERE.parent / "bench")]

import as_check                                                 # noqa: E402
import bench_iwarp                                              # noqa: E402
import bench_local                                              # noqa: E402
import bench_vm                                                 # noqa: E402
import figures                                                  # noqa: E402
import peers                                                    # noqa: E402
import perftest                                                 # noqa: E402
from figures import BenchError, History, Of, Row, Source, Taken  # noqa: E402
from plots import Curve, Plot                                   # noqa: E402

PINGPONG = """\
bytes   #sent   #ack     total       time     MB/sec    usec/xfer   Mxfers/sec
64k     2k      =2k      250m        0.05s   5000.00      13.11       0.08
"""
UCX = """\
iterations,50.0_percentile_lat,avg_lat,overall_lat,avg_bw,overall_bw,avg_mr,overall_mr
1000,0.100,0.300,0.400,10.00,1000.00,10,2000000
2000,0.200,0.300,0.500,10.00,2000.00,10,4000000
"""
PERFTEST = """\
 #bytes     #iterations    BW peak[MB/sec]    BW average[MB/sec]   MsgRate[Mpps]
 65536      100            12.00              10.00                0.000160
---------------------------------------------------------------------------------------
 #bytes #iterations    t_min[usec]    t_max[usec]  t_typical[usec]    t_avg[usec]
 64      300          350.00         9000.00      490.25             500.00
"""
IPERF3 = json.dumps({"end": {"sum_sent": {"bits_per_second": 9e9},
                             "sum_received": {"bits_per_second": 8e9}}})
LOCAL = """\
Running suite(s): local
write 64 1 polled p50=0.250 p99=0.300 p999=1.500 mean=0.260 rate=8.5000 bw=0.544
100%: Checks: 1, Failures: 0, Errors: 0
"""


class Parsing(unittest.TestCase):
    """Each peer's words."""

    def test_pingpong(self) -> None:
        self.assertEqual({"mean": 13.11, "bw": 5.0},
                         peers.parse_pingpong(PINGPONG))

    def test_ucx_takes_the_last_line_by_its_heads(self) -> None:
        found = peers.parse_ucx(UCX)
        self.assertEqual((0.2, 0.5, 4.0),
                         (found["p50"], found["mean"], found["rate"]))
        self.assertAlmostEqual(2.097152, found["bw"])

    def test_iperf3_counts_what_arrived(self) -> None:
        self.assertEqual({"bw": 1.0}, peers.parse_iperf3(IPERF3))

    def test_perftest(self) -> None:
        found = perftest.parse_bandwidth(PERFTEST, 65536)
        self.assertAlmostEqual(10.48576, found["bw"])
        self.assertAlmostEqual(0.16, found["rate"])
        self.assertEqual({"min": 350.0, "p50": 490.25},
                         perftest.parse_latency(PERFTEST, 64))
        for size in (6553, 100):
            self.assertRaises(BenchError, perftest.parse_latency, PERFTEST, size)

    def test_ours(self) -> None:
        found = figures.keyed(LOCAL, "write 64 1 polled")
        self.assertEqual((0.25, 1.5, 8.5),
                         (found["p50"], found["p999"], found["rate"]))
        self.assertEqual({"value": 5.125},
                         figures.keyed("latency 64 5.125\n", "latency 64"))

    def test_nonsense_is_an_error(self) -> None:
        for parse in (peers.parse_pingpong, peers.parse_ucx, peers.parse_iperf3):
            for text in ("", "bytes #sent\n", "{}", "iterations,x\n",
                         PINGPONG.splitlines()[0], UCX.splitlines()[0]):
                with self.subTest(parse=parse.__name__, text=text):
                    self.assertRaises(BenchError, parse, text)
        # another size's line, no figure, a word behind
        for text in ("write 640 1 polled p50=1", "write 64 1 polled",
                     "write 64 1 polled soon"):
            self.assertRaises(BenchError, figures.keyed, text,
                              "write 64 1 polled")

    def test_who_listens(self) -> None:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
            self.assertFalse(peers.listens(port))
            sock.listen()
            self.assertTrue(peers.listens(port))


class Fake(Source):
    """Gives what it is told, a run after the other; None: it fails."""

    def __init__(self, name: str, values: List[Optional[float]],
                 every: int = 1, ours: bool = False) -> None:
        super().__init__(name, ours, every)
        self.values = values
        self.runs = 0

    def take(self) -> Taken:
        value = self.values[self.runs]
        self.runs += 1
        if value is None:
            raise BenchError("it broke")
        return {"value": value}


def measured(*sources: Source) -> Tuple[History, str]:
    """In three rounds; and what was said."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        found = figures.measure(sources, 3)
    return found, said.getvalue()


class Rounds(unittest.TestCase):
    """Who is asked when."""

    def test_by_turns(self) -> None:
        a, b = Fake("a", [1, 2, 3]), Fake("b", [4, 5], every=2)
        found, said = measured(a, b)
        self.assertEqual("", said)
        self.assertEqual({"a": {"value": [1, 2, 3]}, "b": {"value": [4, 5]}},
                         found)

    def test_one_that_fails_is_said_once_and_left_out(self) -> None:
        a, b = Fake("a", [1, 2, 3]), Fake("b", [4, None, 6])
        found, said = measured(a, b)
        self.assertEqual(["a"], list(found))
        self.assertEqual("not measured: b: it broke\n", said)
        self.assertEqual(2, b.runs)

    def test_only_ours_must_be_there(self) -> None:
        mine, peer = Fake("mine", [None], ours=True), Fake("peer", [None])
        self.assertTrue(figures.all_ours([peer], {}))
        self.assertFalse(figures.all_ours([mine, peer], {}))

    def test_a_peer_that_is_not_installed(self) -> None:
        with tempfile.TemporaryDirectory() as empty:
            path = os.environ["PATH"]
            os.environ["PATH"] = empty
            try:
                for peer in (peers.PingPong("shm", 64), peers.Iperf3(),
                             peers.Ucx("put_lat", 64)):
                    with self.assertRaisesRegex(BenchError, "is not installed"):
                        peer.take()
            finally:
                os.environ["PATH"] = path

    def test_number_of_rounds(self) -> None:
        self.assertEqual(3, figures.rounds_wanted(["3"]))
        for wrong in ("0", "-1", "x", "1001"):
            self.assertRaises(SystemExit, figures.rounds_wanted, [wrong])


FOUND: History = {"mine": {"value": [3.0, 1.0, 2.0]},
                  "peer": {"bw": [4000.0, 8000.0, 2000.0]}}


class Rows(unittest.TestCase):
    """Ours, the peer, the ratio."""

    def test_medians_and_ratio(self) -> None:
        row = Row("a_vs_b", "GB/s", Of("mine"), Of("peer", "bw", 0.001), ">= 1")
        self.assertEqual(
            {"name": "a_vs_b", "unit": "GB/s", "ours": 2.0, "peer": 4.0,
             "peer_name": "peer", "ratio": 0.5}, row.entry(FOUND))
        for text in ("| 0.5x  goal >= 1", "(1..3)", "(2..8)"):
            self.assertIn(text, row.text(FOUND))

    def test_goal_that_is_a_number(self) -> None:
        entry = Row("a", "us", Of("mine"), 4.0).entry(FOUND)
        assert entry is not None
        self.assertEqual((4.0, "goal", 0.5),
                         (entry["peer"], entry["peer_name"], entry["ratio"]))
        entry = Row("a", "%", Of("mine"), 0.0).entry(FOUND)
        assert entry is not None
        self.assertIsNone(entry["ratio"])

    def test_without_peer_no_row(self) -> None:
        self.assertIsNone(Row("a", "us", Of("mine"), Of("none")).entry(FOUND))
        self.assertIsNone(Row("a", "us", Of("none"), Of("mine")).entry(FOUND))
        self.assertIsNone(Row("a", "us", Of("mine", "p50"), 1.0).entry(FOUND))

    def test_every_row_has_its_sources(self) -> None:
        """A row of a source that nobody takes would never be seen."""
        for rows, sources in ((bench_local.ROWS,
                               [*bench_local.HEAD, *bench_local.CURVES]),
                              (bench_iwarp.ROWS, bench_iwarp.SOURCES),
                              (bench_vm.ROWS, bench_vm.sources(None))):
            known = {s.name for s in sources}
            for row in rows:
                self.assertIn(row.ours.source, known, row.name)
                if isinstance(row.peer, Of):
                    self.assertIn(row.peer.source, known, row.name)
        known = {s.name for s in [*bench_local.HEAD, *bench_local.CURVES]}
        for plot in bench_local.PLOTS:
            for curve in plot.curves:
                for _, of in curve.points:
                    self.assertIn(of.source, known, f"{plot.name} {curve.name}")

    NAMES = ("write64_latency_vs_fi_shm", "write64_latency_vs_bare_ring",
             "write64_rate_vs_bare_ring", "write64k_bw_vs_fi_shm",
             "write64k_bw_vs_memcpy", "write1m_bw_vs_memcpy",
             "write64_rate_per_worker", "connect_local_us",
             "registration_ms_per_gib", "idle_cpu_percent",
             "vm_write64k_bw_vs_rxe", "vm_write64_rate_vs_rxe",
             "vm_write64_latency_vs_rxe")

    def test_names_that_others_look_for(self) -> None:
        names = [r.name for r in (*bench_local.ROWS, *bench_iwarp.ROWS,
                                 *bench_vm.ROWS)]
        self.assertEqual(len(names), len(set(names)))
        for name in self.NAMES:
            self.assertIn(name, names)


class Kept(unittest.TestCase):
    """What is left in the build folder."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.out = Path(folder.name)

    def test_summary_is_merged(self) -> None:
        path = self.out / "deep" / "summary.json"
        one: Dict[str, object] = {"name": "a", "ours": 1}
        figures.merge([one, {"name": "b", "ours": 2}], path)
        figures.merge([{"name": "a", "ours": 3}], path)
        self.assertEqual({"a": 3, "b": 2}, {
            e["name"]: e["ours"] for e in json.loads(path.read_text())})

    def test_report(self) -> None:
        before, figures.OUT = figures.OUT, self.out
        try:
            with contextlib.redirect_stdout(io.StringIO()) as said:
                report = figures.Report("local", "a test", 3)
                report.begin()
                report.rows([Row("a_vs_b", "us", Of("mine"), Of("peer", "bw")),
                             Row("left_out", "us", Of("mine"), Of("none"))],
                            FOUND)
                report.end(FOUND)
        finally:
            figures.OUT = before
        self.assertEqual(said.getvalue(), (self.out / "table.txt").read_text())
        raw = json.loads((self.out / "local.json").read_text())
        self.assertEqual(FOUND, raw["figures"])
        self.assertEqual(3, raw["rounds"])
        self.assertTrue(raw["machine"]["kernel"] and raw["load_before"])
        self.assertEqual(["a_vs_b"], [e["name"] for e in json.loads(
            (self.out / "summary.json").read_text())])

    PLOT = Plot("curves", "A test", "bytes", "us", [
        Curve("ours, of it", [(8, Of("mine")), (64, Of("peer", "bw"))]),
        Curve("of nobody", [(8, Of("none"))])])

    def test_script_has_the_points_there_are(self) -> None:
        script = self.PLOT.script(FOUND, self.out / "x.svg")
        self.assertIn("\n8 2 1 3\n64 4000 2000 8000\nEND\n", script)
        self.assertIn(f'set output "{self.out}/x.svg"', script)
        self.assertNotIn("nobody", script)

    def test_no_point_no_plot(self) -> None:
        self.assertRaises(BenchError, self.PLOT.draw, {}, self.out)

    def test_svg(self) -> None:
        """By gnuplot, which only `make bench` installs; without it by a stand-in
        that does what the script says of its output."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.environ["PATH"]
            if not shutil.which("gnuplot"):
                fake = Path(folder) / "gnuplot"
                fake.write_text("#!/bin/sh\nout=$(sed -n 's/^set output //p' "
                                "\"$1\")\neval \"echo '<svg>' > $out\"\n")
                fake.chmod(0o755)
                os.environ["PATH"] = f"{folder}:{path}"
            try:
                svg = self.PLOT.draw(FOUND, self.out)
            finally:
                os.environ["PATH"] = path
        self.assertIn("<svg", svg.read_text())

    def test_without_gnuplot_it_says_so(self) -> None:
        path, os.environ["PATH"] = os.environ["PATH"], str(self.out)
        try:
            with self.assertRaisesRegex(BenchError, "gnuplot is not installed"):
                self.PLOT.draw(FOUND, self.out)
        finally:
            os.environ["PATH"] = path


if __name__ == "__main__":
    as_check.main()
