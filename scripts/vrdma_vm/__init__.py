# SPDX-License-Identifier: GPL-2.0-or-later
"""Boots test guests, runs vrdmad beside them and commands inside them."""

from .daemon import GuestConfig, Vrdmad
from .guest import Guest
from .paths import Artifacts
from .transcript import Transcript
from .wait import VmError

__all__ = ["Artifacts", "Guest", "GuestConfig", "Transcript", "VmError",
           "Vrdmad"]
