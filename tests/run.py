#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run test programs, a few at a time, and add up what Check reports.

usage: run.py [-j N] [-t SECONDS] [-k TEXT] PROGRAM[@BACKEND][@workers=N]...

  BACKEND     what joins the guests of its tests (VRDMA_BACKEND)
  workers=N   threads of the vrdmad that it starts (VRDMA_WORKERS)

  -j N        programs at a time (default: two more than there are CPUs)
  -t SECONDS  longest time for one program (default 300)
  -k TEXT     only programs whose path contains TEXT

One line per program, what a failing one printed, and "N passed, N failed" at
the end.  Logs stay in $O/log.  Exit status 1 when something failed.
"""
from __future__ import annotations

import argparse
import concurrent.futures
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
from typing import NamedTuple

SUMMARY = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)", re.M)
FAILED_CASE = re.compile(r"^.*:\d+:[FE]:.*$", re.M)


class Result(NamedTuple):
    program: str
    passed: int
    failed: int
    seconds: float
    why: str
    log: pathlib.Path


def build_dir() -> pathlib.Path:
    return pathlib.Path(os.environ.get("O", "build"))


def settings(program: str) -> tuple[str, dict[str, str]]:
    """The program's path, and what its words behind @ mean in the environment."""
    path, *words = program.split("@")
    env = {}
    for word in words:
        key, _, value = word.rpartition("=")
        env["VRDMA_WORKERS" if key == "workers" else "VRDMA_BACKEND"] = value
    return path, env


def environment(own: dict[str, str]) -> dict[str, str]:
    env = dict(os.environ)
    env.update(own)
    env.setdefault("VRDMAD", str(build_dir() / "bin" / "vrdmad"))
    env.setdefault("CK_VERBOSITY", "normal")
    # A sanitizer makes everything slower; Check's own limit must not decide.
    env.setdefault("CK_TIMEOUT_MULTIPLIER", "4")
    env.setdefault("TSAN_OPTIONS", "halt_on_error=0 exitcode=66")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    return env


def kill_session(session: int) -> None:
    """Kill all of a program's processes: Check gives each test a group of its own."""
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                os.kill(int(stat.parent.name), signal.SIGKILL)
        except (OSError, IndexError, ValueError):
            continue  # it ended meanwhile


def run_one(program: str, limit: int) -> Result:
    path, own = settings(program)
    log = build_dir() / "log" / (pathlib.Path(program).name + ".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    why = ""
    with log.open("wb") as out:
        # A session of its own: Check's children go with it on a time-out.
        proc = subprocess.Popen([path], stdout=out, stderr=subprocess.STDOUT,
                                stdin=subprocess.DEVNULL, env=environment(own),
                                start_new_session=True)
        try:
            status = proc.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            kill_session(proc.pid)
            status = proc.wait()
            why = f"did not end within {limit} s"
    text = log.read_text(errors="replace")
    checks = [tuple(map(int, m)) for m in SUMMARY.findall(text)]
    total = sum(c for c, _, _ in checks)
    bad = sum(f + e for _, f, e in checks)
    if not checks and not why:
        why = f"printed no result, exit status {status}"
    elif status != 0 and bad == 0 and not why:
        why = f"exit status {status} though no test failed"
    if why:
        bad += 1
    return Result(program, total - min(bad, total), bad, time.monotonic() - start,
                  why, log)


def report(result: Result) -> None:
    mark = "ok  " if not result.failed else "FAIL"
    print(f"{mark} {result.program:<44} {result.passed:4d} passed "
          f"{result.failed:3d} failed {result.seconds:6.1f} s", flush=True)
    if not result.failed:
        return
    if result.why:
        print(f"     {result.why}")
    text = result.log.read_text(errors="replace")
    for line in FAILED_CASE.findall(text):
        print("     " + line)
    path, own = settings(result.program)
    again = "".join(f"{key}={value} " for key, value in own.items()) + path
    print(f"     log: {result.log}; again: O={build_dir()} "
          f"VRDMAD={build_dir()}/bin/vrdmad {again}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    # one more than there are CPUs: many a test waits for a deadline
    parser.add_argument("-j", type=int, default=(os.cpu_count() or 1) + 2)
    parser.add_argument("-t", type=int, default=300)
    parser.add_argument("-k", default="")
    parser.add_argument("program", nargs="*")
    args = parser.parse_args()
    programs = [p for p in args.program if args.k in p]
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(args.j) as pool:
        for result in pool.map(lambda p: run_one(p, args.t), programs):
            report(result)
            passed += result.passed
            failed += result.failed
    if not passed:
        failed = failed or 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
