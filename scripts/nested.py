#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine that `make nested` runs in, by hand: up, shell, push, pull, down."""

from __future__ import annotations

import argparse
import fcntl
import shlex
import shutil
import sys
from pathlib import Path
from typing import Callable, Dict, IO

from vrdma_vm import Artifacts, Transcript, VmError
from vrdma_vm.level1 import HOME, Level1, Parts, payload
from vrdma_vm.paths import build_dir

HELP = f"""
A Debian with two RDMA devices (rxe) joined by a cable, libvirt, and a KVM of its
own, as a guest of this host. What it knows of the build it was given by `up` or
the last `push`; that lies in {HOME}, where commands start, with the environment
that tests want. One command at a time; others wait.

  up            boots it, brings in the build, joins the two devices
  push          brings in the build again; with FILEs: those, under their names
  shell COMMAND runs it in there; its output, its exit status
  pull PATH...  files of there, into the folder -d (default: the build's log)
  down          ends it

The build is that of $O (default: build), as for make. Needs `make all kmod
tests`; scripts/setup.sh build guest nested.

examples:
  scripts/nested.py up
  scripts/nested.py shell 'rping -s -a 10.78.0.2 -C 3 & rping -c -a 10.78.0.2 -C 3'
  make all tests && scripts/nested.py push
  scripts/nested.py shell tests/nested/part1.py
  scripts/nested.py shell 'VRDMA_BACKEND=local build/tests/e2e/test_connect'
"""


def _place() -> Path:
    """The file that names the folder of the machine that runs."""
    return build_dir() / "nested-lab"


def _attached() -> Level1:
    try:
        rundir = Path(_place().read_text(encoding="utf-8").strip())
    except OSError as err:
        raise VmError(f"no machine of {build_dir()} runs: "
                      "scripts/nested.py up") from err
    try:
        return Level1.running(rundir, Transcript(show=False))
    except (VmError, OSError) as err:
        raise VmError(f"{err}; if it is gone: scripts/nested.py down") from err


def _run(lab: Level1, command: str, timeout: float) -> int:
    """Passes its lines on as they come."""
    running = lab.start(command)
    shown = 0
    try:
        while True:
            try:
                status = running.wait(0.1)
            except VmError:
                if not running.running:
                    raise
                status = None
            for line in running.lines[shown:]:
                print(line, flush=True)
                shown += 1
            if status is not None:
                return status
            timeout -= 0.1
            if timeout <= 0:
                raise VmError(f"`{command}` still runs; see -t")
    except BaseException:
        running.kill()
        raise


def up(opts: argparse.Namespace) -> int:
    if _place().exists():
        raise VmError(f"one was booted ({_place()}): scripts/nested.py down")
    parts = Parts.make()
    lab = Level1.new(parts, Transcript(show=False), True, opts.memory,
                     int(opts.hours * 3600))
    try:
        lab.boot()
        _place().write_text(f"{lab.rundir}\n", encoding="utf-8")
        lab.push(payload(parts.guest))
        status = _run(lab, "python3 tests/nested/link.py up", 120)
    except BaseException:
        _keep_console(lab)
        lab.close()
        _place().unlink(missing_ok=True)
        raise
    lab.leave()
    print(f"up; its console: {lab.rundir}/console.log", flush=True)
    return status


def _keep_console(lab: Level1) -> None:
    kept = build_dir() / "log" / "nested-console.log"
    kept.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copy(lab.rundir / "console.log", kept)
        print(f"nested: its console: {kept}", file=sys.stderr)
    except OSError:
        pass    # it never had one


def push(opts: argparse.Namespace) -> int:
    files = [(Path(p), Path(p).name) for p in opts.words] or \
        payload(Artifacts.make("6.12"))
    lab = _attached()
    try:
        lab.push(files)
    finally:
        lab.leave()
    return 0


def shell(opts: argparse.Namespace) -> int:
    lab = _attached()
    try:
        words = opts.words
        return _run(lab, words[0] if len(words) == 1 else shlex.join(words),
                    opts.timeout)
    finally:
        lab.leave()


def pull(opts: argparse.Namespace) -> int:
    lab = _attached()
    try:
        lab.pull(opts.words, Path(opts.d or build_dir() / "log"))
    finally:
        lab.leave()
    return 0


def down(_: argparse.Namespace) -> int:
    try:
        _attached().close()
    except VmError as err:
        print(f"nested: it was gone already: {err}", file=sys.stderr)
        if _place().exists():
            shutil.rmtree(_place().read_text(encoding="utf-8").strip(),
                          ignore_errors=True)
    _place().unlink(missing_ok=True)
    return 0


VERBS: Dict[str, Callable[[argparse.Namespace], int]] = {
    "up": up, "push": push, "shell": shell, "pull": pull, "down": down}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="nested.py", description=__doc__, epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=8,
                        help="up: after that it ends by itself "
                        "(default: %(default)s)")
    parser.add_argument("--memory", type=int, default=6144, metavar="MIB",
                        help="up: its memory (default: %(default)s)")
    parser.add_argument("-t", "--timeout", type=float, default=600,
                        metavar="SECONDS", help="shell: longest time of the "
                        "command (default: %(default)s)")
    parser.add_argument("-d", metavar="FOLDER", help="pull: where to")
    parser.add_argument("verb", choices=list(VERBS))
    parser.add_argument("words", nargs=argparse.REMAINDER)
    return parser.parse_args()


def _turn() -> IO[str]:
    """Held while we talk to the machine."""
    build_dir().mkdir(parents=True, exist_ok=True)
    lock = (build_dir() / "nested-lab.lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def main() -> int:
    opts = options()
    try:
        with _turn():
            return VERBS[opts.verb](opts)
    except VmError as err:
        print(f"nested: {err}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
