#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What both sides' connection managers say on the wire, scenario by scenario.

usage: part3.py [-h] [NAME...]

Runs in the machine of scripts/nested.py. A is the side that connects, on rxe0; B
listens, on rxe1. Either is ours (a guest's core and a vrdmad) or plain librdmacm.
Each scenario is captured on the cable and must show its messages, in their order,
once, and no others; a repetition has the transaction id of the first and is none.
The captures of those that fail stay in build/log, with the logs of vrdmad. NAME:
only scenarios whose name has that in it. The last line is `N passed, N failed`;
status 1: some failed, 2: there is no such scenario.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, List, Tuple, Type

import link
from link import SIDES
from vrdma_vm.wait import VmError, wait_until

import wire
from capture import Capture
from puppet import Ours, Plain, Puppet

LOG = Path("build/log")
# Of ours.  The kernel says a DREQ again after some four seconds: one repetition
# at least belongs to the scenario without an answer
DEADLINE_MS = 12000
PORT = {"ours": 7001, "plain": 7002}
NOBODYS_PORT = 7999
PATIENCE = 20
ENOUGH = 5          # failures: more of them would say no more

SETUP = (">REQ", "<REP", ">RTU")
TABLE = "vrdma_part3"


@dataclass
class Scene:
    """What a scenario has in hand."""

    a: Puppet
    b: Puppet
    family: str
    capture: Capture

    def _address(self, number: int) -> str:
        side = SIDES[number]
        return side.ipv4 if self.family == "-4" else side.ipv6

    def call(self, port: int) -> None:
        self.a.connect(self._address(0), self._address(1), port)

    def request(self) -> None:
        self.call(PORT[self.b.kind])

    def establish(self) -> None:
        self.request()
        self.b.accept()
        self.a.complete()
        self.b.accepted()

    def shows(self, *story: str) -> wire.Connection:
        """The cable, now or soon; and then nothing else."""
        wanted = list(story)
        try:
            wait_until("the wire", lambda: self._stories() == [wanted], PATIENCE)
        except VmError:
            pass    # said below, in more words
        self.capture.wait_for_all()
        return self.exact(*story)

    def exact(self, *story: str) -> wire.Connection:
        """What was captured so far."""
        found = self.capture.connections
        if [c.story() for c in found] != [list(story)]:
            raise VmError(f"wanted {' '.join(story)}, saw "
                          f"{'; '.join(map(str, found)) or 'nothing'}")
        return found[0]

    def _stories(self) -> List[List[str]]:
        return [c.story() for c in self.capture.connections]


class Deaf:
    """DREQs are lost on their way into a side, behind the tap."""

    def __init__(self, number: int) -> None:
        # attribute id of the management datagram, behind UDP, BTH and DETH
        self._rules = (
            f"table inet {TABLE} {{ chain in {{ "
            "type filter hook prerouting priority raw; "
            f"iifname {SIDES[number].netdev} udp dport {wire.UDP_PORT} "
            "@th,64,8 0x64 @th,352,16 0x15 drop; }; }")

    def __enter__(self) -> None:
        self._forget()
        link.run("nft", self._rules)

    def __exit__(self, *_: object) -> None:
        self._forget()

    @staticmethod
    def _forget() -> None:
        """Also what somebody left behind who was killed."""
        link.run("nft", f"add table inet {TABLE}; delete table inet {TABLE}")


# -- scenarios: what the sides do; returns the story, which must be all there is --

Story = Tuple[str, ...]


def a_disconnects(s: Scene) -> Story:
    s.establish()
    s.a.disconnect()
    s.b.told()
    s.b.disconnect()
    s.a.ended()
    s.b.ended()
    return SETUP + (">DREQ", "<DREP")


def b_disconnects(s: Scene) -> Story:
    s.establish()
    s.b.disconnect()
    s.a.told()
    s.a.disconnect()
    s.b.ended()
    s.a.ended()
    return SETUP + ("<DREQ", ">DREP")


def crossing_at_a(s: Scene) -> Story:
    """A has said DREQ, B's arrives, but not A's at B."""
    s.establish()
    with Deaf(1):
        s.a.disconnect()
        s.shows(*SETUP, ">DREQ")
        s.b.disconnect()
        s.a.ended()
        if s.a.kind == "plain":
            s.a.disconnect()    # the second time is the answer
        s.b.ended()
    return SETUP + (">DREQ", "<DREQ", ">DREP")


def crossing_at_b(s: Scene) -> Story:
    s.establish()
    with Deaf(0):
        s.b.disconnect()
        s.shows(*SETUP, "<DREQ")
        s.a.disconnect()
        s.b.ended()
        if s.b.kind == "plain":
            s.b.disconnect()
        s.a.ended()
    return SETUP + ("<DREQ", ">DREQ", "<DREP")


def b_closes_instead(s: Scene) -> Story:
    s.establish()
    s.a.disconnect()
    s.b.told()
    s.b.close()
    s.a.ended()
    return SETUP + (">DREQ", "<DREP")


def a_closes_instead(s: Scene) -> Story:
    s.establish()
    s.b.disconnect()
    s.a.told()
    s.a.close()
    s.b.ended()
    return SETUP + ("<DREQ", ">DREP")


def _again(s: Scene, *story: str) -> Story:
    """The last message was repeated; shows() counts no repetitions."""
    times = s.shows(*story).times(story[-1][1:])
    if times < 2:
        raise VmError(f"wanted {story[-1]} again within {DEADLINE_MS} ms, saw "
                      f"it {times} times")
    return story


def a_never_answered(s: Scene) -> Story:
    s.establish()
    s.a.disconnect()
    s.b.told()
    s.a.ended("IO_TIMEOUT")     # type: ignore[call-arg]
    return _again(s, *SETUP, ">DREQ")


def b_never_answered(s: Scene) -> Story:
    s.establish()
    s.b.disconnect()
    s.a.told()
    s.b.ended("IO_TIMEOUT")     # type: ignore[call-arg]
    return _again(s, *SETUP, "<DREQ")


def _reject(s: Scene, reason: str, text: str, *story: str) -> Story:
    """The last message is one, and why."""
    last = s.shows(*story).all[-1]
    saw = wire.REASONS.get(last.reason, last.reason)
    if saw != reason:
        raise VmError(f"wanted a reject for `{reason}`, saw `{saw}`")
    if not last.private.startswith(text.encode() + b"\0"):
        raise VmError(f"wanted a reject with `{text}`, saw "
                      f"{last.private[:len(text) + 1]!r}")
    return story


def b_rejects(s: Scene) -> Story:
    s.request()
    s.b.hear("request")
    s.b.reject("no-thanks")
    said = s.a.refused()
    if said != "no-thanks":
        raise VmError(f"wanted the reject's data `no-thanks`, A saw `{said}`")
    return _reject(s, "consumer", "no-thanks", ">REQ", "<REJ")


def a_rejects(s: Scene) -> Story:
    """Instead of CompleteConnect."""
    s.request()
    s.b.accept()
    s.a.replied()               # type: ignore[attr-defined]
    s.a.reject("after-all-not")
    s.b.accept_refused()
    return _reject(s, "consumer", "after-all-not", ">REQ", "<REP", ">REJ")


def a_closes(s: Scene) -> Story:
    """Nobody has disconnected."""
    s.establish()
    s.a.close()
    s.b.told()
    s.b.disconnect()
    s.b.ended()
    return SETUP + (">DREQ", "<DREP")


def b_closes(s: Scene) -> Story:
    s.establish()
    s.b.close()
    s.a.told()
    s.a.disconnect()
    s.a.ended()
    return SETUP + ("<DREQ", ">DREP")


def nobody_listens(s: Scene) -> Story:
    s.call(NOBODYS_PORT)
    s.a.refused()
    return _reject(s, "invalid service id", "", ">REQ", "<REJ")


def a_flushes(s: Scene) -> Story:
    """Which is no word to the other side."""
    s.establish()
    s.a.flush()                 # type: ignore[attr-defined]
    s.shows(*SETUP)
    s.a.disconnect()
    s.b.told()
    s.b.disconnect()
    s.a.ended()
    s.b.ended()
    return SETUP + (">DREQ", "<DREP")


# Name, what happens, who they are: A-B
Row = Tuple[str, Callable[[Scene], Story], str]
BOTH_OURS, OURS_A, OURS_B = "ours-ours", "ours-plain", "plain-ours"
ALL = f"{BOTH_OURS} {OURS_A} {OURS_B}"
TABLE_OF_SCENARIOS: List[Row] = [
    ("A disconnects, B answers", a_disconnects, ALL),
    ("B disconnects, A answers", b_disconnects, ALL),
    ("crossing, A hears of it", crossing_at_a, ALL),
    ("crossing, B hears of it", crossing_at_b, ALL),
    ("A disconnects, B closes", b_closes_instead, ALL),
    ("B disconnects, A closes", a_closes_instead, ALL),
    ("A closes without Disconnect", a_closes, ALL),
    ("B closes without Disconnect", b_closes, ALL),
    ("B rejects", b_rejects, ALL),
    ("A rejects instead of completing", a_rejects, f"{BOTH_OURS} {OURS_A}"),
    ("nobody listens", nobody_listens, BOTH_OURS),
    ("A flushes, then disconnects", a_flushes, f"{BOTH_OURS} {OURS_A}"),
    ("A is never answered", a_never_answered, OURS_A),
    ("B is never answered", b_never_answered, BOTH_OURS),
]


class Cast:
    """The sides, which live from scenario to scenario until one fails."""

    KINDS: Dict[str, Type[Puppet]] = {"ours": Ours, "plain": Plain}

    def __init__(self) -> None:
        self._live: Dict[Tuple[str, int], Puppet] = {}

    def get(self, kind: str, number: int) -> Puppet:
        key = (kind, number)
        if key not in self._live:
            puppet = self.KINDS[kind](SIDES[number], DEADLINE_MS)
            self._live[key] = puppet
            if number == 1:
                for address in (SIDES[1].ipv4, SIDES[1].ipv6):
                    puppet.listen(address, PORT[kind])
        return self._live[key]

    def drop(self, *puppets: Puppet) -> None:
        for key, puppet in list(self._live.items()):
            if puppet in puppets:
                puppet.kill()
                del self._live[key]

    def end(self) -> None:
        """All of them; what they hold must be given back."""
        problems = []
        for puppet in self._live.values():
            try:
                puppet.end()
            except VmError as err:
                problems.append(str(err))
        self._live.clear()
        if problems:
            raise VmError("; ".join(problems))


def play(cast: Cast, row: Row, who: str, family: str, file: Path) -> None:
    kind_a, kind_b = who.split("-")
    a, b = cast.get(kind_a, 0), cast.get(kind_b, 1)
    try:
        with Capture(file) as capture:
            scene = Scene(a, b, family, capture)
            story = row[1](scene)
            scene.shows(*story)
        scene.exact(*story)
        a.renew()
        b.renew()
    except BaseException:
        cast.drop(a, b)
        for puppet in (a, b):
            if puppet.log:
                shutil.copy(puppet.log,
                            file.with_suffix(f".{puppet.side.device}.log"))
        raise
    file.unlink()


def scenarios(wanted: List[str]) -> List[Tuple[str, Row, str, str]]:
    """All rows once for each pair; the first one over IPv6, too."""
    rows = [(f"{row[0]} ({who})", row, who, "-4")
            for row in TABLE_OF_SCENARIOS for who in row[2].split()]
    rows += [(f"{row[0]} ({who}, IPv6)", row, who, "-6")
             for row in TABLE_OF_SCENARIOS[:1] for who in row[2].split()]
    return [r for r in rows if not wanted or any(w in r[0] for w in wanted)]


def _file(name: str) -> Path:
    words = "".join(c if c.isalnum() else " " for c in name).split()
    return LOG / f"part3-{'-'.join(words)}.pcap"


def main() -> int:
    if sys.argv[1:2] in (["-h"], ["--help"]):
        print(__doc__)
        return 0
    played = scenarios(sys.argv[1:])
    if not played:
        print(f"part3: no scenario's name has one of: {' '.join(sys.argv[1:])}",
              file=sys.stderr)
        return 2
    passed = failed = 0
    cast = Cast()

    def judge(name: str, test: Callable[[], None], kept: str = "") -> None:
        nonlocal passed, failed
        try:
            test()
            passed += 1
            print(f"ok {name}", flush=True)
        except VmError as err:
            failed += 1
            print(f"FAILED {name}: {err}{kept}", flush=True)

    try:
        link.up()
        for name, row, who, family in played:
            if failed >= ENOUGH:
                failed += 1
                print(f"FAILED {name}: not played, {ENOUGH} failed before it",
                      flush=True)
                continue
            file = _file(name)
            judge(name, lambda r=row, w=who, f=family, p=file:    # type: ignore
                  play(cast, r, w, f, p), f"; capture and logs: {file.with_suffix('.*')}")
        judge("every side gives back what it had", cast.end)
    except (VmError, subprocess.SubprocessError) as err:
        failed += 1
        print(f"FAILED preparation: {err}", flush=True)
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
