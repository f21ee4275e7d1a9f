# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine that has what this host may lack: KVM that works, an RDMA link.

Our machine, level 1, is a guest of this host: Debian from scripts/nested-image.sh,
two CPUs. Where the host's KVM cannot do it, QEMU emulates a CPU with SVM, so that
level 1 has KVM and its own guests, level 2, run under that. It has no network.
Files go in and out as tar archives on two raw disks, commands by the agent.
"""

from __future__ import annotations

import os
import shlex
import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, Iterable, Iterator, List, Tuple

from .accel import choose
from .agent import Command
from .guest import Guest
from .launch import DetachedLauncher, Launcher, MachineSpec, PlainLauncher
from .paths import ROOT, SCRIPTS, Artifacts, ask, build_dir
from .transcript import Transcript
from .wait import VmError

DISK_BYTES = 2 << 30        # of either disk; sparse
MEMORY_MIB = 4096
LIFE_SECONDS = 3600

# Where the tree is in there, and what every command finds set
HOME = "/vrdma"
ENVIRONMENT: Dict[str, str] = {
    "O": "build", "VRDMA_ACCEL": "kvm", "VRDMA_PATIENCE": "4",
    "VRDMA_QEMU": f"{HOME}/qemu",
    "VRDMA_KERNEL": f"{HOME}/guest-kernel",
    "VRDMA_IMAGE": f"{HOME}/guest-image", "VRDMAD": "build/bin/vrdmad",
    "PATH": f"{HOME}/build/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "PYTHONPATH": f"{HOME}/scripts", "PYTHONDONTWRITEBYTECODE": "1",
}

# Of the build: what runs in there
_BUILT = ("bin", "tests/conformance", "tests/e2e", "tests/bench",
          "tests/nested")
_SOURCE = ("scripts", "tests/nested", "tests/run.py")


@dataclass(frozen=True)
class Parts:
    """What level 1 boots from and what its guests do."""

    vmlinuz: str
    initrd: str
    root: str
    guest: Artifacts

    @staticmethod
    def make() -> "Parts":
        vmlinuz, initrd, root = ask(
            str(SCRIPTS / "nested-image.sh"),
            str(build_dir() / "nested-initrd.gz"))
        return Parts(vmlinuz, initrd, root, Artifacts.make("6.12"))


def payload(guest: Artifacts) -> Iterator[Tuple[Path, str]]:
    """What is brought in: files of ours and their names in there."""
    yield Path(guest.qemu), "qemu"
    yield Path(guest.kernel), "guest-kernel"
    yield Path(guest.image), "guest-image"
    yield Path(ask(str(SCRIPTS / "siw-build.sh"))[-1]), "siw.ko"
    for top in _SOURCE:
        for path in _files(ROOT / top):
            if path.suffix not in (".pyc", ".o"):
                yield path, str(path.relative_to(ROOT))
    for top in _BUILT:
        for path in _files(build_dir() / top):
            if os.access(path, os.X_OK):
                yield path, f"build/{path.relative_to(build_dir())}"


def _files(top: Path) -> List[Path]:
    if top.is_file():
        return [top]
    return sorted(p for p in top.rglob("*") if p.is_file())


def accelerator(guest: Artifacts, rundir: Path) -> Tuple[str, str]:
    """KVM only where a guest of a guest can have it, too."""
    accel, why = choose(guest, rundir)
    if accel == "tcg":
        return accel, why
    for vendor in ("intel", "amd"):
        try:
            flag = Path(f"/sys/module/kvm_{vendor}/parameters/nested").read_text()
        except OSError:
            continue
        if flag.strip() in ("Y", "1"):
            return accel, f"{why}, and kvm_{vendor} is nested"
    return "tcg", "the host's KVM does not nest: kvm_intel or kvm_amd, nested=1"


class Level1:
    """One boot of it."""

    def __init__(self, spec: MachineSpec, launcher: Launcher,
                 transcript: Transcript) -> None:
        self.rundir = spec.rundir
        self.guest = Guest(spec, launcher, transcript)
        self._launcher = launcher
        self._say: Callable[[str], None] = \
            lambda text: transcript.add("host", text)

    @classmethod
    def new(cls, parts: Parts, transcript: Transcript, detached: bool = False,
            memory_mib: int = MEMORY_MIB,
            life: int = LIFE_SECONDS) -> "Level1":
        """To be booted; `detached`: it goes on when we end."""
        rundir = Path(tempfile.mkdtemp(prefix="vrdma-nested-"))
        accel, why = accelerator(parts.guest, rundir)
        transcript.add("host", f"level 1 under {accel} ({why})")
        spec = MachineSpec(
            name="level1", qemu=parts.guest.qemu, kernel=parts.vmlinuz,
            image=parts.initrd, rundir=rundir, accel=accel,
            rdma=None, memory_mib=memory_mib, agent_port=False,
            cpu_model="" if accel == "kvm" else "EPYC,svm=on,npt=on",
            console_log=str(rundir / "console.log") if detached else "",
            append="console=ttyS0 loglevel=4 panic=-1 printk.time=1 "
                   f"vrdma.life={life}",
            extra=_disks(parts.root, rundir))
        return cls(spec, DetachedLauncher() if detached else PlainLauncher(),
                   transcript)

    @classmethod
    def running(cls, rundir: Path, transcript: Transcript) -> "Level1":
        """One that another process booted."""
        spec = MachineSpec(name="level1", qemu="", kernel="", image="",
                           rundir=rundir, accel="", rdma=None,
                           console_log=str(rundir / "console.log"))
        lab = cls(spec, DetachedLauncher(), transcript)
        lab.guest.attach()
        lab.guest.connect(60)
        return lab

    def boot(self) -> None:
        for name in ("in", "out"):
            with (self.rundir / name).open("wb") as disk:
                disk.truncate(DISK_BYTES)
        took = self.guest.boot()
        self._say(f"level 1 runs Linux {self.guest.release}, up in {took:.1f} s")

    def push(self, files: Iterable[Tuple[Path, str]]) -> None:
        """Files, and the names they get below HOME."""
        with (self.rundir / "in").open("r+b") as disk, \
                tarfile.open(fileobj=disk, mode="w") as tar:
            for path, name in files:
                tar.add(path.resolve(), name)
            _add_environment(tar, self.rundir)
            _check_size(disk.tell())
        self.guest.run("blockdev --flushbufs /dev/vdb && "
                       f"tar -x --no-same-owner -f /dev/vdb -C {HOME}", 120)

    def pull(self, names: Iterable[str], into: Path) -> None:
        """Files of there, by patterns of its shell, into a folder of here."""
        self.guest.run(
            f"cd / && tar -c --ignore-failed-read -f /dev/vdc "
            f"$(ls -d {' '.join(names)} 2>/dev/null | sed s,^/,,) && "
            "blockdev --flushbufs /dev/vdc", 120)
        into.mkdir(parents=True, exist_ok=True)
        with (self.rundir / "out").open("rb") as disk, \
                tarfile.open(fileobj=disk, mode="r:") as tar:
            for member in tar:
                if member.isfile():
                    # from a machine that may be broken: no paths of its choice
                    target = into / member.name.replace("/", "_").lstrip("._")
                    source = tar.extractfile(member)
                    assert source is not None
                    with target.open("wb") as out:
                        shutil.copyfileobj(source, out)

    def start(self, command: str) -> Command:
        return self.guest.start(f"cd {HOME} && . ./environment && {command}")

    def leave(self) -> None:
        self.guest.leave()

    def close(self) -> None:
        """Ends it; its folder goes."""
        if self.guest.running:
            self.guest.kill()
        self._launcher.close()
        shutil.rmtree(self.rundir, ignore_errors=True)


def _disks(root: str, rundir: Path) -> List[str]:
    words: List[str] = []
    for number, (file, mode) in enumerate(((root, "readonly=on"),
                                           (rundir / "in", "readonly=on"),
                                           (rundir / "out", "readonly=off"))):
        words += ["-drive", f"if=none,id=disk{number},file={file},"
                            f"format=raw,file.locking=off,{mode}",
                  "-device", f"virtio-blk-pci,drive=disk{number},"
                             f"bus=pcie.0,addr={number + 4:#x}"]
    return words


def _add_environment(tar: tarfile.TarFile, rundir: Path) -> None:
    text = "".join(f"export {key}={shlex.quote(value)}\n"
                   for key, value in ENVIRONMENT.items())
    path = rundir / "environment"
    path.write_text(text, encoding="utf-8")
    tar.add(path, "environment")


def _check_size(used: int) -> None:
    if used > DISK_BYTES:
        raise VmError(f"{used} bytes do not fit on the disk of {DISK_BYTES} "
                      "bytes that level 1 takes its files from")
