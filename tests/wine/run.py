#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Windows guests under Wine: the driver, the provider and programs, two prefixes as
two guests of one vrdmad.

usage: run.py [-l] [-k] [PATTERN]...

  -l       list the tests
  -k       keep the logs of a run that passed, too
  PATTERN  run only tests whose names match (shell patterns)

Needs the binaries of `make windows` and Wine.  What Wine cannot show - IRQL, DMA,
NDIS, power, PnP - is in docs/windows.md.  Ends with "N passed, N failed".
"""
from __future__ import annotations

import argparse
import fnmatch
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from typing import Callable, List

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from prefix import Prefix, WineError, missing, template  # noqa: E402

PATIENCE_S = 30
TESTS: List[Callable[["Lab"], None]] = []


def test(fn: Callable[["Lab"], None]) -> Callable[["Lab"], None]:
    TESTS.append(fn)
    return fn


def check(ok: object, why: str) -> None:
    if not ok:
        raise WineError(why)


def wait_for(what: Callable[[], object], name: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not what():
        if time.monotonic() > end:
            raise WineError(f"waited {PATIENCE_S} s for {name}")
        time.sleep(0.02)


class Lab:
    """One vrdmad, two guests."""

    def __init__(self, build: pathlib.Path, folder: pathlib.Path,
                 base: pathlib.Path) -> None:
        self.build, self.folder = build, folder
        self.vrdmad_log = folder / "vrdmad.log"
        self.config = folder / "vrdmad.conf"
        self.sockets = [str(folder / f"g{i}") for i in range(2)]
        self.config.write_text("[vrdmad]\n" + "".join(
            f"[guest g{i}]\nsocket = {s}\naddress = 10.0.0.{i + 1}\n"
            f"address = fd00::{i + 1}\n" for i, s in enumerate(self.sockets)))
        self.daemon_start()
        self.guests = [Prefix(f"wine{i}", base, folder, s, build / "windows")
                       for i, s in enumerate(self.sockets)]
        for g in self.guests:
            g.start()

    def daemon_start(self) -> None:
        ready = self._ready()
        self._daemon = subprocess.Popen(
            [self.build / "bin" / "vrdmad", "--config", self.config],
            stdin=subprocess.DEVNULL, stdout=self.vrdmad_log.open("ab"),
            stderr=subprocess.STDOUT)
        wait_for(lambda: self._ready() == ready + 2, "vrdmad to listen")

    def _ready(self) -> int:
        if not self.vrdmad_log.exists():
            return 0
        return self.vrdmad_log.read_text(errors="replace").count("ready ")

    def daemon_kill(self) -> None:
        self._daemon.kill()
        self._daemon.wait()

    def end(self) -> None:
        for g in getattr(self, "guests", []):
            g.end()
        self._daemon.send_signal(signal.SIGTERM)
        try:
            self._daemon.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.daemon_kill()

    def server(self, *args: str) -> "subprocess.Popen[bytes]":
        proc = self.guests[0].spawn("nd_ping.exe", "-s", *args)
        wait_for(lambda: "listening" in Prefix.output(proc) or proc.poll() is not None,
                 "nd_ping -s to listen")
        check(proc.poll() is None, "nd_ping -s ended:\n" + Prefix.output(proc))
        return proc

    def ping(self, *args: str, server: List[str] = []) -> str:
        """A transfer between the guests; both ends must end well."""
        s = self.server(*server)
        c = self.guests[1].run("nd_ping.exe", "-c", "10.0.0.1", *args)
        check(c.returncode == 0, f"the client ended {c.returncode}:\n{c.stdout}")
        try:
            s.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            s.kill()
        out = Prefix.output(s)
        check(s.returncode == 0, f"the server ended {s.returncode}:\n{out}")
        for text in (c.stdout, out):
            check("verify=ok" in text and "done" in text, text)
        return c.stdout + out


# --- tools ------------------------------------------------------------------------


@test
def info(lab: Lab) -> None:
    for i, g in enumerate(lab.guests):
        r = g.run("nd_info.exe")
        lines = r.stdout.splitlines()
        check(r.returncode == 0, r.stdout)
        for want in ("abi_version: 1", "nd_version: 2", f"address: 10.0.0.{i + 1}",
                     f"address: fd00::{i + 1}"):
            check(want in lines, f"no line '{want}' in:\n{r.stdout}")


@test
def info_of_an_address(lab: Lab) -> None:
    check(lab.guests[1].run("nd_info.exe", "-a", "fd00::2").returncode == 0,
          "not found by its address")
    check(lab.guests[1].run("nd_info.exe", "-a", "10.0.0.1").returncode == 1,
          "found by the neighbour's address")


@test
def catalog_entry(lab: Lab) -> None:
    """Wine's catalog calls are stubs: only what would be written there"""
    r = lab.guests[0].run("nd_install.exe", "show")
    for want in ("service_flags=0x8e", "provider_flags=0x14", "version=0x20000",
                 "socket_type=-1", "protocol=0"):
        check(want in r.stdout, f"no {want} in {r.stdout}")
    check(lab.guests[0].run("nd_install.exe", "nonsense").returncode == 2, "no usage error")


@test
def exceptions_are_caught(lab: Lab) -> None:
    """Of vrdma.sys for a Windows machine: seh.S, by which it locks and maps memory"""
    r = lab.guests[0].run("wine/nd_seh.exe")
    check(r.returncode == 0 and r.stdout.strip() == "passed", r.stdout)


@test
def ping_send(lab: Lab) -> None:
    out = lab.ping("-m", "send", "-S", "4K", "-C", "1000")
    check("indication reason=graceful count=1" in out, out)


@test
def ping_write(lab: Lab) -> None:
    lab.ping("-m", "write", "-S", "1M", "-C", "100")


@test
def ping_read(lab: Lab) -> None:
    lab.ping("-m", "read", "-S", "1M", "-C", "100")


@test
def ping_odd_sizes(lab: Lab) -> None:
    for op in ("send", "write", "read"):
        lab.ping("-m", op, "-S", "4097", "-C", "33", "-q", "7")


@test
def ping_a_large_region(lab: Lab) -> None:
    """More than one MDL describes"""
    lab.ping("-m", "write", "-S", "1100M", "-C", "1")


@test
def ping_waits_by_the_port(lab: Lab) -> None:
    for op in ("send", "write", "read"):
        lab.ping("-m", op, "-S", "64K", "-C", "50", "-w", "wait", server=["-w", "wait"])


@test
def ping_ipv6(lab: Lab) -> None:
    s = lab.server("-a", "fd00::1")
    c = lab.guests[1].run("nd_ping.exe", "-c", "fd00::1", "-C", "8")
    check(c.returncode == 0 and s.wait(PATIENCE_S) == 0, c.stdout + Prefix.output(s))


@test
def disconnects_cross(lab: Lab) -> None:
    lab.ping("-D", "both", "-C", "8")


@test
def the_server_disconnects(lab: Lab) -> None:
    lab.ping("-D", "server", "-C", "8")


@test
def a_disconnect_waits_for_the_peer(lab: Lab) -> None:
    out = lab.ping("-D", "hold=1", "-C", "8")
    check("disconnect-pending" in out, out)


@test
def late_posts_are_refused(lab: Lab) -> None:
    out = lab.ping("-L", "-C", "8")
    check(out.count("late-post") == 2, out)


@test
def one_after_the_other(lab: Lab) -> None:
    s = lab.server("-n", "20")
    for _ in range(20):
        c = lab.guests[1].run("nd_ping.exe", "-c", "10.0.0.1", "-C", "4")
        check(c.returncode == 0, c.stdout)
    check(s.wait(PATIENCE_S) == 0, Prefix.output(s))


# --- the scheme ---------------------------------------------------------------------


@test
def disconnect_scheme(lab: Lab) -> None:
    """The same program as in a Linux guest: tests/guest/nd_conform.c"""
    r = lab.guests[0].run("wine/nd_conform.exe", "10.0.0.1", timeout=120)
    check(r.returncode == 0 and r.stdout.rstrip().endswith(" 0 failed"), r.stdout)


@test
def overlapped_requests(lab: Lab) -> None:
    r = lab.guests[0].run("wine/nd_irp.exe", "10.0.0.1", timeout=200)
    check(r.returncode == 0 and r.stdout.rstrip().endswith(" 0 failed"), r.stdout)


@test
def killed_with_requests_pending(lab: Lab) -> None:
    g = lab.guests[0]
    held = g.spawn("wine/nd_irp.exe", "10.0.0.1", "hold")
    wait_for(lambda: "holding" in Prefix.output(held) or held.poll() is not None,
             "a hundred requests")
    check(held.poll() is None, Prefix.output(held))
    for pid in unix_pids(lab, 0, "nd_irp.exe"):
        os.kill(pid, signal.SIGKILL)
    held.wait(PATIENCE_S)
    r = g.run("wine/nd_irp.exe", "10.0.0.1", "again")
    check(r.returncode == 0, r.stdout)


@test
def wrong_calls(lab: Lab) -> None:
    r = lab.guests[0].run("wine/nd_wrong.exe", timeout=120)
    check(r.returncode == 0 and r.stdout.rstrip().endswith(" 0 failed"), r.stdout)
    lab.ping("-C", "8")


# --- deaths ------------------------------------------------------------------------


def unix_pids(lab: Lab, guest: int, program: str) -> List[int]:
    """Processes of a prefix that run a program, by what Linux knows of them."""
    found = []
    mark = f"WINEPREFIX={lab.guests[guest].path}".encode()
    for p in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if program.encode() in (p / "cmdline").read_bytes() and \
                    mark in (p / "environ").read_bytes().split(b"\0"):
                found.append(int(p.name))
        except OSError:
            continue
    return found


@test
def the_peer_is_killed(lab: Lab) -> None:
    s = lab.server("-K")
    c = lab.guests[1].spawn("nd_ping.exe", "-c", "10.0.0.1", "-m", "write", "-K")
    wait_for(lambda: "connected" in Prefix.output(s) and "connected" in Prefix.output(c),
             "a connection")
    pids = unix_pids(lab, 1, "nd_ping.exe")
    check(pids, "no process of the client")
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    c.wait(PATIENCE_S)
    check(s.wait(PATIENCE_S) == 3, f"the server ended {s.returncode}:\n" + Prefix.output(s))
    check("indication" in Prefix.output(s), Prefix.output(s))
    lab.ping("-C", "8")


@test
def vrdmad_dies_and_comes_back(lab: Lab) -> None:
    s = lab.server("-K")
    c = lab.guests[1].spawn("nd_ping.exe", "-c", "10.0.0.1", "-m", "write", "-K")
    wait_for(lambda: "connected" in Prefix.output(s) and "connected" in Prefix.output(c),
             "a connection")
    lab.daemon_kill()
    for proc in (s, c):
        proc.wait(PATIENCE_S)
        check("indication reason=device-reset" in Prefix.output(proc) and
              proc.returncode == 3, f"{proc.returncode}:\n" + Prefix.output(proc))
    lab.daemon_start()
    for g in lab.guests:
        wait_for(lambda: g.run("nd_info.exe").returncode == 0, "the device to be back")
    lab.ping("-C", "8")


@test
def vrdmad_dies_while_the_driver_starts(lab: Lab) -> None:
    for _ in range(10):
        lab.daemon_kill()
        lab.daemon_start()
    for g in lab.guests:
        wait_for(lambda: g.run("nd_info.exe").returncode == 0, "the device to be back")
    lab.ping("-C", "8")


@test
def the_driver_stops_and_starts(lab: Lab) -> None:
    for g in lab.guests:
        g.stop()
        g.start()
    lab.ping("-C", "8")


# --- running -----------------------------------------------------------------------


def run_all(lab: Lab, tests: List[Callable[[Lab], None]]) -> int:
    failed = 0
    for fn in tests:
        start = time.monotonic()
        try:
            fn(lab)
            mark, why = "ok  ", ""
        except (WineError, subprocess.SubprocessError, OSError) as e:
            mark, why = "FAIL", str(e)
            failed += 1
        print(f"{mark} wine/{fn.__name__:<40} {time.monotonic() - start:6.1f} s", flush=True)
        if why:
            print("     " + why.replace("\n", "\n     "))
            print(f"     again: tests/wine/run.py {fn.__name__}; logs: {lab.folder}",
                  flush=True)
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-l", action="store_true")
    parser.add_argument("-k", action="store_true")
    parser.add_argument("pattern", nargs="*", default=["*"])
    args = parser.parse_args()
    tests = [t for t in TESTS if any(fnmatch.fnmatch(t.__name__, p) for p in args.pattern)]
    if args.l:
        print("\n".join(t.__name__ for t in tests))
        return 0
    why = missing()
    if why or not tests:
        print(why or "no test of that name")
        print("0 passed, 1 failed")
        return 1
    build = pathlib.Path(os.environ.get("O", "build"))
    cache = pathlib.Path(os.environ.get("VRDMA_CACHE",
                                        pathlib.Path.home() / ".cache" / "vrdma")) / "wine"
    # beside the template, for hard links; short, for socket names
    for old in cache.glob("run-*"):
        if not pathlib.Path("/proc", old.name[4:]).exists():
            shutil.rmtree(old, ignore_errors=True)
    folder = cache / f"run-{os.getpid()}"
    folder.mkdir(parents=True)
    lab = None
    failed = len(tests)
    try:
        lab = Lab(build, folder, template(cache))
        failed = run_all(lab, tests)
    except (WineError, subprocess.SubprocessError, OSError) as e:
        print(f"the guests did not start: {e}")
    finally:
        if lab:
            lab.end()
        if not failed and not args.k:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
