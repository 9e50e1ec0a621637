"""Test runs in the formats of COCO and of IOHprofiler, for the tools that read those.

Both count *function evaluations*, of which the first is the start: a run that has made t steps has made t + 1. Rows are
the steps at which the record looked. An *algorithm* is an optimizer with a setting, tuned or default; a *function* is a
problem, its number the problem's place in the record; an *instance* is a test seed, which every study repeats. A run
that diverged ends at its last finite loss.

* COCO (``numbbo/coco``, ``code-experiments/src/logger_bbob.c``, data format "bbob-new2"): a folder an algorithm; in it
  an ``.info`` file a function, and ``.dat`` and ``.tdat`` files, whose rows are evaluations, evaluations of constraints
  (none), lowest gap so far, loss, lowest loss so far. A ``.dat`` has a row for every fifth of a decade that the lowest
  gap falls by, a ``.tdat`` one for every look.
* IOHprofiler (``IOHprofiler/IOHexperimenter`` and ``IOHinspector``): a folder an algorithm; in it a JSON file a
  function with what the runs ended with, and a ``.dat`` file with the columns ``evaluations`` and ``raw_y``: the gap
  where the floor is known, otherwise the loss.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np

from analysis.measures.results import CellResult, cell_results
from analysis.record.cells import Record
from analysis.statistics.arrays import Array
from benchmarks.errors import UsageError, nearest
from benchmarks.record.folder import landing

__all__ = ["COUNTED", "Logs", "export_runs"]

Format = Literal["coco", "ioh"]

COUNTED: Final = "an evaluation is a step, and the start is the first: t steps are t + 1 evaluations"
SETTINGS: Final = ("tuned", "default")
PRECISION: Final = 1e-8
"""COCO's final target; it stands in every file of that format."""
PER_DECADE: Final = 5
"""COCO's targets a decade."""


@dataclass(frozen=True)
class _Run:
    """One run on the test seed ``instance``: ``losses`` after so many ``evaluations``, all of them finite."""

    instance: int
    evaluations: Array
    losses: Array


@dataclass(frozen=True)
class Logs:
    """All runs of an algorithm on a function."""

    algorithm: str
    info: str
    setting: str
    suite: str
    function: int
    problem: str
    dim: int
    floor: float | None
    runs: tuple[_Run, ...]

    @property
    def stem(self) -> str:
        """The problem's name as part of a file's."""
        return _plain(self.problem)


def export_runs(record: Record, folder: Path, form: Format, problems: Collection[str] = ()) -> list[Path]:
    """Write the test runs of ``record`` to a new ``folder`` in a format; the folders of the algorithms.

    ``problems`` chooses some of the record's. Raises `UsageError` where the folder exists, a problem is not in the
    record, no test run is there, or, for COCO, the floor of a problem is not known.
    """
    if folder.exists():
        raise UsageError(f"{folder} exists already; give a folder that does not")
    for name in problems:
        if name not in record.problems:
            raise UsageError(f"{record.path} has no problem {name!r}{nearest(name, record.problems)}")
    logs = list(_logs(record, problems))
    if not logs:
        raise UsageError(f"{record.path} has no test runs; run the suite with tuning or its defaults")
    if form == "coco":
        _require_floors(logs)
    with landing(folder) as working:
        for each in logs:
            place = working / _plain(each.algorithm)
            place.mkdir(parents=True, exist_ok=True)
            (_write_coco if form == "coco" else _write_ioh)(each, place)
    return sorted({folder / _plain(each.algorithm) for each in logs})


def _logs(record: Record, problems: Collection[str]) -> Iterator[Logs]:
    """The runs of every optimizer, setting and problem."""
    for result in cell_results(record):
        if problems and result.problem not in problems:
            continue
        for setting in SETTINGS:
            runs = tuple(_runs(result, setting))
            if runs:
                problem = result.info.problem
                yield Logs(
                    f"{result.label} {setting}",
                    f"{result.info.optimizer.description}; {result.info.optimizer.reference}",
                    setting,
                    record.name,
                    1 + record.problems.index(result.problem),
                    result.problem,
                    problem.dim,
                    result.measure.floor,
                    runs,
                )


def _runs(result: CellResult, setting: str) -> Iterator[_Run]:
    """The runs of one setting, by study and seed."""
    curves = result.cell.curves
    of = curves[curves["setting"] == setting]
    for (_, seed), curve in of.groupby(["study", "seed"], dropna=False):
        ordered = curve.sort_values("step")
        losses = ordered["loss"].to_numpy(dtype=np.float64)
        finite = np.isfinite(losses)
        if finite[0]:
            until = len(losses) if finite.all() else int(np.argmin(finite))
            yield _Run(int(str(seed)), 1 + ordered["step"].to_numpy(dtype=np.float64)[:until], losses[:until])


def _require_floors(logs: Sequence[Logs]) -> None:
    """Raise `UsageError` that names the problems whose gap is not known."""
    unknown = dict.fromkeys(each.problem for each in logs if each.floor is None)
    if unknown:
        raise UsageError(
            f"COCO's files hold gaps to a known lowest value, and the floor of {', '.join(unknown)} is not known; "
            "choose other problems by --problem, or export ioh"
        )


def _write_coco(logs: Logs, place: Path) -> None:
    """Append to the function's ``.info`` file and write its data."""
    assert logs.floor is not None, "whoever asks has looked"
    data, name = f"data_f{logs.function}", f"stepscape_f{logs.function}_DIM{logs.dim}"
    (place / data).mkdir(exist_ok=True)
    head = (
        "% f evaluations | g evaluations | best noise-free fitness - Fopt "
        f"({logs.floor:13.12e}) + sum g_i+ | measured fitness | best measured fitness or single-digit g-values\n"
    )
    hit, timed, ends = list[str](), list[str](), list[str]()
    for run in logs.runs:
        best = np.minimum.accumulate(run.losses)
        gaps = best - logs.floor
        rows = [
            f"{int(count)} 0 {gap:+10.9e} {loss:+10.9e} {low:+10.9e}\n"
            for count, gap, loss, low in zip(run.evaluations, gaps, run.losses, best, strict=True)
        ]
        hit += [head, *(rows[at] for at in _new_targets(gaps))]
        timed += [head, *rows]
        ends.append(f"{run.instance}:{int(run.evaluations[-1])}|{gaps[-1]:.1e}")
    (place / data / f"{name}.dat").write_text("".join(hit), encoding="ascii")
    (place / data / f"{name}.tdat").write_text("".join(timed), encoding="ascii")
    info = (
        f"suite = '{_quoted(logs.suite)}', funcId = {logs.function}, DIM = {logs.dim}, Precision = {PRECISION:.3e}, "
        f"algId = '{_quoted(logs.algorithm)}', coco_version = '', logger = 'stepscape', data_format = 'bbob-new2'\n"
        f"% {logs.problem}; {logs.info}; the target is the gap to the floor {logs.floor!r}; {COUNTED}\n"
        f"{data}/{name}.dat, {', '.join(ends)}\n"
    )
    (place / f"stepscape_f{logs.function}_{logs.stem}.info").write_text(info, encoding="utf-8")


def _new_targets(gaps: Array) -> list[int]:
    """The rows at which a falling gap passes a target, the first and the last among them."""
    with np.errstate(divide="ignore", invalid="ignore"):
        levels = np.ceil(PER_DECADE * np.log10(np.maximum(gaps, PRECISION / 10)))
    passed = [0, *(1 + np.flatnonzero(np.diff(levels) < 0)).tolist(), len(gaps) - 1]
    return sorted(set(passed))


def _write_ioh(logs: Logs, place: Path) -> None:
    """Write the function's JSON file and its data."""
    data = Path(f"data_f{logs.function}_{logs.stem}") / f"IOHprofiler_f{logs.function}_DIM{logs.dim}.dat"
    (place / data).parent.mkdir(exist_ok=True)
    rows, ends, floor = list[str](), list[dict[str, object]](), logs.floor or 0.0
    for run in logs.runs:
        values = run.losses - floor
        rows.append("evaluations raw_y\n")
        rows += [f"{int(count)} {value:.10g}\n" for count, value in zip(run.evaluations, values, strict=True)]
        at = int(values.argmin())
        best = {"evals": int(run.evaluations[at]), "y": float(values[at]), "x": []}
        ends.append({"instance": run.instance, "evals": int(run.evaluations[-1]), "best": best})
    (place / data).write_text("".join(rows), encoding="ascii")
    content = {
        "version": "0.3.17",
        "suite": logs.suite,
        "function_id": logs.function,
        "function_name": logs.problem,
        "maximization": False,
        "algorithm": {"name": logs.algorithm, "info": logs.info},
        "experiment_attributes": [
            {"setting": logs.setting},
            {"measured": "loss" if logs.floor is None else f"gap to the floor {logs.floor!r}"},
            {"counted": COUNTED},
        ],
        "attributes": ["evaluations", "raw_y"],
        "scenarios": [{"dimension": logs.dim, "path": data.as_posix(), "runs": ends}],
    }
    text = json.dumps(content, indent=1, allow_nan=False, ensure_ascii=True)
    (place / f"IOHprofiler_f{logs.function}_{logs.stem}.json").write_text(text + "\n", encoding="ascii")


def _plain(name: str) -> str:
    """``name`` as a file's."""
    return "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in name)


def _quoted(text: str) -> str:
    """``text`` as it can stand between the quotes of an ``.info`` file."""
    return text.replace("'", '"')
