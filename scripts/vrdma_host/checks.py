# SPDX-License-Identifier: GPL-2.0-or-later
"""All checks, in order: later ones use what earlier ones learnt."""

from __future__ import annotations

from typing import Tuple

from . import check, check_fabric, check_programs, check_socket
from .check import Check, Checked
from .conf import ConfError
from .domain import DomainError

CHECKS: Tuple[Check, ...] = (
    check.find_service,
    check_programs.configuration,
    check_programs.libvirt,         # learns the domains
    check.domains,
    check.hugepages,
    check_programs.qemu,
    check_programs.may_run,
    check_programs.apparmor,
    check_programs.kvm,
    check_socket.sockets,
    check_fabric.fabric,
)


def run_all(c: Checked) -> None:
    if not c.guests:
        c.report.wrong("configuration", f"{c.config.path} has no guest",
                       "add a section [guest NAME] with socket and address")
        return
    for step in CHECKS:
        try:
            step(c)
        except (ConfError, DomainError) as err:
            c.report.wrong("configuration", str(err), "")
            return
