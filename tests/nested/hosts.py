# SPDX-License-Identifier: GPL-2.0-or-later
"""Two guests of two hosts: each host has a vrdmad and one of the RDMA devices."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Mapping

from vrdma_vm import Lab
from vrdma_vm.daemon import GuestConfig, Vrdmad
from vrdma_vm.launch import MachineSpec
from vrdma_vm.process import run
from vrdma_vm.wait import VmError

from link import SIDES

# Its messages go over an emulated UART, half a millisecond a byte
QUIET = "console=ttyS0 loglevel=5 panic=-1 printk.time=1"
# What takes a guest's kernel long where KVM is emulated: looking for PCI devices
# that are none, and mending a CPU that is none
FAST = "pci=noearly mitigations=off no_timer_check tsc=reliable i8042.noaux"


def load_kvm() -> None:
    """No udev in level 1 that would."""
    if Path("/dev/kvm").exists():
        return
    said = [run(["modprobe", f"kvm_{vendor}"], 60)[1]
            for vendor in ("amd", "intel")]
    if not Path("/dev/kvm").exists():
        raise VmError(f"no KVM in here ({' / '.join(said)}): level 1's CPU "
                      "needs SVM or VMX, see scripts/nested.py -h")


class Hosts(Lab):
    """As any lab, but for the fabric; guest a is on rxe0, b on rxe1."""

    def _prepare(self) -> None:
        load_kvm()
        super()._prepare()

    def _daemons(self, configs: List[GuestConfig],
                 limits: Mapping[str, int]) -> Dict[str, Vrdmad]:
        daemons = {}
        for config, side in zip(configs, SIDES):
            config.keys = {"fabric": f"verbs:{side.device}", "local": "no"}
            daemons[config.name] = Vrdmad(
                self.art.vrdmad, [config], self.rundir, self.transcript,
                limits, f"vrdmad-{config.name}")
        return daemons

    def _spec(self, name: str, socket: str, accel: str) -> MachineSpec:
        spec = super()._spec(name, socket, accel)
        spec.cpus = 1
        spec.append = f"{QUIET} {FAST}"
        return spec


class OneHost(Hosts):
    """Both guests of one vrdmad: what of a failure is not the fabric's."""

    def _daemons(self, configs: List[GuestConfig],
                 limits: Mapping[str, int]) -> Dict[str, Vrdmad]:
        return Lab._daemons(self, configs, limits)
