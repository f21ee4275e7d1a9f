# SPDX-License-Identifier: GPL-2.0-or-later
"""What the benches share: figures taken by turns, rows of two, what is kept.

A source is something that is run and gives figures, ours or a peer's. Sources
take turns, round after round, so that whatever else the machine does meets all of
them; medians count. A peer that is missing or fails is said in one line, and its
rows are left out.
"""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Union

BUILD = Path(os.environ.get("O", "build"))
OUT = BUILD / "bench"
PROGRAMS = BUILD / "tests" / "bench"
LIMIT = 120     # seconds for one program
ROUNDS = 5

Taken = Dict[str, float]                # figures of one run, by their keys
History = Dict[str, Dict[str, List[float]]]     # source -> key -> a value a run


class BenchError(Exception):
    """A figure that could not be had, and why."""


class Source:
    """Something that gives figures when it is run."""

    def __init__(self, name: str, ours: bool = False, every: int = 1) -> None:
        self.name = name
        self.ours = ours
        self.every = every      # taken in every so-manieth round

    def take(self) -> Taken:
        raise NotImplementedError


def output(argv: Sequence[str], env: Optional[Mapping[str, str]] = None) -> str:
    """What a program printed that ended well."""
    try:
        done = subprocess.run(
            argv, text=True, env=dict(os.environ, **(env or {})), timeout=LIMIT,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, check=False)
    except FileNotFoundError as err:
        raise BenchError(f"{argv[0]} is not installed") from err
    except subprocess.TimeoutExpired as err:
        raise BenchError(f"{argv[0]} did not end within {LIMIT} s") from err
    if done.returncode:
        raise BenchError(f"{argv[0]}: exit {done.returncode}: "
                         f"{done.stdout.strip()[-300:]}")
    return done.stdout


def keyed(text: str, words: str) -> Taken:
    """Of a line `WORDS key=1.5 ...`, or `WORDS 1.5`, whose key is "value"."""
    line = re.search(rf"^{re.escape(words)} (.*)$", text, re.M)
    if line:
        found = {k: float(v)
                 for k, v in re.findall(r"(\w+)=([0-9.]+)(?= |$)", line[1])}
        if not found and re.fullmatch(r"[0-9.]+", line[1]):
            found = {"value": float(line[1])}
        if found:
            return found
    raise BenchError(f"no figures for `{words}` in: {text.strip()[-300:]}")


class Program(Source):
    """One of tests/bench's."""

    def __init__(self, name: str, program: str, args: str, ms: int = 1000,
                 env: Optional[Mapping[str, str]] = None, ours: bool = False,
                 every: int = 1, says: Optional[str] = None) -> None:
        super().__init__(name, ours, every)
        self._argv = [str(PROGRAMS / program), *args.split()]
        self._env = dict(env or {}, BENCH_MS=str(ms))
        self._says = args if says is None else says

    def take(self) -> Taken:
        return keyed(output(self._argv, self._env), self._says)


def measure(sources: Sequence[Source], rounds: int) -> History:
    """In turns. What failed once is not asked again, and has no figures."""
    found: History = {}
    left = list({s.name: s for s in sources}.values())
    for turn in range(rounds):
        for source in [s for s in left if turn % s.every == 0]:
            try:
                taken = source.take()
            except (BenchError, OSError, subprocess.SubprocessError) as err:
                print(f"not measured: {source.name}: {err}", flush=True)
                left.remove(source)
                found.pop(source.name, None)
                continue
            for key, value in taken.items():
                found.setdefault(source.name, {}).setdefault(key, []) \
                    .append(value)
    return found


# ------------------------------------------------------------------ rows of two

@dataclass(frozen=True)
class Of:
    """A figure of a source, in the row's unit after `times`."""

    source: str
    key: str = "value"
    times: float = 1.0

    def values(self, found: History) -> List[float]:
        return [v * self.times
                for v in found.get(self.source, {}).get(self.key, [])]


@dataclass(frozen=True)
class Row:
    """Ours beside a peer's, or beside a number that is the goal itself."""

    name: str
    unit: str
    ours: Of
    peer: Union[Of, float]
    goal: str = ""              # of the ratio; empty: for comparison only
    peer_name: str = ""         # where the source's name is not enough

    def entry(self, found: History) -> Optional[Dict[str, object]]:
        """The summary's object; None: one of the two is not there."""
        ours = self.ours.values(found)
        peer = self.peer.values(found) if isinstance(self.peer, Of) \
            else [self.peer]
        if not ours or not peer:
            return None
        mine, theirs = statistics.median(ours), statistics.median(peer)
        name = self.peer_name or (self.peer.source if isinstance(self.peer, Of)
                                  else "goal")
        return {"name": self.name, "unit": self.unit, "ours": round(mine, 4),
                "peer": round(theirs, 4), "peer_name": name,
                "ratio": round(mine / theirs, 5) if theirs else None}

    def text(self, found: History) -> str:
        """The table's line, of a row that has an entry."""
        made = self.entry(found)
        assert made is not None
        theirs = f"{made['peer_name']} {made['peer']:.6g}"
        if isinstance(self.peer, Of):
            theirs += f" ({spread(self.peer.values(found))})"
        ratio = f"{made['ratio']:.3g}x" if made["ratio"] is not None else "-"
        return (f"{self.name:36} {made['ours']:9.5g} {self.unit:7}"
                f"({spread(self.ours.values(found))}) | {theirs} | {ratio}"
                + (f"  goal {self.goal}" if self.goal else ""))


def spread(values: Sequence[float]) -> str:
    return f"{min(values):.4g}..{max(values):.4g}"


# ------------------------------------------------------------------ what is kept

def load() -> str:
    return " ".join(f"{x:.2f}" for x in os.getloadavg())


def machine() -> Dict[str, object]:
    model = re.search(r"^model name\s*: (.*)$",
                      Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.M)
    return {"cpu": model[1] if model else platform.machine(),
            "cpus": len(os.sched_getaffinity(0)), "kernel": platform.release()}


def merge(made: List[Dict[str, object]], path: Optional[Path] = None) -> None:
    """Into summary.json: objects of the same name are replaced, others stay."""
    path = path or OUT / "summary.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    names = {e["name"] for e in made}
    kept = [e for e in old if e["name"] not in names]
    path.write_text(json.dumps(kept + made, indent=2) + "\n", encoding="utf-8")


@dataclass
class Report:
    """What one bench prints and keeps: NAME.txt, NAME.json, table.txt of all."""

    name: str
    title: str
    rounds: int
    lines: List[str] = field(default_factory=list)
    before: str = field(default_factory=load)

    def say(self, text: str = "") -> None:
        self.lines.append(text)
        print(text, flush=True)

    def begin(self) -> None:
        m = machine()
        self.say(f"bench: {self.title}; {m['cpus']} CPUs ({m['cpu']}), Linux "
                 f"{m['kernel']}; medians of {self.rounds} rounds "
                 f"(least..most); load {self.before} before")

    def rows(self, rows: Sequence[Row], found: History) -> None:
        made = []
        for row in rows:
            entry = row.entry(found)
            if entry is not None:
                made.append(entry)
                self.say(row.text(found))
        merge(made)

    def end(self, found: History) -> None:
        self.say(f"load {load()} after, which the bench is part of")
        OUT.mkdir(parents=True, exist_ok=True)
        raw = {"bench": self.title, "when": time.strftime("%F %T %z"),
               "machine": machine(), "command": " ".join(sys.argv),
               "rounds": self.rounds, "load_before": self.before,
               "load_after": load(), "figures": found}
        (OUT / f"{self.name}.json").write_text(
            json.dumps(raw, indent=1) + "\n", encoding="utf-8")
        (OUT / f"{self.name}.txt").write_text("\n".join(self.lines) + "\n",
                                              encoding="utf-8")
        parts = [OUT / f"{part}.txt" for part in ("local", "iwarp", "vm")]
        (OUT / "table.txt").write_text(
            "\n".join(p.read_text(encoding="utf-8") for p in parts
                      if p.exists()), encoding="utf-8")


def rounds_wanted(words: Sequence[str]) -> int:
    """The command's only argument, or BENCH_ROUNDS, or the default."""
    text = words[0] if words else os.environ.get("BENCH_ROUNDS") or str(ROUNDS)
    if not text.isdigit() or not 1 <= int(text) <= 1000:
        raise SystemExit(f"{text}: give a number of rounds, 1 to 1000")
    return int(text)


def all_ours(sources: Sequence[Source], found: History) -> bool:
    """No figure decides anything; that there is none of ours does."""
    return all(s.name in found for s in sources if s.ours)
