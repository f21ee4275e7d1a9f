# SPDX-License-Identifier: GPL-2.0-or-later
"""Peers that are other people's programs: how they are run, what they print.

Each is a server and a client. Where both look all the time they have a CPU each,
as ours have.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import List, Mapping, Sequence

from figures import BenchError, Source, Taken, output

READY = 20      # seconds for a server to listen
PORT = 21500    # and some above


def listens(port: int, tables: Sequence[str] = ("tcp", "tcp6")) -> bool:
    """Somebody does, on that port."""
    for table in tables:
        path = Path("/proc/net") / table
        if path.exists() and re.search(
                rf"^ *\d+: [0-9A-F]+:{port:04X} [0-9A-F]+:0000 0A ",
                path.read_text(encoding="ascii"), re.M):
            return True
    return False


def on_cpu(number: int) -> List[str]:
    """Words before a command: it has a CPU for itself, where there are two."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2 or not shutil.which("taskset"):
        return []
    return ["taskset", "-c", str(cpus[number])]


def between(server: Sequence[str], client: Sequence[str], port: int,
            env: Mapping[str, str]) -> str:
    """What the client prints."""
    if not shutil.which(server[0]):
        raise BenchError(f"{server[0]} is not installed")
    full = dict(os.environ, **env)
    with subprocess.Popen([*on_cpu(1), *server], env=full,
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as peer:
        try:
            end = time.monotonic() + READY
            while not listens(port):
                if peer.poll() is not None or time.monotonic() > end:
                    raise BenchError(f"{server[0]} does not listen")
                time.sleep(0.01)
            return output([*on_cpu(0), *client], env)
        finally:
            peer.terminate()
            try:
                peer.wait(5)
            except subprocess.TimeoutExpired:
                peer.kill()


# ---------------------------------------------------------------- fi_pingpong

def parse_pingpong(text: str) -> Taken:
    """Its only line of figures: one way in us, the mean; GB/s with one message
    on its way."""
    for line in text.splitlines():
        words = line.split()
        if len(words) == 8 and words[0][:1].isdigit():
            try:
                return {"mean": float(words[6]), "bw": float(words[5]) / 1000}
            except ValueError:
                pass
    raise BenchError(f"fi_pingpong: no figures in: {text.strip()[-200:]}")


class PingPong(Source):
    """libfabric's, over a provider."""

    def __init__(self, provider: str, size: int, every: int = 1) -> None:
        super().__init__(f"fi_pingpong {provider} {size}", every=every)
        # at 10 us and 10 GB/s a quarter of a second
        count = max(20, min(25000, 1_250_000_000 // size))
        self._args = ["-p", provider, "-e", "rdm", "-I", str(count), "-S",
                      str(size)]

    def take(self) -> Taken:
        port = PORT
        server = ["fi_pingpong", "-B", str(port), *self._args]
        client = ["fi_pingpong", "-P", str(port), *self._args, "127.0.0.1"]
        return parse_pingpong(between(server, client, port, {}))


# --------------------------------------------------------------- ucx_perftest

def parse_ucx(text: str) -> Taken:
    """The last line of its CSV, by the heads of the columns: one way in us, GB/s,
    M/s."""
    rows = list(csv.reader(text.splitlines()))
    heads = [i for i, r in enumerate(rows) if r and r[0] == "iterations"]
    try:
        values = dict(zip(rows[heads[-1]], map(float, rows[-1])))
        p50 = [v for k, v in values.items() if k.endswith("_percentile_lat")]
        return {"p50": p50[0], "mean": values["overall_lat"],
                "bw": values["overall_bw"] * 1.048576 / 1000,
                "rate": values["overall_mr"] / 1e6}
    except (IndexError, KeyError, ValueError) as err:
        raise BenchError("ucx_perftest: no figures in: "
                         f"{text.strip()[-200:]}") from err


class Ucx(Source):
    """UCX over shared memory; what is put is stored by the client's own CPU."""

    def __init__(self, test: str, size: int, every: int = 1) -> None:
        super().__init__(f"ucx {test} {size}", every=every)
        count = max(20, min(200_000, 1_000_000_000 // size))
        self._args = ["-t", f"ucp_{test}", "-s", str(size), "-n", str(count),
                      "-w", str(count // 10), "-v", "-f"]

    def take(self) -> Taken:
        port = PORT + 1
        env = {"UCX_TLS": "posix,self", "UCX_WARN_UNUSED_ENV_VARS": "n"}
        return parse_ucx(between(
            ["ucx_perftest", "-p", str(port)],
            ["ucx_perftest", "127.0.0.1", "-p", str(port), *self._args],
            port, env))


# --------------------------------------------------------------------- iperf3

def parse_iperf3(text: str) -> Taken:
    """GB/s that the receiver has got."""
    try:
        bits = json.loads(text)["end"]["sum_received"]["bits_per_second"]
        return {"bw": float(bits) / 8e9}
    except (ValueError, KeyError, TypeError) as err:
        raise BenchError("iperf3: no figures in: "
                         f"{text.strip()[-200:]}") from err


class Iperf3(Source):
    """One stream over the loopback, a second long."""

    def __init__(self) -> None:
        super().__init__("iperf3")

    def take(self) -> Taken:
        port = PORT + 2
        return parse_iperf3(between(
            ["iperf3", "-s", "-1", "-p", str(port)],
            ["iperf3", "-c", "127.0.0.1", "-p", str(port), "-t", "1", "-J"],
            port, {}))
