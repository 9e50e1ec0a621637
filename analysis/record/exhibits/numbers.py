"""Every number printed in the book's chapter beside ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from analysis.record.exhibits.schema import OPTIMIZER, SPREAD, ExhibitSchema, Facts

__all__ = ["NUMBERS", "NumbersFacts"]


@dataclass(frozen=True)
class NumbersFacts(Facts):
    """The facts of the exhibit ``numbers``."""

    numbers: int
    """How many numbers the book prints: rows of the table."""
    exact: int
    """How many of them come out exactly."""
    inside: int
    """How many lie in our 90% range."""
    differs: int
    """How many do neither."""
    seeds: int
    """Seeds of a regression run."""
    floor: float
    """Lowest loss of the regression."""
    start_loss: float
    """Its loss at weights 0."""
    limit_lr: float
    """2 / its largest eigenvalue: the learning rate from which on descent diverges."""
    data: str
    """surrogate | file: what the regressions among ``numbers`` rest on."""
    has_file: bool
    """Whether the real file was at hand too."""
    largest_shift: float | None
    """Largest abs(difference of means) surrogate - file over all runs; None without the file."""
    shift_errors: float | None
    """That difference in standard errors; None without the file."""
    clearest_shift: float | None
    """abs(difference of means) of the run where it is most standard errors; None without the file."""
    clearest_errors: float | None
    """That difference in standard errors; None without the file."""
    clearest_run: str | None
    """The name of that run; None without the file."""


NUMBERS: Final = ExhibitSchema(
    name="numbers",
    page="chapter",
    question="Do the numbers printed in the book come out again?",
    tables={
        "numbers": {
            "run": "name of the run: equal for the numbers of one run; joins `outcomes`",
            "section": "section of the book, as 12.8",
            "title": "what is run, in words",
            "optimizer": OPTIMIZER,
            "problem": "registered name of the problem",
            "setting": "hyperparameters, batch and budget, in words",
            "quantity": "x | x1 | x2 | loss: what is printed",
            "edition": "whose printout: all (every edition the same) | newest | older | names of libraries",
            "printed": "the book's number",
            "digits": "its number of decimals",
            "stored_low": "lowest printout of all editions of the book; NaN where they agree or are not known",
            "stored_high": "highest of them",
            "kind": "exact (deterministic) | distribution (the book's is one random draw)",
            "data": "none | surrogate | file: what a regression was trained on",
            "ours": "our number: the value, or the median over seeds",
            "low": "5% quantile over seeds; NaN where exact",
            "high": "95% quantile over seeds; NaN where exact",
            "mean": "mean over seeds",
            "deviation": "standard deviation over seeds; 0 where exact",
            "seeds": "number of seeds; 1 where exact",
            "place": "share of our seeds that end below the book's number (ties count half); NaN where exact",
            "verdict": "exact (same to the printed digits) | inside (the 90% range) | differs",
            "reason": "why it differs, in words; empty otherwise",
        },
        "outcomes": {
            "run": "as in numbers",
            "quantity": "as in numbers",
            "data": "as in numbers",
            "seed": "seed",
            "value": "where this seed ended; NaN where it diverged",
        },
        "data_sets": {"run": "as in numbers", "data": "surrogate | file", **SPREAD},
    },
    facts=NumbersFacts,
)
