# SPDX-License-Identifier: GPL-2.0-or-later
"""A test guest: boots, runs commands, dies and boots again."""

from __future__ import annotations

import re
import signal
import threading
import time
from pathlib import Path
from typing import Any, List, Optional

from vrdma_host.host import Host

from .agent import Agent, Command, LineReader
from .launch import Launcher, MachineSpec
from .libvirt import read_pid
from .process import Stranger
from .qmp import qmp
from .transcript import Transcript
from .wait import VmError, patience, wait_until

# What no kernel of ours may say, whatever the test.
KERNEL_FAULT = re.compile(
    r"\bBUG: |\bBUG [\w-]+ \(|\bOops: |WARNING: (CPU|possible|bad|suspicious)|"
    r"Kernel panic|general protection fault|unable to handle|"
    r"refcount_t: |list_(add|del) corruption|hung_task|blocked for more than|"
    r"rcu.*detected.*stall|soft lockup|Bad page|Call Trace:")

# A guest's own messages that a reader of the transcript wants to see.
_INTERESTING = re.compile(r"vrdma|ndk_ping|^init: |" + KERNEL_FAULT.pattern)


class Guest:
    """One guest, over any number of boots."""

    def __init__(self, spec: MachineSpec, launcher: Launcher,
                 transcript: Transcript) -> None:
        self.spec = spec
        self.name = spec.name
        self.release = ""
        self.console: List[str] = []
        self.faults: List[str] = []
        self._launcher = launcher
        self._transcript = transcript
        self._agent: Optional[Agent] = None
        self._console_line: Optional[LineReader] = None
        self._qemu: Optional[Stranger] = None
        self._changed = threading.Condition()

    # -- life --

    def launch(self) -> None:
        """Starts QEMU; several guests may so boot at the same time."""
        for what in ("console", "agent", "qmp", "pid"):
            Path(self.spec.path(what)).unlink(missing_ok=True)
        self._launcher.launch(self.spec, self._log_qemu)
        self.attach()

    def attach(self) -> None:
        """Takes over a guest that its launcher has started."""
        pid = wait_until(f"{self.name}: QEMU's pid file", self._read_pid, 30)
        self._qemu = Stranger(pid)
        wait_until(f"{self.name}: QEMU's sockets", self._listens, 30)
        self._console_line = self._open("console")
        self._console_line.start()
        self._agent = Agent(self.name, self.spec.path("agent"), self._log)

    def connect(self, timeout: float = 180) -> None:
        """Waits until commands can be run."""
        assert self._agent is not None
        try:
            self.release = self._agent.connect(timeout)
        except VmError as err:
            raise VmError(f"{err}; {self._launcher.explain(self.spec)}; last on "
                          f"the console: {self.console[-1:]}") from err

    def boot(self, timeout: float = 180) -> float:
        start = time.monotonic()
        self.launch()
        self.connect(timeout)
        return time.monotonic() - start

    def leave(self) -> None:
        """Lets go of a guest that is to go on by itself."""
        if self._qemu is not None:
            self._qemu.close()
            self._qemu = None
        self._close_lines()

    def kill(self) -> None:
        """As a host that loses power: QEMU gets no chance to say goodbye."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        if self._qemu is not None:
            self._end(signal.SIGTERM)

    @property
    def running(self) -> bool:
        return self._qemu is not None and not self._qemu.gone(0)

    @property
    def pid(self) -> int:
        if self._qemu is None:
            raise VmError(f"{self.name}: not booted")
        return self._qemu.pid

    # -- commands --

    def start(self, command: str) -> Command:
        if self._agent is None:
            raise VmError(f"{self.name}: `{command}`: the guest is not up")
        return self._agent.start(command)

    def run(self, command: str, timeout: float = 60,
            check: bool = True) -> Command:
        """To its end; `check`: anything but exit 0 is an error."""
        done = self.start(command)
        status = done.wait(timeout * patience())
        if check and status:
            tail = " / ".join(done.lines[-3:])
            raise VmError(f"{self.name}: `{command}`: exit {status}: {tail}")
        return done

    def qmp(self, command: str, /, **arguments: Any) -> Any:
        return qmp(self.spec.path("qmp"), command, **arguments)

    # -- the console --

    def mark(self) -> int:
        """A place in the console from which wait_console can look on."""
        return len(self.console)

    def wait_console(self, pattern: str, timeout: float,
                     since: int = 0) -> str:
        rx = re.compile(pattern)
        timeout *= patience()
        end = time.monotonic() + timeout
        with self._changed:
            while True:
                for line in self.console[since:]:
                    if rx.search(line):
                        return line
                since = len(self.console)
                left = end - time.monotonic()
                if left <= 0:
                    raise VmError(f"{self.name}: kernel did not say "
                                  f"/{pattern}/ within {timeout:g} s")
                self._changed.wait(left)

    # -- inside --

    def _log(self, text: str) -> None:
        self._transcript.add(self.name, text)

    def _log_qemu(self, text: str) -> None:
        """QEMU has a line for every queue of a lost back end."""
        self._transcript.add(f"{self.name} qemu", text, quiet=True)

    def _take_console(self, line: str) -> None:
        line = line.rstrip()
        if not line:
            return
        with self._changed:
            self.console.append(line)
            if KERNEL_FAULT.search(line):
                self.faults.append(line)
            self._changed.notify_all()
        self._transcript.add(f"{self.name} kern", line,
                             quiet=not _INTERESTING.search(line))

    def _open(self, what: str) -> LineReader:
        return LineReader(f"{self.name}-{what}", self.spec.path(what),
                          self._take_console)

    def _read_pid(self) -> Optional[int]:
        pid = read_pid(Path(self.spec.path("pid")))
        if pid is None:
            why = self._launcher.explain(self.spec)
            if why.startswith("QEMU ended"):
                raise VmError(f"{self.name}: {why}")
        return pid

    def _listens(self) -> bool:
        if not self.running:
            raise VmError(f"{self.name}: {self._launcher.explain(self.spec)}")
        ready = Host().listening()
        return all(self.spec.path(what) in ready
                   for what in ("console", "agent", "qmp"))

    def _end(self, sig: int) -> None:
        if self._qemu is None:
            raise VmError(f"{self.name}: not booted")
        self._qemu.signal(sig)
        if not self._qemu.gone(10):
            self._qemu.signal(signal.SIGKILL)
            self._qemu.gone(10)
        self._qemu.close()
        self._qemu = None
        self._close_lines()
        self._launcher.forget(self.spec)
        self._log("[guest is off]")

    def _close_lines(self) -> None:
        for line in (self._agent, self._console_line):
            if line is not None:
                line.close()
        self._agent = None
