# SPDX-License-Identifier: GPL-2.0-or-later
"""A Wine prefix that is a guest: vrdma.sys in its winedevice, programs beside it."""
from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import time
from typing import List, Optional

WINE = pathlib.Path("/usr/lib/wine")
BOOT_S = 180
START_S = 60
END_S = 20


class WineError(Exception):
    """What did not work, and what it printed."""


def missing() -> Optional[str]:
    for name in ("wine64", "wineserver"):
        if not (WINE / name).exists():
            return f"{WINE / name} is not there: scripts/setup.sh windows installs it"
    return None


def environment(prefix: pathlib.Path) -> dict[str, str]:
    env = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WINEARCH")}
    env.update(WINEPREFIX=str(prefix), WINEDLLOVERRIDES="mscoree,mshtml=")
    env.setdefault("WINEDEBUG", "-all")
    return env


def wine_version() -> str:
    out = subprocess.run([WINE / "wine64", "--version"], capture_output=True, text=True,
                         check=True, timeout=START_S)
    return "".join(c if c.isalnum() or c in ".-" else "_" for c in out.stdout.strip())


def template(cache: pathlib.Path) -> pathlib.Path:
    """A prefix as Wine makes it, once: it takes six seconds and 700 MB."""
    prefix = cache / f"prefix-{wine_version()}-{os.getuid()}"
    if (prefix / "ready").exists():
        return prefix
    making = cache / f"making-{os.getpid()}"
    shutil.rmtree(making, ignore_errors=True)
    making.parent.mkdir(parents=True, exist_ok=True)
    log = cache / "wineboot.log"
    with log.open("wb") as out:
        rc = subprocess.run([WINE / "wine64", "wineboot", "-i"], env=environment(making),
                            stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                            timeout=BOOT_S).returncode
    subprocess.run([WINE / "wineserver", "-w"], env=environment(making), timeout=BOOT_S)
    if rc or not (making / "system.reg").exists():
        raise WineError(f"wineboot makes no prefix: see {log}")
    (making / "wineserver").unlink(missing_ok=True)
    (making / "ready").touch()
    try:
        making.rename(prefix)
    except OSError:  # another run was first
        shutil.rmtree(making)
    return prefix


class Prefix:
    """One guest.  Programs are run with Wine's files shared by hard links."""

    def __init__(self, name: str, base: pathlib.Path, folder: pathlib.Path,
                 socket: str, bin_dir: pathlib.Path) -> None:
        self.name, self.socket, self.bin = name, socket, bin_dir.resolve()
        self.path = folder / name
        self.env = environment(self.path)
        self.log = folder / f"{name}.log"
        self._holder: Optional[subprocess.Popen[bytes]] = None
        subprocess.run(["cp", "-al", base, self.path], check=True)
        # Wine writes the registry by a new file, but not these
        for name in ("userdef.reg", "user.reg", "system.reg"):
            copy = self.path / name
            data = copy.read_bytes()
            copy.unlink()
            copy.write_bytes(data)

    def _popen(self, args: List[str], **more: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen([str(WINE / "wine64"), *args], env=self.env,
                                cwd=self.bin, **more)  # type: ignore[call-overload]

    def start(self) -> None:
        """Load the driver; its service ends with the program that stays."""
        driver = "Z:" + str(self.bin / "wine" / "vrdma.sys").replace("/", "\\")
        out = self.log.open("ab")
        self._holder = self._popen(["wine/vrdma_load.exe", "start", driver, self.socket],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=out)
        assert self._holder.stdout
        line = self._holder.stdout.readline().decode().strip()
        if line != "started":
            raise WineError(f"{self.name}: vrdma_load says '{line}'")

    def stop(self) -> None:
        """Stop the driver as an administrator does, then the session."""
        if not self._holder:
            return
        result = self.run("wine/vrdma_load.exe", "stop")
        if result.stdout.strip() != "stopped blocks=0 pages=0":
            raise WineError(f"{self.name}: stop: {result.stdout}")
        self.leave()

    def leave(self) -> None:
        holder, self._holder = self._holder, None
        if not holder:
            return
        assert holder.stdin
        holder.stdin.close()
        try:
            holder.wait(END_S)
        except subprocess.TimeoutExpired:
            holder.kill()
            holder.wait()

    def end(self) -> None:
        """The session with all that runs in it, and the files."""
        self.leave()
        subprocess.run([WINE / "wineserver", "-k"], env=self.env, timeout=START_S,
                       stderr=subprocess.DEVNULL)
        shutil.rmtree(self.path, ignore_errors=True)

    def spawn(self, *args: str) -> subprocess.Popen[bytes]:
        # programs in wine/ find the DLL by the path
        out = open(self.path / f"out-{time.monotonic_ns()}", "w+b")
        proc = self._popen(list(args), stdin=subprocess.DEVNULL, stdout=out,
                           stderr=subprocess.STDOUT)
        proc.out = out  # type: ignore[attr-defined]
        return proc

    @staticmethod
    def output(proc: subprocess.Popen[bytes]) -> str:
        with open(proc.out.name, "rb") as f:  # type: ignore[attr-defined]
            return f.read().decode(errors="replace").replace("\r", "")

    def run(self, *args: str, timeout: int = 60) -> subprocess.CompletedProcess[str]:
        proc = self.spawn(*args)
        try:
            rc = proc.wait(timeout)
        except subprocess.TimeoutExpired:
            proc.kill()
            proc.wait()
            raise WineError(f"{self.name}: {' '.join(args)} did not end in {timeout} s:\n"
                            + self.output(proc)) from None
        return subprocess.CompletedProcess(args, rc, self.output(proc), "")
