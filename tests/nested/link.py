#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Two RDMA devices of one kernel, joined by a cable, as if they were two hosts.

usage: link.py up | down | mend | show

mend: an end was set down and up; it gets back what that took

rxe of Linux 6.12 lives in the initial network namespace only, so both ends of a
veth pair stay there, rx0 with rxe0 and rx1 with rxe1.  Routing rules make what
goes from an address of one to an address of the other leave by its own end and
come in by the other's; the kernel would hand it over without a packet otherwise:

  10  what came in by an end is for us              (iif rx* lookup local)
  20  from a side to itself: as always              (lookup local)
  30  to a side's addresses: out by the other end   (lookup 100 + side)
  100 everything else as always                     (was 0)

Each side has some addresses, for some guests of its host.  They are those that
tests give their guests anyway: 10.0.0.1 and .2 (tests/lib/vrdmad.h), 10.77.0.1 and
.2 (scripts/vrdma_vm/lab.py), likewise fd00:: and fd77::.  The odd ones are rxe0's.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent
                       / "scripts"))

from vrdma_vm.wait import VmError, wait_until    # noqa: E402

MTU = 9000          # of the cable; an RDMA packet carries 4096 bytes of it
NETWORKS = {"-4": ("10.0.0.", "10.77.0."), "-6": ("fd00::", "fd77::")}
ADDRESSES = 2       # of each of them on each side
MODULES = ("crc32_generic", "veth", "rdma_rxe", "ib_uverbs", "rdma_ucm")


@dataclass(frozen=True)
class Side:
    """One of the two hosts."""

    number: int

    @property
    def netdev(self) -> str:
        return f"rx{self.number}"

    @property
    def device(self) -> str:
        return f"rxe{self.number}"

    @property
    def sent_packets(self) -> int:
        """Those that its RDMA device put on the cable so far."""
        return int(Path(f"/sys/class/infiniband/{self.device}/ports/1/"
                        "hw_counters/sent_pkts").read_text())

    @property
    def mac(self) -> str:
        return f"02:00:00:00:00:0{self.number}"

    @property
    def table(self) -> str:
        """The way to it."""
        return str(100 + self.number)

    @property
    def other(self) -> "Side":
        return SIDES[1 - self.number]

    def all(self, family: str) -> List[str]:
        last = 1 + self.number
        return [f"{network}{last + 2 * n}" for network in NETWORKS[family]
                for n in range(ADDRESSES)]

    @property
    def ipv4(self) -> str:
        return self.all("-4")[0]

    @property
    def ipv6(self) -> str:
        return self.all("-6")[0]


SIDES = (Side(0), Side(1))

# Beside `ip`: what lets a kernel talk to itself from outside
_SETTINGS: Dict[str, str] = {
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/{dev}/rp_filter": "0",
    "ipv4/conf/{dev}/accept_local": "1",
    "ipv4/conf/{dev}/arp_ignore": "8",      # who is who is told below
    "ipv6/conf/{dev}/accept_dad": "0",
}


def run(*argv: str, check: bool = True) -> str:
    done = subprocess.run(argv, stdout=subprocess.PIPE, timeout=30, text=True,
                          stderr=subprocess.STDOUT, check=False)
    if check and done.returncode:
        raise VmError(f"`{' '.join(argv)}`: exit {done.returncode}: "
                      f"{done.stdout.strip()}")
    return done.stdout


def ip(family: str, *lines: str) -> None:
    """All lines by one `ip`."""
    done = subprocess.run(["ip", family, "-batch", "-"], timeout=30, text=True,
                          input="".join(f"{line}\n" for line in lines),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False)
    if done.returncode:
        raise VmError(f"`ip {family}`: exit {done.returncode}: "
                      f"{done.stdout.strip()}; of: {'; '.join(lines)}")


def _ready() -> bool:
    return all(f"link {s.device}/1 state ACTIVE" in run("rdma", "link")
               for s in SIDES)


def is_up() -> bool:
    return Path("/sys/class/infiniband/rxe1").exists() and _ready()


def _addresses(family: str, side: Side) -> List[str]:
    length = "32" if family == "-4" else "128 nodad"
    return [line for address in side.all(family) for line in (
        f"addr replace {address}/{length} dev {side.netdev}",
        f"neigh replace {address} lladdr {side.mac} dev {side.other.netdev} "
        "nud permanent")]


def _ways(family: str, side: Side) -> List[str]:
    by = side.other
    return [f"route replace {to} dev {by.netdev} src {by.all(family)[0]} "
            f"table {side.table}" for to in side.all(family)]


def _rules(family: str, side: Side) -> List[str]:
    mine = side.all(family)
    lines = [f"rule add pref 10 iif {side.netdev} lookup local"]
    for to in mine:
        lines += [f"rule add pref 20 from {by} to {to} lookup local"
                  for by in mine]
        lines.append(f"rule add pref 30 to {to} lookup {side.table}")
    return lines


def mend() -> None:
    """The ends are up, with their addresses and the ways between them."""
    ip("-4", *[f"link set {s.netdev} up" for s in SIDES])
    for family in ("-4", "-6"):
        # a route names an address, so all of these come first
        ip(family, *[w for s in SIDES for w in _addresses(family, s)],
           *[w for s in SIDES for w in _ways(family, s)])


def up() -> None:
    """Does nothing when it is."""
    if is_up():
        return
    down()
    for module in MODULES:
        run("modprobe", module)
    ip("-4", f"link add {SIDES[0].netdev} mtu {MTU} type veth "
       f"peer name {SIDES[1].netdev} mtu {MTU}")
    for side in SIDES:
        for name, value in _SETTINGS.items():
            Path("/proc/sys/net", name.format(dev=side.netdev)).write_text(value)
        ip("-4", f"link set {side.netdev} address {side.mac}")
    mend()
    for family in ("-4", "-6"):
        ip(family, *[w for s in SIDES for w in _rules(family, s)],
           "rule add pref 100 lookup local", "rule del pref 0")
    for side in SIDES:
        run("rdma", "link", "add", side.device, "type", "rxe", "netdev",
            side.netdev)
    wait_until("both RDMA devices to be active", _ready, 20)
    # udev's work, and a group's on a real host: vrdmad has no privilege
    for node in Path("/dev/infiniband").iterdir():
        node.chmod(0o666)


def _prefs(family: str) -> List[str]:
    """Of the rules that are ours."""
    known = (line.split(":")[0] for line in
             run("ip", family, "rule").splitlines())
    return [pref for pref in known if pref in ("10", "20", "30", "100")]


def down() -> None:
    """Whatever is there of it."""
    for side in SIDES:
        run("rdma", "link", "del", side.device, check=False)
    for family in ("-4", "-6"):
        if "100:" in run("ip", family, "rule"):
            ip(family, "rule add pref 0 lookup local")
        ip(family, *[f"rule del pref {pref}" for pref in _prefs(family)])
    run("ip", "link", "del", SIDES[0].netdev, check=False)


def show() -> None:
    print(run("rdma", "link"), end="")
    for side in SIDES:
        print(f"{side.device}: {' '.join(side.all('-4') + side.all('-6'))}")


def main() -> int:
    verbs = {"up": up, "down": down, "mend": mend, "show": show}
    if len(sys.argv) != 2 or sys.argv[1] not in verbs:
        print(__doc__)
        return 2
    try:
        verbs[sys.argv[1]]()
    except VmError as err:
        print(f"link: {err}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
