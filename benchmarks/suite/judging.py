"""How trials are judged: objectives, aggregates over seeds, and pruners, as values parsed from a suite's words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Aggregate", "Objective", "Pruner", "PrunerKind"]


class Objective(StrEnum):
    """What a run is worth, lower is better; `benchmarks.tuning.objectives` computes it."""

    FINAL = "final"
    BEST = "best"
    AUC = "auc"
    STEPS_TO_TARGET = "steps-to-target"
    HELDOUT_LOSS = "heldout_loss"
    HELDOUT_BEST = "heldout_best"

    @property
    def metric(self) -> str:
        """What is looked at of a run: its training loss, or its loss on held-out data."""
        return "heldout_loss" if self in (Objective.HELDOUT_LOSS, Objective.HELDOUT_BEST) else "loss"

    @property
    def needs_the_way(self) -> bool:
        """Whether every evaluation is read, and not only the last."""
        return self not in (Objective.FINAL, Objective.HELDOUT_LOSS)

    @property
    def needs_floor(self) -> bool:
        """Whether only a problem whose floor is known can be judged by it."""
        return self is Objective.AUC

    @property
    def needs_target(self) -> bool:
        """Whether only a problem with a target can be judged by it."""
        return self is Objective.STEPS_TO_TARGET


@dataclass(frozen=True)
class Aggregate:
    """How the seeds of a trial are joined: by the quantile at ``level``, by the mean where that is None.

    ``text`` is the suite's own spelling: the same quantile may be written in several ways.
    """

    text: str
    level: float | None

    @classmethod
    def parse(cls, text: str) -> Aggregate:
        """The aggregate written as ``mean``, ``median`` or a quantile, ``q0.9``; raises ``ValueError`` for others."""
        if text == "mean":
            return cls(text, None)
        return cls(text, 0.5 if text == "median" else float(text.removeprefix("q")))

    def __str__(self) -> str:
        return self.text


class PrunerKind(StrEnum):
    """What decides which trials are stopped early: a method of ours, or one of Optuna's pruners."""

    NONE = "none"
    HALVING = "halving"
    HYPERBAND = "hyperband"
    MEDIAN = "median"
    OPTUNA = "optuna"


@dataclass(frozen=True)
class Pruner:
    """What stops trials early; ``optuna_name`` is the class in ``optuna.pruners`` where the kind is OPTUNA."""

    kind: PrunerKind
    optuna_name: str = ""

    @classmethod
    def parse(cls, text: str) -> Pruner:
        """The pruner written as ``none``, ``halving``, ``hyperband``, ``median`` or ``optuna:NAME``.

        Raises ``ValueError`` for others.
        """
        kind, _, name = text.partition(":")
        return cls(PrunerKind(kind), name)

    def __str__(self) -> str:
        return f"{self.kind}:{self.optuna_name}" if self.kind is PrunerKind.OPTUNA else str(self.kind)
