"""How the best learning rate changes with batch size, horizon and width."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from analysis.record.exhibits.schema import OPTIMIZER, ExhibitSchema, Facts

__all__ = ["SCALE_LAWS", "ScaleLawsFacts"]


@dataclass(frozen=True)
class ScaleLawsFacts(Facts):
    """The facts of the exhibit ``scale-laws``."""

    problems: tuple[str, ...]
    """Problems, as called."""
    optimizers: tuple[str, ...]
    """Optimizers, as called."""
    seeds: int
    """Seeds of every point."""
    steps: int
    """The longest horizon."""
    exact: int
    """Places whose exact best learning rate is known in closed form."""
    exact_inside: int
    """Of those, the places whose interval holds it."""
    without: Mapping[str, tuple[str, ...]]
    """``{problem: sweeps that it cannot answer}``, having no such parameter; problems that answer all are left out."""


PROBLEM: Final = "name of the problem, as called"
SWEEP: Final = "what grows: batch at equal steps | batch at equal samples | horizon | width"
KIND: Final = "standard | mup | mup-sgd: the parametrization of the network; standard where the problem has no other"

SCALE_LAWS: Final = ExhibitSchema(
    name="scale-laws",
    question="How should the learning rate change with batch size, horizon and width?",
    tables={
        "curves": {
            "problem": PROBLEM,
            "optimizer": OPTIMIZER,
            "sweep": SWEEP,
            "parametrization": KIND,
            "x": "batch size, horizon or width",
            "steps": "updates made",
            "lr": "learning rate",
            "gap": "mean gap over the seeds; mean loss where no floor is known; inf where a seed diverged",
            "diverged": "seeds that diverged",
            "seeds": "number of seeds",
        },
        "best": {
            "problem": PROBLEM,
            "optimizer": OPTIMIZER,
            "sweep": SWEEP,
            "parametrization": KIND,
            "x": "batch size, horizon or width",
            "steps": "updates made",
            "lr": "learning rate of the lowest mean gap, read between grid points",
            "low": "low end of its 90% interval over resampled seeds",
            "high": "high end",
            "edge": "share of resamples whose best grid point is an end of the grid; censored above one half",
            "gap": "lowest mean gap",
            "law": "learning rate of the law nearest over batches, else of the power law; NaN without a fit",
            "exact": "best learning rate in closed form; NaN where none is known",
        },
        "fits": {
            "problem": PROBLEM,
            "optimizer": OPTIMIZER,
            "sweep": SWEEP,
            "parametrization": KIND,
            "exponent": "of the best learning rate; NaN where fewer than three places lie within the grid",
            "low": "low end of its 90% interval over resampled seeds",
            "high": "high end",
            "misfit": "how far the places lie from the power law, root mean square, in decades",
            "used": "places the exponent rests on",
            "censored": "places at an end of the grid, left out",
            "verdict": "law inside the interval of the exponent; over batches, that chosen in 90% of resamples",
            "law": "over batches, the law nearest by Akaike's criterion; else empty",
            "noise_scale": "its batch size N, where it has one",
            "law_misfit": "how far the places lie from it, in decades",
            "seeds": "number of seeds",
        },
        "laws": {
            "problem": PROBLEM,
            "optimizer": OPTIMIZER,
            "sweep": SWEEP,
            "law": "constant | square root | linear | critical batch | surge",
            "share": "share of the resamples in which it is the nearest",
        },
    },
    facts=ScaleLawsFacts,
)
