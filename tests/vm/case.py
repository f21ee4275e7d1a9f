# SPDX-License-Identifier: GPL-2.0-or-later
"""What a two-guest test is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Type

from vrdma_vm import Lab


@dataclass(frozen=True)
class Case:
    """One test, and the lab that it runs in."""

    name: str
    run: Callable[..., object]
    every_kernel: bool = False
    lab: Type[Lab] = Lab
