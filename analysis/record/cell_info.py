"""What ``cell.json`` says of a finished cell: what was run, by which protocol, and what won. Every field is a key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from analysis.record.columns import SCHEMA_VERSION
from analysis.record.errors import OtherSchemaError, RecordError
from analysis.record.typed_json import from_json, joined, to_json

__all__ = [
    "CellInfo",
    "HyperparameterInfo",
    "OptimizerInfo",
    "ProblemInfo",
    "Protocol",
    "Scale",
    "Seconds",
    "StepCost",
    "StudyInfo",
    "WinnerInfo",
    "label_of",
]

Scale = Literal["linear", "log", "log1m"]
"""How a hyperparameter is searched and drawn: as it is, by its logarithm, or by the logarithm of 1 minus it."""


@dataclass(frozen=True)
class ProblemInfo:
    """The problem that was run.

    ``name`` as the suite calls it, parameters included; ``description`` in a line; ``dim`` parameters are trained;
    ``minimum`` is the lowest reachable loss and ``target`` the loss that counts as solved, None where unknown;
    ``steps`` is the problem's own budget (`Protocol.steps` are those that were made); ``tags`` are sorted; where it is
    ``deterministic`` all seeds give one run; ``fingerprint`` names the instance: definition, data and first losses;
    ``start_loss`` is the median over the test seeds at step 0; ``metrics`` are the names of the further columns of
    the curves; ``sharpness`` is the largest curvature of a quadratic, None for others; ``minimisers`` are the known
    points of lowest loss of a problem of at most two parameters, empty for others.
    """

    name: str
    description: str
    dim: int
    minimum: float | None
    target: float | None
    steps: int
    tags: tuple[str, ...]
    deterministic: bool
    fingerprint: str
    start_loss: float
    metrics: tuple[str, ...]
    sharpness: float | None
    minimisers: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class HyperparameterInfo:
    """A hyperparameter: its ``default``, and its range from ``low`` to ``high`` on ``scale``.

    The range is the last that was searched; where the hyperparameter was not searched, that of its rule.
    """

    name: str
    default: float
    low: float
    high: float
    scale: Scale


@dataclass(frozen=True)
class OptimizerInfo:
    """The optimizer that was run.

    ``axes`` are the hyperparameters that the landscape spans: the learning rate, and a second one or None;
    ``searched`` are the names that the tuning chose, ``fixed`` the values that the suite held others at;
    ``hyperparameters`` are all there are; ``fingerprint`` names what ran: the code of the rule and of the schedules,
    options and defaults; ``groups`` are parameters that were trained otherwise, each in a line.
    """

    name: str
    description: str
    reference: str
    axes: tuple[str, str | None]
    searched: tuple[str, ...]
    fixed: Mapping[str, float]
    hyperparameters: tuple[HyperparameterInfo, ...]
    fingerprint: str
    groups: tuple[str, ...] = ()

    def scale(self, name: str) -> Scale:
        """The scale of the hyperparameter ``name``; linear for a name that is none."""
        return next((each.scale for each in self.hyperparameters if each.name == name), "linear")

    def searched_of(self, values: Mapping[str, float]) -> dict[str, float]:
        """Those of ``values`` that the tuning chose, in the order of ``searched``."""
        return {name: values[name] for name in self.searched if name in values}


@dataclass(frozen=True)
class Protocol:
    """How the cell was tuned, tested and mapped.

    ``studies`` were made independently of each other (0: not tuned), in each of which ``sampler`` asked ``trials``,
    ``block`` at a time, after the defaults, which it was told first; ``objectives`` are what a trial was judged by, one
    or two; ``aggregate`` joined its seeds; ``pruner`` stopped trials early. The three lists of seeds are those that
    were trained on, the tuning seeds those of the first study (`StudyInfo` has those of each); ``grid`` is the
    landscape's number of points by learning rate and by the second hyperparameter, None where there is no landscape;
    ``steps`` updates were made by every run, evaluated after each ``evaluate_every``, None where evaluations are spaced
    by powers.
    """

    studies: int
    sampler: str
    trials: int
    block: int
    objectives: tuple[str, ...] = field(metadata=joined("objective"))
    aggregate: str
    pruner: str
    tuning_seeds: tuple[int, ...]
    test_seeds: tuple[int, ...]
    landscape_seeds: tuple[int, ...]
    grid: tuple[int, int] | None
    steps: int
    evaluate_every: int | None

    def to_json(self) -> dict[str, Any]:
        """The protocol as ``cell.json`` holds it; `analysis.measures.comparable.BUDGET` names its keys."""
        return dict(to_json(self))


@dataclass(frozen=True)
class WinnerInfo:
    """The best trial of a study: its number, its first ``objective`` and all its ``hyperparameters``, fixed ones
    included; ``at_edge`` names those at an end of their range.
    """

    trial: int
    objective: float
    hyperparameters: Mapping[str, float]
    at_edge: tuple[str, ...]


@dataclass(frozen=True)
class StudyInfo:
    """One study of a cell: its number, from 0, the ``tuning_seeds`` it was judged on and the number of its ``trials``,
    the defaults included.

    ``widened`` says how often its ranges were widened; ``winner`` is None where every trial diverged or was pruned.
    """

    study: int
    tuning_seeds: tuple[int, ...]
    trials: int
    widened: int
    winner: WinnerInfo | None


@dataclass(frozen=True)
class Seconds:
    """Computing time of the tuning, its share that went into ``sampling``, of the test runs and of the landscape."""

    tuning: float
    sampling: float
    test: float
    landscape: float

    def to_json(self) -> dict[str, float]:
        """The times by name, in the order in which ``cell.json`` holds them."""
        return dict(to_json(self))


@dataclass(frozen=True)
class StepCost:
    """What a step of one run costs alone, by torch, an operation at a time: ``seconds``, the ``optimizer_share`` of
    them that is not the loss and its gradient, and ``state_bytes``, those of the optimizer's state.
    """

    seconds: float
    optimizer_share: float
    state_bytes: int


@dataclass(frozen=True)
class CellInfo:
    """The content of ``cell.json``, after its first key ``schema``, the version of the record's schema.

    ``cell`` is the name of the cell and of its folder; ``suite`` the suite's; ``position`` the place in the suite, from
    0; ``schedule`` "constant" or as written in the suite; ``studies`` are empty where nothing was tuned;
    ``defaults`` the default of every hyperparameter, by name, with what the suite fixed; ``lane_steps`` the number of
    training steps of single runs made for this cell, and ``engines`` what made them: "eager", torch an operation at a
    time; "kernel", compiled; "native", a run at a time, of a foreign optimizer or of a module as it is; both where the
    cell was gone on with elsewhere. ``device`` is where that was, "cpu" or a GPU with its name; ``dtype`` the
    precision: "float64", "float32", or "bfloat16", in which losses were computed of parameters in float32. ``cost`` is
    that of a step of one run alone. ``native`` says why the runs were modules as they are, None where they were not.
    """

    cell: str
    suite: str
    position: int
    problem: ProblemInfo
    optimizer: OptimizerInfo
    schedule: str
    protocol: Protocol
    studies: tuple[StudyInfo, ...]
    defaults: Mapping[str, float]
    seconds: Seconds
    lane_steps: int
    engines: tuple[str, ...] = field(metadata=joined("engine"))
    device: str
    dtype: str
    cost: StepCost
    native: str | None = None

    @classmethod
    def from_json(cls, content: Any) -> CellInfo:
        """What a ``cell.json`` says; raises `RecordError` for another schema version, and with the path of the
        first key that is missing, unknown or of a wrong type."""
        if not isinstance(content, Mapping) or content.get("schema") != SCHEMA_VERSION:
            raise OtherSchemaError("written by another version of the record's schema; run the suite again")
        return _checked(from_json(cls, {key: value for key, value in content.items() if key != "schema"}))

    def to_json(self) -> dict[str, Any]:
        """The content of ``cell.json``, its keys in order."""
        return {"schema": SCHEMA_VERSION, **to_json(self)}

    @property
    def best_study(self) -> StudyInfo | None:
        """The study whose winner has the lowest objective, by tuning seeds alone; None where no trial survived."""
        won = [study for study in self.studies if study.winner is not None]
        return min(
            won, key=lambda study: (study.winner.objective, study.study) if study.winner else (0.0, 0), default=None
        )

    @property
    def winner(self) -> WinnerInfo | None:
        """The winner of the best study; None where no trial survived."""
        best = self.best_study
        return None if best is None else best.winner

    @property
    def label(self) -> str:
        """The name of the cell within its problem: its optimizer, and its schedule where that is not constant."""
        return label_of(self.optimizer.name, self.schedule)


def label_of(optimizer: str, schedule: str) -> str:
    """The name of an optimizer under a schedule."""
    return optimizer if schedule == "constant" else f"{optimizer} · {schedule}"


def _checked(info: CellInfo) -> CellInfo:
    """``info`` whose numbers can be; raises `RecordError` with the path of the first that cannot."""
    counts = {
        "position": (info.position, 0),
        "problem.dim": (info.problem.dim, 1),
        "problem.steps": (info.problem.steps, 1),
        "protocol.steps": (info.protocol.steps, 1),
        "protocol.studies": (info.protocol.studies, 0),
        "protocol.trials": (info.protocol.trials, 0),
        "protocol.block": (info.protocol.block, 1),
        "lane_steps": (info.lane_steps, 0),
        **{f"studies[{at}].trials": (study.trials, 0) for at, study in enumerate(info.studies)},
    }
    for path, (value, least) in counts.items():
        if value < least:
            raise RecordError(f"{path} should be {least} or more, got {value}")
    if info.protocol.studies and not info.studies:
        raise RecordError(f"studies should hold {info.protocol.studies}, as the protocol says, and is empty")
    for at, study in enumerate(info.studies):
        if study.study != at:
            raise RecordError(f"studies[{at}].study should be {at}, got {study.study}")
    for at, knob in enumerate(info.optimizer.hyperparameters):
        path = f"optimizer.hyperparameters[{at}]"
        if knob.low > knob.high:
            raise RecordError(f"{path}.low should be no more than its high {knob.high}, got {knob.low}")
        if knob.scale == "log" and knob.low <= 0:
            raise RecordError(f"{path}.low should be above 0 on the scale log, got {knob.low}")
        if knob.scale == "log1m" and knob.high >= 1:
            raise RecordError(f"{path}.high should be below 1 on the scale log1m, got {knob.high}")
    known = {knob.name for knob in info.optimizer.hyperparameters}
    if strange := [name for name in info.optimizer.axes if name is not None and name not in known]:
        raise RecordError(f"optimizer.axes names {strange[0]!r}, which is no hyperparameter of the optimizer")
    return info
