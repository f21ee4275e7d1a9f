# SPDX-License-Identifier: GPL-2.0-or-later
"""vrdmad for a set of guests: starts, dies, starts again."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import List, Mapping, Optional, Sequence

from vrdma_host.host import Host

from .process import Child
from .transcript import Transcript
from .wait import VmError, wait_until


# vrdmad is made to run without privilege: what we have of it is dropped before
# it starts, so that whatever is tested with it is tested so.
_UNPRIVILEGED = ["setpriv", "--reuid=nobody", "--regid=nogroup",
                 "--clear-groups", "--no-new-privs", "--inh-caps=-all",
                 "--bounding-set=-all"]


@dataclass
class GuestConfig:
    """One guest's part of the configuration."""

    name: str
    socket: str
    addresses: Sequence[str]
    keys: Mapping[str, str] = field(default_factory=dict)   # its own, beside


class Vrdmad:
    """The device model's daemon; its log goes to the transcript.

    The sockets' folders must be the user's that it runs as: folder().
    """

    def __init__(self, program: str, guests: Sequence[GuestConfig],
                 rundir: Path, transcript: Transcript,
                 limits: Optional[Mapping[str, int]] = None,
                 name: str = "vrdmad", enter: Sequence[str] = ()) -> None:
        """`enter`: what to run it by, where it shall live elsewhere."""
        self.name = name
        self.guests = list(guests)
        self.log: List[str] = []
        self._program = program
        self._prefix = list(enter)
        if os.geteuid() == 0:
            # where nobody can run it, wherever it was built
            self._program = shutil.copy(program, rundir / name)
            self._prefix += _UNPRIVILEGED
        self._limits = dict(limits or {})
        self._config = rundir / f"{name}.conf"
        self._transcript = transcript
        self._child: Optional[Child] = None

    @staticmethod
    def folder(rundir: Path) -> Path:
        """Makes one for the sockets."""
        path = rundir / "sockets"
        path.mkdir()
        if os.geteuid() == 0:
            rundir.chmod(0o711)
            shutil.chown(path, "nobody")
        return path

    def config_text(self) -> str:
        lines = []
        for guest in self.guests:
            lines += [f"[guest {guest.name}]", f"socket = {guest.socket}"]
            lines += [f"address = {address}" for address in guest.addresses]
            lines += [f"{key} = {value}" for key, value in
                      (*self._limits.items(), *guest.keys.items())]
            lines.append("")
        return "\n".join(lines)

    def start(self, timeout: float = 10) -> None:
        """Until every guest's socket listens."""
        self._config.write_text(self.config_text(), encoding="utf-8")
        self._child = Child([*self._prefix, self._program, "--config",
                             str(self._config)], self._take)
        wait_until(f"{self.name} to listen", self._listens, timeout, 0.02)

    def _listens(self) -> bool:
        assert self._child is not None
        if self._child.status is not None:
            self._child.wait(1)
            raise VmError(f"{self.name} ended with {self._child.status}: "
                          f"{self._child.last}")
        listening = Host().listening(self._child.pid)
        return all(g.socket in listening for g in self.guests)

    def kill(self) -> None:
        """No goodbye to anybody."""
        self._signal(signal.SIGKILL)

    def stop(self, timeout: float = 10) -> int:
        """Asks it to end; gives its exit status."""
        return self._signal(signal.SIGTERM, timeout)

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.status is None

    @property
    def pid(self) -> int:
        if self._child is None:
            raise VmError("vrdmad is not started")
        return self._child.pid

    def _signal(self, sig: int, timeout: float = 10) -> int:
        if self._child is None:
            raise VmError("vrdmad is not started")
        child, self._child = self._child, None
        child.signal(sig)
        try:
            status = child.wait(timeout)
        except VmError:
            child.signal(signal.SIGKILL)
            child.wait(timeout)
            raise
        self._transcript.add(self.name, f"[ended: {status}]")
        return status

    def _take(self, line: str) -> None:
        self.log.append(line)
        self._transcript.add(self.name, line)
