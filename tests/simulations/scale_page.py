"""Where a suite stops scaling, simulated from the measured times of real records: for docs/scale.md, or for your own.

    python tests/simulations/scale_page.py RECORD…                     # prints the tables
    python tests/simulations/scale_page.py atlas:league --budget --write   # and writes them into the page

Every cell of the records is a job of the seconds it took. With ``--budget`` each of its parts takes what one of its
runs took, times the runs that a suite asks for which says nothing of budgets: so records of small budgets tell of large
suites. ``--optimizers N`` has every cell N times, as of that many optimizers, ``--share S`` multiplies all times (the
share of a core that the record's process had while others kept the machine busy). ``--write`` puts figure and tables
into the page. What is simulated is said in scale_model.py.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Final

from scale_model import Job, Limits, bounds, simulate

from analysis.record.cells import Cell, Record
from benchmarks.engine.kernel_lanes import seconds_by_torch
from benchmarks.naming.registry import make_problem
from benchmarks.record.archive import opened
from benchmarks.running.prepare import MODULE, SECOND
from benchmarks.running.slices import LEAST, SHARE, WHOLE

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "scale.md"
FIGURE: Final = ROOT / "docs" / "scale.svg"
WORKERS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)

# measured, in seconds (docs/scale.md says how)
START: Final = 4.0  # a worker's imports, once
PREPARE: Final = 0.1  # what a worker does around the training of a job: the cell is built, files are written
SEND, LAND = 0.005, 0.03  # the driver's, for a job on a Dask cluster
MLFLOW: Final = 1.5  # a cell with a dozen trials as runs of their own, into a server
REPORT: Final = 0.7  # a problem's part of the report
TRIAL: Final = 0.021  # of a core of the PostgreSQL server, a trial with its reports to the pruner
ASKED: Final = 0.1  # of the driver's own core, for the same
PROXY, PROXIED = 0.18, 0.06  # of the core of Optuna's proxy server, and what is not its own

PRUNED: Final = 0.65  # of a study's updates, by the default pruner


@dataclass(frozen=True)
class Work:
    """One cell: the seconds of its ``studies`` in all, of its test runs and its ``landscape``, how many studies and
    trials it has, and the ``cost`` that the driver takes it for.
    """

    studies: float
    test: float
    landscape: float
    count: int
    trials: int
    cost: float

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.studies + self.test + self.landscape

    @classmethod
    def of(cls, cell: Cell) -> Work:
        """What the record of the ``cell`` says."""
        seconds, info = cell.info.seconds, cell.info
        step = seconds_by_torch(make_problem(info.problem.name), 1.0, 0.0) + (MODULE if info.native else 0.0)
        cost = SECOND * info.lane_steps * step + 2e5
        return cls(seconds.tuning, seconds.test, seconds.landscape, len(info.studies), len(cell.trials), cost)

    @classmethod
    def at_budget(cls, cell: Cell) -> Work:
        """The same with the budget of a suite that says nothing of it: three studies of 64 trials and the defaults on
        four seeds, ten test seeds, a landscape of 768 points on two seeds; on one seed where nothing is drawn.
        """
        had, protocol, once = cls.of(cell), cell.info.protocol, cell.info.problem.deterministic
        runs = len(cell.trials) * len(protocol.tuning_seeds)
        tests = (len(cell.info.studies) + 1) * len(protocol.test_seeds)
        left = PRUNED if protocol.pruner == "none" else 1.0
        studies = left * 3 * 65 * (1 if once else 4) / max(1, runs)
        landscape = 768 * (1 if once else 2) / max(1, len(cell.landscape) if cell.landscape is not None else 0)
        return replace(
            had,
            studies=had.studies * studies,
            test=had.test * 4 * (1 if once else 10) / tests,
            landscape=had.landscape * landscape,
            count=3,
            trials=195,
            cost=had.cost * (3 * 65 + 768) / max(1, len(cell.trials) + len(cell.landscape)),
        )

    def times(self, factor: float) -> Work:
        """The same at another pace."""
        return replace(self, studies=self.studies * factor, test=self.test * factor, landscape=self.landscape * factor)


def whole(works: Sequence[Work], workers: int) -> list[Job]:
    """A job a cell."""
    return [Job(PREPARE + work.seconds, work.cost, work.trials, mirrored=True) for work in works]


def sliced(works: Sequence[Work], workers: int) -> list[Job]:
    """The cells cut as for so many workers: studies, pieces of landscapes, and at last the rest of cut cells."""
    each = sum(work.seconds for work in works) / workers
    longest, jobs = max(each / SHARE, LEAST), list[Job]()
    for work in works:
        if workers == 1 or work.seconds <= each / WHOLE:
            jobs.append(Job(PREPARE + work.seconds, work.cost, mirrored=True))
            continue
        parts, rest = list[float](), work.test
        if work.count:
            together = work.studies / work.count < LEAST
            parts += [work.studies] if together else [work.studies / work.count] * work.count
        if work.landscape > longest:
            pieces = math.ceil(work.landscape / longest)
            parts += [work.landscape / pieces] * pieces
        else:
            rest += work.landscape
        jobs += [Job(PREPARE + part, work.cost * part / work.seconds) for part in parts]
        jobs.append(Job(PREPARE + rest, work.cost * rest / work.seconds, mirrored=True, wave=1))
    return jobs


@dataclass(frozen=True)
class Way:
    """One way to run a suite: its ``name``, its jobs for so many workers, and its ``limits``."""

    name: str
    jobs: Callable[[Sequence[Work], int], list[Job]]
    limits: Limits
    colour: str
    mark: str


def ways(problems: int) -> list[Way]:
    """What is compared, for a report of so many problems."""
    plain = Limits(start=START, send=SEND, land=LAND, report=REPORT * problems)
    return [
        Way("whole cells", whole, replace(plain, call=0.0), "#0072B2", "o"),
        Way("slices", sliced, plain, "#D55E00", "s"),
        Way("slices, MLflow beside them", sliced, replace(plain, mirror=MLFLOW), "#CC79A7", "^"),
        Way("whole cells, studies in PostgreSQL", whole, replace(plain, call=TRIAL, latency=ASKED), "#009E73", "D"),
        Way("the same through the proxy", whole, replace(plain, call=PROXY, latency=PROXIED), "#000000", "v"),
    ]


@dataclass(frozen=True)
class Point:
    """How long so many ``workers`` take, by how much faster one would be, and what they wait for."""

    workers: int
    seconds: float
    speedup: float
    why: str

    @property
    def efficiency(self) -> float:
        """The share of the workers' time that is work."""
        return self.speedup / self.workers


def curve(way: Way, works: Sequence[Work], workers: Sequence[int] = WORKERS) -> list[Point]:
    """The points of one way; each is held against one worker who runs whole cells and needs no store."""
    alone = simulate(whole(works, 1), 1, replace(way.limits, call=0, latency=0, mirror=0)).seconds
    points = []
    for count in workers:
        jobs = way.jobs(works, count)
        seconds, least = simulate(jobs, count, way.limits).seconds, bounds(jobs, count, way.limits)
        points.append(Point(count, seconds, alone / seconds, max(least, key=least.__getitem__)))
    return points


def told(seconds: float) -> str:
    """A time as people say it."""
    for unit, size in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def table_of(curves: Mapping[str, Sequence[Point]]) -> str:
    """Time, speed-up and reason of the first two ways, by workers."""
    names = list(curves)[:2]
    lines = [
        "| workers | " + " | ".join(f"{name} | speed-up | bound by" for name in names) + " |",
        "|---:|" + "---:|---:|---|" * len(names),
    ]
    for points in zip(*(curves[name] for name in names), strict=True):
        cells = " | ".join(f"{told(p.seconds)} | {p.speedup:.3g} | {p.why}" for p in points)
        lines.append(f"| {points[0].workers:,} | {cells} |")
    return "\n".join(lines)


def at_half(points: Sequence[Point]) -> int:
    """The most workers of whom at least half the time is work."""
    return max((point.workers for point in points if point.efficiency >= 0.5), default=0)


def stops_of(curves: Mapping[str, Sequence[Point]]) -> str:
    """Where each way stops, and why."""
    lines = [
        "| way | fastest | with workers | half of their time is work up to | then bound by |",
        "|---|---:|---:|---:|---|",
    ]
    for name, points in curves.items():
        fastest = min(points, key=lambda point: point.seconds)
        first = next(p for p in points if p.seconds <= 1.05 * fastest.seconds)
        lines.append(f"| {name} | {told(first.seconds)} | {first.workers:,} | {at_half(points):,} | {points[-1].why} |")
    return "\n".join(lines)


def costs_of(cells: Sequence[Cell], share: float = 1.0) -> str:
    """What a cell, a step of one run and a run cost on each problem, everything included."""
    lines = [
        "| problem | trained | cells | a cell: median, most | a step of one run: median | a run |",
        "|---|---|---:|---:|---:|---:|",
    ]
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.info.problem.name, " and ".join(cell.info.engines)), []).append(cell)
    for (problem, engine), those in sorted(groups.items()):
        seconds = [share * Work.of(cell).seconds for cell in those]
        step = median(each / cell.info.lane_steps for each, cell in zip(seconds, those, strict=True))
        run = step * those[0].info.protocol.steps
        lines.append(
            f"| {problem} | {engine} | {len(those):,} | {told(median(seconds))}, {told(max(seconds))} "
            f"| {small(step)} | {small(run)} |"
        )
    return "\n".join(lines)


def small(seconds: float) -> str:
    """A time below a second as people say it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def draw(curves: Mapping[str, Sequence[Point]], styles: Sequence[Way], title: str, file: Path) -> None:
    """The figure: speed-up and efficiency over workers."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    mpl.rcParams.update({"svg.hashsalt": "scale", "svg.fonttype": "none"})  # the same file of the same numbers
    figure, (faster, efficient) = plt.subplots(1, 2, figsize=(9.5, 3.9), layout="constrained")
    faster.plot(WORKERS, WORKERS, ":", color="#777777", lw=1, label="as many times as there are workers")
    for way in styles:
        points = curves[way.name]
        workers = [point.workers for point in points]
        style = {"color": way.colour, "marker": way.mark, "markersize": 4, "lw": 1.4}
        faster.plot(workers, [point.speedup for point in points], label=way.name, **style)
        efficient.plot(workers, [100 * point.efficiency for point in points], **style)
    faster.set(xscale="log", yscale="log", xlabel="workers", ylabel="times as fast as one worker", title="Speed-up")
    efficient.set(xscale="log", xlabel="workers", ylabel="%", ylim=(0, 105), title="Workers' time that is work")
    for axes in (faster, efficient):
        axes.grid(alpha=0.25)
        axes.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1,000"])
        axes.minorticks_off()
    faster.set_yticks([1, 10, 100, 1000], ["1", "10", "100", "1,000"])
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    figure.suptitle(title, fontsize=10)
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None, dpi=110)
    plt.close(figure)


def between_marks(page: str, name: str, text: str) -> str:
    """The page with ``text`` between its marks called ``name``. Raises ``ValueError`` where it has none."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, found, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"the page has no marks {begin!r} and {end!r}")
    return f"{before}{begin}\n{text}\n\n{end}{after}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate the records that are named, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", nargs="+", metavar="RECORD", help="a folder, an archive, or atlas:NAME")
    parser.add_argument("--budget", action="store_true", help="at the budget of a suite that says nothing of it")
    parser.add_argument("--optimizers", type=int, default=1, help="every cell so many times (default: 1)")
    parser.add_argument("--share", type=float, default=1.0, help="multiplies all times (default: 1)")
    parser.add_argument("--figure", type=Path, help="draw it there, as PNG or SVG")
    parser.add_argument("--write", action="store_true", help="write the page's figure and tables")
    asked = parser.parse_args(arguments)
    cells = [cell for name in asked.records for cell in Record.load(opened(name)).cells]
    read = Work.at_budget if asked.budget else Work.of
    works = [read(cell).times(asked.share) for cell in cells for _ in range(asked.optimizers)]
    problems = len({cell.info.problem.name for cell in cells})
    title = (
        f"{len(works):,} cells of {problems} problems, {told(sum(work.seconds for work in works))} of one core, "
        f"the longest {told(max(work.seconds for work in works))}; simulated"
    )
    styles = ways(problems)
    curves = {way.name: curve(way, works) for way in styles}
    costs = costs_of(cells, asked.share)
    print(f"{costs}\n\n{title}\n\n{table_of(curves)}\n\n{stops_of(curves)}")
    if asked.figure:
        draw(curves, styles, title, asked.figure)
    if asked.write:
        draw(curves, styles, title, FIGURE)
        page = PAGE.read_text(encoding="utf-8")
        written = {"costs": costs, "simulated": f"{title}:\n\n{table_of(curves)}", "stops": stops_of(curves)}
        for name, text in written.items():
            page = between_marks(page, name, text)
        PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
