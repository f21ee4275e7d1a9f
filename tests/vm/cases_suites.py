# SPDX-License-Identifier: GPL-2.0-or-later
"""Test suites that run inside a guest: in its kernel, those of tests/e2e and
tests/conformance by the module ndk_test; in a process, NDSPI's on /dev/vrdma0."""

from __future__ import annotations

import re
from functools import partial
from typing import List

from vrdma_vm import Lab, VmError
from vrdma_vm.guest import Guest
from vrdma_vm.scenario import USER, expect, transfers, unload
from vrdma_vm.wait import patience

from case import Case

# Programs nd_test_*, as in tests/build.mk
PROGRAMS = ("memory", "queues", "connector", "surface")
# As in guest-driver/linux/build.sh and tests/kernel/main.c
SUITES = ("calls", "close", "connect", "cq", "cq_moderation", "cq_resize", "data",
          "endpoints", "fast", "lifetime", "misuse", "posts", "property",
          "quiesce", "regions", "scheme", "srq", "windows")
# Bounds in the guest, in times of those in user space: it may be emulated
PATIENCE = 3
SECONDS = 300

RESULT = re.compile(r"ndk_test:     (not ok|ok) \d+ (.*)")
PLAN = re.compile(r"ndk_test:     1\.\.(\d+)$")


def run_suite(guest: Guest, suite: str) -> List[str]:
    """What the module says; it unloads after."""
    bound = int(PATIENCE * patience())
    guest.run("modprobe vrdma")
    guest.run("dmesg -c > /dev/null")
    guest.run(f"insmod /lib/modules/*/ndk_test.ko suites={suite} "
              f"patience={bound}", SECONDS)
    return guest.run("dmesg | grep -o 'ndk_test: .*'").lines


def judge(suite: str, lines: List[str]) -> None:
    """Each test that the plan announces has a result, and none is `not ok`."""
    plan = [int(m[1]) for m in map(PLAN.match, lines) if m]
    results = [m for m in map(RESULT.match, lines) if m]
    bad = [m[2] for m in results if m[1] != "ok"]
    expect(not bad, f"{len(bad)} of {suite} failed: {'; '.join(bad)}")
    expect(len(plan) == 1 and plan[0] == len(results) > 0,
           f"{suite}: planned {plan}, {len(results)} ended")


def suite_passes(lab: Lab, suite: str) -> None:
    """The close of an adapter waits for all that was made from it, so what can
    be unloaded has left nothing."""
    try:
        judge(suite, run_suite(lab.a, suite))
        lab.a.run("rmmod ndk_test")
    except VmError:
        # a test that failed holds what it had, and so does the module
        lab.a.kill()
        lab.boot("a")
        lab.load_drivers("a")
        raise


def all_is_free(lab: Lab) -> None:
    """And all of it was under the eyes of the kernel's memory debugging."""
    lab.a.run("grep -q 1 /sys/kernel/slab/kmalloc-64/red_zone && "
              "grep -q 1 /sys/kernel/slab/kmalloc-64/poison")
    unload(lab.a)
    lab.load_drivers("a")
    transfers(lab, USER, "send", "64", 1)


def ndspi_suite(lab: Lab, program: str) -> None:
    """A Check program on /dev/vrdma0, with a result for every test."""
    env = f"CK_VERBOSITY=verbose CK_TIMEOUT_MULTIPLIER={4 * int(patience())}"
    done = lab.a.run(f"{env} {program}", timeout=300, check=False)
    bad = [line for line in done.lines
           if re.search(r":[FE]:|^\d+%", line) and ":P:" not in line]
    expect(done.status == 0, f"{program}: exit {done.status}: "
                             f"{' / '.join(bad) or done.lines[-1:]}")
    unload(lab.a)       # works only when nothing is left of it
    lab.load_drivers("a")


KERNEL_SUITES: List[Case] = [
    *[Case(f"kernel-{suite}", partial(suite_passes, suite=suite), True)
      for suite in SUITES],
    Case("kernel-all-is-free", all_is_free, True),
]

NDSPI_SUITES: List[Case] = [
    Case(f"ndspi-{name}", partial(ndspi_suite, program=f"nd_test_{name}"), True)
    for name in PROGRAMS]
