# SPDX-License-Identifier: GPL-2.0-or-later
"""The two kinds of sides that scenarios drive, one interface for both.

Each is a program (side, plain) that takes commands on its standard input and tells
what happens on its standard output; see talk.h.  All waits are bounded.
"""

from __future__ import annotations

import os
import queue
import shlex
import subprocess
import threading
from pathlib import Path
from typing import Dict, List, Optional

from vrdma_vm.wait import VmError

from link import Side

PROGRAMS = Path(os.environ.get("O", "build")) / "tests" / "nested"
PATIENCE = 20       # seconds for anything that should come; over a deadline


class Puppet:
    """One program; lines that nobody waits for are kept for the report."""

    kind = ""

    def __init__(self, side: Side, argv: List[str]) -> None:
        self.side = side
        self.name = f"{self.kind} on {side.device}"
        self.said: List[str] = []
        self._lines: "queue.Queue[Optional[str]]" = queue.Queue()
        try:
            self._popen = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, bufsize=1)
        except OSError as err:
            raise VmError(f"cannot run {argv[0]}: {err.strerror}; "
                          "make tests, scripts/nested.py push") from err
        threading.Thread(target=self._read, daemon=True).start()
        self.log = self.hear("ready").get("log", "")    # of its vrdmad

    def _read(self) -> None:
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            self.said.append(line.rstrip())
            self._lines.put(line.rstrip())
        self._lines.put(None)

    def say(self, command: str) -> None:
        assert self._popen.stdin is not None
        self.said.append(f"< {command}")
        try:
            self._popen.stdin.write(f"{command}\n")
        except OSError as err:
            raise VmError(f"{self.name} ended before `{command}`: "
                          f"{self._last()}") from err

    def hear(self, what: str, **wanted: str) -> Dict[str, str]:
        """The next line of that name; its words, which must be as wanted."""
        while True:
            try:
                line = self._lines.get(timeout=PATIENCE)
            except queue.Empty as err:
                raise VmError(f"{self.name} did not say `{what}` within "
                              f"{PATIENCE} s; {self._last()}") from err
            if line is None:
                raise VmError(f"{self.name} ended, `{what}` was to come; "
                              f"{self._last()}")
            if line.split(" ")[0] == what:
                break
        words = dict(w.partition("=")[::2] for w in shlex.split(line)[1:])
        if any(words.get(key) != value for key, value in wanted.items()):
            raise VmError(f"{self.name} said `{line}`, wanted "
                          f"{' '.join(f'{k}={v}' for k, v in wanted.items())}")
        return words

    def _last(self) -> str:
        return f"it said last: {' / '.join(self.said[-6:])}"

    def end(self) -> None:
        """By the end of its input; it says with its status whether all that it
        had could be given back."""
        assert self._popen.stdin is not None
        try:
            self._popen.stdin.close()
        except OSError:
            pass    # it is dead; its status tells
        try:
            status = self._popen.wait(PATIENCE)
        except subprocess.TimeoutExpired as err:
            self.kill()
            raise VmError(f"{self.name} did not end; {self._last()}") from err
        if status:
            raise VmError(f"{self.name}: exit {status}; {self._last()}")

    def kill(self) -> None:
        if self._popen.poll() is None:
            self._popen.kill()
            self._popen.wait(PATIENCE)


    # -- what both kinds do alike --

    def _do(self, command: str, answer: str) -> None:
        self.say(command)
        self.hear(answer)

    def listen(self, address: str, port: int) -> None:
        self._do(f"listen {address} {port}", "listening")

    def accept(self) -> None:
        self.hear("request")
        self.say("accept welcome")

    def disconnect(self) -> None:
        """Says so; ended() waits."""
        self._do("disconnect", "disconnect-called")

    def close(self) -> None:
        self._do("close", "closed")

    def renew(self) -> None:
        """For the next connection; whatever was is over."""
        self._do("renew", "renewed")


class Ours(Puppet):
    """NDK calls on a vrdmad of its own, whose fabric is the side's device."""

    kind = "ours"

    def __init__(self, side: Side, deadline_ms: int) -> None:
        super().__init__(side, [str(PROGRAMS / "side"), "-d", side.device, "-n",
                                str(side.number), "-T", str(deadline_ms)])

    def connect(self, _source: str, target: str, port: int) -> None:
        self.say(f"connect {target} {port} hello")

    def replied(self) -> None:
        """It may complete or reject."""
        self.hear("connect-completed", status="SUCCESS")

    def complete(self) -> None:
        self.replied()
        self._do("complete", "complete-completed")

    def accepted(self) -> None:
        self.hear("accept-completed", status="SUCCESS")

    def refused(self) -> str:
        """The private data of the reject."""
        words = self.hear("reply")
        self.hear("connect-completed", status="CONNECTION_REFUSED")
        return words.get("private", "")

    def accept_refused(self) -> None:
        self.hear("accept-completed", status="CONNECTION_REFUSED")

    def reject(self, text: str) -> None:
        self.say(f"reject {text}")
        self.hear("rejected-it", status="SUCCESS")

    def ended(self, status: str = "SUCCESS") -> None:
        """Its disconnect has."""
        self.hear("disconnect-completed", status=status)

    def told(self) -> None:
        """Of the other's disconnect."""
        self.hear("indication", reason="graceful")

    def flush(self) -> None:
        self.say("recv")
        self.hear("posted", status="SUCCESS")
        self._do("flush", "flushed")
        self.hear("done", status="CANCELLED")


class Plain(Puppet):
    """librdmacm, as anybody uses it."""

    kind = "plain"

    def __init__(self, side: Side, _deadline_ms: int) -> None:
        super().__init__(side, [str(PROGRAMS / "plain")])
        self._told = False

    def connect(self, source: str, target: str, port: int) -> None:
        self._told = False
        self.say(f"connect {source} {target} {port} hello")

    def complete(self) -> None:
        """The kernel does it."""
        self.hear("established")

    def accept(self) -> None:
        self._told = False
        super().accept()

    def accepted(self) -> None:
        self.hear("established")

    def refused(self) -> str:
        return self.hear("rejected")["private"]

    def accept_refused(self) -> None:
        self.hear("rejected")

    def reject(self, text: str) -> None:
        self._do(f"reject {text}", "rejected-it")

    def ended(self) -> None:
        """One event stands for both: the other's DREQ, the other's DREP."""
        if not self._told:
            self.told()

    def told(self) -> None:
        self.hear("disconnected")
        self._told = True
