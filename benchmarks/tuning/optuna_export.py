"""The studies of finished cells as Optuna studies, so that ``optuna.load_study`` and optuna-dashboard show them."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

import pandas as pd
import torch

from analysis.measures.measure import Measure
from analysis.record.cell_info import StudyInfo
from analysis.record.cells import Cell
from analysis.record.errors import RecordError
from analysis.words import hyperparameter_text
from benchmarks.errors import StepscapeError, UsageError
from benchmarks.suite.judging import Aggregate
from benchmarks.tuning.bulk import add_trials
from benchmarks.tuning.objectives import aggregate
from benchmarks.tuning.space import Space
from benchmarks.tuning.storages import close_storage, open_storage, storage_failure
from benchmarks.tuning.trials import State
from optimizers import Hyperparameter

if TYPE_CHECKING:
    import optuna

__all__ = ["Diverged", "export_cell", "export_cells", "space_of", "study_name"]

DIGEST = "stepscape.fingerprint"

NOTE: Final = "dashboard:note_"
"""How the attributes begin in which optuna-dashboard keeps the note of a study, in pieces of `NOTE_PIECE` signs."""
NOTE_PIECE: Final = 2045

LOSSES: Final = ("final", "best")
"""The objectives that are losses of what is trained, whose gap to the floor has a logarithm."""

Diverged = Literal["fail", "inf"]
"""What a diverged trial is in an export: FAIL without a value, which no plot takes for a result, or complete and worth
inf, as the sampler was told: a round trip."""


def export_cell(cell: Cell, url: str, diverged: Diverged = "fail") -> int:
    """Write the studies of ``cell`` to the storage at ``url``, and count them; those that are there already are left.

    Raises `UsageError` where a study of that name was not exported from the same cell, `StepscapeError` where the
    storage fails.
    """
    (written,) = export_cells([cell], url, diverged)
    return written


def export_cells(cells: Iterable[Cell], url: str, diverged: Diverged = "fail") -> Iterator[int]:
    """Write the studies of ``cells`` as `export_cell` does, and yield what it tells of each; opens ``url`` once."""
    storage = open_storage(url)
    try:
        for cell in cells:
            yield sum(_export(cell, study, storage, diverged) for study in cell.info.studies)
    except Exception as error:
        if sentence := storage_failure(error):
            raise StepscapeError(sentence) from error
        raise
    finally:
        close_storage(storage)


def study_name(cell: Cell, study: int = 0) -> str:
    """The name of the exported study number ``study``, from 0: suite and cell, and for further ones their number."""
    return f"{cell.info.suite}/{cell.name}" + (f" study {study + 1}" if study else "")


def space_of(cell: Cell) -> Space:
    """The space the cell's study searched."""
    optimizer = cell.info.optimizer
    knobs = {each.name: Hyperparameter(**asdict(each)) for each in optimizer.hyperparameters}
    if strange := [name for name in optimizer.searched if name not in knobs]:
        raise RecordError(
            f"{cell.path / 'cell.json'}: optimizer.searched names {strange[0]!r}, which is no hyperparameter"
        )
    return Space(tuple(knobs[name] for name in optimizer.searched), optimizer.fixed)


def _export(cell: Cell, made: StudyInfo, storage: optuna.storages.BaseStorage, diverged: Diverged) -> bool:
    import optuna
    from optuna.exceptions import ExperimentalWarning

    name = study_name(cell, made.study)
    trials = cell.trials[cell.trials["study"] == made.study]
    content = trials.to_csv(index=False, lineterminator="\n")
    digest = f"{cell.info.problem.fingerprint} {hashlib.sha256(content.encode()).hexdigest()[:16]} {diverged}"
    if name in optuna.get_all_study_names(storage):
        if optuna.load_study(study_name=name, storage=storage).user_attrs.get(DIGEST) != digest:
            raise UsageError(f"the storage holds another study named {name!r}; export elsewhere, or delete it")
        return False
    objectives = [column for column in ("objective", "objective_2") if column in cell.trials]
    study = optuna.create_study(study_name=name, storage=storage, directions=["minimize"] * len(objectives))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # metric names are only for display
        study.set_metric_names(list(cell.info.protocol.objectives[: len(objectives)]))
    for key, value in _attributes(cell, made).items():
        study.set_user_attr(key, value)
    _write_note(storage, study, _note(cell, made, diverged))
    times = _times(cell, made.study)
    add_trials(study, storage, list(_trials(cell, trials, objectives, diverged, times)))
    study.set_user_attr(DIGEST, digest)
    return True


def _attributes(cell: Cell, made: StudyInfo) -> Mapping[str, Any]:
    problem, protocol = cell.info.problem, cell.info.protocol
    return {
        "suite": cell.info.suite,
        "problem": cell.problem,
        "optimizer": cell.optimizer,
        "schedule": cell.schedule,
        "fingerprint": problem.fingerprint,
        "floor": problem.minimum,
        "sampler": protocol.sampler,
        "block": protocol.block,
        "pruner": protocol.pruner,
        "aggregate": protocol.aggregate,
        "study": made.study + 1,
        "tuning_seeds": list(made.tuning_seeds),
        "test_seeds": list(protocol.test_seeds),
        "times": "the seconds of the cell's tuning, shared out among its blocks by the steps of their runs",
    }


def _note(cell: Cell, made: StudyInfo, diverged: Diverged) -> str:
    """What optuna-dashboard shows of a study, in Markdown."""
    problem, optimizer, protocol = cell.info.problem, cell.info.optimizer, cell.info.protocol
    judged, seeds = " and ".join(protocol.objectives), len(made.tuning_seeds)
    lines = [
        f"**{cell.label} on {cell.problem}**, study {made.study + 1} of {len(cell.info.studies)}.",
        "",
        f"- The value is {judged}: the {protocol.aggregate} over {seeds} seeds, of runs of {protocol.steps} steps.",
    ]
    if _has_gap(cell):
        lines += ["- `log10_gap` is the logarithm of what the value lies above the floor."]
    lines += [f"- {cell.problem}: {problem.description}"]
    lines += [f"- {optimizer.name}: {optimizer.description} ({optimizer.reference})"]
    if made.winner is not None:
        shown = hyperparameter_text(cell, optimizer.searched_of(made.winner.hyperparameters))
        lines += [f"- Trial {made.winner.trial} won: {shown}."]
    if diverged == "fail":
        lines += ["- Trials that diverged are shown as failed ones."]
    return "\n".join(lines)


def _write_note(storage: optuna.storages.BaseStorage, study: optuna.Study, note: str) -> None:
    pieces = [note[start : start + NOTE_PIECE] for start in range(0, len(note), NOTE_PIECE)]
    storage.set_study_system_attr(study._study_id, f"{NOTE}ver", 1)
    for place, piece in enumerate(pieces):
        storage.set_study_system_attr(study._study_id, f"{NOTE}str:{place}", piece)


def _times(cell: Cell, study: int) -> dict[int, tuple[datetime, datetime]]:
    """When each trial of the study number ``study`` began and ended, by its number.

    The record has the seconds of the whole tuning and the steps of every run. Studies ran one after another, trials of
    a block together: each block gets the seconds that are its share of the steps. Tuning ended before the cell was
    tested and mapped, which ended when ``cell.json`` was written.
    """
    runs = cell.runs[cell.runs["setting"] == "trial"]
    steps = runs.groupby(["study", "trial"])["stopped_at"].sum().rename("steps").reset_index()
    table = cell.trials[["study", "trial", "block"]].merge(steps, how="left").fillna({"steps": 0})
    ends = table.groupby(["study", "block"])["steps"].sum().cumsum()
    spent = cell.info.seconds
    scale = spent.tuning / max(float(ends.iloc[-1]), 1.0) if len(ends) else 0.0
    last = (cell.path / "cell.json").stat().st_mtime - spent.test - spent.landscape - spent.tuning
    times, began = {}, 0.0
    for key, end in ends.items():
        times[key] = (datetime.fromtimestamp(last + began * scale), datetime.fromtimestamp(last + end * scale))
        began = float(end)
    of = table[table["study"] == study]
    return {int(trial): times[study, block] for trial, block in zip(of["trial"], of["block"], strict=True)}


def _has_gap(cell: Cell) -> bool:
    """Whether the first objective is a loss above a known floor."""
    return cell.floor is not None and cell.info.protocol.objectives[0] in LOSSES


def _log10_gap(cell: Cell, value: float) -> dict[str, float]:
    """The logarithm of the gap of a trial of this ``value``, where it has one; no less than that of rounding."""
    if not _has_gap(cell) or not math.isfinite(value):
        return {}
    assert cell.floor is not None
    smallest = Measure.of(cell.floor, cell.info.problem.start_loss, math.nan).smallest
    return {"log10_gap": math.log10(max(value - cell.floor, smallest))}


def _trials(
    cell: Cell,
    trials: pd.DataFrame,
    objectives: list[str],
    diverged: Diverged,
    times: Mapping[int, tuple[datetime, datetime]],
) -> Iterator[optuna.trial.FrozenTrial]:
    """Every one of ``trials`` with its state, its values, its distributions and the curve it was judged by."""
    import optuna
    from optuna.trial import TrialState

    space = space_of(cell)
    distributions = space.distributions()
    table, again = cell.path / "trials.parquet", f"delete {cell.path} and run the suite again"
    if lacking := [knob.name for knob in space.searched if knob.name not in trials]:
        raise RecordError(f"{table} has no column {lacking[0]}, which was searched; {again}")
    curves = _joined_curves(cell, trials)
    for row in trials.to_dict("records"):
        values = [float(row[name]) for name in objectives]
        state = State(row["state"])
        if state is not State.PRUNED and any(map(math.isnan, values)):
            which = f"trial {row['trial']} of study {row['study'] + 1}"
            raise RecordError(f"{table}: {which} is {state} without an objective; {again}")
        hyperparameters = {knob.name: float(row[knob.name]) for knob in space.searched}
        failed = state is State.DIVERGED and diverged == "fail"
        trial = optuna.trial.create_trial(
            state=TrialState.FAIL if failed else state.told,
            values=None if failed or state is State.PRUNED else values,
            params=space.to_optuna(hyperparameters),
            distributions=distributions,
            intermediate_values=curves.get(row["trial"], {}) if len(objectives) == 1 else {},
            user_attrs={
                **hyperparameters,
                "state": state.value,
                "block": int(row["block"]),
                "diverged": int(row["diverged"]),
                **_log10_gap(cell, values[0]),
            },
        )
        trial.datetime_start, trial.datetime_complete = times[row["trial"]]
        yield trial


def _joined_curves(cell: Cell, trials: pd.DataFrame) -> dict[int, dict[int, float]]:
    """For each trial the loss at each step, its seeds joined as the suite says; none once a seed diverged."""
    of_trials = cell.curves[(cell.curves["setting"] == "trial") & cell.curves["study"].isin(trials["study"])]
    keys = ["trial", "step", "seed"]
    losses = of_trials.set_index(keys)["loss"].unstack()  # noqa: PD010  (raises on a doubled row)  # [C * E, S]
    how, runs = Aggregate.parse(cell.info.protocol.aggregate), torch.tensor(losses.to_numpy())
    joined = aggregate(how, runs.nan_to_num(torch.inf), dim=1)
    curves: dict[int, dict[int, float]] = {}
    for (trial, step), value in zip(losses.index, joined.tolist(), strict=True):
        if value < torch.inf:
            curves.setdefault(int(trial), {})[int(step)] = value
    return curves
