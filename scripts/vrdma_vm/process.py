# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes: our children with a captured log, and strangers by their pid."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
from typing import Callable, List, Optional, Sequence, Tuple

from .wait import VmError

LineSink = Callable[[str], None]


class Child:
    """A child process whose output goes line by line to a sink."""

    def __init__(self, argv: Sequence[str], sink: LineSink) -> None:
        self.argv = list(argv)
        self.last = ""
        self._sink = sink
        try:
            self._popen = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, start_new_session=True)
        except OSError as err:
            raise VmError(f"cannot run {self.argv[0]}: {err.strerror}") from err
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._popen.stdout is not None
        for raw in self._popen.stdout:
            line = raw.decode("utf-8", "replace").rstrip()
            self.last = line or self.last
            self._sink(line)
        self._popen.stdout.close()

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def status(self) -> Optional[int]:
        return self._popen.poll()

    def signal(self, sig: int) -> None:
        if self.status is None:
            self._popen.send_signal(sig)

    def wait(self, timeout: float) -> int:
        try:
            status = self._popen.wait(timeout)
        except subprocess.TimeoutExpired as err:
            raise VmError(f"{self.argv[0]} (pid {self.pid}) still runs after "
                          f"{timeout:g} s") from err
        self._reader.join(5)    # what it said last belongs to the log
        return status

    def end(self, timeout: float = 5) -> None:
        """SIGTERM, and SIGKILL for one that does not listen."""
        self.signal(signal.SIGTERM)
        try:
            self.wait(timeout)
        except VmError:
            self.signal(signal.SIGKILL)
            self.wait(timeout)


class Stranger:
    """A process that is not our child, held by a descriptor: a pid that was
    given to another process meanwhile is never hit."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._fd = os.pidfd_open(pid)

    def signal(self, sig: int) -> None:
        try:
            signal.pidfd_send_signal(self._fd, sig)
        except ProcessLookupError:
            pass    # already gone, which is what a signal was to bring about

    def gone(self, timeout: float) -> bool:
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return bool(poll.poll(int(timeout * 1000)))

    def close(self) -> None:
        os.close(self._fd)


def run(argv: Sequence[str], timeout: float) -> Tuple[int, str]:
    """Exit status and merged output of a short command of the host."""
    try:
        done = subprocess.run(list(argv), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=timeout, check=False)
    except subprocess.TimeoutExpired as err:
        raise VmError(f"`{' '.join(argv)}` hangs (over {timeout:g} s)") from err
    except OSError as err:
        raise VmError(f"cannot run {argv[0]}: {err.strerror}") from err
    return done.returncode, done.stdout.decode("utf-8", "replace").strip()
