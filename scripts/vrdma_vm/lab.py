# SPDX-License-Identifier: GPL-2.0-or-later
"""Two guests, one vrdmad: what the demo and the two-guest tests stand on."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Callable, Dict, List, Mapping, Optional, Type

from vrdma_host.domain import Device

from .accel import choose
from .daemon import GuestConfig, Vrdmad
from .guest import Guest
from .launch import Launcher, MachineSpec, PlainLauncher
from .libvirt import LibvirtLauncher
from .paths import Artifacts
from .transcript import Transcript
from .wait import VmError

ADDRESSES: Dict[str, List[str]] = {
    "a": ["10.77.0.1", "fd77::1"],
    "b": ["10.77.0.2", "fd77::2"],
}

# vrdmad's deadline for a disconnect here; the default is made for real
# networks, and a test waits for it to pass.
DISCONNECT_TIMEOUT_MS = 5000


class Lab:
    """Guests a and b, not booted, and their vrdmad, not started.

    A context manager: whatever happens inside, nothing of it is left running.
    """

    kernel_args = ""    # more of them, for all guests; begins with a space

    def __init__(self, art: Artifacts, transcript: Transcript, plain: bool,
                 limits: Optional[Mapping[str, int]] = None) -> None:
        self.art = art
        self.transcript = transcript
        self.rundir = Path(tempfile.mkdtemp(prefix="vrdma-"))
        self.launcher: Launcher = PlainLauncher() if plain \
            else LibvirtLauncher(self.rundir)
        sockets = Vrdmad.folder(self.rundir)
        configs = [GuestConfig(name, str(sockets / f"{name}.vhost"), ips)
                   for name, ips in ADDRESSES.items()]
        self.daemons = self._daemons(
            configs,
            limits or {"disconnect-timeout-ms": DISCONNECT_TIMEOUT_MS})
        self._sockets = {c.name: c.socket for c in configs}
        self.guests: Dict[str, Guest] = {}

    def __enter__(self) -> "Lab":
        signal.signal(signal.SIGTERM, _terminated)
        try:
            self._prepare()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, kind: Optional[Type[BaseException]],
                 value: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self._close()

    def _daemons(self, configs: List[GuestConfig],
                 limits: Mapping[str, int]) -> Dict[str, Vrdmad]:
        """By guest, whose it is."""
        one = Vrdmad(self.art.vrdmad, configs, self.rundir, self.transcript,
                     limits)
        return {config.name: one for config in configs}

    @property
    def vrdmad(self) -> Vrdmad:
        """Guest a's, which here is also b's."""
        return self.daemons["a"]

    @property
    def a(self) -> Guest:
        return self.guests["a"]

    @property
    def b(self) -> Guest:
        return self.guests["b"]

    def say(self, text: str) -> None:
        self.transcript.add("host", text)

    def _prepare(self) -> None:
        accel, why = choose(self.art, self.rundir)
        self.say(f"accelerator: {accel} ({why})")
        self._choose_launcher()
        for name, socket in self._sockets.items():
            spec = self._spec(name, socket, accel)
            self.guests[name] = Guest(spec, self.launcher, self.transcript)

    def _spec(self, name: str, socket: str, accel: str) -> MachineSpec:
        return MachineSpec(
            name=name, qemu=self.art.qemu, kernel=self.art.kernel,
            image=self.art.image, rundir=self.rundir, accel=accel,
            rdma=Device(name, socket),
            append=MachineSpec.append + self.kernel_args)

    def _choose_launcher(self) -> None:
        if isinstance(self.launcher, LibvirtLauncher):
            self.say(f"guests by {self.launcher.daemon.ensure()}")
            why = self.launcher.daemon.refuses(self.art.qemu)
            if why is None:
                return
            self.say(f"libvirt cannot run our QEMU: {why}")
            self.launcher.close()
            self.launcher = PlainLauncher()
        self.say("guests by plain QEMU")

    def boot(self, *names: str) -> None:
        """Boots guests (all) at the same time and loads their drivers."""
        chosen = [self.guests[n] for n in names or self.guests]
        start = time.monotonic()
        for guest in chosen:
            guest.launch()
        for guest in chosen:
            guest.connect()
            self.say(f"{guest.name} runs Linux {guest.release}, "
                     f"up in {time.monotonic() - start:.1f} s")

    def load_drivers(self, *names: str) -> None:
        for name in names or self.guests:
            self.guests[name].run("modprobe vrdma && test -c /dev/vrdma0")

    def faults(self) -> List[str]:
        """What the kernels complained of so far."""
        return [f"{g.name}: {line}" for g in self.guests.values()
                for line in g.faults]

    def _close(self) -> None:
        for guest in self.guests.values():
            if guest.running:
                _anyway(guest.kill)
        for daemon in self.daemons.values():
            if daemon.running:
                _anyway(daemon.stop)
        _anyway(self.launcher.close)
        shutil.rmtree(self.rundir, ignore_errors=True)


def _anyway(step: Callable[[], object]) -> None:
    """Cleaning up goes on whatever one step of it says."""
    try:
        step()
    except (VmError, OSError) as err:
        print(f"clean-up: {err}", file=sys.stderr)


def _terminated(number: int, _frame: object) -> None:
    """A killed run still cleans up."""
    sys.exit(128 + number)
