"""What MLflow is told of a finished cell, as plain values: names, tags, params and metrics. Nothing is written here.

A cell becomes one run with its best-so-far curve over the trials, a child run for each of its best trials, and one for
each setting on the test seeds. MLflow stores ``inf`` as 1.8e308, which ruins every chart, so only finite values become
metrics; tags and counts show that a run diverged.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pandas as pd

from analysis.measures.convergence import SETTINGS, measure_of
from analysis.measures.results import final_values
from analysis.record.cells import Cell
from analysis.record.outcome import Outcome
from analysis.statistics.bootstrap import median, typical
from analysis.words import hyperparameter_text, number

__all__ = [
    "CURVE",
    "Children",
    "End",
    "Ends",
    "Point",
    "MirroredRun",
    "cell_run",
    "ends_of",
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
class MirroredRun:
    """One run as MLflow is told of it; the values of ``points`` are finite."""

    name: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    points: tuple[Point, ...]


@dataclass(frozen=True)
class End:
    """What a setting came to on the test seeds: its typical measure after the last step, how many runs, and how many of
    them diverged.
    """

    value: float
    runs: int
    diverged: int


Ends = Mapping[str, End]
"""What a cell's settings came to, by their names, as far as they were run."""


def ends_of(cell: Cell) -> Ends:
    """What the settings of ``cell`` came to. MLflow shows no intervals, which are most of the work of a result."""
    measure = measure_of((cell,))
    found = {setting: final_values(cell, setting, measure) for setting in SETTINGS}
    return {
        setting: End(float(typical(values)), values.size, int(np.isinf(values).sum()))
        for setting, values in found.items()
        if values.size
    }


def short_hash(*files: Path) -> str:
    """16 hex digits that name the content of ``files``."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


def cell_run(cell: Cell, ends: Ends | None = None) -> MirroredRun:
    """The run of the whole cell: protocol and best winner as params, results on the test seeds as metrics.

    ``ends`` are `ends_of` the cell where they are known.
    """
    info, winner, ends = cell.info, cell.info.winner, ends_of(cell) if ends is None else ends
    tags = {
        **_tags(cell, "cell"),
        "mlflow.note.content": _description(cell, ends),
        "fingerprint": info.problem.fingerprint,
        "optimizer_fingerprint": info.optimizer.fingerprint,
        "problem_tags": ", ".join(sorted(info.problem.tags)),
        "sampler": info.protocol.sampler,
        "at_edge": ", ".join(winner.at_edge) or "no" if winner else "no winner",
        "stepscape.digest": short_hash(cell.path / "cell.json"),  # holds times, so it names this execution
    }
    params = {key: _text(value) for key, value in info.protocol.to_json().items()}
    params |= {f"best.{name}": _text(value) for name, value in (winner.hyperparameters if winner else {}).items()}
    params |= {f"default.{name}": _text(value) for name, value in info.defaults.items()}
    return MirroredRun(_title(cell), tags, params, _finite(_cell_points(cell, ends)))


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


def setting_runs(cell: Cell, ends: Ends | None = None) -> list[MirroredRun]:
    """The runs of the tuned and of the default setting on the test seeds, as far as they were run.

    The tuned one is over all studies; its hyperparameters are those of the best of them. ``ends`` are `ends_of` the
    cell where they are known.
    """
    settings, ends = _settings(cell), ends_of(cell) if ends is None else ends
    lines = _median_curves(cell.curves[cell.curves["setting"].isin(settings)], ["setting"])
    runs = []
    for setting, values in settings.items():
        if (setting,) in lines:
            tags = {**_tags(cell, "test"), "setting": setting, "seeds": _seeds(cell.info.protocol.test_seeds)}
            points = _finite([*_outcome(cell, ends.get(setting), ""), *lines[setting,]])
            studies = len(cell.info.studies) if setting == "tuned" else 1
            best = f"best of {studies} studies at " if studies > 1 else ""
            name = f"{setting} on test seeds: {best}{_short(cell, values)}"
            runs.append(MirroredRun(name, tags, _params(cell, values), points))
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


def _cell_points(cell: Cell, ends: Ends) -> Iterator[Point]:
    for setting in SETTINGS:
        yield from _outcome(cell, ends.get(setting), f"{setting}/")
    if len(cell.trials):
        told = cell.trials.set_index(["trial", "study"])["objective"].unstack().sort_index()  # noqa: PD010  (raises on a doubled row)
        best = np.fmin.accumulate(told.to_numpy(dtype=np.float64))  # a pruned trial, NaN, changes nothing
        typical = median(np.where(np.isnan(best), np.inf, best).T)
        yield from (("best_objective", float(v), int(trial)) for trial, v in zip(told.index, typical, strict=True))
    yield "trials/diverged", float((cell.trials["state"] == Outcome.DIVERGED.word).sum()), 0
    yield from ((f"seconds/{key}", float(value), 0) for key, value in cell.info.seconds.to_json().items())
    yield "lane_steps", float(cell.info.lane_steps), 0


def _outcome(cell: Cell, found: End | None, prefix: str) -> Iterator[Point]:
    """Yield the typical results on the test seeds after the last step, with a diverged run as the worst, and the
    counts.
    """
    if found is None:
        return
    yield f"{prefix}final_loss", _rounded(found.value + (cell.floor or 0.0)), 0
    if cell.floor is not None:
        yield f"{prefix}final_gap", _rounded(found.value), 0
    yield f"{prefix}runs", float(found.runs), 0
    yield f"{prefix}diverged", float(found.diverged), 0


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
    kept = steps[np.unique(np.linspace(0, len(steps) - 1, min(len(steps), CURVE)).round().astype(int))]
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


def _params(cell: Cell, values: Mapping[str, float]) -> dict[str, str]:
    """Hyperparameters and, for MLflow's linear axes, the logarithms on which they are searched."""
    scale = cell.info.optimizer.scale
    params = {name: _text(value) for name, value in values.items()}
    for name, value in values.items():
        if scale(name) == "log" and value > 0:
            params[f"log10_{name}"] = f"{math.log10(value):.4f}"
        if scale(name) == "log1m" and value < 1:
            params[f"log10_one_minus_{name}"] = f"{math.log10(1 - value):.4f}"
    return params


def _text(value: Any) -> str:
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def _seeds(seeds: Iterable[int]) -> str:
    return ", ".join(map(str, seeds))


def _title(cell: Cell) -> str:
    title = f"{cell.optimizer} on {cell.problem}"
    return title if cell.schedule == "constant" else f"{title} · {cell.schedule}"


def _description(cell: Cell, ends: Ends) -> str:
    """The note MLflow shows on the run's page, in Markdown: the result first, for long notes are folded."""
    problem, optimizer = cell.info.problem, cell.info.optimizer
    measure = "final_loss" if cell.floor is None else "final_gap"
    what, steps = "loss" if cell.floor is None else "gap to the floor", cell.info.protocol.steps
    lines = [
        f"Median {what} after {steps} steps on test seeds:",
        "",
    ]
    for setting, values in _settings(cell).items():
        found = {key: value for key, value, _ in _outcome(cell, ends.get(setting), "")}
        if found:
            lost = f", {found['diverged']:.0f} of {found['runs']:.0f} diverged" if found["diverged"] else ""
            lines.append(f"- **{setting}** ({_short(cell, values)}): **{number(found[measure])}**{lost}")
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
        f"asked at a time, {len(protocol.tuning_seeds)} seeds each. {_verdict(cell)}"
    )


def _verdict(cell: Cell) -> str:
    winner = cell.info.winner
    if winner is None:
        return "Every trial diverged, so there is no winner."
    edge = f" It is at the edge of its range: {', '.join(winner.at_edge)}." if winner.at_edge else ""
    best = cell.info.best_study
    study = f" of study {best.study + 1}, the best on its tuning seeds," if best and len(cell.info.studies) > 1 else ""
    return f"Trial {winner.trial}{study} won.{edge}"


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
