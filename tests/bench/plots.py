# SPDX-License-Identifier: GPL-2.0-or-later
"""Curves as SVG, by gnuplot; the data stands in the script, which is kept."""

from __future__ import annotations

import statistics
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import List, Sequence, Tuple

from figures import BenchError, History, Of

_HEAD = """\
set terminal svg size 900,600 background "white"
set output "{svg}"
set title "{title}"
set xlabel "{x}"
set ylabel "{y}"
set logscale x 2
set grid
set key outside right
{more}"""


@dataclass(frozen=True)
class Curve:
    """One line of a plot: where each point comes from."""

    name: str
    points: Sequence[Tuple[int, Of]]

    def data(self, found: History) -> List[Tuple[int, float, float, float]]:
        """x, median, least, most; of the points that there are."""
        have = [(x, of.values(found)) for x, of in self.points]
        return [(x, statistics.median(v), min(v), max(v)) for x, v in have if v]


@dataclass(frozen=True)
class Plot:
    """One picture."""

    name: str
    title: str
    x: str
    y: str
    curves: Sequence[Curve]
    log_y: bool = True

    def script(self, found: History, svg: Path) -> str:
        """For gnuplot; curves without a point are left out."""
        blocks: List[str] = []
        lines: List[str] = []
        for i, curve in enumerate(self.curves):
            data = curve.data(found)
            if not data:
                continue
            rows = "\n".join(" ".join(f"{v:.6g}" for v in p) for p in data)
            blocks.append(f"$d{i} << END\n{rows}\nEND\n")
            # ours is what one looks for
            width = 3 if curve.name.startswith("ours") else 1
            lines.append(f'$d{i} using 1:2 with linespoints lw {width} '
                         f'title "{curve.name}"')
        if not lines:
            raise BenchError(f"{self.name}: not one point of it was measured")
        head = _HEAD.format(svg=svg, title=self.title, x=self.x, y=self.y,
                            more="set logscale y\n" if self.log_y else "")
        return head + "".join(blocks) + "plot " + ", \\\n  ".join(lines) + "\n"

    def draw(self, found: History, out: Path) -> Path:
        """Makes OUT/NAME.svg, and beside it what made it."""
        out.mkdir(parents=True, exist_ok=True)
        svg, gp = out / f"{self.name}.svg", out / f"{self.name}.gp"
        gp.write_text(self.script(found, svg), encoding="utf-8")
        try:
            done = subprocess.run(
                ["gnuplot", str(gp)], text=True, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
                check=False)
        except FileNotFoundError as err:
            raise BenchError("gnuplot is not installed: no plots") from err
        if done.returncode or not svg.exists():
            raise BenchError(f"gnuplot {gp}: {done.stdout.strip()[-200:]}")
        return svg
