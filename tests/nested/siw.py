#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""siw, Linux's iWARP over TCP, at one end of the cable of link.py.

usage: siw.py up | down

up: rxe1 gives way to siw1, on the same end of the cable, with the same addresses;
our own side, at the other end, is a vrdmad without a device.  down: as it was.
siw's own limit, that it hears only of the initial network namespace, is why both
stay there; link.py makes two hosts of it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import link
from link import SIDES, run
from vrdma_vm.wait import VmError, wait_until

MODULE = Path("siw.ko")     # scripts/siw-build.sh's, brought in with the build
NEEDS = ("libcrc32c", "ib_uverbs", "rdma_ucm")
THEIRS = SIDES[1]
DEVICE = "siw1"


def is_up() -> bool:
    return f"link {DEVICE}/1 state ACTIVE" in run("rdma", "link")


def up() -> None:
    """Does nothing when it is."""
    if is_up():
        return
    link.up()
    if not Path("/sys/module/siw").exists():
        for name in NEEDS:
            run("modprobe", name)
        run("insmod", str(MODULE))
    run("rdma", "link", "del", THEIRS.device, check=False)
    run("rdma", "link", "add", DEVICE, "type", "siw", "netdev", THEIRS.netdev)
    wait_until(f"{DEVICE} to be active", is_up, 20)
    for node in Path("/dev/infiniband").iterdir():
        node.chmod(0o666)


def down() -> None:
    run("rdma", "link", "del", DEVICE, check=False)
    run("rdma", "link", "add", THEIRS.device, "type", "rxe", "netdev",
        THEIRS.netdev, check=False)
    wait_until("both RDMA devices to be active", link.is_up, 20)
    for node in Path("/dev/infiniband").iterdir():
        node.chmod(0o666)


def main() -> int:
    verbs = {"up": up, "down": down}
    if len(sys.argv) != 2 or sys.argv[1] not in verbs:
        print(__doc__)
        return 2
    try:
        verbs[sys.argv[1]]()
    except VmError as err:
        print(f"siw: {err}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
