"""What the page says of methods without tuning, from tables made by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from analysis.answers.tuning_free import regret_panel, tuning_free_reading
from analysis.figures.style import drawing
from analysis.measures.tuning_free import shares_of
from analysis.record.exhibits.tuning_free import TuningFreeFacts

FACTS = TuningFreeFacts(("a", "b", "c"), dict.fromkeys("abc", "gap"), ("discus",), ("adam",), {"adam": 192}, 2, 10, 100)
METHODS = {
    "prodigy": ("rule", [3.0, 1.5, 10.0], 0),
    "adam, range test: valley": ("range test", [1.2, 8.0, math.inf], 4),
}
METHODS |= {"adam, its defaults": ("defaults", [50.0, 20.0, 0.5], 0)}
REGRETS = pd.DataFrame(
    [
        {
            "problem": problem,
            "method": name,
            "kind": kind,
            "optimizer": name.split(",")[0],
            "order": order,
            "regret": regret,
            "diverged": lost * (regret == math.inf),
            "silent": int(lost > 0 and problem == "a"),
        }
        for order, (name, (kind, regrets, lost)) in enumerate(METHODS.items())
        for problem, regret in zip("abc", regrets, strict=True)
    ]
)
RATES = pd.DataFrame({"suggestion": ["valley"] * 3, "lr": [0.01, 0.02, math.nan], "best_lr": [0.02, 0.02, 0.02]})


def shares() -> pd.DataFrame:
    kinds = REGRETS.drop_duplicates("method").set_index("method")
    table = shares_of(REGRETS)
    return table.assign(**{key: table["method"].map(kinds[key]) for key in ("kind", "optimizer")})


def test_the_lowest_method_the_range_tests_and_those_that_diverge_are_named() -> None:
    best, tests, lost, silent, without = tuning_free_reading(REGRETS, shares(), RATES, FACTS)
    assert best.startswith("Without tuning, prodigy ends lowest: at 3 [1.5, 10] times the gap")
    assert "within 2 times of it on 1" in best
    assert best.endswith("would end at 1.2 times.")  # the median of 1.2, 1.5 and 0.5
    assert "that of adam: valley does best, 8 [1.2, ∞] times; the defaults of adam are at 20 [0.5, 50] times" in tests
    assert tests.endswith("in the median: valley 0.75.")
    assert lost == "Diverged: adam, range test: valley (on 1 of 3)."
    assert silent == "1 run had no learning rate, for the range test ended too soon to suggest one."
    assert without.startswith("On discus every point of the landscapes diverged")


@pytest.mark.slow
def test_a_panel_marks_every_problem_and_crosses_out_what_is_lost() -> None:
    with drawing():
        axes = regret_panel(REGRETS).axes[0]
    marks = {kind: sum(len(line.get_xdata()) for line in axes.lines if line.get_marker() == kind) for kind in "o^sx"}
    assert marks == {"o": 3, "^": 2, "s": 3, "x": 1}
    assert axes.get_xscale() == "log"
