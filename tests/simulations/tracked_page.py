"""The table of docs/performance.md that compares a whole study with the plain script, made anew on this machine.

    python tests/simulations/tracked_page.py               # all problems, three rounds, some fifteen minutes
    python tests/simulations/tracked_page.py airfoil --rounds 1

Both sides are programs as people start them, and their cost is the CPU seconds of the process and of all it starts,
imports and report included. By turns, the plain script (`plain_script`) makes some tens of runs, and 256 trials on 8
seeds are counted as its start and 2,048 times what a run took; `stepscape tune` makes all of them, once with every run
trained to its end, which is the same work, and once as it comes, with its pruner. Medians of the rounds. Kernels are
compiled before, by a run that is not counted, and Python's bytecode is on disk, as on any day but the first.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from plain_script import SEEDS, STEPS, TASKS
from speed_page import PAGE, ROOT, between_marks

NAME = "tracked"
TRIALS = 256
RUNS = TRIALS * len(SEEDS)
PRUNED = {"to the end": "none", "pruned": "hyperband"}
"""The ways our command runs, and their pruners."""


@dataclass(frozen=True)
class Round:
    """CPU seconds on one problem: of the plain script's start and of a run of it, by its way to track; of our whole
    command, by how it prunes.
    """

    problem: str
    start: float
    run: dict[str, float]
    ours: dict[str, float]

    def plain(self, way: str) -> float:
        """The plain script's seconds for all runs."""
        return self.start + RUNS * self.run[way]


def command(problem: str, pruner: str, out: str) -> list[str]:
    """Our command that makes the runs of the plain script."""
    sizes = {"trials": TRIALS, "seeds": len(SEEDS), "steps": STEPS, "studies": 1, "pruner": pruner, "out": out}
    options = [part for name, value in sizes.items() for part in (f"--{name}", str(value))]
    return [sys.executable, "-m", "benchmarks", "tune", problem, "rmsprop", *options]


def cpu_seconds(arguments: Sequence[str]) -> tuple[float, str]:
    """What a program takes, with all that it starts, and what it prints."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
        cwd=ROOT,
        env={**environment, "PYTHONPATH": str(ROOT)},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, done.stdout


def ours(problem: str, pruner: str) -> float:
    """CPU seconds of our command, whole."""
    with tempfile.TemporaryDirectory() as folder:
        return cpu_seconds(command(problem, pruner, f"{folder}/record"))[0]


def measured(problem: str, trials: int) -> Round:
    """One round: the plain script, then our command."""
    told = json.loads(
        cpu_seconds([sys.executable, f"{ROOT}/tests/simulations/plain_script.py", problem, "--trials", str(trials)])[1]
    )
    whole = {how: ours(problem, pruner) for how, pruner in PRUNED.items()}
    found = Round(problem, told["start"], told["runs"], whole)
    print(found, flush=True)
    return found


def table_of(rounds: Sequence[Round]) -> str:
    """The medians of each problem's ``rounds`` as a table in Markdown."""
    lines = [
        "| problem | plain script: a run | 2,048 runs | told live | ours, all runs to the end | ratio | told live |"
        " ours, pruned | ratio | told live |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for problem in dict.fromkeys(each.problem for each in rounds):
        own = [each for each in rounds if each.problem == problem]
        plain = {way: median(each.plain(way) for each in own) for way in ("batched", "live")}
        cells = [f"{1000 * median(each.run['batched'] for each in own):.0f} ms"]
        cells += [f"{plain[way]:.0f} s" for way in plain]
        for how in PRUNED:
            seconds = median(each.ours[how] for each in own)
            cells += [f"{seconds:.1f} s"]
            cells += [f"{median(each.plain(way) / each.ours[how] for each in own):.0f}x" for way in plain]
        lines.append(f"| {problem} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure by turns, and write the table into the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("problems", nargs="*", metavar="PROBLEM", help=f"of {', '.join(TASKS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=2, help="of the plain script, timed of each way (default: 2)")
    asked = parser.parse_args()
    problems = asked.problems or list(TASKS)
    for problem in problems:
        for pruner in PRUNED.values():
            ours(problem, pruner)
    rounds = [measured(problem, asked.trials) for _ in range(asked.rounds) for problem in problems]
    page = between_marks(PAGE.read_text(encoding="utf-8"), NAME, table_of(rounds))
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
