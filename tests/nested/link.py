#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Two RDMA devices of one kernel, joined by a cable, as if they were two hosts.

usage: link.py up | down | show

rxe of Linux 6.12 lives in the initial network namespace only, so both ends of a
veth pair stay there, rx0 with rxe0 and rx1 with rxe1.  Routing rules make what
goes from an address of one to an address of the other leave by its own end and
come in by the other's; the kernel would hand it over without a packet otherwise:

  10  what came in by an end is for us              (iif rx* lookup local)
  20  from a side to itself: as always              (lookup local)
  30  to a side's addresses: out by the other end   (lookup 100 + side)
  100 everything else as always                     (was 0)

Each side has some addresses, for some guests of its host.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Tuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent
                       / "scripts"))

from vrdma_vm.wait import VmError, wait_until    # noqa: E402

MTU = 9000          # of the cable; an RDMA packet carries 4096 bytes of it
ADDRESSES = 4       # of each family and side
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
    def mac(self) -> str:
        return f"02:00:00:00:00:0{self.number}"

    @property
    def table(self) -> str:
        """The way to it."""
        return str(100 + self.number)

    @property
    def other(self) -> "Side":
        return SIDES[1 - self.number]

    @property
    def networks(self) -> Tuple[Tuple[str, str], Tuple[str, str]]:
        return (("-4", f"10.78.{self.number}.0/24"),
                ("-6", f"fd78:0:0:{self.number}::/64"))

    def ipv4(self, n: int = 1) -> str:
        return f"10.78.{self.number}.{n}"

    def ipv6(self, n: int = 1) -> str:
        return f"fd78:0:0:{self.number}::{n}" if self.number else f"fd78::{n}"

    def addresses(self, n: int = 1) -> List[str]:
        return [self.ipv4(n), self.ipv6(n)]


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


def ip(words: str) -> None:
    run("ip", *words.split())


def _ready() -> bool:
    return all(f"link {s.device}/1 state ACTIVE" in run("rdma", "link")
               for s in SIDES)


def is_up() -> bool:
    return Path("/sys/class/infiniband/rxe1").exists() and _ready()


def _addresses(side: Side) -> None:
    for n in range(1, ADDRESSES + 1):
        ip(f"addr add {side.ipv4(n)}/24 dev {side.netdev}")
        ip(f"-6 addr add {side.ipv6(n)}/64 dev {side.netdev} nodad")
        for address in side.addresses(n):
            ip(f"neigh add {address} lladdr {side.mac} "
               f"dev {side.other.netdev} nud permanent")


def _rules(side: Side) -> None:
    for family, network in side.networks:
        out = side.other.netdev
        ip(f"{family} rule add pref 10 iif {side.netdev} lookup local")
        ip(f"{family} rule add pref 20 from {network} to {network} lookup local")
        ip(f"{family} rule add pref 30 to {network} lookup {side.table}")
        source = side.other.addresses()[family == "-6"]
        ip(f"{family} route add {network} dev {out} src {source} "
           f"table {side.table}")


def up() -> None:
    """Does nothing when it is."""
    if is_up():
        return
    down()
    for module in MODULES:
        run("modprobe", module)
    ip(f"link add {SIDES[0].netdev} mtu {MTU} type veth "
       f"peer name {SIDES[1].netdev} mtu {MTU}")
    for side in SIDES:
        for name, value in _SETTINGS.items():
            Path("/proc/sys/net", name.format(dev=side.netdev)).write_text(value)
        ip(f"link set {side.netdev} address {side.mac} up")
    for side in SIDES:
        _addresses(side)
    for side in SIDES:
        _rules(side)
    for family in ("-4", "-6"):
        ip(f"{family} rule add pref 100 lookup local")
        ip(f"{family} rule del pref 0")
    for side in SIDES:
        run("rdma", "link", "add", side.device, "type", "rxe", "netdev",
            side.netdev)
    wait_until("both RDMA devices to be active", _ready, 20)


def down() -> None:
    """Whatever is there of it."""
    for side in SIDES:
        run("rdma", "link", "del", side.device, check=False)
    for family in ("-4", "-6"):
        if "100:" in run("ip", family, "rule"):
            ip(f"{family} rule add pref 0 lookup local")
        for pref in ("10", "20", "30", "100"):
            while run("ip", family, "rule", "list", "pref", pref):
                ip(f"{family} rule del pref {pref}")
    run("ip", "link", "del", SIDES[0].netdev, check=False)


def show() -> None:
    print(run("rdma", "link"), end="")
    for side in SIDES:
        print(f"{side.device}: {' '.join(side.addresses())}")


def main() -> int:
    verbs = {"up": up, "down": down, "show": show}
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
