# SPDX-License-Identifier: GPL-2.0-or-later
"""What the checks found, one line each."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Dict, List, Optional

WRONG, NOTE, OK = "wrong", "note", "ok"


@dataclass(frozen=True)
class Finding:
    """`what` names the place; `mend` is what an operator can do about it."""

    kind: str
    topic: str
    what: str
    mend: str
    guest: Optional[str]

    def line(self) -> str:
        where = f"{self.topic} of guest {self.guest}" if self.guest \
            else self.topic
        mend = f"; {self.mend}" if self.mend else ""
        return f"{self.kind:<6} {where}: {self.what}{mend}"


class Report:
    """Collects findings. Only WRONG ones make a host unfit."""

    def __init__(self) -> None:
        self.findings: List[Finding] = []

    def wrong(self, topic: str, what: str, mend: str,
              guest: Optional[str] = None) -> None:
        self.findings.append(Finding(WRONG, topic, _line(what), _line(mend),
                                     guest))

    def note(self, topic: str, what: str, mend: str = "",
             guest: Optional[str] = None) -> None:
        self.findings.append(Finding(NOTE, topic, _line(what), _line(mend),
                                     guest))

    def ok(self, topic: str, what: str, guest: Optional[str] = None) -> None:
        self.findings.append(Finding(OK, topic, _line(what), "", guest))

    def of(self, kind: str) -> List[Finding]:
        return [f for f in self.findings if f.kind == kind]

    def as_dict(self) -> Dict[str, Any]:
        return {"ready": not self.of(WRONG),
                "findings": [asdict(f) for f in self.findings]}


def _line(text: str) -> str:
    """What a program said in several lines becomes one."""
    return " / ".join(part.strip() for part in text.splitlines() if part.strip())
