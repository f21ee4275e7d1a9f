#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A Windows guest beside a Linux guest: Wine and a virtual machine, one vrdmad.

usage: with_linux.py [-h]

The same nd_ping on both ends, each in both parts, by each operation and with each
end disconnecting first.  Needs what `make check-vm` and `make test-wine` need.  Ends
with "N passed, N failed".
"""
from __future__ import annotations

import os
import pathlib
import shutil
import sys
import time
from typing import Callable, Dict, List, Mapping

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent.parent / "scripts"))

from prefix import Prefix, WineError, missing, template                # noqa: E402
from vrdma_vm import ADDRESSES, Artifacts, Lab, Transcript, VmError     # noqa: E402
from vrdma_vm.daemon import GuestConfig, Vrdmad                         # noqa: E402
from vrdma_vm.paths import build_dir, cache_dir, flavours               # noqa: E402

LINUX = ADDRESSES["a"]
WINDOWS = ["10.77.0.9", "fd77::9"]
PATIENCE_S = 120    # the virtual machine may be emulated


class MixedLab(Lab):
    """Guest a of the two, and a third one for Wine."""

    def _daemons(self, configs: List[GuestConfig],
                 limits: Mapping[str, int]) -> Dict[str, Vrdmad]:
        wine = GuestConfig("w", str(pathlib.Path(configs[0].socket).parent / "w.vhost"),
                           WINDOWS)
        self.wine_socket = wine.socket
        return super()._daemons([*configs, wine], limits)


def check(ok: object, why: str) -> None:
    if not ok:
        raise WineError(why)


def judge(text: str, status: int, who: str) -> None:
    check(status == 0 and "verify=ok" in text and " done" in text,
          f"{who} ended {status}:\n{text}")


def windows_calls(lab: Lab, win: Prefix, address: str, *args: str) -> None:
    server = lab.a.start(f"nd_ping -s -a {address}")
    server.wait_for("listening", PATIENCE_S)
    client = win.run("nd_ping.exe", "-c", address, *args, timeout=PATIENCE_S)
    judge(client.stdout, client.returncode, "the Windows client")
    status = server.wait(PATIENCE_S)
    judge(server.output, status, "the Linux server")


def linux_calls(lab: Lab, win: Prefix, address: str, *args: str) -> None:
    server = win.spawn("nd_ping.exe", "-s", "-a", address)
    end = time.monotonic() + PATIENCE_S
    while "listening" not in Prefix.output(server):
        check(time.monotonic() < end and server.poll() is None,
              "no Windows server:\n" + Prefix.output(server))
        time.sleep(0.02)
    client = lab.a.start(f"nd_ping -c {address} {' '.join(args)}")
    status = client.wait(PATIENCE_S)
    judge(client.output, status, "the Linux client")
    server.wait(PATIENCE_S)
    judge(Prefix.output(server), server.returncode, "the Windows server")


RUNS = [
    ["-m", "send", "-S", "4K", "-C", "200"],
    ["-m", "write", "-S", "1M", "-C", "20"],
    ["-m", "read", "-S", "1M", "-C", "20"],
    ["-m", "send", "-S", "4097", "-C", "33", "-q", "7", "-D", "server"],
    ["-m", "write", "-C", "8", "-D", "both"],
    ["-m", "read", "-C", "8", "-w", "wait"],
]
Way = Callable[..., None]
WAYS: Dict[str, Way] = {"windows-to-linux": windows_calls, "linux-to-windows": linux_calls}


def run_all(lab: Lab, win: Prefix) -> "tuple[int, int]":
    passed = failed = 0
    for name, way in WAYS.items():
        addresses = LINUX if way is windows_calls else WINDOWS
        for i, args in enumerate(RUNS):
            begin = time.monotonic()
            try:
                way(lab, win, addresses[i % 2], *args)
                why = ""
                passed += 1
            except (WineError, VmError) as err:
                why = f": {err}"
                failed += 1
            print(f"{'FAIL' if why else 'ok  '} {name} {' '.join(args)} "
                  f"({time.monotonic() - begin:.1f} s){why}", flush=True)
    return passed, failed


def main() -> int:
    if sys.argv[1:]:
        print(__doc__)
        return 0 if sys.argv[1] in ("-h", "--help") else 2
    why = missing()
    if why:
        print(f"{why}\n0 passed, 1 failed")
        return 1
    log = build_dir() / "wine-with-linux.log"
    cache = cache_dir() / "wine"
    folder = cache / f"run-{os.getpid()}"
    folder.mkdir(parents=True)
    passed, failed = 0, 1
    try:
        art = Artifacts.make(flavours()[0])
        with MixedLab(art, Transcript(log, False, show=False), True) as lab:
            lab.vrdmad.start()
            lab.boot("a")
            lab.load_drivers("a")
            win = Prefix("wine", template(cache), folder, lab.wine_socket,
                         build_dir() / "windows")
            try:
                win.start()
                passed, failed = run_all(lab, win)
            finally:
                win.end()
    except (WineError, VmError) as err:
        print(f"the guests did not start: {err}; transcript: {log}")
    shutil.rmtree(folder, ignore_errors=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
