# SPDX-License-Identifier: GPL-2.0-or-later
"""A minimal QMP client: is QEMU alive, and what does it think."""

from __future__ import annotations

import json
import socket
from typing import Any, Dict

from .wait import VmError


def qmp(path: str, command: str, /, *, timeout: float = 10,
        **arguments: Any) -> Any:
    """Runs one command on a connection of its own and gives its answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout)
        try:
            sock.connect(path)
            with sock.makefile("rw", encoding="utf-8", newline="\n") as f:
                json.loads(f.readline())        # greeting
                _call(f, {"execute": "qmp_capabilities"})
                answer = _call(f, {"execute": command,
                                   "arguments": {k.replace("_", "-"): v for
                                                 k, v in arguments.items()}})
        except (OSError, ValueError) as err:
            raise VmError(f"QMP {command} on {path}: {err}") from err
    if "error" in answer:
        raise VmError(f"QMP {command} on {path}: {answer['error']['desc']}")
    return answer["return"]


def _call(f: Any, request: Dict[str, Any]) -> Dict[str, Any]:
    f.write(json.dumps(request) + "\n")
    f.flush()
    while True:
        answer = json.loads(f.readline())
        if "event" not in answer:       # events may come in between
            return answer
