# SPDX-License-Identifier: GPL-2.0-or-later
"""What the checks found, one line each."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Dict, List, Optional, Tuple

WRONG, NOTE, OK = "wrong", "note", "ok"


@dataclass(frozen=True)
class Finding:
    """`what` names the place; `mend` is what an operator can do about it."""

    kind: str
    topic: str
    what: str
    mend: str
    guests: Tuple[str, ...] = ()        # whom it concerns; none: the host

    def line(self) -> str:
        where = self.topic
        if self.guests:
            some = "guests" if len(self.guests) > 1 else "guest"
            where += f" of {some} {', '.join(self.guests)}"
        mend = f"; {self.mend}" if self.mend else ""
        return f"{self.kind:<6} {where}: {self.what}{mend}"


class Report:
    """Collects findings. Only WRONG ones make a host unfit."""

    def __init__(self) -> None:
        self.findings: List[Finding] = []

    def wrong(self, topic: str, what: str, mend: str,
              guest: Optional[str] = None) -> None:
        self._add(WRONG, topic, what, mend, guest)

    def note(self, topic: str, what: str, mend: str = "",
             guest: Optional[str] = None) -> None:
        self._add(NOTE, topic, what, mend, guest)

    def ok(self, topic: str, what: str, guest: Optional[str] = None) -> None:
        self._add(OK, topic, what, "", guest)

    def _add(self, kind: str, topic: str, what: str, mend: str,
             guest: Optional[str]) -> None:
        """The same of several guests is said once."""
        new = Finding(kind, topic, _line(what), _line(mend))
        for i, old in enumerate(self.findings):
            if replace(old, guests=()) == new:
                new = replace(old, guests=(*old.guests, guest) if guest else ())
                self.findings[i] = new
                return
        self.findings.append(replace(new, guests=(guest,) if guest else ()))

    def of(self, kind: str) -> List[Finding]:
        return [f for f in self.findings if f.kind == kind]

    def as_dict(self) -> Dict[str, Any]:
        return {"ready": not self.of(WRONG),
                "findings": [asdict(f) for f in self.findings]}


def _line(text: str) -> str:
    """What a program said in several lines becomes one."""
    return " / ".join(part.strip() for part in text.splitlines() if part.strip())
