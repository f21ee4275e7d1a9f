# SPDX-License-Identifier: GPL-2.0-or-later
"""KVM where a guest actually boots under it, else TCG."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Tuple

from .guest import Guest
from .launch import MachineSpec, PlainLauncher
from .paths import Artifacts, cache_dir
from .transcript import Transcript
from .wait import VmError, wait_until

TRIAL_SECONDS = 10


def choose(art: Artifacts, rundir: Path) -> Tuple[str, str]:
    """The accelerator and why.

    /dev/kvm may be there and answer, and still not run a kernel (a host
    without nested virtualization), so a trial boot decides. Its verdict holds
    until the machine boots again.
    """
    forced = os.environ.get("VRDMA_ACCEL")
    if forced:
        if forced not in ("kvm", "tcg"):
            raise VmError(f"VRDMA_ACCEL={forced}: kvm or tcg")
        return forced, "VRDMA_ACCEL says so"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg", "/dev/kvm is not there or not ours to open"
    note = cache_dir() / "kvm-trial"
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    try:
        known, accel, why = note.read_text().strip().split("\t")
        if known == boot_id:
            return accel, why
    except (OSError, ValueError):
        pass    # not tried yet
    accel, why = _trial(art, rundir)
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(f"{boot_id}\t{accel}\t{why}\n")
    return accel, why


def _trial(art: Artifacts, rundir: Path) -> Tuple[str, str]:
    launcher = PlainLauncher()
    spec = MachineSpec(name="kvmtrial", qemu=art.qemu, kernel=art.kernel,
                       image=art.image, rundir=rundir, accel="kvm",
                       rdma=None, cpus=1)
    guest = Guest(spec, launcher, Transcript(show=False))
    try:
        guest.launch()
        wait_until("trial guest", lambda: _verdict(guest), TRIAL_SECONDS, 0.2)
        return "kvm", "a trial guest booted under it"
    except (VmError, OSError) as err:
        why = str(err)
        if not guest.running:
            why = launcher.explain(spec)
        return "tcg", f"no guest boots under KVM here ({why})".replace("\t", " ")
    finally:
        if guest.running:
            guest.kill()
        launcher.close()


def _verdict(guest: Guest) -> bool:
    if any("init: guest up" in line for line in guest.console):
        return True
    state = guest.qmp("query-status")["status"]
    if state != "running":
        raise VmError(f"QEMU reports {state}")
    return False
