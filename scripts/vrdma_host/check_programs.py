# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs: vrdmad about its configuration, QEMU, libvirt, KVM."""

from __future__ import annotations

import os
import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import List, Optional

from . import domain
from .check import Checked, qemu_identity
from .host import READ, WRITE, ENTER

# <source type='memfd'/> came with 4.10
_LEAST_LIBVIRT = (4, 10, 0)
_SCRIPTS = Path(__file__).resolve().parent.parent
_LOCAL_RULES = "etc/apparmor.d/local/abstractions/libvirt-qemu"


# ------------------------------------------------------------------ programs

def find_vrdmad(c: Checked) -> Optional[str]:
    built = _SCRIPTS.parent / os.environ.get("O", "build") / "bin" / "vrdmad"
    return c.wishes.vrdmad or shutil.which("vrdmad") or \
        (str(built) if built.exists() else None)


def configuration(c: Checked) -> None:
    """What vrdmad itself says of its file."""
    program = find_vrdmad(c)
    if program is None:
        c.report.wrong("configuration", "vrdmad is not found in PATH, so nobody "
                       f"checked {c.config.path}", "name it: --vrdmad PATH")
        return
    status, text = c.host.run([program, "--config", c.config.path,
                               "--check-config"])
    if status:
        c.report.wrong("configuration", text.removeprefix("vrdmad: error: "),
                       f"then again: {program} --config {c.config.path} "
                       "--check-config")
    else:
        c.report.ok("configuration", text)


def find_qemu(c: Checked) -> List[str]:
    """The QEMU that is to be used; else those of the domains; else ours."""
    if c.wishes.qemu:
        return [c.wishes.qemu]
    named = {domain.emulator(root) for root in c.domains.values()}
    if named - {None}:
        return sorted(filter(None, named))
    cache = Path(os.environ.get("VRDMA_CACHE") or
                 os.path.expanduser("~/.cache/vrdma"))
    built = sorted(cache.glob("qemu-*/qemu-system-x86_64"),
                   key=lambda path: path.stat().st_mtime)
    found = str(built[-1]) if built else shutil.which("qemu-system-x86_64")
    return [found] if found else []


def qemu(c: Checked) -> None:
    programs = find_qemu(c)
    build = f"build one with {_SCRIPTS}/qemu-build.sh, which prints its path"
    if not programs:
        c.report.wrong("QEMU", "there is none", f"{build}, and name it: --qemu")
    for program in programs:
        status, text = c.host.run([program, "-device", "help"])
        if status:
            c.report.wrong("QEMU", f"{program} -device help: {text}", build)
        elif f'"{domain.DEVICE}"' not in text:
            c.report.wrong("QEMU", f"{program} has no {domain.DEVICE}",
                           f"{build}, and make it the domain's <emulator>")
        else:
            c.report.ok("QEMU", f"{program} has {domain.DEVICE}")
            _qemu_rights(c, program)


def _qemu_rights(c: Checked, program: str) -> None:
    who = qemu_identity(c, c.guests[0])
    if who is None:
        c.report.wrong("QEMU", "the user that libvirt runs it as is not known "
                       "here", "install libvirt-daemon-system, or name him: "
                       "--qemu-user")
        return
    block = c.host.obstacle(who, program)
    if block or not c.host.may(who, program, READ | ENTER):
        c.report.wrong("QEMU", f"{program}: {who} may not "
                       f"{'enter ' + block if block else 'run it'}",
                       f"install -m 755 {program} /usr/local/bin/")


# ------------------------------------------------------------------- libvirt

def libvirt(c: Checked) -> None:
    """Also learns which domains there are."""
    virsh = ["virsh", "-q", "-c", c.wishes.uri]
    status, version = c.host.run(["virsh", "--version"])
    if status:
        c.report.wrong("libvirt", version, "apt-get install libvirt-clients "
                       "libvirt-daemon-system libvirt-daemon-driver-qemu")
        return
    if _version(version) < _LEAST_LIBVIRT:
        c.report.wrong("libvirt", f"version {version} knows no memfd backing",
                       "take 4.10 or later")
    # not `version`: that asks for a QEMU of the distribution's
    status, names = c.host.run([*virsh, "list", "--all", "--name"])
    if status:
        c.report.wrong("libvirt", f"{c.wishes.uri}: {names}",
                       "start it (systemctl start libvirtd), be root or in "
                       "group libvirt, or name another: --uri")
        return
    c.report.ok("libvirt", f"version {version} answers on {c.wishes.uri}")
    _, capabilities = c.host.run([*virsh, "capabilities"])
    c.security_models = re.findall(r"<model>(dac|apparmor|selinux)</model>",
                                   capabilities)
    for name in names.split():
        status, text = c.host.run([*virsh, "dumpxml", "--inactive", name])
        if not status:
            _known_domain(c, text)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", text)[:3])


def _known_domain(c: Checked, text: str) -> None:
    root = domain.parse(text)
    for guest in c.guests:
        if domain.has_socket(root, guest.socket):
            c.domains[guest.name] = root


def may_run(c: Checked) -> None:
    """AppArmor's profile of libvirtd lets it run the distribution's QEMU only,
    so that libvirtd is asked."""
    if not c.security_models:
        return
    for program in find_qemu(c):
        status, text = c.host.run(["virsh", "-q", "-c", c.wishes.uri,
                                   "domcapabilities", "--emulatorbin", program,
                                   "--virttype", "qemu"])
        if not status:
            c.report.ok("libvirt", f"it can run {program}")
            continue
        c.report.wrong("libvirt", f"it cannot run {program}: {text}",
                       emulator_rule(program) if c.host.apparmor()
                       else "see libvirtd's log")


# ------------------------------------------------------------------ AppArmor

def emulator_rule(program: str) -> str:
    """How to let libvirtd run a QEMU of another place."""
    profile = "etc/apparmor.d/local/usr.sbin.libvirtd"
    return (f"if AppArmor forbids it: add the line `{program} PUx,` to "
            f"/{profile}, then apparmor_parser -r "
            "/etc/apparmor.d/usr.sbin.libvirtd")


def apparmor(c: Checked) -> None:
    """A confined QEMU runs and reaches only what its profile names."""
    if not c.host.apparmor() or "apparmor" not in c.security_models:
        return
    confined = [g for g in c.guests if not _unconfined(c.domains.get(g.name))]
    for guest in confined:
        for program in find_qemu(c):
            if not program.startswith("/usr/bin/"):
                _rule(c, guest.name, program, "rmix")
        if c.host.apparmor_knows_sockets():
            _rule(c, guest.name, os.path.dirname(guest.socket) + "/*", "rw")


def _rule(c: Checked, guest: str, path: str, rights: str) -> None:
    if path.removesuffix("*") in (c.host.read(_LOCAL_RULES) or ""):
        c.report.ok("AppArmor", f"there is a rule for {path}", guest)
    else:
        c.report.wrong("AppArmor", f"nothing in /{_LOCAL_RULES} gives QEMU "
                       f"{path}", f"add the line `{path} {rights},`; it counts "
                       "for guests that start then", guest)


def _unconfined(root: Optional[ET.Element]) -> bool:
    return root is not None and any(
        label.get("type") == "none" and label.get("model") in (None, "apparmor")
        for label in root.iterfind("seclabel"))


# ----------------------------------------------------------------------- KVM

def kvm(c: Checked) -> None:
    types = {root.get("type") for root in c.domains.values()}
    if not c.wishes.kvm or (types and "kvm" not in types):
        return
    fault = c.host.kvm_fault()
    flags = re.search(r"\b(vmx|svm)\b", c.host.read("proc/cpuinfo") or "")
    tcg = "or let guests be emulated: domain type='qemu', and --no-kvm here"
    if fault:
        c.report.wrong("KVM", f"/dev/kvm: {fault}", "load kvm_intel or kvm_amd "
                       f"and be root or in group kvm; {tcg}")
    elif not flags:
        c.report.wrong("KVM", "/dev/kvm is there, but the CPU shows neither vmx "
                       "nor svm and may not boot a guest", "let the hypervisor "
                       f"below pass it on (nested virtualization); {tcg}")
    else:
        _kvm_rights(c)


def _kvm_rights(c: Checked) -> None:
    who = qemu_identity(c, c.guests[0])
    if who and not c.host.may(who, "/dev/kvm", READ | WRITE):
        c.report.wrong("KVM", f"/dev/kvm: {who} may not use it",
                       f"usermod -a -G kvm {who}")
    else:
        c.report.ok("KVM", "/dev/kvm makes a virtual machine")
