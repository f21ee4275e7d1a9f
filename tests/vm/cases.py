# SPDX-License-Identifier: GPL-2.0-or-later
"""The two-guest tests, in the order in which they run.

A test finds both guests booted and vrdmad running, and leaves them so.
"""

from __future__ import annotations

import signal
from functools import partial
from typing import List

from vrdma_vm import ADDRESSES, Lab
from vrdma_vm.events import Ping
from vrdma_vm.scenario import (
    KERNEL, USER, Run, alive, check_outstanding, connects,
    device_found, devices_back, disconnect_deadline_ms, disconnects, expect,
    keep_transferring, loses, peer_guest_dies, start, transfers, unload,
    vrdmad_dies, who_disconnects)

from case import Case
from cases_hosts import TWO_HOSTS
from cases_suites import KERNEL_SUITES, NDSPI_SUITES


# -- the device comes up --

def vrdmad_dies_before_driver(lab: Lab) -> None:
    """QEMU outlives vrdmad with no driver there; the driver starts later."""
    for guest in lab.guests.values():
        unload(guest)
    lab.vrdmad.kill()
    alive(lab)
    lab.vrdmad.start()
    lab.load_drivers()
    devices_back(lab)
    transfers(lab, USER, "send", "64", 1)


def devices(lab: Lab) -> None:
    for guest in lab.guests.values():
        device_found(guest)


def reload_driver(lab: Lab) -> None:
    for guest in lab.guests.values():
        unload(guest)
    lab.load_drivers()
    transfers(lab, USER, "send", "64", 1)


def qemu_reports_device(lab: Lab) -> None:
    """QMP's inspection commands need care in a device of one's own.

    Not x-query-virtio-queue-status: QEMU fetches the index of a vhost-user
    queue with the message that stops it.
    """
    for guest in lab.guests.values():
        found = [d for d in guest.qmp("x-query-virtio")
                 if "rdma" in d["name"]]
        expect(len(found) == 1, f"{guest.name}: QMP lists {found}")
        path = found[0]["path"]
        guest.qmp("x-query-virtio-status", path=path)
        guest.qmp("x-query-virtio-vhost-queue-status", path=path, queue=0)
    alive(lab)


def wrong_calls(lab: Lab) -> None:
    """What a wrong or hostile process gets from the character device."""
    lab.a.run("vrdma_uapi", timeout=120)
    transfers(lab, USER, "send", "64", 1)
    unload(lab.a)       # works only when nothing is left of it
    lab.load_drivers("a")


def device_leaves(lab: Lab, tool: str) -> None:
    """The PCI device is removed in mid-transfer and found again."""
    deadline = disconnect_deadline_ms(lab.a)
    run = keep_transferring(lab, tool)
    lab.a.run("for d in $(grep -l 0x106a /sys/bus/pci/devices/*/device); do "
              "echo 1 > ${d%/*}/remove; done; test ! -e /dev/vrdma0")
    loses(run.client, deadline, ["device-reset"])
    loses(run.server, deadline, ["peer-gone"])
    lab.a.run("echo 1 > /sys/bus/pci/rescan")
    devices_back(lab)
    transfers(lab, tool, "write", "1M", 1)


# -- connections --

def connect_ipv6(lab: Lab) -> None:
    connects(lab, USER, ADDRESSES["b"][1])


def shared_endpoint(lab: Lab) -> None:
    """A kernel consumer connects from one, over each family; B sees its port."""
    for address in ADDRESSES["b"]:
        run = start(lab, KERNEL, ["-e", "-m", "write", "-S", "64K"],
                    address=address)
        run.finish()
        ours = run.client.one("connected")["local"]
        expect(int(ours.rsplit(":", 1)[1]) >= 49152, f"A is at {ours}")
        expect(run.server.one("connected")["peer"] == ours,
               f"A is at {ours}, and for B not")
        expect(run.client.one("transfer")["verify"] == "ok", "the data differs")


def nobody_listens(lab: Lab) -> None:
    """A refused connection is an error with a name, not a wait."""
    ping = Ping(lab.a, USER, "-c", ADDRESSES["b"][0], "-p", "9", "-T", "10")
    ping.finish(1)
    expect(ping.events("error") != [],
           f"{ping.command} said no error: {ping.command.lines[-1:]}")


def to_oneself(lab: Lab) -> None:
    """Both ends in one guest."""
    address = ADDRESSES["a"][0]
    server = Ping(lab.a, USER, "-s", "-a", address, "-p", "20000")
    server.wait_event("listening")
    client = Ping(lab.a, USER, "-c", address, "-p", "20000", "-S", "64K",
                  "-C", "16")
    for ping in (client, server):
        ping.finish()
        check_outstanding(ping)
    expect(client.one("transfer")["verify"] == "ok",
           "the data differs")


def both_ways_at_once(lab: Lab) -> None:
    """Four connections at a time."""
    runs = [start(lab, USER, ["-m", op, "-S", "256K", "-C", "32"])
            for op in ("send", "write", "read", "write")]
    for run in runs:
        run.finish(120)
        expect(run.client.one("transfer")["verify"] == "ok",
               f"{run.client.command}: the data differs")


# -- the end of a connection --

def peer_never_answers(lab: Lab) -> None:
    """A Disconnect whose peer does nothing fails at the deadline."""
    deadline = disconnect_deadline_ms(lab.a)
    run = start(lab, USER, ["-D", "client", "-C", "1"], ["-H", "/tmp/never"])
    done = run.client.wait_event("disconnect-completed", deadline / 1000 + 20)
    expect(done["status"] == "IO_TIMEOUT", f"A's Disconnect ended `{done}`")
    late = done.number("after_ms")
    expect(deadline * 0.9 <= late <= deadline + 2000,
           f"the deadline is {deadline} ms, it came after {late} ms")
    run.server.command.kill()
    run.server.command.wait(20)
    run.client.command.wait(20)
    transfers(lab, USER, "send", "64", 1)


def client_process_dies(lab: Lab) -> None:
    """All that a killed process owned goes with it; the peer is told."""
    run = keep_transferring(lab, USER)
    run.client.command.kill(signal.SIGKILL)
    expect(run.client.command.wait(20) == 128 + signal.SIGKILL,
           "A's client outlived SIGKILL")
    loses(run.server, disconnect_deadline_ms(lab.b), ["reset"])
    transfers(lab, USER, "write", "1M", 1)
    unload(lab.a)       # works only when nothing is left of the process
    lab.load_drivers("a")


def server_process_dies(lab: Lab) -> None:
    run = keep_transferring(lab, USER)
    run.server.command.kill(signal.SIGKILL)
    run.server.command.wait(20)
    loses(run.client, disconnect_deadline_ms(lab.a), ["reset"])
    transfers(lab, USER, "write", "1M", 1)
    unload(lab.b)
    lab.load_drivers("b")


def ndspi_conforms(lab: Lab) -> None:
    """The scheme through IND2Connector, both ends in one process."""
    done = lab.a.run(f"nd_conform {ADDRESSES['a'][0]}", timeout=120,
                     check=False)
    bad = [line for line in done.lines if line.startswith("FAIL")]
    expect(not bad and done.status == 0,
           f"nd_conform: exit {done.status}: {' / '.join(bad)}")
    unload(lab.a)       # works only when nothing is left of it
    lab.load_drivers("a")


# -- something happens while A's Disconnect pends --

def disconnect_in_flight(lab: Lab, hold: str = "/tmp/never") -> Run:
    """A has called Disconnect, B was told and holds its own."""
    run = start(lab, USER, ["-D", "client", "-C", "1"], ["-H", hold])
    run.client.wait_event("disconnect-pending")
    told = run.server.wait_event("indication")
    expect(told["reason"] == "graceful", f"B was told `{told}`")
    return run


def disconnect_ends(ping: Ping, status: str, within_ms: int) -> None:
    done = ping.wait_event("disconnect-completed", within_ms / 1000 + 20)
    expect(done["status"] == status, f"{ping.command}: `{done}`")
    expect(done.number("after_ms") <= within_ms + 2000,
           f"{ping.command}: `{done}`, the deadline is {within_ms} ms")
    expect(ping.events("indication") == [],
           f"{ping.command}: told of what it began itself")


def both_free(lab: Lab) -> None:
    """Nothing is left: the drivers unload, load, and connect."""
    for guest in lab.guests.values():
        unload(guest)
    lab.load_drivers()
    transfers(lab, USER, "send", "64", 1)


def client_dies_disconnecting(lab: Lab) -> None:
    """kill -9 of the process whose Disconnect pends; its peer may go on."""
    run = disconnect_in_flight(lab, "/tmp/after-the-kill")
    run.client.command.kill(signal.SIGKILL)
    expect(run.client.command.wait(20) == 128 + signal.SIGKILL,
           "A's client outlived SIGKILL")
    lab.b.run("touch /tmp/after-the-kill")
    disconnected = run.server.wait_event("disconnect-completed")
    expect(disconnected["status"] == "SUCCESS",
           f"B has A's notification and got `{disconnected}`")
    run.server.finish()
    expect(len(run.server.events("indication")) == 1, "B was told twice")
    lab.b.run("rm /tmp/after-the-kill")
    both_free(lab)


def server_dies_being_waited_for(lab: Lab) -> None:
    """The close of the dead process is B's notification (D2)."""
    run = disconnect_in_flight(lab)
    run.server.command.kill(signal.SIGKILL)
    disconnect_ends(run.client, "SUCCESS", disconnect_deadline_ms(lab.a))
    run.client.finish()
    run.server.command.wait(20)
    both_free(lab)


def pause_of_the_one_waited_for(lab: Lab) -> None:
    deadline = disconnect_deadline_ms(lab.a)
    run = disconnect_in_flight(lab)
    lab.b.qmp("stop")
    try:
        disconnect_ends(run.client, "IO_TIMEOUT", deadline)
    finally:
        lab.b.qmp("cont")
    run.server.command.kill(signal.SIGKILL)
    run.server.command.wait(20)
    run.client.command.wait(20)
    both_free(lab)


def guest_dies_being_waited_for(lab: Lab) -> None:
    run = disconnect_in_flight(lab)
    lab.b.kill()
    disconnect_ends(run.client, "CONNECTION_ABORTED",
                    disconnect_deadline_ms(lab.a))
    run.client.command.wait(20)
    lab.boot("b")
    lab.load_drivers("b")
    transfers(lab, USER, "send", "64", 1)


# -- the driver goes under a connection --

def driver_leaves(lab: Lab) -> None:
    """The module is in use and stays; the driver can be unbound all the
    same."""
    deadline = disconnect_deadline_ms(lab.a)
    run = keep_transferring(lab, USER)
    lab.a.run("! rmmod vrdma 2>/dev/null")
    lab.a.run("cd /sys/bus/virtio/drivers/vrdma && for d in virtio*; do "
              "echo $d > unbind; echo $d > /tmp/unbound; done; "
              "test ! -e /dev/vrdma0")
    loses(run.client, deadline, ["device-reset"])
    loses(run.server, deadline, ["peer-gone"])
    lab.a.run("cat /tmp/unbound > /sys/bus/virtio/drivers/vrdma/bind")
    devices_back(lab)
    both_free(lab)


# -- deaths and pauses of what is below --

def guest_pauses(lab: Lab) -> None:
    """A paused guest is no dead guest: its connection goes on."""
    run = start(lab, USER, ["-m", "write", "-S", "1M", "-C", "400"])
    run.client.wait_event("connected")
    lab.a.qmp("stop")
    expect(not lab.a.qmp("query-status")["running"], "A did not stop")
    lab.b.run("true")
    lab.a.qmp("cont")
    run.finish(180)
    expect(run.client.one("transfer")["verify"] == "ok", "the data differs")


def vrdmad_dies_idle(lab: Lab) -> None:
    """Driver up, nothing connected."""
    lab.vrdmad.kill()
    alive(lab)
    lab.vrdmad.start()
    devices_back(lab)
    transfers(lab, USER, "write", "64K", 4)


def vrdmad_dies_driver_goes(lab: Lab) -> None:
    """The driver unloads and loads while vrdmad is away."""
    lab.vrdmad.kill()
    unload(lab.a)
    alive(lab)
    loading = lab.a.start("modprobe vrdma")
    lab.vrdmad.start()
    loading.wait(60)
    devices_back(lab)
    transfers(lab, USER, "write", "64K", 4)


def vrdmad_ends_politely(lab: Lab) -> None:
    """SIGTERM with guests attached: both are told that, and not less."""
    deadline = disconnect_deadline_ms(lab.a)
    run = keep_transferring(lab, USER)
    status = lab.vrdmad.stop()
    expect(status == 0, f"vrdmad ended with {status} on SIGTERM")
    for ping in run.both:
        loses(ping, deadline, ["administrator"])
    alive(lab)
    lab.vrdmad.start()
    devices_back(lab)
    transfers(lab, USER, "send", "64", 1)


def _moves(tool: str, op: str, size: str, count: int) -> Case:
    return Case(f"{op}-{size}-{'user' if tool == USER else 'kernel'}",
                partial(transfers, tool=tool, op=op, size=size, count=count),
                every_kernel=size == "64M")


ALL: List[Case] = [
    Case("devices", devices, True),
    Case("vrdmad-dies-before-driver", vrdmad_dies_before_driver, True),
    Case("reload-driver", reload_driver, True),
    Case("qemu-reports-device", qemu_reports_device),
    Case("wrong-calls", wrong_calls, True),
    Case("device-leaves", partial(device_leaves, tool=USER), True),
    Case("device-leaves-kernel", partial(device_leaves, tool=KERNEL)),
    Case("connect-user", partial(connects, tool=USER), True),
    Case("connect-ipv6", connect_ipv6),
    Case("nobody-listens", nobody_listens),
    Case("to-oneself", to_oneself),
    *[_moves(USER, op, size, count)
      for op in ("send", "write", "read")
      for size, count in (("1", 8), ("64", 64), ("4096", 64), ("1M", 8))],
    _moves(USER, "write", "64M", 1),
    _moves(USER, "read", "64M", 1),
    Case("four-at-once", both_ways_at_once),
    Case("disconnect-user", partial(disconnects, tool=USER), True),
    *[Case(f"disconnect-by-{who}", partial(who_disconnects, tool=USER, who=who))
      for who in ("client", "server", "both")],
    Case("peer-never-answers", peer_never_answers),
    Case("client-process-dies", client_process_dies, True),
    Case("server-process-dies", server_process_dies),
    Case("ndspi-conforms", ndspi_conforms, True),
    *NDSPI_SUITES,
    Case("client-dies-disconnecting", client_dies_disconnecting, True),
    Case("server-dies-awaited", server_dies_being_waited_for),
    Case("guest-pauses-awaited", pause_of_the_one_waited_for),
    Case("driver-leaves", driver_leaves, True),
    Case("guest-pauses", guest_pauses),
    Case("vrdmad-dies-idle", vrdmad_dies_idle),
    Case("vrdmad-dies-driver-goes", vrdmad_dies_driver_goes),
    Case("vrdmad-dies-busy", partial(vrdmad_dies, tool=USER), True),
    Case("vrdmad-ends-politely", vrdmad_ends_politely),
    Case("connect-kernel", partial(connects, tool=KERNEL), True),
    Case("shared-endpoint-kernel", shared_endpoint, True),
    _moves(KERNEL, "send", "4096", 64),
    _moves(KERNEL, "write", "64M", 1),
    _moves(KERNEL, "read", "64M", 1),
    Case("disconnect-kernel", partial(disconnects, tool=KERNEL), True),
    *[Case(f"disconnect-kernel-by-{who}",
           partial(who_disconnects, tool=KERNEL, who=who))
      for who in ("server", "both")],
    Case("vrdmad-dies-busy-kernel", partial(vrdmad_dies, tool=KERNEL)),
    *KERNEL_SUITES,
    Case("guest-dies-awaited", guest_dies_being_waited_for),
    Case("peer-guest-dies", partial(peer_guest_dies, tool=USER), True),
    *TWO_HOSTS,
]
