"""The tables and the figure of docs/performance.md that are measured: made anew on this machine.

    python tests/simulations/speed_page.py table     # `stepscape speed` between the marks of the page, some minutes
    python tests/simulations/speed_page.py scaling   # docs/scaling.svg, and its table: some minutes, 1 GiB

Every point of the figure is a training of its own in a process of its own, on one core: lanes from 10² to 10⁶ at one
number of steps, steps from 10² to 10⁶ at one number of lanes, by eager torch and, where a compiler is found, by the
kernel. A point that would take longer than ``--longest`` seconds, by the one before it, is left out.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "performance.md"
FIGURE = ROOT / "docs" / "scaling.svg"
SIZES = (10**2, 10**3, 10**4, 10**5, 10**6)
STEPS, LANES = 300, 1000  # of the points that vary the other
COLOURS = {"eager": "#7a7a7a", "kernel": "#c1440e"}


@dataclass(frozen=True)
class Point:
    """One training of the ellipse: CPU seconds of its steps and evaluations, and the process's peak memory."""

    engine: str
    lanes: int
    steps: int
    seconds: float
    mebibytes: float

    @property
    def nanoseconds(self) -> float:
        """A step of one lane."""
        return self.seconds / self.lanes / self.steps * 1e9


def measured(engine: str, lanes: int, steps: int) -> Point | None:
    """A point, measured here and now; None where ``engine`` is not what advances the lanes."""
    import torch

    from benchmarks.engine.speed.machine import one_core
    from benchmarks.engine.training import Training, train

    lr = torch.logspace(-4, -1, lanes, dtype=torch.float64)
    with one_core():
        if train(Training("ellipse", "rmsprop", [1], 2, engine=engine), {"lr": lr[:1]}).engine != engine:
            return None
        began = time.process_time()
        train(Training("ellipse", "rmsprop", [1], steps, engine=engine), {"lr": lr})
        seconds = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2 ** (20 if sys.platform == "darwin" else 10)
    return Point(engine, lanes, steps, seconds, peak)


def in_own_process(engine: str, lanes: int, steps: int) -> Point | None:
    """The same in a fresh process, whose memory is its own."""
    command = [sys.executable, __file__, "point", engine, str(lanes), str(steps)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    found = json.loads(done.stdout)
    return None if found is None else Point(**found)


def scaling(sizes: Sequence[int], longest: float) -> list[Point]:
    """The points of the figure; printed as they come."""
    points = []
    for engine in COLOURS:
        for grid in ([(lanes, STEPS) for lanes in sizes], [(LANES, steps) for steps in sizes]):
            pace = 0.0
            for lanes, steps in grid:
                if pace * lanes * steps > longest:
                    continue
                point = in_own_process(engine, lanes, steps)
                if point is None:
                    break
                pace = point.seconds / lanes / steps
                points.append(point)
                print(
                    f"{engine:6s} {lanes:9,} lanes {steps:9,} steps {point.seconds:9.3f} s {point.mebibytes:6.0f} MiB"
                )
    return points


def draw(points: Sequence[Point], file: Path) -> None:
    """The figure: seconds by lanes, seconds by steps, peak memory by lanes."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    mpl.rcParams.update(
        {"svg.hashsalt": "scaling", "svg.fonttype": "none"}
    )  # the same file of the same numbers, and small
    figure, (by_lanes, by_steps, memory) = plt.subplots(1, 3, figsize=(9.5, 2.9), layout="constrained")
    for engine, colour in COLOURS.items():
        lanes = [point for point in points if point.engine == engine and point.steps == STEPS]
        steps = [point for point in points if point.engine == engine and point.lanes == LANES]
        for axes, chosen, x, y in (
            (by_lanes, lanes, "lanes", "seconds"),
            (by_steps, steps, "steps", "seconds"),
            (memory, lanes, "lanes", "mebibytes"),
        ):
            if chosen:
                pairs = sorted((getattr(point, x), getattr(point, y)) for point in chosen)
                axes.plot(*zip(*pairs, strict=True), "o-", color=colour, label=engine, markersize=4)
                if y == "seconds":  # what linear cost looks like, down from the largest
                    last_x, last_y = pairs[-1]
                    axes.plot([pairs[0][0], last_x], [last_y * pairs[0][0] / last_x, last_y], ":", color=colour, lw=1)
    for axes, title, label in (
        (by_lanes, f"CPU seconds, {STEPS} steps", "lanes"),
        (by_steps, f"CPU seconds, {LANES:,} lanes", "steps"),
        (memory, "Peak memory, MiB", "lanes"),
    ):
        axes.set(xscale="log", title=title, xlabel=label)
        axes.grid(alpha=0.25)
        if axes is not memory:
            axes.set_yscale("log")
        axes.minorticks_off()
    memory.set_ylim(bottom=0)
    by_lanes.legend(frameon=False)
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)


def table_of(points: Sequence[Point]) -> str:
    """The points as a table in Markdown."""
    lines = ["| engine | lanes | steps | CPU seconds | a lane-step | peak memory |", "|---|---:|---:|---:|---:|---:|"]
    lines += [
        f"| {p.engine} | {p.lanes:,} | {p.steps:,} | {p.seconds:.3g} | {p.nanoseconds:.3g} ns | {p.mebibytes:.0f} MiB |"
        for p in points
    ]
    return "\n".join(lines)


def between_marks(page: str, name: str, text: str) -> str:
    """The page with ``text`` between its marks called ``name``. Raises ``ValueError`` where it has none."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, found, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"the page has no marks {begin!r} and {end!r}")
    return f"{before}{begin}\n{text}\n\n{end}{after}"


def main() -> None:
    """Measure what is asked for, and write it into the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["table", "scaling", "point"])
    parser.add_argument("point", nargs="*", help="engine, lanes and steps of one point, whose JSON is printed")
    parser.add_argument("--longest", type=float, default=60.0, help="seconds of one point (default: 60)")
    asked = parser.parse_args()
    if asked.what == "point":
        engine, lanes, steps = asked.point
        found = measured(engine, int(lanes), int(steps))
        print(json.dumps(None if found is None else asdict(found)))
        return
    if asked.what == "table":
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks", "speed", "--markdown"], stdout=subprocess.PIPE, text=True, check=True
        )
        text = done.stdout.strip()
    else:
        points = scaling(SIZES, asked.longest)
        draw(points, FIGURE)
        text = table_of(points)
    page = between_marks(PAGE.read_text(encoding="utf-8"), asked.what, text)
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
