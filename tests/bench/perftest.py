# SPDX-License-Identifier: GPL-2.0-or-later
"""What ib_write_bw and ib_write_lat print: a line for a message size, under heads
that changed with the years, so it goes by the columns that did not."""

from __future__ import annotations

from typing import List

from figures import BenchError, Taken


def _line(text: str, size: int, least: int) -> List[float]:
    for line in text.splitlines():
        words = line.split()
        if words and words[0] == str(size) and len(words) >= least:
            try:
                return [float(w) for w in words]
            except ValueError:
                continue
    raise BenchError(f"perftest: no line for {size} bytes in: "
                     f"{text.strip()[-300:]}")


def parse_bandwidth(text: str, size: int) -> Taken:
    """bytes, iterations, peak and average MiB/s, message rate in M/s. MB/s and
    thousands a second."""
    words = _line(text, size, 5)
    return {"bw": words[3] * 1.048576, "rate": words[4] * 1000}


def parse_latency(text: str, size: int) -> Taken:
    """bytes, iterations, least, most, typical and more, in us."""
    words = _line(text, size, 5)
    return {"min": words[2], "p50": words[4]}
