#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""scripts/vrdma-domain: what it reads, prints and finds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple

sys.dont_write_bytecode = True
_HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(_HERE.parent / "lib"), str(_HERE.parent.parent / "scripts")]

import as_check                                                 # noqa: E402
from fake_host import VRDMA_UID, FakeHost                       # noqa: E402
from vrdma_host import check_programs, conf, domain             # noqa: E402
from vrdma_host.check import Checked, Wishes                    # noqa: E402
from vrdma_host.check_fabric import gid_address                 # noqa: E402
from vrdma_host.host import OTHERS, READ, WRITE, Host           # noqa: E402

VRDMAD = os.environ.get("VRDMAD", "build/bin/vrdmad")


def vrdmad(*args: str) -> Tuple[int, str, str]:
    done = subprocess.run([VRDMAD, *args], capture_output=True, timeout=60,
                          stdin=subprocess.DEVNULL, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


class Configuration(unittest.TestCase):
    """The same file means the same to vrdmad and to us."""

    def vrdmad_says(self, text: str) -> str:
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write(text)
            file.flush()
            return vrdmad("--config", file.name, "--check-config")[2]

    # Each holds one wrong number; vrdmad repeats the value as it read it
    VALUES = (
        "max-qp = x", "max-qp=x", "max-qp:x", "max-qp = a=b:c", "  max-qp = x",
        "max-qp\t= \tx y \t", "max-qp = x ; a comment", "max-qp = x;no comment",
        "max-qp = x # no comment", "max-qp = [x]", "max-qp = \"x\"",
        "max-qp = 5\n  y", "max-qp = 5 ; c\n\ty ; d", "max-qp = 5\n  # c\n  y",
        "max-qp = 5\n\n  y = z", "; c\n# c\nmax-qp = x", "max-qp = x\r",
    )

    def test_values(self) -> None:
        for lines in self.VALUES:
            with self.subTest(lines):
                text = f"[guest a]\n{lines}\n"
                ours = conf.parse(text, "f").guest("a").last("max-qp")
                self.assertIn(f"max-qp = {ours}: not a number",
                              self.vrdmad_says(text))

    SECTIONS = (
        "[guest  a.b-c_d]\nmax-qp = x\n", "[guest\ta]\nmax-qp = x\n",
        "[guest a] rest\nmax-qp = x\n",
        "[guest a]\nmax-qp = 1\n[guest a]\nmax-qp = x\n",
    )

    def test_sections(self) -> None:
        for text in self.SECTIONS:
            with self.subTest(text):
                self.assertIn("max-qp = x: not a number", self.vrdmad_says(text))
                guests = conf.parse(text, "f").guests
                self.assertEqual(["x"], [g.last("max-qp") for g in guests])

    WRONG = (
        "max-qp = 1\n", "[host]\na = 1\n", "[guest]\na = 1\n",
        "[guest a\nmax-qp = 1\n", "[guest a]\nnonsense\n",
        "[guest a]\nmax-qp = 1\n[vrdmad]\npoll-us = 1\n[guest a]\nmax-qp = 1\n",
        "[guest a]\nmax-qp = 1\n[guest  a]\nmax-qp = 1\n",
    )

    def test_wrong(self) -> None:
        for text in self.WRONG:
            with self.subTest(text):
                theirs = re.search(r"\.conf:(\d+): ", self.vrdmad_says(text))
                self.assertIsNotNone(theirs)
                with self.assertRaises(conf.ConfError) as ours:
                    conf.parse(text, "f")
                self.assertTrue(str(ours.exception).startswith(
                    f"f:{theirs and theirs[1]}: "), ours.exception)

    def test_defaults(self) -> None:
        help_text = vrdmad("-h")[1]
        for key, value in conf.DEFAULTS.items():
            with self.subTest(key):
                self.assertRegex(help_text, rf"(?m)^ +{key} .* \({value};")

    def test_meaning(self) -> None:
        config = conf.parse(
            "[vrdmad]\nsocket-mode = 660\nsocket-group = kvm\n[guest a]\n"
            "socket = /run/a b\naddress = 10.0.0.1, fd00::1\naddress=10.0.0.2\n"
            "fabric = verbs:mlx5_0\nnum-ceq = 0x10\nlocal = no\n[guest b]\n"
            "fabric = none\n", "f")
        guest = config.guest("a")
        self.assertEqual("/run/a b", guest.socket)
        self.assertEqual(["10.0.0.1", "fd00::1", "10.0.0.2"],
                         [str(a) for a in guest.addresses])
        self.assertEqual("mlx5_0", guest.verbs_device)
        self.assertIsNone(config.guest("b").verbs_device)
        self.assertEqual(2 + 16 + 16, guest.queues)
        self.assertEqual(0o660, config.socket_mode)
        self.assertEqual("kvm", config.socket_group)

    MEANINGLESS = (
        ("fabric = verbs", "verbs:DEVICE"), ("fabric = iwarp", "verbs:DEVICE"),
        ("fabric = verbs:../x", "verbs:DEVICE"), ("address = 10.0.0", "address"),
        ("num-ceq = some", "not a number"), ("max-qp = 1", "no socket"),
    )

    def test_meaningless(self) -> None:
        for line, says in self.MEANINGLESS:
            with self.subTest(line):
                guest = conf.parse(f"[guest a]\n{line}\n", "f").guest("a")
                with self.assertRaisesRegex(conf.ConfError, says):
                    _ = (guest.verbs_device, guest.addresses, guest.queues,
                         guest.socket)
        with self.assertRaisesRegex(conf.ConfError, "octal"):
            _ = conf.parse("[vrdmad]\nsocket-mode = 9\n", "f").socket_mode
        with self.assertRaisesRegex(conf.ConfError, "there is: a"):
            conf.parse("[guest a]\nx = 1\n", "f").guest("b")


def q35(devices: str = "", more: str = "", backing: str = "",
        machine: str = "pc-q35-7.2") -> str:
    return (f"<domain type='kvm'><name>n</name><memoryBacking>{backing}"
            f"</memoryBacking><os><type machine='{machine}'>hvm</type></os>"
            f"<devices>{devices}</devices>{more}</domain>")


def pci(slot: int, bus: int = 0) -> str:
    return ("<disk><address type='pci' domain='0x0000' "
            f"bus='{bus:#04x}' slot='{slot:#04x}' function='0x0'/></disk>")


def qemu_args(*args: str) -> str:
    listed = "".join(f"<q:arg value='{arg}'/>" for arg in args)
    return (f"<q:commandline xmlns:q='{domain.QEMU_NS}'>{listed}"
            "</q:commandline>")


class Domain(unittest.TestCase):
    """The fragment, and a domain that it is put into."""

    DEVICE = domain.Device("web", "/run/vrdma/web.sock", 22)

    def merged(self, text: str, **more: object) -> Tuple[domain.Device, str]:
        root = domain.parse(text)
        device = domain.merge(root, self.DEVICE, **more)   # type: ignore
        return device, domain.text(root)

    def test_fragment(self) -> None:
        root = domain.empty()
        domain.merge(root, self.DEVICE)
        again = domain.parse(domain.text(root))
        self.assertEqual([], domain.problems(again))
        self.assertTrue(domain.has_socket(again, "/run/vrdma/web.sock"))
        self.assertEqual(
            ["-chardev", "socket,id=vrdma-web,path=/run/vrdma/web.sock,"
             "reconnect-ms=500", "-device",
             "vhost-user-rdma-pci,chardev=vrdma-web,bus=pcie.0,addr=0x1e"],
            domain.arguments(again))
        self.assertFalse(domain.has_hugepages(again))

    def test_odd_paths(self) -> None:
        path = "/run/a,b & 'c' <d>.sock"
        root = domain.empty()
        domain.merge(root, domain.Device("w", path))
        again = domain.parse(domain.text(root))
        self.assertIn("path=/run/a,,b & 'c' <d>.sock,reconnect-ms=",
                      domain.arguments(again)[1])
        self.assertTrue(domain.has_socket(again, path))

    def test_many_queues(self) -> None:
        for queues, says in ((40, False), (41, True), (256, True)):
            with self.subTest(queues):
                words = domain.Device("w", "/s", queues).arguments()[3]
                self.assertEqual(says, f"num_vqs={queues}" in words)

    # A domain, and the slot that the device gets in it
    SLOTS = (
        (q35(), 0x1e), (q35(pci(1) + pci(2)), 0x1e), (q35(pci(0x1e)), 0x1c),
        (q35(pci(0x1e, bus=1)), 0x1e), (q35(pci(0x1e) + pci(0x1c)), 0x19),
        (q35("<controller type='pci' model='dmi-to-pci-bridge'/>"), 0x1c),
        (q35(more=qemu_args("-device", "x,bus=pcie.0,addr=1e.0")), 0x1c),
        (q35(more=qemu_args("-device", "x,bus=pcie.0,addr=0x1e")), 0x1c),
        (q35(more=qemu_args("-device", "x,bus=other,addr=0x1e")), 0x1e),
    )

    def test_slots(self) -> None:
        for text, slot in self.SLOTS:
            with self.subTest(text):
                self.assertEqual(slot, self.merged(text)[0].slot)

    def test_no_slot(self) -> None:
        with self.assertRaisesRegex(domain.DomainError, "no slot of pcie.0"):
            self.merged(q35("".join(map(pci, range(0x20)))))

    def test_bus(self) -> None:
        for machine, bus in (("q35", "pcie.0"), ("pc-i440fx-7.2", "pci.0"),
                             ("pc", "pci.0"), ("virt-7.2", "pcie.0")):
            with self.subTest(machine):
                device, text = self.merged(q35(machine=machine))
                self.assertEqual(bus, device.bus)
                self.assertIn(f"bus={bus},", text)
        for text in (q35(machine="s390-ccw-virtio"),
                     "<domain><os><type>hvm</type></os></domain>"):
            with self.subTest(text), \
                    self.assertRaisesRegex(domain.DomainError, "machine='q35'"):
                self.merged(text)

    def test_again(self) -> None:
        """Once more changes nothing; another path keeps the slot."""
        _, once = self.merged(q35(pci(0x1e)))
        device, twice = self.merged(once)
        self.assertEqual((once, 0x1c), (twice, device.slot))
        root = domain.parse(twice.replace("slot=\"0x1e\"", "slot=\"0x02\""))
        moved = domain.merge(root, domain.Device("web", "/run/other"))
        self.assertEqual(0x1c, moved.slot)
        self.assertEqual(["/run/other"], [s for _, s in domain.devices(root)])

    def test_two_devices(self) -> None:
        root = domain.parse(self.merged(q35())[1])
        other = domain.merge(root, domain.Device("db", "/run/vrdma/db.sock"))
        self.assertEqual(0x1c, other.slot)
        self.assertEqual(2, len(list(domain.devices(root))))

    def test_a_strange_device(self) -> None:
        with self.assertRaisesRegex(domain.DomainError, "not from here"):
            self.merged(q35(more=qemu_args(
                "-chardev", "socket,id=mine,path=/run/vrdma/web.sock",
                "-device", "vhost-user-rdma-pci,chardev=mine")))

    def test_what_is_there_stays(self) -> None:
        text = q35(pci(3), more="<!-- mine -->" + qemu_args("-S") +
                   "<metadata><o:os xmlns:o='http://libosinfo/'/></metadata>",
                   backing="<hugepages/><locked/>")
        after = self.merged(text, hugepages=True, qemu="/opt/q")[1]
        for part in ("<!-- mine -->", 'value="-S"', "<o:os", "<locked", 
                     "<emulator>/opt/q</emulator>"):
            self.assertIn(part, after)
        self.assertEqual(1, after.count("<hugepages"))
        self.assertEqual(1, after.count("<devices>"))

    # What a domain may say that vrdmad cannot work with
    PROBLEMS = (
        (q35(backing="<source type='file'/><access mode='shared'/>"),
         "could shrink"),
        (q35(backing="<source type='anonymous'/>"), "anonymous"),
        (q35(backing="<access mode='private'/>"), "not shared"),
        (q35(more="<cpu><numa><cell id='1' memAccess='private'/></numa></cpu>"),
         "NUMA cell 1"),
        (q35("<memory model='dimm' access='private'/>"), "memory device dimm"),
        (q35(more="<launchSecurity type='sev'/>"), "encrypts"),
    )

    def test_problems(self) -> None:
        for text, says in self.PROBLEMS:
            with self.subTest(says), \
                    self.assertRaisesRegex(domain.DomainError, says):
                self.merged(text)
        self.merged(self.PROBLEMS[0][0], unsealed=True)
        found = domain.problems(domain.parse("<domain/>"))
        self.assertEqual(3, len(found))     # memory, sharing, ACPI

    def test_not_a_domain(self) -> None:
        for text, says in (("<domain", "not well-formed"), ("", "well-formed"),
                           ("<network/>", "a <network>")):
            with self.subTest(text), \
                    self.assertRaisesRegex(domain.DomainError, says):
                domain.parse(text)

    def test_sizes(self) -> None:
        for text, size in (("<memory>4</memory>", 4096),
                           ("<memory unit='GiB'>1</memory>", 1 << 30),
                           ("<memory unit='MB'>1</memory>", 10**6),
                           ("<memory>1</memory><maxMemory>2</maxMemory>", 2048),
                           ("<memory>much</memory>", None)):
            with self.subTest(text):
                root = domain.parse(f"<domain>{text}</domain>")
                self.assertEqual(size, domain.memory_bytes(root))


class WithHost(unittest.TestCase):
    """A host on which all is well."""

    def setUp(self) -> None:
        self.host = FakeHost()
        self.addCleanup(self.host.close)


class Program(WithHost):
    """The command line."""

    def test_usage(self) -> None:
        for args in ((), ("a", "b"), ("--bogus",), ("--check", "--into", "f"),
                     ("--check", "-o", "f"), ("--check", "--hugepages")):
            with self.subTest(args):
                status, out, err = self.host.tool(*args)
                self.assertEqual((2, ""), (status, out))
                self.assertIn("usage: vrdma-domain", err)
        status, out, _ = self.host.tool("-h")
        self.assertEqual(0, status)
        self.assertIn("Exit status: 0 nothing is wrong", out)

    def test_print(self) -> None:
        status, out, err = self.host.tool("web", "--hugepages", "--qemu", "/q")
        self.assertEqual((0, ""), (status, err))
        root = domain.parse(out)
        self.assertTrue(domain.has_hugepages(root))
        self.assertEqual("/q", domain.emulator(root))
        self.assertTrue(domain.has_socket(root, "/run/vrdma/web.sock"))

    def test_into(self) -> None:
        before, after = self.host.top / "in.xml", self.host.top / "out.xml"
        before.write_text(q35(pci(0x1e)))
        self.assertEqual((0, "", ""), self.host.tool(
            "db", "--into", str(before), "-o", str(after)))
        self.assertIn("addr=0x1c", after.read_text())
        status, out, _ = self.host.tool("db", "--into", str(before), "--json")
        self.assertEqual(0, status)
        self.assertRegex(out, r'"slot": 28')

    def test_errors(self) -> None:
        broken = self.host.top / "broken.xml"
        broken.write_text("<domain><name></domain>")
        for args, says in ((("nobody",), "no section"),
                           (("web", "--into", "/nonexistent/x"), "cannot read"),
                           (("web", "--into", str(broken)), "not well-formed"),
                           (("web", "-o", "/nonexistent/x"), "No such file"),
                           (("web", "--config", "/nonexistent/c"), "cannot read")):
            with self.subTest(args):
                status, out, err = self.host.tool(*args)
                self.assertEqual((1, ""), (status, out))
                self.assertRegex(err, rf"^vrdma-domain: error: .*{says}.*\n$")

    def test_vrdmad_itself(self) -> None:
        """Not the fake one: it knows each key that is looked at here."""
        real = ("--vrdmad", os.path.abspath(VRDMAD))
        self.assertEqual((0, []), self.host.check(*real))
        self.host.configure("max-mr-pages = 65536", "max-mr-pages = many")
        status, wrong = self.host.check(*real)
        self.assertEqual(1, status)
        self.assertIn("max-mr-pages = many: not a number", wrong[0]["what"])

    def test_output(self) -> None:
        status, out, _ = self.host.tool("--check", "--no-kvm")
        self.assertEqual((0, 1), (status, out.count("\n")), out)
        self.assertIn("ready for web, db", out)
        self.host.remove("sys/class/infiniband/rxe0")
        status, out, _ = self.host.tool("--check", "--no-kvm")
        self.assertEqual((1, 2), (status, out.count("\n")), out)
        self.assertIn("\n1 to mend\n", out)
        status, out, _ = self.host.tool("--check", "--no-kvm", "-v", "db")
        self.assertEqual(0, status, out)
        self.assertIn("\nok ", out)


Break = Callable[[FakeHost], object]


def _domain(change: Tuple[str, str]) -> Break:
    return lambda h: h.domain("vm-web", change)


def _stopped(h: FakeHost) -> None:
    """vrdmad does not run; its unit is known."""
    for path in ("run/vrdma/web.sock", "run/vrdma/db.sock", "proc/77"):
        h.remove(path)
    h.folder("run/systemd/system", 0o755)
    h.answer("systemctl", "show",
             "LoadState=loaded\nUser=vrdma\nGroup=vrdma\n"
             "SupplementaryGroups=rdma\nLimitMEMLOCK=infinity\n")


def _unit_limit(h: FakeHost) -> None:
    _stopped(h)
    h.answer("systemctl", "show", "LoadState=loaded\nUser=vrdma\nGroup=vrdma\n"
             "SupplementaryGroups=rdma\nLimitMEMLOCK=65536\n")


def _plain_folder(h: FakeHost) -> None:
    _stopped(h)
    h.folder("run/vrdma", 0o750)


def _foreign_group(h: FakeHost) -> None:
    _stopped(h)
    h.configure("socket-mode = 0660", "socket-mode = 0660\nsocket-group = kvm")


def _open_to_all(h: FakeHost) -> None:
    h.folder("run/vrdma", 0o755)
    h.listen("run/vrdma/db.sock", 0o666)


def _apparmor(sockets: str, rules: str) -> Break:
    def change(h: FakeHost) -> None:
        h.write("sys/module/apparmor/parameters/enabled", "Y\n")
        h.write("sys/kernel/security/apparmor/features/network_v9/af_unix",
                sockets)
        h.answer("virsh", "capabilities", "<model>apparmor</model>")
        h.write("etc/apparmor.d/local/abstractions/libvirt-qemu", rules)
    return change


def _iwarp(h: FakeHost) -> None:
    """A device with no IP address in its table: the netdev is asked."""
    port = "sys/class/infiniband/rxe0/ports/1"
    for index in "0123":
        h.write(f"{port}/gid_attrs/types/{index}", "IB/RoCE v1\n"
                if index == "0" else "")
        h.write(f"{port}/gids/{index}", "5254:0012:3456:" + ":".join(["0000"] * 5))
    h.answer("ip", "eth1", '[{"addr_info": [{"local": "10.0.0.1"}, '
             '{"local": "fd00::1"}]}]')


class Check(unittest.TestCase):
    """One thing is broken; one line says what, and how to mend it."""

    PORT = "sys/class/infiniband/rxe0/ports/1"
    BROKEN: Dict[str, Tuple[Break, str, str]] = {
        # name: how it is broken, what is said, how to mend it
        "vrdmad's opinion": (
            lambda h: (h.programs / "vrdmad").write_text(
                "#!/bin/sh\necho 'vrdmad: error: f:3: what' >&2; exit 1\n"),
            "f:3: what", "--check-config"),
        "QEMU without the device": (
            lambda h: h.answer(h.qemu.name, "else", 'name "virtio-net-pci"\n'),
            "has no vhost-user-rdma-pci", "qemu-build.sh"),
        "QEMU that does not run": (
            lambda h: h.qemu.unlink(), "cannot run",
            "qemu-build.sh"),
        "no virsh answer": (
            lambda h: h.no_answer("virsh", "list"), "qemu:///system: fake virsh",
            "systemctl start libvirtd"),
        "old libvirt": (
            lambda h: h.answer("virsh", "--version", "4.9.0\n"),
            "4.9.0 knows no memfd", "4.10"),
        "libvirtd that may not run QEMU": (
            lambda h: h.no_answer("virsh", "domcapabilities"), "it cannot run",
            "libvirtd's log"),
        "domain with private memory": (
            _domain(("<access mode='shared'/>", "")), "vm-web: .*not shared",
            "virsh edit vm-web: put <access mode='shared'/>"),
        "domain with few queues": (
            _domain(("chardev=x", "chardev=x,num_vqs=8")),
            "has 8 queues, .* ask for 22", "num_vqs=22"),
        "domain without hugepages": (
            _domain(("<source", "<hugepages/><source")),
            "0 KiB in pages of 2 MiB, the domain needs 128 MiB",
            "echo 64 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"),
        "no folder": (
            lambda h: h.remove("run/vrdma"), "/run/vrdma does not exist",
            "install -d -o vrdma -g libvirt-qemu -m 2750 /run/vrdma"),
        "folder that is not vrdmad's": (
            lambda h: h.configure("/run/vrdma/db", "/run/db") or
            h.path("run").chmod(0o555), "/run: vrdma may not make a socket",
            "folder of its own: install -d .* /run/vrdma$"),
        "folder that vrdmad may not write": (
            lambda h: h.process(65534, "5003 4002", "unlimited") or
            h.configure("verbs:rxe0", "none"),
            "65534|nobody may not", "install -d"),
        "socket that QEMU may not open": (
            lambda h: h.listen("run/vrdma/db.sock", 0o700),
            "db.sock: libvirt-qemu may not connect", "socket-mode = 0660"),
        "socket that is a file": (
            lambda h: h.remove("run/vrdma/db.sock") or
            h.write("run/vrdma/db.sock", ""), "is a file and no socket", "rm "),
        "socket for everybody": (
            _open_to_all, "everybody may connect to /run/vrdma/db.sock",
            "socket-mode"),
        "planned socket of vrdmad's own group": (
            _plain_folder, "will not be able to connect", "socket-group"),
        "planned socket of a foreign group": (
            _foreign_group, "vrdma is not in group kvm",
            "usermod -a -G kvm vrdma"),
        "no device": (
            lambda h: h.remove("sys/class/infiniband/rxe0"),
            "no RDMA device rxe0", "rdma link add"),
        "another device": (
            lambda h: h.remove("sys/class/infiniband/rxe0") or
            h.folder("sys/class/infiniband/mlx5_0", 0o755),
            "no RDMA device rxe0", "one that is there: mlx5_0"),
        "no uverbs": (
            lambda h: h.remove("sys/class/infiniband_verbs/uverbs1"),
            "rxe0 has no node", "modprobe ib_uverbs"),
        "no uverbs node": (
            lambda h: h.remove("dev/infiniband/uverbs1"),
            "/dev/infiniband/uverbs1 does not exist", "modprobe ib_uverbs"),
        "no rdma_cm": (
            lambda h: h.remove("dev/infiniband/rdma_cm"),
            "/dev/infiniband/rdma_cm does not exist", "modprobe rdma_ucm"),
        "node of somebody else": (
            lambda h: h.write("dev/infiniband/uverbs1", "", 0o060),
            "uverbs1: vrdma may not use it", "usermod -a -G libvirt-qemu vrdma"),
        "node of nobody": (
            lambda h: h.write("dev/infiniband/rdma_cm", "", 0),
            "rdma_cm: vrdma may not use it", "udev rule"),
        "port down": (
            lambda h: h.write(f"{Check.PORT}/state", "1: DOWN\n") or
            h.configure(", fd00::1", ""),
            "port of rxe0 with 10.0.0.1 is 1: DOWN", "ip link set eth1 up"),
        "address of nobody": (
            lambda h: h.configure("10.0.0.1", "10.0.0.9"),
            r"10.0.0.9 is no address of rxe0 \(it has: fe80:.*10.0.0.1, fd00::1",
            "ip addr add 10.0.0.9/24 dev eth1"),
        "IPv6 address of nobody": (
            lambda h: h.write(f"{Check.PORT}/gids/2", ":".join(["0000"] * 8)),
            "fd00::1 is no address of rxe0", "ip addr add fd00::1/64 dev eth1"),
        "memlock": (
            lambda h: h.process(VRDMA_UID, "5003", "8388608"),
            "pid 77.* may lock 8 MiB, guests web may register 128 MiB",
            "LimitMEMLOCK=infinity"),
        "memlock of the unit": (
            _unit_limit, "vrdmad.service may lock 64 KiB", "LimitMEMLOCK"),
        "max_map_count": (
            lambda h: h.write("proc/sys/vm/max_map_count", "32768\n"),
            "is 32768, .* may need 33792", "sysctl -w vm.max_map_count=33792"),
        "AppArmor, QEMU": (
            lambda h: _apparmor("yes", "/run/vrdma/* rw,\n")(h),
            "gives QEMU .*/qemu-system-x86_64", "add the line `.* rmix,`"),
        "AppArmor, sockets": (
            lambda h: _apparmor("yes", f"{h.qemu} rmix,\n")(h),
            r"gives QEMU /run/vrdma/\*", r"add the line `/run/vrdma/\* rw,`"),
    }

    # Not the usual host, and nothing wrong either
    FINE: Dict[str, Break] = {
        "as it is": lambda h: None,
        "vrdmad not started yet": _stopped,
        "iWARP": _iwarp,
        "AppArmor with rules": lambda h: _apparmor(
            "yes", f"/run/vrdma/* rw,\n{h.qemu} rmix,\n")(h),
        "AppArmor that knows no sockets": lambda h: _apparmor(
            "no", f"{h.qemu} rmix,\n")(h),
        "AppArmor that confines nobody": lambda h: _apparmor("yes", "")(h) or
            h.domain("vm-web", ("<os>", "<seclabel type='none'/><os>")) or
            h.configure("[guest db]\nsocket = /run/vrdma/db.sock\n"
                        "address = 10.0.0.2\n", ""),
        "hugepages": lambda h: _domain(("<source", "<hugepages/><source"))(h) or
            h.write("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
                    "64\n") or
            h.write("proc/sys/vm/max_map_count", "2000\n"),
        "no libvirt domain": lambda h: h.answer("virsh", "list", ""),
        "no fabric, no limits": lambda h: h.remove("sys/class/infiniband") or
            h.configure("verbs:rxe0", "none") or
            h.process(VRDMA_UID, "5001", "65536"),
    }

    def each(self, change: Break) -> Tuple[int, List[Dict[str, str]]]:
        host = FakeHost()
        self.addCleanup(host.close)
        change(host)
        return host.check()

    def test_broken(self) -> None:
        for name, (change, what, mend) in self.BROKEN.items():
            with self.subTest(name):
                status, wrong = self.each(change)
                self.assertEqual((1, 1), (status, len(wrong)), wrong)
                self.assertRegex(wrong[0]["what"], what)
                self.assertRegex(wrong[0]["mend"], mend)

    def test_fine(self) -> None:
        for name, change in self.FINE.items():
            with self.subTest(name):
                self.assertEqual((0, []), self.each(change))


class Rights(unittest.TestCase):
    """Who may do what, from the kernel where we may ask it."""

    def test_everybody(self) -> None:
        with tempfile.NamedTemporaryFile() as file:
            path, host = file.name, Host()
            me = host.identity(str(os.geteuid()))
            assert me is not None
            for mode, others in ((0o600, False), (0o666, True), (0o660, False),
                                 (0o662, False), (0o606, True)):
                with self.subTest(oct(mode)):
                    os.chmod(path, mode)
                    self.assertTrue(host.may(me, path, READ | WRITE))
                    self.assertEqual(others,
                                     host.may(OTHERS, path, READ | WRITE))
                    self.assertIsNone(host.obstacle(me, path))
            self.assertFalse(host.may(me, path + ".not", READ))

    def test_folders(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            inner = Path(folder) / "a" / "b"
            inner.mkdir(parents=True)
            for path, mode in ((inner, 0o777), (inner.parent, 0o766),
                               (Path(folder), 0o777)):
                path.chmod(mode)
            self.assertEqual(str(inner.parent),
                             Host().obstacle(OTHERS, str(inner / "file")))

    def test_users(self) -> None:
        host = Host()
        root = host.identity("root")
        assert root is not None
        self.assertEqual((0, 0), (root.uid, host.group("root")))
        self.assertEqual("root", host.group_name(0))
        self.assertIsNone(host.identity("no such user"))
        self.assertIsNone(host.group("no such group"))


class Kvm(WithHost):
    """Without a device that makes machines, the check is told what it says."""

    def found(self, fault: Optional[str], cpu: str, kind: str = "kvm",
              mode: int = 0o666) -> List[str]:
        self.host.write("proc/cpuinfo", f"flags\t: fpu {cpu} de\n")
        self.host.write("dev/kvm", "", mode)
        host = Host(str(self.host.root))
        host.kvm_fault = lambda: fault                  # type: ignore
        config = conf.read(self.host.config)
        checked = Checked(host, config, config.guests, Wishes())
        checked.domains["web"] = domain.parse(f"<domain type='{kind}'/>")
        check_programs.kvm(checked)
        return [f.what for f in checked.report.of("wrong")]

    def test_kvm(self) -> None:
        self.assertEqual([], self.found(None, "svm"))
        self.assertEqual([], self.found(None, "vmx"))
        self.assertEqual([], self.found("no", "", "qemu"))
        self.assertRegex(self.found("No such file", "svm")[0], "No such file")
        self.assertRegex(self.found(None, "")[0], "neither vmx nor svm")
        self.assertRegex(self.found(None, "svm", mode=0o600)[0],
                         "libvirt-qemu may not use it")

    def test_no_kvm_here(self) -> None:
        self.assertRegex(str(Host(str(self.host.root)).kvm_fault()),
                         "No such file")
        self.host.write("dev/kvm", "")
        self.assertIsNotNone(Host(str(self.host.root)).kvm_fault())


class Gids(unittest.TestCase):
    """What a table of an RDMA device holds."""

    def test_gids(self) -> None:
        for gid, address in (
                ("0000:0000:0000:0000:0000:ffff:0a00:0001", "10.0.0.1"),
                ("fe80:0000:0000:0000:0000:0000:0000:0001", "fe80::1"),
                (":".join(["0000"] * 8), "None"), ("", "None"),
                ("nonsense", "None"), (None, "None")):
            with self.subTest(gid):
                self.assertEqual(address, str(gid_address(gid)))


if __name__ == "__main__":
    as_check.main()
