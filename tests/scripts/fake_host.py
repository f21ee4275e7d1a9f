# SPDX-License-Identifier: GPL-2.0-or-later
"""A folder that looks like a host on which all is well, and programs to match.

A test breaks one thing of it and sees what scripts/vrdma-domain says.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Dict, List, Tuple

SCRIPTS = Path(__file__).resolve().parent.parent.parent / "scripts"
TOOL = SCRIPTS / "vrdma-domain"

# Files belong to whoever runs the tests, who then plays vrdmad's user; root,
# whom no permission stops, gives them to somebody else.
_ROOT = os.geteuid() == 0
VRDMA_UID = 4001 if _ROOT else os.getuid()
QEMU_GID = 4002 if _ROOT else os.getgid()
QEMU_UID = 4003

CONF = """[vrdmad]
socket-mode = 0660
[guest web]
socket = /run/vrdma/web.sock
address = 10.0.0.1, fd00::1
fabric = verbs:rxe0
max-mr-pages = 65536
[guest db]
socket = /run/vrdma/db.sock
address = 10.0.0.2
"""

DOMAIN = """<domain type='kvm'>
  <name>{name}</name>
  <memory unit='MiB'>128</memory>
  <memoryBacking>
    <source type='memfd'/>
    <access mode='shared'/>
  </memoryBacking>
  <os><type machine='q35'>hvm</type></os>
  <features><acpi/></features>
  <devices><emulator>{qemu}</emulator></devices>
  <commandline xmlns='http://libvirt.org/schemas/domain/qemu/1.0'>
    <arg value='-chardev'/><arg value='socket,id=x,path={socket}'/>
    <arg value='-device'/><arg value='vhost-user-rdma-pci,chardev=x'/>
  </commandline>
</domain>
"""

# A program answers with the file that its arguments name, if there is one.
PROGRAM = """#!/bin/sh
answers={folder}/{name}
for word in "$@"; do
    [ -e "$answers.$word" ] && exec cat "$answers.$word"
done
[ -e "$answers.else" ] && exec cat "$answers.else"
echo "fake {name}: no answer to $*"
exit 1
"""


class FakeHost:
    """Files are below `root`; `answer()` says what programs print."""

    def __init__(self) -> None:
        self.top = Path(tempfile.mkdtemp(prefix="vrdma-test-"))
        self.root = self.top / "r"
        self.programs = self.top / "bin"
        self.programs.mkdir()
        self.qemu = self.programs / "qemu-system-x86_64"
        self.config = self.top / "vrdmad.conf"
        self.config.write_text(CONF)
        self._sockets: List[socket.socket] = []
        self._accounts()
        self._system()
        self._fabric()
        self._sockets_of_guests()
        self._libvirt()

    def close(self) -> None:
        for sock in self._sockets:
            sock.close()
        for folder, _, _ in os.walk(self.top):
            os.chmod(folder, 0o700)
        shutil.rmtree(self.top)

    # ---- to build and to break ----------------------------------------------

    def path(self, name: str) -> Path:
        return self.root / name

    def write(self, name: str, text: str, mode: int = 0o644) -> None:
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        self._own(path)

    def folder(self, name: str, mode: int) -> None:
        path = self.path(name)
        path.mkdir(parents=True, exist_ok=True)
        self._own(path)
        path.chmod(mode)

    def remove(self, name: str) -> None:
        path = self.path(name)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()

    def listen(self, name: str, mode: int) -> None:
        path = self.path(name)
        path.unlink(missing_ok=True)
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(str(path))
        self._sockets.append(sock)
        self._own(path)
        path.chmod(mode)

    def configure(self, old: str, new: str) -> None:
        text = self.config.read_text()
        assert old in text, old
        self.config.write_text(text.replace(old, new))

    def answer(self, program: str, word: str, text: str) -> None:
        """What a program prints when `word` is among its arguments."""
        path = self.programs / program
        path.write_text(PROGRAM.format(folder=self.programs, name=program))
        path.chmod(0o755)
        (self.programs / f"{program}.{word}").write_text(text)

    def no_answer(self, program: str, word: str) -> None:
        (self.programs / f"{program}.{word}").unlink()

    def domain(self, name: str, change: Tuple[str, str] = ("", "")) -> None:
        """A domain that has the socket of guest web."""
        text = DOMAIN.format(name=name, socket="/run/vrdma/web.sock",
                             qemu=self.qemu)
        assert change[0] in text, change
        self.answer("virsh", name, text.replace(*change))

    # ---- the tool -----------------------------------------------------------

    def check(self, *args: str) -> Tuple[int, List[Dict[str, str]]]:
        """Exit status, and the findings that are wrong."""
        status, out, err = self.tool("--check", "--json", "--no-kvm", *args)
        if err:
            raise AssertionError(err)
        found = json.loads(out)
        wrong = [f for f in found["findings"] if f["kind"] == "wrong"]
        assert found["ready"] is (not wrong)
        return status, wrong

    def tool(self, *args: str) -> Tuple[int, str, str]:
        env = dict(os.environ, PATH=f"{self.programs}:{os.environ['PATH']}",
                   VRDMA_CACHE=str(self.top / "cache"))
        env.pop("LIBVIRT_DEFAULT_URI", None)
        done = subprocess.run(
            [sys.executable, "-B", str(TOOL), "--config", str(self.config),
             "--root", str(self.root), "--vrdmad", str(self.programs / "vrdmad"),
             *args], env=env, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    # ---- all that is well ---------------------------------------------------

    @staticmethod
    def _own(path: Path) -> None:
        if _ROOT:
            os.chown(path, VRDMA_UID, QEMU_GID)

    def _accounts(self) -> None:
        self.write("etc/passwd",
                   f"vrdma:x:{VRDMA_UID}:5001::/:/bin/false\n"
                   f"libvirt-qemu:x:{QEMU_UID}:5002::/:/bin/false\n"
                   "nobody:x:65534:65534::/:/bin/false\n")
        self.write("etc/group",
                   f"vrdma:x:5001:\nkvm:x:5002:\nlibvirt-qemu:x:{QEMU_GID}:\n"
                   "rdma:x:5003:vrdma\n")

    def _system(self) -> None:
        self.folder("", 0o755)
        self.answer(self.qemu.name, "else", 'name "vhost-user-rdma-pci", bus PCI\n')
        self.answer("vrdmad", "else", "configuration is good: 2 guests\n")
        self.write("proc/sys/vm/max_map_count", "70000\n")
        self.write("proc/meminfo", "Hugepagesize:       2048 kB\n")
        self.write("proc/77/cmdline",
                   f"/usr/bin/vrdmad\0--config\0{self.config}")
        self.process(VRDMA_UID, "5001 5003", "unlimited")

    def process(self, uid: int, groups: str, memlock: str) -> None:
        """The vrdmad that runs."""
        self.write("proc/77/status",
                   f"Name:\tvrdmad\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n"
                   f"Gid:\t5001\t5001\t5001\t5001\nGroups:\t{groups}\n")
        self.write("proc/77/limits",
                   "Limit                     Soft Limit           Hard Limit  "
                   "         Units\nMax locked memory         "
                   f"{memlock:<20} {memlock:<20} bytes\n")

    def _fabric(self) -> None:
        port = "sys/class/infiniband/rxe0/ports/1"
        self.write("sys/class/infiniband/rxe0/parent", "eth1\n")
        self.write(f"{port}/state", "4: ACTIVE\n")
        gids = {"0": "fe80:0000:0000:0000:5054:00ff:fe12:3456",
                "1": "0000:0000:0000:0000:0000:ffff:0a00:0001",
                "2": "fd00:0000:0000:0000:0000:0000:0000:0001",
                "3": "0000:0000:0000:0000:0000:0000:0000:0000"}
        for index, gid in gids.items():
            self.write(f"{port}/gids/{index}", gid + "\n")
            self.write(f"{port}/gid_attrs/types/{index}", "RoCE v2\n")
            self.write(f"{port}/gid_attrs/ndevs/{index}",
                       "eth1\n" if index != "3" else "")
        self.answer("ip", "eth1", "[]")
        self.write("sys/class/infiniband_verbs/uverbs0/ibdev", "other0\n")
        self.write("sys/class/infiniband_verbs/uverbs1/ibdev", "rxe0\n")
        for node in ("uverbs1", "rdma_cm"):
            self.write(f"dev/infiniband/{node}", "", 0o660)

    def _sockets_of_guests(self) -> None:
        self.folder("run/vrdma", 0o2750)
        rows = ["Num       RefCount Protocol Flags    Type St Inode Path"]
        for name in ("web", "db"):
            self.listen(f"run/vrdma/{name}.sock", 0o660)
            rows.append("0000000000000000: 00000002 00000000 00010000 0001 01 "
                        f"1234 /run/vrdma/{name}.sock")
        self.write("proc/net/unix", "\n".join(rows) + "\n")

    def _libvirt(self) -> None:
        self.answer("virsh", "--version", "9.0.0\n")
        self.answer("virsh", "list", "vm-web\nvm-other\n")
        self.answer("virsh", "capabilities",
                    "<secmodel><model>dac</model></secmodel>\n")
        self.answer("virsh", "domcapabilities", "<domainCapabilities/>\n")
        self.domain("vm-web")
        self.answer("virsh", "vm-other",
                    "<domain><name>vm-other</name></domain>")
        # the domain's program is outside of the folder, its permissions inside
        self.write(str(self.qemu).lstrip("/"), "", 0o755)
