"""Benchmark problems: losses over one flat parameter vector, each with its start, floor, data order and fingerprint."""

from problems import (
    autoencoder,
    bbob,
    chapter,
    classic,
    classification,
    diamonds,
    digits_convnet,
    factorization,
    flights,
    glm,
    least_squares,
    lenet,
    logistic,
    online,
    photographs,
    quadratic,
    quadratic_deep,
    regression,
    resnet,
    scalable,
    sequence,
    text,
    unit_tests,
)
from problems.analytic import Analytic
from problems.problem import Batch, DataError, Facts, Problem, ProblemSpec

__all__ = ["BUILTIN", "Analytic", "Batch", "DataError", "Facts", "Problem", "ProblemSpec"]

BUILTIN: tuple[ProblemSpec, ...] = (
    *chapter.SPECS,
    *classic.SPECS,
    *scalable.SPECS,
    *bbob.SPECS,
    *least_squares.SPECS,
    *quadratic.SPECS,
    *quadratic_deep.SPECS,
    *unit_tests.SPECS,
    *online.SPECS,
    *regression.SPECS,
    *logistic.SPECS,
    *glm.SPECS,
    *classification.SPECS,
    *factorization.SPECS,
    *autoencoder.SPECS,
    *lenet.SPECS,
    *sequence.SPECS,
    *digits_convnet.SPECS,
    *diamonds.SPECS,
    *flights.SPECS,
    *photographs.SPECS,
    *text.SPECS,
    *resnet.SPECS,
)
"""Every built-in problem, in the order they are listed."""
