# SPDX-License-Identifier: GPL-2.0-or-later
"""Two guests of two hosts: a vrdmad for each, in a network of its own.

The two networks are joined by a cable, and nothing else is in them. Each lives as
long as a process that does nothing, so that they go when the tests do, however
those end. Only the vrdmads are in there: QEMU needs no network.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Dict, List, Mapping, Sequence, Tuple

from vrdma_vm import ADDRESSES, Artifacts, Lab, Transcript, VmError
from vrdma_vm.daemon import GuestConfig, Vrdmad
from vrdma_vm.process import Child, run
from vrdma_vm.wait import wait_until

CABLE = "cable0"        # what each end is called on its host
_IDLE = ["setpriv", "--pdeathsig", "KILL", "sleep", "infinity"]


class Host:
    """A network namespace with one end of the cable in it."""

    def __init__(self, addresses: Sequence[str],
                 within: Sequence[str] = ()) -> None:
        self.addresses = list(addresses)
        # without privilege: as root of a user namespace of our own
        user = [] if os.geteuid() == 0 or within \
            else ["--user", "--map-root-user"]
        self._said: List[str] = []
        self._child = Child([*within, "unshare", *user, "--net", *_IDLE],
                            self._said.append)
        wait_until("a network namespace", self._is_apart, 20)

    def _is_apart(self) -> bool:
        if self._child.status is not None:
            self._child.wait(1)
            raise VmError(f"no network namespace: {' / '.join(self._said)}: "
                          "run the VM tests as root, or allow user namespaces")
        ours = os.readlink("/proc/self/ns/net")
        return os.readlink(f"/proc/{self.pid}/ns/net") != ours

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def enter(self) -> List[str]:
        """What a command is run by that shall be in there."""
        user = [] if os.geteuid() == 0 else ["-U", "--preserve-credentials"]
        return ["nsenter", "-t", str(self.pid), *user, "-n", "--"]

    def ip(self, *words: str) -> str:
        status, text = run([*self.enter, "ip", *words], 20)
        if status:
            raise VmError(f"`ip {' '.join(words)}` in a namespace: {text}; the "
                          "VM tests need iproute2 and the kernel's veth")
        return text

    def plug(self) -> None:
        for address in self.addresses:
            v6 = ":" in address
            self.ip("address", "replace", f"{address}/{64 if v6 else 24}", "dev",
                    CABLE, *(["nodad"] if v6 else []))
        self.ip("link", "set", "lo", "up")
        self.ip("link", "set", CABLE, "up")

    def wait_plugged(self) -> None:
        """Both ends are, and nobody is taken for absent any more."""
        wait_until("the cable to be up",
                   lambda: "state UP" in self.ip("-o", "link", "show", CABLE),
                   20)
        self.ip("neighbour", "flush", "dev", CABLE)

    @property
    def received(self) -> int:
        """Bytes that came by the cable so far."""
        for line in Path(f"/proc/{self.pid}/net/dev").read_text(
                encoding="ascii").splitlines():
            name, _, counts = line.partition(":")
            if name.strip() == CABLE:
                return int(counts.split()[0])
        raise VmError(f"process {self.pid} has no {CABLE}")

    def end(self) -> None:
        self._child.end()


def _join(addresses: Mapping[str, Sequence[str]]) -> Dict[str, Host]:
    (first, one), (second, two) = addresses.items()
    a = Host(one)
    try:
        b = Host(two, within=[] if os.geteuid() == 0 else a.enter)
        a.ip("link", "add", CABLE, "type", "veth", "peer", "name", CABLE,
             "netns", str(b.pid))
        for host in (a, b):
            host.plug()
        for host in (a, b):
            host.wait_plugged()
    except BaseException:
        a.end()
        raise
    return {first: a, second: b}


class TwoHosts(Lab):
    """As any lab, but each guest's vrdmad is on a host of its own."""

    def __init__(self, art: Artifacts, transcript: Transcript,
                 plain: bool) -> None:
        self.hosts = _join(ADDRESSES)
        super().__init__(art, transcript, plain)

    def _daemons(self, configs: List[GuestConfig],
                 limits: Mapping[str, int]) -> Dict[str, Vrdmad]:
        """No short cut: also to itself a guest goes by the wire."""
        wired = [replace(c, keys={**c.keys, "local": "no"}) for c in configs]
        return {c.name: Vrdmad(self.art.vrdmad, [c], self.rundir,
                               self.transcript, limits, f"vrdmad-{c.name}",
                               self.hosts[c.name].enter)
                for c in wired}

    def _close(self) -> None:
        super()._close()
        for host in self.hosts.values():
            host.end()

    @property
    def moved(self) -> Tuple[int, int]:
        """Bytes that came to a, and to b, by the cable so far."""
        return self.hosts["a"].received, self.hosts["b"].received
