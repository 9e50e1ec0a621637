"""Before hours are spent: how much it takes for a suite to tell its optimizers apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from analysis.measures.paired_tests import FEWEST_STUDIES, resolved, seeds_to_decide
from analysis.words import number
from benchmarks.suite.suite import CellPlan

__all__ = ["what_decides"]

LARGE: Final = 2.0  # standard deviations among studies: a difference that one would call large
MOST: Final = 200


def what_decides(plans: Sequence[CellPlan]) -> str:
    """What the studies and test seeds of ``plans`` can tell apart on one problem, and what it would take, in words.

    Each contender of a problem is tested against the best, so that more contenders take more; the largest field and the
    smallest budget count. Empty where nothing is compared.
    """
    field = max(Counter(plan.problem for plan in plans).values(), default=0)
    tests = field - 1
    if tests < 1:
        return ""
    seeds = min(len(plan.test.seeds) for plan in plans)
    studies = min(plan.tuning.studies if plan.tuning.enabled else 0 for plan in plans)
    if studies == 0:
        return _of_seeds("the defaults", seeds, tests, field)
    if studies == 1:
        found = _of_seeds("the setting that one study found", seeds, tests, field)
        return f"{found} Optimizers are told apart from {FEWEST_STUDIES} studies on (tuning.studies)."
    if studies < FEWEST_STUDIES:
        return f"{studies} studies a cell tell no optimizers apart: that takes {FEWEST_STUDIES} (tuning.studies)."
    enough = next((count for count in range(studies, MOST) if resolved(count, tests) <= LARGE), MOST)
    more = "" if enough == studies else f"; {enough} studies would find {number(LARGE, 2)} (tuning.studies)"
    return (
        f"{studies} studies a cell tell an optimizer from the best of {field}, 4 times in 5, where they differ by "
        f"{number(resolved(studies, tests), 2)} standard deviations among studies{more}."
    )


def _of_seeds(what: str, seeds: int, tests: int, field: int) -> str:
    needed = seeds_to_decide(tests)
    enough = "are enough" if seeds >= needed else f"cannot decide at 5%: that takes {needed} (test.seeds)"
    return f"Of {what}, {seeds} test seeds {enough} to tell one from the best of {field} by a signed-rank test."
