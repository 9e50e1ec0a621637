"""Finished cells as Optuna studies, so that ``optuna.load_study`` and optuna-dashboard show them."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch

from analysis.record.cells import Cell
from benchmarks.errors import StepscapeError, UsageError
from benchmarks.suite.judging import Aggregate
from benchmarks.tuning.objectives import aggregate
from benchmarks.tuning.space import Space
from benchmarks.tuning.storages import close_storage, open_storage, storage_failure
from benchmarks.tuning.trials import State
from optimizers import Hyperparameter

if TYPE_CHECKING:
    import optuna

__all__ = ["export_cell", "space_of", "study_name"]

DIGEST = "stepscape.fingerprint"


def export_cell(cell: Cell, url: str) -> bool:
    """Write the study of ``cell`` to the storage at ``url``; False where it is there already.

    Raises `UsageError` where a study of that name was not exported from the same cell, `StepscapeError` where the
    storage fails.
    """
    storage = open_storage(url)
    try:
        return _export(cell, storage)
    except Exception as error:
        if sentence := storage_failure(error):
            raise StepscapeError(sentence) from error
        raise
    finally:
        close_storage(storage)


def study_name(cell: Cell) -> str:
    """The name of the exported study: suite and cell."""
    return f"{cell.info.suite}/{cell.name}"


def space_of(cell: Cell) -> Space:
    """The space the cell's study searched."""
    optimizer = cell.info.optimizer
    knobs = {each.name: Hyperparameter(**asdict(each)) for each in optimizer.hyperparameters}
    return Space(tuple(knobs[name] for name in optimizer.searched), optimizer.fixed)


def _export(cell: Cell, storage: optuna.storages.BaseStorage) -> bool:
    import optuna
    from optuna.exceptions import ExperimentalWarning

    name = study_name(cell)
    content = cell.trials.to_csv(index=False, lineterminator="\n")
    digest = f"{cell.info.problem.fingerprint} {hashlib.sha256(content.encode()).hexdigest()[:16]}"
    if name in optuna.get_all_study_names(storage):
        if optuna.load_study(study_name=name, storage=storage).user_attrs.get(DIGEST) != digest:
            raise UsageError(f"the storage holds another study named {name!r}; export elsewhere, or delete it")
        return False
    objectives = [column for column in ("objective", "objective_2") if column in cell.trials]
    study = optuna.create_study(study_name=name, storage=storage, directions=["minimize"] * len(objectives))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # metric names are only for display
        study.set_metric_names(list(cell.info.protocol.objectives[: len(objectives)]))
    for key, value in _attributes(cell).items():
        study.set_user_attr(key, value)
    study.add_trials(list(_trials(cell, objectives)))
    study.set_user_attr(DIGEST, digest)
    return True


def _attributes(cell: Cell) -> Mapping[str, Any]:
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
        "tuning_seeds": list(protocol.tuning_seeds),
        "test_seeds": list(protocol.test_seeds),
    }


def _trials(cell: Cell, objectives: list[str]) -> Iterator[optuna.trial.FrozenTrial]:
    """Every trial with its state, its values, its distributions and the curve it was judged by."""
    import optuna

    space = space_of(cell)
    distributions = space.distributions()
    curves = _joined_curves(cell)
    for row in cell.trials.to_dict("records"):
        values = [float(row[name]) for name in objectives]
        state = State(row["state"])
        hyperparameters = {knob.name: float(row[knob.name]) for knob in space.searched}
        yield optuna.trial.create_trial(
            state=state.told,
            values=None if state is State.PRUNED else values,
            params=space.to_optuna(hyperparameters),
            distributions=distributions,
            intermediate_values=curves.get(row["trial"], {}) if len(objectives) == 1 else {},
            user_attrs={
                **hyperparameters,
                "state": state.value,
                "block": int(row["block"]),
                "diverged": int(row["diverged"]),
            },
        )


def _joined_curves(cell: Cell) -> dict[int, dict[int, float]]:
    """For each trial the loss at each step, its seeds joined as the suite says; none once a seed diverged."""
    of_trials = cell.curves[cell.curves["setting"] == "trial"]
    losses = of_trials.pivot(index=["trial", "step"], columns="seed", values="loss")  # [C * E, S]
    how, runs = Aggregate.parse(cell.info.protocol.aggregate), torch.tensor(losses.to_numpy())
    joined = aggregate(how, runs.nan_to_num(torch.inf), dim=1)
    curves: dict[int, dict[int, float]] = {}
    for (trial, step), value in zip(losses.index, joined.tolist(), strict=True):
        if value < torch.inf:
            curves.setdefault(int(trial), {})[int(step)] = value
    return curves
