#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The path between two guests beside rxe inside the same two guests.

usage: bench_vm.py [ROUNDS]

Both guests have our device, served by one vrdmad, and a virtio network card; a
socket joins the cards, and rxe runs over them. nd_ping and perftest take turns,
ROUNDS times ($BENCH_ROUNDS, or 5). It says under which accelerator, and leaves
table, figures and medians in <build>/bench as bench_local.py does. No figure decides
anything: what fails is a figure of ours that could not be had.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Callable, List, Optional

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent
                       / "scripts"))

from vrdma_vm import Artifacts, Lab, Transcript, VmError, scenario  # noqa: E402
from vrdma_vm.launch import MachineSpec                             # noqa: E402
from vrdma_vm.paths import build_dir                                # noqa: E402
from vrdma_vm.wait import patience                                  # noqa: E402

from figures import (BenchError, Of, Report, Row, Source, Taken,    # noqa: E402
                     all_ours, measure, rounds_wanted)
from perftest import parse_bandwidth, parse_latency                 # noqa: E402

FLAVOUR = "6.12"
NET = {"a": "10.78.0.1", "b": "10.78.0.2"}
LIMIT = 60     # seconds for one program
_ports = itertools.count(18600)


class RxeLab(Lab):
    """Its guests have a network between them, and nothing else in it."""

    def _spec(self, name: str, socket: str, accel: str) -> MachineSpec:
        spec = super()._spec(name, socket, accel)
        self.accel = accel
        # programs of both guests spin: with more CPUs than the host has, rxe
        # waits for one most of the time
        spec.cpus = 1
        other = "b" if name == "a" else "a"
        ends = [f"{end}.type=unix,{end}.path={self.rundir}/{who}.net"
                for end, who in (("local", name), ("remote", other))]
        spec.extra = ["-netdev", f"dgram,id=net,{','.join(ends)}",
                      "-device", "virtio-net-pci,netdev=net,bus=pcie.0,"
                      f"addr=0x1c,romfile=,mac=52:54:00:78:00:0{ord(name) - 96}"]
        return spec

    def rxe_up(self) -> None:
        for name, guest in self.guests.items():
            guest.run("modprobe virtio_net && ip link set eth0 up && "
                      f"ip addr add {NET[name]}/24 dev eth0")
        for guest in self.guests.values():
            # there is nobody whom the kernel could ask to load the first
            guest.run("for m in crc32_generic rdma_rxe rdma_ucm; do "
                      "modprobe $m || exit 1; done; "
                      "rdma link add rxe0 type rxe netdev eth0")
        self.a.run(f"ping -c 1 -w 20 {NET['b']}")


class Ours(Source):
    """nd_ping in the guests; its events are the figures."""

    def __init__(self, name: str, lab: Optional[Lab], words: str,
                 read: Callable[[scenario.Run], Taken]) -> None:
        super().__init__(name, ours=True)
        self._lab, self._words, self._read = lab, words.split(), read

    def take(self) -> Taken:
        assert self._lab is not None
        try:
            run = scenario.start(self._lab, scenario.USER, self._words)
            run.finish(LIMIT)
            return self._read(run)
        except VmError as err:
            raise BenchError(str(err)) from err


def of_transfer(run: scenario.Run) -> Taken:
    """What was moved: MB/s and thousands a second."""
    done = run.client.one("transfer")
    if done["verify"] != "ok":
        raise BenchError("the data differs")
    return {"bw": done.number("MBps"),
            "rate": done.number("count") / done.number("seconds") / 1000}


def of_latency(run: scenario.Run) -> Taken:
    done = run.client.one("latency")
    return {key: done.number(f"{key}_us") for key in ("min", "p50", "p99")}


class Perftest(Source):
    """Its server in guest b, its client in a, over rxe."""

    def __init__(self, name: str, lab: Optional[Lab], words: str,
                 parse: Callable[[str, int], Taken], size: int) -> None:
        super().__init__(name)
        self._lab, self._parse, self._size = lab, parse, size
        self._words = f"{words} -s {size} -R -F"

    def take(self) -> Taken:
        assert self._lab is not None
        port = next(_ports)
        words = f"{self._words} -p {port}"
        try:
            server = self._lab.b.start(words)
            try:
                # what it says of itself stays in its buffer
                self._lab.b.run(
                    "for i in $(seq 100); do rdma resource show cm_id | "
                    f"grep -q 'LISTEN.*:{port}' && exit 0; usleep 100000; "
                    "done; exit 1", LIMIT)
                done = self._lab.a.run(f"{words} {NET['b']}", LIMIT)
                server.wait(LIMIT * patience())
            finally:
                if server.running:
                    server.kill()
        except VmError as err:
            raise BenchError(str(err)) from err
        return self._parse(done.output, self._size)


def sources(lab: Optional[Lab]) -> List[Source]:
    return [
        Ours("ours 65536", lab, "-m write -t bw -S 64K -q 64 -C 10000",
             of_transfer),
        Perftest("ib_write_bw 65536", lab, "ib_write_bw -n 100",
                 parse_bandwidth, 65536),
        Ours("ours 64", lab, "-m write -t bw -S 64 -q 64 -C 100000", of_transfer),
        Perftest("ib_write_bw 64", lab, "ib_write_bw -n 1000", parse_bandwidth,
                 64),
        Ours("ours latency 64", lab, "-m write -t lat -S 64 -C 10000", of_latency),
        Perftest("ib_write_lat 64", lab, "ib_write_lat -n 300", parse_latency, 64),
    ]


ROWS = (
    Row("vm_write64k_bw_vs_rxe", "MB/s", Of("ours 65536", "bw"),
        Of("ib_write_bw 65536", "bw"), ">= 100"),
    Row("vm_write64_rate_vs_rxe", "K/s", Of("ours 64", "rate"),
        Of("ib_write_bw 64", "rate"), ">= 20"),
    Row("vm_write64_latency_vs_rxe", "us", Of("ours latency 64", "p50"),
        Of("ib_write_lat 64", "p50"), "<= 0.1"),
)


def run(rounds: int) -> int:
    transcript = Transcript(build_dir() / "bench-vm.log", False, show=False)
    art = Artifacts.make(FLAVOUR, rxe=True)
    with RxeLab(art, transcript, plain=True) as lab:
        lab.vrdmad.start()
        lab.boot()
        lab.load_drivers()
        lab.rxe_up()
        report = Report("vm", f"two guests under {lab.accel}, Linux "
                        f"{lab.a.release} in them", rounds)
        report.begin()
        wanted = sources(lab)
        found = measure(wanted, rounds)
        report.rows(ROWS, found)
        report.end(found)
        return 0 if all_ours(wanted, found) else 1


def main() -> int:
    """Exit status 0: every figure of ours is there."""
    if sys.argv[1:2] == ["-h"]:
        print(__doc__)
        return 0
    try:
        return run(rounds_wanted(sys.argv[1:]))
    except VmError as err:
        print(f"bench-vm: {err}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
