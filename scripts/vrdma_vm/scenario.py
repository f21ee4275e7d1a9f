# SPDX-License-Identifier: GPL-2.0-or-later
"""What two guests do with each other, and what must come of it.

The demo prints these, the two-guest tests run them over both kernels and both
kinds of consumer. Each raises VmError where the outcome differs from what the
disconnect scheme and the tools' own words (nd_ping -h) promise.
"""

from __future__ import annotations

import itertools
import secrets
import shlex
import time
from dataclasses import dataclass
from functools import partial
from typing import Dict, List, Optional, Sequence, Tuple

from .events import Event, Ping
from .guest import Guest
from .lab import ADDRESSES, Lab
from .wait import VmError, patience, wait_until

USER = "nd_ping"
KERNEL = "ndk_ping"

CONNECTION_LOST = 3     # the tools' exit status for it
TOOL_SECONDS = 30       # the tools' own longest wait, unless told (-T)

_ports = itertools.count(18515)


def expect(condition: bool, what: str) -> None:
    if not condition:
        raise VmError(what)


@dataclass
class Run:
    """A server in guest b and a client in guest a."""

    server: Ping
    client: Ping

    @property
    def both(self) -> Tuple[Ping, Ping]:
        return self.server, self.client

    def finish(self, timeout: float = 60) -> None:
        for ping in (self.client, self.server):
            ping.finish(0, timeout)
            check_outstanding(ping)


def start(lab: Lab, tool: str, client: Sequence[str] = (),
          server: Sequence[str] = (), address: Optional[str] = None) -> Run:
    """Starts the server, and the client once the server listens.

    A port of its own for each run: a listener's stays taken until the last
    connection it accepted is closed.
    """
    if tool == KERNEL:
        for guest in lab.guests.values():
            guest.run("modprobe ndk_ping")
    address = address or ADDRESSES["b"][0]
    common = ["-p", str(next(_ports)), "-T",
              str(int(TOOL_SECONDS * patience()))]
    serving = Ping(lab.b, tool, "-s", "-a", address, *common, *server)
    serving.wait_event("listening")
    return Run(serving, Ping(lab.a, tool, "-c", address, *common, *client))


def check_outstanding(ping: Ping) -> Event:
    """Every posted request ended exactly once."""
    event = ping.one("outstanding")
    ended = sum(int(event[k]) for k in ("completed", "cancelled", "failed"))
    expect(int(event["posted"]) == ended,
           f"{ping.command}: posted {event['posted']}, ended {ended}")
    return event


# -- step 1 --

def device_found(guest: Guest) -> Dict[str, List[str]]:
    """The device on the bus, the driver on it, and what nd_info says of it."""
    guest.run("grep -l 0x106a /sys/bus/pci/devices/*/device")
    info: Dict[str, List[str]] = {}
    for line in guest.run("nd_info").lines:
        key, colon, value = line.partition(":")
        if colon:
            info.setdefault(key.strip(), []).append(value.strip())
    for key in ("abi_version", "max_qp", "max_cq", "max_mr",
                "disconnect_timeout_ms"):
        expect(key in info, f"{guest.name}: nd_info shows no {key}")
    want = ADDRESSES[guest.name]
    found = info.get("address", [])
    for address in want:
        expect(any(address in line.split() or address == line
                   for line in found),
               f"{guest.name}: nd_info shows {found}, not the address {address}")
    expect(len(found) == len(want),
           f"{guest.name}: nd_info shows {found}, configured are {want}")
    return info


def disconnect_deadline_ms(guest: Guest) -> int:
    line = guest.run("nd_info | grep disconnect_timeout_ms").lines[-1]
    return int(line.partition(":")[2])


# -- step 2 --

def connects(lab: Lab, tool: str, address: Optional[str] = None) -> None:
    """Private data reaches the other side exactly, each way."""
    text_a = f"A says {secrets.token_hex(4)}"
    text_b = f"B answers {secrets.token_hex(6)}"
    run = start(lab, tool, ["-P", shlex.quote(text_a), "-S", "64", "-C", "1"],
                ["-P", shlex.quote(text_b)], address)
    run.finish()
    request, at_b = (run.server.one(n) for n in ("connect-request", "connected"))
    at_a = run.client.one("connected")
    expect(request["private"] == text_a,
           f"B got private data {request['private']!r}, A sent {text_a!r}")
    expect(at_a["private"] == text_b,
           f"A got private data {at_a['private']!r}, B sent {text_b!r}")
    expect(at_a["local"] == at_b["peer"] == request["peer"]
           and at_a["peer"] == at_b["local"],
           f"the two ends differ on their addresses: A `{at_a}`, B `{at_b}`")


# -- step 3 --

def transfers(lab: Lab, tool: str, op: str, size: str, count: int,
              timeout: float = 120, address: Optional[str] = None) -> Event:
    """Moves data; both ends compare its content."""
    args = ["-m", op, "-S", size, "-C", str(count), "-t", "verify"]
    run = start(lab, tool, args, address=address)
    run.finish(timeout)
    event = run.client.one("transfer")
    want = _bytes(size) * count
    expect(event["op"] == op and int(event["bytes"]) == want,
           f"A was to {op} {want} bytes and says `{event}`")
    for ping in run.both:
        for event in ping.events("transfer"):
            expect(event["verify"] == "ok", f"{ping.command}: `{event}`")
    return run.client.one("transfer")


def _bytes(size: str) -> int:
    unit = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    if size[-1] in unit:
        return int(size[:-1]) * unit[size[-1]]
    return int(size)


# -- step 4 --

def disconnects(lab: Lab, tool: str) -> None:
    """A's Disconnect stays pending until B has called its own."""
    hold = f"/tmp/hold-{secrets.token_hex(4)}"
    run = start(lab, tool, ["-S", "4K", "-C", "4", "-D", "client", "-L"],
                ["-H", hold])
    run.client.wait_event("disconnect-pending")
    indication = run.server.wait_event("indication")
    expect(indication["reason"] == "graceful" and indication["count"] == "1",
           f"B's indication is `{indication}`, not the first and graceful")
    expect(not run.client.events("disconnect-completed"),
           "A's Disconnect completed before B called its own")
    expect(not run.server.events("disconnect-called"),
           "B called Disconnect although it was told to hold")
    lab.say("A's Disconnect is pending, B has its indication; now B may go on")
    lab.b.run(f"touch {hold}")
    done = run.client.wait_event("disconnect-completed")
    expect(done["status"] == "SUCCESS", f"A's Disconnect ended `{done}`")
    run.finish()
    expect(run.server.one("disconnect-completed")["status"] == "SUCCESS",
           "B's Disconnect failed")
    expect(len(run.server.events("indication")) == 1,
           f"B got {len(run.server.events('indication'))} indications")
    late = {e["op"]: e["completed"] for e in run.client.events("late-post")}
    expect(late == {"send": "CANCELLED", "receive": "CANCELLED"},
           f"late posts on A's queue pair completed {late or 'not at all'}")


def who_disconnects(lab: Lab, tool: str, who: str) -> None:
    """Whoever calls, alone or both at once: both end with success."""
    args = ["-D", who, "-C", "4"]
    run = start(lab, tool, args, ["-D", who])
    run.finish()
    for ping in run.both:
        status = ping.one("disconnect-completed")["status"]
        expect(status == "SUCCESS", f"{ping.command}: Disconnect: {status}")
        count = len(ping.events("indication"))
        expect(count <= 1, f"{ping.command}: {count} indications")


# -- step 6 --

def loses(ping: Ping, deadline_ms: int, reasons: Sequence[str]) -> None:
    """The connection died: one indication that says why, then a Disconnect
    that fails in time, and every request ended."""
    indication = ping.wait_event("indication", deadline_ms / 1000 + 15)
    expect(indication["reason"] in reasons,
           f"{ping.command}: `{indication}`, expected {' or '.join(reasons)}")
    done = ping.wait_event("disconnect-completed", deadline_ms / 1000 + 15)
    expect(done["status"] != "SUCCESS",
           f"{ping.command}: Disconnect succeeded with a peer that is gone")
    expect(done.number("after_ms") <= deadline_ms + 1000,
           f"{ping.command}: Disconnect took {done['after_ms']} ms, the "
           f"deadline is {deadline_ms} ms")
    ping.finish(CONNECTION_LOST, 30)
    expect(len(ping.events("indication")) == 1,
           f"{ping.command}: {len(ping.events('indication'))} indications")
    check_outstanding(ping)


def keep_transferring(lab: Lab, tool: str, op: str = "write") -> Run:
    """Two ends that move data until something ends them."""
    run = start(lab, tool, ["-m", op, "-S", "1M", "-K"])
    run.client.wait_event("transferring", 30)
    return run


def peer_guest_dies(lab: Lab, tool: str) -> None:
    """B loses power in mid-transfer; A's device works on."""
    deadline = disconnect_deadline_ms(lab.a)
    mark = lab.a.mark()
    run = keep_transferring(lab, tool)
    lab.say("kill -9 of B's QEMU in mid-transfer")
    lab.b.kill()
    loses(run.client, deadline, ["peer-gone"])
    lab.boot("b")
    lab.load_drivers("b")
    transfers(lab, tool, "write", "4M", 1)
    recovered = [line for line in lab.a.console[mark:] if _RESET in line]
    expect(not recovered, f"A's device was reset as well: {recovered[:1]}")


_RESET = "recover"      # a word of the driver's line for a reset device


def vrdmad_dies(lab: Lab, tool: str) -> None:
    """vrdmad is killed under both guests and comes back."""
    deadline = disconnect_deadline_ms(lab.a)
    run = keep_transferring(lab, tool)
    lab.say("kill -9 of vrdmad in mid-transfer")
    lab.vrdmad.kill()
    for ping in run.both:
        loses(ping, deadline, ["device-reset", "local-error", "reset"])
    alive(lab)
    lab.say("vrdmad again")
    lab.vrdmad.start()
    devices_back(lab)
    transfers(lab, tool, "write", "4M", 1)


def alive(lab: Lab) -> None:
    """QEMU lives and answers, its guest runs."""
    for guest in lab.guests.values():
        state = guest.qmp("query-status")
        expect(bool(state["running"]), f"{guest.name}: QEMU says {state}")
        guest.run("true")


def ready(lab: Lab) -> None:
    """Everything is there and a next job can use it."""
    for name, daemon in lab.daemons.items():
        expect(daemon.running, f"vrdmad of guest {name} does not run")
    alive(lab)
    lab.load_drivers()
    devices_back(lab)


def unload(guest: Guest) -> None:
    """Takes the driver out, with its kernel consumer if that is there."""
    guest.run("! grep -q '^ndk_ping ' /proc/modules || rmmod ndk_ping; "
              "rmmod vrdma")


def devices_back(lab: Lab, timeout: float = 30) -> float:
    """Until both guests' devices answer again."""
    begin = time.monotonic()
    for guest in lab.guests.values():
        wait_until(f"{guest.name}: device to come back",
                   partial(_usable, guest), timeout, 0.2)
    return time.monotonic() - begin


def _usable(guest: Guest) -> bool:
    return guest.run("nd_info >/dev/null 2>&1", check=False).status == 0
