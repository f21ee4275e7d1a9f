# SPDX-License-Identifier: GPL-2.0-or-later
"""Bounded waits, and the one error this package raises."""

from __future__ import annotations

import os
import time
from typing import Callable, TypeVar

T = TypeVar("T")


class VmError(Exception):
    """What went wrong, where, and how to mend it, in one line."""


def patience() -> float:
    """How many times longer than planned anything may take on this machine.

    Bounds are planned for one that runs its guests itself; VRDMA_PATIENCE says
    what is different where that is emulated.  Costs nothing unless a test fails.
    """
    text = os.environ.get("VRDMA_PATIENCE", "1")
    try:
        factor = float(text)
    except ValueError:
        factor = 0
    if not 1 <= factor <= 1000:
        raise VmError(f"VRDMA_PATIENCE={text}: a factor, from 1 to 1000")
    return factor


def wait_until(what: str, probe: Callable[[], T], timeout: float,
               every: float = 0.05) -> T:
    """Polls `probe` until it gives something true; raises after `timeout`.

    For conditions nobody notifies us of (a file or socket that appears, a
    process that goes). Whatever has a reader thread uses a condition variable.
    """
    timeout *= patience()
    end = time.monotonic() + timeout
    while True:
        got = probe()
        if got:
            return got
        if time.monotonic() >= end:
            raise VmError(f"{what}: not within {timeout:g} s")
        time.sleep(every)
