"""The results of unit tests as tables: verdicts under two choices of the learning rate, what tells nothing, and counts.

Shapes as in `analysis.measures.unit_verdicts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
import pandas as pd

from analysis.measures.unit_verdicts import (
    FLAGS,
    VERDICTS,
    Judged,
    Names,
    best_place,
    common_place,
    flags,
    judge,
    reference,
    share_passed,
)
from analysis.record.exhibits.unit_tests import Choice
from analysis.statistics.arrays import Array, Integers, Mask

__all__ = ["CHOICES", "Outcomes", "UnitResults", "unit_results"]

CHOICES: Final = ("each", "one")

Kind = TypeVar("Kind", Array, Names)


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Where the runs of an optimizer end: the values ``[T, L, R]`` at its learning rates ``[L]``."""

    values: Array
    lrs: Array


@dataclass(frozen=True)
class UnitResults:
    """The tables of the exhibit ``unit-tests``, and its two choices of learning rates in numbers."""

    tables: Mapping[str, pd.DataFrame]
    each: Choice
    one: Choice


def unit_results(
    tests: pd.DataFrame, solved: Mask, sgd: Outcomes, outcomes: Mapping[str, Outcomes], order: Sequence[str]
) -> UnitResults:
    """Judge ``outcomes`` by optimizer beside those of ``sgd``.

    ``tests`` has a row a test with its ``test``, ``groups``, ``function`` and value at the ``start``; ``solved [T]``
    says where nothing is lower than that; ``order`` is that of all groups.
    """
    start = tests["start"].to_numpy(dtype=np.float64)
    best = reference(sgd.values, start)
    judged = {name: judge(of.values, start, best.value) for name, of in outcomes.items()}
    counted = best.is_down & ~solved
    parts: dict[str, list[pd.DataFrame]] = {"verdicts": [], "groups": [], "counts": []}
    choices, reasons = {}, {}
    for choice in CHOICES:
        places = {name: _places(choice, of, counted) for name, of in judged.items()}
        verdicts = np.stack([_taken(judged[name].verdict, at) for name, at in places.items()])
        reasons[choice] = flags(verdicts, best.is_down, solved)
        rows = [
            pd.DataFrame(
                {
                    "optimizer": name,
                    "test": tests["test"],
                    "choice": choice,
                    "lr": outcomes[name].lrs[at],
                    "gain": np.where(counted, _taken(judged[name].gain, at), np.nan),
                    "verdict": _taken(judged[name].verdict, at),
                }
            )
            for name, at in places.items()
        ]
        parts["verdicts"] += rows
        parts["groups"].append(_groups(tests, reasons[choice], order).assign(choice=choice))
        parts["counts"].append(_counts(tests, reasons[choice], pd.concat(rows)).assign(choice=choice))
        common = {name: float(outcomes[name].lrs[at[0]]) for name, at in places.items()} if choice == "one" else {}
        choices[choice] = _choice(reasons[choice], dict(zip(outcomes, verdicts, strict=True)), common, tests)
    tables = {
        "tests": tests.assign(best=best.value, best_lr=sgd.lrs[best.place], **reasons),
        **{name: pd.concat(of, ignore_index=True) for name, of in parts.items()},
        "rates": pd.concat([_rates(name, of, outcomes[name].lrs, counted) for name, of in judged.items()]),
    }
    return UnitResults(tables, choices["each"], choices["one"])


def _places(choice: str, judged: Judged, counted: Mask) -> Integers:
    """The place ``[T]`` of the learning rate in every test."""
    own: Integers = best_place(judged).astype(np.int64)
    return own if choice == "each" else np.full_like(own, common_place(judged, counted))


def _taken(of: Kind, places: Integers) -> Kind:
    """The entries ``[T]`` of a table ``[T, L]`` at ``places [T]``."""
    taken: Kind = np.take_along_axis(of, places[:, None], 1)[:, 0]
    return taken


def _memberships(tests: pd.DataFrame) -> pd.DataFrame:
    """A row a test and group: the row of the test in ``tests``, and the ``group``."""
    of = [(row, group) for row, groups in enumerate(tests["groups"]) for group in groups.split(";")]
    return pd.DataFrame(of, columns=["row", "group"])


def _groups(tests: pd.DataFrame, reasons: Names, order: Sequence[str]) -> pd.DataFrame:
    """How many tests of every group, in ``order``, tell nothing, by why, and how many tell."""
    of = _memberships(tests).assign(why=lambda rows: reasons[rows["row"]])
    table = pd.crosstab(of["group"], of["why"]).reindex(columns=[*FLAGS, ""], fill_value=0)
    table = table.rename(columns={"no way down": "no_way_down", "": "telling"})
    table = table.loc[sorted(table.index, key=order.index)]
    table["tests"] = table.sum(axis=1)
    return pd.DataFrame(table.rename_axis(columns=None).reset_index())


def _counts(tests: pd.DataFrame, reasons: Names, verdicts: pd.DataFrame) -> pd.DataFrame:
    """How many telling tests of every group have each verdict, by optimizer; zeros stand there too."""
    of = _memberships(tests)
    of = of[(reasons == "")[of["row"]]].assign(test=lambda rows: tests["test"].to_numpy()[rows["row"]])
    found = of.merge(verdicts[["optimizer", "test", "verdict"]], on="test")
    every = pd.MultiIndex.from_product(
        [verdicts["optimizer"].unique(), of["group"].unique(), [*VERDICTS]], names=["optimizer", "group", "verdict"]
    )
    counted = found.groupby(["optimizer", "group", "verdict"]).size()
    return pd.DataFrame(counted.reindex(every, fill_value=0).rename("tests").reset_index())


def _rates(name: str, judged: Judged, lrs: Array, counted: Mask) -> pd.DataFrame:
    """How many tests with a way down have each verdict at every learning rate."""
    return pd.DataFrame(
        [
            {"optimizer": name, "lr": float(lr), "verdict": verdict, "tests": int((column == verdict).sum())}
            for lr, column in zip(lrs, judged.verdict[counted].T, strict=True)
            for verdict in VERDICTS
        ]
    )


def _choice(reasons: Names, verdicts: Mapping[str, Names], lr: Mapping[str, float], tests: pd.DataFrame) -> Choice:
    telling = reasons == ""
    functions = tests["function"][telling].to_list()
    shares = {name: share_passed(of[telling], functions) for name, of in verdicts.items() if telling.any()}
    return Choice(
        flagged={why: int((reasons == why).sum()) for why in FLAGS},
        telling=int(telling.sum()),
        lr=dict(lr),
        passed={name: share.value for name, share in shares.items()},
        low={name: share.low for name, share in shares.items()},
        high={name: share.high for name, share in shares.items()},
    )
