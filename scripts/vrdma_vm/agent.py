# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's end of the agent that runs in a guest (tests/guest/vragent.c)."""

from __future__ import annotations

import re
import signal
import socket
import threading
import time
from typing import Callable, Dict, List, Optional, Pattern, Union

from .wait import VmError, wait_until

LineSink = Callable[[str], None]


class Command:
    """A command in a guest: its lines as they come, its exit status at the end."""

    def __init__(self, agent: "Agent", ident: int, text: str) -> None:
        self.text = text
        self.lines: List[str] = []
        self.status: Optional[int] = None
        self.lost: Optional[str] = None     # why no status will come
        self._agent = agent
        self._ident = ident
        self._seen = 0                      # lines that wait_for went past
        self._counted = 0                   # lines that wait_line went past
        self._changed = threading.Condition()

    def __str__(self) -> str:
        return f"{self._agent.name}: `{self.text}`"

    # -- called by the reader thread --

    def feed(self, line: str) -> None:
        with self._changed:
            self.lines.append(line)
            self._changed.notify_all()

    def end(self, status: Optional[int], lost: Optional[str] = None) -> None:
        with self._changed:
            if self.status is None and self.lost is None:
                self.status, self.lost = status, lost
            self._changed.notify_all()

    # -- called by the user --

    @property
    def running(self) -> bool:
        return self.status is None and self.lost is None

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, pattern: Union[str, Pattern[str]],
                 timeout: float) -> "re.Match[str]":
        """The next line that matches, after the one matched before."""
        rx = re.compile(pattern)
        end = time.monotonic() + timeout
        with self._changed:
            while True:
                while self._seen < len(self.lines):
                    self._seen += 1
                    match = rx.search(self.lines[self._seen - 1])
                    if match:
                        return match
                if not self.running:
                    raise VmError(f"{self} ended ({self._outcome()}) before it "
                                  f"said /{rx.pattern}/; last: {self._last()}")
                left = end - time.monotonic()
                if left <= 0:
                    raise VmError(f"{self} did not say /{rx.pattern}/ within "
                                  f"{timeout:g} s; last: {self._last()}")
                self._changed.wait(left)

    def wait_line(self, timeout: float, what: str) -> None:
        """Until one line more has come than the last wait has seen."""
        with self._changed:
            if self._changed.wait_for(
                    lambda: len(self.lines) > self._counted
                    or not self.running, max(timeout, 0)) \
                    and len(self.lines) > self._counted:
                self._counted = len(self.lines)
                return
            raise VmError(f"{self}: no {what}; {self._outcome()}; "
                          f"last: {self._last()}")

    def wait(self, timeout: float) -> int:
        """The exit status."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self.running, timeout):
                raise VmError(f"{self} still runs after {timeout:g} s; "
                              f"last: {self._last()}")
            if self.status is None:
                raise VmError(f"{self}: {self.lost}")
            return self.status

    def kill(self, sig: int = signal.SIGKILL) -> None:
        self._agent.send(f"KILL {self._ident} {int(sig)}")

    def _outcome(self) -> str:
        if self.running:
            return "still running"
        return self.lost or f"exit {self.status}"

    def _last(self) -> str:
        return repr(self.lines[-1]) if self.lines else "nothing"


class LineReader(threading.Thread):
    """Connects to a guest's serial line and hands over what it says."""

    def __init__(self, name: str, path: str, sink: LineSink,
                 gone: Optional[Callable[[], None]] = None) -> None:
        super().__init__(name=name, daemon=True)
        self._sink = sink
        self._gone = gone
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._sock.connect(path)
        except OSError:
            self._sock.close()
            raise

    def send(self, line: str) -> None:
        self._sock.sendall((line + "\n").encode())

    def close(self) -> None:
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass    # the other end went first

    def run(self) -> None:
        rest = b""
        while True:
            try:
                data = self._sock.recv(65536)
            except OSError:
                data = b""
            if not data:
                break
            *lines, rest = (rest + data).split(b"\n")
            for raw in lines:
                self._sink(raw.decode("utf-8", "replace").rstrip("\r"))
        self._sock.close()
        if self._gone:
            self._gone()


class Agent:
    """Runs commands in one boot of one guest."""

    def __init__(self, name: str, path: str, log: LineSink) -> None:
        self.name = name
        self.release: Optional[str] = None
        self._log = log
        self._lock = threading.Lock()
        self._hello = threading.Event()
        self._commands: Dict[int, Command] = {}
        self._next = 1
        self._dead = False
        self._line = LineReader(f"{name}-agent", path, self._take, self._lost)
        self._line.start()

    def connect(self, timeout: float) -> str:
        """Waits until the guest answers; gives its kernel's release.

        The greeting of an agent that came up before we connected is lost, so
        ask until it answers; less and less often, for every answer to a
        question of the time of booting goes over a slow line.
        """
        pause = 0.2

        def ask() -> bool:
            nonlocal pause
            if self._dead:
                raise VmError(f"{self.name}: QEMU closed the agent's line "
                              "before the guest was up")
            self.send("PING")
            pause = min(pause * 1.3, 3)
            return self._hello.wait(pause)

        wait_until(f"{self.name}: answer of the guest's agent", ask, timeout, 0)
        assert self.release is not None
        return self.release

    def start(self, text: str) -> Command:
        if "\n" in text:
            raise VmError(f"{self.name}: a command is one line: {text!r}")
        with self._lock:
            command = Command(self, self._next, text)
            self._commands[self._next] = command
            self._next += 1
            if self._dead:
                command.end(None, "the guest is gone")
        self._log(f"$ {text}")
        self.send(f"RUN {command._ident} {text}")
        return command

    def send(self, line: str) -> None:
        try:
            self._line.send(line)
        except OSError:
            self._lost()

    def close(self) -> None:
        self._line.close()

    def _lost(self) -> None:
        with self._lock:
            self._dead = True
            left = list(self._commands.values())
        for command in left:
            command.end(None, "the guest is gone")

    def _take(self, line: str) -> None:
        verb, _, rest = line.partition(" ")
        head, _, text = rest.partition(" ")
        if verb == "HELLO":
            self.release = head
            self._hello.set()
            return
        with self._lock:
            command = self._commands.get(int(head) if head.isdigit() else 0)
        if verb == "OUT" and command:
            self._log(text)
            command.feed(text)
        elif verb == "END" and command:
            status = int(text)
            if status:
                self._log(f"[`{command.text}`: exit {status}]")
            command.end(status)
        elif verb == "ERR" and command:
            command.end(None, f"agent: {text}")
        elif line and self._hello.is_set():
            # before the greeting: our own PINGs, echoed by a line not yet raw
            self._log(f"[agent line not understood: {line[:200]!r}]")
