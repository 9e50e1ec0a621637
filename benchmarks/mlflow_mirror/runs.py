"""What MLflow is told of a finished cell, as plain values: names, tags, params and metrics. Nothing is written here.

A cell becomes one run with the curves of its settings and the best so far over the trials, a child run for each of its
best trials, and one for each setting on the test seeds. MLflow stores ``inf`` as 1.8e308, which ruins every chart, so
only finite values become metrics; what is a count, zero or the same for every cell is a param, for every metric becomes
a chart. Charts stand by name and comparisons take the names that come first, so that ``gap/`` and ``log10_lr`` do.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pandas as pd

from analysis.measures.convergence import Convergence
from analysis.measures.results import CellResult, SettingResult
from analysis.record.cells import Cell
from analysis.record.outcome import Outcome
from analysis.statistics.bootstrap import median
from analysis.words import hyperparameter_text, number

__all__ = [
    "CURVE",
    "Children",
    "Dataset",
    "Point",
    "MirroredRun",
    "cell_run",
    "setting_runs",
    "short_hash",
    "trial_runs",
    "trials_table",
]

Children = int | Literal["all", "none"]
"""How many trials of a cell get a run of their own: the best so many, all of them, diverged ones too, or none."""

Point = tuple[str, float, int]
"""A metric's key, value and step."""

CURVE: Final = (
    11  # points of a curve: its shape, for the record has every evaluation and a point costs MLflow 280 bytes
)


@dataclass(frozen=True)
class Dataset:
    """What a run was made on, in MLflow's words: a problem, whose ``digest`` is its fingerprint, with what is known of
    it as JSON.
    """

    name: str
    digest: str
    source: str
    profile: str


@dataclass(frozen=True)
class MirroredRun:
    """One run as MLflow is told of it; the values of ``points`` are finite."""

    name: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    points: tuple[Point, ...]
    dataset: Dataset | None = None


def short_hash(*files: Path) -> str:
    """16 hex digits that name the content of ``files``."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


def cell_run(cell: Cell, result: CellResult | None = None) -> MirroredRun:
    """The run of the whole cell: protocol, settings and counts as params, results on the test seeds as metrics.

    ``lr`` and ``memory`` are those of the best winner. ``result`` is that of the cell alone, where it was made already.
    """
    info, winner, result = cell.info, cell.info.winner, CellResult.alone(cell) if result is None else result
    tags = {
        **_tags(cell, "cell"),
        "mlflow.note.content": _description(cell, result),
        "fingerprint": info.problem.fingerprint,
        "optimizer_fingerprint": info.optimizer.fingerprint,
        "problem_tags": ", ".join(sorted(info.problem.tags)),
        "sampler": info.protocol.sampler,
        "order": f"{info.position:05}",  # the suite's, for text is what MLflow sorts tags as
        "at_edge": ", ".join(winner.at_edge) or "no" if winner else "no winner",
        "stepscape.digest": short_hash(cell.path / "cell.json"),  # holds times, so it names this execution
    }
    params = {key: _text(value) for key, value in info.protocol.to_json().items()}
    params |= _shared(cell, winner.hyperparameters) if winner else {}
    for setting, values in _settings(cell).items():
        params |= {f"settings.{setting}.{name}": _text(value) for name, value in values.items()}
    for setting, found in result.settings.items():
        params |= {f"runs.{setting}": str(found.runs), f"runs.{setting}_diverged": str(found.diverged)}
    params["trials_diverged"] = str((cell.trials["state"] == Outcome.DIVERGED.word).sum())
    return MirroredRun(_title(cell), tags, params, _finite(_cell_points(cell, result)), _dataset(cell))


def trial_runs(cell: Cell, children: Children) -> list[MirroredRun]:
    """The runs of the best trials, best first. A number takes only trials that were told a finite objective."""
    if children == "none":
        return []
    ranked = cell.trials.sort_values(["objective", "study", "trial"])
    if children != "all":
        ranked = ranked[np.isfinite(ranked["objective"])].head(children)
    chosen = pd.MultiIndex.from_frame(ranked[["study", "trial"]])
    of_trials = cell.curves[cell.curves["setting"] == "trial"]
    shown = of_trials[pd.MultiIndex.from_frame(of_trials[["study", "trial"]]).isin(chosen)]
    lines = _median_curves(shown, ["study", "trial"])
    return [_trial_run(cell, row, lines.get((row["study"], row["trial"]), ())) for row in ranked.to_dict("records")]


def setting_runs(cell: Cell, result: CellResult | None = None) -> list[MirroredRun]:
    """The runs of the tuned and of the default setting on the test seeds, as far as they were run.

    The tuned one is over all studies; its hyperparameters are those of the best of them. ``result`` is that of the cell
    alone, where it was made already.
    """
    settings, result = _settings(cell), CellResult.alone(cell) if result is None else result
    lines = _median_curves(cell.curves[cell.curves["setting"].isin(settings)], ["setting"])
    runs = []
    for setting, values in settings.items():
        if (setting,) in lines:
            tags = {**_tags(cell, "test"), "setting": setting, "seeds": _seeds(cell.info.protocol.test_seeds)}
            found = result.settings.get(setting)
            ends = {} if found is None else _ends(cell, found.value)
            counts = {} if found is None else {"runs": str(found.runs), "runs_diverged": str(found.diverged)}
            points = _finite([*((f"final_{name}", value, 0) for name, value in ends.items()), *lines[setting,]])
            studies = len(cell.info.studies) if setting == "tuned" else 1
            best = f"best of {studies} studies at " if studies > 1 else ""
            name = f"{setting} on test seeds: {best}{_short(cell, values)}"
            runs.append(MirroredRun(name, tags, {**_params(cell, values), **counts}, points))
    return runs


def trials_table(cell: Cell) -> pd.DataFrame:
    """All trials with the best first, ready to be read: infinite objectives are missing."""
    first = ["study", "trial", "state", "objective", *_searched(cell)]
    table = cell.trials.sort_values(["objective", "study", "trial"])
    table = table[[*first, *(column for column in table.columns if column not in first)]]
    return table.replace([np.inf, -np.inf], np.nan).reset_index(drop=True)


def _trial_run(cell: Cell, row: Mapping[Any, Any], line: Iterable[Point]) -> MirroredRun:
    values = {name: float(row[name]) for name in _searched(cell)}
    tags = {
        **_tags(cell, "trial"),
        "study": str(row["study"] + 1),
        "trial_number": str(row["trial"]),
        "state": str(row["state"]),
        "seeds": _seeds(cell.info.studies[row["study"]].tuning_seeds),
        "diverged": str(row["diverged"]),
    }
    points = _finite([("objective", float(row["objective"]), 0), *line])
    params = _params(cell, {**cell.info.optimizer.fixed, **values})
    study = f"study {row['study'] + 1}, " if len(cell.info.studies) > 1 else ""
    return MirroredRun(f"{study}trial {row['trial']}: {_short(cell, values)}", tags, params, points)


def _tags(cell: Cell, role: str) -> dict[str, str]:
    """The tags by which people group and filter; on every run, for charts group by a run's own tags only."""
    return {
        "role": role,
        "suite": cell.info.suite,
        "problem": cell.problem,
        "optimizer": cell.optimizer,
        "schedule": cell.schedule,
        "stepscape.cell": cell.name,
    }


def _cell_points(cell: Cell, result: CellResult) -> Iterator[Point]:
    if result.measure.name == "gap":  # first, for comparisons open with it; MLflow's axes are linear
        for setting in sorted(result.convergence, reverse=True):
            band = result.convergence[setting].band.median
            logs = np.log10(np.maximum(band, result.measure.smallest))
            steps = result.convergence[setting].steps
            yield from ((f"log10_gap/{setting}", _rounded(logs[at]), int(steps[at])) for at in _thinned(len(steps)))
    for setting, curve in result.convergence.items():
        yield from _line(f"{result.measure.name}/{setting}", curve, banded=True)
    for metric, curves in result.metrics.items():
        for setting, curve in curves.items():
            yield from _line(f"metrics/{metric}_{setting}", curve, banded=False)
    for setting, found in result.settings.items():
        yield from _result(cell, result, setting, found)
    if len(cell.trials):
        told = cell.trials.set_index(["trial", "study"])["objective"].unstack().sort_index()  # noqa: PD010  (raises on a doubled row)
        best = np.fmin.accumulate(told.to_numpy(dtype=np.float64))  # a pruned trial, NaN, changes nothing
        typical = median(np.where(np.isnan(best), np.inf, best).T)
        yield from (("best_objective", float(v), int(trial)) for trial, v in zip(told.index, typical, strict=True))
    spent = cell.info.seconds.to_json()
    yield from ((f"seconds/{key}", float(value), 0) for key, value in spent.items() if value > 0)
    yield "lane_steps", float(cell.info.lane_steps), 0


def _line(name: str, curve: Convergence, *, banded: bool) -> Iterator[Point]:
    """Yield the typical run by step and, where it is ``banded``, the ends of the middle of all runs."""
    kept = _thinned(len(curve.steps))
    parts = {"": curve.band.median}
    if banded and curve.band.n > 1 and not np.array_equal(curve.band.low, curve.band.high, equal_nan=True):
        parts |= {"_low": curve.band.low, "_high": curve.band.high}
    for end, values in parts.items():
        yield from ((f"{name}{end}", _rounded(values[at]), int(curve.steps[at])) for at in kept)


def _result(cell: Cell, result: CellResult, setting: str, found: SettingResult) -> Iterator[Point]:
    """Yield what a setting comes to after the last step, a diverged run being the worst, with its interval."""
    estimate = found.estimate
    for name, value in _ends(cell, estimate.value).items():
        yield f"result/{name}_{setting}", value, 0
    if estimate.low < estimate.high:
        of = "loss" if cell.floor is None else "gap"
        for end, value in (("low", estimate.low), ("high", estimate.high)):
            yield f"result/{of}_{setting}_{end}", _ends(cell, value)[of], 0
    if result.measure.name == "gap" and math.isfinite(estimate.value):  # MLflow's axes are linear
        yield f"result/log10_gap_{setting}", _rounded(math.log10(max(estimate.value, result.measure.smallest))), 0


def _ends(cell: Cell, value: float) -> dict[str, float]:
    """A median after the last step as a loss and, where the floor is known, as the gap to it."""
    if cell.floor is None:
        return {"loss": _rounded(value)}
    return {"loss": _rounded(value + cell.floor), "gap": _rounded(value)}


def _thinned(evaluations: int) -> list[int]:
    """The places of at most `CURVE` evaluations, with the first and the last."""
    return [int(at) for at in np.unique(np.linspace(0, evaluations - 1, min(evaluations, CURVE)).round())]


def _dataset(cell: Cell) -> Dataset:
    """The cell's problem."""
    problem = cell.info.problem
    source = {"problem": cell.problem, "fingerprint": problem.fingerprint}
    profile = {"dim": problem.dim, "minimum": problem.minimum, "target": problem.target, "tags": sorted(problem.tags)}
    return Dataset(cell.problem, problem.fingerprint, json.dumps(source), json.dumps(profile))


def _rounded(value: Any) -> float:
    """Five significant digits: MLflow cuts off long numbers in its tables, so 1.23456789e-15 reads 1.2345."""
    return float(f"{float(value):.5g}")


def _median_curves(curves: pd.DataFrame, by: list[str]) -> dict[tuple[Any, ...], list[Point]]:
    """For each value of the columns ``by``, the median over runs of loss and metrics by step.

    Curves are thinned to `CURVE` evaluations, with the first and the last. A diverged seed is the worst loss there is;
    a metric that a seed lacks is left out, not averaged over the others.
    """
    metrics = list(curves.columns.drop(["setting", "study", "trial", "seed", "step"]))
    steps = curves["step"].unique()
    kept = steps[_thinned(len(steps))]
    curves = curves[curves["step"].isin(kept)]
    groups = curves.fillna({"loss": np.inf}).groupby([*by, "step"])[metrics]
    middle = groups.median().where(groups.count().eq(groups.size(), axis=0))
    lines: dict[tuple[Any, ...], list[Point]] = {}
    for key in metrics:
        for *of, step, loss in middle[key].reset_index().itertuples(index=False, name=None):
            lines.setdefault(tuple(of), []).append((f"train/{key}", float(loss), int(step)))
    return lines


def _finite(points: Iterable[Point]) -> tuple[Point, ...]:
    return tuple(point for point in points if math.isfinite(point[1]))


def _searched(cell: Cell) -> list[str]:
    return [name for name in cell.info.optimizer.searched if name in cell.trials.columns]


def _shared(cell: Cell, values: Mapping[str, float]) -> dict[str, str]:
    """The learning rate and the memory under names that every optimizer shares, with their logarithms.

    The memory is the second hyperparameter of the landscape, where 1 - memory is what is searched: gamma, momentum.
    """
    rate, second = cell.info.optimizer.axes
    shared = {"lr": rate} | ({"memory": second} if second and cell.info.optimizer.scale(second) == "log1m" else {})
    params: dict[str, str] = {}
    for name, own in shared.items():
        if own in values:
            params |= _scaled(name, values[own], cell.info.optimizer.scale(own))
    return params


def _params(cell: Cell, values: Mapping[str, float]) -> dict[str, str]:
    """Hyperparameters and, for MLflow's linear axes, the logarithms on which they are searched; see `_shared` too."""
    params = _shared(cell, values)
    for name, value in values.items():
        params |= _scaled(name, value, cell.info.optimizer.scale(name))
    return params


def _scaled(name: str, value: float, scale: str) -> dict[str, str]:
    """A hyperparameter and the logarithm on which it is searched, where that is finite."""
    params = {name: _text(value)}
    if scale == "log" and value > 0:
        params[f"log10_{name}"] = f"{math.log10(value):.4f}"
    if scale == "log1m" and value < 1:
        params[f"log10_one_minus_{name}"] = f"{math.log10(1 - value):.4f}"
    return params


def _text(value: Any) -> str:
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def _seeds(seeds: Iterable[int]) -> str:
    return ", ".join(map(str, seeds))


def _title(cell: Cell) -> str:
    title = f"{cell.optimizer} on {cell.problem}"
    return title if cell.schedule == "constant" else f"{title} · {cell.schedule}"


def _description(cell: Cell, result: CellResult) -> str:
    """The note MLflow shows on the run's page, in Markdown: the result first, for long notes are folded."""
    problem, optimizer = cell.info.problem, cell.info.optimizer
    what, steps = "loss" if cell.floor is None else "gap to the floor", cell.info.protocol.steps
    lines = [
        f"Median {what} after {steps} steps on test seeds:",
        "",
    ]
    for setting, values in _settings(cell).items():
        if found := result.settings.get(setting):
            shown = list(_ends(cell, found.value).values())[-1]
            lost = f", {found.diverged} of {found.runs} diverged" if found.diverged else ""
            lines.append(f"- **{setting}** ({_short(cell, values)}): **{number(shown)}**{lost}")
    return "\n".join(
        [
            *lines,
            "",
            _tuning(cell),
            "",
            f"- {cell.problem}: {problem.description}",
            f"- {cell.optimizer}: {optimizer.description} ({optimizer.reference})",
        ]
    )


def _tuning(cell: Cell) -> str:
    """How the cell was tuned, and which trial won."""
    if cell.trials.empty:
        return "Nothing was tuned."
    protocol = cell.info.protocol
    return (
        f"Tuned by {_counted_studies(cell)} of {protocol.trials} trials by {protocol.sampler}, {protocol.block} "
        f"asked at a time, {_counted(len(protocol.tuning_seeds), 'seed')} each. {_verdict(cell)}"
    )


def _verdict(cell: Cell) -> str:
    winner = cell.info.winner
    if winner is None:
        return "Every trial diverged, so there is no winner."
    edge = f" It is at the edge of its range: {', '.join(winner.at_edge)}." if winner.at_edge else ""
    best = cell.info.best_study
    study = f" of study {best.study + 1}, the best on its tuning seeds," if best and len(cell.info.studies) > 1 else ""
    return f"Trial {winner.trial}{study} won.{edge}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _counted_studies(cell: Cell) -> str:
    """The number of studies in words."""
    count = len(cell.info.studies)
    return f"{count} {'study' if count == 1 else 'independent studies'}"


def _settings(cell: Cell) -> dict[str, Mapping[str, float]]:
    """The hyperparameters of the settings that may have been run on the test seeds."""
    winner = cell.info.winner
    return {**({"tuned": winner.hyperparameters} if winner else {}), "default": cell.info.defaults}


def _short(cell: Cell, values: Mapping[str, float]) -> str:
    """Those of ``values`` that were searched, as text."""
    return hyperparameter_text(cell, cell.info.optimizer.searched_of(values))
