# SPDX-License-Identifier: GPL-2.0-or-later
"""How a guest's QEMU comes up: by libvirt, from scripts/domain.xml.in."""

from __future__ import annotations

import os
import re
import shutil
import signal
from pathlib import Path
from typing import List, Optional, Sequence, Set, Tuple
from xml.sax.saxutils import escape

from vrdma_host import domain
from vrdma_host.check_programs import emulator_rule
from vrdma_host.host import Host

from .launch import MachineSpec
from .paths import SCRIPTS
from .process import LineSink, Stranger, run
from .wait import VmError, wait_until


_SETTINGS = "/etc/libvirt/qemu.conf"


class LibvirtDaemon:
    """The libvirtd that runs here, or one of our own while we need it."""

    def __init__(self, rundir: Path) -> None:
        # A user's own session needs no rights and starts its daemon itself.
        self.uri = "qemu:///system" if os.geteuid() == 0 else "qemu:///session"
        self._rundir = rundir
        self._ours: List[Tuple[str, Stranger]] = []

    def virsh(self, *args: str, timeout: float = 180) -> Tuple[int, str]:
        return run(["virsh", "-q", "-c", self.uri, *args], timeout)

    def answers(self) -> bool:
        # not `version`: that asks for a QEMU of the distribution's
        return self.virsh("list", "--name")[0] == 0

    def ensure(self) -> str:
        """Makes sure one answers; says which."""
        if not shutil.which("virsh"):
            raise VmError("libvirt is not installed: scripts/setup.sh guest, "
                          "or use --plain")
        if self.answers():
            return f"the libvirt that runs here ({self.uri})"
        if os.geteuid() != 0:
            raise VmError(f"libvirt does not answer on {self.uri}: see `virsh -c "
                          f"{self.uri} list`, or use --plain")
        os.makedirs("/var/log/libvirt/qemu", exist_ok=True)
        self._start("virtlogd", "/run/libvirt/virtlogd-sock")
        self._start("libvirtd", "/run/libvirt/libvirt-sock",
                    self._own_settings())
        wait_until("answer of our own libvirtd", self.answers, 120)
        return f"a libvirtd of our own ({self.uri})"

    def _own_settings(self) -> List[str]:
        """A prefix that runs a libvirtd of ours with settings of ours.

        QEMU is to run as root, who owns all that it needs. Also, libvirtd
        probes a QEMU as root and then asks whether its configured user may
        open /dev/kvm; where the answers differ, as on a machine without udev,
        it forgets what it learnt and probes again, a dozen times a guest.
        """
        settings = self._rundir / "qemu.conf"
        settings.write_text('user = "root"\ngroup = "root"\n')
        private = ["unshare", "--mount", "--propagation", "private"]
        if run([*private, "true"], 10)[0] or not os.path.exists(_SETTINGS):
            return []       # a container that may not: slower, no worse
        return [*private, "sh", "-c",
                'mount --bind "$1" "$2" && shift 2 && exec "$@"', "sh",
                str(settings), _SETTINGS]

    def _start(self, name: str, socket: str,
               prefix: Sequence[str] = ()) -> None:
        program = shutil.which(name, path="/usr/sbin:/usr/bin")
        if not program:
            raise VmError(f"{name} is not installed: scripts/setup.sh guest")
        pidfile = self._rundir / f"{name}.pid"
        status, text = run([*prefix, program, "-d", "-p", str(pidfile)], 30)
        if status:
            if os.path.exists(socket):
                return      # one runs already
            raise VmError(f"{name} does not start: {text}")
        pid = wait_until(f"pid file of {name}", lambda: read_pid(pidfile), 10)
        self._ours.append((name, Stranger(pid)))

    def security_models(self) -> List[str]:
        """What libvirtd confines guests with: dac, apparmor, nothing."""
        text = self.virsh("capabilities")[1]
        return re.findall(r"<model>(dac|apparmor)</model>", text)

    def refuses(self, qemu: str) -> Optional[str]:
        """Why libvirtd may not run our QEMU; None: it can.

        On a machine with AppArmor libvirtd's own profile lets it run the
        distribution's programs only.
        """
        status, text = self.virsh("domcapabilities", "--emulatorbin", qemu,
                                  "--virttype", "qemu")
        if status == 0 or not Host().apparmor():
            return None     # what else may be wrong shows when booting
        each = Path(qemu).parent.parent / "qemu-*" / "qemu-system-x86_64"
        return f"{text}; {emulator_rule(str(each))}"

    def close(self) -> None:
        """Ends what we started, unless somebody else's domain lives there."""
        status, domains = self.virsh("list", "--name") if self._ours else (0, "")
        if status == 0 and domains:
            return
        while self._ours:
            _, process = self._ours.pop()
            process.signal(signal.SIGTERM)
            process.gone(10)
            process.close()


def read_pid(path: Path) -> Optional[int]:
    """The pid in a file that may not be there, or not be written, yet."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


class LibvirtLauncher:
    """QEMU through `virsh create`."""

    def __init__(self, rundir: Path) -> None:
        self.daemon = LibvirtDaemon(rundir)
        self._created: Set[str] = set()
        self.template = (SCRIPTS / "domain.xml.in").read_text(encoding="utf-8")

    def xml(self, spec: MachineSpec) -> str:
        values = {
            "TYPE": "kvm" if spec.accel == "kvm" else "qemu",
            "CPU": "host-passthrough" if spec.accel == "kvm" else "maximum",
            "NAME": self._domain(spec), "MEMORY": str(spec.memory_mib),
            "VCPUS": str(spec.cpus), "KERNEL": spec.kernel,
            "INITRD": spec.image, "CMDLINE": spec.cmdline,
            "EMULATOR": spec.qemu, "CONSOLE": spec.path("console"),
            "AGENT": spec.serial_agent,
        }
        labels = "\n".join(self._seclabel(model)
                           for model in self.daemon.security_models())
        text = self.template.replace("@SECLABELS@", labels)
        for key, value in values.items():
            text = text.replace(f"@{key}@", escape(value, {"'": "&apos;"}))
        root = domain.parse(text)
        domain.add_arguments(root, spec.control_args())
        if spec.rdma is not None:
            domain.merge(root, spec.rdma)
        return domain.text(root)

    def launch(self, spec: MachineSpec, log: LineSink) -> None:
        path = spec.path("xml")
        Path(path).write_text(self.xml(spec), encoding="utf-8")
        log(f"virsh create {path}")
        self._created.add(self._domain(spec))
        status, text = self.daemon.virsh("create", path)
        if status:
            raise VmError(f"{spec.name}: virsh create {path}: {text}; "
                          "--plain does without libvirt")

    def forget(self, spec: MachineSpec) -> None:
        """A transient domain goes with its QEMU, once libvirtd noticed."""
        wait_until(f"{spec.name}: libvirt to forget the domain",
                   lambda: self.daemon.virsh("domid", self._domain(spec))[0],
                   20)

    def explain(self, spec: MachineSpec) -> str:
        """With its end: the log may be in a machine that is gone when read."""
        path = Path(f"/var/log/libvirt/qemu/{self._domain(spec)}.log")
        try:
            end = path.read_text(encoding="utf-8", errors="replace")
        except OSError as err:
            return f"no log of QEMU's: {err}"
        return f"see {path}, which ends: {end.splitlines()[-2:]}"

    def close(self) -> None:
        """Also of a domain that was on its way when somebody lost patience."""
        if self._created:
            listed = self.daemon.virsh("list", "--name")[1].split()
            for domain in self._created.intersection(listed):
                self.daemon.virsh("destroy", domain)
        self.daemon.close()

    @staticmethod
    def _seclabel(model: str) -> str:
        if model == "apparmor":
            return "  <seclabel type='none' model='apparmor'/>"
        owner = f"+{os.getuid()}:+{os.getgid()}"
        return ("  <seclabel type='static' model='dac' relabel='no'>"
                f"<label>{owner}</label></seclabel>")

    @staticmethod
    def _domain(spec: MachineSpec) -> str:
        # other runs on this machine have guests of the same name
        return f"vrdma-{spec.name}-{os.getpid()}"
