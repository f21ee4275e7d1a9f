# SPDX-License-Identifier: GPL-2.0-or-later
"""One merged, time-stamped transcript of everything that talks."""

from __future__ import annotations

import re
import sys
import threading
import time
from pathlib import Path
from typing import IO, Optional

# Control characters (a hostile guest, a boot loader's escape sequences) never
# reach the terminal.
_UNPRINTABLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


class Transcript:
    """Every line goes to the file; what matters also to the terminal.

    A line is `seconds source| text`. `quiet` lines (a booting kernel's) reach
    the terminal only when verbose.
    """

    def __init__(self, file: Optional[Path] = None, verbose: bool = False,
                 show: bool = True) -> None:
        self._lock = threading.Lock()
        self._start = time.monotonic()
        self._file: Optional[IO[str]] = None
        self._verbose = verbose
        self._show = show
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._file = file.open("w", encoding="utf-8")

    def add(self, source: str, text: str, quiet: bool = False) -> None:
        text = _UNPRINTABLE.sub("", text.rstrip())
        with self._lock:
            line = f"{time.monotonic() - self._start:8.3f} {source:<10}| {text}"
            if self._file is not None:
                self._file.write(line + "\n")
                self._file.flush()
            if self._verbose or (self._show and not quiet):
                print(line, flush=True)

    def plain(self, text: str) -> None:
        """A line for the reader and for scripts, without a time stamp."""
        with self._lock:
            if self._file is not None:
                self._file.write(text + "\n")
                self._file.flush()
            print(text, flush=True)
            sys.stdout.flush()
