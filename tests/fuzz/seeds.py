#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Write the seeds that the fuzzers begin with: reference frames, as bytes.

usage: seeds.py DIRECTORY
"""
import pathlib
import sys

REQUEST = "4d504120494420526571204672616d65"
REPLY = "4d504120494420526570204672616d65"
RTR = "000ec14000000001000000000000000000000000"
READ_RTR = ("002e4141000000000000000100000001000000000000000100000000000000000000000000000001"
            "000000000000000000000000")

# two bytes of settings: direction, what the consumer does
SETUP = {
    "request": "0000" + REQUEST + "580200048011c011" + RTR,
    "request-read": "0000" + REQUEST + "580200048011c011" + READ_RTR,
    "request-v1": "0000" + REQUEST + "400100026869" + RTR,
    "request-markers": "0000" + REQUEST + "d00200048011c011",
    "request-siw": "0000" + REQUEST + "1002000400040004",
    "request-refused": "0400" + REQUEST + "580200048011c011",
    "reply": "0100" + REPLY + "580200048009c009",
    "reply-reject": "0100" + REPLY + "70020006000000006e6f",
    "reply-then-reject": "0503" + REPLY + "580200048009c009",
}

SEND = "001e41430000000000000000000000010000000068656c6c6f2d69776172702100000000"
WRITE = "0016c14011223344000000000000700057524954 54454e2100000000".replace(" ", "")
READ = ("002e4141000000000000000100000001000000001122334400000000000070000000002011223344"
        "000000000000700000000000")
TERMINATE = "00164147000000000000000200000001000000002002000000000000"
SETTINGS = ["00000000", "1d0f1f01", "150b2f40", "19073fe0"]
WORK = "0004080c10141c20"

STREAM = {
    f"{name}-{i}": s + WORK + frame
    for i, s in enumerate(SETTINGS)
    for name, frame in {
        "send": SEND, "write": WRITE, "read": READ, "terminate": TERMINATE,
        "rtr": RTR, "all": RTR + SEND + WRITE + READ + TERMINATE,
    }.items()
}


def main() -> None:
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    for target, seeds in {"iwarp_setup": SETUP, "iwarp_stream": STREAM}.items():
        folder = pathlib.Path(sys.argv[1]) / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in seeds.items():
            (folder / name).write_bytes(bytes.fromhex(text))


if __name__ == "__main__":
    main()
