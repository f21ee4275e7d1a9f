# SPDX-License-Identifier: GPL-2.0-or-later
"""Boots test guests, runs vrdmad beside them and commands inside them."""

from .lab import ADDRESSES, DISCONNECT_TIMEOUT_MS, Lab
from .paths import Artifacts
from .transcript import Transcript
from .wait import VmError

__all__ = ["ADDRESSES", "Artifacts", "DISCONNECT_TIMEOUT_MS", "Lab",
           "Transcript", "VmError"]
