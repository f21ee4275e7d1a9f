# SPDX-License-Identifier: GPL-2.0-or-later
"""The tests with a host for each guest: what is between them is iWARP over TCP."""

from __future__ import annotations

from functools import partial
from typing import List

from vrdma_vm import ADDRESSES
from vrdma_vm.scenario import (
    KERNEL, USER, alive, connects, devices_back, disconnect_deadline_ms,
    disconnects, expect, keep_transferring, loses, transfers, who_disconnects)

from case import Case
from cases_suites import PROGRAMS, SUITES, ndspi_suite, suite_passes
from hosts import CABLE, TwoHosts

V4, V6 = ADDRESSES["b"]
# A host that says nothing any more is given up after 10 s and rnr-timeout-ms,
# whose default is 10 s; docs/iwarp.md, "A dead peer"
DEAD_MS = 20000


def moves(lab: TwoHosts, tool: str, op: str, size: str, count: int,
          address: str) -> None:
    """Moves data, compares it, and makes sure that it came by the cable."""
    before = sum(lab.moved)
    event = transfers(lab, tool, op, size, count, address=address)
    came = sum(lab.moved) - before
    expect(came >= int(event["bytes"]),
           f"{event['bytes']} bytes were moved, {came} of them by the cable")


def a_vrdmad_dies(lab: TwoHosts, whose: str, tool: str) -> None:
    """One host's, under traffic: the other host's guest is told, once and in
    time, its device goes on; and both work again."""
    deadline = disconnect_deadline_ms(lab.a)
    run = keep_transferring(lab, tool)
    sides = {"a": run.client, "b": run.server}
    lab.say(f"kill -9 of {whose}'s vrdmad in mid-transfer")
    lab.daemons[whose].kill()
    for name, ping in sides.items():
        loses(ping, deadline, ["device-reset"] if name == whose else ["reset"])
    alive(lab)
    lab.daemons[whose].start()
    devices_back(lab)
    transfers(lab, tool, "write", "1M", 1)


def a_vrdmad_ends(lab: TwoHosts) -> None:
    """SIGTERM says why to both, also over the wire."""
    deadline = disconnect_deadline_ms(lab.a)
    run = keep_transferring(lab, USER)
    status = lab.daemons["b"].stop()
    expect(status == 0, f"b's vrdmad ended with {status} on SIGTERM")
    for ping in run.both:
        loses(ping, deadline, ["administrator"])
    lab.daemons["b"].start()
    devices_back(lab)
    transfers(lab, USER, "send", "64", 1)


def cable_is_cut(lab: TwoHosts) -> None:
    """Nobody says anything any more, and both ends notice."""
    run = keep_transferring(lab, USER)
    host = lab.hosts["b"]
    host.ip("link", "set", CABLE, "down")
    try:
        for ping in run.both:
            loses(ping, DEAD_MS, ["timed-out"])
    finally:
        host.plug()
        for each in lab.hosts.values():
            each.wait_plugged()
    transfers(lab, USER, "write", "1M", 1)


def _case(name: str, run: object, every_kernel: bool = False) -> Case:
    return Case(f"hosts-{name}", run, every_kernel, TwoHosts)


def _moves(tool: str, op: str, size: str, count: int, address: str) -> Case:
    whose = "user" if tool == USER else "kernel"
    family = "ipv6" if address == V6 else "ipv4"
    return _case(f"{op}-{size}-{whose}-{family}",
                 partial(moves, tool=tool, op=op, size=size, count=count,
                         address=address),
                 every_kernel=size == "1M" and address == V6)


TWO_HOSTS: List[Case] = [
    *[_case(f"connect-{family}", partial(connects, tool=USER, address=address))
      for family, address in (("ipv4", V4), ("ipv6", V6))],
    *[_moves(USER, op, size, count, address)
      for address in (V4, V6)
      for op in ("send", "write", "read")
      for size, count in (("64", 64), ("1M", 8))],
    *[_moves(KERNEL, op, "1M", 4, V4) for op in ("send", "write", "read")],
    _case("disconnect-user", partial(disconnects, tool=USER)),
    *[_case(f"disconnect-by-{who}",
            partial(who_disconnects, tool=USER, who=who))
      for who in ("client", "server", "both")],
    _case("peers-vrdmad-dies", partial(a_vrdmad_dies, whose="b", tool=USER),
          True),
    _case("own-vrdmad-dies", partial(a_vrdmad_dies, whose="a", tool=USER)),
    _case("peers-vrdmad-dies-kernel",
          partial(a_vrdmad_dies, whose="b", tool=KERNEL)),
    _case("peers-vrdmad-ends", a_vrdmad_ends),
    _case("cable-is-cut", cable_is_cut),
    # a guest to itself, by iWARP all the same
    *[_case(f"kernel-{suite}", partial(suite_passes, suite=suite))
      for suite in SUITES],
    *[_case(f"ndspi-{name}", partial(ndspi_suite, program=f"nd_test_{name}"))
      for name in PROGRAMS],
]
