# SPDX-License-Identifier: GPL-2.0-or-later
"""Where things are; the shell scripts that make them are asked."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import List

from .wait import VmError

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPTS = ROOT / "scripts"


def build_dir() -> Path:
    """The make variable O, relative to the tree like make itself sees it."""
    return (ROOT / os.environ.get("O", "build")).resolve()


def cache_dir() -> Path:
    """As scripts/lib/common.sh has it."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(os.environ.get("VRDMA_CACHE") or os.path.join(base, "vrdma"))


def flavours() -> List[str]:
    """The kernels that this Debian packages, newest first."""
    done = subprocess.run([str(SCRIPTS / "kernel-fetch.sh")], text=True,
                          stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise VmError("scripts/kernel-fetch.sh failed, see above")
    releases = [line.split("-")[0] for line in done.stdout.splitlines()]
    return [".".join(r.split(".")[:2]) for r in releases]


def ask(*argv: str) -> List[str]:
    """Last line a script prints, split at tabs; its progress passes through."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise VmError(f"{' '.join(argv)}: exit {done.returncode}, see above")
    lines = done.stdout.strip().splitlines()
    if not lines:
        raise VmError(f"{' '.join(argv)}: printed nothing")
    return lines[-1].split("\t")


@dataclass(frozen=True)
class Artifacts:
    """What a guest boots from."""

    flavour: str
    qemu: str
    kernel: str
    image: str
    vrdmad: str

    @staticmethod
    def make(flavour: str, bare: bool = False, rxe: bool = False) -> "Artifacts":
        """Builds or finds the guest's parts; `bare`: no driver, no tools; `rxe`:
        it has that, too.

        VRDMA_KERNEL and VRDMA_IMAGE name them where nothing can be built.
        """
        build = build_dir()
        kernel, image = (os.environ.get(f"VRDMA_{v}", "")
                         for v in ("KERNEL", "IMAGE"))
        if not (kernel and image):
            words = (["-n"] if bare else []) + (["-r"] if rxe else [])
            name = f"guest-{'rxe-' if rxe else ''}{flavour}.cpio.gz"
            kernel, image = ask(str(SCRIPTS / "guest-image.sh"), *words, flavour,
                                str(build / name))
        qemu = os.environ.get("VRDMA_QEMU")
        return Artifacts(
            flavour=flavour,
            qemu=qemu or ask(str(SCRIPTS / "qemu-build.sh"))[-1],
            kernel=kernel, image=image,
            vrdmad=os.environ.get("VRDMA_VRDMAD", str(build / "bin" / "vrdmad")))
