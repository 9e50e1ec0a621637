"""Benchmark problems: losses over one flat parameter vector, each with its start, floor, data order and fingerprint."""

from problems.analytic import Analytic, ellipse, ellipse_rotated, rosenbrock
from problems.classification import DigitsMLP
from problems.problem import Batch, Problem, ProblemSpec
from problems.quadratic import Quadratic
from problems.regression import Airfoil

__all__ = ["BUILTIN", "Analytic", "Batch", "Problem", "ProblemSpec"]

BUILTIN: tuple[ProblemSpec, ...] = (
    ProblemSpec("ellipse", ellipse, "0.1 x1² + 2 x2² from (-5, -2)", "d2l 12.6-12.8"),
    ProblemSpec("ellipse-rotated", ellipse_rotated, "0.1 (x1 + x2)² + 2 (x1 - x2)² from (-5, -2)", "d2l 12.8, exercise 2"),
    ProblemSpec("rosenbrock", rosenbrock, "100 (x2 - x1²)² + (1 - x1)² from (-1.2, 1)", "Rosenbrock 1960"),
    ProblemSpec("quadratic", Quadratic, "log-spaced spectrum, Gaussian gradient noise", "noisy quadratic model"),
    ProblemSpec("airfoil", Airfoil, "the book's linear regression, batch 10, two epochs", "d2l 12.5; Brooks et al. 1989"),
    ProblemSpec("digits-mlp", DigitsMLP, "64-32-10 tanh network on scikit-learn's digits", "UCI optical digits"),
)
"""Every built-in problem, in the order they are listed."""
