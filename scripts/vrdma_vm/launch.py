# SPDX-License-Identifier: GPL-2.0-or-later
"""How a guest's QEMU comes up: by plain command line."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import List, Optional, Protocol

from vrdma_host.domain import Device

from .process import Child, LineSink, run
from .wait import VmError


@dataclass
class MachineSpec:
    """One boot of one guest."""

    name: str
    qemu: str
    kernel: str
    image: str
    rundir: Path
    accel: str                  # "tcg" or "kvm"
    rdma: Optional[Device]      # None: no RDMA device
    cpus: int = 2
    memory_mib: int = 512
    # no_timer_check: a kernel that is emulated on a busy machine waits in vain
    # for ten ticks of its timer, and panics
    append: str = ("console=ttyS0 loglevel=7 panic=-1 printk.time=1 "
                   "no_timer_check")
    cpu_model: str = ""             # empty: all that the accelerator has
    agent_port: bool = True         # its image knows of virtio ports
    console_log: str = ""           # a file of QEMU's own, where nobody listens
    extra: List[str] = field(default_factory=list)  # PlainLauncher: more words

    def path(self, what: str) -> str:
        """Sockets and files of this guest; short, as socket names must be."""
        return str(self.rundir / f"{self.name}.{what}")

    @property
    def cpu(self) -> str:
        return self.cpu_model or ("host" if self.accel == "kvm" else "max")

    def control_args(self) -> List[str]:
        return ["-qmp", f"unix:{self.path('qmp')},server=on,wait=off",
                "-pidfile", self.path("pid"), *self._agent_args()]

    @property
    def _agent_by_port(self) -> bool:
        """Under KVM every byte of a serial line is some exits of the guest,
        and where KVM itself is emulated an exit is half a millisecond."""
        return self.accel == "kvm" and self.agent_port

    def _agent_args(self) -> List[str]:
        if not self._agent_by_port:
            return []
        return ["-device", "virtio-serial-pci,id=ports,bus=pcie.0,addr=0x1d",
                "-chardev", f"socket,id=port,path={self.path('agent')},"
                            "server=on,wait=off",
                "-device", "virtserialport,bus=ports.0,chardev=port,"
                           "name=vrdma.agent"]

    @property
    def serial_agent(self) -> str:
        """The socket of the second serial line, which is always there."""
        return self.path("serial" if self._agent_by_port else "agent")

    @property
    def cmdline(self) -> str:
        return self.append + \
            (" vrdma.agent=port" if self._agent_by_port else "")


class Launcher(Protocol):
    """Starts QEMU; Guest finds and ends it by the pid file."""

    def launch(self, spec: MachineSpec, log: LineSink) -> None: ...

    def forget(self, spec: MachineSpec) -> None:
        """QEMU is gone: clean up what the launcher kept about it."""

    def explain(self, spec: MachineSpec) -> str:
        """Where to look when QEMU went by itself."""

    def close(self) -> None: ...


class PlainLauncher:
    """QEMU as our child."""

    def __init__(self) -> None:
        self._children: dict[str, Child] = {}

    @staticmethod
    def argv(spec: MachineSpec) -> List[str]:
        accel = "tcg,thread=multi" if spec.accel == "tcg" else spec.accel
        argv = [spec.qemu, "-name", spec.name, "-nodefaults", "-no-user-config",
                "-display", "none", "-no-reboot",
                "-machine", "q35,memory-backend=ram", "-accel", accel,
                "-cpu", spec.cpu, "-smp", str(spec.cpus),
                "-m", f"{spec.memory_mib}M",
                "-object", "memory-backend-memfd,id=ram,share=on,"
                           f"size={spec.memory_mib}M",
                "-kernel", spec.kernel, "-initrd", spec.image,
                "-append", spec.cmdline]
        for line, path, log in (
                ("console", spec.path("console"), spec.console_log),
                ("agent", spec.serial_agent, "")):
            argv += ["-chardev", f"socket,id={line},path={path},"
                                 "server=on,wait=off"
                                 + (f",logfile={log}" if log else ""),
                     "-device", f"isa-serial,chardev={line}"]
        rdma = spec.rdma.arguments() if spec.rdma else []
        return argv + spec.control_args() + rdma + spec.extra

    def launch(self, spec: MachineSpec, log: LineSink) -> None:
        self._children[spec.name] = Child(self.argv(spec), log)

    def forget(self, spec: MachineSpec) -> None:
        child = self._children.pop(spec.name, None)
        if child:
            child.end()

    def explain(self, spec: MachineSpec) -> str:
        child = self._children.get(spec.name)
        if not child or child.status is None:
            return "QEMU runs"
        child.wait(1)
        return f"QEMU ended with {child.status}: {child.last or 'said nothing'}"

    def close(self) -> None:
        for child in self._children.values():
            child.end()
        self._children.clear()


class DetachedLauncher(PlainLauncher):
    """QEMU by itself: it goes on when we end."""

    def launch(self, spec: MachineSpec, log: LineSink) -> None:
        status, text = run([*self.argv(spec), "-daemonize"], 60)
        if status:
            raise VmError(f"{spec.name}: QEMU does not start: {text}")

    def explain(self, spec: MachineSpec) -> str:
        return f"see {spec.console_log}"
