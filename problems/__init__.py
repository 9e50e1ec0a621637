"""Benchmark problems: losses over one flat parameter vector, each with its start, floor, data order and fingerprint."""

from problems import analytic, classification, quadratic, regression
from problems.analytic import Analytic
from problems.problem import Batch, Problem, ProblemSpec

__all__ = ["BUILTIN", "Analytic", "Batch", "Problem", "ProblemSpec"]

BUILTIN: tuple[ProblemSpec, ...] = (
    *analytic.SPECS,
    *quadratic.SPECS,
    *regression.SPECS,
    *classification.SPECS,
)
"""Every built-in problem, in the order they are listed."""
