"""Exhibits: questions a suite answers besides its cells, each by a small experiment of its own. The registry.

`question` says what one is; each of the other modules answers one; `benchmarks.running.jobs` runs them in a suite.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from benchmarks.errors import SuiteError, UnknownNameError, nearest
from benchmarks.exhibits.curvature import Curvature
from benchmarks.exhibits.effective_rates import EffectiveRates
from benchmarks.exhibits.gamma_one import GammaOne
from benchmarks.exhibits.gamma_schedules import GammaSchedules
from benchmarks.exhibits.ladder import Ladder
from benchmarks.exhibits.memory import Memory
from benchmarks.exhibits.memory_laws import MemoryLaws
from benchmarks.exhibits.numbers import Numbers
from benchmarks.exhibits.question import Answer, Question
from benchmarks.exhibits.real_problem import RealProblem
from benchmarks.exhibits.rotation import Rotation
from benchmarks.exhibits.scale_laws import ScaleLaws
from benchmarks.exhibits.schedules_found import SchedulesFound
from benchmarks.exhibits.stall import Stall
from benchmarks.exhibits.tuning_free import TuningFree
from benchmarks.exhibits.unit_tests import UnitTests
from benchmarks.exhibits.variants import Variants

__all__ = ["EXHIBITS", "Answer", "Question", "make_question"]

EXHIBITS: Mapping[str, type[Question]] = {
    kind.name: kind
    for kind in (
        Numbers,
        Memory,
        Stall,
        Variants,
        GammaOne,
        Rotation,
        RealProblem,
        GammaSchedules,
        SchedulesFound,
        Curvature,
        EffectiveRates,
        Ladder,
        TuningFree,
        MemoryLaws,
        ScaleLaws,
        UnitTests,
    )
}
"""Every question by the name of its exhibit."""


def make_question(name: str, options: Mapping[str, Any]) -> Question:
    """The question called ``name`` with ``options`` changed.

    Raises `UnknownNameError` for an unknown name and `SuiteError` for an unknown option or a wrong value.
    """
    if name not in EXHIBITS:
        raise UnknownNameError("exhibit", name, EXHIBITS)
    kind = EXHIBITS[name]
    for option in options:
        if option not in kind.model_fields:
            has = ", ".join(kind.model_fields)
            raise SuiteError(
                f"exhibit {name!r} has no option {option!r}{nearest(option, kind.model_fields)}; it has {has}"
            )
    try:
        return kind.model_validate(dict(options))
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors()
        )
        raise SuiteError(f"exhibit {name!r}: {wrong}") from error
